"""One TIFF file of another program: its images with the facts about each, and their pixels.

TIFF and BigTIFF of either byte order, in strips or tiles, planar or not, compressed or not; ImageJ and OME-TIFF,
MetaMorph's STK, and the stacks of Micro-Manager. A damaged page is left out and named; the others are read.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hcc_scope.datasets.decoders import decoded
from hcc_scope.datasets.header import COPY_AGAIN
from hcc_scope.datasets.tiff_pages import COMPANION, chain_of, load_tifffile, page_size_yx_um, unit_um
from hcc_scope.errors import ImageError
from hcc_scope.imports.described import Described, Found, as_found, listed
from hcc_scope.imports.facts import Facts, plain
from hcc_scope.imports.micromanager_stack import layout_of_stack
from hcc_scope.imports.tiff_axes import layout_of
from hcc_scope.imports.tiff_pixels import pixel_kind, pixels_behind, pixels_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiff_pages import Chain
    from hcc_scope.imports.tiff_axes import Layout, Slot
    from hcc_scope.imports.tiff_pixels import PixelKind
    from hcc_scope.types import TagValue

__all__ = ["TiffPlace", "describe_tiff", "read_tiff"]

_TEXT_TAGS = {
    305: "Software",
    306: "DateTime",
    271: "Make",
    272: "Model",
    315: "Artist",
    316: "HostComputer",
    270: "ImageDescription",
}
_IMAGEJ_LISTS = frozenset({"ImageJ", "Labels", "LUTs", "Ranges", "Overlays", "ROI", "Plot", "Properties"})
"""Of ImageJ's metadata: what concerns the display, or is no single value."""
_ORIENTATION, _TOP_LEFT = 274, 1


class TiffPlace(NamedTuple):
    """Where the pixels of a plane lie in its file."""

    page: int
    sample: int
    """Of a page with several grey images."""
    behind: bool
    """Whether it has no page of its own, and lies behind the first one's pixels."""


def describe_tiff(path: Path) -> Described:
    """Return the images of a TIFF, without reading their pixels.

    Raises
    ------
    ImageError
        If it is no TIFF that can be walked through, or has no image that can be read.
    """
    return decoded(path, "cannot be read as a TIFF", lambda: _describe(path))


def _describe(path: Path) -> Described:
    chain = chain_of(path)
    if chain.n == 0:
        raise ImageError(f"{path} {chain.broken or 'has no page'}", hint=COPY_AGAIN)
    with load_tifffile().TiffFile(path) as file:
        layout = layout_of_stack(path, file, chain) or layout_of(path, file, chain)
        described = Described(_format(file, layout), channel_names=layout.channel_names, others=layout.others)
        if chain.broken is not None:
            described.problems.append(f"{path.name} {chain.broken}; what it holds before that is read")
        described.problems += layout.problems
        common = _file_tags(file)
        left_out: list[tuple[int, ImageError]] = []
        for slot in layout.slots:
            try:
                where = f"{path}, page {slot.page}"
                read = partial(_planes, path, file, chain, layout, slot, common)
                described.add(decoded(where, "cannot be read", read))
            except ImageError as error:
                left_out.append((slot.page, error))
        if left_out and not described.found:
            raise left_out[0][1]
        described.problems += listed([(f"page {page} of {path.name}", error) for page, error in left_out])
    if not described.found:
        raise ImageError(f"{path} has no image but smaller copies and masks of others", hint=COPY_AGAIN)
    return described


def _format(file: Any, layout: Layout) -> str:  # noqa: ANN401
    return layout.format if layout.format != "TIFF" or not file.is_bigtiff else "BigTIFF"


def _planes(
    path: Path,
    file: Any,  # noqa: ANN401
    chain: Chain,
    layout: Layout,
    slot: Slot,
    common: dict[str, TagValue],
) -> list[Found]:
    """Return the planes of one page; none of a smaller copy or a mask."""
    behind = slot.page >= chain.n
    page = file.pages[0 if behind else slot.page].aspage()
    if not behind and int(page.subfiletype) & COMPANION:
        return []
    kind = pixel_kind(f"{path}, page {slot.page}", file, page)
    facts = slot.facts or Facts(tags={})
    tags: dict[str, TagValue] = {**common, **_page_tags(file, page), **_stored_tags(kind), **facts["tags"]}
    facts = {**facts, "tags": tags}
    if facts.get("pixel_size_yx_um") is None:
        facts["pixel_size_yx_um"] = page_size_yx_um(file, page)
    depth = kind.bit_depth
    if depth is not None and slot.significant_bits is not None and 8 <= slot.significant_bits < depth:
        depth = slot.significant_bits
    return [
        as_found(
            path,
            TiffPlace(slot.page, sample, behind),
            f"{path.name}, page {slot.page}" if len(layout.slots) > 1 else path.name,
            slot.series,
            facts,
            shape_yx=kind.shape_yx,
            dtype=kind.dtype,
            bit_depth=depth,
            colour=kind.colour,
            channel=slot.within.channel * kind.channels + sample,
            z=slot.within.z,
            time=slot.within.time,
        )
        for sample in range(kind.channels)
    ]


def read_tiff(path: Path, file: Any, place: TiffPlace) -> NDArray[Any]:  # noqa: ANN401
    """Return the pixels of one plane of an open file: (y, x), or (y, x, 3) in colour.

    Raises
    ------
    ImageError
        If it is damaged.
    """
    where = f"{path}, page {place.page}"

    def read() -> NDArray[Any]:
        page = file.pages[0 if place.behind else place.page].aspage()
        kind = pixel_kind(where, file, page)
        if place.behind:
            return pixels_behind(where, file, page, kind, place.page)
        return pixels_of(where, file, page, kind, place.sample)

    return decoded(where, "cannot be decoded", read)


# ---- what the tags state --------------------------------------------------------------------------------------------


def _file_tags(file: Any) -> dict[str, TagValue]:  # noqa: ANN401
    """Return what concerns all images of a file."""
    known = (file.imagej_metadata or {}) if file.is_imagej else {}
    return {
        f"ImageJ.{key}": plain(value)
        for key, value in known.items()
        if key not in _IMAGEJ_LISTS and not (key == "Info" and str(value).startswith("{"))
    }


def _page_tags(file: Any, page: Any) -> dict[str, TagValue]:  # noqa: ANN401
    tags: dict[str, TagValue] = {}
    for code, name in _TEXT_TAGS.items():
        value = page.tags.valueof(code)
        if isinstance(value, str) and value.strip() and not _is_format(value):
            tags[name] = plain(value)
    orientation = page.tags.valueof(_ORIENTATION, default=_TOP_LEFT)
    if orientation != _TOP_LEFT:
        tags["Orientation"] = plain(int(orientation))
    um = unit_um(file, page)
    for code, per_unit_code, name in ((286, 282, "XPosition_um"), (287, 283, "YPosition_um")):
        position = page.tags.valueof(code)
        if um is not None and page.tags.valueof(per_unit_code) and isinstance(position, tuple) and position[1]:
            tags[name] = um * position[0] / position[1]
    return tags


def _is_format(description: str) -> bool:
    """Return whether a description is one of the formats that are read by themselves."""
    start = description.lstrip()[:200]
    return start.startswith(("ImageJ=", "SCIFIO=", "{")) or "<OME" in start or "openmicroscopy.org" in start


def _stored_tags(kind: PixelKind) -> dict[str, TagValue]:
    """Return what was done to the stored numbers."""
    tags: dict[str, TagValue] = {}
    if kind.stored != kind.dtype or kind.zero:
        tags |= {"stored_as": kind.stored, "stored_zero": kind.zero}
    if kind.inverted:
        tags["stored_white"] = 0
    return tags

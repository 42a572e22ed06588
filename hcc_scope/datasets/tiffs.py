"""TIFF files of other programs, grey or in colour: which images they hold, their metadata, their pixels.

tifffile decodes. Looked at here first is what it lets pass: images that lie behind one page without pages of their own
(ImageJ beyond 4 GB, MetaMorph's STK, truncated series), and pages that are channels or focal planes of one field.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.colour import to_counts
from hcc_scope.datasets.header import (
    CAMERA_KINDS,
    COLOUR_HINT,
    COPY_AGAIN,
    FLATTEN_HINT,
    GREY_HINT,
    Header,
)
from hcc_scope.datasets.ome import OmeXml, read_ome
from hcc_scope.datasets.tiff_pages import (
    COMPANION,
    DECODED_TO_RGB,
    PLANES_APART,
    Chain,
    chain_of,
    first_lies_alone,
    lie_behind,
    load_tifffile,
    page_size_yx_um,
    refuse_other_sizes_within,
    require_whole,
)
from hcc_scope.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.colour import ColourConversion

__all__ = ["is_focus_series", "tiff_headers", "tiff_ome", "tiff_pixels"]

_STACKS = {"C": "channels", "Z": "focal planes"}
_CHOOSE = "Name the page to use in the manifest's column page (from 0), or split the file."
_OVER_FILES = frozenset({"ndtiff", "mmstack"})
"""Series of tifffile that include the other files of one acquisition, each of which is listed by itself."""

# ---- headers --------------------------------------------------------------------------------------------------------


def tiff_headers(path: Path, page: int | None, colour: ColourConversion | None = None) -> list[Header]:
    """Return the images of a TIFF.

    Parameters
    ----------
    path : Path
        Of the file.
    page : int, optional
        This one alone; every one by default, but for the reduced copies and masks that other pages have.
    colour : str, optional
        How its colour images become grey (`hcc_scope.colour`); None: they are grey.

    Raises
    ------
    ImageError
        If it holds no such image, other things than single fields (grey or, with a conversion, in colour), or not all
        that it claims.
    """
    broken = _chain(path).broken
    if broken is not None and page is None:
        raise ImageError(f"{path} {broken}", hint=COPY_AGAIN)
    with load_tifffile().TiffFile(path) as file:
        n = len(file.pages)
        if n == 0:
            raise ImageError(f"{path} has no page", hint=COPY_AGAIN)
        ome = read_ome(file.ome_metadata, path.name) if file.is_ome else None
        if page is not None:
            return [_one_page(path, file, page, ome, colour)]
        first = file.pages[0].aspage()
        if first.ndim != 2 or colour is not None:
            _header(path, 0, file, first, colour=colour)  # of another kind, or a volume: reports it
        claimed = _claimed(path, file, ome)
        if claimed > n:
            planes = _planes(path, file, claimed)
            return [_header(path, i, file, planes, ome, colour) for i in range(claimed)]
        # a series that was looked at keeps its pages as frames, which know no subfile type
        pages = [(i, file.pages[i].aspage()) for i in range(n)]
        images = [(i, one) for i, one in pages if not int(one.subfiletype) & COMPANION]
        _refuse_what_lies_behind(path, file, pages)
        _refuse_reduced(path, images)
        return [_header(path, i, file, one, ome, colour) for i, one in images or pages]


def tiff_ome(path: Path) -> OmeXml | None:
    """Return the facts in the OME-XML of a TIFF; None if it has none.

    Raises
    ------
    ImageError
        If it is no TIFF that can be walked through.
    """
    _chain(path)
    with load_tifffile().TiffFile(path) as file:
        return read_ome(file.ome_metadata, path.name) if file.is_ome else None


def tiff_pixels(path: Path, index: int, colour: ColourConversion | None = None) -> NDArray[np.uint16]:
    """Return the counts (y, x) of one image; white stored as 0 is turned round, colour is converted.

    Raises
    ------
    ImageError
        As `tiff_headers`, and if it cannot be decoded.
    """
    n = _chain(path).n
    with load_tifffile().TiffFile(path) as file:
        if index < n:
            page = file.pages[index].aspage()
            bits = _header(path, index, file, page, colour=colour).bit_depth
            refuse_other_sizes_within(f"{path}, page {index}", file, page)
            decoded = page.asarray(maxworkers=1)
            if colour is not None:
                return _grey(decoded, page, colour)
            pixels = np.ascontiguousarray(decoded, dtype=np.uint16)
        else:
            page = _planes(path, file, index + 1)
            bits = _header(path, index, file, page, colour=colour).bit_depth
            offset, shape = page.dataoffsets[0] + index * page.nbytes, page.shape
            stored = np.fromfile(path, page.dtype.newbyteorder(file.byteorder), math.prod(shape), offset=offset)
            if colour is not None:
                return _grey(stored.reshape(shape), page, colour)
            pixels = stored.reshape(shape).astype(np.uint16)
        if page.photometric is not None and page.photometric.name == "MINISWHITE":
            np.subtract(np.uint16(2**bits - 1), pixels, out=pixels)  # stored with white as 0
        return pixels


def _grey(pixels: NDArray[Any], page: Any, colour: ColourConversion) -> NDArray[np.uint16]:  # noqa: ANN401
    """Return decoded colour as counts; TIFF has red, green and blue side by side, or one plane after the other."""
    last = np.moveaxis(pixels, 0, -1) if int(page.planarconfig) == PLANES_APART else pixels
    return to_counts(last.astype(last.dtype.newbyteorder("="), copy=False), colour)


def _one_page(
    path: Path,
    file: Any,  # noqa: ANN401
    index: int,
    ome: OmeXml | None,
    colour: ColourConversion | None,
) -> Header:
    n = len(file.pages)
    if index < n:
        return _header(path, index, file, file.pages[index].aspage(), ome, colour)
    n = max(n, _claimed(path, file, ome, stacks=True))
    if index >= n:
        raise ImageError(f"{path} has no page {index}: its pages are 0 to {n - 1}")
    return _header(path, index, file, _planes(path, file, n, needed=index + 1), ome, colour)


def _header(
    path: Path,
    index: int,
    file: Any,  # noqa: ANN401
    page: Any,  # noqa: ANN401
    ome: OmeXml | None = None,
    colour: ColourConversion | None = None,
) -> Header:
    where = f"{path}, page {index}"
    bits = page.bitspersample
    samples = _samples(where, page, colour)
    if page.dtype is None or page.dtype.kind != "u" or not isinstance(bits, int) or not 8 <= bits <= 16:
        raise ImageError(
            f"{where} holds {page.dtype or 'unknown numbers'} of {bits} bits, not counts", hint=CAMERA_KINDS
        )
    if page.ndim != (2 if samples == 1 else 3):
        of_pixel = samples > 1
        raise ImageError(f"{where} has {page.ndim - of_pixel} dimensions, not 2", hint=CAMERA_KINDS)
    shape_yx = require_whole(where, file, page, bits, samples)
    size_yx_um = None if ome is None else ome.pixel_size_yx_um
    return Header(
        index=index,
        shape_yx=shape_yx,
        bit_depth=bits,
        pixel_size_yx_um=size_yx_um or page_size_yx_um(file, page),
        significant_bits=None if ome is None else ome.significant_bits,
    )


def _samples(where: str, page: Any, colour: ColourConversion | None) -> int:  # noqa: ANN401
    """Return how many numbers a pixel has: 1, or 3 of an image that is to be converted.

    Raises
    ------
    ImageError
        If it is of another kind than is asked for.
    """
    photometric = page.photometric.name if page.photometric is not None else "MINISBLACK"
    samples = int(page.samplesperpixel)
    if samples == 1 and photometric in {"MINISBLACK", "MINISWHITE"}:
        if colour is not None:
            raise ImageError(f"{where} is grey, so it cannot be converted by {colour}", hint=GREY_HINT)
        return 1
    in_colour = photometric == "RGB" or (photometric == "YCBCR" and int(page.compression) in DECODED_TO_RGB)
    if in_colour and samples == 3 and colour is not None:
        return samples
    kind = "a palette of colours" if photometric == "PALETTE" else f"{samples} samples a pixel"
    hint = CAMERA_KINDS
    if in_colour:
        hint = COLOUR_HINT if samples == 3 else FLATTEN_HINT
    wanted = "grey" if colour is None or not in_colour else "red, green and blue alone"
    raise ImageError(f"{where} is not {wanted}: it has {kind} ({photometric})", hint=hint)


# ---- images behind one page -----------------------------------------------------------------------------------------


def _claimed(path: Path, file: Any, ome: OmeXml | None, *, stacks: bool = False) -> int:  # noqa: ANN401
    """Return how many images a file claims to hold; refuse channels and focal planes unless `stacks`."""
    if ome is not None:
        axes = {"C": ome.channels, "Z": ome.focal_planes}
        # of a file that was never finished, or whose others are missing, what is there is counted
        n = ome.planes_here if ome.planes_here is not None and lie_behind(file, ome.planes_here) else 0
        stacks = stacks or max(n, len(file.pages)) == 1  # one channel of several files
    elif file.is_stk and (known := file.stk_metadata) is not None:
        n = int(known["NumberPlanes"])
        axes = {"Z": n if is_focus_series(known) else 1}
    elif file.is_imagej and not file.is_shaped:
        known = file.imagej_metadata or {}
        axes = {"C": _count(known, "channels"), "Z": _count(known, "slices")}
        n = max(_count(known, "images"), axes["C"] * axes["Z"] * _count(known, "frames"))
    else:
        axes, n = {}, 0
        for series in file.series:
            for axis, length in zip(series.axes, series.shape, strict=True):
                axes[axis] = max(axes.get(axis, 1), int(length))
            if series.kind not in _OVER_FILES:
                n += math.prod(series.shape) // max(1, math.prod(series.keyframe.shape))
    for axis, name in _STACKS.items():
        if not stacks and axes.get(axis, 1) > 1:
            raise ImageError(
                f"{path} is a stack of {axes[axis]} {name}, whose pages are no fields of their own", hint=_CHOOSE
            )
    return n


def _count(known: dict[str, Any], name: str) -> int:
    value = known.get(name, 1)
    return value if isinstance(value, int) and value > 0 else 1


def is_focus_series(stk: dict[str, Any]) -> bool:
    """Return whether MetaMorph's planes are focal planes: by their heights, else by whether time passed."""
    heights = stk.get("AbsoluteZ")
    if heights is not None:
        return len(np.unique(np.asarray(heights))) > 1
    distances, times = (np.asarray(stk.get(name, ())) for name in ("ZDistance", "TimeCreated"))
    return bool(distances.any()) and len(np.unique(times)) < len(times)


def _planes(path: Path, file: Any, n: int, needed: int | None = None) -> Any:  # noqa: ANN401
    """Return the one page behind which `n` images lie, or the first `needed` of them.

    Raises
    ------
    ImageError
        If they do not lie where they are known to lie.
    """
    n_pages = len(file.pages)
    page = file.pages[0].aspage()
    what = f"{path} claims to hold {n} images, but has {n_pages} page{'s' * (n_pages != 1)}"
    hint = "Save each image as its own page or file"
    hint += ", or name the page to use in the manifest's column page." if needed is None else "."
    if first_lies_alone(file, page) and page.bitspersample in {8, 16}:
        if lie_behind(file, n if needed is None else needed):
            return page
        if needed is not None:
            raise ImageError(f"{what} and ends before page {needed - 1} does", hint=COPY_AGAIN)
        raise ImageError(f"{what} and ends before the others do", hint=hint)
    raise ImageError(what, hint=hint)


def _refuse_what_lies_behind(path: Path, file: Any, pages: list[tuple[int, Any]]) -> None:  # noqa: ANN401
    """Refuse one page behind which there is room for more images than it has, whatever wrote them."""
    page = pages[0][1]
    if len(pages) > 1 or page.subifds or not page.is_contiguous:
        return
    known = sum(page.databytecounts) + sum(tag.valuebytecount for tag in page.tags)
    behind = file.filehandle.size - known
    if behind >= page.nbytes:
        raise ImageError(
            f"{path} has one page, but {behind} bytes more than that, room for {behind // page.nbytes} other "
            f"image{'s' * (behind >= 2 * page.nbytes)}",
            hint="Save each image as its own page or file; if there is one alone, write 0 in the column page.",
        )


def _refuse_reduced(path: Path, images: list[tuple[int, Any]]) -> None:
    """Refuse pages that look like smaller copies of another, as of a pyramid, but are not marked as such."""
    flat = [
        (i, (int(page.imagelength), int(page.imagewidth)))
        for i, page in images
        if page.ndim == 2 or page.samplesperpixel > 1
    ]
    if not flat:
        return
    largest_at, (full_height, full_width) = max(flat, key=lambda one: math.prod(one[1]))
    for index, (height, width) in flat:
        if height and width and 2 * height <= full_height + 1 and abs(full_width / full_height * height - width) <= 1:
            raise ImageError(
                f"{path}, page {index} ({height} x {width} px) looks like a smaller copy of page {largest_at} "
                f"({full_height} x {full_width} px), but is not marked as one",
                hint=f"Write {largest_at} in the manifest's column page, or save each image in its own file.",
            )


# ---- pages ----------------------------------------------------------------------------------------------------------


def _chain(path: Path) -> Chain:
    """Follow a TIFF's chain of pages; raises `ImageError` if it runs in a circle."""
    chain = chain_of(path)
    if chain.circular:
        raise ImageError(f"{path} {chain.broken}", hint=COPY_AGAIN)
    return chain

"""What the pages of a TIFF are to each other: channels, focal planes, points in time, images of their own.

Each function returns where every page belongs, in the order of the file. Pages of which no one states it are counted
along time, so that whoever imports them has to say that all are wanted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hcc_scope.datasets.tiff_pages import MOST_PAGES, lie_behind, room_behind
from hcc_scope.datasets.tiffs import is_focus_series
from hcc_scope.errors import ImageError
from hcc_scope.formatting import counted
from hcc_scope.imports.facts import Facts
from hcc_scope.imports.micromanager_tags import facts_of
from hcc_scope.imports.ome_planes import Within, companion_of, own_uuid, read_ome_images
from hcc_scope.imports.salvaged_json import entries_of
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

    from hcc_scope.datasets.tiff_pages import Chain

__all__ = ["Layout", "Slot", "layout_of", "layout_of_ome"]

_CHANNELS, _TIMES, _SERIES = "CE", "T", "RPM"
"""Axes of tifffile: channel and wavelength; region, position and mosaic."""
_LARGEST_COMPANION_BYTES = 1 << 26


class Slot(NamedTuple):
    """Where a page belongs."""

    page: int
    """Beyond the last page: it lies behind the first one, without a page of its own."""
    series: Hashable
    """Pages of equal value belong to one image, position or field."""
    within: Within = Within()
    facts: Facts | None = None
    significant_bits: int | None = None


@dataclass
class Layout:
    """Where the pages of a file belong."""

    format: str
    slots: list[Slot] = field(default_factory=list)
    channel_names: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    """Names of the other files that hold images of the same dataset."""


def layout_of(path: Path, file: Any, chain: Chain) -> Layout:  # noqa: ANN401
    """Return what the pages of a TIFF are to each other, by whatever the file states about it.

    Parameters
    ----------
    path : Path
        Of the file.
    file : tifffile.TiffFile
    chain : Chain
        Of its pages.
    """
    if file.is_ome:
        layout = layout_of_ome(path, file, chain, file.ome_metadata)
        if layout is not None:
            return layout
        plain = _plain(path, chain, "OME-TIFF")
        companion = companion_of(file.ome_metadata)
        lost = "cannot be read"
        if companion is not None:
            lost = f"belongs in {companion[:200]}, which is missing beside it or cannot be read"
        plain.problems.append(f"{path.name}: its OME-XML {lost}, and its pages are counted along time")
        return plain
    if file.is_imagej and not file.is_shaped:
        return _imagej(path, file, chain)
    if file.is_stk and (known := file.stk_metadata) is not None:
        return _metamorph(path, file, chain, known)
    name = "Zeiss LSM" if file.is_lsm else "TIFF"
    if chain.broken is None:
        layout = _by_series(path, file, chain, name)
        if layout is not None:
            return layout
    return _plain(path, chain, name)


def _behind(path: Path, file: Any, chain: Chain, claimed: int) -> int:  # noqa: ANN401
    """Return how many of the claimed images lie behind the one page that a file has."""
    n = min(claimed, room_behind(file, chain))
    if n > MOST_PAGES:
        raise ImageError(f"{path} has more than {MOST_PAGES} images", hint="Split it.")
    return n


def _plain(path: Path, chain: Chain, name: str) -> Layout:
    return Layout(name, [Slot(i, path, Within(time=i)) for i in range(chain.n)])


# ---- OME-TIFF -------------------------------------------------------------------------------------------------------


def layout_of_ome(path: Path, file: Any, chain: Chain, xml: str | None) -> Layout | None:  # noqa: ANN401
    """Return where pages belong by OME-XML; None if there is none that can be read.

    Only this file's own pages are listed: the XML may describe several files, each of which has its turn.
    """
    uuid = own_uuid(xml)
    if (companion := companion_of(xml)) is not None:
        xml = _companion(path, companion)
        uuid = None
    images = read_ome_images(xml)
    if not images:
        return None
    layout = Layout("OME-TIFF")
    every = [plane for image in images for plane in image.planes]
    named = {plane.file_name for plane in every if plane.file_name is not None}
    dataset: Hashable = frozenset(named) if len(named) > 1 else path
    renamed = len(named) == 1 and path.name not in named
    n = chain.n
    if n == 1 and len(every) > 1 and len(named) < 2:
        room = room_behind(file, chain)
        # the XML may lie behind the pixels, so that what is there counts as images if all of them are
        n = min(room, len(every)) if chain.broken is not None or room >= len(every) else n
    taken: set[int] = set()
    n_missing = n_copies = 0
    for i, image in enumerate(images):
        for plane in image.planes:
            named_so = plane.file_name == path.name or renamed
            unnamed = plane.file_name is None and (plane.uuid is None or uuid is None)
            if not (named_so or unnamed or (uuid is not None and plane.uuid == uuid)):
                layout.others.add(str(plane.file_name or plane.uuid)[:200])
            elif plane.page >= n:
                n_missing += 1
            elif plane.page in taken:
                n_copies += 1
            else:
                taken.add(plane.page)
                layout.slots.append(
                    Slot(plane.page, (dataset, i), plane.within, image.facts(plane.within), image.significant_bits)
                )
        layout.channel_names = layout.channel_names or image.channel_names
    if not layout.slots:
        plain = _plain(path, chain, layout.format)
        plain.problems.append(f"{path.name}: its OME-XML lists none of its pages, which are counted along time")
        return plain
    if n_missing:
        layout.problems.append(f"{path.name} lacks {n_missing} of the {len(every)} images that its OME-XML lists")
    if n_copies:
        layout.problems.append(
            f"{path.name}: what its OME-XML lists once more is left out, {counted(n_copies, 'image')} (it so fills "
            "the gaps of an acquisition that was stopped early)"
        )
    if n > len(taken):
        layout.problems.append(
            f"{path.name} holds {counted(n - len(taken), 'page')} that its OME-XML does not list; that is left out"
        )
    return layout


def _companion(path: Path, name: str) -> str | None:
    """Return the OME-XML of a companion file, which lies beside this one; its name is no path."""
    from hcc_scope.datasets.tiff_pages import SIGNATURES, load_tifffile

    beside = path.with_name(name.replace("\\", "/").rpartition("/")[2] or "-")

    def read() -> str | None:
        with beside.open("rb") as opened:
            if opened.read(4) not in SIGNATURES:
                opened.seek(0)
                return opened.read(_LARGEST_COMPANION_BYTES).decode()
        with load_tifffile().TiffFile(beside) as file:
            return str(file.ome_metadata) if file.is_ome else None

    found = attempt(read)
    return None if isinstance(found, Failure) else found


# ---- ImageJ ---------------------------------------------------------------------------------------------------------


def _imagej(path: Path, file: Any, chain: Chain) -> Layout:  # noqa: ANN401
    """Return where pages belong by ImageJ's description: the channel changes fastest, then z, then time."""
    known = file.imagej_metadata or {}
    n_c, n_z, n_t = (_count(known, name) for name in ("channels", "slices", "frames"))
    claimed = max(_count(known, "images"), n_c * n_z * n_t)
    layout = Layout("ImageJ TIFF")
    n = chain.n if chain.n > 1 else _behind(path, file, chain, claimed)
    if n < claimed:
        layout.problems.append(f"{path.name} claims to hold {claimed} images, but holds {n}")
    if n_c == n_t == 1 and not known.get("hyperstack") and "spacing" not in known:
        n_z, n_t = 1, n  # ImageJ calls the images of every plain stack slices
    if n_c * n_z * n_t < n:
        n_t = -(-n // (n_c * n_z))
    labels = known.get("Labels")
    info = entries_of(str(known.get("Info", "")).encode())[0] if n == 1 else {}
    for i in range(n):
        rest, c = divmod(i, n_c)
        t, z = divmod(rest, n_z)
        # Micro-Manager leaves the metadata of an image of its own file here
        facts = facts_of(info, {}) if "PixelType" in info else Facts(tags={})
        if isinstance(labels, list) and i < len(labels) and labels[i]:
            facts["tags"]["Label"] = str(labels[i])[:200]
        layout.slots.append(Slot(i, path, Within(c, z, t), facts))
    return layout


def _count(known: dict[str, Any], name: str) -> int:
    value = known.get(name, 1)
    return value if isinstance(value, int) and value > 0 else 1


# ---- MetaMorph ------------------------------------------------------------------------------------------------------


def _metamorph(path: Path, file: Any, chain: Chain, known: dict[str, Any]) -> Layout:  # noqa: ANN401
    """Return where the planes of MetaMorph's STK belong, which all lie behind one page."""
    layout = Layout("MetaMorph STK")
    claimed = int(known["NumberPlanes"])
    n = _behind(path, file, chain, claimed)
    if n < claimed:
        layout.problems.append(f"{path.name} claims to hold {claimed} images, but holds {n}")
    in_z = is_focus_series(known)
    layout.slots = [Slot(i, path, Within(z=i) if in_z else Within(time=i)) for i in range(n)]
    return layout


# ---- others ---------------------------------------------------------------------------------------------------------


def _by_series(path: Path, file: Any, chain: Chain, name: str) -> Layout | None:  # noqa: ANN401
    """Return where pages belong by tifffile's own reading of them; None if it does not come to one."""
    every = attempt(lambda: list(file.series))
    if isinstance(every, Failure) or not every:
        return None
    layout = Layout(name)
    taken: set[int] = set()
    for k, series in enumerate(every):
        own = attempt(partial(_of_series, path, file, series, k))
        if isinstance(own, Failure) or own is None or any(slot.page in taken for slot in own):
            return None
        taken |= {slot.page for slot in own}
        layout.slots += own
    if any(slot.page >= chain.n for slot in layout.slots) and chain.n > 1:
        return None
    return layout


def _of_series(path: Path, file: Any, series: Any, k: int) -> list[Slot] | None:  # noqa: ANN401
    shape = series.shape[: len(series.shape) - series.keyframe.ndim]
    axes = series.axes[: len(shape)]
    n = math.prod(shape)
    pages = [None if page is None else int(page.index) for page in series.pages]
    if len(pages) == 1 and n > 1:
        if pages[0] != 0 or n > MOST_PAGES or not lie_behind(file, n):
            return None
        pages = list(range(n))
    if len(pages) != n:
        return None
    slots = []
    for page, index in zip(pages, np.ndindex(*shape), strict=True):
        if page is not None:
            slots.append(Slot(page, *_of_index((path, k), axes, shape, index)))
    return slots


def _of_index(series: Hashable, axes: str, shape: tuple[int, ...], index: tuple[int, ...]) -> tuple[Hashable, Within]:
    at = {"channel": 0, "z": 0, "series": 0, "time": 0}
    for axis, size, i in zip(axes, shape, index, strict=True):
        name = "channel" if axis in _CHANNELS else "z" if axis == "Z" else "series" if axis in _SERIES else "time"
        at[name] = at[name] * int(size) + i
    return (series, at["series"]), Within(at["channel"], at["z"], at["time"])

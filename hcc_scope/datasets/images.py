"""Images of other programs: what a file holds (from its headers alone), and its pixels as raw counts.

TIFF, OME-TIFF and BigTIFF of either byte order, tiled or in strips, compressed or not, and PNG; of our own stores,
every frame whose journal line is readable. Grey images of 8 to 16 bits, unsigned, are counts of a camera; colour,
palettes, transparency, signed and floating-point numbers are refused, because something was done to them that nobody
can undo. What a file is, its first bytes say and not its name.
"""

from __future__ import annotations

import functools
import logging
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hcc_scope.errors import HccScopeError, ImageError
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled import LabelledImage
    from hcc_scope.storage.reader import SectionStore

__all__ = ["Header", "frames_of", "is_store", "opened_store", "read_headers", "read_pixels"]

T = TypeVar("T")

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG = b"\x89PNG\r\n\x1a\n"
_KINDS = "Save it as a grey TIFF or PNG of 8 or 16 bits, as the camera took it."
_REDUCED = 1
"""Bit of TIFF's NewSubfileType: a smaller copy of another page."""
_MASK = 4
_SMALLEST_PNG = 33
_OPEN_STORES = 8


@dataclass(frozen=True, slots=True)
class Header:
    """One image of a file, as its headers tell."""

    index: int
    """Page of a file, or `seq` of a store's frame; from 0."""
    shape_yx: tuple[int, int]
    bit_depth: int
    """Of the numbers as they are stored, 8 to 16; the camera's own may be smaller."""


# ---- one way in, one way out ----------------------------------------------------------------------------------------


def read_headers(path: Path, page: int | None = None) -> list[Header]:
    """Return the images of a TIFF or PNG file without reading their pixels.

    Parameters
    ----------
    path : Path
        Of the file.
    page : int, optional
        This page only, from 0; every page by default, but for the reduced copies and masks that other pages have.

    Raises
    ------
    ImageError
        If the file is missing or unreadable, ends before its pixels do, has no such page, or is of a kind that is not
        supported.
    """
    if _kind(path) == "png":
        header = _guarded(path, "cannot be read", lambda: _png_header(path))
        if page not in {None, 0}:
            raise ImageError(f"{path} has no page {page}: a PNG has page 0 alone")
        return [header]
    return _guarded(path, "cannot be read as a TIFF", lambda: _tiff_headers(path, page))


def read_pixels(image: LabelledImage) -> NDArray[np.uint16]:
    """Return the raw counts (y, x) of one image; 8-bit files are widened, their numbers unchanged.

    Raises
    ------
    ImageError
        If it cannot be read, is not what its headers said, or has a count above the full scale of its bit depth.
    """
    where = str(image.path) if not image.index else f"{image.path}, page {image.index}"
    if is_store(image.path):
        where = f"{image.path}, frame {image.index}"
        pixels = _guarded(image.path, "cannot be read", lambda: opened_store(image.path).read(image.index).pixels)
    elif _kind(image.path) == "png":
        pixels = _guarded(image.path, "cannot be decoded", lambda: _png_pixels(image.path))
    else:
        pixels = _guarded(image.path, "cannot be decoded", lambda: _tiff_pixels(image.path, image.index))
    if pixels.shape != image.shape_yx:
        raise ImageError(f"{where} has changed: it is {pixels.shape} px now and was {image.shape_yx} (y, x)")
    full_scale = 2**image.bit_depth - 1
    if (largest := int(pixels.max())) > full_scale:
        raise ImageError(
            f"{where} has a count of {largest}, above the {full_scale} that a bit depth of {image.bit_depth} allows",
            hint="Correct its bit depth in the manifest's column bit_depth.",
        )
    return pixels


def is_store(path: Path) -> bool:
    """Return whether a path is meant as one of our stores: a folder, or a name that only folders have."""
    try:
        return path.is_dir() or path.name.endswith(".ome.zarr")
    except OSError:  # a name that no file can have; who opens it says so
        return False


def opened_store(path: Path) -> SectionStore:
    """Return a store, opened once for many frames.

    Raises
    ------
    StoreError
        As `hcc_scope.storage.reader.open_store`.
    """
    from hcc_scope.storage.metadata import JOURNAL

    try:
        state = (path / JOURNAL).stat()
        version = (state.st_size, state.st_mtime_ns)
    except OSError:
        version = (-1, -1)  # `open_store` says what is wrong
    return _opened(path, version)


@functools.lru_cache(maxsize=_OPEN_STORES)
def _opened(path: Path, _version: tuple[int, int]) -> SectionStore:
    from hcc_scope.storage.reader import open_store

    return open_store(path)


def frames_of(path: Path, seq: int | None = None) -> list[Header]:
    """Return the frames of a store whose journal line is readable, without reading their pixels.

    Raises
    ------
    ImageError
        If it cannot be opened, has no such frame, or no frame at all.
    """
    store = _guarded(path, "cannot be opened", lambda: opened_store(path))
    frames = [
        Header(entry.seq, store.spec.frame_shape_yx, entry.bit_depth)
        for entry in store.journal
        if entry is not None and seq in {None, entry.seq}
    ]
    if not frames:
        raise ImageError(f"{path} has no readable frame" if seq is None else f"{path} has no readable frame {seq}")
    return frames


def _guarded(path: Path, what: str, body: Callable[[], T]) -> T:
    """Run a decoder: whatever it raises over a broken file (they raise anything) becomes an `ImageError`."""
    with np.errstate(all="ignore"):  # tifffile divides by whatever a damaged header says
        result = attempt(body)
    if not isinstance(result, Failure):
        return result
    error = result.error
    if isinstance(error, ImageError) or not isinstance(error, Exception):
        raise error
    if isinstance(error, HccScopeError):
        raise ImageError(error.message, hint=error.hint) from error
    if isinstance(error, MemoryError):
        raise ImageError(f"{path} is too large for this machine's memory") from error
    reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
    raise ImageError(f"{path} {what}: {reason}", hint="It may be damaged; copy it again from where it came.") from error


def _kind(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device may never end
            raise ImageError(f"{path} is no file but a pipe, a device or the like", hint="Name the image's own file.")
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise ImageError(f"{path} cannot be opened: {error.strerror or error}") from error
    if start.startswith(_TIFF):
        return "tiff"
    if start == _PNG:
        return "png"
    if not start:
        raise ImageError(f"{path} is empty", hint="Copy it again from where it came.")
    raise ImageError(f"{path} is neither a TIFF nor a PNG", hint=_KINDS)


# ---- PNG ------------------------------------------------------------------------------------------------------------


def _png_header(path: Path) -> Header:
    with path.open("rb") as file:
        start = file.read(_SMALLEST_PNG)
    if len(start) < _SMALLEST_PNG or start[12:16] != b"IHDR":
        raise ImageError(f"{path} is a PNG without a header", hint="Copy it again from where it came.")
    width, height = int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
    depth, colour = start[24], start[25]
    if colour != 0:
        kinds = {2: "colour", 3: "a palette of colours", 4: "grey with transparency", 6: "colour with transparency"}
        raise ImageError(f"{path} is {kinds.get(colour, 'of an unknown kind')}, not grey", hint=_KINDS)
    if depth not in {8, 16}:
        raise ImageError(f"{path} has {depth} bits a pixel, not 8 or 16", hint=_KINDS)
    return Header(0, (height, width), depth)


def _png_pixels(path: Path) -> NDArray[np.uint16]:
    from PIL import Image

    with Image.open(path) as picture:
        pixels = np.asarray(picture)
    if pixels.ndim != 2:
        raise ImageError(f"{path} is not grey", hint=_KINDS)
    return np.ascontiguousarray(pixels, dtype=np.uint16)


# ---- TIFF -----------------------------------------------------------------------------------------------------------


@functools.cache
def _tifffile() -> Any:  # noqa: ANN401 - it has no types
    """Import tifffile and keep its log from the user: what matters is raised."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    return tifffile


def _tiff_headers(path: Path, page: int | None) -> list[Header]:
    size = path.stat().st_size
    with _tifffile().TiffFile(path) as file:
        n = len(file.pages)
        if n == 0:
            raise ImageError(f"{path} has no page", hint="Copy it again from where it came.")
        if page is not None:
            if page >= n:
                raise ImageError(f"{path} has no page {page}: its pages are 0 to {n - 1}")
            return [_page_header(path, page, file.pages[page], size)]
        if n > 1:
            _refuse_stacks(path, file)
        # a series that was looked at keeps its pages as frames, which know no subfile type
        pages = [(i, file.pages[i].aspage()) for i in range(n)]
        images = [(i, one) for i, one in pages if not int(one.subfiletype) & (_REDUCED | _MASK)]
        return [_page_header(path, i, one, size) for i, one in images or pages]


def _refuse_stacks(path: Path, file: Any) -> None:  # noqa: ANN401
    """Refuse pages that are channels or focal planes of one field: they are not images of their own."""
    names = {"C": "channels", "Z": "focal planes"}
    for series in file.series:
        for axis, length in zip(series.axes, series.shape, strict=True):
            if axis in names and length > 1:
                raise ImageError(
                    f"{path} is a stack of {length} {names[axis]}, whose pages are no fields of their own",
                    hint="Name the page to use in the manifest's column page (from 0), or split the file.",
                )


def _page_header(path: Path, index: int, page: Any, file_bytes: int) -> Header:  # noqa: ANN401
    page = page.aspage()
    where = f"{path}, page {index}"
    bits = page.bitspersample
    photometric = page.photometric.name if page.photometric is not None else "MINISBLACK"
    if page.samplesperpixel != 1 or photometric not in {"MINISBLACK", "MINISWHITE"}:
        kind = "a palette of colours" if photometric == "PALETTE" else f"{page.samplesperpixel} samples a pixel"
        raise ImageError(f"{where} is not grey: it has {kind} ({photometric})", hint=_KINDS)
    if page.dtype is None or page.dtype.kind != "u" or not isinstance(bits, int) or not 8 <= bits <= 16:
        raise ImageError(f"{where} holds {page.dtype or 'unknown numbers'} of {bits} bits, not counts", hint=_KINDS)
    if page.ndim != 2:
        raise ImageError(f"{where} has {page.ndim} dimensions, not 2", hint=_KINDS)
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        # tifffile would read what is missing as zeros
        if start <= 0 or length <= 0 or start + length > file_bytes:
            raise ImageError(f"{where} ends before its pixels do", hint="Copy it again from where it came.")
    if len(page.dataoffsets) < np.prod(page.chunked) or len(page.databytecounts) != len(page.dataoffsets):
        raise ImageError(f"{where} lacks some of its pixels", hint="Copy it again from where it came.")
    height, width = page.shape
    return Header(index, (int(height), int(width)), bits)


def _tiff_pixels(path: Path, index: int) -> NDArray[np.uint16]:
    size = path.stat().st_size
    with _tifffile().TiffFile(path) as file:
        page = file.pages[index].aspage()
        bits = _page_header(path, index, page, size).bit_depth
        pixels = np.ascontiguousarray(page.asarray(maxworkers=1), dtype=np.uint16)
        if page.photometric is not None and page.photometric.name == "MINISWHITE":
            np.subtract(np.uint16(2**bits - 1), pixels, out=pixels)  # stored with white as 0
        return pixels

"""The pages of a TIFF: how they hang together, what cannot be, and their sizes at the specimen.

tifffile decodes. Looked at here first is what it lets pass: a chain of pages that ends in nothing or in itself, and
sizes that the file is too small to hold.
"""

from __future__ import annotations

import functools
import logging
import math
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from hcc_scope.datasets.claimed_pixels import CARRIES_ITS_SIZE, claimed_pixels
from hcc_scope.datasets.header import COPY_AGAIN, at_specimen, require_possible
from hcc_scope.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "COMPANION",
    "DECODED_TO_RGB",
    "MOST_PAGES",
    "PLANES_APART",
    "SIGNATURES",
    "Chain",
    "chain_of",
    "first_lies_alone",
    "lie_behind",
    "load_tifffile",
    "page_size_yx_um",
    "refuse_other_sizes_within",
    "require_whole",
    "room_behind",
    "unit_um",
]

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
COMPANION = 1 | 4
"""Bits of NewSubfileType: a smaller copy of another page, and a mask."""
DECODED_TO_RGB = frozenset({7, 33003, 33004, 34712})
"""TIFF's compressions (JPEG, JPEG 2000) whose decoders turn luma and chroma into red, green and blue."""
PLANES_APART = 2
"""PlanarConfiguration: all red, then all green, then all blue."""
_PACKINGS = {1: "none", 5: "lzw", 8: "deflate", 32946: "deflate", 32773: "packbits"}
"""TIFF's compressions whose ratio is bounded."""
_BOUNDED_BY_DECODER = frozenset({34925, 34926, 50000})
"""TIFF's compressions (LZMA, zstd) that are decoded into the bytes that belong there, and no more."""
_OTHER_COMPRESSION = "Save it with LZW, deflate, zstd or without compression."
_LARGEST_CHUNK_PX = 2**24
"""Of a tile or strip, unless the image itself is larger: memory is taken for each."""
MOST_PAGES = 100_000
"""Of a file; each takes a part of a millisecond to look at."""
_UM = {
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "\\u00b5m": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
}
"""Micrometres in the units that ImageJ writes."""
_UNITS_UM = {2: 25_400.0, 3: 1e4}
"""Micrometres in TIFF's ResolutionUnit: inch, cm."""


# ---- how pages hang together ----------------------------------------------------------------------------------------


class Chain(NamedTuple):
    """The pages of a TIFF, each of which points to the next one."""

    n: int
    broken: str | None
    """Where it breaks off; None if it ends in order."""
    leads_to: int = 0
    """Where the page lies at which it breaks off; 0 if it ends in order."""
    circular: bool = False
    """Whether it leads back into itself: to count the pages by tifffile then takes for ever."""


def chain_of(path: Path) -> Chain:
    """Follow a TIFF's chain of pages.

    Raises
    ------
    ImageError
        If it has too many.
    """
    status = path.stat()
    return _followed(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _followed(path: Path, file_bytes: int, _mtime_ns: int) -> Chain:
    """Follow it once for many pages."""
    with path.open("rb") as file:
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        big = start[2:3] == b"+" or start[3:4] == b"+"
        count_format, entry_bytes, offset_format = ("Q", 20, "Q") if big else ("H", 12, "I")
        count_bytes, offset_bytes = struct.calcsize(count_format), struct.calcsize(offset_format)
        first_at = 8 if big else 4
        if len(start) < first_at + offset_bytes:
            return Chain(0, "ends within its header")
        [at] = struct.unpack_from(order + offset_format, start, first_at)
        seen: set[int] = set()
        while at:
            n = len(seen)
            if at in seen:
                return Chain(n, "is damaged: its pages run in a circle", at, circular=True)
            if n == MOST_PAGES:
                raise ImageError(f"{path} has more than {MOST_PAGES} pages", hint="Split it.")
            file.seek(min(at, file_bytes))
            counted = file.read(count_bytes)
            n_tags = struct.unpack(order + count_format, counted)[0] if len(counted) == count_bytes else 0
            file.seek(min(at + count_bytes + n_tags * entry_bytes, file_bytes))
            following = file.read(offset_bytes)
            # neither tags nor a next page: its writer had taken the room, and stopped
            if len(following) < offset_bytes or (n_tags == 0 and not any(following)):
                return Chain(n, f"ends before its page {n} does", at)
            seen.add(at)
            [at] = struct.unpack(order + offset_format, following)
    return Chain(len(seen), None)


def lie_behind(file: Any, n: int) -> bool:  # noqa: ANN401
    """Return whether `n` images lie one after another from the first page's on, as they do behind one page."""
    page = file.pages[0].aspage()
    return first_lies_alone(file, page) and page.dataoffsets[0] + n * page.nbytes <= file.filehandle.size


def room_behind(file: Any, chain: Chain) -> int:  # noqa: ANN401
    """Return how many images lie one after another from the first page's on, before the next page; at least 1."""
    page = file.pages[0].aspage()
    if chain.n != 1 or not page.is_final:
        return 1
    end = min(chain.leads_to or file.filehandle.size, file.filehandle.size)
    return max(1, int(end - page.dataoffsets[0]) // max(1, int(page.nbytes)))


def first_lies_alone(file: Any, page: Any) -> bool:  # noqa: ANN401
    """Return whether a file has one page, stored so that others may follow it without pages of their own."""
    return len(file.pages) == 1 and bool(page.is_final)


# ---- what cannot be -------------------------------------------------------------------------------------------------


def require_whole(where: str, file: Any, page: Any, bits: int, samples: int) -> tuple[int, int]:  # noqa: ANN401
    """Refuse a page that claims more than its file holds, before memory is taken for it.

    Parameters
    ----------
    where : str
        File and page, for the message.
    file, page
        Of tifffile.
    bits : int
        Of a number.
    samples : int
        Numbers a pixel.

    Returns
    -------
    (int, int)
        Its shape (y, x).

    Raises
    ------
    ImageError
        If its pixels are missing, or fewer or more than they can be.
    """
    file_bytes = file.filehandle.size
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        # tifffile would read what is missing as zeros
        if start <= 0 or length <= 0 or start + length > file_bytes:
            raise ImageError(f"{where} ends before its pixels do", hint=COPY_AGAIN)
    height, width = int(page.imagelength), int(page.imagewidth)
    compression = int(page.compression)
    if compression not in {*_PACKINGS, *CARRIES_ITS_SIZE, *_BOUNDED_BY_DECODER}:
        name = getattr(page.compression, "name", "unknown")
        raise ImageError(f"{where} is compressed by {name} ({compression}), which is not read", hint=_OTHER_COMPRESSION)
    packing = _PACKINGS.get(compression)
    require_possible(where, (height, width), bits, sum(page.databytecounts), packing, samples=samples)
    if (chunk_px := _chunk_px(page)) > max(_LARGEST_CHUNK_PX, height * width):
        raise ImageError(f"{where} claims tiles of {chunk_px} px, but has {height} x {width} px", hint=COPY_AGAIN)
    if len(page.dataoffsets) < math.prod(page.chunked) or len(page.databytecounts) != len(page.dataoffsets):
        raise ImageError(f"{where} lacks some of its pixels", hint=COPY_AGAIN)
    return height, width


def refuse_other_sizes_within(where: str, file: Any, page: Any) -> None:  # noqa: ANN401
    """Refuse strips and tiles that claim to be larger than they may be, before they are decoded.

    Raises
    ------
    ImageError
        If one does.
    """
    kind = CARRIES_ITS_SIZE.get(int(page.compression))
    if kind is None:
        return
    most = _chunk_px(page)
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.filehandle.seek(start)
        pixels = claimed_pixels(kind, file.filehandle.read(min(length, 65_536)))
        if pixels is None:
            raise ImageError(f"{where} holds a {kind} that does not state its size", hint=COPY_AGAIN)
        if pixels > most:
            raise ImageError(f"{where} holds a {kind} of {pixels} px where {most} belong", hint=COPY_AGAIN)


def _chunk_px(page: Any) -> int:  # noqa: ANN401
    """Return the pixels of a strip or tile, whose shape has the numbers of a pixel last where they lie together."""
    apart = int(page.samplesperpixel) == 1 or int(page.planarconfig) == PLANES_APART
    return math.prod(page.chunks if apart else page.chunks[:-1])


# ---- what a page states about its size ------------------------------------------------------------------------------


def page_size_yx_um(file: Any, page: Any) -> tuple[float, float] | None:  # noqa: ANN401
    """Return the pixel size (y, x) from a page's resolution, if that is one at a specimen."""
    per_unit = [page.tags.valueof(code) for code in (283, 282)]  # YResolution, XResolution
    if not all(isinstance(one, tuple) and len(one) == 2 and all(one) for one in per_unit):
        return None
    um = unit_um(file, page)
    if um is None:
        return None
    y_unit_um: float | None = um
    if file.is_imagej and (y_unit := (file.imagej_metadata or {}).get("yunit")) is not None:
        y_unit_um = _UM.get(str(y_unit).lower())  # where it is not that of x
    if y_unit_um is None:
        return None
    (y_n, y_d), (x_n, x_d) = per_unit
    return at_specimen((y_unit_um * y_d / y_n, um * x_d / x_n))


def unit_um(file: Any, page: Any) -> float | None:  # noqa: ANN401
    """Return the micrometres in the unit of a page's resolution; None if it is no unit of length."""
    um = _UNITS_UM.get(page.tags.valueof(296, default=2))
    if not file.is_imagej:
        return um
    return _UM.get(str((file.imagej_metadata or {}).get("unit", "")).lower(), um)


@functools.cache
def load_tifffile() -> Any:  # noqa: ANN401 - it has no types
    """Import tifffile and keep its log from the user: what matters is raised."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    return tifffile

"""A tiled TIFF of one image with smaller levels as SubIFDs, written in one pass, whatever the order of its tiles.

tifffile writes one level after the other, and a mosaic comes row by row on all levels; so the structure is written
here: tiles first, as they come, and at the end the directories that state where each lies. It is a BigTIFF if it has
more than 4 GB, a TIFF that any program reads otherwise: the header comes last as well.

Tiles may be compressed by deflate, 16-bit counts after horizontal differencing: what every reader of pyramids knows.
Counts have noise, in which nothing repeats: they are given to the Huffman coder alone, which takes half the time and
leaves as many bytes (``python -m benchmarks export_mosaic``). Tiles in which nothing is drawn share the bytes of one.
"""

from __future__ import annotations

import struct
import threading
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from zlib_ng import zlib_ng

from hcc_scope.exports.blocks import BLOCK_PX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from hcc_scope.exports.blocks import Block

__all__ = ["LARGEST_CLASSIC", "SMALLEST_PIXEL_UM", "TILE_PX", "PyramidTiff", "TiffFacts"]

TILE_PX = 512
LARGEST_CLASSIC = 2**32 - 1
"""Bytes of a file whose offsets have 32 bits."""
_HEADER_BYTES = 16
_FAST = 1
"""zlib's level: higher ones make a noisy image hardly smaller."""
_MEMORY = 9
"""zlib's: long blocks, which share a table of codes, take a fifth less time."""
_NONE, _DEFLATE, _DIFFERENCES, _CENTIMETRE, _UINT, _FLOAT = 1, 8, 2, 3, 1, 3
_CM_UM = 10_000
_LARGEST_LONG = 2**32 - 1
SMALLEST_PIXEL_UM = 1e-5
"""TIFF has no number for more pixels in a centimetre; the OME-XML states smaller ones."""

_ASCII, _SHORT, _LONG, _RATIONAL, _LONG8, _IFD8 = 2, 3, 4, 5, 16, 18
_IFD = 13
_FORMATS = {_SHORT: "H", _LONG: "I", _LONG8: "Q", _IFD: "I", _IFD8: "Q"}


class TiffFacts(NamedTuple):
    """What the directories state besides the tiles."""

    description: bytes
    """The OME-XML, in UTF-8."""
    pixel_size_um: float
    corner_um: tuple[float, float]
    """x, y of the upper left corner. TIFF has no place for negative ones: both are left out if one is."""
    software: str


class _Tile(NamedTuple):
    level: int
    number: int
    data: bytes


class PyramidTiff:
    """Writes such a file; a context manager. A `hcc_scope.exports.pyramid.LevelSink`.

    Parameters
    ----------
    path : Path
        Of the file, which must not be there.
    shapes_yx : sequence of (int, int)
        Of the levels, the full resolution first.
    dtype : numpy dtype
        uint16 or float32.
    fill : int or float
        Of tiles in which nothing is drawn.
    compressed : bool
        Whether tiles are compressed; without it, writing is bound by the disk alone.
    largest_classic : int
        Bytes beyond which it becomes a BigTIFF.
    """

    def __init__(
        self,
        path: Path,
        shapes_yx: Sequence[tuple[int, int]],
        dtype: np.dtype[Any],
        fill: float,
        *,
        compressed: bool = True,
        largest_classic: int = LARGEST_CLASSIC,
    ) -> None:
        self._own = threading.local()
        self._compressed = compressed
        self._differs = compressed and np.issubdtype(dtype, np.integer)
        self._shapes, self._dtype, self._fill = tuple(shapes_yx), dtype.newbyteorder("<"), fill
        self._largest_classic = largest_classic
        self._grids = [(-(-height // TILE_PX), -(-width // TILE_PX)) for height, width in shapes_yx]
        self._offsets = [np.zeros(rows * columns, np.uint64) for rows, columns in self._grids]
        self._sizes = [np.zeros(rows * columns, np.uint32) for rows, columns in self._grids]
        self._file = path.open("xb")
        self._file.write(bytes(_HEADER_BYTES))
        self._at = _HEADER_BYTES

    def __enter__(self) -> PyramidTiff:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def encode(self, level: int, row: int, column: int, block: Block) -> list[_Tile]:
        """Return the tiles of a block, compressed; safe from several threads."""
        n_rows, n_columns = self._grids[level]
        per_block = BLOCK_PX // TILE_PX
        tiles: list[_Tile] = []
        for i in range(per_block):
            for j in range(per_block):
                tile_row, tile_column = row * per_block + i, column * per_block + j
                part = slice(i * TILE_PX, (i + 1) * TILE_PX), slice(j * TILE_PX, (j + 1) * TILE_PX)
                inside = tile_row < n_rows and tile_column < n_columns
                if inside and (block.mask is None or block.mask[part].any()):
                    data = self._tile(block.pixels[part])
                    tiles.append(_Tile(level, tile_row * n_columns + tile_column, data))
        return tiles

    def put(self, encoded: list[_Tile]) -> None:
        """Write tiles.

        Raises
        ------
        OSError
            If they cannot be written.
        """
        for level, number, data in encoded:
            self._offsets[level][number], self._sizes[level][number] = self._append(data), len(data)

    def close(self, facts: TiffFacts) -> None:
        """Write the tile that stands for all empty ones, the directories and the header.

        Raises
        ------
        OSError
            If they cannot be written.
        """
        empty = self._tile(np.full((TILE_PX, TILE_PX), self._fill, self._dtype))
        if not all(sizes.all() for sizes in self._sizes):
            at = self._append(empty)
            for offsets, sizes in zip(self._offsets, self._sizes, strict=True):
                offsets[sizes == 0], sizes[sizes == 0] = at, len(empty)
        room = len(facts.description) + sum(64 * sizes.size + 1024 for sizes in self._sizes)
        big = self._at + room > self._largest_classic
        reduced = [self._directory(level, facts, [], big=big) for level in range(1, len(self._shapes))]
        first = self._directory(0, facts, reduced, big=big)
        self._file.seek(0)
        header = struct.pack("<2sHHHQ", b"II", 43, 8, 0, first) if big else struct.pack("<2sHI", b"II", 42, first)
        self._file.write(header)
        self._file.flush()

    def _tile(self, pixels: NDArray[Any]) -> bytes:
        """Return the bytes of a whole tile (y, x)."""
        if not self._compressed:
            return pixels.astype(self._dtype).tobytes()
        tile = self._buffer()
        if self._differs:
            tile[:, 0] = pixels[:, 0]
            np.subtract(pixels[:, 1:], pixels[:, :-1], out=tile[:, 1:])
        else:
            tile[...] = pixels
        strategy = zlib_ng.Z_HUFFMAN_ONLY if self._differs else zlib_ng.Z_DEFAULT_STRATEGY
        deflate = zlib_ng.compressobj(_FAST, zlib_ng.DEFLATED, zlib_ng.MAX_WBITS, _MEMORY, strategy)
        return bytes(deflate.compress(tile.data) + deflate.flush())

    def _buffer(self) -> NDArray[Any]:
        """Return memory for one tile, which a thread uses again: fresh memory takes longer than what is done in it."""
        if not hasattr(self._own, "tile"):
            self._own.tile = np.empty((TILE_PX, TILE_PX), self._dtype)
        buffer: NDArray[Any] = self._own.tile
        return buffer

    def _append(self, data: bytes) -> int:
        """Write at the end, at an even place as TIFF asks for, and return the place."""
        at = self._at
        self._file.write(data)
        self._file.write(b"\0" * (len(data) % 2))
        self._at += len(data) + len(data) % 2
        return at

    def _directory(self, level: int, facts: TiffFacts, reduced: Sequence[int], *, big: bool) -> int:
        """Write the directory of a level and return its place."""
        height, width = self._shapes[level]
        per_cm = Fraction(_CM_UM) / (Fraction(str(facts.pixel_size_um)) * 2**level)
        place = _LONG8 if big else _LONG
        tags: dict[int, tuple[int, bytes]] = {
            254: _numbers(_LONG, [1 if level else 0]),
            256: _numbers(_LONG, [width]),
            257: _numbers(_LONG, [height]),
            258: _numbers(_SHORT, [8 * self._dtype.itemsize]),
            259: _numbers(_SHORT, [_DEFLATE if self._compressed else _NONE]),
            262: _numbers(_SHORT, [1]),
            277: _numbers(_SHORT, [1]),
            284: _numbers(_SHORT, [1]),
            322: _numbers(_LONG, [TILE_PX]),
            323: _numbers(_LONG, [TILE_PX]),
            324: (place, self._offsets[level].astype("<u8" if big else "<u4").tobytes()),
            325: (_LONG, self._sizes[level].astype("<u4").tobytes()),
            339: _numbers(_SHORT, [_UINT if np.issubdtype(self._dtype, np.integer) else _FLOAT]),
        }
        if facts.pixel_size_um >= SMALLEST_PIXEL_UM:
            tags |= {282: _rational(per_cm), 283: _rational(per_cm), 296: _numbers(_SHORT, [_CENTIMETRE])}
        if self._differs:
            tags[317] = _numbers(_SHORT, [_DIFFERENCES])
        if level == 0:
            tags[270] = _ASCII, facts.description + b"\0"
            tags[305] = _ASCII, facts.software.encode("ascii", "replace") + b"\0"
            if min(facts.corner_um) >= 0:
                for tag, value in zip((286, 287), facts.corner_um, strict=True):
                    tags[tag] = _rational(Fraction(str(value)) / _CM_UM)
            if reduced:
                tags[330] = _numbers(_IFD8 if big else _IFD, reduced)
        return self._write_directory(tags, big=big)

    def _write_directory(self, tags: dict[int, tuple[int, bytes]], *, big: bool) -> int:
        inline = 8 if big else 4
        entries: list[bytes] = []
        for tag, (kind, data) in sorted(tags.items()):
            count = len(data) // {_ASCII: 1, _SHORT: 2, _LONG: 4, _IFD: 4}.get(kind, 8)
            value = data if len(data) <= inline else struct.pack("<Q" if big else "<I", self._append(data))
            entries.append(struct.pack("<HHQ" if big else "<HHI", tag, kind, count) + value.ljust(inline, b"\0"))
        count_of = struct.pack("<Q" if big else "<H", len(entries))
        return self._append(count_of + b"".join(entries) + bytes(inline))


def _numbers(kind: int, values: Sequence[int]) -> tuple[int, bytes]:
    return kind, struct.pack(f"<{len(values)}{_FORMATS[kind]}", *values)


def _rational(value: Fraction) -> tuple[int, bytes]:
    """Return a fraction as two 32-bit numbers: exact where they suffice, at most the largest of them."""
    value = min(value, Fraction(_LARGEST_LONG))
    value = value.limit_denominator(max(1, int(_LARGEST_LONG / max(value, Fraction(1))) - 1))
    return _RATIONAL, struct.pack("<II", value.numerator, value.denominator)

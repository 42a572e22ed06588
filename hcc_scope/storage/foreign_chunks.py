"""Compressed chunks of other programs, looked at before tensorstore decompresses them.

A chunk of a few kilobytes can claim gigabytes, and tensorstore would take the memory. It also stops behind the bytes
that belong to a chunk, and so never comes to the checksum at the end of gzip, zlib and bzip2. What is decompressed here
is counted and checked piece by piece, and not kept.
"""

from __future__ import annotations

import bz2
import struct
import zlib
from typing import BinaryIO, Final, Protocol

__all__ = ["fault_of"]

_PIECE_BYTES: Final = 65_536
_EXPANDED_BYTES: Final = 2**20
_ZSTD_BLOCK_BYTES: Final = 128 * 1024
"""Most that a compressed block can become."""
_ZSTD_SLACK: Final = 2**26
"""The blocks of zstd bound what they become, and a program may write many small ones: so much is let pass."""
_ZSTD_MAGIC: Final = 0xFD2FB528
_ZSTD_SKIPPABLE: Final = 0x184D2A50
_ZSTD_RESERVED: Final = 3
_BLOSC_HEADER_BYTES: Final = 16


def fault_of(compression: str | None, file: BinaryIO, start: int, length: int, expected: int) -> str | None:
    """Return why a chunk cannot be one, as the end of a sentence; None if nothing speaks against it.

    Parameters
    ----------
    compression : str or None
        ``blosc``, ``gzip``, ``zlib``, ``zstd``, ``bz2``, or none.
    file : binary file
        Open for reading.
    start, length : int
        Where the compressed chunk lies, in bytes.
    expected : int
        Bytes that it has when it is decompressed.
    """
    most = 4 * expected + _ZSTD_SLACK
    if length > most:
        return f"takes {length} bytes for {expected}"
    match compression:
        case None:
            claimed = length
        case "blosc":
            claimed = int(struct.unpack_from("<I", _read(file, start, _BLOSC_HEADER_BYTES), 4)[0])
        case "zstd":
            claimed = _zstd(file, start, start + length)
            return f"claims up to {claimed} bytes where {expected} belong" if claimed > most else None
        case "bz2":
            return _expanded(_Bz2(), file, start, length, expected)
        case _:
            return _expanded(_Deflate(), file, start, length, expected)
    return f"claims {claimed} bytes where {expected} belong" if claimed != expected else None


class _Expander(Protocol):
    """A decoder that takes data in pieces."""

    @property
    def eof(self) -> bool:
        """Whether the end was reached, and its checksum found right."""

    def put(self, data: bytes) -> None:
        """Give more data."""

    def take(self) -> int:
        """Return how many bytes come out, 1 MiB at most; 0 if more data are needed."""


class _Deflate:
    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # of gzip or zlib, by the header
        self._data = b""

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    def put(self, data: bytes) -> None:
        self._data = data

    def take(self) -> int:
        n = len(self._inflate.decompress(self._data, _EXPANDED_BYTES))
        self._data = self._inflate.unconsumed_tail
        return n


class _Bz2:
    def __init__(self) -> None:
        self._expand = bz2.BZ2Decompressor()
        self._data = b""

    @property
    def eof(self) -> bool:
        return self._expand.eof

    def put(self, data: bytes) -> None:
        self._data = data

    def take(self) -> int:
        n = len(self._expand.decompress(self._data, _EXPANDED_BYTES))
        self._data = b""
        return n


def _expanded(expander: _Expander, file: BinaryIO, start: int, length: int, expected: int) -> str | None:
    """Decompress a chunk to its end or beyond its size, and check its checksum on the way."""
    file.seek(start)
    n = 0
    try:
        while not expander.eof:
            new = expander.take()
            n += new
            if n > expected:
                return f"claims more than the {expected} bytes that belong there"
            if new or expander.eof:
                continue
            data = file.read(min(length, _PIECE_BYTES))
            length -= len(data)
            if not data:
                return "ends too early"
            expander.put(data)
    except (zlib.error, OSError, ValueError):
        return "is no longer what was written"
    return None if n == expected else f"holds {n} bytes where {expected} belong"


def _zstd(file: BinaryIO, start: int, end: int) -> int:
    """Walk through the frames and blocks of zstd, whose headers bound what each becomes."""
    n, at = 0, start
    while at + 5 <= end:
        magic = int.from_bytes(_read(file, at, 4), "little")
        if magic & 0xFFFFFFF0 == _ZSTD_SKIPPABLE:
            at += 8 + int.from_bytes(_read(file, at + 4, 4), "little")
            continue
        if magic != _ZSTD_MAGIC:
            break
        [descriptor] = _read(file, at + 4, 1)
        single = descriptor >> 5 & 1
        size_bytes = (single, 2, 4, 8)[descriptor >> 6]
        has_checksum = descriptor >> 2 & 1
        at += 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + size_bytes
        last = False
        while not last:
            if at + 3 > end:
                return n
            header = int.from_bytes(_read(file, at, 3), "little")
            last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
            if kind == _ZSTD_RESERVED:
                return n
            raw, repeated = kind == 0, kind == 1
            n += size if raw or repeated else _ZSTD_BLOCK_BYTES
            at += 3 + (1 if repeated else size)
        at += 4 * has_checksum
    return n


def _read(file: BinaryIO, at: int, length: int) -> bytes:
    """Return bytes of a file, zeros behind its end."""
    file.seek(at)
    return file.read(length).ljust(length, b"\0")

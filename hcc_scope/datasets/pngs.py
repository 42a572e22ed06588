"""PNG files, grey or in colour: their header, their checksums, their pixels.

Pillow decodes, and imagecodecs colour of 16 bits, which Pillow would cut to 8. What they let pass is looked at here
first: checksums of chunks that they do not need, transparency, animations, and a size that the file is too small to
hold.
"""

from __future__ import annotations

import functools
import struct
import zlib
from dataclasses import dataclass, field
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
    at_specimen,
    require_possible,
)
from hcc_scope.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from hcc_scope.colour import ColourConversion

__all__ = ["SIGNATURE", "PngFacts", "png_facts", "png_header", "png_pixels", "png_stored"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = 33
_LARGEST_CHUNK = 2**31 - 1
_PIECE_BYTES = 1 << 20
_SMALL_BYTES = 16
_TEXT_BYTES, _MOST_TEXTS = 4096, 20
_GREY, _RGB = 0, 2
_KINDS = {3: "a palette of colours", 4: "grey with transparency", 6: "colour with transparency"}


@dataclass(frozen=True, slots=True)
class PngFacts:
    """What the chunks of a PNG state; its pixels are grey, or red, green and blue."""

    shape_yx: tuple[int, int]
    bits: int
    """Of a number, 8 or 16."""
    colour: bool
    pixel_size_yx_um: tuple[float, float] | None = None
    """At the specimen, from the pixels per metre (pHYs) where these are no screen's or printer's."""
    texts: dict[str, str] = field(default_factory=dict)
    """By keyword (tEXt), the first few."""


def png_facts(path: Path) -> PngFacts:
    """Return what a PNG states, from its chunks alone.

    Raises
    ------
    ImageError
        If it has a palette, transparency, several images or another depth than 8 or 16 bits, is too small for the
        pixels that it claims, or ends too early.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
        if len(start) < _HEADER_BYTES or start[12:16] != b"IHDR":
            raise ImageError(f"{path} is a PNG without a header", hint=COPY_AGAIN)
        width, height = int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
        depth, kind = start[24], start[25]
        if kind not in (_GREY, _RGB):
            hint = FLATTEN_HINT if kind in (4, 6) else CAMERA_KINDS
            raise ImageError(f"{path} is {_KINDS.get(kind, 'of an unknown kind')}, not grey", hint=hint)
        if start[26:28] != b"\0\0" or start[28] > 1:  # compression, filter, interlace: libpng would write to the screen
            raise ImageError(f"{path} is packed in a way that PNG does not know", hint=COPY_AGAIN)
        if depth not in {8, 16}:
            raise ImageError(f"{path} has {depth} bits a pixel, not 8 or 16", hint=CAMERA_KINDS)
        packed_bytes, physical = 0, b""
        texts: dict[str, str] = {}
        for name, length, _ in _chunks(path, file):
            if name == b"tRNS":
                words = "grey" if kind == _GREY else "colour"
                raise ImageError(f"{path} is {words} with transparency, not {words} alone", hint=FLATTEN_HINT)
            if name == b"acTL":
                raise ImageError(f"{path} is an animation, not one image", hint=CAMERA_KINDS)
            packed_bytes += length if name == b"IDAT" else 0
            if name == b"pHYs" and length <= _SMALL_BYTES:
                physical = file.read(length)
            elif name == b"tEXt" and length <= _TEXT_BYTES and len(texts) < _MOST_TEXTS:
                keyword, _, text = file.read(length).decode("latin-1").partition("\0")
                texts.setdefault(keyword, text)
    require_possible(str(path), (height, width), depth, packed_bytes, "deflate", samples=1 if kind == _GREY else 3)
    return PngFacts((height, width), depth, kind == _RGB, _pixel_size_yx_um(physical), texts)


def _pixel_size_yx_um(physical: bytes) -> tuple[float, float] | None:
    if len(physical) != 9 or physical[8] != 1:  # a metre is the only unit there is
        return None
    x, y = struct.unpack(">II", physical[:8])
    return at_specimen((1e6 / y, 1e6 / x)) if x and y else None


def png_header(path: Path, colour: ColourConversion | None = None) -> Header:
    """Return the facts in the header of a PNG.

    Parameters
    ----------
    path : Path
    colour : str, optional
        How a colour image becomes grey (`hcc_scope.colour`); None: it is grey.

    Raises
    ------
    ImageError
        As `png_facts`, and if it is not grey (or, with a conversion, not in colour).
    """
    facts = png_facts(path)
    if facts.colour and colour is None:
        raise ImageError(f"{path} is colour, not grey", hint=COLOUR_HINT)
    if not facts.colour and colour is not None:
        raise ImageError(f"{path} is grey, so it cannot be converted by {colour}", hint=GREY_HINT)
    return Header(0, facts.shape_yx, facts.bits)


def png_pixels(path: Path, colour: ColourConversion | None = None) -> NDArray[np.uint16]:
    """Return the counts (y, x) of a PNG, converted if it is in colour.

    Raises
    ------
    ImageError
        As `png_header`, and if a checksum is wrong.
    """
    png_header(path, colour)
    stored = png_stored(path)
    return np.ascontiguousarray(stored, dtype=np.uint16) if colour is None else to_counts(stored, colour)


def png_stored(path: Path) -> NDArray[Any]:
    """Return the numbers of a PNG as they are stored: (y, x), or (y, x, 3) in colour.

    Raises
    ------
    ImageError
        As `png_facts`, and if a checksum is wrong.
    """
    facts = png_facts(path)
    _check(path)
    pixels: NDArray[Any]
    if facts.colour and facts.bits > 8:
        import imagecodecs

        pixels = imagecodecs.png_decode(path.read_bytes())
    else:
        with _pillow().open(path) as picture:
            pixels = np.asarray(picture)
    if pixels.shape != (*facts.shape_yx, 3)[: 3 if facts.colour else 2]:
        raise ImageError(f"{path} is not {'in colour' if facts.colour else 'grey'}", hint=CAMERA_KINDS)
    return np.ascontiguousarray(pixels, dtype=np.uint8 if facts.bits == 8 else np.uint16)


def _check(path: Path) -> None:
    """Refuse a PNG with a wrong checksum."""
    with path.open("rb") as file:
        for name, length, end in _chunks(path, file):
            checksum = zlib.crc32(name)
            left = length
            while left:
                piece = file.read(min(left, _PIECE_BYTES))
                checksum = zlib.crc32(piece, checksum)
                left -= len(piece)
            if int.from_bytes(file.read(4), "big") != checksum:
                raise ImageError(f"{path} is damaged: a checksum at byte {end - 4} is wrong", hint=COPY_AGAIN)


def _chunks(path: Path, file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, length and end of each chunk, the file being where its contents begin."""
    file_bytes = file.seek(0, 2)
    at = len(SIGNATURE)
    while True:
        file.seek(at)
        start = file.read(8)
        length = int.from_bytes(start[:4], "big")
        end = at + 12 + length
        if len(start) < 8 or length > _LARGEST_CHUNK or end > file_bytes:
            raise ImageError(f"{path} cannot be decoded: it ends before its pixels do", hint=COPY_AGAIN)
        yield start[4:], length, end
        if start[4:] == b"IEND":
            return
        at = end


@functools.cache
def _pillow() -> Any:  # noqa: ANN401 - it has no types
    """Import Pillow without its own limit of size: `require_possible` has refused what cannot be."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    return Image

"""PNG files, grey or in colour: their header, their checksums, their pixels.

Pillow decodes, and imagecodecs colour of 16 bits, which Pillow would cut to 8. What they let pass is looked at here
first: checksums of chunks that they do not need, transparency, animations, and a size that the file is too small to
hold.
"""

from __future__ import annotations

import functools
import zlib
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
    require_possible,
)
from hcc_scope.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from hcc_scope.colour import ColourConversion

__all__ = ["SIGNATURE", "png_header", "png_pixels"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = 33
_LARGEST_CHUNK = 2**31 - 1
_PIECE_BYTES = 1 << 20
_GREY, _RGB = 0, 2
_KINDS = {3: "a palette of colours", 4: "grey with transparency", 6: "colour with transparency"}


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
        If it is not grey (or, with a conversion, not in colour), has another depth than 8 or 16 bits, holds several
        images, is too small for the pixels that it claims, or ends too early.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    if len(start) < _HEADER_BYTES or start[12:16] != b"IHDR":
        raise ImageError(f"{path} is a PNG without a header", hint=COPY_AGAIN)
    width, height = int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
    depth, kind = start[24], start[25]
    if kind == _RGB and colour is None:
        raise ImageError(f"{path} is colour, not grey", hint=COLOUR_HINT)
    if kind == _GREY and colour is not None:
        raise ImageError(f"{path} is grey, so it cannot be converted by {colour}", hint=GREY_HINT)
    if kind not in (_GREY, _RGB):
        hint = FLATTEN_HINT if kind in (4, 6) else CAMERA_KINDS
        raise ImageError(f"{path} is {_KINDS.get(kind, 'of an unknown kind')}, not grey", hint=hint)
    if depth not in {8, 16}:
        raise ImageError(f"{path} has {depth} bits a pixel, not 8 or 16", hint=CAMERA_KINDS)
    packed_bytes = 0
    with path.open("rb") as file:
        for name, length, _ in _chunks(path, file):
            if name == b"tRNS":
                words = "grey" if kind == _GREY else "colour"
                raise ImageError(f"{path} is {words} with transparency, not {words} alone", hint=FLATTEN_HINT)
            if name == b"acTL":
                raise ImageError(f"{path} is an animation, not one image", hint=CAMERA_KINDS)
            packed_bytes += length if name == b"IDAT" else 0
    samples = 1 if kind == _GREY else 3
    require_possible(str(path), (height, width), depth, packed_bytes, "deflate", samples=samples)
    return Header(0, (height, width), depth)


def png_pixels(path: Path, colour: ColourConversion | None = None) -> NDArray[np.uint16]:
    """Return the counts (y, x) of a PNG, converted if it is in colour.

    Raises
    ------
    ImageError
        As `png_header`, and if a checksum is wrong.
    """
    header = png_header(path, colour)
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
    if colour is not None and header.bit_depth > 8:
        import imagecodecs

        return to_counts(imagecodecs.png_decode(path.read_bytes()), colour)
    with _pillow().open(path) as picture:
        pixels = np.asarray(picture)
    if colour is not None:
        return to_counts(pixels, colour)
    if pixels.ndim != 2:
        raise ImageError(f"{path} is not grey", hint=CAMERA_KINDS)
    return np.ascontiguousarray(pixels, dtype=np.uint16)


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

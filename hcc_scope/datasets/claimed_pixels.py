"""How many pixels a compressed strip or tile of a TIFF claims to hold, from its own first bytes."""

from __future__ import annotations

import struct

__all__ = ["CARRIES_ITS_SIZE", "claimed_pixels"]

CARRIES_ITS_SIZE = {
    7: "jpeg",
    33007: "jpeg",
    34892: "jpeg",
    33003: "jpeg 2000",
    33004: "jpeg 2000",
    33005: "jpeg 2000",
    34712: "jpeg 2000",
    34933: "png",
    34887: "lerc",
    50002: "jpeg xl",
    52546: "jpeg xl",
}
"""TIFF's compressions whose data state their own size."""
_JPEG_XL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def claimed_pixels(kind: str, data: bytes) -> int | None:
    """Return how many pixels compressed data claim to hold; None if they do not state it where they should.

    Parameters
    ----------
    kind : str
        Of `CARRIES_ITS_SIZE`.
    data : bytes
        From the beginning, 64 KiB are enough.
    """
    match kind:
        case "png":
            return _product(">II", data, 16)
        case "lerc":
            return _lerc(data)
        case "jpeg 2000":
            at = data.find(b"\xff\x4f\xff\x51")
            if at < 0 or len(data) < at + 24:
                return None
            width, height, left, top = struct.unpack(">4I", data[at + 8 : at + 24])
            return int(width - left) * int(height - top)
        case "jpeg xl":
            return _jpeg_xl(data)
        case _:
            return _jpeg(data)


def _lerc(data: bytes) -> int | None:
    version = int.from_bytes(data[6:10], "little")
    pixels = _product("<II", data, 14 if version >= 3 else 10) if data.startswith(b"Lerc2 ") else None
    if pixels is None or version < 4 or len(data) < 26:
        return pixels
    depth = int.from_bytes(data[22:26], "little")  # numbers a pixel
    return pixels if depth <= 4 else pixels * depth


def _jpeg(data: bytes) -> int | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, [length] = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return _product(">HH", data, at + 5)
        at += 2 + length
    return None


def _jpeg_xl(data: bytes) -> int | None:
    """Read the size where the codestream begins, from the lowest bit on; a container may lie around it."""
    at = 0
    if not data.startswith(b"\xff\x0a"):
        box = max(data.find(b"jxlc"), data.find(b"jxlp"))
        at = data.find(b"\xff\x0a", box, box + 10) if box >= 0 else -1
    if at < 0 or len(data) < at + 14:
        return None
    bits = int.from_bytes(data[at + 2 : at + 14], "little")

    def take(n: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << n) - 1), bits >> n
        return value

    def side(small: int) -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height = side(small)
    ratio = take(3)
    if ratio == 0:
        return height * side(small)
    numerator, denominator = _JPEG_XL_RATIOS[ratio - 1]
    return height * (height * numerator // denominator)


def _product(layout: str, data: bytes, at: int) -> int | None:
    if len(data) < at + struct.calcsize(layout):
        return None
    height, width = struct.unpack_from(layout, data, at)
    return int(height) * int(width)

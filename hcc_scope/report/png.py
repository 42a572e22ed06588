"""Grey and coloured pictures as PNG, within a page."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_shown", "picture_uri", "png", "png_uri"]


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture, grey (y, x) or red, green, blue (y, x, 3), as a PNG of 8 bits."""
    height, width = pixels.shape[:2]
    in_colour = pixels.ndim == 3
    rows = np.zeros((height, 1 + width * (3 if in_colour else 1)), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2 if in_colour else 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
        + chunk(b"IEND", b"")
    )


def as_shown(counts: NDArray[np.uint16], black: float, white: float) -> NDArray[np.uint8]:
    """Return counts (y, x) as levels of grey, with these two shown as black and white."""
    shown: NDArray[np.uint8] = (
        (np.clip((counts - black) / max(white - black, 1e-9), 0, 1) * 255).round().astype(np.uint8)
    )
    return shown


def picture_uri(pixels: NDArray[np.uint8]) -> str:
    """Return a picture, as `png` takes it, as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode("ascii")


def png_uri(counts: NDArray[np.uint16], black: float, white: float) -> str:
    """Return counts (y, x) as the address of a picture, with these two shown as black and white."""
    return picture_uri(as_shown(counts, black, white))

"""Grey pictures as PNG, within a page."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["grey_png", "png_uri"]


def grey_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture (y, x) as a PNG of 8 bits."""
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = pixels

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
        + chunk(b"IEND", b"")
    )


def png_uri(counts: NDArray[np.uint16], black: float, white: float) -> str:
    """Return counts (y, x) as the address of a picture, with these two shown as black and white."""
    shown = (np.clip((counts - black) / max(white - black, 1e-9), 0, 1) * 255).round().astype(np.uint8)
    return "data:image/png;base64," + base64.b64encode(grey_png(shown)).decode("ascii")

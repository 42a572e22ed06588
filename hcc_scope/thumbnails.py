"""Smaller pictures of frames and tiles, by the means of square blocks: the one reduction that all pictures share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["THUMBNAIL_PX", "block_means", "middle", "reduced", "thumbnail"]

THUMBNAIL_PX = 128
"""Longer side of a field's thumbnail."""
_DETAIL_PX = 768
_UINT32_STEP_PX = 256
"""Up to this side, the sum of a block of uint16 fits into uint32."""


def block_means(pixels: NDArray[np.uint16], step_px: int) -> NDArray[np.float32]:
    """Return the mean of every whole block of `step_px` x `step_px` pixels.

    Rows and columns that fill no block, at the far edges, are left out.

    Parameters
    ----------
    pixels : (y, x) uint16
    step_px : int
        At least 1.

    Returns
    -------
    (y // step_px, x // step_px) float32
        Each is the exact mean, rounded once.
    """
    height, width = (n // step_px for n in pixels.shape)
    dtype = np.uint32 if step_px <= _UINT32_STEP_PX else np.uint64
    whole = pixels[: height * step_px, : width * step_px]
    # rows first: numpy adds whole rows many times as fast as the few pixels of a block's row
    rows = whole.reshape(height, step_px, width * step_px).sum(axis=1, dtype=dtype)
    sums = rows.reshape(height, width, step_px).sum(axis=2, dtype=dtype)
    means: NDArray[np.float32] = (sums / step_px**2).astype(np.float32)
    return means


def thumbnail(pixels: NDArray[np.uint16], side_px: int = THUMBNAIL_PX) -> NDArray[np.uint16]:
    """Return (y, x) pixels reduced by a whole number, to at most `side_px` on the longer side."""
    return reduced(pixels, max(1, -(-max(pixels.shape) // side_px)))


def reduced(pixels: NDArray[np.uint16], step_px: int) -> NDArray[np.uint16]:
    """Return pixels (y, x) reduced by a whole number: the rounded `block_means`; the pixels themselves for 1."""
    return pixels if step_px == 1 else block_means(pixels, step_px).round().astype(np.uint16)


def middle(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return the middle of a field: 768 px a side, or less, reduced to 256."""
    top, left = (max(0, (n - _DETAIL_PX) // 2) for n in pixels.shape)
    return thumbnail(pixels[top : top + _DETAIL_PX, left : left + _DETAIL_PX], 2 * THUMBNAIL_PX)

"""Smooth a field of light: a polynomial for the slopes, and a Gaussian blur for what is left.

A blur alone is wrong at the edges of an image, where it mirrors: a slope flattens there, and a vignette is steepest
there. What a polynomial of degree 4 leaves has no slope to speak of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["block_means", "polynomial_field", "smoothed"]

_DEGREE = 4
"""Of what a blur is added to."""
_BLOCKS = 32
"""Along the shorter side, at most: what a polynomial is fitted to."""


def block_means(values: NDArray[np.float64] | NDArray[np.uint16], block_px: int) -> NDArray[np.float64]:
    """Return the means over the whole blocks of `block_px` px of an image (y, x)."""
    height, width = (side // block_px for side in values.shape)
    used = values[: height * block_px, : width * block_px].reshape(height, block_px, width, block_px)
    means: NDArray[np.float64] = used.mean(axis=(1, 3), dtype=np.float64)
    return means


def smoothed(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return an image (y, x) after a blur of `sigma` px that leaves a slope as it is, up to the edges."""
    block_px = max(1, min(values.shape) // _BLOCKS)
    field = polynomial_field(block_means(values, block_px), block_px, values.shape)
    rest: NDArray[np.float64] = gaussian_filter(values - field, sigma, mode="reflect")
    return field + rest


def polynomial_field(
    blocks: NDArray[np.float64], block_px: int, shape_yx: tuple[int, ...], degree: int = _DEGREE
) -> NDArray[np.float64]:
    """Return the polynomial through the means of blocks (rows, columns), at each pixel (y, x).

    Parameters
    ----------
    blocks : (rows, columns) float64
        As `block_means` returns them.
    block_px : int
        Side of a block.
    shape_yx : (int, int)
        Of the image.
    degree : int
        Sum of the powers of y and x, at most.
    """
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]

    def axis(places_px: NDArray[np.floating], n_px: int) -> NDArray[np.floating]:
        return (places_px - (n_px - 1) / 2) / (n_px / 2)

    (rows, columns), (height, width) = blocks.shape, shape_yx
    y = axis(np.arange(rows) * block_px + (block_px - 1) / 2, height)
    x = axis(np.arange(columns) * block_px + (block_px - 1) / 2, width)
    terms = np.stack([np.outer(y**i, x**j).ravel() for i, j in powers], axis=1)
    weights, *_ = np.linalg.lstsq(terms, blocks.ravel(), rcond=None)
    table = np.zeros((degree + 1, degree + 1))
    for (i, j), weight in zip(powers, weights, strict=True):
        table[i, j] = weight
    y_all, x_all = axis(np.arange(height, dtype=np.float64), height), axis(np.arange(width, dtype=np.float64), width)
    field: NDArray[np.float64] = (
        np.vander(y_all, degree + 1, increasing=True) @ table @ np.vander(x_all, degree + 1, increasing=True).T
    )
    return field

"""Estimate a flat field from stored fields of tissue, for a rig that has no reference.

Fields at random places hold tissue in every part of the image equally often, so the median of many, each divided by
its own mean, is the light; a polynomial of degree 4 keeps what a lamp and a condenser do and drops the tissue. It is
worth less than a measured one: whatever the fields share (an edge of the section, a fold) is taken for light. It is
accepted only if the two halves of the fields agree, and is marked as estimated wherever it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.formatting import counted
from hcc_scope.shading.making import Refusal
from hcc_scope.shading.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from hcc_scope.shading.reference import Settings

__all__ = ["LEAST_FIELDS", "estimate_flat", "even_dark"]

LEAST_FIELDS = 50
_BLOCKS = 32
"""Along the longer side: what the polynomial is fitted to."""
_DEGREE = 4
_HALVES = 0.03
"""Largest difference between the fields of the two halves, anywhere."""
_LOWEST = 0.2
"""Of the mean light; a lower value is no vignette."""


def even_dark(settings: Settings) -> Reference:
    """Return a dark field of 0 counts, for a rig without one: the camera's offset is then taken for light."""
    return Reference.of_map("dark", np.zeros(settings.shape_yx), settings, shots=0, estimated=True)


def estimate_flat(fields: Iterable[NDArray[np.uint16]], dark: Reference, settings: Settings) -> Reference | Refusal:
    """Return a flat field estimated from fields of tissue, or why there is none.

    Parameters
    ----------
    fields : iterable of (y, x) uint16
        Raw counts, at places of the section that were chosen at random.
    dark : Reference
        Subtracted from them.
    settings : Settings
        Of the rig while they were acquired.
    """
    height, width = settings.shape_yx
    side = max(1, max(height, width) // _BLOCKS)
    rows, columns = height // side, width // side

    def blocks(values: NDArray[np.float64] | NDArray[np.uint16]) -> NDArray[np.float64]:
        used = values[: rows * side, : columns * side].reshape(rows, side, columns, side)
        means: NDArray[np.float64] = used.mean(axis=(1, 3), dtype=np.float64)
        return means

    of_dark = blocks(dark.values)
    stack = []
    for pixels in fields:
        light = blocks(pixels) - of_dark
        mean = float(light.mean())
        if mean > 0:
            stack.append(light / mean)
    if len(stack) < LEAST_FIELDS:
        return Refusal(
            "flat",
            f"an estimate takes at least {counted(LEAST_FIELDS, 'field')}, and there are {len(stack)}",
            "Name more stores of the same settings.",
        )
    all_blocks = np.stack(stack)
    first, second, whole = (
        _fitted(np.median(part, axis=0), (side, side), settings.shape_yx)
        for part in (all_blocks[::2], all_blocks[1::2], all_blocks)
    )
    apart = float(np.abs(first / second - 1).max())
    if whole.min() < _LOWEST or not apart <= _HALVES:
        return Refusal(
            "flat",
            f"the two halves of the fields give light that differs by up to {apart:.1%}",
            "Name more stores, of sections that fill their fields, or take a flat field of blank glass.",
        )
    return Reference.of_map(
        "flat",
        whole,
        settings,
        shots=len(stack),
        estimated=True,
        dark_sha256=dark.manifest.pixels_sha256,
    )


def _fitted(blocks: NDArray[np.float64], block_px: tuple[int, int], shape_yx: tuple[int, int]) -> NDArray[np.float64]:
    """Return the polynomial of degree `_DEGREE` through the means of blocks, at each pixel (y, x), with mean 1."""
    powers = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]

    def axis(places_px: NDArray[np.floating], n_px: int) -> NDArray[np.floating]:
        return (places_px - (n_px - 1) / 2) / (n_px / 2)

    (rows, columns), (height, width) = blocks.shape, shape_yx
    y = axis(np.arange(rows) * block_px[0] + (block_px[0] - 1) / 2, height)
    x = axis(np.arange(columns) * block_px[1] + (block_px[1] - 1) / 2, width)
    terms = np.stack([np.outer(y**i, x**j).ravel() for i, j in powers], axis=1)
    weights, *_ = np.linalg.lstsq(terms, blocks.ravel(), rcond=None)
    table = np.zeros((_DEGREE + 1, _DEGREE + 1))
    for (i, j), weight in zip(powers, weights, strict=True):
        table[i, j] = weight
    y_all, x_all = axis(np.arange(height, dtype=np.float64), height), axis(np.arange(width, dtype=np.float64), width)
    field: NDArray[np.float64] = (
        np.vander(y_all, _DEGREE + 1, increasing=True) @ table @ np.vander(x_all, _DEGREE + 1, increasing=True).T
    )
    field /= field.mean()
    return field

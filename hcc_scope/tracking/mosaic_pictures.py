"""Pixels of the mosaic of a section by hand: reduced, coded, turned, and how sharp they are. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.orientation import Orientation

__all__ = ["CELL_PX", "NOT_SEEN", "block_means", "coded", "halved", "reduced", "sharpness", "turned_back"]

NOT_SEEN = 0
"""Value of a pixel whose ground was not seen yet; seen ground is 1 to 255."""
CELL_PX = 16
"""Side of the cells whose sharpness is compared."""


def coded(counts: NDArray[np.float32], full_scale: float) -> NDArray[np.uint8]:
    """Return the square root of the light between 1 (none) and 255 (full scale): a step is alike in dark and bright."""
    light = np.clip(counts * np.float32(1.0 / full_scale), 0.0, 1.0)
    codes: NDArray[np.uint8] = (np.sqrt(light) * np.float32(254.0) + np.float32(1.5)).astype(np.uint8)
    return codes


def halved(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the means of 2 x 2 pixels; where one of them was not seen, the brightest of the others.

    Parameters
    ----------
    pixels : (2 m, 2 n) uint8

    Returns
    -------
    (m, n) uint8
    """
    pairs = np.ascontiguousarray(pixels).view(np.uint16)  # two neighbours at once: a third of the time
    sums = (pairs & np.uint16(255)) + (pairs >> np.uint16(8))
    means: NDArray[np.uint8] = ((sums[::2] + sums[1::2] + np.uint16(2)) >> np.uint16(2)).astype(np.uint8)
    if pixels.all():
        return means
    a, b, c, d = pixels[::2, ::2], pixels[::2, 1::2], pixels[1::2, ::2], pixels[1::2, 1::2]
    least = np.minimum(np.minimum(a, b), np.minimum(c, d))
    return np.where(least == NOT_SEEN, np.maximum(np.maximum(a, b), np.maximum(c, d)), means)


def reduced(pixels: NDArray[np.uint8], halvings: int) -> NDArray[np.uint8]:
    """Return pixels that were halved so many times; a last odd row or column is left out each time."""
    for _ in range(halvings):
        height, width = pixels.shape
        pixels = halved(pixels[: height - height % 2, : width - width % 2])
    return pixels


def block_means(picture: NDArray[Any], step: int) -> NDArray[np.float32]:
    """Return the means of step x step pixels; adding strided rows and columns takes a quarter of numpy's sums."""
    height, width = (n // step for n in picture.shape)
    dtype: type[Any] = np.float32 if picture.dtype.kind == "f" else np.uint32
    bands = picture[: height * step, : width * step].reshape(height, step, width * step)
    rows: NDArray[Any] = bands[:, 0].astype(dtype)
    for i in range(1, step):
        rows += bands[:, i]
    blocks = rows.reshape(height, width, step)
    sums: NDArray[np.float32] = blocks[:, :, 0].astype(np.float32)
    for i in range(1, step):
        sums += blocks[:, :, i]
    sums *= np.float32(1.0 / step**2)
    return sums


def sharpness(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how much neighbouring pixels of each cell differ, relative to the light, and which share of it was seen.

    The values are the square root of the light, so their differences squared, over the light, do not change with it.

    Parameters
    ----------
    pixels : (CELL_PX m, CELL_PX n) uint8

    Returns
    -------
    (m, n) float32
        0 where there are no two seen neighbours.
    (m, n) float32
        0 to 1.
    """
    values = pixels.astype(np.float32)
    seen = (pixels != NOT_SEEN).astype(np.float32)
    differences, pairs = np.zeros_like(values), np.zeros_like(values)
    for one, other in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        both = seen[one] * seen[other]
        differences[one] += np.square(values[one] - values[other]) * both
        pairs[one] += both
    n_seen, n_pairs = _cell_sums(seen), _cell_sums(pairs)
    light = _cell_sums(np.square(values)) / n_seen.clip(1.0)
    mean = _cell_sums(differences) / n_pairs.clip(1.0)
    sharp: NDArray[np.float32] = np.where(n_pairs > 0, np.maximum(mean / light.clip(1.0), np.float32(1e-12)), 0.0)
    return sharp.astype(np.float32), n_seen * np.float32(1.0 / CELL_PX**2)


def _cell_sums(values: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = (n // CELL_PX for n in values.shape)
    bands = values.reshape(rows, CELL_PX, columns * CELL_PX).sum(axis=1)
    sums: NDArray[np.float32] = bands.reshape(rows, columns, CELL_PX).sum(axis=2)
    return sums


def turned_back(shape_yx: tuple[int, int], orientation: Orientation) -> NDArray[np.intp]:
    """Return which pixel of a tilted camera lies at each place of the upright rectangle around it.

    Returns
    -------
    (rows, columns) intp
        Numbers of pixels of the flat picture; one more than the last where there is none.
    """
    height, width = shape_yx
    out_width, out_height = (int(np.ceil(side)) for side in orientation.extent_um(shape_yx, 1.0))
    y, x = np.mgrid[:out_height, :out_width].astype(np.float64)
    places = np.stack([x - (out_width - 1) / 2, y - (out_height - 1) / 2], axis=-1)
    back = places @ np.linalg.inv(np.reshape(orientation.matrix, (2, 2))).T
    column, row = (np.rint(back[..., i] + (n - 1) / 2).astype(np.intp) for i, n in ((0, width), (1, height)))
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return np.where(inside, row * width + column, height * width)

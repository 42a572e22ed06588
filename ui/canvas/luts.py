"""Look-up tables: from counts to colours, with the limits, the colour map and the saturation mark in one table."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PALETTES", "SATURATED_RGB", "display_limits", "lookup_table", "palette_rgb"]

_LOWEST_PERCENT, _HIGHEST_PERCENT = 0.5, 99.8

_N_COUNTS = 1 << 16
_PYQTGRAPH_MAPS = {"Viridis": "viridis", "Inferno": "inferno", "Cividis": "cividis"}

PALETTES = ("Grey", "Inverted grey", *_PYQTGRAPH_MAPS, "Red", "Green", "Blue")
"""Names of the colour maps. All but the last three rise evenly in lightness, and colour-blind people can read them."""

SATURATED_RGB = (255, 0, 110)
"""Pixels at full scale: a magenta that none of the palettes contains."""


@functools.lru_cache(maxsize=len(PALETTES))
def palette_rgb(name: str) -> NDArray[np.uint8]:
    """Return a palette as (256, 3) uint8, from the lowest to the highest count; read-only.

    Raises
    ------
    ValueError
        If there is no such palette.
    """
    ramp = np.arange(256, dtype=np.uint8)
    if name == "Grey":
        rgb = np.stack([ramp] * 3, axis=1)
    elif name == "Inverted grey":
        rgb = np.stack([ramp[::-1]] * 3, axis=1)
    elif name in _PYQTGRAPH_MAPS:
        import pyqtgraph  # here: a third of a second that only coloured frames need

        rgb = np.asarray(pyqtgraph.colormap.get(_PYQTGRAPH_MAPS[name]).getLookupTable(nPts=256)[:, :3], np.uint8)
    elif name in PALETTES:
        rgb = np.zeros((256, 3), np.uint8)
        rgb[:, ("Red", "Green", "Blue").index(name)] = ramp
    else:
        raise ValueError(f"there is no palette '{name}'; choose one of {', '.join(PALETTES)}")
    rgb.flags.writeable = False
    return rgb


def lookup_table(palette: str, limits: tuple[float, float], saturated_from: int | None) -> NDArray[np.uint32]:
    """Return the colour of every count.

    Parameters
    ----------
    palette : str
        One of `PALETTES`.
    limits : (low, high)
        Counts of the first and the last colour; counts outside get the nearer of both.
    saturated_from : int or None
        Counts from here on are marked with `SATURATED_RGB`.

    Returns
    -------
    (65536,) uint32
        0xffRRGGBB.
    """
    low, high = limits
    counts = np.arange(_N_COUNTS, dtype=np.float32)
    index = np.clip((counts - low) * (255.0 / max(high - low, 1e-6)) + 0.5, 0, 255).astype(np.intp)
    red, green, blue = palette_rgb(palette).astype(np.uint32).T
    colours = np.uint32(0xFF000000) | (red << 16) | (green << 8) | blue  # (256,)
    table: NDArray[np.uint32] = colours[index]
    if saturated_from is not None:
        r, g, b = SATURATED_RGB
        table[saturated_from:] = 0xFF000000 | (r << 16) | (g << 8) | b
    return table


def display_limits(pixels: NDArray[np.uint16]) -> tuple[float, float]:
    """Return the counts to show as black and as white: percentiles of every 8th pixel."""
    low, high = np.percentile(pixels[::8, ::8], (_LOWEST_PERCENT, _HIGHEST_PERCENT))
    return float(low), max(float(high), float(low) + 1.0)

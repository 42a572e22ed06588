"""What one frame shows about its focus: two measures that have nothing in common, for each tile.

*Focus* is the measure that decides whether a tile is classified (`hcc_scope.quality`): the share of the finest detail
in all structure, without unit, noise or offset. *Tenengrad* is the mean squared gradient of Sobel's masks, here
relative to the squared mean: it grows with contrast, and sees detail of another size. Two planes of dirt, a lamp that
drifts or a reflection fool one of them, hardly both in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.quality import QualityLimits, assess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.tiling import TileGrid

__all__ = ["FocusReading", "read_focus"]

_EVERY_PX = 4
"""Tenengrad looks at every 4th row: rows nearby repeat each other, and this takes a quarter of the time."""


@dataclass(frozen=True, slots=True)
class FocusReading:
    """One frame at one height. Arrays have one entry per tile, in `hcc_scope.tiling.TileGrid` order.

    The properties summarise the frame's own tissue tiles; a search compares the same tiles in all its frames instead
    (`hcc_scope.focus.search`).
    """

    z_um: float
    """Read back from the focus drive; NaN where there is none."""
    tile_focus: NDArray[np.float32]
    """(n,) `hcc_scope.quality.TileQuality.focus`."""
    tile_tenengrad: NDArray[np.float32]
    """(n,) mean squared Sobel gradient, as a share of the squared mean."""
    tile_has_tissue: NDArray[np.bool_]
    """(n,) whether enough of the tile is textured as tissue is."""
    tile_saturated: NDArray[np.bool_]
    """(n,) whether too many of its pixels are at full scale."""

    @property
    def judged(self) -> NDArray[np.bool_]:
        """(n,) the tiles that the summaries rest on: tissue, and not saturated."""
        return self.tile_has_tissue & ~self.tile_saturated

    @property
    def tissue_tiles(self) -> int:
        """How many tiles hold tissue."""
        return int(self.tile_has_tissue.sum())

    @property
    def saturated_fraction(self) -> float:
        """Share of all tiles that are saturated, 0 to 1."""
        return float(self.tile_saturated.mean()) if self.tile_saturated.size else 0.0

    @property
    def focus(self) -> float:
        """Median of the focus measure over the judged tiles; 0 without any."""
        return _median(self.tile_focus[self.judged])

    @property
    def tenengrad(self) -> float:
        """Median of Tenengrad over the judged tiles; 0 without any."""
        return _median(self.tile_tenengrad[self.judged])


def _median(values: NDArray[np.float32]) -> float:
    return float(np.median(values)) if values.size else 0.0


def read_focus(
    pixels: NDArray[np.uint16], grid: TileGrid, limits: QualityLimits, bit_depth: int, z_um: float
) -> FocusReading:
    """Measure the focus of every tile of a frame.

    Parameters
    ----------
    pixels : (y, x) uint16
        Raw counts; only read.
    grid : TileGrid
        For this frame's shape.
    limits : QualityLimits
        What counts as tissue, and as saturated.
    bit_depth : int
        Of the camera.
    z_um : float
        Where the focus drive reported to be; NaN without one.

    Raises
    ------
    FrameSizeError
        If the frame has another shape than the grid.
    """
    quality = assess(pixels, grid, limits, bit_depth)
    tenengrad = np.array([_tenengrad(view) for view in grid.views(pixels)], dtype=np.float32)
    return FocusReading(
        z_um=z_um,
        tile_focus=quality.focus,
        tile_tenengrad=tenengrad,
        tile_has_tissue=quality.tissue_fraction >= limits.tissue_fraction_min,
        tile_saturated=quality.saturated_fraction > limits.saturated_fraction_max,
    )


def _tenengrad(view: NDArray[np.uint16]) -> float:
    """Return the mean squared gradient of one tile (t, t), as a share of its squared mean.

    Sobel's masks; J. M. Tenenbaum, "Accommodation in computer vision", Stanford University, 1970.
    """
    above, here, below = (
        view[row : view.shape[0] - 2 + row : _EVERY_PX].astype(np.float32) for row in range(3)
    )  # (t / 4, t) each
    smooth = above + 2 * here + below
    gradient_x = smooth[:, 2:] - smooth[:, :-2]
    step = below - above
    gradient_y = step[:, :-2] + 2 * step[:, 1:-1] + step[:, 2:]
    energy = np.mean(gradient_x**2, dtype=np.float64) + np.mean(gradient_y**2, dtype=np.float64)
    mean = max(1.0, float(np.mean(here, dtype=np.float64)))
    return float(energy) / mean**2

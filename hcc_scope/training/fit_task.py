"""The task of a fit, data and settings: one value for the first attempt of a training and for all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.training.config import TrainConfig

__all__ = ["FitTask"]


@dataclass(frozen=True, slots=True)
class FitTask:
    """Tiles, their labels, their roles, and the configuration of the fit."""

    tiles: TileTable
    labels: NDArray[np.int64]
    """(all tiles,) 0 .. n_outputs - 1."""
    train_rows: NDArray[np.int64]
    """Rows of the table that the weights are fitted to."""
    held_out_rows: NDArray[np.int64]
    """Rows that decide nothing but the epoch whose weights are taken, and that only if the recipe or the configuration
    stops early; there may be none."""
    config: TrainConfig
    """Decides everything else."""
    n_outputs: int = 2
    """Number of classes."""
    whole_budget: bool = False
    """Train to the end of the budget and take the last weights, whatever the loss on held-out tiles."""

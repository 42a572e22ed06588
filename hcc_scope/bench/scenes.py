"""Frames to measure with: photon noise on a smooth background, which compresses as a camera's frames do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["make_scenes"]

MEAN_COUNTS = 400.0
"""More counts are harder to compress: lz4 with bit shuffling makes these about 1.6 times smaller."""


def make_scenes(side_px: int, n: int) -> list[NDArray[np.uint16]]:
    """Return `n` different frames (side, side), the same in every process, read-only."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:side_px, 0:side_px] / side_px
    scenes = [rng.poisson(MEAN_COUNTS * (1 + 0.3 * np.sin(9 * x + k) * y)).astype(np.uint16) for k in range(n)]
    for scene in scenes:
        scene.flags.writeable = False
    return scenes

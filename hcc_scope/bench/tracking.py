"""Tracking: what it costs to follow one live frame of a hand-moved stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from hcc_scope.bench.timing import timed
from hcc_scope.tracking import Tracker

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.bench.figures import JsonObject

__all__ = ["Follower", "moving_frames"]

_STEPS_PX = ((61, 37), (23, -84), (-95, 40), (8, 111), (-40, -52), (70, -17), (-19, 66), (-45, -30))
"""(down, right) from one frame to the next, for frames of 1024 px; their sum is not zero."""
_UM_PER_PX = 0.325


def moving_frames(side_px: int, n: int) -> list[NDArray[np.uint16]]:
    """Return `n` frames (side, side) of one texture that moves back and forth, with noise, read-only."""
    rng = np.random.default_rng(0)
    reach = side_px // 2
    world = ndimage.gaussian_filter(rng.standard_normal((side_px + 2 * reach,) * 2, dtype=np.float32), 5.0)
    world = 20_000 + 2500 * world / world.std()
    y = x = reach
    frames = []
    for k in range(n):
        cut = world[y : y + side_px, x : x + side_px]
        frame = (cut + rng.normal(0.0, 150.0, cut.shape)).astype(np.uint16)
        frame.flags.writeable = False
        frames.append(frame)
        down, right = (step * side_px // 1024 for step in _STEPS_PX[k % len(_STEPS_PX)])
        y, x = (min(max(at + step, 0), 2 * reach) for at, step in ((y, down), (x, right)))
    return frames


class Follower:
    """Our tracker: position, key frames and what is fixed on the sensor, frame after frame."""

    def __init__(self, side_px: int) -> None:
        self._frames = moving_frames(side_px, 40)
        self._shape = (side_px, side_px)

    @property
    def facts(self) -> JsonObject:
        """What runs."""
        return {"engine": "hcc_scope.tracking, pictures of 256 x 256 px, 1 thread"}

    def round(self, request: JsonObject) -> JsonObject:
        """Follow ``frames`` frames; ``tracked`` is how many of them had a position."""
        tracker, n = Tracker(self._shape, _UM_PER_PX), int(request["frames"])
        tracked = 0
        with timed() as taken:
            for k in range(n):
                tracked += tracker.see(self._frames[k % len(self._frames)], k / 10).place is not None
        return {**taken.account(n), "tracked": tracked}

    def close(self) -> None:
        """Nothing is open."""

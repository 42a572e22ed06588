"""Measure what judging a live frame of a hand-moved stand costs: ``python -m benchmarks capture [frames]``.

Processor time of a frame of the phantom in ms, median: judging it by every rule, for a field that is still, in focus,
tissue and far from 1,000 captured ones; and following its motion, which each live frame needs as well.
"""

from __future__ import annotations

import statistics
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.by_hand import CaptureJudge, CaptureRules
from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.tiling import TileGrid
from hcc_scope.tracking import Place, Tracker, TrackView
from hcc_scope.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

UM_PER_PX = 0.325
STILL = TrackView("tracking", Place(0, 0.0, 0.0, 0.1), (0.0, 0.0), 0.0, 0.95)
CAPTURED = 1000
STEP_PX = 20


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    specimen = Specimen(1, "M1", "S1", "high", cache_mb=256)
    for side_px in (1024, 2048):
        field = specimen.render(0.0, 0.0, 0.0, (side_px, side_px), UM_PER_PX)
        pixels = CameraPhysics().expose(field, exposure_ms=10.0, noise_seed=1)
        judging_ms, word = judged(pixels, n)
        print(f"{side_px} px: judging {judging_ms:.1f} ms (the last word: {word or 'fit'}), ", end="")
        print(f"following {followed(pixels, n):.1f} ms")


def judged(pixels: NDArray[np.uint16], n: int) -> tuple[float, str]:
    """Return the cost of judging in ms, and the last word."""
    judge = CaptureJudge(CaptureRules(), TileGrid.for_frame(pixels.shape), UM_PER_PX)
    for k in range(CAPTURED):
        judge.captured(Place(0, 1e6 + 1e3 * k, 0.0, 0.1))
    frame = Frame(0, pixels, 0, datetime.now(UTC), 10.0, "S1")
    cost_ms = _median_ms(lambda i: judge.judge(frame, STILL, t_s=0.1 * i), n)
    return cost_ms, judge.judge(frame, STILL, t_s=0.1 * n).word


def followed(pixels: NDArray[np.uint16], n: int) -> float:
    """Return the cost of following the motion in ms."""
    tracker = Tracker((pixels.shape[0], pixels.shape[1]), UM_PER_PX)
    moved = [np.roll(pixels, STEP_PX * i, axis=1) for i in range(8)]
    return _median_ms(lambda i: tracker.see(moved[i % 8], 0.1 * i), n)


def _median_ms(work: Callable[[int], object], n: int) -> float:
    costs = []
    for i in range(n):
        began = time.thread_time()
        work(i)
        costs.append(1e3 * (time.thread_time() - began))
    return statistics.median(costs)


if __name__ == "__main__":
    main()

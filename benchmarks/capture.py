"""Measure what judging a live frame of a hand-moved stand costs: ``python -m benchmarks capture [frames]``.

Processor time per frame, median, on one thread: a still field in focus far from 1,000 captured ones, for which every
rule is asked, beside following the motion, which each live frame needs as well.
"""

from __future__ import annotations

import statistics
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hcc_scope.bench.scenes import make_scenes
from hcc_scope.by_hand import CaptureJudge, CaptureRules
from hcc_scope.tiling import TileGrid
from hcc_scope.tracking import Place, Tracker, TrackView
from hcc_scope.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

UM_PER_PX = 0.325
STILL = TrackView("tracking", Place(0, 0.0, 0.0, 0.1), (0.0, 0.0), 0.0, 0.95)
CAPTURED = 1000


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    for side_px in (1024, 2048):
        scenes = make_scenes(side_px, 4)
        judge = CaptureJudge(CaptureRules(), TileGrid.for_frame((side_px, side_px)), UM_PER_PX)
        for k in range(CAPTURED):
            judge.captured(Place(0, 1e6 + 1e3 * k, 0.0, 0.1))
        frames = [Frame(i, scenes[i % 4], 0, datetime.now(UTC), 10.0, "S1") for i in range(n)]
        words = {judge.judge(frame, STILL, t_s=0.1 * i).word for i, frame in enumerate(frames)}
        judging = _median_ms(lambda i: judge.judge(frames[i], STILL, t_s=1e3 + 0.1 * i), n)
        tracker = Tracker((side_px, side_px), UM_PER_PX)
        following = _median_ms(lambda i: tracker.see(scenes[i % 4], 0.1 * i), n)
        print(f"{side_px} px: judging {judging:.1f} ms, following {following:.1f} ms ({', '.join(sorted(words))})")


def _median_ms(work: Callable[[int], object], n: int) -> float:
    costs = []
    for i in range(n):
        began = time.thread_time()
        work(i)
        costs.append(1e3 * (time.thread_time() - began))
    return statistics.median(costs)


if __name__ == "__main__":
    main()

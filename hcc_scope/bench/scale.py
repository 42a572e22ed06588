"""The size of a benchmark: in full, or just enough to see that it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FULL", "QUICK", "Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    side_px: int
    """Of the frames of every part but the end-to-end one."""
    n_rounds: int
    classify_s: float
    """How long one round of one classifier should take."""
    store_frames: int
    pace_hz: tuple[float, ...]
    pace_s: float
    """How long a camera of a given pace runs."""
    live: Mapping[int, tuple[int, int]]
    """Side of the frames in px to the number of frames for ours and for the plain composition."""
    live_rounds: int
    latency_hz: tuple[float, ...]
    latency_s: float
    replay_frames: int
    training: Mapping[str, tuple[int, int]]
    """Network to the number of tiles of a round for our loop and for the plain one."""
    track_px: int
    """Side of the live frames that are followed."""
    track_frames: int


FULL = Scale(
    side_px=2048,
    n_rounds=5,
    classify_s=1.5,
    store_frames=100,
    pace_hz=(10.0, 26.0, 56.0, 100.0),
    pace_s=2.0,
    live={512: (300, 40), 1024: (120, 12), 2048: (60, 5)},
    live_rounds=3,
    latency_hz=(5.0, 10.0, 20.0),
    latency_s=10.0,
    replay_frames=40,
    training={"meng2019": (400, 64), "compact": (320, 64)},
    track_px=1024,
    track_frames=120,
)
QUICK = Scale(
    side_px=512,
    n_rounds=1,
    classify_s=0.05,
    store_frames=4,
    pace_hz=(100.0,),
    pace_s=0.05,
    live={512: (4, 2)},
    live_rounds=1,
    latency_hz=(20.0,),
    latency_s=0.2,
    replay_frames=4,
    training={"meng2019": (8, 16)},
    track_px=256,
    track_frames=4,
)

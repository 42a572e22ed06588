"""How long a plan takes and how much it stores, before anything moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from hcc_scope.plans.models import Sequence, TimeSeries

if TYPE_CHECKING:
    from hcc_scope.plans.models import Plan

__all__ = ["Pace", "PlanEstimate", "estimate"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the devices are."""

    exposure_ms: float
    settle_ms: float = 0.0
    stage_um_per_s: float = 5000.0
    """An assumption: no device reports it. Motorised stages reach 2 to 30 mm/s."""
    move_s: float = 0.15
    """To start, stop and read back one move; an assumption too."""
    read_out_s: float = 0.03
    """To read out and hand over one single frame; an assumption too."""
    classify_fps: float | None = None
    """None: not known."""
    focus_frames: int = 20
    """Frames of one focusing, at most."""

    def assumptions(self) -> str:
        """Return what was assumed, as a sentence."""
        return (
            f"Assumed: the stage goes {self.stage_um_per_s / 1000:g} mm/s, a move takes {self.move_s:g} s besides, and"
            f" a frame {self.read_out_s:g} s besides its exposure."
        )


@dataclass(frozen=True, slots=True)
class PlanEstimate:
    """What a plan takes."""

    n_frames: int | None
    """None for an open end; then the times and bytes are None too."""
    n_places: int
    travel_um: float
    """From the present position over all places."""
    move_s: float
    settle_s: float
    n_focusings: int | None
    """None for an open end."""
    focus_s: float | None
    """At most: a focusing that finds its peak early ends early."""
    exposure_s: float | None
    acquire_s: float | None
    classify_s: float | None
    """None if the rate is not known."""
    duration_s: float | None
    """The longer of acquiring and classifying, which run side by side."""
    store_bytes: int | None
    """Uncompressed."""


def estimate(
    plan: Plan,
    field_um: tuple[float, float],
    frame_shape_yx: tuple[int, int],
    pace: Pace,
    *,
    n_frames: int | None,
    start_um: tuple[float, float] | None = None,
) -> PlanEstimate:
    """Estimate a plan's time and size.

    Parameters
    ----------
    plan : Plan
        Checked (`hcc_scope.plans.check_plan`).
    field_um : (w, h)
        What one frame covers.
    frame_shape_yx : (rows, columns)
    pace : Pace
    n_frames : int or None
        As `check_plan` returned it.
    start_um : (x, y), optional
        Where the stage is.
    """
    places = [(x_um, y_um) for _, x_um, y_um, _ in plan.places(field_um)]
    way = places if start_um is None else [start_um, *places]
    # x and y move at the same time, each at the stage's speed
    legs = [(abs(x1 - x0), abs(y1 - y0)) for (x0, y0), (x1, y1) in pairwise(way)]
    move_s = sum(max(leg) / pace.stage_um_per_s + pace.move_s for leg in legs if any(leg))
    settle_s = pace.settle_ms / 1000 * len(places)
    n_focusings = _focusings(plan, len(places), n_frames)
    frame_s = pace.exposure_ms / 1000 + pace.read_out_s + pace.move_s
    focus_s = None if n_focusings is None else n_focusings * pace.focus_frames * frame_s
    exposure_s = None if n_frames is None else n_frames * pace.exposure_ms / 1000
    acquire_s = classify_s = duration_s = store_bytes = None
    if n_frames is not None and exposure_s is not None:
        # a running sequence reads one frame out while it exposes the next
        frames_s = exposure_s if isinstance(plan, Sequence) else exposure_s + n_frames * pace.read_out_s
        if isinstance(plan, TimeSeries):
            frames_s = max(frames_s, (n_frames - 1) * plan.interval_s + pace.exposure_ms / 1000)
        acquire_s = move_s + settle_s + frames_s + (focus_s or 0.0)
        if pace.classify_fps:
            classify_s = n_frames / pace.classify_fps
        duration_s = max(acquire_s, classify_s or 0.0)
        store_bytes = 2 * n_frames * frame_shape_yx[0] * frame_shape_yx[1]
    return PlanEstimate(
        n_frames=n_frames,
        n_places=len(places),
        travel_um=sum(math.hypot(*leg) for leg in legs),
        move_s=move_s,
        settle_s=settle_s,
        n_focusings=n_focusings,
        focus_s=focus_s,
        exposure_s=exposure_s,
        acquire_s=acquire_s,
        classify_s=classify_s,
        duration_s=duration_s,
        store_bytes=store_bytes,
    )


def _focusings(plan: Plan, n_places: int, n_frames: int | None) -> int | None:
    """Return how often a plan focuses; None for an open end."""
    if plan.focus.mode == "plane":
        return min(plan.focus.points, n_places)
    return plan.focus.n_left(0, n_frames)

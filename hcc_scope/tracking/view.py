"""What is known about the field after a live frame: how it moved, and where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Place", "TrackState", "TrackView"]

TrackState = Literal["tracking", "too_fast", "no_structure", "lost"]
"""``too_fast``: the picture moved farther between two frames than can be measured. ``no_structure``: bare glass, out of
focus or no light, so that there is nothing to measure by. ``lost``: the position is not known until the field comes
back to a known place, or a new island begins. A position is known in the state ``tracking`` alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position that was measured, in the coordinates of one island.

    The axes are those of `hcc_scope.types.Frame.stage_um`: x and y of the stage, as
    `hcc_scope.orientation.Orientation` turns the camera's.
    """

    island: int
    """Number of the coordinate frame, from 0: places of different islands cannot be compared."""
    x_um: float
    y_um: float
    se_um: float
    """Standard error of each coordinate against the nearest captured field of the island; 0 for its first."""


@dataclass(frozen=True, slots=True)
class TrackView:
    """What the tracker makes of the newest frame."""

    state: TrackState
    place: Place | None = None
    """None in any state but ``tracking``."""
    step_um: tuple[float, float] | None = None
    """(x, y) that the field moved since the frame before; None if that was not measured."""
    speed_um_s: float | None = None
    confidence: float = 0.0
    """Correlation over the true overlap with what the place was measured against, -1 to 1; 0 if it was not."""
    island: int = 0
    """The present coordinate frame, also while the position in it is not known."""
    remark: str = ""
    """What the operator must know besides the state, as a sentence: no light, another objective ..."""

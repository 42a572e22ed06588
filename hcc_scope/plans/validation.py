"""Check a plan against the stage and the section before anything moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import PlanError
from hcc_scope.plans.focusing import plane_points
from hcc_scope.plans.geometry import points_inside
from hcc_scope.plans.models import MAX_PLACES, Sequence, TimeSeries, too_many_places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.plans.models import Place, Plan
    from hcc_scope.types import StageLimits

__all__ = ["check_plan"]


def _check_limits(place: Place, number: int, limits: StageLimits) -> None:
    _, x_um, y_um, z_um = place
    for axis, value, span in (("x", x_um, limits.x_um), ("y", y_um, limits.y_um), ("z", z_um, limits.z_um)):
        if value is None or span is None or span[0] <= value <= span[1]:
            continue
        end, limit = ("lower", span[0]) if value < span[0] else ("upper", span[1])
        raise PlanError(
            f"position {number} of the plan is at {axis} = {value:g} um,"
            f" beyond the stage's {end} limit of {limit:g} um",
            hint="Move the plan, or correct stage_limits_um in the rig file.",
        )


def check_plan(
    plan: Plan,
    field_um: tuple[float, float],
    *,
    limits: StageLimits | None = None,
    outline_um: NDArray[np.float64] | None = None,
) -> int | None:
    """Go through every place of a plan.

    Parameters
    ----------
    plan : Plan
    field_um : (w, h)
        What one frame covers.
    limits : StageLimits, optional
        Without them any position will do.
    outline_um : (n, 2) ndarray, optional
        The section: every field's centre must lie in it.

    Returns
    -------
    int or None
        Number of frames, now that the size of a field is known; None for an open end.

    Raises
    ------
    PlanError
        If the plan is empty, or a position lies outside the stage's limits or the section, or no focus plane can be
        laid through the positions. Positions count from 1.
    """
    places = []
    for number, place in enumerate(plan.places(field_um), start=1):
        if number > MAX_PLACES:
            raise too_many_places()
        if limits is not None:
            _check_limits(place, number, limits)
        places.append(place)
    frames = plan.expected_frames if isinstance(plan, TimeSeries | Sequence) else len(places)
    if frames == 0:
        raise PlanError("the plan holds no position", hint="Add positions, or enlarge the area.")
    centres = np.array([(x_um, y_um) for _, x_um, y_um, _ in places]).reshape(-1, 2)
    if plan.focus.mode == "plane":
        plane_points(centres, plan.focus.points)
    if outline_um is not None and places:
        outside = np.flatnonzero(~points_inside(centres, np.asarray(outline_um, dtype=np.float64)))
        if outside.size:
            x_um, y_um = centres[outside[0]]
            raise PlanError(
                f"position {outside[0] + 1} of the plan, at x = {x_um:g}, y = {y_um:g} um, lies outside the section",
                hint=f"{outside.size} of {len(places)} positions do: move the plan, or redraw the section's outline.",
            )
    return frames

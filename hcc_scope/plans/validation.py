"""Check a plan against the stage and the section before anything moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import PlanError
from hcc_scope.plans.focusing import plane_points
from hcc_scope.plans.geometry import points_inside
from hcc_scope.plans.models import MAX_PLACES, Sequence, TimeSeries, too_many_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hcc_scope.plans.models import Place, Plan
    from hcc_scope.types import StageLimits

__all__ = ["beyond_limits", "check_plan"]


def _faults(place: Place, limits: StageLimits) -> Iterator[str]:
    """Yield how a place lies beyond the limits, as the end of a sentence."""
    _, x_um, y_um, z_um = place
    for axis, value, span in (("x", x_um, limits.x_um), ("y", y_um, limits.y_um), ("z", z_um, limits.z_um)):
        if value is not None and span is not None and not span[0] <= value <= span[1]:
            end, limit = ("lower", span[0]) if value < span[0] else ("upper", span[1])
            yield f"is at {axis} = {value:g} um, beyond the stage's {end} limit of {limit:g} um"


def beyond_limits(places: list[Place], limits: StageLimits | None) -> NDArray[np.bool_]:
    """Return which places the stage or the focus drive must not go to.

    Parameters
    ----------
    places : list of Place
        Of one plan, in its order.
    limits : StageLimits or None
        Without them any position will do.

    Returns
    -------
    (n,) ndarray of bool
    """
    if limits is None:
        return np.zeros(len(places), dtype=np.bool_)
    return np.array([any(_faults(place, limits)) for place in places], dtype=np.bool_)


def _check_limits(places: list[Place], limits: StageLimits) -> None:
    beyond = np.flatnonzero(beyond_limits(places, limits))
    if beyond.size:
        first = int(beyond[0])
        others = f"{beyond.size} of {len(places)} positions lie beyond its limits: m" if beyond.size > 1 else "M"
        raise PlanError(
            f"position {first + 1} of the plan {next(_faults(places[first], limits))}",
            hint=f"{others}ove the plan, or correct stage_limits_um in the rig file.",
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
    places: list[Place] = []
    for number, place in enumerate(plan.places(field_um), start=1):
        if number > MAX_PLACES:
            raise too_many_places()
        places.append(place)
    if limits is not None:
        _check_limits(places, limits)
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

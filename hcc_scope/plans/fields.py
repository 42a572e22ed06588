"""The area that one frame covers, as a plan needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.errors import PlanError
from hcc_scope.plans.models import Grid

if TYPE_CHECKING:
    from hcc_scope.orientation import Orientation
    from hcc_scope.plans.models import Plan

__all__ = ["field_of"]


def field_of(
    plan: Plan, orientation: Orientation, shape_yx: tuple[int, int], pixel_size_um: float
) -> tuple[float, float]:
    """Return width and height, along the stage's axes, of the field that a plan places.

    For a camera that is not tilted they are the frame's. A tilted frame is not upright: a grid, which must leave no
    gap, reckons with the largest upright part inside it; fields that must not overlap, or reach over the section's
    edge, with the upright rectangle around it.

    Parameters
    ----------
    plan : Plan
    orientation : Orientation
        How the camera lies over the stage.
    shape_yx : (rows, columns)
        Of a frame.
    pixel_size_um : float

    Raises
    ------
    PlanError
        If a narrow frame is tilted so much that a grid of it would have gaps.
    """
    if isinstance(plan, Grid):
        try:
            return orientation.inside_um(shape_yx, pixel_size_um)
        except ValueError:
            raise PlanError(
                f"the camera is tilted by {orientation.tilt_deg:.1f} degrees to the stage, too much for a grid of"
                f" fields of {shape_yx[1]} x {shape_yx[0]} px",
                hint="Choose random fields, or turn the camera.",
            ) from None
    return orientation.extent_um(shape_yx, pixel_size_um)

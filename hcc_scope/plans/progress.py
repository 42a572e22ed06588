"""How far a plan was carried out: which of its fields each stored frame shows, and which come next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import PlanError
from hcc_scope.retakes import replaced_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hcc_scope.plans.models import Plan
    from hcc_scope.types import TagValue

__all__ = ["PlanProgress", "plan_progress"]

_SAME_UM = 0.01
"""Planned places that lie farther apart are not the same."""


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """What a run that goes on with a plan begins with; as given, a plan that was not begun."""

    fields: tuple[int, ...] = ()
    """Of each frame so far, in order of `seq`: the place of its field in the plan, from 0."""
    next_field: int = 0
    """The first field to take: the one behind the last that is stored. Fields before it that have no frame were not
    reached, and are not tried again; fields behind it that were not reached are."""

    @property
    def n_frames(self) -> int:
        """Frames so far."""
        return len(self.fields)

    @property
    def n_skipped(self) -> int:
        """Fields before the next one that have no frame."""
        return self.next_field - len(set(self.fields))


def plan_progress(
    plan: Plan, field_um: tuple[float, float], frames: Sequence[Mapping[str, TagValue] | None]
) -> PlanProgress:
    """Return how far stored frames have carried out a plan with one frame for each place.

    Parameters
    ----------
    plan : Plan
    field_um : (w, h)
        What one frame covers.
    frames : sequence of mapping or None
        The tags of each frame, in order of `seq`; None where they are damaged.

    Raises
    ------
    PlanError
        If a frame shows no field of this plan.

    Examples
    --------
    >>> from hcc_scope.plans import PositionList
    >>> plan = PositionList(positions_um=((0, 0), (9, 0), (18, 0)))
    >>> plan_progress(plan, (5, 5), [{"axis_position": 0}, {"axis_position": 1}, {"axis_position": 0, "retake_of": 0}])
    PlanProgress(fields=(0, 1, 0), next_field=2)
    """
    places = list(plan.places(field_um))
    index_of: dict[tuple[tuple[str, TagValue], ...], int] = {
        tuple(sorted(axes.items())): index for index, (axes, *_) in enumerate(places)
    }
    names = {f"axis_{name}" for axes, *_ in places[:1] for name in axes}
    fields: list[int] = []
    last = -1
    for seq, tags in enumerate(frames):
        if tags is None:
            raise PlanError(f"which field of the plan frame {seq} shows is not known: its line is damaged")
        axes = tuple(sorted((key.removeprefix("axis_"), tags[key]) for key in names & tags.keys()))
        index = index_of.get(axes)
        if index is None:
            raise PlanError(f"frame {seq} shows no field of the plan")
        _, x_um, y_um, _ = places[index]
        for axis, planned_um in (("x", x_um), ("y", y_um)):
            found = tags.get(f"planned_{axis}_um", planned_um)
            if not isinstance(found, int | float) or abs(found - planned_um) > _SAME_UM:
                raise PlanError(f"frame {seq} was taken at another place than the one that the plan gives its field")
        if replaced_frame(tags) is None:
            if index <= last:
                raise PlanError(f"frame {seq} shows a field out of the order of the plan")
            last = index
        fields.append(index)
    return PlanProgress(tuple(fields), last + 1)

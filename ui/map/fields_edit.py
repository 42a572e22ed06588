"""The fields of a list while they are edited: the chosen one, and the steps that can be undone. Without Qt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from hcc_scope.plans import PositionList
from ui.map.undo_steps import UndoSteps, neighbour

if TYPE_CHECKING:
    from hcc_scope.plans.models import Place

__all__ = ["FieldsEdit", "Mark"]


class Mark(NamedTuple):
    """A field of the list."""

    x_um: float
    y_um: float
    z_um: float | None = None
    """None leaves the focus where it is."""
    label: str = ""


class FieldsEdit:
    """Fields in the order in which they are taken."""

    def __init__(self) -> None:
        self.marks: tuple[Mark, ...] = ()
        self.field_um: tuple[float, float] = (1.0, 1.0)
        """Width and height of a field."""
        self.chosen: int | None = None
        self._source = PositionList(positions_um=())
        self._steps = UndoSteps[tuple[tuple[Mark, ...], int | None]]()
        self._grabbed = False
        self._hold_um = (0.0, 0.0)

    def begin(self, fields: PositionList) -> None:
        """Edit these fields. What was done to them here before can still be undone."""
        marks = _marks_of(fields)
        if marks != self.marks:
            self.marks, self.chosen = marks, None
            self._steps.clear()
        self._source = fields
        self._grabbed = False

    def fields(self) -> PositionList:
        """Return the list as it is now, with the settings that it had."""
        named = any(one.label for one in self.marks)
        new = {
            "positions_um": tuple(one[:2] if one.z_um is None else one[:3] for one in self.marks),
            "labels": tuple(one.label for one in self.marks) if named else None,
        }
        return PositionList.model_validate({**self._source.model_dump(), **new})

    def places(self) -> list[Place]:
        """Return the fields as places of a plan."""
        return [({"position": i}, *one[:3]) for i, one in enumerate(self.marks)]

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _note(self) -> None:
        self._steps.note((self.marks, self.chosen))

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._steps)

    @property
    def empty(self) -> bool:
        """Whether there is no field."""
        return not self.marks

    def undo(self) -> None:
        """Take the last step back."""
        if (before := self._steps.take_back()) is not None:
            self.marks, self.chosen = before

    def clear(self) -> None:
        """Take all fields away."""
        if self.marks:
            self._note()
            self.marks, self.chosen = (), None

    def add(self, x_um: float, y_um: float) -> None:
        """Add a field after the chosen one, else at the end; it becomes the chosen one."""
        self._note()
        at = len(self.marks) if self.chosen is None else self.chosen + 1
        self.marks = (*self.marks[:at], Mark(x_um, y_um), *self.marks[at:])
        self.chosen = at

    def delete(self) -> None:
        """Take the chosen field away."""
        if self.chosen is None:
            return
        self._note()
        self.marks = (*self.marks[: self.chosen], *self.marks[self.chosen + 1 :])
        self.chosen = min(self.chosen, len(self.marks) - 1) if self.marks else None

    def move(self, dx_um: float, dy_um: float) -> None:
        """Move the chosen field by a step."""
        if self.chosen is not None:
            self._note()
            self._put(self.marks[self.chosen].x_um + dx_um, self.marks[self.chosen].y_um + dy_um)

    def step(self, by: int) -> None:
        """Choose the field before or after the chosen one."""
        self.chosen = neighbour(self.chosen, by, len(self.marks))

    def click(self, x_um: float, y_um: float, near_um: float) -> None:
        """Choose the field at a place; where there is none, add one at the end."""
        at = self.at(x_um, y_um, near_um)
        if at is None:
            self.chosen = None
            self.add(x_um, y_um)
        else:
            self.chosen = at

    def grab(self, x_um: float, y_um: float, near_um: float) -> bool:
        """Take hold of the field at a place, to drag it; return whether there is one."""
        at = self.at(x_um, y_um, near_um)
        if at is None:
            return False
        self.chosen, self._grabbed = at, True
        self._hold_um = (x_um - self.marks[at].x_um, y_um - self.marks[at].y_um)
        return True

    def drag(self, x_um: float, y_um: float) -> None:
        """Move the field that was grabbed, by as much as the place where it is held."""
        if self.chosen is None:
            return
        if self._grabbed:
            self._note()
            self._grabbed = False
        self._put(x_um - self._hold_um[0], y_um - self._hold_um[1])

    def drop(self) -> None:
        """Release the field."""
        self._grabbed = False

    def _put(self, x_um: float, y_um: float) -> None:
        assert self.chosen is not None
        new = self.marks[self.chosen]._replace(x_um=x_um, y_um=y_um)
        self.marks = (*self.marks[: self.chosen], new, *self.marks[self.chosen + 1 :])

    # -- what is where -------------------------------------------------------------------------------------------------

    def at(self, x_um: float, y_um: float, near_um: float) -> int | None:
        """Return the field at a place, of several the one whose centre is nearest; one is hit `near_um` around it."""
        reach = [max(side / 2, near_um) for side in self.field_um]
        hit = [
            i
            for i, one in enumerate(self.marks)
            if abs(x_um - one.x_um) <= reach[0] and abs(y_um - one.y_um) <= reach[1]
        ]
        return min(hit, key=lambda i: math.dist(self.marks[i][:2], (x_um, y_um)), default=None)


def _marks_of(fields: PositionList) -> tuple[Mark, ...]:
    labels = fields.labels or ("",) * len(fields.positions_um)
    return tuple(
        Mark(float(one[0]), float(one[1]), float(one[2]) if len(one) == 3 else None, label)
        for one, label in zip(fields.positions_um, labels, strict=True)
    )

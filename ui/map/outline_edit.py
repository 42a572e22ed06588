"""An outline while it is drawn or mended: its corners, the chosen one, and the steps that can be undone. Without Qt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hcc_scope.errors import PlanError
from hcc_scope.plans import check_outline, first_crossing
from ui.map.undo_steps import UndoSteps, neighbour

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcc_scope.plans.outline import Crossing

__all__ = ["OutlineEdit"]

Point = tuple[float, float]


class OutlineEdit:
    """Corners x, y in stage um, in order. An outline that is being drawn is open until its first corner is clicked."""

    def __init__(self) -> None:
        self.corners: list[Point] = []
        self.closed = False
        self.chosen: int | None = None
        self._steps = UndoSteps[tuple[list[Point], bool, int | None]]()
        self._grabbed = False

    def begin(self, corners: Iterable[Point]) -> None:
        """Mend this outline; without corners, draw one."""
        self.corners = [(float(x), float(y)) for x, y in corners]
        self.closed = len(self.corners) >= 3
        self.chosen = None
        self._steps.clear()
        self._grabbed = False

    # -- what is wrong -------------------------------------------------------------------------------------------------

    @property
    def crossing(self) -> Crossing | None:
        """Where two edges cross; None if none do, or the outline is open."""
        return first_crossing(self.corners) if self.closed else None

    @property
    def problem(self) -> str:
        """Why no plan can use the outline, as text; empty if one can, or there is none."""
        if not self.corners:
            return ""
        if not self.closed:
            return "the outline is open: click its first corner to close it"
        try:
            check_outline(self.corners)
        except PlanError as error:
            return str(error)
        return ""

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _note(self) -> None:
        self._steps.note((list(self.corners), self.closed, self.chosen))

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._steps)

    @property
    def empty(self) -> bool:
        """Whether there is no corner."""
        return not self.corners

    def undo(self) -> None:
        """Take the last step back."""
        if (before := self._steps.take_back()) is not None:
            self.corners, self.closed, self.chosen = before

    def clear(self) -> None:
        """Take all corners away, to draw another outline."""
        if self.corners:
            self._note()
            self.corners, self.closed, self.chosen = [], False, None

    def click(self, x_um: float, y_um: float, near_um: float) -> None:
        """Choose a corner or, where there is none, add one; the first corner of an open outline closes it.

        In a closed outline a corner is added to the edge that is clicked; elsewhere nothing is chosen.
        """
        at = self._corner_at(x_um, y_um, near_um)
        if not self.closed:
            if at == 0 and len(self.corners) >= 3:
                self._note()
                self.closed, self.chosen = True, 0
            elif at is None:
                self._note()
                self.corners.append((x_um, y_um))
                self.chosen = len(self.corners) - 1
            else:
                self.chosen = at
            return
        if at is not None:
            self.chosen = at
            return
        edge = self._edge_at(x_um, y_um, near_um)
        if edge is None:
            self.chosen = None
            return
        self._note()
        self.corners.insert(edge + 1, (x_um, y_um))
        self.chosen = edge + 1

    def grab(self, x_um: float, y_um: float, near_um: float) -> bool:
        """Take hold of the corner at a place, to drag it; return whether there is one."""
        at = self._corner_at(x_um, y_um, near_um)
        if at is None or (at == 0 and not self.closed and len(self.corners) >= 3):
            return False  # the first corner of an open outline closes it
        self.chosen, self._grabbed = at, True
        return True

    def drag(self, x_um: float, y_um: float) -> None:
        """Move the corner that was grabbed."""
        if self.chosen is None:
            return
        if self._grabbed:
            self._note()
            self._grabbed = False
        self.corners[self.chosen] = (x_um, y_um)

    def drop(self) -> None:
        """Release the corner."""
        self._grabbed = False

    def move(self, dx_um: float, dy_um: float) -> None:
        """Move the chosen corner by a step."""
        if self.chosen is not None:
            self._note()
            x_um, y_um = self.corners[self.chosen]
            self.corners[self.chosen] = (x_um + dx_um, y_um + dy_um)

    def step(self, by: int) -> None:
        """Choose a neighbour of the chosen corner."""
        self.chosen = neighbour(self.chosen, by, len(self.corners))

    def add(self, centre_um: Point, size_um: Point) -> None:
        """Add a corner in the middle of the edge after the chosen one; without an outline, a rectangle to begin with.

        Parameters
        ----------
        centre_um, size_um : (x, y)
            Of the rectangle.
        """
        self._note()
        if len(self.corners) < 2:
            (x, y), (w, h) = centre_um, size_um
            self.corners = [
                (x - w / 2, y - h / 2),
                (x + w / 2, y - h / 2),
                (x + w / 2, y + h / 2),
                (x - w / 2, y + h / 2),
            ]
            self.closed, self.chosen = True, 0
            return
        first = (len(self.corners) - 1 if self.chosen is None else self.chosen) % len(self.corners)
        if not self.closed and first == len(self.corners) - 1:
            first -= 1
        (x0, y0), (x1, y1) = self.corners[first], self.corners[(first + 1) % len(self.corners)]
        self.corners.insert(first + 1, ((x0 + x1) / 2, (y0 + y1) / 2))
        self.chosen = first + 1

    def delete(self) -> None:
        """Take the chosen corner away; an outline of fewer than 3 is open again."""
        if self.chosen is None:
            return
        self._note()
        del self.corners[self.chosen]
        self.closed = self.closed and len(self.corners) >= 3
        self.chosen = min(self.chosen, len(self.corners) - 1) if self.corners else None

    # -- what is where -------------------------------------------------------------------------------------------------

    def _corner_at(self, x_um: float, y_um: float, near_um: float) -> int | None:
        away = [math.dist(corner, (x_um, y_um)) for corner in self.corners]
        nearest = min(range(len(away)), key=away.__getitem__, default=None)
        return nearest if nearest is not None and away[nearest] <= near_um else None

    def _edge_at(self, x_um: float, y_um: float, near_um: float) -> int | None:
        away = [
            _distance((x_um, y_um), one, self.corners[(i + 1) % len(self.corners)])
            for i, one in enumerate(self.corners)
        ]
        nearest = min(range(len(away)), key=away.__getitem__)
        return nearest if away[nearest] <= near_um else None


def _distance(point: Point, start: Point, end: Point) -> float:
    """Return how far a point is from an edge."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length2 = dx * dx + dy * dy
    along = 0.0 if length2 == 0 else ((point[0] - start[0]) * dx + (point[1] - start[1]) * dy) / length2
    t = min(1.0, max(0.0, along))
    return math.dist(point, (start[0] + t * dx, start[1] + t * dy))

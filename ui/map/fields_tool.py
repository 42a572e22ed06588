"""Edit the fields of a list on the map, with the mouse or by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen

from hcc_scope.formatting import counted
from hcc_scope.plans import PositionList, beyond_limits
from ui.canvas.drawing import double_lines, double_rect, plate
from ui.kit.controls import action_button
from ui.map.edit_tool import EditTool, PartText
from ui.map.fields_edit import FieldsEdit
from ui.map.map_layers import cross_out

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from hcc_scope.types import StageLimits
    from ui.canvas.canvas import Canvas
    from ui.canvas.viewport import Viewport
    from ui.map.edit_tool import EditParts, Part

__all__ = ["FieldsTool"]

_ROOM_FOR_NUMBER_PX = 28.0
_HOW = "drag a field to move it, click a free place to add one"


class FieldsTool(EditTool):
    """The button, and the layer of the fields that are edited; a `ui.canvas.canvas.DragTool`.

    Parameters
    ----------
    owner : QWidget
        The tab; the keys work while the focus is in it.
    view : Canvas
        Where the fields are drawn.
    parts : EditParts
        The buttons of the tab's tools.
    """

    edit: FieldsEdit
    finished = Signal(PositionList)
    """The fields as they are now, if they were changed."""

    texts: dict[Part, PartText] = {  # noqa: RUF012 - not changed
        "before": PartText("‹ Field", "Planned field before", "Choose the planned field before"),
        "after": PartText("Field ›", "Planned field after", "Choose the planned field after; Alt and arrows move it"),
        "add": PartText(
            "Add field", "Add planned field", "Add a field after the chosen one, at the cursor or in the middle"
        ),
        "delete": PartText("Delete field", "Delete planned field", "Delete the chosen field from the plan"),
        "clear": PartText("Clear fields", "Clear planned fields", "Delete all fields from the plan"),
        "undo": PartText("Undo", "Undo field", "Undo the last step"),
    }

    def __init__(self, owner: QWidget, view: Canvas, parts: EditParts) -> None:
        button = action_button(
            owner,
            "Edit fields",
            f"Edit the fields of a list or grid: {_HOW}; again to finish",
            "I",
            self._switch,
            checked=False,
        )
        super().__init__(owner, view, FieldsEdit(), parts, button)
        self.limits: StageLimits | None = None
        """Where the stage may go."""
        self._fields = PositionList(positions_um=())
        self._before = self._fields
        self._steps_before = 0

    def set_fields(self, fields: PositionList, field_um: tuple[float, float]) -> None:
        """Take the fields of another list, and their size; fields that are being edited stay."""
        self._fields = fields
        self.edit.field_um = field_um
        if not self.active:
            self.edit.begin(fields)

    def mark(self, x_um: float, y_um: float) -> None:
        """Add a field at a place, whether fields are being edited or not."""
        if not self.active:
            self.edit.begin(self._fields)
        self.edit.add(x_um, y_um)
        if not self.active:
            self._fields = self.edit.fields()
            self.finished.emit(self._fields)
        self.show_change()

    @property
    def chosen_um(self) -> tuple[float, float] | None:
        """Where the chosen field lies; None if none is, or nothing is edited."""
        chosen = self.edit.chosen
        return None if not self.active or chosen is None else self.edit.marks[chosen][:2]

    def describe(self) -> str:
        """Return how many fields there are and what can be done, as text; empty while nothing is edited."""
        if not self.active:
            return ""
        n_beyond = int(np.count_nonzero(beyond_limits(self.edit.places(), self.limits)))
        beyond = f" {n_beyond} beyond the stage's limits." if n_beyond else ""
        return f"{counted(len(self.edit.marks), 'field')} in this order: {_HOW}.{beyond}"

    # -- begin and end -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take the fields that are known."""
        self._before = self._fields
        self.edit.begin(self._fields)

    def finish(self) -> bool:
        """Give the fields out, if they were changed."""
        self._fields = self.edit.fields()
        self._view.drag_tool = None
        if self._fields != self._before:
            self.finished.emit(self._fields)
        return True

    def give_up(self) -> None:
        """Take back what was changed."""
        self._fields = self._before
        self.edit.begin(self._before)

    def add(self) -> None:
        """Add a field at the cursor, else in the middle of what is seen."""
        self.edit.add(*(self._view.cursor_at or self._view.viewport.centre))

    # -- painting ------------------------------------------------------------------------------------------------------

    def summary(self, _view: Viewport) -> str:
        """Return the fields that are edited, and the chosen one."""
        if not self.active:
            return ""
        chosen = self.edit.chosen
        if chosen is None:
            return self.describe()
        x, y, *_ = self.edit.marks[chosen]
        return f"{self.describe()} Field {chosen + 1} is chosen, at x {x:,.0f} µm, y {y:,.0f} µm"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint the fields, the chosen one stronger, crossed out where the stage cannot go."""
        if not self.active:
            return
        width, height = (max(4.0, side * view.scale) for side in self.edit.field_um)
        beyond = beyond_limits(self.edit.places(), self.limits)
        painter.save()
        for i, one in enumerate(self.edit.marks):
            x, y = view.to_screen(one.x_um, one.y_um)
            rect = QRectF(x - width / 2, y - height / 2, width, height)
            chosen = i == self.edit.chosen
            colour = QColor(self._colours.error if beyond[i] else self._colours.accent)
            double_rect(painter, rect, colour, 3.0 if chosen else 1.5, Qt.PenStyle.SolidLine)
            if beyond[i]:
                double_lines(painter, cross_out(rect), colour, 1.5)
            if chosen:
                painter.setPen(QPen(colour, 1))
                painter.setBrush(colour)
                painter.drawEllipse(rect.center(), 3.0, 3.0)
                painter.setBrush(Qt.BrushStyle.NoBrush)
            if min(width, height) >= _ROOM_FOR_NUMBER_PX:
                plate(painter, rect.topLeft() + QPointF(3, 3), one.label or str(i + 1))
        painter.restore()

"""Draw and mend the outline of the fields on the map, with the mouse or by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from hcc_scope.formatting import counted, sentence
from hcc_scope.plans.outline import area_um2
from ui.canvas.drawing import ON_IMAGE
from ui.kit.controls import action_button
from ui.map.edit_tool import EditParts, EditTool, PartText
from ui.map.outline_edit import OutlineEdit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QWidget

    from ui.canvas.canvas import Canvas
    from ui.canvas.viewport import Viewport
    from ui.map.edit_tool import Part

__all__ = ["OutlineTool"]

_CORNER_PX = 4.0


class OutlineTool(EditTool):
    """The button, and the layer of the outline that is drawn; a `ui.canvas.canvas.DragTool`.

    Parameters
    ----------
    owner : QWidget
        The tab; the keys work while the focus is in it.
    view : Canvas
        Where the outline is drawn.
    parts : EditParts, optional
        The buttons of the tab's tools; without them it makes its own.
    undo_key : str
        Of buttons of its own: where the owner lies in another tab, U may be a key of that one.
    """

    edit: OutlineEdit
    finished = Signal(tuple)
    """The corners x, y in um of an outline that a plan can use; empty if it was taken away."""

    texts: dict[Part, PartText] = {  # noqa: RUF012 - not changed
        "before": PartText("‹ Corner", "Corner before", "Choose the corner before"),
        "after": PartText("Corner ›", "Corner after", "Choose the corner after; Alt and arrows move it"),
        "add": PartText(
            "Add corner", "Add corner", "Add a corner after the chosen one; without an outline, a rectangle"
        ),
        "delete": PartText("Delete corner", "Delete corner", "Delete the chosen corner"),
        "clear": PartText("Clear outline", "Clear outline", "Delete all corners, to draw another one"),
        "undo": PartText("Undo", "Undo corner", "Undo the last step"),
    }

    def __init__(self, owner: QWidget, view: Canvas, parts: EditParts | None = None, *, undo_key: str = "U") -> None:
        button = action_button(
            owner,
            "Edit outline",
            "Draw the outline of the fields, or mend it: click to add a corner, drag to move it, click the first"
            " corner to close the outline; again to finish",
            "E",
            self._switch,
            checked=False,
        )
        if parts is None:
            parts = EditParts(owner, self.texts, undo_key=undo_key)
        super().__init__(owner, view, OutlineEdit(), parts, button)
        self._before: tuple[tuple[float, float], ...] = ()
        self._outline: tuple[tuple[float, float], ...] = ()

    @property
    def corners_um(self) -> tuple[tuple[float, float], ...]:
        """The corners as they are drawn now."""
        return tuple(self.edit.corners)

    def set_outline(self, corners_um: Sequence[tuple[float, float]]) -> None:
        """Take another outline; one that is being edited stays."""
        self._outline = tuple((float(x), float(y)) for x, y in corners_um)
        if not self.active:
            self.edit.begin(self._outline)

    def describe(self) -> str:
        """Return what is drawn and what is wrong with it, as text; empty while nothing is edited."""
        if not self.active:
            return ""
        edit = self.edit
        if not edit.corners:
            return "Click the first corner of the outline."
        n = counted(len(edit.corners), "corner")
        if edit.problem:
            return sentence(edit.problem)
        return f"Outline of {n}, {area_um2(edit.corners) / 1e6:.2f} mm²: drag a corner, or click an edge to add one."

    # -- begin and end -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take the outline that is known."""
        self._before = self._outline
        self.edit.begin(self._outline)

    def finish(self) -> bool:
        """Give out the outline; return False if no plan can use it."""
        if self.edit.problem:
            return False
        corners = tuple(self.edit.corners)
        self._outline = corners
        self._view.drag_tool = None
        if corners != self._before:
            self.finished.emit(corners)
        return True

    def give_up(self) -> None:
        """Take back what was changed."""
        self._outline = self._before
        self.edit.begin(self._before)

    def add(self) -> None:
        """Add a corner after the chosen one; without an outline, a rectangle."""
        view = self._view.viewport
        size = (view.size[0] / view.scale / 2, view.size[1] / view.scale / 2)
        self.edit.add(view.centre, size)

    # -- painting ------------------------------------------------------------------------------------------------------

    def summary(self, _view: Viewport) -> str:
        """Return the corners that are drawn, and the chosen one."""
        if not self.active:
            return ""
        chosen = self.edit.chosen
        where = ""
        if chosen is not None:
            x, y = self.edit.corners[chosen]
            where = f" Corner {chosen + 1} is chosen, at x {x:,.0f} µm, y {y:,.0f} µm"
        return f"{self.describe()}{where}"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint edges and corners, the chosen corner larger, and where two edges cross."""
        if not self.active or not self.edit.corners:
            return
        points = [QPointF(*view.to_screen(x, y)) for x, y in self.edit.corners]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in ((QColor(0, 0, 0, 200), 4.0), (QColor(self._colours.accent), 2.0)):
            painter.setPen(QPen(colour, width))
            if self.edit.closed:
                painter.drawPolygon(QPolygonF(points))
            else:
                painter.drawPolyline(QPolygonF(points))
        for i, point in enumerate(points):
            chosen = i == self.edit.chosen
            side = _CORNER_PX * (1.6 if chosen else 1.0)
            painter.setPen(QPen(QColor(0, 0, 0), 1))
            painter.setBrush(QColor(ON_IMAGE) if chosen else QColor("#ffffff"))
            painter.drawRect(QRectF(point.x() - side, point.y() - side, 2 * side, 2 * side))
        crossing = self.edit.crossing
        if crossing is not None:
            at = QPointF(*view.to_screen(*crossing.at_um))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(self._colours.error), 3))
            painter.drawEllipse(at, 11.0, 11.0)
            painter.drawLine(at + QPointF(-6, -6), at + QPointF(6, 6))
            painter.drawLine(at + QPointF(-6, 6), at + QPointF(6, -6))
        painter.restore()

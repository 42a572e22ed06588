"""Draw and mend the outline of the random fields on the map, with the mouse or by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPointF, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QAction, QColor, QKeySequence, QPainter, QPen, QPolygonF

from hcc_scope.formatting import counted, sentence
from hcc_scope.plans.outline import area_um2
from ui.canvas.drawing import ON_IMAGE
from ui.kit.controls import action_button
from ui.kit.theme import colours
from ui.map.outline_edit import OutlineEdit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QWidget

    from ui.canvas.canvas import Canvas
    from ui.canvas.viewport import Viewport
    from ui.kit.controls import ViewButton
    from ui.kit.theme import ThemeName

__all__ = ["OutlineTool"]

_NEAR_PX = 9.0
"""How near to a corner or an edge a click belongs to it."""
_STEP_PX = 10.0
"""Move of a corner by a key."""
_CORNER_PX = 4.0
_NUDGES = {"Alt+Left": (-1, 0), "Alt+Right": (1, 0), "Alt+Up": (0, -1), "Alt+Down": (0, 1)}


class OutlineTool(QObject):
    """The buttons, the keys, and the layer of the outline that is drawn; a `ui.canvas.canvas.DragTool`.

    Parameters
    ----------
    owner : QWidget
        The tab; the keys work while the focus is in it.
    view : Canvas
        Where the outline is drawn.
    undo_key : str
        Where the owner lies in another tab, U may be a key of that one.
    """

    begun = Signal()
    """The outline is being edited."""
    changed = Signal()
    """Corners, or what is wrong with them."""
    finished = Signal(tuple)
    """The corners x, y in um of an outline that a plan can use; empty if it was taken away."""

    def __init__(self, owner: QWidget, view: Canvas, *, undo_key: str = "U") -> None:
        super().__init__(owner)
        self._view = view
        self._edit = OutlineEdit()
        self._before: tuple[tuple[float, float], ...] = ()
        self._outline: tuple[tuple[float, float], ...] = ()
        self._colours = colours("dark")
        self.button = action_button(
            owner,
            "Edit outline",
            "Draw the outline of the random fields, or mend it: click to add a corner, drag to move it, click the first"
            " corner to close the outline; again to finish",
            "E",
            self._switch,
            checked=False,
        )
        self._parts = {
            "Corner before": self._part("‹ Corner", "Choose the corner before", ",", self._choose_before),
            "Corner after": self._part(
                "Corner ›", "Choose the corner after; Alt and arrows move it", ".", self._choose_after
            ),
            "Add corner": self._part(
                "Add corner", "Add a corner after the chosen one; without an outline, a rectangle", "Ins", self._add
            ),
            "Delete corner": self._part("Delete corner", "Delete the chosen corner", "Del", self._delete),
            "Clear outline": self._part(
                "Clear outline", "Delete all corners, to draw another one", "Shift+Del", self._clear
            ),
            "Undo corner": self._part("Undo", "Undo the last step", undo_key, self._undo),
        }
        for name, button in self._parts.items():
            button.setAccessibleName(name)
        self._keys = [self._nudge_key(owner, keys, way) for keys, way in _NUDGES.items()]
        self._show_parts()

    def _part(self, text: str, tip: str, key: str, do: object) -> ViewButton:
        owner = self.parent()
        return action_button(owner, text, tip, key, do)  # type: ignore[arg-type]  # the tab, and a slot of ours

    def _nudge_key(self, owner: QWidget, keys: str, way: tuple[int, int]) -> QAction:
        action = QAction(f"Move corner {keys.removeprefix('Alt+').lower()}", owner)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.setData(way)
        action.triggered.connect(self._nudge)
        owner.addAction(action)
        return action

    @property
    def buttons(self) -> tuple[ViewButton, ...]:
        """All its buttons, in order."""
        return (self.button, *self._parts.values())

    @property
    def active(self) -> bool:
        """Whether the outline is being edited."""
        return self.button.isChecked()

    @property
    def corners_um(self) -> tuple[tuple[float, float], ...]:
        """The corners as they are drawn now."""
        return tuple(self._edit.corners)

    def set_outline(self, corners_um: Sequence[tuple[float, float]]) -> None:
        """Take another outline; one that is being edited stays."""
        self._outline = tuple((float(x), float(y)) for x, y in corners_um)
        if not self.active:
            self._edit.begin(self._outline)

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._colours = colours(theme)

    def describe(self) -> str:
        """Return what is drawn and what is wrong with it, as text; empty while nothing is edited."""
        if not self.active:
            return ""
        edit = self._edit
        if not edit.corners:
            return "Click the first corner of the outline."
        n = counted(len(edit.corners), "corner")
        if edit.problem:
            return sentence(edit.problem)
        return f"Outline of {n}, {area_um2(edit.corners) / 1e6:.2f} mm²: drag a corner, or click an edge to add one."

    # -- begin and end -------------------------------------------------------------------------------------------------

    @Slot(bool)
    def _switch(self, on: bool) -> None:
        if on:
            self._before = self._outline
            self._edit.begin(self._outline)
            self._view.drag_tool = self
            self._view.setFocus()
            self.begun.emit()
        else:
            self._finish()
        self._show_parts()
        self._changed()

    def _finish(self) -> None:
        if self._edit.problem:
            self.button.setChecked(True)  # it stays as it is, with the reason below the map
            return
        self._view.drag_tool = None
        corners = tuple(self._edit.corners)
        self._outline = corners
        if corners != self._before:
            self.finished.emit(corners)

    @Slot()
    def cancel(self) -> None:
        """Edit no more, and take back what was changed."""
        if not self.active:
            return
        self._outline = self._before
        self._edit.begin(self._before)
        self._view.drag_tool = None
        self.button.setChecked(False)
        self._show_parts()
        self._changed()

    def _show_parts(self) -> None:
        for button in self._parts.values():
            button.setVisible(self.active)
            button.defaultAction().setEnabled(self.active)
        for action in self._keys:
            action.setEnabled(self.active)

    def _changed(self) -> None:
        if self.active:
            self._parts["Undo corner"].defaultAction().setEnabled(self._edit.can_undo)
            self._parts["Delete corner"].defaultAction().setEnabled(self._edit.chosen is not None)
            self._parts["Clear outline"].defaultAction().setEnabled(bool(self._edit.corners))
        self._view.update()
        self.changed.emit()

    # -- the mouse -----------------------------------------------------------------------------------------------------

    def _near_um(self) -> float:
        return _NEAR_PX / self._view.viewport.scale

    def click(self, x_um: float, y_um: float) -> None:
        """Choose or add a corner."""
        self._edit.click(x_um, y_um, self._near_um())
        self._changed()

    def grab(self, x_um: float, y_um: float) -> bool:
        """Take hold of a corner; return whether there is one."""
        held = self._edit.grab(x_um, y_um, self._near_um())
        if held:
            self._changed()
        return held

    def drag(self, x_um: float, y_um: float) -> None:
        """Move it."""
        self._edit.drag(x_um, y_um)
        self._changed()

    def drop(self) -> None:
        """Release it."""
        self._edit.drop()
        self._changed()

    # -- keys and buttons ----------------------------------------------------------------------------------------------

    @Slot(bool)
    def _choose_before(self, _down: bool) -> None:
        self._edit.step(-1)
        self._changed()

    @Slot(bool)
    def _choose_after(self, _down: bool) -> None:
        self._edit.step(1)
        self._changed()

    @Slot(bool)
    def _add(self, _down: bool) -> None:
        view = self._view.viewport
        size = (view.size[0] / view.scale / 2, view.size[1] / view.scale / 2)
        self._edit.add(view.centre, size)
        self._changed()

    @Slot(bool)
    def _delete(self, _down: bool) -> None:
        self._edit.delete()
        self._changed()

    @Slot(bool)
    def _clear(self, _down: bool) -> None:
        self._edit.clear()
        self._changed()

    @Slot(bool)
    def _undo(self, _down: bool) -> None:
        self._edit.undo()
        self._changed()

    @Slot()
    def _nudge(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            dx, dy = action.data()
            step = _STEP_PX / self._view.viewport.scale
            self._edit.move(dx * step, dy * step)
            self._changed()

    # -- painting ------------------------------------------------------------------------------------------------------

    def summary(self, _view: Viewport) -> str:
        """Return the corners that are drawn, and the chosen one."""
        if not self.active:
            return ""
        chosen = self._edit.chosen
        where = ""
        if chosen is not None:
            x, y = self._edit.corners[chosen]
            where = f" Corner {chosen + 1} is chosen, at x {x:,.0f} µm, y {y:,.0f} µm"
        return f"{self.describe()}{where}"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint edges and corners, the chosen corner larger, and where two edges cross."""
        if not self.active or not self._edit.corners:
            return
        points = [QPointF(*view.to_screen(x, y)) for x, y in self._edit.corners]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in ((QColor(0, 0, 0, 200), 4.0), (QColor(self._colours.accent), 2.0)):
            painter.setPen(QPen(colour, width))
            if self._edit.closed:
                painter.drawPolygon(QPolygonF(points))
            else:
                painter.drawPolyline(QPolygonF(points))
        for i, point in enumerate(points):
            chosen = i == self._edit.chosen
            side = _CORNER_PX * (1.6 if chosen else 1.0)
            painter.setPen(QPen(QColor(0, 0, 0), 1))
            painter.setBrush(QColor(ON_IMAGE) if chosen else QColor("#ffffff"))
            painter.drawRect(QRectF(point.x() - side, point.y() - side, 2 * side, 2 * side))
        crossing = self._edit.crossing
        if crossing is not None:
            at = QPointF(*view.to_screen(*crossing.at_um))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(self._colours.error), 3))
            painter.drawEllipse(at, 11.0, 11.0)
            painter.drawLine(at + QPointF(-6, -6), at + QPointF(6, 6))
            painter.drawLine(at + QPointF(-6, 6), at + QPointF(6, -6))
        painter.restore()

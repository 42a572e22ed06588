"""A plane that is viewed through a widget: pan, zoom, fit, drag a rectangle, hover; by mouse and by keyboard.

What is on the plane is painted by *layers*, in order. Drawing goes straight from a layer to the widget: no scene, no
items, no transformation of what need not be transformed. That is what makes 30 frames/s of 2048 x 2048 cheap
(``benchmarks/bench_display.py``), and lines and text come out sharp at every zoom.

Keys: arrows pan, + and - zoom, 0 fits, Ctrl+arrows move the cursor by one unit (with Shift by ten), Enter clicks where
the cursor is, Escape leaves what one was drawing. The menu key and the right button ask for a menu.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QHelpEvent, QPainter, QPen
from PySide6.QtWidgets import QApplication, QSizePolicy, QToolTip, QWidget

from ui.canvas.drawing import ON_IMAGE
from ui.canvas.viewport import Box, Viewport
from ui.kit.theme import colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QEnterEvent, QFocusEvent, QKeyEvent, QMouseEvent, QPaintEvent, QResizeEvent, QWheelEvent

    from ui.kit.theme import ThemeName

__all__ = ["Canvas", "DescribedLayer", "DragTool", "Layer", "MouseMode"]

_ZOOM_STEP = 1.25
_PAN_STEP = 0.1
"""Of the widget's width or height, per key press."""
_CLICK_PX = 4
"""A press that moved less is a click."""
_SMALLEST_RECT = 2.0
"""World units; less was not meant."""
_KEY_MOVES = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


class MouseMode(enum.Enum):
    """What dragging with the left button does; the middle button always pans."""

    PAN = "pan"
    RECTANGLE = "rectangle"
    POINT = "point"
    """As PAN, but the cursor shows that a click acts."""


class Layer(Protocol):
    """One thing that is painted on the plane."""

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint in screen px; `view` maps world points to them."""


@runtime_checkable
class DescribedLayer(Protocol):
    """A layer that also describes itself, for operators who do not see it."""

    def summary(self, view: Viewport) -> str:
        """Return what is painted now, as text; empty for nothing."""


class DragTool(Protocol):
    """Takes the left button's drags where it has something to drag; elsewhere they pan."""

    def grab(self, x: float, y: float) -> bool:
        """Take hold of what is at a world point; return whether there is anything."""

    def drag(self, x: float, y: float) -> None:
        """Move what was grabbed to a world point."""

    def drop(self) -> None:
        """Release it."""


@dataclass(slots=True)
class _Press:
    """A mouse button that is held."""

    button: Qt.MouseButton
    start: QPointF
    last: QPointF
    moved: bool = False
    grabbed: bool = False
    """Whether a `DragTool` has something in hand."""


class Canvas(QWidget):
    """The widget.

    Parameters
    ----------
    scales : (float, float)
        Smallest and largest zoom, screen px per world unit.
    parent : QWidget, optional
    """

    view_changed = Signal()
    cursor_moved = Signal()
    """The cursor moved, came or left: `cursor_at` is where it is now."""
    clicked = Signal(float, float)
    """World x, y of a click with the left button, or of Enter."""
    double_clicked = Signal(float, float)
    """World x, y of a double click with the left button, both clicks here; `clicked` came with the first."""
    rectangle_drawn = Signal(QRectF)
    """In world units, when the button is released."""
    cancelled = Signal()
    """Escape was pressed."""
    menu_asked = Signal(object, QPoint)
    """World x, y of a right click, or None for the menu key; and where on the screen the menu belongs."""

    def __init__(self, scales: tuple[float, float] = (0.01, 64.0), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.layers: list[Layer] = []
        self.tooltip_of: Callable[[float, float], str] | None = None
        """Gives the tooltip of a world point; empty for none."""
        self.drag_tool: DragTool | None = None
        self._scales = scales
        self._world: Box = (0.0, 0.0, 1.0, 1.0)
        self._reach: Box = self._world
        self._view = Viewport()
        self._fits = True
        self._mode = MouseMode.PAN
        self._press: _Press | None = None
        self._clicked_ms = -math.inf
        """When the last click came: Qt also reports a double click whose first half was on another widget."""
        self._rectangle: QRectF | None = None
        self._cursor: tuple[float, float] | None = None
        self._keys = "Arrows pan, plus and minus zoom, 0 fits"
        self._background = QColor(colours("dark").surface)
        self._focus = QColor(colours("dark").accent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)

    # -- what is seen ------------------------------------------------------------------------------------------------

    def describe_as(self, name: str, keys: str) -> None:
        """Give the canvas its name for screen readers, and the description of its keys."""
        self._keys = keys
        self.setAccessibleName(name)
        self.setAccessibleDescription(keys)

    def describe(self) -> str:
        """Return what the layers show and what is under the cursor, as text."""
        parts = [layer.summary(self._view) for layer in self.layers if isinstance(layer, DescribedLayer)]
        if self._cursor is not None and self.tooltip_of is not None:
            under = self.tooltip_of(*self._cursor)
            parts.append(f"Under the cursor: {under}" if under else "")
        return ". ".join(part for part in parts if part)

    def _announce(self) -> None:
        """Let a screen reader read what is shown; only where the focus comes or a key acted, as it takes a moment."""
        self.setAccessibleDescription(". ".join(part for part in (self.describe(), self._keys) if part))

    @property
    def viewport(self) -> Viewport:
        """Where world points are on the screen now."""
        return self._view

    @property
    def fits(self) -> bool:
        """Whether the whole world is shown and stays so when widget or world change."""
        return self._fits

    @property
    def cursor_at(self) -> tuple[float, float] | None:
        """World x, y under the cursor, or None."""
        return self._cursor

    def set_world(self, box: Box, reach: Box | None = None) -> None:
        """Take the world to be seen, (left, top, width, height), and how far one may pan; by default no further."""
        reach = box if reach is None else reach
        if (box, reach) == (self._world, self._reach):
            return
        self._world, self._reach = box, reach
        if self._fits:
            self.fit()
        else:
            self._show(self._view)

    def fit(self) -> None:
        """Show the whole world, and go on doing so."""
        self._fits = True
        self._show(Viewport.fitted(self._world, self._size()))

    def zoom_to(self, scale: float) -> None:
        """Show one world unit as so many screen px, around the middle."""
        self._fits = False
        self._show(self._view.zoomed(scale / self._view.scale))

    def zoom_by(self, factor: float, x_px: float | None = None, y_px: float | None = None) -> None:
        """Enlarge by a factor; what is under the given point (else the middle) stays where it is."""
        factor = min(max(factor, self._scales[0] / self._view.scale), self._scales[1] / self._view.scale)
        self._fits = False
        self._show(self._view.zoomed(factor, x_px, y_px))

    def centre_on(self, x: float, y: float) -> None:
        """Bring a world point into the middle."""
        self._fits = False
        self._show(Viewport(self._view.scale, (x, y), self._view.size))

    def set_mouse_mode(self, mode: MouseMode) -> None:
        """Choose what the left button does."""
        self._mode = mode
        self._rectangle = None
        self.setCursor(Qt.CursorShape.ArrowCursor if mode is MouseMode.PAN else Qt.CursorShape.CrossCursor)
        self.update()

    @property
    def mouse_mode(self) -> MouseMode:
        """What the left button does."""
        return self._mode

    def set_theme(self, theme: ThemeName) -> None:
        """Take the background and accent of a theme."""
        self._background = QColor(colours(theme).surface)
        self._focus = QColor(colours(theme).accent)
        self.update()

    def _holds(self, at: tuple[float, float]) -> bool:
        left, top, width, height = self._reach
        return left <= at[0] <= left + width and top <= at[1] <= top + height

    def _size(self) -> tuple[float, float]:
        return float(max(1, self.width())), float(max(1, self.height()))

    def _show(self, view: Viewport) -> None:
        view = view.limited(self._reach, self._scales)
        if view != self._view:
            self._view = view
            self.update()
            self.view_changed.emit()

    # -- Qt's events -------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for enough room to see something."""
        return QSize(640, 480)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Keep the whole world in sight, or the middle where it was."""
        if self._fits:
            self.fit()
        else:
            self._show(self._view.resized(self._size()))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Paint the layers in order."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._background)
        for layer in self.layers:
            layer.paint(painter, self._view)
        if self._rectangle is not None:
            self._paint_rectangle(painter, self._rectangle)
        if self.hasFocus():
            painter.setPen(QPen(self._focus, 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_rectangle(self, painter: QPainter, world: QRectF) -> None:
        left, top = self._view.to_screen(world.left(), world.top())
        right, bottom = self._view.to_screen(world.right(), world.bottom())
        rect = QRectF(left, top, right - left, bottom - top)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(0, 0, 0, 200), 3))  # a dark edge: the accent must be seen on bright tissue
        painter.drawRect(rect)
        painter.setPen(QPen(QColor(ON_IMAGE), 1.5, Qt.PenStyle.DashLine))
        painter.drawRect(rect)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        """Zoom around the cursor."""
        turns = event.angleDelta().y() / 120.0
        if turns:
            self.zoom_by(_ZOOM_STEP**turns, event.position().x(), event.position().y())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Begin to drag, or to draw."""
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton) and self._press is None:
            at = event.position()
            left = event.button() == Qt.MouseButton.LeftButton
            grabbed = left and self.drag_tool is not None and self.drag_tool.grab(*self._view.to_world(at.x(), at.y()))
            self._press = _Press(event.button(), at, at, grabbed=grabbed)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Drag, draw, or only note what is under the cursor."""
        at, press = event.position(), self._press
        if press is not None:
            press.moved = press.moved or (at - press.start).manhattanLength() >= _CLICK_PX
            if self._mode is MouseMode.RECTANGLE and press.button == Qt.MouseButton.LeftButton:
                self._rectangle = self._world_rectangle(press.start, at)
                self.update()
            elif press.grabbed:
                if press.moved and self.drag_tool is not None:
                    self.drag_tool.drag(*self._view.to_world(at.x(), at.y()))
            elif press.moved:
                self._fits = False
                self._show(self._view.panned(at.x() - press.last.x(), at.y() - press.last.y()))
            press.last = at
        self._hover(self._view.to_world(at.x(), at.y()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Finish a rectangle, or take it for a click."""
        press = self._press
        if press is None or event.button() != press.button:
            return
        self._press = None
        if press.grabbed:
            if self.drag_tool is not None:
                self.drag_tool.drop()
            return
        rectangle, self._rectangle = self._rectangle, None
        self.update()
        if rectangle is not None:
            if min(rectangle.width(), rectangle.height()) >= _SMALLEST_RECT:
                self.rectangle_drawn.emit(rectangle)
        elif press.button == Qt.MouseButton.LeftButton and self._mode is not MouseMode.RECTANGLE and not press.moved:
            self._clicked_ms = event.timestamp()
            self.clicked.emit(*self._view.to_world(press.start.x(), press.start.y()))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        """Ask for a menu on what was clicked, or by the menu key."""
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            self.menu_asked.emit(None, self.mapToGlobal(self.rect().center()))
        else:
            self.menu_asked.emit(self._view.to_world(event.x(), event.y()), event.globalPos())
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Take a second click; one whose first half hit another widget is none."""
        since_ms = event.timestamp() - self._clicked_ms
        self._clicked_ms = -math.inf
        left = event.button() == Qt.MouseButton.LeftButton and self._mode is not MouseMode.RECTANGLE
        if left and since_ms <= QApplication.doubleClickInterval() and self.drag_tool is None:
            self.double_clicked.emit(*self._view.to_world(event.position().x(), event.position().y()))
        else:
            self.mousePressEvent(event)

    def _world_rectangle(self, one: QPointF, other: QPointF) -> QRectF:
        first = QPointF(*self._view.to_world(one.x(), one.y()))
        second = QPointF(*self._view.to_world(other.x(), other.y()))
        return QRectF(first, second).normalized()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        """Let a screen reader read what is shown."""
        self._announce()
        super().focusInEvent(event)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        """Note that nothing is under the cursor."""
        self._hover(None)

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802
        """Note what is under the cursor before it moves."""
        self._hover(self._view.to_world(event.position().x(), event.position().y()))

    def _hover(self, at: tuple[float, float] | None) -> None:
        self._cursor = at
        self.cursor_moved.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Do by keys what the mouse does."""
        key, modifiers = Qt.Key(event.key()), event.modifiers()
        if key in _KEY_MOVES and modifiers & Qt.KeyboardModifier.ControlModifier:
            step = 10.0 if modifiers & Qt.KeyboardModifier.ShiftModifier else 1.0
            x, y = self._cursor if self._cursor is not None and self._holds(self._cursor) else self._view.centre
            self._hover((x + step * _KEY_MOVES[key][0], y + step * _KEY_MOVES[key][1]))
            self._announce()
        elif key in _KEY_MOVES:
            dx, dy = _KEY_MOVES[key]
            self._fits = False
            self._show(self._view.panned(-dx * _PAN_STEP * self.width(), -dy * _PAN_STEP * self.height()))
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom_by(_ZOOM_STEP)
        elif key == Qt.Key.Key_Minus:
            self.zoom_by(1 / _ZOOM_STEP)
        elif key == Qt.Key.Key_0:
            self.fit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._cursor is not None:
            self.clicked.emit(*self._cursor)
        elif key == Qt.Key.Key_Escape:
            self._rectangle = None
            self._press = None
            self.update()
            self.cancelled.emit()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Show the tooltip of what is under the cursor."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip and self.tooltip_of is not None:
            text = self.tooltip_of(*self._view.to_world(event.pos().x(), event.pos().y()))
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

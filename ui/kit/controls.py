"""Small controls that the views share: a toggle with a key, a percentage slider, a line that is shortened, not cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QAction, QColor, QKeySequence, QPainter, QPen
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLabel, QSizePolicy, QSlider, QToolButton, QWidget

from ui.kit.flow_layout import FlowLayout
from ui.kit.labels import plain_tip
from ui.kit.theme import GRID_PX, colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QPaintEvent, QResizeEvent

    from ui.kit.theme import ThemeName

__all__ = [
    "ElidedLabel",
    "LayerSwitch",
    "PercentSlider",
    "TwoLines",
    "ViewButton",
    "action_button",
    "button_of",
    "control_row",
    "explain_action",
    "paint_bar",
    "style_buttons",
    "view_action",
]

_WIDE_CHARACTERS = 160
"""From here on two texts have room side by side."""


class ViewButton(QToolButton):
    """A button of a view. One that is down has the accent's colour and a bar below: not colour alone.

    Fusion shows such a button by a slightly darker grey, which is hardly visible on a dark window; and a style sheet
    that is changed before its widget was shown keeps its old rules (Qt 6.11).
    """

    def __init__(self) -> None:
        super().__init__()
        self._colours = colours("dark")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self._offered = self._wanted = True

    def set_offered(self, offered: bool) -> None:
        """Let the button be shown, or keep it hidden whatever `setVisible` asks for: the window's mode decides."""
        if offered != self._offered:
            self._offered = offered
            super().setVisible(self._wanted and offered)

    def setVisible(self, visible: bool) -> None:  # noqa: N802 - Qt's name
        """Show or hide the button; one that is not offered stays hidden until it is."""
        self._wanted = visible
        super().setVisible(visible and self._offered)

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._colours = colours(theme)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for the text and some room around it."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self.text()) + 2 * GRID_PX + 2, metrics.height() + GRID_PX + 2)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Never cut the text."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Paint frame, text and, if the button is down, the bar."""
        c = self._colours
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        down = self.isChecked() or self.isDown()
        fill = QColor(c.accent)
        fill.setAlphaF(0.28 if down else 0.0)
        edge = c.text if self.hasFocus() else c.accent if down or self.underMouse() else c.border
        painter.setPen(QPen(QColor(edge), 1))
        painter.setBrush(fill)
        painter.drawRoundedRect(frame, 4, 4)
        if self.isChecked():
            paint_bar(painter, self, c.accent)
        painter.setPen(QColor(c.text if self.isEnabled() else c.text_muted))
        painter.drawText(self.rect().adjusted(0, 0, 0, -1), Qt.AlignmentFlag.AlignCenter, self.text())
        painter.end()


def paint_bar(painter: QPainter, button: QWidget, accent: str) -> None:
    """Paint the bar at the foot of a button that stays down."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(accent))
    painter.drawRoundedRect(QRectF(4, button.height() - 4, button.width() - 8, 3), 1.5, 1.5)


def style_buttons(view: QWidget, theme: ThemeName) -> None:
    """Give all buttons of a view the colours of a theme."""
    for button in view.findChildren(ViewButton):
        button.set_theme(theme)


def control_row(*widgets: QWidget) -> QWidget:
    """Return a row of controls that wraps where it is too narrow."""
    row = QWidget()
    layout = FlowLayout(row)
    for widget in widgets:
        layout.addWidget(widget)
    # not Fixed: that would hold it to the height of one line
    policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)
    row.setSizePolicy(policy)
    return row


def action_button(
    owner: QWidget,
    text: str,
    tip: str,
    key: str,
    do: Callable[[bool], object],
    *,
    checked: bool | None = None,
) -> ViewButton:
    """Return a button for an action that the owner gets, with its key in the tooltip.

    Parameters
    ----------
    owner : QWidget
        The key works while the focus is in here.
    text, tip : str
        The text on the button, and what it does.
    key : str
        Keyboard shortcut, as Qt writes it.
    do : callable
        Takes whether the button is down; a bound method that is a ``Slot(bool)``.
    checked : bool, optional
        Whether it is down at first; None for a button that does not stay down.
    """
    return button_of(view_action(owner, text, tip, key, do, checked=checked), text, tip)


def view_action(
    owner: QWidget,
    text: str,
    tip: str,
    key: str,
    do: Callable[[bool], object],
    *,
    checked: bool | None = None,
) -> QAction:
    """Return the action of `action_button` alone, for a button that is made when it is first needed."""
    action = QAction(text, owner)
    action.setShortcut(QKeySequence(key))
    action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    explain_action(action, text, tip)
    action.setCheckable(checked is not None)
    action.setChecked(bool(checked))
    action.triggered.connect(do)
    owner.addAction(action)
    return action


def explain_action(action: QAction, text: str, tip: str) -> None:
    """Give an action its text, and the tooltip that ends with its key."""
    action.setText(text)
    action.setToolTip(f"{tip} ({action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)})")


def button_of(action: QAction, name: str, tip: str) -> ViewButton:
    """Return a button for an action, with its name and description for screen readers."""
    button = ViewButton()
    button.setDefaultAction(action)
    button.setAccessibleName(name)
    button.setAccessibleDescription(tip)
    return button


class PercentSlider(QWidget):
    """A labelled slider from 0 to 100 that shows its value."""

    changed = Signal(float)
    """0 to 1."""

    def __init__(self, label: str, tip: str, value: float, *, as_probability: bool = False) -> None:
        super().__init__()
        self._as_probability = as_probability
        self._name = QLabel(label)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, 100)
        self._slider.setPageStep(10)
        self._slider.setFixedWidth(8 * GRID_PX)
        self._slider.setAccessibleName(label)
        self._slider.setAccessibleDescription(tip)
        self._name.setBuddy(self._slider)
        self._value = QLabel()
        self._value.setMinimumWidth(self._value.fontMetrics().horizontalAdvance("100 %"))
        self.setToolTip(tip)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID_PX // 2, 0, 0, 0)
        row.setSpacing(GRID_PX // 2)
        for widget in (self._name, self._slider, self._value):
            row.addWidget(widget)
        self._slider.setValue(round(100 * value))
        self._show_value(self._slider.value())
        self._slider.valueChanged.connect(self._moved)

    def value(self) -> float:
        """Return the value, 0 to 1."""
        return self._slider.value() / 100

    def set_value(self, value: float) -> None:
        """Move the slider."""
        self._slider.setValue(round(100 * value))

    @Slot(int)
    def _moved(self, percent: int) -> None:
        self._show_value(percent)
        self.changed.emit(percent / 100)

    def _show_value(self, percent: int) -> None:
        self._value.setText(f"{percent / 100:.2f}" if self._as_probability else f"{percent} %")


class ElidedLabel(QLabel):
    """A line of text that ends in ... where there is no room; the tooltip has all of it."""

    def __init__(self, name: str, align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft) -> None:
        super().__init__()
        self._whole = self._brief = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(align | Qt.AlignmentFlag.AlignVCenter)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)

    def set_text(self, text: str, brief: str = "") -> None:
        """Show another text; where it has no room, a brief one, if there is one."""
        if (text, brief) != (self._whole, self._brief):
            self._whole, self._brief = text, brief
            self.setAccessibleDescription(text)
            self._shorten()

    def whole_text(self) -> str:
        """Return the text, shortened or not."""
        return self._whole

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for one line, however long the text is."""
        return QSize(self.fontMetrics().averageCharWidth() * 12, self.fontMetrics().height() + GRID_PX // 2)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Do with less."""
        return QSize(0, self.fontMetrics().height() + GRID_PX // 2)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Use the room there is."""
        super().resizeEvent(event)
        self._shorten()

    def _shorten(self) -> None:
        room = max(0, self.width() - 2)
        fits = not self._brief or self.fontMetrics().horizontalAdvance(self._whole) <= room
        text = self._whole if fits else self._brief
        shown = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room)
        self.setText(shown)
        self.setToolTip(plain_tip(self._whole) if shown != self._whole else "")


class TwoLines(QWidget):
    """Two texts: side by side where there is room, else one below the other."""

    def __init__(self, left: ElidedLabel, right: ElidedLabel, before: QWidget | None = None) -> None:
        super().__init__()
        self._right = right
        first = QHBoxLayout()
        first.setSpacing(GRID_PX)
        if before is not None:
            first.addWidget(before)
        first.addWidget(left, 1)
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(GRID_PX // 2)
        self._row.addLayout(first, 1)
        self._row.addWidget(right, 1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Choose the direction."""
        super().resizeEvent(event)
        wide = self.width() >= _WIDE_CHARACTERS * self.fontMetrics().averageCharWidth()
        self._row.setDirection(QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom)
        align = Qt.AlignmentFlag.AlignRight if wide else Qt.AlignmentFlag.AlignLeft
        self._right.setAlignment(align | Qt.AlignmentFlag.AlignVCenter)


class LayerSwitch(QObject):
    """Switches one property of a layer, and repaints its canvas."""

    def __init__(self, canvas: QWidget, layer: object, attribute: str) -> None:
        super().__init__(canvas)
        self._canvas, self._layer, self._attribute = canvas, layer, attribute

    @Slot(bool)
    def switch(self, on: bool) -> None:
        """Set the property."""
        setattr(self._layer, self._attribute, on)
        self._canvas.update()

    @Slot(float)
    def choose(self, value: float) -> None:
        """Set the property to a number."""
        setattr(self._layer, self._attribute, value)
        self._canvas.update()

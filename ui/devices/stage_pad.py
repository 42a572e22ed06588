"""Arrows that move stage and focus by a step, also by key; a step beyond the limits is greyed out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QFrame, QGridLayout, QSizePolicy, QToolButton

from hcc_scope.formatting import format_number
from ui.kit.labels import MICROMETRE, colours_of, describe, quiet
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent, QPaintEvent

    from hcc_scope.types import StageLimits

__all__ = ["StagePad"]

_SIDES = {
    # key: (arrow, x, y, words, row, column); y grows downwards, as the rows of an image do
    Qt.Key.Key_Up: ("▲", 0, -1, "up (-y)", 0, 1),
    Qt.Key.Key_Left: ("◀", -1, 0, "left (-x)", 1, 0),
    Qt.Key.Key_Right: ("▶", 1, 0, "right (+x)", 1, 2),
    Qt.Key.Key_Down: ("▼", 0, 1, "down (+y)", 2, 1),
}
_FOCUS = {
    Qt.Key.Key_PageUp: ("▲", 1, "up (+z)", 0),
    Qt.Key.Key_PageDown: ("▼", -1, "down (-z)", 2),
}
_BUTTON_LINES = 2.2
_BEYOND = "It would leave the limits."


class StagePad(QFrame):
    """Four arrows for x and y, two for z."""

    moved_xy = Signal(float, float)
    """dx, dy in µm."""
    moved_z = Signal(float)
    """dz in µm."""

    def __init__(self) -> None:
        super().__init__()
        self._step_um, self._step_z_um = 100.0, 1.0
        self._xy_um: tuple[float, float] | None = None
        self._z_um: float | None = None
        self._limits: StageLimits | None = None
        self._xy_locked: str | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        describe(
            self,
            "Stage pad",
            "Arrow keys move the stage by a step, Page Up and Page Down the focus.",
        )
        grid = QGridLayout(self)
        grid.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        grid.setSpacing(GRID_PX // 2)
        for column in (0, 4, 6):
            grid.setColumnStretch(column, 1)
        self._xy_name, self._z_name = quiet("x, y"), quiet("z")
        for name, column in ((self._xy_name, 2), (self._z_name, 5)):
            name.setWordWrap(False)
            grid.addWidget(name, 1, column, Qt.AlignmentFlag.AlignCenter)
        self._xy_buttons, self._z_buttons = {}, {}
        for key, (arrow, x, y, _, row, column) in _SIDES.items():
            button = self._button(arrow)
            button.clicked.connect(partial(self._step_xy, x, y))
            grid.addWidget(button, row, column + 1)
            self._xy_buttons[key] = button
        for key, (arrow, z, _, row) in _FOCUS.items():
            button = self._button(arrow)
            button.clicked.connect(partial(self._step_z, z))
            grid.addWidget(button, row, 5)
            self._z_buttons[key] = button
        self._update()

    def _button(self, arrow: str) -> QToolButton:
        button = QToolButton()
        button.setText(arrow)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the pad has the focus, and its keys do the same
        side = round(_BUTTON_LINES * self.fontMetrics().height() / 4) * 4
        button.setFixedSize(QSize(side, side))
        return button

    def set_steps(self, step_um: float, step_z_um: float) -> None:
        """Take other steps, in µm."""
        self._step_um, self._step_z_um = step_um, step_z_um
        self._update()

    def lock_xy(self, reason: str | None) -> None:
        """Lock the stage, for a reason; None unlocks it."""
        self._xy_locked = reason
        self._update()

    def set_place(self, xy_um: tuple[float, float] | None, z_um: float | None, limits: StageLimits | None) -> None:
        """Take positions and limits of stage and focus; None for a device that is not there."""
        if (xy_um, z_um, limits) != (self._xy_um, self._z_um, self._limits):
            self._xy_um, self._z_um, self._limits = xy_um, z_um, limits
            self._update()

    def _update(self) -> None:
        """Describe on each arrow what it does, and disable those that lead beyond the limits."""
        self._xy_name.setVisible(self._xy_um is not None)
        self._z_name.setVisible(self._z_um is not None)
        for key, (_, x, y, side, _, _) in _SIDES.items():
            button = self._xy_buttons[key]
            button.setVisible(self._xy_um is not None)
            allowed = self._allows_xy(x * self._step_um, y * self._step_um)
            button.setEnabled(allowed)
            what = f"Move the stage {side} by {format_number(self._step_um, 3)} {MICROMETRE}"
            _describe_step(button, what, allowed=allowed, why_not=self._xy_locked or _BEYOND)
        for key, (_, z, side, _) in _FOCUS.items():
            button = self._z_buttons[key]
            button.setVisible(self._z_um is not None)
            allowed = self._allows_z(z * self._step_z_um)
            button.setEnabled(allowed)
            what = f"Move the focus {side} by {format_number(self._step_z_um, 3)} {MICROMETRE}"
            _describe_step(button, what, allowed=allowed, why_not=_BEYOND)

    def _allows_xy(self, dx_um: float, dy_um: float) -> bool:
        if self._xy_um is None or self._xy_locked is not None:
            return False
        limits = self._limits
        return limits is None or (
            _within(self._xy_um[0] + dx_um, limits.x_um) and _within(self._xy_um[1] + dy_um, limits.y_um)
        )

    def _allows_z(self, dz_um: float) -> bool:
        if self._z_um is None:
            return False
        span = None if self._limits is None else self._limits.z_um
        return span is None or _within(self._z_um + dz_um, span)

    def _step_xy(self, x: int, y: int) -> None:
        dx_um, dy_um = x * self._step_um, y * self._step_um
        if self._allows_xy(dx_um, dy_um):
            self.moved_xy.emit(dx_um, dy_um)

    def _step_z(self, z: int) -> None:
        dz_um = z * self._step_z_um
        if self._allows_z(dz_um):
            self.moved_z.emit(dz_um)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Move by a step; a key that is held moves once: repeats would queue up behind a slow stage."""
        key = Qt.Key(event.key())
        if key not in _SIDES and key not in _FOCUS:
            super().keyPressEvent(event)
            return
        event.accept()
        if event.isAutoRepeat():
            return
        if key in _SIDES:
            self._step_xy(*_SIDES[key][1:3])
        else:
            self._step_z(_FOCUS[key][1])

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint a frame while the arrow keys work."""
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setPen(QPen(QColor(colours_of(self).accent), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
            painter.end()


def _within(value: float, span: tuple[float, float]) -> bool:
    return span[0] <= value <= span[1]


def _describe_step(button: QToolButton, what: str, *, allowed: bool, why_not: str) -> None:
    describe(button, what, f"{what}." if allowed else f"{what}: not now. {why_not}")

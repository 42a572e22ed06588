"""Position and limits of stage and focus, and the controls to move them; the stop is never locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout

from hcc_scope.formatting import format_number
from hcc_scope.microscope.device_controls import DeviceControls
from ui.devices.device_action import DeviceAction
from ui.devices.device_panel import DevicePanel
from ui.devices.stage_pad import StagePad
from ui.kit.fields import NumberField
from ui.kit.labels import MICROMETRE, ValueLabel, colours_of, describe, form, heading, label_for, quiet, quiet_value
from ui.kit.symbols import symbol_icon
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from hcc_scope.microscope.device_controls import RigState

__all__ = ["StagePanel"]

_RECOLOUR = (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange)


class StagePanel(DevicePanel):
    """Hides itself on a manual stand."""

    halt_requested = Signal()
    """Stop stage and focus immediately; not queued behind a move."""
    focus_requested = Signal()
    """Focus by the camera's image."""

    def __init__(self) -> None:
        super().__init__("Stage")
        self._xy_locked = False
        self._stop = QPushButton("Stop stage and focus")
        describe(self._stop, "Stop stage and focus immediately", "Stops every movement of stage and focus immediately.")
        self._x, self._y, self._z = (_Axis(axis) for axis in "xyz")
        self._moving = quiet_value("State of the devices")
        self._pad = StagePad()
        self._step = NumberField(MICROMETRE, 3, 10.0)
        self._step_z = NumberField(MICROMETRE, 3, 0.5)
        self._home = QPushButton("Go to the origin")
        self._go = QPushButton("Go there")
        self._focus_now = QPushButton("Focus now")
        self._form = form()
        self._prepare_fields()
        self._lay_out()
        self._connect()
        self._paint_stop()
        self.set_state(None)

    def _prepare_fields(self) -> None:
        for field, value, name in ((self._step, 100.0, "stage"), (self._step_z, 1.0, "focus")):
            describe(
                field,
                f"Step of the {name} in micrometres",
                f"Step of the arrows for the {name}, in {MICROMETRE}.",
            )
            field.setStepType(NumberField.StepType.AdaptiveDecimalStepType)
            field.setMinimum(0.001)
            field.show_value(value)
        describe(self._go, "Go to the typed position", f"Moves stage and focus to the typed position, in {MICROMETRE}.")
        describe(self._home, "Go to the origin", f"Moves the stage to x = 0, y = 0 {MICROMETRE}.")
        describe(
            self._focus_now,
            "Focus by the camera's image",
            f"Searches the sharpest height within ±20 {MICROMETRE} of the present one, over tissue. If none is found,"
            " the focus drive goes back, and a message states why.",
        )
        self._form.addRow(label_for("Step x, y", self._step), self._step)
        self._form.addRow(label_for("Step z", self._step_z), self._step_z)

    def _lay_out(self) -> None:
        places = QGridLayout()
        places.setContentsMargins(0, 0, 0, 0)
        places.setHorizontalSpacing(GRID_PX)
        places.setVerticalSpacing(GRID_PX // 2)
        places.setColumnStretch(2, 1)
        places.addWidget(quiet("now"), 0, 1, Qt.AlignmentFlag.AlignRight)
        places.addWidget(quiet("go to"), 0, 2)
        for row, axis in enumerate((self._x, self._y, self._z)):
            axis.add_to(places, row)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        buttons.addWidget(self._go, 1)
        buttons.addWidget(self._home, 1)
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        layout.addLayout(places)
        layout.addLayout(buttons)
        layout.addWidget(self._focus_now)
        layout.addWidget(self._moving)
        layout.addLayout(self._form)
        layout.addWidget(self._pad)
        self.outer.insertWidget(0, self._stop)  # outside the body: never locked

    def _connect(self) -> None:
        self._stop.clicked.connect(self.halt_requested)
        self._step.valueChanged.connect(self._take_steps)
        self._step_z.valueChanged.connect(self._take_steps)
        self._pad.moved_xy.connect(self._ask_step)
        self._pad.moved_z.connect(self._ask_step_z)
        self._go.clicked.connect(self._ask_go)
        self._home.clicked.connect(self._ask_home)
        self._focus_now.clicked.connect(self.focus_requested)
        for axis in (self._x, self._y, self._z):
            axis.target.valueChanged.connect(self._typed)

    def locked_widgets(self) -> tuple[QWidget, ...]:
        """Return what moves the stage or takes the camera; the focus stays free during a section, the stop always."""
        return (self._x.target, self._y.target, self._home, self._focus_now)

    def set_locked(self, reason: str | None, *, show: bool = True) -> None:
        """Lock the stage, not the focus: while a section is acquired, the plan moves the stage."""
        super().set_locked(reason, show=show)
        self._pad.lock_xy(reason)
        self._xy_locked = reason is not None
        self._offer_go()

    def set_state(self, state: RigState | None) -> None:
        """Show where stage and focus are."""
        xy_um = None if state is None else state.xy_um
        z_um = None if state is None else state.z_um
        limits = None if state is None else state.limits
        self.be_present(xy_um is not None or z_um is not None)
        self._pad.set_place(xy_um, z_um, limits)
        self._form.setRowVisible(self._step, xy_um is not None)
        self._form.setRowVisible(self._step_z, z_um is not None)
        self._home.setVisible(xy_um is not None)
        self._focus_now.setVisible(z_um is not None)
        busy = state is not None and state.busy
        self._moving.setText("A device is at work ..." if busy else "At rest")
        x_um, y_um = (None, None) if xy_um is None else xy_um
        self._x.show(x_um, None if limits is None else limits.x_um)
        self._y.show(y_um, None if limits is None else limits.y_um)
        self._z.show(z_um, None if limits is None else limits.z_um)
        self._offer_go()

    def _offer_go(self) -> None:
        self._go.setEnabled(self._xy_to_go() or self._z.differs())

    def _xy_to_go(self) -> bool:
        return not self._xy_locked and (self._x.differs() or self._y.differs())

    @Slot(float)
    def _typed(self, value: float) -> None:
        self._offer_go()

    @Slot(float)
    def _take_steps(self, value: float) -> None:
        self._pad.set_steps(self._step.value(), self._step_z.value())

    @Slot(float, float)
    def _ask_step(self, dx_um: float, dy_um: float) -> None:
        self.requested.emit(DeviceAction(DeviceControls.move_by_um, (dx_um, dy_um)))

    @Slot(float)
    def _ask_step_z(self, dz_um: float) -> None:
        self.requested.emit(DeviceAction(DeviceControls.move_z_by_um, (dz_um,)))

    @Slot()
    def _ask_go(self) -> None:
        if self._xy_to_go():
            self.requested.emit(
                DeviceAction(DeviceControls.move_to_um, (self._x.target.value(), self._y.target.value()))
            )
        if self._z.differs():
            self.requested.emit(DeviceAction(DeviceControls.move_z_to_um, (self._z.target.value(),)))

    @Slot()
    def _ask_home(self) -> None:
        self.requested.emit(DeviceAction(DeviceControls.home_origin, ()))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in _RECOLOUR and hasattr(self, "_stop"):
            self._paint_stop()

    def _paint_stop(self) -> None:
        """Outline the stop, with an octagon: the one red button of the window is the emergency stop."""
        c = colours_of(self)
        self._stop.setIcon(symbol_icon("stop", c, self.fontMetrics().height()))
        self._stop.setStyleSheet(
            f"QPushButton {{ background: {c.window}; color: {c.text}; font-weight: bold; padding: {GRID_PX}px;"
            f" border: 2px solid {c.error}; border-radius: {GRID_PX // 2}px; }}"
            f" QPushButton:focus {{ border-color: {c.text}; }} QPushButton:pressed {{ background: {c.surface}; }}"
        )


class _Axis:
    """One axis: where it is, where to go, and how far it may go."""

    def __init__(self, axis: str) -> None:
        self._at_um: float | None = None
        self._decimals = 3 if axis == "z" else 1
        self.target = NumberField(MICROMETRE, self._decimals, 1.0 if axis == "z" else 100.0)
        describe(
            self.target,
            f"Where to go in {axis}, in micrometres",
            f"Where to go in {axis}, in {MICROMETRE}. The button 'Go there' moves.",
        )
        self._name = heading(axis)
        self._name.setBuddy(self.target)
        self._now = ValueLabel(f"Position {axis}", tip=f"Position {axis} as the device reports it, in {MICROMETRE}.")
        self._limits = quiet_value(f"Limits of {axis}")
        self._widgets: tuple[QWidget, ...] = (self._name, self._now, self.target, self._limits)

    def add_to(self, grid: QGridLayout, row: int) -> None:
        """Put the axis into two rows of a grid below its heads: the second for the limits."""
        grid.addWidget(self._name, 2 * row + 1, 0)
        grid.addWidget(self._now, 2 * row + 1, 1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        grid.addWidget(self.target, 2 * row + 1, 2)
        grid.addWidget(self._limits, 2 * row + 2, 1, 1, 2)

    def show(self, at_um: float | None, limits: tuple[float, float] | None) -> None:
        """Show the position; None hides the axis. The target follows the axis until a person types another one."""
        follows = not self.differs() and not self.target.editing
        for widget in self._widgets:
            widget.setVisible(at_um is not None)
        self._at_um = at_um
        if at_um is None:
            return
        self._now.setText(f"{at_um:.{self._decimals}f} {MICROMETRE}")
        self.target.show_limits(limits)
        if follows:
            self.target.show_value(at_um)
        self._limits.setVisible(limits is not None)
        if limits is not None:
            low, high = (format_number(end, 1) for end in limits)
            self._limits.setText(f"limits {low} to {high} {MICROMETRE}")

    def differs(self) -> bool:
        """Return whether another position than the present one is typed."""
        return self._at_um is not None and abs(self.target.value() - self._at_um) > 10.0**-self._decimals

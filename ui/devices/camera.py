"""The camera, built from its abilities: a control that the camera does not support is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from hcc_scope.formatting import format_number, sentence
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.sensor_care import cooler_concern
from ui.devices.device_action import DeviceAction
from ui.devices.device_panel import DevicePanel
from ui.kit.fields import ChoiceField, NumberField
from ui.kit.labels import ValueLabel, describe, form, heading, label_for, quiet_value
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.microscope.device_controls import CameraState, RigState

__all__ = ["CameraPanel"]

Roi = tuple[int, int, int, int]


class CameraPanel(DevicePanel):
    """Exposure, gain, binning, region, temperature and read-out."""

    roi_draw_requested = Signal()
    """The region is going to be drawn on the live image."""
    em_gain_requested = Signal(float)
    """An EM gain, which may need a confirmation."""
    auto_exposure_requested = Signal()
    """Find the exposure for a mean level."""

    def __init__(self) -> None:
        super().__init__("Camera")
        self._who = ValueLabel("Camera in use")
        self._who.setWordWrap(True)
        self._exposure = NumberField("ms", 3, 1.0)
        self._gain = NumberField("", 1, 1.0)
        self._switch = QCheckBox("Use EM gain")
        self._binning = ChoiceField()
        self._readout = ChoiceField()
        self._auto = QPushButton("Auto exposure")
        describe(
            self._auto,
            "Auto exposure",
            "Find the exposure at which the image has half of full scale on average and nothing is clipped."
            " The EM gain is left alone.",
        )
        self._concern = ValueLabel("What is wrong with the sensor")
        self._concern.setWordWrap(True)
        self._concern.hide()
        self._temperature = ValueLabel("Sensor temperature", tip="Measured sensor temperature in °C.")
        self._set_point = NumberField("°C", 1, 1.0)
        self._region = _Region()
        describe(self._exposure, "Exposure in milliseconds", "Exposure time in ms. Enter applies, Escape discards.")
        describe(
            self._gain,
            "Electron-multiplying gain",
            "Electron-multiplying gain on the camera's own scale (no unit). High gain and bright light age the sensor.",
        )
        describe(self._switch, "Use EM gain", "Off: the gain register is bypassed and the gain has no effect.")
        describe(self._binning, "Binning", "Pixels of the sensor that are read as one. Changes the pixel size in µm.")
        describe(self._readout, "Read-out mode", "How fast and through which amplifier the sensor is read.")
        describe(
            self._set_point,
            "Set point of the sensor temperature in degrees Celsius",
            "Sensor temperature that the cooler holds, in °C.",
        )
        self._form = form()
        for text, field in (
            ("Exposure", self._exposure),
            ("", self._auto),
            ("EM gain", self._gain),
            ("", self._switch),
            ("Binning", self._binning),
            ("Read-out", self._readout),
            ("Sensor", self._temperature),
            ("Set point", self._set_point),
        ):
            self._form.addRow(label_for(text, field), field)
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        layout.addWidget(self._who)
        layout.addWidget(self._concern)
        layout.addLayout(self._form)
        layout.addWidget(self._region)
        self._exposure.committed.connect(self._ask_exposure)
        self._auto.clicked.connect(self.auto_exposure_requested)
        self._gain.committed.connect(self._ask_gain)
        self._switch.clicked.connect(self._ask_switch)
        self._binning.committed.connect(self._ask_binning)
        self._readout.committed.connect(self._ask_readout)
        self._set_point.committed.connect(self._ask_set_point)
        self._region.draw.clicked.connect(self.roi_draw_requested)
        self._region.whole.clicked.connect(self._ask_whole)
        self._region.committed.connect(self._ask_region)
        self.set_state(None)

    def locked_widgets(self) -> tuple[QWidget, ...]:
        """Return the controls of image size and speed; exposure, gain and cooling stay free during a section."""
        return (self._binning, self._readout, self._region, self._auto)

    def set_state(self, state: RigState | None) -> None:
        """Show the state of the camera."""
        camera = None if state is None else state.camera
        self._show_concern(camera)
        for widget in (self._exposure, self._region):
            widget.setVisible(camera is not None)
        if camera is None:
            self._who.setText("No rig is open.")
            for row in range(self._form.rowCount()):
                self._form.setRowVisible(row, False)
            return
        self._who.setText(f"{camera.label} ({camera.library}), {camera.bit_depth} bit")
        self._show_light(camera)
        self._show_reading(camera)
        self._region.show_region(camera.roi, camera.full)

    def _show_concern(self, camera: CameraState | None) -> None:
        """Keep on the screen that the sensor is not at its set point, for as long as it is not."""
        off = None if camera is None else cooler_concern(camera.temperature_c, camera.temperature_set_point_c)
        self._concern.setText("" if off is None else f"⚠ {sentence(off)}")
        self._concern.setVisible(off is not None)

    def _show_light(self, camera: CameraState) -> None:
        self._form.setRowVisible(self._exposure, True)
        self._form.setRowVisible(self._auto, True)
        self._exposure.show_limits(camera.exposure_limits_ms)
        self._exposure.show_value(camera.exposure_ms)
        self._form.setRowVisible(self._gain, camera.em_gain is not None)
        if camera.em_gain is not None:
            self._gain.show_limits(camera.em_gain_limits)
            self._gain.show_value(camera.em_gain)
        self._form.setRowVisible(self._switch, camera.em_switch is not None)
        if camera.em_switch is not None:
            self._switch.setChecked(camera.em_switch)

    def _show_reading(self, camera: CameraState) -> None:
        self._form.setRowVisible(self._binning, bool(camera.binnings))
        self._binning.show_choice(camera.binnings, camera.binning)
        self._form.setRowVisible(self._readout, camera.readout is not None)
        self._readout.show_choice(camera.readouts, camera.readout)
        self._form.setRowVisible(self._temperature, camera.temperature_c is not None)
        if camera.temperature_c is not None:
            self._temperature.setText(f"{format_number(camera.temperature_c, 1)} °C")
        self._form.setRowVisible(self._set_point, camera.temperature_set_point_c is not None)
        if camera.temperature_set_point_c is not None:
            self._set_point.show_value(camera.temperature_set_point_c)

    @Slot(float)
    def _ask_exposure(self, value: float) -> None:
        self.requested.emit(DeviceAction(DeviceControls.set_exposure_ms, (value,)))

    @Slot(float)
    def _ask_gain(self, value: float) -> None:
        self.em_gain_requested.emit(value)

    @Slot(bool)
    def _ask_switch(self, on: bool) -> None:
        self.requested.emit(DeviceAction(DeviceControls.set_em_switch, (on,)))

    @Slot(str)
    def _ask_binning(self, value: str) -> None:
        self.requested.emit(DeviceAction(DeviceControls.set_binning, (value,)))

    @Slot(str)
    def _ask_readout(self, value: str) -> None:
        self.requested.emit(DeviceAction(DeviceControls.set_readout, (value,)))

    @Slot(float)
    def _ask_set_point(self, value: float) -> None:
        self.requested.emit(DeviceAction(DeviceControls.set_temperature_set_point, (value,)))

    @Slot(int, int, int, int)
    def _ask_region(self, x: int, y: int, width: int, height: int) -> None:
        self.requested.emit(DeviceAction(DeviceControls.set_roi, (x, y, width, height)))

    @Slot()
    def _ask_whole(self) -> None:
        self.requested.emit(DeviceAction(DeviceControls.clear_roi, ()))


class _Region(QWidget):
    """The region of interest: drawn on the image, or typed."""

    committed = Signal(int, int, int, int)

    def __init__(self) -> None:
        super().__init__()
        self._shown: Roi | None = None
        self._shown_region = quiet_value("Region that is read")
        self.draw = QPushButton("Draw on image")
        self.whole = QPushButton("Whole sensor")
        self._apply = QPushButton("Apply")
        describe(self.draw, "Draw the region on the image", "Draw the region of interest on the live image.")
        describe(self.whole, "Whole sensor", "Read the whole sensor again.")
        describe(self._apply, "Apply the typed region", "Read only the region that is typed here, in px.")
        self._fields = tuple(NumberField("px", 0, 16.0) for _ in range(4))
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID_PX)
        grid.setVerticalSpacing(GRID_PX)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        for index, (short, name) in enumerate((("x", "Left edge"), ("y", "Top edge"), ("w", "Width"), ("h", "Height"))):
            field = self._fields[index]
            describe(field, f"{name} of the region in pixels", f"{name} of the region of interest, in px.")
            label = QLabel(short)
            label.setBuddy(field)
            label.setToolTip(field.toolTip())
            row, column = divmod(index, 2)
            grid.addWidget(label, row, 2 * column)
            grid.addWidget(field, row, 2 * column + 1)
            field.valueChanged.connect(self._typed)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        for button in (self.draw, self.whole):
            buttons.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        layout.addWidget(heading("Region of interest"))
        layout.addWidget(self._shown_region)
        layout.addLayout(buttons)
        layout.addLayout(grid)
        layout.addWidget(self._apply)
        self._apply.clicked.connect(self._commit)
        self._apply.setEnabled(False)

    def show_region(self, roi: Roi, full: tuple[int, int]) -> None:
        """Show the region that the camera reads; a typed region that is not applied yet stays."""
        whole = roi == (0, 0, *full)
        self._shown_region.setText(
            f"Whole sensor, {full[0]} x {full[1]} px"
            if whole
            else f"{roi[2]} x {roi[3]} px of {full[0]} x {full[1]} px"
        )
        self.whole.setEnabled(not whole)
        if roi == self._shown and self._apply.isEnabled():
            return
        self._shown = roi
        self._apply.setEnabled(False)
        for field, value, most in zip(self._fields, roi, (*full, *full), strict=True):
            field.show_limits((0.0, float(most)))
            field.show_value(float(value))

    @Slot(float)
    def _typed(self, value: float) -> None:
        self._apply.setEnabled(self._values() != self._shown)

    @Slot()
    def _commit(self) -> None:
        self._apply.setEnabled(False)
        self.committed.emit(*self._values())

    def _values(self) -> Roi:
        x, y, width, height = (round(field.value()) for field in self._fields)
        return x, y, width, height

"""The shutter of the lamp: open or closed, and whether it opens for each exposure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget

from hcc_scope.microscope.device_controls import DeviceControls
from ui.devices.device_action import DeviceAction
from ui.devices.device_panel import DevicePanel
from ui.kit.labels import ValueLabel, describe, form, label_for
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.microscope.device_controls import RigState

__all__ = ["LightPanel"]


class LightPanel(DevicePanel):
    """Hides itself without a shutter."""

    def __init__(self) -> None:
        super().__init__("Light")
        self._open = False
        self._state = ValueLabel("State of the shutter")
        self._toggle = QPushButton("Open shutter")
        self._auto = QCheckBox("Open for each exposure")
        describe(self._toggle, "Open or close the shutter", "Opens or closes the shutter of the lamp.")
        describe(
            self._auto,
            "Open the shutter for each exposure",
            "Opens the shutter for each exposure and then closes it.",
        )
        self._form = form()
        self._form.addRow(label_for("Shutter", self._state), self._state)
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        layout.addLayout(self._form)
        layout.addWidget(self._toggle)
        layout.addWidget(self._auto)
        self._toggle.clicked.connect(self._ask_shutter)
        self._auto.clicked.connect(self._ask_auto)
        self.set_state(None)

    def locked_widgets(self) -> tuple[QWidget, ...]:
        """Return nothing: the shutter may also be opened and closed during a section."""
        return ()

    def set_state(self, state: RigState | None) -> None:
        """Show the state of the shutter."""
        is_open = None if state is None else state.shutter_open
        auto = None if state is None else state.auto_shutter
        self._form.setRowVisible(self._state, is_open is not None)
        self._toggle.setVisible(is_open is not None)
        self._auto.setVisible(auto is not None)
        if is_open is not None:
            self._open = is_open
            self._state.setText("open, the lamp shines" if is_open else "closed")
            self._toggle.setText("Close shutter" if is_open else "Open shutter")
        if auto is not None:
            self._auto.setChecked(auto)
        self.be_present(is_open is not None or auto is not None)

    @Slot()
    def _ask_shutter(self) -> None:
        self.requested.emit(DeviceAction(DeviceControls.set_shutter, (not self._open,)))

    @Slot(bool)
    def _ask_auto(self, on: bool) -> None:
        self.requested.emit(DeviceAction(DeviceControls.set_auto_shutter, (on,)))

"""The panels of all devices of a rig, one below the other: the content of the dock Rig."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ui.devices.camera import CameraPanel
from ui.devices.device_action import DeviceAction
from ui.devices.light import LightPanel
from ui.devices.objective import ObjectivePanel
from ui.devices.presets import PresetsPanel
from ui.devices.references import ReferencesPanel
from ui.devices.stage import StagePanel
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.microscope.device_controls import RigState

__all__ = ["DevicePanels"]


class DevicePanels(QWidget):
    """Camera, presets, objective, stage with its stop, light, references; one without a device hides itself."""

    requested = Signal(DeviceAction)
    """Any of the panels asks for something of the devices."""

    def __init__(self) -> None:
        super().__init__()
        self.camera, self.presets, self.objective = CameraPanel(), PresetsPanel(), ObjectivePanel()
        self.stage, self.light, self.references = StagePanel(), LightPanel(), ReferencesPanel()
        self._panels = (self.camera, self.presets, self.objective, self.stage, self.light, self.references)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        for panel in self._panels:
            layout.addWidget(panel)
            panel.requested.connect(self.requested)

    def set_state(self, state: RigState | None) -> None:
        """Show the state of the devices; None while no rig is open."""
        for panel in self._panels:
            panel.set_state(state)

    def set_locked(self, reason: str | None, *, paused: bool = False) -> None:
        """Lock what would spoil a section that is acquired, for a reason; None unlocks.

        While the section is paused, the stage stays free. The camera's panel, which is always there, shows the reason.
        """
        for panel in self._panels:
            free = paused and panel is self.stage
            panel.set_locked(None if free else reason, show=panel is self.camera)

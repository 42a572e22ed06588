"""The objective in use, and the size of a pixel on the specimen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QVBoxLayout

from hcc_scope.formatting import format_number
from hcc_scope.microscope.device_controls import DeviceControls
from ui.devices.device_action import DeviceAction
from ui.devices.device_panel import DevicePanel
from ui.kit.fields import ChoiceField
from ui.kit.labels import MICROMETRE, ValueLabel, describe, form, label_for
from ui.kit.symbols import SignedLine
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.microscope.device_controls import RigState

__all__ = ["ObjectivePanel"]


class ObjectivePanel(DevicePanel):
    """Objective and pixel size; on a manual stand the operator chooses the objective in the light path here."""

    def __init__(self) -> None:
        super().__init__("Objective")
        self._choice = ChoiceField("not known")
        self._size = ValueLabel("Pixel size", tip=f"Size of a pixel on the specimen, in {MICROMETRE}.")
        describe(
            self._choice,
            "Objective",
            "Objective in use. A motorised turret turns to it; on a manual stand, choose the one in the light path.",
        )
        self._warning = SignedLine("Warning about the pixel size")
        self._warning.show_line(
            "warning",
            "The pixel size is not known for this objective: no scale, and a model that needs it refuses the frames.",
        )
        self._form = form()
        self._form.addRow(label_for("Objective", self._choice), self._choice)
        self._form.addRow(label_for("Pixel size", self._size), self._size)
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        layout.addLayout(self._form)
        layout.addWidget(self._warning)
        self._choice.committed.connect(self._ask)
        self.set_state(None)

    def set_state(self, state: RigState | None) -> None:
        """Show the objective and its pixel size."""
        self.be_present(state is not None)
        objective = None if state is None else state.objective
        self._form.setRowVisible(self._choice, objective is not None)
        if objective is not None:
            self._choice.show_choice(objective.labels, objective.current)
        known = state is not None and state.pixel_size_um > 0
        self._size.setText(
            f"{format_number(state.pixel_size_um, 4)} {MICROMETRE}" if known and state is not None else "not known"
        )
        self._warning.setVisible(state is not None and not known)

    @Slot(str)
    def _ask(self, label: str) -> None:
        self.requested.emit(DeviceAction(DeviceControls.set_objective, (label,)))

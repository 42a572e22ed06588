"""The dark and the flat field of the rig as it is set now: fresh, stale or missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ui.devices.device_panel import DevicePanel
from ui.kit.labels import ValueLabel, describe, form, label_for
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.microscope.device_controls import RigState
    from hcc_scope.shading.freshness import ReferencesState, ReferenceState

__all__ = ["ReferencesPanel", "freshness_text"]

_SIGNS = {"fresh": "●", "stale": "▲", "missing": "○"}


def freshness_text(state: ReferenceState) -> str:
    """Return one reference's state in a few words, with a sign that needs no colour."""
    estimated = ", estimated" if state.estimated else ""
    return f"{_SIGNS[state.freshness]} {state.freshness}{estimated}"


class ReferencesPanel(DevicePanel):
    """Hides itself without a rig."""

    asked = Signal()
    """The dialog with the references is wanted."""

    def __init__(self) -> None:
        super().__init__("Dark and flat fields")
        self._dark = ValueLabel("State of the dark field", "–")
        self._flat = ValueLabel("State of the flat field", "–")
        self._take = QPushButton("Dark and flat fields …")
        describe(self._take, "Dark and flat fields", "Take a dark or a flat field for the settings as they are now.")
        rows = form()
        rows.addRow(label_for("Dark field", self._dark), self._dark)
        rows.addRow(label_for("Flat field", self._flat), self._flat)
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        layout.addLayout(rows)
        layout.addWidget(self._take)
        self._take.clicked.connect(self._ask)
        self.set_state(None)

    def locked_widgets(self) -> tuple[QWidget, ...]:
        """Return the button: no reference is taken during a section."""
        return (self._take,)

    def set_state(self, state: RigState | None) -> None:
        """Be there with a rig."""
        self.be_present(state is not None)

    @Slot(object)
    def set_references(self, state: ReferencesState | None) -> None:
        """Show how the references are; None while that is not known."""
        both = (None, None) if state is None else (state.dark, state.flat)
        for label, one in zip((self._dark, self._flat), both, strict=True):
            label.setText("–" if one is None else freshness_text(one))
            label.setToolTip("" if one is None else f"{one.label}: {one.reason}")

    @Slot()
    def _ask(self) -> None:
        self.asked.emit()

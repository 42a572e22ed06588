"""The configuration's groups, each with a list of its presets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout

from hcc_scope.microscope.device_controls import DeviceControls
from ui.devices.device_action import DeviceAction
from ui.devices.device_panel import DevicePanel
from ui.kit.fields import ChoiceField
from ui.kit.labels import describe, form, label_column_px, label_for, quiet

if TYPE_CHECKING:
    from hcc_scope.microscope.device_controls import GroupState, RigState

__all__ = ["PresetsPanel"]


class PresetsPanel(DevicePanel):
    """A row per group; built anew only when the configuration's groups change."""

    def __init__(self) -> None:
        super().__init__("Presets")
        self._fields: dict[str, ChoiceField] = {}
        self._none = quiet("This configuration has no groups.")
        self._form = form()
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._none)
        layout.addLayout(self._form)
        self.set_state(None)

    def set_state(self, state: RigState | None) -> None:
        """Show which preset each group matches."""
        self.be_present(state is not None)
        groups = {} if state is None else _without_objective(state)
        self._none.setVisible(not groups)
        if tuple(groups) != tuple(self._fields):
            self._rebuild(tuple(groups))
        for name, group in groups.items():
            self._fields[name].show_choice(group.presets, group.current)

    def _rebuild(self, names: tuple[str, ...]) -> None:
        while self._form.rowCount():
            self._form.removeRow(0)
        self._fields = {}
        for name in names:
            field = ChoiceField("none matches")
            describe(field, f"Preset of {name}", f"Applies a preset of the group {name}: sets several devices at once.")
            field.committed.connect(partial(self._ask, name))
            label = label_for(name, field)
            if label.sizeHint().width() > label_column_px(self):  # above its field: the fields stay in one line
                self._form.addRow(label)
                self._form.addRow(label_for("", field), field)
            else:
                self._form.addRow(label, field)
            self._fields[name] = field

    def _ask(self, group: str, preset: str) -> None:
        self.requested.emit(DeviceAction(DeviceControls.apply_preset, (group, preset)))


def _without_objective(state: RigState) -> dict[str, GroupState]:
    """Return the groups but for one that only names the objectives, which have their own panel."""
    labels = set() if state.objective is None else set(state.objective.labels)
    return {
        name: group for name, group in state.groups.items() if not group.presets or not labels.issuperset(group.presets)
    }

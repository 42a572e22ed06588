"""Every property of every device, with a filter: for settings that no panel offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QAbstractItemView, QCheckBox, QLineEdit, QTreeView, QVBoxLayout, QWidget

from hcc_scope.microscope.device_controls import DeviceControls
from ui.devices.device_action import DeviceAction
from ui.devices.property_delegate import PropertyDelegate
from ui.devices.property_model import PropertyFilter, PropertyModel
from ui.kit.labels import describe, grid_margins, quiet_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QResizeEvent

    from hcc_scope.microscope.device_controls import DeviceProperty

__all__ = ["PropertyBrowser"]


class _WrappingTree(QTreeView):
    """Measures its rows again when its width changes, since values wrap."""

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Lay the rows out for the new width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.scheduleDelayedItemsLayout()


class PropertyBrowser(QWidget):
    """A tree of devices and their properties; read-only ones carry a padlock."""

    requested = Signal(DeviceAction)
    """Sets a property."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Properties")
        self.setAccessibleName("Properties of all devices")
        self._filter = QLineEdit()
        self._filter.setPlaceholderText("Filter")
        self._filter.setClearButtonEnabled(True)
        describe(self._filter, "Filter of properties", "Words that the device, property or value must contain.")
        self._changeable = QCheckBox("Only what can be changed")
        describe(
            self._changeable,
            "Only what can be changed",
            "Hides properties that are read-only or can only be set while loading.",
        )
        self._found = quiet_value("Number of properties")
        self._model = PropertyModel(self)
        self._shown = PropertyFilter(self)
        self._shown.setSourceModel(self._model)
        self._view = _WrappingTree()
        self._view.setModel(self._shown)
        self._view.setItemDelegate(PropertyDelegate(self._view))
        self._view.setHeaderHidden(True)
        self._view.setIndentation(12)  # names need the room more
        self._view.setAlternatingRowColors(True)
        self._view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._view.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.SelectedClicked
        )
        describe(self._view, "Properties", "F2 or a double click changes a value, Escape discards.")
        layout = QVBoxLayout(self)
        grid_margins(layout)
        for widget in (self._filter, self._changeable, self._found):
            layout.addWidget(widget)
        layout.addWidget(self._view, 1)
        self._filter.textChanged.connect(self._look)
        self._changeable.toggled.connect(self._look)
        self._model.requested.connect(self._ask)
        self._model.modelReset.connect(self._view.expandAll)
        self._count()

    def set_properties(self, properties: Sequence[DeviceProperty]) -> None:
        """Show the values of the devices; an open editor stays as it is."""
        self._model.set_properties(properties)
        self._count()

    def set_locked(self, reason: str | None) -> None:
        """Lock all values, for a reason; None unlocks them."""
        triggers = QAbstractItemView.EditTrigger
        self._view.setEditTriggers(
            triggers.NoEditTriggers
            if reason is not None
            else triggers.DoubleClicked | triggers.EditKeyPressed | triggers.SelectedClicked
        )
        self._view.setToolTip(reason or "F2 or a double click changes a value, Escape discards.")

    @Slot()
    def _look(self) -> None:
        self._shown.look_for(self._filter.text(), changeable_only=self._changeable.isChecked())
        self._view.expandAll()
        self._count()

    @Slot(str, str, str)
    def _ask(self, device: str, name: str, value: str) -> None:
        self.requested.emit(DeviceAction(DeviceControls.set_property, (device, name, value)))

    def _count(self) -> None:
        total = _properties_in(self._model)
        shown = _properties_in(self._shown)
        self._found.setText("No rig is open." if not total else f"{shown} of {total} properties")


def _properties_in(model: PropertyModel | PropertyFilter) -> int:
    return sum(model.rowCount(model.index(row, 0)) for row in range(model.rowCount()))

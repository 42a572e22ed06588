"""All properties of all devices, as a tree of two levels that updates in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)

from hcc_scope.formatting import format_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.microscope.device_controls import DeviceProperty

__all__ = ["PROPERTY_ROLE", "PropertyFilter", "PropertyModel", "why_fixed"]

PROPERTY_ROLE = Qt.ItemDataRole.UserRole
"""Gives the `DeviceProperty` of a row; None for a device."""

_Index = QModelIndex | QPersistentModelIndex
_DEVICE = 0
"""Internal id of a device's row; a property's is its device's row + 1."""


def why_fixed(prop: DeviceProperty) -> str:
    """Return why a property cannot be changed, as text; empty if it can."""
    if prop.read_only:
        return "read-only"
    return "fixed at load" if prop.pre_init else ""


class PropertyModel(QAbstractItemModel):
    """Devices, and their properties below them. Rows stay where they are as long as the devices do."""

    requested = Signal(str, str, str)
    """Device, property, new value."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._devices: tuple[str, ...] = ()
        self._rows: dict[str, list[DeviceProperty]] = {}

    def set_properties(self, properties: Sequence[DeviceProperty]) -> None:
        """Take other values; views are notified only of rows whose values changed."""
        rows: dict[str, list[DeviceProperty]] = {}
        for prop in properties:
            rows.setdefault(prop.device, []).append(prop)
        if _keys(rows) != _keys(self._rows):
            self.beginResetModel()
            self._devices, self._rows = tuple(rows), rows
            self.endResetModel()
            return
        before, self._rows = self._rows, rows
        for device_row, device in enumerate(self._devices):
            for row, (old, new) in enumerate(zip(before[device], rows[device], strict=True)):
                if old != new:
                    index = self.createIndex(row, 0, device_row + 1)
                    self.dataChanged.emit(index, index)

    def index(self, row: int, column: int, parent: _Index = QModelIndex()) -> QModelIndex:  # noqa: B008 - Qt's signature
        """Return the index of a device or of one of its properties."""
        if not self.hasIndex(row, column, parent):
            return QModelIndex()
        return self.createIndex(row, column, parent.row() + 1 if parent.isValid() else _DEVICE)

    def parent(self, index: _Index = QModelIndex()) -> QModelIndex:  # type: ignore[override]  # noqa: B008 - Qt's signature
        """Return the device of a property."""
        if not index.isValid() or index.internalId() == _DEVICE:
            return QModelIndex()
        return self.createIndex(index.internalId() - 1, 0, _DEVICE)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's signature
        """Return the number of devices, or of a device's properties."""
        if not parent.isValid():
            return len(self._devices)
        return len(self._rows[self._devices[parent.row()]]) if parent.internalId() == _DEVICE else 0

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's signature
        """Return 1: name and value stand below each other."""
        return 1

    def _property(self, index: _Index) -> DeviceProperty | None:
        if not index.isValid() or index.internalId() == _DEVICE:
            return None
        return self._rows[self._devices[index.internalId() - 1]][index.row()]

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's signature
        """Return a device's name; a property's value, name, and all of it for the delegate."""
        if not index.isValid():
            return None
        prop = self._property(index)
        if prop is None:
            return self._devices[index.row()] if role == Qt.ItemDataRole.DisplayRole else None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return prop.name
            case Qt.ItemDataRole.EditRole:
                return prop.value
            case Qt.ItemDataRole.ToolTipRole | Qt.ItemDataRole.AccessibleTextRole:
                return _all_words(prop)
        return prop if role == PROPERTY_ROLE else None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Return whether a row can be edited."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        prop = self._property(index)
        if prop is not None and not why_fixed(prop):
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def setData(self, index: _Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802 - Qt's name
        """Ask for another value; it is shown once the device has it."""
        prop = self._property(index)
        if prop is None or role != Qt.ItemDataRole.EditRole or why_fixed(prop):
            return False
        if str(value) != prop.value:
            self.requested.emit(prop.device, prop.name, str(value))
        return True


def _keys(rows: dict[str, list[DeviceProperty]]) -> list[tuple[str, str]]:
    return [(device, prop.name) for device, props in rows.items() for prop in props]


def _all_words(prop: DeviceProperty) -> str:
    lines = [f"{prop.device}, {prop.name}: {prop.value or '(empty)'}"]
    if prop.limits is not None:
        lines.append(f"From {format_number(prop.limits[0], 6)} to {format_number(prop.limits[1], 6)}.")
    if prop.allowed:
        lines.append(f"Allowed: {', '.join(prop.allowed)}.")
    fixed = why_fixed(prop)
    lines.append(f"Cannot be changed: {fixed}." if fixed else "F2 or a double click changes it.")
    return "\n".join(lines)


class PropertyFilter(QSortFilterProxyModel):
    """Keeps the properties whose device, name or value contains all the typed words."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._words: tuple[str, ...] = ()
        self._changeable_only = False
        self.setRecursiveFilteringEnabled(True)

    def look_for(self, text: str, *, changeable_only: bool) -> None:
        """Keep other rows."""
        self._words, self._changeable_only = tuple(text.casefold().split()), changeable_only
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: _Index) -> bool:  # noqa: N802 - Qt's name
        """Return whether a property is kept; a device is kept by its properties."""
        prop = self.sourceModel().index(source_row, 0, source_parent).data(PROPERTY_ROLE)
        if prop is None:
            return False
        if self._changeable_only and why_fixed(prop):
            return False
        text = f"{prop.device} {prop.name} {prop.value}".casefold()
        return all(word in text for word in self._words)

"""Paints a property on two lines, name over value, so that both fit a narrow dock; edits it as its kind demands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractItemModel, QLocale, QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QDoubleValidator, QIntValidator, QPainter, QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeView,
    QWidget,
)

from ui.devices.property_model import PROPERTY_ROLE, why_fixed
from ui.kit.labels import colours_of
from ui.kit.symbols import paint_symbol
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.microscope.device_controls import DeviceProperty

__all__ = ["PropertyDelegate"]

_Index = QModelIndex | QPersistentModelIndex
_FILLED = "filled"
_WRAP = Qt.TextFlag.TextWordWrap | Qt.TextFlag.TextWrapAnywhere


class PropertyDelegate(QStyledItemDelegate):
    """For a view on a `PropertyModel`."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:  # noqa: N802 - Qt's name
        """Return two lines for a property, one for a device."""
        prop: DeviceProperty | None = index.data(PROPERTY_ROLE)
        line = option.fontMetrics.height()
        if prop is None:
            return QSize(0, line + GRID_PX)
        # as wide as the view leaves it: two levels of indentation, the margins that are painted
        view = option.widget
        assert isinstance(view, QTreeView)
        room = view.viewport().width() - 2 * view.indentation() - GRID_PX - GRID_PX // 2
        value = option.fontMetrics.boundingRect(QRect(0, 0, max(1, room), 0), _WRAP, _format_value(prop))
        return QSize(0, line + max(line, value.height()) + GRID_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Paint a row."""
        prop: DeviceProperty | None = index.data(PROPERTY_ROLE)
        if prop is None:
            option = QStyleOptionViewItem(option)
            option.font.setBold(True)
            super().paint(painter, option, index)
            return
        empty = QStyleOptionViewItem(option)
        self.initStyleOption(empty, index)
        empty.text = ""
        widget: QWidget = option.widget
        widget.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, empty, painter, widget)
        self._paint_text(painter, option, prop)

    def _paint_text(self, painter: QPainter, option: QStyleOptionViewItem, prop: DeviceProperty) -> None:
        c = colours_of(option.widget)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        chosen = option.palette.color(QPalette.ColorRole.HighlightedText)
        metrics, rect = option.fontMetrics, option.rect.adjusted(GRID_PX // 2, GRID_PX // 2, -GRID_PX, -GRID_PX // 2)
        line = metrics.height()
        painter.save()
        fixed = why_fixed(prop)
        muted = chosen if selected else QColor(c.text_muted)
        painter.setPen(muted)
        upper = QRect(rect.x(), rect.y(), rect.width(), line)
        if fixed:
            name_px, fixed_px = metrics.horizontalAdvance(prop.name), metrics.horizontalAdvance(fixed)
            side = metrics.ascent()
            if name_px + fixed_px + side + 2 * GRID_PX > rect.width():
                fixed, fixed_px = "", 0  # the padlock alone; the tooltip gives the reason
            painter.drawText(upper, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, fixed)
            lock_x = rect.right() - fixed_px - side - GRID_PX // 2
            paint_symbol(painter, QRectF(lock_x, rect.y() + 1, side, side), "locked", c)
            upper.setRight(lock_x - GRID_PX)
        fitted = metrics.elidedText(prop.name, Qt.TextElideMode.ElideMiddle, upper.width())
        painter.drawText(upper, Qt.AlignmentFlag.AlignVCenter, fitted)
        painter.setPen(muted if why_fixed(prop) and not selected else chosen if selected else QColor(c.text))
        painter.drawText(rect.adjusted(0, line, 0, 0), _WRAP, _format_value(prop))
        painter.restore()

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: _Index) -> QWidget:  # noqa: N802 - Qt's name
        """Return a list where the device allows only some values, else a line that takes what fits the kind."""
        prop: DeviceProperty = index.data(PROPERTY_ROLE)
        if prop.allowed:
            choice = QComboBox(parent)
            choice.addItems(list(prop.allowed))
            choice.setAccessibleName(f"{prop.device}, {prop.name}")
            return choice
        line = QLineEdit(parent)
        line.setAccessibleName(f"{prop.device}, {prop.name}")
        # without the device's limits: what is beyond them is refused with a message, not cut to the digits that fit
        if prop.kind == "integer":
            whole = QIntValidator(line)
            line.setValidator(whole)
        elif prop.kind == "number":
            number = QDoubleValidator(line)
            number.setLocale(QLocale.c())
            line.setValidator(number)
        return line

    def setEditorData(self, editor: QWidget, index: _Index) -> None:  # noqa: N802 - Qt's name
        """Fill an editor once: a value that changes meanwhile must not overwrite what is typed."""
        if editor.property(_FILLED):
            return
        editor.setProperty(_FILLED, True)
        value = str(index.data(Qt.ItemDataRole.EditRole))
        if isinstance(editor, QComboBox):
            editor.setCurrentText(value)
        elif isinstance(editor, QLineEdit):
            editor.setText(value)
            editor.selectAll()

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: _Index) -> None:  # noqa: N802 - Qt's name
        """Request the chosen or typed value."""
        if isinstance(editor, QComboBox):
            model.setData(index, editor.currentText())
        elif isinstance(editor, QLineEdit):
            model.setData(index, editor.text())

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: _Index) -> None:  # noqa: N802 - Qt's name
        """Put the editor over the row."""
        editor.setGeometry(option.rect)


def _format_value(prop: DeviceProperty) -> str:
    return prop.value or "(empty)"

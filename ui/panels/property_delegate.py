"""Paints a property on two lines, name over value, so that both fit a narrow dock; edits it as its kind demands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractItemModel, QLocale, QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QDoubleValidator, QIntValidator, QPainter, QPalette
from PySide6.QtWidgets import QComboBox, QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from ui.panels.parts import colours_of
from ui.panels.property_model import PROPERTY_ROLE, why_fixed
from ui.panels.symbols import paint_symbol
from ui.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.sources.controls import DeviceProperty

__all__ = ["PropertyDelegate"]

_Index = QModelIndex | QPersistentModelIndex
_FILLED = "filled"


class PropertyDelegate(QStyledItemDelegate):
    """For a view on a `PropertyModel`."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:  # noqa: N802 - Qt's name
        """Return two lines for a property, one for a device."""
        size = super().sizeHint(option, index)
        line = option.fontMetrics.height()
        lines = 1 if index.data(PROPERTY_ROLE) is None else 2
        return QSize(size.width(), lines * line + GRID_PX)

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
        self._paint_words(painter, option, prop)

    def _paint_words(self, painter: QPainter, option: QStyleOptionViewItem, prop: DeviceProperty) -> None:
        c = colours_of(option.widget)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        chosen = option.palette.color(QPalette.ColorRole.HighlightedText)
        metrics, rect = option.fontMetrics, option.rect.adjusted(GRID_PX // 2, GRID_PX // 2, -GRID_PX, -GRID_PX // 2)
        line = metrics.height()
        painter.save()
        upper = QRect(rect.x(), rect.y(), rect.width(), line)
        fixed = why_fixed(prop)
        painter.setPen(chosen if selected else QColor(c.text_muted))
        if fixed:
            width = metrics.horizontalAdvance(fixed)
            lower = QRect(rect.x(), rect.y() + line, rect.width(), line)
            painter.drawText(lower, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, fixed)
            side = metrics.ascent()
            lock = QRectF(rect.right() - width - side - GRID_PX // 2, rect.y() + line + 2, side, side)
            paint_symbol(painter, lock, "locked", c)
        painter.drawText(upper, Qt.AlignmentFlag.AlignVCenter, _fit(metrics, prop.name, upper.width()))
        painter.setPen(chosen if selected else QColor(c.text_muted if fixed else c.text))
        room = rect.width() - (metrics.horizontalAdvance(fixed) + 2 * line if fixed else 0)
        value = QRect(rect.x(), rect.y() + line, room, line)
        painter.drawText(value, Qt.AlignmentFlag.AlignVCenter, _fit(metrics, prop.value or "(empty)", room))
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
        if prop.kind == "integer":
            whole = QIntValidator(line)
            if prop.limits is not None:
                whole.setRange(round(prop.limits[0]), round(prop.limits[1]))
            line.setValidator(whole)
        elif prop.kind == "number":
            number = QDoubleValidator(line)
            number.setLocale(QLocale.c())
            if prop.limits is not None:
                number.setRange(*prop.limits)
            line.setValidator(number)
        return line

    def setEditorData(self, editor: QWidget, index: _Index) -> None:  # noqa: N802 - Qt's name
        """Fill an editor once: a value that changes meanwhile must not overwrite what is being typed."""
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
        """Ask for what was chosen or typed."""
        if isinstance(editor, QComboBox):
            model.setData(index, editor.currentText())
        elif isinstance(editor, QLineEdit):
            model.setData(index, editor.text())

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: _Index) -> None:  # noqa: N802 - Qt's name
        """Put the editor over the row."""
        editor.setGeometry(option.rect)


def _fit(metrics: object, text: str, width: int) -> str:
    """Return text that fits; its middle goes first, and the tooltip has all of it."""
    fitted: str = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, max(0, width))  # type: ignore[attr-defined]
    return fitted

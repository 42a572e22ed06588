"""Symbols that differ in shape as well as in colour."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QIcon, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from ui.kit.labels import colours_of, words
from ui.kit.theme import GRID_PX, Colours

__all__ = ["Shape", "SignedLine", "SymbolBadge", "paint_symbol", "symbol_icon"]

Shape = Literal["good", "warning", "bad", "unknown", "busy", "high", "low", "undecided", "invalid", "locked", "stop"]
"""
Tick in a disc, exclamation mark in a triangle, cross in an octagon, dash in a ring, three dots in a ring, triangle up,
triangle down, diamond, ring with a bar across, padlock, plain octagon.
"""

_OCTAGON = ((0.3, 0.0), (0.7, 0.0), (1.0, 0.3), (1.0, 0.7), (0.7, 1.0), (0.3, 1.0), (0.0, 0.7), (0.0, 0.3))
_TRIANGLE_UP = ((0.5, 0.06), (1.0, 0.94), (0.0, 0.94))
_TRIANGLE_DOWN = ((0.0, 0.06), (1.0, 0.06), (0.5, 0.94))
_DIAMOND = ((0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5))


def _polygon(points: tuple[tuple[float, float], ...], rect: QRectF) -> QPolygonF:
    return QPolygonF([QPointF(rect.x() + x * rect.width(), rect.y() + y * rect.height()) for x, y in points])


def paint_symbol(painter: QPainter, rect: QRectF, shape: Shape, c: Colours) -> None:
    """Paint a sign into a square.

    Parameters
    ----------
    painter : QPainter
    rect : QRectF
        A square.
    shape : Shape
    c : Colours
        Of the present theme.
    """
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    side = rect.width()
    inner = QColor(c.window)  # drawn into a filled shape
    line = QPen(inner, side * 0.13, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    painter.setPen(Qt.PenStyle.NoPen)

    def at(x: float, y: float) -> QPointF:
        return QPointF(rect.x() + x * side, rect.y() + y * side)

    def ring(colour: str) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(colour), side * 0.11, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawEllipse(rect.adjusted(side * 0.07, side * 0.07, -side * 0.07, -side * 0.07))

    match shape:
        case "good":
            painter.setBrush(QColor(c.good))
            painter.drawEllipse(rect)
            painter.setPen(line)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolyline(QPolygonF([at(0.27, 0.53), at(0.44, 0.69), at(0.74, 0.34)]))
        case "warning":
            painter.setBrush(QColor(c.warning))
            painter.drawPolygon(_polygon(_TRIANGLE_UP, rect))
            painter.setPen(line)
            painter.drawLine(at(0.5, 0.4), at(0.5, 0.6))
            painter.drawPoint(at(0.5, 0.79))
        case "bad":
            painter.setBrush(QColor(c.error))
            painter.drawPolygon(_polygon(_OCTAGON, rect))
            painter.setPen(line)
            painter.drawLine(at(0.32, 0.32), at(0.68, 0.68))
            painter.drawLine(at(0.68, 0.32), at(0.32, 0.68))
        case "unknown":
            ring(c.text_muted)
            painter.drawLine(at(0.34, 0.5), at(0.66, 0.5))
        case "busy":
            ring(c.accent)
            painter.setPen(QPen(QColor(c.accent), side * 0.13, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            for x in (0.3, 0.5, 0.7):
                painter.drawPoint(at(x, 0.5))
        case "high":
            painter.setBrush(QColor(c.high))
            painter.drawPolygon(_polygon(_TRIANGLE_UP, rect))
        case "low":
            painter.setBrush(QColor(c.low))
            painter.drawPolygon(_polygon(_TRIANGLE_DOWN, rect))
        case "undecided":
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(c.text_muted), side * 0.12))
            painter.drawPolygon(_polygon(_DIAMOND, rect.adjusted(side * 0.1, side * 0.1, -side * 0.1, -side * 0.1)))
        case "invalid":
            ring(c.warning)
            painter.drawLine(at(0.24, 0.76), at(0.76, 0.24))
        case "stop":
            painter.setBrush(QColor(c.error))
            painter.drawPolygon(_polygon(_OCTAGON, rect))
        case "locked":
            painter.setBrush(QColor(c.text_muted))
            painter.drawRoundedRect(QRectF(at(0.18, 0.45), at(0.82, 0.95)), side * 0.08, side * 0.08)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(c.text_muted), side * 0.12))
            painter.drawArc(QRectF(at(0.3, 0.1), at(0.7, 0.75)), 0, 180 * 16)
    painter.restore()


def symbol_icon(shape: Shape, c: Colours, side_px: int, device_pixel_ratio: float = 2.0) -> QIcon:
    """Return a sign as an icon, sharp up to the given scaling."""
    pixmap = QPixmap(round(side_px * device_pixel_ratio), round(side_px * device_pixel_ratio))
    pixmap.setDevicePixelRatio(device_pixel_ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    paint_symbol(painter, QRectF(1, 1, side_px - 2, side_px - 2), shape, c)
    painter.end()
    return QIcon(pixmap)


class SymbolBadge(QWidget):
    """One sign, as tall as a line of text; its words are read by screen readers."""

    def __init__(self, shape: Shape = "unknown") -> None:
        super().__init__()
        self._shape: Shape = shape
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    @property
    def shape_name(self) -> Shape:
        """Return what is shown."""
        return self._shape

    def show_shape(self, shape: Shape, meaning: str) -> None:
        """Show another sign, with its meaning as text."""
        if meaning != self.accessibleName():
            self.setAccessibleName(meaning)
            self.setToolTip(meaning)
        if shape != self._shape:
            self._shape = shape
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a square as tall as the text beside it."""
        side = self.fontMetrics().height()
        return QSize(side, side)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the same: the sign is never squeezed."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the sign in the middle."""
        side = min(self.width(), self.height()) - 2
        rect = QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)
        painter = QPainter(self)
        paint_symbol(painter, rect, self._shape, colours_of(self))
        painter.end()


class SignedLine(QWidget):
    """A sign with its words beside it.

    Parameters
    ----------
    name : str
        For screen readers, which read the words as its description.
    font : QFont, optional
        Of the words; the sign is as tall.
    """

    def __init__(self, name: str = "", *, font: QFont | None = None) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self._badge = SymbolBadge()
        self._words = words()
        self._single = False
        if font is not None:
            self._badge.setFont(font)
            self._words.setFont(font)
        layout = self._row = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        layout.addWidget(self._badge, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._words, 1)

    def show_line(self, shape: Shape, text: str) -> None:
        """Show another sign and other words."""
        self._badge.show_shape(shape, text)
        if text != self._words.text():
            self._words.setText(text)
            self._place_badge()
        self.setAccessibleDescription(text)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the lines that the words take now."""
        super().resizeEvent(event)
        self._place_badge()

    def _place_badge(self) -> None:
        """Put the sign beside the words: in the middle of a single line, at the first of several."""
        single = self._words.heightForWidth(self._words.width()) < 2 * self._words.fontMetrics().height()
        if single != self._single:  # else everything would be laid out again
            self._single, align = single, Qt.AlignmentFlag
            self._row.setAlignment(self._badge, align.AlignVCenter if single else align.AlignTop)

    def text(self) -> str:
        """Return the words."""
        return self._words.text()

    def shape_name(self) -> Shape:
        """Return the sign."""
        return self._badge.shape_name

"""Icons, drawn: a microscope's computer is rarely online, and drawn ones take the theme's colours and any scaling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF

from ui.kit.theme import colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.kit.theme import ThemeName

__all__ = ["IconName", "icon"]

IconName = Literal["live", "snap", "start", "pause", "stop", "emergency", "undo", "microscope"]

_SIZES = (16, 24, 32, 48, 64)


def icon(name: IconName, theme: ThemeName) -> QIcon:
    """Return an icon in a theme's colours, with a paler one for what cannot be pressed."""
    c = colours(theme)
    colour = {"start": c.good, "stop": c.error, "emergency": "#ffffff", "live": c.accent, "snap": c.accent}
    made = QIcon()
    for size in _SIZES:
        made.addPixmap(_pixmap(name, size, QColor(colour.get(name, c.text))))
        made.addPixmap(_pixmap(name, size, QColor(c.border)), QIcon.Mode.Disabled)
    return made


def _pixmap(name: IconName, size: int, colour: QColor) -> QPixmap:
    pixmap = QPixmap(QSize(size, size))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(size / 16, size / 16)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    _DRAW[name](painter, colour)
    painter.end()
    return pixmap


def _line(painter: QPainter, colour: QColor, width: float = 1.6) -> None:
    pen = QPen(colour, width)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _start(painter: QPainter, _colour: QColor) -> None:
    painter.drawPolygon(QPolygonF([QPointF(4, 2.5), QPointF(13.5, 8), QPointF(4, 13.5)]))


def _pause(painter: QPainter, _colour: QColor) -> None:
    painter.drawRect(QRectF(3.5, 3, 3.2, 10))
    painter.drawRect(QRectF(9.3, 3, 3.2, 10))


def _stop(painter: QPainter, _colour: QColor) -> None:
    painter.drawRect(QRectF(3.5, 3.5, 9, 9))


def _emergency(painter: QPainter, _colour: QColor) -> None:
    corners = [
        QPointF(8 + 7 * math.cos(math.radians(a)), 8 + 7 * math.sin(math.radians(a))) for a in range(22, 382, 45)
    ]
    painter.drawPolygon(QPolygonF(corners))
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Clear)
    painter.drawRect(QRectF(4, 6.8, 8, 2.4))


def _live(painter: QPainter, colour: QColor) -> None:
    painter.drawEllipse(QPointF(8, 8), 2.2, 2.2)
    _line(painter, colour)
    for radius in (4.4, 6.8):
        for start in (-50, 130):
            painter.drawArc(QRectF(8 - radius, 8 - radius, 2 * radius, 2 * radius), start * 16, 100 * 16)


def _snap(painter: QPainter, colour: QColor) -> None:
    _line(painter, colour, 1.4)
    painter.drawRoundedRect(QRectF(1.5, 4.5, 13, 8.5), 1.5, 1.5)
    painter.drawEllipse(QPointF(8, 8.7), 2.5, 2.5)
    painter.drawLine(QPointF(6, 4.2), QPointF(7, 2.8))
    painter.drawLine(QPointF(7, 2.8), QPointF(9, 2.8))
    painter.drawLine(QPointF(9, 2.8), QPointF(10, 4.2))


def _undo(painter: QPainter, colour: QColor) -> None:
    _line(painter, colour)
    painter.drawArc(QRectF(3, 4, 10, 9), -60 * 16, 210 * 16)
    painter.drawPolyline(QPolygonF([QPointF(2.5, 2.8), QPointF(3.4, 7), QPointF(7.6, 6.2)]))


def _microscope(painter: QPainter, colour: QColor) -> None:
    _line(painter, colour, 1.5)
    painter.drawLine(QPointF(2.5, 14), QPointF(13.5, 14))
    painter.drawArc(QRectF(3.5, 4.5, 9, 9.5), -80 * 16, 160 * 16)
    painter.drawLine(QPointF(4, 10.8), QPointF(9, 10.8))
    painter.drawPolygon(QPolygonF([QPointF(5, 2), QPointF(8, 2), QPointF(8, 8.4), QPointF(5, 8.4)]))


_DRAW: dict[IconName, Callable[[QPainter, QColor], None]] = {
    "live": _live,
    "snap": _snap,
    "start": _start,
    "pause": _pause,
    "stop": _stop,
    "emergency": _emergency,
    "undo": _undo,
    "microscope": _microscope,
}

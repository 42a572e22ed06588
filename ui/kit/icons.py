"""Icons of one family, drawn: a microscope's computer is rarely online, and drawn ones take the theme's colours.

All lie on a grid of 16 units with a margin of 1.75, have lines of 1.5 with round ends and corners, and fill only what
the transport keys fill: start, pause, stop, emergency stop.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QByteArray, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF

from hcc_scope.report.logo import logo_svg
from ui.kit.theme import colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.kit.theme import ThemeName

__all__ = ["IconName", "app_icon", "icon", "logo"]

IconName = Literal[
    "live",
    "snap",
    "start",
    "pause",
    "stop",
    "emergency",
    "exclude",
    "include",
    "note",
    "plan",
    "report",
    "folder",
    "manifest",
    "progress",
    "microscope",
]

_SIZES = (16, 24, 32, 48, 64)
_LINE = 1.5


def logo(side_px: int) -> QPixmap:
    """Return the logo as a picture."""
    from PySide6.QtSvg import QSvgRenderer  # here: most of what imports this module draws no logo

    pixmap = QPixmap(QSize(side_px, side_px))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(logo_svg().encode())).render(painter)
    painter.end()
    return pixmap


def app_icon() -> QIcon:
    """Return the icon of the program's windows."""
    made = QIcon()
    for size in (*_SIZES, 128, 256):
        made.addPixmap(logo(size))
    return made


def icon(name: IconName, theme: ThemeName) -> QIcon:
    """Return an icon in a theme's colours, with a paler one for what cannot be pressed."""
    c = colours(theme)
    colour = {"start": c.good, "stop": c.error, "emergency": c.error, "live": c.accent, "snap": c.accent}
    made = QIcon()
    for size in _SIZES:
        line = QColor(colour.get(name, c.text))
        fill = QColor("#ffffff") if name == "emergency" else line  # white, as it lies on a red button too
        made.addPixmap(_pixmap(name, size, line, fill))
        made.addPixmap(_pixmap(name, size, QColor(c.border), QColor(c.border)), QIcon.Mode.Disabled)
    return made


def _pixmap(name: IconName, size: int, colour: QColor, fill: QColor) -> QPixmap:
    pixmap = QPixmap(QSize(size, size))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(size / 16, size / 16)
    pen = QPen(colour, _LINE)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(fill if name in _FILLED else Qt.BrushStyle.NoBrush)
    _DRAW[name](painter)
    painter.end()
    return pixmap


def _shape(*corners: tuple[float, float]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in corners])


def _start(painter: QPainter) -> None:
    painter.drawPolygon(_shape((4.75, 3), (12.75, 8), (4.75, 13)))


def _pause(painter: QPainter) -> None:
    painter.drawRect(QRectF(4, 3.25, 1.75, 9.5))
    painter.drawRect(QRectF(10.25, 3.25, 1.75, 9.5))


def _stop(painter: QPainter) -> None:
    painter.drawRect(QRectF(4, 4, 8, 8))


def _emergency(painter: QPainter) -> None:
    turns = [math.radians(angle) for angle in range(22, 382, 45)]
    painter.drawPolygon(_shape(*((8 + 5.75 * math.cos(a), 8 + 5.75 * math.sin(a)) for a in turns)))
    if painter.brush().color() == painter.pen().color():  # one colour: the bar is cut out
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Clear)
    painter.drawLine(QPointF(5.25, 8), QPointF(10.75, 8))


def _live(painter: QPainter) -> None:
    painter.drawEllipse(QPointF(8, 8), 1.25, 1.25)
    for radius in (3.75, 6.25):
        for start in (-50, 130):
            painter.drawArc(QRectF(8 - radius, 8 - radius, 2 * radius, 2 * radius), start * 16, 100 * 16)


def _snap(painter: QPainter) -> None:
    painter.drawRoundedRect(QRectF(1.75, 4.5, 12.5, 8.75), 1.5, 1.5)
    painter.drawEllipse(QPointF(8, 8.9), 2.4, 2.4)
    painter.drawPolyline(_shape((5.75, 4.5), (6.75, 2.75), (9.25, 2.75), (10.25, 4.5)))


def _exclude(painter: QPainter) -> None:
    painter.drawRoundedRect(QRectF(2.5, 2.5, 11, 11), 1.5, 1.5)
    painter.drawLine(QPointF(5.5, 5.5), QPointF(10.5, 10.5))
    painter.drawLine(QPointF(10.5, 5.5), QPointF(5.5, 10.5))


def _include(painter: QPainter) -> None:
    painter.drawRoundedRect(QRectF(2.5, 2.5, 11, 11), 1.5, 1.5)
    painter.drawPolyline(_shape((5.25, 8.25), (7.25, 10.25), (10.75, 5.75)))


def _page(painter: QPainter) -> None:
    painter.drawPolygon(_shape((3.5, 1.75), (9.5, 1.75), (12.5, 4.75), (12.5, 14.25), (3.5, 14.25)))


def _note(painter: QPainter) -> None:
    painter.drawPolygon(_shape((2.5, 13.5), (3.25, 10.25), (10.75, 2.75), (13.25, 5.25), (5.75, 12.75)))
    painter.drawLine(QPointF(9, 4.5), QPointF(11.5, 7))


def _report(painter: QPainter) -> None:
    _page(painter)
    painter.drawPolyline(_shape((5.75, 10.75), (7.25, 8.5), (8.75, 9.75), (10.25, 6.75)))


def _manifest(painter: QPainter) -> None:
    _page(painter)
    for y in (6.5, 9, 11.5):
        painter.drawLine(QPointF(5.75, y), QPointF(10.25, y))


def _plan(painter: QPainter) -> None:
    for x in (2.5, 9.25):
        for y in (2.5, 9.25):
            painter.drawRoundedRect(QRectF(x, y, 4.25, 4.25), 0.75, 0.75)


def _folder(painter: QPainter) -> None:
    painter.drawPolygon(_shape((1.75, 3.25), (6.25, 3.25), (7.75, 5), (14.25, 5), (14.25, 13), (1.75, 13)))


def _progress(painter: QPainter) -> None:
    painter.drawPolyline(_shape((2.25, 2.25), (2.25, 13.75), (13.75, 13.75)))
    painter.drawPolyline(_shape((4.75, 4), (6.75, 8.75), (9.5, 10.25), (13.5, 10.75)))


def _microscope(painter: QPainter) -> None:
    painter.drawLine(QPointF(2.5, 14), QPointF(13.5, 14))
    painter.drawArc(QRectF(3.5, 4.5, 9, 9.5), -80 * 16, 160 * 16)
    painter.drawLine(QPointF(4, 10.8), QPointF(9, 10.8))
    painter.drawPolygon(_shape((5, 2), (8, 2), (8, 8.4), (5, 8.4)))


_FILLED = frozenset({"start", "pause", "stop", "emergency"})
_DRAW: dict[IconName, Callable[[QPainter], None]] = {
    "live": _live,
    "snap": _snap,
    "start": _start,
    "pause": _pause,
    "stop": _stop,
    "emergency": _emergency,
    "exclude": _exclude,
    "include": _include,
    "note": _note,
    "plan": _plan,
    "report": _report,
    "folder": _folder,
    "manifest": _manifest,
    "progress": _progress,
    "microscope": _microscope,
}

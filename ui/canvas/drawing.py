"""Marks drawn on images: text on plates, hatching by reason, the colours of the heatmap.

Images are bright or dark whatever the theme, so these signs bring their own contrast: light on a dark edge.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap

from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PySide6.QtCore import QLineF

__all__ = [
    "HIGH_RGB",
    "LOW_RGB",
    "ON_IMAGE",
    "double_lines",
    "double_rect",
    "heat_argb",
    "paint_hatch",
    "plate",
]

LOW_RGB = (0, 114, 178)
HIGH_RGB = (213, 94, 0)
"""Blue and vermilion of Okabe and Ito: distinct with any colour vision, and far apart in print."""

ON_IMAGE = "#5cb8f5"
"""The accent on images, whatever the theme; always over a dark edge."""

_HATCH_PX = 16
_WEAKEST = 0.12
"""Share of the opacity that a tile at the threshold keeps: it was classified, and must not look as if it was not."""


def heat_argb(probabilities: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """Return the colour of each probability of *high*.

    The hue shows the side of the threshold, the alpha the distance from it.

    Parameters
    ----------
    probabilities : (n,) float32
        NaN is transparent.
    threshold : float
        The model's decision threshold.

    Returns
    -------
    (n, 4) uint8
        Red, green, blue, alpha.
    """
    known = np.isfinite(probabilities)
    p = np.where(known, probabilities, threshold)
    above = p >= threshold
    room = np.where(above, 1.0 - threshold, threshold)
    distance = np.abs(p - threshold) / np.maximum(room, 1e-6)
    rgba = np.empty((len(p), 4), np.uint8)
    rgba[:, :3] = np.where(above[:, None], np.array(HIGH_RGB, np.uint8), np.array(LOW_RGB, np.uint8))
    rgba[:, 3] = np.where(known, np.round(255 * (_WEAKEST + (1 - _WEAKEST) * np.clip(distance, 0, 1))), 0)
    return rgba


@functools.lru_cache(maxsize=64)
def _hatch_pixmap(flag: int, ratio: float) -> QPixmap:
    """Return a pattern that repeats without a seam: one family of lines per reason, so several can be read at once."""
    side = _HATCH_PX
    pixmap = QPixmap(round(side * ratio), round(side * ratio))
    pixmap.setDevicePixelRatio(pixmap.width() / side)
    pixmap.fill(QColor(0, 0, 0, 60))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    lines: list[tuple[QPointF, QPointF]] = []
    for shift in (-side, 0, side):
        if flag & QualityFlag.NO_TISSUE.value:
            lines.append((QPointF(shift - 2, side + 2), QPointF(shift + side + 2, -2)))
        if flag & QualityFlag.OUT_OF_FOCUS.value:
            lines.append((QPointF(shift - 2, -2), QPointF(shift + side + 2, side + 2)))
    if flag & QualityFlag.SATURATED.value:
        lines.append((QPointF(side / 2, -2), QPointF(side / 2, side + 2)))
    if flag & QualityFlag.UNDER_EXPOSED.value:
        lines.append((QPointF(-2, side / 2), QPointF(side + 2, side / 2)))
    unlike = bool(flag & QualityFlag.UNLIKE_TRAINING.value)
    for colour, width in ((QColor(0, 0, 0, 150), 2.6), (QColor(255, 255, 255, 235), 1.1)):
        painter.setPen(QPen(colour, width))
        for start, end in lines:
            painter.drawLine(start, end)
        if unlike:
            painter.drawEllipse(QPointF(side / 2, side / 2), side / 4, side / 4)
    painter.end()
    return pixmap


def paint_hatch(painter: QPainter, rect: QRectF, flag: int, origin: QPointF | None = None) -> None:
    r"""Hatch a rectangle by the reasons in a bit set: / no tissue, \ out of focus, | saturated, - dark, o unlike.

    Rectangles with the same origin (the corner of their frame) are hatched without a seam.
    """
    start = rect.topLeft() if origin is None else origin
    shift = QPointF((rect.left() - start.x()) % _HATCH_PX, (rect.top() - start.y()) % _HATCH_PX)
    painter.drawTiledPixmap(rect, _hatch_pixmap(flag, painter.device().devicePixelRatio()), shift)


def plate(
    painter: QPainter,
    at: QPointF,
    text: str,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop,
) -> QRectF:
    """Write text on a dark plate whose corner or middle is at a point; return where it is."""
    pixmap = _plate_pixmap(text, painter.font().toString(), painter.device().devicePixelRatio())
    width, height = pixmap.deviceIndependentSize().toTuple()
    x, y = at.x(), at.y()
    if align & Qt.AlignmentFlag.AlignRight:
        x -= width
    elif align & Qt.AlignmentFlag.AlignHCenter:
        x -= width / 2
    if align & Qt.AlignmentFlag.AlignBottom:
        y -= height
    elif align & Qt.AlignmentFlag.AlignVCenter:
        y -= height / 2
    rect = QRectF(round(x), round(y), width, height)
    painter.drawPixmap(rect.topLeft(), pixmap)
    return rect


@functools.lru_cache(maxsize=512)
def _plate_pixmap(text: str, font_name: str, ratio: float) -> QPixmap:
    """Return a plate; the same words are painted 30 times a second."""
    font = QFont()
    font.fromString(font_name)
    metrics = QFontMetricsF(font)
    width, height = math.ceil(metrics.horizontalAdvance(text)) + 8, math.ceil(metrics.height()) + 2
    pixmap = QPixmap(math.ceil(width * ratio), math.ceil(height * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(font)
    rect = QRectF(0, 0, width, height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(16, 18, 20, 190))
    painter.drawRoundedRect(rect, 3, 3)
    painter.setPen(QColor("#ffffff"))
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)
    painter.end()
    return pixmap


def double_rect(painter: QPainter, rect: QRectF, colour: QColor, width: float, style: Qt.PenStyle) -> None:
    """Outline a rectangle in a colour over a dark edge."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(0, 0, 0, 170), width + 2))
    painter.drawRect(rect)
    painter.setPen(QPen(colour, width, style))
    painter.drawRect(rect)


def double_lines(painter: QPainter, lines: Sequence[QLineF], colour: QColor, width: float) -> None:
    """Draw lines in a colour over a dark edge."""
    for pen in (QPen(QColor(0, 0, 0, 170), width + 2), QPen(colour, width)):
        painter.setPen(pen)
        painter.drawLines(list(lines))

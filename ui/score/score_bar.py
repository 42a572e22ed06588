"""A score on its scale from 0 to 1: the interval as a bar with ends, the score as a disc, the threshold as a line.

Where the threshold has an interval of its own, that is a grey band: a score whose interval meets it is undecided.

Both sides of the threshold are tinted, but nothing rests on the tint: the sides are named at the ends of the scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from hcc_scope.formatting import sentence
from hcc_scope.score_text import (
    describe_named_score,
    describe_threshold_interval,
    format_section_threshold,
    verdict,
)
from ui.kit.labels import colours_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PySide6.QtGui import QPaintEvent

    from hcc_scope.score_text import VerdictKind
    from hcc_scope.types import SectionScore
    from ui.kit.symbols import Shape
    from ui.kit.theme import Colours

__all__ = ["SHAPES", "ScoreBar", "large_font"]

SHAPES: Mapping[VerdictKind, Shape] = {
    "none": "unknown",
    "not valid": "invalid",
    "undecided": "undecided",
    "low": "low",
    "high": "high",
}
"""The sign of each verdict."""

_TINT_ALPHA = 70
_BAND_ALPHA = 60
_NO_SCORE_TINT_ALPHA = 35


class ScoreBar(QWidget):
    """Paints one `SectionScore`.

    Parameters
    ----------
    compact : bool
        Without the words and numbers around the scale: for a row in a list.
    """

    def __init__(self, *, compact: bool = False) -> None:
        super().__init__()
        self._compact = compact
        self._score: SectionScore | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Score on its scale")
        self.show_score(None)

    def show_score(self, score: SectionScore | None) -> None:
        """Show another score; None for none."""
        if score is not None and score == self._score:
            return
        self._score = score
        description = sentence(verdict(None).sentence if score is None else describe_named_score(score))
        words = f"{description} The scale runs from 0 (low metastatic) to 1 (high metastatic)."
        self.setAccessibleDescription(words)
        self.setToolTip(words)
        self.update()

    def _track_px(self) -> int:
        return round(self.fontMetrics().height() * (0.7 if self._compact else 1.3))

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return room for the scale and, unless compact, the words above and below."""
        line = self.fontMetrics().height()
        if self._compact:
            return QSize(6 * line, line)
        return QSize(12 * line, 2 * (line + 4) + self._track_px())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the height that is needed; the width may shrink."""
        hint = self.sizeHint()
        return QSize(hint.width() // 2, hint.height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        c = colours_of(self)
        height = self._track_px()
        inset = height / 2  # the disc of a score of 0 or 1 stays inside
        track = QRectF(inset, (self.height() - height) / 2, self.width() - 2 * inset, height)
        score = self._score
        self._paint_track(painter, track, None if score is None else score.threshold, c)
        if score is not None and score.threshold_interval is not None:
            self._paint_band(painter, track, score.threshold_interval, c)
        if not self._compact:
            self._paint_scale(painter, track, score, c)
        if score is not None and score.score is not None:
            if score.interval_valid:
                self._paint_interval(painter, track, score.interval, c)
            self._paint_score(painter, track, score.score, c, filled=score.interval_valid)
        painter.end()

    def _paint_track(self, painter: QPainter, track: QRectF, threshold: float | None, c: Colours) -> None:
        alpha = _NO_SCORE_TINT_ALPHA if self._score is None or self._score.score is None else _TINT_ALPHA
        painter.fillRect(track, QColor(c.surface))
        if threshold is not None:
            middle = track.x() + threshold * track.width()
            for colour, left, right in ((c.low, track.left(), middle), (c.high, middle, track.right())):
                tint = QColor(colour)
                tint.setAlpha(alpha)
                painter.fillRect(QRectF(left, track.y(), right - left, track.height()), tint)
            pen = QPen(QColor(c.text), 1.5, Qt.PenStyle.DashLine)
            pen.setDashPattern([2.5, 1.5])
            painter.setPen(pen)
            over = 0 if self._compact else 4
            painter.drawLine(QPointF(middle, track.top() - over), QPointF(middle, track.bottom() + over))
        painter.setPen(QPen(QColor(c.border), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(track)

    def _paint_band(self, painter: QPainter, track: QRectF, interval: tuple[float, float], c: Colours) -> None:
        """Paint where the threshold may be."""
        left, right = (track.x() + end * track.width() for end in interval)
        grey = QColor(c.text)
        grey.setAlpha(_BAND_ALPHA)
        painter.fillRect(QRectF(left, track.y(), right - left, track.height()), grey)
        painter.setPen(QPen(QColor(c.text_muted), 1))
        for end in (left, right):
            painter.drawLine(QPointF(end, track.top()), QPointF(end, track.bottom()))

    def _paint_scale(self, painter: QPainter, track: QRectF, score: SectionScore | None, c: Colours) -> None:
        line = self.fontMetrics().height()
        painter.setPen(QColor(c.text_muted))
        below = QRectF(0, track.bottom() + 4, self.width(), line)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "0 low")
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, "1 high")
        if score is None:
            return
        own = describe_threshold_interval(score)
        text = f"threshold {format_section_threshold(score)}" + (f" ({own})" if own else "")
        width = self.fontMetrics().horizontalAdvance(text) + 2
        left = track.x() + score.threshold * track.width() - width / 2
        left = min(max(left, 0.0), float(self.width() - width))
        painter.setPen(QColor(c.text))
        painter.drawText(QRectF(left, track.top() - 4 - line, width, line), Qt.AlignmentFlag.AlignCenter, text)

    def _paint_interval(self, painter: QPainter, track: QRectF, interval: tuple[float, float], c: Colours) -> None:
        left, right = (track.x() + end * track.width() for end in interval)
        middle, cap = track.center().y(), track.height() * 0.32
        for colour, widen in ((c.surface, 3.0), (c.text, 0.0)):  # an outline first: it stands out on any tint
            pen = QPen(QColor(colour), track.height() * 0.16 + widen)
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            painter.setPen(pen)
            painter.drawLine(QPointF(left, middle), QPointF(right, middle))
            pen.setWidthF(max(2.0, track.height() * 0.12) + widen)
            pen.setCapStyle(Qt.PenCapStyle.SquareCap if widen else Qt.PenCapStyle.FlatCap)
            painter.setPen(pen)
            for end in (left, right):
                painter.drawLine(QPointF(end, middle - cap), QPointF(end, middle + cap))

    def _paint_score(self, painter: QPainter, track: QRectF, value: float, c: Colours, *, filled: bool) -> None:
        radius = track.height() * 0.34
        centre = QPointF(track.x() + value * track.width(), track.center().y())
        painter.setPen(QPen(QColor(c.surface if filled else c.text), 2))
        painter.setBrush(QColor(c.text) if filled else QColor(c.surface))
        painter.drawEllipse(centre, radius, radius)


def large_font(widget: QWidget, factor: float) -> QFont:
    """Return a widget's font, larger and bold: it grows with the system's text size."""
    font = QFont(widget.font())
    font.setPointSizeF(font.pointSizeF() * factor)
    font.setBold(True)
    return font

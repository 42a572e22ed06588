"""A plot of score and interval over the classified fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from hcc_scope.formatting import format_score
from ui.score.small_plot import SmallPlot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ui.kit.theme import Colours

__all__ = ["CoursePlot"]

_LEGEND = (
    "Mean tile probability (0 to 1) after each classified field: line; its interval: band; threshold: dashed line; the "
    "interval of the threshold, where it is known: grey band."
)
_LINES_HIGH = 9
_BAND_ALPHA = 70
_THRESHOLD_BAND_ALPHA = 45
MOST_POINTS = 240
"""About one to a pixel: a band through 2,000 points takes 100 ms to make, and shows no more."""


class CoursePlot(SmallPlot):
    """Score against classified fields, with the interval as a band and the threshold as a dashed line."""

    def __init__(self) -> None:
        super().__init__("Course of the score", _LEGEND, "classified fields", _LINES_HIGH)
        self._threshold = pg.InfiniteLine(angle=0)
        self._lower, self._upper, self._line = pg.PlotDataItem(), pg.PlotDataItem(), pg.PlotDataItem()
        self._band = pg.FillBetweenItem(self._lower, self._upper)
        self._threshold_band = pg.LinearRegionItem(orientation="horizontal", movable=False)
        self._threshold.hide()
        self._threshold_band.hide()
        self._add((self._threshold_band, self._band, self._lower, self._upper, self._threshold, self._line))
        self.show_course(np.empty((0, 4)), interval_valid=False)

    def show_course(self, course: NDArray[np.float64], *, interval_valid: bool) -> None:
        """Draw another course.

        Parameters
        ----------
        course : (n, 4) float64
            Classified fields so far, score, lower and upper end of the interval.
        interval_valid : bool
            The band is drawn only if it means something.
        """
        fields, score, lower, upper = thinned(np.asarray(course, np.float64).reshape(-1, 4)).T
        self._line.setData(fields, score, symbol="o" if len(fields) == 1 else None)
        for item in (self._band, self._lower, self._upper):
            item.setVisible(interval_valid and len(fields) > 1)
        self._describe(score, lower, upper)
        self._lower.setData(fields, lower)
        self._upper.setData(fields, upper)
        self._plot.setXRange(1, max(10, fields[-1] if len(fields) else 0), padding=0.02)

    def _describe(self, score: NDArray[np.float64], lower: NDArray[np.float64], upper: NDArray[np.float64]) -> None:
        """Let a screen reader read the end of the course."""
        threshold = self._threshold.value()
        now, low, high = (format_score(one[-1], threshold) if len(one) else "" for one in (score, lower, upper))
        now = f"Now {now}. " if now else "Nothing is drawn yet. "
        band = f"Its interval is drawn, now {low} to {high}. " if self._band.isVisible() else ""
        self.setAccessibleDescription(f"{now}{band}{_LEGEND}")

    def show_threshold(self, threshold: float | None, interval: tuple[float, float] | None = None) -> None:
        """Move the dashed line, and the band of its own interval; None hides it."""
        self._threshold_band.setVisible(interval is not None)
        if interval is not None and interval != self._threshold_band.getRegion():
            self._threshold_band.setRegion(interval)
        self._threshold.setVisible(threshold is not None)
        if threshold is not None and threshold != self._threshold.value():
            self._threshold.setValue(threshold)

    def _paint(self, c: Colours) -> None:
        self._line.setPen(pg.mkPen(c.text, width=2))
        self._line.setSymbolBrush(c.text)
        self._threshold.setPen(pg.mkPen(c.text_muted, width=1.5, style=Qt.PenStyle.DashLine))
        grey = QColor(c.text)
        grey.setAlpha(_THRESHOLD_BAND_ALPHA)
        self._threshold_band.setBrush(grey)
        for line in self._threshold_band.lines:
            line.setPen(pg.mkPen(c.text_muted, width=1))
        band = QColor(c.accent)
        band.setAlpha(_BAND_ALPHA)
        self._band.setBrush(band)
        edge = pg.mkPen(c.accent, width=1)
        self._lower.setPen(edge)
        self._upper.setPen(edge)


def thinned(course: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return at most `MOST_POINTS` rows, evenly spread, the first and the last among them."""
    if len(course) <= MOST_POINTS:
        return course
    return course[np.linspace(0, len(course) - 1, MOST_POINTS).round().astype(np.intp)]

"""A plot of score and interval over the classified fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from hcc_scope.formatting import format_score
from ui.kit.labels import colours_of, describe

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
_RECOLOUR = (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange)


class CoursePlot(QWidget):
    """Score against classified fields, with the interval as a band and the threshold as a dashed line."""

    def __init__(self) -> None:
        super().__init__()
        describe(self, "Course of the score", _LEGEND)
        self._plot = pg.PlotWidget(parent=self)
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        for widget in (self._plot, self._plot.viewport()):
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # nothing to do in it
        self._plot.setFixedHeight(_LINES_HIGH * self.fontMetrics().height())
        self._plot.setYRange(-0.03, 1.08, padding=0)  # room for the label of 1
        self._plot.setLabel("bottom", "classified fields")
        self._plot.getAxis("left").setTicks([[(0, "0"), (0.5, "0.5"), (1, "1")], []])
        self._threshold = pg.InfiniteLine(angle=0)
        self._lower, self._upper, self._line = pg.PlotDataItem(), pg.PlotDataItem(), pg.PlotDataItem()
        self._band = pg.FillBetweenItem(self._lower, self._upper)
        self._threshold_band = pg.LinearRegionItem(orientation="horizontal", movable=False)
        for item in (self._threshold_band, self._band, self._lower, self._upper, self._threshold, self._line):
            self._plot.addItem(item)
        self._threshold.hide()
        self._threshold_band.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._plot)
        self._recolour()
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

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in _RECOLOUR and hasattr(self, "_band"):
            self._recolour()

    def _recolour(self) -> None:
        c = colours_of(self)
        self._plot.setBackground(c.surface)
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(c.border)
            axis.setTextPen(c.text_muted)
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

"""A plot of one search for the focus: both measures over the height, the bracket and the height that was accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from hcc_scope.formatting import counted
from ui.kit.labels import MICROMETRE
from ui.score.small_plot import SmallPlot

if TYPE_CHECKING:
    from hcc_scope.focus.record import FocusRecord
    from ui.kit.theme import Colours

__all__ = ["FOCUS_LEGEND", "FocusPlot"]

FOCUS_LEGEND = (
    "Circles: focus measure. Squares: Tenengrad. Each relative to its highest. "
    "Line: accepted height, between heights that are clearly less sharp (band). Dotted: where the search began."
)
_LINES_HIGH = 7
_BAND_ALPHA = 60


class FocusPlot(SmallPlot):
    """Draws one search."""

    def __init__(self) -> None:
        super().__init__("Focus curve", FOCUS_LEGEND, f"z in {MICROMETRE}", _LINES_HIGH)
        self._bracket = pg.LinearRegionItem(movable=False)
        self._accepted, self._began = pg.InfiniteLine(angle=90), pg.InfiniteLine(angle=90)
        self._focus, self._tenengrad = pg.PlotDataItem(), pg.PlotDataItem()
        self._add((self._bracket, self._began, self._accepted, self._tenengrad, self._focus))
        self.show_record(None)

    def show_record(self, record: FocusRecord | None) -> None:
        """Draw a search; None draws nothing."""
        seen = record.curve if record is not None and record.is_drawn else ()
        curve = sorted(seen, key=lambda point: point.z_um)
        z_um = np.array([point.z_um for point in curve])
        self._focus.setData(z_um, _relative([point.focus for point in curve]), symbol="o", symbolSize=7)
        self._tenengrad.setData(z_um, _relative([point.tenengrad for point in curve]), symbol="s", symbolSize=6)
        bracket = None if record is None else record.bracket_um
        self._bracket.setVisible(bracket is not None)
        if bracket is not None:
            self._bracket.setRegion(bracket)
        self._accepted.setVisible(record is not None and record.accepted)
        self._began.setVisible(record is not None)
        if record is not None:
            self._accepted.setValue(record.z_um)
            self._began.setValue(record.began_um)
            ends = [*z_um, record.began_um]
            self._plot.setXRange(min(ends), max(ends), padding=0.05)
        self._describe(record)

    def _describe(self, record: FocusRecord | None) -> None:
        """Let a screen reader read what is drawn."""
        if record is None:
            self.setAccessibleDescription(f"Nothing is drawn yet. {FOCUS_LEGEND}")
            return
        heights = [point.z_um for point in record.curve]
        drawn = counted(len(heights), "frame")
        if not record.is_drawn:
            self.setAccessibleDescription(f"{drawn}, without a tile that was judged: no curve.")
            return
        best = max(record.curve, key=lambda point: point.focus)
        drawn += f" from z = {min(heights):.2f} to {max(heights):.2f} {MICROMETRE}, the sharpest at {best.z_um:.2f}"
        bracket = record.bracket_um
        between = f" Bracket: {bracket[0]:.2f} to {bracket[1]:.2f} {MICROMETRE}." if bracket is not None else ""
        self.setAccessibleDescription(f"{drawn}.{between} {FOCUS_LEGEND}")

    def _paint(self, c: Colours) -> None:
        for item, colour in ((self._focus, c.text), (self._tenengrad, c.text_muted)):
            item.setPen(pg.mkPen(colour, width=1.5))
            item.setSymbolPen(pg.mkPen(colour, width=1))
            item.setSymbolBrush(pg.mkBrush(colour if item is self._focus else c.surface))
        self._accepted.setPen(pg.mkPen(c.accent, width=2))
        self._began.setPen(pg.mkPen(c.text_muted, width=1.5, style=Qt.PenStyle.DotLine))
        band = QColor(c.accent)
        band.setAlpha(_BAND_ALPHA)
        self._bracket.setBrush(band)
        for line in self._bracket.lines:
            line.setPen(pg.mkPen(band, width=1))


def _relative(values: list[float]) -> np.ndarray:
    """Return values relative to the highest."""
    array = np.array(values, dtype=np.float64)
    highest = float(array.max(initial=0.0))
    return array / highest if highest > 0 else array

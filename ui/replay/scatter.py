"""All tiles as points: probability in the first analysis against that in the second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from hcc_scope.formatting import counted
from hcc_scope.runs.tile_differences import on_other_sides
from ui.kit.theme import GRID_PX, colours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ui.kit.theme import ThemeName

__all__ = ["TileScatter"]

_MOST_POINTS = 20_000
"""More than that is a blot, and slow; the tiles that differ most are always among them."""


class TileScatter(QWidget):
    """The plot. Tiles that changed their side of the threshold are crosses of another colour."""

    tile_chosen = Signal(int, int)
    """Field and tile of a point that was clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Probabilities of all tiles, first against second analysis")
        self.plot = pg.PlotWidget()
        self.plot.setAccessibleName(self.accessibleName())
        self.plot.setToolTip(
            "Each point is a tile: its probability in the first analysis (across) and in the second (up).\n"
            "On the diagonal both agree. Crosses changed their side of the threshold. Click a point to see its field."
        )
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setMinimumSize(20 * GRID_PX, 20 * GRID_PX)
        item = self.plot.getPlotItem()
        item.getViewBox().setLimits(xMin=-0.2, xMax=1.2, yMin=-0.2, yMax=1.2)
        self._diagonal = pg.PlotDataItem([0, 1], [0, 1])
        self._lines = (pg.InfiniteLine(angle=90), pg.InfiniteLine(angle=0))
        self._points = pg.ScatterPlotItem(pxMode=True)
        self._points.sigClicked.connect(self._clicked)
        for part in (self._diagonal, *self._lines, self._points):
            item.addItem(part)
        self._shown: tuple[NDArray[np.float32], NDArray[np.int64], tuple[float, float]] | None = None
        self._titles = ("First", "Second")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.plot)
        self._theme: ThemeName = "dark"
        self.set_theme("dark")

    def show_pairs(
        self,
        pairs: NDArray[np.float32],
        places: NDArray[np.int64],
        thresholds: tuple[float, float],
        titles: tuple[str, str],
    ) -> None:
        """Show tiles.

        Parameters
        ----------
        pairs : (n, 2) float32
            Probability in the first and in the second analysis.
        places : (n, 2) int64
            Field and tile of each.
        thresholds : (float, float)
            Of the two.
        titles : (str, str)
            Titles of the axes.
        """
        if len(pairs) > _MOST_POINTS:
            chosen = np.argsort(-np.abs(pairs[:, 1] - pairs[:, 0]), kind="stable")[:_MOST_POINTS]
            pairs, places = pairs[chosen], places[chosen]
        self._shown, self._titles = (pairs, places, thresholds), titles
        changed = np.count_nonzero((pairs[:, 0] >= thresholds[0]) != (pairs[:, 1] >= thresholds[1]))
        self.setAccessibleDescription(
            f"{counted(len(pairs), 'tile')}, {titles[0]} across, {titles[1]} up; "
            f"{changed} changed their side of the threshold"
        )
        self._draw()
        self.plot.setRange(xRange=(0.0, 1.0), yRange=(0.0, 1.0), padding=0.04)

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._theme = theme
        c = colours(theme)
        self.plot.setBackground(c.surface)
        for name in ("bottom", "left"):
            axis = self.plot.getPlotItem().getAxis(name)
            axis.enableAutoSIPrefix(False)
            axis.setPen(c.border)
            axis.setTextPen(c.text)
        self._diagonal.setPen(pg.mkPen(c.text_muted, width=1))
        for line in self._lines:
            line.setPen(pg.mkPen(c.text_muted, width=1, style=Qt.PenStyle.DashLine))
        self._draw()

    def _draw(self) -> None:
        c = colours(self._theme)
        for name, title in zip(("bottom", "left"), self._titles, strict=True):
            self.plot.getPlotItem().setLabel(name, f"P(high), {title.lower()}", color=c.text)
        if self._shown is None:
            self._points.clear()
            return
        pairs, places, thresholds = self._shown
        for line, threshold in zip(self._lines, thresholds, strict=True):
            line.setValue(threshold)
        changed = on_other_sides(pairs, thresholds)
        self._points.setData(
            x=pairs[:, 0],
            y=pairs[:, 1],
            symbol=np.where(changed, "x", "o").tolist(),
            size=np.where(changed, 9, 6),
            pen=None,
            brush=[pg.mkBrush(c.high if one else c.accent) for one in changed.tolist()],
            data=[tuple(place) for place in places.tolist()],
        )

    @Slot(object, object, object)
    def _clicked(self, _item: object, points: Any, _event: object) -> None:  # noqa: ANN401 - pyqtgraph's own
        if len(points):
            self.tile_chosen.emit(*points[0].data())

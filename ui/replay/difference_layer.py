"""The difference of two analyses over a frame: how much each tile's probability moved, and to which side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter

from hcc_scope.runs.tile_differences import on_other_sides, usable_in_both
from ui.canvas.drawing import HIGH_RGB, LOW_RGB, double_rect, plate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.types import FrameResult
    from ui.canvas.overlays import TileLayer
    from ui.canvas.viewport import Viewport

__all__ = ["FULL_COLOUR", "DifferenceLayer", "format_difference"]

FULL_COLOUR = 0.25
"""A difference of this much, or more, gets the whole opacity."""
_ROOM_PX = (56.0, 22.0)


def format_difference(difference: float) -> str:
    """Return a difference of probabilities, with its sign.

    Examples
    --------
    >>> [format_difference(d) for d in (0.0, 0.0123, -0.5, 2e-6)]
    ['0', '+0.0123', '−0.5000', '+0.0000']
    """
    return "0" if difference == 0 else f"{difference:+.4f}".replace("-", "−")


class DifferenceLayer:
    """A `ui.canvas.canvas.Layer` over the tiles of a `TileLayer`, which has their places and their opacity.

    Orange: the second analysis gives a higher probability of *high*; blue: a lower one. A frame around a tile: it
    changed its side of the threshold.
    """

    def __init__(self, tiles: TileLayer) -> None:
        self._tiles = tiles
        self._first: FrameResult | None = None
        self._second: FrameResult | None = None
        self._usable: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._thresholds = (0.5, 0.5)
        self.visible = False
        self.shows_values = True

    def set_results(
        self, first: FrameResult | None, second: FrameResult | None, thresholds: tuple[float, float]
    ) -> None:
        """Show the second minus the first; nothing if one of them is missing."""
        self._first, self._second, self._thresholds = first, second, thresholds
        self._usable = np.zeros(0, np.bool_) if first is None or second is None else usable_in_both(first, second)

    def difference(self, tile: int) -> float | None:
        """Return second minus first probability of a tile, or None if it has not both."""
        pair = self._pair(tile)
        return None if pair is None else float(pair[1] - pair[0])

    def changed_side(self, tile: int) -> bool:
        """Return whether a tile is on another side of the threshold in the second analysis."""
        pair = self._pair(tile)
        return pair is not None and bool(on_other_sides(pair[None], self._thresholds)[0])

    def _pair(self, tile: int) -> NDArray[np.float32] | None:
        """Return a tile's two probabilities, or None if it has not both."""
        if self._first is None or self._second is None or tile >= len(self._usable) or not self._usable[tile]:
            return None
        return np.array([one.probabilities[tile] for one in (self._first, self._second)], np.float32)

    def describe(self, tile: int) -> str:
        """Return a tile's difference as text."""
        pair = self._pair(tile)
        if pair is None:
            return "Not classified in both"
        one, other = pair.tolist()
        difference = format_difference(float(pair[1] - pair[0]))
        words = f"Probability of high {one:.4f}, then {other:.4f}: difference {difference}"
        return words + (", on the other side of the threshold" if self.changed_side(tile) else "")

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint all tiles of the grid."""
        grid = self._tiles.grid
        if not self.visible or grid is None:
            return
        painter.save()
        metrics = QFontMetricsF(painter.font())
        for tile in range(grid.n):
            rect = self._tiles.rect_of(tile, view)
            difference = self.difference(tile)
            if difference is None:
                words = "–"
            else:
                strength = min(abs(difference) / FULL_COLOUR, 1.0)
                colour = QColor(*(HIGH_RGB if difference > 0 else LOW_RGB), round(255 * self._tiles.opacity * strength))
                painter.fillRect(rect, colour)
                words = format_difference(difference)
                if self.changed_side(tile):
                    double_rect(painter, rect.adjusted(2, 2, -2, -2), QColor("#ffffff"), 2, Qt.PenStyle.SolidLine)
            room = rect.width() >= max(_ROOM_PX[0], metrics.horizontalAdvance(words) + 16)
            if self.shows_values and room and rect.height() >= _ROOM_PX[1]:
                plate(painter, rect.topLeft() + QPointF(4, 4), words)
        painter.restore()

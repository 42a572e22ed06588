"""The difference of two analyses over a frame: how much each tile's probability moved, and to which side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter

from ui.canvas.drawing import HIGH_RGB, LOW_RGB, double_rect, plate

if TYPE_CHECKING:
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
    """A `ui.canvas.canvas.Layer` over the tiles of a `TileLayer`, which says where they lie and how opaque they are.

    Orange: the second analysis gives a higher probability of *high*; blue: a lower one. A frame around a tile says that
    it changed its side of the threshold.
    """

    def __init__(self, tiles: TileLayer) -> None:
        self._tiles = tiles
        self._first: FrameResult | None = None
        self._second: FrameResult | None = None
        self._thresholds = (0.5, 0.5)
        self.visible = False
        self.shows_values = True

    def set_results(
        self, first: FrameResult | None, second: FrameResult | None, thresholds: tuple[float, float]
    ) -> None:
        """Show what the second says beyond the first; nothing if one of them is missing."""
        self._first, self._second, self._thresholds = first, second, thresholds

    def difference(self, tile: int) -> float | None:
        """Return second minus first probability of a tile, or None if it has not both."""
        if self._first is None or self._second is None:
            return None
        for result in (self._first, self._second):
            if tile >= len(result.flags) or result.flags[tile] or not np.isfinite(result.probabilities[tile]):
                return None
        return float(self._second.probabilities[tile] - self._first.probabilities[tile])

    def changed_side(self, tile: int) -> bool:
        """Return whether a tile is on another side of the threshold in the second analysis."""
        if self.difference(tile) is None or self._first is None or self._second is None:
            return False
        sides = [
            float(result.probabilities[tile]) >= threshold
            for result, threshold in zip((self._first, self._second), self._thresholds, strict=True)
        ]
        return sides[0] != sides[1]

    def describe(self, tile: int) -> str:
        """Return a tile's difference in words."""
        difference = self.difference(tile)
        if difference is None or self._first is None or self._second is None:
            return "Not classified in both"
        one, other = float(self._first.probabilities[tile]), float(self._second.probabilities[tile])
        words = f"Probability of high {one:.4f}, then {other:.4f}: difference {format_difference(difference)}"
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

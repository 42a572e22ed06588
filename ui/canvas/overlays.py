"""The overlays of a frame: tiles with heatmap, hatching and values, the scale bar, the crosshair, a region.

Each is a `ui.canvas.canvas.Layer` that keeps what it shows; the code that changes it calls ``Canvas.update``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF

from hcc_scope.flag_texts import describe_flags
from hcc_scope.formatting import format_number, format_score, format_threshold
from ui.canvas.drawing import double_lines, double_rect, heat_argb, paint_hatch, plate
from ui.canvas.viewport import nice_length

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PySide6.QtGui import QPainter

    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import FrameResult
    from ui.canvas.viewport import Viewport

__all__ = ["CrosshairLayer", "RegionLayer", "ScaleBarLayer", "TileLayer", "cell_edges", "length_text"]

_WHITE = QColor("#ffffff")
_VALUE_MARGIN_PX = 8.0
_BAR_SHARE, _BAR_LONGEST_PX = 0.25, 180.0
_EDGE_PX = 12.0


def cell_edges(grid: TileGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where one tile's place ends and the next begins, without overlap.

    Tiles anchored to the far edge overlap their neighbours; the seam is put in the middle of the overlap.

    Returns
    -------
    (rows + 1,) and (columns + 1,) float64
        In px, from 0 to the frame's height and width.
    """
    edges = []
    for axis in (0, 1):
        starts = np.unique(grid.origins_yx[:, axis]).astype(np.float64)
        seams = (starts[:-1] + grid.tile_px + starts[1:]) / 2
        edges.append(np.concatenate([[0.0], seams, [float(grid.frame_shape_yx[axis])]]))
    return edges[0], edges[1]


def length_text(um: float) -> str:
    """Return a round length with its unit.

    Examples
    --------
    >>> [length_text(v) for v in (0.5, 50.0, 2000.0)]
    ['0.5 µm', '50 µm', '2 mm']
    """
    return f"{format_number(um / 1000, 3)} mm" if um >= 1000 else f"{format_number(um, 3)} µm"


class TileLayer:
    """The tiles of the frame that is shown, and their predictions."""

    def __init__(self) -> None:
        self.shows_grid = True
        self.shows_heat = True
        self.shows_values = True
        self.opacity = 0.45
        """Of the tiles that are furthest from the threshold."""
        self.shown_from = 0.0
        """Tiles with a lower probability of *high* are left without colour."""
        self.threshold = 0.5
        self._grid: TileGrid | None = None
        self._edges = (np.zeros(1), np.zeros(1))
        self._result: FrameResult | None = None
        self._rgba: NDArray[np.uint8] = np.zeros((0, 4), np.uint8)

    @property
    def result(self) -> FrameResult | None:
        """What is shown of the model."""
        return self._result

    @property
    def grid(self) -> TileGrid | None:
        """Where the tiles lie."""
        return self._grid

    def set_grid(self, grid: TileGrid | None) -> None:
        """Take another grid; the result of the old one is forgotten."""
        if grid != self._grid:
            self._grid = grid
            self._edges = (np.zeros(1), np.zeros(1)) if grid is None else cell_edges(grid)
            self.set_result(None)

    def set_result(self, result: FrameResult | None, threshold: float | None = None) -> None:
        """Show a result that belongs to the grid, or none."""
        if threshold is not None:
            self.threshold = threshold
        self._result = result
        if result is not None:
            self._rgba = heat_argb(result.probabilities, self.threshold)

    def summary(self, _view: Viewport) -> str:
        """Return what the tiles show."""
        result = self._result
        if self._grid is None or not self.shows_heat or result is None:
            return ""
        if result.outcome == "failed":
            return "The tiles could not be classified"
        high = int(np.count_nonzero((result.flags == 0) & (result.probabilities >= self.threshold)))
        scored = int(np.count_nonzero((result.flags == 0) & np.isfinite(result.probabilities)))
        return f"Heatmap: tiles at or above the threshold: {high} of {scored}"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint what is switched on."""
        if self._grid is None:
            return
        painter.save()
        if self._result is not None and self._result.outcome != "failed" and self.shows_heat:
            self._paint_tiles(painter, view, self._result)
        if self.shows_grid:
            self._paint_grid(painter, view)
        if self._result is not None and self.shows_heat and self.shows_values:
            self._paint_values(painter, view, self._result)
        painter.restore()

    def rect_of(self, tile: int, view: Viewport) -> QRectF:
        """Return where a tile is on the screen, on whole px so that neighbours meet without a seam."""
        assert self._grid is not None
        row, column = self._grid.rows_cols[tile]
        left, top = view.to_screen(self._edges[1][column], self._edges[0][row])
        right, bottom = view.to_screen(self._edges[1][column + 1], self._edges[0][row + 1])
        return QRectF(QPointF(round(left), round(top)), QPointF(round(right), round(bottom)))

    def tile_at(self, x_px: float, y_px: float) -> int | None:
        """Return the number of the tile at a pixel of the frame, or None outside."""
        if self._grid is None or not (0 <= y_px < self._edges[0][-1] and 0 <= x_px < self._edges[1][-1]):
            return None
        row = int(np.searchsorted(self._edges[0], y_px, side="right")) - 1
        column = int(np.searchsorted(self._edges[1], x_px, side="right")) - 1
        return row * self._grid.shape_rc[1] + column

    def describe(self, tile: int) -> str:
        """Return one tile as text."""
        assert self._grid is not None
        row, column = self._grid.rows_cols[tile]
        return f"Tile row {row + 1}, column {column + 1}: {self.verdict(tile)}"

    def verdict(self, tile: int) -> str:
        """Return what became of one tile, as text."""
        result = self._result
        if result is None:
            return "not classified yet"
        if result.outcome == "failed":
            return f"the field could not be classified ({result.error or 'no reason given'})"
        if result.flags[tile]:
            return f"excluded: {describe_flags(int(result.flags[tile]))}"
        p = float(result.probabilities[tile])
        if not np.isfinite(p):
            return "not classified"
        side = "at or above" if p >= self.threshold else "below"
        shown, beside = format_score(p, self.threshold), format_threshold(self.threshold, p)
        return f"probability of high {shown}, {side} the threshold {beside}"

    def _paint_tiles(self, painter: QPainter, view: Viewport, result: FrameResult) -> None:
        origin = QPointF(*(round(v) for v in view.to_screen(0.0, 0.0)))
        for tile in range(len(result.flags)):
            rect = self.rect_of(tile, view)
            if result.flags[tile]:
                paint_hatch(painter, rect, int(result.flags[tile]), origin)
            elif result.probabilities[tile] >= self.shown_from:
                red, green, blue, alpha = (int(v) for v in self._rgba[tile])
                painter.fillRect(rect, QColor(red, green, blue, round(alpha * self.opacity)))

    def _paint_grid(self, painter: QPainter, view: Viewport) -> None:
        ys, xs = self._edges
        left, top = view.to_screen(xs[0], ys[0])
        right, bottom = view.to_screen(xs[-1], ys[-1])
        # rectangles: a line with a wide pen is stroked, which costs ten times as much
        for colour, width in ((QColor(0, 0, 0, 90), 3), (QColor(255, 255, 255, 170), 1)):
            for x in xs[1:-1]:
                at = round(view.to_screen(x, 0)[0]) - width // 2
                painter.fillRect(QRectF(at, top, width, bottom - top), colour)
            for y in ys[1:-1]:
                at = round(view.to_screen(0, y)[1]) - width // 2
                painter.fillRect(QRectF(left, at, right - left, width), colour)

    def _paint_values(self, painter: QPainter, view: Viewport, result: FrameResult) -> None:
        metrics = QFontMetricsF(painter.font())
        for tile in range(len(result.flags)):
            rect = self.rect_of(tile, view)
            if rect.height() < 2 * metrics.height():
                return
            room = rect.width() - 2 * _VALUE_MARGIN_PX
            text = next((t for t in self._values(tile, result) if metrics.horizontalAdvance(t) <= room), None)
            if text is not None:
                plate(painter, rect.topLeft() + QPointF(4, 4), text)

    def _values(self, tile: int, result: FrameResult) -> tuple[str, ...]:
        """Return what became of a tile, from the longest to the shortest way of writing it."""
        if result.outcome == "failed":
            return ("failed",)
        if result.flags[tile]:
            words = describe_flags(int(result.flags[tile]))
            return words, words.split(",")[0]
        p = float(result.probabilities[tile])
        if not np.isfinite(p):
            return ("not classified",)
        shown = format_score(p, self.threshold)
        return f"{shown} {'high' if p >= self.threshold else 'low'}", shown


class ScaleBarLayer:
    """A bar of a round length in the lower right corner; in px where the pixel size is not known."""

    def __init__(self) -> None:
        self.um_per_unit: float | None = None
        """Micrometres per world unit; None: world units are px and stay so."""
        self.visible = True
        self.inside: tuple[float, float] | None = None
        """World x, y of a corner that the bar keeps to while it is in sight: that of the frame."""

    def bar(self, view: Viewport) -> tuple[float, str]:
        """Return the bar's length on the screen in px, and the text over it."""
        longest_px = min(_BAR_SHARE * view.size[0], _BAR_LONGEST_PX)
        um = self.um_per_unit or 1.0
        length = nice_length(longest_px / view.scale * um)
        text = f"{format_number(length, 3)} px" if self.um_per_unit is None else length_text(length)
        return length / um * view.scale, text

    def summary(self, view: Viewport) -> str:
        """Return the length of the bar."""
        return f"Scale bar {self.bar(view)[1]}" if self.visible else ""

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint the bar on a plate."""
        if not self.visible:
            return
        painter.save()
        length_px, text = self.bar(view)
        font = QFont(painter.font())
        font.setBold(True)
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        width = max(length_px, metrics.horizontalAdvance(text)) + 16
        height = metrics.height() + 16
        right, bottom = view.size
        if self.inside is not None:
            right, bottom = (min(a, b) for a, b in zip(view.size, view.to_screen(*self.inside), strict=True))
            right, bottom = max(right, width + 2 * _EDGE_PX), max(bottom, height + 2 * _EDGE_PX)
        box = QRectF(round(right - _EDGE_PX - width), round(bottom - _EDGE_PX - height), width, height)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(16, 18, 20, 170))
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(_WHITE)
        painter.drawText(box.adjusted(0, 3, 0, -11), Qt.AlignmentFlag.AlignCenter, text)
        painter.fillRect(QRectF(box.center().x() - length_px / 2, box.bottom() - 10, length_px, 4), _WHITE)
        painter.restore()


class CrosshairLayer:
    """Two lines through a world point."""

    def __init__(self) -> None:
        self.at: tuple[float, float] | None = None
        self.visible = False

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint the lines from edge to edge, with a gap at the point itself."""
        if not self.visible or self.at is None:
            return
        x, y = (round(v) + 0.5 for v in view.to_screen(*self.at))
        gap = 6
        lines = [
            QLineF(0, y, x - gap, y),
            QLineF(x + gap, y, view.size[0], y),
            QLineF(x, 0, x, y - gap),
            QLineF(x, y + gap, x, view.size[1]),
        ]
        double_lines(painter, lines, QColor(255, 255, 255, 220), 1)


class RegionLayer:
    """A region that was drawn and is not yet the camera's."""

    def __init__(self, colour: str) -> None:
        self.colour = colour
        self.rect_px: tuple[int, int, int, int] | None = None
        """x, y, width, height in px of the frame."""
        self.text = ""

    def summary(self, _view: Viewport) -> str:
        """Return the size of the region."""
        return "" if self.rect_px is None else f"Region {self.text}"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint a dashed rectangle and its size."""
        if self.rect_px is None:
            return
        x, y, width, height = self.rect_px
        left, top = view.to_screen(x, y)
        rect = QRectF(left, top, width * view.scale, height * view.scale)
        painter.save()
        double_rect(painter, rect, QColor(self.colour), 1.5, Qt.PenStyle.DashLine)
        plate(painter, rect.bottomLeft() + QPointF(4, -4), self.text, Qt.AlignmentFlag.AlignBottom)
        painter.restore()

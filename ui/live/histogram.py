"""The plot of the counts of a frame, in which the limits of the display are dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from hcc_scope.formatting import percent
from ui.canvas.luts import SATURATED_RGB, palette_rgb
from ui.kit.theme import colours

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPaintEvent

    from ui.canvas.count_histogram import CountHistogram
    from ui.kit.theme import ThemeName

__all__ = ["HistogramPlot"]

_KEYS = "Left and right move the black limit, with Shift the white limit"
_HANDLE_PX = 7.0
"""How near to a limit one has to press to drag it."""


class HistogramPlot(QWidget):
    """The distribution of counts, with both limits to drag.

    Keys: left and right move the black limit, with Shift the white one, by 1 % of what is shown (with Ctrl one count).
    """

    limits_dragged = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._histogram: CountHistogram | None = None
        self._full_scale = 65535
        self._limits = (0.0, 65535.0)
        self._log = False
        self._fit_axis = True
        self._palette = "Grey"
        self._colours = colours("dark")
        self._dragged: int | None = None
        self._held_range: tuple[int, int] | None = None
        """The axis while a limit is dragged: it does not move, so that the limit stays under the cursor."""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 72)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("Histogram of counts")
        self.setAccessibleDescription(_KEYS)
        self.setToolTip(
            "How many pixels have how many counts (every 8th pixel).\n"
            "Drag the black and the white limit; or Left/Right, with Shift for the white limit."
        )

    def set_histogram(self, histogram: CountHistogram | None, full_scale: int) -> None:
        """Show other counts."""
        self._histogram, self._full_scale = histogram, full_scale
        self.update()

    def set_limits(self, low: float, high: float) -> None:
        """Show other limits; `limits_dragged` is not emitted."""
        self._limits = (low, high)
        self.update()

    def set_log(self, log: bool) -> None:
        """Choose a logarithmic axis, on which few pixels can be seen beside many."""
        self._log = log
        self.update()

    def set_fit_axis(self, fit_axis: bool) -> None:
        """Show only the counts that occur, or everything from 0 to full scale."""
        self._fit_axis = fit_axis
        self.update()

    def set_palette(self, name: str) -> None:
        """Take the colours of another palette for the strip below."""
        self._palette = name
        self.update()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._colours = colours(theme)
        self.update()

    def describe(self) -> str:
        """Return what the plot shows, as text."""
        low, high = self._limits
        parts = [f"Black at {low:,.0f} counts, white at {high:,.0f} counts"]
        if self._histogram is not None:
            parts.append(f"the frame has {self._histogram.lowest:,} to {self._histogram.highest:,} counts")
            parts.append(f"{percent(self._histogram.share_from(self._full_scale))} of its pixels are saturated")
        return ", ".join(parts)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        """Let a screen reader read what the plot shows."""
        self.setAccessibleDescription(f"{self.describe()}. {_KEYS}")
        super().focusInEvent(event)

    def shown_range(self) -> tuple[int, int]:
        """Return the first and the last count of the axis."""
        if self._held_range is not None:
            return self._held_range
        if not self._fit_axis or self._histogram is None:
            return 0, self._full_scale
        low = min(self._histogram.lowest, int(self._limits[0]))
        high = max(self._histogram.highest, int(self._limits[1]))
        margin = max(8, (high - low) // 12)
        return max(0, low - margin), min(max(self._full_scale, self._histogram.highest), high + margin)

    # -- geometry ----------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for a flat strip."""
        return QSize(320, 96)

    def _plot_rect(self) -> QRectF:
        text = self.fontMetrics().height()
        return QRectF(8, 4, max(1, self.width() - 16), max(1, self.height() - 4 - 8 - text - 4))

    def x_of(self, count: float) -> float:
        """Return where a count is on the axis, in px of the widget."""
        first, last = self.shown_range()
        rect = self._plot_rect()
        return rect.left() + (count - first) / max(1, last - first) * rect.width()

    def count_at(self, x: float) -> float:
        """Return the count at a px of the widget."""
        first, last = self.shown_range()
        rect = self._plot_rect()
        return first + (x - rect.left()) / rect.width() * (last - first)

    # -- painting ----------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Paint bars, limits, the palette's strip and the axis."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._colours.window))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = self._plot_rect()
        first, last = self.shown_range()
        painter.fillRect(rect, QColor(self._colours.surface))
        if self._histogram is not None:
            self._paint_bars(painter, rect, self._histogram.binned(first, last))
        self._paint_strip(painter, rect)
        self._paint_limits(painter, rect)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(self._colours.accent if self.hasFocus() else self._colours.border), 1))
        painter.drawRect(rect.adjusted(-0.5, -0.5, 0.5, 0.5))
        self._paint_axis(painter, rect, first, last)
        painter.end()

    def _paint_bars(self, painter: QPainter, rect: QRectF, bars: NDArray[np.float64]) -> None:
        heights = np.log1p(bars) if self._log else bars
        # the last bar may hold all saturated pixels, and would press the others flat: it is cut at the top instead
        highest = heights[:-1].max() if heights[:-1].any() else heights.max()
        if highest <= 0:
            return
        heights = np.minimum(heights, highest / 0.94)
        # whole px and no antialiasing: a polygon of 256 bars takes 5 ms, these rectangles a tenth
        edges = np.round(rect.left() + np.linspace(0, rect.width(), len(heights) + 1)).astype(int).tolist()
        tops = np.round(rect.bottom() - heights * (0.94 * rect.height() / highest)).astype(int).tolist()
        bottom = round(rect.bottom())
        bars_px = [
            QRect(left, top, right - left, bottom - top)
            for left, right, top in zip(edges[:-1], edges[1:], tops, strict=True)
            if top < bottom and left < right
        ]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._colours.text_muted))
        painter.drawRects(bars_px)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        saturated_x = self.x_of(self._full_scale)
        if saturated_x <= rect.right() + 1:
            painter.setPen(QPen(QColor(*SATURATED_RGB), 2))
            painter.drawLine(QPointF(saturated_x - 1, rect.top()), QPointF(saturated_x - 1, rect.bottom()))

    def _paint_strip(self, painter: QPainter, rect: QRectF) -> None:
        gradient = QLinearGradient(self.x_of(self._limits[0]), 0, self.x_of(self._limits[1]), 0)
        rgb = palette_rgb(self._palette)
        for stop in range(0, 256, 17):
            gradient.setColorAt(stop / 255, QColor(*(int(v) for v in rgb[stop])))
        painter.fillRect(QRectF(rect.left(), rect.bottom() + 2, rect.width(), 6), gradient)

    def _paint_limits(self, painter: QPainter, rect: QRectF) -> None:
        for index, count in enumerate(self._limits):
            x = self.x_of(count)
            if not rect.left() - 1 <= x <= rect.right() + 1:
                continue
            painter.setPen(QPen(QColor(self._colours.accent), 2))
            painter.drawLine(QPointF(x, rect.top()), QPointF(x, rect.bottom()))
            flag = 8 if index == 0 else -8  # flags point inwards: their shape shows which limit is which
            painter.setBrush(QColor(self._colours.accent))
            painter.drawPolygon(
                QPolygonF([QPointF(x, rect.top()), QPointF(x + flag, rect.top() + 5), QPointF(x, rect.top() + 10)])
            )

    def _paint_axis(self, painter: QPainter, rect: QRectF, first: int, last: int) -> None:
        painter.setPen(QColor(self._colours.text_muted))
        line = QRectF(rect.left(), rect.bottom() + 9, rect.width(), self.fontMetrics().height() + 2)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft, f"{first:,}")
        painter.drawText(line, Qt.AlignmentFlag.AlignRight, f"{last:,}")
        saturated = 0.0 if self._histogram is None else self._histogram.share_from(self._full_scale)
        words = f"counts, {percent(saturated)} saturated" if saturated else "counts"
        painter.drawText(line, Qt.AlignmentFlag.AlignHCenter, words)

    # -- dragging ----------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Take hold of the nearer limit."""
        if event.button() == Qt.MouseButton.LeftButton:
            distances = [abs(event.position().x() - self.x_of(count)) for count in self._limits]
            nearer = int(distances[1] < distances[0])
            if distances[nearer] <= _HANDLE_PX:
                self._held_range = self.shown_range()
                self._dragged = nearer

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Drag the limit that is held."""
        if self._dragged is not None:
            self._move(self._dragged, self.count_at(event.position().x()))
            return
        near = min(abs(event.position().x() - self.x_of(count)) for count in self._limits) <= _HANDLE_PX
        self.setCursor(Qt.CursorShape.SizeHorCursor if near else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Let go."""
        self._dragged = self._held_range = None
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Move a limit."""
        if event.key() not in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            super().keyPressEvent(event)
            return
        first, last = self.shown_range()
        fine = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        step = 1.0 if fine else max(1.0, round((last - first) / 100))
        index = 1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0
        self._move(index, self._limits[index] + (step if event.key() == Qt.Key.Key_Right else -step))

    def _move(self, index: int, count: float) -> None:
        low, high = self._limits
        count = float(round(count))
        if index == 0:
            low = min(max(0.0, count), high - 1)
        else:
            high = max(min(float(self._full_scale), count), low + 1)
        if (low, high) != self._limits:
            self.set_limits(low, high)
            self.limits_dragged.emit(low, high)

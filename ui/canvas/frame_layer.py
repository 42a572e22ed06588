"""Paint a frame of raw counts: only what is seen, only as fine as the screen shows it.

A table with one colour per count does everything at once: limits, colour map, and the marking of pixels at full scale.
A frame is decimated *before* it is looked up, to no coarser than the screen's own pixels, so a 2048 x 2048 frame in a
window of 800 px costs a quarter of the look-ups (``benchmarks/bench_display.py``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from ui.canvas.luts import lookup_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ui.canvas.viewport import Viewport

__all__ = ["FrameLayer"]

_SHARP_ZOOM = 1.0
"""From here on pixels are shown as squares; below, what is left of the reduction is interpolated."""


class FrameLayer:
    """A `ui.canvas.canvas.Layer` whose world is the frame's own pixels: x and y from 0 to width and height."""

    def __init__(self) -> None:
        self._pixels: NDArray[np.uint16] | None = None
        self._full_scale = 65535
        self._limits = (0.0, 65535.0)
        self._palette = "Grey"
        self._marks_saturated = True
        self._table: NDArray[np.uint32] | None = None
        self._drawn: tuple[tuple[int, int, int, int, int], NDArray[np.uint32], QImage] | None = None

    @property
    def pixels(self) -> NDArray[np.uint16] | None:
        """(y, x) raw counts that are shown."""
        return self._pixels

    @property
    def limits(self) -> tuple[float, float]:
        """Counts shown in the first and in the last colour."""
        return self._limits

    @property
    def full_scale(self) -> int:
        """The camera's largest count."""
        return self._full_scale

    def set_pixels(self, pixels: NDArray[np.uint16] | None, bit_depth: int = 16) -> None:
        """Show other pixels (y, x); they are not copied and must not change."""
        full_scale = (1 << bit_depth) - 1
        if full_scale != self._full_scale:
            self._full_scale = full_scale
            self._table = None
        self._pixels = pixels
        self._drawn = None

    def set_limits(self, low: float, high: float) -> None:
        """Choose the counts that get the first and the last colour."""
        if (low, high) != self._limits:
            self._limits = (low, high)
            self._table = self._drawn = None

    def set_palette(self, name: str) -> None:
        """Choose the colours, one of `ui.canvas.luts.PALETTES`."""
        if name != self._palette:
            self._palette = name
            self._table = self._drawn = None

    def set_marks_saturated(self, marks: bool) -> None:
        """Choose whether pixels at full scale get their own colour."""
        if marks != self._marks_saturated:
            self._marks_saturated = marks
            self._table = self._drawn = None

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint the visible part of the frame."""
        if self._pixels is None:
            return
        height_px, width_px = self._pixels.shape
        left, top, width, height = view.visible()
        ratio = painter.device().devicePixelRatio()
        step = max(1, math.floor(1.0 / (view.scale * ratio) + 1e-6))
        x0 = max(0, math.floor(left) // step * step)  # multiples of the step: the picture does not crawl when panned
        y0 = max(0, math.floor(top) // step * step)
        x1, y1 = min(width_px, math.ceil(left + width)), min(height_px, math.ceil(top + height))
        if x1 <= x0 or y1 <= y0:
            return
        image = self._image((x0, y0, x1, y1, step))
        screen_x, screen_y = view.to_screen(x0, y0)
        side = step * view.scale
        target = QRectF(screen_x, screen_y, image.width() * side, image.height() * side)
        smooth = view.scale * ratio < _SHARP_ZOOM
        painter.save()
        if step > 1:  # the last column may stand for fewer than `step` pixels
            right, bottom = view.to_screen(width_px, height_px)
            painter.setClipRect(QRectF(-1.0, -1.0, right + 1.0, bottom + 1.0))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawImage(target, image)
        painter.restore()

    def _image(self, part: tuple[int, int, int, int, int]) -> QImage:
        """Return one part of the frame in colours; kept until pixels or colours change, for repaints of overlays."""
        if self._drawn is not None and self._drawn[0] == part:
            return self._drawn[2]
        if self._table is None:
            self._table = lookup_table(self._palette, self._limits, self._full_scale if self._marks_saturated else None)
        x0, y0, x1, y1, step = part
        assert self._pixels is not None
        argb = np.take(self._table, self._pixels[y0:y1:step, x0:x1:step], mode="clip")  # (rows, columns) uint32
        rows, columns = argb.shape
        image = QImage(argb.data, columns, rows, 4 * columns, QImage.Format.Format_RGB32)
        self._drawn = (part, argb, image)  # the image does not own its memory
        return image


class FrameBorder:
    """A `ui.canvas.canvas.Layer`: the edge of the frame, so that a black frame ends somewhere."""

    def __init__(self, colour: str) -> None:
        self.colour = colour
        self.shape_yx: tuple[int, int] | None = None

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint a line around the frame."""
        if self.shape_yx is None:
            return
        left, top = view.to_screen(0.0, 0.0)
        right, bottom = view.to_screen(self.shape_yx[1], self.shape_yx[0])
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(self.colour), 1))
        painter.drawRect(QRectF(left - 0.5, top - 0.5, right - left + 1, bottom - top + 1))

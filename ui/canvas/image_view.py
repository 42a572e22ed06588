"""The widget that shows one frame of raw counts, wherever the app shows one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot

from ui.canvas.canvas import Canvas
from ui.canvas.frame_layer import FrameLayer
from ui.canvas.overlays import CrosshairLayer, ScaleBarLayer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PySide6.QtGui import QPaintEvent
    from PySide6.QtWidgets import QWidget

    from ui.canvas.canvas import Layer

__all__ = ["ImageView"]

SCALES = (1 / 64, 64.0)
"""Smallest and largest zoom, screen px per frame px."""


class ImageView(Canvas):
    """A frame, its scale bar and a crosshair; the world is the frame's pixels.

    Examples
    --------
    >>> view = ImageView()                                        # doctest: +SKIP
    >>> view.set_pixels(frame.pixels, frame.bit_depth)            # doctest: +SKIP
    >>> view.set_limits(200.0, 4000.0)                            # doctest: +SKIP
    """

    painted = Signal()
    """What was set is on the screen now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(SCALES, parent)
        self.frame_layer = FrameLayer()
        self._crosshair = CrosshairLayer()
        self._scale_bar = ScaleBarLayer()
        self._scale_bar.visible = False
        self.layers = [self.frame_layer, self._crosshair, self._scale_bar]
        self.cursor_moved.connect(self._follow_cursor)
        self.describe_as(
            "Microscope image",
            "Arrows pan, plus and minus zoom, 0 fits; Control and arrows move the cursor by one pixel",
        )

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Paint the layers, and report that what was set is on the screen now."""
        super().paintEvent(event)
        self.painted.emit()

    def add_overlay(self, layer: Layer) -> None:
        """Paint a layer over the frame and under crosshair and scale bar."""
        self.layers.insert(len(self.layers) - 2, layer)
        self.update()

    @property
    def pixels(self) -> NDArray[np.uint16] | None:
        """(y, x) raw counts that are shown."""
        return self.frame_layer.pixels

    def set_pixels(self, pixels: NDArray[np.uint16] | None, bit_depth: int = 16) -> None:
        """Show a frame (y, x), or nothing; it is not copied, and must not change."""
        self.frame_layer.set_pixels(pixels, bit_depth)
        self._scale_bar.visible = pixels is not None
        if pixels is not None:
            height_px, width_px = pixels.shape
            self._scale_bar.inside = (float(width_px), float(height_px))
            self.set_world((0.0, 0.0, float(width_px), float(height_px)))
        self.update()

    def set_limits(self, low: float, high: float) -> None:
        """Choose the counts shown in the first and the last colour."""
        self.frame_layer.set_limits(low, high)
        self.update()

    def set_palette_name(self, name: str) -> None:
        """Choose the colours, one of `ui.canvas.luts.PALETTES`."""
        self.frame_layer.set_palette(name)
        self.update()

    def set_marks_saturated(self, marks: bool) -> None:
        """Choose whether pixels at full scale stand out."""
        self.frame_layer.set_marks_saturated(marks)
        self.update()

    @property
    def pixel_size_um(self) -> float | None:
        """Size of a pixel in the specimen; None where it is not known."""
        return self._scale_bar.um_per_unit

    def set_pixel_size_um(self, um: float | None) -> None:
        """Take the size of a pixel in the specimen; None where it is not known."""
        self._scale_bar.um_per_unit = um
        self.update()

    def set_crosshair(self, visible: bool) -> None:
        """Show two lines through the cursor, or not."""
        self._crosshair.visible = visible
        self.update()

    def counts_at(self, x: float, y: float) -> tuple[int, int, int] | None:
        """Return column, row and counts of the pixel at a point of the frame, or None outside."""
        pixels = self.frame_layer.pixels
        if pixels is None or not (0 <= x < pixels.shape[1] and 0 <= y < pixels.shape[0]):
            return None
        return int(x), int(y), int(pixels[int(y), int(x)])

    @Slot()
    def _follow_cursor(self) -> None:
        self._crosshair.at = self.cursor_at
        if self._crosshair.visible:
            self.update()

"""The large live picture of a section by hand, and the flash of its border when a field is captured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt, QTimer, Slot
from PySide6.QtGui import QColor, QPainter, QPen

from ui.canvas.count_histogram import IGNORED_PERCENT, CountHistogram
from ui.canvas.frame_layer import FrameBorder
from ui.canvas.image_view import ImageView
from ui.kit.theme import colours

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from hcc_scope.types import Frame
    from ui.kit.theme import ThemeName

__all__ = ["HandPicture"]

FLASH_MS = 350
_FLASH_PX = 14


class HandPicture(ImageView):
    """The newest live frame. Flashes in two colours, one of which is seen on any picture."""

    def __init__(self) -> None:
        super().__init__()
        self._auto = True
        self._border = FrameBorder(colours("dark").border)
        self._flash = QTimer(self, singleShot=True, interval=FLASH_MS)
        self._flash.timeout.connect(self._end_flash)
        self.add_overlay(self._border)
        self.describe_as(
            "Live picture of the section by hand",
            "Arrows pan, plus and minus zoom, 0 fits; Control and arrows move the cursor by one pixel",
        )

    def set_contrast(self, low: float, high: float, auto: bool) -> None:
        """Take black and white in counts, and whether they follow every frame instead."""
        self._auto = auto
        if not auto:
            self.set_limits(low, high)

    def show_frame(self, frame: Frame | None) -> None:
        """Show another live frame; None for nothing."""
        if frame is None:
            self._border.shape_yx = None
            self.set_pixels(None)
            return
        if self._auto:
            self.set_limits(*CountHistogram.of(frame.pixels).limits(IGNORED_PERCENT / 100))
        height_px, width_px = frame.pixels.shape
        self._border.shape_yx = (height_px, width_px)
        if frame.pixel_size_um is not None:
            self.set_pixel_size_um(frame.pixel_size_um)
        self.set_pixels(frame.pixels, frame.bit_depth)

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._border.colour = colours(theme).border
        super().set_theme(theme)

    def flash(self) -> None:
        """Flash the border once."""
        self._flash.start()
        self.update()

    @property
    def flashing(self) -> bool:
        """Whether the border flashes now."""
        return self._flash.isActive()

    @Slot()
    def _end_flash(self) -> None:
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the picture, and the flash at the edge of the widget, which is seen however the picture is zoomed."""
        super().paintEvent(event)
        if not self.flashing:
            return
        painter = QPainter(self)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        edge = QRectF(self.rect())
        for colour, inset, width in (("#ffffff", _FLASH_PX / 2, _FLASH_PX), (colours("dark").good, _FLASH_PX / 2, 6)):
            pen = QPen(QColor(colour), width)
            pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
            painter.setPen(pen)
            painter.drawRect(edge.adjusted(inset, inset, -inset, -inset))
        painter.end()

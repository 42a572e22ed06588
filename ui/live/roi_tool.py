"""Draw a region of interest for the camera on the live image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRectF, Signal, Slot

from ui.canvas.canvas import MouseMode
from ui.canvas.drawing import ON_IMAGE
from ui.canvas.overlays import RegionLayer
from ui.kit.controls import action_button

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from ui.canvas.image_view import ImageView

__all__ = ["RoiTool", "region_inside"]


def region_inside(drawn: QRectF, shape_yx: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Return x, y, width and height in whole px of what lies inside a frame, or None if that is less than a pixel."""
    height_px, width_px = shape_yx
    inside = drawn.intersected(QRectF(0, 0, width_px, height_px))
    if inside.width() < 1 or inside.height() < 1:
        return None
    x, y = round(inside.left()), round(inside.top())
    return x, y, max(1, round(inside.right()) - x), max(1, round(inside.bottom()) - y)


class RoiTool(QObject):
    """The button, the drawing, and the region that is drawn and not yet the camera's.

    Parameters
    ----------
    owner : QWidget
        The tab; its key R begins to draw.
    view : ImageView
        Where the region is drawn.
    """

    drawn = Signal(int, int, int, int)
    """x, y, width, height in px of the frame."""

    def __init__(self, owner: QWidget, view: ImageView) -> None:
        super().__init__(owner)
        self._view = view
        self._region = RegionLayer(ON_IMAGE)
        view.add_overlay(self._region)
        self.button = action_button(
            owner, "Draw ROI", "Draw a region of interest for the camera", "R", self._draw, checked=False
        )
        view.rectangle_drawn.connect(self._finish)
        view.cancelled.connect(self.cancel)

    def begin(self) -> None:
        """Draw, as the button does."""
        if not self.button.isChecked():
            self.button.click()

    def forget(self) -> None:
        """Show no region: the camera has taken it, or another frame is shown."""
        self._region.rect_px = None

    @Slot(bool)
    def _draw(self, draws: bool) -> None:
        self._view.set_mouse_mode(MouseMode.RECTANGLE if draws else MouseMode.PAN)
        if draws:
            self._view.setFocus()

    def _end(self) -> None:
        self.button.setChecked(False)
        self._draw(False)

    @Slot()
    def cancel(self) -> None:
        """Draw no more, and forget the region."""
        self.forget()
        self._end()

    @Slot(QRectF)
    def _finish(self, drawn: QRectF) -> None:
        self._end()
        pixels = self._view.pixels
        rect_px = None if pixels is None else region_inside(drawn, (pixels.shape[0], pixels.shape[1]))
        if rect_px is None:
            return
        width, height = rect_px[2:]
        size, um = f"{width} x {height} px", self._view.pixel_size_um
        self._region.rect_px = rect_px
        self._region.text = size if um is None else f"{size}, {width * um:.0f} x {height * um:.0f} µm"
        self._view.update()
        self.drawn.emit(*rect_px)

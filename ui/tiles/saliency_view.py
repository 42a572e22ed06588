"""A tile, where the model looks in it, and both together: three canvases that pan and zoom as one.

Saliency is the gradient of the class score with respect to the counts (`hcc_scope.inference.saliency`): where a change
of counts would change the score most. It shows what the model is sensitive to, not why tissue is what it is.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtGui import QActionGroup, QImage, QPainter
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from hcc_scope.inference.saliency_map import relative_saliency
from ui.canvas.canvas import Canvas
from ui.canvas.frame_layer import FrameLayer
from ui.canvas.luts import display_limits, palette_rgb
from ui.canvas.overlays import ScaleBarLayer
from ui.kit.controls import PercentSlider, action_button, style_buttons
from ui.kit.labels import ValueLabel
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ui.canvas.viewport import Viewport
    from ui.kit.theme import ThemeName

__all__ = ["SaliencyLayer", "SaliencyMode", "SaliencyView"]

_PALETTE = "Inferno"
_SCALES = (0.05, 32.0)


class SaliencyMode(enum.Enum):
    """What is shown; the value is the text of its button."""

    ALL = "Side by side"
    IMAGE = "Image"
    MAP = "Map"
    OVERLAY = "Overlay"


_KEYS = {SaliencyMode.ALL: "1", SaliencyMode.IMAGE: "2", SaliencyMode.MAP: "3", SaliencyMode.OVERLAY: "4"}
_TIPS = {
    SaliencyMode.ALL: "Image, saliency map and overlay beside each other",
    SaliencyMode.IMAGE: "The pixels alone, as they were classified",
    SaliencyMode.MAP: "Where a change of counts would change the score most",
    SaliencyMode.OVERLAY: "The saliency map over the image",
}


class SaliencyLayer:
    """A `ui.canvas.canvas.Layer`: colours whose opacity goes with the saliency, so that the image stays visible."""

    def __init__(self) -> None:
        self.opacity = 0.9
        self._argb: NDArray[np.uint8] | None = None
        self._image: QImage | None = None

    def set_saliency(self, relative: NDArray[np.float32] | None) -> None:
        """Show a map (t, t) from 0 to 1, or none."""
        self._image = self._argb = None
        if relative is None:
            return
        level = np.rint(relative * 255).astype(np.uint8)
        rgb = palette_rgb(_PALETTE)[level]  # (t, t, 3)
        # QImage's Format_ARGB32 in memory is blue, green, red, alpha on little-endian machines
        self._argb = np.ascontiguousarray(np.concatenate([rgb[..., ::-1], level[..., None]], axis=2))
        height, width = relative.shape
        self._image = QImage(self._argb.data, width, height, 4 * width, QImage.Format.Format_ARGB32)

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Paint the map over the image."""
        if self._image is None:
            return
        left, top = view.to_screen(0.0, 0.0)
        painter.save()
        painter.setOpacity(self.opacity)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, view.scale < 1)
        target = QRectF(left, top, self._image.width() * view.scale, self._image.height() * view.scale)
        painter.drawImage(target, self._image)
        painter.restore()


class _Pane(QWidget):
    """A titled canvas that shows the tile's pixels in some way."""

    def __init__(self, title: str, name: str, canvas: Canvas) -> None:
        super().__init__()
        self.canvas = canvas
        self.frame = FrameLayer()
        self.scale_bar = ScaleBarLayer()
        canvas.layers = [self.frame, self.scale_bar]
        canvas.describe_as(name, "Arrows pan, plus and minus zoom, 0 fits")
        heading = QLabel(title)
        heading.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.heading = heading
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX // 2)
        column.addWidget(heading)
        column.addWidget(canvas, 1)


class SaliencyView(QWidget):
    """Image, map and overlay of one tile."""

    hovered = Signal(str)
    """Position, counts and saliency under the cursor, as text; empty outside."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pixels: NDArray[np.uint16] | None = None
        self._relative: NDArray[np.float32] | None = None
        self._linking = False
        self._mode = SaliencyMode.ALL
        self._image = _Pane("Pixels", "Pixels as they were classified", Canvas(_SCALES))
        self._map = _Pane("Saliency map", "Saliency map", Canvas(_SCALES))
        self._overlay = _Pane("Overlay", "Saliency map over the pixels", Canvas(_SCALES))
        self._map.frame.set_palette(_PALETTE)
        self._map.frame.set_marks_saturated(False)
        self._map.frame.set_limits(0.0, 65535.0)
        self._over = SaliencyLayer()
        self._overlay.frame.set_marks_saturated(False)
        self._overlay.canvas.layers.insert(1, self._over)
        self._opacity = PercentSlider("Opacity", "Opacity of the saliency over the image, in %", self._over.opacity)
        self._opacity.changed.connect(self._opacity_changed)
        self._note = ValueLabel("About the saliency map")
        self._note.setWordWrap(True)
        self._buttons: dict[SaliencyMode, QToolButton] = {}
        self._build()
        for pane in self._panes():
            pane.canvas.view_changed.connect(self._follow)
            pane.canvas.cursor_moved.connect(self._hover)
        self.set_pixels(None, 16)

    def _build(self) -> None:
        self._modes = QActionGroup(self)
        modes = QHBoxLayout()
        modes.setSpacing(GRID_PX // 2)
        for mode in SaliencyMode:
            button = action_button(
                self, mode.value, _TIPS[mode], _KEYS[mode], self._mode_chosen, checked=mode is self._mode
            )
            self._modes.addAction(button.defaultAction()).setData(mode)
            self._buttons[mode] = button
            modes.addWidget(button)
        modes.addStretch(1)
        modes.addWidget(self._opacity)
        panes = QGridLayout()
        panes.setSpacing(GRID_PX)
        for column, pane in enumerate(self._panes()):
            panes.addWidget(pane, 0, column)
        column_layout = QVBoxLayout(self)
        column_layout.setContentsMargins(0, 0, 0, 0)
        column_layout.setSpacing(GRID_PX)
        column_layout.addLayout(modes)
        column_layout.addLayout(panes, 1)
        column_layout.addWidget(self._note)

    def _panes(self) -> tuple[_Pane, _Pane, _Pane]:
        return self._image, self._map, self._overlay

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def mode(self) -> SaliencyMode:
        """What is shown."""
        return self._mode

    @property
    def pixels(self) -> NDArray[np.uint16] | None:
        """The counts of the tile, as they were classified."""
        return self._pixels

    @property
    def relative(self) -> NDArray[np.float32] | None:
        """The tile's saliency from 0 to 1, or None while there is none."""
        return self._relative

    def set_mode(self, mode: SaliencyMode) -> None:
        """Show the image, the map, the overlay, or all three."""
        self._mode = mode
        self._buttons[mode].defaultAction().setChecked(True)
        for pane, own in zip(self._panes(), (SaliencyMode.IMAGE, SaliencyMode.MAP, SaliencyMode.OVERLAY), strict=True):
            pane.setVisible(mode in (SaliencyMode.ALL, own))
        self._opacity.setVisible(mode in (SaliencyMode.ALL, SaliencyMode.OVERLAY))

    def set_pixels(
        self,
        pixels: NDArray[np.uint16] | None,
        bit_depth: int,
        limits: tuple[float, float] | None = None,
        pixel_size_um: float | None = None,
    ) -> None:
        """Show another tile (t, t), without saliency at first; `limits` are the counts of black and white."""
        self._pixels = pixels
        if pixels is not None:
            limits = limits or display_limits(pixels)
            for pane in self._panes():
                pane.canvas.set_world((0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0])))
                pane.scale_bar.um_per_unit = pixel_size_um
            for pane in (self._image, self._overlay):
                pane.frame.set_limits(*limits)
        for pane in (self._image, self._overlay):
            pane.frame.set_pixels(pixels, bit_depth)
        self.set_saliency(None, "")

    def set_saliency(self, saliency: NDArray[np.float32] | None, note: str) -> None:
        """Show a saliency map (t, t) with a note, or only the note why there is none."""
        self._relative = None if saliency is None else relative_saliency(saliency)
        shown = None if self._relative is None else np.rint(self._relative * 65535).astype(np.uint16)
        self._map.frame.set_pixels(shown)
        self._over.set_saliency(self._relative)
        self._note.setText(note)
        self._note.setVisible(bool(note))
        self._repaint()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        style_buttons(self, theme)
        for pane in self._panes():
            pane.canvas.set_theme(theme)

    def fit(self) -> None:
        """Show the whole tile."""
        for pane in self._panes():
            pane.canvas.fit()

    def _repaint(self) -> None:
        for pane in self._panes():
            pane.canvas.update()

    @Slot(bool)
    def _mode_chosen(self, _down: bool) -> None:
        self.set_mode(self._modes.checkedAction().data())

    @Slot(float)
    def _opacity_changed(self, value: float) -> None:
        self._over.opacity = value
        self._overlay.canvas.update()

    @Slot()
    def _follow(self) -> None:
        """Pan and zoom all canvases as the one that was moved."""
        mover = self.sender()
        if self._linking or not isinstance(mover, Canvas):
            return
        self._linking = True
        for pane in self._panes():
            if pane.canvas is mover:
                continue
            if mover.fits:
                pane.canvas.fit()
            else:
                pane.canvas.zoom_to(mover.viewport.scale)
                pane.canvas.centre_on(*mover.viewport.centre)
        self._linking = False

    @Slot()
    def _hover(self) -> None:
        canvas = self.sender()
        at = canvas.cursor_at if isinstance(canvas, Canvas) else None
        pixels = self._pixels
        if at is None or pixels is None or not (0 <= at[0] < pixels.shape[1] and 0 <= at[1] < pixels.shape[0]):
            self.hovered.emit("")
            return
        x, y = int(at[0]), int(at[1])
        words = f"x {x} px, y {y} px in the tile: {int(pixels[y, x])} counts"
        if self._relative is not None:
            words += f", saliency {float(self._relative[y, x]):.2f} of 1"
        self.hovered.emit(words)

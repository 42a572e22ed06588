"""The tab *Live*: the newest frame, how its counts are shown, and what the model said about its tiles.

A result belongs to one frame. The newest frame often has none yet: then nothing is drawn over it and the line below
says so. *Newest classified* waits instead, and always shows a frame together with its own result.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QComboBox, QLabel, QSizePolicy, QWidget

from hcc_scope.formatting import counted, format_number
from hcc_scope.types import QualityFlag
from ui.canvas.canvas import MouseMode
from ui.canvas.drawing import ON_IMAGE
from ui.canvas.frame_layer import FrameBorder
from ui.canvas.image_view import ImageView
from ui.canvas.legend import TileLegend
from ui.canvas.luts import PALETTES
from ui.canvas.overlays import RegionLayer, TileLayer
from ui.canvas.save_view import save_picture
from ui.kit.controls import (
    ElidedLabel,
    LayerSwitch,
    PercentSlider,
    TwoLines,
    action_button,
    control_row,
    style_buttons,
)
from ui.kit.low_page import LEAST_VIEW_PX, scrolling_column
from ui.kit.theme import GRID_PX, colours
from ui.live.contrast_panel import ContrastPanel
from ui.live.feed import Feed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtGui import QShowEvent

    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import Frame, FrameResult
    from ui.kit.theme import ThemeName

__all__ = ["LiveTab"]

_KEPT_FRAMES = 4
"""Frames that may wait for their result; more would hold memory that the pipeline needs."""
_KEPT_RESULTS = 16
_NEWEST, _CLASSIFIED = "Newest frame", "Newest classified"
_LOOK_MS = 500
"""How often it is looked whether a live picture has become an old one."""


class LiveTab(QWidget):
    """The tab."""

    roi_drawn = Signal(int, int, int, int)
    """x, y, width, height of a drawn region in px of the frame that is shown."""
    contrast_changed = Signal(float, float, bool)
    """Black and white in counts and whether they follow every frame, when a person chose them."""

    pinned_changed = Signal(object)
    """The number of the stored field that stays on the screen, or None: the newest is shown again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._frame: Frame | None = None
        self._newest: Frame | None = None
        self._painted: Frame | None = None
        self._pinned = False
        self.feed = Feed()
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._results: OrderedDict[int, tuple[FrameResult, TileGrid, float]] = OrderedDict()
        self._pixel_size_um: float | None = None
        self._stale = False
        self.view = ImageView()
        self.tiles = TileLayer()
        self.contrast_panel = ContrastPanel()
        self._region = RegionLayer(ON_IMAGE)
        self._border = FrameBorder(colours("dark").border)
        for layer in (self._border, self.tiles, self._region):
            self.view.add_overlay(layer)
        self.view.tooltip_of = self._tooltip
        self._legend = TileLegend()
        self._about = ElidedLabel("Shown frame")
        self._cursor = ElidedLabel("Under the cursor", Qt.AlignmentFlag.AlignRight)
        self._zoom = QLabel()
        self._zoom.setAccessibleName("Zoom")
        self._zoom.setToolTip("Screen pixels per frame pixel, in %")
        self._zoom.setMinimumWidth(self._zoom.fontMetrics().horizontalAdvance("6,400 %"))
        self._zoom.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._roi_button = action_button(
            self, "Draw ROI", "Draw a region of interest for the camera", "R", self._draw_roi, checked=False
        )
        self._back = action_button(
            self,
            "Back to the newest",
            "Leave the stored field and show the newest frame again",
            "B",
            self._follow_again,
        )
        self._back.hide()
        self._looking = QTimer(self, interval=_LOOK_MS)
        self._looking.timeout.connect(self._tell_of_time)
        self._build()
        self.set_theme("dark")
        self.view.painted.connect(self._note_painted)
        self.view.hovered.connect(self._hovered)
        self.view.view_changed.connect(self._tell_zoom)
        self.view.rectangle_drawn.connect(self._rectangle_drawn)
        self.view.cancelled.connect(self._cancel_roi)
        self.contrast_panel.changed.connect(self._contrast_follows)
        self.contrast_panel.chosen.connect(self.contrast_changed)
        self._tell()

    def _build(self) -> None:
        column = scrolling_column(self)
        column.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        column.setSpacing(GRID_PX // 2)
        column.addWidget(self._controls())
        self.view.setMinimumHeight(LEAST_VIEW_PX)
        column.addWidget(self.view, 1)
        column.addWidget(self._legend)
        column.addWidget(TwoLines(self._about, self._cursor))
        column.addWidget(self.contrast_panel)
        self.contrast_panel.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def _controls(self) -> QWidget:
        self._palettes = QComboBox()
        self._palettes.addItems(PALETTES)
        self._palettes.setToolTip("Colours of the counts (look-up table)")
        self._palettes.setAccessibleName("Colours of the counts")
        self._palettes.currentTextChanged.connect(self._choose_palette)
        self._follow = QComboBox()
        self._follow.addItems((_NEWEST, _CLASSIFIED))
        self._follow.setToolTip(
            "Newest frame: as soon as it is there, with its tiles once they are classified.\n"
            "Newest classified: a little later, always with its tiles."
        )
        self._follow.setAccessibleName("Which frame is shown")
        self._opacity = PercentSlider("Opacity", "Opacity of the heatmap in %", self.tiles.opacity)
        self._opacity.changed.connect(LayerSwitch(self.view, self.tiles, "opacity").choose)
        self._from = PercentSlider(
            "Colour from",
            "Tiles with a lower probability of high get no colour",
            self.tiles.shown_from,
            as_probability=True,
        )
        self._from.changed.connect(LayerSwitch(self.view, self.tiles, "shown_from").choose)

        self._histogram = action_button(
            self, "Histogram", "Show histogram and contrast", "T", self._show_histogram, checked=True
        )

        def toggle(text: str, tip: str, key: str, do: Callable[[bool], object], down: bool = True) -> QWidget:
            return action_button(self, text, tip, key, do, checked=down)

        return control_row(
            action_button(self, "Fit", "Show the whole frame", "F", self._fit),
            action_button(self, "1:1", "One screen pixel per frame pixel", "1", self._one_to_one),
            action_button(self, "−", "Zoom out", "-", self._zoom_out),
            self._zoom,
            action_button(self, "+", "Zoom in", "+", self._zoom_in),
            self._palettes,
            self._follow,
            toggle("Saturation", "Mark pixels at the camera's full scale in magenta", "S", self._mark_saturated),
            toggle("Crosshair", "Two lines through the cursor", "C", self._show_crosshair, down=False),
            self._roi_button,
            self._histogram,
            toggle("Tile grid", "Borders of the model's tiles", "G", self._switch("shows_grid")),
            toggle(
                "Heatmap", "Colour tiles by probability; excluded ones are hatched", "H", self._switch("shows_heat")
            ),
            toggle("Values", "Write what became of each tile", "V", self._switch("shows_values")),
            self._opacity,
            self._from,
            self._back,
        )

    def _switch(self, attribute: str) -> Callable[[bool], None]:
        return LayerSwitch(self.view, self.tiles, attribute).switch

    # -- what it is told ---------------------------------------------------------------------------------------------

    def set_frame(self, frame: Frame) -> None:
        """Take a new frame; cheap enough for 30 a second, and nearly free while the tab is hidden."""
        self.feed.came()
        if self._newest is not None and frame.section_id != self._newest.section_id:
            self._results.clear()
            self._frames.clear()
            self._set_pinned(None)
        self._newest = frame
        self._frames[frame.seq] = frame
        self._frames.move_to_end(frame.seq)
        while len(self._frames) > _KEPT_FRAMES:
            self._frames.popitem(last=False)
        if self._pinned:
            return
        if self._frame is None or self._follow.currentText() == _NEWEST or frame.seq in self._results:
            self._show_frame(frame)

    def show_stored(self, frame: Frame, found: tuple[FrameResult, TileGrid, float] | None) -> None:
        """Show a stored field of the section, with its result, until the operator goes back to the newest."""
        if found is not None:
            self._results[frame.seq] = found
            self._results.move_to_end(frame.seq)
        self._show_frame(frame)
        self._set_pinned(frame.seq)
        self._tell()

    def _set_pinned(self, seq: int | None) -> None:
        before, self._pinned = self._pinned, seq is not None
        self._back.setVisible(self._pinned)
        if before or self._pinned:
            self.pinned_changed.emit(seq)

    def follow(self) -> None:
        """Show the newest frame again, as it comes."""
        self._set_pinned(None)
        newest = self._newest
        if newest is not None and self._follow.currentText() == _CLASSIFIED:
            newest = next((one for one in reversed(self._frames.values()) if one.seq in self._results), newest)
        if newest is not None and newest is not self._frame:
            self._show_frame(newest)

    @Slot(bool)
    def _follow_again(self, _down: bool) -> None:
        self.follow()

    def set_live(self, live: bool) -> None:
        """Say whether the camera's live picture is on; when it begins, no older picture stays."""
        if live and not self.feed.live:
            self.clear()
            self.feed.begin()
            self._looking.start()
        elif not live:
            self.feed.end()
            self._looking.stop()
        self._tell()

    def set_section(self, section_id: str) -> None:
        """Say which section is acquired now; empty for none: its pictures are then stored ones."""
        self.feed.section = section_id
        self._tell()

    def set_result(self, result: FrameResult, grid: TileGrid, threshold: float) -> None:
        """Take what the model said about a frame, whether that frame is shown, was shown or is yet to come."""
        self._results[result.seq] = (result, grid, threshold)
        self._results.move_to_end(result.seq)
        shown = None if self._frame is None else self._frame.seq
        while len(self._results) > _KEPT_RESULTS:
            self._results.pop(next(seq for seq in self._results if seq != shown))
        self._legend.heat_bar.set_threshold(threshold)
        waiting = self._frames.get(result.seq)
        if self._frame is not None and result.seq == self._frame.seq:
            self._attach_result()
        elif waiting is not None and not self._pinned and self._follow.currentText() == _CLASSIFIED:
            self._show_frame(waiting)
        else:
            self._tell()

    def set_pixel_size_um(self, um: float | None) -> None:
        """Say how large a pixel is where the frame does not say so itself; None where nobody knows."""
        self._pixel_size_um = um
        self.view.set_pixel_size_um(self._um())
        self._tell()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._border.colour = colours(theme).border
        self.view.set_theme(theme)
        self.contrast_panel.set_theme(theme)
        self._legend.set_theme(theme)
        style_buttons(self, theme)

    def clear(self) -> None:
        """Show nothing, and forget all results."""
        self._set_pinned(None)
        self._frame = self._newest = self._painted = None
        self._frames.clear()
        self._results.clear()
        self.view.set_pixels(None)
        self.tiles.set_grid(None)
        self._border.shape_yx = None
        self._region.rect_px = None
        self._legend.set_flags(None)
        self._tell()

    def contrast(self) -> tuple[float, float, bool]:
        """Return black and white in counts, and whether they follow every frame."""
        return (*self.contrast_panel.limits, self.contrast_panel.auto)

    def set_contrast(self, low: float, high: float, auto: bool) -> None:
        """Take remembered limits."""
        self.contrast_panel.set_contrast(low, high, auto)

    @property
    def shown_frame(self) -> Frame | None:
        """The frame that is shown."""
        return self._frame

    @property
    def frame_on_screen(self) -> Frame | None:
        """The frame that a person sees: one that was set and is not painted yet is still to come."""
        return self._painted if self.isVisible() and self._painted is not None else self._frame

    @property
    def pinned(self) -> bool:
        """Whether a stored field stays on the screen while newer ones come."""
        return self._pinned

    @Slot()
    def _note_painted(self) -> None:
        self._painted = self._frame

    @Slot()
    def _tell_of_time(self) -> None:
        self._tell()

    def export_png(self, path: Path) -> None:
        """Save the view as it is shown, with a caption.

        Raises
        ------
        StoreUnwritableError
            If the file cannot be written.
        """
        save_picture(self.view, path, self._about.whole_text())

    # -- showing -----------------------------------------------------------------------------------------------------

    def _show_frame(self, frame: Frame) -> None:
        shape_changed = self._frame is None or self._frame.pixels.shape != frame.pixels.shape
        self._frame = frame
        if shape_changed:
            self._region.rect_px = None
        self._stale = not self.isVisible()
        if not self._stale:
            self._refresh()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Catch up with what came while the tab was hidden."""
        super().showEvent(event)
        if self._stale:
            self._stale = False
            self._refresh()

    def _refresh(self) -> None:
        frame = self._frame
        if frame is None:
            return
        if self.contrast_panel.auto or self.contrast_panel.isVisible():
            self.contrast_panel.set_frame(frame.pixels, frame.bit_depth)
        height_px, width_px = frame.pixels.shape
        self._border.shape_yx = (height_px, width_px)
        self.view.set_pixel_size_um(self._um())
        self.view.set_pixels(frame.pixels, frame.bit_depth)
        self._attach_result()

    def _attach_result(self) -> None:
        frame = self._frame
        found = None if frame is None else self._results.get(frame.seq)
        if found is not None and frame is not None and found[1].frame_shape_yx == frame.pixels.shape:
            result, grid, threshold = found
            self.tiles.set_grid(grid)
            self.tiles.set_result(result, threshold)
        else:
            if frame is not None and self.tiles.grid and self.tiles.grid.frame_shape_yx != frame.pixels.shape:
                self.tiles.set_grid(None)
            self.tiles.set_result(None)
        shown = self.tiles.result
        self._legend.set_flags(None if shown is None or shown.outcome == "failed" else shown.flags)
        self.view.update()
        self._tell()

    def _um(self) -> float | None:
        own = None if self._frame is None else self._frame.pixel_size_um
        return own or self._pixel_size_um

    def _tell(self) -> None:
        self._tell_zoom()
        frame = self._frame
        if frame is None:
            self._about.set_text(self.feed.describe_waiting)
            self._cursor.set_text("")
            return
        height_px, width_px = frame.pixels.shape
        words = [self.feed.words(frame, pinned=self._pinned), self._describe_result()]
        words += [f"{width_px} x {height_px} px", f"{format_number(frame.exposure_ms, 3)} ms"]
        if frame.em_gain is not None:
            words.append(f"EM gain {format_number(frame.em_gain, 1)}")
        self._about.set_text(", ".join(word for word in words if word))
        self._hovered(self.view.cursor_at)

    def _describe_result(self) -> str:
        result = self.tiles.result
        if result is None:
            return "not classified yet" if self._results else ""
        if result.outcome == "failed":
            return f"could not be classified: {result.error or 'no reason given'}"
        used = int(np.count_nonzero((result.flags == 0) & np.isfinite(result.probabilities)))
        unlike = int(np.count_nonzero(result.flags & np.uint8(QualityFlag.UNLIKE_TRAINING.value)))
        left_out = f", {unlike} unlike training" if unlike else ""
        return f"{used} of {counted(len(result.flags), 'tile')} {'scored' if unlike else 'classified'}{left_out}"

    @Slot(object)
    def _hovered(self, at: tuple[float, float] | None) -> None:
        found = None if at is None else self.view.counts_at(*at)
        if found is None:
            self._cursor.set_text("")
            return
        x_px, y_px, counts = found
        um = self._um()
        full = ", saturated" if counts >= self.view.frame_layer.full_scale else ""
        where = f"x {x_px} px, y {y_px} px"
        if um is not None:
            where += f" = {x_px * um:.1f} µm, {y_px * um:.1f} µm"
        self._cursor.set_text(f"{counts:,} counts{full} at {where}")

    def _tooltip(self, x: float, y: float) -> str:
        tile = self.tiles.tile_at(x, y)
        return "" if tile is None or self._frame is None else self.tiles.describe(tile)

    # -- controls ----------------------------------------------------------------------------------------------------

    @Slot()
    def _tell_zoom(self) -> None:
        if self._frame is None:
            self._zoom.clear()
            return
        percent = 100 * self.view.viewport.scale * self.devicePixelRatioF()
        self._zoom.setText(f"{percent:,.0f} %" if percent >= 10 else f"{percent:.1f} %")

    @Slot(bool)
    def _fit(self, _down: bool) -> None:
        self.view.fit()

    @Slot(bool)
    def _one_to_one(self, _down: bool) -> None:
        self.view.zoom_to(1.0 / self.devicePixelRatioF())

    @Slot(bool)
    def _zoom_in(self, _down: bool) -> None:
        self.view.zoom_by(1.25)

    @Slot(bool)
    def _zoom_out(self, _down: bool) -> None:
        self.view.zoom_by(0.8)

    @Slot(str)
    def _choose_palette(self, name: str) -> None:
        self.view.set_palette_name(name)
        self.contrast_panel.plot.set_palette(name)

    @Slot(bool)
    def _mark_saturated(self, marks: bool) -> None:
        self.view.set_marks_saturated(marks)

    @Slot(bool)
    def _show_crosshair(self, visible: bool) -> None:
        self.view.set_crosshair(visible)

    @Slot(bool)
    def _show_histogram(self, shows: bool) -> None:
        self.contrast_panel.setVisible(shows)
        if shows and self._frame is not None:
            self.contrast_panel.set_frame(self._frame.pixels, self._frame.bit_depth)

    @Slot(float, float, bool)
    def _contrast_follows(self, low: float, high: float, _auto: bool) -> None:
        self.view.set_limits(low, high)

    # -- region of interest ------------------------------------------------------------------------------------------

    @Slot(bool)
    def _draw_roi(self, draws: bool) -> None:
        self.view.set_mouse_mode(MouseMode.RECTANGLE if draws else MouseMode.PAN)
        if draws:
            self.view.setFocus()

    def begin_roi(self) -> None:
        """Let the operator draw a region of interest, as the button *Draw ROI* does."""
        if not self._roi_button.isChecked():
            self._roi_button.click()

    def hide_histogram(self) -> None:
        """Give the room of the histogram to the picture, as the button *Histogram* does."""
        if self._histogram.isChecked():
            self._histogram.click()

    @Slot()
    def _cancel_roi(self) -> None:
        self._region.rect_px = None
        self._roi_button.setChecked(False)
        self._draw_roi(False)

    @Slot(QRectF)
    def _rectangle_drawn(self, drawn: QRectF) -> None:
        self._roi_button.setChecked(False)
        self._draw_roi(False)
        if self._frame is None:
            return
        height_px, width_px = self._frame.pixels.shape
        inside = drawn.intersected(QRectF(0, 0, width_px, height_px))
        if inside.width() < 1 or inside.height() < 1:
            return
        x, y = round(inside.left()), round(inside.top())
        width, height = max(1, round(inside.right()) - x), max(1, round(inside.bottom()) - y)
        self._region.rect_px = (x, y, width, height)
        um = self._um()
        size = f"{width} x {height} px"
        self._region.text = size if um is None else f"{size}, {width * um:.0f} x {height * um:.0f} µm"
        self.view.update()
        self.roi_drawn.emit(x, y, width, height)

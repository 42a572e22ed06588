"""The tab *Live*: the newest frame, how its counts are shown, and the predictions for its tiles.

A result belongs to one frame. The newest frame often has none yet: then nothing is drawn over it, as the line below
reports. *Newest classified* waits instead, and always shows a frame together with its own result. So does the live
picture while its tiles are coloured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QComboBox, QSizePolicy, QWidget

from hcc_scope.types import Frame
from ui.canvas.frame_layer import FrameBorder
from ui.canvas.image_view import ImageView
from ui.canvas.legend import TileLegend
from ui.canvas.luts import PALETTES
from ui.canvas.overlays import TileLayer
from ui.canvas.save_view import save_picture
from ui.canvas.view_controls import ViewControls, lay_out_page, set_page_margins
from ui.kit.controls import ElidedLabel, TwoLines, action_button, control_row, style_buttons
from ui.kit.labels import ValueLabel
from ui.kit.layers import Layers
from ui.kit.mode import offer_in_row
from ui.kit.theme import colours
from ui.live.coach_bar import CoachBar
from ui.live.contrast_panel import ContrastPanel
from ui.live.feed import Feed
from ui.live.live_text import describe_camera, describe_pixel, describe_result
from ui.live.recent_frames import RecentFrames, TileResult
from ui.live.roi_tool import RoiTool

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtGui import QShowEvent

    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import FrameResult
    from ui.kit.mode import ModeName
    from ui.kit.theme import ThemeName

__all__ = ["LiveTab"]

_NEWEST, _CLASSIFIED = "Newest frame", "Newest classified"
LOOK_MS = 500
"""How often the tab checks whether the live picture is out of date."""


class LiveTab(QWidget):
    """The tab."""

    roi_drawn = Signal(int, int, int, int)
    """x, y, width, height of a drawn region in px of the frame that is shown."""
    contrast_changed = Signal(float, float, bool)
    """Black and white in counts and whether they follow every frame, when a person chose them."""
    field_pinned = Signal(int)
    """The number of the stored field that stays on the screen."""
    auto_exposure_requested = Signal()
    """Find the exposure for a mean level."""
    filled = Signal()
    """The first picture is shown, or none is any more."""
    field_unpinned = Signal()
    """The newest frame is shown again."""
    centre_requested = Signal(Frame, float, float)
    """A picture of Live, and x, y in px of the point in it that is to come into the middle."""
    prediction_wanted = Signal(bool)
    """Whether the tiles of the live picture are to be coloured by the model."""
    focus_requested = Signal()
    """Focus by the camera's image."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Live")
        self._frame: Frame | None = None
        self._newest: Frame | None = None
        self._painted: Frame | None = None
        self._pinned = False
        self._predicted: tuple[Frame, TileResult] | None = None
        """The newest picture that no section acquired, with what the model finds in it."""
        self._awaits_prediction = False
        self._no_prediction = ""
        self.feed = Feed()
        self._recent = RecentFrames()
        self._pixel_size_um: float | None = None
        self._stale = False
        self.view = ImageView()
        self.tiles = TileLayer()
        self.contrast_panel = ContrastPanel()
        self.coach = CoachBar()
        self.coach.hide()
        self._border = FrameBorder(colours("dark").border)
        for layer in (self._border, self.tiles):
            self.view.add_overlay(layer)
        self._roi = RoiTool(self, self.view)
        self.view.tooltip_of = self._tooltip
        self._legend = TileLegend()
        self._about = ElidedLabel("Shown frame")
        self._cursor = ElidedLabel("Under the cursor", Qt.AlignmentFlag.AlignRight)
        self._zoom = ValueLabel("Zoom", tip="Screen pixels per frame pixel, in %")
        self._zoom.setMinimumWidth(self._zoom.fontMetrics().horizontalAdvance("6,400 %"))
        self._zoom.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._back = action_button(
            self,
            "Back to the newest",
            "Leave the stored field and show the newest frame again",
            "B",
            self._follow_again,
        )
        self._back.hide()
        self._looking = QTimer(self, interval=LOOK_MS)
        self._looking.timeout.connect(self._show_text)
        self.contrast_panel.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        below = (self._legend, TwoLines(self._about, self._cursor), self.coach, self.contrast_panel)
        self._row = self._controls()
        lay_out_page(self, self._row, self.view, *below)
        self.set_theme("dark")
        self.view.painted.connect(self._note_painted)
        self.view.cursor_moved.connect(self._show_cursor)
        self.view.double_clicked.connect(self._double_clicked)
        self.view.view_changed.connect(self._show_zoom)
        self._roi.drawn.connect(self.roi_drawn)
        self.contrast_panel.changed.connect(self._contrast_follows)
        self.contrast_panel.chosen.connect(self.contrast_changed)
        self._show_text()

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
        controls = ViewControls(self, self.view)
        self._histogram = action_button(
            self, "Histogram", "Show histogram and contrast", "T", self._show_histogram, checked=True
        )
        self._focus_now = action_button(
            self,
            "Focus now",
            "Search the sharpest height around the present one by the camera's image",
            "Z",
            self._ask_focus,
        )
        self.show_focus_drive(False)
        expose = action_button(
            self,
            "Auto exposure",
            "Find the exposure at which the image has half of full scale on average and nothing is clipped",
            "X",
            self._ask_exposure,
        )
        fit, layers = controls.fit("Show the whole frame"), self._layers().button
        self._for_operators = (fit, layers, expose, self._focus_now, self._back)
        return control_row(
            fit,
            action_button(self, "1:1", "One screen pixel per frame pixel", "1", self._one_to_one),
            controls.zoom_out(),
            self._zoom,
            controls.zoom_in(),
            self._palettes,
            self._follow,
            layers,
            expose,
            self._focus_now,
            self._roi.button,
            self._histogram,
            self._back,
        )

    def _layers(self) -> Layers:
        layers, tiles = Layers(self, self.view), self.tiles
        layers.toggle("Saturation", "Mark pixels at the camera's full scale in magenta", "S", self._mark_saturated)
        layers.toggle("Crosshair", "Two lines through the cursor", "C", self._show_crosshair, on=False)
        layers.toggle(
            "Live prediction",
            "Colour the tiles of the live picture by the model; nothing of it is stored or scored",
            "W",
            self._want_prediction,
            on=False,
        )
        layers.switch(tiles, "shows_grid", "Tile grid", "Borders of the model's tiles", "G")
        layers.switch(tiles, "shows_heat", "Heatmap", "Colour tiles by probability; excluded ones are hatched", "H")
        layers.switch(tiles, "shows_values", "Values", "Write the outcome on each tile", "V")
        layers.share(tiles, "opacity", "Opacity", "Opacity of the heatmap in %")
        layers.share(
            tiles,
            "shown_from",
            "Least probability",
            "Tiles with a lower probability of high get no colour",
            as_probability=True,
        )
        return layers

    # -- what it shows ------------------------------------------------------------------------------------------------

    def set_frame(self, frame: Frame) -> None:
        """Take a new frame; cheap enough for 30 a second, and nearly free while the tab is hidden."""
        if self._awaits_prediction and not frame.section_id:
            return  # it comes with its tiles
        self.feed.came()
        if self._newest is not None and frame.section_id != self._newest.section_id:
            self._recent.clear()
            self._set_pinned(None)
        self._newest = frame
        self._recent.add_frame(frame)
        if self._pinned:
            return
        newest = self._follow.currentText() == _NEWEST or not frame.section_id
        if self._frame is None or newest or self._recent.result(frame.seq) is not None:
            self._show_frame(frame)

    def await_prediction(self, awaited: bool, why_not: str = "") -> None:
        """Show pictures that no section acquires only together with their tiles, from `show_predicted`, or at once.

        Parameters
        ----------
        awaited : bool
        why_not : str
            Why the tiles that were asked for are not coloured, as text; empty if they are, or were not asked for.
        """
        if (awaited, why_not) == (self._awaits_prediction, self._no_prediction):
            return
        self._awaits_prediction, self._no_prediction = awaited, why_not
        if not awaited and self._predicted is not None:
            self._predicted = None
            self._attach_result()
        self._show_text()

    def show_predicted(self, frame: Frame, result: FrameResult, grid: TileGrid, threshold: float) -> None:
        """Show a picture that no section acquired, with what the model finds in it."""
        self._predicted = frame, TileResult(result, grid, threshold)
        self._legend.heat_bar.set_threshold(threshold)
        awaited, self._awaits_prediction = self._awaits_prediction, False
        self.set_frame(frame)
        self._awaits_prediction = awaited

    def show_focus_drive(self, there: bool) -> None:
        """Offer to focus by the image, or not: without a focus drive the hand turns the focus."""
        self._focus_now.defaultAction().setVisible(there)
        self._focus_now.setVisible(there)

    def show_stored(self, frame: Frame, found: tuple[FrameResult, TileGrid, float] | None) -> None:
        """Show a stored field of the section, with its result, until the operator goes back to the newest."""
        if found is not None:
            self._recent.add_result(TileResult(*found), shown=frame.seq)
        self._show_frame(frame)
        self._set_pinned(frame.seq)
        self._show_text()

    def _set_pinned(self, seq: int | None) -> None:
        before, self._pinned = self._pinned, seq is not None
        self._back.setVisible(self._pinned)
        if seq is not None:
            self.field_pinned.emit(seq)
        elif before:
            self.field_unpinned.emit()

    def follow(self) -> None:
        """Show the newest frame again, as it comes."""
        self._set_pinned(None)
        newest = self._newest
        if newest is not None and self._follow.currentText() == _CLASSIFIED:
            newest = self._recent.newest_classified() or newest
        if newest is not None and newest is not self._frame:
            self._show_frame(newest)

    @Slot(bool)
    def _ask_exposure(self, _down: bool) -> None:
        self.auto_exposure_requested.emit()

    @Slot(bool)
    def _want_prediction(self, wanted: bool) -> None:
        self.prediction_wanted.emit(wanted)

    @Slot(bool)
    def _ask_focus(self, _down: bool) -> None:
        self.focus_requested.emit()

    @Slot(bool)
    def _follow_again(self, _down: bool) -> None:
        self.follow()

    def set_live(self, live: bool) -> None:
        """Note whether the camera's live picture is on; when it begins, no older picture stays."""
        if live and not self.feed.live:
            self.clear()
            self.feed.begin()
            self._looking.start()
        elif not live:
            self.feed.end()
            self._looking.stop()
        self._show_text()

    def set_section(self, section_id: str) -> None:
        """Note which section is acquired now; empty for none: its pictures are then stored ones."""
        self.feed.section = section_id
        self._show_text()

    def set_result(self, result: FrameResult, grid: TileGrid, threshold: float) -> None:
        """Take the result of a frame, whether that frame is shown, was shown or is yet to come."""
        shown = None if self._frame is None else self._frame.seq
        self._recent.add_result(TileResult(result, grid, threshold), shown=shown)
        self._legend.heat_bar.set_threshold(threshold)
        waiting = self._recent.frame(result.seq)
        if self._frame is not None and result.seq == self._frame.seq:
            self._attach_result()
        elif waiting is not None and not self._pinned and self._follow.currentText() == _CLASSIFIED:
            self._show_frame(waiting)
        else:
            self._show_text()

    def set_pixel_size_um(self, um: float | None) -> None:
        """Take the size of a pixel for frames that do not carry it; None where it is not known."""
        self._pixel_size_um = um
        self.view.set_pixel_size_um(self._um())
        self._show_text()

    def set_mode(self, mode: ModeName) -> None:
        """Show all controls, or in Operator mode those that every section needs; the keys work in both."""
        expert = mode == "expert"
        offer_in_row(self._row, self._for_operators, mode)
        set_page_margins(self, mode)
        self.coach.set_mode(mode)
        self._legend.setVisible(expert)
        self._cursor.setVisible(expert)
        self.contrast_panel.setVisible(expert and self._histogram.isChecked())

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
        self._frame = self._newest = self._painted = self._predicted = None
        self._recent.clear()
        self.view.set_pixels(None)
        self.tiles.set_grid(None)
        self._border.shape_yx = None
        self._roi.forget()
        self._legend.set_flags(None)
        self._show_text()
        self.filled.emit()

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
    def shows_live_picture(self) -> bool:
        """Whether a picture is shown that no section acquired."""
        return self._frame is not None and not self._frame.section_id

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

    @Slot(float, float)
    def _double_clicked(self, x_px: float, y_px: float) -> None:
        frame = self._frame
        if frame is None or not frame.tags.get("preview"):
            return
        height, width = frame.pixels.shape
        if 0 <= x_px < width and 0 <= y_px < height:
            self.centre_requested.emit(frame, x_px, y_px)

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
        first = self._frame is None
        shape_changed = self._frame is None or self._frame.pixels.shape != frame.pixels.shape
        self._frame = frame
        if first:
            self.filled.emit()
        if shape_changed:
            self._roi.forget()
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
        found = None if frame is None else self._result_of(frame)
        if found is not None and frame is not None and found.grid.frame_shape_yx == frame.pixels.shape:
            self.tiles.set_grid(found.grid)
            self.tiles.set_result(found.result, found.threshold)
        else:
            if frame is not None and self.tiles.grid and self.tiles.grid.frame_shape_yx != frame.pixels.shape:
                self.tiles.set_grid(None)
            self.tiles.set_result(None)
        shown = self.tiles.result
        self._legend.set_flags(None if shown is None or shown.outcome == "failed" else shown.flags)
        self.view.update()
        self._show_text()

    def _result_of(self, frame: Frame) -> TileResult | None:
        if frame.section_id:
            return self._recent.result(frame.seq)
        # the numbers of live pictures begin anew with each preview
        return self._predicted[1] if self._predicted is not None and self._predicted[0] is frame else None

    def _um(self) -> float | None:
        own = None if self._frame is None else self._frame.pixel_size_um
        return own or self._pixel_size_um

    @Slot()
    def _show_text(self) -> None:
        self._show_zoom()
        frame = self._frame
        if frame is None:
            self._about.set_text(self.feed.describe_waiting)
            self._cursor.set_text("")
            return
        outcome = "" if self.tiles.result is None else describe_result(self.tiles.result)
        if not outcome and self._recent.has_results and frame.section_id:
            outcome = "not classified yet"
        if not outcome and self._no_prediction and not frame.section_id:
            outcome = f"tiles not coloured: {self._no_prediction}"
        brief = ", ".join(filter(None, (self.feed.describe(frame, pinned=self._pinned), outcome)))
        self._about.set_text(f"{brief}, {describe_camera(frame)}", brief)
        self._show_cursor()

    @Slot()
    def _show_cursor(self) -> None:
        at = self.view.cursor_at
        found = None if at is None else self.view.counts_at(*at)
        full_scale = self.view.frame_layer.full_scale
        self._cursor.set_text("" if found is None else describe_pixel(*found, full_scale, self._um()))

    def _tooltip(self, x: float, y: float) -> str:
        tile = self.tiles.tile_at(x, y)
        return "" if tile is None or self._frame is None else self.tiles.describe(tile)

    # -- controls ----------------------------------------------------------------------------------------------------

    @Slot()
    def _show_zoom(self) -> None:
        if self._frame is None:
            self._zoom.clear()
            return
        percent = 100 * self.view.viewport.scale * self.devicePixelRatioF()
        self._zoom.setText(f"{percent:,.0f} %" if percent >= 10 else f"{percent:.1f} %")

    @Slot(bool)
    def _one_to_one(self, _down: bool) -> None:
        self.view.zoom_to(1.0 / self.devicePixelRatioF())

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
        self.contrast_panel.setVisible(shows)  # in Operator mode its key shows it
        if shows and self._frame is not None:
            self.contrast_panel.set_frame(self._frame.pixels, self._frame.bit_depth)

    @Slot(float, float, bool)
    def _contrast_follows(self, low: float, high: float, _auto: bool) -> None:
        self.view.set_limits(low, high)

    def begin_roi(self) -> None:
        """Let the operator draw a region of interest, as the button *Draw ROI* does."""
        self._roi.begin()

    def hide_histogram(self) -> None:
        """Give the room of the histogram to the picture, as the button *Histogram* does."""
        if self._histogram.isChecked():
            self._histogram.click()

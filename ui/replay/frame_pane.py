"""One stored field: its frame, and over it an analysis of its tiles, or the difference of two analyses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QWidget

from hcc_scope.formatting import describe_exposure, format_score, format_utc
from hcc_scope.position_tags import POSITION_TAG, describe_position, position_origin
from hcc_scope.scoring import frame_score
from hcc_scope.time_tags import time_is_known
from ui.canvas.image_view import ImageView
from ui.canvas.legend import TileLegend
from ui.canvas.luts import display_limits
from ui.canvas.overlays import TileLayer
from ui.canvas.view_controls import ViewControls
from ui.kit.controls import ElidedLabel, action_button
from ui.kit.flow_layout import FlowLayout
from ui.kit.low_page import LEAST_VIEW_PX, scrolling_column
from ui.kit.theme import GRID_PX
from ui.replay.difference_layer import FULL_COLOUR, DifferenceLayer, format_difference
from ui.replay.scrubber import Scrubber

if TYPE_CHECKING:
    from hcc_scope.runs.section_analyses import OpenedStore, SectionAnalysis
    from hcc_scope.types import Frame
    from ui.kit.jobs import JobRunner
    from ui.kit.theme import ThemeName

__all__ = ["FramePane", "Overlay"]


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is drawn over the frame: nothing, one analysis, or the second minus the first."""

    title: str
    first: SectionAnalysis | None = None
    second: SectionAnalysis | None = None


_NOTHING = Overlay("Frame alone")


class FramePane(QWidget):
    """The frame, its overlays and the scrubber.

    Parameters
    ----------
    jobs : JobRunner
        Reads frames on its worker ``disk``.
    keys_in : QWidget
        The keys of the scrubber work while the focus is in there.
    """

    field_shown = Signal(int)
    """A field's number, when its frame is on the screen or could not be read."""
    failed = Signal(str)
    """Why a frame cannot be shown."""

    def __init__(self, jobs: JobRunner, keys_in: QWidget) -> None:
        super().__init__()
        self.setAccessibleName("Stored field")
        self._jobs = jobs
        self._opened: OpenedStore | None = None
        self._frame: Frame | None = None
        self._reading: tuple[OpenedStore, int] | None = None
        self.view = ImageView()
        self.tiles = TileLayer()
        self.difference = DifferenceLayer(self.tiles)
        self.view.add_overlay(self.tiles)
        self.view.add_overlay(self.difference)
        self.view.tooltip_of = self._tooltip
        self.view.cursor_moved.connect(self._show_cursor)
        self.scrubber = Scrubber(keys_in)
        self.scrubber.moved.connect(self._field_chosen)
        self.overlay = QComboBox()
        self.overlay.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.overlay.setAccessibleName("What is drawn over the frame")
        self.overlay.setToolTip("Whose predictions are drawn over the frame, or how two analyses differ")
        self.overlay.currentIndexChanged.connect(self._overlay_chosen)
        self._legend = TileLegend()
        self._difference_legend = QLabel(
            f"Orange: higher in the second; blue: lower; full colour from {FULL_COLOUR:g}. "
            "White frame: other side of the threshold."
        )
        self._difference_legend.setWordWrap(True)
        self._about = ElidedLabel("About the field")
        self._cursor = ElidedLabel("Under the cursor")
        self._build()
        self.set_overlays([])

    def _build(self) -> None:
        over = QLabel("Sho&w")
        over.setBuddy(self.overlay)
        controls = ViewControls(self, self.view)
        self._keep = QCheckBox("Same contrast")
        self._keep.setAccessibleName("Same contrast")
        self._keep.setToolTip("Show all fields with this field's black and white; off: each with its own")
        row = FlowLayout(spacing_px=GRID_PX)
        for widget in (
            over,
            self.overlay,
            controls.share(self.tiles, "opacity", "Opacity", "Opacity of the tiles' colours, in %"),
            controls.toggle(self.tiles, "shows_grid", "Grid", "Show where the tiles lie", "G"),
            action_button(self, "Values", "Show each tile's probability", "V", self._values_switched, checked=True),
            controls.fit("Show the whole field"),
            self._keep,
        ):
            row.addWidget(widget)
        column = scrolling_column(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX // 2)
        column.addLayout(row)
        self.view.setMinimumHeight(LEAST_VIEW_PX)
        column.addWidget(self.view, 1)
        column.addWidget(self._legend)
        column.addWidget(self._difference_legend)
        column.addWidget(self._about)
        column.addWidget(self._cursor)
        column.addWidget(self.scrubber)

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        """The chosen field."""
        return self.scrubber.value

    @property
    def frame(self) -> Frame | None:
        """The frame on the screen."""
        return self._frame

    @property
    def caption(self) -> str:
        """What the pane shows, as text, for a picture of it."""
        return " ".join(part for part in (self._about.whole_text(), f"[{self.overlay.currentText()}]") if part)

    def set_store(self, opened: OpenedStore | None) -> None:
        """Show a store, from its first field."""
        self._opened = opened
        self._frame = None
        self.view.set_pixels(None)
        self.tiles.set_grid(None if opened is None else opened.grid)
        self.scrubber.set_number_of_fields(0 if opened is None else opened.store.n_frames)
        self.view.fit()
        self._field_chosen(0)

    def show_field(self, seq: int) -> None:
        """Go to a field."""
        self.scrubber.set_value(seq)

    def set_overlays(self, overlays: list[Overlay], chosen: str | None = None) -> None:
        """Offer overlays; keeps what is chosen if it is still there, unless another is named, else takes the first."""
        wanted = self.overlay.currentText() if chosen is None else chosen
        self.overlay.blockSignals(True)
        self.overlay.clear()
        for overlay in (*overlays, _NOTHING):
            self.overlay.addItem(overlay.title, overlay)
            words = [one.label for one in (overlay.first, overlay.second) if one is not None]
            self.overlay.setItemData(self.overlay.count() - 1, "\n".join(words), Qt.ItemDataRole.ToolTipRole)
        self.overlay.setCurrentIndex(max(0, self.overlay.findText(wanted)))
        self.overlay.blockSignals(False)
        self._show_overlay()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self.view.set_theme(theme)
        self._legend.set_theme(theme)

    # -- the frame: read one at a time, and only the one that is chosen now ------------------------------------------

    @Slot(int)
    def _field_chosen(self, _seq: int) -> None:
        self._read()

    def _read(self) -> None:
        opened, seq = self._opened, self.seq
        if opened is None or opened.store.n_frames == 0:
            self._frame = None
            self._show_overlay()
            return
        if self._reading is not None:
            return
        self._reading = (opened, seq)
        self._jobs.submit("disk", lambda: opened.store.read(seq), self._have_frame, self._no_frame)

    def _still_wanted(self) -> bool:
        """Return whether the frame that was read is the chosen one; if not, read the chosen one."""
        read, self._reading = self._reading, None
        if read is not None and read[0] is self._opened and read[1] == self.seq:
            return True
        self._read()
        return False

    def _have_frame(self, frame: Frame) -> None:
        opened = self._opened
        if not self._still_wanted() or opened is None:
            return
        if not self._keep.isChecked() or self._frame is None:
            self.view.set_limits(*display_limits(frame.pixels))
        self._frame = frame
        self.view.set_pixels(frame.pixels, frame.bit_depth)
        self.view.set_pixel_size_um(frame.pixel_size_um or opened.spec.pixel_size_um or None)
        self._show_overlay()
        self.field_shown.emit(frame.seq)

    def _no_frame(self, why: str) -> None:
        if not self._still_wanted():
            return
        self._frame = None
        self.view.set_pixels(None)
        self._show_overlay()
        self._about.set_text(why)
        self.failed.emit(why)
        self.field_shown.emit(self.seq)

    # -- the overlay -------------------------------------------------------------------------------------------------

    @Slot(int)
    def _overlay_chosen(self, _index: int) -> None:
        self._show_overlay()

    def _show_overlay(self) -> None:
        overlay: Overlay = self.overlay.currentData() or _NOTHING
        first = None if overlay.first is None else overlay.first.results.get(self.seq)
        both = overlay.second is not None
        self.difference.visible = both and self._frame is not None
        self.tiles.shows_heat = not both
        if self._opened is not None:
            self.tiles.set_grid(self._opened.grid if overlay.first is None else overlay.first.grid)
        threshold = 0.5 if overlay.first is None else overlay.first.threshold
        self.tiles.set_result(first if self._frame is not None else None, threshold)
        if overlay.first is not None and overlay.second is not None:
            second = overlay.second.results.get(self.seq)
            self.difference.set_results(first, second, (overlay.first.threshold, overlay.second.threshold))
        self._legend.heat_bar.set_threshold(threshold)
        self._legend.set_flags(None if first is None else first.flags)
        self._legend.setVisible(not both)
        self._difference_legend.setVisible(both)
        self._show_text(overlay)
        self.view.update()

    def _show_text(self, overlay: Overlay) -> None:
        frame, opened = self._frame, self._opened
        if opened is None:
            self._about.set_text("No store is open")
            return
        if frame is None:
            self._about.set_text("" if opened.store.n_frames else "The store holds no field")
            return
        parts = [f"Field {frame.seq}"]
        if frame.seq in opened.excluded:
            parts.append("excluded by the operator")
        for analysis in (overlay.first, overlay.second):
            result = None if analysis is None else analysis.results.get(frame.seq)
            if analysis is None:
                continue
            score = None if result is None else frame_score(result)
            outcome = "not analysed" if result is None else result.outcome
            parts.append(
                f"{analysis.title.lower()} {outcome if score is None else format_score(score, analysis.threshold, 3)}"
            )
        parts.append(format_utc(frame.t_utc) if time_is_known(frame.tags) else "time not known")
        origin = position_origin(frame.tags, has_position=frame.stage_um is not None)
        if frame.stage_um is not None or POSITION_TAG in frame.tags:
            parts.append(describe_position(frame.stage_um, origin))
        parts.append(describe_exposure(frame.exposure_ms))
        self._about.set_text(" · ".join(parts))

    def _tooltip(self, x_px: float, y_px: float) -> str:
        tile = self.tiles.tile_at(x_px, y_px)
        if tile is None or self._frame is None:
            return ""
        words = self.tiles.describe(tile)
        return f"{words}\n{self.difference.describe(tile)}" if self.difference.visible else words

    @Slot()
    def _show_cursor(self) -> None:
        at = self.view.cursor_at
        found = None if at is None else self.view.counts_at(*at)
        if found is None:
            self._cursor.set_text("")
            return
        tile = self.tiles.tile_at(found[0], found[1])
        words = f"x {found[0]} px, y {found[1]} px: {found[2]} counts"
        if tile is not None and self.difference.visible:
            difference = self.difference.difference(tile)
            words += "" if difference is None else f", difference {format_difference(difference)}"
        self._cursor.set_text(words)

    # -- switches ----------------------------------------------------------------------------------------------------

    @Slot(bool)
    def _values_switched(self, on: bool) -> None:
        self.tiles.shows_values = on
        self.difference.shows_values = on
        self.view.update()

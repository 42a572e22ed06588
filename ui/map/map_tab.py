"""The tab *Section map*: every field at its stage position, its predictions, the planned fields, and the stage.

Stage y grows downwards here, as rows of an image do and as in the report's pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QProgressBar, QWidget

from hcc_scope.orientation import Orientation
from hcc_scope.plans import PositionList
from ui.canvas.canvas import Canvas
from ui.canvas.legend import TileLegend
from ui.canvas.overlays import ScaleBarLayer
from ui.canvas.save_view import save_picture
from ui.canvas.view_controls import lay_out_page, set_page_margins
from ui.kit.controls import ElidedLabel, TwoLines, style_buttons
from ui.kit.theme import GRID_PX
from ui.map.boxes import box_around, box_of, box_of_boxes
from ui.map.fine_pictures import FinePictures
from ui.map.hand_map import HandMap
from ui.map.map_controls import MapControls
from ui.map.map_fields import FieldsLayer, MapField
from ui.map.map_layers import OutlineLayer, PlanLayer, StageLayer
from ui.map.map_text import describe_place, describe_progress
from ui.map.next_section import NextSection
from ui.map.plan_tools import PlanTools

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.by_hand import HandView
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.position_tags import PositionOrigin
    from hcc_scope.tiling import TileGrid
    from hcc_scope.tracking.mosaic import SeenMosaic
    from hcc_scope.types import Frame, FrameResult
    from ui.canvas.canvas import Layer
    from ui.canvas.viewport import Box
    from ui.kit.jobs import JobRunner
    from ui.kit.mode import ModeName
    from ui.kit.theme import ThemeName

__all__ = ["MAP_SCALES", "Points", "SectionMapTab"]

Points: TypeAlias = "Sequence[tuple[float, float]] | NDArray[np.float64]"
"""(n, 2) x, y in stage µm."""

MAP_SCALES = (1e-4, 16.0)
"""Screen px per um: from a slide of 10 cm to a nucleus that fills the window."""


class SectionMapTab(QWidget):
    """The tab. `set_plan` comes first: it gives the size of a field.

    Parameters
    ----------
    parent : QWidget, optional
    jobs : JobRunner, optional
        Reads finer pictures than the thumbnails (`set_reader`); without it there are none.
    """

    field_chosen = Signal(int)
    """seq of a field that was clicked or reached by the keys."""
    move_requested = Signal(float, float)
    """Stage x, y in µm to which the operator wants to go."""
    outline_drawn = Signal(tuple)
    """Corners x, y in µm of the outline that was drawn or mended; empty if it was taken away."""
    tissue_search_requested = Signal(bool)
    """Begin to look for tissue, or stop."""
    outline_editing = Signal(bool)
    """The outline begins to be edited, or is edited no more."""
    fields_edited = Signal(PositionList)
    """The fields of the next section as a list, after one was moved, added or deleted."""
    fields_editing = Signal(bool)
    """The fields of the plan begin to be edited, or are edited no more."""
    outline_mended = Signal(tuple)
    """Corners x, y in µm of the outline of a section by hand, in the coordinates of its island; instead of
    `outline_drawn`, which is the next plan's."""
    redrawn = Signal()
    """What the map shows has changed: for `ui.map.hand_view.HandMapView`, which shows the same."""

    def __init__(self, parent: QWidget | None = None, *, jobs: JobRunner | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Section map")
        self._field_um: tuple[float, float] | None = None
        self._outline_allowed = True
        self.fields = FieldsLayer(None if jobs is None else FinePictures(jobs, self))
        self._outline = OutlineLayer()
        self.hand = HandMap(self.fields, self._outline)
        """The section by hand, if one is shown."""
        self._plan = PlanLayer()
        self._stage = StageLayer()
        self._scale_bar = ScaleBarLayer()
        self._scale_bar.um_per_unit = 1.0
        self.view = Canvas(MAP_SCALES)
        self.view.tooltip_of = self.describe_at
        self.view.describe_as(
            "Map of the section",
            "Arrows pan, plus and minus zoom, 0 fits; Page Up and Page Down choose the field before and after",
        )
        self._tools = PlanTools(self, self.view)
        self.next = NextSection(self, self._outline, self._plan, self._tools)
        """What is known before a section."""
        self._legend = TileLegend()
        self._progress = QProgressBar()
        self._progress.setFixedSize(12 * GRID_PX, 2 * GRID_PX)
        self._progress.setTextVisible(False)
        self._progress.setAccessibleName("Planned fields acquired")
        self._about = ElidedLabel("Progress of the section")
        self._cursor = ElidedLabel("Under the cursor", Qt.AlignmentFlag.AlignRight)
        lines = TwoLines(self._about, self._cursor, before=self._progress)
        layers = (self.fields, self.hand, self._outline, self._plan, self.next.overview)
        self._controls = MapControls(self, self.view, *layers, self._tools)
        lay_out_page(self, self._controls.row, self.view, self._legend, lines)
        self.set_theme("dark")
        self.view.clicked.connect(self._clicked)
        self.view.cursor_moved.connect(self._show_cursor)
        self.view.double_clicked.connect(self._double_clicked)
        self.view.cancelled.connect(self._tools.cancel)
        self._controls.stepped.connect(self._step)
        self._controls.to_stage.connect(self._go)
        self.next.changed.connect(self._show_next)
        self._tools.outline.finished.connect(self._take_outline)
        self._tools.fields.finished.connect(self.fields_edited)
        self._tools.changed.connect(self._tool_changed)
        self._tools.editing.connect(self.outline_editing)
        self._tools.fields_editing.connect(self.fields_editing)
        self._tools.search_requested.connect(self.tissue_search_requested)
        if self.fields.fine is not None:
            self.fields.fine.arrived.connect(self._finer)
        self._changed()

    # -- what it shows -----------------------------------------------------------------------------------------------

    def set_plan(
        self,
        positions_um: Points | None,
        outline_um: Points | None,
        field_um: tuple[float, float],
        orientation: Orientation | None = None,
    ) -> None:
        """Take outline and plan of a section; fields that are there stay.

        Parameters
        ----------
        positions_um : (n, 2), optional
            Centres of the planned fields, x, y in stage um, in their order.
        outline_um : (m, 2), optional
            The section's edge.
        field_um : (width, height)
            Extent of one frame along the stage's axes.
        orientation : Orientation, optional
            How the camera lies over the stage; not turned without it.

        Raises
        ------
        ValueError
            If a field has no size.
        """
        if min(field_um) <= 0:
            raise ValueError(f"a field needs a size in µm, not {field_um}")
        self.next.leave()
        self._field_um = field_um
        self.fields.orientation = Orientation() if orientation is None else orientation
        self.fields.field_um = self._stage.field_um = field_um
        self._plan.set_plan(_points(positions_um), field_um)
        self._plan.visited(one.stage_um for one in self.fields.fields.values() if one.stage_um is not None)
        self._tools.cancel()
        self._outline.points_um = _points(outline_um)
        self._tools.outline.set_outline([] if outline_um is None else self._corners())
        self._changed()

    def set_reader(self, reader: Callable[[int], Frame] | None, frame_shape_yx: tuple[int, int] = (1, 1)) -> None:
        """Take what reads a field's frame (off the Qt thread) for finer pictures; None: there are only thumbnails.

        Call it after `set_plan`, which gives the camera's orientation.
        """
        if self.fields.fine is not None:
            self.fields.fine.set_reader(reader, frame_shape_yx, self.fields.orientation)

    def set_beside_run(self, beside: bool, *, allowed: bool = True) -> None:
        """Note whether a section is acquired, and whether finer pictures may be read meanwhile."""
        if self.fields.fine is not None:
            self.fields.fine.set_beside_run(beside, allowed=allowed)

    @Slot()
    def _finer(self) -> None:
        self.view.update()
        self.redrawn.emit()

    @property
    def place_to_go_um(self) -> tuple[float, float] | None:
        """The chosen planned field, else what is under the cursor, else the chosen field; None for none of them."""
        if not self.fields.on_stage:
            return None
        chosen = self.fields.chosen
        stored = None if chosen is None else self.fields.fields[chosen].stage_um
        return self._tools.fields.chosen_um or self.view.cursor_at or stored

    def set_outline(self, corners_um: Points) -> None:
        """Show the outline of the next section's random fields; empty for none."""
        self._outline.points_um = _points(corners_um) if len(corners_um) else None
        self._tools.outline.set_outline(self._corners())
        self._changed()

    def set_outline_allowed(self, allowed: bool) -> None:
        """Let the operator draw the outline and look for tissue, or not: during a section the plan is fixed.

        During a section by hand, its phase decides.
        """
        self._outline_allowed = allowed
        if not self.hand.on:
            self._tools.set_allowed(allowed)

    @property
    def outline_open(self) -> bool:
        """Whether the outline is being edited."""
        return self._tools.outline.active

    @Slot()
    def _show_next(self) -> None:
        if self.next.shown and self.next.field_um is not None:
            self._field_um = self._stage.field_um = self.next.field_um
        self._changed()

    @Slot()
    def _tool_changed(self) -> None:
        self._plan.edited = self._tools.fields.active
        self._show_progress()

    def set_search(self, words: str) -> None:
        """Show how far the search for tissue is; empty when it has ended."""
        self._tools.set_words(words)

    def _corners(self) -> list[tuple[float, float]]:
        points = self._outline.points_um
        return [] if points is None else [(x, y) for x, y in points.tolist()]

    def add_field(
        self,
        seq: int,
        frame_thumbnail: NDArray[np.uint8] | NDArray[np.uint16],
        stage_um: tuple[float, float] | tuple[float, float, float | None] | None,
        result: FrameResult | None = None,
        grid: TileGrid | None = None,
        *,
        origin: PositionOrigin | None = None,
        excluded: bool | None = None,
        retake: bool = False,
    ) -> None:
        """Put a field on the map.

        Parameters
        ----------
        seq : int
            The frame's number.
        frame_thumbnail : (y, x) uint8 or uint16
            The whole frame, small (`hcc_scope.report.overview.thumbnail`); uint8 is shown as it is, uint16 with one
            contrast for all fields.
        stage_um : (x, y) or (x, y, z), optional
            As read back; None without a stage: then the fields are laid out in rows, in their order.
        result : FrameResult, optional
            Of the model, once there is one.
        grid : TileGrid, optional
            Where the result's tiles lie.
        origin : PositionOrigin, optional
            How the position was obtained; from the stage without it.
        excluded : bool, optional
            By the operator; as before without it.
        retake : bool
            Whether a field is taken again that was counted as acquired before.

        Raises
        ------
        ValueError
            If `set_plan` was not called before.
        """
        if self._field_um is None:
            raise ValueError("call set_plan, which gives the size of a field, before fields are added")
        centre = None if stage_um is None else (float(stage_um[0]), float(stage_um[1]))
        old = self.fields.fields.get(seq)
        was_excluded = old is not None and old.excluded
        new = MapField(seq, frame_thumbnail, centre, excluded=was_excluded if excluded is None else excluded)
        if origin is not None:
            new.origin = origin
        new.set_result(result, grid)
        self.fields.add(new)
        if centre is not None and old is None and not retake:
            self._plan.visited([centre])
        self._changed()

    def set_result(self, result: FrameResult, grid: TileGrid, threshold: float) -> None:
        """Take the result of a field that is on the map; results of other fields are ignored."""
        self.set_threshold(threshold)
        one = self.fields.fields.get(result.seq)
        if one is not None:
            one.set_result(result, grid)
            self._changed()

    def set_threshold(self, threshold: float) -> None:
        """Take the probability from which on a tile counts as *high*."""
        self.fields.set_threshold(threshold)
        self._legend.heat_bar.set_threshold(threshold)
        self.view.update()

    def set_excluded(self, seq: int, excluded: bool) -> None:
        """Cross a field out, or take the cross away; a field that is not on the map is ignored."""
        one = self.fields.fields.get(seq)
        if one is not None:
            one.excluded = excluded
            self._changed()

    def set_retakes(self, retaken: Mapping[int, int], set_aside: Collection[int]) -> None:
        """Show each field that was taken again once: the take that counts, with a mark (`FieldsLayer.set_retakes`)."""
        self.fields.set_retakes(retaken, set_aside)
        self._changed()

    def set_not_shown(self, n: int) -> None:
        """Take the number of stored fields without their own place: the stage had been there, or there is none."""
        self.fields.n_not_drawn = n
        self._changed()

    def keep_below(self, n: int) -> None:
        """Take away fields that were not stored after all: only the first `n` were."""
        for seq in [seq for seq in self.fields.fields if seq >= n]:
            self.fields.remove(seq)
        self._changed()

    def set_stage(self, x_um: float | None, y_um: float | None = None) -> None:
        """Take the stage's position; None without a stage."""
        at = None if x_um is None or y_um is None else (x_um, y_um)
        if at == self._stage.at_um:
            return
        self._stage.at_um = at
        self._controls.show_stage(at is not None)
        self._changed()

    def choose(self, seq: int | None) -> None:
        """Mark a field as if it had been clicked; `field_chosen` is not emitted."""
        self.fields.chosen = seq if seq in self.fields.fields else None
        self._changed()

    def reveal(self, seq: int) -> None:
        """Choose a field, and bring it into the middle unless it is in sight."""
        self.choose(seq)
        box = next((box for one, box in self.fields.boxes() if one.seq == seq), None)
        if box is not None:
            x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
            left, top, width, height = self.view.viewport.visible()
            if not (left <= x <= left + width and top <= y <= top + height):
                self.view.centre_on(x, y)

    def set_mode(self, mode: ModeName) -> None:
        """Show all controls, or in Operator mode those that every section needs; the keys work in both."""
        self._controls.set_mode(mode)
        self._cursor.setVisible(mode == "expert")
        self._legend.set_mode(mode)
        set_page_margins(self, mode)

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self.view.set_theme(theme)
        self._outline.set_theme(theme)
        self.hand.set_theme(theme)
        for layer in (self._plan, self.next, self._tools.outline, self._tools.fields):
            layer.set_theme(theme)
        self._legend.set_theme(theme)
        style_buttons(self, theme)

    # -- a section by hand -------------------------------------------------------------------------------------------

    def begin_hand(self, mosaic: SeenMosaic | None) -> None:
        """Show a section by hand from now on; call `set_plan` before, which gives the size of a field.

        Parameters
        ----------
        mosaic : SeenMosaic, optional
            What is seen, drawn below the captured fields; it may grow meanwhile.
        """
        self._tools.set_allowed(False)
        self.hand.begin(mosaic)
        self._controls.show_hand(self.hand.on)
        self._changed()

    def show_hand(self, view: HandView, sample: DrawnSample | None = None) -> None:
        """Take what is known after a live frame, and the drawn fields, if there are any.

        The outline can be mended in the phase ``mend`` (`outline_mended`).
        """
        self.hand.show(view)
        if sample is not self.hand.targets.sample:
            self.hand.set_sample(sample)
        mends = view.phase == "mend"
        if mends != self._tools.allowed:
            self._tools.set_allowed(mends)
        self._changed()

    def show_hand_outline(self, corners_um: Points, island: int | None = None) -> None:
        """Take the outline of a section by hand, in the coordinates of an island: by default the present one."""
        if island is None:
            island = 0 if self.hand.view is None else self.hand.view.track.island
        self.hand.set_outline([(float(x), float(y)) for x, y in corners_um], island)
        self._changed()

    def end_hand(self) -> None:
        """Show that the section by hand has ended: the field at the lens goes; all else stays until `clear`."""
        if self.hand.on:
            self._tools.set_allowed(False)
            self.hand.finish()
            self._changed()

    def clear(self) -> None:
        """Forget section, plan and fields; the stage stays where it is."""
        if self.hand.on:
            self.hand.end()
            self._controls.show_hand(self.hand.on)
            self._tools.set_allowed(self._outline_allowed)
        self.next.leave()
        self._field_um = None
        self.set_reader(None)
        self.fields.clear()
        self._plan.set_plan(None, (1.0, 1.0))
        self._outline.points_um = None
        self._changed()

    def export_png(self, path: Path) -> None:
        """Save the map as it is shown, with a caption.

        Raises
        ------
        StoreUnwritableError
            If the file cannot be written.
        """
        save_picture(self.view, path, self._about.whole_text())

    # -- painting and text -------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        self.hand.frozen = self._tools.outline.active or self.hand.mended_elsewhere
        self.hand.lay_out()
        if self.hand.on and not self._tools.outline.active:
            self._tools.outline.set_outline(self.hand.drawn_outline_um)
        self.view.layers = self._layers()
        self.view.set_world(*self.world)
        self._legend.set_flags(self._flags())
        self._show_progress()
        self._show_cursor()
        self.view.update()
        self.redrawn.emit()

    def _layers(self) -> list[Layer]:
        if self.hand.on:
            layers = [*self.hand.below, self.fields, *self.hand.above, self._tools.outline]
        elif self.fields.on_stage:
            below: list[Layer] = [self.next.limits, self._outline, self.next.overview, self.fields, self._plan]
            layers = [*below, self._stage, self._tools.outline, self._tools.fields]
        elif self.fields.has_places:
            layers = [self._outline, self.fields, self._plan]  # measured from the pictures: the stage is elsewhere
        else:
            layers = [self.fields]
        return [*layers, self._scale_bar]

    @Slot()
    def _show_progress(self) -> None:
        words = self._tools.describe()
        if words:
            self._progress.hide()
            self._about.set_text(words)
            return
        if self.hand.on:
            self._progress.hide()
            self._about.set_text(self.hand.describe())
            return
        if self.next.shown:
            self._progress.hide()
            self._about.set_text(self.next.words)
            return
        n_done, n_planned = int(self._plan.done.sum()), len(self._plan.positions_um)
        self._progress.setVisible(n_planned > 0)
        if n_planned:
            self._progress.setRange(0, n_planned)
            self._progress.setValue(n_done)
        self._about.set_text(describe_progress(self.fields, n_done, n_planned))

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a section is shown: no field, plan, outline or overview."""
        there = self.hand.on or self.fields.fields or len(self._plan.positions_um) or self.next.overview.boxes()
        return not there and self._outline.points_um is None and not self._tools.outline.active

    @property
    def world(self) -> tuple[Box, Box]:
        """What the map shows as a whole, and how far one may pan."""
        box = self._section_box()
        left, top, width, height = box
        reach = (left - width, top - height, 3 * width, 3 * height)
        if self._stage.at_um is not None:
            reach = box_of_boxes([reach, (*self._stage.at_um, 0.0, 0.0)])
        if self.next.limits.box is not None:
            reach = box_of_boxes([reach, self.next.limits.box])
        return box, reach

    def _section_box(self) -> Box:
        """Return the box of all that is placed; without anything, some fields around the stage."""
        width, height = self._field_um or (1000.0, 1000.0)
        boxes = [box for _, box in self.fields.boxes()]
        if self.hand.on:
            boxes += self.hand.boxes()
        elif self.fields.has_places:
            boxes += [box_around(at, (width, height)) for at in self._plan.positions_um.tolist()]
            if self._outline.points_um is not None:
                boxes.append(box_of(self._outline.points_um))
            if self.next.shown:
                boxes += self.next.overview.boxes()
        if not boxes:
            boxes.append(box_around(self._stage.at_um or (0.0, 0.0), (4 * width, 4 * height)))
        return box_of_boxes(boxes)

    def _flags(self) -> NDArray[np.uint8] | None:
        """Return the flags of all tiles of all fields that the operator did not exclude."""
        flags = [
            one.result.flags
            for one in self.fields.shown
            if one.result is not None and one.result.outcome != "failed" and not one.excluded
        ]
        return np.concatenate(flags) if flags else None

    def describe_at(self, x_um: float, y_um: float) -> str:
        """Return the field and the drawn field at a place of the map; empty for none."""
        one, target = self.fields.at(x_um, y_um), self.hand.targets.at(x_um, y_um)
        parts = ["" if one is None else self.fields.describe(one)]
        parts.append("" if target is None else self.hand.targets.describe(target))
        return ". ".join(filter(None, parts))

    @Slot()
    def _show_cursor(self) -> None:
        self._cursor.set_text(describe_place(self.fields, self.view.cursor_at))

    # -- choosing and moving -----------------------------------------------------------------------------------------

    @Slot(float, float)
    def _clicked(self, x_um: float, y_um: float) -> None:
        tool = self._tools.active
        if tool is not None:
            tool.click(x_um, y_um)
            return
        one = self.fields.at(x_um, y_um)
        if one is not None:
            self.choose(one.seq)
            self.field_chosen.emit(one.seq)

    @Slot(int)
    def _step(self, by: int) -> None:
        order = sorted(one.seq for one in self.fields.shown)
        if not order:
            return
        if self.fields.chosen is None:
            index = len(order) - 1 if by < 0 else 0
        else:
            index = min(max(order.index(self.fields.chosen) + by, 0), len(order) - 1)
        self.choose(order[index])
        self.field_chosen.emit(order[index])

    @Slot(tuple)
    def _take_outline(self, corners: tuple[tuple[float, float], ...]) -> None:
        if self.hand.on:
            self.mend_outline(corners)
            return
        self.set_outline(corners)
        self.outline_drawn.emit(corners)

    def mend_outline(self, drawn: tuple[tuple[float, float], ...]) -> None:
        """Take the outline of a section by hand as it was mended, in the map's coordinates."""
        corners = self.hand.outline_of_drawn(drawn)
        self.hand.set_outline(corners, self.hand.outline_island)
        self._changed()
        self.outline_mended.emit(corners)

    @Slot(float, float)
    def _double_clicked(self, x_um: float, y_um: float) -> None:
        if self.fields.on_stage:
            self.move_requested.emit(x_um, y_um)

    @Slot()
    def _go(self) -> None:
        if self._stage.at_um is not None:
            self.view.centre_on(*self._stage.at_um)


def _points(points: Points | None) -> NDArray[np.float64] | None:
    return None if points is None else np.asarray(points, dtype=np.float64).reshape(-1, 2)

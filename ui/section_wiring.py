"""Show a section while it is acquired: pictures and results as they come, numbers a few times a second."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from hcc_scope.orientation import Orientation
from ui.other_sections import sections_of
from ui.stored_fields import StoredFields, small

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.analyst import Analyst
    from hcc_scope.types import Frame, FrameResult, Snapshot
    from ui.jobs import Jobs
    from ui.run_control import RunControl, Running
    from ui.state import AppState, System
    from ui.wiring import Wiring

__all__ = ["SectionWiring"]

NUMBERS_MS = 150
MAX_MISSED = 200
"""Fields that came between two looks, and are read from the store for the map once the section has ended."""
MAX_PLACELESS = 300
"""Fields on the map of a rig without a stage, where they are only laid out in rows."""


class SectionWiring(QObject):
    """Keeps tabs and panels up to date with the section that is under way.

    Parameters
    ----------
    views : Wiring
        Has them.
    jobs : Jobs
    state : AppState
    run : RunControl
    """

    def __init__(self, views: Wiring, jobs: Jobs, state: AppState, run: RunControl) -> None:
        super().__init__(views)
        self._views, self._jobs, self._state, self._run = views, jobs, state, run
        self._fields: StoredFields | None = None
        self._missed: deque[int] = deque(maxlen=MAX_MISSED)
        self._coming: set[int] = set()
        self._places: set[tuple[int, int]] = set()
        self._reading_missed = False
        self._shown: Running | None = None
        self._course_is_new = False
        self._judged: FrameResult | None = None
        self._numbers = QTimer(self)
        self._numbers.setSingleShot(True)
        self._numbers.setInterval(NUMBERS_MS)
        self._numbers.timeout.connect(self._show_numbers)
        views.map.field_chosen.connect(self._show_field)
        state.run_started.connect(self._begin)
        state.snapshot_changed.connect(self._show_snapshot)
        state.course_changed.connect(self._note_course)
        state.frame_arrived.connect(self._show_frame)
        state.result_arrived.connect(self._show_result)
        state.system_changed.connect(self._show_system)
        state.run_finished.connect(self._end)
        run.phase_changed.connect(self._lock)
        run.analyst_ready.connect(self._take_analyst)
        run.excluded_changed.connect(self._mark_excluded)

    @Slot(object)
    def _begin(self, run: Running) -> None:
        views = self._views
        self._shown = run
        self._fields = StoredFields(run.store_path)
        for known in (self._missed, self._coming, self._places):
            known.clear()
        self._course_is_new = False
        self._judged = None
        spec = run.spec
        views.tiles_opened = False
        for part in (views.live, views.map, views.tiles):
            part.clear()
        um = spec.pixel_size_um
        orientation = Orientation(spec.camera_axes)
        views.live.set_pixel_size_um(um)
        views.map.set_plan(
            run.positions_um, run.outline_um, orientation.extent_um(spec.frame_shape_yx, um), orientation
        )
        views.map.set_threshold(run.threshold)
        views.tiles.set_threshold(run.threshold)
        views.tiles.set_pixel_size_um(um, orientation)
        views.tiles.set_reader(self._fields.read)
        views.score.set_section(spec.animal_id, spec.section_id)
        views.score.set_snapshot(None)
        views.score.set_course(self._state.course.as_array())
        views.quality.set_result(None)
        self._ask_other_sections()

    # -- numbers -----------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.phase == "finished":
            self._show_numbers()
        elif not self._numbers.isActive():
            self._numbers.start()

    @Slot()
    def _note_course(self) -> None:
        self._course_is_new = True

    @Slot()
    def _show_numbers(self) -> None:
        """Show score, course, rates and quality; nobody reads them 30 times a second, and plots cost."""
        self._numbers.stop()
        snapshot, views = self._state.snapshot, self._views
        if snapshot is None:
            return
        views.score.set_snapshot(snapshot)
        views.status.set_snapshot(snapshot)
        if self._course_is_new:
            views.score.set_course(self._state.course.as_array())
            self._course_is_new = False
        if self._judged is not None:
            views.quality.set_result(self._judged)
            self._judged = None

    @Slot(object)
    def _show_system(self, system: System) -> None:
        run, snapshot, status = self._state.run, self._state.snapshot, self._views.status
        rate = 0.0
        if run is not None and snapshot is not None:
            height, width = run.spec.frame_shape_yx
            rate = snapshot.store_fps * height * width * 2.0  # uncompressed: it will be less
        status.set_system(system.disk_free_bytes, rate, system.resident_bytes)
        status.set_shown_fps(self._state.shown_fps)

    def _ask_other_sections(self) -> None:
        run = self._shown
        if run is not None:
            spec = run.spec
            find = partial(sections_of, run.store_path.parent, spec.animal_id, spec.section_id)
            self._jobs.submit("disk", find, self._views.score.set_other_sections)

    # -- fields ------------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_frame(self, frame: Frame) -> None:
        self._views.live.set_frame(frame)
        run = self._state.run
        if run is not None and self._belongs_on_map(frame):
            self._coming.add(frame.seq)
            self._jobs.submit("map", partial(_with_small, frame), partial(self._take_field, self._fields))

    @Slot(object)
    def _show_result(self, result: FrameResult) -> None:
        run, views = self._shown, self._views
        if run is None:
            return
        views.live.set_result(result, run.grid, run.threshold)
        views.tiles.add_result(result, run.grid)
        self._judged = result
        if result.seq in views.map.fields.fields:
            views.map.set_result(result, run.grid, run.threshold)
        elif result.seq not in self._coming:
            self._missed.append(result.seq)

    def _belongs_on_map(self, frame: Frame) -> bool:
        """Return whether a field is the first at its place: a stage at rest would pile up thousands on one spot."""
        if frame.stage_um is None:
            return len(self._coming) + len(self._views.map.fields.fields) < MAX_PLACELESS
        place = round(frame.stage_um[0]), round(frame.stage_um[1])
        new = place not in self._places
        self._places.add(place)
        return new

    def _take_field(self, fields: StoredFields | None, got: tuple[Frame, NDArray[np.uint16]]) -> None:
        """Put a field on the map, unless another section has begun meanwhile."""
        frame, thumbnail = got
        run, on_map = self._shown, self._views.map
        if run is not None and fields is self._fields:
            self._coming.discard(frame.seq)
            on_map.add_field(frame.seq, thumbnail, frame.stage_um, run.results.get(frame.seq), run.grid)
            if self._run.is_excluded(frame.seq):
                on_map.set_excluded(frame.seq, True)

    def _read_missed(self) -> None:
        """Read the newest field that came between two looks, for the map; one at a time, and not while others come."""
        if self._reading_missed or not self._missed or self._fields is None or self._state.run is not None:
            return
        self._reading_missed = True
        fields, seq = self._fields, self._missed.pop()
        self._jobs.submit("map", partial(_small_of, fields, seq), partial(self._take_missed, fields), self._lose_missed)

    def _take_missed(self, fields: StoredFields, got: tuple[Frame, NDArray[np.uint16]]) -> None:
        self._reading_missed = False
        if fields is self._fields and self._belongs_on_map(got[0]):
            self._take_field(fields, got)
        self._read_missed()

    def _lose_missed(self, _sentence: str) -> None:
        self._reading_missed = False

    @Slot(int)
    def _show_field(self, seq: int) -> None:
        """Show a stored field on the tab Live."""
        fields = self._fields
        if fields is not None:
            self._jobs.submit("disk", partial(fields.read, seq), self._show_stored)

    def _show_stored(self, frame: Frame) -> None:
        run, views = self._shown, self._views
        views.live.set_frame(frame)
        if run is not None and frame.seq in run.results:
            views.live.set_result(run.results[frame.seq], run.grid, run.threshold)
        views.show_live()

    @Slot(int, bool)
    def _mark_excluded(self, seq: int, excluded: bool) -> None:
        self._views.map.set_excluded(seq, excluded)
        self._views.tiles.set_excluded(seq, excluded)

    # -- begin and end -----------------------------------------------------------------------------------------------

    @Slot(str)
    def _lock(self, phase: str) -> None:
        """Let nothing be changed that would spoil the section."""
        views = self._views
        reason = None if phase == "idle" else "A section is being acquired."
        for panel in views.devices:
            mine = phase == "paused" and panel is views.stage
            panel.set_locked(None if mine else reason, say=panel is views.camera)
        views.properties.set_locked(reason)
        views.map.set_move_allowed(phase in ("idle", "paused"))

    @Slot(object)
    def _take_analyst(self, analyst: Analyst) -> None:
        self._views.tiles.set_saliency(analyst.model.saliency)

    @Slot(object)
    def _end(self, report: SectionReport | None) -> None:
        del report
        self._show_numbers()
        if self._shown is not None and self._shown.spec.sampling not in ("sequence", "time_series"):
            self._read_missed()
        self._ask_other_sections()


def _small_of(fields: StoredFields, seq: int) -> tuple[Frame, NDArray[np.uint16]]:
    return _with_small(fields.read(seq))


def _with_small(frame: Frame) -> tuple[Frame, NDArray[np.uint16]]:
    return frame, small(frame)

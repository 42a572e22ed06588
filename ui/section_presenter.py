"""Show a section while it is acquired: pictures and results immediately, numbers a few times a second."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from hcc_scope.orientation import Orientation
from hcc_scope.research_use import PHANTOM_SENTENCE
from hcc_scope.runs.animal_sections import other_sections
from hcc_scope.runs.specimen import needs_override
from ui.map.map_filler import MapFiller

if TYPE_CHECKING:
    from hcc_scope.inference.card import ModelCard
    from hcc_scope.inference.card_evaluation import StatementRecord
    from hcc_scope.runs.animal_sections import OtherSection
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.types import Frame, FrameResult, RunSpec, SectionScore, Snapshot
    from ui.control.app_state import AppState, System
    from ui.control.growing_store import StoredFields
    from ui.control.replay_focus import ReplayFocus
    from ui.control.run_control import RunControl
    from ui.control.running import Running
    from ui.control.settings_store import SettingsStore
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["SectionPresenter"]

NUMBERS_S, NUMBERS_BEHIND_S = 0.15, 0.5
"""How often numbers change; less often while the analysis is behind, which then needs the processors more."""
COURSE_S, COURSE_BEHIND_S = 1.0, 2.0
"""How often the course is drawn: a plot costs as much as ten numbers."""


class SectionPresenter(QObject):
    """Keeps tabs and panels up to date with the section that is under way.

    Parameters
    ----------
    window : MainWindow
    views : Views
    jobs : Jobs
    state : AppState
    run : RunControl
    focus : ReplayFocus
        Whether score and quality belong to Replay.
    settings_store : SettingsStore
        Remembers the prevalence that the operator states.
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        jobs: Jobs,
        state: AppState,
        run: RunControl,
        focus: ReplayFocus,
        settings_store: SettingsStore,
    ) -> None:
        super().__init__(window)
        self._views, self._jobs, self._state, self._run = views, jobs, state, run
        self._focus, self._settings_store = focus, settings_store
        self._map = MapFiller(views.map, jobs, run)
        self._asked: int | None = None
        self._training: tuple[str | None, str] = (None, "")
        self._statement: tuple[StatementRecord | None, str | None] = (None, None)
        self._shown: Running | None = None
        self._course_is_new = False
        self._next_course_s = 0.0
        self._judged: FrameResult | None = None
        self._retakes: tuple[dict[int, int], tuple[int, ...]] = ({}, ())
        self._next_numbers_s, self._phase = 0.0, ""
        views.map.field_chosen.connect(self._show_field)
        views.live.field_pinned.connect(self._pinned)
        views.live.field_unpinned.connect(self._unpinned)
        views.live.view.painted.connect(run.screen_changed)
        run.look_at_screen(lambda: self.field_on_screen)
        state.run_started.connect(self._begin)
        state.snapshot_changed.connect(self._show_snapshot)
        state.course_changed.connect(self._note_course)
        state.frame_arrived.connect(self._show_frame)
        state.result_arrived.connect(self._show_result)
        state.system_changed.connect(self._show_system)
        state.run_finished.connect(self._end)
        state.finish_failed.connect(self._end)
        focus.left.connect(self.show_again)
        focus.map_taken.connect(self._leave_map)
        run.phase_changed.connect(self._lock)
        views.property_page.made.connect(self._lock_properties)
        run.model_ready.connect(self._take_scoring_model)
        run.excluded_changed.connect(self._mark_excluded)
        for view in (views.score, views.replay):
            view.set_prevalence(settings_store.settings.prevalence)
        views.score.prevalence_chosen.connect(self._remember_prevalence)

    @Slot(object)
    def _remember_prevalence(self, prevalence: float | None) -> None:
        self._views.replay.set_prevalence(prevalence)
        self._settings_store.change(prevalence=prevalence)

    @Slot(object)
    def _begin(self, run: Running) -> None:
        views = self._views
        self._shown = run
        self._map.begin(run)
        self._asked = None
        self._course_is_new = False
        self._next_course_s = 0.0
        self._judged = None
        self._retakes = ({}, ())
        spec, fields = run.spec, self._map.fields
        assert fields is not None
        for part in (views.live, views.map, views.tiles):
            part.clear()
        um = spec.pixel_size_um
        orientation = Orientation(spec.camera_axes)
        views.live.set_pixel_size_um(um)
        views.map.set_plan(
            run.positions_um, run.outline_um, orientation.extent_um(spec.frame_shape_yx, um), orientation
        )
        views.map.set_reader(fields.read, spec.frame_shape_yx)
        views.map.set_threshold(run.threshold)
        views.tiles.set_threshold(run.threshold)
        views.tiles.set_pixel_size_um(um, orientation)
        views.tiles.set_reader(fields.read_analysed)
        views.live.set_section(spec.section_id)
        scoring_model = self._run.scoring_model
        self._training = (None, "") if scoring_model is None else _training(scoring_model.model.card, spec)
        self._statement = (None, None) if scoring_model is None else _statement(scoring_model.model.card)
        views.hand.readout.show_statement(self._statement[0])
        self.show_again()

    @Slot()
    def show_again(self) -> None:
        """Show score and quality of the section from the start; also when the operator leaves Replay."""
        views, run = self._views, self._shown
        if self._focus.on:
            return
        spec = None if run is None else run.spec
        views.score.set_section("" if spec is None else spec.animal_id, "" if spec is None else spec.section_id)
        views.score.set_snapshot(None if run is None else self._state.snapshot)
        views.score.set_course(self._state.course.as_array())
        views.score.set_training(*self._training)
        views.score.set_statement(*self._statement)
        views.quality.set_result(None)
        self._show_quality()
        self._ask_other_sections()

    # -- numbers -------------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.phase != self._phase or snapshot.phase == "finished" or time.monotonic() >= self._next_numbers_s:
            self._phase = snapshot.phase
            self._show_numbers()  # with the picture: a paint of its own would cost as much again
            self._next_numbers_s = time.monotonic() + (NUMBERS_BEHIND_S if snapshot.counts.deferred else NUMBERS_S)

    @Slot()
    def _note_course(self) -> None:
        self._course_is_new = True

    @Slot()
    def _show_numbers(self) -> None:
        """Show score, course, rates and quality: less often than 30 times a second, since plots are expensive."""
        snapshot, views = self._state.snapshot, self._views
        if snapshot is None:
            return
        views.status.set_snapshot(snapshot, self._state.live_fps)
        if self._shown is not None:
            self._map.stored(snapshot.counts.stored, over=snapshot.phase == "finished")
            self._show_retakes(snapshot.score)
        if self._focus.on:
            return
        views.score.set_snapshot(snapshot)
        if self._course_is_new and (snapshot.phase == "finished" or time.monotonic() >= self._next_course_s):
            views.score.set_course(self._state.course.as_array())
            self._course_is_new = False
            self._next_course_s = time.monotonic() + (COURSE_BEHIND_S if snapshot.counts.deferred else COURSE_S)
        self._show_quality()

    def _show_retakes(self, score: SectionScore) -> None:
        """Show the take that counts of each field, once another one has a result."""
        shown = dict(score.retaken), score.set_aside
        if shown != self._retakes:
            self._retakes = shown
            self._views.map.set_retakes(*shown)
            if not self._focus.fills_gallery:
                self._views.tiles.set_retakes(*shown)

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
            find = partial(other_sections, run.store_path.parent, run.spec)
            self._jobs.submit("disk", find, partial(self._take_other_sections, run))

    def _take_other_sections(self, run: Running, others: list[OtherSection]) -> None:
        if run is self._shown and not self._focus.on:
            self._views.score.set_other_sections(others)

    # -- fields --------------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_frame(self, frame: Frame) -> None:
        self._views.live.set_frame(frame)
        run = self._state.run
        if run is not None and frame.section_id == run.spec.section_id:  # in a pause, others are looked at
            self._map.see(frame)

    @Slot(object)
    def _show_result(self, result: FrameResult) -> None:
        run, views = self._shown, self._views
        if run is None:
            return
        views.live.set_result(result, run.grid, run.threshold)
        views.tiles.add_result(result, run.grid)
        self._judged = result
        self._map.show_result(result)

    # -- one chosen field ----------------------------------------------------------------------------------------------

    @property
    def field_on_screen(self) -> int | None:
        """The field of this section that the tab Live shows; None if it shows none."""
        frame, run = self._views.live.frame_on_screen, self._shown
        mine = frame is not None and run is not None and frame.section_id == run.spec.section_id
        return frame.seq if mine and frame is not None else None

    @Slot(int)
    def _show_field(self, seq: int) -> None:
        """Show a stored field on the tab Live."""
        fields = self._map.fields
        if fields is None:
            return
        self._asked = seq
        if self._views.live.pinned:
            self._views.live.follow()  # until the field is read, nothing may refer to the one before
        self._views.map.choose(seq)
        self._jobs.submit("disk", partial(fields.read, seq), partial(self._show_stored, fields), self._not_shown)

    def _show_stored(self, fields: StoredFields, frame: Frame) -> None:
        run, views = self._shown, self._views
        if fields is not self._map.fields or frame.seq != self._asked or run is None:
            return  # another field was chosen since
        result = run.results.get(frame.seq)
        views.live.show_stored(frame, None if result is None else (result, run.grid, run.threshold))
        views.show_live()

    def _not_shown(self, _sentence: str) -> None:
        self._asked = None
        self._views.map.choose(None)

    @Slot(int)
    def _pinned(self, seq: int) -> None:
        self._follow_picture(seq)

    @Slot()
    def _unpinned(self) -> None:
        self._follow_picture(None)

    def _follow_picture(self, seq: int | None) -> None:
        """Let box, quality and buttons follow the picture."""
        self._views.map.choose(seq)
        self._show_quality()
        self._run.screen_changed.emit()

    def _show_quality(self) -> None:
        """Show the quality of the field on the screen; of one that comes and goes without a result, of the newest."""
        views, run = self._views, self._shown
        if run is None or self._focus.on or views.live.shows_live_picture:
            return
        seq = self.field_on_screen if views.live.pinned or self._state.run is None else None
        if views.live.pinned and views.live.shown_frame is not None:
            seq = views.live.shown_frame.seq
        passing = self.field_on_screen if seq is None else None
        if passing is not None and passing in run.results:
            seq = passing
        if seq is not None:
            views.quality.show_field(seq, run.results.get(seq))
        elif self._judged is not None:
            views.quality.show_field(self._judged.seq, self._judged)

    @Slot()
    def _leave_map(self) -> None:
        self._map.leave()

    @Slot()
    def end_map(self) -> None:
        """Leave the map to the next section; the fields of this one can still be shown."""
        self._map.end()

    @Slot(int, bool)
    def _mark_excluded(self, seq: int, excluded: bool) -> None:
        if not self._focus.fills_map:
            self._views.map.set_excluded(seq, excluded)
        if not self._focus.fills_gallery:
            self._views.tiles.set_excluded(seq, excluded)

    # -- begin and end -------------------------------------------------------------------------------------------------

    @Slot()
    def _lock_properties(self) -> None:
        """Lock the properties, which are made when they are first shown, if a section is under way."""
        self._lock(self._run.phase)

    @Slot(str)
    def _lock(self, phase: str) -> None:
        """Lock what would spoil the section."""
        views = self._views
        reason = None if phase == "idle" else "A section is being acquired."
        views.devices.set_locked(reason, paused=phase == "paused")
        if views.property_page.is_made:
            views.properties.set_locked(reason)
        run = self._run.run
        fast = run is not None and run.spec.sampling in ("sequence", "time_series")
        views.map.set_beside_run(phase not in ("idle", "paused"), allowed=not fast)

    @Slot(object)
    def _take_scoring_model(self, scoring_model: ScoringModel) -> None:
        model = scoring_model.model
        self._views.tiles.set_saliency(model.saliency, model.card.name)
        if self._shown is None:
            self._training, self._statement = (model.card.trained_on, ""), _statement(model.card)
            if not self._focus.on:
                self._views.score.set_training(*self._training)
                self._views.score.set_statement(*self._statement)

    @Slot()
    def _end(self) -> None:
        self._views.live.set_section("")
        self._show_numbers()
        self._run.screen_changed.emit()
        self._ask_other_sections()


def _training(card: ModelCard, spec: RunSpec) -> tuple[str | None, str]:
    """Return what the model was trained on, and the warning if that does not fit this specimen."""
    return card.trained_on, PHANTOM_SENTENCE if needs_override(card, spec) else ""


def _statement(card: ModelCard) -> tuple[StatementRecord | None, str]:
    """Return what a verdict of a model is worth, and which model that is."""
    return card.statement, card.sha256

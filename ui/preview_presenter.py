"""Show how the live picture is: judged as a section would judge it, and its tiles coloured by the model on request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from hcc_scope.runs.preview_judge import PreviewMeans
from hcc_scope.shading.files import load_shading
from ui.control.live_judge import LiveJudge

if TYPE_CHECKING:
    from hcc_scope.microscope.rig_state import RigState
    from hcc_scope.runs.preview_judge import PreviewJudgement
    from hcc_scope.shading.correction import Shading
    from hcc_scope.shading.freshness import ReferencesState
    from hcc_scope.types import Frame, Snapshot
    from ui.control.app_state import AppState
    from ui.control.loaded_rig import LoadedRig
    from ui.control.reference_control import ReferenceControl
    from ui.control.replay_focus import ReplayFocus
    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.control.section_setup import SectionSetup
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["PreviewPresenter"]


class PreviewPresenter(QObject):
    """Judges the pictures that no section acquires, and shows what comes out.

    Parameters
    ----------
    window : MainWindow
    views : Views
    jobs : Jobs
    state : AppState
        Whose frames are judged.
    rig : RigControl
    run : RunControl
        Whose model is asked.
    setup : SectionSetup
        Which model and correction the next section has.
    references : ReferenceControl
    replay_focus : ReplayFocus
        Whether the panels belong to Replay.
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        jobs: Jobs,
        state: AppState,
        rig: RigControl,
        run: RunControl,
        setup: SectionSetup,
        references: ReferenceControl,
        replay_focus: ReplayFocus,
    ) -> None:
        super().__init__(window)
        self._views, self._jobs, self._state = views, jobs, state
        self._rig, self._run, self._setup, self._replay_focus = rig, run, setup, replay_focus
        self._shading: Shading | None = None
        self._references: ReferencesState | None = None
        self._wants_prediction = False
        self._shown: PreviewJudgement | None = None
        self.judge = LiveJudge(jobs, self)
        self.judge.judged.connect(self._show)
        self.judge.predicted.connect(self._show_prediction)
        live = views.live
        live.coach.restarted.connect(self.judge.restart)
        live.prediction_wanted.connect(self._want_prediction)
        live.focus_requested.connect(rig.focus_now)
        state.frame_arrived.connect(self._see)
        state.rig_changed.connect(self._take_rig)
        state.rig_gone.connect(self._show_coach)
        state.snapshot_changed.connect(self._follow_run)
        run.phase_changed.connect(self._follow_phase)
        run.model_ready.connect(self._choose_means)
        setup.changed.connect(self._choose_means)
        rig.opened.connect(self._choose_means)
        rig.closed.connect(self._choose_means)
        rig.live_changed.connect(self._restart)
        references.state_changed.connect(self._note_references)
        replay_focus.left.connect(self._show_quality)
        self._choose_means()
        self._show_coach()

    # -- by what it judges ---------------------------------------------------------------------------------------------

    @Slot()
    def _choose_means(self) -> None:
        """Judge by the model and the correction that the next section would have."""
        request, loaded = self._setup.request, self._rig.loaded
        why = f"The model {request.model} is not loaded" if request.model else "No model is chosen"
        if request.model and self._run.loads_model:
            why = f"The model {request.model} is being loaded"
        self.judge.set_means(
            PreviewMeans(
                scoring_model=self._run.loaded_for(request.model, request.engine),
                shading=self._shading if request.shading == "auto" else None,
                may_be_tissue=loaded is None or not loaded.is_demo,
                no_model=why,
            )
        )

    @Slot(object)
    def _note_references(self, _state: ReferencesState | None) -> None:
        self._ask_references()

    def _ask_references(self) -> None:
        """Look in the background which dark and flat fields would correct a section now."""
        loaded = self._rig.loaded
        keeps = loaded is not None and loaded.rig.rig is not None and loaded.rig.rig.references_dir is not None
        if loaded is None or not keeps:
            self._take_shading(None)
        elif not self._run.active:
            painted = loaded.is_demo and self._setup.request.specimen != "none"
            self._jobs.submit("rig", partial(_state_of, loaded, painted), partial(self._load_references, loaded))

    def _load_references(self, loaded: LoadedRig, state: ReferencesState) -> None:
        rig = loaded.rig.rig
        if loaded is not self._rig.loaded or rig is None or rig.references_dir is None or state == self._references:
            return
        self._references = state
        self._jobs.submit("judge", partial(load_shading, rig.references_dir, state), self._take_shading)

    def _take_shading(self, shading: Shading | None) -> None:
        if shading is None:
            self._references = None
        self._shading = shading
        self._choose_means()

    @Slot(object)
    def _take_rig(self, rig: RigState) -> None:
        self.judge.note_view((rig.camera.roi, rig.camera.binning))
        loaded = self._rig.loaded
        self._views.live.show_focus_drive(rig.z_um is not None and loaded is not None and loaded.has_focus)
        self._show_coach()

    # -- when it judges ------------------------------------------------------------------------------------------------

    @Slot(str)
    def _follow_phase(self, phase: str) -> None:
        self._allow(phase == "idle")
        self._show_coach()

    @Slot(object)
    def _follow_run(self, snapshot: Snapshot) -> None:
        """Judge in a pause too, once everything that was acquired is stored and classified."""
        if self._run.phase == "paused":
            counts = snapshot.counts
            self._allow(counts.stored == counts.acquired and not counts.pending and not counts.deferred)

    def _allow(self, allowed: bool) -> None:
        self.judge.allow(allowed)
        if not allowed:
            self._views.live.await_prediction(False)  # no tiles come for it to wait for

    @Slot(bool)
    def _restart(self, live: bool) -> None:
        self.judge.restart()
        self._views.live.coach.clear()
        if live:
            self._ask_references()

    @Slot()
    def _show_coach(self) -> None:
        """Show the course of the focus where there is a camera and no section takes its frames."""
        there = self._state.rig is not None and self._run.phase in ("idle", "paused")
        self._views.live.coach.setVisible(there)

    @Slot(object)
    def _see(self, frame: Frame) -> None:
        if not frame.section_id:
            self.judge.see(frame)

    # -- what comes out ------------------------------------------------------------------------------------------------

    @Slot(bool)
    def _want_prediction(self, wanted: bool) -> None:
        self._wants_prediction = wanted
        self._views.live.await_prediction(False)

    @Slot(object)
    def _show(self, judgement: PreviewJudgement) -> None:
        live = self._views.live
        if judgement.trend is not None:
            live.coach.show_trend(judgement.trend, judgement.quality.focus.value, judgement.course)
        if self._wants_prediction and judgement.why_no_result:
            live.await_prediction(False, judgement.why_no_result)
        self._shown = judgement
        self._show_quality()

    @Slot(object)
    def _show_prediction(self, judgement: PreviewJudgement) -> None:
        if self._wants_prediction and judgement.result is not None and judgement.grid is not None:
            self._views.live.await_prediction(True)
            self._views.live.show_predicted(judgement.frame, judgement.result, judgement.grid, judgement.threshold)

    @Slot()
    def _show_quality(self) -> None:
        """Show the judgements on the live picture, unless the panel belongs to a field."""
        if self._shown is not None and self._views.live.shows_live_picture and not self._replay_focus.on:
            self._views.quality.set_quality(self._shown.quality)


def _state_of(loaded: LoadedRig, painted: bool) -> ReferencesState:
    from hcc_scope.runs.references import references_state, settings_now

    return references_state(loaded.rig, settings_now(loaded.rig, painted=painted))

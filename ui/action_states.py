"""The actions that are possible now, why the others are not, and what the top bar shows of rig, section and plan."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from hcc_scope.storage.naming import STORE_SUFFIX, is_taken
from ui.control.next_step import Situation, next_step
from ui.control.rig_control import NO_RIG

if TYPE_CHECKING:
    from pathlib import Path

    from ui.control.app_state import AppState
    from ui.control.loaded_rig import LoadedRig
    from ui.control.model_check import ModelCheck
    from ui.control.reference_control import ReferenceControl
    from ui.control.replay_focus import ReplayFocus
    from ui.control.rig_control import RigControl, RigLight
    from ui.control.run_control import RunControl
    from ui.control.section_setup import SectionSetup
    from ui.kit.jobs import Jobs
    from ui.shell.action_specs import ActionName
    from ui.shell.main_window import MainWindow

__all__ = ["ActionStates"]

_LABELS: tuple[ActionName, ...] = ("label_low", "label_high", "label_out")
_REFERENCE = "a dark or flat field is being taken"
_SCAN = "the stage is scanning: wait until it is back, or stop the scan"
_NO_SECTION = "there is no section to write about"
_NO_STAGE = "this rig has no motorised stage: a section by hand is continued"
_HAS_STAGE = "this rig has a motorised stage: a section is resumed there"
LOOK_FOR_STORE_MS = 300
"""After the last key; then the window looks whether the store exists already."""


class ActionStates(QObject):
    """Enables and disables actions, and gives each disabled one its reason.

    Parameters
    ----------
    window : MainWindow
    jobs : Jobs
    state : AppState
    rig : RigControl
    run : RunControl
    setup : SectionSetup
    focus : ReplayFocus
    references : ReferenceControl
    model_check : ModelCheck
    """

    def __init__(
        self,
        window: MainWindow,
        jobs: Jobs,
        state: AppState,
        rig: RigControl,
        run: RunControl,
        setup: SectionSetup,
        focus: ReplayFocus,
        references: ReferenceControl,
        model_check: ModelCheck,
    ) -> None:
        super().__init__(window)
        self._window, self._jobs, self._state = window, jobs, state
        self._rig, self._run, self._setup, self._focus = rig, run, setup, focus
        self._references = references
        self._model_check = model_check
        self._store_exists: tuple[Path, bool] | None = None
        self._offered: tuple[int | None, int | None, str] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(LOOK_FOR_STORE_MS)
        self._timer.timeout.connect(self._look_for_store)
        setup.changed.connect(self._setup_changed)
        setup.model_changed.connect(self._prepare_model)
        rig.light_changed.connect(self._light_changed)
        rig.opened.connect(self._rig_changed)
        rig.closed.connect(self._rig_changed)
        rig.kept.connect(self._rig_changed)
        rig.live_changed.connect(self._update)
        rig.scan_changed.connect(self._update)
        references.active_changed.connect(self._update)
        model_check.changed.connect(self._update)
        run.phase_changed.connect(self._phase_changed)
        run.excluded_changed.connect(self._update)
        state.snapshot_changed.connect(self._update_exclusion)
        run.screen_changed.connect(self._update_exclusion)
        focus.changed.connect(self._update)
        state.run_finished.connect(self._setup_changed)
        state.finish_failed.connect(self._setup_changed)
        window.top.set_rig(NO_RIG)
        self._setup_changed()

    @Slot(object)
    def _light_changed(self, light: RigLight) -> None:
        self._window.top.set_rig(light, self._rig.failure or self._about_rig())
        self._update()

    def _about_rig(self) -> str:
        loaded = self._rig.loaded
        return "" if loaded is None else f"Rig {loaded.name}"

    @Slot()
    def _rig_changed(self) -> None:
        self._prepare_model()
        self._setup_changed()

    @Slot()
    def _prepare_model(self) -> None:
        """Load the model while nothing else is going on, so that Start need not wait for it."""
        if self._rig.loaded is not None and not self._run.active:
            request = self._setup.request
            self._run.prepare_model(request.model, request.engine)

    @Slot()
    def _setup_changed(self) -> None:
        loaded, request, top = self._rig.loaded, self._setup.request, self._window.top
        demo = loaded is not None and loaded.is_demo
        top.show_specimen(demo, by_hand=loaded is not None and not loaded.has_stage)
        top.show_emergency(loaded is None or loaded.has_drives)
        words = request.plan.describe(outlined=demo and request.specimen != "none")
        takes = "" if loaded is None else self._setup.plan_takes
        top.set_plan(f"{words}: {takes}" if takes else words)
        self._store_exists = None
        self._timer.start()
        self._update()

    @Slot()
    def _look_for_store(self) -> None:
        """Look in the background whether the store of this section exists already."""
        request = self._setup.request
        if not request.id_problem:
            store = request.store
            self._jobs.submit("disk", partial(is_taken, store), partial(self._take_exists, store))

    def _take_exists(self, store: Path, exists: bool) -> None:
        self._store_exists = store, exists
        self._update()

    @Slot(str)
    def _phase_changed(self, phase: str) -> None:
        self._window.top.lock(phase != "idle", self._run.another)
        self._window.actions_.set_paused(phase == "paused")
        self._update()

    # -- why not -------------------------------------------------------------------------------------------------------

    @property
    def missing(self) -> str:
        """What keeps a section from starting, as text; empty if nothing does."""
        loaded, request = self._rig.loaded, self._setup.request
        if self._run.active:
            return "a section is under way"
        if self._references.active:
            return _REFERENCE
        if loaded is None:
            return "the rig is loading" if self._rig.busy else "no rig is open"
        if self._rig.busy:
            return "another rig is being opened"
        problem = request.problem(has_stage=loaded.has_stage)
        if problem:
            return problem
        edited = self._setup.edited
        if edited:
            verb = "is" if edited == "outline" else "are"
            return (
                f"the {edited} on the map {verb} being edited: finish with Edit {edited}, or take it back with Escape"
            )
        if self._setup.plan_problem:
            return self._setup.plan_problem
        if self._store_exists is not None and self._store_exists == (request.store, True):
            return f"{request.store.name} is there already and is never overwritten: choose another section id"
        return self._model_check.problem

    def _no_plan(self) -> str:
        """Return why there is no plan that could be written to a file."""
        plan = self._setup.request.plan
        return "a person goes to the fields of this plan" if plan.by_hand else ""

    @Slot()
    def _update(self) -> None:
        actions, run, loaded = self._window.actions_, self._run, self._rig.loaded
        phase = run.phase
        no_rig = "" if loaded is not None else "no rig is open"
        busy = "a section is under way" if run.active else ""
        idle = "" if run.active else "no section is under way"
        camera_busy = "" if phase in ("idle", "paused") else busy
        missing = self.missing
        changing = "a rig is being loaded or closed" if self._rig.busy else ""
        taking = _REFERENCE if self._references.active else ""
        scan = _SCAN if self._rig.scanning else ""
        reasons: dict[ActionName, str] = {
            "open_demo": busy or changing or taking,
            "open_rig": busy or changing or taking,
            "reconnect": busy or changing or taking or ("" if self._rig.last_name else "no rig was open"),
            "new_rig": busy,
            "close_rig": busy or no_rig or changing or taking,
            "live": no_rig or camera_busy or taking,
            "snap": no_rig or camera_busy or taking,
            "references": no_rig or busy or changing,
            "emergency": no_rig,
            "start": missing,
            "continue": no_rig or busy or changing or taking or _needs_hand(loaded),
            "resume": no_rig or busy or changing or taking or _needs_stage(loaded),
            "pause": "" if phase in ("running", "paused") else idle or "the section is being started or ended",
            "stop": "" if phase in ("preparing", "running", "paused") else idle or "it is being ended",
            "skip_analysis": "" if phase in ("running", "paused", "stopping") else idle or "it is not running",
            "plan": busy,
            **dict.fromkeys(_LABELS, "" if self._focus.on else "open the section in Replay first"),
            "load_plan": busy,
            "save_plan": no_rig or busy or changing or self._no_plan(),
            "export_positions": no_rig or busy or changing or self._no_plan(),
            "mark_here": no_rig or busy or changing or _no_stage(loaded) or scan,
            "quick_scan": no_rig or busy or changing or taking or _no_stage(loaded),
            "forget_overview": "",
            "choose_folder": busy,
            "import": busy or changing,
            "report": "" if self._focus.on or run.last_store is not None else "no section was finished yet",
            "note": "" if self._focus.on or self._run.note_store is not None else _NO_SECTION,
        }
        moves: tuple[ActionName, ...] = ("go_there", "step_left", "step_right", "step_up", "step_down")
        reasons |= dict.fromkeys(moves, no_rig or camera_busy or changing or taking or _no_stage(loaded) or scan)
        for name, reason in reasons.items():
            actions.enable(name, reason)
        actions["live"].setChecked(self._rig.live)
        self._window.top.set_hint(next_step(self._situation(missing)))
        self._update_exclusion()

    def _situation(self, missing: str) -> Situation:
        loaded, stored, snapshot = self._rig.loaded, self._run.last_store, self._state.snapshot
        return Situation(
            rig_open=loaded is not None,
            phase=self._run.phase,
            missing=missing,
            rig_busy=self._rig.busy,
            live=self._rig.live,
            by_hand=self._setup.request.plan.by_hand,
            pause_reason="" if snapshot is None else snapshot.pause_reason,
            importing=self._run.importing,
            just_stored="" if stored is None else stored.name.removesuffix(STORE_SUFFIX),
        )

    @Slot()
    def _update_exclusion(self) -> None:
        actions = self._window.actions_
        out, back, why_not = self._exclusion_in_replay() if self._focus.on else self._exclusion_in_run()
        offered = out, back, why_not
        if offered == self._offered:
            return
        self._offered = offered
        actions.enable("exclude", "" if out is not None else why_not)
        actions.enable("include", "" if back is not None else "no field was excluded")
        actions.name_fields(out, back)

    def _exclusion_in_run(self) -> tuple[int | None, int | None, str]:
        """Return which field would be excluded and which brought back, and why none can be excluded."""
        run = self._run
        if run.correctable is None:
            return None, None, "there is no section"
        shown = run.field_on_screen
        if shown is None:
            return None, run.last_excluded, "no field of the section is on the screen: choose one on the map"
        if run.is_excluded(shown):
            return None, run.last_excluded, f"field {shown}, which is on the screen, is excluded already"
        return shown, run.last_excluded, ""

    def _exclusion_in_replay(self) -> tuple[int | None, int | None, str]:
        field = self._focus.field
        if field is None:
            return None, None, "Replay shows no field"
        if field.excluded:
            return None, field.seq, f"field {field.seq}, which is on the screen, is excluded already"
        return field.seq, None, ""


def _no_stage(loaded: LoadedRig | None) -> str:
    """Return why the stage of a rig cannot be sent anywhere; empty if it can, or no rig is open."""
    return "" if loaded is None or loaded.has_stage else "this rig has no motorised stage"


def _needs_hand(loaded: LoadedRig | None) -> str:
    """Return why a section by hand cannot be acquired on a rig; empty if it can, or no rig is open."""
    return _HAS_STAGE if loaded is not None and loaded.has_stage else ""


def _needs_stage(loaded: LoadedRig | None) -> str:
    """Return why a plan cannot go on with a rig; empty if it can, or no rig is open."""
    return _NO_STAGE if loaded is not None and not loaded.has_stage else ""

"""When each action may be done, and if not, why; and what the top bar says of rig, section and plan."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from hcc_scope.storage.naming import is_taken
from ui.control.rig_control import NO_RIG

if TYPE_CHECKING:
    from pathlib import Path

    from ui.commands import Commands
    from ui.control.app_state import AppState
    from ui.control.rig_control import RigControl, RigLight
    from ui.control.run_control import RunControl
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow

__all__ = ["Gates"]

_NO_SECTION = "there is no section to write about"
LOOK_FOR_STORE_MS = 300
"""Since the last key; then it is looked whether that section is there already."""


class Gates(QObject):
    """Opens and closes actions.

    Parameters
    ----------
    window : MainWindow
    jobs : Jobs
    state : AppState
    rig : RigControl
    run : RunControl
    commands : Commands
    """

    def __init__(
        self, window: MainWindow, jobs: Jobs, state: AppState, rig: RigControl, run: RunControl, commands: Commands
    ) -> None:
        super().__init__(window)
        self._window, self._jobs, self._state = window, jobs, state
        self._rig, self._run, self._commands = rig, run, commands
        self._taken: tuple[Path, bool] | None = None
        self._named: tuple[int | None, int | None, str] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(LOOK_FOR_STORE_MS)
        self._timer.timeout.connect(self._look_for_store)
        top = window.top
        top.request_changed.connect(self._request_changed)
        top.model_chosen.connect(self._prepare_model)
        rig.light_changed.connect(self._light_changed)
        rig.opened.connect(self._rig_changed)
        rig.closed.connect(self._rig_changed)
        rig.kept.connect(self._rig_changed)
        rig.live_changed.connect(self._sort_out)
        run.phase_changed.connect(self._phase_changed)
        run.excluded_changed.connect(self._sort_out)
        state.snapshot_changed.connect(self._sort_out_undo)
        run.screen_changed.connect(self._sort_out_undo)
        replayed = commands.replayed
        if replayed is not None:
            replayed.changed.connect(self._sort_out)
        state.run_finished.connect(self._request_changed)
        top.set_rig(NO_RIG)
        self._request_changed()

    @Slot(object)
    def _light_changed(self, light: RigLight) -> None:
        self._window.top.set_rig(light, self._rig.failure or self._about_rig())
        self._sort_out()

    def _about_rig(self) -> str:
        loaded = self._rig.loaded
        return "" if loaded is None else f"Rig {loaded.name}"

    @Slot()
    def _rig_changed(self) -> None:
        self._prepare_model()
        self._request_changed()

    @Slot()
    def _prepare_model(self) -> None:
        """Load the model while nothing else is going on, so that Start need not wait for it."""
        if self._rig.loaded is not None and not self._run.active:
            request = self._commands.request()
            self._run.prepare_model(request.model, request.engine)

    @Slot()
    def _request_changed(self) -> None:
        loaded = self._rig.loaded
        top = self._window.top
        demo = loaded is not None and loaded.is_demo
        top.show_specimen(demo)
        top.set_plan(self._commands.plan.words(outlined=demo and top.chosen_specimen != "none"))
        self._taken = None
        self._timer.start()
        self._sort_out()

    @Slot()
    def _look_for_store(self) -> None:
        top = self._window.top
        if top.animal.problem or top.section.problem:
            return
        store = self._commands.request().store
        self._jobs.submit("disk", partial(is_taken, store), partial(self._take_taken, store))

    def _take_taken(self, store: Path, taken: bool) -> None:
        self._taken = store, taken
        self._sort_out()

    @Slot(str)
    def _phase_changed(self, phase: str) -> None:
        self._window.top.lock(phase != "idle")
        self._window.actions_.set_paused(phase == "paused")
        self._sort_out()

    # -- why not -----------------------------------------------------------------------------------------------------

    @property
    def missing(self) -> str:
        """What keeps a section from starting, in words; empty if nothing does."""
        top, loaded = self._window.top, self._rig.loaded
        if self._run.active:
            return "a section is under way"
        if loaded is None:
            return "the rig is loading" if self._rig.busy else "no rig is open"
        if self._rig.busy:
            return "another rig is being opened"
        for field, what in ((top.animal, "the animal id"), (top.section, "the section id")):
            if not field.value:
                return f"{what} is missing"
            if field.problem:
                return field.problem
        if not top.chosen_model:
            return "no model is chosen"
        request = self._commands.request()
        if request.plan.kind == "file" and not request.plan.file.strip():
            return "the plan file is not chosen yet"
        if not loaded.has_stage and request.plan.kind == "random":
            return "this rig has no stage to go to random fields: choose another plan with Section > Plan"
        if self._taken is not None and self._taken == (request.store, True):
            return f"{request.store.name} is there already and is never overwritten: choose another section id"
        return ""

    @Slot()
    def _sort_out(self) -> None:
        actions, run, loaded = self._window.actions_, self._run, self._rig.loaded
        phase = run.phase
        no_rig = "" if loaded is not None else "no rig is open"
        busy = "a section is under way" if run.active else ""
        idle = "" if run.active else "no section is under way"
        camera_busy = "" if phase in ("idle", "paused") else busy
        missing = self.missing
        changing = "a rig is being loaded or closed" if self._rig.busy else ""
        reasons = {
            "open_demo": busy or changing,
            "open_rig": busy or changing,
            "close_rig": busy or no_rig or changing,
            "live": no_rig or camera_busy,
            "snap": no_rig or camera_busy,
            "emergency": no_rig,
            "start": missing,
            "pause": "" if phase in ("running", "paused") else idle or "the section is being started or ended",
            "stop": "" if phase in ("preparing", "running", "paused") else idle or "it is being ended",
            "skip_analysis": "" if phase in ("running", "paused", "stopping") else idle or "it is not running",
            "plan": busy,
            "choose_folder": busy,
            "report": "" if self._in_replay or run.last_store is not None else "no section was finished yet",
            "note": "" if self._in_replay or self._commands.note_store() is not None else _NO_SECTION,
        }
        for name, reason in reasons.items():
            actions.enable(name, reason)
        actions["live"].setChecked(self._rig.live)
        hint = ""
        if loaded is not None and not run.active and missing:
            hint = f"To start: {missing}"
        elif phase == "preparing":
            hint = "Preparing: loading the model, checking camera, stage and disk …"
        elif phase in ("stopping", "analysis_skipped", "finishing"):
            hint = "Finishing: storing and classifying what was taken …"
        self._window.top.set_hint(hint)
        self._sort_out_undo()

    @Slot()
    def _sort_out_undo(self) -> None:
        actions = self._window.actions_
        out, back, why_not = self._undo_in_replay() if self._in_replay else self._undo_in_run()
        named = out, back, why_not
        if named == self._named:
            return
        self._named = named
        actions.enable("exclude", "" if out is not None else why_not)
        actions.enable("include", "" if back is not None else "no field was excluded")
        actions.name_fields(out, back)

    @property
    def _in_replay(self) -> bool:
        return self._commands.replayed is not None and self._commands.replayed.on

    def _undo_in_run(self) -> tuple[int | None, int | None, str]:
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

    def _undo_in_replay(self) -> tuple[int | None, int | None, str]:
        replayed = self._commands.replayed
        field = None if replayed is None else replayed.field
        if field is None:
            return None, None, "Replay shows no field"
        seq, excluded = field
        if excluded:
            return None, seq, f"field {seq}, which is on the screen, is excluded already"
        return seq, None, ""

"""The plan of the next section: its outline on the map, the search for tissue, saving and dry runs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from hcc_scope.workers import StopToken
from ui.control.plan_work import dry_run, look_for_tissue, save_plan_of
from ui.kit.save_dialog import ask_where
from ui.shell.plan_dialog import PlanDialog

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.runs.prescan import Prescan
    from ui.control.app_state import AppState
    from ui.control.loaded_rig import LoadedRig
    from ui.control.rig_control import RigControl, RigLight
    from ui.control.run_control import RunControl
    from ui.control.section_request import PlanChoice, SectionRequest
    from ui.control.section_setup import SectionSetup
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["PlanPresenter"]

_INSIDE = "The random fields of the next section lie inside the outline on the map."


class PlanPresenter(QObject):
    """Connects the map and the plan dialog with the setup of the next section.

    Parameters
    ----------
    window : MainWindow
    views : Views
    jobs : Jobs
    state : AppState
    rig : RigControl
    run : RunControl
    setup : SectionSetup
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
    ) -> None:
        super().__init__(window)
        self._window, self._views, self._jobs, self._state = window, views, jobs, state
        self._rig, self._run, self._setup = rig, run, setup
        self._search: StopToken | None = None
        self._searched: LoadedRig | None = None
        self._rig_name = ""
        views.map.outline_drawn.connect(self._take_outline)
        views.map.outline_editing.connect(setup.set_outline_open)
        views.map.tissue_search_requested.connect(self._search_tissue)
        run.phase_changed.connect(self._phase_changed)
        rig.opened.connect(self._rig_opened)
        rig.light_changed.connect(self._light_changed)

    # -- the outline ---------------------------------------------------------------------------------------------------

    @Slot(tuple)
    def _take_outline(self, corners_um: tuple[tuple[float, float], ...]) -> None:
        """Use an outline for the random fields of the next section; empty for none."""
        self._setup.change(plan=self._setup.request.plan.with_outline(corners_um))
        if corners_um:
            self._state.message.emit("info", _INSIDE)

    @Slot(object)
    def _rig_opened(self, loaded: LoadedRig) -> None:
        """Forget an outline of another rig: its coordinates mean nothing on this stage."""
        plan = self._setup.request.plan
        if loaded.name != self._rig_name:
            self._views.map.set_outline_allowed(False)  # ends editing
            if plan.outline_um:
                self._setup.change(plan=plan.with_outline())
                self._views.map.set_outline(())
        self._rig_name = loaded.name
        self._views.map.set_outline_allowed(not self._run.active and loaded.has_stage)

    @Slot(object)
    def _light_changed(self, _light: RigLight) -> None:
        """Stop a search when its rig is closed, which waits for it, or replaced."""
        if self._search is not None and self._rig.loaded is not self._searched:
            self._search.request()

    @Slot(str)
    def _phase_changed(self, phase: str) -> None:
        if phase != "idle" and self._search is not None:
            self._search.request()  # the section waits for the rig
        loaded = self._rig.loaded  # by hand the outline is driven during the section
        self._views.map.set_outline_allowed(phase == "idle" and (loaded is None or loaded.has_stage))

    # -- the search for tissue -----------------------------------------------------------------------------------------

    @Slot(bool)
    def _search_tissue(self, on: bool) -> None:
        if self._search is not None:
            self._search.request()
            self._views.map.set_search("Stopping: the stage goes back …")
            return
        loaded = self._rig.loaded
        if not on or loaded is None or self._run.active:
            self._views.map.set_search("")
            return
        self._rig.stop_live()
        self._search, self._searched = StopToken(), loaded
        self._views.map.set_search("Looking for tissue …")
        work = partial(
            look_for_tissue,
            self._rig.doing,
            loaded,
            self._setup.request,
            self._search,
            self._note_progress,
        )
        self._jobs.submit("rig", work, self._found, self._not_found)

    def _note_progress(self, done: int, whole: int) -> None:
        """Report a field; runs in the worker."""
        self._jobs.post(partial(self._show_progress, done, whole))

    def _show_progress(self, done: int, whole: int) -> None:
        if self._search is not None and not self._search.requested:
            self._views.map.set_search(f"Looking for tissue: {done} of {whole} fields; again to stop.")

    def _found(self, found: Prescan | None) -> None:
        meant = self._search is not None and not self._search.requested
        self._end_search()
        if found is None or not meant:
            self._state.message.emit("info", "The search for tissue was stopped; the stage is where it was.")
            return
        outline = found.outline
        self._views.map.set_outline(outline.points_um)
        self._views.map.view.fit()
        plan = self._setup.request.plan.with_outline(outline.points_um, "prescan", outline.margin_um)
        self._setup.change(plan=plan)
        self._state.message.emit("info", _INSIDE)
        # more than the margin of the edge: something is left out, or may go on
        self._state.message.emit("warning" if len(found.notes) > 1 else "info", " ".join(found.notes))

    def _not_found(self, _sentence: str) -> None:
        self._end_search()

    def _end_search(self) -> None:
        self._search = None
        self._views.map.set_search("")
        self._state.ask_rig(refresh=True)

    # -- the dialog ----------------------------------------------------------------------------------------------------

    def edit_plan(self) -> None:
        """Let the operator choose another plan, save it, or try it dry."""
        loaded, request = self._rig.loaded, self._setup.request
        outlined = loaded is not None and loaded.is_demo and request.specimen != "none"
        has_stage = loaded is None or loaded.has_stage
        has_focus = loaded is None or loaded.has_focus
        dialog = PlanDialog(
            request.plan, outlined=outlined, parent=self._window, has_stage=has_stage, has_focus=has_focus
        )
        dialog.offer_work("" if loaded is not None else "no rig is open")
        dialog.chosen.connect(self._choose_plan)
        dialog.save_asked.connect(partial(self._ask_where_to_save, dialog))
        dialog.check_asked.connect(partial(self._check, dialog))
        dialog.open()

    @Slot(object)
    def _choose_plan(self, plan: PlanChoice) -> None:
        self._setup.choose_plan(plan)
        self._views.map.set_outline(plan.outline_um if plan.uses_outline else ())

    def _ask_where_to_save(self, dialog: PlanDialog, choice: PlanChoice) -> None:
        last = Path(self._setup.request.plan.file)
        folder = last.parent if self._setup.request.plan.file else self._setup.request.out_dir
        suggestion = (folder if folder.is_dir() else Path.home()) / "plan.yaml"

        def save(path: Path) -> None:
            self._work(dialog, choice, partial(save_plan_of, path=path))

        ask_where(dialog, "Save the plan", suggestion, "Plans (*.yaml)", save)

    def _check(self, dialog: PlanDialog, choice: PlanChoice) -> None:
        self._work(dialog, choice, dry_run)

    def _work(self, dialog: PlanDialog, choice: PlanChoice, do: Callable[[LoadedRig, SectionRequest], str]) -> None:
        loaded = self._rig.loaded
        if loaded is None:
            return
        request = replace(self._setup.request, plan=choice)
        dialog.show_result("Working …", bad=False)
        self._jobs.submit(
            "rig", partial(do, loaded, request), partial(_show, dialog, False), partial(_show, dialog, True)
        )


def _show(dialog: PlanDialog, bad: bool, words: str) -> None:
    from shiboken6 import isValid

    if isValid(dialog):
        dialog.show_result(words, bad=bad)

"""The plan of the next section: its outline on the map, the search for tissue, files and dry runs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Slot

from hcc_scope.formatting import counted
from hcc_scope.workers import StopToken
from ui.control.plan_work import dry_run, look_for_tissue, save_plan_of, scan_quickly
from ui.kit.save_dialog import ask_where
from ui.shell.file_dialogs import choose_plan_file
from ui.shell.plan_dialog import PlanDialog

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.runs.prescan import Prescan
    from ui.control.app_state import AppState
    from ui.control.loaded_rig import LoadedRig
    from ui.control.overview import Overview
    from ui.control.plan_preview import PlanPreview
    from ui.control.rig_control import RigControl, RigLight
    from ui.control.run_control import RunControl
    from ui.control.section_request import PlanChoice, SectionRequest
    from ui.control.section_setup import SectionSetup
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["PlanPresenter"]

_T = TypeVar("_T")

_INSIDE = "The fields of the next section lie inside the outline on the map."


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
    preview : PlanPreview
    overview : Overview
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
        preview: PlanPreview,
        overview: Overview,
    ) -> None:
        super().__init__(window)
        self._window, self._views, self._jobs, self._state = window, views, jobs, state
        self._rig, self._run, self._setup = rig, run, setup
        self._preview, self._overview = preview, overview
        self._dialog: PlanDialog | None = None
        self._search: StopToken | None = None
        self._searched: LoadedRig | None = None
        self._rig_name = ""
        views.map.outline_drawn.connect(self._take_outline)
        views.map.tissue_search_requested.connect(self._search_tissue)
        run.phase_changed.connect(self._phase_changed)
        rig.opened.connect(self._rig_opened)
        rig.light_changed.connect(self._light_changed)
        preview.changed.connect(self._show_in_dialog)

    # -- the outline ---------------------------------------------------------------------------------------------------

    @Slot(tuple)
    def _take_outline(self, corners_um: tuple[tuple[float, float], ...]) -> None:
        """Use an outline for the fields of the next section; empty for none."""
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
        self._scan("Looking for tissue", look_for_tissue, self._found, on=on)

    def scan_quickly(self) -> None:
        """Look at the plan's area with a few fields, for an overview; again to stop."""
        self._scan("Scanning quickly", scan_quickly, self._scanned)

    def _scan(self, doing: str, scan: Callable[..., _T], done: Callable[[_T], None], *, on: bool = True) -> None:
        """Begin a scan with a few fields, or stop the one that is under way."""
        if self._search is not None:
            self._search.request()
            self._views.map.set_search("Stopping: the stage goes back …")
            return
        loaded = self._rig.loaded
        if not on or loaded is None or self._run.active:
            self._views.map.set_search("")
            return
        self._rig.stop_live()
        self._preview.wanted.emit()
        self._search, self._searched = StopToken(), loaded
        self._rig.note_scan(True)
        self._views.map.set_search(f"{doing} …")
        progress = partial(self._note_progress, doing)
        work = partial(
            scan, self._rig.doing, loaded, self._setup.request, self._search, progress, self._overview.take_scanned
        )
        self._jobs.submit("rig", work, done, self._not_found)

    def _note_progress(self, doing: str, done: int, whole: int) -> None:
        """Report a field; runs in the worker."""
        self._jobs.post(partial(self._show_progress, doing, done, whole))

    def _show_progress(self, doing: str, done: int, whole: int) -> None:
        if self._search is not None and not self._search.requested:
            self._views.map.set_search(f"{doing}: {done} of {whole} fields; again to stop.")

    def _scanned(self, n_seen: int) -> None:
        whole = self._search is not None and not self._search.requested
        self._end_search()
        end = "" if whole else " The scan was stopped."
        self._state.message.emit("info", f"{counted(n_seen, 'field')} seen, the stage is where it was.{end}")

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
        self._rig.note_scan(False)
        self._views.map.set_search("")
        self._state.ask_rig(refresh=True)

    # -- the dialog ----------------------------------------------------------------------------------------------------

    def edit_plan(self) -> None:
        """Let the operator choose another plan, save it, or try it dry; the map shows what is chosen meanwhile."""
        loaded, request = self._rig.loaded, self._setup.request
        outlined = loaded is not None and loaded.is_demo and request.specimen != "none"
        has_stage = loaded is None or loaded.has_stage
        has_focus = loaded is None or loaded.has_focus
        dialog = PlanDialog(
            request.plan, outlined=outlined, parent=self._window, has_stage=has_stage, has_focus=has_focus
        )
        dialog.offer_work("" if loaded is not None else "no rig is open")
        dialog.chosen.connect(self._choose_plan)
        dialog.proposed.connect(self._preview.propose)
        dialog.save_asked.connect(partial(self._ask_where_to_save, dialog))
        dialog.check_asked.connect(partial(self._check, dialog))
        dialog.finished.connect(self._dialog_closed)
        self._dialog = dialog
        self._preview.wanted.emit()
        self._preview.propose(dialog.choice())
        self._show_in_dialog()
        dialog.open()

    @Slot()
    def _dialog_closed(self) -> None:
        self._dialog = None
        self._preview.propose(None)

    @Slot()
    def _show_in_dialog(self) -> None:
        if self._dialog is not None:
            planned = self._preview.planned
            self._dialog.show_planned(
                "" if planned is None else planned.describe(), bad=bool(planned and planned.problem)
            )

    @Slot(object)
    def _choose_plan(self, plan: PlanChoice) -> None:
        self._setup.choose_plan(plan)

    # -- files ---------------------------------------------------------------------------------------------------------

    def load_plan(self) -> None:
        """Choose a plan file, or a position list of Micro-Manager, as the plan of the next section."""
        choose_plan_file(self._window, self._plan_folder(), self._use_file)

    def _use_file(self, path: str) -> None:
        if not self._run.active:
            self._preview.wanted.emit()
            self._setup.choose_plan(replace(self._setup.request.plan, kind="file", file=path))
            self._preview.refresh()  # the same file may hold another plan now

    def save_plan(self) -> None:
        """Save the plan of the next section as a file."""
        self._save("Save the plan", "plan.yaml", "Plans (*.yaml)")

    def export_positions(self) -> None:
        """Save the fields of the plan of the next section for Micro-Manager."""
        self._save("Export positions", "plan.pos", "Position lists of Micro-Manager (*.pos)")

    def _save(self, title: str, name: str, kind: str) -> None:
        def save(path: Path) -> None:
            loaded = self._rig.loaded
            if loaded is not None:
                work = partial(save_plan_of, loaded, self._setup.request, path=path)
                self._jobs.submit("rig", work, partial(self._state.message.emit, "info"))

        ask_where(self._window, title, self._plan_folder() / name, kind, save)

    def _plan_folder(self) -> Path:
        """Return where the last plan file was, else where sections are stored."""
        file, out_dir = self._setup.request.plan.file, self._setup.request.out_dir
        folder = Path(file).parent if file else out_dir
        return folder if folder.is_dir() else Path.home()

    def _ask_where_to_save(self, dialog: PlanDialog, choice: PlanChoice) -> None:
        suggestion = self._plan_folder() / "plan.yaml"

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

"""Stored sections that go on: unfinished ones are recovered or resumed, and those by hand are continued."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtWidgets import QMessageBox

from hcc_scope.runs.unfinished import describe_unfinished
from ui.control.continued import request_to_continue
from ui.control.resumed import request_to_resume
from ui.kit.dialog_buttons import without_icons
from ui.shell.file_dialogs import choose_folder

if TYPE_CHECKING:
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.unfinished import Unfinished
    from ui.control.app_state import AppState
    from ui.control.recovery import Recovery
    from ui.control.run_control import RunControl
    from ui.control.section_request import SectionRequest
    from ui.control.section_setup import SectionSetup
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow

__all__ = ["ResumePresenter"]


class ResumePresenter(QObject):
    """Finds what is left of stored sections, asks, and takes it.

    Parameters
    ----------
    window : MainWindow
    jobs : Jobs
    state : AppState
    run : RunControl
    setup : SectionSetup
    recovery : Recovery
    """

    def __init__(
        self, window: MainWindow, jobs: Jobs, state: AppState, run: RunControl, setup: SectionSetup, recovery: Recovery
    ) -> None:
        super().__init__(window)
        self._window, self._jobs, self._run, self._setup, self._recovery = window, jobs, run, setup, recovery
        self._rests: dict[str, str] = {}
        """What is offered to be resumed: the name of a store to the notice about it."""
        actions = window.actions_
        actions["recover"].triggered.connect(self.choose_store_to_recover)
        actions["continue"].triggered.connect(self.choose_section_to_continue)
        actions["resume"].triggered.connect(self.choose_section_to_resume)
        recovery.found.connect(self._offer_recovery)
        recovery.recovered.connect(self._look_for_rest)
        state.run_finished.connect(self._run_finished)

    @Slot()
    def choose_store_to_recover(self) -> None:
        """Choose an unfinished store to make valid again."""
        title = "Recover a section (a folder that ends in .ome.zarr)"
        choose_folder(self._window, title, self._setup.request.out_dir, self._recover_one)

    def _recover_one(self, path: str) -> None:
        self.recover([Path(path)])

    @Slot(tuple)
    def _offer_recovery(self, found: tuple[Unfinished, ...]) -> None:
        if not self._run.active:
            offer, do = "Recover", partial(self.recover, [one.path for one in found])
            if len(found) == 1 and found[0].n_left:
                offer, do = "Resume", partial(self.resume_section, str(found[0].path))
                self._rests[found[0].path.name] = describe_unfinished(found)
            self._window.notice.show_notice("warning", describe_unfinished(found), offer, do)

    def recover(self, paths: list[Path]) -> None:
        """Make stores valid again."""
        self._window.notice.show_notice("info", "Recovering …")
        self._recovery.recover(paths)

    @Slot()
    def choose_section_to_continue(self) -> None:
        """Choose a stored section by hand that goes on."""
        title = "Continue a section by hand (a folder that ends in .ome.zarr)"
        choose_folder(self._window, title, self._setup.request.out_dir, self.continue_section)

    def continue_section(self, path: str) -> None:
        """Begin to add fields to a stored section, with its ids, plan, model and engine."""
        ask = partial(request_to_continue, Path(path), self._setup.request)
        self._jobs.submit("disk", ask, self._continue)

    def _continue(self, request: SectionRequest) -> None:
        if self._window.actions_["continue"].isEnabled():
            self._window.show_welcome(False)
            self._window.top.animal.set_value(request.animal_id)
            self._window.top.section.set_value(request.section_id)
            self._setup.change(plan=request.plan)
            self._run.start(request)

    @Slot()
    def choose_section_to_resume(self) -> None:
        """Choose a stored section of whose plan fields are left."""
        title = "Resume a section (a folder that ends in .ome.zarr)"
        choose_folder(self._window, title, self._setup.request.out_dir, self.resume_section)

    def resume_section(self, path: str) -> None:
        """Look what is left of a stored section, show it, and take it if the operator agrees."""
        actions = self._window.actions_
        if actions["resume"].isEnabled():
            ask = partial(request_to_resume, Path(path), self._setup.request)
            busy = f"Checking every stored frame of {Path(path).name} …"  # takes long on a slow disk
            self._window.notice.show_notice("info", busy)
            self._jobs.submit("disk", ask, partial(self._ask_to_resume, busy), partial(self._not_to_resume, busy))
        else:
            words = f"{Path(path).name} cannot be resumed yet: {actions.why_not('resume')}."
            self._window.notice.show_notice("info", words, "Resume", partial(self.resume_section, path))

    def _not_to_resume(self, busy: str, _why: str) -> None:
        self._window.notice.withdraw(busy)

    def _ask_to_resume(self, busy: str, resumed: tuple[SectionRequest, str]) -> None:
        from hcc_scope.runs.resumed_section import SAME_PLACE

        self._window.notice.withdraw(busy)
        request, left = resumed
        box = QMessageBox(QMessageBox.Icon.Question, "Resume a section", left, parent=self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setInformativeText(
            "The plan goes on in the same store, at the places that were drawn, with the model, exposure and dark and "
            f"flat fields of its first part. {SAME_PLACE}"
        )
        go_on = box.addButton("Resume", QMessageBox.ButtonRole.AcceptRole)
        go_on.clicked.connect(partial(self._resume, request))
        box.setDefaultButton(go_on)
        box.setEscapeButton(box.addButton(QMessageBox.StandardButton.Cancel))
        without_icons(box)
        box.open()

    def _resume(self, request: SectionRequest, _checked: bool = False) -> None:
        if self._window.actions_["resume"].isEnabled():
            self._window.show_welcome(False)
            if request.resumes is not None:
                self._window.notice.withdraw(self._rests.pop(request.resumes.name, ""))
            self._run.start(request)

    @Slot(object)
    def _run_finished(self, report: SectionReport) -> None:
        if report.store is not None and report.outcome.state != "completed" and not self._run.importing:
            self._look_for_rest(Path(report.store))

    @Slot(object)
    def _look_for_rest(self, path: Path) -> None:
        """Look in the background whether a stored section has fields left, and offer to take them."""
        self._jobs.submit("disk", partial(_what_is_left, path), partial(self._offer_resume, path))

    def _offer_resume(self, path: Path, left: str) -> None:
        if left and not self._run.active:
            self._rests[path.name] = left
            self._window.notice.show_notice("info", left, "Resume", partial(self.resume_section, str(path)))


def _what_is_left(path: Path) -> str:
    """Return how many fields of a stored section are left, as a sentence; empty if its plan cannot go on."""
    from hcc_scope.runs.resumed_section import rest_of
    from hcc_scope.storage.reader import open_store

    section = rest_of(open_store(path))
    return "" if section is None or not section.n_left else section.describe()

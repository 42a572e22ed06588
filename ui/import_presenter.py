"""Images of other programs: chosen in a dialog or dropped on the window, and imported as a section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from ui.control.section_request import next_id
from ui.replay.store_list import our_stores_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.runs.import_section import ImportRequest
    from ui.control.app_state import AppState
    from ui.control.run_control import RunControl
    from ui.control.section_setup import SectionSetup
    from ui.kit.jobs import Jobs
    from ui.shell.import_dialog import ImportDialog
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["ImportPresenter"]


class ImportPresenter(QObject):
    """Opens the dialog, starts the import, and opens stores that were dropped on the window.

    Parameters
    ----------
    window : MainWindow
    views : Views
    jobs : Jobs
    state : AppState
    run : RunControl
    setup : SectionSetup
        Ids, folder, model and engine to begin with.
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        jobs: Jobs,
        state: AppState,
        run: RunControl,
        setup: SectionSetup,
    ) -> None:
        super().__init__(window)
        self._window, self._views, self._jobs = window, views, jobs
        self._state, self._run, self._setup = state, run, setup
        self.dialog: ImportDialog | None = None
        """Open, or put aside while the import begins."""
        window.actions_["import"].triggered.connect(self._choose)
        window.dropped.connect(self._take_dropped)
        window.close_asked.connect(self._close)
        state.run_started.connect(self._begun)

    @Slot()
    def _choose(self) -> None:
        self.open(())

    @Slot(list)
    def _take_dropped(self, paths: list[Path]) -> None:
        """Open the stores of this program among what was dropped, and offer to import the rest."""
        images = []
        for path in paths:
            stores = our_stores_in(path)
            for store in stores:
                self._views.open_store(store)
            if not stores:
                images.append(path)
        if images:
            self.open(images)

    def open(self, sources: Sequence[Path]) -> None:
        """Open the dialog with these sources, or add them to the one that is open."""
        actions = self._window.actions_
        if not actions["import"].isEnabled():
            self._state.message.emit("info", f"Nothing is imported now: {actions.why_not('import')}.")
            return
        if self.dialog is None:
            from ui.shell.import_dialog import ImportDialog  # with the readers of all formats

            request = self._setup.request
            ids = request.animal_id, request.section_id
            self.dialog = ImportDialog(self._jobs, *ids, request.out_dir, self._window)
            self.dialog.import_asked.connect(self._start)
            self.dialog.rejected.connect(self._close)
        if sources:
            self.dialog.add(sources)
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()

    @Slot(object)
    def _start(self, request: ImportRequest) -> None:
        if self.dialog is None or not self._window.actions_["import"].isEnabled():
            return
        self.dialog.hide()
        self._window.show_welcome(False)
        self._run.start_import(request, self._setup.request.model, self._setup.request.engine, self._refused)

    def _refused(self, _sentence: str) -> None:
        """Show the choices again; a message states what is wrong."""
        if self.dialog is not None:
            self.dialog.show()

    @Slot()
    def _begun(self) -> None:
        if self.dialog is not None and self._run.importing:
            if self._setup.request.section_id == self.dialog.section.text().strip():
                self._setup.change(section_id=next_id(self._setup.request.section_id))
            self._close()
            self._views.show_live()

    @Slot()
    def _close(self) -> None:
        if self.dialog is not None:
            self.dialog.close()
            self.dialog.deleteLater()
            self.dialog = None

"""Export stored sections for other programs: from the menu File, and from the library."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from hcc_scope.runs.export_sections import SectionExport, describe_exported
from hcc_scope.workers import Failure, attempt
from ui.kit.error_report import describe
from ui.shell.export_dialog import ExportDialog
from ui.shell.file_dialogs import choose_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.runs.export_sections import ExportedSection
    from ui.control.app_state import AppState
    from ui.control.replay_focus import ReplayFocus
    from ui.control.run_control import RunControl
    from ui.control.section_setup import SectionSetup
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["ExportPresenter"]

_POLL_MS = 200


class ExportPresenter(QObject):
    """Opens the dialog, and runs what it asks for on a worker of its own.

    An export waits while a section is under way: disk and processor belong to the camera then.

    Parameters
    ----------
    window : MainWindow
    views : Views
    jobs : Jobs
    state : AppState
    run : RunControl
    setup : SectionSetup
    focus : ReplayFocus
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        jobs: Jobs,
        state: AppState,
        run: RunControl,
        setup: SectionSetup,
        focus: ReplayFocus,
    ) -> None:
        super().__init__(window)
        self._window, self._views, self._jobs, self._state = window, views, jobs, state
        self._run, self._setup, self._focus = run, setup, focus
        self._dialog: ExportDialog | None = None
        self._stores: list[Path] = []
        self._export: SectionExport | None = None
        self._poll = QTimer(self, interval=_POLL_MS)
        self._poll.timeout.connect(self._show_progress)
        window.actions_["export"].triggered.connect(self._ask)
        window.close_asked.connect(self._close)
        run.phase_changed.connect(self._follow_run)

    @property
    def dialog(self) -> ExportDialog | None:
        """The dialog that is open, if any."""
        return self._dialog

    @Slot()
    def _ask(self) -> None:
        """Export the section that Replay shows, else the one that ended last, else one that is chosen now."""
        shown = self._views.replay.opened if self._focus.on else None
        store = self._run.last_store if shown is None else shown.path
        if store is not None:
            self.ask([store])
            return
        title = "Export a section (a folder that ends in .ome.zarr)"
        choose_folder(self._window, title, self._setup.request.out_dir, self._ask_one)

    @Slot(str)
    def _ask_one(self, path: str) -> None:
        self.ask([Path(path)])

    def ask(self, stores: Sequence[Path]) -> None:
        """Ask what is written of some sections; while an export is under way, that is shown."""
        if self._dialog is not None and self._dialog.busy and list(stores) != self._stores:
            self._state.message.emit("warning", self._dialog.set_waiting(stores))
        if self._dialog is not None and not self._dialog.busy:
            self._dialog.end()
        if self._dialog is None:
            self._dialog = ExportDialog(stores, self._window)
            self._dialog.asked.connect(self._begin)
            self._dialog.cancel_asked.connect(self.cancel)
            self._dialog.finished.connect(self._closed)
            self._stores = list(stores)
        self._dialog.show()  # not modal: the emergency stop has to stay in reach
        self._dialog.raise_()
        self._dialog.activateWindow()

    @Slot()
    def _closed(self) -> None:
        if self._dialog is not None:
            self._dialog.deleteLater()
        self._dialog = None

    @Slot(list, object, dict)
    def _begin(self, kinds: list[str], folder: Path | None, options: dict[str, str]) -> None:
        if self._export is not None or self._dialog is None:
            return
        export = attempt(partial(SectionExport, self._stores, kinds, out_dir=folder, options=options))
        if isinstance(export, Failure):
            self._dialog.set_problem(describe(export.error).sentence)
            return
        self._export = export
        self._follow_run()
        self._dialog.set_begun()
        self._jobs.submit("export", partial(_checked_run, self._export), self._ended, self._failed)
        self._poll.start()

    @Slot()
    def _follow_run(self) -> None:
        if self._export is None:
            return
        if self._run.active:
            self._export.hold()
        else:
            self._export.go_on()

    @Slot()
    def _show_progress(self) -> None:
        export = self._export
        if self._dialog is not None and export is not None:
            self._dialog.set_progress(export.progress(), held=export.held, ending=export.cancelled)

    def _ended(self, found: list[ExportedSection]) -> None:
        for one in found:
            self._state.message.emit("error" if one.error is not None else "debug", one.describe())
        words, account = describe_exported(found), "\n".join(one.describe() for one in found)
        self._state.message.emit("info", words)
        written = next((one.outcome.path for one in found if one.outcome is not None), None)
        self._end(words, account, written)

    def _failed(self, sentence: str) -> None:
        self._end(sentence)

    def _end(self, words: str, account: str = "", written: Path | None = None) -> None:
        self._export = None
        self._poll.stop()
        if self._dialog is not None:
            self._dialog.set_ended(words, account, written)

    @Slot()
    def cancel(self) -> None:
        """End early what is under way; what is whole stays."""
        if self._export is not None:
            self._export.cancel()
            self._show_progress()

    @Slot()
    def _close(self) -> None:
        """Close the dialog before the window closes, unless an export is under way: that goes on until then."""
        if self._dialog is not None and not self._dialog.busy:
            self._dialog.end()

    def end(self) -> None:
        """End everything when the window has closed; what is half-made is removed."""
        self.cancel()
        self._poll.stop()
        if self._dialog is not None:
            self._dialog.end()


def _checked_run(export: SectionExport) -> list[ExportedSection]:
    export.check()
    return export.run()

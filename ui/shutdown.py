"""The end: ask if a section or a report is under way, finish it, close the rig, write the settings, close the window.

Each step comes back by a signal; the window stays alive and shows what it waits for. A second wish to close it
meanwhile brings the question again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QMessageBox

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.control.app_state import AppState
    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.control.settings_store import SettingsStore
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow

__all__ = ["Shutdown"]

PATIENCE_MS = 15_000
"""Time that the rig may take to close; a device that hangs must not keep the window open."""
_POLL_MS = 100
_ASKED_FOR: dict[str, str] = {
    "report": "A report or a manifest is being written.",
    "export": "Sections are being exported.",
    "replay": "Sections are being classified again.",
    "library": "The chosen sections are being read.",
}
"""What a person waits for, by the worker that does it."""


class Shutdown(QObject):
    """Closes the window in order.

    Parameters
    ----------
    window : MainWindow
    jobs : Jobs
    state : AppState
    rig : RigControl
    run : RunControl
    settings_store : SettingsStore
    """

    def __init__(
        self,
        window: MainWindow,
        jobs: Jobs,
        state: AppState,
        rig: RigControl,
        run: RunControl,
        settings_store: SettingsStore,
    ) -> None:
        super().__init__(window)
        self._window, self._jobs, self._state = window, jobs, state
        self._rig, self._run, self._settings_store = rig, run, settings_store
        self._wanted = False
        self._left = self._writing = self._given_up = False
        self._box: QMessageBox | None = None
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._write)
        self._poll = QTimer(self)
        self._poll.setInterval(_POLL_MS)
        self._poll.timeout.connect(self._go_on)
        window.close_asked.connect(self.ask)
        run.phase_changed.connect(self._go_on)
        rig.closed.connect(self._rig_closed)
        rig.kept.connect(self._rig_closed)
        rig.opened.connect(self._rig_closed)  # a rig that was loading is closed as soon as it is open

    @property
    def wanted(self) -> bool:
        """Whether the window is to be closed."""
        return self._wanted

    @property
    def question(self) -> QMessageBox | None:
        """The question that is shown, if any."""
        return self._box

    @property
    def under_way(self) -> str:
        """What is under way beside a section, as a sentence; empty if nothing is that a person waits for."""
        return next((words for worker, words in _ASKED_FOR.items() if self._jobs.has_work(worker)), "")

    @Slot()
    def ask(self) -> None:
        """Close, after a question if a section is under way, or what else the operator asked for."""
        if self._left or self._box is not None:
            return
        if self._run.active:
            self._ask_about_section(again=self._wanted)
        elif self.under_way:
            self._ask_about_work(again=self._wanted)
        else:
            self._finish()

    def _ask_about_work(self, *, again: bool) -> None:
        self._ask(
            self.under_way,
            "If you close now, it is not finished. Stored sections stay as they are.",
            "Wait until it is done, then close",
            ("Close without it", self._leave_undone),
            again=again,
        )

    def _ask_about_section(self, *, again: bool) -> None:
        self._ask(
            "The section is being finished: what was taken is stored and classified."
            if again
            else "A section is being acquired.",
            "Every frame that was taken is stored, whatever you choose.",
            "End the section, classify what was taken, then close",
            ("Close without classifying the rest", self._skip_analysis),
            again=again,
        )

    def _ask(
        self, text: str, detail: str, finishing: str, leave: tuple[str, Callable[[], None]], *, again: bool
    ) -> None:
        """Ask whether to finish, to leave something undone, or to stay: that is the default, and Escape."""
        box = QMessageBox(QMessageBox.Icon.Question, "Close HCC-Scope", text, parent=self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setInformativeText(detail)
        if not again:
            finish = box.addButton("Finish and close", QMessageBox.ButtonRole.AcceptRole)
            finish.clicked.connect(self._finish)
            finish.setToolTip(finishing)
        leave_text, leave_undone = leave
        box.addButton(leave_text, QMessageBox.ButtonRole.DestructiveRole).clicked.connect(leave_undone)
        stay = box.addButton("Wait" if again else "Keep on", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(stay)
        box.setEscapeButton(stay)
        box.finished.connect(self._answered)
        self._box = box
        box.open()

    def finish_or_skip_analysis(self) -> None:
        """Close without a question: finish what is under way, and the second time leave it undone."""
        if not self._wanted:
            self._finish()
        elif self._run.active:
            self._skip_analysis()
        else:
            self._leave_undone()

    @Slot()
    def _answered(self) -> None:
        self._box = None

    @Slot()
    def _finish(self) -> None:
        self._wanted = True
        self._run.stop()
        self._go_on()

    @Slot()
    def _skip_analysis(self) -> None:
        self._wanted = True
        self._run.skip_analysis()
        self._go_on()

    @Slot()
    def _leave_undone(self) -> None:
        self._wanted = self._given_up = True
        self._go_on()

    @Slot()
    def _go_on(self) -> None:
        if not self._wanted or self._left:
            return
        if self._run.active:
            self._poll.stop()
            self._window.notice.show_notice("info", "Finishing the section; the window closes when it is done.")
            return
        if self.under_way and not self._given_up:
            if not self._poll.isActive():
                self._window.notice.show_notice("info", f"{self.under_way} The window closes when it is done.")
                self._poll.start()
            return
        self._poll.stop()
        self._left = True
        if self._box is not None:
            self._box.close()
        geometry, layout = self._window.packed_layout()
        self._settings_store.change(geometry=geometry, layout=layout)
        self._window.setEnabled(False)
        self._window.notice.show_last("Closing the rig …")
        self._patience.start()
        if self._rig.busy:
            return  # `_rig_closed` follows when it is opened or closed
        self._rig.close()

    @Slot()
    def _rig_closed(self) -> None:
        """Go on, once the rig is neither being opened nor being closed."""
        if not self._left or self._writing:
            return
        if self._rig.loaded is not None:
            self._rig.close()
        else:
            self._write()

    @Slot()
    def _write(self) -> None:
        if self._writing:
            return
        self._writing = True
        self._patience.stop()
        self._settings_store.save(self._finish_closing)

    def _finish_closing(self) -> None:
        self._state.end()
        self._window.allow_close()
        self._window.close()

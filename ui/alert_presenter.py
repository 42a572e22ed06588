"""Alert the operator when a section ends, pauses by itself or meets an error; the switches and numbers for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtWidgets import QInputDialog, QSpinBox

from hcc_scope.formatting import capital, full_stop
from hcc_scope.session.bad_fields import PAUSE_AFTER_MOST
from ui.control.run_control import describe_end
from ui.kit.dialog_buttons import without_icons
from ui.shell.alerts import Alerts
from ui.shell.messages import Message

if TYPE_CHECKING:
    from hcc_scope.report.summary import SectionReport
    from ui.control.app_state import AppState
    from ui.control.run_control import RunControl
    from ui.control.section_setup import SectionSetup
    from ui.control.settings_store import SettingsStore
    from ui.kit.error_report import ErrorReport
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow

__all__ = ["AlertPresenter"]


class AlertPresenter(QObject):
    """Connects what happens to a section with sound and notification.

    Parameters
    ----------
    window : MainWindow
    jobs : Jobs
        Whose errors during a section are heard.
    state : AppState
    run : RunControl
    setup : SectionSetup
        Holds after how many bad fields a section pauses.
    settings_store : SettingsStore
        Remembers the switches.
    """

    def __init__(
        self,
        window: MainWindow,
        jobs: Jobs,
        state: AppState,
        run: RunControl,
        setup: SectionSetup,
        settings_store: SettingsStore,
    ) -> None:
        super().__init__(window)
        self._window, self._run = window, run
        self._setup, self._settings_store = setup, settings_store
        self._dialog: QInputDialog | None = None
        self.alerts = Alerts(window)
        self.alerts.unavailable.connect(self._state_unavailable)
        actions, settings = window.actions_, settings_store.settings
        actions["alert_sound"].setChecked(settings.alert_sound)
        actions["notifications"].setChecked(settings.notifications)
        for name in ("alert_sound", "notifications"):
            actions[name].triggered.connect(self._choose)
        actions["pause_after"].triggered.connect(self._ask_pause_after)
        self._apply()
        run.paused_by_itself.connect(self._paused)
        state.run_finished.connect(self._finished)
        state.finish_failed.connect(self._not_finished)
        jobs.error_reported.connect(self._error)
        window.close_asked.connect(self._close_dialog)

    # -- what happens --------------------------------------------------------------------------------------------------

    @Slot(str)
    def _paused(self, why: str) -> None:
        self.alerts.show_alert("warning", "The section is paused", full_stop(capital(why.removeprefix("paused: "))))

    @Slot(object)
    def _finished(self, report: SectionReport) -> None:
        level, words = describe_end(report)
        title = "The section failed" if level == "error" else "The section has ended"
        self.alerts.show_alert("error" if level == "error" else "info", title, words)

    @Slot()
    def _not_finished(self) -> None:
        self.alerts.show_alert("error", "The section could not be finished", "The messages in the window state why.")

    @Slot(object)
    def _error(self, report: ErrorReport) -> None:
        """Alert on what goes wrong during a section; at other times the operator is at the window."""
        if self._run.phase in ("running", "paused", "stopping", "analysis_skipped"):
            self.alerts.show_alert("error", "An error during the section", report.sentence)

    # -- switches ------------------------------------------------------------------------------------------------------

    @Slot()
    def _choose(self) -> None:
        actions = self._window.actions_
        self._settings_store.change(
            alert_sound=actions["alert_sound"].isChecked(), notifications=actions["notifications"].isChecked()
        )
        self._apply()

    def _apply(self) -> None:
        settings = self._settings_store.settings
        self.alerts.sound, self.alerts.notifies = settings.alert_sound, settings.notifications

    @Slot(str)
    def _state_unavailable(self, words: str) -> None:
        """State once, in the messages and at the switch, that there are no notifications; how a section ended stays."""
        self._window.messages.add(Message("info", words, source="desktop"))
        self._window.actions_.enable("notifications", "this desktop has no notification area")

    # -- bad fields ----------------------------------------------------------------------------------------------------

    @Slot()
    def _ask_pause_after(self) -> None:
        """Ask after how many bad fields a section pauses, in a dialog that leaves the emergency stop in reach."""
        if self._dialog is not None:
            self._dialog.raise_()
            self._dialog.activateWindow()
            return
        dialog = self._dialog = QInputDialog(self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Pause after bad fields")
        dialog.setInputMode(QInputDialog.InputMode.IntInput)
        dialog.setLabelText(
            "Pause the next section after this many fields in a row that are out of focus, without tissue,\n"
            "saturated or too dark (0: never)"
        )
        dialog.setIntRange(0, PAUSE_AFTER_MOST)
        dialog.setIntValue(self._setup.request.pause_after)
        dialog.intValueSelected.connect(self._setup.choose_pause_after)
        dialog.finished.connect(self._dialog_closed)
        dialog.show()
        without_icons(dialog)
        for field in dialog.findChildren(QSpinBox):
            field.setAccessibleName("Bad fields in a row before a pause")

    @Slot()
    def _dialog_closed(self) -> None:
        self._dialog = None

    @Slot()
    def _close_dialog(self) -> None:
        if self._dialog is not None:
            self._dialog.reject()

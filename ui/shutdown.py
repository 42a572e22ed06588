"""The end: ask if a section is under way, finish it, close the rig, write the settings, then close the window.

Each step comes back by a signal; the window stays alive and shows what it waits for. A second wish to close it
meanwhile brings the question again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QMessageBox

if TYPE_CHECKING:
    from ui.control.app_state import AppState
    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.control.settings_store import SettingsStore
    from ui.shell.main_window import MainWindow

__all__ = ["Shutdown"]

PATIENCE_MS = 15_000
"""Time that the rig may take to close; a device that hangs must not keep the window open."""


class Shutdown(QObject):
    """Closes the window in order.

    Parameters
    ----------
    window : MainWindow
    state : AppState
    rig : RigControl
    run : RunControl
    settings_store : SettingsStore
    """

    def __init__(
        self, window: MainWindow, state: AppState, rig: RigControl, run: RunControl, settings_store: SettingsStore
    ) -> None:
        super().__init__(window)
        self._window, self._state = window, state
        self._rig, self._run, self._settings_store = rig, run, settings_store
        self._wanted = False
        self._left = self._writing = False
        self._box: QMessageBox | None = None
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._write)
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

    @Slot()
    def ask(self) -> None:
        """Close, after a question if a section is under way."""
        if self._left or self._box is not None:
            return
        if not self._run.active:
            self._wanted = True
            self._go_on()
            return
        again = self._wanted
        text = (
            "The section is being finished: what was taken is stored and classified."
            if again
            else "A section is being acquired."
        )
        box = QMessageBox(QMessageBox.Icon.Question, "Close HCC-Scope", text, parent=self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setInformativeText("Every frame that was taken is stored, whatever you choose.")
        if not again:
            finish = box.addButton("Finish and close", QMessageBox.ButtonRole.AcceptRole)
            finish.clicked.connect(self._finish)
            finish.setToolTip("End the section, classify what was taken, then close")
        skip_analysis = box.addButton("Close without classifying the rest", QMessageBox.ButtonRole.DestructiveRole)
        skip_analysis.clicked.connect(self._skip_analysis)
        stay = box.addButton("Wait" if again else "Keep on", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(stay)
        box.setEscapeButton(stay)
        box.finished.connect(self._answered)
        self._box = box
        box.open()

    def finish_or_skip_analysis(self) -> None:
        """Close without a question: finish the section, and the second time without classifying the rest."""
        if self._wanted:
            self._skip_analysis()
        else:
            self._finish()

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
    def _go_on(self) -> None:
        if not self._wanted or self._left:
            return
        if self._run.active:
            self._window.notice.show_notice("info", "Finishing the section; the window closes when it is done.")
            return
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

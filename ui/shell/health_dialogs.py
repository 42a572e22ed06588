"""Opens the dialogs about the health of computer and microscope, one of each at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ui.shell.doctor_dialog import DoctorDialog
from ui.shell.qc_dialog import QcDialog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QDialog

    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow

__all__ = ["HealthDialogs"]


class HealthDialogs:
    """The two dialogs.

    Parameters
    ----------
    window : MainWindow
    jobs : Jobs
    """

    def __init__(self, window: MainWindow, jobs: Jobs) -> None:
        self._window, self._jobs = window, jobs
        self._open: dict[str, QDialog] = {}

    def show_charts(self, out_dir: Path) -> None:
        """Show the control charts of the sections in a folder."""
        self._show("charts", lambda: QcDialog(out_dir, self._jobs, self._window))

    def examine(self, out_dir: Path, rigs: Sequence[str]) -> None:
        """Offer to examine this computer, and one of some rigs."""
        self._show("doctor", lambda: DoctorDialog(out_dir, rigs, self._jobs, self._window.theme, self._window))

    def _show(self, name: str, make: Callable[[], QDialog]) -> None:
        dialog = self._open.get(name)
        if dialog is None:
            dialog = self._open[name] = make()
            dialog.finished.connect(partial(self._closed, name))
        dialog.show()  # not modal: the emergency stop has to stay in reach
        dialog.raise_()
        dialog.activateWindow()

    def _closed(self, name: str, _code: int) -> None:
        self._open.pop(name, None)

    def close(self) -> None:
        """Close them."""
        for dialog in list(self._open.values()):
            dialog.close()

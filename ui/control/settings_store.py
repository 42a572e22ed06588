"""The settings while the app runs: a change applies immediately and is written a moment later."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hcc_scope.errors import StoreUnwritableError
from ui.control.settings import Settings, save_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ui.kit.jobs import Jobs

__all__ = ["SettingsStore"]

DELAY_MS = 1000


class SettingsStore(QObject):
    """Holds the settings and writes their changes.

    Parameters
    ----------
    settings : Settings
        As they were read.
    folder : Path
        Where they are written.
    jobs : Jobs
    parent : QObject, optional
    """

    changed = Signal(Settings)
    """The new settings."""

    def __init__(self, settings: Settings, folder: Path, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = settings
        self._folder = folder
        self._jobs = jobs
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self._save_soon)

    def change(self, **values: object) -> None:
        """Change some settings, by name; they are written a moment later."""
        changed = self.settings.model_copy(update=values)
        if changed != self.settings:
            self.settings = changed
            self._timer.start()
            self.changed.emit(changed)

    @Slot()
    def _save_soon(self) -> None:
        self.save()

    def save(self, then: Callable[[], None] | None = None) -> None:
        """Write the settings in the background; `then` follows, whether or not that worked."""
        self._timer.stop()
        follow = (lambda _=None: None) if then is None else (lambda _=None: then())
        self._jobs.submit("disk", partial(_save, self.settings, self._folder), follow, follow)


def _save(settings: Settings, folder: Path) -> None:
    try:
        save_settings(settings, folder)
    except OSError as error:
        raise StoreUnwritableError(
            f"the settings cannot be written to {folder}: {error.strerror or error}",
            hint="They hold until the window is closed.",
        ) from error

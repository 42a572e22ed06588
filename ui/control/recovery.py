"""Look for sections whose run never ended, and make their stores valid again, in the background."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from hcc_scope.runs.unfinished import find_unfinished, recover_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.runs.unfinished import Unfinished
    from ui.control.app_state import AppState
    from ui.control.section_setup import SectionSetup
    from ui.control.settings_store import SettingsStore
    from ui.kit.jobs import Jobs

__all__ = ["Recovery"]


class Recovery(QObject):
    """Finds and recovers unfinished stores.

    Parameters
    ----------
    jobs : Jobs
    state : AppState
        Gets a message about each recovered store.
    setup : SectionSetup
        Its folder is looked into.
    settings_store : SettingsStore
        The folders of its recent stores are looked into.
    parent : QObject, optional
    """

    found = Signal(tuple)
    """The unfinished stores, each a `hcc_scope.runs.unfinished.Unfinished`; not emitted if there are none."""

    recovered = Signal(object)
    """The path of a store that was recovered alone."""

    def __init__(
        self,
        jobs: Jobs,
        state: AppState,
        setup: SectionSetup,
        settings_store: SettingsStore,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._jobs, self._state = jobs, state
        self._setup, self._settings_store = setup, settings_store

    def look(self) -> None:
        """Look into the folder for new sections and those of recent stores; comes back by `found`."""
        recent = (Path(store).parent for store in self._settings_store.settings.recent_stores)
        folders = dict.fromkeys([self._setup.request.out_dir, *recent])
        self._jobs.submit("disk", partial(find_unfinished, folders), self._take_found)

    def _take_found(self, found: list[Unfinished]) -> None:
        if found:
            self.found.emit(tuple(found))

    def recover(self, paths: list[Path], then: Callable[[], None] = lambda: None) -> None:
        """Make stores valid again; comes back by messages, and `then` follows."""
        done = partial(self._recovered, paths, then)
        self._jobs.submit("disk", partial(recover_all, paths), done, partial(_follow, then))

    def _recovered(self, paths: list[Path], then: Callable[[], None], sentences: list[str]) -> None:
        for sentence in sentences:
            self._state.message.emit("info", sentence)
        then()
        if len(paths) == 1:
            self.recovered.emit(paths[0])


def _follow(then: Callable[[], None], _why: str) -> None:
    then()

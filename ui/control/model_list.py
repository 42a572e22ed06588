"""The models that the window offers: shipped ones, those in the user's models folder, and folders that were added.

Cards are read in the worker ``models``: a folder on a slow or vanished network drive keeps nothing else waiting.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject, Signal

from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import counted
from hcc_scope.inference.catalogue import (
    CardCache,
    ModelEntry,
    find_model,
    list_models,
    shipped_names,
    user_models_dir,
)
from hcc_scope.resources import models_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ui.control.settings_store import SettingsStore
    from ui.kit.jobs import Jobs

__all__ = ["WORKER", "ModelList", "distinct_titles", "remembered_model"]

WORKER = "models"


class _Read(NamedTuple):
    entries: tuple[ModelEntry, ...]
    asked: str
    """The model that was chosen when the list was asked for."""
    chosen: str
    """What the chosen model is called in the list; another spelling of its path counts as the same."""


def remembered_model(chosen: str) -> str:
    """Return the model that is chosen at the start: the remembered one, else the first that is shipped."""
    return chosen or next(iter(shipped_names()), "")


def distinct_titles(entries: Sequence[ModelEntry]) -> list[str]:
    """Return the titles of some models, with the folder where two have the same."""
    titles = Counter(one.title for one in entries)
    return [
        one.title if titles[one.title] == 1 or one.origin == "shipped" else f"{one.title} ({one.folder})"
        for one in entries
    ]


class ModelList(QObject):
    """Reads the list, adds to it and removes from it. It never touches a model's files.

    Parameters
    ----------
    jobs : Jobs
    settings_store : SettingsStore
        Remembers the folders that were added.
    parent : QObject, optional
    first : Path, optional
        A model's folder: it is added, and chosen.
    """

    changed = Signal()
    """`entries` were read again."""
    added = Signal(str)
    """The reference of a model that was added."""
    removed = Signal(str)
    """Which folder is not listed any more, as a sentence."""

    def __init__(
        self,
        jobs: Jobs,
        settings_store: SettingsStore,
        parent: QObject | None = None,
        *,
        first: Path | None = None,
    ) -> None:
        super().__init__(parent)
        self._jobs, self._settings_store = jobs, settings_store
        self.entries: tuple[ModelEntry, ...] = ()
        """In the order of the list; empty until it is read for the first time."""
        self.chosen = remembered_model(settings_store.settings.model)
        """The reference of the model that sections use."""
        self.cards = CardCache()
        """Used in the worker ``models`` only."""
        self._reading = self._read_again = False
        self._just_added: Path | None = None
        if first is not None:
            self._remember(first)
            self.choose(first.name if first.parent == models_dir() else str(first.absolute()))

    def find(self, reference: str) -> ModelEntry | None:
        """Return the model that is called so in the list, or None."""
        return next((one for one in self.entries if one.reference == reference), None)

    def choose(self, reference: str) -> None:
        """Take the model that sections use, and remember it."""
        if reference and reference != self.chosen:
            self.chosen = reference
            self._settings_store.change(model=reference)

    # -- read ----------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the list again in the background; comes back by `changed`."""
        if self._reading:
            self._read_again = True
            return
        self._reading = True
        folders = self._settings_store.settings.model_folders
        self._jobs.submit(WORKER, partial(_read, folders, self.chosen, self.cards), self._take, self._miss)

    def _take(self, read: _Read) -> None:
        self._reading = False
        self.entries = read.entries
        if self.chosen == read.asked:  # else another one was chosen meanwhile
            self.choose(read.chosen)
        self.changed.emit()
        self._signal_added()
        self._go_on()

    def _miss(self, _sentence: str) -> None:
        self._reading = False
        self._go_on()

    def _go_on(self) -> None:
        if self._read_again:
            self._read_again = False
            self.refresh()

    def _signal_added(self) -> None:
        folder = self._just_added
        found = None if folder is None else next((one for one in self.entries if _is_of(one, folder)), None)
        if found is not None:
            self._just_added = None
            self.added.emit(found.reference)

    # -- add and remove ------------------------------------------------------------------------------------------------

    def add(self, folder: Path) -> None:
        """Add a model, a training run's model, or a folder of models; comes back by `added`, or by a message."""
        self._jobs.submit(WORKER, partial(_to_add, folder), self._add)

    def _add(self, folder: Path) -> None:
        self._just_added = folder
        self._remember(folder)
        self.refresh()

    def _remember(self, folder: Path) -> None:
        """Remember a folder that is listed by its path alone."""
        folder = folder.absolute()
        folders = self._settings_store.settings.model_folders
        if folder.parent not in (models_dir(), user_models_dir()) and str(folder) not in folders:
            self._settings_store.change(model_folders=(*folders, str(folder)))

    def why_not_removable(self, entry: ModelEntry | None) -> str:
        """Return why a model cannot be removed from the list, as text; empty if it can."""
        if entry is None:
            return "no model is selected"
        if entry.origin == "shipped":
            return "it travels with the program"
        if entry.origin == "user":
            return f"it lies in the models folder {entry.folder.parent}: move its folder elsewhere"
        if any(one.reference == self.chosen for one in self._added_with(entry)):
            return "sections use it: choose another model for them first"
        return ""

    def remove(self, entry: ModelEntry) -> None:
        """Remove a model from the list, with all that were added with it; the files stay as they are."""
        if self.why_not_removable(entry) or entry.added_as is None:
            return
        gone = str(entry.added_as)
        n = len(self._added_with(entry))
        folders = self._settings_store.settings.model_folders
        self._settings_store.change(model_folders=tuple(one for one in folders if one != gone))
        what = f"The model {entry.title} is" if n == 1 else f"{counted(n, 'model')} of {gone} are"
        self.removed.emit(f"{what} not listed any more. No file was changed.")
        self.refresh()

    def _added_with(self, entry: ModelEntry) -> list[ModelEntry]:
        return [one for one in self.entries if one.added_as is not None and one.added_as == entry.added_as]


def _is_of(entry: ModelEntry, folder: Path) -> bool:
    return folder in (entry.folder, entry.added_as)


# -- in the worker -----------------------------------------------------------------------------------------------------


def _to_add(folder: Path) -> Path:
    from hcc_scope.runs.model_folders import folder_to_add

    return folder_to_add(folder)


def _read(folders: tuple[str, ...], chosen: str, cards: CardCache) -> _Read:
    """Read all cards. The chosen model is listed whatever became of it, so that no other takes its place unnoticed."""
    is_path = Path(chosen).is_absolute()
    entries = list_models((*folders, *([chosen] if is_path else [])), cards)
    if any(one.reference == chosen for one in entries) or not chosen:
        return _Read(tuple(entries), chosen, chosen)
    try:
        folder = find_model(chosen)
    except HccScopeError as error:
        lost = ModelEntry(Path(chosen).name, Path(chosen), None, str(error), "added", Path(chosen))
        return _Read((*entries, lost), chosen, chosen)
    same = next((one for one in entries if os.path.realpath(one.folder) == os.path.realpath(folder)), None)
    return _Read(tuple(entries), chosen, chosen if same is None else same.reference)

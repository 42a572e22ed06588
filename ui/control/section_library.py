"""The library while the window is open: the rows of a folder's sections, listed and kept up to date in a worker.

Rows come in batches, so a folder with thousands of sections fills the table while it is read. While the library is
looked at, the folder is listed again every few seconds; files that did not change are not read again, nor those that an
earlier start of the program or a command has read (`hcc_scope.runs.stamp_index`). While a disk is behind the camera
nothing is listed.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hcc_scope.runs.animal_scores import AnimalScore, animal_scores
from hcc_scope.runs.library import SectionLister

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from hcc_scope.runs.listed_section import ListedSection
    from ui.kit.jobs import Jobs

__all__ = ["SectionLibrary"]

REFRESH_MS = 5000
_REST_SHARE = 10.0
"""A folder is listed again after at least so many times as long as it took: a network drive may be slow."""
_QT_REST_SHARE = 4.0
"""The window is free for so many times as long as it takes to show other rows."""
_BATCH_S = 0.15
_BATCH_MOST = 250
_WORKER = "library"


class SectionLibrary(QObject):
    """Lists one folder.

    Parameters
    ----------
    jobs : Jobs
        Lists on its worker ``library``.
    is_behind : callable
        Whether a disk is behind the camera now.
    parent : QObject, optional
    """

    changed = Signal()
    """`sections` or `animals` have changed."""
    listing_changed = Signal(bool)
    """Whether a folder is being listed for the first time."""
    folder_changed = Signal()
    """`folder` is another one."""

    def __init__(
        self, jobs: Jobs, is_behind: Callable[[], bool] = lambda: False, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._jobs, self._is_behind = jobs, is_behind
        self.folder: Path | None = None
        """None before one is chosen."""
        self.sections: dict[Path, ListedSection] = {}
        self.problem = ""
        """Why the folder cannot be listed, as a sentence; empty if it can."""
        self._lister = SectionLister.of_user()
        self._stop = threading.Event()
        self._generation = 0
        self._busy = self._again = False
        self.n_unread = 0
        """Folders below that cannot be opened."""
        self._known = False
        """Whether the folder has been listed once."""
        self._animals: dict[tuple[str, str | None], AnimalScore] = {}
        self._models_of: dict[str, list[tuple[str, str | None]]] = {}
        """The keys of an animal's scores."""
        self._asked: set[tuple[str, str | None]] = set()
        self._began_s = self._next_s = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._refresh_again)
        self._recount = False
        """Whether the next report is about other rows too."""
        self._rest_ms = 0
        self._soon = QTimer(self, singleShot=True)
        self._soon.timeout.connect(self._report)

    # -- listing -------------------------------------------------------------------------------------------------------

    @Slot(object)
    def choose_folder(self, folder: Path) -> None:
        """List another folder from now on."""
        if folder == self.folder:
            return
        self._stop.set()
        self._stop = threading.Event()
        self._generation += 1
        self.folder, self._lister = folder, SectionLister.of_user()
        self.sections, self._animals, self._models_of, self._asked = {}, {}, {}, set()
        self._soon.stop()
        self._recount = False
        self.problem, self._known, self._busy, self._again = "", False, False, False
        self._next_s, self.n_unread = 0.0, 0
        self.folder_changed.emit()
        self.changed.emit()
        if self._timer.isActive():
            self.refresh()

    def set_watched(self, watched: bool) -> None:
        """Keep the rows up to date from now on, or do not: while they are not on the screen, nothing is listed."""
        if not watched:
            self._timer.stop()
        elif not self._timer.isActive():
            self._timer.start()
            self.refresh()

    @Slot()
    def _refresh_again(self) -> None:
        if time.monotonic() >= self._next_s:
            self.refresh()

    @Slot()
    def refresh(self) -> None:
        """List the folder again soon, unless it is being listed, or a disk is behind the camera."""
        self._again = self._busy
        if self._busy or self.folder is None or self._is_behind():
            return
        self._busy = True
        self._began_s = time.monotonic()
        generation = self._generation
        if not self._known:
            self.listing_changed.emit(True)
        take = partial(self._take_batch, generation)
        list_all = partial(
            _list, self._lister, self.folder, self._stop, lambda rows: self._jobs.post(partial(take, rows))
        )
        self._jobs.submit(_WORKER, list_all, partial(self._listed, generation), partial(self._failed, generation))

    def _take_batch(self, generation: int, rows: list[ListedSection]) -> None:
        if generation != self._generation:
            return
        new = [row for row in rows if self.sections.get(row.path) != row]
        if new:
            self.sections.update((row.path, row) for row in new)
            self._report_soon(recount=True)

    def _listed(self, generation: int, found: tuple[set[Path], int]) -> None:
        if generation != self._generation:
            return
        paths, self.n_unread = found
        gone = self.sections.keys() - paths
        for path in gone:
            del self.sections[path]
        self._recount = self._recount or bool(gone)
        self._end("")

    def _failed(self, generation: int, why: str) -> None:
        if generation == self._generation:
            self._end(why)

    def _end(self, problem: str) -> None:
        first, self._known, self._busy = not self._known, True, False
        now_s = time.monotonic()
        self._next_s = now_s + _REST_SHARE * (now_s - self._began_s)
        if first:
            self.listing_changed.emit(False)
        if first or problem != self.problem or self._soon.isActive() or self._recount:
            self.problem = problem
            self._report()
        if self._again:
            self.refresh()

    # -- reports -------------------------------------------------------------------------------------------------------

    def _report_soon(self, *, recount: bool) -> None:
        """Emit `changed` soon; where a table of thousands of rows takes long to follow, less often."""
        self._recount = self._recount or recount
        if not self._soon.isActive():
            self._soon.start(self._rest_ms)

    @Slot()
    def _report(self) -> None:
        self._soon.stop()
        began_s = time.monotonic()
        if self._recount:
            self._count_animals()
        self._recount = False
        self.changed.emit()
        self._rest_ms = round(1000 * _QT_REST_SHARE * (time.monotonic() - began_s))

    # -- animals -------------------------------------------------------------------------------------------------------

    def _count_animals(self) -> None:
        """Take the scores of animals anew; those of the same stores keep their intervals."""
        found = {}
        for one in animal_scores(list(self.sections.values())):
            key = one.animal_id, one.model_sha256
            before = self._animals.get(key)
            if before is not None and (before.sections, before.left_out) == (one.sections, one.left_out):
                found[key] = before
            else:
                found[key] = one
                self._asked.discard(key)
        self._animals = found
        self._models_of = {}
        for key in found:
            self._models_of.setdefault(key[0], []).append(key)

    def animals(self, animal_id: str, asks_intervals: bool = True) -> list[AnimalScore]:
        """Return the scores of an animal over all its sections here, one for each model, and ask for their intervals.

        `changed` follows when an interval is there.
        """
        keys = self._models_of.get(animal_id, ())
        found = [self._animals[key] for key in keys]
        for key, one in zip(keys, found, strict=True):
            if not asks_intervals:
                continue
            if key not in self._asked and one.interval is None and not one.why_no_interval and not self._is_behind():
                self._asked.add(key)
                self._jobs.submit(_WORKER, one.with_interval, partial(self._take_interval, self._generation, one))
        return found

    def _take_interval(self, generation: int, asked: AnimalScore, found: AnimalScore) -> None:
        key = asked.animal_id, asked.model_sha256
        if generation == self._generation and self._animals.get(key) is asked:
            self._animals[key] = found
            self._report_soon(recount=False)

    def end(self) -> None:
        """List nothing more."""
        self._stop.set()
        self._timer.stop()
        self._soon.stop()


def _list(
    lister: SectionLister, folder: Path, stop: threading.Event, post: Callable[[list[ListedSection]], None]
) -> tuple[set[Path], int]:
    """List a folder, then read the scores that the manifests do not hold; runs in the worker."""
    paths: set[Path] = set()
    old: list[ListedSection] = []
    for batch in _batches(lister.each([folder]), stop):
        paths.update(row.path for row in batch)
        old += [row for row in batch if row.has_old_score]
        post(batch)
    for batch in _batches(lister.with_present_scores(old), stop):
        post(batch)
    return paths, lister.n_unread


def _batches(rows: Iterable[ListedSection], stop: threading.Event) -> Iterable[list[ListedSection]]:
    batch: list[ListedSection] = []
    due_s = time.monotonic() + _BATCH_S
    for row in rows:
        if stop.is_set():
            return
        batch.append(row)
        if len(batch) >= _BATCH_MOST or time.monotonic() >= due_s:
            yield batch
            batch, due_s = [], time.monotonic() + _BATCH_S
    if batch:
        yield batch

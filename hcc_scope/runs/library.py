"""The sections of a folder, as a list: from their manifests and notes alone, one small file or two for each.

`SectionLister.each` is the one way to that list, for command line and window alike. It yields a row for everything
that has the name of a store: what cannot be read is a row with one sentence. A lister remembers what it has read, and
keeps it for the next process in an index, so to list the same folder again costs a look at the times of its files.

Design notes
------------
- A store records the score at the end of its run. Where that is not the present one (fields were excluded later, or the
  run never ended), `ListedSection.has_old_score` is true, and `SectionLister.with_present_scores` reads the results.
- `each` may run beside runs that make, fill and end stores, and beside other programs that move and delete them.
- An index on disk can stand behind a lister (`hcc_scope.runs.stamp_index`). It is never the truth: a row is taken
  from it only if the files that the row rests on are those that it was read from.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hcc_scope.errors import StoreError
from hcc_scope.inference.user_cache import cache_dir
from hcc_scope.runs.library_rows import FORMAT, row_from_text, row_to_text
from hcc_scope.runs.stamp_index import StampIndex, StorePlaces, gone
from hcc_scope.runs.unfinished import is_written_to
from hcc_scope.storage.files import is_settled, store_stamp
from hcc_scope.storage.find_stores import each_store, stores_at
from hcc_scope.storage.naming import PREDICTIONS
from hcc_scope.storage.place import RemotePath, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hcc_scope.runs.listed_section import ListedSection
    from hcc_scope.runs.stamp_index import Indexed

__all__ = ["SectionLister", "existing_folders"]

_INDEX = "library.sqlite"
_INDEXED_AT_ONCE = 1000


class _Remembered(NamedTuple):
    stamp: tuple[int, ...]
    section: ListedSection
    is_indexed: bool


class SectionLister:
    """Lists the sections of folders again and again. Not thread-safe.

    Parameters
    ----------
    index : StampIndex, optional
        Where rows are kept for the next process; None: each is read anew.
    """

    def __init__(self, index: StampIndex | None = None) -> None:
        self._index = index
        self._known: dict[Path, _Remembered] = {}
        self._places = StorePlaces()
        self._to_index: list[Path] = []
        self.n_unread = 0
        """Folders below that could not be opened the last time."""

    @classmethod
    def of_user(cls) -> SectionLister:
        """Return a lister that shares the user's index with all other processes."""
        return cls(StampIndex(cache_dir() / _INDEX, FORMAT))

    def each(self, folders: Iterable[Path], deepest: int | None = None) -> Iterator[ListedSection]:
        """Yield a row for each store in some folders and those below, as they are found.

        Parameters
        ----------
        folders : iterable of Path
            Or addresses of object storage, as `hcc_scope.storage.place.place_of` takes them; those come last.
        deepest : int, optional
            How many folders below them are looked through; as in `hcc_scope.storage.find_stores` by default.

        Raises
        ------
        StoreError
            If one of the folders themselves is there and cannot be opened; one that is not there holds nothing.
        """
        addresses, folders = _apart(folders)
        unread: list[Path] = []
        known, self._known, self._places, self._to_index = self._known, {}, StorePlaces(), []
        indexed: dict[str, dict[str, Indexed]] = {}
        stores = (
            each_store(folders, unread=unread.append)
            if deepest is None
            else each_store(folders, deepest, unread.append)
        )
        try:
            for path in stores:
                stamp = store_stamp(path)
                before = known.get(path)
                if before is None or before.stamp != stamp:
                    before = self._from_index(path, stamp, indexed) or self._read(path, stamp)
                section = _with_state(before.section)
                if section is not before.section:
                    before = before._replace(section=section)
                self._remember(path, before)
                yield section
            found: set[RemotePath] = set()
            for address in addresses:  # nothing there has a time that an index could go by
                for place in stores_at(address) if deepest is None else stores_at(address, deepest):
                    if place not in found:  # addresses may lie in one another
                        found.add(place)
                        yield self._read(Path(str(place)), ()).section
        finally:  # also where the caller stops early
            self._keep([place for folder, rows in indexed.items() if rows for place in gone(folder, rows)])
        self.n_unread = sum(os.path.lexists(folder) for folder in unread)  # one that is not there holds nothing
        for folder in folders:
            if folder in unread and os.path.lexists(folder):
                raise StoreError(
                    f"The folder {folder} cannot be opened", hint="Check its permissions, or choose another."
                )

    def with_present_scores(self, sections: Iterable[ListedSection]) -> Iterator[ListedSection]:
        """Yield the same rows, each with its present score; those that have none yet are read, and remembered.

        Parameters
        ----------
        sections : iterable of ListedSection
            From `each`.
        """
        try:
            for section in sections:
                if not section.has_old_score:
                    yield section
                    continue
                from hcc_scope.runs.section_reading import with_present_score

                present = with_present_score(section)
                if present.path in self._known:
                    self._remember(present.path, _Remembered(present.stamp, present, False))
                yield present
        finally:
            self._keep()

    def _read(self, path: Path, stamp: tuple[int, ...]) -> _Remembered:
        from hcc_scope.runs.section_reading import read_row  # here: a list that the index holds whole needs none of it

        row = read_row(path, stamp)
        return _Remembered(row.stamp, row, False)

    def _from_index(
        self, path: Path, stamp: tuple[int, ...], indexed: dict[str, dict[str, Indexed]]
    ) -> _Remembered | None:
        if self._index is None:
            return None
        folder, name = self._places.of(path)
        rows = indexed.get(folder)
        if rows is None:
            rows = indexed[folder] = self._index.rows(folder)
        row = rows.pop(name, None)
        if row is None or row[0] != stamp:
            return None
        try:
            return _Remembered(stamp, row_from_text(row[1], path, stamp), True)
        except (ValueError, TypeError):  # of a program that differs from this one
            return None

    def _remember(self, path: Path, row: _Remembered) -> None:
        self._known[path] = row
        if self._index is None or row.is_indexed:
            return
        # a row with a problem names the path, and one of a run that is under way changes at once
        if not row.section.problem and row.section.state != "under way" and is_settled(row.stamp):
            self._to_index.append(path)
            if len(self._to_index) >= _INDEXED_AT_ONCE:
                self._keep()

    def _keep(self, forget: Sequence[tuple[str, str]] = ()) -> None:
        """Put the rows into the index that are not there yet, and remove others from it."""
        if self._index is None or not (self._to_index or forget):
            return
        sections = {path: self._known[path].section for path in self._to_index}
        rows = {self._places.of(path): (one.stamp, row_to_text(one)) for path, one in sections.items()}
        if self._index.keep(rows, forget):
            for path in self._to_index:
                self._known[path] = self._known[path]._replace(is_indexed=True)
        self._to_index = []


def _apart(folders: Iterable[Path]) -> tuple[list[RemotePath], list[Path]]:
    """Return the addresses, and the folders."""
    places = [place_of(folder) for folder in folders]
    return (
        [place for place in places if isinstance(place, RemotePath)],
        [place for place in places if isinstance(place, Path)],
    )


def existing_folders(folders: Iterable[Path]) -> list[Path]:
    """Return some folders that a person named.

    Raises
    ------
    StoreError
        If one is not there.
    """
    found = list(folders)
    for folder in found:
        if isinstance(place_of(folder), Path) and not os.path.isdir(folder):  # noqa: PTH112 - false also where it cannot be asked
            raise StoreError(f"{folder} is no folder", hint="Give the folder that holds the sections.")
    return found


def _with_state(section: ListedSection) -> ListedSection:
    """Return a row with the state of now: whether a run writes to a store, no file of it shows."""
    if section.state not in ("under way", "unfinished"):
        return section
    try:
        written = is_written_to(section.path)
    except OSError:  # on a disk that is read only nothing is written
        written = False
    if written:
        return replace(section, state="under way", ended="its run is under way", can_recover=False, has_old_score=False)
    was = section.state == "under way" and (section.path / f"{PREDICTIONS}.jsonl").is_file()
    old = section.has_old_score or was  # of a run that was cut off meanwhile
    return replace(section, state="unfinished", ended="not ended in order", can_recover=True, has_old_score=old)

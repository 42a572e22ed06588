"""Indexes of what was read from stores before, on disk, so that the next process need not read it again.

An index is a cache and never the truth. An entry is taken from it only if times, sizes and numbers of the files that
it rests on are those that it was read from; anything else is read from the store. An index that is missing, damaged,
of another version, locked, or in a folder that cannot be written costs time and nothing else.

Design notes
------------
- An index is a SQLite database in the user's folder for caches. Nothing is written beside the stores: a library may be
  on a medium that is read only, or on a network share, where SQLite's locks do not hold.
- Entries are found by the real path of their folder and the name of the store, whatever links lead there.
- Each entry has a checksum over all that it is found by and all that it states: a flipped bit is an entry that is not
  there.
- Several processes use one index at once. Each change is one short transaction; one that finds the index locked for
  longer than `_LOCK_S` leaves it as it is.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

__all__ = ["Indexed", "StampIndex", "StorePlaces", "gone"]

_LOCK_S = 0.5
_MOST_BYTES = 2**30
"""Of an index: about a million rows of a library. A larger one begins anew, without the folders that are gone."""

_PASSING = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOLFS,
    }
)
"""Errors that do not mean that the database is damaged."""
_Found = TypeVar("_Found")

Indexed = tuple[tuple[int, ...], str]
"""The stamp of the files that an entry rests on (`hcc_scope.storage.files.files_stamp`), and its text."""


class StampIndex:
    """A text for each of many stores, valid as long as their files have the same stamp. Not thread-safe.

    Parameters
    ----------
    file : Path
        The database; made when there is something to keep.
    form : int
        Of the texts: an index with another one begins anew.
    """

    def __init__(self, file: Path, form: int) -> None:
        self._file, self._form = file, form

    def rows(self, folder: str) -> dict[str, Indexed]:
        """Return the entries of a folder by the names of their stores; none if the index cannot be read.

        Parameters
        ----------
        folder : str
            Its real path.
        """
        if not self._file.is_file():
            return {}

        def select(database: sqlite3.Connection) -> dict[str, Indexed]:
            if not self._is_ours(database):
                return {}
            found = database.execute(
                "SELECT name, stamp, text, crc FROM sections WHERE folder = ?", (os.fsencode(folder),)
            )
            rows, begun = {}, _crc_of_folder(folder)
            for encoded, stamp, text, crc in found:
                name = os.fsdecode(encoded)
                if crc == _crc(begun, name, stamp, text):
                    rows[name] = tuple(map(int, stamp.split())), text
            return rows

        return self._attempt(select) or {}

    def keep(self, rows: Mapping[tuple[str, str], Indexed], gone: Iterable[tuple[str, str]] = ()) -> bool:
        """Keep some entries, and forget others.

        Parameters
        ----------
        rows : mapping
            By the real path of the folder and the name of the store.
        gone : iterable of (str, str)
            Stores that are no longer there, named in the same way.

        Returns
        -------
        bool
            Whether that was possible.
        """
        new = []
        for (folder, name), (numbers, text) in rows.items():
            stamp = " ".join(map(str, numbers))
            crc = _crc(_crc_of_folder(folder), name, stamp, text)
            new.append((os.fsencode(folder), os.fsencode(name), stamp, text, crc))
        old = [(os.fsencode(folder), os.fsencode(name)) for folder, name in gone]
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # for this user alone, as it holds notes. A file that is there is not opened: to close it would release the
            # locks that another thread of this process holds on it
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            pass
        except OSError:
            return False

        def write(database: sqlite3.Connection) -> bool:
            with database:
                database.execute("BEGIN IMMEDIATE")
                if not self._is_ours(database):
                    self._begin(database)
                database.executemany("DELETE FROM sections WHERE folder = ? AND name = ?", old)
                database.executemany("INSERT OR REPLACE INTO sections VALUES (?, ?, ?, ?, ?)", new)
            return True

        return bool(self._attempt(write))

    def _attempt(self, work: Callable[[sqlite3.Connection], _Found]) -> _Found | None:
        """Return what `work` makes of the database; None if that is not possible. A damaged one is removed."""
        try:
            if self._file.stat().st_size > _MOST_BYTES:
                self._remove()
                return None
            # None: no transaction but those that are begun here
            with closing(sqlite3.connect(self._file, timeout=_LOCK_S, isolation_level=None)) as database:
                return work(database)
        except OSError:
            return None
        except sqlite3.Error as error:
            # an error of Python's own has no code: the database holds what no row can have
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _PASSING:
                self._remove()
            return None
        except (ValueError, TypeError):  # so does this one
            self._remove()
            return None

    def _remove(self) -> None:
        for ending in ("", "-journal"):
            with suppress(OSError):
                self._file.with_name(f"{self._file.name}{ending}").unlink()

    def _is_ours(self, database: sqlite3.Connection) -> bool:
        (found,) = database.execute("PRAGMA user_version").fetchone()
        return bool(found == self._form)

    def _begin(self, database: sqlite3.Connection) -> None:
        """Make the tables anew, inside a transaction."""
        database.execute("DROP TABLE IF EXISTS sections")
        database.execute(
            "CREATE TABLE sections (folder BLOB, name BLOB, stamp TEXT, text TEXT, crc INTEGER,"
            " PRIMARY KEY (folder, name)) WITHOUT ROWID"
        )
        database.execute(f"PRAGMA user_version = {self._form}")


class StorePlaces:
    """Where stores are, as an index finds them: the real path of their folder, and their name there."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def of(self, path: Path) -> tuple[str, str]:
        """Return the place of one store."""
        folder, name = os.path.split(path)
        real = self._real.get(folder)
        if real is None:
            real = self._real[folder] = os.path.realpath(folder)
        return real, name


def gone(folder: str, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return which of some indexed stores of a folder are not there any more.

    Parameters
    ----------
    folder : str
        Its real path.
    names : iterable of str
        Of the stores.
    """
    try:
        with os.scandir(folder) as entries:
            there = {entry.name for entry in entries}
    except OSError:
        return []  # a share that is away for a while comes back
    return [(folder, name) for name in names if name not in there]


def _crc_of_folder(folder: str) -> int:
    return zlib.crc32(f"{folder!a}\n".encode())


def _crc(begun: int, name: str, stamp: str, text: str) -> int:
    """Return the checksum of an entry, begun with that of its folder."""
    return zlib.crc32(f"{name!a}\n{stamp}\n{text}".encode(errors="replace"), begun)

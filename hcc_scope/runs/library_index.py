"""The index behind the library: rows that were read before, on disk, so that the next process need not read them again.

The index is a cache and never the truth. A row is taken from it only if times, sizes and numbers of the files that the
row rests on are those that it was read from; anything else is read from the store. An index that is missing, damaged,
of another version, locked, or in a folder that cannot be written costs time and nothing else.

Design notes
------------
- It is a SQLite database in the user's folder for caches, one for all libraries. Nothing is written beside the stores:
  a library may be on a medium that is read only, or on a network share, where SQLite's locks do not hold.
- Rows are found by the real path of their folder and the name of the store, whatever links lead there.
- Each row has a checksum over all that it is found by and all that it states: a flipped bit is a row that is not there.
- Several processes use one index at once. Each change is one short transaction; one that finds the index locked for
  longer than `_LOCK_S` leaves it as it is.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeVar

from hcc_scope.inference.user_cache import cache_dir
from hcc_scope.runs.library_rows import FORMAT, row_to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from hcc_scope.runs.listed_section import ListedSection

__all__ = ["IndexedRow", "LibraryIndex"]

_NAME = "library.sqlite"
_LOCK_S = 0.5
_MOST_BYTES = 2**30
"""Of the index: about a million sections. A larger one begins anew, without the folders that are gone."""

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

IndexedRow = tuple[tuple[int, ...], str]
"""The stamp of a row, and its text."""


class LibraryIndex:
    """The rows of all libraries that this user has listed. Not thread-safe.

    Parameters
    ----------
    file : Path
        The database; made when there is something to keep.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @classmethod
    def of_user(cls) -> LibraryIndex:
        """Return the index in the user's folder for caches."""
        return cls(cache_dir() / _NAME)

    def rows(self, folder: str) -> dict[str, IndexedRow]:
        """Return the rows of a folder by the names of their stores; none if the index cannot be read.

        Parameters
        ----------
        folder : str
            Its real path.
        """
        if not self._file.is_file():
            return {}

        def select(database: sqlite3.Connection) -> dict[str, IndexedRow]:
            if not _is_ours(database):
                return {}
            found = database.execute(
                "SELECT name, stamp, text, crc FROM sections WHERE folder = ?", (os.fsencode(folder),)
            )
            rows = {}
            for encoded, stamp, text, crc in found:
                name = os.fsdecode(encoded)
                if crc == _crc(folder, name, stamp, text):
                    rows[name] = tuple(map(int, stamp.split())), text
            return rows

        return self._attempt(select) or {}

    def keep(self, rows: Mapping[tuple[str, str], ListedSection], gone: Iterable[tuple[str, str]] = ()) -> bool:
        """Keep some rows, and forget others.

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
        for (folder, name), section in rows.items():
            stamp, text = " ".join(map(str, section.stamp)), row_to_text(section)
            new.append((os.fsencode(folder), os.fsencode(name), stamp, text, _crc(folder, name, stamp, text)))
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
                if not _is_ours(database):
                    _begin(database)
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


def _is_ours(database: sqlite3.Connection) -> bool:
    (found,) = database.execute("PRAGMA user_version").fetchone()
    return bool(found == FORMAT)


def _begin(database: sqlite3.Connection) -> None:
    """Make the tables anew, inside a transaction."""
    database.execute("DROP TABLE IF EXISTS sections")
    database.execute(
        "CREATE TABLE sections (folder BLOB, name BLOB, stamp TEXT, text TEXT, crc INTEGER, PRIMARY KEY (folder, name))"
        " WITHOUT ROWID"
    )
    database.execute(f"PRAGMA user_version = {FORMAT}")


def _crc(folder: str, name: str, stamp: str, text: str) -> int:
    return zlib.crc32("\n".join((ascii(folder), ascii(name), stamp, text)).encode(errors="replace"))

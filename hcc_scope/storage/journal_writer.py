"""Append to the journal of a store (`hcc_scope.storage.journal`): lines are synced, or taken back."""

from __future__ import annotations

import array
import os
import zlib
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import write_all
from hcc_scope.errors import StoreError
from hcc_scope.storage.files import lock, open_own, read_plain
from hcc_scope.storage.journal import MAX_BYTES, WITHDRAWN, entry_of, read_journal
from hcc_scope.storage.lines import fields_of, sealed_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.storage.journal import JournalEntry

__all__ = ["JournalWriter"]


class JournalWriter:
    """Appends to the journal of a store that this process alone writes.

    Parameters
    ----------
    path : Path
        The empty journal of a new store, or that of a store that is continued: every line of it can be read and has its
        end.

    Raises
    ------
    StoreError
        If another process holds the store.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = open_own(path, os.O_RDWR | os.O_APPEND)
        self._broken = False
        if not lock(self._handle):
            os.close(self._handle)
            raise StoreError(f"{path.parent} is being written by another process", hint="Wait until it has ended.")
        with ExitStack() as unread:
            unread.callback(os.close, self._handle)
            # a line is found again by 8 bytes of memory per frame; the checksums are of the lines up to there
            self._ends, self._crcs = _known_lines(read_plain(path, MAX_BYTES))
            unread.pop_all()

    @property
    def n_frames(self) -> int:
        """Frames whose lines are acknowledged."""
        return len(self._ends) - 1

    @property
    def n_bytes(self) -> int:
        """Length of the acknowledged lines."""
        return self._ends[-1]

    def append(self, lines: Sequence[bytes]) -> None:
        """Write `lines` and sync them, all or none.

        Raises
        ------
        OSError
            If that fails; what was written in part is cut off again, or withdrawn by another line.
        StoreError
            If the journal would become larger than readers take.
        """
        end = self._ends[-1]
        data = b"".join(lines)
        if end + len(data) > MAX_BYTES:
            raise StoreError(
                f"The journal {self._path} is full: the {len(self._ends) - 1} frames in it are safe",
                hint="Start a new section.",
            )
        try:
            write_all(self._handle, data)
            os.fsync(self._handle)
        except OSError:
            self._broken = True
            self._take_back()
            raise
        for line in lines:
            end += len(line)
            self._crcs.append(zlib.crc32(line, self._crcs[-1]))
            self._ends.append(end)

    def _take_back(self) -> None:
        """Remove what was written and not acknowledged: cut it off, or, if the disk refuses that, withdraw it."""
        try:
            os.ftruncate(self._handle, self._ends[-1])
            self._broken = False
        except OSError:
            with suppress(OSError):  # a new line first: the one before may be half a line
                write_all(self._handle, b"\n" + sealed_line({WITHDRAWN: len(self._ends) - 1}))
                os.fsync(self._handle)

    def is_in_place(self) -> bool:
        """Return whether the file under the journal's name is still this one; safe from any thread.

        Its number cannot be given to another file as long as this one is open. A disk that does not answer is not
        asked again: the next write reports it.
        """
        try:
            return os.path.samestat(os.fstat(self._handle), self._path.lstat())
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def is_as_left(self) -> bool:
        """Return whether the file still has the length after the last line; only for the thread that appends."""
        size = os.fstat(self._handle).st_size
        # one that failed to take lines may be longer
        return size == self._ends[-1] or (self._broken and size > self._ends[-1])

    def count_in(self, path: Path) -> int:
        """Return how many of the acknowledged lines a file holds, from the first on and byte for byte."""
        try:
            data = read_plain(path, MAX_BYTES)
        except (OSError, StoreError):
            return 0
        crc, kept = 0, 0
        for seq in range(len(self._ends) - 1):
            line = data[self._ends[seq] : self._ends[seq + 1]]
            crc = zlib.crc32(line, crc)
            if len(line) < self._ends[seq + 1] - self._ends[seq] or crc != self._crcs[seq + 1]:
                break
            kept = seq + 1
        return kept

    def place(self) -> Path | None:
        """Return where the file is now, under whatever name; None if it was deleted, or if the system does not know."""
        try:
            if os.fstat(self._handle).st_nlink == 0:
                return None
            there = Path(os.readlink(f"/proc/self/fd/{self._handle}"))  # noqa: PTH115 - a text, not a link of ours
        except OSError:
            return None
        return there if there.is_file() else None

    def entry(self, seq: int) -> JournalEntry:
        """Return the line of a committed frame; safe from any thread.

        Raises
        ------
        OSError, ValueError
            If it is not there any more.
        """
        with self._path.open("rb") as file:
            file.seek(self._ends[seq])
            lines = file.read(self._ends[seq + 1] - self._ends[seq]).split(b"\n")
        for line in reversed(lines):  # those of a journal that is continued may hold withdrawn ones before
            fields = _fields_or_none(line)
            if fields.get("seq") == seq:
                return entry_of(fields)
        raise ValueError(f"there is no line of frame {seq}")

    def mend(self) -> None:
        """Try again to remove what was written and not acknowledged: the disk may be better by now."""
        if self._broken:
            self._take_back()

    def n_doubtful(self) -> int:
        """Return how many lines readers find behind the acknowledged ones: written, and neither synced nor removed."""
        if not self._broken:
            return 0
        try:
            return max(0, read_journal(self._path).n_frames - (len(self._ends) - 1))
        except (OSError, StoreError):
            return 0

    def close(self) -> None:
        """Close the file, which releases the writer's lock."""
        os.close(self._handle)


def _known_lines(data: bytes) -> tuple[array.array[int], array.array[int]]:
    """Return where the lines of frames 0, 1 ... end in a journal, after a first 0, and the checksums up to there.

    A line that withdraws others, and those that it withdraws, belong to the line of the frame that comes next, or else
    to the last one.
    """
    ends = array.array("q", [0])
    at = 0
    for line in data.split(b"\n")[:-1]:
        at += len(line) + 1
        fields = _fields_or_none(line)
        if fields.keys() == {WITHDRAWN}:
            del ends[1 + fields[WITHDRAWN] :]
        elif fields:
            ends.append(at)
    ends[-1] = at
    crcs = array.array("Q", [0])
    for start, end in pairwise(ends):
        crcs.append(zlib.crc32(data[start:end], crcs[-1]))
    return ends, crcs


def _fields_or_none(line: bytes) -> dict[str, Any]:
    """Return the fields of a line; none of half a line, which another one withdraws."""
    try:
        return fields_of(line)[0]
    except ValueError:
        return {}

"""The journal ``frames.jsonl``: one line for every frame that is safely on disk.

A line is written after its frame's file is synced, so the journal never promises too much; readers trust its count and
nothing else. A crash can only leave an unfinished last line: that frame was never acknowledged. A line that has its end
was: if it cannot be read, or does not have its checksum, it keeps its place, and its frame is damaged. A line
``{"withdrawn_from": k}`` takes back the lines of frame k and after, which were written but never acknowledged, because
the disk neither took nor gave up what was written. Journals of store version 1 have neither.
"""

from __future__ import annotations

import array
import math
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.atomic_file import write_all
from hcc_scope.errors import StoreError
from hcc_scope.storage import values
from hcc_scope.storage.files import lock, open_own, read_plain
from hcc_scope.storage.lines import fields_of, sealed_line
from hcc_scope.types import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from hcc_scope.types import TagValue

__all__ = ["Journal", "JournalEntry", "JournalWriter", "line_of", "parse_journal", "read_journal"]

_SHORTEST_LINE_BYTES = 100
"""The names of the fields alone are longer; so a damaged number cannot make a journal seem endless."""

_MAX_BYTES = 1 << 30
"""Two million frames: what is larger is no journal, so none is written either."""

_LARGEST_INT = 1 << 63
_SIZES_UM = (1e-9, 1e6)

_WITHDRAWN = "withdrawn_from"
_KEYS = frozenset(
    {
        "seq",
        "crc32",
        "t_mono_ns",
        "t_utc",
        "exposure_ms",
        "section_id",
        "em_gain",
        "stage_um",
        "camera_frame",
        "pixel_size_um",
        "bit_depth",
        "temperature_c",
        "objective",
        "tags",
    }
)

_LINE_START = b'{"seq":'
"""Counts the frames of lines that ran together: inside a text, its quotes would be escaped."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line: all that is known about a committed frame, but for its pixels. See `Frame` for the fields."""

    seq: int
    crc32: int
    """`zlib.crc32` of the pixels' bytes in C order, little-endian."""
    t_mono_ns: int
    t_utc: datetime
    exposure_ms: float
    section_id: str
    em_gain: float | None
    stage_um: tuple[float, float, float | None] | None
    camera_frame: int | None
    pixel_size_um: float | None
    bit_depth: int
    temperature_c: float | None
    objective: str | None
    tags: Mapping[str, TagValue]

    def frame(self, pixels: NDArray[np.uint16]) -> Frame:
        """Return the frame that this line and `pixels` (y, x) are."""
        return Frame(
            seq=self.seq,
            pixels=pixels,
            t_mono_ns=self.t_mono_ns,
            t_utc=self.t_utc,
            exposure_ms=self.exposure_ms,
            section_id=self.section_id,
            em_gain=self.em_gain,
            stage_um=self.stage_um,
            camera_frame=self.camera_frame,
            pixel_size_um=self.pixel_size_um,
            bit_depth=self.bit_depth,
            temperature_c=self.temperature_c,
            objective=self.objective,
            tags=self.tags,
        )


@dataclass(frozen=True, slots=True)
class Journal:
    """What a journal holds."""

    entries: tuple[JournalEntry | None, ...]
    """By `seq`; None where a line that has its end is unreadable."""
    problems: tuple[str, ...]
    """One sentence for each unreadable line; the unfinished last line of a crash is none."""
    torn: bytes
    """The unfinished last line, empty if there is none."""
    unterminated: bool
    """Whether the last line is whole but for its line end."""

    @property
    def n_frames(self) -> int:
        """Frames 0 .. n_frames-1 were committed."""
        return len(self.entries)


def _plain(value: object) -> object:
    """Return `value` as JSON can hold it: a run must not fail for a NumPy number or a NaN in a tag."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > _LARGEST_INT:
        return hex(value)  # a text: readers refuse numbers of thousands of digits
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _measured(value: object) -> int | float | None:
    """Return a device's answer as a number; None if it is none. What is written here is what `_entry_of` takes."""
    value = _plain(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    value = _measured(value)
    return None if value is None or value != int(value) else int(value)


def _size(value: object) -> float | None:
    value = _measured(value)
    return value if value is not None and _SIZES_UM[0] <= value <= _SIZES_UM[1] else None


def line_of(frame: Frame, crc32: int) -> bytes:
    """Return the journal line of `frame`, with its line end. Floats keep every bit; a NaN becomes null."""
    fields = {
        "seq": frame.seq,
        "crc32": crc32,
        "t_mono_ns": int(frame.t_mono_ns),
        "t_utc": frame.t_utc.isoformat(),
        "exposure_ms": _measured(frame.exposure_ms),
        "section_id": frame.section_id,
        "em_gain": _measured(frame.em_gain),
        "stage_um": None if frame.stage_um is None else [_measured(v) for v in frame.stage_um],
        "camera_frame": _whole(frame.camera_frame),
        "pixel_size_um": _size(frame.pixel_size_um),
        "bit_depth": int(frame.bit_depth),
        "temperature_c": _measured(frame.temperature_c),
        "objective": None if frame.objective is None else str(frame.objective),
        "tags": {str(k): _plain(v) for k, v in frame.tags.items()},
    }
    return sealed_line(fields)


def _number_or_none(value: object, key: str) -> float | None:
    return None if value is None else values.number(value, key)


def _entry_of(value: dict[str, Any]) -> JournalEntry:
    """Return the entry of a line's fields; raises ValueError if one of them is not what it has to be."""
    if value.keys() != _KEYS:
        raise ValueError("it has other keys")
    stage = value["stage_um"]
    if stage is not None:
        if not isinstance(stage, list) or len(stage) != 3:
            raise ValueError("stage_um is no list of three")
        x, y, z = (_number_or_none(one, "stage_um") for one in stage)
        # without x or y there is no position: they were not a number
        stage = None if x is None or y is None else (float(x), float(y), None if z is None else float(z))
    exposure_ms = _number_or_none(value["exposure_ms"], "exposure_ms")
    pixel_size_um = value["pixel_size_um"]
    camera_frame, objective = value["camera_frame"], value["objective"]
    return JournalEntry(
        seq=values.integer(value["seq"], "seq", 0, 1 << 40),
        crc32=values.integer(value["crc32"], "crc32", 0, (1 << 32) - 1),
        t_mono_ns=values.integer(value["t_mono_ns"], "t_mono_ns", -_LARGEST_INT, _LARGEST_INT),
        t_utc=values.time_of(value["t_utc"], "t_utc"),
        exposure_ms=math.nan if exposure_ms is None else float(exposure_ms),
        section_id=values.text(value["section_id"], "section_id"),
        em_gain=_number_or_none(value["em_gain"], "em_gain"),
        stage_um=stage,
        camera_frame=None
        if camera_frame is None
        else values.integer(camera_frame, "camera_frame", -_LARGEST_INT, _LARGEST_INT),
        pixel_size_um=None if pixel_size_um is None else values.number(pixel_size_um, "pixel_size_um", *_SIZES_UM),
        bit_depth=values.integer(value["bit_depth"], "bit_depth", 0, 1 << 16),
        temperature_c=_number_or_none(value["temperature_c"], "temperature_c"),
        objective=None if objective is None else values.text(objective, "objective"),
        tags=values.scalars(value["tags"], "tags"),
    )


def read_journal(path: Path, section_id: str | None = None) -> Journal:
    """Read a journal, also while it is being written.

    Parameters
    ----------
    path : Path
        The file.
    section_id : str, optional
        Lines of another section are unreadable: they belong elsewhere.

    Raises
    ------
    StoreError
        If something else is in its place, or it is larger than a journal can be.
    OSError
        If the file is missing or cannot be read.
    """
    return parse_journal(read_plain(path, _MAX_BYTES), path, section_id)


def parse_journal(data: bytes, path: Path, section_id: str | None = None) -> Journal:
    """Return what the bytes of a journal hold; `path` is for its sentences. See `read_journal`."""
    *lines, last = data.split(b"\n")
    most = len(data) // _SHORTEST_LINE_BYTES
    found: dict[int, JournalEntry] = {}
    problems: list[tuple[int, str]] = []
    top = -1
    n_unreadable = 0  # frames whose lines follow the one of frame `top`
    any_sealed = False

    def take(line: bytes) -> bool:
        nonlocal top, n_unreadable, any_sealed
        try:
            value, sealed = fields_of(line)
            if any_sealed and not sealed:  # a journal has checksums from its first line to its last, or none
                return False
            if sealed and value.keys() == {_WITHDRAWN}:
                withdraw(values.integer(value[_WITHDRAWN], _WITHDRAWN, 0, most))
                return True
            entry = _entry_of(value)
        except ValueError:
            return False
        # the journal only counts up, line by line: this is not what was written
        if not top < entry.seq <= most or section_id not in (None, entry.section_id):
            return False
        any_sealed = any_sealed or sealed
        top, n_unreadable = entry.seq, 0
        found[top] = entry
        return True

    def withdraw(first: int) -> None:
        nonlocal top, n_unreadable
        for seq in [seq for seq in found if seq >= first]:
            del found[seq]
        problems[:] = [(seq, problem) for seq, problem in problems if seq < first]
        n_unreadable = max(0, min(n_unreadable, first - 1 - top)) if top < first else 0
        top = min(top, first - 1)

    for number, line in enumerate(lines, start=1):
        if not take(line):
            problems.append((top + 1 + n_unreadable, f"line {number} of {path} is unreadable"))
            n_unreadable = min(n_unreadable + max(1, line.count(_LINE_START)), most + len(lines))
    unterminated = bool(last) and take(last)
    return Journal(
        entries=tuple(found.get(seq) for seq in range(top + 1 + n_unreadable)),
        problems=tuple(problem for _, problem in problems),
        torn=b"" if unterminated else last,
        unterminated=unterminated,
    )


class JournalWriter:
    """Appends to the journal of a store that this process alone writes.

    Parameters
    ----------
    path : Path
        The empty journal of a new store.

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
        self._ends = array.array("q", [0])  # a line is found again by 8 bytes of memory per frame
        self._crcs = array.array("Q", [0])  # of the lines up to there
        self._broken = False
        if not lock(self._handle):
            os.close(self._handle)
            raise StoreError(f"{path.parent} is being written by another process", hint="Wait until it has ended.")

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
        if end + len(data) > _MAX_BYTES:
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
                write_all(self._handle, b"\n" + sealed_line({_WITHDRAWN: len(self._ends) - 1}))
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
            data = read_plain(path, _MAX_BYTES)
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
            fields, _ = fields_of(file.read(self._ends[seq + 1] - self._ends[seq]).rstrip(b"\n"))
        return _entry_of(fields)

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

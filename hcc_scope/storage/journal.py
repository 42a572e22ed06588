"""The journal ``frames.jsonl``: one line for every frame that is safely on disk.

A line is written after its frame's file is synced, so the journal never promises too much; readers trust its count and
nothing else. A crash can only leave an unfinished last line: that frame was never acknowledged. A line that has its end
was: if it cannot be read, it keeps its place, and its frame is damaged.
"""

from __future__ import annotations

import array
import json
import math
import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.errors import StoreError
from hcc_scope.storage.files import lock, write_all
from hcc_scope.types import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.types import TagValue

__all__ = ["Journal", "JournalEntry", "JournalWriter", "line_of", "read_journal"]

_SHORTEST_LINE_BYTES = 100
"""The names of the fields alone are longer; so a damaged number cannot make a journal seem endless."""

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
    """What a journal says."""

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
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def line_of(frame: Frame, crc32: int) -> bytes:
    """Return the journal line of `frame`, with its line end. Floats keep every bit; a NaN becomes null."""
    fields = {
        "seq": frame.seq,
        "crc32": crc32,
        "t_mono_ns": _plain(frame.t_mono_ns),
        "t_utc": frame.t_utc.isoformat(),
        "exposure_ms": _plain(frame.exposure_ms),
        "section_id": frame.section_id,
        "em_gain": _plain(frame.em_gain),
        "stage_um": None if frame.stage_um is None else [_plain(v) for v in frame.stage_um],
        "camera_frame": _plain(frame.camera_frame),
        "pixel_size_um": _plain(frame.pixel_size_um),
        "bit_depth": _plain(frame.bit_depth),
        "temperature_c": _plain(frame.temperature_c),
        "objective": frame.objective,
        "tags": {str(k): _plain(v) for k, v in frame.tags.items()},
    }
    # ASCII: a surrogate from a driver's text, or a line separator, cannot break the line
    return (json.dumps(fields, separators=(",", ":"), allow_nan=False) + "\n").encode("ascii")


def _number(value: object) -> float | None:
    """Return a field that is a number or null; raises TypeError if it is neither."""
    if value is None or isinstance(value, int | float):
        return value
    raise TypeError(f"{value!r} is no number")


def _entry_of(line: bytes) -> JournalEntry:
    """Parse one line; raises ValueError, KeyError, TypeError, OverflowError or RecursionError if it is not one."""
    value: dict[str, Any] = json.loads(line)
    stage = value["stage_um"]
    if stage is not None:
        x, y, z = (None if v is None else float(v) for v in stage)
        # without x or y there is no position: they were not a number
        stage = None if x is None or y is None else (x, y, z)
    exposure_ms = value["exposure_ms"]
    return JournalEntry(
        seq=int(value["seq"]),
        crc32=int(value["crc32"]),
        t_mono_ns=int(value["t_mono_ns"]),
        t_utc=datetime.fromisoformat(value["t_utc"]),
        exposure_ms=math.nan if exposure_ms is None else float(exposure_ms),
        section_id=str(value["section_id"]),
        em_gain=_number(value["em_gain"]),
        stage_um=stage,
        camera_frame=value["camera_frame"],
        pixel_size_um=_number(value["pixel_size_um"]),
        bit_depth=int(value["bit_depth"]),
        temperature_c=_number(value["temperature_c"]),
        objective=value["objective"],
        tags=dict(value["tags"]),
    )


def read_journal(path: Path) -> Journal:
    """Read a journal, also while it is being written.

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    """
    data = path.read_bytes()
    *lines, last = data.split(b"\n")
    most = len(data) // _SHORTEST_LINE_BYTES
    found: dict[int, JournalEntry] = {}
    problems: list[str] = []
    top = -1
    n_unreadable = 0  # frames whose lines follow the one of frame `top`

    def take(line: bytes) -> bool:
        nonlocal top, n_unreadable
        try:
            entry = _entry_of(line)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return False
        if not top < entry.seq <= most:  # the journal only counts up, line by line: this is not what was written
            return False
        top, n_unreadable = entry.seq, 0
        found[top] = entry
        return True

    for number, line in enumerate(lines, start=1):
        if not take(line):
            problems.append(f"line {number} of {path} is unreadable")
            n_unreadable += max(1, line.count(_LINE_START))
    unterminated = bool(last) and take(last)
    return Journal(
        entries=tuple(found.get(seq) for seq in range(top + 1 + n_unreadable)),
        problems=tuple(problems),
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
        self._handle = os.open(path, os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0))
        self._ends = array.array("q", [0])  # a line is found again by 8 bytes of memory per frame
        if not lock(self._handle):
            os.close(self._handle)
            raise StoreError(f"{path.parent} is being written by another process", hint="Wait until it has ended.")

    def append(self, lines: Sequence[bytes]) -> None:
        """Write `lines` and sync them, all or none.

        Raises
        ------
        OSError
            If that fails; what was written in part is cut off again.
        """
        end = self._ends[-1]
        try:
            write_all(self._handle, b"".join(lines))
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, end)
            raise
        for line in lines:
            end += len(line)
            self._ends.append(end)

    def entry(self, seq: int) -> JournalEntry:
        """Return the line of a committed frame; safe from any thread."""
        with self._path.open("rb") as file:
            file.seek(self._ends[seq])
            return _entry_of(file.read(self._ends[seq + 1] - self._ends[seq]))

    def close(self) -> None:
        """Close the file, which releases the writer's lock."""
        os.close(self._handle)

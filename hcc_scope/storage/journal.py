"""The journal ``frames.jsonl``: one line for every frame that is safely on disk.

A line is written after its frame's file is synced, so the journal never promises too much; readers trust its count and
nothing else. A crash can only leave an unfinished last line: that frame was never acknowledged. A line that has its end
was: if it cannot be read, or does not have its checksum, it keeps its place, and its frame is damaged. A line
``{"withdrawn_from": k}`` takes back the lines of frame k and after, which were written but never acknowledged, because
the disk neither took nor gave up what was written. Journals of store version 1 have neither.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.storage import values
from hcc_scope.storage.files import read_plain
from hcc_scope.storage.lines import fields_of, sealed_line
from hcc_scope.types import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from numpy.typing import NDArray

    from hcc_scope.storage.place import StorePlace
    from hcc_scope.types import TagValue

__all__ = ["MAX_BYTES", "WITHDRAWN", "Journal", "JournalEntry", "entry_of", "line_of", "parse_journal", "read_journal"]

_SHORTEST_LINE_BYTES = 100
"""The names of the fields alone are longer; so a damaged number cannot make a journal seem endless."""

MAX_BYTES = 1 << 30
"""Two million frames: what is larger is no journal, so none is written either."""

_LARGEST_INT = 1 << 63
_SIZES_UM = (1e-9, 1e6)
_FARTHEST_UM = 1e9
"""Of a position, a kilometre: what claims to be farther off is none, and no picture of a section could hold it."""

WITHDRAWN = "withdrawn_from"
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
    """Return a device's answer as a number; None if it is none. What is written here is what `entry_of` takes."""
    value = _plain(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    value = _measured(value)
    return None if value is None or value != int(value) else int(value)


def _size(value: object) -> float | None:
    value = _measured(value)
    return value if value is not None and _SIZES_UM[0] <= value <= _SIZES_UM[1] else None


def _place(value: object) -> float | None:
    value = _measured(value)
    return value if value is not None and abs(value) <= _FARTHEST_UM else None


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
        "stage_um": None if frame.stage_um is None else [_place(v) for v in frame.stage_um],
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


def entry_of(value: dict[str, Any]) -> JournalEntry:
    """Return the entry of a line's fields; raises ValueError if one of them is not what it has to be."""
    if value.keys() != _KEYS:
        raise ValueError("it has other keys")
    stage = value["stage_um"]
    if stage is not None:
        if not isinstance(stage, list) or len(stage) != 3:
            raise ValueError("stage_um is no list of three")
        x, y, z = (_place(_number_or_none(one, "stage_um")) for one in stage)
        # without x or y there is no position: they were not a number, or no place of a stage
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
        # most tags are the same in every frame, and are kept once
        tags={
            sys.intern(key): sys.intern(one) if isinstance(one, str) else one
            for key, one in values.scalars(value["tags"], "tags").items()
        },
    )


def read_journal(path: StorePlace, section_id: str | None = None) -> Journal:
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
    return parse_journal(read_plain(path, MAX_BYTES), path, section_id)


def parse_journal(data: bytes, path: StorePlace, section_id: str | None = None) -> Journal:
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
            if sealed and value.keys() == {WITHDRAWN}:
                withdraw(values.integer(value[WITHDRAWN], WITHDRAWN, 0, most))
                return True
            entry = entry_of(value)
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

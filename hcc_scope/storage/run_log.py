"""The log of a run: the state of the devices before and after it, and what was done to them in between.

``run_log.jsonl``, one JSON object per line: ``{"t_utc", "kind", "facts"}`` and a checksum. Kinds are those of
`hcc_scope.run_events`. The log describes the run; no number rests on it. Hence it may be incomplete, and a log that
cannot be written never costs a frame: events wait in a bounded queue for a thread of their own, and what finds no room
there, or would make the file too large, is counted and left out. A last line, of the kind ``left_out``, has the number.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hcc_scope.atomic_file import sync_folder, write_all
from hcc_scope.errors import StoreError
from hcc_scope.run_events import RunEvent
from hcc_scope.storage import values
from hcc_scope.storage.files import cannot_read, ends_whole, explain, open_own, read_plain
from hcc_scope.storage.lines import fields_of, sealed_line
from hcc_scope.workers import Broken, Channel, Closed, Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcc_scope.run_events import JsonValue
    from hcc_scope.storage.place import StorePlace

__all__ = ["RUN_LOG", "RunLog", "RunLogWriter", "read_run_log"]

RUN_LOG = "run_log.jsonl"
_KEYS = frozenset({"t_utc", "kind", "facts"})
_ALWAYS = frozenset({"device_state", "action", "skipped", "message"})
"""Kinds that are still kept when the file has its usual size: few of them come in one run."""
_USUAL_BYTES = 16 * 2**20
"""About 100,000 moves."""
_MOST_BYTES = 2 * _USUAL_BYTES
_WAITING_BYTES = 4 * 2**20
_LONGEST_TEXT = 4096
"""A longer value of a property is cut: one must not take the room of all others."""
_SYNC_S = 5.0
_END_S = 5.0
"""How long a slow disk may take for the last lines."""
_MAX_READ_BYTES = 2 * _MOST_BYTES


@dataclass(frozen=True, slots=True)
class RunLog:
    """What a ``run_log.jsonl`` holds."""

    events: tuple[RunEvent, ...]
    problems: tuple[str, ...]
    """One sentence for each unreadable line that has its end."""
    torn: bytes
    """The unfinished last line of a crash, or empty."""


def read_run_log(store: StorePlace) -> RunLog | None:
    """Read the log of a store's run, also while it is being written.

    Returns
    -------
    RunLog or None
        None for a store without one: of an earlier version, or whose log could not be written.

    Raises
    ------
    StoreError
        If the file is there and cannot be read.
    """
    path = store / RUN_LOG
    try:
        *lines, torn = read_plain(path, _MAX_READ_BYTES).split(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_read(error, f"The run log {path}") from error
    events: list[RunEvent] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(_event_of(line))
        except ValueError as error:
            problems.append(f"line {number} of {path} is unreadable: {error}")
    return RunLog(tuple(events), tuple(problems), torn)


def _event_of(line: bytes) -> RunEvent:
    """Parse one line; raises ValueError if it is not one."""
    value, sealed = fields_of(line)
    if not sealed:
        raise ValueError("it has no checksum")
    if value.keys() != _KEYS:
        raise ValueError("it has other keys")
    return RunEvent(
        values.time_of(value["t_utc"], "t_utc"),
        values.text(value["kind"], "kind"),
        values.object_of(value["facts"], "facts"),
    )


def _line_of(event: RunEvent) -> bytes:
    facts = _plain(dict(event.facts))
    return sealed_line({"t_utc": event.t_utc.isoformat(), "kind": event.kind, "facts": facts})


def _plain(value: object) -> JsonValue:
    """Return a value that JSON can hold: what it has no word for, such as a number that is none, becomes a text."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = str(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}... ({len(text)} characters)"


class RunLogWriter:
    """Writes the events of one run into its store, in a thread of its own. `add` never raises and never waits.

    Parameters
    ----------
    store : Path
        The store's folder. The log of one that is continued goes on.
    on_problem : callable
        Takes one sentence if the log cannot be written; called at most once, from any thread, or in the constructor.
    continues : bool
        Whether there may be a log of earlier parts, which goes on.
    """

    def __init__(self, store: Path, on_problem: Callable[[str], None], *, continues: bool = False) -> None:
        self.path = store / RUN_LOG
        self._on_problem = on_problem
        self._queue: Channel[bytes] = Channel(_WAITING_BYTES)
        self._taken_bytes = 0
        self._left_out = 0
        self._failed = False
        self._closed = False
        self._handle = -1
        self._size = 0
        self._synced_s = time.monotonic()
        try:
            self._open(store, continues=continues)
        except (OSError, StoreError) as error:
            self._fail(error, "run log")
        self._worker = Worker("run-log", self._write_all, self._fail, self._let_go)
        self._worker.start()

    def _open(self, store: Path, *, continues: bool) -> None:
        if continues and os.path.lexists(self.path):
            self._handle = open_own(self.path, os.O_RDWR | os.O_APPEND)
            self._size = self._taken_bytes = os.lseek(self._handle, 0, os.SEEK_END)
            if not ends_whole(self._handle, self._size):
                self._write(b"\n")  # half a line would make the next one unreadable
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._handle = os.open(self.path, flags, 0o666)
        sync_folder(store)

    def add(self, event: RunEvent) -> None:
        """Take one event; calls must not overlap (`hcc_scope.run_events.RunEvents` sees to that)."""
        if self._closed or self._failed:
            return
        line = _line_of(event)
        most = _MOST_BYTES if event.kind in _ALWAYS else _USUAL_BYTES
        if self._taken_bytes + len(line) > most or not self._offered(line):
            self._left_out += 1
        else:
            self._taken_bytes += len(line)

    def _offered(self, line: bytes) -> bool:
        try:
            return self._queue.offer(line, len(line))
        except Broken:
            return False

    def close(self) -> None:
        """Write what waits, for a few seconds at most; idempotent."""
        if self._closed:
            return
        if self._left_out:
            self._offered(_line_of(RunEvent(datetime.now(UTC), "left_out", {"n": self._left_out})))
        self._closed = True
        self._queue.close()
        if not self._worker.join(_END_S):
            self._queue.break_()
            self._say(f"{self.path} is incomplete: the disk takes longer than {_END_S:.0f} s for its last lines")

    # --- the thread ---

    def _write_all(self) -> None:
        while not self._failed:
            try:
                line = self._queue.get()
            except (Closed, Broken):
                break
            self._write(line)
            if time.monotonic() - self._synced_s > _SYNC_S:
                self._sync()
        if not self._failed:
            self._sync()

    def _write(self, line: bytes) -> None:
        try:
            write_all(self._handle, line)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._handle, self._size)  # no half line
            raise
        self._size += len(line)

    def _sync(self) -> None:
        os.fsync(self._handle)
        self._synced_s = time.monotonic()

    def _let_go(self) -> None:
        self._queue.break_()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _fail(self, error: BaseException, where: str) -> None:
        del where
        self._failed = True
        words = f"The run log {self.path} could not be written; the frames are not affected"
        self._say(str(explain(error, words)) if isinstance(error, OSError) else f"{words}: {error}")

    def _say(self, sentence: str) -> None:
        on_problem, self._on_problem = self._on_problem, _nothing
        on_problem(sentence)


def _nothing(_sentence: str) -> None:
    """Do nothing."""

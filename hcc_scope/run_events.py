"""What happens to the devices during a run, in order: settings, moves, focusing, actions of the operator.

Whoever drives a device adds events; a run that has a store keeps them there while it lasts
(`hcc_scope.storage.run_log`). Outside a run they are dropped, except for the last few, which a run that begins takes
along: its devices are prepared before its store is made.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias, Union

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["JsonValue", "RunEvent", "RunEvents"]

JsonValue: TypeAlias = Union[str, int, float, bool, "list[JsonValue]", "dict[str, JsonValue]", None]

_KEPT = 1000
"""Events before a run that it may still take along."""
_SHOWN = 128
"""Of each kind, for those who show them."""


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One event."""

    t_utc: datetime
    kind: str
    """``property``, ``move``, ``focus``, ``skipped``, ``action``, ``hand`` ...: what the facts are about."""
    facts: Mapping[str, JsonValue]


class RunEvents:
    """Takes events, and passes them on to the run that is under way. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: deque[RunEvent] = deque(maxlen=_KEPT)
        self._recent: dict[str, deque[RunEvent]] = {}
        self._write: Callable[[RunEvent], None] | None = None

    def recent(self, kind: str) -> tuple[RunEvent, ...]:
        """Return the last events of a kind since a run began to prepare its devices, oldest first."""
        with self._lock:
            return tuple(self._recent.get(kind, ()))

    def add(self, kind: str, **facts: JsonValue) -> None:
        """Add an event that happens now.

        Raises
        ------
        OSError, HccScopeError
            Whatever the run's own log raises, if it cannot keep the event.
        """
        self.add_at(datetime.now(UTC), kind, **facts)

    def add_at(self, t_utc: datetime, kind: str, **facts: JsonValue) -> None:
        """Add an event that happened some time ago; raises like `add`."""
        event = RunEvent(t_utc, kind, facts)
        with self._lock:
            self._recent.setdefault(kind, deque(maxlen=_SHOWN)).append(event)
            if self._write is None:
                self._before.append(event)
            else:
                self._write(event)

    def begin(self) -> None:
        """Drop the events so far: a run begins to prepare its devices."""
        with self._lock:
            self._before.clear()
            self._recent.clear()

    @contextmanager
    def kept_by(self, write: Callable[[RunEvent], None]) -> Iterator[None]:
        """Pass events on to `write`, the ones since `begin` first.

        Parameters
        ----------
        write : callable
            Takes one event after the other, never two at once.
        """
        with self._lock:
            for event in self._before:
                write(event)
            self._before.clear()
            self._write = write
        try:
            yield
        finally:
            with self._lock:
                self._write = None

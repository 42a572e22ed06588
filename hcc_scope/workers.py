"""Threads whose errors are always reported: a stop token, bounded channels, the newest-wins slot, and the one guard.

Design
------
- `StopToken` counts requests: the first asks to finish cleanly, the second to skip analysis. It never skips storage.
  It also holds a run between two frames (pause); a request to end releases it.
- `Channel` is bounded in bytes. `put` blocks (storage: the producer waits), `offer` does not (analysis: a frame
  that does not fit is deferred). Closing a channel lets its reader drain it; **breaking* it wakes everyone immediately,
  so that a worker that has ended never leaves another one waiting.
- `guard` holds the only broad ``except`` of the program; `attempt` is the same for work that returns something.
- `ErrorLatch` keeps the first error of a run; later ones become notes on it.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Broken",
    "Channel",
    "Closed",
    "ErrorLatch",
    "Failure",
    "LatestSlot",
    "StopToken",
    "Worker",
    "attempt",
    "guard",
    "interruptible",
]

T = TypeVar("T")


_POLL_S = 0.2


class Closed(Exception):  # noqa: N818 - a signal, not an error
    """The channel is closed and empty: nothing more will come."""


class Broken(Exception):  # noqa: N818 - a signal, not an error
    """The channel was broken because its reader or writer died."""


class StopToken:
    """Ask a run to end (once to finish cleanly, twice to skip the analysis that is still open), or to pause.

    Examples
    --------
    >>> stop = StopToken()
    >>> stop.requested
    False
    >>> stop.request()
    >>> stop.requested, stop.analysis_skipped
    (True, False)
    """

    def __init__(self) -> None:
        # A Condition's own lock is re-entrant, an Event's is not: a signal handler may call `request` while the very
        # thread that it interrupts is inside `wait` or `request`, and must not deadlock there.
        self._changed = threading.Condition()
        self._requested = False
        self._asked_at: list[datetime] = []
        self._paused = False
        self._n_held = 0

    @property
    def requested(self) -> bool:
        """Whether the run must end."""
        return self._requested

    @property
    def by_user(self) -> bool:
        """Whether a person asked (rather than an error)."""
        return bool(self._asked_at)

    @property
    def analysis_skipped(self) -> bool:
        """Whether a person asked a second time: skip analysis, keep storage."""
        return len(self._asked_at) > 1

    @property
    def asked_at(self) -> tuple[datetime, ...]:
        """When a person asked, each time."""
        return tuple(self._asked_at)

    def request(self) -> None:
        """Ask once more, on behalf of a person. Safe in a signal handler."""
        with self._changed:
            self._asked_at.append(datetime.now(UTC))
            self._requested = True
            self._changed.notify_all()

    def abort(self) -> None:
        """End the run because something failed; does not count as a person's request."""
        with self._changed:
            self._requested = True
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s` or until stop is requested; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._requested, timeout_s)

    @property
    def paused(self) -> bool:
        """Whether the run must take no further frame for now; false once it must end."""
        return self._paused and not self._requested

    @property
    def held(self) -> bool:
        """Whether a thread waits because of the pause: no frame is being taken."""
        return self._n_held > 0

    def pause(self) -> None:
        """Hold every thread that calls `wait_while_paused`."""
        with self._changed:
            self._paused = True
            self._changed.notify_all()

    def resume(self) -> None:
        """Let go again."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def wait_while_paused(self) -> None:
        """Wait until the run continues or must end; returns immediately if it is not paused."""
        with self._changed:
            if not self.paused:
                return
            self._n_held += 1
            try:
                self._changed.wait_for(lambda: not self.paused)
            finally:
                self._n_held -= 1


class Channel(Generic[T]):
    """A first-in first-out queue bounded in bytes, between two threads.

    Parameters
    ----------
    capacity_bytes : int
        Sum of the sizes that may wait. One item larger than that is still let through when the channel is empty.
    """

    def __init__(self, capacity_bytes: int) -> None:
        if capacity_bytes <= 0:
            raise ValueError(f"capacity_bytes must be positive, not {capacity_bytes}")
        self._capacity = capacity_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._closed = False
        self._broken = False
        self._changed = threading.Condition()

    @property
    def fill(self) -> float:
        """Share of the capacity in use, 0 to 1."""
        return min(1.0, self._bytes / self._capacity)

    def __len__(self) -> int:
        return len(self._items)

    def _fits(self, n_bytes: int) -> bool:
        return not self._items or self._bytes + n_bytes <= self._capacity

    def put(self, item: T, n_bytes: int) -> None:
        """Append, waiting for room.

        Raises
        ------
        Broken
            If the reader died, also while waiting.
        ValueError
            If the channel was closed by its writer before.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._broken or self._closed or self._fits(n_bytes))
            self._append(item, n_bytes)

    def offer(self, item: T, n_bytes: int) -> bool:
        """Append if there is room now; return whether it was. Raises like `put`."""
        with self._changed:
            if not (self._broken or self._closed) and not self._fits(n_bytes):
                return False
            self._append(item, n_bytes)
            return True

    def _append(self, item: T, n_bytes: int) -> None:
        if self._broken:
            raise Broken
        if self._closed:
            raise ValueError("put into a closed channel")
        self._items.append((item, n_bytes))
        self._bytes += n_bytes
        self._changed.notify_all()

    def get(self, timeout_s: float | None = None) -> T:
        """Take the oldest item, waiting for one.

        Raises
        ------
        Closed
            If the channel was closed and everything was taken.
        Broken
            If the channel was broken; what was waiting in it is gone.
        TimeoutError
            If nothing came within `timeout_s`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed or self._broken, timeout_s)
            if self._broken:
                raise Broken
            if self._items:
                item, n_bytes = self._items.popleft()
                self._bytes -= n_bytes
                self._changed.notify_all()
                return item
            if self._closed:
                raise Closed
            raise TimeoutError

    def wait_below(self, fill: float, timeout_s: float) -> bool:
        """Wait up to `timeout_s` until at most the share `fill` of the capacity is in use; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._bytes <= fill * self._capacity, timeout_s)

    def close(self) -> None:
        """Note that nothing more will come; the reader drains the rest. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def break_(self) -> list[T]:
        """Wake all waiting threads, with `Broken`, and return what was left in it. Idempotent."""
        with self._changed:
            left = [item for item, _ in self._items]
            self._items.clear()
            self._bytes = 0
            self._broken = True
            self._changed.notify_all()
            return left


class LatestSlot(Generic[T]):
    """Holds the newest value only: writers never wait, readers never hold anything up."""

    def __init__(self) -> None:
        self._value: T | None = None

    def put(self, value: T) -> None:
        """Replace the value (one reference assignment: atomic)."""
        self._value = value

    def get(self) -> T | None:
        """Return the newest value, or None if there never was one."""
        return self._value


class ErrorLatch:
    """Keeps the first error; later ones become notes on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: BaseException | None = None

    @property
    def error(self) -> BaseException | None:
        """The first error, or None."""
        return self._first

    def set(self, error: BaseException, where: str) -> None:
        """Latch `error`, which came from the worker `where`."""
        with self._lock:
            if self._first is None:
                self._first = error
            elif self._first is not error:
                self._first.add_note(f"then, in {where}: {type(error).__name__}: {error}")


def guard(where: str, body: Callable[[], None], on_error: Callable[[BaseException, str], None]) -> bool:
    """Run `body`; hand whatever it raises to `on_error`. The only broad ``except`` of the program.

    Returns
    -------
    bool
        Whether `body` ended without an error.
    """
    try:
        body()
    except BaseException as error:  # noqa: BLE001 - this is the one place
        on_error(error, where)
        return False
    return True


@dataclass(frozen=True, slots=True)
class Failure:
    """What `attempt` returns in place of a value."""

    error: BaseException


def attempt(body: Callable[[], T]) -> T | Failure:
    """Return what `body` returns, or the error that it raised as a `Failure`."""
    values: list[T] = []
    errors: list[BaseException] = []
    if guard("attempt", lambda: values.append(body()), lambda error, _: errors.append(error)):
        return values[0]
    return Failure(errors[0])


def interruptible(body: Callable[[], T]) -> T:
    """Return what `body` returns or raise what it raises, and have Ctrl-C end the waiting for it.

    Python deals with Ctrl-C in the main thread, and only between its own instructions: a call into a library that
    never returns would block it for ever. So the body runs in its own thread, which Ctrl-C abandons.
    """
    if threading.current_thread() is not threading.main_thread():
        return body()
    found: list[T | Failure] = []
    thread = threading.Thread(target=lambda: found.append(attempt(body)), name="hcc-interruptible", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_S)  # on Windows, waiting without a limit cannot be interrupted
    if isinstance(found[0], Failure):
        raise found[0].error
    return found[0]


class Worker:
    """A thread whose end is noticed: its error goes to `on_error`, then `finally_` runs, always.

    Parameters
    ----------
    name : str
        The thread's name; messages give it as the origin of an error.
    body : callable
        What it does.
    on_error : callable
        Takes the error and the worker's name.
    finally_ : callable, optional
        Wakes the threads that wait for this worker (closes its channels).
    """

    def __init__(
        self,
        name: str,
        body: Callable[[], None],
        on_error: Callable[[BaseException, str], None],
        finally_: Callable[[], None] | None = None,
    ) -> None:
        self._body = body
        self._on_error = on_error
        self._finally = finally_
        # daemon: a worker stuck inside a driver must not keep the interpreter from exiting; ends are joined on purpose
        self._thread = threading.Thread(target=self._run, name=f"hcc-{name}", daemon=True)
        self.name = name

    def _run(self) -> None:
        guard(self.name, self._body, self._on_error)
        if self._finally is not None:
            guard(self.name, self._finally, self._on_error)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the thread to end; return whether it did."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

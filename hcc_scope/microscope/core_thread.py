"""The one thread that talks to Micro-Manager's core.

Why one thread: the sockets of the Java backend are not thread-safe, many drivers are not either, and a driver's call
may block for as long as an exposure lasts, while the thread that waits for it must be able to go on within a second.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from hcc_scope.clocks import Patience
from hcc_scope.errors import CameraError, DeviceError
from hcc_scope.workers import Failure, Worker, attempt, guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.protocols import StopSignal

__all__ = ["CoreThread", "Stopped"]

T = TypeVar("T")
_log = logging.getLogger(__name__)

_LOOK_S = 0.02
"""How often a waiting caller looks whether stop was requested."""


class Stopped(Exception):  # noqa: N818 - a signal, not an error
    """Stop was requested while the core was busy; its call continues and the next one waits for it."""


class _Job(Generic[T]):
    """One call and what came of it."""

    def __init__(self, what: str, body: Callable[[], T]) -> None:
        self.what = what
        self.body = body
        self.begun = threading.Event()
        self.done = threading.Event()
        self.left = threading.Event()
        self.outcome: T | Failure | None = None

    def run(self) -> None:
        """Run in the core's thread, unless the caller left before its turn came."""
        self.begun.set()
        if not self.left.is_set():
            self.outcome = attempt(self.body)
            if self.left.is_set() and isinstance(self.outcome, Failure):
                _log.warning("%s failed after its caller had stopped waiting: %s", self.what, self.outcome.error)
        self.done.set()


class CoreThread:
    """Runs calls one after another in its own thread."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job[object] | None] = queue.SimpleQueue()
        self._worker = Worker("core", self._loop, self._died)
        self._worker.start()
        self._busy_with = ""

    def _loop(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._busy_with = job.what
            job.run()
            self._busy_with = ""

    def _died(self, error: BaseException, where: str) -> None:
        _log.critical("the thread %s died: %s", where, error)

    def call(
        self,
        what: str,
        body: Callable[[], T],
        *,
        stop: StopSignal | None = None,
        grace_s: float = 0.0,
        timeout_s: float | None = None,
        last_state: Callable[[], str] = str,
    ) -> T:
        """Run `body` in the core's thread and return what it returns.

        Waits in short slices, so that Ctrl-C (KeyboardInterrupt) gets through on every system even if a driver hangs.

        Parameters
        ----------
        what : str
            The call in words, for messages: "moving the stage".
        body : callable
        stop : StopSignal, optional
            Leave when it is requested.
        grace_s : float
            How long the call may still take then.
        timeout_s : float, optional
            How long it may take at all, waiting for its turn included; time in which the program itself was stopped
            does not count.
        last_state : callable, optional
            Returns what is known of the device, as the end of the sentence that reports the timeout.

        Raises
        ------
        Stopped
            If stop was requested and the call did not end within `grace_s`.
        CameraError
            If it did not end within `timeout_s`.
        DeviceError
            If the thread was closed.
        """
        if not self._worker.alive:
            raise DeviceError(f"{what} is not possible: the connection to Micro-Manager is closed")
        job = _Job(what, body)
        self._jobs.put(cast("_Job[object]", job))
        waited = Patience()
        leave_at_s: float | None = None
        try:
            while not job.done.wait(_LOOK_S):
                waited_s = waited.spent_s()
                if leave_at_s is None and stop is not None and stop.requested:
                    leave_at_s = waited_s + grace_s
                if leave_at_s is not None and waited_s >= leave_at_s:
                    raise Stopped
                if timeout_s is not None and waited_s >= timeout_s:
                    raise CameraError(
                        f"{self._busy_with or what} did not end within {timeout_s:.1f} s{last_state()}",
                        hint="Check that the device is on and connected, and that its trigger is internal.",
                    )
        finally:
            job.left.set()
        if isinstance(job.outcome, Failure):
            raise job.outcome.error
        return cast("T", job.outcome)

    def finish(self, what: str, body: Callable[[], None], *, turn_s: float, end_s: float) -> bool:
        """Run `body` in the core's thread whatever happens; wait a while for that.

        Parameters
        ----------
        what : str
        body : callable
            Logged if it fails.
        turn_s : float
            How long to wait for the call that is under way, such as a long exposure.
        end_s : float
            How long to wait for `body` itself.

        Returns
        -------
        bool
            Whether it has run; if not, it still will.

        Raises
        ------
        DeviceError
            If the thread was closed.
        """
        if not self._worker.alive:
            raise DeviceError(f"{what} is not possible: the connection to Micro-Manager is closed")

        def run() -> None:
            guard(what, body, lambda error, _where: _log.warning("%s failed: %s", what, error))

        job = _Job(what, run)
        self._jobs.put(cast("_Job[object]", job))
        return job.begun.wait(turn_s) and job.done.wait(end_s)

    def close(self, timeout_s: float, then: Callable[[], None] | None = None) -> bool:
        """End the thread after the calls that wait, however long they take.

        Parameters
        ----------
        timeout_s : float
            How long to wait for that.
        then : callable, optional
            Called at the thread's end, be it after `timeout_s`.

        Returns
        -------
        bool
            Whether the thread ended in time.
        """
        if then is not None:
            self._jobs.put(_Job("closing", then))
        self._jobs.put(None)
        return self._worker.join(timeout_s)

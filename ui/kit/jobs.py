"""Slow work off the Qt thread: a worker calls a function, and its result comes back in the Qt thread.

One worker is one thread, so work on it is done in order: devices on ``rig``, files on ``disk``, models on ``model``.
The threads emit no signal: their results wait in a queue that a timer of the Qt thread empties.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from shiboken6 import isValid

from hcc_scope.workers import Failure, Worker, attempt, guard
from ui.kit.error_report import ErrorReport, describe

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JobRunner", "Jobs", "WorkerName"]

T = TypeVar("T")

WorkerName = Literal["rig", "disk", "model", "replay", "report", "trial", "pictures"]
"""The workers that widgets use. Work on one worker is done in order, and never beside other work on it."""

_POLL_MS = 15
_FAREWELL_S = 2.0


class JobRunner(Protocol):
    """What a widget needs to run slow work; `Jobs` is one."""

    def submit(
        self, worker: WorkerName, fn: Callable[[], T], done: Callable[[T], None], failed: Callable[[str], None]
    ) -> None:
        """Queue a piece of work; returns at once.

        Parameters
        ----------
        worker : {"rig", "disk", "model", "replay", "report", "trial", "pictures"}
            Where it runs.
        fn : callable
            The work. It touches no widget.
        done : callable
            Takes what `fn` returned; called in the Qt thread.
        failed : callable
            Takes one sentence for a person if `fn` raised; called in the Qt thread. Exactly one of the two is called,
            unless the program ends before.
        """


class _Worker:
    """One thread and what waits for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.since: float | None = None
        """When the present piece of work began (monotonic seconds); None while there is none."""
        self._left = threading.Event()
        self._worker = Worker(f"ui-{name}", self._loop, self._died)
        self._worker.start()

    def put(self, body: Callable[[], None]) -> None:
        self._work.put(body)

    def _loop(self) -> None:
        while (body := self._work.get()) is not None:
            if self._left.is_set():
                continue
            self.since = time.monotonic()
            body()
            self.since = None

    def _died(self, error: BaseException, where: str) -> None:
        raise RuntimeError(f"the worker {where} ended") from error

    def leave(self) -> None:
        """Take no more work."""
        self._left.set()
        self._work.put(None)

    def join(self, timeout_s: float) -> bool:
        return self._worker.join(timeout_s)


class Jobs(QObject):
    """Runs slow work on named workers; a `JobRunner`.

    Parameters
    ----------
    parent : QObject, optional
    """

    error_reported = Signal(ErrorReport)
    """What went wrong with a piece of work, before its `failed` is called."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workers: dict[str, _Worker] = {}
        self._ends: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._open: Counter[str] = Counter()
        """Pieces of work that wait or are under way, by worker."""
        self._closed = False
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._deliver)

    def submit(
        self,
        worker: str,
        fn: Callable[[], T],
        done: Callable[[T], None] | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Queue a piece of work; returns at once. Call it in the Qt thread.

        Parameters
        ----------
        worker : str
            Where it runs; made when first named.
        fn : callable
            The work. It touches no widget.
        done : callable, optional
            Takes what `fn` returned; called in the Qt thread.
        failed : callable, optional
            Takes one sentence for a person if `fn` raised; called in the Qt thread.
        """
        if self._closed:
            return
        if worker not in self._workers:
            self._workers[worker] = _Worker(worker)
        self._open[worker] += 1
        self._workers[worker].put(partial(self._run, worker, fn, done, failed))
        self._timer.start()

    def _run(
        self, worker: str, fn: Callable[[], T], done: Callable[[T], None] | None, failed: Callable[[str], None] | None
    ) -> None:
        """Do the work; runs in the worker's thread."""
        outcome = attempt(fn)
        self._ends.put(partial(self._end, worker, outcome, done, failed))

    def post(self, call: Callable[[], None]) -> None:
        """Have `call` called in the Qt thread, for example with a message from a worker. Safe from any thread."""
        self._ends.put(call)

    @Slot()
    def _deliver(self) -> None:
        while True:
            try:
                call = self._ends.get_nowait()
            except queue.Empty:
                break
            guard("what follows a piece of work", call, self._on_bug)
        if not self.n_open:
            self._timer.stop()

    def _end(
        self,
        worker: str,
        outcome: T | Failure,
        done: Callable[[T], None] | None,
        failed: Callable[[str], None] | None,
    ) -> None:
        self._open[worker] -= 1
        if isinstance(outcome, Failure):
            report = describe(outcome.error)
            self.error_reported.emit(report)
            if failed is not None and _is_there(failed):
                failed(report.sentence)
        elif done is not None and _is_there(done):
            done(outcome)

    def _on_bug(self, error: BaseException, _where: str) -> None:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        self.error_reported.emit(describe(error))

    @property
    def n_open(self) -> int:
        """Number of pieces of work that wait or are under way."""
        return self._open.total()

    def has_work(self, worker: str) -> bool:
        """Return whether a piece of work waits or is under way on a worker."""
        return self._open[worker] > 0

    def busy_s(self, worker: str) -> float:
        """Return the time since the present piece of work of a worker began; 0 if it has none."""
        since = self._workers[worker].since if worker in self._workers else None
        return 0.0 if since is None else time.monotonic() - since

    def close(self, timeout_s: float = _FAREWELL_S) -> tuple[str, ...]:
        """Take no more work and wait for what is under way; return the workers that do not end in time."""
        self._closed = True
        deadline = time.monotonic() + timeout_s
        for worker in self._workers.values():
            worker.leave()
        left = [
            worker.name for worker in self._workers.values() if not worker.join(max(0.0, deadline - time.monotonic()))
        ]
        self._timer.stop()
        return tuple(left)


def _is_there(call: Callable[..., None]) -> bool:
    """Return whether the widget that a bound method belongs to still exists; a plain function always does."""
    while isinstance(call, partial):
        call = call.func
    owner = getattr(call, "__self__", None)
    return not isinstance(owner, QObject) or isValid(owner)

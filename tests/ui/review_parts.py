"""What the tests of the review tabs share: a runner of jobs with real threads, and sections that are quickly made."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Slot

from hcc_scope.types import FrameResult
from hcc_scope.workers import Failure, Worker, attempt

if TYPE_CHECKING:
    from collections.abc import Callable


class ThreadJobs(QObject):
    """A `ui.jobs_protocol.JobRunner`: a thread per lane, callbacks by a timer in the Qt thread."""

    def __init__(self) -> None:
        super().__init__()
        self._lanes: dict[str, queue.SimpleQueue[Any]] = {}
        self._workers: list[Worker] = []
        self._ended: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._open = 0
        self.lanes_used: list[str] = []
        self.thread_names: set[str] = set()
        self._timer = QTimer(self, interval=5)
        self._timer.timeout.connect(self._poll)
        self._timer.start()

    def submit(self, lane: Any, fn: Any, done: Any, failed: Any) -> None:
        self.lanes_used.append(lane)
        if lane not in self._lanes:
            jobs = self._lanes[lane] = queue.SimpleQueue()
            worker = Worker(f"test-{lane}", lambda: self._work(jobs), lambda _error, _where: None)
            self._workers.append(worker)
            worker.start()
        self._open += 1
        self._lanes[lane].put((fn, done, failed))

    def _work(self, jobs: Any) -> None:
        while (job := jobs.get()) is not None:
            fn, done, failed = job
            self.thread_names.add(threading.current_thread().name)
            value = attempt(fn)
            if isinstance(value, Failure):
                self._ended.put(lambda failed=failed, error=value.error: failed(str(error)))
            else:
                self._ended.put(lambda done=done, value=value: done(value))

    @Slot()
    def _poll(self) -> None:
        while not self._ended.empty():
            self._open -= 1
            self._ended.get()()

    def idle(self) -> bool:
        return self._open == 0

    def close(self) -> None:
        self._timer.stop()
        for jobs in self._lanes.values():
            jobs.put(None)
        for worker in self._workers:
            assert worker.join(30.0)


def result(seq: int, probabilities: list[float], flags: list[int] | None = None) -> FrameResult:
    """Return a result whose flagged tiles have no probability."""
    p = np.array(probabilities, dtype=np.float32)
    f = np.zeros(len(p), np.uint8) if flags is None else np.array(flags, dtype=np.uint8)
    p[f != 0] = np.nan
    with np.errstate(divide="ignore"):
        logits = np.log(p / (1 - p)).astype(np.float32)
    outcome = "classified" if np.isfinite(p).any() else "excluded"
    return FrameResult(seq, outcome, logits, p, f, "torchscript")

"""The analysis of a run: live frames first, deferred ones when there is time, and an exit from a broken classifier."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from hcc_scope.errors import ModelError, ModelFormatError, ModelMismatchError
from hcc_scope.session.frame_analysis import failed_result
from hcc_scope.session.watchdog import Abandoned, ClassifierHangs
from hcc_scope.workers import Broken, Closed, Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.protocols import ResultSink
    from hcc_scope.session.deferred_cache import DeferredCache
    from hcc_scope.session.frame_analysis import FrameAnalyser
    from hcc_scope.session.ledger import FrameLedger
    from hcc_scope.session.run_score import RunScore
    from hcc_scope.session.storing import StorageWorker
    from hcc_scope.types import Frame, FrameResult
    from hcc_scope.workers import Channel, StopToken

__all__ = ["AnalysisWorker", "Arrival"]

_STORE_FILL_LIMIT = 0.5
_POLL_S = 0.02
_BROKEN_AT_ONCE = (ClassifierHangs, ModelFormatError, ModelMismatchError)
"""Errors that the next frame would meet again."""


class Arrival:
    """A frame on its way to analysis, with the time that it has taken so far.

    Parameters
    ----------
    frame : Frame
        Just acquired.
    acquire_ms : float
        From the end of its exposure until the session had it: read-out, transfer, copy.
    """

    __slots__ = ("_acquire_ms", "_since_ns", "frame")

    def __init__(self, frame: Frame, acquire_ms: float) -> None:
        self.frame = frame
        self._acquire_ms = acquire_ms
        self._since_ns = time.perf_counter_ns()

    def latency_ms(self) -> dict[str, float]:
        """Return the stages up to now."""
        return {"acquire": self._acquire_ms, "queue": (time.perf_counter_ns() - self._since_ns) / 1e6}


class AnalysisWorker:
    """Body of the analysis thread: `run` returns when nothing more can be classified.

    Live frames come first. While none waits, the newest deferred frame that is on disk is read back; after the last
    live frame, the rest in order. Whatever is not classified at the end (operator skips it, classifier broken)
    stays deferred. A frame that fails has its error as result, and the next one is tried. A classifier that fails
    `max_failures` frames in a row, hangs, or returns arrays of wrong shape is given up: `on_broken` is called, once.

    Parameters
    ----------
    queue : Channel of Arrival
        Live frames; closed after the last one.
    store_queue : Channel or None
        The storage queue: while it is more than half full, analysis leaves the processor to storage. None if frames
        can wait anyway.
    storage : StorageWorker or None
        Where deferred frames are read from; they are left alone if it broke down.
    cache : DeferredCache
        Where deferred frames are looked for first.
    score : RunScore
        Takes every result.
    results : ResultSink or None
        Where results are kept.
    max_failures : int
        After how many failed frames in a row the classifier is given up.
    on_broken : callable
        Takes the error for which the classifier is given up.
    on_result : callable, optional
        Takes every result, once it counts.
    """

    def __init__(
        self,
        *,
        queue: Channel[Arrival],
        store_queue: Channel[Frame] | None,
        storage: StorageWorker | None,
        cache: DeferredCache,
        analyser: FrameAnalyser,
        score: RunScore,
        results: ResultSink | None,
        ledger: FrameLedger,
        stop: StopToken,
        max_failures: int,
        on_broken: Callable[[BaseException], None],
        on_result: Callable[[FrameResult], None] | None = None,
    ) -> None:
        self._queue = queue
        self._store_queue = store_queue
        self._storage = storage
        self._cache = cache
        self._analyser = analyser
        self._score = score
        self._results = results
        self._ledger = ledger
        self._stop = stop
        self._max_failures = max_failures
        self._on_broken = on_broken
        self._on_result = on_result
        self._failures = 0
        self._broken = False
        self._due = 0

    @property
    def _skipping(self) -> bool:
        """Whether frames are only deferred from now on."""
        return self._broken or self._stop.analysis_skipped

    # -- the two phases ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve live frames until the queue is closed, then catch up."""
        self._serve()
        self._catch_up()

    def _serve(self) -> None:
        patience_s: float | None = None
        while True:
            if self._skipping or self._ledger.counts.deferred == 0:
                patience_s = None  # no frame is deferred without another one waiting in the queue: that one wakes us
            elif patience_s is None:
                patience_s = 0.0
            try:
                arrival = self._queue.get(patience_s)
            except TimeoutError:
                patience_s = 0.0 if self._take_deferred(newest=True) else _POLL_S
            except (Closed, Broken):
                return
            else:
                patience_s = None
                self._skip_missing(arrival.frame.seq)
                self._handle(arrival.frame, arrival.latency_ms())

    def _skip_missing(self, seq: int) -> None:
        """Count the frames that a replay left out as skipped, so that the score's interval does not wait for them."""
        if self._storage is None:
            for missing in range(self._due, seq):
                self._score.skip(missing)
            self._due = seq + 1

    def _catch_up(self) -> None:
        while not self._skipping and self._ledger.counts.deferred:
            over = self._storage is None or self._storage.over.is_set()  # first: what was committed until then is seen
            if not self._take_deferred(newest=False):
                if self._storage is None or over:
                    return
                self._storage.over.wait(_POLL_S)

    def _take_deferred(self, *, newest: bool) -> bool:
        """Analyse one deferred frame; return whether there was one on disk."""
        if self._storage is None or self._storage.failed:
            return False
        seq = self._ledger.take_deferred(self._storage.n_stored, newest=newest)
        if seq is None:
            return False
        started_ns = time.perf_counter_ns()
        frame = attempt(lambda: self._read(seq))
        if isinstance(frame, Failure):
            self._fail(seq, f"it could not be read back: {frame.error}")
        else:
            self._handle(frame, {"read": (time.perf_counter_ns() - started_ns) / 1e6})
        return True

    def _read(self, seq: int) -> Frame:
        assert self._storage is not None
        frame = self._cache.take(seq)
        return self._storage.read(seq) if frame is None else frame

    # -- one frame ---------------------------------------------------------------------------------------------------

    def _handle(self, frame: Frame, waited_ms: dict[str, float]) -> None:
        self._yield_to_storage()
        if self._skipping:
            self._ledger.defer(frame.seq)
            return
        result = attempt(lambda: self._analyser.analyse(frame))
        if not isinstance(result, Failure):
            self._failures = 0
            self._finish(replace(result, latency_ms=waited_ms | dict(result.latency_ms)))
            return
        if isinstance(result.error, Abandoned):
            self._ledger.defer(frame.seq)
            return
        self._fail(frame.seq, str(result.error) or type(result.error).__name__)
        self._failures += 1
        if isinstance(result.error, _BROKEN_AT_ONCE) or self._failures >= self._max_failures:
            self._give_up(result.error)

    def _give_up(self, error: BaseException) -> None:
        self._broken = True
        self._cache.close()
        if not isinstance(error, _BROKEN_AT_ONCE):
            cause = error
            error = ModelError(f"{self._failures} frames in a row could not be classified; the last: {cause}")
            error.__cause__ = cause
        self._on_broken(error)

    def _yield_to_storage(self) -> None:
        if self._store_queue is not None:
            while not self._stop.analysis_skipped and not self._store_queue.wait_below(_STORE_FILL_LIMIT, _POLL_S):
                pass

    def _fail(self, seq: int, reason: str) -> None:
        self._finish(failed_result(seq, self._analyser.grid.n, self._analyser.engine, reason))

    def _finish(self, result: FrameResult) -> None:
        """Score a result, count it, and write it down."""
        started_ns = time.perf_counter_ns()
        with self._score.lock:  # score and counts change together, even if an operator takes a field out meanwhile
            score = self._score.add(result)
            now_ns = time.monotonic_ns()
            latency_ms = dict(result.latency_ms)
            latency_ms["score"] = (time.perf_counter_ns() - started_ns) / 1e6
            clock_ns = self._ledger.clock_ns(result.seq)
            if clock_ns is not None:
                latency_ms["total"] = (now_ns - clock_ns) / 1e6
            result = replace(result, latency_ms=latency_ms)
            self._ledger.resolve(result, score, now_ns)
        if self._results is not None:
            self._results.append(result)
        if self._on_result is not None:
            self._on_result(result)

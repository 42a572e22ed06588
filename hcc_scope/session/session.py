"""One run: frames of one section, from a source, into a store, through a model, to a score.

::

    source -> [acquire] -put, BLOCKS----> Channel (bytes) -> [store]    append ... close
                  |------offer, counted-> Channel (bytes) -> [analyse]  tile -> quality -> [classify] -> score
                  '------overwrite------> LatestSlot      <- snapshot()
                                                             [conduct]  waits for the three, decides how the run ended

Live, replay and import differ only in what is plugged in. What holds for each:

- *Storage* is never skipped, and the source waits for it. With a live source it also goes first: analysis pauses while
  the storage queue is more than half full.
- *Analysis* never holds up a live source that is being stored: a frame that does not fit is deferred, only its number
  is kept, and it is read back from the store later. Any other source (replay, import, no store) waits for analysis.
- *Errors*: the first one decides. Source, storage or results file: the run fails, what was acquired before is still
  stored, and classified from memory; deferred frames are caught up if storage is sound. One frame that cannot be
  classified is counted as failed. A broken classifier makes the run *degraded*: the rest is stored and stays deferred;
  without a store there is nothing left to do, and the run fails.
- *Stop* once: the source ends early, everything else ends properly. Twice: nothing more is classified. The run then
  counts as cancelled if planned frames are missing or frames are left unclassified; an open-ended one has no other end.
- *Pause*: the source stops between two frames (a camera's running sequence is stopped, emptied, and started
  again for the rest); storage and analysis continue, and the time in which a stage had no work counts for no rate.
- *Bad fields*: after so many in a row that cannot be used, a live run pauses by itself and states why; what is stored
  and scored is the same with and without it.
- *Guided sections*: the drawn fields and the skips are written down before they take effect, and each frame states by
  its tag which field it shows, live and in a replay (`hcc_scope.drawn_fields`).
- *Continued sections*: frames of earlier parts are counted and scored from the start, and never acquired again; those
  without a result are caught up. Rates and latencies are those of this part.
- *Imports*: an image that cannot be read is left out and counted as lost; numbers of frames have no gap.
- *Retakes*: the source takes a field again next. A note states which frame is replaced before the new one is stored,
  and the new one counts once it has a result (`hcc_scope.retakes`); both stay.
- *Operator's exclusions*: a field is never deleted; the score becomes that of a fresh scorer without it, after the mark
  was written into the store's notes.
- *Score*: that of the frames on disk. If storage breaks down, analysis may have been ahead of it: those frames have
  failed in the end, so that a replay of the store finds the same score.
- *Shutdown*: source drained -> queues closed -> storage drained -> ``sink.close()`` -> deferred frames caught up ->
  ``results.close()`` -> ``finalise(outcome)``.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.by_hand.keeper import GuidedSource
from hcc_scope.errors import DeviceError
from hcc_scope.protocols import ReportingSource
from hcc_scope.readings import ReadingsLog
from hcc_scope.run_events import RunEvents
from hcc_scope.scoring import DEVICE_FAILED
from hcc_scope.session.acquisition import AcquisitionWorker
from hcc_scope.session.analysis import AnalysisWorker
from hcc_scope.session.cadence import Cadence
from hcc_scope.session.deferred_cache import DeferredCache
from hcc_scope.session.drawn_sampling import DrawnSampling
from hcc_scope.session.earlier import EarlierResults
from hcc_scope.session.exclusions import Exclusions
from hcc_scope.session.frame_analysis import FrameAnalyser, failed_result
from hcc_scope.session.ledger import FrameLedger
from hcc_scope.session.limits import SessionLimits
from hcc_scope.session.messages import (
    SKIPPED_SPOILS,
    describe_broken_classifier,
    describe_end,
    describe_skipped_fields,
)
from hcc_scope.session.retaking import Retaking
from hcc_scope.session.run_score import RunScore
from hcc_scope.session.source_reports import SourceReports
from hcc_scope.session.storing import StorageWorker
from hcc_scope.session.watchdog import WatchedClassifier
from hcc_scope.shading.fit import FramesFit
from hcc_scope.tiling import TileGrid
from hcc_scope.types import RunOutcome
from hcc_scope.workers import Channel, ErrorLatch, LatestSlot, StopToken, Worker, guard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hcc_scope.by_hand.keeper import SampleKeeper
    from hcc_scope.protocols import Classifier, FrameSink, FrameSource, NoteSink, ResultSink
    from hcc_scope.quality import QualityLimits
    from hcc_scope.scoring import SectionScorer
    from hcc_scope.session.analysis import Arrival
    from hcc_scope.session.bad_fields import BadFieldWatch
    from hcc_scope.shading.correction import Shading
    from hcc_scope.types import Frame, FrameResult, RunState, SectionScore, Snapshot

__all__ = ["Session"]

_WAKE_S = 0.1
"""How often `join` wakes: on Windows, Ctrl-C cannot interrupt a wait, only be noticed after it."""


class Session:
    """Runs one source to its end.

    Parameters
    ----------
    source : FrameSource
        Open already; the session neither opens nor closes it.
    sink : FrameSink or None
        Where frames are kept; the session closes it. None for a replay.
    classifier : Classifier or None
        None: frames are stored only, and all count as deferred, since a replay can classify them at any time.
    scorer : SectionScorer
        Fresh; its temperature also calibrates the probabilities.
    limits : QualityLimits
        Which tiles are not classified.
    results : ResultSink, optional
        Where results are kept; the session closes it.
    notes : NoteSink, optional
        Where exclusions of fields are kept. Without it they end with the session.
    sample : SampleKeeper, optional
        Where the drawn sample of a guided section is kept. Without it it ends with the session.
    earlier : EarlierResults, optional
        What the section had before: the run continues it in the store that `sink` writes to. Counts, score and interval
        are then those of all its frames, as if one run had taken them.
    excluded : collection of int, optional
        Fields that an operator excluded from the score before.
    stop : StopToken, optional
        To end the run or to pause it; a new one by default.
    finalise : callable, optional
        Takes the outcome once everything is closed, to write the manifest; if it raises, the run has failed.
    store : str, optional
        The store's path, for the outcome.
    session_limits : SessionLimits, optional
        Memory for queues and deferred frames, and when a classifier is given up.
    unlike_beyond : float, optional
        The model card's threshold of the distance from its training tiles: tiles beyond it are flagged and not scored.
        Without it distances are only recorded, if the classifier gives any.
    interval_s : float, optional
        Requested time between frames; the outcome has a remark if it was not kept.
    events : RunEvents, optional
        Takes what the operator does, and every message.
    wind_up : callable, optional
        Called when all frames have their final state, before the outcome is decided.
    shading : Shading, optional
        Corrects each frame before it is classified; what is stored stays raw.
    bad_fields : BadFieldWatch, optional
        Pauses a live run after so many bad fields in a row.

    Raises
    ------
    FrameSizeError
        If the source's frames are smaller than one tile, or not of the shape and bit depth that `shading`
        corrects.
    ValueError
        If there is neither a sink nor a classifier.
    """

    def __init__(
        self,
        source: FrameSource,
        sink: FrameSink | None,
        classifier: Classifier | None,
        *,
        scorer: SectionScorer,
        limits: QualityLimits,
        results: ResultSink | None = None,
        notes: NoteSink | None = None,
        sample: SampleKeeper | None = None,
        earlier: EarlierResults | None = None,
        excluded: Collection[int] = (),
        stop: StopToken | None = None,
        finalise: Callable[[RunOutcome], None] | None = None,
        store: str | None = None,
        session_limits: SessionLimits | None = None,
        unlike_beyond: float | None = None,
        interval_s: float | None = None,
        events: RunEvents | None = None,
        wind_up: Callable[[], None] | None = None,
        shading: Shading | None = None,
        bad_fields: BadFieldWatch | None = None,
    ) -> None:
        if sink is None and classifier is None:
            raise ValueError("a session needs a sink, a classifier, or both")
        spec = source.spec
        self._grid = TileGrid.for_frame(spec.frame_shape_yx, spec.tile_px)
        if shading is not None:
            shading.check_fits(spec.frame_shape_yx, spec.bit_depth)
        self._shading = shading
        self._fit = None if shading is None else FramesFit(shading)
        self._bad_fields = bad_fields if source.live else None
        if self._bad_fields is not None and earlier is not None:
            self._bad_fields.restart(earlier.n_frames)  # results of earlier frames can still come
        self._pause_reason = ""
        self._acquired = threading.Event()
        self._source, self._classifier = source, classifier
        self._results, self._limits = results, limits
        self._earlier = EarlierResults() if earlier is None else earlier
        self._score = RunScore(scorer, excluded)
        for seq in sorted(self._earlier.results):
            self._score.add(self._earlier.results[seq])
        self._stop = StopToken() if stop is None else stop
        self._finalise, self._store_path = finalise, store
        self._events = RunEvents() if events is None else events
        self._wind_up = wind_up
        self._remarks: list[str] = []
        self._why_skipped = ""
        self._session_limits = SessionLimits() if session_limits is None else session_limits
        self._unlike_beyond = unlike_beyond

        self._store_queue: Channel[Frame] = Channel(self._session_limits.store_queue_bytes)
        self._analyse_queue: Channel[Arrival] = Channel(self._session_limits.analyse_queue_bytes)
        self._cache = DeferredCache(self._session_limits.deferred_cache_bytes)
        self._latest: LatestSlot[Frame] = LatestSlot()
        self._readings = ReadingsLog(self._grid, self._earlier.n_frames)
        expected = None if spec.expected_frames is None else self._earlier.n_planned + spec.expected_frames
        self._ledger = FrameLedger(
            self._score.score(),
            expected_frames=expected,
            before=self._earlier.counts,
            deferred=self._earlier.not_analysed,
            stores=sink is not None,
            classifies=classifier is not None,
            on_message=lambda message: self._events.add("message", text=message),
        )
        n_planned = 0 if source.live else spec.expected_frames or 0
        self._exclusions = Exclusions(self._score, self._ledger, notes, n_planned)
        self._retaking = Retaking(source, self._score, self._ledger, notes)
        self._sampling = DrawnSampling(self._score, self._ledger, sample)
        self._guided = spec.sampling == "guided"
        if isinstance(source, GuidedSource):
            source.keep_sample_with(self._sampling)
        self._errors = ErrorLatch()
        self._outcome: RunOutcome | None = None
        self._finished = threading.Event()

        paced = source.live and spec.sampling in ("time_series", "sequence")
        self._cadence = Cadence(interval_s) if paced else None
        if isinstance(source, ReportingSource):
            source.report_to(SourceReports(self._ledger, self.remark, self._skip))
        self._acquisition = AcquisitionWorker(
            source=source,
            first_seq=self._earlier.n_frames,
            cadence=self._cadence,
            on_frame=self._look_at,
            store_queue=None if sink is None else self._store_queue,
            analyse_queue=None if classifier is None else self._analyse_queue,
            cache=self._cache,
            latest=self._latest,
            ledger=self._ledger,
            stop=self._stop,
        )
        self._acquire_worker = Worker("acquire", self._acquisition.run, self._on_error, self._after_acquire)
        self._storage: StorageWorker | None = None
        if sink is not None:
            self._storage = StorageWorker(
                sink=sink, queue=self._store_queue, ledger=self._ledger, on_error=self._on_error
            )
        self._analyse_worker = Worker("analyse", self._analyse, self._on_error, self._after_analyse)
        self._conductor = Worker("conduct", self._conduct, self._on_error, self._finish)

    # -- what the outside sees ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the run; returns at once."""
        self._ledger.start(time.monotonic_ns())
        self._conductor.start()

    def stop(self) -> None:
        """Ask the run to end: once to finish properly, twice to skip what is not classified yet.

        Only touches the stop token, so it is safe in a signal handler.
        """
        self._stop.request()

    def pause(self) -> None:
        """Take no frame for now; what was acquired is stored and classified. `resume` continues, `stop` ends it."""
        if not self.finished:
            self._stop.pause()
            self._events.add("action", action="pause")
            self._ledger.pause(time.monotonic_ns())

    def _watch_quality(self, result: FrameResult) -> None:
        """Pause after too many bad fields in a row, while there are frames to come; in the analysis thread."""
        why = None if self._bad_fields is None else self._bad_fields.add(result)
        if why is None or self._stop.requested or self._stop.paused or self._acquired.is_set():
            return
        self._pause_reason = why
        self._stop.pause()
        self._events.add("message", text=why)
        self._ledger.pause(time.monotonic_ns())
        if self._acquired.is_set():  # the last frame came meanwhile
            self._let_go()

    def _let_go(self) -> None:
        self._pause_reason = ""
        self._stop.resume()
        self._ledger.resume(time.monotonic_ns())

    def resume(self) -> None:
        """Go on after a pause."""
        if self._bad_fields is not None:
            self._bad_fields.restart(self._ledger.counts.acquired)
        self._pause_reason = ""
        self._stop.resume()
        self._events.add("action", action="continue")
        self._ledger.resume(time.monotonic_ns())

    def exclude(self, seq: int, reason: str) -> None:
        """Take a field out of the score; its frame and its result stay where they are. Also after the end.

        The mark is on disk before it takes effect. A run that has ended keeps the score that it ended with in its
        store; the snapshot shows the new one, as a replay will.

        Parameters
        ----------
        seq : int
            The field's number.
        reason : str
            Why; goes into the notes.

        Raises
        ------
        UsageError
            If there is no such field.
        StoreError
            If the mark cannot be written down.
        """
        self._exclusions.exclude(seq, reason)
        self._events.add("action", action="exclude", seq=int(seq), reason=reason)

    def include(self, seq: int, reason: str = "") -> None:
        """Take a field into the score again; does nothing if it is in. Raises like `exclude`."""
        self._exclusions.include(seq, reason)
        self._events.add("action", action="include", seq=int(seq), reason=reason)

    def retake(self, seq: int, reason: str = "") -> None:
        """Take the field of a frame again, next; returns before it is taken.

        The new frame has the next number. It counts for the field once it has a result (`SectionScore.retaken`), and
        the earlier one until then, or if the retake fails.

        Parameters
        ----------
        seq : int
            A frame of the field.
        reason : str
            Why; goes into the notes.

        Raises
        ------
        UsageError
            If there is no such field, its source cannot take it again, or takes no further frame.
        """
        self._retaking.ask(seq, reason)
        self._events.add("action", action="retake", seq=int(seq), reason=reason)

    def _skip(self, why: str) -> None:
        """Count a field that the source leaves out; the others are then no random choice of the section."""
        first = not self._why_skipped
        self._why_skipped = why
        self._ledger.skip(why)
        if first and self._source.spec.sampling == "random":
            spoil = partial(self._exclusions.spoil, SKIPPED_SPOILS)
            guard("marks", spoil, self._on_error)

    def _look_at(self, frame: Frame) -> None:
        """Take what a new frame states about itself, before it is analysed."""
        if self._guided:
            self._sampling.place(frame)
        if self._storage is not None:  # a replay has the retakes from the notes
            self._retaking.take(frame)
        self._check_fit(frame)

    def _check_fit(self, frame: Frame) -> None:
        """Say during the run that a setting is no longer that of the references; the remark at the end counts."""
        if self._fit is None:
            return
        for setting in self._fit.add(frame):
            self._events.add("reference", unlike=setting, seq=frame.seq)
            self._ledger.set_message(f"the {setting} is no longer that of the dark and flat fields")

    def remark(self, sentence: str) -> None:
        """Add what deviates from the request although the run continues; it is shown, and stays with the outcome."""
        self._remarks.append(sentence)
        self._ledger.set_message(sentence)

    @property
    def shading(self) -> Shading | None:
        """What frames are corrected by before they are classified; None: they are classified as they are."""
        return self._shading

    @property
    def excluded(self) -> tuple[int, ...]:
        """The fields that an operator excluded from the score, ascending."""
        return self._score.excluded

    def course(self) -> list[SectionScore]:
        """Return the score after each field that has a result, earlier parts of the section included.

        Excluded fields are in none of them, and a field that was taken again is in them once.
        """
        return self._score.course()

    @property
    def finished(self) -> bool:
        """Whether the run is over and `join` returns at once."""
        return self._finished.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` for the run to end; return whether it did."""
        return self._finished.wait(timeout_s)

    def join(self) -> RunOutcome:
        """Wait for the run to end, and return how it did. Wakes often, so that Ctrl-C is noticed on every system.

        A KeyboardInterrupt gets out and leaves the run as it is: `stop` and join again.

        Raises
        ------
        RuntimeError
            If the session was not started.
        """
        while not self._finished.wait(_WAKE_S):
            if not self._conductor.alive and not self._finished.is_set():
                raise RuntimeError("the session was not started")
        self._conductor.join()
        assert self._outcome is not None
        return self._outcome

    def snapshot(self) -> Snapshot:
        """Return where the run is now: immutable, consistent, cheap; at any time, from any thread."""
        return self._ledger.snapshot(
            time.monotonic_ns(),
            n_stored=self._n_stored(),
            stopping=self._stop.requested,
            analysis_skipped=self._stop.analysis_skipped,
            store_queue_fill=self._store_queue.fill,
            analyse_queue_fill=self._analyse_queue.fill,
            latest=self._latest.get(),
            paused=self._stop.paused and not self.finished,
            held=self._stop.held,
            pause_reason=self._pause_reason,
        )

    def _n_stored(self) -> int:
        return 0 if self._storage is None else self._storage.n_stored

    # -- acquire -----------------------------------------------------------------------------------------------------

    def _after_acquire(self) -> None:
        self._acquired.set()
        if self._pause_reason:
            self._let_go()
        self._ledger.resume(time.monotonic_ns())  # a pause ends with the run, if not before
        self._ledger.drain()
        if self._stop.by_user:  # here, as `stop` may be called by a signal's handler, which must not wait for a lock
            self._events.add_at(self._stop.asked_at[0], "action", action="stop")
        self._store_queue.close()
        self._analyse_queue.close()

    # -- analyse -----------------------------------------------------------------------------------------------------

    def _analyse(self) -> None:
        assert self._classifier is not None
        limits = self._session_limits
        watched = WatchedClassifier(
            self._classifier, timeout_s=limits.classify_timeout_s, analysis_skipped=lambda: self._stop.analysis_skipped
        )
        try:
            AnalysisWorker(
                queue=self._analyse_queue,
                store_queue=self._store_queue if self._source.live else None,
                storage=self._storage,
                cache=self._cache,
                analyser=FrameAnalyser(
                    grid=self._grid,
                    limits=self._limits,
                    classify=watched.classify,
                    engine=self._classifier.engine,
                    temperature=self._score.temperature,
                    unlike_beyond=self._unlike_beyond,
                    readings=self._readings,
                    shading=self._shading,
                ),
                score=self._score,
                results=self._results,
                ledger=self._ledger,
                stop=self._stop,
                max_failures=limits.max_failures,
                on_broken=self._on_broken,
                on_result=None if self._bad_fields is None else self._watch_quality,
            ).run()
        finally:
            watched.close()

    def _after_analyse(self) -> None:
        self._cache.close()
        self._analyse_queue.break_()  # a producer that is parked there is freed

    def _on_broken(self, error: BaseException) -> None:
        self._ledger.degrade(describe_broken_classifier(error, stores=self._storage is not None))
        if self._storage is None:
            self._on_error(error, "analyse")

    # -- the end -----------------------------------------------------------------------------------------------------

    def _on_error(self, error: BaseException, where: str) -> None:
        self._errors.set(error, where)
        if isinstance(error, DeviceError) and not self._guided:
            # which fields are there depends on where the device failed, and no longer on chance alone. A guided section
            # rests on all of its drawn fields or has no valid interval, wherever it was interrupted
            guard("marks", lambda: self._exclusions.spoil(DEVICE_FAILED), self._errors.set)
        self._ledger.set_message(str(self._errors.error))
        self._stop.abort()

    def _conduct(self) -> None:
        workers = [self._acquire_worker]
        if self._classifier is not None:
            workers.append(self._analyse_worker)
        if self._storage is not None:
            workers.append(Worker("store", self._storage.run, self._storage.fail, self._storage.close))
        for worker in reversed(workers):
            worker.start()
        for worker in workers:
            worker.join()
        guard("settle", self._settle, self._on_error)
        if self._earlier.no_random_choice and self._storage is not None and self._n_stored() == self._earlier.n_frames:
            with self._score.lock:
                self._ledger.rescore(self._score.spoil(self._earlier.no_random_choice))
        if self._results is not None:
            guard("results", self._results.close, self._on_error)
        if self._stop.analysis_skipped:
            self._events.add_at(self._stop.asked_at[1], "action", action="skip analysis")
        if self._wind_up is not None:
            guard("wind up", self._wind_up, self._on_error)

    def _settle(self) -> None:
        """Give every frame its final state: deferred if it is still pending, failed if it is not on disk."""
        self._ledger.defer_pending()
        whole = not (self._acquisition.cut_short or self._errors.error or self._ledger.counts.deferred)
        if self._guided and self._storage is None and whole:
            # the last frames of a damaged store: the drawn fields that they show are resolved without a result
            with self._score.lock:
                self._ledger.rescore(self._score.skip_missing(self._source.spec.expected_frames or 0))
        if self._storage is None or self._n_stored() == self._ledger.counts.acquired:
            return
        with self._score.lock:
            score, discarded = self._score.keep_below(self._n_stored())
            self._ledger.discard_unstored(discarded, score)
        engine = "" if self._classifier is None else self._classifier.engine
        gone = [
            failed_result(seq, self._grid.n, engine, "it was not stored")
            for seq in self._ledger.take_deferred_from(self._n_stored())
        ]
        for result in gone:
            with self._score.lock:
                self._ledger.resolve(result, self._score.score(), time.monotonic_ns())
        if self._results is not None:
            for result in gone:
                self._results.append(result)

    def _finish(self) -> None:
        try:
            closed_ns = time.monotonic_ns()
            self._outcome = self._decide(closed_ns)
            if self._finalise is not None and not guard(
                "finalise", partial(self._finalise, self._outcome), self._on_error
            ):
                self._outcome = self._decide(closed_ns)
            message = describe_end(self._outcome)
            if message is not None:
                self._ledger.set_message(message)
            self._ledger.finish(time.monotonic_ns())
        finally:
            self._finished.set()

    def _all_remarks(self) -> str | None:
        kept = None if self._cadence is None else self._cadence.remark()
        source = self._source.remark if isinstance(self._source, ReportingSource) else None
        n_skipped = self._ledger.counts.skipped
        skipped = [describe_skipped_fields(n_skipped, self._why_skipped)] if self._why_skipped else []
        fit = None if self._fit is None else self._fit.remark()
        at_end = [remark for remark in (kept, source, fit) if remark is not None]
        remarks = [*skipped, *dict.fromkeys(self._remarks), *at_end]
        return "; ".join(remarks) or None

    def _decide(self, closed_ns: int) -> RunOutcome:
        cause = self._errors.error
        with self._score.lock:
            counts, score, excluded = self._ledger.counts, self._ledger.score, self._score.excluded
        state: RunState = "completed"
        if cause is not None:
            state = "failed"
        elif self._acquisition.cut_short or (self._stop.analysis_skipped and counts.deferred):
            state = "cancelled"
        elif self._earlier.plan_open:  # fields were taken again, and others are still to come
            state = "cancelled"
        return RunOutcome(
            state=state,
            cause=cause,
            counts=counts,
            score=score,
            degraded=self._ledger.degraded,
            store=self._store_path,
            rates=self._ledger.rates(closed_ns),
            latency_ms=self._ledger.latency_ms(),
            latency_bins=self._ledger.latency_bins(),
            excluded_by_operator=excluded,
            interval_s=None if self._cadence is None else self._cadence.interval_s,
            remark=self._all_remarks(),
            readings=self._readings.summary() or self._earlier.readings,
        )

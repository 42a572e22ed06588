"""The state of every frame at any moment: the one place in a run that counts frames.

Each frame is in exactly one state, and every change happens under one lock, so that `Counts.balanced` holds in every
snapshot::

    acquired --> pending --> classified | excluded | failed
                  |    ^
                  v    |
                 deferred                 (its pixels are released; only its number is kept)

If storage breaks down, frames that never reached the disk have failed in the end, whatever they were before.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from hcc_scope.latency import LatencyHistogram
from hcc_scope.session.messages import describe_failed_frame, describe_run_now, describe_skipped_fields
from hcc_scope.session.meters import RunMeters
from hcc_scope.types import Counts, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hcc_scope.types import Frame, FrameOutcome, FrameResult, SectionScore

__all__ = ["FrameLedger"]

Phase = Literal["starting", "running", "draining", "finished"]


class FrameLedger:
    """Counts, deferred frames, rates and latencies of one run. Every method may be called from any thread.

    Parameters
    ----------
    score : SectionScore
        The score before the first frame.
    expected_frames : int or None
        What the plan promises, for the time that is left.
    stores : bool
        Whether frames are stored in this run.
    classifies : bool
        Whether frames are classified in this run.
    before : Counts
        Of the frames that the section had before this run, all of them on disk.
    deferred : sequence of int
        The ones of them that have no result yet, ascending.
    on_message : callable, optional
        Takes every new message; it must return at once and ask nothing here.
    """

    def __init__(
        self,
        score: SectionScore,
        *,
        expected_frames: int | None,
        stores: bool,
        classifies: bool,
        before: Counts | None = None,
        deferred: Sequence[int] = (),
        on_message: Callable[[str], None] | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._counts = Counts() if before is None else before
        self._score = score
        self._expected = expected_frames
        self._phase: Phase = "starting"
        self._message = ""
        self._activity = ""
        self._on_message = on_message
        self._degraded: str | None = None
        self._latest_result: FrameResult | None = None
        self._deferred: list[int] = list(deferred)  # ascending
        self._most_stored: int | None = None  # known when storage is closed
        # seq -> where its total latency starts, until it is resolved; None for a frame of an earlier run
        self._clock_ns: dict[int, int | None] = dict.fromkeys(deferred)
        self._latencies = LatencyHistogram()
        self._meters = RunMeters(
            expected_frames=expected_frames, stores=stores, classifies=classifies, before=self._counts
        )

    # -- what happens to a frame -------------------------------------------------------------------------------------

    def acquire(self, seq: int, *, clock_ns: int, exposure_start_ns: int, now_ns: int) -> None:
        """Count a new frame as pending; its total latency runs from `clock_ns`."""
        with self._lock:
            n = self._counts.acquired + 1
            self._counts = replace(self._counts, acquired=n, pending=self._counts.pending + 1)
            self._clock_ns[seq] = clock_ns
            self._meters.acquired(self._counts, now_ns, exposure_start_ns)
            if self._phase == "starting":
                self._phase = "running"

    def commit(self, n_stored: int, now_ns: int) -> None:
        """Take over how many frames are on disk."""
        with self._lock:
            self._take_over_stored(n_stored, now_ns)

    def close_storage(self, n_stored: int, now_ns: int) -> None:
        """Take over how many frames are on disk in the end, for good.

        They are fewer than before if some were deleted or replaced during the run: a count that another thread has read
        before no longer holds.
        """
        with self._lock:
            self._take_over_stored(n_stored, now_ns)
            self._most_stored = n_stored
            self._counts = replace(self._counts, stored=min(n_stored, self._counts.stored))

    def _take_over_stored(self, n_stored: int, now_ns: int) -> None:
        if self._most_stored is not None:
            n_stored = min(n_stored, self._most_stored)
        if n_stored > self._counts.stored:
            self._counts = replace(self._counts, stored=n_stored)
            self._meters.stored(self._counts, now_ns)

    def defer(self, seq: int) -> None:
        """Defer a pending frame."""
        with self._lock:
            c = self._counts
            self._counts = replace(c, pending=c.pending - 1, deferred=c.deferred + 1)
            insort(self._deferred, seq)

    def take_deferred(self, below: int, *, newest: bool) -> int | None:
        """Make a deferred frame pending again.

        Parameters
        ----------
        below : int
            Only frames with a smaller `seq` (those that are committed).
        newest : bool
            The newest of them, else the oldest.

        Returns
        -------
        int or None
            Its `seq`; None if there is none.
        """
        with self._lock:
            end = bisect_left(self._deferred, below)
            if end == 0:
                return None
            seq = self._deferred.pop(end - 1 if newest else 0)
            c = self._counts
            self._counts = replace(c, pending=c.pending + 1, deferred=c.deferred - 1)
            return seq

    def defer_pending(self) -> None:
        """Defer every frame that is still pending: no worker will take it."""
        with self._lock:
            self._deferred = sorted(self._clock_ns)
            self._counts = replace(self._counts, pending=0, deferred=len(self._deferred))

    def take_deferred_from(self, first: int) -> list[int]:
        """Make every deferred frame from number `first` on pending again, and return their numbers."""
        with self._lock:
            start = bisect_left(self._deferred, first)
            taken = self._deferred[start:]
            del self._deferred[start:]
            c = self._counts
            self._counts = replace(c, pending=c.pending + len(taken), deferred=c.deferred - len(taken))
            return taken

    def resolve(self, result: FrameResult, score: SectionScore, now_ns: int) -> None:
        """Take over what became of a pending frame, and the score after it."""
        with self._lock:
            c = replace(self._counts, pending=self._counts.pending - 1)
            match result.outcome:
                case "classified":
                    c = replace(c, classified=c.classified + 1)
                    if "total" in result.latency_ms:
                        self._latencies.add(result.latency_ms["total"])
                case "excluded":
                    c = replace(c, excluded=c.excluded + 1)
                case "failed":
                    c = replace(c, failed=c.failed + 1)
                    self._show(describe_failed_frame(result))
            self._counts = c
            self._score = score
            self._latest_result = result
            self._clock_ns.pop(result.seq, None)
            self._meters.resolved(c, now_ns)

    def discard_unstored(self, outcomes: Iterable[FrameOutcome], score: SectionScore) -> None:
        """Count resolved frames as failed, because they are not on disk, and take over the score without them."""
        with self._lock:
            n = Counter(outcomes)
            c = self._counts
            self._counts = replace(
                c,
                classified=c.classified - n["classified"],
                excluded=c.excluded - n["excluded"],
                failed=c.failed + n["classified"] + n["excluded"],
            )
            self._score = score

    def rescore(self, score: SectionScore) -> None:
        """Take over a score that changed without a new result: an operator took a field out, or in again."""
        with self._lock:
            self._score = score

    def expect_another(self) -> None:
        """Note that a frame comes beyond those of the plan: a field is taken again."""
        with self._lock:
            if self._expected is not None:
                self._expected += 1
                self._meters.expect(self._expected)

    def count_lost(self, n_frames: int) -> None:
        """Count frames that never arrived."""
        with self._lock:
            self._counts = replace(self._counts, lost=self._counts.lost + n_frames)

    def skip(self, why: str) -> None:
        """Count a field of the plan for which there will be no frame."""
        with self._lock:
            self._counts = replace(self._counts, skipped=self._counts.skipped + 1)
            self._show(describe_skipped_fields(self._counts.skipped, why))

    # -- the run -----------------------------------------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """Note when the run began."""
        with self._lock:
            self._meters.start(now_ns)

    def pause(self, now_ns: int) -> None:
        """Note that no frame is requested for now."""
        with self._lock:
            self._meters.pause(now_ns)

    def resume(self, now_ns: int) -> None:
        """Note that frames are requested again, or that the run is ending."""
        with self._lock:
            self._meters.resume(self._counts, now_ns)

    def begin_aside(self, what: str, n_left: int | None, now_ns: int) -> None:
        """Note what the source does besides its frames; see `hcc_scope.protocols.SourceListener`."""
        with self._lock:
            self._activity = what
            self._meters.begin_aside(now_ns, n_left)

    def end_aside(self, n_left: int | None, now_ns: int) -> None:
        """Note that this is over."""
        with self._lock:
            self._activity = ""
            self._meters.end_aside(self._counts, now_ns, n_left)

    def drain(self) -> None:
        """Note that no further frame will come."""
        with self._lock:
            self._phase = "draining"

    def finish(self, now_ns: int) -> None:
        """Note that everything is done: rates and elapsed time stand still from now on."""
        with self._lock:
            self._phase = "finished"
            self._meters.finish(now_ns)

    def degrade(self, reason: str) -> None:
        """Note that nothing will be classified any more in this run, and why."""
        with self._lock:
            self._degraded = reason
            self._show(reason)
            self._meters.stop_classifying()

    def set_message(self, message: str) -> None:
        """Replace the message for the operator."""
        with self._lock:
            self._show(message)

    def _show(self, message: str) -> None:
        if message != self._message:
            self._message = message
            if self._on_message is not None:
                self._on_message(message)

    # -- what is known -----------------------------------------------------------------------------------------------

    @property
    def counts(self) -> Counts:
        """Where every frame is."""
        with self._lock:
            return self._counts

    @property
    def score(self) -> SectionScore:
        """The score after the last frame that was resolved."""
        with self._lock:
            return self._score

    @property
    def degraded(self) -> str | None:
        """Why nothing is classified any more, or None."""
        with self._lock:
            return self._degraded

    def clock_ns(self, seq: int) -> int | None:
        """Return where the total latency of an unresolved frame starts; None for one of an earlier run."""
        with self._lock:
            return self._clock_ns[seq]

    def snapshot(
        self,
        now_ns: int,
        *,
        n_stored: int,
        stopping: bool,
        analysis_skipped: bool,
        store_queue_fill: float,
        analyse_queue_fill: float,
        latest: Frame | None,
        paused: bool = False,
        held: bool = False,
        pause_reason: str = "",
    ) -> Snapshot:
        """Return everything that a user interface shows, as it is at this moment."""
        with self._lock:
            self._take_over_stored(n_stored, now_ns)
            fps = self._meters.fps(self._counts, now_ns, held=paused and held)
            return Snapshot(
                phase=self._phase,
                counts=self._counts,
                score=self._score,
                expected_frames=self._expected,
                elapsed_s=self._meters.elapsed_s(now_ns),
                eta_s=self._meters.eta_s(
                    self._counts,
                    now_ns,
                    acquiring=not stopping and self._phase != "draining",
                    classifying=not analysis_skipped,
                ),
                acquire_fps=fps["acquire"],
                store_fps=fps["store"],
                classify_fps=fps["resolve"],
                store_queue_fill=store_queue_fill,
                analyse_queue_fill=analyse_queue_fill,
                latest=latest,
                latest_result=self._latest_result,
                degraded=self._degraded,
                message=describe_run_now(
                    self._message,
                    activity=self._activity,
                    finished=self._phase == "finished",
                    stopping=stopping,
                    analysis_skipped=analysis_skipped,
                    paused=paused,
                    held=held,
                    pause_reason=pause_reason,
                ),
                activity=self._activity,
                paused=paused,
                pause_reason=pause_reason if paused else "",
            )

    def rates(self, closed_ns: int) -> dict[str, float]:
        """Return the rates of the whole run in frames per second; 0 where no rate is known.

        Time in which the run was paused and a stage had nothing to do is not counted (`hcc_scope.session.pauses`).

        Parameters
        ----------
        closed_ns : int
            When everything was resolved, written and closed.

        Returns
        -------
        dict
            - ``acquire_fps``: intervals between the first and the last frame's arrival, over that time.
            - ``store_fps``: frames on disk, over the time from the first arrival until the last one was on disk.
            - ``classify_fps``: frames classified, excluded or failed, over the time from the first arrival until the
              last result. With a camera slower than the analysis it equals the camera's rate.
            - ``end_to_end_fps``: frames acquired, over the time from the start of the first exposure (of the first
              frame's arrival, if the source is not live) until `closed_ns`.
        """
        with self._lock:
            return self._meters.rates(self._counts, closed_ns)

    def latency_ms(self) -> dict[str, float]:
        """Return p50, p95 and p99 of the total latency of every classified frame; empty if none was."""
        with self._lock:
            return self._latencies.summary()

    def latency_bins(self) -> dict[int, int]:
        """Return the same latencies as bins, to be put together with those of other runs."""
        with self._lock:
            return self._latencies.bins

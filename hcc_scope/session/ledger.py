"""Where every frame is, at any moment: the one place in a run that counts.

Each frame is in exactly one state, and every change happens under one lock, so that `Counts.balanced` holds in every
snapshot::

    acquired --> pending --> classified | excluded | failed
                  |    ^
                  v    |
                 deferred                 (its pixels are let go; only its number is kept)

If storage breaks down, frames that never reached the disk have failed in the end, whatever they were before.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from hcc_scope.latency import LatencyHistogram
from hcc_scope.session.meters import RateMeter
from hcc_scope.session.pauses import STAGES, Pauses
from hcc_scope.types import Counts, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcc_scope.session.pauses import Stage
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
    """

    def __init__(self, score: SectionScore, *, expected_frames: int | None, stores: bool, classifies: bool) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()
        self._score = score
        self._expected = expected_frames
        self._stores = stores
        self._classifies = classifies
        self._phase: Phase = "starting"
        self._message = ""
        self._degraded: str | None = None
        self._latest_result: FrameResult | None = None
        self._deferred: list[int] = []  # ascending
        self._clock_ns: dict[int, int] = {}  # seq -> where its total latency starts, until it is resolved
        self._latencies = LatencyHistogram()
        self._acquired, self._stored, self._resolved = RateMeter(), RateMeter(), RateMeter()
        self._pauses = Pauses()
        self._first_own_ns: dict[Stage, int] = {}  # the stages' own time when the first frame arrived
        self._last_own_ns: dict[Stage, int] = {}  # and when they did the last thing
        self._idle_at_first_ns = 0
        self._started_ns: int | None = None
        self._finished_ns: int | None = None
        self._first_exposure_ns: int | None = None
        self._last_arrival_ns = self._last_commit_ns = self._last_result_ns = 0

    # -- what happens to a frame -------------------------------------------------------------------------------------

    def acquire(self, seq: int, *, clock_ns: int, exposure_start_ns: int, now_ns: int) -> None:
        """Count a new frame as pending; its total latency runs from `clock_ns`."""
        with self._lock:
            n = self._counts.acquired + 1
            self._counts = replace(self._counts, acquired=n, pending=self._counts.pending + 1)
            self._clock_ns[seq] = clock_ns
            if self._first_exposure_ns is None:
                self._first_exposure_ns = exposure_start_ns
                self._first_own_ns = {stage: self._pauses.stage_ns(stage, now_ns) for stage in STAGES}
                self._idle_at_first_ns = self._pauses.all_idle_ns
            self._last_arrival_ns = now_ns
            self._acquired.update(n, self._own_ns("acquire", now_ns))
            if self._phase == "starting":
                self._phase = "running"

    def commit(self, n_stored: int, now_ns: int) -> None:
        """Take over how many frames are on disk."""
        with self._lock:
            self._take_over_stored(n_stored, now_ns)

    def recount(self, n_stored: int) -> None:
        """Take over that fewer frames are on disk than were: somebody deleted or replaced them during the run."""
        with self._lock:
            self._counts = replace(self._counts, stored=min(n_stored, self._counts.stored))

    def _take_over_stored(self, n_stored: int, now_ns: int) -> None:
        if n_stored > self._counts.stored:
            self._counts = replace(self._counts, stored=n_stored)
            self._stored.update(n_stored, self._own_ns("store", now_ns))
            self._last_commit_ns = now_ns

    def defer(self, seq: int) -> None:
        """Put a pending frame off."""
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
        """Put everything off that is still pending: nobody works on it any more."""
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
                    self._latencies.add(result.latency_ms["total"])
                case "excluded":
                    c = replace(c, excluded=c.excluded + 1)
                case "failed":
                    c = replace(c, failed=c.failed + 1)
                    self._message = f"frame {result.seq} could not be classified: {result.error}"
            self._counts = c
            self._score = score
            self._latest_result = result
            self._clock_ns.pop(result.seq, None)
            self._resolved.update(_resolved(c), self._own_ns("resolve", now_ns))
            self._last_result_ns = now_ns

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
        """Take over a score that changed without a new result: a person took a field out, or in again."""
        with self._lock:
            self._score = score

    def lose(self, n_frames: int) -> None:
        """Count frames that never reached us."""
        with self._lock:
            self._counts = replace(self._counts, lost=self._counts.lost + n_frames)

    # -- the run -----------------------------------------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """Note when the run began."""
        with self._lock:
            self._started_ns = now_ns

    def pause(self, now_ns: int) -> None:
        """Note that no frame is wanted for now."""
        with self._lock:
            self._pauses.begin(now_ns)

    def resume(self, now_ns: int) -> None:
        """Note that frames are wanted again, or that the run is ending."""
        with self._lock:
            self._pauses.end(now_ns, self._done_ns())

    def _done_ns(self) -> dict[Stage, int | None]:
        """Return when each stage did the last thing that there was to do; None where there is still something."""
        c = self._counts
        stored = not self._stores or c.stored == c.acquired
        resolved = not self._classifies or _resolved(c) == c.acquired
        return {
            "acquire": self._last_arrival_ns,
            "store": self._last_commit_ns if stored else None,
            "resolve": self._last_result_ns if resolved else None,
        }

    def drain(self) -> None:
        """Note that no frame will come any more."""
        with self._lock:
            self._phase = "draining"

    def finish(self, now_ns: int) -> None:
        """Note that everything is done: rates and elapsed time stand still from now on."""
        with self._lock:
            self._phase = "finished"
            self._finished_ns = now_ns

    def degrade(self, reason: str) -> None:
        """Note that nothing will be classified any more in this run, and why."""
        with self._lock:
            self._degraded = self._message = reason
            self._classifies = False

    def say(self, message: str) -> None:
        """Replace the message for the operator."""
        with self._lock:
            self._message = message

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

    def clock_ns(self, seq: int) -> int:
        """Return where the total latency of an unresolved frame starts."""
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
    ) -> Snapshot:
        """Return everything that a user interface shows, as it is at this moment."""
        with self._lock:
            self._take_over_stored(n_stored, now_ns)
            if self._finished_ns is not None:
                now_ns = self._finished_ns
            message = self._message
            if analysis_skipped and self._phase != "finished":
                message = "stopping now: what is acquired is stored, the rest is not classified"
            elif stopping and not message:
                message = "stopping: what is acquired is stored and classified first"
            elif paused and not message:
                message = "paused" if held else "pausing: what is exposed already is still taken"
            done_ns = self._done_ns()
            acquire_ns, store_ns, resolve_ns = (
                self._pauses.stage_ns(stage, now_ns, done_ns[stage]) for stage in ("acquire", "store", "resolve")
            )
            return Snapshot(
                phase=self._phase,
                counts=self._counts,
                score=self._score,
                expected_frames=self._expected,
                elapsed_s=0.0 if self._started_ns is None else (now_ns - self._started_ns) / 1e9,
                eta_s=self._eta_s(now_ns, stopping=stopping, analysis_skipped=analysis_skipped),
                # what stands still goes at no rate; the time left is reckoned with the rate that it will have again
                acquire_fps=0.0 if paused and held else self._acquired.fps(acquire_ns),
                store_fps=0.0 if paused and held and done_ns["store"] is not None else self._stored.fps(store_ns),
                classify_fps=0.0
                if paused and held and done_ns["resolve"] is not None
                else self._resolved.fps(resolve_ns),
                store_queue_fill=store_queue_fill,
                analyse_queue_fill=analyse_queue_fill,
                latest=latest,
                latest_result=self._latest_result,
                degraded=self._degraded,
                message=message,
                paused=paused,
            )

    def _eta_s(self, now_ns: int, *, stopping: bool, analysis_skipped: bool) -> float | None:
        """Return the time left: each stage goes on at its present rate, the slowest decides; None if not known."""
        if self._phase == "finished":
            return 0.0
        c = self._counts
        if stopping or self._phase == "draining":
            goal = c.acquired
        elif self._expected is not None:
            goal = self._expected - c.lost
        else:
            return None
        stages: list[tuple[Stage, int, RateMeter]] = [("acquire", goal - c.acquired, self._acquired)]
        if self._stores:
            stages.append(("store", goal - c.stored, self._stored))
        if self._classifies and not analysis_skipped:
            stages.append(("resolve", goal - _resolved(c), self._resolved))
        slowest_s, done_ns = 0.0, self._done_ns()
        for stage, n_left, meter in stages:
            if n_left > 0:
                fps = meter.fps(self._pauses.stage_ns(stage, now_ns, done_ns[stage]))
                if fps <= 0:
                    return None
                slowest_s = max(slowest_s, n_left / fps)
        return slowest_s

    def rates(self, closed_ns: int) -> dict[str, float]:
        """Return the rates of the whole run in frames per second; 0 where nothing can be said.

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
            c = self._counts
            start_ns = closed_ns if self._first_exposure_ns is None else self._first_exposure_ns
            idle_ns = self._pauses.all_idle_ns - self._idle_at_first_ns
            return {
                "acquire_fps": _per_s(c.acquired - 1, self._span_ns("acquire")),
                "store_fps": _per_s(c.stored, self._span_ns("store")),
                "classify_fps": _per_s(_resolved(c), self._span_ns("resolve")),
                "end_to_end_fps": _per_s(c.acquired, closed_ns - start_ns - idle_ns),
            }

    def _own_ns(self, stage: Stage, now_ns: int) -> int:
        """Note that a stage did something now, and return its own time."""
        self._last_own_ns[stage] = self._pauses.stage_ns(stage, now_ns)
        return self._last_own_ns[stage]

    def _span_ns(self, stage: Stage) -> int:
        """Return a stage's own time from the first frame's arrival until the last thing that it did."""
        first_ns = self._first_own_ns.get(stage, 0)
        return self._last_own_ns.get(stage, first_ns) - first_ns

    def latency_ms(self) -> dict[str, float]:
        """Return p50, p95 and p99 of the total latency of every classified frame; empty if none was."""
        with self._lock:
            return self._latencies.summary()

    def latency_bins(self) -> dict[int, int]:
        """Return the same latencies as bins, to be put together with those of other runs."""
        with self._lock:
            return self._latencies.bins


def _resolved(counts: Counts) -> int:
    return counts.classified + counts.excluded + counts.failed


def _per_s(n: int, span_ns: int) -> float:
    return n * 1e9 / span_ns if n > 0 and span_ns > 0 else 0.0

"""Rates of a run and the time left, in bounded memory. Times are parameters: nothing here reads a clock."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from hcc_scope.session.pauses import STAGES, Pauses
from hcc_scope.types import Counts

if TYPE_CHECKING:
    from hcc_scope.session.pauses import Stage

__all__ = ["RateMeter", "RunMeters", "n_resolved"]

_WINDOW = 32


class RateMeter:
    """How fast a count grows now: over the last `_WINDOW` changes, and falling while nothing arrives.

    Examples
    --------
    >>> meter = RateMeter()
    >>> for n in range(1, 4):
    ...     meter.update(n, now_ns=n * 500_000_000)
    >>> meter.fps(now_ns=1_500_000_000)
    2.0
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int]] = deque(maxlen=_WINDOW)  # (ns, count)

    def update(self, count: int, now_ns: int) -> None:
        """Note that the count is `count` now; nothing happens if it did not grow."""
        if not self._marks or count > self._marks[-1][1]:
            self._marks.append((now_ns, count))

    def fps(self, now_ns: int) -> float:
        """Return counts per second, from real intervals; 0 until there are two marks."""
        if len(self._marks) < 2:
            return 0.0
        (first_ns, first), (last_ns, last) = self._marks[0], self._marks[-1]
        span_ns = last_ns - first_ns
        # a stage that stalls must not go on showing its old rate: from one usual interval of silence on, silence counts
        usual_ns = span_ns / (len(self._marks) - 1)
        span_ns = max(span_ns, int(now_ns - first_ns - usual_ns))
        return (last - first) * 1e9 / span_ns if span_ns > 0 else 0.0


class RunMeters:
    """Rates of the three stages, elapsed time and time left of one run. Not thread-safe: its ledger holds a lock.

    Parameters
    ----------
    expected_frames : int or None
        What the plan promises.
    stores, classifies : bool
        Which stages this run has besides acquisition.
    before : Counts
        Of frames that came before this run: they are counted, and have no share in its rates.
    """

    def __init__(
        self, *, expected_frames: int | None, stores: bool, classifies: bool, before: Counts | None = None
    ) -> None:
        self._before = Counts() if before is None else before
        self._expected = expected_frames
        self._stores = stores
        self._classifies = classifies
        self._meters: dict[Stage, RateMeter] = {stage: RateMeter() for stage in STAGES}
        self._pauses = Pauses()
        # the time left rests on rates without what a source does besides its frames: that is added for itself
        self._alone: dict[Stage, RateMeter] = {stage: RateMeter() for stage in STAGES}
        self._apart = Pauses()
        self._paused = False
        self._aside_since_ns: int | None = None
        self._aside_ns = self._n_asides = 0
        self._asides_left: int | None = 0
        self._first_own_ns = dict.fromkeys(STAGES, 0)  # the stages' own time when the first frame arrived
        self._last_own_ns: dict[Stage, int] = {}  # and when they did the last thing
        self._last_ns = dict.fromkeys(STAGES, 0)  # the same on the clock
        self._idle_at_first_ns = 0
        self._started_ns: int | None = None
        self._finished_ns: int | None = None
        self._first_exposure_ns: int | None = None

    # -- what happens ------------------------------------------------------------------------------------------------

    def expect(self, n_frames: int) -> None:
        """Take over how many frames are expected by now."""
        self._expected = n_frames

    def start(self, now_ns: int) -> None:
        """Note when the run began."""
        self._started_ns = now_ns

    def finish(self, now_ns: int) -> None:
        """Note that everything is done: rates and elapsed time stand still from now on."""
        self._finished_ns = now_ns

    def acquired(self, counts: Counts, now_ns: int, exposure_start_ns: int) -> None:
        """Note that a frame arrived; `counts` has it already."""
        if self._first_exposure_ns is None:
            self._first_exposure_ns = exposure_start_ns
            self._first_own_ns = {stage: self._pauses.stage_ns(stage, now_ns) for stage in STAGES}
            self._idle_at_first_ns = self._pauses.all_idle_ns
        self._note("acquire", counts.acquired, now_ns)

    def stored(self, counts: Counts, now_ns: int) -> None:
        """Note that more frames are on disk."""
        self._note("store", counts.stored, now_ns)

    def resolved(self, counts: Counts, now_ns: int) -> None:
        """Note that a frame has its result."""
        self._note("resolve", n_resolved(counts), now_ns)

    def _note(self, stage: Stage, n: int, now_ns: int) -> None:
        own_ns = self._pauses.stage_ns(stage, now_ns)
        self._meters[stage].update(n, own_ns)
        self._alone[stage].update(n, self._apart.stage_ns(stage, now_ns))
        self._last_own_ns[stage], self._last_ns[stage] = own_ns, now_ns

    def pause(self, now_ns: int) -> None:
        """Note that no frame is requested for now."""
        self._paused = True
        self._pauses.begin(now_ns)
        self._apart.begin(now_ns)

    def resume(self, counts: Counts, now_ns: int) -> None:
        """Note that frames are requested again, or that the run is ending."""
        self._paused = False
        self._pauses.end(now_ns, self._done_ns(counts))
        if self._aside_since_ns is None:
            self._apart.end(now_ns, self._done_ns(counts))

    def begin_aside(self, now_ns: int, n_left: int | None) -> None:
        """Note that the source does something else than to take frames.

        Parameters
        ----------
        now_ns : int
        n_left : int or None
            How often it will in this run, this time included; None if not known.
        """
        self._aside_since_ns, self._asides_left = now_ns, n_left
        self._apart.begin(now_ns)

    def end_aside(self, counts: Counts, now_ns: int, n_left: int | None) -> None:
        """Note that this is over; `n_left` times are still to come."""
        if self._aside_since_ns is not None:
            self._aside_ns += now_ns - self._aside_since_ns
            self._n_asides += 1
        self._aside_since_ns, self._asides_left = None, n_left
        if not self._paused:
            self._apart.end(now_ns, self._done_ns(counts))

    def stop_classifying(self) -> None:
        """Note that nothing is classified from now on: the time left no longer depends on it."""
        self._classifies = False

    def _done_ns(self, counts: Counts) -> dict[Stage, int | None]:
        """Return when each stage did the last thing that there was to do; None where there is still something."""
        stored = not self._stores or counts.stored == counts.acquired
        resolved = not self._classifies or n_resolved(counts) == counts.acquired
        return {
            "acquire": self._last_ns["acquire"],
            "store": self._last_ns["store"] if stored else None,
            "resolve": self._last_ns["resolve"] if resolved else None,
        }

    # -- what is known -----------------------------------------------------------------------------------------------

    def elapsed_s(self, now_ns: int) -> float:
        """Return the time since the start, up to the end."""
        return 0.0 if self._started_ns is None else (self._until(now_ns) - self._started_ns) / 1e9

    def fps(self, counts: Counts, now_ns: int, *, held: bool) -> dict[Stage, float]:
        """Return each stage's rate in frames per second.

        Parameters
        ----------
        counts : Counts
            Where the frames are.
        now_ns : int
            The time.
        held : bool
            Whether the source is stopped in a pause: a stage without work then has the rate 0.
        """
        done_ns = self._done_ns(counts)
        return {
            stage: 0.0 if held and done_ns[stage] is not None else self._fps(stage, self._until(now_ns), done_ns[stage])
            for stage in STAGES
        }

    def _fps(self, stage: Stage, now_ns: int, done_ns: int | None) -> float:
        return self._meters[stage].fps(self._pauses.stage_ns(stage, now_ns, done_ns))

    def _asides_s(self, now_ns: int) -> float | None:
        """Return how long what the source still does besides its frames will take; None if not known."""
        if not self._asides_left:
            return None if self._asides_left is None else 0.0
        now_s = 0.0 if self._aside_since_ns is None else (now_ns - self._aside_since_ns) / 1e9
        if not self._n_asides:
            return None
        mean_s = self._aside_ns / 1e9 / self._n_asides
        return mean_s * (self._asides_left - 1) + (mean_s if now_s == 0.0 else max(0.0, mean_s - now_s))

    def eta_s(self, counts: Counts, now_ns: int, *, acquiring: bool, classifying: bool) -> float | None:
        """Return the time left in s: each stage continues at its present rate, the slowest decides; None if not known.

        A pause does not count: the rates are those that the stages will have again. What the source does besides its
        frames counts as often as it is still to come, as long as it took on average.

        Parameters
        ----------
        counts : Counts
            Where the frames are.
        now_ns : int
            The time.
        acquiring : bool
            Whether all that the plan promises will be acquired, and not only what is acquired already.
        classifying : bool
            Whether what is acquired will be classified.
        """
        if self._finished_ns is not None:
            return 0.0
        if not acquiring:
            goal = counts.acquired
        elif self._expected is not None:
            goal = self._expected - counts.lost - counts.skipped
        else:
            return None
        n_left: dict[Stage, int] = {"acquire": goal - counts.acquired}
        if self._stores:
            n_left["store"] = goal - counts.stored
        if self._classifies and classifying:
            n_left["resolve"] = goal - n_resolved(counts)
        slowest_s, done_ns = 0.0, self._done_ns(counts)
        for stage, n in n_left.items():
            if n > 0:
                fps = self._alone[stage].fps(self._apart.stage_ns(stage, now_ns, done_ns[stage]))
                aside_s = self._asides_s(now_ns) if stage == "acquire" else 0.0
                if fps <= 0 or aside_s is None:
                    return None
                slowest_s = max(slowest_s, n / fps + aside_s)
        return slowest_s

    def rates(self, counts: Counts, closed_ns: int) -> dict[str, float]:
        """Return the rates of the whole run; see `hcc_scope.session.ledger.FrameLedger.rates`."""
        before = self._before
        n_acquired = counts.acquired - before.acquired
        start_ns = closed_ns if self._first_exposure_ns is None else self._first_exposure_ns
        idle_ns = self._pauses.all_idle_ns - self._idle_at_first_ns
        return {
            "acquire_fps": _per_s(n_acquired - 1, self._span_ns("acquire")),
            "store_fps": _per_s(counts.stored - before.stored, self._span_ns("store")),
            "classify_fps": _per_s(n_resolved(counts) - n_resolved(before), self._span_ns("resolve")),
            "end_to_end_fps": _per_s(n_acquired, closed_ns - start_ns - idle_ns),
        }

    def _span_ns(self, stage: Stage) -> int:
        """Return a stage's own time from the first frame's arrival until the last thing that it did."""
        first_ns = self._first_own_ns[stage]
        return self._last_own_ns.get(stage, first_ns) - first_ns

    def _until(self, now_ns: int) -> int:
        return now_ns if self._finished_ns is None else self._finished_ns


def n_resolved(counts: Counts) -> int:
    """Return how many frames have their result."""
    return counts.classified + counts.excluded + counts.failed


def _per_s(n: int, span_ns: int) -> float:
    return n * 1e9 / span_ns if n > 0 and span_ns > 0 else 0.0

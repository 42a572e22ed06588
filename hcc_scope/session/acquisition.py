"""The acquisition of a run: frames out of the source, onto the queues of storage and analysis."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from hcc_scope.errors import CameraError, FramesLost
from hcc_scope.protocols import PausingSource
from hcc_scope.retakes import replaced_frame
from hcc_scope.session.analysis import Arrival
from hcc_scope.session.messages import describe_missing_frames
from hcc_scope.workers import Broken

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.protocols import FrameSource
    from hcc_scope.session.cadence import Cadence
    from hcc_scope.session.deferred_cache import DeferredCache
    from hcc_scope.session.ledger import FrameLedger
    from hcc_scope.types import Frame
    from hcc_scope.workers import Channel, LatestSlot, StopToken

__all__ = ["AcquisitionWorker"]


class AcquisitionWorker:
    """Body of the acquisition thread: `run` returns when the source has ended, or storage has broken down.

    Parameters
    ----------
    store_queue : Channel or None
        Takes every frame; acquisition waits for room. None if nothing is stored.
    analyse_queue : Channel or None
        Takes every frame that fits, if the source is live and frames can be read back later; else every frame, and
        acquisition waits. None if nothing is analysed: then every frame is deferred.
    cache : DeferredCache
        Takes the frames that do not fit.
    first_seq : int
        Number of the first frame: how many the section had before.
    cadence : Cadence, optional
        Takes the time of each exposure.
    on_frame : callable, optional
        Takes each frame before it is passed on.
    """

    def __init__(
        self,
        *,
        source: FrameSource,
        store_queue: Channel[Frame] | None,
        analyse_queue: Channel[Arrival] | None,
        cache: DeferredCache,
        latest: LatestSlot[Frame],
        ledger: FrameLedger,
        stop: StopToken,
        first_seq: int = 0,
        cadence: Cadence | None = None,
        on_frame: Callable[[Frame], None] | None = None,
    ) -> None:
        self._source = source
        self._first_seq = first_seq
        self._store_queue = store_queue
        self._analyse_queue = analyse_queue
        self._cache = cache
        self._cadence = cadence
        self._on_frame = on_frame
        self._latest = latest
        self._ledger = ledger
        self._stop = stop
        self._may_defer = source.live and store_queue is not None
        self._may_skip = not source.live and store_queue is None
        self._holds = not (isinstance(source, PausingSource) and source.pauses_itself)
        self.cut_short = False
        """Whether a person ended the source before its planned number of frames; never so in a run without one."""

    def run(self) -> None:
        """Take frames until there are no more; stand still between two of them while the run is paused."""
        frames = self._source.frames(self._stop)
        n_without_before = self._n_without_frame
        try:
            due = self._first_seq
            n_again = 0
            self._hold()
            for frame in frames:
                self._check_order(frame.seq, due)
                due = frame.seq + 1
                n_again += self._source.live and replaced_frame(frame.tags) is not None  # beyond those expected
                if not self._take(frame):
                    return
                self._hold()
            expected = self._source.spec.expected_frames
            n_without = self._n_without_frame - n_without_before
            n_taken = due - self._first_seq - n_again
            if expected is None or n_taken + n_without >= expected:
                return
            self.cut_short = self._stop.by_user
            if not self._stop.requested:
                self._end_early(expected, n_taken)
        except FramesLost as error:
            self._ledger.count_lost(error.n_lost)
            raise
        finally:
            if isinstance(frames, Generator):
                frames.close()

    @property
    def _n_without_frame(self) -> int:
        """How many planned frames will not come: their field was not reached, or they cannot be read."""
        counts = self._ledger.counts
        return counts.skipped + (0 if self._may_skip else counts.lost)

    def _hold(self) -> None:
        if self._holds:
            self._stop.wait_while_paused()

    def _check_order(self, seq: int, due: int) -> None:
        if seq < due or (seq > due and not self._may_skip):
            raise CameraError(
                f"the source delivered frame {seq} where frame {due} was due", hint="This is a bug in the source"
            )
        if seq > due:
            self._miss(seq, due)

    def _end_early(self, expected: int, due: int) -> None:
        """Count what a replay left out at its end as missing; any other source owes what it has promised."""
        if not self._may_skip:
            raise CameraError(
                f"the source ended by itself after {due} of {expected} frames",
                hint="Check the camera; what was acquired is kept",
            )
        self._miss(expected, due)

    def _miss(self, seq: int, due: int) -> None:
        """Count the frames that a replay left out because they are damaged."""
        self._ledger.count_lost(seq - due)
        self._ledger.set_message(describe_missing_frames(due, seq - due))

    def _take(self, frame: Frame) -> bool:
        """Pass one frame on; return whether the next one is wanted."""
        now_ns = time.monotonic_ns()
        # only a live frame's time stamp is on this process's clock
        exposed_ns = frame.t_mono_ns if self._source.live else now_ns
        exposure_ns = int(frame.exposure_ms * 1e6) if self._source.live else 0
        self._ledger.acquire(frame.seq, clock_ns=exposed_ns, exposure_start_ns=exposed_ns - exposure_ns, now_ns=now_ns)
        if self._cadence is not None:
            self._cadence.add(frame.t_mono_ns)
        if self._on_frame is not None:
            self._on_frame(frame)
        self._latest.put(frame)
        if self._store_queue is not None:
            try:
                self._store_queue.put(frame, frame.pixels.nbytes)
            except Broken:
                self._ledger.defer(frame.seq)
                return False
        if not self._pass_to_analysis(Arrival(frame, (now_ns - exposed_ns) / 1e6)):
            if self._analyse_queue is not None and not self._stop.analysis_skipped:
                self._cache.put(frame)
            self._ledger.defer(frame.seq)
        return True

    def _pass_to_analysis(self, arrival: Arrival) -> bool:
        if self._analyse_queue is None:
            return False
        n_bytes = arrival.frame.pixels.nbytes
        try:
            if self._may_defer:
                return self._analyse_queue.offer(arrival, n_bytes)
            self._analyse_queue.put(arrival, n_bytes)
        except Broken:
            return False
        return True

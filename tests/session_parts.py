"""Tiny sources, sinks and classifiers for the session's tests: stand-ins at the protocol seam, steered by events.

Every tile carries its frame's number in its pixels, so that a classifier knows which frame it is asked about and a test
shows which frame landed where.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime

import numpy as np

from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.protocols import StopSignal, Tiles
from hcc_scope.quality import QualityLimits
from hcc_scope.scoring import SectionScorer
from hcc_scope.session import Session, SessionLimits
from hcc_scope.types import Classification, Frame, FrameResult, RunOutcome, RunSpec, Sampling

TILE_PX = 32
SHAPE_YX = (64, 64)
N_TILES = 4
FRAME_BYTES = 64 * 64 * 2
BASE = 1000
PATIENCE_S = 30.0
"""How long a test waits for what must happen; only reached when it fails."""

EVERYTHING = QualityLimits(
    tissue_fraction_min=0.0, focus_min=0.0, saturated_fraction_max=1.0, mean_level_min=BASE / 2 / 65535
)
"""Accept every tile but the black ones."""


def make_frame(seq: int, *, black: bool = False) -> Frame:
    pixels = np.full(SHAPE_YX, 0 if black else BASE + seq, dtype=np.uint16)
    pixels.flags.writeable = False
    return Frame(
        seq=seq,
        pixels=pixels,
        t_mono_ns=time.monotonic_ns(),
        t_utc=datetime.now(UTC),
        exposure_ms=1.0,
        section_id="s1",
    )


def make_spec(expected_frames: int | None, sampling: Sampling = "random") -> RunSpec:
    return RunSpec(
        frame_shape_yx=SHAPE_YX,
        bit_depth=16,
        pixel_size_um=0.325,
        animal_id="a1",
        section_id="s1",
        tile_px=TILE_PX,
        sampling=sampling,
        expected_frames=expected_frames,
    )


class Source:
    """Yields frames; `before` is called with each number first, and may wait, stop the session, or raise."""

    def __init__(
        self,
        seqs: Collection[int],
        *,
        live: bool = True,
        before: Callable[[int], None] = lambda seq: None,
        after: Callable[[], None] = lambda: None,
        black: Collection[int] = (),
        expected_frames: int | None = None,
    ) -> None:
        self.spec = make_spec(expected_frames)
        self.live = live
        self._seqs, self._before, self._after, self._black = seqs, before, after, black

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        for seq in self._seqs:
            self._before(seq)
            if stop.requested:
                return
            yield make_frame(seq, black=seq in self._black)
        self._after()


class Sink:
    """Keeps frames in memory."""

    def __init__(
        self,
        *,
        before: Callable[[int], None] = lambda seq: None,
        on_close: Callable[[], None] = lambda: None,
        damaged: Collection[int] = (),
    ) -> None:
        self.frames: list[Frame] = []
        self.close_calls = 0
        self._before, self._on_close, self._damaged = before, on_close, damaged

    @property
    def committed(self) -> int:
        return len(self.frames)

    def append(self, frame: Frame) -> None:
        self._before(frame.seq)
        if frame.seq != len(self.frames):
            raise StoreError(f"frame {frame.seq} where {len(self.frames)} was due")
        self.frames.append(frame)

    def close(self) -> None:
        self.close_calls += 1
        self._on_close()

    def read(self, seq: int) -> Frame:
        if seq in self._damaged:
            raise StoreDamagedError(f"frame {seq} has a wrong checksum")
        return self.frames[seq]


class Classifier:
    """Logits that depend on the tile alone; `before` is called with the frame's number."""

    engine = "test"

    def __init__(self, before: Callable[[int], None] = lambda seq: None) -> None:
        self.asked: list[int] = []
        self._before = before

    def classify(self, tiles: Tiles) -> Classification:
        seq = int(tiles[0][0, 0]) - BASE
        self.asked.append(seq)
        self._before(seq)
        high = np.sin(np.float32([tile[0, 0] for tile in tiles]))
        return Classification(np.stack([-high, high], axis=1))


class Results:
    """Keeps results in memory."""

    def __init__(
        self, *, before: Callable[[int], None] = lambda seq: None, on_close: Callable[[], None] = lambda: None
    ) -> None:
        self.by_seq: dict[int, FrameResult] = {}
        self.closed = False
        self._before, self._on_close = before, on_close

    def append(self, result: FrameResult) -> None:
        self._before(result.seq)
        assert result.seq not in self.by_seq
        assert not self.closed
        self.by_seq[result.seq] = result

    def close(self) -> None:
        self.closed = True
        self._on_close()


class Gate:
    """Blocks until it is opened, and reports when a thread is waiting."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self._open.wait(PATIENCE_S), "the gate was never opened"

    def at(self, *seqs: int) -> Callable[[int], None]:
        """Return a hook that waits here for these frames only."""

        def hook(seq: int) -> None:
            if seq in seqs:
                self()

        return hook

    def open(self) -> None:
        self._open.set()

    def wait_reached(self) -> None:
        assert self.reached.wait(PATIENCE_S), "no thread came to the gate"


def fail_at(errors: Mapping[int, BaseException]) -> Callable[[int], None]:
    """Return a hook that raises for these frames."""

    def hook(seq: int) -> None:
        if seq in errors:
            raise errors[seq]

    return hook


def raiser(error: BaseException) -> Callable[[], None]:
    """Return a hook that raises."""

    def hook() -> None:
        raise error

    return hook


def new_scorer(sampling: Sampling = "random") -> SectionScorer:
    return SectionScorer(threshold=0.5, temperature=1.5, sampling=sampling)


def make_session(
    source: Source,
    sink: Sink | None,
    classifier: Classifier | None,
    *,
    store_frames: int = 8,
    analyse_frames: int = 8,
    kept_frames: int = 0,
    classify_timeout_s: float = 60.0,
    max_failures: int = 5,
    **options: object,
) -> Session:
    """Build a session whose queues hold so many frames; deferred ones are read back, unless some are kept."""
    return Session(
        source,
        sink,
        classifier,
        scorer=new_scorer(),
        limits=EVERYTHING,
        session_limits=SessionLimits(
            store_queue_bytes=store_frames * FRAME_BYTES,
            analyse_queue_bytes=analyse_frames * FRAME_BYTES,
            deferred_cache_bytes=kept_frames * FRAME_BYTES,
            classify_timeout_s=classify_timeout_s,
            max_failures=max_failures,
        ),
        **options,  # type: ignore[arg-type]  # whatever the test wants to set
    )


def finish(session: Session) -> RunOutcome:
    """Wait for the end; check what holds at the end of every run."""
    assert session.wait(PATIENCE_S), "the session did not end"
    outcome = session.join()
    assert outcome.counts.balanced()
    assert outcome.counts.pending == 0
    final = session.snapshot()
    assert final.phase == "finished"
    assert final.counts == outcome.counts
    assert (outcome.state == "failed") == (outcome.cause is not None)
    assert outcome.score.frames == outcome.counts.classified
    return outcome


def run(session: Session) -> RunOutcome:
    """Start and finish."""
    session.start()
    return finish(session)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that no event announces."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it never happened"
        time.sleep(0.001)


def own_threads() -> list[str]:
    """Return the names of the session's threads that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("hcc-")]

"""Counting, rates, latencies and the time left; and that the counts balance whatever a run meets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_parts import N_TILES, Classifier, Results, Sink, Source, make_session, new_scorer, run

from hcc_scope.session import Session
from hcc_scope.session.ledger import FrameLedger
from hcc_scope.session.meters import RateMeter
from hcc_scope.types import Counts, FrameResult, Snapshot

SECOND_NS = 1_000_000_000


def blank_ledger(expected: int | None, *, stores: bool = True) -> FrameLedger:
    return FrameLedger(new_scorer().score(), expected_frames=expected, stores=stores, classifies=True)


def look(ledger: FrameLedger, now_ns: int, n_stored: int = 0, *, stopping: bool = False) -> Snapshot:
    return ledger.snapshot(
        now_ns,
        n_stored=n_stored,
        stopping=stopping,
        analysis_skipped=False,
        store_queue_fill=0.0,
        analyse_queue_fill=0.0,
        latest=None,
    )


def acquire(ledger: FrameLedger, seq: int, now_ns: int) -> None:
    ledger.acquire(seq, clock_ns=now_ns, exposure_start_ns=now_ns, now_ns=now_ns)


def classified(seq: int, total_ms: float = 1.0) -> FrameResult:
    nothing = np.zeros(N_TILES, dtype=np.float32)
    return FrameResult(
        seq, "classified", nothing, nothing, np.zeros(N_TILES, dtype=np.uint8), "test", {"total": total_ms}
    )


def test_the_time_left_is_that_of_the_slowest_stage():
    ledger = blank_ledger(expected=10)
    ledger.start(0)
    score = new_scorer().score()
    for seq in range(4):  # one frame a second, stored at once
        acquire(ledger, seq, (seq + 1) * SECOND_NS)
        ledger.commit(seq + 1, (seq + 1) * SECOND_NS)
    assert look(ledger, 4 * SECOND_NS, 4).eta_s is None  # nothing known about classification yet
    ledger.resolve(classified(0), score, 2 * SECOND_NS)
    ledger.resolve(classified(1), score, 4 * SECOND_NS)  # a frame every two seconds
    snap = look(ledger, 4 * SECOND_NS, 4)
    assert snap.acquire_fps == pytest.approx(1.0)
    assert snap.classify_fps == pytest.approx(0.5)
    assert snap.eta_s == pytest.approx(8 / 0.5)
    assert look(ledger, 4 * SECOND_NS, 4, stopping=True).eta_s == pytest.approx(2 / 0.5)


def test_the_time_left_includes_what_the_source_still_does_besides_its_frames():
    # a frame every second; before every fifth one, 20 s for focusing
    ledger = blank_ledger(15, stores=False)
    score = new_scorer().score()
    now_ns, seq = 0, 0

    def focus(n_left: int) -> None:
        nonlocal now_ns
        ledger.begin_aside("focusing", n_left, now_ns)
        assert look(ledger, now_ns).message == "focusing"
        now_ns += 20 * SECOND_NS
        ledger.end_aside(n_left - 1, now_ns)

    for left in (3, 2):
        focus(left)
        for _ in range(5):
            now_ns += SECOND_NS
            acquire(ledger, seq, now_ns)
            ledger.resolve(classified(seq), score, now_ns)
            seq += 1
    snap = look(ledger, now_ns)
    assert snap.message == ""
    assert snap.eta_s == pytest.approx(5 + 20)
    ledger.begin_aside("focusing", 1, now_ns)
    assert look(ledger, now_ns + 15 * SECOND_NS).eta_s == pytest.approx(5 + 5)
    assert look(ledger, now_ns + 99 * SECOND_NS).eta_s == pytest.approx(5)  # longer than usual: no one knows
    ledger.pause(now_ns + 99 * SECOND_NS)
    assert look(ledger, now_ns + 999 * SECOND_NS, stopping=False).eta_s == pytest.approx(5)
    ledger.end_aside(0, now_ns + 999 * SECOND_NS)
    ledger.resume(now_ns + 1999 * SECOND_NS)
    assert look(ledger, now_ns + 1999 * SECOND_NS).eta_s == pytest.approx(5)
    # what was measured is what happened: 10 frames in 50 s
    assert ledger.rates(closed_ns=50 * SECOND_NS)["acquire_fps"] == pytest.approx(9 / 29)


def test_a_run_that_has_ended_is_no_longer_stopping():
    ledger = blank_ledger(expected=None)
    ledger.start(0)
    assert look(ledger, 1, stopping=True).message == "stopping: what is acquired is stored and classified first"
    ledger.finish(2)
    assert look(ledger, 3, stopping=True).message == ""
    ledger.set_message("8 frames are stored but not classified: replay them")
    assert look(ledger, 3, stopping=True).message == "8 frames are stored but not classified: replay them"


def test_a_count_of_stored_frames_that_was_read_before_storage_closed_does_not_come_back():
    ledger = blank_ledger(expected=None)
    for seq in range(3):
        acquire(ledger, seq, seq)
    ledger.commit(3, 3)
    ledger.close_storage(2, 4)  # a frame was deleted meanwhile
    assert look(ledger, 5, n_stored=3).counts.stored == 2  # the look had read its number before that
    assert ledger.counts.stored == 2


def test_an_open_end_has_no_time_left():
    ledger = blank_ledger(expected=None)
    for seq in range(3):
        acquire(ledger, seq, seq * SECOND_NS)
    assert look(ledger, 3 * SECOND_NS).eta_s is None


def test_a_rate_falls_when_nothing_comes_any_more():
    meter = RateMeter()
    assert meter.fps(0) == 0.0
    for n in range(1, 100):
        meter.update(n, n * SECOND_NS // 10)
    now_ns = 99 * SECOND_NS // 10
    assert meter.fps(now_ns) == pytest.approx(10.0)
    assert meter.fps(now_ns + SECOND_NS // 10) == pytest.approx(10.0)
    assert meter.fps(now_ns + 10 * SECOND_NS) < 5.0


def test_rates_are_defined_by_first_and_last_events():
    ledger = blank_ledger(expected=None)
    score = new_scorer().score()
    for seq in range(5):
        ledger.acquire(
            seq, clock_ns=0, exposure_start_ns=(seq + 1) * SECOND_NS, now_ns=(seq + 2) * SECOND_NS
        )  # arrivals at 2 .. 6 s
    ledger.commit(5, 7 * SECOND_NS)
    for seq in range(5):
        ledger.resolve(classified(seq), score, (seq + 8) * SECOND_NS)  # last at 12 s
    assert ledger.rates(closed_ns=21 * SECOND_NS) == {
        "acquire_fps": 4 / 4,
        "store_fps": 5 / 5,
        "classify_fps": 5 / 10,
        "end_to_end_fps": 5 / 20,
    }


@settings(deadline=None)
@given(st.data())
def test_any_walk_of_frames_through_the_states_balances(data: st.DataObject):
    ledger = blank_ledger(expected=None)
    score = new_scorer().score()
    pending: set[int] = set()
    deferred: set[int] = set()
    n_acquired = n_resolved = 0
    for _ in range(data.draw(st.integers(0, 40))):
        match data.draw(st.sampled_from(["acquire", "defer", "take newest", "take oldest", "resolve", "give up"])):
            case "acquire":
                acquire(ledger, n_acquired, n_acquired)
                pending.add(n_acquired)
                n_acquired += 1
            case "defer" if pending:
                seq = data.draw(st.sampled_from(sorted(pending)))
                ledger.defer(seq)
                pending.remove(seq)
                deferred.add(seq)
            case "take newest" | "take oldest" as which:
                below = data.draw(st.integers(0, 40))
                possible = [seq for seq in deferred if seq < below]
                pick = max if which == "take newest" else min
                taken = ledger.take_deferred(below, newest=which == "take newest")
                assert taken == (pick(possible) if possible else None)
                if taken is not None:
                    deferred.remove(taken)
                    pending.add(taken)
            case "resolve" if pending:
                seq = data.draw(st.sampled_from(sorted(pending)))
                ledger.resolve(classified(seq), score, 0)
                pending.remove(seq)
                n_resolved += 1
            case "give up":
                ledger.defer_pending()
                deferred |= pending
                pending.clear()
        counts = ledger.counts
        assert counts.balanced()
        assert (counts.acquired, counts.classified) == (n_acquired, n_resolved)
        assert (counts.pending, counts.deferred) == (len(pending), len(deferred))


# -- any speeds and sizes ---------------------------------------------------------------------------------------------


@contextmanager
def watched(session: Session) -> Iterator[list[Snapshot]]:
    """Take snapshots from another thread, as fast as it can, until the session is over."""
    snapshots: list[Snapshot] = []

    def watch() -> None:
        while not session.finished:
            snapshots.append(session.snapshot())
            session.wait(0.0005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield snapshots
    finally:
        thread.join()


def resolved(counts: Counts) -> int:
    return counts.classified + counts.excluded + counts.failed


PACES = st.sampled_from([0.0, 0.0, 0.0005, 0.002])


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 25),
    live=st.booleans(),
    stores=st.booleans(),
    store_frames=st.integers(1, 6),
    analyse_frames=st.integers(1, 6),
    paces_s=st.tuples(PACES, PACES, PACES),
    black=st.sets(st.integers(0, 25)),
    bad=st.sets(st.integers(0, 25)),
    damaged=st.sets(st.integers(0, 25)),
    open_ended=st.booleans(),
    stops_at=st.lists(st.integers(0, 25), max_size=2),
    storage_fails_at=st.none() | st.integers(0, 25),
    source_fails_at=st.none() | st.integers(0, 25),
)
def test_the_counts_balance_at_any_speed_and_whatever_fails(
    n: int,
    live: bool,
    stores: bool,
    store_frames: int,
    analyse_frames: int,
    paces_s: tuple[float, float, float],
    black: set[int],
    bad: set[int],
    damaged: set[int],
    open_ended: bool,
    stops_at: list[int],
    storage_fails_at: int | None,
    source_fails_at: int | None,
):
    pause = threading.Event()

    def expose(seq: int) -> None:
        pause.wait(paces_s[0])
        for _ in range(stops_at.count(seq)):
            session.stop()
        if seq == source_fails_at:
            raise OSError("camera unplugged")

    def write(seq: int) -> None:
        pause.wait(paces_s[1])
        if seq == storage_fails_at:
            raise OSError("disk full")

    def think(seq: int) -> None:
        pause.wait(paces_s[2])
        if seq in bad:
            raise RuntimeError("cannot classify this")

    sink = Sink(before=write, damaged=damaged) if stores else None
    results = Results()
    session = make_session(
        Source(range(n), live=live, before=expose, black=black, expected_frames=None if open_ended else n),
        sink,
        Classifier(think),
        store_frames=store_frames,
        analyse_frames=analyse_frames,
        results=results,
    )
    with watched(session) as snapshots:
        outcome = run(session)

    for snap in snapshots:
        assert snap.counts.balanced(), snap.counts
        assert min(getattr(snap.counts, name) for name in ("pending", "deferred", "failed", "stored")) >= 0
        assert snap.counts.stored <= snap.counts.acquired
        assert 0.0 <= snap.store_queue_fill <= 1.0
    for earlier, later in pairwise(snapshots):
        assert earlier.counts.acquired <= later.counts.acquired
        assert resolved(earlier.counts) <= resolved(later.counts)
    counts = outcome.counts
    assert counts.stored == (0 if sink is None else len(sink.frames))
    assert len(results.by_seq) == resolved(counts)
    kept = [result for seq, result in results.by_seq.items() if sink is None or seq < len(sink.frames)]
    for state in ("classified", "excluded"):
        assert sum(result.outcome == state for result in kept) == getattr(counts, state)
    scorer = new_scorer()
    for result in kept:
        scorer.add(result)
    assert outcome.score == scorer.score()  # what a reader of the store finds
    assert {seq for seq, result in results.by_seq.items() if result.outcome == "classified"} <= (
        set(range(n)) - bad - black
    )
    if outcome.state == "completed":
        assert counts.acquired == n or (open_ended and stops_at)
        assert outcome.degraded is not None or counts.deferred == 0
        assert counts.stored == (counts.acquired if stores else 0)
    assert results.closed
    assert sink is None or sink.close_calls > 0


def test_skipped_fields_are_no_frames_and_the_time_left_does_without_them():
    ledger = FrameLedger(new_scorer().score(), expected_frames=10, stores=False, classifies=False)
    ledger.start(0)
    second = 1_000_000_000
    for seq in range(4):
        t_ns = seq * second
        ledger.acquire(seq, clock_ns=t_ns, exposure_start_ns=t_ns, now_ns=t_ns)
        ledger.skip(f"field {seq} was not reached")
    counts = ledger.counts
    assert (counts.acquired, counts.skipped, counts.balanced()) == (4, 4, True)
    now = ledger.snapshot(
        3 * second,
        n_stored=0,
        stopping=False,
        analysis_skipped=False,
        store_queue_fill=0,
        analyse_queue_fill=0,
        latest=None,
    )
    assert now.eta_s == pytest.approx(2.0)  # of 10 fields, 4 have a frame and 4 will never have one
    assert now.message == "4 fields skipped: field 3 was not reached"

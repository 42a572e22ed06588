"""Pause and resume: no frame is lost or taken twice, storage and analysis go on, rates and time left stay true."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.errors import CameraError, StoreError
from hcc_scope.run_events import RunEvent, RunEvents
from hcc_scope.session.ledger import FrameLedger
from hcc_scope.workers import StopToken
from tests.session_parts import (
    Classifier,
    Gate,
    Results,
    Sink,
    Source,
    fail_at,
    finish,
    make_session,
    new_scorer,
    own_threads,
    wait_until,
)

MS = 1_000_000


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("stored", [True, False])
def test_no_frame_is_taken_during_a_pause_and_all_are_after_it(live: bool, stored: bool):
    asked: list[int] = []
    gate = Gate()
    first = gate.at(3)

    def before(seq: int) -> None:
        asked.append(seq)
        first(seq)

    sink = Sink() if stored else None
    results = Results()
    session = make_session(Source(range(10), live=live, before=before), sink, Classifier(), results=results)
    session.start()
    gate.wait_reached()
    session.pause()
    gate.open()
    wait_until(lambda: len(results.by_seq) == 4)  # frame 3 was under way: it is taken, stored and classified
    snap = session.snapshot()
    assert (snap.paused, snap.message, snap.acquire_fps) == (True, "paused", 0.0)
    assert not session.wait(0.1)
    assert asked == [0, 1, 2, 3]
    assert session.snapshot().counts.classified == 4
    session.resume()
    outcome = finish(session)
    assert asked == list(range(10))
    assert outcome.state == "completed"
    assert outcome.counts.classified == 10
    if sink is not None:
        assert [frame.seq for frame in sink.frames] == list(range(10))
    assert not session.snapshot().paused
    assert own_threads() == []


def test_a_run_can_be_paused_before_its_first_frame():
    asked: list[int] = []
    session = make_session(Source(range(3), before=asked.append), Sink(), Classifier())
    session.pause()
    session.start()
    wait_until(lambda: session.snapshot().message == "paused")
    assert asked == []
    session.resume()
    assert finish(session).counts.classified == 3


@pytest.mark.parametrize("presses", [1, 2])
def test_stop_ends_a_paused_run(presses: int):
    session = make_session(Source(range(10), expected_frames=10), Sink(), Classifier())
    session.pause()
    session.start()
    wait_until(lambda: session.snapshot().message == "paused")
    for _ in range(presses):
        session.stop()
    outcome = finish(session)
    assert (outcome.state, outcome.counts.acquired) == ("cancelled", 0)
    assert not session.snapshot().paused
    session.pause()  # too late, and no harm
    assert not session.snapshot().paused


def test_a_storage_error_during_a_pause_ends_the_run():
    """Frames wait in the queue when the run is paused, and the disk fails then: no worker stays behind."""
    gate = Gate()
    inner = fail_at({2: StoreError("the disk is gone")})

    def before(seq: int) -> None:
        if seq == 2:
            gate()
        inner(seq)

    late = Gate()
    session = make_session(Source(range(7), before=late.at(5)), Sink(before=before), Classifier())
    session.start()
    gate.wait_reached()
    late.wait_reached()
    session.pause()
    late.open()
    wait_until(lambda: session.snapshot().message == "paused")
    gate.open()
    outcome = finish(session)
    assert (outcome.state, str(outcome.cause)) == ("failed", "the disk is gone")
    assert outcome.counts.stored == 2
    assert own_threads() == []


def test_a_source_that_pauses_itself_is_left_to_do_it():
    """What its camera had exposed before comes during the pause; the session must go on taking."""

    class Camera(Source):
        pauses_itself = True

        def frames(self, stop: StopToken):  # type: ignore[override]  # the token itself
            inner = super().frames(stop)
            for frame in inner:
                yield frame
                if frame.seq == 2:
                    session.pause()
                if frame.seq == 4:
                    assert stop.paused
                    stop.wait_while_paused()

    sink = Sink()
    session = make_session(Camera(range(8)), sink, Classifier())
    session.start()
    wait_until(lambda: session.snapshot().message == "paused")
    assert session.snapshot().counts.acquired == 5
    session.resume()
    assert finish(session).counts.classified == 8


def test_an_error_of_the_source_during_a_pause_is_reported():
    class Camera(Source):
        pauses_itself = True

        def frames(self, stop: StopToken):  # type: ignore[override]  # the token itself
            yield from super().frames(stop)
            raise CameraError("the buffer overflowed before the camera stood still")

    session = make_session(Camera(range(3)), Sink(), Classifier())
    session.pause()
    session.start()
    outcome = finish(session)
    assert (outcome.state, outcome.counts.stored) == ("failed", 3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["pause", "resume", "read"]), max_size=25), st.booleans())
def test_whatever_is_pressed_no_frame_is_lost(presses: list[str], live: bool):
    sink = Sink()
    session = make_session(Source(range(20), live=live, expected_frames=20), sink, Classifier(), analyse_frames=2)
    session.start()
    for press in presses:
        if press == "read":
            assert session.snapshot().counts.balanced()
        else:
            getattr(session, press)()
    session.resume()
    outcome = finish(session)
    assert outcome.state == "completed"
    assert [frame.seq for frame in sink.frames] == list(range(20))
    assert outcome.counts.classified == 20


# --- rates and time left, with the clock in hand ---


class Clock:
    """Takes frames through ledger, all stages at once, every 100 ms."""

    def __init__(self, expected_frames: int = 100) -> None:
        self.ledger = FrameLedger(new_scorer().score(), expected_frames=expected_frames, stores=True, classifies=False)
        self.now_ns = 1_000 * MS
        self.n = 0
        self.ledger.start(self.now_ns)

    def frames(self, n: int, *, stored: bool = True) -> None:
        for _ in range(n):
            self.now_ns += 100 * MS
            at_ns = self.now_ns
            self.ledger.acquire(self.n, clock_ns=at_ns, exposure_start_ns=at_ns - 100 * MS, now_ns=at_ns)
            self.n += 1
            if stored:
                self.ledger.commit(self.n, at_ns)

    def snapshot(self, *, held: bool = False):
        return self.ledger.snapshot(
            self.now_ns, n_stored=0, stopping=False, analysis_skipped=False, store_queue_fill=0.0,
            analyse_queue_fill=0.0,
            latest=None, paused=held, held=held,
        )  # fmt: skip


def test_a_pause_changes_neither_the_rate_nor_the_time_left():
    clock = Clock()
    clock.frames(20)
    before = clock.snapshot()
    assert before.acquire_fps == pytest.approx(10.0)
    assert before.eta_s == pytest.approx(8.0)
    clock.ledger.pause(clock.now_ns)
    clock.now_ns += 3_600_000 * MS
    paused = clock.snapshot(held=True)
    assert (paused.acquire_fps, paused.store_fps) == (0.0, 0.0)
    assert paused.eta_s == pytest.approx(8.0)
    assert paused.elapsed_s == pytest.approx(3602.0)
    clock.ledger.resume(clock.now_ns)
    clock.frames(20)
    after = clock.snapshot()
    assert after.acquire_fps == pytest.approx(10.0, rel=0.05)
    assert after.eta_s == pytest.approx(6.0, rel=0.05)
    rates = clock.ledger.rates(clock.now_ns)
    assert rates["acquire_fps"] == pytest.approx(10.0, rel=0.01)
    assert rates["store_fps"] == pytest.approx(10.3, rel=0.01)  # 40 frames in the time of 39 intervals
    assert rates["end_to_end_fps"] == pytest.approx(10.0, rel=0.01)


def test_a_stage_that_has_work_during_a_pause_is_measured_in_it():
    """The disk is slower than the camera and uses the pause: that time is its own."""
    clock = Clock()
    clock.frames(20, stored=False)
    clock.ledger.pause(clock.now_ns)
    for n in range(1, 21):
        clock.now_ns += 1_000 * MS
        clock.ledger.commit(n, clock.now_ns)
    clock.now_ns += 100_000 * MS
    clock.ledger.resume(clock.now_ns)
    rates = clock.ledger.rates(clock.now_ns)
    assert rates["store_fps"] == pytest.approx(20 / 21.9, rel=0.01)
    assert rates["acquire_fps"] == pytest.approx(10.0, rel=0.01)
    assert rates["end_to_end_fps"] == pytest.approx(20 / 22.0, rel=0.01)


def test_a_pause_in_which_the_run_was_stopped_counts_for_nothing():
    clock = Clock()
    clock.frames(20)
    clock.ledger.pause(clock.now_ns)
    clock.now_ns += 60_000 * MS
    clock.ledger.resume(clock.now_ns)
    clock.ledger.drain()
    assert clock.ledger.rates(clock.now_ns)["acquire_fps"] == pytest.approx(10.0, rel=0.01)
    assert clock.ledger.rates(clock.now_ns)["end_to_end_fps"] == pytest.approx(10.0, rel=0.01)


# --- the token ---


def test_the_token_holds_and_releases():
    stop = StopToken()
    stop.wait_while_paused()  # not paused: at once
    stop.pause()
    assert (stop.paused, stop.held) == (True, False)
    through = threading.Event()

    def walk() -> None:
        stop.wait_while_paused()
        through.set()

    for let_go in (stop.resume, stop.request):
        stop.pause()
        through.clear()
        thread = threading.Thread(target=walk)
        thread.start()
        wait_until(lambda: stop.held)
        let_go()
        thread.join()
        assert through.is_set()
    stop.pause()
    assert not stop.paused  # it ends: there is nothing left to pause
    stop.wait_while_paused()


def test_what_the_operator_does_is_an_event_of_its_own_time():
    """A stop is logged when the source has ended, which may be a long exposure later."""
    happened: list[RunEvent] = []
    gate, events = Gate(), RunEvents()
    session = make_session(Source(range(10), before=gate.at(2)), Sink(), Classifier(), events=events)
    with events.kept_by(happened.append):
        session.start()
        gate.wait_reached()
        session.stop()
        events.add("exposure ends")
        gate.open()
        finish(session)
    stop = next(event for event in happened if event.facts.get("action") == "stop")
    ends = next(event for event in happened if event.kind == "exposure ends")
    assert stop.t_utc <= ends.t_utc
    assert happened.index(stop) > happened.index(ends)

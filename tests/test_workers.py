"""Threads, channels and latches."""

import signal
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.workers import (
    Broken,
    Channel,
    Closed,
    ErrorLatch,
    Failure,
    LatestSlot,
    StopToken,
    Worker,
    attempt,
    guard,
    interruptible,
)

PATIENCE_S = 30.0


def start(body: Callable[[], None]) -> tuple[Worker, list[BaseException]]:
    errors: list[BaseException] = []
    worker = Worker("test", body, lambda error, _: errors.append(error))
    worker.start()
    return worker, errors


# -- StopToken --------------------------------------------------------------------------------------------------------


def test_a_fresh_token_asks_for_nothing():
    stop = StopToken()
    assert (stop.requested, stop.by_user, stop.analysis_skipped) == (False, False, False)
    assert not stop.wait(0.0)


def test_the_second_request_is_the_hurried_one():
    stop = StopToken()
    stop.request()
    assert (stop.requested, stop.by_user, stop.analysis_skipped) == (True, True, False)
    stop.request()
    assert stop.analysis_skipped


def test_an_abort_is_no_wish_of_a_person():
    stop = StopToken()
    stop.abort()
    stop.abort()
    assert (stop.requested, stop.by_user, stop.analysis_skipped) == (True, False, False)


def test_a_request_wakes_who_waits():
    stop = StopToken()
    worker, errors = start(lambda: stop.wait(PATIENCE_S) or pytest.fail("not woken"))
    stop.request()
    assert worker.join(PATIENCE_S)
    assert errors == []


def test_a_signal_handler_may_request_while_its_own_thread_is_inside_the_token():
    stop = StopToken()

    def interrupted() -> None:
        with stop._changed:  # where `wait` and `request` are when a handler interrupts them
            stop.request()

    worker, errors = start(interrupted)
    assert worker.join(PATIENCE_S), "deadlock"
    assert errors == []
    assert stop.requested


# -- Channel ----------------------------------------------------------------------------------------------------------


def test_items_come_out_in_order_and_then_the_channel_is_closed():
    channel: Channel[int] = Channel(100)
    for item in range(3):
        channel.put(item, 10)
    channel.close()
    assert [channel.get() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(Closed):
        channel.get()


def test_an_offer_that_does_not_fit_is_refused_and_changes_nothing():
    channel: Channel[str] = Channel(100)
    assert channel.offer("a", 60)
    assert not channel.offer("b", 60)
    assert (len(channel), channel.fill) == (1, 0.6)
    assert channel.offer("c", 40)
    assert channel.fill == 1.0


def test_one_item_larger_than_the_channel_still_passes():
    channel: Channel[str] = Channel(10)
    channel.put("huge", 1000)
    assert channel.fill == 1.0
    assert not channel.offer("next", 1)
    assert channel.get() == "huge"
    assert channel.offer("next", 1)


def test_put_waits_for_room():
    channel: Channel[int] = Channel(1)
    channel.put(0, 1)
    worker, errors = start(lambda: channel.put(1, 1))
    assert channel.get(PATIENCE_S) == 0
    assert channel.get(PATIENCE_S) == 1
    assert worker.join(PATIENCE_S)
    assert errors == []


def test_get_gives_up_after_its_timeout():
    with pytest.raises(TimeoutError):
        Channel(1).get(0.0)


@pytest.mark.parametrize("parked", ["put", "get"])
def test_breaking_frees_each_parked_worker(parked: str):
    channel: Channel[int] = Channel(1)
    if parked == "put":
        channel.put(0, 1)
    worker, errors = start(lambda: channel.put(1, 1) if parked == "put" else channel.get() and None)
    left = channel.break_()
    assert worker.join(PATIENCE_S)
    assert [type(error) for error in errors] == [Broken]
    assert left == ([0] if parked == "put" else [])
    assert channel.fill == 0.0
    with pytest.raises(Broken):
        channel.offer(2, 1)


def test_closing_frees_a_parked_reader():
    channel: Channel[int] = Channel(1)
    worker, errors = start(lambda: channel.get() and None)
    channel.close()
    assert worker.join(PATIENCE_S)
    assert [type(error) for error in errors] == [Closed]


def test_nothing_goes_into_a_closed_channel():
    channel: Channel[int] = Channel(10)
    channel.close()
    with pytest.raises(ValueError, match="closed"):
        channel.put(1, 1)
    with pytest.raises(ValueError, match="closed"):
        channel.offer(1, 1)


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_channel_needs_room(capacity: int):
    with pytest.raises(ValueError, match="positive"):
        Channel(capacity)


def test_wait_below_waits_for_the_reader():
    channel: Channel[int] = Channel(4)
    for item in range(3):
        channel.put(item, 1)
    assert not channel.wait_below(0.5, 0.0)
    worker, errors = start(lambda: channel.wait_below(0.5, PATIENCE_S) or pytest.fail("not woken"))
    channel.get()
    assert worker.join(PATIENCE_S)
    assert errors == []


def test_wait_below_does_not_wait_for_a_dead_reader():
    channel: Channel[int] = Channel(1)
    channel.put(0, 1)
    channel.break_()
    assert channel.wait_below(0.5, 0.0)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 50), max_size=40), capacity=st.integers(1, 60))
def test_the_bound_holds_and_nothing_is_lost_or_reordered(sizes: list[int], capacity: int):
    channel: Channel[int] = Channel(capacity)
    accepted: list[int] = []
    out: list[int] = []
    waiting = 0
    for index, size in enumerate(sizes):
        fits = waiting == 0 or waiting + size <= capacity
        assert channel.offer(index, size) == fits
        if fits:
            accepted.append(index)
            waiting += size
        else:
            taken = channel.get()
            out.append(taken)
            waiting -= sizes[taken]
        assert len(channel) + len(out) == len(accepted)
    channel.close()
    while len(channel):
        out.append(channel.get())
    assert out == accepted


def test_a_stream_passes_two_threads_whole():
    channel: Channel[int] = Channel(3)
    got: list[int] = []

    def read() -> None:
        while True:
            try:
                got.append(channel.get())
            except Closed:
                return

    worker, errors = start(read)
    for item in range(500):
        channel.put(item, 1)
    channel.close()
    assert worker.join(PATIENCE_S)
    assert errors == []
    assert got == list(range(500))


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_the_slot_holds_the_newest_value():
    slot: LatestSlot[int] = LatestSlot()
    assert slot.get() is None
    slot.put(1)
    slot.put(2)
    assert (slot.get(), slot.get()) == (2, 2)


def test_the_first_error_wins_and_later_ones_become_notes():
    latch = ErrorLatch()
    assert latch.error is None
    first = OSError("disk full")
    latch.set(first, "store")
    latch.set(first, "store")  # seen twice, reported once
    latch.set(ValueError("and the close failed"), "close")
    assert latch.error is first
    assert first.__notes__ == ["then, in close: ValueError: and the close failed"]


def test_guard_hands_over_what_was_raised():
    seen: list[tuple[BaseException, str]] = []
    error = KeyboardInterrupt()

    def body() -> None:
        raise error

    assert guard("here", lambda: None, lambda e, where: seen.append((e, where)))
    assert not guard("here", body, lambda e, where: seen.append((e, where)))
    assert seen == [(error, "here")]


def test_attempt_returns_the_value_or_the_failure():
    assert attempt(lambda: 3) == 3
    assert attempt(lambda: None) is None
    failure = attempt(lambda: 1 // 0)
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, ZeroDivisionError)


def test_a_worker_that_dies_reports_it_and_still_cleans_up():
    events: list[str] = []
    cleaned = threading.Event()

    def body() -> None:
        raise RuntimeError("dead")

    def clean() -> None:
        events.append("clean")
        cleaned.set()
        raise RuntimeError("clean-up dead too")

    worker = Worker("w", body, lambda error, where: events.append(f"{where}: {error}"), clean)
    worker.start()
    assert worker.join(PATIENCE_S)
    assert cleaned.is_set()
    assert events == ["w: dead", "clean", "w: clean-up dead too"]
    assert not worker.alive


def test_join_returns_whether_the_worker_ended():
    gate = threading.Event()
    worker, _ = start(lambda: gate.wait(PATIENCE_S) and None)
    assert not worker.join(0.0)
    assert worker.alive
    gate.set()
    assert worker.join(PATIENCE_S)


def test_ctrl_c_ends_the_waiting_for_a_call_that_never_returns():
    begun, release = threading.Event(), threading.Event()

    def body() -> None:
        begun.set()
        release.wait()

    def press() -> None:
        begun.wait()
        signal.raise_signal(signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            interruptible(body)
    finally:
        release.set()
        presser.join()


def test_what_a_call_gives_or_raises_is_handed_on():
    assert interruptible(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0)

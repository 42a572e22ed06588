"""Counting, rates, latencies and the time left, with times that are handed in."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_parts import N_TILES, new_scorer

from hcc_scope.session.accounts import Accounts
from hcc_scope.session.meters import LatencyHistogram, RateMeter
from hcc_scope.types import FrameResult, Snapshot

SECOND_NS = 1_000_000_000


def blank_accounts(expected: int | None, *, stores: bool = True) -> Accounts:
    return Accounts(new_scorer().score(), expected_frames=expected, stores=stores, classifies=True)


def look(accounts: Accounts, now_ns: int, n_stored: int = 0, *, stopping: bool = False) -> Snapshot:
    return accounts.snapshot(
        now_ns,
        n_stored=n_stored,
        stopping=stopping,
        hurried=False,
        store_queue_fill=0.0,
        analyse_queue_fill=0.0,
        latest=None,
    )


def acquire(accounts: Accounts, seq: int, now_ns: int) -> None:
    accounts.acquire(seq, clock_ns=now_ns, exposure_start_ns=now_ns, now_ns=now_ns)


def classified(seq: int, total_ms: float = 1.0) -> FrameResult:
    nothing = np.zeros(N_TILES, dtype=np.float32)
    return FrameResult(
        seq, "classified", nothing, nothing, np.zeros(N_TILES, dtype=np.uint8), "test", {"total": total_ms}
    )


def test_the_time_left_is_that_of_the_slowest_stage():
    accounts = blank_accounts(expected=10)
    accounts.start(0)
    score = new_scorer().score()
    for seq in range(4):  # one frame a second, stored at once
        acquire(accounts, seq, (seq + 1) * SECOND_NS)
        accounts.commit(seq + 1, (seq + 1) * SECOND_NS)
    assert look(accounts, 4 * SECOND_NS, 4).eta_s is None  # nothing known about classification yet
    accounts.resolve(classified(0), score, 2 * SECOND_NS)
    accounts.resolve(classified(1), score, 4 * SECOND_NS)  # a frame every two seconds
    snap = look(accounts, 4 * SECOND_NS, 4)
    assert snap.acquire_fps == pytest.approx(1.0)
    assert snap.classify_fps == pytest.approx(0.5)
    assert snap.eta_s == pytest.approx(8 / 0.5)
    assert look(accounts, 4 * SECOND_NS, 4, stopping=True).eta_s == pytest.approx(2 / 0.5)


def test_an_open_end_has_no_time_left():
    accounts = blank_accounts(expected=None)
    for seq in range(3):
        acquire(accounts, seq, seq * SECOND_NS)
    assert look(accounts, 3 * SECOND_NS).eta_s is None


def test_a_rate_falls_when_nothing_comes_any_more():
    meter = RateMeter()
    assert meter.fps(0) == 0.0
    for n in range(1, 100):
        meter.update(n, n * SECOND_NS // 10)
    now_ns = 99 * SECOND_NS // 10
    assert meter.fps(now_ns) == pytest.approx(10.0)
    assert meter.fps(now_ns + SECOND_NS // 10) == pytest.approx(10.0)
    assert meter.fps(now_ns + 10 * SECOND_NS) < 5.0


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_latency_quantiles_are_within_one_percent(values_ms: list[float], q: float):
    histogram = LatencyHistogram()
    for value_ms in values_ms:
        histogram.add(value_ms)
    exact_ms = sorted(values_ms)[max(1, math.ceil(q * len(values_ms))) - 1]
    assert histogram.quantile_ms(q) == pytest.approx(exact_ms, rel=0.01)


def test_rates_are_defined_by_first_and_last_events():
    accounts = blank_accounts(expected=None)
    score = new_scorer().score()
    for seq in range(5):
        accounts.acquire(
            seq, clock_ns=0, exposure_start_ns=(seq + 1) * SECOND_NS, now_ns=(seq + 2) * SECOND_NS
        )  # arrivals at 2 .. 6 s
    accounts.commit(5, 7 * SECOND_NS)
    for seq in range(5):
        accounts.resolve(classified(seq), score, (seq + 8) * SECOND_NS)  # last at 12 s
    assert accounts.rates(closed_ns=21 * SECOND_NS) == {
        "acquire_fps": 4 / 4,
        "store_fps": 5 / 5,
        "classify_fps": 5 / 10,
        "end_to_end_fps": 5 / 20,
    }


@given(st.data())
def test_any_walk_of_frames_through_the_states_balances(data: st.DataObject):
    accounts = blank_accounts(expected=None)
    score = new_scorer().score()
    pending: set[int] = set()
    deferred: set[int] = set()
    n_acquired = n_resolved = 0
    for _ in range(data.draw(st.integers(0, 40))):
        match data.draw(st.sampled_from(["acquire", "defer", "take newest", "take oldest", "resolve", "give up"])):
            case "acquire":
                acquire(accounts, n_acquired, n_acquired)
                pending.add(n_acquired)
                n_acquired += 1
            case "defer" if pending:
                seq = data.draw(st.sampled_from(sorted(pending)))
                accounts.defer(seq)
                pending.remove(seq)
                deferred.add(seq)
            case "take newest" | "take oldest" as which:
                below = data.draw(st.integers(0, 40))
                possible = [seq for seq in deferred if seq < below]
                pick = max if which == "take newest" else min
                taken = accounts.take_deferred(below, newest=which == "take newest")
                assert taken == (pick(possible) if possible else None)
                if taken is not None:
                    deferred.remove(taken)
                    pending.add(taken)
            case "resolve" if pending:
                seq = data.draw(st.sampled_from(sorted(pending)))
                accounts.resolve(classified(seq), score, 0)
                pending.remove(seq)
                n_resolved += 1
            case "give up":
                accounts.defer_pending()
                deferred |= pending
                pending.clear()
        counts = accounts.counts
        assert counts.balanced()
        assert (counts.acquired, counts.classified) == (n_acquired, n_resolved)
        assert (counts.pending, counts.deferred) == (len(pending), len(deferred))

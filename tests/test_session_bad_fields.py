"""A live run pauses by itself after so many fields in a row that cannot be used, and states why and what to do."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from hcc_scope.cli.pause_screen import PauseScreen
from hcc_scope.plans import PositionList, Sequence
from hcc_scope.run_events import RunEvent, RunEvents
from hcc_scope.session import EarlierResults
from hcc_scope.session.bad_fields import BadFieldWatch
from hcc_scope.types import FrameResult
from tests.session_parts import (
    PATIENCE_S,
    Classifier,
    Results,
    Sink,
    Source,
    finish,
    make_frame,
    make_session,
    wait_until,
)


def wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


GOOD, EMPTY, BLURRED, SATURATED, DARK, FAILED = 0, 1, 2, 4, 8, -1


def add(watch: BadFieldWatch, seq: int, flag: int) -> str | None:
    nothing = np.full(4, np.nan, np.float32)
    outcome = "failed" if flag == FAILED else "classified"
    return watch.add(FrameResult(seq, outcome, nothing, nothing, np.full(4, max(flag, 0), np.uint8), "x"))


def reasons(flags: list[int], n: int, *, counts_empty: bool = True) -> list[tuple[int, str]]:
    watch = BadFieldWatch(n, counts_empty=counts_empty)
    found = [(seq, add(watch, seq, flag)) for seq, flag in enumerate(flags)]
    return [(seq, text) for seq, text in found if text is not None]


def test_only_fields_in_a_row_count_and_the_reason_states_what_to_do():
    assert reasons([BLURRED, BLURRED, GOOD, BLURRED, BLURRED], 3) == []
    assert reasons([GOOD, BLURRED, BLURRED, FAILED, BLURRED], 3) == [
        (4, "paused: the last 3 fields (1 to 4) are out of focus. Focus again, then continue")
    ]
    assert reasons([DARK], 1) == [(0, "paused: field 0 is too dark. Check lamp, shutter and exposure, then continue")]
    ((_, mixed),) = reasons([SATURATED, BLURRED, BLURRED], 3)
    assert mixed == (
        "paused: the last 3 fields (0 to 2) cannot be used: 2 out of focus, 1 saturated. "
        "Focus again; lower the exposure, the gain or the lamp, then continue"
    )


def test_glass_counts_only_where_tissue_is_expected():
    assert [seq for seq, _ in reasons([EMPTY] * 5, 2)] == [1, 3]
    assert reasons([EMPTY] * 7 + [GOOD] + [EMPTY] * 7, 2, counts_empty=False) == []
    assert [seq for seq, _ in reasons([EMPTY] * 8, 2, counts_empty=False)] == [7]  # far out of focus, or off the slide
    assert [seq for seq, _ in reasons([BLURRED, EMPTY, BLURRED], 2, counts_empty=False)] == [2]


def test_a_field_that_is_analysed_late_does_not_count():
    watch = BadFieldWatch(2)
    assert [add(watch, seq, BLURRED) for seq in (5, 3, 4)] == [None] * 3
    assert add(watch, 6, BLURRED) is not None
    watch.restart(9)  # those before 9 were taken before the operator saw to it
    assert [add(watch, seq, BLURRED) for seq in (7, 8, 9)] == [None] * 3
    assert add(watch, 10, BLURRED) is not None


@pytest.mark.parametrize("n", [0, 1001])
def test_a_number_that_makes_no_sense_is_refused(n: int):
    with pytest.raises(ValueError, match="1 to 1000"):
        BadFieldWatch(n)


def test_a_live_run_pauses_states_why_and_loses_nothing():
    events, kept = RunEvents(), list[RunEvent]()
    asked: list[int] = []

    def before(seq: int) -> None:
        asked.append(seq)
        if seq == 5:  # frames 2, 3 and 4 are dark
            wait_until(lambda: session.snapshot().paused)

    sink = Sink()
    source = Source(range(9), before=before, black=(2, 3, 4), expected_frames=9)
    session = make_session(source, sink, Classifier(), results=Results(), bad_fields=BadFieldWatch(3), events=events)
    with events.kept_by(kept.append):
        session.start()
        wait_until(lambda: session.snapshot().counts.acquired == 6)  # 5 was under way
        snap = session.snapshot()
        why = "paused: the last 3 fields (2 to 4) are too dark. Check lamp, shutter and exposure, then continue"
        assert (snap.paused, snap.pause_reason, snap.message) == (True, why, why)
        assert not session.wait(0.1)
        assert asked == list(range(6))
        session.resume()
        outcome = finish(session)
    assert (outcome.state, outcome.counts.stored, outcome.counts.classified) == ("completed", 9, 6)
    assert session.snapshot().pause_reason == ""
    assert [e.facts.get("text") or e.facts.get("action") for e in kept] == [why, "continue"]


@pytest.mark.parametrize("live", [True, False])
def test_a_run_whose_frames_are_all_taken_does_not_pause(live: bool):
    """Neither at the end of a section, nor in a replay."""
    over: list[bool] = []
    source = Source(range(4), live=live, black=range(4), after=lambda: over.append(True), expected_frames=4)
    late = Results(before=lambda _seq: wait_until(lambda: bool(over)) if live else None)
    session = make_session(source, Sink() if live else None, Classifier(), results=late, bad_fields=BadFieldWatch(2))
    session.start()
    outcome = finish(session)
    assert (outcome.state, outcome.counts.excluded) == ("completed", 4)


def test_fields_of_an_earlier_part_do_not_pause_the_next_one():
    """Frames 0 to 2 are dark, and analysed while frame 3 is awaited."""
    results, sink = Results(), Sink()
    sink.frames = [make_frame(seq, black=True) for seq in range(3)]
    source = Source(range(3, 6), before=lambda _seq: wait_until(lambda: len(results.by_seq) >= 3), expected_frames=3)
    parts = {"earlier": EarlierResults(3), "bad_fields": BadFieldWatch(3)}
    session = make_session(source, sink, Classifier(), results=results, **parts)
    session.start()
    wait_until(lambda: session.finished or session.snapshot().paused)
    assert (finish(session).state, session.snapshot().pause_reason) == ("completed", "")


@pytest.mark.parametrize("attended", [True, False])
def test_in_a_terminal_c_continues_and_without_one_the_section_ends(attended: bool):
    keys, rung = ["cc"], list[bool]()
    paused = threading.Event()
    source = Source(range(9), before=lambda seq: None if seq < 3 else wait(paused), black=(0, 1, 2), expected_frames=9)
    session = make_session(source, Sink(), Classifier(), bad_fields=BadFieldWatch(3))
    screen = PauseScreen(session, lambda: keys.pop() if keys else "", attended=attended, ring=lambda: rung.append(True))
    assert screen.rows() == []  # what was pressed before means nothing
    session.start()
    wait_until(lambda: session.snapshot().paused)
    why = "the last 3 fields (0 to 2) are too dark. Check lamp, shutter and exposure"
    if attended:
        assert screen.news() == [f"Paused: {why}, then continue. C continues, Ctrl-C ends the section."]
        assert (screen.news(), rung) == ([], [True])
        assert screen.rows() == [("keys", "c continues, Ctrl-C ends the section")]
        keys.append("xc")
        assert screen.rows() == []
    else:
        assert (screen.news(), rung) == ([], [])
    paused.set()
    outcome = finish(session)
    assert outcome.state == ("completed" if attended else "cancelled")
    assert outcome.remark == (None if attended else f"the section ended where it would have paused: {why}")


def test_a_series_of_one_place_does_not_pause():
    assert BadFieldWatch.of_plan(Sequence(n_frames=9), 3) is None
    assert BadFieldWatch.of_plan(PositionList(positions_um=[(0.0, 0.0)]), None) is None
    assert BadFieldWatch.of_plan(PositionList(positions_um=[(0.0, 0.0)]), 3) is not None

"""Fields that the operator excludes: the score is that of a run that never had them, at any moment, in any order."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.errors import StoreError, UsageError
from hcc_scope.scoring import field_entry
from hcc_scope.session.run_score import RunScore
from tests.session_parts import Classifier, Gate, Results, Sink, Source, fail_at, finish, make_session, new_scorer, run

if TYPE_CHECKING:
    from hcc_scope.types import FrameResult, NoteKind, SectionScore


class Notes:
    """Keeps notes in memory."""

    def __init__(self, error: Exception | None = None) -> None:
        self.lines: list[tuple[NoteKind, int | None, str]] = []
        self._error = error

    def add(self, kind: NoteKind, text: str, seq: int | None = None, replaces: int | None = None) -> None:
        del replaces
        if self._error is not None:
            raise self._error
        self.lines.append((kind, seq, text))


def results_of(n: int, black: set[int] = frozenset()) -> dict[int, FrameResult]:  # type: ignore[assignment]  # empty
    kept = Results()
    run(make_session(Source(range(n), black=black), Sink(), Classifier(), results=kept))
    return kept.by_seq


RESULTS = results_of(12, black={3, 7})


def never_had(seqs: set[int], results: dict[int, FrameResult] = RESULTS) -> SectionScore:
    """Return the score of a run in which these fields were empty from the start."""
    scorer = new_scorer()
    for seq, result in results.items():
        if seq in seqs:
            scorer.skip(seq)
        else:
            scorer.add(result)
    return replace(scorer.score(), fields_excluded_by_operator=len(seqs))


@settings(max_examples=100, deadline=None)
@given(st.permutations(sorted(RESULTS)), st.data())
def test_the_score_is_a_function_of_results_and_marks_alone(order: list[int], data: st.DataObject):
    """Marks come and go between results that arrive in any order; what counts is what is in at the end."""
    score = RunScore(new_scorer())
    out: set[int] = set()
    for seq in order:
        score.add(RESULTS[seq])
        for mark in data.draw(st.lists(st.integers(0, 11), max_size=2)):
            if mark in out:
                out.discard(mark)
                score.include(mark)
            else:
                out.add(mark)
                score.exclude(mark)
    assert score.score() == never_had(out)
    assert score.excluded == tuple(sorted(out))
    # and so is a replay that knows them from the start
    again = RunScore(new_scorer(), out)
    for seq in sorted(RESULTS):
        again.add(RESULTS[seq])
    assert again.score() == score.score()


def test_the_course_is_that_of_the_fields_that_count():
    score, without = RunScore(new_scorer()), RunScore(new_scorer(), {4})
    for seq in sorted(RESULTS):
        score.add(RESULTS[seq])
        without.add(RESULTS[seq])
    assert score.course()[-1] == score.score()
    assert [one.frames for one in score.course()] == [1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 10]
    assert score.exclude(4) == score.course()[-1]
    assert score.course() == without.course()


@settings(deadline=None)
@given(st.sets(st.integers(0, 11)), st.integers(0, 12))
def test_what_is_not_on_disk_is_dropped_marks_and_all(out: set[int], n_stored: int):
    score = RunScore(new_scorer())
    for result in RESULTS.values():
        score.add(result)
    for seq in out:
        score.exclude(seq)
    found, outcomes = score.keep_below(n_stored)
    on_disk = {seq: result for seq, result in RESULTS.items() if seq < n_stored}
    assert found == never_had({seq for seq in out if seq < n_stored}, on_disk)
    assert outcomes == [RESULTS[seq].outcome for seq in range(n_stored, 12)]


def test_a_scorer_takes_no_field_out_that_it_has_taken_in():
    scorer = new_scorer()
    scorer.add_entry(field_entry(RESULTS[0]))
    with pytest.raises(ValueError, match="frame 0 was already scored"):
        scorer.exclude(0)


def test_excluding_live_pending_and_finished_fields():
    """Field 0 has a result, field 5 waits in the classifier, and after the end field 2 goes too."""
    gate, notes, results = Gate(), Notes(), Results()
    classifier = Classifier(before=gate.at(5))
    session = make_session(
        Source(range(8), expected_frames=8), Sink(), classifier, notes=notes, results=results, analyse_frames=8
    )
    session.start()
    gate.wait_reached()
    session.exclude(0, "a bubble")
    session.exclude(5, "out of focus")
    snap = session.snapshot()
    assert snap.score.fields_excluded_by_operator == 2
    assert snap.score.frames == snap.counts.classified - 1
    gate.open()
    outcome = session.join()
    assert outcome.counts.classified == 8  # never deleted: the frame and its result are there
    assert outcome.excluded_by_operator == (0, 5)
    assert outcome.score == never_had({0, 5}, results.by_seq)
    assert outcome.score.frames == 6
    session.exclude(2, "a fold")
    session.include(0)
    session.include(0)  # it is in: nothing to write down
    assert session.snapshot().score == never_had({2, 5}, results.by_seq)
    assert session.excluded == (2, 5)
    assert outcome.excluded_by_operator == (0, 5)
    assert notes.lines == [
        ("exclude", 0, "a bubble"),
        ("exclude", 5, "out of focus"),
        ("exclude", 2, "a fold"),
        ("include", 0, ""),
    ]


def test_a_mark_that_cannot_be_written_down_has_no_effect():
    notes = Notes(StoreError("the disk is full"))
    session = make_session(Source(range(4)), Sink(), Classifier(), notes=notes)
    before = run(session).score
    with pytest.raises(StoreError, match="the disk is full"):
        session.exclude(1, "a bubble")
    assert session.snapshot().score == before
    assert session.excluded == ()


@pytest.mark.parametrize("seq", [-1, 4])
def test_a_field_that_is_not_there_is_refused(seq: int):
    session = make_session(Source(range(4)), Sink(), Classifier())
    run(session)
    for act in (lambda: session.exclude(seq, "why"), lambda: session.include(seq)):
        with pytest.raises(UsageError, match=rf"there is no field {seq} in this run: it has 4 so far"):
            act()


def test_a_replay_knows_its_fields_before_they_come():
    session = make_session(Source(range(4), live=False, expected_frames=4), None, Classifier(), excluded=[1])
    session.exclude(3, "why")
    outcome = run_marked(session)
    assert outcome.excluded_by_operator == (1, 3)
    assert outcome.score.frames == 2


def run_marked(session):  # noqa: ANN001 - a session
    session.start()
    return session.join()


def test_a_damaged_field_that_was_taken_out_does_not_hold_up_the_interval():
    seqs = [0, 1, 3, 4]
    session = make_session(Source(seqs, live=False, expected_frames=5), None, Classifier(), excluded=[2, 4])
    outcome = run_marked(session)
    assert (outcome.score.frames, outcome.score.interval_frames) == (3, 3)
    assert outcome.score.fields_excluded_by_operator == 2


def test_a_disk_that_fails_takes_its_marks_with_it():
    gate = Gate()
    sink = Sink(before=lambda seq: (gate() if seq == 3 else None, fail_at({3: StoreError("gone")})(seq)))  # type: ignore[arg-type, return-value]  # what it returns is not looked at
    results = Results()
    session = make_session(Source(range(6), live=True, after=lambda: None), sink, Classifier(), results=results)
    session.start()
    gate.wait_reached()
    while session.snapshot().counts.acquired < 5:
        pass
    session.exclude(1, "a bubble")
    session.exclude(4, "not stored yet, and never will be")
    gate.open()
    outcome = session.join()
    assert (outcome.state, outcome.counts.stored) == ("failed", 3)
    assert outcome.excluded_by_operator == (1,)
    stored = {seq: result for seq, result in results.by_seq.items() if seq < 3}
    assert outcome.score == never_had({1}, stored)


def test_snapshots_stay_consistent_while_marks_come_from_another_thread():
    session = make_session(Source(range(300), expected_frames=300), Sink(), Classifier(), analyse_frames=300)
    done = threading.Event()

    def mark() -> None:
        seq = 0
        while not done.is_set():
            if session.snapshot().counts.acquired > seq:
                session.exclude(seq, "")
                if seq % 2:
                    session.include(seq)
                seq = (seq + 1) % 300

    marking = threading.Thread(target=mark)
    session.start()
    marking.start()
    while not session.wait(0.001):
        snap = session.snapshot()
        assert snap.counts.balanced()
        assert 0 <= snap.counts.classified - snap.score.frames <= snap.score.fields_excluded_by_operator
    done.set()
    marking.join()
    outcome = session.join()
    assert outcome.score.frames <= 300
    assert session.snapshot().score.frames == 300 - len(session.excluded)


def test_without_marks_nothing_changes():
    assert finish_score(make_session(Source(range(5)), Sink(), Classifier())) == 0


def finish_score(session) -> int:  # noqa: ANN001 - a session
    session.start()
    return finish(session).score.fields_excluded_by_operator

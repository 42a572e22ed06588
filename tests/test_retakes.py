"""Fields that are taken again: which frame counts, live, in a replay and in every file, whatever happens in between."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.errors import PlanError, UsageError
from hcc_scope.plans import Grid
from hcc_scope.plans.progress import PlanProgress, plan_progress
from hcc_scope.report.pictures import course
from hcc_scope.report.summary import SectionReport, section_account
from hcc_scope.retakes import Retakes, retake_tags
from hcc_scope.score_course import course_rows
from hcc_scope.score_rule import CURRENT_RULE, ScoreRule
from hcc_scope.scoring import SectionScorer, rescored
from hcc_scope.session import Session
from hcc_scope.session.frame_analysis import failed_result
from hcc_scope.session.run_score import RunScore
from hcc_scope.storage.notes import (
    NotesWriter,
    excluded_fields,
    read_notes,
    read_notes_log,
    release_lost_frames,
    stored_retakes,
)
from hcc_scope.storage.predictions import PredictionWriter, read_predictions, read_predictions_table
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.scorer import store_scorer
from hcc_scope.storage.source import StoreSource
from hcc_scope.storage.writer import create_store
from tests.report_parts import page_text
from tests.session_parts import (
    EVERYTHING,
    N_TILES,
    PATIENCE_S,
    Classifier,
    Results,
    Sink,
    Source,
    fail_at,
    make_frame,
    make_session,
    new_scorer,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hcc_scope.protocols import StopSignal
    from hcc_scope.types import Frame, FrameResult, RunOutcome, TagValue

N = 8
BLACK = 3


class Retaking(Source):
    """Fields of a plan from a source that can take them again; `script` names what is asked for behind a frame."""

    def __init__(self, n: int = N, *, first: int = 0, script: Mapping[int, int] | None = None) -> None:
        super().__init__(range(n), expected_frames=n)
        self._first, self._n, self._script = first, n, dict(script or {})
        self._asked: list[dict[str, TagValue]] = []

    def retake(self, seq: int, reason: str = "") -> None:
        self._asked.append(retake_tags(seq, reason))

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        seq, n_left = self._first, self._n
        while not stop.requested and (n_left or self._asked):
            tags = self._asked.pop(0) if self._asked else {}
            n_left -= not tags
            yield replace(make_frame(seq, black=seq == BLACK), tags=tags)
            if seq in self._script:
                self.retake(self._script[seq])
            seq += 1


def results_of(n: int) -> dict[int, FrameResult]:
    kept = Results()
    run(make_session(Source(range(n), black=[BLACK]), Sink(), Classifier(), results=kept))
    return kept.by_seq


RESULTS = results_of(12)
FAILED = failed_result(0, N_TILES, "test", "it could not be classified")


@settings(max_examples=60, deadline=None)
@given(st.permutations(sorted(RESULTS)), st.data())
def test_the_score_is_a_function_of_results_retakes_and_marks_alone(order: list[int], data: st.DataObject):
    """In any order of arrival, with failed and excluded frames: live, a replay and the offline score are one."""
    replaced = {seq: data.draw(st.integers(0, seq - 1)) for seq in range(6, 12) if data.draw(st.booleans())}
    failed = data.draw(st.sets(st.integers(0, 11), max_size=4))
    out = data.draw(st.sets(st.integers(0, 11), max_size=3))
    results = {seq: replace(FAILED, seq=seq) if seq in failed else RESULTS[seq] for seq in order}
    live = RunScore(new_scorer())
    asked = sorted(replaced)
    for seq in order:
        while asked and asked[0] <= seq:  # a note is written before its frame has a result
            live.retake(asked[0], replaced[asked.pop(0)])
        live.add(results[seq])
    for seq in asked:
        live.retake(seq, replaced[seq])
    for seq in out:
        live.exclude(seq)
    scorer = new_scorer()
    scorer.retakes = Retakes(replaced)
    again = RunScore(scorer.fresh(), out)
    for seq in sorted(results):
        again.add(results[seq])
    offline = rescored(results, scorer, 12, out)
    assert live.score() == again.score() == offline
    # each field enters once, by the latest of its frames that has not failed
    fields = {seq: Retakes(replaced).field_of(seq) for seq in range(12)}
    counts = {}
    for seq in range(12):
        if seq not in failed or fields[seq] == seq:
            counts[fields[seq]] = seq
    entering = [seq for seq in counts.values() if seq not in failed | out | {BLACK}]
    assert offline.frames == len(entering)
    assert offline.fields_excluded_by_operator == len(set(counts.values()) & out)
    assert set(offline.set_aside) == set(range(12)) - set(counts.values())
    assert offline.excluded_bounds is None or offline.excluded_bounds.fields == len(counts) - len(entering)


def test_a_retake_stands_at_the_place_of_its_field_and_fills_no_lattice():
    """Score and interval are those of a plan whose field was good at once; a lattice of 12 is not overrun by 13."""
    rule = ScoreRule(CURRENT_RULE, n_lattice=11, n_planned=11)
    plain = SectionScorer(0.5, 1.0, "random", rule=rule)
    for seq in range(11):
        plain.add(replace(RESULTS[11 if seq == 4 else seq], seq=seq))
    with_retake = SectionScorer(0.5, 1.0, "random", rule=rule)
    with_retake.retakes = Retakes({11: 4})
    score = rescored(RESULTS, with_retake, 12)
    assert replace(score, retaken={}, set_aside=()) == plain.score()
    assert (score.retaken, score.set_aside, score.interval_valid) == ({4: 11}, (4,), True)
    rows = course(RESULTS.values(), with_retake)
    assert tuple(rows[-1]) == (score.frames, score.score, *score.interval)
    live = RunScore(with_retake.fresh())
    for seq in (0, 1, 3, 2, *range(4, 12)):  # frame 2 was analysed late
        live.add(RESULTS[seq])
    assert np.array_equal(course_rows(live.course()), rows)


def section(out: Path, source: Retaking, *, classifier: Classifier | None = None) -> tuple[Path, RunOutcome]:
    sink = create_store(out, source.spec)
    session = Session(
        source,
        sink,
        classifier or Classifier(),
        scorer=store_scorer(open_store(sink.path), 0.5),
        limits=EVERYTHING,
        results=PredictionWriter(sink.path, source.spec, run="live"),
        notes=NotesWriter(sink.path),
        finalise=lambda outcome: sink.finalise(section_account(SectionReport("a1", "s1", sink.path.name, outcome))),
    )
    session.start()
    assert session.wait(PATIENCE_S)
    return sink.path, session.join()


def replayed(path: Path, classifier: Classifier | None = None) -> RunOutcome:
    store = open_store(path)
    excluded = excluded_fields(read_notes(path))
    scorer = store_scorer(store, 0.5)
    session = Session(
        StoreSource(store), None, classifier or Classifier(), scorer=scorer, limits=EVERYTHING, excluded=excluded
    )
    session.start()
    assert session.wait(PATIENCE_S)
    return session.join()


def test_a_section_with_retakes_is_one_score_in_every_file(tmp_path: Path):
    """Field 2 is taken again twice, field 3 (black) once; the numbers go on without a gap, and the plan is whole."""
    path, outcome = section(tmp_path, Retaking(script={4: 2, 6: 5, 8: BLACK}))
    assert (outcome.state, outcome.counts.acquired, outcome.counts.classified) == ("completed", N + 3, N + 2)
    assert outcome.score.retaken == {2: 7, BLACK: 9}
    assert outcome.score.set_aside == (2, BLACK, 5)
    assert outcome.score.frames == N
    assert outcome.score.excluded_bounds is None  # a field that was taken again is not one without a score
    notes = [(note.kind, note.seq, note.replaces) for note in read_notes(path)]
    assert notes == [("retake", 5, 2), ("retake", 7, 5), ("retake", 9, BLACK)]
    store = open_store(path)
    assert store.problems == ()
    assert [store.read(seq).tags.get("retake_of") for seq in range(N + 3)] == [None] * 5 + [2, None, 5, None, 3, None]
    results = read_predictions(path)
    assert rescored(results, store_scorer(store, 0.5), store.n_frames) == outcome.score
    assert replayed(path).score == outcome.score
    table = read_predictions_table(path)
    entering = {
        seq for seq, enters in zip(table["seq"].to_pylist(), table["included"].to_pylist(), strict=True) if enters
    }
    assert entering == set(range(N + 3)) - {2, BLACK, 5}
    assert store.recorded.outcome is not None
    assert store.recorded.outcome.section_score is not None
    assert dict(store.recorded.outcome.section_score.retaken) == outcome.score.retaken
    assert f"{N}: random fields" in page_text(path)
    # every one of its notes is missed
    (path / "notes.jsonl").write_bytes(b"")
    assert [problem for problem in open_store(path).problems if "frames 5, 7, 9 took a field again" in problem]


def test_the_number_of_a_retake_that_was_never_stored_is_given_again(tmp_path: Path):
    """Killed between note and frame: the note replaces nothing, also once another frame has the number."""
    path, before = section(tmp_path, Retaking())
    NotesWriter(path).add("retake", "blurred", N, 2)
    assert replayed(path).score == before.score
    release_lost_frames(path, N)
    release_lost_frames(path, N)
    assert [note.kind for note in read_notes(path)] == ["retake", "retake", "include"]
    assert not stored_retakes(read_notes(path), N + 1)


def test_a_retake_that_cannot_be_classified_leaves_the_field_as_it_was(tmp_path: Path):
    classifier = Classifier(fail_at({5: ValueError("a bad frame")}))
    path, outcome = section(tmp_path, Retaking(script={4: 2}), classifier=classifier)
    assert (outcome.score.retaken, outcome.score.set_aside, outcome.counts.failed) == ({}, (5,), 1)
    assert outcome.score.frames == N - 1  # without the black one, and with field 2
    again = replayed(path)  # now it can be classified
    assert again.score.retaken == {2: 5}


def test_what_cannot_be_taken_again_or_excluded_is_refused(tmp_path: Path):
    plain = make_session(Source(range(3), expected_frames=3), Sink(), Classifier())
    run(plain)
    with pytest.raises(UsageError, match="there is no field 3 in this run"):
        plain.retake(3)
    with pytest.raises(UsageError, match="cannot be taken again"):
        plain.retake(1)
    session = make_session(Retaking(script={4: 2}), Sink(), Classifier())
    assert run_freely(session).score.retaken == {2: 5}
    with pytest.raises(UsageError, match="frame 2 is out of the score: frame 5 shows the field again"):
        session.exclude(2, "a bubble")
    session.exclude(5, "a fold")
    score = session.snapshot().score
    assert (score.fields_excluded_by_operator, score.retaken, score.set_aside) == (1, {2: 5}, (2,))
    with pytest.raises(UsageError, match="cannot replace frame 5"):
        NotesWriter(tmp_path).add("retake", "", 5, 5)


def test_a_line_that_replaces_a_later_frame_is_unreadable(tmp_path: Path):
    path, _ = section(tmp_path, Retaking(script={4: 2}))
    notes = path / "notes.jsonl"
    line = json.loads(notes.read_bytes())
    line.pop("crc32", None)
    notes.write_text(json.dumps({**line, "replaces": 5}) + "\n", encoding="utf-8")
    assert read_notes_log(path).problems == (f"line 1 of {notes} is unreadable",)


def run_freely(session: Session) -> RunOutcome:
    session.start()
    assert session.wait(PATIENCE_S)
    return session.join()


def test_how_far_frames_have_carried_out_a_plan():
    plan = Grid(rectangle_um=(0, 0, 300, 200), overlap=0)
    places = list(plan.places((100, 100)))
    tags = [{"axis_row": a["row"], "axis_column": a["column"], "planned_x_um": x} for a, x, *_ in places]
    assert plan_progress(plan, (100, 100), []) == PlanProgress()
    found = plan_progress(plan, (100, 100), [tags[0], tags[1], tags[4], {**tags[1], "retake_of": 1}])
    assert (found, found.n_skipped, found.n_frames) == (PlanProgress((0, 1, 4, 1), 5), 2, 4)
    for wrong, message in (
        ([None], "its line is damaged"),
        ([{"axis_row": 9, "axis_column": 0}], "frame 0 shows no field of the plan"),
        ([{"axis_position": 0}], "frame 0 shows no field of the plan"),
        ([tags[1], tags[0]], "frame 1 shows a field out of the order of the plan"),
        ([{**tags[0], "planned_x_um": 51.0}], "frame 0 was taken at another place"),
    ):
        with pytest.raises(PlanError, match=message):
            plan_progress(plan, (100, 100), wrong)

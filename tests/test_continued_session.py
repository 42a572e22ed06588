"""A session that continues a section: one run over all frames would have the same counts, score and interval."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.plans.drawn_sample import draw_sample
from hcc_scope.position_tags import DRAWN_TAG
from hcc_scope.runs.section_analyses import open_section
from hcc_scope.session import EarlierResults, Session
from hcc_scope.session.meters import RunMeters
from hcc_scope.storage.drawn_sample import SampleWriter, stored_sample
from hcc_scope.storage.notes import NotesWriter, excluded_fields, read_notes
from hcc_scope.storage.predictions import PredictionWriter, read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.reopened import reopen_section
from hcc_scope.storage.scorer import store_scorer
from hcc_scope.storage.source import StoreSource
from hcc_scope.storage.writer import create_store
from hcc_scope.types import Counts, RunOutcome, Sampling
from tests.session_parts import EVERYTHING, PATIENCE_S, Classifier, Source, fail_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.by_hand import SampleKeeper
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.protocols import StopSignal
    from hcc_scope.types import Frame

N = 9
BLACK, FAILED, EXCLUDED = 1, 2, 3


class Fields(Source):
    """Frames that show drawn fields, if they are given: `seq` to its number in the draw."""

    def __init__(self, seqs: range, sampling: Sampling = "random", drawn: dict[int, int] | None = None) -> None:
        super().__init__(seqs, black=[BLACK])
        self.spec = replace(self.spec, sampling=sampling)
        self._drawn = drawn or {}

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        for frame in super().frames(stop):
            tags = {DRAWN_TAG: self._drawn[frame.seq]} if frame.seq in self._drawn else {}
            yield replace(frame, tags=tags)


class Guided(Fields):
    """Draws its sample before the first frame."""

    keeper: SampleKeeper

    def __init__(self, seqs: range, drawn: dict[int, int], sample: DrawnSample) -> None:
        super().__init__(seqs, "guided", drawn)
        self._sample = sample

    def keep_sample_with(self, keeper: SampleKeeper) -> None:
        self.keeper = keeper

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        if 0 in self._seqs:
            self.keeper.drawn(self._sample)
        yield from super().frames(stop)


def run(session: Session) -> RunOutcome:
    session.start()
    assert session.wait(PATIENCE_S)
    outcome = session.join()
    assert (outcome.state, outcome.cause) == ("completed", None)
    assert outcome.counts.balanced()
    return outcome


def classifier() -> Classifier:
    return Classifier(fail_at({FAILED: ValueError("a bad frame")}))


def first_part(out: Path, source: Fields) -> tuple[Path, RunOutcome]:
    """Acquire a section, with field `EXCLUDED` out of its score."""
    sink = create_store(out, source.spec)
    NotesWriter(sink.path).add("exclude", "a fold", EXCLUDED)
    session = Session(
        source,
        sink,
        classifier(),
        scorer=store_scorer(open_store(sink.path), 0.5),
        limits=EVERYTHING,
        results=PredictionWriter(sink.path, source.spec, run="live"),
        sample=SampleWriter(sink.path),
        excluded=[EXCLUDED],
        finalise=lambda outcome: sink.finalise({"state": outcome.state}),
    )
    return sink.path, run(session)


def next_part(path: Path, source: Fields) -> tuple[Session, RunOutcome]:
    reopened = reopen_section(path, source.spec)
    sink = reopened.sink
    session = Session(
        source,
        sink,
        classifier(),
        scorer=store_scorer(reopened.earlier, 0.5),
        limits=EVERYTHING,
        results=PredictionWriter(path, source.spec, run="again", continues=True),
        sample=SampleWriter(path),
        earlier=EarlierResults(reopened.earlier.n_frames, reopened.results),
        excluded=reopened.excluded,
        finalise=lambda outcome: sink.finalise({"state": outcome.state}),
    )
    return session, run(session)


def replayed(path: Path, *excluded: int) -> RunOutcome:
    store = open_store(path)
    return run(
        Session(
            StoreSource(store),
            None,
            classifier(),
            scorer=store_scorer(store, 0.5),
            limits=EVERYTHING,
            excluded=excluded or [EXCLUDED],
        )
    )


def lose_results(path: Path, *seqs: int) -> None:
    """Take the results of some frames out of a store, as a crash before they were analysed would."""
    log = path / "predictions.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(line for line in lines if json.loads(line).get("seq") not in seqs))


@pytest.mark.parametrize("not_analysed", [(), (0, 4)])
def test_the_parts_of_a_section_have_the_score_of_one_run(tmp_path: Path, not_analysed: tuple[int, ...]):
    once, whole = first_part(tmp_path / "once", Fields(range(N)))
    path, _ = first_part(tmp_path / "parts", Fields(range(5)))
    lose_results(path, *not_analysed)
    session, outcome = next_part(path, Fields(range(5, 7)))
    assert session.snapshot().counts.acquired == 7
    _, outcome = next_part(path, Fields(range(7, N)))

    assert outcome.counts == whole.counts == Counts(acquired=N, stored=N, classified=N - 2, excluded=1, failed=1)
    assert outcome.score == whole.score == replayed(path).score
    assert outcome.excluded_by_operator == (EXCLUDED,)
    results, in_one = read_predictions(path), read_predictions(once)
    assert results.keys() == in_one.keys()
    for seq, result in results.items():
        np.testing.assert_array_equal(result.logits, in_one[seq].logits)
        assert ("total" in result.latency_ms) == (seq not in not_analysed)
    assert open_store(path).problems == ()


def test_an_earlier_field_can_be_taken_out_and_in(tmp_path: Path):
    path, before = first_part(tmp_path, Fields(range(5)))
    source = Fields(range(5, 6))
    reopened = reopen_section(path, source.spec)
    session = Session(
        source,
        reopened.sink,
        classifier(),
        scorer=store_scorer(reopened.earlier, 0.5),
        limits=EVERYTHING,
        notes=NotesWriter(path),
        earlier=EarlierResults(reopened.earlier.n_frames, reopened.results, lost=2, skipped=1),
        excluded=reopened.excluded,
    )
    assert session.snapshot().score == before.score
    counts = session.snapshot().counts
    assert (counts.acquired, counts.stored, counts.lost, counts.skipped) == (5, 5, 2, 1)
    session.include(EXCLUDED)
    session.exclude(0, "a bubble")
    outcome = run(session)
    assert outcome.excluded_by_operator == (0,)


def test_a_drawn_sample_is_visited_further_and_its_interval_is_that_of_one_run(tmp_path: Path):
    outline = ((0.0, 0.0), (1000.0, 0.0), (1000.0, 1000.0), (0.0, 1000.0))
    sample = draw_sample(4, (20.0, 20.0), outline, 3)
    drawn = {0: 2, 4: 0, 5: 3, 6: 1}

    _, whole = first_part(tmp_path / "once", Guided(range(7), drawn, sample))
    path, half = first_part(tmp_path / "parts", Guided(range(5), drawn, sample))
    _, outcome = next_part(path, Guided(range(5, 7), drawn, sample))
    assert "2 of 4 drawn fields" in half.score.stabilised_reason
    assert whole.score.interval_valid
    assert outcome.score == whole.score == replayed(path).score


def test_marks_of_frames_that_were_never_stored_do_not_hold_for_those_that_have_their_numbers_now(tmp_path: Path):
    """A capture is undone at once, and the program killed before its frame is on disk."""
    sample = draw_sample(4, (20.0, 20.0), ((0.0, 0.0), (1000.0, 0.0), (1000.0, 1000.0), (0.0, 1000.0)), 3)
    drawn = {0: 2, 4: 0, 5: 3, 6: 1}
    path, _ = first_part(tmp_path, Guided(range(5), drawn, sample))
    for seq in (4, 5):
        SampleWriter(path).undone(seq)
        NotesWriter(path).add("exclude", "undone", seq)
    assert (open_section(path).excluded, stored_sample(path, open_store(path).journal)) == (
        {EXCLUDED, 4},
        replace(sample, reached={2: 0}, undone=frozenset({4, 5})),
    )
    _, outcome = next_part(path, Guided(range(5, 7), drawn, sample))
    assert outcome.score.stabilised_reason == "interval not valid: 3 of 4 drawn fields visited"
    assert outcome.excluded_by_operator == (EXCLUDED, 4)
    assert replayed(path, EXCLUDED, 4).score == outcome.score
    assert set(excluded_fields(read_notes(path))) == {EXCLUDED, 4}


def test_rates_are_those_of_this_part():
    meters = RunMeters(expected_frames=None, stores=True, classifies=True, before=Counts(acquired=10, stored=10))
    for n in range(1, 4):
        counts = Counts(acquired=10 + n, stored=10 + n)
        meters.acquired(counts, n * 10**9, n * 10**9)
        meters.stored(counts, n * 10**9)
    rates = meters.rates(Counts(acquired=13, stored=13), 4 * 10**9)
    assert (rates["acquire_fps"], rates["store_fps"], rates["end_to_end_fps"]) == (1.0, 1.5, 1.0)
    assert rates["classify_fps"] == 0.0

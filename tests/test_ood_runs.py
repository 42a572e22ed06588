"""Tiles unlike training in a run: flagged, counted and left out; the same in a replay; scored if so wanted."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ood_parts import measuring_model, test_tiles
from report_parts import page_text
from session_parts import BASE, N_TILES, Classifier, Results, Sink, Source, make_session
from session_parts import run as run_session
from typer.testing import CliRunner

from hcc_scope.cli.acquisition_commands import app
from hcc_scope.inference.agreement import DISTANCE_TOLERANCE
from hcc_scope.inference.card import read_card, write_card
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import start_section
from hcc_scope.runs.tile_differences import as_flagged_in
from hcc_scope.scoring import calibrate, frame_score
from hcc_scope.storage.predictions import read_predictions, read_predictions_table
from hcc_scope.storage.reader import open_store
from hcc_scope.types import Classification, Frame, QualityFlag, RunSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcc_scope.protocols import StopSignal, Tiles
    from hcc_scope.types import FrameResult

UNLIKE = QualityFlag.UNLIKE_TRAINING.value


# the session


class Measuring(Classifier):
    """Gives a distance that is the frame's number, plus a tenth for each tile."""

    def classify(self, tiles: Tiles) -> Classification:
        seq = int(tiles[0][0, 0]) - BASE
        distances = np.float32(seq + 0.1 * np.arange(len(tiles)))
        return replace(super().classify(tiles), distances=distances)


def test_tiles_beyond_the_threshold_are_flagged_counted_and_not_scored():
    results = Results()
    outcome = run_session(make_session(Source(range(4)), Sink(), Measuring(), results=results, unlike_beyond=1.15))
    near, partly, far, _ = (results.by_seq[seq] for seq in range(4))
    assert near.flags.tolist() == [0] * N_TILES
    assert partly.flags.tolist() == [0, 0, UNLIKE, UNLIKE]
    assert (partly.outcome, far.outcome) == ("classified", "excluded")
    assert np.isfinite(partly.probabilities).tolist() == [True, True, False, False]
    assert np.isfinite(far.logits).all()  # what the model answered is kept
    assert not np.isfinite(far.probabilities).any()
    assert far.distances is not None
    np.testing.assert_array_equal(far.distances, np.float32([2.0, 2.1, 2.2, 2.3]))
    assert not far.distances.flags.writeable
    assert frame_score(far) is None
    assert outcome.score.tiles_excluded == {"unlike_training": 2 + 2 * N_TILES}
    assert (outcome.score.tiles, outcome.score.frames) == (N_TILES + 2, 2)
    assert (outcome.counts.classified, outcome.counts.excluded) == (2, 2)


def test_without_a_threshold_distances_are_recorded_and_all_tiles_scored():
    results = Results()
    outcome = run_session(make_session(Source(range(4)), Sink(), Measuring(), results=results))
    assert outcome.score.tiles == 4 * N_TILES
    assert all(result.distances is not None for result in results.by_seq.values())


def test_a_tile_that_fails_quality_has_no_distance():
    results = Results()
    run_session(make_session(Source(range(2), black=[1]), Sink(), Measuring(), results=results, unlike_beyond=9.0))
    assert results.by_seq[1].distances is None  # the model was asked about none of the frame's tiles
    assert results.by_seq[0].distances is not None


def test_a_classifier_without_distances_takes_no_threshold():
    outcome = run_session(make_session(Source(range(2)), Sink(), Classifier(), unlike_beyond=1.0))
    assert outcome.degraded is not None
    assert "does not give a tile's distance" in outcome.degraded


# stores


class Tissue:
    """Four frames of 1024 x 1024 px: the shipped model's test tiles, turned and dimmed."""

    live = False

    def __init__(self, scoring_model: ScoringModel, animal_id: str = "m1", *, specimen: str | None = "phantom") -> None:
        self.spec = RunSpec(
            (1024, 1024), 16, 0.325, animal_id, "s1", expected_frames=4, model_sha256=scoring_model.model.card.sha256,
            provenance={**scoring_model.facts, **({} if specimen is None else {"specimen": specimen})},
        )  # fmt: skip

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        low, high = test_tiles()
        for seq in range(4):
            dimmed = np.uint16(np.round(high * (1 - 0.2 * seq)))
            pixels = np.block([[np.rot90(low, seq), np.rot90(high, seq)], [low[::-1], dimmed]])
            pixels.flags.writeable = False
            yield Frame(seq, pixels, 0, datetime.now(UTC), 10.0, "s1", pixel_size_um=0.325)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose threshold about half of the tiles are beyond."""
    parent = tmp_path_factory.mktemp("models")
    return measuring_model(parent / "half", threshold=3.1)


@pytest.fixture(scope="module")
def scoring_model(folder: Path) -> ScoringModel:
    return load_scoring_model(folder, "torchscript", lambda _: None)


@pytest.fixture(scope="module")
def acquired(scoring_model: ScoringModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = start_section(Tissue(scoring_model), scoring_model, tmp_path_factory.mktemp("runs"))
    report = run.finish()
    assert report.outcome.state == "completed"
    return run.store_path


@pytest.fixture(scope="module")
def all_scored(scoring_model: ScoringModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    everything = replace(scoring_model, score_unlike=True)
    run = start_section(Tissue(everything, "m2"), everything, tmp_path_factory.mktemp("runs"))
    assert run.finish().outcome.score.tiles == 16
    return run.store_path


def test_the_store_keeps_flags_distances_and_decisions(acquired: Path, all_scored: Path, scoring_model: ScoringModel):
    results = read_predictions(acquired)
    flags = np.concatenate([result.flags for result in results.values()])
    distances = np.concatenate([result.distances for result in results.values()])
    assert scoring_model.unlike_beyond is not None
    np.testing.assert_array_equal(flags == UNLIKE, distances > scoring_model.unlike_beyond)
    n_unlike = int((flags == UNLIKE).sum())
    assert 0 < n_unlike < 16
    table = read_predictions_table(acquired).to_pydict()
    assert table["included"] == (flags == 0).tolist()
    assert table["distance"] == distances.tolist()
    assert np.isfinite(table["logit"]).all()
    np.testing.assert_array_equal(np.isfinite(table["probability"]), flags == 0)
    outcome = open_store(acquired).attributes["outcome"]
    assert outcome["tiles_excluded"] == {"unlike_training": n_unlike}
    provenance = open_store(acquired).spec.provenance
    assert (provenance["unlike_threshold"], provenance["score_unlike"]) == (scoring_model.unlike_beyond, False)
    assert not open_store(acquired).recorded.provenance.score_unlike
    assert open_store(all_scored).recorded.provenance.score_unlike
    assert outcome["tiles_unlike_training_scored"] is None
    assert open_store(all_scored).attributes["outcome"]["tiles_unlike_training_scored"] == n_unlike
    np.testing.assert_array_equal(
        np.concatenate([result.distances for result in read_predictions(all_scored).values()]), distances
    )


def test_a_replay_scores_them_as_the_run_did_bit_for_bit(acquired: Path, all_scored: Path, scoring_model: ScoringModel):
    for store in (acquired, all_scored):  # the scoring_model's own choice is for new sections
        run = start_replay(store, scoring_model)
        comparison = check_replay(run.store, run.finish(), run.results, scoring_model)
        assert (comparison.problem, comparison.equal, comparison.remarks) == (None, True, ())
    run = start_replay(acquired, scoring_model, score_unlike=True)
    assert run.finish().outcome.score.tiles == 16
    run = start_replay(all_scored, scoring_model, score_unlike=False)
    assert run.finish().outcome.score.tiles < 16


def test_engines_may_flag_differently_near_the_threshold_alone(acquired: Path, scoring_model: ScoringModel):
    recorded = read_predictions(acquired)
    beyond = scoring_model.unlike_beyond
    assert beyond is not None

    def shifted(result: FrameResult, factor: float) -> FrameResult:
        """As an engine would answer whose distances are larger by a factor."""
        distances = np.float32(result.distances * factor)
        flags = np.where(distances > beyond, UNLIKE, 0).astype(np.uint8)
        p = np.where(flags == 0, calibrate(result.logits, scoring_model.model.card.temperature), np.float32(np.nan))
        return replace(result, distances=distances, flags=flags, probabilities=p, engine="another")

    nearest = min(float(d) for result in recorded.values() for d in result.distances[result.flags == UNLIKE])
    # takes the nearest flagged tile back in, and nothing far away
    replayed = {seq: shifted(result, 0.999 * beyond / nearest) for seq, result in recorded.items()}
    assert any((replayed[seq].flags != recorded[seq].flags).any() for seq in recorded)
    temperature = scoring_model.model.card.temperature
    aligned, n_near = as_flagged_in(recorded, replayed, temperature, beyond)
    within = nearest <= beyond * (1 + DISTANCE_TOLERANCE)
    assert (n_near > 0) == within
    if within:
        for seq, result in recorded.items():
            np.testing.assert_array_equal(aligned[seq].flags, result.flags)
            np.testing.assert_array_equal(aligned[seq].probabilities, result.probabilities)
            assert aligned[seq].outcome == result.outcome
    far = {seq: shifted(result, 0.5) for seq, result in recorded.items()}
    assert as_flagged_in(recorded, far, temperature, beyond)[1] == 0
    assert as_flagged_in(recorded, replayed, temperature, None)[1] == 0


def test_another_engine_agrees_within_tolerance(acquired: Path, all_scored: Path, folder: Path):
    other = load_scoring_model(folder, "openvino", lambda _: None)
    for store in (acquired, all_scored):
        run = start_replay(store, other)
        comparison = check_replay(run.store, run.finish(), run.results, other)
        assert comparison.problem is None, comparison.problem
        assert comparison.frames == 4


def with_threshold(scoring_model: ScoringModel, threshold: float) -> ScoringModel:
    card = scoring_model.model.card
    changed = card.unlike_training.model_copy(update={"threshold": threshold})
    return replace(
        scoring_model, model=replace(scoring_model.model, card=card.model_copy(update={"unlike_training": changed}))
    )


def test_a_score_that_rests_on_tiles_near_the_threshold_is_compared_as_recorded(
    acquired: Path, scoring_model: ScoringModel, tmp_path: Path
):
    """The threshold of the card moves past a tile: as if every distance of the other engine had."""
    distances = np.sort(np.concatenate([result.distances for result in read_predictions(acquired).values()]))
    nearest = float(distances[len(distances) // 2])
    step = nearest * DISTANCE_TOLERANCE / 4
    then, now = with_threshold(scoring_model, nearest + step), with_threshold(scoring_model, nearest - step)
    live = start_section(Tissue(then), then, tmp_path)
    assert live.finish().outcome.state == "completed"

    class Other:
        name, engine = "torchscript", "torchscript of another processor"
        classify = scoring_model.classifier.classify

    other = ScoringModel(now.model, Other())  # type: ignore[arg-type]
    run = start_replay(live.store_path, other)
    report = run.finish()
    comparison = check_replay(run.store, report, run.results, other)
    assert comparison.problem is None, comparison.problem
    assert "compared as recorded" in comparison.remarks[0]


def test_a_card_that_has_changed_since_is_named(acquired: Path, scoring_model: ScoringModel):
    other = with_threshold(scoring_model, 1e-3)
    model = other.model
    run = start_replay(acquired, other)
    comparison = check_replay(run.store, run.finish(), run.results, other)
    assert f"limit of 'unlike training' {scoring_model.unlike_beyond} then, 0.001 now" in str(comparison.problem)
    unrelated = replace(model, card=model.card.model_copy(update={"sha256": "1" * 64}))
    comparison = check_replay(run.store, run.finish(), run.results, replace(scoring_model, model=unrelated))
    assert "by different models" in str(comparison.problem)


def test_a_replay_by_the_same_weights_with_another_threshold_reports_it(acquired: Path, folder: Path, tmp_path: Path):
    def replay(model: Path) -> str:
        done = CliRunner().invoke(app, ["replay", str(acquired), "--model", str(model), "--out", str(tmp_path / "out")])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "card has changed" not in replay(folder)
    other = Path(shutil.copytree(folder, tmp_path / "model"))
    write_card(read_card(other).model_copy(update={"decision_threshold": 0.375}), other)
    assert f"decision threshold {read_card(folder).decision_threshold} then, 0.375 now" in replay(other)


def test_the_report_states_how_they_were_treated(acquired: Path, all_scored: Path):
    for store, words in ((acquired, "not scored (distance beyond"), (all_scored, "scored nevertheless (distance")):
        assert words in page_text(store)


def test_the_command_line_scores_them_on_request(acquired: Path, folder: Path, tmp_path: Path):
    def replay(*options: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["replay", str(acquired), "--model", str(folder), *options])
        return done.exit_code, done.stdout, done.stderr + str(done.exception)

    code, out, err = replay("--check", "--json", "--out", str(tmp_path / "a"))
    assert code == 0, err
    summary = json.loads(out)
    assert summary["check"]["equal"] is True
    assert summary["sections"][0]["tiles_excluded"]["unlike_training"] > 0
    code, out, err = replay("--score-unlike", "--json", "--out", str(tmp_path / "b"))
    assert code == 0, err
    section = json.loads(out)["sections"][0]
    assert (section["tiles"], section["tiles_excluded"]) == (16, {})
    flagged = summary["sections"][0]["tiles_excluded"]["unlike_training"]
    assert section["tiles_unlike_training_scored"] == flagged
    assert summary["sections"][0]["tiles_unlike_training_scored"] is None
    assert "of them" in err
    code, _, err = replay("--check", "--score-unlike")
    assert code != 0
    assert "--check scores tiles unlike training as the recorded run did" in err

"""What a verdict is worth, computed from an evaluation: threshold's interval, section map, counts, scores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.evaluation.calibration import calibrate_folds, choose_threshold
from hcc_scope.evaluation.results import EvaluationResult, FoldResult, Split, StartResult
from hcc_scope.evaluation.section_map import fit_line, try_section_map, weighted_ece
from hcc_scope.evaluation.statement import benefit_rows, describe_statement_record, make_statement
from hcc_scope.evaluation.threshold_interval import (
    choose_in_drawings,
    draw_animals,
    gap_of_threshold,
    threshold_interval,
)
from hcc_scope.evaluation.unseen_sections import UnseenScores
from hcc_scope.inference.card import read_card, write_card
from hcc_scope.training.config import TrainConfig
from hcc_scope.validation_text import probability_high
from tests.figure_parts import fake_set
from tests.ood_parts import SHIPPED
from tests.statement_parts import with_statement

if TYPE_CHECKING:
    from pathlib import Path


def sections(scores: list[float], labels: list[int], animals: list[int]) -> UnseenScores:
    return UnseenScores(np.array(scores), np.array(labels), np.array(animals), np.zeros(len(scores), np.int64))


def cohort(seed: int, n: int, apart: float, slope: float = 1.0, of_animal: int = 3) -> UnseenScores:
    """Sections of `n` animals of each class."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n)
    animals = rng.normal((labels - 0.5) * apart, 0.7)
    of = np.repeat(np.arange(2 * n), of_animal)
    log_odds = slope * (animals[of] + rng.normal(0, 0.3, len(of)))
    return UnseenScores(1 / (1 + np.exp(-log_odds)), labels[of], of, np.zeros_like(of))


# the threshold's interval


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(3, 6),
    apart=st.sampled_from([0.0, 1.0, 3.0]),
    round_to=st.sampled_from([1, 6]),
)
def test_drawings_choose_by_the_rule_of_the_threshold(seed: int, n: int, apart: float, round_to: int):
    found = cohort(seed, n, apart)
    found = replace(found, scores=found.scores.round(round_to))
    weights = draw_animals(found, seed, replicates=3)
    for row, chosen in zip(weights, choose_in_drawings(found, weights), strict=True):
        times = row.astype(np.int64)
        drawn = choose_threshold(np.repeat(found.scores, times), np.repeat(found.labels, times))
        assert min(max(chosen, 1e-6), 1 - 1e-6) == pytest.approx(drawn, abs=1e-12)


def test_the_interval_holds_the_gap_between_separated_classes():
    found = cohort(3, 4, 8.0)
    threshold = choose_threshold(found.scores, found.labels)
    low, high = threshold_interval(found, threshold, 1) or (np.nan, np.nan)
    below, above = gap_of_threshold(found, threshold)
    assert (below, above) == (found.scores[found.labels == 0].max(), found.scores[found.labels == 1].min())
    assert 0 <= low <= below < threshold < above <= high <= 1
    assert threshold_interval(found, threshold, 1) == (low, high)


def test_too_few_animals_give_no_interval():
    assert threshold_interval(cohort(1, 2, 2.0), 0.5, 1) is None


def test_the_interval_covers_the_best_threshold():
    """A small part of ``python -m benchmarks.threshold_interval``; by symmetry the best threshold is 0.5."""
    covered = 0
    for seed in range(60):
        found = cohort(seed, 4, 2.0)
        low, high = threshold_interval(found, choose_threshold(found.scores, found.labels), seed, 200) or (1.0, 0.0)
        covered += low <= 0.5 <= high
    assert covered >= 50  # 0.93 of 60 is 56; fewer than 50 has a probability below 0.002


# the section map


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), n=st.integers(2, 6), apart=st.sampled_from([0.0, 2.0, 50.0]))
def test_a_map_is_finite_even_where_the_classes_are_apart(seed: int, n: int, apart: float):
    found = cohort(seed, n, apart)
    x = np.log(np.clip(found.scores, 1e-6, 1 - 1e-6) / (1 - np.clip(found.scores, 1e-6, 1 - 1e-6)))
    line = fit_line(x, found.labels, found.weights())
    p = line.probabilities(x)
    assert np.isfinite([line.intercept, line.slope]).all()
    assert ((p > 0) & (p < 1)).all()
    shifted = fit_line(3 * x + 2, found.labels, found.weights())  # another scale, the same map
    assert shifted.probabilities(3 * x + 2) == pytest.approx(p, abs=1e-5)
    mirrored = fit_line(x, 1 - found.labels, found.weights())
    assert mirrored.probabilities(x) == pytest.approx(1 - p, abs=1e-5)


def test_each_animal_counts_once_however_many_sections_it_has():
    found = cohort(4, 5, 2.0)
    x = np.log(found.scores / (1 - found.scores))
    times = np.where(found.animals == 2, 4, 1)
    repeated = UnseenScores(
        *(np.repeat(one, times) for one in (found.scores, found.labels, found.animals, found.networks))
    )
    one = fit_line(x, found.labels, found.weights())
    other = fit_line(np.repeat(x, times), repeated.labels, repeated.weights())
    assert (one.intercept, one.slope) == pytest.approx((other.intercept, other.slope), abs=1e-6)


def test_scores_without_spread_give_the_share_of_high_animals():
    line = fit_line(np.zeros(6), np.array([0, 0, 1, 1, 1, 1]), np.ones(6))
    assert line.slope == 0
    assert line.probabilities(np.zeros(1))[0] == pytest.approx(4.5 / 7)


def test_a_map_of_timid_scores_is_taken_and_corrects_them():
    trial = try_section_map(cohort(5, 12, 3.0, slope=0.2))
    assert trial.section_map is not None
    assert trial.ece is not None
    assert trial.ece < trial.ece_of_score
    assert trial.brier is not None
    assert trial.brier < trial.brier_of_score
    assert trial.section_map.prevalence == 0.5
    new = cohort(6, 200, 3.0, slope=0.2)
    p = np.array([probability_high(trial.section_map, score, 0.5) for score in new.scores.tolist()])
    weights = new.weights()
    assert weighted_ece(p, new.labels, weights) < 0.5 * weighted_ece(new.scores, new.labels, weights)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (cohort(1, 4, 3.0, slope=0.2), "there are 4 low and 4 high animals, and 5 of each are needed"),
        (cohort(2, 8, 2.0, slope=3.4), "is not shown to be lower"),
        (cohort(3, 8, -2.0), "a higher score does not mean a higher share of high animals"),
    ],
    ids=["few animals", "calibrated already", "upside down"],
)
def test_a_map_that_is_not_better_is_not_used(found: UnseenScores, why: str):
    trial = try_section_map(found)
    assert trial.section_map is None
    assert why in trial.why_not


# the record


def evaluated(
    n: int = 4, starts: int = 3, *, noise: float = 0.0, silent: tuple[int, ...] = (), wrong: tuple[str, ...] = ()
) -> EvaluationResult:
    """Folds of one low and one high animal; `wrong` animals look like the other class."""
    data, tiles = fake_set(n, 2, 2, 2)
    images = tiles.images
    labels = np.array([image.label for image in images])
    number = np.array([int(image.animal_id[1:]) - 1 for image in images])
    side = np.array([image.label != (image.animal_id in wrong) for image in images])
    rng = np.random.default_rng(1)
    folds = []
    for k in range(n):
        test = np.flatnonzero(number == k)
        rows = tiles.rows_of(test)
        of_tile = np.where(side[tiles.image_index[rows]], 1.5, -1.5) + 0.1 * k
        found = []
        for start in range(starts):
            odds = of_tile + noise * rng.normal(size=len(rows))
            if start in silent:
                odds = np.zeros(len(rows))
            logits = np.stack([-odds / 2, odds / 2], axis=1).astype(np.float32)
            found.append(StartResult(logits, start=start + 1, silent=start in silent))
        split = Split("by_animal", k, np.setdiff1d(np.arange(len(images)), test), test, labels)
        folds.append(FoldResult(split, rows, labels[tiles.image_index[rows]], tuple(found)))
    temperature, threshold = calibrate_folds(folds, tiles)
    return EvaluationResult(data, tiles, TrainConfig(), tuple(folds), temperature=temperature, threshold=threshold)


def test_animals_are_counted_at_thresholds_of_the_other_folds():
    statement = make_statement(evaluated(wrong=("L2",)))
    assert statement is not None
    record = statement.record
    assert (record.animals_right, record.animals, record.high_right, record.high, record.networks) == (7, 8, 4, 4, 3)
    assert len(record.scores_low) == len(record.scores_high) == 4
    assert record.threshold_interval is not None
    assert record.section_map is None
    words = describe_statement_record(statement)
    assert words[0].startswith("Of 8 unseen animals 7 were on the right side [0.47, 1.00].")
    assert "the mean over 3 networks each, rounded down" in words[0]
    assert any("nothing at section level is called a probability" in text for text in words)
    rows = benefit_rows(statement)
    assert [row[0] for row in rows][:2] == ["0.1", "0.2"]
    assert all(len(row) == 7 for row in rows)


def test_a_silent_network_has_no_part_in_the_record():
    one, other = make_statement(evaluated(starts=3, silent=(0,))), make_statement(evaluated(starts=2))
    assert one is not None
    assert other is not None
    assert one.record == other.record


def test_networks_that_differ_are_counted_as_their_mean_rounded_down():
    result = evaluated(starts=2)
    first = result.folds[0]
    swapped = replace(first.starts[1], logits=first.starts[1].logits[:, ::-1].copy())
    folds = (replace(first, starts=(first.starts[0], swapped)), *result.folds[1:])
    temperature, threshold = calibrate_folds(folds, result.tiles)
    statement = make_statement(replace(result, folds=folds, temperature=temperature, threshold=threshold))
    assert statement is not None
    assert (statement.record.animals_right, statement.record.high_right) == (6, 3)  # 3.5 of 4 in either class


def test_one_fold_has_no_statement():
    result = evaluated(n=1)
    assert make_statement(result) is None
    assert "is not known" in describe_statement_record(None)[0]
    assert benefit_rows(None) == []


def test_a_statement_holds_for_its_own_threshold_alone(tmp_path: Path):
    card = with_statement(read_card(SHIPPED), threshold_interval=(0.3, 0.7))
    write_card(card, tmp_path)
    assert read_card(tmp_path) == card
    assert card.threshold_interval == (0.3, 0.7)
    other = card.model_copy(update={"decision_threshold": 0.45})
    assert other.statement is None
    assert other.threshold_interval is None

"""AUCs from pairs within folds, their intervals, differences of two, and what the random start adds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from benchmarks.interval_coverage import Case, coverage_in
from hcc_scope.evaluation import intervals
from hcc_scope.evaluation.aggregation import ProtocolScores, Scored
from hcc_scope.evaluation.auc import (
    StartSpread,
    auc_difference,
    auc_estimate,
    pair_table,
    start_spread,
    within_fold_auc,
)
from hcc_scope.evaluation.intervals import BY_ANIMAL, coverage_of
from hcc_scope.training.metrics import roc_auc
from tests.evaluation_parts import scored


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 5)), min_size=2, max_size=60))
def test_auc_and_its_pairs_of_animals_agree_with_scikit_learn(rows: list[tuple[int, int, int]]) -> None:
    from sklearn.metrics import roc_auc_score

    labels, ranks, animals = (np.array(column) for column in zip(*rows, strict=True))
    ours = roc_auc(ranks / 8, labels)
    if len(set(labels.tolist())) < 2:
        assert ours is None
        return
    assert ours == pytest.approx(roc_auc_score(labels, ranks))
    pairs = [(high > low) + 0.5 * (high == low) for high in ranks[labels == 1] for low in ranks[labels == 0]]
    assert ours == sum(pairs) / len(pairs)  # to the last bit: halves add up exactly
    assert roc_auc((ranks / 8).astype(np.float32), labels) == ours
    table = pair_table(scored(labels, ranks / 8, animals))
    assert table.auc == pytest.approx(ours)
    assert table.pairs.sum() == len(pairs)
    # each animal's part, counted without it
    for animal, part in enumerate(table.contributions()):
        mine = (
            table.pairs[animal].sum() + table.pairs[:, animal].sum(),
            table.wins[animal].sum() + table.wins[:, animal].sum(),
        )
        assert part * len(pairs) == pytest.approx(mine[1] - ours * mine[0])


def in_folds(shift: float) -> Scored:
    """Three folds of two animals; a network that shifts all scores of its fold compares with no other."""
    rng = np.random.default_rng(2)
    labels, folds = np.tile(np.repeat([0, 1], 5), 3), np.repeat([0, 1, 2], 10)
    ranks = rng.normal(size=30) + labels + shift * folds
    return scored(labels, ranks, np.repeat(range(6), 5), folds=folds)


def test_pairs_within_folds_do_not_compare_networks_of_another_scale():
    plain, shifted = in_folds(0.0), in_folds(4.0)
    inside = [pair_table(values) for values in (plain, shifted)]
    assert inside[0].within_folds
    assert inside[0].auc == inside[1].auc
    assert pair_table(shifted, within_folds=False).auc < pair_table(plain, within_folds=False).auc - 0.1
    by_hand = [roc_auc(plain.ranks[plain.folds == fold], plain.labels[plain.folds == fold]) for fold in range(3)]
    assert inside[0].auc == pytest.approx(np.mean(by_hand))
    assert within_fold_auc(shifted.ranks, shifted.labels, shifted.folds) == pytest.approx(inside[0].auc)
    assert (inside[0].animals, inside[0].independent) == ((3, 3), pytest.approx(3.0))


def test_where_no_fold_has_both_classes_or_a_score_is_of_several_all_pairs_are_counted():
    plain = in_folds(0.0)
    one_class = replace(plain, folds=plain.animals)
    several = replace(plain, folds=np.where(np.arange(30) == 3, -1, plain.folds))
    for values in (one_class, several):
        table = pair_table(values)
        assert not table.within_folds
        assert table.auc == pytest.approx(roc_auc(plain.ranks, plain.labels))
    assert within_fold_auc(plain.ranks, plain.labels, plain.animals) is None
    assert auc_estimate(scored([1, 1], [0.1, 0.2], [0, 1])) is None


def test_folds_weigh_by_their_pairs():
    values = scored([0, 1, 0, 0, 0, 1], [1, 2, 5, 6, 7, 5.5], [0, 1, 2, 3, 4, 5], folds=np.array([0, 0, 1, 1, 1, 1]))
    assert pair_table(values).auc == pytest.approx((1 + 1) / (1 + 3))


def test_an_animal_with_both_classes_is_one_animal():
    values = scored([0, 1, 0, 1, 0, 1], [1, 2, 2, 3, 5, 4], [0, 0, 1, 1, 2, 2])
    table = pair_table(values)
    assert [stratum.tolist() for stratum in table.strata()] == [[0, 1, 2]]
    assert table.independent == pytest.approx(1.5)  # pairs of two of three animals
    assert table.contributions().sum() == pytest.approx(0.0)


@pytest.mark.parametrize("sd", [0.0, 0.05])
def test_the_random_start_is_in_the_interval_in_full(sd: float) -> None:
    values = in_folds(0.0)
    plain, widened = auc_estimate(values), auc_estimate(values, StartSpread(sd, 4, 0.6))
    added = student.ppf(0.975, 4) * sd
    assert widened.sd_of_starts == sd
    assert widened.interval.method == BY_ANIMAL
    below, above = plain.value - plain.interval.low, plain.interval.high - plain.value
    assert widened.interval.low == pytest.approx(max(plain.value - math.hypot(below, added), 0.0))
    assert widened.interval.high == pytest.approx(min(plain.value + math.hypot(above, added), 1.0))


def test_a_difference_takes_the_same_animals_for_both():
    rng = np.random.default_rng(8)
    n, images = 12, 8
    animals = np.repeat(np.arange(2 * n), images)
    labels = (animals >= n).astype(int)
    shared = rng.normal(size=2 * n)[animals]
    one, alike, apart = (
        scored(labels, labels + animal + 0.3 * rng.normal(size=len(animals)), animals)
        for animal in (shared, shared, rng.normal(size=2 * n)[animals])
    )
    close, far = auc_difference(one, alike), auc_difference(one, apart)
    widths = [found.interval.high - found.interval.low for found in (close, far)]
    assert widths[0] < 0.75 * widths[1]
    assert close.interval.low < 0.0 < close.interval.high
    same = auc_difference(one, one)
    assert same.value == 0.0
    assert same.interval.low < 0.0 < same.interval.high
    with_start = auc_difference(one, alike, StartSpread(0.03, 4, 0.7), StartSpread(0.04, 4, 0.7))
    assert with_start.sd_of_starts == pytest.approx(0.05)
    assert with_start.interval.high - with_start.interval.low > widths[0] + 0.1
    assert auc_difference(one, scored([1, 1], [0.1, 0.2], [0, 1])) is None


def test_the_spread_over_starts_is_that_of_the_folds_parts():
    rng = np.random.default_rng(4)
    labels, folds = np.tile(np.repeat([0, 1], 40), 2), np.repeat([0, 1], 80)
    pooled = scored(labels, rng.normal(size=160) + labels, np.repeat(range(8), 20), folds=folds)
    noise = [[rng.normal(size=80) for _ in range(3)] for _ in range(2)]
    singles = tuple(
        tuple({"image": replace(part, ranks=part.ranks + noise[fold][start])} for start in range(3))
        for fold in (0, 1)
        for part in (pooled.part(folds == fold),)
    )
    scores = ProtocolScores({"image": pooled}, tuple({"image": pooled.part(folds == fold)} for fold in (0, 1)), singles)
    found = start_spread(scores, "image")
    aucs = np.array([[roc_auc(one["image"].ranks, one["image"].labels) for one in fold] for fold in singles])
    assert found.sd == pytest.approx(math.sqrt((aucs.var(axis=1, ddof=1) / 4).sum()))
    assert (found.df, found.mean) == (4, pytest.approx(aucs.mean()))
    # a fold with one network that has learnt something is taken for as uncertain as the others
    fewer = start_spread(replace(scores, singles=(singles[0], singles[1][:1])), "image")
    assert fewer.sd == pytest.approx(math.sqrt(aucs[0].var(ddof=1) / 2))
    assert fewer.df == 2
    assert start_spread(replace(scores, singles=tuple(fold[:1] for fold in singles)), "image") is None
    # where scores are of several folds, networks of one place are put together
    crossing = {"image": replace(pooled, folds=np.full(160, -1))}
    by_start = tuple({"image": replace(crossing["image"], ranks=pooled.ranks + rng.normal(size=160))} for _ in range(3))
    found = start_spread(ProtocolScores(crossing, ({}, {}), ((), ()), by_start), "image")
    whole = [roc_auc(one["image"].ranks, labels) for one in by_start]
    assert (found.sd, found.df) == (pytest.approx(np.std(whole, ddof=1)), 2)


def test_the_spread_over_starts_is_that_of_repetitions():
    """Networks that differ by noise, one in each of three folds: how far apart such evaluations lie."""
    rng = np.random.default_rng(2)
    labels, folds = np.tile(np.arange(40) % 2, 3), np.repeat([0, 1, 2], 40)

    def evaluated(n: int) -> ProtocolScores:
        each = [scored(labels, 0.8 * labels + rng.normal(size=120), np.zeros(120, int), folds=folds) for _ in range(n)]
        parts = [[{"image": one.part(folds == fold)} for one in each] for fold in range(3)]
        return ProtocolScores({"image": each[0]}, tuple(part[0] for part in parts), tuple(map(tuple, parts)))

    stated = np.sqrt(np.mean([start_spread(evaluated(3), "image").sd ** 2 for _ in range(100)]))
    repeated = np.std([pair_table(evaluated(1).pooled["image"]).auc for _ in range(400)])
    assert stated == pytest.approx(repeated, rel=0.12)


CASES = [
    ("auc", Case(3, 0.5, unequal=False, auc=0.93)),
    ("auc", Case(5, 0.2, unequal=True, auc=0.98, within=True)),
    ("auc", Case(10, 0.2, unequal=True, auc=0.98)),
    ("difference", Case(4, 0.5, unequal=False, auc=0.98, other_auc=0.93, common=0.9)),
    ("share", Case(5, 0.2, unequal=True, auc=0.95)),
    ("brier", Case(3, 0.8, unequal=False, auc=0.98)),
]


@pytest.mark.parametrize(("kind", "case"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_few_animals_are_covered_as_often_as_is_stated(kind: str, case: Case) -> None:
    """Where the intervals of before contained the truth in 63 to 90 % of the cohorts."""
    covered = coverage_in(np.random.default_rng(1), kind, case, 400)
    what = "mean" if kind in ("share", "brier") else kind
    assert covered >= (coverage_of(what, case.animals) or 0.95) - 0.025


def test_a_coverage_is_stated_from_its_number_of_animals_on_where_it_is_less_than_nominal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(intervals.COVERAGE, "auc", ((2, 0.91), (5, 0.95), (40, 0.94)))
    assert [coverage_of("auc", n) for n in (1, 2, 4, 5, 39, 40, 99)] == [None, 0.91, 0.91, None, None, 0.94, 0.94]
    assert auc_estimate(in_folds(0.0)).interval.coverage == 0.91

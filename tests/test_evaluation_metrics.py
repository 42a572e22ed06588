"""Figures of merit and intervals against scikit-learn, scipy, closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from hcc_scope.evaluation.aggregation import Scored
from hcc_scope.evaluation.calibration import choose_threshold
from hcc_scope.evaluation.intervals import ClusterBootstrap, bounded_mean, clopper_pearson, wilson
from hcc_scope.evaluation.metrics import (
    auc_difference,
    brier,
    figures_at,
    mean_by_animal,
    pair_wins,
    reliability,
)
from hcc_scope.training.metrics import roc_auc


def scored(labels: object, scores: object, animals: object, level: str = "image", folds: object = None) -> Scored:
    labels, scores, animals = np.asarray(labels), np.asarray(scores, float), np.asarray(animals)
    n = len(labels)
    return Scored(
        level=level,
        labels=labels,
        scores=scores,
        ranks=scores,
        animals=animals,
        folds=np.zeros(n, int) if folds is None else folds,
        names=tuple((i,) for i in range(n)),
        animal_ids=tuple(f"a{i}" for i in range(animals.max() + 1)),
    )


@pytest.mark.parametrize(("hits", "n"), [(0, 3), (3, 3), (1, 3), (5, 6), (17, 40), (0, 1), (999, 1000)])
def test_proportions_as_scipy_has_them(hits: int, n: int) -> None:
    test = binomtest(hits, n)
    for ours, method in ((clopper_pearson(hits, n), "exact"), (wilson(hits, n), "wilson")):
        theirs = test.proportion_ci(0.95, method)
        assert ours.pair == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_the_bound_of_a_mean_is_that_of_clopper_and_pearson_at_its_ends_and_wider_between():
    for n in (1, 3, 6, 30):
        assert bounded_mean(1.0, n).pair == pytest.approx((0.025 ** (1 / n), 1.0), rel=1e-9)
        assert bounded_mean(0.0, n).pair == pytest.approx((0.0, 1 - 0.025 ** (1 / n)), rel=1e-9)
        for hits in range(n + 1):
            exact, ours = clopper_pearson(hits, n), bounded_mean(hits / n, n)
            assert ours.low <= exact.low + 1e-12
            assert ours.high >= exact.high - 1e-12
    assert bounded_mean(0.0, 4, -1.0, 1.0).pair == pytest.approx((-0.916, 0.916), abs=0.01)


def test_the_bound_inverts_the_divergence():
    interval = bounded_mean(0.7, 10)
    for mu in interval.pair:
        divergence = 0.7 * math.log(0.7 / mu) + 0.3 * math.log(0.3 / (1 - mu))
        assert 10 * divergence == pytest.approx(math.log(40), rel=1e-9)


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
    wins, n_high, n_low = pair_wins(scored(labels, ranks / 8, animals))
    assert wins.sum() / (n_high.sum() * n_low.sum()) == pytest.approx(ours)


def test_figures_agree_with_scikit_learn():
    from sklearn.metrics import accuracy_score, brier_score_loss, recall_score

    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 200)
    scores = np.clip(0.3 * labels + 0.7 * rng.random(200), 0, 1)
    found = figures_at(scored(labels, scores, np.arange(200) % 20), 0.4)
    predicted = (scores >= 0.4).astype(int)
    assert found.sensitivity.value == pytest.approx(recall_score(labels, predicted))
    assert found.specificity.value == pytest.approx(recall_score(labels, predicted, pos_label=0))
    assert found.accuracy.value == pytest.approx(accuracy_score(labels, predicted))
    assert found.brier.value == pytest.approx(brier_score_loss(labels, scores))
    assert brier(scores, labels) == pytest.approx(brier_score_loss(labels, scores))


def test_reliability_as_scikit_learn_has_it_and_ece_by_hand():
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(2)
    scores = rng.random(500)
    labels = (rng.random(500) < scores**2).astype(int)
    for ours, strategy in (
        (reliability(scores, labels), "uniform"),
        (reliability(scores, labels, equal_mass=True), "quantile"),
    ):
        share, mean = calibration_curve(labels, scores, n_bins=10, strategy=strategy)
        assert ours.share_high == pytest.approx(share)
        assert ours.mean_score == pytest.approx(mean)
    # two bins: 0.15 three times with one high, 0.95 once and high
    by_hand = reliability(np.array([0.15, 0.15, 0.15, 0.95]), np.array([0, 0, 1, 1]))
    assert by_hand.n == (3, 1)
    assert by_hand.ece == pytest.approx(0.75 * abs(1 / 3 - 0.15) + 0.25 * 0.05)
    assert reliability(np.full(4, 0.5), np.array([0, 1, 0, 1]), equal_mass=True).ece == 0.0
    assert sum(reliability(np.array([0.0, 1.0]), np.array([0, 1])).n) == 2


def test_a_drawing_of_animals_gives_what_counting_its_images_gives():
    rng = np.random.default_rng(3)
    animals = np.repeat(np.arange(8), rng.integers(1, 7, 8))
    labels = (animals >= 4).astype(int)
    values = scored(labels, rng.integers(0, 12, len(animals)) / 12, animals)
    boot = ClusterBootstrap(np.array([0] * 4 + [1] * 4), seed=1, replicates=50)
    assert (boot.weights[:, :4].sum(1) == 4).all()
    assert (boot.weights[:, 4:].sum(1) == 4).all()
    assert boot.distinct_resamples == 35 * 35
    from hcc_scope.evaluation import metrics

    ours = metrics._auc_replicates(values, boot.weights)
    for value, weights in zip(ours, boot.weights, strict=True):
        drawn = np.repeat(np.arange(len(animals)), weights[animals].astype(int))
        assert value == pytest.approx(roc_auc(values.ranks[drawn], labels[drawn]))


def test_a_single_class_has_no_auc_and_half_of_the_shares():
    boot = ClusterBootstrap(np.array([1, 1]), seed=1)
    found = figures_at(scored([1, 1, 1], [0.2, 0.7, 0.9], [0, 0, 1]), 0.5, boot)
    assert found.auc is None
    assert found.specificity is None
    assert found.sensitivity.value == pytest.approx(2 / 3)


def test_intervals_name_their_rule_and_are_never_points():
    values = [0.1, 0.2, 0.3, 0.7, 0.8, 0.9]
    labels = [0, 0, 0, 1, 1, 1]
    boot = ClusterBootstrap(np.array(labels), seed=1)
    at_animals = figures_at(scored(labels, values, range(6), "animal"), 0.5, boot)
    assert at_animals.sensitivity.interval.method == "clopper-pearson"
    assert at_animals.sensitivity.interval.pair == pytest.approx((0.025 ** (1 / 3), 1.0))
    # all drawings agree on 1: that is no reason to be sure
    assert at_animals.auc.interval.method == "hoeffding bound"
    assert at_animals.auc.interval.pair == pytest.approx((0.025 ** (1 / 3), 1.0))
    mixed = scored(
        np.repeat(labels, 3),
        np.repeat([0.1, 0.2, 0.4, 0.2, 0.3, 0.45], 3) + np.tile([0.0, 0.15, 0.35], 6),
        np.repeat(range(6), 3),
    )
    at_images = figures_at(mixed, 0.5, boot)
    assert at_images.accuracy.interval.method == "cluster bootstrap by animal"
    assert at_images.accuracy.interval.low <= at_images.accuracy.value <= at_images.accuracy.interval.high
    # three animals of one class are too few to draw from
    assert at_images.sensitivity.interval.method == "hoeffding bound"
    same = auc_difference(mixed, mixed, boot)
    assert same.value == 0.0
    assert same.interval.low < 0.0 < same.interval.high


def test_the_cluster_bootstrap_covers_about_as_often_as_nominal_and_drawing_images_would_not():
    """AUC at image level of 15 animals per class, whose images share most of what makes them differ."""
    rng = np.random.default_rng(4)
    n_animals, n_images, n_cohorts = 15, 8, 150
    animals = np.repeat(np.arange(2 * n_animals), n_images)
    labels = (animals >= n_animals).astype(int)
    strata = (np.arange(2 * n_animals) >= n_animals).astype(int)
    # difference of two normal variables of variance 2 each, means 1 apart
    truth = 0.5 * (1 + math.erf(1.0 / math.sqrt(2 * 2.0) / math.sqrt(2)))
    covered = naive = 0
    for cohort in range(n_cohorts):
        ranks = rng.normal(size=2 * n_animals)[animals] + rng.normal(size=len(animals)) + labels
        clustered = figures_at(scored(labels, ranks, animals), 0.5, None)
        boot = ClusterBootstrap(strata, cohort, 400)
        from hcc_scope.evaluation import metrics

        values = scored(labels, ranks, animals)
        interval = boot.interval(metrics._auc_replicates(values, boot.weights))
        covered += interval.low <= truth <= interval.high
        by_image = scored(labels, ranks, np.arange(len(animals)))
        small = ClusterBootstrap(labels, cohort, 100)
        interval = small.interval(metrics._auc_replicates(by_image, small.weights))
        naive += interval.low <= truth <= interval.high
        assert clustered.auc is not None
    assert covered / n_cohorts > 0.86
    assert naive / n_cohorts < 0.75


@pytest.mark.parametrize("n", [6, 12, 40])
def test_the_expanded_percentiles_are_those_of_students_t_for_a_mean(n: int) -> None:
    """One image per animal, two classes: the half-width has a closed form, but for the number of drawings."""
    from scipy.stats import t

    rng = np.random.default_rng(n)
    animals, strata = np.arange(2 * n), np.repeat([0, 1], n)
    values = np.clip(rng.normal(0.5, 0.1, 2 * n) + 0.1 * strata, 0, 1)
    found = mean_by_animal(values, animals, ClusterBootstrap(strata, 1, 40_000))
    variances = [values[strata == s].var(ddof=1) / n for s in (0, 1)]
    half = t.ppf(0.975, 2 * n - 2) * math.sqrt(sum(variances)) / 2
    assert found.value == pytest.approx(values.mean())
    assert found.interval.method == "cluster bootstrap by animal"
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(half, rel=0.08)


def test_the_threshold_is_the_middle_of_the_gap_that_separates_best():
    assert choose_threshold(np.array([0.1, 0.2, 0.6, 0.9]), np.array([0, 0, 1, 1])) == pytest.approx(0.4)
    # one low section among the high ones: 0.35 gets three of four
    scores, labels = np.array([0.1, 0.7, 0.6, 0.9, 0.95]), np.array([0, 0, 1, 1, 1])
    from sklearn.metrics import roc_curve

    false_positives, true_positives, _ = roc_curve(labels, scores)
    ours = choose_threshold(scores, labels)
    youden = (scores[labels == 1] >= ours).mean() - (scores[labels == 0] >= ours).mean()
    assert youden == pytest.approx((true_positives - false_positives).max())


def test_without_a_better_threshold_the_middle_of_the_means_is_taken():
    assert choose_threshold(np.array([0.8, 0.9, 0.1, 0.2]), np.array([0, 0, 1, 1])) == pytest.approx(0.5)
    assert choose_threshold(np.array([0.3, 0.3]), np.array([0, 1])) == pytest.approx(0.3)
    assert 0.0 < choose_threshold(np.array([0.0, 0.0]), np.array([0, 1])) < 1.0

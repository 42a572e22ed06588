"""Figures of merit and intervals against scikit-learn, scipy, closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from hcc_scope.evaluation.calibration import choose_threshold
from hcc_scope.evaluation.intervals import BY_ANIMAL, clopper_pearson, score_interval, wilson
from hcc_scope.evaluation.metrics import (
    brier,
    figures_at,
    mean_by_animal,
    reliability,
)
from tests.evaluation_parts import scored


@pytest.mark.parametrize(("hits", "n"), [(0, 3), (3, 3), (1, 3), (5, 6), (17, 40), (0, 1), (999, 1000)])
def test_proportions_as_scipy_has_them(hits: int, n: int) -> None:
    test = binomtest(hits, n)
    for ours, method in ((clopper_pearson(hits, n), "exact"), (wilson(hits, n), "wilson")):
        theirs = test.proportion_ci(0.95, method)
        assert ours.pair == pytest.approx((theirs.low, theirs.high), abs=1e-12)


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


def test_a_single_class_has_no_auc_and_half_of_the_shares():
    found = figures_at(scored([1, 1, 1], [0.2, 0.7, 0.9], [0, 0, 1]), 0.5, np.array([1, 1]))
    assert found.auc is None
    assert found.auc_pooled is None
    assert found.specificity is None
    assert found.sensitivity.value == pytest.approx(2 / 3)
    assert (found.sensitivity.n, found.brier.n, found.n, found.n_animals) == (3, 3, 3, 2)


def test_intervals_name_their_rule_and_are_never_points():
    values = [0.1, 0.2, 0.3, 0.7, 0.8, 0.9]
    labels = [0, 0, 0, 1, 1, 1]
    at_animals = figures_at(scored(labels, values, range(6), "animal"), 0.5, np.array(labels))
    assert at_animals.sensitivity.interval.method == "clopper-pearson"
    assert at_animals.sensitivity.interval.pair == pytest.approx((0.025 ** (1 / 3), 1.0))
    mixed = scored(
        np.repeat(labels, 3),
        np.repeat([0.1, 0.2, 0.4, 0.2, 0.3, 0.45], 3) + np.tile([0.0, 0.15, 0.35], 6),
        np.repeat(range(6), 3),
    )
    at_images = figures_at(mixed, 0.5, np.array(labels))
    for figures in (at_animals, at_images):
        found = (figures.auc, figures.sensitivity, figures.specificity, figures.accuracy, figures.brier)
        for estimate in found:
            assert 0.0 <= estimate.interval.low <= estimate.value <= estimate.interval.high <= 1.0
            assert estimate.interval.high - estimate.interval.low > 0.1
            assert estimate.n
    assert at_images.accuracy.interval.method == BY_ANIMAL


def test_a_mean_of_animals_that_each_agree_with_themselves_has_wilsons_interval_as_of_so_many_trials():
    """All of an animal's images are alike: they are worth one trial each, however many there are."""
    animals = np.repeat(range(40), 7)
    hits = np.repeat(np.arange(40) % 4 > 0, 7).astype(float)
    found = mean_by_animal(hits, animals, np.zeros(40, int))
    one_each = wilson(30, 40)
    assert found.value == 0.75
    assert found.n == 280
    # Student's t for 43 degrees of freedom is 3 % more than the normal quantile
    widths = [interval.high - interval.low for interval in (found.interval, one_each)]
    assert 1.0 < widths[0] / widths[1] < 1.04
    independent = mean_by_animal(hits, np.arange(280), np.zeros(280, int))
    assert independent.interval.high - independent.interval.low < 0.45 * widths[0]


def test_a_stratum_of_one_animal_reveals_no_variance():
    alone = mean_by_animal(np.array([0.5, 0.5, 0.4, 0.6]), np.array([0, 0, 1, 2]), np.array([0, 1, 1]))
    worst = score_interval(0.5, 0.0, 0.0, 16 / 6)
    assert alone.interval.pair == pytest.approx(worst)


@settings(max_examples=60, deadline=None)
@given(value=st.floats(0, 1), variance=st.floats(0, 0.25), df=st.floats(0, 60), independent=st.floats(1, 60))
def test_a_score_interval_holds_its_value_and_is_no_narrower_for_more_variance_or_fewer_animals(
    value: float, variance: float, df: float, independent: float
) -> None:
    low, high = score_interval(value, variance, df, independent)
    assert -1e-9 <= low <= value + 1e-9
    assert value - 1e-9 <= high <= 1 + 1e-9
    assert high - low > 0.01
    if variance > 0 and 0 < value < 1:
        wider = score_interval(value, 2 * variance, df, independent)
        assert wider[1] - wider[0] >= high - low - 1e-9


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

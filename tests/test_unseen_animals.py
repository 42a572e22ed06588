"""What counts of unseen animals say: exact intervals, predictive values, net benefit, p-values."""

from __future__ import annotations

import doctest
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from hcc_scope import unseen_animals
from hcc_scope.unseen_animals import (
    VerdictCounts,
    conformal_p,
    exact_interval,
    net_benefit,
    predictive_values,
    score_log_odds,
    shifted_probability,
)

shares = st.floats(0.01, 0.99)


@st.composite
def counts(draw: st.DrawFn) -> VerdictCounts:
    high, low = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    return VerdictCounts(draw(st.integers(0, high)), high, draw(st.integers(0, low)), low)


def test_examples_in_docstrings():
    found = doctest.testmod(unseen_animals)
    assert found.attempted > 3
    assert found.failed == 0


@given(n=st.integers(1, 60), share=shares, confidence=st.sampled_from([0.95, 0.975]))
def test_the_exact_interval_holds_as_often_as_it_states(n: int, share: float, confidence: float):
    holds = [low <= share <= high for low, high in (exact_interval(k, n, confidence) for k in range(n + 1))]
    assert sum(binom.pmf(k, n, share) for k in range(n + 1) if holds[k]) >= confidence - 1e-9


@given(of=counts(), prevalence=shares)
def test_predictive_values_are_bayes_rule_within_their_intervals(of: VerdictCounts, prevalence: float):
    sensitivity, specificity = of.high_right / of.high, of.low_right / of.low
    called_high = sensitivity * prevalence + (1 - specificity) * (1 - prevalence)
    ppv, npv = predictive_values(of, prevalence)
    if called_high > 0:
        assert ppv.value == pytest.approx(sensitivity * prevalence / called_high)
    else:
        assert ppv.value is None
    if called_high < 1 - 1e-12:
        assert npv.value == pytest.approx(specificity * (1 - prevalence) / (1 - called_high))
    for one in (ppv, npv):
        assert 0 <= one.low <= one.high <= 1
        assert one.value is None or one.low - 1e-12 <= one.value <= one.high + 1e-12


def test_the_intervals_of_predictive_values_hold_at_few_animals():
    """All outcomes of four animals of each class, weighted with their probabilities."""
    n, prevalence = 4, 0.3
    for sensitivity, specificity in ((0.6, 0.9), (0.95, 0.5), (0.8, 0.8)):
        truth = sensitivity * prevalence / (sensitivity * prevalence + (1 - specificity) * (1 - prevalence))
        covered = 0.0
        for high, low in itertools.product(range(n + 1), repeat=2):
            ppv = predictive_values(VerdictCounts(high, n, low, n), prevalence)[0]
            if ppv.low <= truth <= ppv.high:
                covered += binom.pmf(high, n, sensitivity) * binom.pmf(low, n, specificity)
        assert covered >= 0.95


@given(of=counts(), prevalence=shares, p=st.floats(0, 0.95))
def test_net_benefit_lies_between_its_ends_and_knows_who_acts_on_all(of: VerdictCounts, prevalence: float, p: float):
    (found,) = net_benefit(of, prevalence, [p])
    assert found.low - 1e-12 <= found.of_verdict <= found.high + 1e-12
    assert found.of_all == pytest.approx(prevalence - (1 - prevalence) * p / (1 - p))
    (perfect,) = net_benefit(VerdictCounts(3, 3, 3, 3), prevalence, [p])
    assert perfect.of_verdict == pytest.approx(prevalence)  # no false positive, whatever one costs
    if p == prevalence:
        assert found.of_all == pytest.approx(0)


def test_counts_of_one_class_have_no_predictive_value():
    with pytest.raises(ValueError, match="no animals of one class"):
        predictive_values(VerdictCounts(2, 3, 0, 0), 0.5)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_a_conformal_p_value_is_valid_for_exchangeable_animals(scores: list[float]):
    """Each animal in turn is the new one: no level is undercut more often than it states."""
    n = len(scores)
    p = [conformal_p(scores[i], scores[:i] + scores[i + 1 :], towards="high") for i in range(n)]
    for k in range(1, n + 1):
        assert sum(one <= k / n + 1e-12 for one in p) <= k
    assert min(p) >= 1 / n - 1e-12
    flipped = [1 - score for score in scores]
    assert conformal_p(flipped[0], flipped[1:], towards="low") >= 1 / n


@given(score=st.floats(0, 1), then=shares, now=shares)
def test_a_probability_at_its_own_prevalence_is_not_moved(score: float, then: float, now: float):
    log_odds = score_log_odds(score)
    p = shifted_probability(log_odds, then, then)
    assert p == pytest.approx(min(max(score, 1e-6), 1 - 1e-6), abs=1e-9)
    moved = shifted_probability(log_odds, then, now)
    assert (moved > p) == (now > then) or moved == pytest.approx(p)

"""Metrics at one level, each with an interval that is valid for it.

AUCs are those of `hcc_scope.evaluation.auc`. Proportions of animals have exact intervals; everything else is summed up
per animal first, because animals are what was sampled.

The expected calibration error has no interval: it is a mean of absolute differences, so that noise makes it larger and
never smaller, in the sample and again in each drawing from it, by an amount that few animals do not show. The Brier
score has one; it contains the calibration and can be compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.evaluation.auc import auc_estimate, covariance_of, pair_table
from hcc_scope.evaluation.intervals import (
    BY_ANIMAL,
    Estimate,
    Interval,
    clopper_pearson,
    coverage_of,
    score_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.evaluation.aggregation import Level, Scored
    from hcc_scope.evaluation.auc import StartSpread

__all__ = [
    "ECE_BINS",
    "Figures",
    "Reliability",
    "brier",
    "figures_at",
    "mean_by_animal",
    "reliability",
    "shares",
]

ECE_BINS = 10


def shares(values: Scored, threshold: float) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return what counts as a hit, and among which, for sensitivity, specificity and accuracy."""
    is_high = values.labels == 1
    right = (values.scores >= threshold) == is_high
    return {
        "sensitivity": (right & is_high, is_high),
        "specificity": (right & ~is_high, ~is_high),
        "accuracy": (right, np.ones(len(values), bool)),
    }


def mean_by_animal(what: NDArray[np.float64], animals: NDArray[np.int64], strata: NDArray[np.int64]) -> Estimate:
    """Return a mean of numbers between 0 and 1 that are not independent within an animal, with its interval.

    Parameters
    ----------
    what : (n,) float64
        n of at least 1.
    animals : (n,) int64
        Of which animal each is.
    strata : (animals,) int64
        What each animal carries, as `hcc_scope.evaluation.aggregation.animal_strata` has it.
    """
    n = np.bincount(animals, minlength=len(strata)).astype(np.float64)
    value = float(what.mean())
    excess = (np.bincount(animals, what, minlength=len(strata)) - value * n) / n.sum()
    groups = [np.flatnonzero((strata == stratum) & (n > 0)) for stratum in np.unique(strata[n > 0])]
    variance, df = covariance_of(excess, excess, groups)
    low, high = score_interval(value, variance, df, float(n.sum() ** 2 / (n**2).sum()))
    coverage = coverage_of("mean", min(len(group) for group in groups))
    return Estimate(value, Interval(low, high, BY_ANIMAL, coverage), len(what))


def _proportion(
    hits: NDArray[np.bool_], among: NDArray[np.bool_], values: Scored, strata: NDArray[np.int64]
) -> Estimate:
    """Return a proportion: of animals, which are independent, with the exact interval; else as any other mean."""
    n, k = int(among.sum()), int(hits.sum())
    independent = len(np.unique(values.animals[among])) == n
    if values.level == "animal" and independent:
        return Estimate(k / n, clopper_pearson(k, n), n)
    return mean_by_animal(hits[among].astype(np.float64), values.animals[among], strata)


def brier(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean squared difference of score and label: 0 is perfect, always answering 0.5 gives 0.25."""
    return float(np.mean((scores - labels) ** 2))


@dataclass(frozen=True, slots=True)
class Reliability:
    """Score against truth in bins; empty bins are left out."""

    edges: tuple[float, ...]
    """Of all bins."""
    mean_score: tuple[float, ...]
    share_high: tuple[float, ...]
    n: tuple[int, ...]

    @property
    def ece(self) -> float:
        """Expected calibration error: mean over bins, by size, of the distance of share of *high* and mean score."""
        total = sum(self.n)
        return math.fsum(
            n * abs(score - share) for n, score, share in zip(self.n, self.mean_score, self.share_high, strict=True)
        ) / max(total, 1)


def reliability(
    scores: NDArray[np.float64], labels: NDArray[np.int64], *, bins: int = ECE_BINS, equal_mass: bool = False
) -> Reliability:
    """Return the reliability curve of the probability of *high*.

    Parameters
    ----------
    scores : (n,) float64
    labels : (n,) int64
    bins : int
    equal_mass : bool
        Bins between quantiles of the scores instead of bins of one width. A bin takes its lower edge, the last both.
    """
    if equal_mass:
        edges = np.unique(np.quantile(scores, np.linspace(0.0, 1.0, bins + 1)))
        if len(edges) == 1:
            edges = np.append(edges, edges[0])
    else:
        edges = np.linspace(0.0, 1.0, bins + 1)
    which = np.clip(np.searchsorted(edges, scores, "right") - 1, 0, len(edges) - 2)
    n = np.bincount(which, minlength=len(edges) - 1)
    filled = n > 0
    mean_score = np.bincount(which, scores, minlength=len(n))[filled] / n[filled]
    share_high = np.bincount(which, labels.astype(np.float64), minlength=len(n))[filled] / n[filled]
    return Reliability(
        tuple(edges.tolist()), tuple(mean_score.tolist()), tuple(share_high.tolist()), tuple(n[filled].tolist())
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a protocol, or one of its folds, found at one level."""

    level: Level
    n: int
    n_high: int
    n_animals: int
    """That they are of."""
    threshold: float
    """At or above it something counts as *high*."""
    auc: Estimate | None
    """From pairs within folds, if `auc_within_folds`; None: no pair."""
    auc_within_folds: bool
    auc_pooled: float | None
    """From all pairs: scores of *different* networks are compared."""
    auc_of_single: float | None
    """Mean AUC of the networks one by one, where the others are of the mean logit of several starts."""
    sensitivity: Estimate | None
    specificity: Estimate | None
    accuracy: Estimate
    brier: Estimate
    ece: float
    """`ECE_BINS` bins of one width."""
    ece_equal_mass: float
    reliability: Reliability


def figures_at(
    values: Scored, threshold: float, strata: NDArray[np.int64] | None = None, spread: StartSpread | None = None
) -> Figures:
    """Return the metrics of some scores, with intervals if there is something to draw them from.

    Parameters
    ----------
    values : Scored
        Not empty.
    threshold : float
    strata : (animals,) int64, optional
        What each animal carries, as `hcc_scope.evaluation.aggregation.animal_strata` has it; None: no intervals (single
        folds).
    spread : StartSpread, optional
        Of the AUC over the random starts; None: one start.
    """
    found: dict[str, Estimate | None] = {}
    for name, (hits, among) in shares(values, threshold).items():
        if not among.any():
            found[name] = None
        elif strata is None:
            found[name] = Estimate(float(hits.sum() / among.sum()), n=int(among.sum()))
        else:
            found[name] = _proportion(hits, among, values, strata)
    accuracy = found["accuracy"]
    assert accuracy is not None, "there is at least one score"
    curve = reliability(values.scores, values.labels)
    squares = (values.scores - values.labels) ** 2
    auc, table = auc_estimate(values, spread), pair_table(values)
    if auc is not None and strata is None:
        auc = Estimate(auc.value, n=auc.n)
    return Figures(
        level=values.level,
        n=len(values),
        n_high=int(values.labels.sum()),
        n_animals=len(np.unique(values.animals)),
        threshold=threshold,
        auc=auc,
        auc_within_folds=table.within_folds,
        auc_pooled=pair_table(values, within_folds=False).auc,
        auc_of_single=None if spread is None else spread.mean,
        sensitivity=found["sensitivity"],
        specificity=found["specificity"],
        accuracy=accuracy,
        brier=mean_by_animal(squares, values.animals, strata)
        if strata is not None
        else Estimate(brier(values.scores, values.labels), n=len(values)),
        ece=curve.ece,
        ece_equal_mass=reliability(values.scores, values.labels, equal_mass=True).ece,
        reliability=curve,
    )

"""Metrics at one level, each with an interval that is valid for it.

Everything is first summed up per animal; a drawing of the cluster bootstrap is then a weighted sum of these, so that
thousands of drawings cost one product of matrices, also for the AUC (a matrix of animals by animals).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.evaluation.intervals import Estimate, bounded_mean, clopper_pearson
from hcc_scope.training.metrics import roc_auc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.evaluation.aggregation import Level, Scored
    from hcc_scope.evaluation.intervals import ClusterBootstrap

__all__ = [
    "ECE_BINS",
    "Figures",
    "Reliability",
    "auc_difference",
    "brier",
    "figures_at",
    "mean_by_animal",
    "pair_wins",
    "reliability",
    "shares",
]

ECE_BINS = 10


def pair_wins(values: Scored) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return how often each animal's *high* beats each animal's *low*, and how many there are of both.

    Returns
    -------
    wins : (animals, animals) float64
        Pairs of a *high* of the one (row) and a *low* of the other (column) in which the high has the larger score,
        ties counting half.
    n_high, n_low : (animals,) float64
    """
    n_animals = len(values.animal_ids)
    wins = np.zeros((n_animals, n_animals))
    is_high = values.labels == 1
    n_high = np.bincount(values.animals[is_high], minlength=n_animals).astype(np.float64)
    n_low = np.bincount(values.animals[~is_high], minlength=n_animals).astype(np.float64)
    high_ranks, high_animals = values.ranks[is_high], values.animals[is_high]
    for animal in np.flatnonzero(n_low):
        low = np.sort(values.ranks[~is_high & (values.animals == animal)])
        won = np.searchsorted(low, high_ranks, "left") + np.searchsorted(low, high_ranks, "right")
        wins[:, animal] = np.bincount(high_animals, won / 2.0, minlength=n_animals)
    return wins, n_high, n_low


def _auc_replicates(values: Scored, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    wins, n_high, n_low = pair_wins(values)
    pairs = (weights @ n_high) * (weights @ n_low)
    won = np.einsum("ra,ra->r", weights @ wins, weights)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(pairs > 0, won / pairs, np.nan))


def _animals_per_class(values: Scored) -> tuple[int, int]:
    return tuple(len(np.unique(values.animals[values.labels == label])) for label in (0, 1))  # type: ignore[return-value]


def _auc(values: Scored, boot: ClusterBootstrap) -> Estimate | None:
    value = roc_auc(values.ranks, values.labels)
    if value is None:
        return None
    interval = boot.interval(_auc_replicates(values, boot.weights))
    return Estimate(value, interval or bounded_mean(value, min(_animals_per_class(values))))


def auc_difference(one: Scored, other: Scored, boot: ClusterBootstrap) -> Estimate | None:
    """Return the AUC of `one` less that of `other`, with the interval from the *same* drawings of animals for both."""
    first, second = roc_auc(one.ranks, one.labels), roc_auc(other.ranks, other.labels)
    if first is None or second is None:
        return None
    replicates = _auc_replicates(one, boot.weights) - _auc_replicates(other, boot.weights)
    interval = boot.interval(replicates)
    n = min(*_animals_per_class(one), *_animals_per_class(other))
    return Estimate(first - second, interval or bounded_mean(first - second, n, -1.0, 1.0))


def shares(values: Scored, threshold: float) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return what counts as a hit, and among which, for sensitivity, specificity and accuracy."""
    is_high = values.labels == 1
    right = (values.scores >= threshold) == is_high
    return {
        "sensitivity": (right & is_high, is_high),
        "specificity": (right & ~is_high, ~is_high),
        "accuracy": (right, np.ones(len(values), bool)),
    }


def mean_by_animal(what: NDArray[np.float64], animals: NDArray[np.int64], boot: ClusterBootstrap) -> Estimate:
    """Return a mean of numbers between 0 and 1; its interval is the bootstrap's or, if that is a point, a bound.

    Parameters
    ----------
    what : (n,) float64
    animals : (n,) int64
        Of which animal each is, as in the strata of `boot`.
    boot : ClusterBootstrap
    """
    n_animals = boot.weights.shape[1]
    n = np.bincount(animals, minlength=n_animals).astype(np.float64)
    sums = np.bincount(animals, what, minlength=n_animals)
    drawn = boot.weights @ n
    with np.errstate(invalid="ignore"):
        replicates = np.where(drawn > 0, (boot.weights @ sums) / drawn, np.nan)
    value = float(sums.sum() / n.sum())
    worth = float(n.sum() ** 2 / (n**2).sum())
    return Estimate(value, boot.interval(replicates, n > 0) or bounded_mean(min(max(value, 0.0), 1.0), worth))


def _proportion(hits: NDArray[np.bool_], among: NDArray[np.bool_], values: Scored, boot: ClusterBootstrap) -> Estimate:
    """Return a proportion: of animals, which are independent, with the exact interval; else as any other mean."""
    n, k = int(among.sum()), int(hits.sum())
    independent = len(np.unique(values.animals[among])) == n
    if values.level == "animal" and independent:
        return Estimate(k / n, clopper_pearson(k, n))
    return mean_by_animal(hits[among].astype(np.float64), values.animals[among], boot)


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
    threshold: float
    """At or above it something counts as *high*."""
    auc: Estimate | None
    """None: one class alone."""
    sensitivity: Estimate | None
    specificity: Estimate | None
    accuracy: Estimate
    brier: Estimate
    ece: float
    """`ECE_BINS` bins of one width."""
    ece_equal_mass: float
    reliability: Reliability


def figures_at(values: Scored, threshold: float, boot: ClusterBootstrap | None = None) -> Figures:
    """Return the metrics of some scores, with intervals if there is something to draw them from.

    Parameters
    ----------
    values : Scored
        Not empty.
    threshold : float
    boot : ClusterBootstrap, optional
        None: no intervals (single folds).
    """
    found: dict[str, Estimate | None] = {}
    for name, (hits, among) in shares(values, threshold).items():
        if not among.any():
            found[name] = None
        elif boot is None:
            found[name] = Estimate(float(hits.sum() / among.sum()))
        else:
            found[name] = _proportion(hits, among, values, boot)
    accuracy = found["accuracy"]
    assert accuracy is not None, "there is at least one score"
    curve = reliability(values.scores, values.labels)
    squares = (values.scores - values.labels) ** 2
    auc = roc_auc(values.ranks, values.labels)
    return Figures(
        level=values.level,
        n=len(values),
        n_high=int(values.labels.sum()),
        threshold=threshold,
        auc=_auc(values, boot) if boot is not None else (None if auc is None else Estimate(auc)),
        sensitivity=found["sensitivity"],
        specificity=found["specificity"],
        accuracy=accuracy,
        brier=mean_by_animal(squares, values.animals, boot)
        if boot is not None
        else Estimate(brier(values.scores, values.labels)),
        ece=curve.ece,
        ece_equal_mass=reliability(values.scores, values.labels, equal_mass=True).ece,
        reliability=curve,
    )

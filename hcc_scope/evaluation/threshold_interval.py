"""The interval of the decision threshold itself: how far another cohort of animals would have put it.

The threshold is chosen on the section scores of few animals (`hcc_scope.evaluation.calibration.choose_threshold`), so
it has an error of its own. Whole animals are drawn anew within their class, the threshold is chosen on each drawing,
and the expanded percentiles are taken (Hesterberg, The American Statistician 69, 2015). That alone is too short where
the classes are apart: then any threshold in the gap between them does as well, and drawings only move within it. The
interval therefore also contains the whole gap that the threshold lies in.

How often it contains the best threshold of the population, and what plain percentiles would do:
``python -m benchmarks.threshold_interval``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from hcc_scope.evaluation.intervals import CONFIDENCE, MIN_ANIMALS, MIN_ANIMALS_IN_ALL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.evaluation.unseen_sections import UnseenScores

__all__ = [
    "REPLICATES",
    "choose_in_drawings",
    "draw_animals",
    "expanded_tail",
    "gap_of_threshold",
    "threshold_interval",
]

REPLICATES = 2000
_EQUAL = 1e-9  # of sums of shares: what is nearer is a tie


def threshold_interval(
    sections: UnseenScores, threshold: float, seed: int, replicates: int = REPLICATES
) -> tuple[float, float] | None:
    """Return the interval of a threshold at 95 %; None with too few animals to draw from.

    Parameters
    ----------
    sections : UnseenScores
        That the threshold was chosen on.
    threshold : float
    seed : int
        Of the drawings.
    replicates : int

    Returns
    -------
    (float, float) or None
        Contains `threshold`, and lies in [0, 1].
    """
    counts = sections.of_class(0), sections.of_class(1)
    if min(counts) < MIN_ANIMALS or sum(counts) < MIN_ANIMALS_IN_ALL:
        return None
    chosen = choose_in_drawings(sections, draw_animals(sections, seed, replicates))
    low, high = np.percentile(chosen, [100.0 * expanded_tail(counts), 100.0 * (1.0 - expanded_tail(counts))])
    below, above = gap_of_threshold(sections, threshold)
    ends = min(float(low), below, threshold), max(float(high), above, threshold)
    return max(ends[0], 0.0), min(ends[1], 1.0)


def draw_animals(sections: UnseenScores, seed: int, replicates: int = REPLICATES) -> NDArray[np.float64]:
    """Return (replicates, n) how often each score is drawn, where whole animals are drawn within their class."""
    rng = np.random.default_rng([seed, 7])
    weights = np.zeros((replicates, len(sections)))
    for label in (0, 1):
        mine = sections.labels == label
        codes = np.unique(sections.animals[mine], return_inverse=True)[1]
        n = int(codes.max()) + 1
        weights[:, mine] = rng.multinomial(n, np.full(n, 1.0 / n), size=replicates)[:, codes]
    return weights


def expanded_tail(counts: tuple[int, int]) -> float:
    """Return which quantile of drawings of so many animals of both classes stands for 2.5 % (Hesterberg 2015)."""
    fewest = min(counts)
    quantile = float(student.ppf((1.0 + CONFIDENCE) / 2.0, sum(counts) - 2))
    return float(norm.cdf(-math.sqrt(fewest / (fewest - 1)) * quantile))


def gap_of_threshold(sections: UnseenScores, threshold: float) -> tuple[float, float]:
    """Return the two neighbouring scores that a threshold lies between; itself where there is none on that side."""
    below, above = sections.scores[sections.scores < threshold], sections.scores[sections.scores >= threshold]
    return (
        float(below.max()) if len(below) else threshold,
        float(above.min()) if len(above) else threshold,
    )


def choose_in_drawings(sections: UnseenScores, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Choose a threshold in each drawing, by the rule of `choose_threshold`.

    Parameters
    ----------
    sections : UnseenScores
    weights : (replicates, n) float64
        How often each score was drawn; of both classes in each drawing.

    Returns
    -------
    (replicates,) float64
    """
    order = np.argsort(sections.scores, kind="stable")
    scores, labels, weights = sections.scores[order], sections.labels[order], weights[:, order]
    low, high = weights * (labels == 0), weights * (labels == 1)
    n_low, n_high = low.sum(axis=1, keepdims=True), high.sum(axis=1, keepdims=True)
    midpoint = ((low @ scores) / n_low[:, 0] + (high @ scores) / n_high[:, 0]) / 2.0
    youden = np.cumsum(low, axis=1) / n_low - np.cumsum(high, axis=1) / n_high
    # a cut after score i lies in the middle between it and the next larger one that was drawn
    n = len(scores)
    drawn = weights > 0
    places = np.where(drawn, np.arange(n), n)
    after = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]  # first one drawn at or after each
    following = np.concatenate([after[:, 1:], np.full((len(weights), 1), n)], axis=1)
    upper = np.append(scores, np.nan)[following]
    possible = drawn & (following < n) & (upper > scores)
    cuts = np.where(possible, (upper + scores) / 2.0, np.nan)
    youden = np.where(possible, youden, -np.inf)
    best = youden.max(axis=1, keepdims=True)
    distance = np.where(youden >= best - _EQUAL, np.abs(cuts - midpoint[:, None]), np.inf)
    at = np.argmin(distance, axis=1)
    found = cuts[np.arange(len(cuts)), at]
    return np.asarray(np.where(best[:, 0] > _EQUAL, found, midpoint))

"""From a section's mean tile probability to the probability that the section is high.

A mean of tile probabilities is no probability of the section: a section of which 70 % of the tiles look high is not
high in 7 of 10 cases. The map is a logistic regression of the class on the log-odds of the score, with the penalty of
Firth (Biometrika 80, 1993): with few animals the classes are often apart, and the unpenalised slope would be infinite.
Each animal has one weight, however many sections and networks there are.

It is judged on animals that it was not fitted to (one left out at a time), against the score taken for a probability,
and goes onto a card only where there are `MAP_ANIMALS` animals of each class, its Brier score is lower by more than
animals vary (one-sided paired t, 5 %), and its ECE is lower. Otherwise nothing at section level is called a
probability.

A map supposes the share of high animals that it was fitted to; `hcc_scope.validation_text.probability_high` moves it to
another one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student

from hcc_scope.inference.card_evaluation import SectionMap
from hcc_scope.unseen_animals import score_log_odds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.evaluation.unseen_sections import UnseenScores

__all__ = ["MAP_ANIMALS", "Line", "MapTrial", "fit_line", "try_section_map", "weighted_ece"]

MAP_ANIMALS = 5
"""Of each class: with fewer, a map that is left one animal rests on too few others."""
_LEVEL = 0.05
_BINS = 10
_STEPS, _HALVINGS, _DONE = 100, 40, 1e-10


@dataclass(frozen=True, slots=True)
class Line:
    """Log-odds of *high* as a straight line over the log-odds of the score."""

    intercept: float
    slope: float

    def probabilities(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) probabilities of *high*."""
        return _logistic(self.intercept + self.slope * log_odds)


@dataclass(frozen=True, slots=True)
class MapTrial:
    """What a map is worth on animals that it was not fitted to, beside the score itself taken for a probability."""

    animals: tuple[int, int]
    """Low and high."""
    sections: int
    ece_of_score: float
    brier_of_score: float
    ece: float | None = None
    """None: there is no map, because there are too few animals."""
    brier: float | None = None
    section_map: SectionMap | None = None
    """None: there is none to put onto a card."""
    why_not: str = ""
    """Why, as half a sentence."""


def fit_line(log_odds: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64]) -> Line:
    """Fit a logistic regression with Firth's penalty; finite whatever the scores.

    Parameters
    ----------
    log_odds : (n,) float64
        Of the scores.
    labels : (n,) int64
        0 for low, 1 for high.
    weights : (n,) float64
        How much each counts.

    Returns
    -------
    Line
        With slope 0 where all scores are the same.
    """
    centre = float(np.average(log_odds, weights=weights))
    scale = math.sqrt(float(np.average((log_odds - centre) ** 2, weights=weights)))
    if scale < 1e-9:
        share = (float(weights @ labels) + 0.5) / (float(weights.sum()) + 1.0)
        return Line(math.log(share / (1.0 - share)), 0.0)
    design = np.stack([np.ones_like(log_odds), (log_odds - centre) / scale], axis=1)
    beta = np.zeros(2)
    value = _penalised(design, labels, weights, beta)
    for _ in range(_STEPS):
        step = _firth_step(design, labels, weights, beta)
        for _ in range(_HALVINGS):
            tried = _penalised(design, labels, weights, beta + step)
            if tried >= value:
                break
            step = step / 2.0
        else:
            break
        beta, value = beta + step, tried
        if float(np.abs(step).max()) < _DONE:
            break
    slope = float(beta[1]) / scale
    return Line(float(beta[0]) - slope * centre, slope)


def _firth_step(
    design: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64], beta: NDArray[np.float64]
) -> NDArray[np.float64]:
    p = _logistic(design @ beta)
    of_row = weights * p * (1.0 - p)
    information = (design * of_row[:, None]).T @ design
    leverage = of_row * np.einsum("ij,jk,ik->i", design, np.linalg.inv(information), design)
    gradient = design.T @ (weights * (labels - p) + leverage * (0.5 - p))
    return np.asarray(np.linalg.solve(information, gradient))


def _penalised(
    design: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64], beta: NDArray[np.float64]
) -> float:
    """Return the log-likelihood with half the logarithm of the information's determinant."""
    eta = design @ beta
    p = _logistic(eta)
    information = (design * (weights * p * (1.0 - p))[:, None]).T @ design
    sign, log_determinant = np.linalg.slogdet(information)
    if sign <= 0:
        return -math.inf
    return float(weights @ (labels * eta - np.logaddexp(0.0, eta))) + 0.5 * float(log_determinant)


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, small) / (1.0 + small))


def weighted_ece(p: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """Return the expected calibration error over ten bins of equal width, each item with its weight."""
    bins = np.minimum((p * _BINS).astype(np.int64), _BINS - 1)
    apart = np.bincount(bins, weights * (p - labels), minlength=_BINS)
    return float(np.abs(apart).sum() / weights.sum())


def try_section_map(sections: UnseenScores) -> MapTrial:
    """Fit the map, and judge it on animals that are left out.

    Parameters
    ----------
    sections : UnseenScores
        Of networks that have learnt something.
    """
    weights, labels, scores = sections.weights(), sections.labels, sections.scores
    counts = sections.of_class(0), sections.of_class(1)
    animals, codes = np.unique(sections.animals, return_inverse=True)
    ece, brier = weighted_ece(scores, labels, weights), float(np.average((scores - labels) ** 2, weights=weights))
    trial = MapTrial(counts, len(sections), ece, brier)
    if min(counts) < MAP_ANIMALS:
        why = f"there are {counts[0]} low and {counts[1]} high animals, and {MAP_ANIMALS} of each are needed"
        return _without(trial, why)
    log_odds = np.array([score_log_odds(score) for score in scores.tolist()])
    left_out = np.empty(len(scores))
    for code in range(len(animals)):
        mine = codes == code
        line = fit_line(log_odds[~mine], labels[~mine], weights[~mine])
        left_out[mine] = line.probabilities(log_odds[mine])
    ece, brier = weighted_ece(left_out, labels, weights), float(np.average((left_out - labels) ** 2, weights=weights))
    trial = MapTrial(counts, len(scores), trial.ece_of_score, trial.brier_of_score, ece, brier)
    gains = np.bincount(codes, weights * ((scores - labels) ** 2 - (left_out - labels) ** 2)).astype(np.float64)
    line = fit_line(log_odds, labels, weights)
    if line.slope <= 0:
        return _without(trial, "a higher score does not mean a higher share of high animals")
    if not _above_zero(gains):
        return _without(trial, "its Brier score on left-out animals is not shown to be lower than the score's own")
    if ece >= trial.ece_of_score:
        return _without(trial, "its calibration error on left-out animals is not lower than the score's own")
    found = SectionMap(
        intercept=line.intercept,
        slope=line.slope,
        prevalence=counts[1] / sum(counts),
        ece=ece,
        brier=brier,
        ece_of_score=trial.ece_of_score,
        brier_of_score=trial.brier_of_score,
        sections=len(scores),
        animals=sum(counts),
    )
    return MapTrial(counts, len(scores), trial.ece_of_score, trial.brier_of_score, ece, brier, found)


def _without(trial: MapTrial, why: str) -> MapTrial:
    return MapTrial(
        trial.animals, trial.sections, trial.ece_of_score, trial.brier_of_score, trial.ece, trial.brier, None, why
    )


def _above_zero(gains: NDArray[np.float64]) -> bool:
    """Return whether the mean over animals is above 0 by more than they vary."""
    n = len(gains)
    error = float(gains.std(ddof=1)) / math.sqrt(n)
    return float(gains.mean()) > float(student.ppf(1.0 - _LEVEL, n - 1)) * error

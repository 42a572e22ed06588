"""How well a finished model's probabilities fit new animals, and which correction would fit them.

Three numbers describe the fit on the scale of log-odds (Cox, Biometrika 45, 1958; Van Calster et al., BMC Medicine 17,
2019): *calibration in the large*, the shift that makes the mean probability right; *slope*, below 1 where the
probabilities are too extreme and above 1 where they are too timid; *intercept*, the shift that belongs to the slope.

A correction looks best on the animals that it was fitted to. So each is also fitted to all animals but one and judged
on that one, in turn. Leaving an animal out changes the shares of the classes, which would make every intercept wrong
in the direction of the animal left out; the classes are therefore weighted back to their shares in the whole set.

Animals are the independent units: intervals are jackknifed over animals, with Student's t (MacKinnon, Nielsen & Webb,
Journal of Applied Econometrics 38, 2023, who find that this jackknife holds best with few clusters).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import expit
from scipy.stats import t as student

from hcc_scope.evaluation.intervals import CONFIDENCE, Estimate, Interval
from hcc_scope.evaluation.metrics import brier, reliability
from hcc_scope.training.metrics import fit_temperature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.evaluation.aggregation import Scored

__all__ = ["JACKKNIFE", "CoxFit", "Fit", "Recalibration", "fit_cox", "logit", "recalibrate"]

JACKKNIFE = "jackknife by animal"
_FEWEST_ANIMALS = 3
"""Of each class, for an interval and for figures of animals left out."""
_MOST_STEPS = 60
_CLEAR_OF_ENDS = 1e-6
"""A mean probability is kept so far from 0 and 1 before its log-odds are taken."""


@dataclass(frozen=True, slots=True)
class CoxFit:
    """``log-odds of the class = intercept + slope * log-odds of the prediction``."""

    intercept: float
    slope: float

    def apply(self, odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) the recalibrated probabilities of *high*."""
        return np.asarray(expit(self.intercept + self.slope * odds))


@dataclass(frozen=True, slots=True)
class Fit:
    """How well probabilities fit the classes."""

    brier: float
    ece: float


@dataclass(frozen=True, slots=True)
class Recalibration:
    """The fit of a model's probabilities to new animals at one level, and what corrections would change."""

    level: Literal["tile", "section"]
    n: int
    share_high: float
    """Of the tiles or sections: what the mean probability should be."""
    mean_probability: float
    in_the_large: Estimate | None
    """Shift of the log-odds that makes the mean probability right; 0 is perfect. None: one class alone."""
    slope: Estimate | None
    """1 is perfect. None: the classes are separated, so that no finite slope fits best."""
    intercept: float | None
    """With that slope; 0 is perfect."""
    temperature: float | None
    """That would fit these tiles; None: of sections, and where all are of one class."""
    as_it_is: Fit
    with_temperature: Fit | None
    """Each animal by the temperature of all others. None: not defined."""
    with_intercept_and_slope: Fit | None
    """Each animal by the intercept and slope of all others."""
    why_not: str | None = None
    """Why a figure is missing."""


def recalibrate(values: Scored, odds: NDArray[np.float64]) -> Recalibration:
    """Return how well probabilities fit, and what a correction that was fitted to other animals would change.

    Parameters
    ----------
    values : Scored
        Tiles or sections, not empty.
    odds : (n,) float64
        The log-odds that the model gives them: of tiles, their raw ones over the temperature.
    """
    level: Literal["tile", "section"] = "tile" if values.level == "tile" else "section"
    labels, animals = values.labels, values.animals
    scores: NDArray[np.float64] = expit(odds)
    everything = np.ones(len(values))
    whole = fit_cox(odds, labels, everything)
    large = _in_the_large(odds, labels, everything)
    both = large is not None
    codes = np.unique(animals).tolist()
    weights = [_without(animal, labels, animals) for animal in codes]
    why = _why_not(labels, animals, whole)
    left_out = None if why is not None else [fit_cox(odds, labels, weight) for weight in weights]
    slope = None if whole is None else Estimate(whole.slope)
    shift = None if large is None else Estimate(large)
    after_slope = after_temperature = None
    if left_out is not None:
        if whole is not None and all(fit is not None for fit in left_out):
            fits = [fit for fit in left_out if fit is not None]
            slope = Estimate(whole.slope, _jackknife(whole.slope, [fit.slope for fit in fits]))
            after_slope = _judged(codes, animals, labels, [fit.apply(odds) for fit in fits])
        else:
            why = "without one of the animals the classes are separated"
        shifts = [_in_the_large(odds, labels, weight) for weight in weights]
        if large is not None and all(one is not None for one in shifts):
            shift = Estimate(large, _jackknife(large, [one for one in shifts if one is not None]))
        if level == "tile":
            scales = [_temperature(values.ranks, labels, animals != animal) for animal in codes]
            scaled = [np.asarray(expit(values.ranks / scale)) for scale in scales]
            after_temperature = _judged(codes, animals, labels, scaled)
    return Recalibration(
        level=level,
        n=len(values),
        share_high=float(labels.mean()),
        mean_probability=float(scores.mean()),
        in_the_large=shift,
        slope=slope,
        intercept=None if whole is None else whole.intercept,
        temperature=_temperature(values.ranks, labels, everything > 0) if level == "tile" and both else None,
        as_it_is=_fit(scores, labels),
        with_temperature=after_temperature,
        with_intercept_and_slope=after_slope,
        why_not=why,
    )


def fit_cox(
    odds: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> CoxFit | None:
    """Return the most likely intercept and slope, by Newton's method.

    Parameters
    ----------
    odds : (n,) float64
        Log-odds of the prediction.
    labels : (n,) int64
    weights : (n,) float64, optional
        All 1 if not given.

    Returns
    -------
    CoxFit or None
        None where there is none: one class alone, one prediction for everything, or classes that a threshold
        separates.
    """
    weights = np.ones(len(odds)) if weights is None else weights
    used = weights > 0
    x, y, w = odds[used], labels[used].astype(np.float64), weights[used]
    low, high = x[y == 0], x[y == 1]
    if not len(low) or not len(high) or np.ptp(x) < 1e-12:
        return None
    if low.max() <= high.min() or high.max() <= low.min():
        return None
    centre, scale = float(np.average(x, weights=w)), float(x.std())
    design = np.column_stack([np.ones(len(x)), (x - centre) / scale])
    found = np.zeros(2)
    value = _loss(design, y, w, found)
    for _ in range(_MOST_STEPS):
        p = expit(design @ found)
        gradient = design.T @ (w * (p - y))
        curvature = (design * (w * p * (1.0 - p))[:, None]).T @ design
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        length = 1.0
        while (after := _loss(design, y, w, found - length * step)) > value and length > 1e-6:
            length /= 2.0
        found = found - length * step
        if value - after < 1e-12 * max(value, 1.0):
            break
        value = after
    slope = float(found[1] / scale)
    return CoxFit(float(found[0]) - slope * centre, slope)


def _loss(
    design: NDArray[np.float64], y: NDArray[np.float64], w: NDArray[np.float64], found: NDArray[np.float64]
) -> float:
    linear = design @ found
    return float(w @ (np.logaddexp(0.0, linear) - y * linear))


def _in_the_large(odds: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64]) -> float | None:
    """Return the shift of all log-odds that makes the mean probability the share of *high*; None for one class."""
    used = weights > 0
    if len(np.unique(labels[used])) < 2:  # the sum of the weights is rounded, and so would be the share
        return None
    x, w = odds[used], weights[used] / weights[used].sum()
    share = float(w @ labels[used])
    low, high = -60.0 - float(x.max()), 60.0 - float(x.min())
    for _ in range(80):  # the mean probability rises with the shift
        middle = (low + high) / 2.0
        if float(w @ expit(x + middle)) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _temperature(odds: NDArray[np.float64], labels: NDArray[np.int64], used: NDArray[np.bool_]) -> float:
    return fit_temperature(odds[used].astype(np.float32), labels[used])


def _without(animal: int, labels: NDArray[np.int64], animals: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n,) weights without an animal that leave the classes their shares; all 0 if a class is gone."""
    weights: NDArray[np.float64] = (animals != animal).astype(np.float64)
    for label in (0, 1):
        of_class = labels == label
        left = weights[of_class].sum()
        if of_class.any() and not left:
            return np.zeros(len(labels))
        if left:
            weights[of_class] *= of_class.sum() / left
    return weights


def _why_not(labels: NDArray[np.int64], animals: NDArray[np.int64], whole: CoxFit | None) -> str | None:
    fewest = min(len(np.unique(animals[labels == label])) for label in (0, 1))
    if not fewest:
        return "all are of one class"
    if fewest < _FEWEST_ANIMALS:
        return f"a class has fewer than {_FEWEST_ANIMALS} animals"
    return "the classes are separated wholly, so no finite slope fits best" if whole is None else None


def _jackknife(value: float, left_out: list[float]) -> Interval:
    n = len(left_out)
    error = math.sqrt((n - 1) / n * sum((one - value) ** 2 for one in left_out))
    reach = float(student.ppf((1.0 + CONFIDENCE) / 2.0, n - 2)) * error  # animals are of two classes
    return Interval(value - reach, value + reach, JACKKNIFE)


def _judged(
    codes: list[int], animals: NDArray[np.int64], labels: NDArray[np.int64], each: list[NDArray[np.float64]]
) -> Fit:
    """Return the fit where each animal has the probabilities of the correction that has not seen it."""
    scores = np.zeros(len(labels))
    for animal, probabilities in zip(codes, each, strict=True):
        mine = animals == animal
        scores[mine] = probabilities[mine]
    return _fit(scores, labels)


def _fit(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> Fit:
    return Fit(brier(scores, labels), reliability(scores, labels).ece)


def logit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-odds of probabilities, of 0 and 1 large ones."""
    clear = np.clip(scores, _CLEAR_OF_ENDS, 1.0 - _CLEAR_OF_ENDS)
    odds: NDArray[np.float64] = np.log(clear) - np.log1p(-clear)
    return odds

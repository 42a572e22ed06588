"""Intervals at 95 %, and what each of them assumes.

- `clopper_pearson`, `wilson`: a proportion of *independent* things. Here those are animals, and nothing below them.
- `score_interval`: every figure of sections, images or tiles, because what was sampled are few animals (see there).

``python -m benchmarks.interval_coverage`` simulates how often each contains the truth; where that is less than 95 %,
`Interval.coverage` states it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.stats import norm
from scipy.stats import t as student

from hcc_scope.unseen_animals import exact_interval

__all__ = [
    "BY_ANIMAL",
    "CONFIDENCE",
    "COVERAGE",
    "MIN_ANIMALS",
    "MIN_ANIMALS_IN_ALL",
    "PRIOR_DF",
    "CoverageOf",
    "Estimate",
    "Interval",
    "clopper_pearson",
    "coverage_of",
    "score_interval",
    "wilson",
]

CONFIDENCE = 0.95
MIN_ANIMALS = 3
"""Of each class, for an interval from drawings of animals; two can be drawn in three ways, which is no basis."""
MIN_ANIMALS_IN_ALL = 5
"""The same of both classes; the extremes of drawings of three animals of one class enclose their mean 3 times of 4."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From where to where, and by which rule."""

    low: float
    high: float
    method: str
    """``score interval by animal``, ``clopper-pearson`` or ``wilson``."""
    coverage: float | None = None
    """How often such an interval contains the truth in the worst case that was simulated, where that is less than 95 %
    (`COVERAGE`); None: it is not, or not known."""

    @property
    def pair(self) -> tuple[float, float]:
        """Return both ends."""
        return self.low, self.high


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval."""

    value: float
    interval: Interval | None = None
    n: int | None = None
    """What it is a figure of: tiles, images, sections or animals; None: not counted."""
    sd_of_starts: float | None = None
    """Standard deviation over networks that were trained alike from other random starts; it is in the interval."""


BY_ANIMAL = "score interval by animal"
PRIOR_DF = 4
"""Degrees of freedom that the largest possible variance counts for in `score_interval`: the fewest, of those that were
simulated, with which AUCs of 2 to 20 animals per class are covered in 95 % of the cohorts wherever they lie."""

CoverageOf = Literal["auc", "difference", "mean"]
"""AUC; difference of two AUCs of the same animals; a share or a mean below the level of animals."""
COVERAGE: dict[CoverageOf, tuple[tuple[int, float], ...]] = {
    "auc": (),
    "difference": (),
    "mean": ((21, 0.92),),
}
"""From how many animals (of the rarer class) on, how often an interval contains the truth in the worst of the simulated
cases: rows of ``python -m benchmarks.interval_coverage``."""


def coverage_of(what: CoverageOf, animals: int) -> float | None:
    """Return how often such an interval contains the truth in the worst simulated case; None: in 95 % of them.

    Parameters
    ----------
    what : 'auc', 'difference' or 'mean'
    animals : int
        Of the rarer class.
    """
    found = [covered for least, covered in COVERAGE[what] if least <= animals]
    return found[-1] if found and found[-1] < CONFIDENCE else None


def score_interval(value: float, variance: float, df: float, independent: float) -> tuple[float, float]:
    """Return an interval for a mean of numbers in [0, 1], over things or over pairs of them, from few animals.

    Wilson's interval (1927) with as many trials as the animals are worth. The variance of such a figure is at most
    ``value * (1 - value) / independent``: as if all images of an animal agreed (for pairs: Hoeffding, JASA 58, 1963,
    section 5; van Dantzig, Proc. KNAW A 54, 1951). The variance between few animals is itself known badly and is
    often far too small by chance, above all near 0 and 1. So the two are averaged, the bound with the weight of
    `PRIOR_DF` degrees of freedom and the observed one with its own (as Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004,
    moderates variances), and Student's t for both together takes the place of the normal quantile (for surveys:
    Korn & Graubard, Survey Methodology 24, 1998).

    Parameters
    ----------
    value : float
    variance : float
        Between animals, of `value`.
    df : float
        Its degrees of freedom; 0: it is not known.
    independent : float
        Of independent trials, at least, that the figure is worth; for pairs of two groups those of the smaller.

    Returns
    -------
    low, high : float
    """
    spread = value * (1.0 - value)
    worst = 1.0 / independent
    observed = min(variance / spread, worst) if spread > 0.0 and variance > 0.0 else worst
    trials = (PRIOR_DF + df) / (PRIOR_DF * worst + df * observed)
    z = float(student.ppf((1.0 + CONFIDENCE) / 2.0, PRIOR_DF + df))
    return _wilson(value, trials, z)


def clopper_pearson(hits: int, n: int) -> Interval:
    """Return the exact interval of a proportion (Clopper & Pearson 1934): at least 95 % whatever the proportion.

    Parameters
    ----------
    hits, n : int
        Of `n` independent trials; n of at least 1.
    """
    return Interval(*exact_interval(hits, n, CONFIDENCE), "clopper-pearson")


def wilson(hits: int, n: int) -> Interval:
    """Return the score interval of a proportion (Wilson 1927): close to 95 % on average, below it for some proportions.

    Parameters
    ----------
    hits, n : int
        Of `n` independent trials; n of at least 1.
    """
    _check_trials(hits, n)
    low, high = _wilson(hits / n, n, float(norm.ppf((1.0 + CONFIDENCE) / 2.0)))
    return Interval(low, high, "wilson")


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # at 0 and 1 one end is the proportion itself, but for rounding
    return 0.0 if share <= 0.0 else centre - half, 1.0 if share >= 1.0 else centre + half


def _check_trials(hits: int, n: int) -> None:
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no proportion")

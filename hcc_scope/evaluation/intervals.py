"""Intervals at 95 %, and what each of them assumes.

- `clopper_pearson`, `wilson`: a proportion of *independent* things. Here those are animals, and nothing below them.
- `ClusterBootstrap`: anything computed from images or tiles, by drawing whole animals anew (within their class), so
  that all that an animal's images share stays together (Davison & Hinkley 1997, section 3.8; Field & Welsh,
  "Bootstrapping clustered data", JRSS-B 2007). Percentiles of few animals' drawings make intervals that are far too
  narrow, so wider ones are taken, as Student's t and the missing n - 1 would have it (the *expanded percentile*
  interval of Hesterberg, The American Statistician 69, 2015). It is still coarse with few animals, and short near the
  ends of the scale: `distinct_resamples` gives how coarse, docs/evaluation.md how short.
- `bounded_mean`: the mean of independent numbers between two bounds, from Hoeffding's inequality in its sharp form
  (1963, theorem 1). It supposes nothing else, is never too narrow and seldom short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.stats import beta, norm
from scipy.stats import t as student

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "CONFIDENCE",
    "MIN_ANIMALS",
    "MIN_ANIMALS_IN_ALL",
    "REPLICATES",
    "ClusterBootstrap",
    "Estimate",
    "Interval",
    "bounded_mean",
    "clopper_pearson",
    "wilson",
]

CONFIDENCE = 0.95
REPLICATES = 2000
MIN_ANIMALS = 3
"""Of each class that a figure rests on; two animals can be drawn in three ways, which is no basis for an interval."""
MIN_ANIMALS_IN_ALL = 5
"""That a figure rests on; the extremes of drawings of three animals of one class enclose their mean 3 times of 4."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From where to where, and by which rule."""

    low: float
    high: float
    method: str
    """``clopper-pearson``, ``wilson``, ``cluster bootstrap by animal`` or ``hoeffding bound``."""
    coverage: float | None = None
    """How often such an interval contains the truth, where that is less than 95 %; None: it is not, or not known."""

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


def clopper_pearson(hits: int, n: int) -> Interval:
    """Return the exact interval of a proportion (Clopper & Pearson 1934): at least 95 % whatever the proportion.

    Parameters
    ----------
    hits, n : int
        Of `n` independent trials; n of at least 1.
    """
    _check_trials(hits, n)
    tail = (1.0 - CONFIDENCE) / 2.0
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(1.0 - tail, hits + 1, n - hits))
    return Interval(low, high, "clopper-pearson")


def wilson(hits: int, n: int) -> Interval:
    """Return the score interval of a proportion (Wilson 1927): close to 95 % on average, below it for some proportions.

    Parameters
    ----------
    hits, n : int
        Of `n` independent trials; n of at least 1.
    """
    _check_trials(hits, n)
    z = float(norm.ppf((1.0 + CONFIDENCE) / 2.0))
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # at 0 and 1 one end is the proportion itself, but for rounding
    low = 0.0 if hits == 0 else centre - half
    return Interval(low, 1.0 if hits == n else centre + half, "wilson")


def _check_trials(hits: int, n: int) -> None:
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no proportion")


def bounded_mean(mean: float, n: float, low: float = 0.0, high: float = 1.0) -> Interval:
    """Return an interval for the expectation of the mean of `n` independent numbers that lie between two bounds.

    All values `mu` with ``n KL(mean || mu) <= log(2 / 0.05)``, where KL is the divergence between coins
    (Hoeffding 1963, theorem 1). For a mean at a bound it is the interval of Clopper and Pearson.

    Parameters
    ----------
    mean : float
    n : float
        Of independent numbers. For the mean over *pairs* of two groups: the size of the smaller (Hoeffding, section 5).
        A weighted mean is taken as one of as many as its weights are worth (Kish); that is an approximation.
    low, high : float
        Bounds of the numbers.
    """
    if not (low <= mean <= high) or n <= 0:
        raise ValueError(f"a mean of {mean} over {n} numbers between {low} and {high} cannot be")
    share = (mean - low) / (high - low)
    limit = math.log(2.0 / (1.0 - CONFIDENCE)) / n

    def excess(mu: float) -> float:
        divergence = 0.0
        if share > 0.0:
            divergence += share * math.log(share / mu)
        if share < 1.0:
            divergence += (1.0 - share) * math.log((1.0 - share) / (1.0 - mu))
        return divergence - limit

    tiny = 1e-300
    below = 0.0 if share <= 0.0 else float(brentq(excess, tiny, share)) if excess(tiny) > 0 else 0.0
    almost = 1.0 - 2.0**-53
    above = 1.0 if share >= 1.0 else float(brentq(excess, share, almost)) if excess(almost) > 0 else 1.0
    return Interval(low + below * (high - low), low + above * (high - low), "hoeffding bound")


class ClusterBootstrap:
    """The same drawings of animals for every figure, so that differences of figures can be taken draw by draw.

    Parameters
    ----------
    strata : (animals,) int64
        What an animal carries (low, high, both); as many of each are drawn as there are. Those below 0 are never drawn.
    seed : int
    replicates : int

    Attributes
    ----------
    weights : (replicates, animals) float64
        How often each animal was drawn.
    """

    def __init__(self, strata: NDArray[np.int64], seed: int, replicates: int = REPLICATES) -> None:
        rng = np.random.default_rng([seed, 5])
        self.strata = np.asarray(strata, dtype=np.int64)
        self.weights: NDArray[np.float64] = np.zeros((replicates, len(self.strata)))
        for stratum in np.unique(self.strata[self.strata >= 0]):
            members = np.flatnonzero(self.strata == stratum)
            drawn = rng.multinomial(len(members), np.full(len(members), 1.0 / len(members)), size=replicates)
            self.weights[:, members] = drawn

    @property
    def distinct_resamples(self) -> int:
        """How many different drawings there are: C(2n - 1, n) for each stratum of n animals, multiplied."""
        counts = np.unique(self.strata[self.strata >= 0], return_counts=True)[1]
        return math.prod(math.comb(2 * int(n) - 1, int(n)) for n in counts)

    def interval(self, replicates: NDArray[np.float64], among: NDArray[np.bool_] | None = None) -> Interval | None:
        """Return the expanded percentile interval of a figure's value in each drawing.

        Drawings in which the figure is not defined (NaN) are left out.

        Parameters
        ----------
        replicates : (replicates,) float64
        among : (animals,) bool, optional
            Animals that the figure rests on; None: all.

        Returns
        -------
        Interval or None
            None if all drawings agree (or none is left), or if there are too few animals (`MIN_ANIMALS`,
            `MIN_ANIMALS_IN_ALL`): they then reveal nothing about the error of the figure.
        """
        drawn = self.strata >= 0 if among is None else among & (self.strata >= 0)
        counts = np.unique(self.strata[drawn], return_counts=True)[1]
        finite = replicates[np.isfinite(replicates)]
        if not len(finite) or np.ptp(finite) < 1e-12:
            return None
        if counts.min() < MIN_ANIMALS or counts.sum() < MIN_ANIMALS_IN_ALL:
            return None
        fewest = int(counts.min())
        quantile = student.ppf((1.0 + CONFIDENCE) / 2.0, int((counts - 1).sum()))
        tail = 100.0 * norm.cdf(-math.sqrt(fewest / (fewest - 1)) * quantile)
        low, high = np.percentile(finite, [tail, 100.0 - tail])
        return Interval(float(low), float(high), "cluster bootstrap by animal")

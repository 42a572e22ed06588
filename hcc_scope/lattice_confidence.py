"""An interval for the mean over a finite lattice of fields, valid whenever it is read, from fields drawn from it.

Random fields are drawn without replacement from a lattice of N fields (`hcc_scope.plans.geometry.lattice_draw`), and N
is known. Each field that was seen says more about the mean of the lattice than a draw with replacement would: at the
end, once all N are seen, the mean is known. The interval is about that mean, over the fields of this lattice that can
be classified.

Method: the hedged capital confidence sequence for sampling without replacement of Waudby-Smith and Ramdas
("Confidence sequences for sampling without replacement", NeurIPS 2020; "Estimating means of bounded random variables by
betting", J. R. Stat. Soc. B 86 (2024) 1-27, section 5), with the stakes of theorem 3 there, the hedge 1/2, and the
truncation c = 0.95, which was chosen by simulation.

Design notes
------------
- Field i has a score x_i in [0, 1] and a weight w_i in [0, 1]: 0 if it has no usable tile, else 1, or the share of its
  tiles that are usable. The mean m of the lattice is that of x, weighted by w. So the N numbers z_i = w_i (x_i - m)
  have the sum 0, and the t-th that is drawn has the conditional mean -(z_1 + ... + z_(t-1)) / (N - t + 1), exactly. The
  gamblers bet on the difference from it. How many fields of the lattice can be classified need not be known, as those
  that cannot are drawn like others, with w = 0. (To leave them out, and to take N for the number of those that can,
  has no such proof: after a run of low fields the gambler who bets on "larger" would win on average.)
- z_t lies in [-m, 1 - m]; a gambler never stakes more than the share c of what these bounds can cost.
- A mean m that the fields still to come cannot bring about is ruled out for certain: with the sums S of w x and W of
  w so far and R fields to come, m lies in [S / (W + R), (S + R) / (W + R)]. After all N fields that is the mean alone.
- Without a known N (a script's own source) the draws count as independent, and the two points above do not apply.
- Candidates are the points of a grid. The first gambler's capital falls with m and the second's rises, so the interval
  runs from the largest point ruled out from below to the smallest ruled out from above.
- Mean half-widths at 95 %, in brackets those of `hcc_scope.confidence` (``python -m benchmarks sequences``):

  ============= ============= ============= ============= =============
  scores        24 of 60      50 of 60      24 of 200     100 of 200
  ============= ============= ============= ============= =============
  0.3, sd 0.05  0.066 (0.096) 0.023 (0.052) 0.078 (0.096) 0.020 (0.029)
  0.7, sd 0.10  0.074 (0.104) 0.028 (0.059) 0.086 (0.103) 0.026 (0.036)
  0.5, sd 0.20  0.096 (0.120) 0.047 (0.080) 0.110 (0.120) 0.048 (0.059)
  a tenth is 1  0.131 (0.147) 0.061 (0.119) 0.164 (0.159) 0.082 (0.092)
  ============= ============= ============= ============= =============

- The interval is intersected over time. The present mean of the fields can lie outside of that intersection, if fields
  score differently early and late. The interval is then extended to it: an interval that is wider covers no less.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.confidence import outermost_means
from hcc_scope.exact_sum import ExactSum

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LatticeCapital", "LatticeSequence"]

TRUNCATION = 0.95
"""c: a gambler never stakes more than this share of the capital. ``python -m benchmarks sequences`` compares others."""
_CAPITAL_MAX = 1e100
_ROUNDING = 1e-9
"""A remaining mean is impossible only if it lies outside of [0, 1] by more than the arithmetic's error."""


class LatticeCapital:
    """Many independent sequences side by side, each over a lattice of its own; `LatticeSequence` is one of them.

    Parameters
    ----------
    n_sequences : int
        How many.
    n_lattice : int, (n_sequences,) ndarray or None
        Fields of each lattice; None if that is not known, or infinite.
    confidence : float
        Probability, over all times together, that an interval holds its mean; between 0 and 1.
    grid_steps : int
        Candidate means are 0, 1/grid_steps ... 1.
    truncation : float
        Largest share of the capital at stake.
    """

    def __init__(
        self,
        n_sequences: int,
        n_lattice: int | NDArray[np.int64] | None,
        confidence: float = 0.95,
        grid_steps: int = 1000,
        truncation: float = TRUNCATION,
    ) -> None:
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
        if n_lattice is not None and np.min(n_lattice) < 1:
            raise ValueError(f"a lattice has at least one field, not {n_lattice}")
        self._n_lattice = None if n_lattice is None else np.broadcast_to(n_lattice, n_sequences).astype(np.float64)
        self._truncation = truncation
        self._means = np.arange(grid_steps + 1) / grid_steps
        self._log_two_by_alpha = math.log(2 / (1 - confidence))
        self._ruled_out_at = 2 / (1 - confidence)
        shape = (n_sequences, grid_steps + 1)
        self._capital_up = np.ones(shape)
        self._capital_down = np.ones(shape)
        self._sum = np.zeros(n_sequences)
        self._weight = np.zeros(n_sequences)
        self._squares = np.zeros(n_sequences)
        self._n_scored = np.zeros(n_sequences)
        self.n = 0
        """Fields drawn so far, with a score or not."""
        self.lower = np.zeros(n_sequences)
        """(n_sequences,) lower ends, intersected over time."""
        self.upper = np.ones(n_sequences)
        """(n_sequences,) upper ends."""
        self.emptied = np.zeros(n_sequences, dtype=np.bool_)
        """(n_sequences,) whether every mean is ruled out; the ends then stay at the last interval before that."""

    def add(self, values: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> None:
        """Take one more field for each sequence.

        Parameters
        ----------
        values : (n_sequences,) float64
            Scores, each in [0, 1].
        weights : (n_sequences,) float64, optional
            Each in [0, 1]; 0 for a field without a score. All 1 if not given.

        Raises
        ------
        ValueError
            If a value or a weight is not in [0, 1], or all fields of the lattice were drawn.
        """
        weights = np.ones_like(values) if weights is None else weights
        for what, found in (("value", values), ("weight", weights)):
            if not bool(((found >= 0) & (found <= 1)).all()):
                raise ValueError(f"a {what} of a bounded mean must lie in [0, 1]")
        if self._n_lattice is not None and self.n >= self._n_lattice.min():
            raise ValueError(f"all {self.n} fields of a lattice were drawn")
        # the stake uses the past alone: that makes the bet fair. The variance starts at 1/4, the mean at 1/2
        n = self._n_scored
        variance = (0.25 + self._squares) / (n + 1)
        logs = np.array([math.log(k + 2) for k in n.tolist()])  # NumPy's own differs between processors
        stake = np.sqrt(2 * self._log_two_by_alpha / (variance * ((n + 1) * logs)))[:, np.newaxis]

        means = self._means
        bets = (weights * values)[:, np.newaxis] - weights[:, np.newaxis] * means  # z, (n_sequences, grid)
        if self._n_lattice is None:
            below = np.broadcast_to(means, bets.shape)
        else:
            left = (self._n_lattice - self.n)[:, np.newaxis]
            owed = (self._sum[:, np.newaxis] - self._weight[:, np.newaxis] * means) / left  # minus the mean of z
            bets += owed
            below = means - owed  # how far z can lie below its mean; above it: 1 - below
            self._capital_up[below < -_ROUNDING] = _CAPITAL_MAX
            self._capital_down[below > 1 + _ROUNDING] = _CAPITAL_MAX
            below = np.clip(below, 0.0, 1.0)
        with np.errstate(divide="ignore"):
            self._capital_up *= 1 + np.minimum(stake, self._truncation / below) * bets
            self._capital_down *= 1 - np.minimum(stake, self._truncation / (1 - below)) * bets
        np.clip(self._capital_up, 0.0, _CAPITAL_MAX, out=self._capital_up)
        np.clip(self._capital_down, 0.0, _CAPITAL_MAX, out=self._capital_down)

        self.n += 1
        self._n_scored = n + (weights > 0)
        self._sum += weights * values
        self._weight += weights
        expected = (0.5 + self._sum) / (1 + self._weight)
        self._squares += (weights * (values - expected)) ** 2
        self._shrink()

    def _shrink(self) -> None:
        lower, upper = outermost_means(self._means, self._capital_up, self._capital_down, self._ruled_out_at)
        lower, upper = np.maximum(self.lower, lower), np.minimum(self.upper, upper)
        # equal ends were both ruled out, the one from below and the other from above
        self.emptied |= lower >= upper
        if self._n_lattice is not None:
            left = self._n_lattice - self.n
            least, most = possible_means(self._sum, self._weight, left)
            self.emptied |= (lower > most) | (upper < least)
            lower, upper = np.maximum(lower, least), np.minimum(upper, most)
        self.lower = np.where(self.emptied, self.lower, lower)
        self.upper = np.where(self.emptied, self.upper, upper)


def possible_means(
    total: NDArray[np.float64], weight: NDArray[np.float64], left: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the largest mean that fields still to come can bring about, whatever they show.

    Parameters
    ----------
    total : ndarray
        Sum of scores times weights so far.
    weight : ndarray
        Sum of weights so far.
    left : ndarray
        Largest sum of weights of the fields to come.
    """
    whole = weight + left
    known = whole > 0
    divisor = np.where(known, whole, 1.0)
    return np.where(known, total / divisor, 0.0), np.where(known, (total + left) / divisor, 1.0)


class LatticeSequence:
    """An anytime-valid interval for the mean of a lattice, from fields drawn from it one by one.

    Parameters
    ----------
    n_lattice : int or None
        Fields of the lattice; None if that is not known.
    confidence : float
        Probability, over all times together, that the interval holds the mean.

    Examples
    --------
    >>> sequence = LatticeSequence(n_lattice=50)
    >>> for score in (0.7, 0.8, 0.75, 0.7) * 10:
    ...     sequence.add(score)
    >>> [round(bound, 2) for bound in sequence.interval]
    [0.71, 0.76]
    """

    def __init__(self, n_lattice: int | None = None, confidence: float = 0.95) -> None:
        self._capital = LatticeCapital(1, n_lattice, confidence)
        self._n_lattice = n_lattice
        self._total = ExactSum()
        self._weight = 0
        self._weight_max = 1
        self.confidence = confidence
        self.n = 0
        """How many fields with a score there were."""
        self.n_beyond = 0
        """How many fields came after all of the lattice's; they are not part of the interval."""

    def add(self, value: float | None, weight: int = 1, weight_max: int = 1) -> None:
        """Take one more field.

        Parameters
        ----------
        value : float or None
            Its score in [0, 1]; None for a field that has none.
        weight : int
            What it counts.
        weight_max : int
            The most that a field can count; the same for all fields.

        Raises
        ------
        ValueError
            If the value is not in [0, 1], or the weight not between 0 and `weight_max`.
        """
        if self._n_lattice is not None and self._capital.n >= self._n_lattice:
            self.n_beyond += 1
            return
        weight = 0 if value is None else weight
        value = 0.0 if value is None else value
        self._capital.add(np.array([value], dtype=np.float64), np.array([weight / weight_max], dtype=np.float64))
        if weight:
            self._weight_max = weight_max
        self._weight += weight
        self._total.add(weight * value)
        self.n += weight > 0

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end; (0, 1) before the first value. It holds the mean of the fields so far."""
        if not self._weight:
            return 0.0, 1.0
        lower, upper = float(self._capital.lower[0]), float(self._capital.upper[0])
        total = self._total.value()
        if self._n_lattice is not None:  # the same bounds as in the capital, without its rounding
            left = self._weight_max * (self._n_lattice - self._capital.n)
            lower = max(lower, total / (self._weight + left))
            upper = min(upper, (total + left) / (self._weight + left))
        mean = total / self._weight
        return min(lower, mean), max(upper, mean)

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        lower, upper = self.interval
        return (upper - lower) / 2

    @property
    def emptied(self) -> bool:
        """Whether no mean is compatible with all values: they drift.

        Happens with probability below 1 - confidence when the fields are a random draw.
        """
        return bool(self._capital.emptied[0])

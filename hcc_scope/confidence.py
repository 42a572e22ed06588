"""An interval for the mean of independent draws, valid when it is read after every one: a confidence sequence.

The running score's interval is now that of `hcc_scope.lattice_confidence`, which knows how many fields there are to
draw. This one is the rule of stores without a record of another (`hcc_scope.score_rule`), and stays as it is, bit for
bit, so that their scores can be repeated.

An operator watches the score while it grows and stops when it looks settled; an ordinary 95 % interval used so is wrong
far more often than 5 % of the time. A confidence sequence covers the mean at *all* times together with the stated
probability, so stopping whenever one likes is allowed.

Method: the hedged capital confidence sequence of Waudby-Smith and Ramdas, "Estimating means of bounded random variables
by betting", J. R. Stat. Soc. B 86 (2024) 1-27 (first online 2023), theorem 3, with their predictable plug-in bets,
truncation c = 3/4 and hedge theta = 1/2, intersected over time. For every candidate mean m, two gamblers bet on "the
mean is larger" and "smaller", with stakes that depend on the past alone; if m is the mean, neither is likely ever to
multiply its money by 2 / alpha, so an m at which one does is ruled out for good.

Design notes
------------
- Candidates are the points of a grid. The first gambler's capital falls with m and the second's rises, so the interval
  reported runs from the largest point ruled out from below to the smallest ruled out from above: never narrower than
  the exact one, wider by at most a step (0.001) on each side.
- Chosen over the predictable plug-in empirical-Bernstein sequence (theorem 2 there) because it is narrower. Mean
  half-widths at 95 % for beta-distributed frame scores, in brackets those of the empirical-Bernstein sequence
  (``pytest tests/test_confidence.py -k bernstein`` computes both and compares them with these):

  ==== ==== ============= ============= =============
  mean  sd  n = 24        n = 100       n = 500
  ==== ==== ============= ============= =============
  0.3  0.05 0.094 (0.304) 0.027 (0.075) 0.008 (0.016)
  0.3  0.10 0.100 (0.306) 0.033 (0.078) 0.014 (0.018)
  0.3  0.20 0.125 (0.308) 0.058 (0.089) 0.029 (0.030)
  0.7  0.05 0.094 (0.304) 0.027 (0.075) 0.008 (0.016)
  0.7  0.10 0.100 (0.306) 0.033 (0.078) 0.014 (0.018)
  0.7  0.20 0.126 (0.308) 0.058 (0.089) 0.029 (0.030)
  ==== ==== ============= ============= =============

- Plain arithmetic, element by element: the same frames in the same order give the same bits whenever they are replayed.

Examples
--------
>>> sequence = ConfidenceSequence()
>>> for frame_score in (0.7, 0.8, 0.75, 0.7) * 10:
...     sequence.add(frame_score)
>>> [round(bound, 2) for bound in sequence.interval]
[0.65, 0.77]
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ConfidenceSequence", "HedgedCapital", "outermost_means"]

_TRUNCATION = 0.75  # c: a gambler never stakes more than this share of the capital
_CAPITAL_MAX = 1e100  # far above any 2 / alpha: what is ruled out stays so, and the product cannot overflow


def outermost_means(
    means: NDArray[np.float64],
    capital_up: NDArray[np.float64],
    capital_down: NDArray[np.float64],
    ruled_out_at: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest mean that is ruled out from below, and the smallest from above; the grid's ends without one.

    Parameters
    ----------
    means : (grid,) float64
        Candidates, ascending.
    capital_up, capital_down : (n_sequences, grid) float64
        Of those who bet on "larger", which falls along the grid, and on "smaller", which rises.
    ruled_out_at : float
        Capital at which a mean is ruled out.
    """
    last = len(means) - 1
    n_below = np.count_nonzero(capital_up >= ruled_out_at, axis=1)
    n_above = np.count_nonzero(capital_down >= ruled_out_at, axis=1)
    return means[np.maximum(n_below - 1, 0)], means[np.minimum(last - n_above + 1, last)]


class HedgedCapital:
    """Many independent confidence sequences side by side; `ConfidenceSequence` is one of them.

    Parameters
    ----------
    n_sequences : int
        How many.
    confidence : float
        Probability, over all times together, that an interval holds its mean; between 0 and 1.
    grid_steps : int
        Candidate means are 0, 1/grid_steps ... 1.
    """

    def __init__(self, n_sequences: int, confidence: float = 0.95, grid_steps: int = 1000) -> None:
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
        self._means = np.arange(grid_steps + 1) / grid_steps
        with np.errstate(divide="ignore"):
            self._stake_max_up = _TRUNCATION / self._means
            self._stake_max_down = _TRUNCATION / (1 - self._means)
        self._log_two_by_alpha = math.log(2 / (1 - confidence))
        self._ruled_out_at = 2 / (1 - confidence)
        shape = (n_sequences, grid_steps + 1)
        self._capital_up = np.ones(shape)
        self._capital_down = np.ones(shape)
        self._sum = np.zeros(n_sequences)
        self._squares = np.zeros(n_sequences)
        self.n = 0
        """Values per sequence so far."""
        self.lower = np.zeros(n_sequences)
        """(n_sequences,) lower ends."""
        self.upper = np.ones(n_sequences)
        """(n_sequences,) upper ends."""
        self.emptied = np.zeros(n_sequences, dtype=np.bool_)
        """(n_sequences,) whether every mean is ruled out; the ends then stay at the last interval before that."""

    def add(self, values: NDArray[np.float64]) -> None:
        """Take one more value for each sequence.

        Parameters
        ----------
        values : (n_sequences,) float64
            Each in [0, 1].

        Raises
        ------
        ValueError
            If a value is not in [0, 1].
        """
        if not bool(((values >= 0) & (values <= 1)).all()):
            raise ValueError("a value of a bounded mean must lie in [0, 1]")
        # the stake uses the past alone: that makes the bet fair. The variance starts at 1/4, the mean at 1/2
        n = self.n
        variance = (0.25 + self._squares) / (n + 1)
        stake = np.sqrt(2 * self._log_two_by_alpha / (variance * ((n + 1) * math.log(n + 2))))[:, np.newaxis]

        surprise = values[:, np.newaxis] - self._means  # (n_sequences, grid)
        self._capital_up *= 1 + np.minimum(stake, self._stake_max_up) * surprise
        self._capital_down *= 1 - np.minimum(stake, self._stake_max_down) * surprise
        np.minimum(self._capital_up, _CAPITAL_MAX, out=self._capital_up)
        np.minimum(self._capital_down, _CAPITAL_MAX, out=self._capital_down)

        self.n = n + 1
        self._sum += values
        self._squares += (values - (0.5 + self._sum) / (n + 2)) ** 2
        self._shrink()

    def _shrink(self) -> None:
        lower, upper = outermost_means(self._means, self._capital_up, self._capital_down, self._ruled_out_at)
        lower, upper = np.maximum(self.lower, lower), np.minimum(self.upper, upper)
        # equal ends were both ruled out, the one from below and the other from above
        self.emptied |= lower >= upper
        self.lower = np.where(self.emptied, self.lower, lower)
        self.upper = np.where(self.emptied, self.upper, upper)


class ConfidenceSequence:
    """An anytime-valid interval for the mean of values in [0, 1] that come one by one.

    Parameters
    ----------
    confidence : float
        Probability, over all times together, that the interval holds the mean.
    """

    def __init__(self, confidence: float = 0.95) -> None:
        self._capital = HedgedCapital(1, confidence)
        self.confidence = confidence

    @property
    def n(self) -> int:
        """How many values there were."""
        return self._capital.n

    @property
    def n_beyond(self) -> int:
        """0: draws with replacement have no end."""
        return 0

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end; (0, 1) before the first value. It never grows."""
        return float(self._capital.lower[0]), float(self._capital.upper[0])

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        lower, upper = self.interval
        return (upper - lower) / 2

    @property
    def emptied(self) -> bool:
        """Whether no mean is compatible with all values: they drift. `interval` is then the last that was not empty.

        Happens with probability below 1 - confidence when the values do have one mean.
        """
        return bool(self._capital.emptied[0])

    def add(self, value: float | None, weight: int = 1, weight_max: int = 1) -> None:
        """Take one more value; None adds nothing, and all values count the same.

        Raises
        ------
        ValueError
            If it is not in [0, 1].
        """
        del weight, weight_max
        if value is not None:
            self._capital.add(np.array([value], dtype=np.float64))

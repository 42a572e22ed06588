"""A test for drift over the fields of a section that can be looked at after every field.

Fields of a random plan come in random order. If the microscope stays as it is, that order is exchangeable: whatever was
measured of a field, its rank among the fields so far is uniform, and independent of the ranks before. A lamp that warms
up, or a focus that creeps, breaks that.

Method: a conformal test martingale (Vovk, Gammerman and Shafer, "Algorithmic learning in a random world", 2nd ed. 2022,
part III) for each quantity. A gambler bets on the rank r of the t-th field among t fields, with the density
proportional to exp(theta a) at a = (r + 1/2) / t - 1/2. The stake theta grows with t up to the planned number of
fields, as a slow drift shows late; the capital is the mean over theta = -4, -2, 2, 4. If nothing drifts, the capital of
one quantity ever reaches 60 with a probability of at most 1/60 (Ville's inequality), so it may be read after every
field; that any of three does has at most 5 %, however they depend on each other. (Their average has no such proof: the
ranks of all three together foretell the next one's. With six fields, whoever stops it at the best time has 1.2 to 1.3
on average.)

Power and false alarms: ``python -m benchmarks sequences``.
"""

from __future__ import annotations

import bisect
import math
import random
from typing import TYPE_CHECKING

from hcc_scope.types import Drift

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["QUANTITIES", "DriftTest", "RankCapital"]

QUANTITIES = ("score", "grey level", "focus")
"""What is tested, in this order."""
_STAKES = (-4.0, -2.0, 2.0, 4.0)
_HORIZON = 50
"""Planned fields where the plan has an open end."""
_ALARM = 20.0
"""1 / 0.05: of the evidence, which is the largest capital of a quantity, divided by their number."""
_LOG_MAX = 600.0  # exp of it is still a float


class RankCapital:
    """The gambler's capital on one quantity: 1 before the first field, and 1 on average as long as nothing drifts.

    Parameters
    ----------
    horizon : int
        After how many fields the stakes have grown to their full size.
    seed : int
        Decides the order of fields that are exactly equal.
    """

    def __init__(self, horizon: int, seed: int) -> None:
        self._horizon = max(1, horizon)
        self._ties = random.Random(seed)
        self._seen: list[tuple[float, float]] = []
        self._logs = [0.0] * len(_STAKES)

    def add(self, value: float) -> None:
        """Take one more field's value, a finite number."""
        key = (value, self._ties.random())
        rank = bisect.bisect_left(self._seen, key)
        self._seen.insert(rank, key)
        t = len(self._seen)
        at = (rank + 0.5) / t - 0.5
        share = min(1.0, t / self._horizon)
        for i, stake in enumerate(_STAKES):
            theta = stake * share
            mean = math.sinh(theta / 2) / (t * math.sinh(theta / (2 * t)))  # over the t ranks
            self._logs[i] = min(_LOG_MAX, self._logs[i] + theta * at - math.log(mean))

    @property
    def value(self) -> float:
        """The capital."""
        return sum(math.exp(log) for log in self._logs) / len(_STAKES)


class DriftTest:
    """Looks for drift in the fields of a random plan, in the order in which they were taken.

    Parameters
    ----------
    n_planned : int, optional
        Fields of the plan; None for an open end.
    """

    def __init__(self, n_planned: int | None = None) -> None:
        horizon = _HORIZON if n_planned is None else n_planned
        self._capitals = [RankCapital(horizon, seed) for seed in range(len(QUANTITIES))]
        self._most = 1 / len(QUANTITIES)
        self._n = 0
        self._found_in: tuple[str, ...] = ()

    def add(self, values: Sequence[float | None]) -> None:
        """Take what was measured of one field, in the order of `QUANTITIES`; None where there is nothing."""
        self._n += 1
        for capital, value in zip(self._capitals, values, strict=True):
            if value is not None and math.isfinite(value):
                capital.add(value)
        parts = [capital.value / len(self._capitals) for capital in self._capitals]
        self._most = max(self._most, *parts)
        drifting = [name for name, part in zip(QUANTITIES, parts, strict=True) if part >= _ALARM]
        self._found_in = tuple(name for name in QUANTITIES if name in {*self._found_in, *drifting})

    @property
    def result(self) -> Drift:
        """What is known so far. A drift that was found stays found."""
        return Drift(self._n, self._most, self._found_in)

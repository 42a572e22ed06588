"""Control charts: limits from an instrument's own first readings, and which later readings lie outside.

The baseline is the first `BASELINE_MOST` readings of a chart; while there are fewer, all before the one that is judged,
`BASELINE_LEAST` at least. Their median is the centre, their median absolute deviation the spread: a bad reading among
the first ones moves neither much. Two rules, each with its source:

- *outside*: farther from the centre than the limits (W. A. Shewhart, Economic Control of Quality of Manufactured
  Product, 1931). Three sigma would be wrong here: limits from eight readings alone are themselves uncertain, and a
  reading in control would lie outside once in twenty times. `WIDTHS` are wide enough for once in two hundred, as
  ``python -m benchmarks.qc`` finds by simulation.
- *drift*: `RUN_LENGTH` readings in a row on one side of the centre (Western Electric, Statistical Quality Control
  Handbook, 1956, fourth test). Only readings after a full baseline count: before that the centre is too uncertain.

References
----------
C. Croux and P. J. Rousseeuw, Time-efficient algorithms for two highly robust estimators of scale, 1992: the correction
of the median absolute deviation for small samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BASELINE_LEAST", "BASELINE_MOST", "RUN_LENGTH", "WIDTHS", "Limits", "Point", "limits_of", "points_of"]

BASELINE_LEAST = 8
BASELINE_MOST = 20
RUN_LENGTH = 8
WIDTHS = {
    8: 6.5, 9: 6.5, 10: 5.5, 11: 5.4, 12: 4.9, 13: 4.8, 14: 4.5, 15: 4.5, 16: 4.2, 17: 4.2, 18: 4.0, 19: 4.0, 20: 3.9,
}  # fmt: skip
"""Half the distance of the limits, in standard deviations, by the size of the baseline."""
_NORMAL = 1.4826
"""Standard deviation of a normal distribution, in its median absolute deviations."""
_SMALL = {8: 1.129, 9: 1.107}
"""Correction of the median absolute deviation for so many readings; n / (n - 0.8) for more."""

Verdict = Literal["baseline", "inside", "outside", "drift"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Where readings in control lie."""

    centre: float
    low: float
    high: float
    n: int
    """Readings that they rest on."""


@dataclass(frozen=True, slots=True)
class Point:
    """One reading, judged."""

    value: float
    verdict: Verdict
    limits: Limits | None
    """Those that it was judged by; None for a reading that only founds them."""


def limits_of(baseline: Sequence[float], least_sd: float = 0.0) -> Limits:
    """Return the limits that follow from a baseline.

    Parameters
    ----------
    baseline : sequence of float
        `BASELINE_LEAST` to `BASELINE_MOST` readings.
    least_sd : float
        A smaller spread is not taken at its word: readings that are rounded, or steered to a set point, hardly differ.

    Examples
    --------
    >>> limits_of([10, 11, 9, 10, 12, 8, 10, 10], least_sd=1.0)
    Limits(centre=10.0, low=3.5, high=16.5, n=8)
    """
    values = np.array(baseline, dtype=np.float64)
    n = len(values)
    centre = float(np.median(values))
    deviation = float(np.median(np.abs(values - centre)))
    sd = max(least_sd, _NORMAL * _SMALL.get(n, n / (n - 0.8)) * deviation)
    half = WIDTHS[n] * sd
    return Limits(centre, centre - half, centre + half, n)


def points_of(values: Sequence[float], least_sd: float = 0.0) -> list[Point]:
    """Judge the readings of one chart, in the order in which they were taken.

    Parameters
    ----------
    values : sequence of float
    least_sd : float
        As for `limits_of`.
    """
    points: list[Point] = []
    side = run = 0
    limits = Limits(0.0, 0.0, 0.0, 0)
    for place, value in enumerate(values):
        if place < BASELINE_LEAST:
            points.append(Point(value, "baseline", None))
            continue
        if place <= BASELINE_MOST:
            limits = limits_of(values[:place], least_sd)
        verdict: Verdict = "inside"
        if place >= BASELINE_MOST:
            now = int(np.sign(value - limits.centre))
            run = run + 1 if now == side and now else min(1, abs(now))
            side = now
            if run >= RUN_LENGTH and abs(value - limits.centre) > least_sd:
                verdict = "drift"
        if not limits.low <= value <= limits.high:
            verdict = "outside"
        points.append(Point(value, verdict, limits))
    return points

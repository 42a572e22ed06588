"""What a curve of a focus measure over the height shows: its noise, its peaks, and where exactly the best one lies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Peak", "bracket", "locate", "noise_of", "second_rise", "shoulder", "unevenness"]

_HALF = 0.5
"""The parabola goes through the points above this share of the peak's height: it is no parabola further down."""
_NORMAL_MEDIAN = 0.6745
"""Median of the absolute value of a normal number of standard deviation 1."""
_SECOND_SHARE = 0.02
"""Share of its whole height by which the second measure must rise for a rise of the first to count."""
_NORMAL_FALL = 0.5642
"""Mean of how far the next of two such numbers lies below the first, 0 where it does not."""


class Peak(NamedTuple):
    """The top of a curve, between its points."""

    z_um: float
    value: float
    scatter: float
    """Root mean square distance of the points from the parabola, relative to their values."""


def unevenness(values: NDArray[np.float64]) -> float:
    """Return the noise of a curve (n,) of evenly spaced points from its second differences; 0 for fewer than 5.

    They are 0 for a slope without noise. Their median is not raised by the few at a narrow peak; it is by several
    peaks, or by one that fills the curve.
    """
    if len(values) < 5:
        return 0.0
    return float(np.median(np.abs(np.diff(values, 2))) / math.sqrt(6.0) / _NORMAL_MEDIAN)


def noise_of(values: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return the standard deviation of the noise of a curve (n,) of evenly spaced points; 0 for fewer than 5.

    The lower of two estimates, as each is too high for a kind of curve: `unevenness`, and how often the curve falls
    where a second measure (n,) rises. Whatever the shape, both measures rise together, unless noise parts them.
    """
    if len(values) < 5:
        return 0.0
    falls = np.mean(np.maximum(0.0, -np.diff(values[np.argsort(others, kind="stable")]))) / _NORMAL_FALL
    return min(unevenness(values), float(falls))


def bracket(values: NDArray[np.float64], top: int, drop: float) -> tuple[int | None, int | None]:
    """Return the nearest point to each side of `top` that lies at least `drop` below it; None where there is none.

    Parameters
    ----------
    values : (n,) float
        In order of height.
    top : int
        Index of the highest.
    drop : float
    """
    low = values <= values[top] - drop
    left, right = np.flatnonzero(low[:top]), np.flatnonzero(low[top + 1 :])
    return (int(left[-1]) if left.size else None, int(right[0]) + top + 1 if right.size else None)


def second_rise(values: NDArray[np.float64], others: NDArray[np.float64], top: int) -> float:
    """Return by how much the curve (n,) rises again on its way down from its top, at most; an end counts as a peak.

    A rise counts only where the second measure (n,) rises as well: far out of focus little structure is left, and
    a measure that is relative to it rises and falls by chance.
    """
    return max(
        _rise(values[way], others[way], float(np.ptp(others))) for way in (slice(top, None), slice(top, None, -1))
    )


def shoulder(values: NDArray[np.float64], others: NDArray[np.float64], top: int) -> float:
    """Return by how much the curve (n,), evenly spaced, steepens again on its way down from its top, at most.

    The way down from a single peak becomes steeper and then flatter. A second peak beside it shows as another steep
    part, also where it is too near for a valley. Both measures (n,) must steepen.
    """
    found = 0.0
    for way in (slice(top, None), slice(top, None, -1)):
        drops, drops_other = -np.diff(values[way]), -np.diff(others[way])
        if len(drops) > 1:
            steepest = int(np.argmax(drops))
            for part in (slice(steepest, None), slice(steepest, None, -1)):
                found = max(found, _rise(drops[part], drops_other[part], float(np.ptp(others))))
    return found


def _rise(values: NDArray[np.float64], others: NDArray[np.float64], other_height: float) -> float:
    """Return by how much values (n,) rise from one to a later one, at most, where the others (n,) do, too."""
    rises = values[None, :] - values[:, None]  # (n, n): from row to column
    both = others[None, :] - others[:, None] >= _SECOND_SHARE * other_height
    later = np.triu(np.ones_like(both), 1)
    return float(np.max(rises, where=both & later, initial=0.0))


def locate(z_um: NDArray[np.float64], values: NDArray[np.float64], base: float) -> Peak | None:
    """Return the vertex of a parabola through the logarithm of the points about the highest one.

    A focus curve falls off by factors, so that its logarithm is nearer to a parabola than itself.

    Parameters
    ----------
    z_um : (n,) float
        Ascending.
    values : (n,) float
        Positive about the top.
    base : float
        The lowest value of the whole curve: half of the height above it is where the parabola ends.

    Returns
    -------
    Peak or None
        None if the highest point has no neighbour on one side, or the parabola has no top between its points.
    """
    top = int(np.argmax(values)) if len(values) else 0
    if not 0 < top < len(values) - 1:
        return None
    level = base + _HALF * (values[top] - base)
    first, last = top - 1, top + 1
    while first > 0 and values[first - 1] >= level:
        first -= 1
    while last < len(values) - 1 and values[last + 1] >= level:
        last += 1
    near_z, near = z_um[first : last + 1] - z_um[top], values[first : last + 1]
    if near.min() <= 0 or len(np.unique(near_z.round(1))) < 3:
        return None
    logs = np.log(near)
    parabola = np.polynomial.Polynomial.fit(near_z, logs, 2).convert()
    height, slope, curvature = (*parabola.coef, 0.0, 0.0)[:3]
    if not curvature < 0:
        return None
    vertex = -slope / (2 * curvature)
    if not near_z[0] <= vertex <= near_z[-1]:
        return None
    free = max(1, len(near) - 3)  # three numbers make a parabola
    scatter = float(np.sqrt(np.sum((logs - parabola(near_z)) ** 2) / free))
    return Peak(float(z_um[top] + vertex), float(np.exp(height - curvature * vertex**2)), scatter)

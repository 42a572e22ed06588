"""What a curve of a focus measure over the height shows: its noise, its peaks, and where exactly the best one lies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Peak", "bracket", "has_second_peak", "locate", "noise_of"]

_HALF = 0.5
"""The parabola goes through the points above this share of the peak's height: it is no parabola further down."""
_SCALE = 1.4826 / math.sqrt(6.0)
"""From the median of absolute second differences to the standard deviation of normal noise."""


class Peak(NamedTuple):
    """The top of a curve, between its points."""

    z_um: float
    value: float


def noise_of(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of the noise of a curve (n,) of evenly spaced points; 0 for fewer than 5.

    It rests on the second differences, which are 0 for a slope without noise; their median is not raised by the few
    at a narrow peak. A broad peak raises it a little, which errs on the safe side.
    """
    if len(values) < 5:
        return 0.0
    return float(_SCALE * np.median(np.abs(np.diff(values, 2))))


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


def has_second_peak(values: NDArray[np.float64], top: int, rise: float) -> bool:
    """Return whether the curve (n,) rises by `rise` or more from a valley beside its top; an end counts as a peak."""
    for side in (values[top:], values[top::-1]):
        if np.max(side - np.minimum.accumulate(side)) >= rise:
            return True
    return False


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
    top = int(np.argmax(values))
    if not 0 < top < len(values) - 1:
        return None
    level = base + _HALF * (values[top] - base)
    first, last = top - 1, top + 1
    while first > 0 and values[first - 1] >= level:
        first -= 1
    while last < len(values) - 1 and values[last + 1] >= level:
        last += 1
    near_z, near = z_um[first : last + 1], values[first : last + 1]
    if near.min() <= 0 or np.ptp(near_z) <= 0:
        return None
    middle = z_um[top]
    curvature, slope, level = np.polyfit(near_z - middle, np.log(near), 2)
    if not curvature < 0:
        return None
    vertex = -slope / (2 * curvature)
    if not near_z[0] <= middle + vertex <= near_z[-1]:
        return None
    return Peak(float(middle + vertex), float(np.exp(level - curvature * vertex**2)))

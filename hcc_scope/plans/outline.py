"""Outlines that a plan can use: polygons whose edges do not cross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MAX_CORNERS", "Crossing", "area_um2", "check_outline", "first_crossing"]

MAX_CORNERS = 5000
"""More corners than an outline of a section needs; every edge is compared with every other one."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Two edges of an outline that cross or touch."""

    first: int
    """Number of the edge, from 0: it begins at the corner of this number."""
    second: int
    at_um: tuple[float, float]

    def describe(self) -> str:
        """Return a sentence that names both edges, numbered from 1, and the place."""
        x_um, y_um = self.at_um
        return f"edges {self.first + 1} and {self.second + 1} of the outline cross at x = {x_um:.6g}, y = {y_um:.6g} um"


def area_um2(points: Sequence[tuple[float, float]] | NDArray[np.float64]) -> float:
    """Return the area inside an outline (n, 2) whose edges do not cross.

    Examples
    --------
    >>> area_um2([(0, 0), (2, 0), (2, 3), (0, 3)])
    6.0
    """
    x, y = np.asarray(points, dtype=np.float64).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def first_crossing(points: Sequence[tuple[float, float]] | NDArray[np.float64]) -> Crossing | None:
    """Return the first two edges of a closed outline that cross or touch; None if it is simple.

    Parameters
    ----------
    points : (n, 2)
        Corners in order; the last is joined to the first. Two equal neighbours count as one corner.

    Examples
    --------
    >>> first_crossing([(0, 0), (2, 0), (2, 2), (0, 2)]) is None
    True
    >>> first_crossing([(0, 0), (2, 2), (2, 0), (0, 2)]).at_um
    (1.0, 1.0)
    """
    corners = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    ends = np.roll(corners, -1, axis=0)
    used = np.flatnonzero((corners != ends).any(axis=1))  # an edge without length crosses nothing
    a, d = corners[used], (ends - corners)[used]
    n = len(used)
    for i in range(n):
        # only later edges; the neighbours share a corner with this one, and must not fold back onto it
        others = np.arange(i + 1, n)
        found = _meets(a[i], d[i], a[others], d[others])
        neighbour = (others == i + 1) | ((others == n - 1) & (i == 0))
        found &= ~neighbour
        found |= neighbour & _folds_back(d[i], d[others])
        hit = np.flatnonzero(found)
        if hit.size:
            j = int(others[hit[0]])
            return Crossing(int(used[i]), int(used[j]), _place(a[i], d[i], a[j], d[j]))
    return None


def _cross(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
    return result


def _meets(
    a: NDArray[np.float64], d: NDArray[np.float64], b: NDArray[np.float64], e: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which edges (b, b + e), (n, 2) each, have a point in common with the edge (a, a + d)."""

    def side(point: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sign(_cross(d, point - a))

    def side_of(point: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sign(_cross(e, point - b))

    crosses = (side(b) * side(b + e) <= 0) & (side_of(a) * side_of(a + d) <= 0)
    # on one line all sides are 0: then the boxes decide
    low, high = np.minimum(a, a + d), np.maximum(a, a + d)
    boxes = ((np.minimum(b, b + e) <= high) & (np.maximum(b, b + e) >= low)).all(axis=-1)
    meets: NDArray[np.bool_] = crosses & boxes
    return meets


def _folds_back(d: NDArray[np.float64], e: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which neighbouring edges go back along the edge that they join."""
    back: NDArray[np.bool_] = (_cross(d, e) == 0) & ((d * e).sum(axis=-1) < 0)
    return back


def _place(
    a: NDArray[np.float64], d: NDArray[np.float64], b: NDArray[np.float64], e: NDArray[np.float64]
) -> tuple[float, float]:
    across = float(_cross(d, e))
    if across == 0:  # along each other: a corner of one lies on the other
        low, high = np.minimum(a, a + d), np.maximum(a, a + d)
        x, y = np.clip(b, low, high).tolist()
        return x, y
    t = min(1.0, max(0.0, float(_cross(b - a, e)) / across))
    x, y = (a + t * d).tolist()
    return x, y


def check_outline(points: Sequence[tuple[float, float]] | NDArray[np.float64]) -> None:
    """Refuse an outline that no plan can use.

    Raises
    ------
    PlanError
        If it has fewer than 3 corners or too many, holds no area, or two of its edges cross, with the place.
    """
    n = len(points)
    if n < 3:
        raise PlanError(f"an outline needs at least 3 corners, not {n}", hint="Add corners.")
    if n > MAX_CORNERS:
        raise PlanError(f"an outline has at most {MAX_CORNERS:,} corners, not {n:,}", hint="Leave some out.")
    crossing = first_crossing(points)
    if crossing is not None:
        raise PlanError(crossing.describe(), hint="Move or delete a corner there.")
    if area_um2(points) == 0:
        raise PlanError("the outline holds no area: its corners lie on one line", hint="Move a corner.")

"""Polygons and rectangles in stage micrometres: just enough to place fields in a section.

A *field* is the rectangle (w, h) that one frame covers, named by its centre.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "MAX_PLACES",
    "LatticeDraw",
    "SpatialHash",
    "fields_inside",
    "lattice_draw",
    "lattice_through",
    "points_inside",
    "random_fields",
    "scattered_fields",
]

MAX_PLACES = 1_000_000
"""More positions than anyone visits: such a plan is a mistake."""

_BATCH = 256
_MAX_MISSES = 20_000
"""Admissible candidates in a row that all overlap a placed field: then the section counts as full."""
_MAX_DRAWS = 2_000_000
"""Candidates in all: a section so thin that hardly any field lies inside it must not hang the program."""
_PATIENCE = 40 * _BATCH
"""Candidates that are all refused until it is asked whether any can be admissible: to refuse all of them takes up to a
minute."""
_LOOKS = 20_000
"""Places at which a field is tried for that."""
_MAX_LATTICES = 50
"""Lattices tried for one that holds enough fields."""
_SLANT = (3 - math.sqrt(5)) / 2
"""How much of a field a row of the lattice climbs from one field to the next.

Fields of a row along a straight border would all lie near it or all keep away from it. With this slope, whose multiples
fill [0, 1) most evenly (golden ratio), they lie at all distances. The price is 13 % of the room: the lattice covers
1 / (1 + slant^2) of the plane.
"""


def points_inside(points: NDArray[np.float64], polygon: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points lie inside a polygon (even-odd rule).

    Parameters
    ----------
    points : (n, 2) ndarray
    polygon : (m, 2) ndarray
        Vertices in order; the last is joined to the first.

    Returns
    -------
    (n,) ndarray of bool
    """
    x, y = points[:, :1], points[:, 1:]  # (n, 1) against (m,) edges
    x0, y0 = polygon[:, 0], polygon[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    spans = (y0 <= y) != (y1 <= y)
    rise = np.where(y1 == y0, 1.0, y1 - y0)  # a level edge spans nothing: any divisor will do
    crosses = spans & (x < x0 + (y - y0) * (x1 - x0) / rise)
    odd: NDArray[np.bool_] = crosses.sum(axis=1) % 2 == 1
    return odd


def fields_inside(
    centres: NDArray[np.float64], field_um: tuple[float, float], polygon: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which fields lie wholly inside a polygon, convex or not.

    That is so if the centre is inside and no edge of the polygon enters the field.

    Parameters
    ----------
    centres : (n, 2) ndarray
    field_um : (w, h)
    polygon : (m, 2) ndarray

    Returns
    -------
    (n,) ndarray of bool
    """
    inside = points_inside(centres, polygon)
    half = np.array(field_um) / 2
    at = centres[inside]
    begin, end = polygon, np.roll(polygon, -1, axis=0)
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    # only an edge whose own rectangle touches the field can enter it: few do, and the others need no division
    near = np.ones((len(at), len(polygon)), dtype=np.bool_)
    for axis in (0, 1):
        near &= low[:, axis] - half[axis] <= at[:, axis, None]
        near &= high[:, axis] + half[axis] >= at[:, axis, None]
    field, edge = np.nonzero(near)
    a = begin[edge] - at[field]  # (k, 2): edges seen from the centres
    d = (end - begin)[edge]
    # Slab method: the part of each edge, as parameter t in [0, 1], that is inside the field's open x and y slabs.
    with np.errstate(divide="ignore", invalid="ignore"):
        t0, t1 = (-half - a) / d, (half - a) / d
    level = d == 0
    between = np.abs(a) < half
    enter = np.where(level, np.where(between, -np.inf, np.inf), np.minimum(t0, t1)).max(axis=1)
    leave = np.where(level, np.where(between, np.inf, -np.inf), np.maximum(t0, t1)).min(axis=1)
    entered = np.zeros(len(at), dtype=np.bool_)
    entered[field[np.maximum(enter, 0.0) < np.minimum(leave, 1.0)]] = True
    inside[inside] = ~entered
    return inside


class SpatialHash:
    """Placed fields by cells of one field's size, so that an overlap is looked for in nine cells only."""

    def __init__(self, field_um: tuple[float, float]) -> None:
        self._w, self._h = field_um
        self._cells: dict[tuple[int, int], tuple[float, float]] = {}

    def _near(self, x: float, y: float) -> Iterator[tuple[float, float]]:
        column, row = int(x // self._w), int(y // self._h)
        for i in (column - 1, column, column + 1):
            for j in (row - 1, row, row + 1):
                if (i, j) in self._cells:
                    yield self._cells[i, j]

    def place(self, x: float, y: float) -> bool:
        """Place the field centred at (x, y) unless it overlaps one that is there; return whether it was placed."""
        # Two fields that do not overlap cannot share a cell, hence one entry a cell.
        if any(abs(x - px) < self._w and abs(y - py) < self._h for px, py in self._near(x, y)):
            return False
        self._cells[int(x // self._w), int(y // self._h)] = (x, y)
        return True


def _admissible(
    rng: np.random.Generator, field_um: tuple[float, float], polygon: NDArray[np.float64]
) -> Iterator[tuple[float, float]]:
    """Yield centres, each uniform over all places where the field lies inside the polygon, until `_MAX_DRAWS`."""
    half = np.array(field_um) / 2
    low, high = polygon.min(axis=0) + half, polygon.max(axis=0) - half
    if (low > high).any():
        return
    found = False
    for n_before in range(0, _MAX_DRAWS, _BATCH):
        if n_before == _PATIENCE and not found and not _may_hold_one(low, high, field_um, polygon):
            return
        candidates = rng.uniform(low, high, size=(_BATCH, 2))
        admissible = candidates[fields_inside(candidates, field_um, polygon)].tolist()
        found = found or bool(admissible)
        yield from (tuple(centre) for centre in admissible)


def _may_hold_one(
    low: NDArray[np.float64], high: NDArray[np.float64], field_um: tuple[float, float], polygon: NDArray[np.float64]
) -> bool:
    """Return False if no field lies inside the polygon, wherever between `low` and `high` its centre is.

    Places of a grid are tried, with a field that is smaller by the grid's step: at the place nearest to the centre of a
    whole field, it lies inside that field.
    """
    field = np.array(field_um)
    n_steps = np.sqrt(_LOOKS / max(1.0, float(((high - low) / field).prod())))  # along one field
    step = np.minimum(field / max(2.0, n_steps), np.where(high > low, high - low, field))
    x, y = (np.arange(one, end + by, by) for one, end, by in zip(low, high, step, strict=True))
    width, height = (field - step).tolist()
    places = (np.column_stack((x, np.full(len(x), row))) for row in y)
    return any(fields_inside(row, (width, height), polygon).any() for row in places)


def lattice_through(
    centre: tuple[float, float], field_um: tuple[float, float], polygon: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the centres (n, 2) of the fields inside the polygon on the slanted lattice through one of them."""
    basis = np.array([(1.0, _SLANT), (-_SLANT, 1.0)]) * field_um  # rows: the steps to the next field and the next row
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    corners = np.array([low, (low[0], high[1]), high, (high[0], low[1])])
    steps = (corners - centre) @ np.linalg.inv(basis)  # (4, 2)
    first, last = np.floor(steps.min(axis=0)), np.ceil(steps.max(axis=0))
    along = np.arange(first[0], last[0] + 1)[:, None] * basis[0]  # (k, 2)
    rows = (centre + along + j * basis[1] for j in np.arange(first[1], last[1] + 1))
    # row by row: every field meets every edge of the polygon there, which would be large for all rows at once
    return np.concatenate([row[fields_inside(row, field_um, polygon)] for row in rows])


class LatticeDraw(NamedTuple):
    """Random fields, and the lattice that they were drawn from without replacement."""

    fields_um: list[tuple[float, float]]
    """(x, y) of the centres, in the order of the draw: any first k of them are a random choice of k."""
    n_lattice: int
    """Fields of the lattice inside the polygon, drawn or not."""


def lattice_draw(n: int, field_um: tuple[float, float], polygon: NDArray[np.float64], seed: int) -> LatticeDraw:
    """Choose up to `n` fields at random, wholly inside a polygon and without overlap, for estimating the area's mean.

    Parameters
    ----------
    n : int
    field_um : (w, h)
    polygon : (m, 2) ndarray
    seed : int

    Returns
    -------
    LatticeDraw
        With fewer than `n` fields if no more fitted.

    Notes
    -----
    One centre is drawn, uniform over all admissible ones. A slanted lattice of fields is laid through it, and of the
    fields inside n are drawn without replacement. A lattice with N fields inside is so come by with a probability
    proportional to N, and each of them is the k-th to be drawn with probability 1/N: the k-th centre is uniform over
    all admissible ones, the last as well as the first.

    That is exact as long as the first lattice holds n fields. If it does not, another one is drawn; so if the polygon
    is nearly full, places that belong to a lattice with n fields are favoured. Given the lattice, the draw is uniform
    in any case: what the score's interval needs (`hcc_scope.lattice_confidence`).
    """
    rng = np.random.default_rng(seed)
    cells = np.empty((0, 2))
    for centre in itertools.islice(_admissible(rng, field_um, polygon), _MAX_LATTICES):
        found = lattice_through(centre, field_um, polygon)
        if len(found) > len(cells):
            cells = found
        if len(cells) >= n:
            break
    return LatticeDraw([(x, y) for x, y in cells[rng.permutation(len(cells))[:n]].tolist()], len(cells))


def random_fields(
    n: int, field_um: tuple[float, float], polygon: NDArray[np.float64], seed: int
) -> list[tuple[float, float]]:
    """Return the fields of `lattice_draw` alone, in the order of the draw."""
    return lattice_draw(n, field_um, polygon, seed).fields_um


def scattered_fields(
    n: int, field_um: tuple[float, float], polygon: NDArray[np.float64], seed: int
) -> list[tuple[float, float]]:
    """Scatter up to `n` fields over a polygon, wholly inside and without overlap, by random sequential adsorption.

    Each candidate centre is uniform over the admissible ones; one that overlaps an earlier field is drawn again. Fields
    at the rim have fewer neighbours to overlap with, so the more fields there are the more of them lie there: **not
    for estimating a mean** (`random_fields` is). For training images, where the shipped model's own came from it.

    Parameters
    ----------
    n : int
    field_um : (w, h)
    polygon : (m, 2) ndarray
    seed : int

    Returns
    -------
    list of (x, y)
        In random order; fewer than `n` if no more fitted.
    """
    rng = np.random.default_rng(seed)
    taken = SpatialHash(field_um)
    placed: list[tuple[float, float]] = []
    misses = 0
    for x, y in _admissible(rng, field_um, polygon):
        if taken.place(x, y):
            placed.append((x, y))
            misses = 0
        else:
            misses += 1
        if len(placed) == n or misses == _MAX_MISSES:
            break
    return [placed[i] for i in rng.permutation(len(placed))]

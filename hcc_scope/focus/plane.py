"""A plane through heights that were found at several places: a slide is flat, and seldom level."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hcc_scope.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.run_events import JsonValue

__all__ = ["FEWEST_POINTS", "FocusPlane", "PlanePoint", "fit_plane"]

FEWEST_POINTS = 6
"""A plane needs three; with six, one that is wrong still stands out."""
_NOISE_UM = 1.5
"""A height that differs from the plane by less is no outlier: a focus may be 1 um off, and tissue is uneven."""
_DEVIATIONS = 2.5
"""How many standard deviations a height may lie off the plane that it belongs to."""
_REPEATS = 5
_LEAST_WIDTH = 0.02
"""Points that are spread less than this across, relative to along, lie in a line."""
_MOST_TRIPLES = 2000
_HEIGHT_UM = 0.5
"""Standard deviation of a height that was found, at least, however well few points agree."""


class PlanePoint(NamedTuple):
    """Where the focus was found."""

    x_um: float
    y_um: float
    z_um: float


@dataclass(frozen=True, slots=True)
class FocusPlane:
    """z = z0_um + slope_x * (x - x0_um) + slope_y * (y - y0_um)."""

    x0_um: float
    """Centre of the points that were used."""
    y0_um: float
    z0_um: float
    slope_x: float
    """um of height per um of x."""
    slope_y: float
    points: tuple[PlanePoint, ...]
    residuals_um: tuple[float, ...]
    """Height of each point above the plane."""
    outliers: tuple[int, ...]
    """Indices of the points that the plane does not rest on."""
    residual_um: float
    """Root mean square over the points that it rests on."""

    def z_um(self, x_um: float, y_um: float) -> float:
        """Return the plane's height at a place."""
        return self.z0_um + self.slope_x * (x_um - self.x0_um) + self.slope_y * (y_um - self.y0_um)

    def uncertainty_um(self, x_um: float, y_um: float) -> float:
        """Return the standard error of the plane's height at a place; it grows with the distance from the points."""
        used = np.array([one for i, one in enumerate(self.points) if i not in self.outliers], dtype=np.float64)
        n = len(used)
        scatter_um = max(_HEIGHT_UM, self.residual_um * math.sqrt(n / max(1, n - 3)))  # three numbers make a plane
        away = np.array([1.0, x_um - self.x0_um, y_um - self.y0_um])
        design = np.column_stack([np.ones(n), used[:, 0] - self.x0_um, used[:, 1] - self.y0_um])
        leverage = float(away @ np.linalg.pinv(design.T @ design) @ away)
        return scatter_um * math.sqrt(leverage)

    def as_facts(self) -> dict[str, JsonValue]:
        """Return everything as JSON, to be recorded."""
        return {
            "x0_um": self.x0_um,
            "y0_um": self.y0_um,
            "z0_um": self.z0_um,
            "slope_x": self.slope_x,
            "slope_y": self.slope_y,
            "residual_um": self.residual_um,
            "points_um": [list(point) for point in self.points],
            "residuals_um": list(self.residuals_um),
            "outliers": list(self.outliers),
        }


def fit_plane(points: Sequence[tuple[float, float, float]]) -> FocusPlane:
    """Fit a plane that single wrong points do not pull.

    Least median of squares finds the points that agree, least squares fits them. P. J. Rousseeuw, "Least median of
    squares regression", J. Am. Stat. Assoc. 79 (1984) 871.

    Parameters
    ----------
    points : sequence of (x_um, y_um, z_um)
        At least `FEWEST_POINTS`, not all in one line.

    Raises
    ------
    PlanError
        If there are too few, or those that agree lie in a line.
    """
    given = tuple(PlanePoint(*map(float, point)) for point in points)
    if len(given) < FEWEST_POINTS:
        raise PlanError(f"a focus plane needs at least {FEWEST_POINTS} points, and there are {len(given)}")
    values = np.array(given, dtype=np.float64)  # (n, 3)
    if not np.isfinite(values).all():
        raise PlanError("a point of the focus plane is no position")
    _need_area(values)
    agreeing = _agreeing(values)
    _need_area(values[agreeing])
    for _ in range(_REPEATS):
        plane = _least_squares(values, given, agreeing)
        distances_um = np.abs(plane.residuals_um)
        again = distances_um <= max(_NOISE_UM, _DEVIATIONS * plane.residual_um)
        if (again == agreeing).all() or again.sum() < agreeing.sum():
            break
        agreeing = again
    return plane


def _least_squares(values: NDArray[np.float64], given: tuple[PlanePoint, ...], used: NDArray[np.bool_]) -> FocusPlane:
    """Return the plane nearest to the points (n, 3) that are used (n,)."""
    x_um, y_um, z_um = values.T
    x0_um, y0_um = float(x_um[used].mean()), float(y_um[used].mean())
    design = np.column_stack([np.ones(len(values)), x_um - x0_um, y_um - y0_um])
    numbers, *_ = np.linalg.lstsq(design[used], z_um[used], rcond=None)
    residuals_um = z_um - design @ numbers
    return FocusPlane(
        x0_um=x0_um,
        y0_um=y0_um,
        z0_um=float(numbers[0]),
        slope_x=float(numbers[1]),
        slope_y=float(numbers[2]),
        points=given,
        residuals_um=tuple(residuals_um.tolist()),
        outliers=tuple(np.flatnonzero(~used).tolist()),
        residual_um=float(np.sqrt(np.mean(residuals_um[used] ** 2))),
    )


def _need_area(values: NDArray[np.float64]) -> None:
    """Raise `PlanError` if points (n, 3) lie in a line: a plane could turn around it."""
    spread = np.linalg.svd(values[:, :2] - values[:, :2].mean(axis=0), compute_uv=False)
    if len(spread) < 2 or spread[1] <= _LEAST_WIDTH * spread[0]:
        raise PlanError(
            "the points of the focus plane lie in one line, so that it could turn around it",
            hint="Choose places that are spread over the section.",
        )


def _agreeing(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (n,) which of the points (n, 3) lie in the plane that half of them lie nearest to."""
    n, heights_um = len(values), values[:, 2]
    places = np.column_stack([np.ones(n), values[:, :2] - values[:, :2].mean(axis=0)])  # (n, 3): 1, x, y
    triples = np.array(list(itertools.combinations(range(n), 3)))
    if len(triples) > _MOST_TRIPLES:  # a regular choice among them: the same points give the same plane
        triples = triples[np.linspace(0, len(triples) - 1, _MOST_TRIPLES).astype(np.intp)]
    corners = places[triples]  # (k, 3, 3)
    area = np.abs(np.linalg.det(corners))
    fair = area > _LEAST_WIDTH * area.max()
    planes = np.linalg.solve(corners[fair], heights_um[triples[fair]][..., None])[..., 0]  # (k, 3)
    squares = (heights_um - planes @ places.T) ** 2  # (k, n)
    # n // 2 + 2 points: of a smaller half, three would agree by construction
    within = np.sort(squares, axis=1)[:, n // 2 + 1]
    best = int(np.argmin(within))
    scale_um = 1.4826 * (1 + 5 / (n - 3)) * math.sqrt(float(within[best]))
    agreeing: NDArray[np.bool_] = np.sqrt(squares[best]) <= max(_NOISE_UM, _DEVIATIONS * scale_um)
    return agreeing

"""Where the tissue lies, from a sparse scan: samples of tissue and glass in, an outline for a plan out. Pure.

The rules, in order:

1. Between the samples the share of tissue is interpolated linearly; what has at least half of it is tissue.
2. Gaps narrower than the spacing of the scan are closed: the scan cannot tell them from what lies between its fields.
3. Of several pieces the largest is taken; the others are reported. Holes inside it are filled, as an outline has none.
4. Its edge is simplified, by no more than a small share of the spacing, and so that no two edges cross.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, spatial
from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator

from hcc_scope.errors import PlanError
from hcc_scope.formatting import counted
from hcc_scope.plans.outline import area_um2
from hcc_scope.plans.raster_edge import largest_piece, simplified, traced_edge

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TissueOutline", "scan_lines", "tissue_outline"]

_TISSUE_SHARE = 0.5
_CELLS_PER_SPACING = 12
_MOST_CELLS = 500
"""Of the raster, along its longer side."""
_TOLERANCE = 0.15
"""How far the edge may be simplified, as a share of the spacing: few corners, so that it can be mended by hand."""
_SIDES = ("low x", "high x", "low y", "high y")


@dataclass(frozen=True, slots=True)
class TissueOutline:
    """The outline of the largest piece of tissue in a scanned area."""

    points_um: tuple[tuple[float, float], ...]
    """Corners x, y in order; no two edges cross."""
    margin_um: float
    """How far the tissue's edge may lie from the outline: half the diagonal way between two samples, and what its
    simplification moves."""
    area_um2: float
    reaches: tuple[str, ...]
    """Sides of the scanned area that the tissue reaches: it may go on there."""
    others_um2: tuple[float, ...]
    """Areas of the pieces that were left out, largest first."""
    holes_um2: float = 0.0
    """Area inside the outline that showed no tissue, without the gaps that the scan cannot tell."""

    def remarks(self) -> tuple[str, ...]:
        """Return what an operator must know of it, as sentences."""
        said = [f"The edge of the tissue is known to ± {self.margin_um:.0f} um."]
        if self.reaches:
            said.append(
                f"The tissue reaches the edge of the scanned area at {' and '.join(self.reaches)}: it may go on there;"
                " scan a larger area."
            )
        if self.holes_um2:
            said.append(
                f"{self.holes_um2 / 1e6:.2f} mm² inside the outline are holes without tissue: fields may lie there."
            )
        if self.others_um2:
            sizes = ", ".join(f"{one / 1e6:.2f}" for one in self.others_um2[:3])
            more = ", ..." if len(self.others_um2) > 3 else ""
            said.append(
                f"{counted(len(self.others_um2), 'smaller piece')} of tissue ({sizes}{more} mm²) is left out."
                if len(self.others_um2) == 1
                else f"{counted(len(self.others_um2), 'smaller piece')} of tissue ({sizes}{more} mm²) are left out."
            )
        return tuple(said)


def scan_lines(low: float, high: float, size: float, spacing: float) -> list[float]:
    """Return the centres of fields along one direction, evenly spaced from edge to edge, no more than `spacing` apart.

    Parameters
    ----------
    low, high : float
        The area's ends.
    size : float
        Of a field: the first one begins at `low`, the last one ends at `high`.
    spacing : float
        Largest distance of two neighbours' centres.

    Examples
    --------
    >>> scan_lines(0, 1000, 200, 500)
    [100.0, 500.0, 900.0]
    """
    room = high - low - size
    if room <= 1e-6 * size:
        return [(low + high) / 2]
    n = max(1, int(np.ceil(room / spacing - 1e-9))) + 1  # the 1e-9 forgives rounding of an exact fit
    return [low + size / 2 + room * i / (n - 1) for i in range(n)]


def tissue_outline(
    places_um: NDArray[np.float64],
    shares: NDArray[np.float64],
    area_um: tuple[float, float, float, float],
    spacing_um: float,
) -> TissueOutline:
    """Return the outline of the tissue in a scanned area.

    Parameters
    ----------
    places_um : (n, 2)
        Centres x, y of the samples on the stage.
    shares : (n,)
        Share of tissue in each, 0 to 1.
    area_um : (x0, y0, x1, y1)
        What the samples speak for: the tissue is not looked for beyond it.
    spacing_um : float
        Largest distance of neighbouring samples.

    Raises
    ------
    PlanError
        If there is no sample, or no tissue among them.
    """
    if not len(places_um):
        raise PlanError("the prescan took no field", hint="Choose a larger area.")
    x0, y0, x1, y1 = area_um
    if not (shares >= _TISSUE_SHARE).any():
        raise PlanError(
            f"no tissue was found in {x1 - x0:,.0f} x {y1 - y0:,.0f} um around x = {(x0 + x1) / 2:,.0f},"
            f" y = {(y0 + y1) / 2:,.0f} um: at most {100 * shares.max():.0f} % of a place is textured as tissue is,"
            f" and {100 * _TISSUE_SHARE:.0f} % are needed",
            hint="Check the focus, the exposure and the area, or scan with a smaller spacing.",
        )
    pitch = max(spacing_um / _CELLS_PER_SPACING, max(x1 - x0, y1 - y0) / _MOST_CELLS)
    columns, rows = (max(1, round(side / pitch)) for side in (x1 - x0, y1 - y0))
    step = np.array([(x1 - x0) / columns, (y1 - y0) / rows])
    xs = np.linspace(x0 + step[0] / 2, x1 - step[0] / 2, columns, dtype=np.float64)
    ys = np.linspace(y0 + step[1] / 2, y1 - step[1] / 2, rows, dtype=np.float64)
    mask = _interpolated(places_um, shares, xs, ys) >= _TISSUE_SHARE
    closed = _closed(mask, spacing_um / 2 / step)
    piece, others = largest_piece(ndimage.binary_fill_holes(closed))
    if not piece.any():  # a sample so small, or so near the edge, that no cell's middle is as near to it
        raise PlanError("the tissue is smaller than the prescan can outline", hint="Scan with a smaller spacing.")
    edge = np.array([x0, y0]) + traced_edge(piece) * step
    tolerance = max(float(step.max()), _TOLERANCE * spacing_um)
    points = simplified(edge, tolerance)
    touched = (piece[:, 0], piece[:, -1], piece[0], piece[-1])
    cell_um2 = float(step.prod())
    return TissueOutline(
        points_um=tuple((float(x), float(y)) for x, y in points),
        margin_um=spacing_um / math.sqrt(2) + tolerance,
        area_um2=area_um2(points),
        reaches=tuple(side for side, cells in zip(_SIDES, touched, strict=True) if cells.any()),
        others_um2=tuple(n * cell_um2 for n in others),
        holes_um2=float((piece & ~closed).sum()) * cell_um2,
    )


def _interpolated(
    places: NDArray[np.float64], shares: NDArray[np.float64], xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of tissue at each cell (y, x): linear between samples, the nearest one's beyond them."""
    x, y = np.meshgrid(xs, ys)
    nearest: NDArray[np.float64] = NearestNDInterpolator(places, shares)(x, y)
    if np.linalg.matrix_rank(places - places[0]) < 2:  # on one line
        return nearest
    try:
        between = LinearNDInterpolator(places, shares)(x, y)
    except spatial.QhullError:  # nearly on one line
        return nearest
    return np.where(np.isnan(between), nearest, between)


def _closed(mask: NDArray[np.bool_], radius_cells: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Close gaps narrower than twice the radius, along x and y in cells."""
    rx, ry = (max(1, int(radius)) for radius in radius_cells)
    y, x = np.ogrid[-ry : ry + 1, -rx : rx + 1]
    disc = (x / rx) ** 2 + (y / ry) ** 2 <= 1
    # a margin of glass: what lies beyond the scan is not known, and closes nothing
    wide = np.pad(mask, ((ry, ry), (rx, rx)))
    closed: NDArray[np.bool_] = ndimage.binary_closing(wide, disc)[ry:-ry, rx:-rx]
    return closed

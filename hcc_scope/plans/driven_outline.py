"""The outline of a section from the course of a drive round it, by hand. Pure.

A hand does not close its way, wobbles, crosses it, and goes on beyond its start; where tracking was lost the course has
gaps. So the area is taken that the course surrounds, and not the course itself:

1. The pieces of the course are joined in order, and the end with the start, by straight lines.
2. What lies inside is filled. Strands that surround nothing, such as a way beyond the start, fall away.
3. Of several areas the largest is taken, and its edge is simplified so that no two edges cross.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from hcc_scope.errors import PlanError
from hcc_scope.plans.outline import check_outline
from hcc_scope.plans.raster_edge import largest_piece, simplified, traced_edge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["DrivenOutline", "corner_outline", "driven_outline"]

_CELLS = 400
"""Of the raster, along the longer side of the course."""
_STRAND_CELLS = 2
"""Strands up to twice that wide fall away, as does a wobble of that size."""
_TOLERANCE_CELLS = 2.0
"""How far the edge is simplified: few corners, so that it can be mended by hand."""
_LONG_BRIDGE = 0.1
"""Share of the way round that straight lines across gaps may make up without a remark."""
_HINT = "Drive once round the section, along its edge."


@dataclass(frozen=True, slots=True)
class DrivenOutline:
    """What a drive round a section gives."""

    points_um: tuple[tuple[float, float], ...]
    """Corners x, y in order; no two edges cross."""
    bridged_share: float
    """Of the way round, what is a straight line across a gap: between end and start, or where tracking was lost."""

    @property
    def remark(self) -> str:
        """What to look at before it is used, as a sentence; empty if nothing."""
        if self.bridged_share <= _LONG_BRIDGE:
            return ""
        return (
            f"{100 * self.bridged_share:.0f} % of the outline are straight lines where the position was not known, or"
            " where the way did not close: compare it with the map."
        )


def driven_outline(pieces: Sequence[Sequence[tuple[float, float]]]) -> DrivenOutline:
    """Return the outline of the area that a course surrounds.

    Parameters
    ----------
    pieces : sequence of sequence of (x, y)
        Parts of the course in um, in order; between two of them the position was not known.

    Raises
    ------
    PlanError
        If it surrounds no area.
    """
    known = [np.asarray(piece, dtype=np.float64).reshape(-1, 2) for piece in pieces if len(piece)]
    course = np.concatenate(known) if known else np.empty((0, 2))
    size = np.ptp(course, axis=0) if len(course) else np.zeros(2)
    if len(course) < 3 or not size.all():
        raise PlanError("the way surrounds no area", hint=_HINT)
    pitch = float(size.max()) / _CELLS
    margin = _STRAND_CELLS + 2
    origin = course.min(axis=0) - margin * pitch
    columns, rows = (math.ceil(one / pitch) + 2 * margin + 1 for one in size.tolist())
    mask = np.zeros((rows, columns), dtype=bool)
    at = np.rint(_dense(course, pitch / 2) / pitch - origin / pitch).astype(int)
    mask[at[:, 1], at[:, 0]] = True
    # the line's own cells on the outside go, so that the edge runs along its middle
    filled = ndimage.binary_fill_holes(mask)
    y, x = np.ogrid[-_STRAND_CELLS : _STRAND_CELLS + 1, -_STRAND_CELLS : _STRAND_CELLS + 1]
    opened = ndimage.binary_opening(filled, x**2 + y**2 <= _STRAND_CELLS**2)
    piece, _ = largest_piece(opened)
    if not piece.any():
        raise PlanError("the way surrounds no area: it runs along a line", hint=_HINT)
    edge = origin + (traced_edge(piece) - 0.5) * pitch
    points = simplified(edge, _TOLERANCE_CELLS * pitch)
    corners = tuple((float(px), float(py)) for px, py in points)
    check_outline(corners)
    return DrivenOutline(corners, _bridged_share(known))


def corner_outline(corners: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return marked corners as an outline: in their order, or, if that crosses itself, in order round their middle.

    Raises
    ------
    PlanError
        If no outline can be made of them.
    """
    try:
        check_outline(corners)
    except PlanError:
        middle = np.mean(np.asarray(corners, dtype=np.float64), axis=0)
        corners = sorted(corners, key=lambda corner: math.atan2(corner[1] - middle[1], corner[0] - middle[0]))
        check_outline(corners)
    return tuple((float(x), float(y)) for x, y in corners)


def _dense(course: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Return points along the closed course, no farther apart than `step`."""
    ends = np.roll(course, -1, axis=0)
    n = np.maximum(np.ceil(np.hypot(*(ends - course).T) / step), 1).astype(int)
    start = np.repeat(course, n, axis=0)
    way = np.repeat((ends - course) / n[:, None], n, axis=0)
    i = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
    points: NDArray[np.float64] = start + i[:, None] * way
    return points


def _bridged_share(pieces: Sequence[NDArray[np.float64]]) -> float:
    driven = sum(float(np.hypot(*np.diff(piece, axis=0).T).sum()) for piece in pieces)
    gaps = [float(np.hypot(*(after[0] - before[-1]))) for before, after in itertools.pairwise(pieces)]
    # a way that goes on beyond its start has closed where it came near it
    course = np.concatenate(pieces)
    third = len(course) // 3 + 1
    from_end = np.hypot(*(course[:third] - course[-1]).T).min()
    from_start = np.hypot(*(course[-third:] - course[0]).T).min()
    gaps.append(float(min(from_end, from_start)))
    return sum(gaps) / (driven + sum(gaps))

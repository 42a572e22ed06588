"""From the cells of a raster to the outline of its largest piece: a polygon with few corners and no crossings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from hcc_scope.plans.outline import first_crossing

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["largest_piece", "simplified", "traced_edge"]


def largest_piece(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], list[int]]:
    """Return the largest piece, without places where it touches itself at a corner, and the others' cells."""
    labels, n = ndimage.label(mask)
    if n == 0:
        return mask, []
    sizes = np.bincount(labels.ravel())[1:]
    piece = labels == 1 + int(np.argmax(sizes))
    while (pinches := _pinches(piece)).any():
        rows, columns = np.nonzero(pinches)
        for dy in (0, 1):
            for dx in (0, 1):
                piece[rows + dy, columns + dx] = True
        piece = ndimage.binary_fill_holes(piece)
    others = sorted(np.delete(sizes, np.argmax(sizes)).tolist(), reverse=True)
    return piece, others


def _pinches(piece: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where two cells of a piece touch at a corner only: (y - 1, x - 1), by the upper left cell of four."""
    a, b, c, d = piece[:-1, :-1], piece[:-1, 1:], piece[1:, :-1], piece[1:, 1:]
    pinches: NDArray[np.bool_] = (a == d) & (b == c) & (a != b)
    return pinches


def traced_edge(piece: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the edge of a piece without holes and pinches as corners of cells, (n, 2) x, y, in order."""
    wide = np.pad(piece, 1)
    follows: dict[tuple[int, int], tuple[int, int]] = {}
    # each cell's side that faces glass, walked with the tissue on one hand
    for (dy, dx), (one, other) in {
        (-1, 0): ((0, 0), (1, 0)),
        (0, 1): ((1, 0), (1, 1)),
        (1, 0): ((1, 1), (0, 1)),
        (0, -1): ((0, 1), (0, 0)),
    }.items():
        beside = np.roll(wide, (-dy, -dx), axis=(0, 1))
        for row, column in zip(*np.nonzero(wide & ~beside), strict=True):
            x, y = int(column) - 1, int(row) - 1
            follows[x + one[0], y + one[1]] = (x + other[0], y + other[1])
    start = at = next(iter(follows))
    way = [start]
    while (at := follows[at]) != start:
        way.append(at)
    return np.array(way, dtype=np.float64)


def simplified(edge: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Return fewer corners, none farther from the edge than the tolerance, without crossings."""
    while tolerance > 1e-3:
        far = int(np.argmax(((edge - edge[0]) ** 2).sum(axis=1)))
        halves = (edge[: far + 1], np.concatenate([edge[far:], edge[:1]]))
        points = np.concatenate([half[_kept(half, tolerance)][:-1] for half in halves])
        if len(points) >= 3 and first_crossing(points) is None:
            return points
        tolerance /= 2
    return edge


def _kept(line: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    """Return which points of an open line to keep (Ramer, Douglas and Peucker)."""
    keep = np.zeros(len(line), dtype=bool)
    keep[[0, -1]] = True
    waiting = [(0, len(line) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        a, d = line[first], line[last] - line[first]
        inner = line[first + 1 : last] - a
        length = float(np.hypot(*d))
        away = np.hypot(*inner.T) if length == 0 else np.abs(d[0] * inner[:, 1] - d[1] * inner[:, 0]) / length
        worst = int(np.argmax(away))
        if away[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            waiting += [(first, middle), (middle, last)]
    return keep

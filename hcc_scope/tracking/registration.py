"""How far one field lies from another, from their pictures: a shift, or the answer that there is none.

A windowed phase correlation proposes shifts; the correlation of the two pictures over their true overlap accepts one
of them or none. The height of the peak decides nothing: peaks of fields that share nothing can be higher than true
ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from hcc_scope.tracking.picture import BLOCK_PX, block_covariances

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcc_scope.tracking.picture import Picture
    from hcc_scope.tracking.settings import TrackSettings

__all__ = [
    "Match",
    "Proposal",
    "agreements",
    "chosen",
    "correlation_at",
    "match",
    "measure",
    "proposals",
    "refine",
    "repeats",
    "threshold",
    "turn",
]

F32 = NDArray[np.float32]

_WHITENING = 0.4
"""Power of the cross-spectrum's squared magnitude by which it is divided: 0.5 is phase correlation, 0 is plain."""
_PEAKS_PX = (3, 3, 8, 8, 8)
"""Neighbourhood of each of the highest peaks, in reduced px, in which there is no further one: the first three may lie
close together, the others are those of a picture that repeats itself."""
_APART_PX = 6
"""Distance, in reduced px, of shifts that contradict each other."""
_AMBIGUOUS = 0.7
"""A shift whose correlation is this share of the best one's makes the picture ambiguous: a repeating pattern."""
_REPEATS = 0.25
"""A correlation that chance does not reach."""
_SE_FACTOR = 1.8
_SE_UNLIKE_PX = 12.0
"""Standard error of a shift between pictures that have nothing in common: motion blur moves the middle of a picture."""
_SE_FLOOR_PX = 0.055
_MAX_STEPS = 4
_BEYOND_DOUBT = 0.85
"""Correlation from which on it is not asked whether the picture resembles itself as much ..."""
_MORE_THAN_ITSELF = 0.25
"""... as, less this, it resembles the other one."""
_DIRT_PX = 8
"""Offset, in reduced px, up to which dirt on the sensor lies over itself, so that its agreement proves nothing."""
_DISAGREES = 0.3
"""Correlation of a block below which it does not show the same part of the specimen."""
_MOST_DISAGREE = 0.15
"""Share of the blocks that may disagree if a specimen is at rest: next to none do, also if the focus is turned, and a
quarter after a move by four px."""
_LEAST_BLOCKS = 12


@dataclass(frozen=True, slots=True)
class Match:
    """Where a field lies relative to another one."""

    offset_yx: tuple[float, float]
    """In reduced px: a point of the specimen is at ``p`` in the first picture and at ``p - offset`` in the second."""
    correlation: float
    """Over the true overlap, -1 to 1."""
    overlap: float
    """Share of the field, 0 to 1."""
    se_px: float
    """Standard error of each coordinate of the offset, in reduced px."""


@dataclass(frozen=True, slots=True, order=True)
class Proposal:
    """A shift that a peak of the phase correlation stands for."""

    correlation: float
    """Over the overlap that it would leave."""
    overlap: float
    dy: int
    dx: int


def threshold(overlap: float, settings: TrackSettings) -> float:
    """Return the smallest correlation that is accepted at an overlap; chance correlates small overlaps more.

    Twice to three times what pairs of fields reach that are known not to overlap: ``python -m
    benchmarks.tracking_threshold``.
    """
    return settings.min_correlation + 0.08 / math.sqrt(max(overlap, 0.01))


def match(first: Picture, second: Picture, settings: TrackSettings) -> Match | None:
    """Return where the second field lies relative to the first, without knowing anything before; None if unknown."""
    return chosen(first, second, proposals(first, second, settings), settings)


def chosen(first: Picture, second: Picture, found: list[Proposal], settings: TrackSettings) -> Match | None:
    """Return the offset that one of the proposed shifts leads to, if there is one, and only one."""
    if not found or repeats(found):
        return None
    best = max(found)
    seen = measure(first, second, (best.dy, best.dx), settings)
    if seen is not None and best.correlation < _BEYOND_DOUBT:
        if best.correlation < _self_similarity(second, settings) + _MORE_THAN_ITSELF:
            return None
    return seen


def measure(first: Picture, second: Picture, near_yx: tuple[float, float], settings: TrackSettings) -> Match | None:
    """Return where the second field lies relative to the first, near a presumed offset; None if it does not lie there.

    A specimen that seems to rest while parts of the picture disagree has moved behind dirt.
    """
    seen = refine(first.structure, second.structure, near_yx, settings)
    if seen is None:
        return None
    dy, dx = round(seen.offset_yx[0]), round(seen.offset_yx[1])
    if max(abs(dy), abs(dx)) < _DIRT_PX:
        blocks = agreements(first, second, dy, dx)
        if blocks.size >= _LEAST_BLOCKS and float((blocks < _DISAGREES).mean()) > _MOST_DISAGREE:
            return None
    return seen


def agreements(first: Picture, second: Picture, dy: int = 0, dx: int = 0) -> F32:
    """Return the correlations, at a whole offset, of the blocks in which both pictures have structure; 1-d."""
    one, two = _overlapping(first.structure, second.structure, dy, dx)
    one, two = one[::2, ::2], two[::2, ::2]
    side = BLOCK_PX // 2
    size_1, size_2 = block_covariances(one, one, side), block_covariances(two, two, side)
    filled = (size_1 > first.floor**2) & (size_2 > second.floor**2)
    covariance = block_covariances(one, two, side)
    blocks: F32 = covariance[filled] / np.sqrt(size_1[filled] * size_2[filled])
    return blocks


def repeats(found: list[Proposal]) -> bool:
    """Return whether several of the proposed shifts fit about as well: the picture repeats itself."""
    best = max(found, default=None)
    if best is None or best.correlation < _REPEATS:
        return False
    return any(
        other.correlation > _AMBIGUOUS * best.correlation
        and max(abs(other.dy - best.dy), abs(other.dx - best.dx)) > _APART_PX
        for other in found
    )


def turn(first: Picture, second: Picture, seen: Match, settings: TrackSettings) -> float:
    """Return by how many radians the specimen is turned between two pictures of one place; 0 if that is not seen."""
    one, two = _overlapping(first.structure, second.structure, round(seen.offset_yx[0]), round(seen.offset_yx[1]))
    height, width = (side // 2 for side in one.shape)
    parts = [(slice(None), slice(width)), (slice(None), slice(width, None))]
    parts += [(slice(height), slice(None)), (slice(height, None), slice(None))]
    left, right, top, bottom = (refine(one[part], two[part], (0.0, 0.0), settings) for part in parts)
    if left is None or right is None or top is None or bottom is None:
        return 0.0
    across = (right.offset_yx[0] - left.offset_yx[0]) / width
    down = (bottom.offset_yx[1] - top.offset_yx[1]) / height
    return float(across - down) / 2


def _self_similarity(picture: Picture, settings: TrackSettings) -> float:
    """Return how well a picture correlates with itself elsewhere: so does any other field, if a pattern goes on."""
    found = proposals(picture, picture, settings)
    return max((one.correlation for one in found if max(abs(one.dy), abs(one.dx)) > _APART_PX), default=0.0)


def proposals(first: Picture, second: Picture, settings: TrackSettings) -> list[Proposal]:
    """Return the shifts that the highest peaks may stand for, each with the correlation of the overlap it leaves."""
    a, b = first.structure, second.structure
    found = []
    for dy, dx in _candidates(first, second):
        share = _overlap(dy, dx, a.shape)
        if share >= settings.min_overlap:
            found.append(Proposal(correlation_at(a, b, dy, dx, step=2), share, dy, dx))
    return found


def refine(
    a: F32, b: F32, near_yx: tuple[float, float], settings: TrackSettings, reach_px: float = 3.0
) -> Match | None:
    """Return the offset near a presumed one, to a fraction of a px; None if the pictures do not agree there.

    Least squares of the difference of the overlaps on their mean gradient, repeated until the shift left is below
    half a px (Lucas and Kanade 1981, symmetric in both pictures).
    """
    dy, dx = round(near_yx[0]), round(near_yx[1])
    for _ in range(_MAX_STEPS):
        share = _overlap(dy, dx, a.shape)
        if share < settings.min_overlap:
            return None
        one, two = _overlapping(a, b, dy, dx)
        one, two = _standard(one), _standard(two)
        correlation = float(np.vdot(one, two)) / one.size
        mean = one + two
        gy = mean[2:, 1:-1] - mean[:-2, 1:-1]
        gx = mean[1:-1, 2:] - mean[1:-1, :-2]
        gy *= np.float32(0.25)
        gx *= np.float32(0.25)
        error = (two - one)[1:-1, 1:-1]
        yy, xx, xy = float(np.vdot(gy, gy)), float(np.vdot(gx, gx)), float(np.vdot(gy, gx))
        ey, ex = float(np.vdot(gy, error)), float(np.vdot(gx, error))
        determinant = yy * xx - xy * xy
        if determinant <= 0.01 * yy * xx:  # an edge, not a texture: the shift along it is not known
            return None
        y, x = (xx * ey - xy * ex) / determinant, (yy * ex - xy * ey) / determinant
        if abs(y) <= 0.75 and abs(x) <= 0.75:
            break
        dy, dx = dy + int(np.clip(round(y), -2, 2)), dx + int(np.clip(round(x), -2, 2))
        if max(abs(dy - near_yx[0]), abs(dx - near_yx[1])) > reach_px:
            return None
    else:
        return None
    if correlation < threshold(share, settings):
        return None
    left = max(float(np.vdot(error, error)) - y * ey - x * ex, 0.0) / error.size
    variance = left * max(yy, xx) / determinant
    unlike_px = _SE_UNLIKE_PX * (1.0 - correlation) ** 2
    se_px = math.sqrt(_SE_FLOOR_PX**2 + _SE_FACTOR**2 * variance + unlike_px**2)
    return Match((dy + y, dx + x), correlation, share, se_px)


def correlation_at(a: F32, b: F32, dy: int, dx: int, *, step: int = 1) -> float:
    """Return the correlation of two pictures over their overlap at a whole offset, from every ``step``-th px."""
    one, two = _overlapping(a, b, dy, dx)
    one, two = one[::step, ::step], two[::step, ::step]
    n = one.size
    mean_1, mean_2 = float(one.mean()), float(two.mean())
    covariance = float(np.einsum("ij,ij->", one, two)) / n - mean_1 * mean_2
    variance_1 = float(np.einsum("ij,ij->", one, one)) / n - mean_1**2
    variance_2 = float(np.einsum("ij,ij->", two, two)) / n - mean_2**2
    if variance_1 <= 1e-6 or variance_2 <= 1e-6:
        return 0.0
    return covariance / math.sqrt(variance_1 * variance_2)


def _candidates(first: Picture, second: Picture) -> Iterator[tuple[int, int]]:
    """Yield the offsets at which the highest peaks may lie: a peak does not know how often it was wrapped round."""
    cross = first.spectrum * second.spectrum.conj()
    power = cross.real**2 + cross.imag**2
    power += np.float32(1e-6 * float(power.max()) + 1e-12)
    cross *= power ** np.float32(-_WHITENING)
    height, width = first.structure.shape
    surface = fft.irfft2(cross, s=(height, width), workers=1, overwrite_x=True)
    for reach in _PEAKS_PX:
        y, x = divmod(int(surface.argmax()), width)
        for dy in (y, y - height):
            for dx in (x, x - width):
                yield dy, dx
        rows = np.arange(y - reach, y + reach + 1) % height
        columns = np.arange(x - reach, x + reach + 1) % width
        surface[np.ix_(rows, columns)] = -np.inf


def _overlap(dy: float, dx: float, shape_yx: tuple[int, ...]) -> float:
    return max(0.0, 1.0 - abs(dy) / shape_yx[0]) * max(0.0, 1.0 - abs(dx) / shape_yx[1])


def _overlapping(a: F32, b: F32, dy: int, dx: int) -> tuple[F32, F32]:
    height, width = a.shape
    one = a[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
    two = b[max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
    return one, two


def _standard(part: F32) -> F32:
    scaled: F32 = part - part.mean()
    spread = float(np.vdot(scaled, scaled)) / scaled.size
    scaled *= np.float32(1.0 / max(spread, 1e-12) ** 0.5)
    return scaled

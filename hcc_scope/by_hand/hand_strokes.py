"""The strokes of a hand on its way to a target, and whether they lead there. Pure.

A *stroke* leads from rest to rest, or to where the position is lost; a long one is counted piece by piece. What the
hand saw when it began is what it may have followed: a move that began without an arrow, such as the way back to where
the position is known, is none, and the hand must have had time to look at the arrow that is shown again.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

__all__ = ["HandStrokes", "Stroke"]

Pair = tuple[float, float]

_REST_S = 0.2
_TIME_S = 0.01
"""Times of frames are that exact."""
_REST = 0.03
"""The hand rests if it stays within this share of a field for that long: more than tremor, less than a slow move."""
_LOOK_S = 0.45
"""How long it rests to look at an arrow that is shown again. Between the strokes of a way back it rests for less."""
_LEAST_STROKE = 0.1
"""A shorter move, as a share of a field, shows no direction."""
_LONG_STROKE = 1.5
"""A longer one, in fields, was made with more than one look at the arrow."""
_LEAST_ARROW = 0.5
"""Nor does a move that begins so near to the target, in fields: the hand aims at the target, and not along an arrow."""
_ASTRAY = 0.15
"""The hand goes the other way once it has come so much farther from the target, in fields, than it was."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """One observation of how a hand responds to an arrow."""

    arrow: Pair
    """What was shown when it began, (right, down)."""
    moved: Pair
    """How the field moved in the picture, (right, down)."""


class HandStrokes:
    """Finds the strokes to one target after the other.

    Parameters
    ----------
    picture_um : (width, height)
        Of a field, as the picture shows it. All ways are in um to the right in the picture, and down.
    """

    def __init__(self, picture_um: Pair) -> None:
        self._picture_um = picture_um
        self._recent: deque[tuple[float, Pair]] = deque()
        """(t_s, way to the target), as far back as a rest is looked for."""
        self._look_s = _REST_S
        """How long a rest makes the hand ready for a stroke."""
        self._begin: tuple[Pair, Pair] | None = None
        """Where the stroke under way began: the way to the target, and the arrow that was shown."""
        self._last: Pair | None = None
        self._nearest = math.inf
        self._farthest = 0.0
        self._astray = False

    @property
    def astray(self) -> bool:
        """Whether the hand goes away from the target."""
        return self._astray

    def new_target(self) -> None:
        """Begin anew: what was shown until now led to another target."""
        self._recent.clear()
        self._begin = self._last = None
        self._nearest, self._farthest, self._astray = math.inf, 0.0, False

    def lost(self) -> Stroke | None:
        """Take note that the position is not known now; return the stroke that ends there, if one does."""
        ended = self._ended(self._last)
        self._recent.clear()
        self._begin = self._last = None
        self._look_s = _LOOK_S
        return ended

    def see(self, t_s: float, to_target: Pair, arrow: Pair) -> Stroke | None:
        """Take where the target lies, and the arrow that is shown there; return the stroke that ends there, if any."""
        self._last = to_target
        self._look_whether_astray(self._fields(to_target))
        self._recent.append((t_s, to_target))
        while len(self._recent) > 2 and self._recent[1][0] <= t_s - self._look_s:
            self._recent.popleft()
        at_rest = t_s - self._recent[0][0] >= self._look_s - _TIME_S and all(
            self._fields(_less(one, to_target)) <= _REST for _, one in self._recent
        )
        far = 0.0 if self._begin is None else self._fields(_less(self._begin[0], to_target))
        if not at_rest and far < _LONG_STROKE:
            return None
        ended = self._ended(to_target)
        self._begin, self._look_s = (to_target, arrow), _REST_S
        return ended

    def shown_otherwise(self, arrow: Pair) -> None:
        """Take note that the arrow is shown in other axes from now on."""
        if self._begin is not None:
            self._begin = (self._begin[0], arrow)

    def _ended(self, at: Pair | None) -> Stroke | None:
        if self._begin is None or at is None:
            return None
        start, arrow = self._begin
        moved = _less(start, at)
        if self._fields(moved) < _LEAST_STROKE or self._fields(start) < _LEAST_ARROW:
            return None
        return Stroke(arrow, moved)

    def _look_whether_astray(self, far: float) -> None:
        if self._astray:
            self._farthest = max(self._farthest, far)
            if far > max(self._farthest - _ASTRAY, _LEAST_ARROW):
                return
            self._astray, self._nearest = False, far
        self._nearest = min(self._nearest, far)
        if far > max(self._nearest + _ASTRAY, _LEAST_ARROW):
            self._astray, self._farthest = True, far

    def _fields(self, way: Pair) -> float:
        """Return how long a way is, in fields."""
        return max(abs(way[0]) / self._picture_um[0], abs(way[1]) / self._picture_um[1])


def _less(one: Pair, other: Pair) -> Pair:
    return one[0] - other[0], one[1] - other[1]

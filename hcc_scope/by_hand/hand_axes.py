"""Which way a hand goes when the screen shows an arrow: learned from its first moves.

A microscope turns the picture round, and some stages are driven by knobs: a hand that follows an arrow to the left may
bring the field to the right. If it does so consistently, the arrow is shown in the hand's axes: it then points to where
the hand has to go, and no longer to where the target lies in the picture.

Each *stroke*, from rest to rest, is one observation: the angle between the arrow and the move that followed. Eight ways
of responding are compared, the identity and the seven others that mirror, turn by quarters or swap the axes. An angle
is distributed about the one expected with the concentration `_KAPPA` (von Mises), or, in `_ASTRAY` of the strokes, is
any angle: a hand also does other things than follow arrows.

A wrong change is worse than none, since a hand adapts to what it sees. So the present way is given up only for one with
odds of `_ODDS` against it, and against strokes in any direction, after `_LEAST_STROKES` strokes; and for good, so that
the arrow never flips back and forth. Strokes along one axis alone leave the other axis open: it is settled, by another
change if need be, when the hand moves along it. A likelihood ratio reaches `_ODDS` with a probability of at most
1 / `_ODDS`, however long it is watched (Ville's inequality): a hand that follows the arrows, or pays no attention to
them, is not misread.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["HandAxes", "Pair"]

Pair = tuple[float, float]

_WAYS: tuple[tuple[float, float, float, float], ...] = (
    (1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1),
    (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0),
)  # fmt: skip
"""(a, b, c, d): a hand that sees the arrow (x, y) moves the field by (a x + b y, c x + d y).
The first changes nothing."""
_KAPPA = 6.0
"""Of the angle between an arrow and a hand's stroke: a standard deviation of about 25 degrees."""
_ASTRAY = 0.15
_LEAST_STROKES = 5
_ODDS = 1e4


class HandAxes:
    """Learns how a hand responds to arrows. Pure: the same strokes give the same answer."""

    def __init__(self) -> None:
        self._way = 0
        self._log_likelihood = np.zeros(len(_WAYS))
        """Against strokes in any direction."""
        self._given_up: set[int] = set()
        self._n = 0

    @property
    def learned(self) -> bool:
        """Whether arrows are shown in the hand's axes, which differ from the picture's."""
        return self._way != 0

    def shown(self, to_target: Pair) -> Pair:
        """Return the arrow to show, so that a hand that follows it moves the field by `to_target` (right, down)."""
        a, b, c, d = _WAYS[self._way]
        x, y = to_target
        return a * x + c * y + 0.0, b * x + d * y + 0.0  # the inverse of these is their transpose

    def stroke(self, arrow: Pair, move: Pair) -> bool:
        """Take a stroke: the arrow that was shown when it began, and how the field moved, both (right, down).

        Returns
        -------
        bool
            Whether arrows are shown differently from now on.
        """
        if not any(arrow) or not any(move):
            return False
        turn = math.atan2(move[1], move[0])
        ahead = [math.atan2(c * arrow[0] + d * arrow[1], a * arrow[0] + b * arrow[1]) for a, b, c, d in _WAYS]
        density = np.exp(_KAPPA * np.cos(turn - np.array(ahead))) / (2 * math.pi * np.i0(_KAPPA))
        self._log_likelihood += np.log((1 - _ASTRAY) * density * 2 * math.pi + _ASTRAY)
        self._n += 1
        best = max(set(range(len(_WAYS))) - self._given_up, key=lambda way: (self._log_likelihood[way], -way))
        against = min(self._log_likelihood[best] - self._log_likelihood[self._way], self._log_likelihood[best])
        if best == self._way or self._n < _LEAST_STROKES or against < math.log(_ODDS):
            return False
        self._given_up.add(self._way)
        self._way = best
        return True

"""Which way a hand goes when the screen shows an arrow: learned from its first moves.

A microscope turns the picture round, and some stages are driven by knobs: a hand that follows an arrow to the left may
bring the field to the right. If it does so consistently, the arrow is shown in the hand's axes: it then points to where
the hand has to go, and no longer to where the target lies in the picture.

Each *stroke* (`hcc_scope.by_hand.hand_strokes`) is one observation: the angle between the arrow and the move that
followed. Eight ways of responding are compared, the identity and the seven others that mirror, turn by quarters or swap
the axes. An angle is distributed about the one expected with the concentration `_KAPPA` (von Mises); or, as a knob
moves the stage along one axis alone, about one of the axes; or, in `_ASTRAY` of the strokes, is any angle: a hand also
does other things than follow arrows.

Strokes of one *run*, in about the same direction and with nothing between, share an intention: a hand that looks at
something on its way makes several. So each one of a run counts less than the one before. A run ends when the hand
turns, when the position is lost, and at a target.

A wrong change is worse than none, since a hand adapts to what it sees. So the present way is given up only with odds of
`_ODDS` against it, and of `_ODDS_AT_RANDOM` against strokes in any direction. A hand that follows the arrows soon has
so many strokes in favour that nothing it does on its way can outweigh them. Each further change needs the square of
the odds before, so that the arrow does not flip back and forth, and a wrong change can still be taken back. Strokes
along one axis alone leave the other axis open: it is settled, by another change if need be, when the hand moves along
it.
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
_KAPPA_KNOB = 50.0
"""Of the angle between an axis and the stroke of a knob: about 8 degrees."""
_ALONG_AXIS = 0.3
"""Share of the strokes along one axis alone."""
_NEEDED = 0.25
"""An arrow asks for a move along each axis of which it has this share of its length."""
_ASTRAY = 0.15
_LEAST_STROKES = 3
_ODDS = 1e4
_ODDS_AT_RANDOM = 1e3
_LOSSES, _ODDS_AFTER_LOSSES = 3, 200.0
"""Those odds are enough once so many strokes have lost the position: a hand does not seek that."""
_EVEN, _EVEN_KNOB = float(np.i0(_KAPPA)), float(np.i0(_KAPPA_KNOB))
"""A von Mises distribution is the exponential of the concentration times the cosine, over this; 1 is the even one."""
_RUN_TURN = math.radians(40.0)
"""A stroke whose direction differs by less from the last one belongs to the same run."""
_RUN_STROKES = 3.0
"""The stroke after so many others of its run counts half."""


class HandAxes:
    """Learns how a hand responds to arrows. Pure: the same strokes give the same answer."""

    def __init__(self) -> None:
        self._way = 0
        self._log_likelihood = np.zeros(len(_WAYS))
        """Against strokes in any direction."""
        self._n = self._changes = self._run = self._losses = 0
        self._last_turn: float | None = None

    @property
    def learned(self) -> bool:
        """Whether arrows are shown in the hand's axes, which differ from the picture's."""
        return self._way != 0

    def shown(self, to_target: Pair) -> Pair:
        """Return the arrow to show, so that a hand that follows it moves the field by `to_target` (right, down)."""
        a, b, c, d = _WAYS[self._way]
        x, y = to_target
        return a * x + c * y + 0.0, b * x + d * y + 0.0  # the inverse of these is their transpose

    def end_run(self) -> None:
        """Take note that the next stroke has an intention of its own."""
        self._last_turn = None

    def lost(self) -> None:
        """Take note that the position was lost."""
        self._losses += self._last_turn is not None
        self.end_run()

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
        same = self._last_turn is not None and math.cos(turn - self._last_turn) > math.cos(_RUN_TURN)
        self._run, self._last_turn = self._run + 1 if same else 0, turn
        weight = 1.0 / (1.0 + self._run / _RUN_STROKES)
        expected = [(a * arrow[0] + b * arrow[1], c * arrow[0] + d * arrow[1]) for a, b, c, d in _WAYS]
        self._log_likelihood += weight * np.log([(1 - _ASTRAY) * _density(turn, way) + _ASTRAY for way in expected])
        self._n += 1
        best = max(range(len(_WAYS)), key=lambda way: (self._log_likelihood[way], -way))
        against = self._log_likelihood[best] - self._log_likelihood[self._way]
        needed = 2.0**self._changes
        at_random = _ODDS_AFTER_LOSSES if self._losses >= _LOSSES else _ODDS_AT_RANDOM
        if (
            best == self._way
            or self._n < _LEAST_STROKES
            or against < needed * math.log(_ODDS)
            or self._log_likelihood[best] < math.log(at_random)
        ):
            return False
        self._way = best
        self._changes += 1
        return True


def _density(turn: float, expected: Pair) -> float:
    """Return how likely a stroke has that direction, against any other, if it is to move the field as expected."""
    x, y = expected
    length = math.hypot(x, y)
    axes = [
        angle
        for part, angle in ((x, 0.0 if x > 0 else math.pi), (y, math.copysign(math.pi / 2, y)))
        if abs(part) >= _NEEDED * length
    ]
    along = sum(math.exp(_KAPPA_KNOB * math.cos(turn - angle)) for angle in axes) / len(axes) / _EVEN_KNOB
    free = math.exp(_KAPPA * math.cos(turn - math.atan2(y, x))) / _EVEN
    return (1 - _ALONG_AXIS) * free + _ALONG_AXIS * along

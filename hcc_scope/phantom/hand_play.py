"""A hand that is played frame by frame: from a script, or along the arrow on the screen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from hcc_scope.phantom.hand import Hand, Stop
from hcc_scope.phantom.hand_scripts import FIELD_UM, edge_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.phantom.hand import Habits, HandScript
    from hcc_scope.phantom.hand_motion import Pose
    from hcc_scope.phantom.specimen import Specimen

__all__ = ["Ask", "GuidedHand", "PlayedHand", "PlayedScript", "Screen"]

Ask = Literal["close outline", "draw fields", "skip: bare glass", "skip: not reachable"]
"""What a hand presses a button for."""

_PATIENCE_S = 4.0
"""How long a hand waits at a target for it to be captured, before it skips it."""
_TISSUE = 0.1
"""Share of tissue below which a target is skipped as bare glass."""
_MOST_STROKES = 60
"""To one target: one that is not reached after so many is skipped."""
_MOST_RETURNS = 8
"""Likewise for one on whose way the position was lost so often."""
_INCIDENTS = 0.35
"""Share of the targets on whose way something else happens."""
_CAREFUL = 0.5
"""Length, in fields, of a stroke after one that did not lead nearer; each one that does makes the next longer."""
_BOLDER = 1.7
_LOOK_S = (0.25, 0.4)
"""From the end of a stroke until the hand has read the arrow and begins the next."""
_PUZZLED_S = (0.6, 0.9)
"""The same while strokes do not lead nearer."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What a person sees of the program."""

    phase: str = "free"
    """As `hcc_scope.by_hand.HandPhase`."""
    known: bool = False
    """Whether the position is known."""
    n_captured: int = 0
    target: int | None = None
    """Number of the target, if there is one."""
    arrow_fields: tuple[float, float] | None = None
    """(right, down) to it, in fields."""
    within: bool = False


class PlayedHand(Protocol):
    """A hand that is asked for the pose of one live frame after the other."""

    def next(self, screen: Screen) -> Pose:
        """Return the pose of the next live frame; the screen is as after the frame before."""

    @property
    def over(self) -> bool:
        """Whether the hand is done."""

    @property
    def stops(self) -> Sequence[Stop]:
        """The stops so far."""

    def take_asks(self) -> list[Ask]:
        """Return what the hand has asked for since it was last asked."""


class PlayedScript:
    """A hand that looks at nothing and follows a script."""

    def __init__(self, script: HandScript) -> None:
        self._script = script
        self._n = 0

    def next(self, screen: Screen) -> Pose:
        """Return the script's next pose."""
        pose = self._script.poses[self._n]
        self._n += 1
        return pose

    @property
    def over(self) -> bool:
        """Whether the script has ended."""
        return self._n == len(self._script.poses)

    @property
    def stops(self) -> Sequence[Stop]:
        """All stops of the script, also those to come."""
        return self._script.stops

    def take_asks(self) -> list[Ask]:
        """Return nothing: this hand presses no button."""
        return []


class GuidedHand:
    """A hand that drives round the section and then goes where the arrow points, as a person would.

    It looks at the screen between strokes, and makes short ones while they do not lead nearer. It does not learn: an
    arrow to the right makes it push the same way each time, whatever the picture does.

    Parameters
    ----------
    specimen : Specimen
    seed : int
    fps : float
        Live frames per second.
    axes : (a, b, c, d)
        An arrow (right, down) makes the hand move the field by (a right + b down, c right + d down): (-1, 0, 0, 1) is
        mirrored, (0, 1, 1, 0) has its knobs swapped.
    field_um : (width, height)
    way_um : sequence of (x, y), optional
        Places to drive round, the first one again at the end; along the edge of the section, without.
    habits : Habits, optional
    incidents : bool
        Whether it also does what people do: knocks against the table, turns the focus or the turret, rests, switches
        the lamp off.
    """

    def __init__(
        self,
        specimen: Specimen,
        seed: int,
        *,
        fps: float,
        axes: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0),
        field_um: tuple[float, float] = FIELD_UM,
        way_um: Sequence[tuple[float, float]] = (),
        habits: Habits | None = None,
        incidents: bool = True,
    ) -> None:
        self._specimen = specimen
        self._fps = fps
        self._incidents = incidents
        self._axes = np.reshape(axes, (2, 2))
        self._field_um = np.array(field_um)
        self._ring = list(way_um) or edge_places(specimen)
        self._hand = Hand(specimen, seed, self._ring.pop(0), habits)
        self._hand.rest(0.5)
        self._n = 0
        self._asks: list[Ask] = []
        self._rest_s = 0.0
        """Since when the hand has not pushed."""
        self._seen_within = False
        self._n_captured = 0
        self._target: int | None = None
        self._strokes = self._returns = 0
        self._far_um = math.inf
        self._stride_um = _CAREFUL * self._field_um[0]
        self._known_um: list[tuple[float, float]] = [(self._hand.here().x_um, self._hand.here().y_um)]
        self._over = False

    @property
    def over(self) -> bool:
        """Whether no target is left."""
        return self._over

    @property
    def stops(self) -> Sequence[Stop]:
        """The stops so far: each at which the screen showed that the target is reached."""
        return self._hand.stops

    def take_asks(self) -> list[Ask]:
        """Return what the hand has asked for since it was last asked."""
        asks, self._asks = self._asks, []
        return asks

    def next(self, screen: Screen) -> Pose:
        """Return the pose of the next live frame."""
        t_s = self._n / self._fps
        self._n += 1
        self._seen_within |= screen.within
        if t_s >= self._hand.now_s:
            self._hand.now_s = t_s
            self._decide(screen)
        return self._hand.motion.pose(t_s)

    def _decide(self, screen: Screen) -> None:
        """Begin the next movement."""
        hand = self._hand
        if screen.n_captured > self._n_captured or screen.target != self._target:
            self._leave(screen)
            if hand.now_s > self._n / self._fps:
                return
        if not screen.known and screen.phase in ("outline", "targets") and self._n > 5:
            self._go_back()
            return
        here = hand.here()
        if screen.known:
            self._known_um.append((here.x_um, here.y_um))
        match screen.phase:
            case "outline":
                self._drive()
            case "mend":
                self._asks.append("draw fields")
                hand.rest(0.5)
            case "targets":
                self._follow(screen)
            case _:
                self._over = screen.phase == "done"
                hand.rest(0.3)

    def _leave(self, screen: Screen) -> None:
        """Go on to the next target."""
        if self._seen_within:
            self._hand.add_stop("field", self._rest_s)
        self._n_captured, self._target = screen.n_captured, screen.target
        self._seen_within, self._strokes, self._returns = screen.within, 0, 0
        self._far_um = math.inf
        if self._incidents and self._n_captured and self._hand.rng.random() < _INCIDENTS:
            self._have_incident()

    def _have_incident(self) -> None:
        """Do something else over the field that was captured last."""
        hand, begin_s = self._hand, self._hand.now_s
        match int(hand.rng.integers(5)):
            case 0:
                hand.bump(hand.between((5.0, 30.0)))
            case 1:
                hand.defocus(hand.between((8.0, 14.0)))
                hand.rest(hand.between((0.5, 1.0)))
            case 2:
                hand.swap_lens(2.0, 0.8)
                hand.rest(0.8)
                hand.swap_back()
            case 3:
                hand.rest(hand.between((2.0, 4.0)))
            case _:
                hand.light_off(hand.between((0.5, 1.0)))
        hand.add_stop("seen", begin_s)
        hand.rest(0.5)
        self._rest_s = hand.now_s

    def _drive(self) -> None:
        if not self._ring:
            self._asks.append("close outline")
            self._hand.rest(0.5)
            return
        self._hand.reach(*self._ring.pop(0), aim_um=80.0)
        self._hand.focus(blurred_um=4.0)

    def _follow(self, screen: Screen) -> None:
        hand = self._hand
        if screen.within:
            hand.focus()
            waited_s = hand.now_s - self._rest_s
            if waited_s > _PATIENCE_S:
                hand.add_stop("field", self._rest_s)  # it was to be captured, and was not
                self._skip()
            hand.rest(0.1)
            return
        if screen.arrow_fields is None or self._strokes >= _MOST_STROKES or self._returns >= _MOST_RETURNS:
            self._skip()
            hand.rest(0.3)
            return
        way_um = self._axes @ (np.array(screen.arrow_fields) * self._field_um)
        length = math.hypot(*way_um)
        nearer, self._far_um = length < self._far_um, length
        turn_um = hand.between(hand.habits.turn_um)
        self._stride_um = min(turn_um, self._stride_um * _BOLDER) if nearer else _CAREFUL * self._field_um[0]
        share = min(1.0, self._stride_um / max(length, 1.0))
        hand.push(float(share * way_um[0]), float(share * way_um[1]))
        self._strokes += 1
        self._rest_s = hand.now_s
        self._seen_within = False
        if length < self._field_um[0]:
            hand.focus(blurred_um=3.0)
        hand.rest(hand.between(_LOOK_S if nearer else _PUZZLED_S))

    def _skip(self) -> None:
        here = self._hand.here()
        glass = self._specimen.tissue_share(here.x_um, here.y_um, float(self._field_um.max())) < _TISSUE
        self._asks.append("skip: bare glass" if glass else "skip: not reachable")
        self._seen_within, self._rest_s = False, self._hand.now_s

    def _go_back(self) -> None:
        """Go back over what is known: the way that was come, each time a bit farther."""
        self._returns += 1
        here = self._hand.here()
        back_um = 0.3 * self._returns * self._field_um[0]
        far_enough = (at for at in reversed(self._known_um) if math.dist(at, (here.x_um, here.y_um)) >= back_um)
        self._hand.reach(*next(far_enough, self._known_um[0]))
        self._hand.focus(blurred_um=2.0)
        self._hand.rest(self._hand.between(_PUZZLED_S))
        self._rest_s = self._hand.now_s

"""Whether a stage that is moved by hand reports the way that the pictures show.

A stage whose motor is disengaged, or an encoder that is not connected, reports a place and does not move.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcc_scope.tracking import Place, TrackView

__all__ = ["DISAGREE", "StageAgreement"]

DISAGREE = (
    "The pictures show another way than the stage reports, so the position is not known: check that the stage follows"
    " the hand, and the pixel size."
)
_REST_S = 1.0
"""How long both rest before they are compared: the stage is read now and then."""
_REST_UM_S = 20.0
_SAME_PLACE = 0.02
_SHARE = 0.3
"""Largest difference of the two ways, as a share of the longer one: a nominal pixel size may be off, and a camera may
be turned, so that only lengths are compared."""
_SLACK = 0.15
"""And in fields."""


class StageAgreement:
    """Compares the two ways from rest to rest, as long as the tracker follows.

    Parameters
    ----------
    field_um : float
        Shorter side of a field.
    """

    def __init__(self, field_um: float) -> None:
        self._field_um = field_um
        self._rest: tuple[float, Place] | None = None
        """Since when the field rests, and where by the stage."""
        self._agreed: tuple[Place, Place] | None = None
        """Where the pictures and the stage saw the field when they were compared last and agreed."""
        self._denies = False

    def denies(self, track: TrackView, here: Place, t_s: float) -> bool:
        """Return whether the pictures deny the stage's position.

        Parameters
        ----------
        track : TrackView
            By the pictures alone.
        here : Place
            By the stage.
        t_s : float
        """
        seen = track.place
        if seen is None or track.speed_um_s is None or track.speed_um_s > _REST_UM_S:
            self._rest = None
        elif self._rest is None or _apart_um(self._rest[1], here) > _SAME_PLACE * self._field_um:
            self._rest = t_s, here
        elif t_s - self._rest[0] >= _REST_S:
            self._denies = self._differ(seen, here)
            if not self._denies:
                self._agreed = seen, here
        return self._denies

    def _differ(self, seen: Place, here: Place) -> bool:
        if self._agreed is None or self._agreed[0].island != seen.island:
            return False
        ways_um = _apart_um(self._agreed[0], seen), _apart_um(self._agreed[1], here)
        return abs(ways_um[0] - ways_um[1]) > _SHARE * max(ways_um) + _SLACK * self._field_um


def _apart_um(one: Place, other: Place) -> float:
    return math.dist((one.x_um, one.y_um), (other.x_um, other.y_um))

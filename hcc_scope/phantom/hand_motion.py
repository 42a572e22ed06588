"""How a hand moves a stage and a focus drive: strokes, tremor, drift, bumps, and what else changes at the stand.

A reach of a hand is a sum of minimum-jerk strokes (Flash & Hogan, "The coordination of arm movements: an experimentally
confirmed mathematical model", J. Neurosci. 5 (1985) 1688): the first lands near the target, later ones correct it.
Physiological tremor has 8 to 12 Hz and grows with the speed of the movement (signal-dependent noise, Harris & Wolpert,
Nature 394 (1998) 780). All of it is a function of the time, so a trajectory can be asked for at any frame rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HandMotion", "Pose", "stroke_time_s"]

_PEAK = 1.875
"""Peak speed of a minimum-jerk stroke over its mean speed."""
_SHORTEST_STROKE_S = 0.18
_TREMOR_HZ = (7.0, 12.0)
_TREMOR_PARTS = 5
_TREMOR_PER_UM_S = 1 / 400
"""Share by which the tremor grows with each um/s of the stroke."""
_BUMP_HZ = 11.0
_BUMP_DECAY_S = 0.12
_DRIFT_PERIOD_S = (25.0, 90.0)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the stand is in the middle of one exposure: the truth of one live frame."""

    t_s: float
    x_um: float
    """Position of the field's centre on the specimen."""
    y_um: float
    z_um: float
    """Distance from focus at that place."""
    vx_um_s: float = 0.0
    vy_um_s: float = 0.0
    lens: float = 1.0
    """Size of a pixel at the specimen with the objective in place, as a factor on the usual one; 0 while the turret
    turns, when no light comes through."""
    light: float = 1.0
    """Factor on the lamp's light; 0 when it is off."""

    @property
    def speed_um_s(self) -> float:
        """Speed in the plane."""
        return math.hypot(self.vx_um_s, self.vy_um_s)


def stroke_time_s(distance_um: float, peak_um_s: float) -> float:
    """Return how long a minimum-jerk stroke takes that reaches a peak speed."""
    return max(_SHORTEST_STROKE_S, _PEAK * distance_um / peak_um_s)


class HandMotion:
    """A trajectory that grows as movements are added to it.

    Parameters
    ----------
    rng : Generator
        Draws the phases of tremor and drift.
    start_um : (x, y)
    tremor_um : float
        Root mean square of the tremor along each axis while the hand rests on the knobs.
    drift_um_s : float
        Typical speed of the slow drift of the stage.
    tilt : (float, float)
        Rise of the focal surface, um per um along x and y.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        start_um: tuple[float, float],
        *,
        tremor_um: float = 0.25,
        drift_um_s: float = 0.1,
        tilt: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self._start = np.array([*start_um, 0.0])
        self._tilt = np.array(tilt)
        self._origin = np.array(start_um)
        self._tremor_um = tremor_um * math.sqrt(2.0 / _TREMOR_PARTS)
        self._tremor_w = 2.0 * math.pi * rng.uniform(*_TREMOR_HZ, (2, _TREMOR_PARTS))
        self._tremor_phase = rng.uniform(0.0, 2.0 * math.pi, (2, _TREMOR_PARTS))
        self._drift_w = 2.0 * math.pi / rng.uniform(*_DRIFT_PERIOD_S, 3)
        self._drift_phase = rng.uniform(0.0, 2.0 * math.pi, 3)
        self._drift_um = rng.normal(0.0, drift_um_s, 3) / self._drift_w
        self._begin: list[float] = []
        self._time: list[float] = []
        self._delta: list[tuple[float, float, float]] = []
        self._bumps: list[tuple[float, float, float]] = []
        self._lens: list[tuple[float, float, float]] = []
        self._dark: list[tuple[float, float]] = []
        self._table: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None = None

    def stroke(self, begin_s: float, time_s: float, dx_um: float = 0.0, dy_um: float = 0.0, dz_um: float = 0.0) -> None:
        """Add a minimum-jerk stroke; strokes that overlap in time add up."""
        self._begin.append(begin_s)
        self._time.append(time_s)
        self._delta.append((dx_um, dy_um, dz_um))
        self._table = None

    def bump(self, at_s: float, dx_um: float, dy_um: float) -> None:
        """Shake the stand: an oscillation that dies down, of that amplitude; part of it stays as an offset."""
        self._bumps.append((at_s, dx_um, dy_um))
        self.stroke(at_s, _SHORTEST_STROKE_S, 0.3 * dx_um, 0.3 * dy_um)

    def lens(self, begin_s: float, end_s: float, factor: float) -> None:
        """Have another objective in place instead of the one before; a factor of 0 is a turret that turns."""
        self._lens = [(begin, min(end, begin_s), earlier) for begin, end, earlier in self._lens]
        self._lens.append((begin_s, end_s, factor))

    def dark(self, begin_s: float, end_s: float) -> None:
        """Switch the lamp off for a while."""
        self._dark.append((begin_s, end_s))

    def pose(self, t_s: float) -> Pose:
        """Return where the stand is at a time."""
        place, speed = self._strokes(t_s)
        shake = 1.0 + float(np.hypot(speed[0], speed[1])) * _TREMOR_PER_UM_S
        angle = self._tremor_w * t_s + self._tremor_phase
        amplitude = self._tremor_um * shake
        place[:2] += amplitude * np.sin(angle).sum(axis=1)
        speed[:2] += amplitude * (np.cos(angle) * self._tremor_w).sum(axis=1)
        angle = self._drift_w * t_s + self._drift_phase
        place += self._drift_um * (np.sin(angle) - np.sin(self._drift_phase))
        speed += self._drift_um * np.cos(angle) * self._drift_w
        for at_s, dx_um, dy_um in self._bumps:
            since = t_s - at_s
            if 0.0 <= since < 8 * _BUMP_DECAY_S:
                w, decay = 2.0 * math.pi * _BUMP_HZ, math.exp(-since / _BUMP_DECAY_S)
                swing = decay * math.sin(w * since)
                rate = decay * (w * math.cos(w * since) - math.sin(w * since) / _BUMP_DECAY_S)
                place[:2] += swing * np.array([dx_um, dy_um])
                speed[:2] += rate * np.array([dx_um, dy_um])
        z_um = place[2] - float(self._tilt @ (place[:2] - self._origin))
        return Pose(
            t_s=t_s,
            x_um=float(place[0]),
            y_um=float(place[1]),
            z_um=float(z_um),
            vx_um_s=float(speed[0]),
            vy_um_s=float(speed[1]),
            lens=next((factor for begin, end, factor in self._lens if begin <= t_s < end), 1.0),
            light=0.0 if any(begin <= t_s < end for begin, end in self._dark) else 1.0,
        )

    def _strokes(self, t_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (x, y, z) and their rates without tremor and drift."""
        if not self._begin:
            return self._start.copy(), np.zeros(3)
        if self._table is None:
            self._table = np.array(self._begin), np.array(self._time), np.array(self._delta)
        begin, time, delta = self._table
        u = np.clip((t_s - begin) / time, 0.0, 1.0)
        done = u * u * u * (10.0 + u * (6.0 * u - 15.0))
        rate = 30.0 * u * u * (1.0 - u) ** 2 / time
        return self._start + (done[:, None] * delta).sum(axis=0), (rate[:, None] * delta).sum(axis=0)

"""A person at a hand-moved stand, from a seed: what the hand does, and what the program ought to make of it.

`Hand` turns intentions (go there, focus, rest) into movements with a person's errors. A `HandScript` is a whole session
that was played in advance: the truth of every live frame, and its stops: those that are fields to be captured, and
those where nothing must be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hcc_scope.phantom.effects import stable_rng
from hcc_scope.phantom.hand_motion import HandMotion, Pose, stroke_time_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcc_scope.phantom.specimen import Specimen

__all__ = ["Habits", "Hand", "HandScript", "Stop", "StopKind", "is_fit"]

StopKind = Literal["field", "blurred", "glass", "seen", "short", "lens"]
"""``field``: at rest for at least `Habits.rest_s`, in focus, on tissue, and no part of it was captured: it is to be
captured. At the others nothing is: out of focus, beside the tissue, over a field that was captured, at rest for less
than `SHORT_S`, with another objective than the program knows of."""

SHORT_S = 0.05
"""The longest rest between two strokes that is no stop: with the slow ends of both the stand seems to rest for up to
0.2 s."""
IN_FOCUS_UM = 2.0
"""A field that is captured at a stop is in focus up to this distance."""
AT_REST_UM_S = 60.0
"""And at rest up to this speed: within an exposure of 10 ms the picture then moves by less than 2 px."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a person moves."""

    peak_um_s: tuple[float, float] = (500.0, 1300.0)
    """Peak speeds of strokes."""
    turn_um: tuple[float, float] = (250.0, 600.0)
    """What one grip of the knobs can move the stage by: a longer way takes several strokes."""
    reach_sd: float = 0.07
    """Error of a stroke's length, as a share: overshoot or undershoot."""
    aim_um: float = 12.0
    """Error that is no longer corrected."""
    react_s: tuple[float, float] = (0.12, 0.25)
    """From the end of a stroke to its correction."""
    rest_s: tuple[float, float] = (1.5, 2.5)
    """Rest in focus at a field."""
    tremor_um: float = 0.25
    drift_um_s: float = 0.08
    tilt_sd: float = 0.002
    """Slope of the slide, um per um."""
    focus_sd_um: float = 0.3
    """What is left after focusing."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A time at which the stand rests, or seems to."""

    kind: StopKind
    begin_s: float
    """From where on a capture belongs to it: the arrival."""
    end_s: float
    x_um: float
    y_um: float

    @property
    def expected(self) -> bool:
        """Whether one field is to be captured there."""
        return self.kind == "field"


@dataclass(frozen=True, slots=True)
class HandScript:
    """A session that was played in advance."""

    seed: int
    fps: float
    field_um: tuple[float, float]
    """Width and height of a field."""
    poses: tuple[Pose, ...]
    """One for each live frame, `fps` a second."""
    stops: tuple[Stop, ...]

    @property
    def travel_um(self) -> float:
        """Length of the way, frame by frame."""
        return sum(
            math.hypot(b.x_um - a.x_um, b.y_um - a.y_um) for a, b in zip(self.poses, self.poses[1:], strict=False)
        )


def is_fit(pose: Pose) -> bool:
    """Return whether a field could be captured then: at rest, in focus, in the light, with the usual objective."""
    return abs(pose.z_um) <= IN_FOCUS_UM and pose.speed_um_s <= AT_REST_UM_S and pose.lens == 1.0 and pose.light > 0.0


class Hand:
    """A person who carries out intentions, one after the other; each begins when the last has ended.

    Parameters
    ----------
    specimen : Specimen
    seed : int
    start_um : (x, y)
    habits : Habits, optional
    """

    def __init__(
        self, specimen: Specimen, seed: int, start_um: tuple[float, float], habits: Habits | None = None
    ) -> None:
        self.specimen = specimen
        self.habits = Habits() if habits is None else habits
        self.rng = stable_rng("hand", seed)
        tilt = self.rng.normal(0.0, self.habits.tilt_sd, 2)
        self.motion = HandMotion(
            self.rng,
            start_um,
            tremor_um=self.habits.tremor_um,
            drift_um_s=self.habits.drift_um_s,
            tilt=(float(tilt[0]), float(tilt[1])),
        )
        self.now_s = 0.0
        """When the last movement that was begun ends."""
        self.stops: list[Stop] = []

    def between(self, low_high: tuple[float, float]) -> float:
        """Draw a number."""
        return float(self.rng.uniform(*low_high))

    def here(self) -> Pose:
        """Return where the stand is when the last movement has ended."""
        return self.motion.pose(self.now_s)

    def rest(self, time_s: float) -> None:
        """Keep still."""
        self.now_s += time_s

    def push(self, dx_um: float, dy_um: float, peak_um_s: float | None = None) -> None:
        """Make one stroke, with the error of its length and direction."""
        peak = self.between(self.habits.peak_um_s) if peak_um_s is None else peak_um_s
        length = math.hypot(dx_um, dy_um)
        if length == 0.0:
            return
        along = 1.0 + self.habits.reach_sd * float(self.rng.standard_normal())
        across = 0.5 * self.habits.reach_sd * float(self.rng.standard_normal())
        time_s = stroke_time_s(length, peak)
        self.motion.stroke(self.now_s, time_s, along * dx_um - across * dy_um, along * dy_um + across * dx_um)
        self.now_s += time_s

    def reach(self, x_um: float, y_um: float, aim_um: float | None = None) -> float:
        """Go to a place: as many strokes as grips of the knobs, then corrections until it is as near as `aim_um`.

        Returns
        -------
        float
            When the stand was there for the first time, before the corrections.
        """
        aim_um = self.habits.aim_um if aim_um is None else aim_um
        arrived_s = math.inf
        for _ in range(200):
            here = self.here()
            dx, dy = x_um - here.x_um, y_um - here.y_um
            far = math.hypot(dx, dy)
            if far <= aim_um:
                break
            share = min(1.0, self.between(self.habits.turn_um) / far)
            self.push(share * dx, share * dy)
            if share == 1.0:
                arrived_s = min(arrived_s, self.now_s)
            # a grip is changed at once; that a stroke has missed is seen first
            self.rest(self.between(self.habits.react_s) if share == 1.0 else self.between((0.0, SHORT_S)))
        return min(arrived_s, self.now_s) - SHORT_S

    def focus(self, blurred_um: float = 0.8) -> None:
        """Turn the focus beyond the sharpest picture and back to it, if the picture is blurred by that defocus."""
        off_um = self.here().z_um
        if abs(off_um) < blurred_um:
            return
        beyond = self.between((0.05, 0.35))
        time_s = self.between((0.4, 0.8))
        self.motion.stroke(self.now_s, time_s, dz_um=-off_um * (1.0 + beyond))
        self.now_s += time_s + self.between(self.habits.react_s)
        left_um = self.habits.focus_sd_um * float(self.rng.standard_normal())
        time_s = self.between((0.25, 0.45))
        self.motion.stroke(self.now_s, time_s, dz_um=-self.here().z_um + left_um)
        self.now_s += time_s

    def defocus(self, dz_um: float) -> None:
        """Turn the focus away."""
        time_s = self.between((0.3, 0.6))
        self.motion.stroke(self.now_s, time_s, dz_um=dz_um)
        self.now_s += time_s

    def bump(self, size_um: float) -> None:
        """Knock against the table."""
        angle = self.between((0.0, 2.0 * math.pi))
        self.motion.bump(self.now_s, size_um * math.cos(angle), size_um * math.sin(angle))
        self.rest(0.6)

    def swap_lens(self, factor: float, time_s: float) -> None:
        """Turn another objective in, and begin a rest with it of that time."""
        turning_s = self.between((0.4, 0.8))
        self.motion.lens(self.now_s, self.now_s + turning_s, 0.0)
        self.now_s += turning_s
        self.motion.lens(self.now_s, self.now_s + time_s, factor)

    def swap_back(self) -> None:
        """Turn the usual objective in again."""
        turning_s = self.between((0.4, 0.8))
        self.motion.lens(self.now_s, self.now_s + turning_s, 0.0)
        self.now_s += turning_s

    def light_off(self, time_s: float) -> None:
        """Switch the lamp off, and on again after a while."""
        self.motion.dark(self.now_s, self.now_s + time_s)
        self.now_s += time_s

    def add_stop(self, kind: StopKind, begin_s: float) -> None:
        """Record that the stand has rested since then."""
        here = self.here()
        self.stops.append(Stop(kind, begin_s, self.now_s, here.x_um, here.y_um))

    def script(self, seed: int, fps: float, field_um: tuple[float, float]) -> HandScript:
        """Return what was done, as a camera of that rate sees it."""
        return HandScript(seed, fps, field_um, tuple(self._sampled(fps)), tuple(self.stops))

    def _sampled(self, fps: float) -> Iterator[Pose]:
        for k in range(math.floor(self.now_s * fps) + 1):
            yield self.motion.pose(k / fps)

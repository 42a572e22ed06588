"""Moves of the stage and the focus drive: started, waited for, and compared with the positions that the devices report.

A driver reports no error when a motor is switched off, a cable is loose, a limit switch blocks the way or one axis
of two is not connected: the stage simply is not where it was sent. Fields that were meant to be spread over a section
at random then all lie in one place, and nothing in the images shows it. Hence every move ends with a look at what the
device reads back. Runs in the core's thread only.

Where the rig file states a backlash, every move ends in the positive direction of each axis, by that way: from another
side, the device first goes to a point before its target. No point lies beyond the limits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hcc_scope.clocks import Patience
from hcc_scope.errors import DeviceError, PlanError
from hcc_scope.run_events import RunEvents
from hcc_scope.types import RigHandling
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hcc_scope.microscope.backend import Backend
    from hcc_scope.protocols import StopSignal
    from hcc_scope.run_events import JsonValue
    from hcc_scope.types import StageLimits, StageTolerance

__all__ = ["STILL_S", "Moves", "PlaceMissedError", "approach_um", "send_focus", "send_stage", "tolerances_um"]

STILL_S = 60.0
"""How long a device may report that it moves while its position stays the same; then it is halted."""
_LOOK_S = 0.5
"""How often the position of a device on its way is looked at."""
_STIRRED_UM = 0.2
"""A smaller change of position is noise of an encoder, and not a move; nothing takes a minute for so little."""
_REFUSED_HINT = (
    "Check that the device is on; if it cannot go that far, name its range as stage_limits_um in the rig file."
)
_SHARE_XY = 0.02
_SHARE_Z = 0.01
_LEAST_UM = 1.0
"""Of a field's shorter side; see `tolerances_um`."""


class PlaceMissedError(DeviceError):
    """A device did not reach its target; a plan may leave that field out."""


def approach_um(target_um: float, backlash_um: float, span_um: tuple[float, float] | None) -> float:
    """Return where one axis goes before its target, so that it comes from below; within the limits of the axis.

    Examples
    --------
    >>> approach_um(100.0, 20.0, (0.0, 500.0)), approach_um(5.0, 20.0, (0.0, 500.0))
    (80.0, 0.0)
    """
    before_um = target_um - backlash_um
    return before_um if span_um is None else max(before_um, min(span_um[0], target_um))


def tolerances_um(field_um: tuple[float, float], given: StageTolerance | None) -> tuple[float, float]:
    """Return how far from its target the stage, and the focus drive, may stop.

    Without a value in the rig file: 2 % of a field's shorter side for the stage (a field still shows 98 % of what was
    meant, and the overlap of a grid is larger), 1 % for the focus (about the depth of field of an objective, which
    shrinks with its field), and 1 um at least, which open-loop motors need.

    Parameters
    ----------
    field_um : (width, height)
        0 if the size of a pixel is not known.
    given : StageTolerance or None
        The rig file's.
    """
    side_um = min(field_um)
    xy_um = None if given is None else given.xy_um
    z_um = None if given is None else given.z_um
    return (
        max(_LEAST_UM, _SHARE_XY * side_um) if xy_um is None else xy_um,
        max(_LEAST_UM, _SHARE_Z * side_um) if z_um is None else z_um,
    )


def send_stage(ask: Callable[..., object], device: str, x_um: float, y_um: float) -> None:
    """Send a stage to a place, without waiting until it is there.

    Parameters
    ----------
    ask : callable
        `hcc_scope.microscope.backend.Backend.ask`.
    device : str
    x_um, y_um : float

    Raises
    ------
    DeviceError
        If the device refuses; with the place, since a driver's words name at most the device.
    """
    _order(ask, f"moving stage '{device}' to x = {x_um:g}, y = {y_um:g} um", "set_xy_position", device, x_um, y_um)


def send_focus(ask: Callable[..., object], device: str, z_um: float) -> None:
    """Send a focus drive to a height; see `send_stage`."""
    _order(ask, f"moving focus '{device}' to z = {z_um:g} um", "set_position", device, z_um)


def _order(ask: Callable[..., object], what: str, name: str, device: str, *target_um: float) -> None:
    try:
        ask(what, name, device, *target_um)
    except DeviceError as error:
        raise DeviceError(error.message, hint=_REFUSED_HINT) from error


def _um(place: Mapping[str, float]) -> str:
    return ", ".join(f"{axis} = {value:.2f}" for axis, value in place.items()) + " um"


def _rounded(place: Mapping[str, float]) -> dict[str, JsonValue]:
    return {axis: round(value, 3) if math.isfinite(value) else value for axis, value in place.items()}


class Moves:
    """Moves the two devices that decide where a field lies.

    Parameters
    ----------
    backend : Backend
    limits : StageLimits or None
        No move leads beyond them.
    events : RunEvents, optional
        Takes every arrival.
    handling : RigHandling, optional
        Backlash, and how long the devices rest after a move.
    """

    def __init__(
        self,
        backend: Backend,
        limits: StageLimits | None,
        events: RunEvents | None = None,
        handling: RigHandling | None = None,
    ) -> None:
        self._backend = backend
        self._events = RunEvents() if events is None else events
        self._ask = backend.ask
        self._limits = limits
        self._handling = RigHandling() if handling is None else handling
        self.xy_tolerance_um = self.z_tolerance_um = _LEAST_UM
        self._noted: dict[str, dict[str, float]] = {}

    def forget(self) -> None:
        """Forget where the last moves ended: something else may have moved the devices since."""
        self._noted.clear()

    def _within(self, axis: str, value: float, span: tuple[float, float] | None) -> None:
        if span is not None and not span[0] <= value <= span[1]:
            raise PlanError(f"{axis} = {value:g} um lies outside the stage's limits, {span[0]:g} to {span[1]:g} um")

    def go(
        self,
        xy: tuple[str, float, float] | None,
        z: tuple[str, float] | None,
        stop: StopSignal,
        halted: Callable[[], bool],
    ) -> bool:
        """Bring stage and focus drive to their targets, both at once.

        Parameters
        ----------
        xy : (device, x, y) or None
        z : (device, z) or None
        stop : StopSignal
            If it is requested, what moves is halted.
        halted : callable
            Whether the devices were stopped in an emergency; they must not move again by themselves.

        Returns
        -------
        bool
            False if stop was requested on the way, or the devices were stopped.

        Raises
        ------
        PlanError
            If a target lies beyond the limits.
        PlaceMissedError
            If a device stops on its way, or is not at its target after a second try.
        DeviceError
            If a device refuses.
        """
        legs: list[_Leg] = []
        if xy is not None:
            legs.append(_Leg("stage", xy[0], {"x": xy[1], "y": xy[2]}, self.xy_tolerance_um, self._start_xy, self.xy))
        if z is not None:
            legs.append(_Leg("focus", z[0], {"z": z[1]}, self.z_tolerance_um, self._start_z, self.z))
        for leg in legs:
            for axis, value_um in leg.target.items():
                self._within(axis, value_um, self._span_um(axis))
        resting = [self._rests(leg) for leg in legs]
        if not self._travelled([leg for leg, rests in zip(legs, resting, strict=True) if not rests], stop, halted):
            return False
        for leg in legs:
            if halted():
                return False
            if leg.is_there():
                self._note(leg)
                continue
            if halted():  # it is not there because it was stopped between the two looks
                return False
            # once more: a stage can stick, and one that missed its place a little comes nearer
            if not self._travelled([leg], stop, halted) or halted():
                return False
            leg.must_be_there()
            self._note(leg)
        return all(resting) or self._settled(stop, halted)

    def _settled(self, stop: StopSignal, halted: Callable[[], bool]) -> bool:
        """Let the devices rest; return False if stop was requested meanwhile, or they were stopped."""
        left_s = self._handling.settle_ms / 1000
        while left_s > 0:
            if stop.wait(min(left_s, _LOOK_S)) or halted():
                return False
            left_s -= _LOOK_S
        return not stop.requested

    def _rests(self, leg: _Leg) -> bool:
        """Return whether a device needs no approach and no rest: it still is where its last move brought it."""
        careful = self._backlash_um(leg) > 0 or self._handling.settle_ms > 0
        return careful and self._noted.get(leg.device) == leg.target and leg.is_there()

    def _backlash_um(self, leg: _Leg) -> float:
        return self._handling.backlash_z_um if "z" in leg.target else self._handling.backlash_xy_um

    def _span_um(self, axis: str) -> tuple[float, float] | None:
        if self._limits is None:
            return None
        return {"x": self._limits.x_um, "y": self._limits.y_um, "z": self._limits.z_um}[axis]

    def _travelled(self, legs: Sequence[_Leg], stop: StopSignal, halted: Callable[[], bool]) -> bool:
        """Send devices to their targets, by way of a point before them where they must come from below, and wait."""
        detours = [leg for leg in legs if self._needs_detour(leg)]
        for leg in detours:
            backlash_um = self._backlash_um(leg)
            leg.start_to({a: approach_um(um, backlash_um, self._span_um(a)) for a, um in leg.target.items()})
        if not self._all_arrived(detours, stop, halted):
            return False
        for leg in legs:
            leg.start()
        return self._all_arrived(legs, stop, halted)

    def _all_arrived(self, legs: Sequence[_Leg], stop: StopSignal, halted: Callable[[], bool]) -> bool:
        """Wait for devices that were sent off; halt them if the emergency stop came just before their order."""
        outcome = attempt(halted)
        if outcome is not False:
            for leg in legs:
                self._ask(f"halting '{leg.device}'", "stop", leg.device)
        if isinstance(outcome, Failure):
            raise outcome.error
        return not outcome and all(self._arrived(leg, stop) for leg in legs)

    def _needs_detour(self, leg: _Leg) -> bool:
        """Return whether the direct way would not end in the positive direction of each axis, by the backlash."""
        backlash_um = self._backlash_um(leg)
        if backlash_um <= 0:
            return False
        here = leg.where()
        # written so that a position that is not a number needs it
        return not all(here[axis] <= um - backlash_um for axis, um in leg.target.items())

    def _note(self, leg: _Leg) -> None:
        """Log an arrival, but not that of a device that is sent to where it is, as for each frame of a time series."""
        if leg.tries == 1 and self._noted.get(leg.device) == leg.target:
            return
        self._noted[leg.device] = dict(leg.target)
        self._events.add(
            "move", device=leg.device, asked_um=_rounded(leg.target), at_um=_rounded(leg.found), tries=leg.tries
        )

    def _start_xy(self, device: str, target: Mapping[str, float]) -> None:
        send_stage(self._ask, device, target["x"], target["y"])

    def _start_z(self, device: str, target: Mapping[str, float]) -> None:
        send_focus(self._ask, device, target["z"])

    def xy(self, device: str) -> dict[str, float]:
        """Return where the stage reports to be."""
        what = f"reading the position of stage '{device}'"
        return {
            "x": float(self._ask(what, "get_x_position", device)),
            "y": float(self._ask(what, "get_y_position", device)),
        }

    def z(self, device: str) -> dict[str, float]:
        """Return where the focus drive reports to be."""
        return {"z": float(self._ask(f"reading focus '{device}'", "get_position", device))}

    def _arrived(self, leg: _Leg, stop: StopSignal) -> bool:
        """Wait for a device; halt it if stop is requested, or if it no longer moves but stays busy."""
        device = leg.device
        pause_s = 0.0005
        still = _Still(leg.where)
        while self._ask(f"waiting for '{device}'", "device_busy", device):
            stuck = still.lasts_s() > STILL_S
            if stuck or stop.wait(pause_s):
                self._ask(f"halting '{device}'", "stop", device)
                if stuck:
                    raise PlaceMissedError(
                        f"'{device}' did not arrive: it has not moved for {STILL_S:.0f} s and was halted at"
                        f" {_um(leg.where())}"
                    )
                return False
            pause_s = min(0.01, pause_s * 2)
        return True

    def must_still_be(self, target: Mapping[str, float], now: Mapping[str, float | None]) -> None:
        """Check that the devices were not moved away between their arrival and the end of an exposure.

        Raises
        ------
        DeviceError
            If the devices were stopped.
        """
        for axis, wanted_um in target.items():
            found_um = now.get(axis)
            tolerance_um = self.z_tolerance_um if axis == "z" else self.xy_tolerance_um
            if found_um is None or not abs(found_um - wanted_um) <= tolerance_um:
                found = {name: value for name, value in now.items() if name in target and value is not None}
                raise DeviceError(
                    f"the stage was sent to {_um(target)} and was at {_um(found)} when the exposure had ended",
                    hint="Leave stage and focus alone during a run, or pause it first.",
                )


class _Leg:
    """One device on its way."""

    def __init__(
        self,
        kind: str,
        device: str,
        target: dict[str, float],
        tolerance_um: float,
        start: Callable[[str, Mapping[str, float]], None],
        where: Callable[[str], dict[str, float]],
    ) -> None:
        self.device = device
        self.target = target
        self.tries = 0
        self.found: dict[str, float] = {}
        """Where it was at the last look."""
        self._kind = kind
        self._tolerance_um = tolerance_um
        self._start = start
        self._where = where

    def start(self) -> None:
        self.tries += 1
        self._start(self.device, self.target)

    def start_to(self, place: Mapping[str, float]) -> None:
        self._start(self.device, place)

    def where(self) -> dict[str, float]:
        return self._where(self.device)

    def is_there(self) -> bool:
        self.found = self.where()
        return self._is_there(self.found)

    def _is_there(self, now: Mapping[str, float]) -> bool:
        # written so that a position that is not a number is not there
        return all(abs(now[axis] - value) <= self._tolerance_um for axis, value in self.target.items())

    def must_be_there(self) -> None:
        if not self.is_there():
            raise PlaceMissedError(
                f"{self._kind} '{self.device}' was sent to {_um(self.target)} twice and reports that it is at"
                f" {_um(self.found)}: more than {self._tolerance_um:.2g} um away",
                hint="Check that each axis is on, connected and free; the rig file's stage_tolerance_um sets how near"
                " it must come.",
            )


class _Still:
    """For how long a device has stood still, looking at it now and then."""

    def __init__(self, where: Callable[[], Mapping[str, float]]) -> None:
        self._where = where
        self._seen: Mapping[str, float] | None = None  # a look takes time, and most moves are over before the first
        self._still = Patience()
        self._looked_s = 0.0

    def lasts_s(self) -> float:
        lasts_s = self._still.spent_s()
        if lasts_s - self._looked_s >= _LOOK_S:
            self._looked_s = lasts_s
            place = self._where()
            seen = self._seen
            if seen is None:
                self._seen = place
            elif any(_differ(place[axis], seen[axis]) for axis in place):
                self._seen = place
                self._still.restart()
                self._looked_s = lasts_s = 0.0
        return lasts_s


def _differ(one_um: float, other_um: float) -> bool:
    return math.isfinite(one_um) and math.isfinite(other_um) and abs(one_um - other_um) > _STIRRED_UM

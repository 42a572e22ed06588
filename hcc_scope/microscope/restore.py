"""The settings that a section may change, as they were found, to be put back at its end. In the core's thread only.

Put back are exposure, binning, region of interest, EM gain and its switch, lamp level, shutter, automatic shutter, and
every property of a preset that the section applied; not the stage and the focus, which stay where the last field was.
What the operator sets by hand from then on is what is put back: the last word is the operator's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from hcc_scope.microscope.rig_reader import BINNING, EXPOSURE
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcc_scope.microscope.hardware import Hardware

__all__ = ["FoundSettings", "describe_left"]

_WHAT = "reading what a section may change"
_PUT_BACK = "setting it"
_CORE = "Core"

_Value: TypeAlias = "str | float | bool | tuple[int, ...]"


class _Setting(NamedTuple):
    """One thing that is put back."""

    kind: str
    """``property``, or a setting that the core has a call of its own for."""
    device: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"'{self.name}' of '{self.device}'" if self.kind == "property" else f"the {self.kind}"


_ROI = _Setting("region of interest")
_EXPOSURE = _Setting("exposure")
_AUTO_SHUTTER = _Setting("automatic shutter")
_SHUTTER = _Setting("shutter")
_LAST = (_ROI, _EXPOSURE, _AUTO_SHUTTER, _SHUTTER)
"""In this order, after the properties: a binning changes the region, an automatic shutter moves the shutter."""


class FoundSettings:
    """What was found when a section began to prepare the devices.

    Parameters
    ----------
    hardware : Hardware
    """

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware
        self._backend = hardware.backend
        self._ask = hardware.backend.ask
        self._camera = hardware.camera
        self._values: dict[_Setting, _Value] = {}
        self._seen: dict[_Setting, _Value] = {}
        roles, handling = hardware.roles, hardware.handling
        properties = [
            (_CORE, "Camera"),
            (self._camera, BINNING),
            (self._camera, roles.em_switch),
            (self._camera, roles.em_gain),
            (handling.lamp, handling.lamp_level),
        ]
        for device, name in properties:
            if device and name:
                self._add(_Setting("property", device, name))
        for setting in _LAST:
            self._add(setting)

    def _add(self, setting: _Setting) -> None:
        if setting in self._values:
            return
        value = attempt(lambda: self._read(setting))
        if not isinstance(value, Failure) and value is not None:
            self._values[setting] = value

    def add_preset(self, group: str, preset: str) -> None:
        """Note the present value of everything that a preset sets, before it is applied."""
        moved = (self._hardware.xy_stage, self._hardware.focus)
        for device, name, _ in self._backend.settings("get_config_data", group, preset):
            if device not in moved and (device, name) != (self._camera, EXPOSURE):
                self._add(_Setting("property", device, name))

    def set_by_hand(self) -> None:
        """Take what differs from the last look for the operator's own choice; call `look` before the action."""
        for setting, before in self._seen.items():
            now = attempt(lambda setting=setting: self._read(setting))  # type: ignore[misc]
            if not isinstance(now, Failure) and now is not None and not _same(now, before):
                self._values[setting] = now

    def look(self) -> None:
        """Note every value as it is now."""
        self._seen = {}
        for setting in self._values:
            now = attempt(lambda setting=setting: self._read(setting))  # type: ignore[misc]
            if not isinstance(now, Failure) and now is not None:
                self._seen[setting] = now

    def put_back(self) -> list[str]:
        """Put everything back that differs, and return what could not be put back, as text.

        Last things first, as one setting may be what allows another: an EM gain that can only be set while its switch
        is on, for example. What is refused is tried once more when all others are as they were.
        """
        properties = [setting for setting in self._values if setting not in _LAST]
        order = (*reversed(properties), *(one for one in _LAST if one in self._values))
        return self._put_all_back(order) and self._put_all_back(order)

    def _put_all_back(self, order: Iterable[_Setting]) -> list[str]:
        problems = [self._put_one_back(setting, self._values[setting]) for setting in order]
        return [problem for problem in problems if problem]

    def _put_one_back(self, setting: _Setting, found: _Value) -> str:
        now = attempt(lambda: self._read(setting))
        if not isinstance(now, Failure) and now is not None and _same(now, found):
            return ""
        outcome = attempt(lambda: self._write(setting, found))
        now = attempt(lambda: self._read(setting))
        if not isinstance(now, Failure) and now is not None and _same(now, found):
            self._hardware.events.add("property", restored=str(setting), value=str(found))
            return ""
        if isinstance(outcome, Failure):
            return f"{setting} ({outcome.error})"
        if isinstance(now, Failure):
            return f"{setting} (cannot be read: {now.error}, was {found})"
        return f"{setting} ({'cannot be set now' if now is None else f'is {now}'}, was {found})"

    def _read(self, setting: _Setting) -> _Value | None:
        """Return a setting's value; None where there is no such thing."""
        match setting.kind:
            case "property":
                if not self._ask(_WHAT, "has_property", setting.device, setting.name):
                    return None
                if self._ask(_WHAT, "is_property_read_only", setting.device, setting.name):
                    return None
                return str(self._ask(_WHAT, "get_property", setting.device, setting.name))
            case "region of interest":
                return self._backend.roi()
            case "exposure":
                return float(self._ask(_WHAT, "get_exposure"))
        if not self._ask(_WHAT, "get_shutter_device"):
            return None
        return bool(self._ask(_WHAT, "get_auto_shutter" if setting is _AUTO_SHUTTER else "get_shutter_open"))

    def _write(self, setting: _Setting, value: _Value) -> None:
        match setting.kind:
            case "property":
                self._ask(_PUT_BACK, "set_property", setting.device, setting.name, value)
                if setting.device != _CORE:
                    self._ask(_PUT_BACK, "wait_for_device", setting.device)
            case "region of interest":
                assert isinstance(value, tuple)
                self._ask(_PUT_BACK, "set_roi", *value)
            case "exposure":
                self._ask(_PUT_BACK, "set_exposure", value)
            case "automatic shutter":
                self._ask(_PUT_BACK, "set_auto_shutter", value)
            case _:
                self._ask(_PUT_BACK, "set_shutter_open", value)


def describe_left(settings: list[str]) -> str:
    """Return which settings could not be put back, as a sentence."""
    return f"not put back as they were before the section: {', '.join(settings)}"


def _same(one: _Value, other: _Value) -> bool:
    """Return whether two values are one setting: devices write numbers in more than one way."""
    if one == other:
        return True
    numbers = [_number(value) for value in (one, other)]
    if numbers[0] is None or numbers[1] is None:
        return False
    return math.isclose(numbers[0], numbers[1], rel_tol=1e-6, abs_tol=1e-9)


def _number(value: _Value) -> float | None:
    if isinstance(value, tuple | bool):
        return None
    try:
        return float(value)
    except ValueError:
        return None

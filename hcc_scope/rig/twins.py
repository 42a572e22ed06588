"""The demo twin of each kind of device, and which of a device's properties its twin understands.

A twin stands for a device whose adapter is not installed: Micro-Manager's own demo device of the same kind. What is
set on it is what every device of the kind has. Everything else is particular to the real device: the twin would not
have it, or would mean something else by the same name (``Gain``). Such a property gets a *memory* if presets use it, a
demo state device with one position for each value, so that presets and pixel sizes that depend on it keep working.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hcc_scope.number_text import plain_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.rig.device_kinds import DeviceKind
    from hcc_scope.types import RigRoles

__all__ = [
    "DEMO_LIBRARY",
    "LONGEST_DELAY_MS",
    "MOST_POSITIONS",
    "TWINS",
    "Setting",
    "camera_roles",
    "twin_role_value",
    "understood",
]

DEMO_LIBRARY = "DemoCamera"

TWINS: dict[DeviceKind, str] = {
    "camera": "DCam",
    "shutter": "DShutter",
    "state": "DStateDevice",
    "stage": "DStage",
    "xy_stage": "DXYStage",
    "generic": "DStateDevice",
    "autofocus": "DAutoFocus",
    "signal": "D-DA",
    "magnifier": "DOptovar",
    "hub": "DHub",
    "galvo": "DGalvo",
    "pressure_pump": "DPressurePump",
    "volumetric_pump": "DVolumetricPump",
}
"""Adapter in the library DemoCamera. A serial port, an image processor and a light modulator have none."""

MOST_POSITIONS = 4096
"""Of a state device: a line of 8 switches has 256."""
LONGEST_DELAY_MS = 50.0
"""A twin needs no time; a long delay would only make the trial long."""

_ROLE_TWINS = {
    "em_gain": "TestProperty5",
    "em_switch": "UseExposureSequences",
    "temperature": "CCDTemperature RO",
    "temperature_set_point": "CCDTemperature",
    "readout": "ScanMode",
}
"""Property of the demo camera that stands for a role. The gain's has no limits, and neither it nor the switch's changes
the image; the demo camera's own ``Gain`` ends at 8."""

_BINNINGS = ("1", "2", "4", "8")
_PIXEL_TYPES = ("8bit", "16bit", "32bit", "32bitRGB", "64bitRGB")
_BIT_DEPTHS = ("8", "10", "11", "12", "14", "16", "32")
_LONGEST_EXPOSURE_MS = 10_000.0
_TRANSPOSING = ("TransposeCorrection", "TransposeMirrorX", "TransposeMirrorY", "TransposeXY")
_COLDEST_C, _WARMEST_C = -100.0, 10.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What a twin is set to in the place of a device."""

    name: str
    value: str
    adjusted: bool = False
    """Whether the twin takes another value than the device would."""


def camera_roles(roles: RigRoles) -> RigRoles:
    """Return the roles for a demo camera that stands for the one they were written for."""
    given: dict[str, Any] = {role: twin for role, twin in _ROLE_TWINS.items() if getattr(roles, role) is not None}
    return replace(roles, **given, em_switch_off=())


def twin_role_value(roles: RigRoles, name: str, value: str) -> Setting | None:
    """Return what a camera's property that has a role sets on the twin; None if it has none, or is only read."""
    if name == roles.em_gain:
        number = plain_number(value)
        return None if number is None else Setting(_ROLE_TWINS["em_gain"], value)
    if name == roles.em_switch:
        off = value in roles.em_switch_off or value.strip().casefold() in ("off", "0", "no", "disabled", "conventional")
        return Setting(_ROLE_TWINS["em_switch"], "No" if off else "Yes")
    if name == roles.temperature_set_point:
        number = plain_number(value)
        if number is None:
            return None
        taken = min(max(number, _COLDEST_C), _WARMEST_C)
        return Setting(_ROLE_TWINS["temperature_set_point"], f"{taken:g}", adjusted=taken != number)
    return None


def understood(
    kind: DeviceKind, name: str, value: str, *, positions: Mapping[str, int] | None = None
) -> Setting | None:
    """Return what a property of a device sets on its twin, or None if the twin does not understand it.

    Parameters
    ----------
    kind : DeviceKind
    name, value : str
        Of the device's property.
    positions : mapping, optional
        Labels of a state device, each with its position.
    """
    if kind == "camera":
        return _of_camera(name, value)
    if kind == "state":
        known = name == "State" and value.strip().isdigit() and int(value) < MOST_POSITIONS
        return Setting(name, value) if known or (name == "Label" and value in (positions or {})) else None
    if kind == "shutter":
        return Setting(name, value) if name == "State" and value in ("0", "1") else None
    if kind == "stage":
        return Setting(name, value) if name == "Position" and plain_number(value) is not None else None
    if kind == "xy_stage":
        return Setting(name, value) if name in _TRANSPOSING and value in ("0", "1") else None
    return None


def _of_camera(name: str, value: str) -> Setting | None:
    number = plain_number(value)
    if name == "Binning":
        times = value.strip().casefold().split("x")[0].strip()  # 2, or 2x2
        return Setting(name, times, adjusted=times != value) if times in _BINNINGS else None
    if name == "Exposure" and number is not None:
        taken = min(max(number, 0.0), _LONGEST_EXPOSURE_MS)
        return Setting(name, value if taken == number else f"{taken:g}", adjusted=taken != number)
    choices = {"PixelType": _PIXEL_TYPES, "BitDepth": _BIT_DEPTHS, **dict.fromkeys(_TRANSPOSING, ("0", "1"))}
    return Setting(name, value) if value in choices.get(name, ()) else None

"""The state of a rig at one moment, as frozen values: an operator's controls are built from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.types import StageLimits

__all__ = [
    "CameraState",
    "DeviceProperty",
    "GroupState",
    "ObjectiveState",
    "PropertyKind",
    "RigState",
]

PropertyKind = Literal["text", "number", "integer"]
"""What a property's value is, whatever text the device gives it as."""


@dataclass(frozen=True, slots=True)
class CameraState:
    """The camera, as far as it can be set; None where it has no such thing, or the rig file gives it no role."""

    label: str
    library: str
    """Name of the device adapter library: ``DemoCamera``, ``Andor`` ..."""
    exposure_ms: float
    exposure_limits_ms: tuple[float, float] | None
    """None where the camera does not report it; it may still refuse."""
    binning: str
    """As the camera words it: ``2``, ``2x2``; empty if it has no binning."""
    binnings: tuple[str, ...]
    """What it allows; empty if there is nothing to choose."""
    roi: tuple[int, int, int, int]
    """x, y, width, height in px of the camera's present binning."""
    full: tuple[int, int]
    """Width, height in px of the whole sensor at the present binning."""
    bit_depth: int
    em_gain: float | None
    """As set, whether or not the switch below lets it work."""
    em_gain_limits: tuple[float, float] | None
    em_switch: bool | None
    temperature_c: float | None
    temperature_set_point_c: float | None
    readout: str | None
    readouts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupState:
    """A configuration group."""

    presets: tuple[str, ...]
    current: str
    """The preset that the devices match; empty if they match none."""


@dataclass(frozen=True, slots=True)
class ObjectiveState:
    """The device that reports which objective is in use."""

    labels: tuple[str, ...]
    """By position."""
    current: str


@dataclass(frozen=True, slots=True)
class RigState:
    """Everything that a person's controls show, read at one moment."""

    camera: CameraState
    groups: Mapping[str, GroupState]
    """By name, in the configuration's order."""
    objective: ObjectiveState | None
    pixel_size_um: float
    """On the specimen; 0 if it is not known for the present objective."""
    xy_um: tuple[float, float] | None
    """None without a motorised stage."""
    z_um: float | None
    """None without a focus drive."""
    limits: StageLimits | None
    """Where the stage may go; None if the rig file names no limits."""
    shutter_open: bool | None
    auto_shutter: bool | None
    """Whether the core opens the shutter for each exposure by itself. Both None without a shutter."""
    busy: bool
    """Whether the camera, the stage, the focus drive, the shutter or the objective is at work."""


@dataclass(frozen=True, slots=True)
class DeviceProperty:
    """One property of one loaded device."""

    device: str
    name: str
    value: str
    read_only: bool
    pre_init: bool
    """Only takes effect while the configuration is loaded."""
    allowed: tuple[str, ...]
    """The only values it takes; empty if it takes others."""
    limits: tuple[float, float] | None
    kind: PropertyKind

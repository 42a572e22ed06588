"""Which properties of a camera play which role, by the adapter that drives it.

The names are those of the adapters' public source code, as of device interface 75, except for Hamamatsu: the source of
its adapter is closed, and only the name of its read-out property is documented.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

__all__ = ["CAMERA_KINDS", "LIBRARIES", "CameraKind", "CameraRoles"]

CameraKind: TypeAlias = Literal["andor", "pvcam", "qcam", "hamamatsu", "demo"]


class CameraRoles(TypedDict, total=False):
    """The roles of a camera; one that is not there is left to the rig file."""

    em_gain: str
    em_switch: str
    em_switch_off: tuple[str, ...]
    temperature: str
    temperature_set_point: str
    readout: str


CAMERA_KINDS: dict[CameraKind, CameraRoles] = {
    "andor": {
        "em_gain": "Gain",
        "em_switch": "EMSwitch",
        "em_switch_off": ("Off",),
        "temperature": "CCDTemperature",
        "temperature_set_point": "CCDTemperatureSetPoint",
        "readout": "ReadoutMode",
    },
    # the ports of a camera have names of its own, so which of them bypasses the gain stays with the rig file
    "pvcam": {
        "em_gain": "MultiplierGain",
        "em_switch": "Port",
        "temperature": "CCDTemperature",
        "temperature_set_point": "CCDTemperatureSetPoint",
        "readout": "ReadoutRate",
    },
    # its CCDTemperature is the wanted temperature, and its ReadoutTime the speed of the read-out
    "qcam": {
        "em_gain": "EMGain",
        "em_switch": "ReadoutMode",
        "em_switch_off": ("Normal",),
        "temperature_set_point": "CCDTemperature",
        "readout": "ReadoutTime",
    },
    "hamamatsu": {"readout": "ScanMode"},
    "demo": {
        "em_gain": "Gain",
        "temperature": "CCDTemperature RO",
        "temperature_set_point": "CCDTemperature",
    },
}
"""The ready-made roles by the rig file's key ``camera``."""

LIBRARIES: dict[CameraKind, tuple[str, ...]] = {
    "andor": ("Andor",),
    "pvcam": ("PVCAM",),
    "qcam": ("QCam",),
    "hamamatsu": ("HamamatsuHam", "Hamamatsu"),
    "demo": ("DemoCamera",),
}
"""The adapter libraries, as a ``.cfg`` names them, that each kind of camera belongs to."""

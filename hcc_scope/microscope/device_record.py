"""The state of all devices at one moment, for the log of a run. Runs in the core's thread only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from hcc_scope.microscope.backend import Backend
    from hcc_scope.run_events import JsonValue

__all__ = ["LIMIT_S", "device_state"]

LIMIT_S = 2.0
"""How long the devices may take for their answers; the rest is as the core remembers it."""
_WHAT = "reading the devices"
_CORE: dict[str, tuple[str, ...]] = {
    "camera": ("get_camera_device",),
    "shutter": ("get_shutter_device",),
    "shutter_open": ("get_shutter_open",),
    "auto_shutter": ("get_auto_shutter",),
    "exposure_ms": ("get_exposure",),
    "pixel_size_um": ("get_pixel_size_um",),
}


def device_state(backend: Backend, limit_s: float = LIMIT_S) -> dict[str, JsonValue]:
    """Return every property of every device.

    Parameters
    ----------
    backend : Backend
    limit_s : float
        What is not asked for by then comes from the core's memory: a device on a serial line takes long for each
        answer. One call to a driver cannot be cut short.

    Returns
    -------
    dict
        - ``properties``: value by property by device label.
        - ``core``: its camera, shutter, exposure and so on, and the position of the stage.
        - ``remembered``: properties whose value the core remembers, as ``device.property``.
        - ``unread``: why, by ``device.property``, for what could not be read at all.
    """
    began = time.monotonic()
    properties: dict[str, JsonValue] = {}
    remembered: list[JsonValue] = []
    unread: dict[str, JsonValue] = {}
    core: dict[str, JsonValue] = {}

    def read(into: dict[str, JsonValue], key: str, name: str, *arguments: object, place: str) -> None:
        value = attempt(lambda: backend.ask(_WHAT, name, *arguments))
        if isinstance(value, Failure):
            unread[place] = str(value.error)
        else:
            into[key] = value if isinstance(value, bool | int | float) else str(value)

    for key, (name, *arguments) in _CORE.items():
        read(core, key, name, *arguments, place=f"Core.{key}")
    roi = attempt(backend.roi)
    if not isinstance(roi, Failure):
        core["roi"] = list(roi)
    for key, name, role in (
        ("x_um", "get_x_position", "get_xy_stage_device"),
        ("y_um", "get_y_position", "get_xy_stage_device"),
        ("z_um", "get_position", "get_focus_device"),
    ):
        device = attempt(lambda role=role: backend.ask(_WHAT, role))  # type: ignore[misc]
        if isinstance(device, str) and device:
            read(core, key, name, device, place=f"Core.{key}")
    for device in backend.labels("get_loaded_devices"):
        values: dict[str, JsonValue] = {}
        for name in backend.labels("get_device_property_names", device):
            place = f"{device}.{name}"
            if time.monotonic() - began < limit_s:
                read(values, name, "get_property", device, name, place=place)
            else:
                read(values, name, "get_property_from_cache", device, name, place=place)
                remembered.append(place)
        properties[device] = values
    return {"properties": properties, "core": core, "remembered": remembered, "unread": unread}

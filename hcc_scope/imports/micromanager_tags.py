"""The metadata that Micro-Manager stores with each image (1.4, 2.0, and NDTiff): where it belongs, and its facts.

Versions 1.4 and 2.0 name the same things in different words, and mix the properties of all devices, as
``<device>-<property>``, with their own keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from hcc_scope.imports.described import shared
from hcc_scope.imports.facts import Facts, finite, later, number, plain_tags, utc
from hcc_scope.rig.camera_roles import CAMERA_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hcc_scope.types import TagValue

__all__ = ["Coords", "bit_depth_of", "channel_name_of", "coords_of", "facts_of", "names_of_channels", "thin_facts"]

_AXES = {
    "channel": ("ChannelIndex",),
    "z": ("SliceIndex", "Slice"),
    "time": ("FrameIndex", "Frame"),
    "position": ("PositionIndex",),
}
"""By the axis of version 2.0: the keys of version 1.4, which 2.0 still writes into stacks."""
_POSITIONS = ("{}PositionUm", "{}Position_um", "{}Position_um_Intended")
"""As read back (Micro-Manager), then as asked for (pycromanager)."""
_OWN_KEYS = frozenset({"Summary", "ScopeDataKeys", "scopeDataKeys", "StateCache-keys", "UserData", "userData"})
"""Not tags themselves: what concerns the whole dataset, lists of other keys, and objects with tags inside."""


class Coords(NamedTuple):
    """Where an image belongs in its dataset, 0-based."""

    position: int = 0
    time: int = 0
    z: int = 0
    channel: int = 0


def coords_of(metadata: Mapping[str, Any], channels: Mapping[str, int] | None = None) -> Coords | None:
    """Return where an image belongs, from its own metadata; None if they state no axis.

    Parameters
    ----------
    metadata : mapping
        Of the image.
    channels : mapping, optional
        Indices of channels that NDTiff names instead of counting.
    """
    axes = metadata.get("Axes", metadata.get("completeCoords"))
    axes = axes if isinstance(axes, dict) else {}
    found: dict[str, int] = {}
    for axis, keys in _AXES.items():
        for value in (axes.get(axis), *(metadata.get(key) for key in keys)):
            index = (channels or {}).get(value) if isinstance(value, str) and axis == "channel" else number(value)
            if index is not None:
                found[axis] = index
                break
    return Coords(**found) if found else None


def channel_name_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the name of an image's channel."""
    name = metadata.get("Channel", metadata.get("ChannelName"))
    return name if isinstance(name, str) and name else None


def names_of_channels(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a dataset's channels, from its summary."""
    names = summary.get("ChNames")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def bit_depth_of(metadata: Mapping[str, Any], stored_bits: int) -> int:
    """Return the camera's bit depth if it is stated and possible, else that of the stored numbers."""
    stated = number(metadata.get("BitDepth"))
    return stated if stated is not None and 8 <= stated <= stored_bits else stored_bits


def facts_of(metadata: Mapping[str, Any], summary: Mapping[str, Any]) -> Facts:
    """Return the facts about an image, with all other entries of its metadata as tags.

    Parameters
    ----------
    metadata : mapping
        Of the image.
    summary : mapping
        Of the dataset; may be empty.
    """
    facts = Facts(tags=plain_tags({key: value for key, value in metadata.items() if key not in _OWN_KEYS}))
    for key in ("UserData", "userData"):
        if isinstance(user := metadata.get(key), dict):
            facts["tags"] |= plain_tags({name: _scalar(value) for name, value in user.items()})
    x, y, z = (_first(metadata, *(name.format(axis) for name in _POSITIONS)) for axis in "XYZ")
    if x is not None and y is not None:
        facts["stage_um"] = (x, y, z)
    size_um = _first(metadata, "PixelSizeUm", "PixelSize_um")
    if size_um is None:
        size_um = finite(summary.get("PixelSize_um"))
    if size_um is not None and size_um > 0:  # 0 where it is not calibrated
        facts["pixel_size_yx_um"] = size_um, size_um
    exposure_ms = _first(metadata, "Exposure-ms", "Exposure")
    if exposure_ms is not None and exposure_ms > 0:
        facts["exposure_ms"] = exposure_ms
    facts["t_utc"] = _time(metadata, summary)
    facts["camera_frame"] = number(metadata.get("ImageNumber"))
    camera = metadata.get("Camera", metadata.get("Core-Camera"))
    if isinstance(camera, str) and camera:
        facts["em_gain"] = _em_gain(metadata, camera)
        facts["temperature_c"] = _temperature_c(metadata, camera)
    facts["objective"] = _objective(metadata)
    return facts


def thin_facts(metadata: Mapping[str, Any], summary: Mapping[str, Any], first: dict[str, TagValue]) -> Facts:
    """Return the facts about one of many images: the tags that do not change are kept only once in memory.

    Parameters
    ----------
    metadata, summary : mapping
        As for `facts_of`.
    first : dict
        Tags of the first image; empty before it.
    """
    facts = facts_of(metadata, summary)
    if not first:
        first |= facts["tags"]
    facts["tags"] = cast("dict[str, TagValue]", shared(facts["tags"], first))
    return facts


def _first(metadata: Mapping[str, Any], *names: str) -> float | None:
    """Return the first of the named values that is a number."""
    return next((found for name in names if (found := finite(metadata.get(name))) is not None), None)


def _scalar(value: object) -> object:
    """Return the value of an entry of version 2.0's property maps: ``{"type": ..., "scalar": ...}``."""
    if isinstance(value, dict) and len(value) == 2 and "type" in value:
        return value.get("scalar", value.get("array", value.get("PropVal")))
    return value


def _time(metadata: Mapping[str, Any], summary: Mapping[str, Any]) -> datetime | None:
    """Return when the image arrived, which is soon after its exposure: to the millisecond where that is stated."""
    received = utc(metadata.get("ReceivedTime", metadata.get("receivedTime")))
    if received is not None:
        return received
    start = utc(summary.get("StartTime", summary.get("Time")))
    elapsed_ms = finite(metadata.get("ElapsedTime-ms"))
    if start is not None and elapsed_ms is not None and (arrived := later(start, elapsed_ms)) is not None:
        return arrived
    return utc(metadata.get("Time"), "%Y-%m-%d %a %H:%M:%S %z")


def _em_gain(metadata: Mapping[str, Any], camera: str) -> float | None:
    """Return the EM gain that took effect; None if the camera's properties do not show one beyond doubt."""

    def value(name: str) -> object:
        return metadata.get(f"{camera}-{name}")

    andor, qcam = CAMERA_KINDS["andor"], CAMERA_KINDS["qcam"]
    if value(andor["em_switch"]) is not None:
        return 1.0 if value(andor["em_switch"]) in andor["em_switch_off"] else finite(value(andor["em_gain"]))
    if value(qcam["em_gain"]) is not None and value(qcam["em_switch"]) is not None:
        return 1.0 if value(qcam["em_switch"]) in qcam["em_switch_off"] else finite(value(qcam["em_gain"]))
    return None


def _temperature_c(metadata: Mapping[str, Any], camera: str) -> float | None:
    """Return the measured temperature; a property of that name is the wanted one where it has no set-point beside."""
    for kind in ("demo", "andor"):
        roles = CAMERA_KINDS[kind]
        if f"{camera}-{roles['temperature_set_point']}" in metadata:
            measured = finite(metadata.get(f"{camera}-{roles['temperature']}"))
            if measured is not None:
                return measured
    return None


def _objective(metadata: Mapping[str, Any]) -> str | None:
    """Return the label of the objective, if exactly one device is named as its turret."""
    labels = {
        value
        for key, value in metadata.items()
        if key.endswith("-Label") and "objective" in key.lower() and isinstance(value, str) and value
    }
    return labels.pop() if len(labels) == 1 else None

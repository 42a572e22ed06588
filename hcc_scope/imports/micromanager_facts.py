"""What Micro-Manager and pycromanager state about an image in its metadata, as the facts of a plane.

The names differ by program and version: Micro-Manager 1.4 and 2.0, Micro-Magellan and pycromanager all wrote their own.
Where several name the same fact, the one that was read back from the device goes before the one that was asked for.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hcc_scope.imports.collection import Plane
    from hcc_scope.types import TagValue

__all__ = ["channel_names_in", "flat_tags", "parsed_json", "with_micromanager_facts"]

_PIXEL_SIZE: Final = ("PixelSizeUm", "PixelSize_um")
_EXPOSURE: Final = ("Exposure-ms", "ExposureMs", "Exposure")
_POSITION: Final = ("{}PositionUm", "{}Position_um", "{}Position_um_Intended", "{}Position_umIntended")
"""In order: as read back (Micro-Manager 2.0, 1.4), as asked for (pycromanager, Micro-Magellan)."""
_RECEIVED: Final = ("ReceivedTime", "Time")
_START: Final = ("StartTime", "DateAndTime")
_TIME_FORMATS: Final = ("%Y-%m-%d %H:%M:%S.%f %z", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S.%f%z")
_EM_GAIN: Final = ("EMGain", "MultiplierGain")
_TEMPERATURE: Final = ("CCDTemperature", "SensorTemperature")
_LEAST_BITS, _MOST_BITS = 8, 16
_MOST_UM = 1e7
"""Farther than any stage goes: 10 m."""
_MOST_DAYS = 36_500
_MOST_STEPS = 16
"""Of nested metadata; what lies deeper is left out."""


def parsed_json(text: bytes | str) -> dict[str, Any] | None:
    """Return an object of JSON; None if it is none, or damaged."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def flat_tags(metadata: Mapping[str, Any]) -> dict[str, TagValue]:
    """Return every value of nested metadata under one name, its steps joined by ``/``.

    Micro-Manager 2.0 wraps a value as ``{"PropVal": value}``, which counts as the value; a list becomes its JSON.

    Examples
    --------
    >>> flat_tags({"Width": 512, "ScopeData": {"Cam-Gain": {"PropVal": "3"}}, "ROI": [0, 0, 512, 512]})
    {'Width': 512, 'ScopeData/Cam-Gain': '3', 'ROI': '[0, 0, 512, 512]'}
    """
    return dict(_leaves(metadata, "", _MOST_STEPS))


def _leaves(metadata: Mapping[str, Any], prefix: str, steps: int) -> Iterator[tuple[str, TagValue]]:
    for key, stored in metadata.items():
        name = f"{prefix}{key}"
        value = stored["PropVal"] if isinstance(stored, dict) and set(stored) == {"PropVal"} else stored
        if isinstance(value, dict):
            if steps:
                yield from _leaves(value, f"{name}/", steps - 1)
        elif isinstance(value, list):
            yield name, _list_text(value)
        elif isinstance(value, float) and not math.isfinite(value):
            yield name, str(value)  # JSON has no such number
        else:
            yield name, value


def _list_text(value: list[Any]) -> str:
    try:
        return json.dumps(value)
    except RecursionError:
        return "[...]"


def with_micromanager_facts(plane: Plane, metadata: Mapping[str, Any], summary: Mapping[str, Any]) -> Plane:
    """Return a plane with what its metadata state.

    Parameters
    ----------
    plane : Plane
        As its format describes it; `bit_depth` is that of the stored numbers.
    metadata : mapping
        Of this image.
    summary : mapping
        Of the whole acquisition.

    Notes
    -----
    A time without a time zone stays a tag: where on the earth it was taken is not known here.
    """
    tags = flat_tags(metadata)
    by_name = {key.rpartition("/")[2]: value for key, value in tags.items()}
    size_um = _number(by_name, _PIXEL_SIZE) or _number(summary, _PIXEL_SIZE)
    x_um, y_um, z_um = (_number(by_name, [name.format(axis) for name in _POSITION]) for axis in "XYZ")
    stage_um = None
    if x_um is not None and y_um is not None and max(abs(x_um), abs(y_um), abs(z_um or 0.0)) < _MOST_UM:
        stage_um = (x_um, y_um, z_um)
    exposure_ms = _number(by_name, _EXPOSURE)
    image_number = _number(by_name, ["ImageNumber"])
    camera = str(by_name.get("Camera") or by_name.get("Core-Camera") or "")
    return replace(
        plane,
        bit_depth=_bit_depth(plane.bit_depth, by_name),
        pixel_size_yx_um=(size_um, size_um) if size_um is not None and size_um > 0 else plane.pixel_size_yx_um,
        stage_um=stage_um,
        exposure_ms=exposure_ms if exposure_ms is not None and exposure_ms >= 0 else None,
        t_utc=_time(by_name, summary),
        em_gain=_em_gain(by_name, camera),
        temperature_c=_number(by_name, [f"{camera}-{name}" for name in _TEMPERATURE]),
        objective=_objective(by_name),
        camera_frame=int(image_number) if image_number is not None and 0 <= image_number < 2**53 else None,
        tags={**plane.tags, **tags},
    )


def channel_names_in(summary: Mapping[str, Any]) -> list[str]:
    """Return the channels' names by index, as the summary of an acquisition lists them; empty if it does not."""
    names = summary.get("ChNames")
    if isinstance(names, str):  # as Micro-Manager 1.4 nests it
        try:
            names = json.loads(names)
        except (ValueError, RecursionError):
            return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _number(values: Mapping[str, Any], names: Iterable[str]) -> float | None:
    """Return the first of the named values that is a finite number, also one written as text."""
    for name in names:
        value = values.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            continue
        try:
            number = float(value)
        except (ValueError, OverflowError):
            continue
        if math.isfinite(number):
            return number
    return None


def _bit_depth(stored: int | None, values: Mapping[str, Any]) -> int | None:
    stated = _number(values, ["BitDepth"])
    if stored is None or stated is None or not _LEAST_BITS <= stated <= min(stored, _MOST_BITS):
        return stored
    return int(stated)


def _em_gain(values: Mapping[str, Any], camera: str) -> float | None:
    """Return the camera's electron-multiplying gain; that of Andor is named ``Gain`` and has a switch."""
    named = _number(values, [f"{camera}-{name}" for name in _EM_GAIN])
    if named is None and values.get(f"{camera}-EMSwitch") == "On":
        return _number(values, [f"{camera}-Gain"])
    return named


def _objective(values: Mapping[str, Any]) -> str | None:
    """Return the label of the one device that is called an objective."""
    labels = {str(value) for key, value in values.items() if "objective" in key.lower() and key.endswith("-Label")}
    return labels.pop() if len(labels) == 1 else None


def _time(values: Mapping[str, Any], summary: Mapping[str, Any]) -> datetime | None:
    """Return when an image was taken: as stated, else its time since the start of the acquisition."""
    received = _zoned(values, _RECEIVED)
    if received is not None:
        return received
    start, elapsed_ms = _zoned(summary, _START), _number(values, ["ElapsedTime-ms"])
    if start is None or elapsed_ms is None or not 0 <= elapsed_ms < _MOST_DAYS * 86_400_000:
        return None
    try:
        return start + timedelta(milliseconds=elapsed_ms)
    except OverflowError:
        return None


def _zoned(values: Mapping[str, Any], names: Iterable[str]) -> datetime | None:
    for name in names:
        text = values.get(name)
        if not isinstance(text, str):
            continue
        for layout in _TIME_FORMATS:
            try:
                return datetime.strptime(text.strip(), layout).astimezone(UTC)
            except (ValueError, OverflowError):
                continue
    return None

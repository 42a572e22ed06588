"""Position lists of Micro-Manager (``.pos``), read and written in the old format (1.4) and the new one (2.0).

A position is a label and the coordinates, in um, of one or more stages: two for an XY stage, one for a focus drive.
Both formats are JSON. The old one has ``POSITIONS``, each with ``DEVICES`` whose ``AXES`` says how many of ``X``, ``Y``
and ``Z`` count, in this order: the height of a focus drive stands in ``X``. The new one is a property map whose
``StagePositions`` hold ``DevicePositions`` with ``Position_um``. Grid rows and columns, and properties such as the
overlap of tiles, are not needed here and are left out.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hcc_scope.atomic_file import replacing
from hcc_scope.errors import PlanError, from_os_error
from hcc_scope.formatting import counted
from hcc_scope.plans.models import MAX_PLACES, PositionList
from hcc_scope.small_files import read_named_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "POS_SUFFIX",
    "MultiStagePosition",
    "PosFormat",
    "StageChoice",
    "plan_of_positions",
    "positions_of_plan",
    "read_positions",
    "write_positions",
]

POS_SUFFIX = ".pos"
PosFormat = Literal["1.4", "2.0"]
_MOST_BYTES = 256 * 2**20
_HERE = "<positions>"
_OLD_FRAME = f"""{{"VERSION": 3, "ID": "Micro-Manager XY-position list", "POSITIONS": [
{_HERE}
]}}
"""
_NEW_FRAME = f"""{{"encoding": "UTF-8", "format": "Micro-Manager Property Map", "major_version": 2, "minor_version": 0,
"map": {{"StagePositions": {{"type": "PROPERTY_MAP", "array": [
{_HERE}
]}}}}}}
"""
_NEEDS = "Save it anew in Micro-Manager's Stage Position List."


@dataclass(frozen=True, slots=True)
class MultiStagePosition:
    """One entry of a position list."""

    label: str
    stages_um: Mapping[str, tuple[float, ...]]
    """Coordinates by the label of the device."""
    xy_stage: str = ""
    """The device that is the XY stage; empty if the file does not name it."""
    z_stage: str = ""


@dataclass(frozen=True, slots=True)
class StageChoice:
    """Which devices of a position list are the XY stage and the focus drive; None: the list's own."""

    xy: str | None = None
    z: str | None = None


_AS_NAMED = StageChoice()


@dataclass(frozen=True, slots=True)
class _At:
    """A place inside a file, for messages."""

    path: Path
    keys: tuple[str, ...] = ()

    def __truediv__(self, key: str | int) -> _At:
        text = f"[{key}]" if isinstance(key, int) else key
        return _At(self.path, (*self.keys, text))

    def wrong(self, what: str) -> PlanError:
        where = ".".join(self.keys).replace(".[", "[")
        return PlanError(f"{self.path}: {where + ' ' if where else ''}{what}", hint=_NEEDS)


def read_positions(path: Path) -> tuple[MultiStagePosition, ...]:
    """Read a position list, whichever of the two formats it is in.

    Raises
    ------
    PlanError
        If the file cannot be read, is no position list, is empty, or holds a position that is no position; with its
        place in the file.
    """
    content = read_named_file(path, "position list", _MOST_BYTES, PlanError)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:  # Micro-Manager 1.4 writes in the encoding of its computer
        text = content.decode("cp1252", errors="replace")
    try:
        whole = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        what = f"{path}:{error.lineno}: the position list is not JSON: {error.msg.lower()}"
        raise PlanError(what, hint=_NEEDS) from error
    except RecursionError as error:
        raise PlanError(f"{path}: the position list is nested too deep", hint=_NEEDS) from error
    except _TwiceError as error:
        raise PlanError(f"{path}: the key '{error}' is there twice in one place", hint=_NEEDS) from error
    at = _At(path)
    if isinstance(whole, dict) and "POSITIONS" in whole:
        listed, read, place = whole["POSITIONS"], _old_position, at / "POSITIONS"
    elif isinstance(whole, dict) and isinstance(whole.get("map"), dict) and "StagePositions" in whole["map"]:
        place = at / "map" / "StagePositions"
        listed, read = _array(whole["map"]["StagePositions"], place), _new_position
    else:
        raise at.wrong("is no position list: it has neither POSITIONS nor map.StagePositions")
    if not isinstance(listed, list):
        raise place.wrong("must be a list of positions")
    if not listed:
        raise place.wrong("holds no position")
    if len(listed) > MAX_PLACES:
        raise place.wrong(f"holds more than {MAX_PLACES:,} positions")
    return tuple(read(_mapping(one, place / i), place / i) for i, one in enumerate(listed))


class _TwiceError(Exception):
    """A key that a JSON object has twice: which of the two is meant is not known."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in keys if keys.count(key) > 1))
    return found


def _mapping(value: Any, at: _At) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    if not isinstance(value, dict):
        raise at.wrong("must be a mapping of keys to values")
    return value


def _text(values: Mapping[str, Any], key: str, at: _At, *, default: str | None = None) -> str:
    value = values.get(key, default)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise (at / key).wrong("is missing" if key not in values else "must be a text")
    if not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
        raise (at / key).wrong("holds half a character")
    return value


def _number(value: Any, at: _At) -> float:  # noqa: ANN401 - JSON
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise at.wrong("must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise at.wrong("must be a finite number")
    return number


def _position(
    label: str, stages: Sequence[tuple[str, tuple[float, ...]]], xy_stage: str, z_stage: str, at: _At
) -> MultiStagePosition:
    found = dict(stages)
    if len(found) < len(stages):
        raise at.wrong("names a device twice")
    return MultiStagePosition(label, found, xy_stage, z_stage)


def _old_position(values: Mapping[str, Any], at: _At) -> MultiStagePosition:
    devices = values.get("DEVICES")
    place = at / "DEVICES"
    if not isinstance(devices, list):
        raise place.wrong("must be a list of devices")
    stages = []
    for i, one in enumerate(devices):
        device, here = _mapping(one, place / i), place / i
        axes = device.get("AXES")
        if isinstance(axes, bool) or axes not in (1, 2, 3):
            raise (here / "AXES").wrong("is missing" if axes is None else "must be 1, 2 or 3")
        coordinates = tuple(_number(device.get(axis), here / axis) for axis in ("X", "Y", "Z")[: int(axes)])
        stages.append((_text(device, "DEVICE", here), coordinates))
    return _position(
        _text(values, "LABEL", at, default=""),
        stages,
        _text(values, "DEFAULT_XY_STAGE", at, default=""),
        _text(values, "DEFAULT_Z_STAGE", at, default=""),
        at,
    )


def _array(value: Any, at: _At) -> list[Any]:  # noqa: ANN401 - JSON
    """Return the list that a property holds."""
    found = _mapping(value, at).get("array")
    if not isinstance(found, list):
        raise (at / "array").wrong("must be a list")
    return found


def _scalar(values: Mapping[str, Any], key: str, at: _At, *, default: str | None = None) -> str:
    """Return the text that a property holds."""
    if default is not None and values.get(key) is None:
        return default
    if key not in values:
        raise (at / key).wrong("is missing")
    return _text(_mapping(values[key], at / key), "scalar", at / key, default=default)


def _new_position(values: Mapping[str, Any], at: _At) -> MultiStagePosition:
    place = at / "DevicePositions"
    if "DevicePositions" not in values:
        raise place.wrong("is missing")
    stages = []
    for i, one in enumerate(_array(values["DevicePositions"], place)):
        device, here = _mapping(one, place / i), place / i
        if "Position_um" not in device:
            raise (here / "Position_um").wrong("is missing")
        listed = _array(device["Position_um"], here / "Position_um")
        coordinates = tuple(_number(value, here / "Position_um" / j) for j, value in enumerate(listed))
        if len(coordinates) not in (1, 2, 3):
            raise (here / "Position_um").wrong(f"must hold 1 to 3 numbers, not {len(coordinates)}")
        stages.append((_scalar(device, "Device", here), coordinates))
    return _position(
        _scalar(values, "Label", at, default=""),
        stages,
        _scalar(values, "DefaultXYStage", at, default=""),
        _scalar(values, "DefaultZStage", at, default=""),
        at,
    )


# --- as a plan ---


def plan_of_positions(
    positions: Sequence[MultiStagePosition], where: str, choice: StageChoice = _AS_NAMED
) -> tuple[PositionList, tuple[str, ...]]:
    """Return the plan that visits the positions in their order, and the devices that it leaves alone.

    The XY stage of a position is the one of `choice`; without, the one that the position names as its default;
    without, the only device with two coordinates. The focus drive likewise, with one coordinate; but where several
    could be meant and none is named, or none has a coordinate, the plan leaves the focus alone.

    Parameters
    ----------
    positions : sequence of MultiStagePosition
    where : str
        The file, for messages.
    choice : StageChoice, optional
        A device of `choice` that a position has no coordinates for is an error (XY) or leaves the focus alone (Z).

    Raises
    ------
    PlanError
        If it is not clear which device is the XY stage of a position, or it has no coordinates; or if the positions
        belong to more than one XY stage or focus drive.
    """
    used: dict[str, str] = {}
    places: list[tuple[float, float] | tuple[float, float, float]] = []
    ignored: set[str] = set()
    for i, one in enumerate(positions):
        xy = _stage(one.stages_um, choice.xy, one.xy_stage, 2)
        if xy is None:
            name = f"position {i + 1} ('{one.label}')" if one.label else f"position {i + 1}"
            pairs = [device for device, values in one.stages_um.items() if len(values) == 2]
            if choice.xy is not None:
                what = f"has no x and y of the stage '{choice.xy}'"
            elif not pairs:
                what = "has no x and y of a stage"
            else:
                what = f"does not name its XY stage, which may be {' or '.join(repr(one) for one in pairs)}"
            given = f"It has x and y of: {', '.join(pairs)}. Name one with --xy-stage." if pairs else None
            raise PlanError(f"{where}: {name} {what}", hint=given)
        z = _stage(one.stages_um, choice.z, one.z_stage, 1)
        for device, what, option in ((xy, "XY stage", "--xy-stage"), (z, "focus drive", "--z-stage")):
            if device is not None and used.setdefault(what, device) != device:
                raise PlanError(
                    f"{where}: position {i + 1} belongs to the {what} '{device}', and those before to '{used[what]}'",
                    hint=f"Name the one to use with {option}.",
                )
        x_um, y_um = one.stages_um[xy]
        places.append((x_um, y_um) if z is None else (x_um, y_um, one.stages_um[z][0]))
        ignored |= set(one.stages_um) - {xy, z}
    labels = tuple(one.label for one in positions)
    plan = PositionList(
        positions_um=tuple(places),
        labels=labels if any(labels) else None,
        xy_stage=used.get("XY stage"),
        z_stage=used.get("focus drive"),
    )
    return plan, tuple(sorted(ignored))


def _stage(stages_um: Mapping[str, tuple[float, ...]], chosen: str | None, default: str, axes: int) -> str | None:
    fitting = [device for device, values in stages_um.items() if len(values) == axes]
    if chosen is not None:
        return chosen if chosen in fitting else None
    if default in fitting:
        return default
    return fitting[0] if len(fitting) == 1 else None


def positions_of_plan(
    places: Sequence[tuple[float, float, float | None]],
    labels: Sequence[str] | None,
    xy_stage: str,
    z_stage: str,
) -> tuple[MultiStagePosition, ...]:
    """Return positions for Micro-Manager.

    Parameters
    ----------
    places : sequence of (x, y, z)
        In um; a z of None leaves the focus alone.
    labels : sequence of str, optional
        Without, ``Pos0``, ``Pos1`` ... as Micro-Manager numbers them.
    xy_stage, z_stage : str
        Labels of the devices.
    """
    return tuple(
        MultiStagePosition(
            labels[i] if labels else f"Pos{i}",
            {xy_stage: (x_um, y_um), **({} if z_um is None else {z_stage: (z_um,)})},
            xy_stage,
            z_stage if z_um is not None else "",
        )
        for i, (x_um, y_um, z_um) in enumerate(places)
    )


def _old_value(one: MultiStagePosition) -> dict[str, object]:
    devices = [
        {"DEVICE": device, "AXES": len(values)}
        | {axis: values[i] if i < len(values) else 0.0 for i, axis in enumerate(("X", "Y", "Z"))}
        for device, values in one.stages_um.items()
    ]
    return {
        "LABEL": one.label,
        "GRID_ROW": 0,
        "GRID_COL": 0,
        "DEFAULT_XY_STAGE": one.xy_stage,
        "DEFAULT_Z_STAGE": one.z_stage,
        "DEVICES": devices,
        "PROPERTIES": {},
    }


def _new_value(one: MultiStagePosition) -> dict[str, object]:
    def text(value: str) -> dict[str, str]:
        return {"type": "STRING", "scalar": value}

    devices = [
        {"Device": text(device), "Position_um": {"type": "DOUBLE", "array": list(values)}}
        for device, values in one.stages_um.items()
    ]
    return {
        "DefaultXYStage": text(one.xy_stage),
        "DefaultZStage": text(one.z_stage),
        "DevicePositions": {"type": "PROPERTY_MAP", "array": devices},
        "GridCol": {"type": "INTEGER", "scalar": 0},
        "GridRow": {"type": "INTEGER", "scalar": 0},
        "Label": text(one.label),
        "Properties": {"type": "PROPERTY_MAP", "scalar": {}},
    }


def write_positions(positions: Sequence[MultiStagePosition], path: Path, pos_format: PosFormat = "2.0") -> None:
    """Write a position list for Micro-Manager; a file that is there is replaced as a whole.

    Parameters
    ----------
    positions : sequence of MultiStagePosition
    path : Path
    pos_format : {"2.0", "1.4"}
        Micro-Manager 2.0 reads both.

    Raises
    ------
    PlanError
        If there is no position.
    HccScopeError
        If the file cannot be written.
    """
    if not positions:
        raise PlanError("there is no position to write")
    # a position a line, and ASCII: Micro-Manager 1.4 reads in the encoding of its computer
    value = _old_value if pos_format == "1.4" else _new_value
    listed = ",\n".join(json.dumps(value(one), allow_nan=False) for one in positions)
    text = (_OLD_FRAME if pos_format == "1.4" else _NEW_FRAME).replace(_HERE, listed)
    try:
        with replacing(path, shared=True) as temporary:
            temporary.write_text(text, encoding="ascii", newline="\n")
    except OSError as error:
        what = f"The {counted(len(positions), 'position')} cannot be written to {path}"
        raise from_os_error(error, what) from error

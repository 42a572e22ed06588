"""The rig file: what a Micro-Manager configuration cannot say about a microscope.

::

    config: demo.cfg              # beside this file, or an absolute path
    adapters_dir: null            # Micro-Manager's folder, likewise; null: the demo adapters that are installed
    buffer_size_mb: 1024          # the camera's own buffer
    pixel_size_um: null           # takes the place of the configuration's pixel size
    roles:                        # camera properties, and the objective's device
      em_gain: Gain
      em_switch: null
      temperature: CCDTemperature
      temperature_set_point: CCDTemperatureSetPoint  # recorded with each frame, beside the temperature
      readout: null
      objective: Objective
    stage_limits_um: {x: [-60000, 60000], y: [-40000, 40000], z: [-300, 300]}
"""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - pydantic asks for it
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from hcc_scope.errors import ConfigError
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.rig.files import expanded
from hcc_scope.rig.yaml_file import read_yaml
from hcc_scope.types import RigRoles, StageLimits

__all__ = ["Rig", "load_rig"]

# strict: neither yes nor a text is a number
Number = Annotated[FiniteFloat, Field(strict=True)]


_SHOWN = 40
"""Longest part of a wrong value that is shown."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Roles(_Strict):
    em_gain: str | None = None
    em_switch: str | None = None
    temperature: str | None = None
    temperature_set_point: str | None = None
    readout: str | None = None
    objective: str | None = None


class _Limits(_Strict):
    x: tuple[Number, Number]
    y: tuple[Number, Number]
    z: tuple[Number, Number] | None = None

    @model_validator(mode="after")
    def _low_below_high(self) -> _Limits:
        for axis, span in (("x", self.x), ("y", self.y), ("z", self.z)):
            if span is not None and span[0] >= span[1]:
                raise ValueError(f"the lower limit of {axis} must be below its upper one")
        return self


class _RigFile(_Strict):
    config: str
    adapters_dir: str | None = None
    buffer_size_mb: Annotated[int, Field(gt=0, strict=True)] = 1024
    pixel_size_um: Annotated[Number, Field(gt=0)] | None = None
    roles: _Roles = _Roles()
    stage_limits_um: _Limits | None = None


class Rig(BaseModel):
    """A rig file, read and with its paths resolved."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    path: Path | None
    """The rig file; None if there was only a .cfg."""
    config: Path
    """The Micro-Manager configuration."""
    adapters_dir: Path | None = None
    """None: the demo adapters installed with this program. A relative one in the file is beside the file."""
    buffer_size_mb: int = 1024
    pixel_size_um: float | None = None
    roles: RigRoles = RigRoles()
    stage_limits: StageLimits | None = None
    key_lines: dict[str, int] = {}
    """Line of each key of the file, such as ``roles.em_gain``: for checks that come later."""

    def place(self, key: str) -> str:
        """Return where a key stands, as ``file:line``, or the file where it does not."""
        line = self.key_lines.get(key)
        return f"{self.path or self.config}" + (f":{line}" if line else "")


def _find(path_or_name: str | Path) -> Path:
    """Return the rig file meant: a path, or the name of one that is shipped, such as ``demo``."""
    path = expanded(path_or_name)
    if path.suffix or os.sep in str(path_or_name) or len(path.parts) != 1:
        return path
    shipped = {file.name.removesuffix(".rig.yaml"): file for file in hardware_configs_dir().glob("*.rig.yaml")}
    if path.name in shipped:
        return shipped[path.name]
    try:
        is_there = path.exists()
    except OSError:
        is_there = False
    if is_there:
        return path
    raise ConfigError(
        f"there is no rig named '{path_or_name}'", hint=f"Give a file, or one of: {', '.join(sorted(shipped))}."
    )


def _in_words(error: ValidationError) -> tuple[str, tuple[int | str, ...]]:
    errors = error.errors(include_url=False)
    # a mistyped key is also a missing one: naming what was typed helps more
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key '{where}'", first["loc"]
    if first["type"] == "missing" and not isinstance(first["loc"][-1], int):
        return f"the key '{where}' is missing", first["loc"]
    kind, value = first["type"], str(first["input"])[:_SHOWN]
    if kind in ("int_type", "float_type", "int_from_float", "finite_number"):
        return f"{where}: '{value}' is no {'whole ' * kind.startswith('int')}number", first["loc"]
    if kind == "string_type":
        return f"{where}: '{value}' is no text; write it in quotation marks", first["loc"]
    if kind in ("model_type", "dict_type"):
        return f"{where} must be a mapping of keys to values", first["loc"]
    if kind in ("tuple_type", "too_long", "too_short", "missing") and where.startswith("stage_limits_um"):
        return f"{where} must be two numbers, [lowest, highest]", first["loc"]
    return f"{where}: {first['msg'].removeprefix('Value error, ')}", first["loc"]


def load_rig(path_or_name: str | Path) -> Rig:
    """Read a rig file, or take a .cfg as a rig without roles and limits.

    Parameters
    ----------
    path_or_name : str or Path
        A ``.rig.yaml`` or ``.cfg`` file, or the name of a shipped rig: ``demo``.

    Raises
    ------
    ConfigError
        If it is missing, is not YAML, has an unknown key or a bad value (with file, line and key).
    """
    path = _find(path_or_name)
    if path.suffix.lower() == ".cfg":
        return Rig(path=None, config=path)
    file = read_yaml(path, "rig file")
    try:
        parsed = _RigFile.model_validate(file.value)
    except ValidationError as error:
        message, keys = _in_words(error)
        raise ConfigError(f"{path}:{file.line_of(keys)}: {message}") from error
    limits = parsed.stage_limits_um
    return Rig(
        path=path,
        config=path.parent / expanded(parsed.config),
        adapters_dir=None if parsed.adapters_dir is None else path.parent / expanded(parsed.adapters_dir),
        buffer_size_mb=parsed.buffer_size_mb,
        pixel_size_um=parsed.pixel_size_um,
        roles=RigRoles(**parsed.roles.model_dump()),
        stage_limits=None if limits is None else StageLimits(limits.x, limits.y, limits.z),
        key_lines={".".join(keys): line for keys, line in file.lines.items()},
    )

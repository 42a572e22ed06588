"""The rig file: what a Micro-Manager configuration cannot state about a microscope.

::

    config: demo.cfg              # beside this file, or an absolute path
    adapters_dir: null            # Micro-Manager's folder, likewise; null: the demo adapters that are installed
    buffer_size_mb: 1024          # the camera's own buffer
    pixel_size_um: null           # without binning and magnifier; takes the place of the configuration's presets
    roles:                        # camera properties, and the objective's device
      em_gain: Gain
      em_switch: null             # a property that switches the gain off
      em_switch_off: []           # its values that do, in quotes; empty: Off, 0, false, Conventional ...
      temperature: CCDTemperature
      temperature_set_point: CCDTemperatureSetPoint  # recorded with each frame, beside the temperature
      readout: null
      objective: Objective
    stage_limits_um: {x: [-60000, 60000], y: [-40000, 40000], z: [-300, 300]}
    stage_tolerance_um: {xy: null, z: null}    # how near to its target a device must come; null: by the field's size
    stand: motorised              # or manual: stage and focus are moved by hand
    limits: {em_gain: 300, exposure_ms: [0.01, 10000]}
    um_per_px: {10X: 1.3, 20X: 0.65}           # by label of the objective, without binning and magnifier
    approach: {settle_ms: 50, backlash_xy_um: 20, backlash_z_um: 5}
    light: {lamp: Lamp, lamp_level: Level, auto_shutter: true}
    references_dir: references    # dark and flat fields, beside this file
    warnings: ["The turret is turned by hand: set the objective in the window."]   # shown when the rig opens
"""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - pydantic asks for it
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from hcc_scope.errors import ConfigError
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.small_files import expanded
from hcc_scope.types import RigHandling, RigRoles, StageLimits, StageTolerance
from hcc_scope.yaml_file import FileKind, read_yaml

__all__ = ["Rig", "load_rig"]

_KIND = FileKind("rig file", ConfigError, most_bytes=2**20, needs="It needs at least the key 'config'.")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _two(value: object) -> object:
    if isinstance(value, list) and len(value) == 2:
        return tuple(value)
    raise ValueError("must be two numbers, [lowest, highest]")


_Span = Annotated[tuple[FiniteFloat, FiniteFloat], BeforeValidator(_two)]


class _Roles(_Strict):
    em_gain: str | None = None
    em_switch: str | None = None
    em_switch_off: tuple[str, ...] = ()
    temperature: str | None = None
    temperature_set_point: str | None = None
    readout: str | None = None
    objective: str | None = None

    @field_validator("em_switch_off", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        if isinstance(value, list) and any(isinstance(one, bool) for one in value):
            raise ValueError("put the words in quotes: YAML reads On, Off, Yes and No as true and false")
        if not isinstance(value, list):
            return value
        return tuple(str(one) if isinstance(one, int | float) else one for one in value)


class _Tolerance(_Strict):
    xy: Annotated[FiniteFloat, Field(gt=0)] | None = None
    z: Annotated[FiniteFloat, Field(gt=0)] | None = None


class _Limits(_Strict):
    x: _Span
    y: _Span
    z: _Span | None = None

    @model_validator(mode="after")
    def _low_below_high(self) -> _Limits:
        for axis, span in (("x", self.x), ("y", self.y), ("z", self.z)):
            if span is not None and span[0] >= span[1]:
                raise ValueError(f"the lower limit of {axis} must be below its upper one")
        return self


_Positive = Annotated[FiniteFloat, Field(gt=0)]
_FromZero = Annotated[FiniteFloat, Field(ge=0)]


class _DeviceLimits(_Strict):
    em_gain: _Positive | None = None
    exposure_ms: _Span | None = None


class _Approach(_Strict):
    settle_ms: Annotated[FiniteFloat, Field(ge=0, le=60_000)] = 0.0
    backlash_xy_um: _FromZero = 0.0
    backlash_z_um: _FromZero = 0.0


class _Light(_Strict):
    lamp: str | None = None
    lamp_level: str | None = None
    auto_shutter: bool | None = None


class _RigFile(_Strict):
    config: str
    stand: Literal["manual", "motorised"] | None = None
    limits: _DeviceLimits = _DeviceLimits()
    um_per_px: dict[str, _Positive] = {}
    approach: _Approach = _Approach()
    light: _Light = _Light()
    references_dir: str | None = None
    warnings: tuple[str, ...] = ()
    adapters_dir: str | None = None
    buffer_size_mb: Annotated[int, Field(gt=0)] = 1024
    pixel_size_um: Annotated[FiniteFloat, Field(gt=0)] | None = None
    roles: _Roles = _Roles()
    stage_limits_um: _Limits | None = None
    stage_tolerance_um: _Tolerance = _Tolerance()


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
    stage_tolerance: StageTolerance = StageTolerance()
    handling: RigHandling = RigHandling()
    references_dir: Path | None = None
    """Where dark and flat fields are kept; a relative one in the file is beside the file."""
    warnings: tuple[str, ...] = ()
    """Sentences for the operator, shown when the rig opens."""
    key_lines: dict[str, int] = {}
    """Line of each key of the file, such as ``roles.em_gain``: for checks that come later."""

    def place(self, key: str) -> str:
        """Return the place of a key as ``file:line``, or the file if the key is not in it."""
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
    file = read_yaml(path, _KIND)
    parsed = file.validated(_RigFile)
    limits = parsed.stage_limits_um
    return Rig(
        path=path,
        config=path.parent / expanded(parsed.config),
        adapters_dir=None if parsed.adapters_dir is None else path.parent / expanded(parsed.adapters_dir),
        buffer_size_mb=parsed.buffer_size_mb,
        pixel_size_um=parsed.pixel_size_um,
        roles=RigRoles(**parsed.roles.model_dump()),
        stage_limits=None if limits is None else StageLimits(limits.x, limits.y, limits.z),
        stage_tolerance=StageTolerance(parsed.stage_tolerance_um.xy, parsed.stage_tolerance_um.z),
        handling=RigHandling(
            stand=parsed.stand,
            em_gain_max=parsed.limits.em_gain,
            exposure_ms=parsed.limits.exposure_ms,
            um_per_px=parsed.um_per_px,
            **parsed.approach.model_dump(),
            **parsed.light.model_dump(),
        ),
        references_dir=None if parsed.references_dir is None else path.parent / expanded(parsed.references_dir),
        warnings=parsed.warnings,
        key_lines=file.key_lines(),
    )

"""The rig file: what a Micro-Manager configuration cannot state about a microscope.

::

    config: demo.cfg              # beside this file, or an absolute path
    adapters_dir: null            # Micro-Manager's folder, likewise; null: the demo adapters that are installed
    buffer_size_mb: 1024          # the camera's own buffer
    pixel_size_um: null           # without binning and magnifier; takes the place of the configuration's presets
    camera: andor                 # or pvcam, qcam, hamamatsu, demo: ready-made roles; each key of 'roles' overrides one
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
    um_per_px: {10X: 1.3, 20X: 0.65}           # or, in the place of pixel_size_um, by label of the objective
    approach: {settle_ms: 50, backlash_xy_um: 20, backlash_z_um: 5}
    light: {lamp: Lamp, lamp_level: Level, auto_shutter: true}
    capture: {still_um_s: 40, still_ms: 400, overlap_max: 0.25}   # when a hand-moved field is captured by itself
    references_dir: references    # dark and flat fields, beside this file
    warnings: ["The turret is turned by hand: set the objective in the window."]   # shown when the rig opens
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - pydantic asks for it
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from hcc_scope.errors import ConfigError
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.rig.camera_roles import CameraKind  # noqa: TC001 - pydantic asks for it
from hcc_scope.rig.placeholders import Placeholder, find_placeholders
from hcc_scope.rig.rigfile_model import RigFile
from hcc_scope.small_files import expanded
from hcc_scope.types import RigHandling, RigRoles, StageLimits, StageTolerance
from hcc_scope.yaml_file import FileKind, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hcc_scope.yaml_file import KeyPath, YamlFile, YamlValue

__all__ = ["Rig", "find_rig_file", "load_rig", "rig_file_beside"]

_TEXTS = ("config", "adapters_dir", "roles", "light", "references_dir", "warnings")
_KIND = FileKind("rig file", ConfigError, most_bytes=2**20, needs="It needs at least the key 'config'.")


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
    camera: CameraKind | None = None
    """Whose ready-made roles `roles` is made of."""
    pixel_size_um: float | None = None
    roles: RigRoles = RigRoles()
    stage_limits: StageLimits | None = None
    stage_tolerance: StageTolerance = StageTolerance()
    handling: RigHandling = RigHandling()
    references_dir: Path | None = None
    """Where dark and flat fields are kept; a relative one in the file is beside the file."""
    warnings: tuple[str, ...] = ()
    """Sentences for the operator, shown when the rig opens."""
    to_fill_in: tuple[Placeholder, ...] = ()
    """Placeholders of the rig file that are not filled in yet; a rig with one is not opened."""
    key_lines: dict[str, int] = {}
    """Line of each key of the file, such as ``roles.em_gain``: for checks that come later."""

    def need_filled_in(self, *, but: tuple[str, ...] = ()) -> None:
        """Refuse a rig file with a placeholder.

        Parameters
        ----------
        but : tuple of str
            Keys that may wait.

        Raises
        ------
        ConfigError
            With how to find what belongs there.
        """
        waiting = {self.key_lines.get(key) for key in but}
        for placeholder in self.to_fill_in:
            if placeholder.line not in waiting and self.path is not None:
                raise placeholder.error(self.path)

    def place(self, key: str) -> str:
        """Return the place of a key as ``file:line``, or the file if the key is not in it."""
        line = self.key_lines.get(key)
        return f"{self.path or self.config}" + (f":{line}" if line else "")


def find_rig_file(path_or_name: str | Path) -> Path:
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


def rig_file_beside(config: Path) -> Path | None:
    """Return the rig file of the same name that lies beside a configuration and names it, or None.

    Raises
    ------
    ConfigError
        If that file is no rig file.
    """
    path = config.with_name(f"{config.stem}.rig.yaml")
    try:
        ours = path.is_file() and load_rig(path).config.resolve() == config.resolve()
    except OSError:
        return None
    return path if ours else None


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
    path = find_rig_file(path_or_name)
    if path.suffix.lower() == ".cfg":
        return Rig(path=None, config=path)
    file = read_yaml(path, _KIND)
    to_fill_in = tuple(_placeholders(file))
    parsed = _parsed(file, to_fill_in)
    if parsed.um_per_px and parsed.pixel_size_um is not None:
        hint = "Remove one of the two keys."
        file.refuse(("um_per_px",), "um_per_px and pixel_size_um exclude each other", hint=hint)
    if parsed.um_per_px and parsed.roles.objective is None:
        hint = "Name it under roles: objective."
        file.refuse(("um_per_px",), "um_per_px needs the device whose positions are the objectives", hint=hint)
    limits = parsed.stage_limits_um
    return Rig(
        path=path,
        config=path.parent / expanded(parsed.config),
        adapters_dir=None if parsed.adapters_dir is None else path.parent / expanded(parsed.adapters_dir),
        buffer_size_mb=parsed.buffer_size_mb,
        camera=parsed.camera,
        pixel_size_um=parsed.pixel_size_um,
        roles=parsed.all_roles(),
        stage_limits=None if limits is None else StageLimits(limits.x, limits.y, limits.z),
        stage_tolerance=StageTolerance(parsed.stage_tolerance_um.xy, parsed.stage_tolerance_um.z),
        handling=RigHandling(
            stand=parsed.stand,
            em_gain_max=parsed.limits.em_gain,
            exposure_ms=parsed.limits.exposure_ms,
            um_per_px=parsed.um_per_px,
            **parsed.approach.model_dump(),
            **parsed.light.model_dump(),
            capture=parsed.capture.rules(),
        ),
        references_dir=None if parsed.references_dir is None else path.parent / expanded(parsed.references_dir),
        warnings=parsed.warnings,
        to_fill_in=to_fill_in,
        key_lines=file.key_lines(),
    )


def _parsed(file: YamlFile, to_fill_in: Sequence[Placeholder]) -> RigFile:
    """Return the content; where placeholders stand for numbers, without the keys that hold them.

    Such a rig can be judged, and is not opened.
    """
    value = dict(file.value)
    unfinished = [
        key
        for key in value
        if key in RigFile.model_fields and key != "config" and any(_within(key, one, file) for one in to_fill_in)
    ]
    # keys that hold texts are valid with placeholders, so they are left for last
    for key in sorted(unfinished, key=_TEXTS.__contains__):
        try:
            return replace(file, value=value).validated(RigFile)
        except ConfigError:
            del value[key]
    return replace(file, value=value).validated(RigFile)


def _within(key: str, placeholder: Placeholder, file: YamlFile) -> bool:
    """Return whether a placeholder stands somewhere below a top key."""
    ends = sorted(file.line_of((other,)) for other in file.value)
    begin = file.line_of((key,))
    end = next((line for line in ends if line > begin), None)
    return begin <= placeholder.line and (end is None or placeholder.line < end)


def _placeholders(file: YamlFile) -> Iterator[Placeholder]:
    """Yield every value of a rig file that is still to be filled in."""

    def walk(value: YamlValue, keys: KeyPath) -> Iterator[Placeholder]:
        if isinstance(value, dict):
            for key, one in value.items():
                yield from walk(one, (*keys, key))
        elif isinstance(value, list):
            for i, one in enumerate(value):
                yield from walk(one, (*keys, i))
        elif isinstance(value, str):
            yield from find_placeholders(value, file.line_of(keys))

    yield from walk(file.value, ())

"""List what is installed and what a configuration contains, for ``hcc-scope devices``."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError, DeviceError
from hcc_scope.number_text import plain_number
from hcc_scope.rig.adapters import (
    adapters_interface,
    core_interface,
    installed_libraries,
    interface_mismatch,
    test_adapters_dir,
)
from hcc_scope.rig.cfg_lines import read_config, readable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pymmcore

__all__ = [
    "CORE_ERRORS",
    "ConfigDescription",
    "Device",
    "Installation",
    "Property",
    "describe_config",
    "describe_installation",
    "read_properties",
]


CORE_ERRORS = (OSError, RuntimeError, ValueError, LookupError)
"""What pymmcore raises if the core or a device refuses something."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Programs and adapters on this machine."""

    versions: Mapping[str, str]
    core_interface: int
    """Device interface that pymmcore speaks."""
    adapters_interface: int | None
    """The one that the adapters speak, where that is written down."""
    adapters_dir: str
    adapters: tuple[str, ...]
    mismatch: str | None
    """In words that the two do not fit, or None."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a configuration."""

    label: str
    library: str
    adapter: str
    hub: str | None
    roles: tuple[str, ...]
    """Such as ``Camera`` or ``XYStage``."""


@dataclass(frozen=True, slots=True)
class ConfigDescription:
    """What a configuration contains, read from the file alone."""

    path: str
    devices: tuple[Device, ...]
    groups: Mapping[str, tuple[str, ...]]
    """Presets by group."""
    pixel_sizes_um: Mapping[str, float]
    """um by pixel size preset."""
    settings: Mapping[str, Mapping[str, str]]
    """Properties that the file sets, by device; those of System/Startup included."""


@dataclass(frozen=True, slots=True)
class Property:
    """A property as the loaded device has it."""

    name: str
    value: str
    read_only: bool
    allowed: tuple[str, ...]
    limits: tuple[float, float] | None


def describe_installation(adapters_dir: Path | None = None) -> Installation:
    """Return versions, interfaces and adapters.

    Parameters
    ----------
    adapters_dir : Path, optional
        Default: the demo adapters installed with this program.
    """
    folder = test_adapters_dir() if adapters_dir is None else adapters_dir
    names = ("hcc-scope", "pycromanager", "mmpycorex", "pymmcore", "mm-test-adapters")
    return Installation(
        versions={**{name: version(name) for name in names}, "python": platform.python_version()},
        core_interface=core_interface(),
        adapters_interface=adapters_interface(folder),
        adapters_dir=str(folder),
        adapters=tuple(installed_libraries(folder)),
        mismatch=interface_mismatch(folder),
    )


def describe_config(path: Path) -> ConfigDescription:
    """Return what a configuration contains, without loading it: also for devices that are not connected here.

    Lines that the linter would refuse are left out.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    devices: dict[str, tuple[str, str]] = {}
    hubs: dict[str, str] = {}
    roles: dict[str, list[str]] = {}
    groups: dict[str, list[str]] = {}
    sizes: dict[str, float] = {}
    settings: dict[str, dict[str, str]] = {}
    for line in read_config(path):
        match (line.command, *line.fields):
            case ("Device", label, library, adapter):
                devices[label] = (library, adapter)
            case ("Parent", label, hub):
                hubs[label] = hub
            case ("Property", "Core", role, label) if label in devices:
                roles.setdefault(label, []).append(role)
            case ("Property", label, name, value) | ("ConfigGroup", "System", "Startup", label, name, value):
                settings.setdefault(label, {})[name] = value
            case ("ConfigGroup", group, preset, *_) if preset not in groups.setdefault(group, []):
                groups[group].append(preset)
            case ("PixelSize_um", preset, um) if (size_um := plain_number(um, remark_too=True)) is not None:
                sizes[preset] = size_um
            case _:
                pass
    return ConfigDescription(
        path=str(path),
        devices=tuple(
            Device(label, library, adapter, hubs.get(label), tuple(roles.get(label, ())))
            for label, (library, adapter) in devices.items()
        ),
        groups={group: tuple(presets) for group, presets in groups.items()},
        pixel_sizes_um=sizes,
        settings=settings,
    )


def read_properties(path: Path, adapters_dir: Path | None = None) -> dict[str, tuple[Property, ...]]:
    """Load a configuration into its own core and return each device's properties.

    Presets in which something is still to be filled in are left out: what a device offers for them is listed here. The
    devices must be connected, and no other program nor this process may use them.

    Raises
    ------
    ConfigError, DeviceError
        If it does not load.
    """
    import pymmcore  # here: the file alone can be described without loading the core's library

    core = pymmcore.CMMCore()
    core.setDeviceAdapterSearchPaths([str(test_adapters_dir() if adapters_dir is None else adapters_dir)])
    try:
        with readable(path, without_unfinished_presets=True) as copy:
            core.loadSystemConfiguration(str(copy))
    except CORE_ERRORS as error:
        raise ConfigError(f"{path} does not load: {' '.join(str(error).split())}") from error
    try:
        return {label: _properties(core, label) for label in core.getLoadedDevices()}
    except CORE_ERRORS as error:
        raise DeviceError(f"a device of {path} does not answer: {error}") from error
    finally:
        core.unloadAllDevices()


def _properties(core: pymmcore.CMMCore, label: str) -> tuple[Property, ...]:
    found = []
    for name in core.getDevicePropertyNames(label):
        has_limits = core.hasPropertyLimits(label, name)
        found.append(
            Property(
                name=name,
                value=core.getProperty(label, name),
                read_only=core.isPropertyReadOnly(label, name),
                allowed=tuple(core.getAllowedPropertyValues(label, name)),
                limits=(core.getPropertyLowerLimit(label, name), core.getPropertyUpperLimit(label, name))
                if has_limits
                else None,
            )
        )
    return tuple(found)

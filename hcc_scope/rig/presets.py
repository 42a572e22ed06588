"""Load a configuration of demo devices, and apply each of its presets once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError
from hcc_scope.rig.devices import CORE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pymmcore

__all__ = ["PresetTrial", "try_presets"]


@dataclass(frozen=True, slots=True)
class PresetTrial:
    """What became of the presets of a configuration."""

    applied: int
    refused: tuple[str, ...]
    """In words which preset a device refuses, and why."""
    pixel_sizes_um: Mapping[str, float]
    """By the name of each pixel size preset that could be applied."""


def try_presets(config: Path, adapters_dir: Path, doing: Callable[[str], None]) -> PresetTrial:
    """Load a configuration into a core of its own, apply every preset, and unload it.

    For demo devices only: presets move things.

    Parameters
    ----------
    config : Path
        In UTF-8.
    adapters_dir : Path
    doing : callable
        Takes what is being done, in words, before it is done.

    Raises
    ------
    ConfigError
        If it does not load: the core's own words, with ``Line N:`` in front.
    """
    import pymmcore  # here: other parts of the package do not need the core's library

    core = pymmcore.CMMCore()
    core.setDeviceAdapterSearchPaths([str(adapters_dir)])
    try:
        core.loadSystemConfiguration(str(config))
    except CORE_ERRORS as error:
        core.unloadAllDevices()
        raise ConfigError(str(error)) from error
    try:
        return _applied(core, doing)
    finally:
        core.unloadAllDevices()


def _applied(core: pymmcore.CMMCore, doing: Callable[[str], None]) -> PresetTrial:
    applied = 0
    refused = []
    sizes_um: dict[str, float] = {}
    for group in core.getAvailableConfigGroups():
        for preset in core.getAvailableConfigs(group):
            doing(f"applying the preset '{preset}' of the group '{group}'")
            try:
                core.setConfig(group, preset)
                core.waitForConfig(group, preset)
            except CORE_ERRORS as error:
                refused.append(f"the preset '{preset}' of the group '{group}' is refused: {_plain(error)}")
            else:
                applied += 1
    for size in core.getAvailablePixelSizeConfigs():
        doing(f"applying the pixel size preset '{size}'")
        try:
            core.setPixelSizeConfig(size)
        except CORE_ERRORS as error:
            refused.append(f"the pixel size preset '{size}' is refused: {_plain(error)}")
        else:
            sizes_um[size] = core.getPixelSizeUmByID(size)
    return PresetTrial(applied, tuple(refused), sizes_um)


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split())

"""The checks, in their order, and which ones others rest on."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hcc_scope.doctor import computer, devices, disk, pipeline, reaction
from hcc_scope.doctor.results import failed
from hcc_scope.errors import HccScopeError
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.doctor.results import Result
    from hcc_scope.doctor.subject import Subject

__all__ = ["CHECKS", "EXIT_INTERNAL", "Check", "find_check"]

EXIT_INTERNAL = 70
"""Of a check that itself has a bug, as of the program (docs/errors.md)."""
_QUICK_S = 60.0
_DEVICE_S = 180.0
_SLOW_S = 300.0


@dataclass(frozen=True, slots=True)
class Check:
    """One check."""

    name: str
    title: str
    """For people."""
    examine: Callable[[Subject], Result]
    needs: tuple[str, ...] = ()
    """Checks that must not have failed before."""
    of_rig: bool = False
    """Whether it makes sense with a rig only."""
    limit_s: float = _QUICK_S
    """After this it hangs."""

    def run(self, subject: Subject) -> Result:
        """Make the check; whatever goes wrong is its result.

        Raises
        ------
        KeyboardInterrupt, SystemExit
            If the person, or the system, ends the examination.
        """
        began_s = time.perf_counter()
        found = attempt(lambda: self.examine(subject))
        if isinstance(found, Failure):
            error = found.error
            if not isinstance(error, Exception):
                raise error
            if isinstance(error, HccScopeError):
                found = failed(error)
            elif isinstance(error, OSError) and error.filename is not None:
                found = failed(f"{error.filename}: {error.strerror or error}")
            else:
                words = f"a bug in HCC-Scope ({type(error).__name__}: {error})"
                found = failed(words, "Please report it", exit_code=EXIT_INTERNAL)
        return replace(found, name=self.name, title=self.title, seconds=round(time.perf_counter() - began_s, 2))


def _device(
    name: str, title: str, examine: Callable[[Subject], Result], *needs: str, limit_s: float = _DEVICE_S
) -> Check:
    return Check(name, title, examine, needs, of_rig=True, limit_s=limit_s)


CHECKS: tuple[Check, ...] = (
    Check("versions", "Versions", computer.versions),
    Check("adapters", "Device adapters", computer.adapters, ("versions",)),
    _device("configuration", "Configuration", devices.configuration, "versions"),
    _device("devices", "Devices load", devices.devices_load, "configuration", "adapters"),
    _device("camera", "Camera", devices.camera, "devices"),
    _device("exposure", "Exposure", reaction.exposure, "camera"),
    _device("em_gain", "EM gain", reaction.em_gain, "camera"),
    _device("temperature", "Temperature", devices.temperature, "devices"),
    _device("stage", "Stage and focus", devices.stage, "devices"),
    _device("references", "References", devices.references, "devices"),
    Check("models", "Models", computer.models),
    Check("engine", "Engine", computer.engine, limit_s=_SLOW_S),
    Check("model", "Model", computer.model_loads, ("engine",), limit_s=_SLOW_S),
    _device("model_fits", "Model and camera", pipeline.model_fits, "model", "devices", limit_s=_SLOW_S),
    Check("memory", "Memory", computer.memory),
    Check("free_space", "Free space", disk.free_space),
    Check("disk_speed", "Disk speed", disk.synced_speed, ("free_space",), limit_s=_SLOW_S),
    _device("frame_rate", "Frame rate", pipeline.frame_rate, "camera", "model", "free_space", limit_s=_SLOW_S),
    _device("as_found", "Left as found", devices.as_found, "devices"),
    Check("clock", "Clock", computer.clock),
)
"""Devices first: where a driver breaks, everything after it still finds a sound process."""


def find_check(name: str) -> Check:
    """Return a check by its name."""
    return next(check for check in CHECKS if check.name == name)

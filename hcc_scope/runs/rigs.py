"""Open a microscope by rig file, by bare .cfg, or by attaching; the one place where `rig` and `sources` meet."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.errors import PlanError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hcc_scope.rig.config import Finding
    from hcc_scope.rig.rigfile import Rig
    from hcc_scope.sources.micromanager import MicroManager

__all__ = ["OpenRig", "attach_rig", "check_rig", "open_rig", "split_assignment"]


@dataclass(frozen=True, slots=True)
class OpenRig:
    """A microscope that is ready."""

    microscope: MicroManager
    name: str = ""
    """For people: of the rig file or the configuration, or where it is attached to."""

    def set_properties(self, assignments: Sequence[str]) -> None:
        """Set ``DEVICE,PROPERTY,VALUE`` each, in order.

        Raises
        ------
        UsageError
            If one is not of that form.
        DeviceError
            If the device refuses.
        """
        for assignment in assignments:
            device, name, value = split_assignment(assignment)
            what = f"setting '{name}' of '{device}' to '{value}'"
            ask = self.microscope.backend.ask
            self.microscope.thread.call(what, partial(ask, what, "set_property", device, name, value))

    def is_demo(self) -> bool:
        """Return whether the camera is Micro-Manager's DemoCamera."""
        return self.microscope.facts().library == "DemoCamera"

    def stage_xy_um(self) -> tuple[float, float] | None:
        """Return where the stage is now, or None without one."""
        place = self.microscope.thread.call("asking the stage", self.microscope.hardware.stage_um)
        return None if place is None else (place[0], place[1])

    def area_around_stage_um(self, size_um: tuple[float, float], *, hint: str) -> tuple[float, float, float, float]:
        """Return x0, y0, x1, y1 of an area of a width and height around where the stage is now.

        Raises
        ------
        PlanError
            If there is no stage; `hint` says what to do then.
        """
        centre = self.stage_xy_um()
        if centre is None:
            raise PlanError("random fields need an XY stage, and this rig has none", hint=hint)
        (x, y), (width, height) = centre, size_um
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def split_assignment(assignment: str) -> tuple[str, str, str]:
    """Return device, property and value of ``DEVICE,PROPERTY,VALUE``.

    Raises
    ------
    UsageError
        If it is not of that form.
    """
    parts = assignment.split(",", 2)
    if len(parts) != 3 or not parts[0].strip() or not parts[1].strip():
        raise UsageError(f"--property '{assignment}' is not DEVICE,PROPERTY,VALUE")
    device, name, value = parts
    return device, name, value


def check_rig(rig_or_cfg: str | Path, *, adapters_dir: Path | None = None) -> tuple[Rig, Path, list[Finding]]:
    """Read a rig's files and check its configuration, without a microscope.

    Parameters
    ----------
    rig_or_cfg : str or Path
        A rig file, a bare .cfg, or the name of a shipped rig.
    adapters_dir : Path, optional
        Folder of the device adapters; takes the place of the rig file's.

    Returns
    -------
    rig : Rig
    folder : Path
        Of the adapters.
    findings : list of Finding
        The linter's warnings.

    Raises
    ------
    ConfigError, DeviceError
        If a file is missing or wrong, or an adapter is not installed or does not fit.
    """
    from hcc_scope.rig.adapters import test_adapters_dir
    from hcc_scope.rig.config import check
    from hcc_scope.rig.rigfile import load_rig

    rig = load_rig(rig_or_cfg)
    folder = adapters_dir or rig.adapters_dir or test_adapters_dir()
    return rig, folder, check(rig.config, folder)


@contextmanager
def open_rig(
    rig_or_cfg: str | Path, note: Callable[[str], None] | None = None, *, adapters_dir: Path | None = None
) -> Iterator[OpenRig]:
    """Check a rig's configuration, load it, and unload it at the end.

    Parameters
    ----------
    rig_or_cfg : str or Path
        A rig file, a bare .cfg, or the name of a shipped rig.
    note : callable, optional
        Told the linter's warnings.
    adapters_dir : Path, optional
        Folder of the device adapters; takes the place of the rig file's.

    Raises
    ------
    ConfigError, DeviceError, CameraError
        If the file is wrong, an adapter or device is missing or does not fit, or there is no camera.
    """
    rig, folder, findings = check_rig(rig_or_cfg, adapters_dir=adapters_dir)
    for finding in findings:
        if note is not None:
            note(str(finding))

    from hcc_scope.sources.micromanager import MicroManager

    with MicroManager.start(
        rig.config,
        adapters_dir=folder,
        buffer_size_mb=rig.buffer_size_mb,
        roles=rig.roles,
        limits=rig.stage_limits,
        pixel_size_um=rig.pixel_size_um,
    ) as microscope:
        yield OpenRig(microscope, str(rig.path.name if rig.path is not None else rig.config.name))


@contextmanager
def attach_rig(port: int, rig_file: str | None) -> Iterator[OpenRig]:
    """Attach to the Micro-Manager that runs on this machine; a rig file gives roles, limits and pixel size.

    Raises
    ------
    DeviceError
        If nothing answers on that port.
    """
    from hcc_scope.rig.rigfile import load_rig
    from hcc_scope.sources.micromanager import MicroManager

    rig = None if rig_file is None else load_rig(rig_file)
    with MicroManager.attach(
        port=port,
        roles=None if rig is None else rig.roles,
        limits=None if rig is None else rig.stage_limits,
        pixel_size_um=None if rig is None else rig.pixel_size_um,
    ) as microscope:
        yield OpenRig(microscope, f"port {port}")

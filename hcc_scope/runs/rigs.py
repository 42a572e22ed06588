"""Open a microscope by rig file, by bare .cfg, or by attaching; the one place where `rig` and `microscope` meet."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError, UsageError
from hcc_scope.memory import free_memory
from hcc_scope.runs.plan_options import area_around_um, refuse_without_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hcc_scope.memory import FreeMemory
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.rig.config import Finding
    from hcc_scope.rig.rigfile import Rig

__all__ = [
    "CheckedRig",
    "OpenRig",
    "attach_rig",
    "check_buffer",
    "check_rig",
    "open_checked",
    "open_rig",
    "refuse_rig_faults",
    "split_assignment",
]

_held_mib = 0
"""Size of the camera's buffer that this process's core keeps from the rig before, and gives back for the next one."""


@dataclass(frozen=True, slots=True)
class CheckedRig:
    """A rig that is right, as far as its files alone show."""

    rig: Rig
    adapters_dir: Path
    warnings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class OpenRig:
    """A microscope that is ready."""

    microscope: MicroManager
    name: str = ""
    """For people: of the rig file or the configuration, or where it is attached to."""
    rig: Rig | None = None
    """What its files state; None where it is attached to without a rig file."""

    def set_properties(self, assignments: Sequence[str]) -> None:
        """Set ``DEVICE,PROPERTY,VALUE`` each, in order, with the checks of the property browser.

        What is wrong in any state of the devices is refused before the first is set, as a setting may move something.

        Raises
        ------
        UsageError
            If one is not of that form; none was set then.
        DeviceError
            If there is no such property, or it never takes the value: none was set then. If it does not take the value
            in the state that the earlier ones lead to, or the device refuses: the earlier ones were set.
        """
        from hcc_scope.microscope.device_controls import DeviceControls

        parts = [split_assignment(assignment) for assignment in assignments]
        controls = DeviceControls(self.microscope)
        controls.need_settable(parts)
        for device, name, value in parts:
            controls.set_property(device, name, value)

    def warnings(self) -> tuple[str, ...]:
        """Return what the operator must know of this rig: the rig file's warnings, and what contradicts it."""
        if self.rig is None:
            return ()
        found = list(self.rig.warnings)
        stand = self.rig.handling.stand
        if stand == "manual" and self.has_xy_stage:
            found.append(
                f"{self.rig.place('stand')}: the stand is manual, and '{self.microscope.hardware.xy_stage}' is a"
                " motorised stage: plans may move it."
            )
        elif stand == "motorised" and not self.has_xy_stage:
            found.append(
                f"{self.rig.place('stand')}: the stand is motorised, and the configuration has no XY stage:"
                " the stage cannot be sent to fields."
            )
        lamp, level = self.rig.handling.lamp, self.rig.handling.lamp_level
        if lamp is not None and not self._has_property(lamp, level or ""):
            found.append(
                f"{self.rig.place('light.lamp_level')}: the lamp '{lamp}' has no property '{level}': the light level is"
                " not recorded."
            )
        absent = self.microscope.hardware.absent_roles()
        if absent:
            camera = self.microscope.hardware.camera
            listed = ", ".join(f"{role} ('{name}')" for role, name in absent.items())
            found.append(
                f"{self.rig.place('camera')}: camera '{camera}' does not have what 'camera: {self.rig.camera}' expects"
                f" for {listed}: not recorded."
            )
        return tuple(found)

    def _has_property(self, device: str, name: str) -> bool:
        """Return whether a device is loaded and has a property."""
        backend = self.microscope.backend

        def ask() -> bool:
            loaded = device in backend.labels("get_loaded_devices")
            return loaded and bool(backend.ask("asking for a property", "has_property", device, name))

        return self.microscope.thread.call("asking for a property", ask)

    @property
    def has_xy_stage(self) -> bool:
        """Whether there is a motorised stage: without one no plan can send it to fields."""
        return bool(self.microscope.hardware.xy_stage)

    def need_stage_for_fields(self, *, hint: str) -> None:
        """Refuse a plan of random fields where nothing can drive to them; `hint` advises what to do then.

        Raises
        ------
        PlanError
            If there is no motorised stage.
        """
        refuse_without_stage(self.has_xy_stage, hint=hint)

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
            If there is no stage; `hint` advises what to do then.
        """
        self.need_stage_for_fields(hint=hint)
        centre = self.stage_xy_um()
        assert centre is not None  # there is a stage
        return area_around_um(centre, size_um)


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
        Takes the warnings of the linter and of the rig file, one sentence each.
    adapters_dir : Path, optional
        Folder of the device adapters; takes the place of the rig file's.

    Raises
    ------
    ConfigError, DeviceError, CameraError
        If the file is wrong, an adapter or device is missing or does not fit, or there is no camera.
    """
    from hcc_scope.rig.config import readable

    checked = check_rig(rig_or_cfg, adapters_dir=adapters_dir)
    report = note or _unread
    for finding in checked.warnings:
        report(str(finding))
    with readable(checked.rig.config) as copy, open_checked(checked, copy) as opened:
        for sentence in opened.warnings():
            report(sentence)
        yield opened


@contextmanager
def open_checked(checked: CheckedRig, readable: Path) -> Iterator[OpenRig]:
    """Load a checked rig from a copy of its configuration, and unload it at the end.

    Parameters
    ----------
    checked : CheckedRig
    readable : Path
        What is loaded in the place of the rig's configuration, which messages name.

    Raises
    ------
    ConfigError, DeviceError, CameraError
        See `open_rig`.
    """
    global _held_mib

    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.rig.files import quoted

    rig = checked.rig
    listing = f"'hcc-scope devices --rig {quoted(rig.path or rig.config)} --properties' lists what there is."
    with _keys_placed(rig, listing):
        microscope = MicroManager.start(
            rig.config,
            adapters_dir=checked.adapters_dir,
            buffer_size_mb=rig.buffer_size_mb,
            roles=rig.roles,
            limits=rig.stage_limits,
            pixel_size_um=rig.pixel_size_um,
            stage_tolerance=rig.stage_tolerance,
            handling=rig.handling,
            readable=readable,
        )
    _held_mib = rig.buffer_size_mb
    microscope.rig_name = _short_name(rig)
    with microscope:
        yield OpenRig(microscope, str(rig.path.name if rig.path is not None else rig.config.name), rig)


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


def check_rig(rig_or_cfg: str | Path, *, adapters_dir: Path | None = None) -> CheckedRig:
    """Read a rig's files and judge them, and whether its buffer fits into the memory, without loading anything.

    Parameters
    ----------
    rig_or_cfg, adapters_dir
        As for `open_rig`.

    Raises
    ------
    ConfigError, DeviceError
        If a file is wrong, an adapter is missing, or the buffer is too large.
    """
    from hcc_scope.rig.adapters import test_adapters_dir
    from hcc_scope.rig.config import check
    from hcc_scope.rig.rigfile import load_rig
    from hcc_scope.small_files import expanded

    rig = load_rig(rig_or_cfg)
    asked_for = None if adapters_dir is None else expanded(adapters_dir)
    folder = (asked_for or rig.adapters_dir or test_adapters_dir()).absolute()
    warnings = (*refuse_rig_faults(rig), *check(rig.config, folder))
    check_buffer(rig, free_memory(), held_mib=_held_mib)
    return CheckedRig(rig, folder, warnings)


def refuse_rig_faults(rig: Rig) -> list[Finding]:
    """Raise the first error of a rig file against its configuration; return its warnings.

    Whether the stand is motorised is left to the open rig, whose devices show it.
    """
    from hcc_scope.rig.config import refuse_faults
    from hcc_scope.rig.rig_linter import lint_rig_file

    findings = lint_rig_file(rig)
    if not findings:
        return []
    assert rig.path is not None  # there is a rig file
    stand = rig.key_lines.get("stand")
    return [finding for finding in refuse_faults(rig.path, findings) if finding.line != stand]


def check_buffer(rig: Rig, free: FreeMemory | None, *, held_mib: int = 0) -> None:
    """Refuse a camera's buffer that does not fit into the memory: it is taken at once and in full.

    Parameters
    ----------
    rig : Rig
    free : FreeMemory or None
        What is left; None if that is not known.
    held_mib : int
        How much of it the core gives back for the new buffer.

    Raises
    ------
    ConfigError
        Naming the key and its file.
    """
    if free is None or rig.buffer_size_mb <= free.mib + held_mib:
        return
    place = f"{rig.place('buffer_size_mb')}: " if rig.path is not None else ""
    fits = max(1, (free.mib + held_mib) // 2)
    raise ConfigError(
        f"{place}buffer_size_mb is {rig.buffer_size_mb} MiB, and {free.where} only {free.mib + held_mib} MiB",
        hint=f"Set buffer_size_mb in the rig file to {fits} or less.",
    )


@contextmanager
def _keys_placed(rig: Rig | None, listing: str) -> Iterator[None]:
    """Report the line of a key in the rig file that does not fit, and how to list what would (`listing`)."""
    from hcc_scope.microscope.load_errors import RefusedSettingError
    from hcc_scope.microscope.roles import RigKeyError

    try:
        yield
    except RefusedSettingError as error:
        raise ConfigError(error.message, hint=f"Correct the line, or remove it: then {listing}") from error
    except RigKeyError as error:
        assert rig is not None  # without a rig file there are no such keys
        hints = (error.hint, "" if error.key == "buffer_size_mb" else listing)
        raise ConfigError(f"{rig.place(error.key)}: {error.message}", hint=" ".join(filter(None, hints))) from error


@contextmanager
def attach_rig(port: int, rig_file: str | None, note: Callable[[str], None] | None = None) -> Iterator[OpenRig]:
    """Attach to the Micro-Manager that runs on this machine; a rig file gives roles, limits and pixel size.

    Parameters
    ----------
    port : int
        Of this machine.
    rig_file : str, optional
    note : callable, optional
        Takes the warnings, one sentence each.

    Raises
    ------
    ConfigError
        If the rig file is wrong or not filled in, or a role of it does not fit the devices that are loaded there.
    DeviceError
        If nothing answers on that port.
    """
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.rig.rigfile import load_rig

    rig = None if rig_file is None else load_rig(rig_file)
    if rig is not None:
        rig.need_filled_in(but=("adapters_dir",))  # the adapters are those that are loaded there
    with _keys_placed(rig, "Micro-Manager's Device Property Browser lists what there is."):
        microscope = MicroManager.attach(
            port=port,
            roles=None if rig is None else rig.roles,
            limits=None if rig is None else rig.stage_limits,
            pixel_size_um=None if rig is None else rig.pixel_size_um,
            stage_tolerance=None if rig is None else rig.stage_tolerance,
            handling=None if rig is None else rig.handling,
        )
    microscope.rig_name = None if rig is None else _short_name(rig)
    with microscope:
        opened = OpenRig(microscope, f"port {port}", rig)
        for sentence in opened.warnings():
            (note or _unread)(sentence)
        yield opened


def _short_name(rig: Rig) -> str:
    """Return the name by which sections record a rig: that of its file without the endings."""
    name = (rig.path or rig.config).name
    for ending in (".yaml", ".yml", ".cfg", ".rig"):
        name = name.removesuffix(ending)
    return name


def _unread(_sentence: str) -> None:
    """Take a sentence where none is shown."""

"""Read and lint Micro-Manager configuration files.

Why lint: the core ignores commands that it does not know, reads ``x`` as the number 0, keeps devices uninitialised
that come too late, and on any error unloads everything with a message about one line. What counts as an error here was
tried out on the core (device interface 75).

>>> lint(Path("hardware_configs/demo.cfg"))  # doctest: +SKIP
[]
"""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hcc_scope.errors import ConfigError, DeviceError
from hcc_scope.rig.adapters import find_library, installed_libraries, interface_mismatch

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COMMANDS", "CfgLine", "Finding", "check", "lint", "read_config"]

Severity = Literal["error", "warning"]

# Command: how many fields may follow it, and what they are
COMMANDS: dict[str, tuple[tuple[int, ...], str]] = {
    "Device": ((3,), "label,library,adapter"),
    "Property": ((2, 3), "label,property,value"),
    "Parent": ((2,), "label,hub"),
    "Delay": ((2,), "label,ms"),
    "FocusDirection": ((2,), "label,-1|0|1"),
    "Label": ((3,), "device,index,text"),
    "ConfigGroup": ((1, 4, 5), "group,preset,device,property,value"),
    "ConfigPixelSize": ((4, 5), "preset,device,property,value"),
    "PixelSize_um": ((2,), "preset,um"),
    "PixelSizeAffine": ((7,), "preset,a,b,c,d,e,f"),
    "PixelSizeAngle_dxdz": ((2,), "preset,value"),
    "PixelSizeAngle_dydz": ((2,), "preset,value"),
    "PixelSizeOptimalZ_Um": ((2,), "preset,um"),
}
_ROLES = ("Camera", "Shutter", "Focus", "XYStage", "AutoFocus", "ImageProcessor", "SLM", "Galvo")
_CORE_PROPERTIES = (*_ROLES, "Initialize", "AutoShutter", "ChannelGroup", "TimeoutMs")


@dataclass(frozen=True, slots=True)
class CfgLine:
    """One command of a configuration."""

    number: int
    """Counted from 1."""
    command: str
    fields: tuple[str, ...]
    """What follows the command."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a configuration."""

    path: Path
    line: int
    """Counted from 1; 0 concerns the whole file."""
    severity: Severity
    """An error stops a run; a warning is worth knowing."""
    message: str
    hint: str
    is_device: bool = False
    """Whether a device or adapter is missing, rather than the file being wrong."""

    def __str__(self) -> str:
        """Return ``file:line: severity: message. hint``."""
        place = f"{self.path}:{self.line}" if self.line else f"{self.path}"
        return f"{place}: {self.severity}: {self.message}. {self.hint}"


def read_config(path: Path) -> list[CfgLine]:
    """Read the commands of a configuration as they are, without judging them.

    Raises
    ------
    ConfigError
        If the file cannot be read or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot read the configuration {path}: {error.strerror}", hint="Check the path of the configuration."
        ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}:{number}: a character is not UTF-8", hint="Save the file as UTF-8 without a byte order mark."
        ) from error
    found = []
    for number, ending_line in enumerate(text.split("\n"), start=1):
        line = ending_line.removesuffix("\r")
        if line.strip() and not line.startswith("#"):
            command, *fields = line.split(",")
            found.append(CfgLine(number, command, tuple(fields)))
    return found


def lint(path: Path, adapters_dir: Path | None = None) -> list[Finding]:
    """Return everything that is wrong with a configuration, in order of its lines.

    Parameters
    ----------
    path : Path
    adapters_dir : Path, optional
        Also check that the adapters it needs are installed there.

    Raises
    ------
    ConfigError
        If the file cannot be read or is not UTF-8.
    """
    linter = _Linter(path, adapters_dir)
    lines = read_config(path)
    if path.read_bytes().startswith(b"\xef\xbb\xbf"):
        linter.error(1, "the file begins with a byte order mark, which hides its first line", "Save it without one.")
    linter.declared_at = {line.fields[0]: line.number for line in lines if line.command == "Device" and line.fields}
    for line in lines:
        linter.look_at(line)
    linter.look_at_the_whole()
    # what concerns the whole file often follows from one line, so it comes last
    return sorted(linter.findings, key=lambda finding: finding.line or sys.maxsize)


def check(path: Path, adapters_dir: Path | None = None) -> list[Finding]:
    """Refuse a configuration with an error; return its warnings.

    Raises
    ------
    ConfigError
        With the first error.
    DeviceError
        If the first error is an adapter that is not installed or does not fit.
    """
    findings = lint(path, adapters_dir)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        first = errors[0]
        more = f" ({len(errors) - 1} more: 'hcc-scope config lint {path}')" if len(errors) > 1 else ""
        place = f"{path}:{first.line}" if first.line else f"{path}"
        kind = DeviceError if first.is_device else ConfigError
        raise kind(f"{place}: {first.message}", hint=f"{first.hint}{more}")
    return findings


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Linter:
    """Goes through a configuration line by line, knowing what came before."""

    def __init__(self, path: Path, adapters_dir: Path | None) -> None:
        self._path = path
        self._adapters_dir = adapters_dir
        self.findings: list[Finding] = []
        self.declared_at: dict[str, int] = {}
        self._devices: set[str] = set()
        self._initialised_at: int | None = None
        self._has_camera = False
        self._labels: dict[str, dict[str, str]] = {}
        self._presets_with_size: dict[str, int] = {}
        self._sized: set[str] = set()

    def error(self, line: int, message: str, hint: str, *, is_device: bool = False) -> None:
        """Add an error."""
        self.findings.append(Finding(self._path, line, "error", message, hint, is_device))

    def _warn(self, line: int, message: str, hint: str) -> None:
        self.findings.append(Finding(self._path, line, "warning", message, hint))

    def look_at(self, line: CfgLine) -> None:
        """Judge one line: its form, then its meaning if the form is right."""
        if line.command.lstrip().startswith("#"):
            self._warn(line.number, "a comment must begin in the first column", "Remove the blanks before '#'.")
        elif line.command not in COMMANDS:
            near = difflib.get_close_matches(line.command.strip(), COMMANDS, n=1)
            self.error(
                line.number,
                f"unknown command '{line.command}', which Micro-Manager would ignore",
                f"Did you mean '{near[0]}'?" if near else f"Commands are: {', '.join(COMMANDS)}.",
            )
        elif len(line.fields) not in COMMANDS[line.command][0]:
            self.error(
                line.number,
                f"'{line.command}' with {len(line.fields)} fields",
                f"Write {line.command},{COMMANDS[line.command][1]}.",
            )
        else:
            self._blanks(line)
            getattr(self, f"_look_at_{line.command.lower()}", self._look_at_pixel_size)(line)

    def _blanks(self, line: CfgLine) -> None:
        fields = (line.command, *line.fields)
        if any(field != field.strip() for field in fields[:-1]) or fields[-1] != fields[-1].lstrip():
            self.error(line.number, "a blank beside a comma becomes part of the name", "Remove it.")
        elif fields[-1] != fields[-1].rstrip():
            self._warn(line.number, "the blank at the end of the line becomes part of the value", "Remove it.")
        if " #" in fields[-1]:
            self._warn(line.number, "a comment after a command becomes part of its value", "Give it its own line.")

    def _known(self, line: CfgLine, device: str, *, core_too: bool = False) -> bool:
        """Judge whether a device was declared above."""
        device = device.strip()  # blanks have their own finding
        if device in self._devices or (core_too and device == "Core"):
            return True
        if device in self.declared_at:
            self.error(
                line.number,
                f"the device '{device}' is declared only in line {self.declared_at[device]}",
                "Move its Device line up.",
            )
        else:
            near = difflib.get_close_matches(device, self._devices, n=1)
            self.error(
                line.number,
                f"unknown device '{device}'",
                f"Did you mean '{near[0]}'?" if near else "Add a Device line for it above.",
            )
        return False

    def _look_at_device(self, line: CfgLine) -> None:
        label, library, _ = (field.strip() for field in line.fields)
        if label in self._devices or label == "Core":
            self.error(line.number, f"the device label '{label}' is already in use", "Give each device its own label.")
        elif self._initialised_at is not None:
            self.error(
                line.number,
                f"the device '{label}' comes after Property,Core,Initialize,1 and would stay uninitialised",
                f"Move it above line {self._initialised_at}.",
            )
        self._devices.add(label)
        if self._adapters_dir is not None and find_library(self._adapters_dir, library) is None:
            names = ", ".join(installed_libraries(self._adapters_dir)) or "none"
            self.error(
                line.number,
                f"the device adapter '{library}' is not installed in {self._adapters_dir}",
                f"Install Micro-Manager with it for this system, or correct the name; installed: {names}.",
                is_device=True,
            )

    def _look_at_property(self, line: CfgLine) -> None:
        device, name, value = (*line.fields, "")[:3]
        if device.strip() != "Core":
            self._known(line, device)
            self._known_label(line, device, name, value)
        elif name not in _CORE_PROPERTIES:
            self.error(line.number, f"the core has no property '{name}'", f"It has: {', '.join(_CORE_PROPERTIES)}.")
        elif name == "Initialize":
            self._look_at_initialize(line, value)
        elif name in _ROLES and value and self._known(line, value):
            self._has_camera |= name == "Camera"
            if self._initialised_at is None:
                self._warn(line.number, f"the role {name} is given before the devices are initialised", _ORDER)

    def _look_at_initialize(self, line: CfgLine, value: str) -> None:
        if value == "1":
            self._initialised_at = line.number
        elif value != "0":
            self.error(line.number, f"Initialize can be 0 or 1, not '{value}'", _ORDER)
        elif self._devices:
            self.error(line.number, "Initialize,0 unloads the devices declared above it", "Move it to the top.")

    def _look_at_parent(self, line: CfgLine) -> None:
        for device in line.fields:
            self._known(line, device)

    def _look_at_delay(self, line: CfgLine) -> None:
        self._known(line, line.fields[0])
        self._number(line, line.fields[1], "a delay in ms")

    def _look_at_focusdirection(self, line: CfgLine) -> None:
        self._known(line, line.fields[0])
        if line.fields[1].strip() not in ("-1", "0", "1"):
            self.error(line.number, f"the focus direction is '{line.fields[1]}'", "It can be -1, 0 or 1.")

    def _look_at_label(self, line: CfgLine) -> None:
        device, index, text = line.fields
        known = self._known(line, device)
        if known and self._initialised_at is None:
            self.error(line.number, "a label before the devices are initialised is lost", _ORDER)
        if not index.strip().isdigit():
            self.error(line.number, f"the position '{index}' is no whole number", "Positions count from 0.")
        labels = self._labels.setdefault(device, {})
        if index in labels:
            self.error(line.number, f"position {index} of '{device}' has a label already", "Remove one of them.")
        elif text in labels.values():
            self.error(line.number, f"two positions of '{device}' are labelled '{text}'", "Give each its own label.")
        labels[index] = text

    def _known_label(self, line: CfgLine, device: str, name: str, value: str) -> None:
        labels = self._labels.get(device)
        if name == "Label" and labels and value not in labels.values():
            near = difflib.get_close_matches(value, labels.values(), n=1)
            self._warn(
                line.number,
                f"'{device}' has no label '{value}' in this file",
                f"Did you mean '{near[0]}'?" if near else "Add a Label line for it above.",
            )

    def _look_at_configgroup(self, line: CfgLine) -> None:
        if len(line.fields) == 1:
            return
        group, preset, device, name, value = (*line.fields, "")[:5]
        if self._known(line, device, core_too=True):
            self._known_label(line, device, name, value)
        if device == "Core" and name in _ROLES:
            if value and self._known(line, value):
                self._has_camera |= (group, preset, name) == ("System", "Startup", "Camera")
        elif device == "Core" and name not in _CORE_PROPERTIES:
            self.error(line.number, f"the core has no property '{name}'", f"It has: {', '.join(_CORE_PROPERTIES)}.")

    def _look_at_configpixelsize(self, line: CfgLine) -> None:
        preset, device, name, value = (*line.fields, "")[:4]
        self._presets_with_size.setdefault(preset, line.number)
        if self._known(line, device, core_too=True):
            self._known_label(line, device, name, value)

    def _look_at_pixel_size(self, line: CfgLine) -> None:
        """Judge PixelSize_um and its relatives."""
        preset, *values = line.fields
        if preset not in self._presets_with_size:
            near = difflib.get_close_matches(preset, self._presets_with_size, n=1)
            self.error(
                line.number,
                f"no ConfigPixelSize line above defines the pixel size preset '{preset}'",
                f"Did you mean '{near[0]}'?" if near else f"Add ConfigPixelSize,{preset},<device>,<property>,<value>.",
            )
        numbers = [self._number(line, value, "a number") for value in values]
        if line.command == "PixelSize_um" and all(numbers):
            self._sized.add(preset)
            if float(values[0]) <= 0:
                self.error(line.number, f"a pixel size of {values[0]} um", "Give the size of a pixel on the specimen.")

    def _number(self, line: CfgLine, text: str, what: str) -> bool:
        if _is_number(text):
            return True
        self.error(line.number, f"'{text}' is not {what}; Micro-Manager would take it for 0", "Correct it.")
        return False

    def look_at_the_whole(self) -> None:
        """Judge what no single line shows."""
        if self._initialised_at is None:
            self.error(0, "the line Property,Core,Initialize,1 is missing: no device would work", _ORDER)
        if not self._has_camera:
            self.error(0, "no camera is named", "Add Property,Core,Camera,<label> after Property,Core,Initialize,1.")
        for preset, number in self._presets_with_size.items():
            if preset not in self._sized:
                self._warn(number, f"the pixel size preset '{preset}' has no size", f"Add PixelSize_um,{preset},<um>.")
        mismatch = None if self._adapters_dir is None else interface_mismatch(self._adapters_dir)
        if mismatch is not None:
            self.error(0, mismatch, "Install matching versions (see 'hcc-scope devices').", is_device=True)


_ORDER = (
    "The order is: Initialize,0; devices; their pre-init properties; parents; Initialize,1; roles; labels; groups;"
    " pixel sizes."
)

"""Judges a Micro-Manager configuration line by line, keeping in mind what the lines above it did.

What is an error was tried out on the core (device interface 75), and a test compares the two:

- the core refuses the file, and unloads every device, or
- a number is not the one in the file (the core takes ``x`` for 0 and ``1;6`` for 1), or
- no device would work.

All else is a warning at most: the core loads it, so a run continues. What is usual and harmless in real files (names
that begin with a blank, a ``#`` in a label, labels that the device itself gives its positions) is no finding at all.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hcc_scope.number_text import is_number, plain_number, taken_number
from hcc_scope.rig.adapters import find_library, installed_libraries, interface_mismatch
from hcc_scope.rig.cfg_lines import COMMANDS, NO_LONGER, TOO_LONG
from hcc_scope.rig.pixel_sizes import PixelSizes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hcc_scope.rig.cfg_lines import CfgLine

__all__ = ["Finding", "Linter", "Severity"]

Severity = Literal["error", "warning"]

_ROLES = ("Camera", "Shutter", "Focus", "XYStage", "AutoFocus", "ImageProcessor", "SLM", "Galvo")
_CORE_PROPERTIES = (*_ROLES, "Initialize", "AutoShutter", "ChannelGroup", "TimeoutMs")
_STARTUP = ("System", "Startup")
"""Group and preset that the core applies when everything is loaded."""
_ORDER = (
    "The order is: Initialize,0; devices; their pre-init properties; parents; Initialize,1; roles; labels; groups;"
    " pixel sizes."
)
_LENGTHS = ("PixelSize_um", "PixelSizeOptimalZ_Um")
_REMARK = re.compile(r"\s#(\s|$)")
_ODD_NUMBER = re.compile(r"\s*[+-]?(nan|inf|infinity|[\d._]*\d[\d._]*)\s*", re.IGNORECASE)
_NO_NUMBER = re.compile(r"\s*[+-]?(nan|inf|infinity)\s*", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_SURELY_MEANT = 0.8
"""How like another label a text must be to be a slip of the pen (`difflib`)."""


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


class Linter:
    """Goes through a configuration, knowing what came before.

    Parameters
    ----------
    path : Path
        Of the file, for the findings.
    adapters_dir : Path or None
        Also judge whether the adapters are installed there.
    declared_at : dict of str to int
        The line of each device's declaration, to distinguish a device that comes too late from one that is not there.
    """

    def __init__(self, path: Path, adapters_dir: Path | None, declared_at: dict[str, int]) -> None:
        self._path = path
        self._adapters_dir = adapters_dir
        self._declared_at = declared_at
        self.findings: list[Finding] = []
        self._devices: set[str] = set()
        self._groups: set[str] = set()
        self._initialised_at: int | None = None
        self._initialised: set[str] = set()
        self._camera = ""
        self._camera_taken_away = False
        self._labels: dict[str, dict[str, str]] = {}
        self._sizes = PixelSizes()
        self._startup: list[CfgLine] = []

    def error(self, line: int, message: str, hint: str, *, is_device: bool = False) -> None:
        """Add an error."""
        self.findings.append(Finding(self._path, line, "error", message, hint, is_device))

    def warn(self, line: int, message: str, hint: str) -> None:
        """Add a warning."""
        self.findings.append(Finding(self._path, line, "warning", message, hint))

    def look_at(self, line: CfgLine) -> None:
        """Judge one line: its form, then its meaning if the form is right."""
        if line.command == TOO_LONG:
            self.warn(line.number, "a line that is too long: Micro-Manager reads no further", "Shorten it.")
        elif line.command in NO_LONGER:
            self.error(line.number, f"Micro-Manager's core refuses the command '{line.command}'", "Remove the line.")
        elif not line.command:
            self.error(line.number, "Micro-Manager's core refuses a line of commas alone", "Remove the line.")
        elif line.command not in COMMANDS:
            self._look_at_what_is_ignored(line)
        elif len(line.fields) not in COMMANDS[line.command][0]:
            form = f"Write {line.command},{COMMANDS[line.command][1]}"
            comma = " (a number takes a decimal point, not a comma)" if line.command.startswith("PixelSize") else ""
            self.error(line.number, f"'{line.command}' with {len(line.fields)} fields", f"{form}{comma}.")
        else:
            getattr(self, f"_look_at_{line.command.lower()}", self._look_at_pixel_size)(line)

    def look_at_the_whole(self) -> None:
        """Judge what no single line shows."""
        for line in self._startup:
            self._look_at_startup(line)
        if self._initialised_at is None:
            self.error(0, "the line Property,Core,Initialize,1 is missing: no device would work", _ORDER)
        elif not self._camera:
            self.warn(
                0,
                "no camera is named"
                + ("" if self._camera_taken_away else "; Micro-Manager takes the last one that it initialises"),
                "Add Property,Core,Camera,<label> after Property,Core,Initialize,1.",
            )
        for place, message, hint in self._sizes.findings(self._labels):
            self.warn(place, message, hint)
        mismatch = None if self._adapters_dir is None else interface_mismatch(self._adapters_dir)
        if mismatch is not None:
            self.error(0, mismatch, "Install matching versions (see 'hcc-scope devices').", is_device=True)

    # --- what a line may go wrong in ---

    def _look_at_what_is_ignored(self, line: CfgLine) -> None:
        command = line.command.lstrip("\ufeff").strip()
        if not command or command.startswith("#"):
            return
        if line.command.startswith("\ufeff"):
            if line.command == "\ufeffProperty" and line.fields == ("Core", "Initialize", "0"):
                return  # nothing is loaded yet anyway
            self.warn(
                line.number,
                "the byte order mark before it makes Micro-Manager ignore this line",
                "Save the file without a byte order mark.",
            )
            return
        near = difflib.get_close_matches(command, COMMANDS, n=1)
        self.warn(
            line.number,
            f"unknown command '{line.command}', which Micro-Manager ignores",
            f"Did you mean '{near[0]}'?" if near else f"Commands are: {', '.join(COMMANDS)}.",
        )

    def _no_device(self, device: str, known: Iterable[str]) -> tuple[str, str]:
        """Return as text that there is no such device, and what may help."""
        if device != device.strip() and device.strip() in known:
            return (
                f"a blank beside a comma becomes part of the name: there is no device '{device}'",
                "Remove the blank.",
            )
        near = difflib.get_close_matches(device, known, n=1)
        return (
            f"unknown device '{device}'",
            f"Did you mean '{near[0]}'?" if near else "Add a Device line for it, or remove this line.",
        )

    def _known(self, line: CfgLine, device: str) -> bool:
        """Judge whether a device was declared above: if not, the core refuses the line."""
        if device in self._devices:
            return True
        if device in self._declared_at:
            self.error(
                line.number,
                f"the device '{device}' is declared only in line {self._declared_at[device]}",
                "Move its Device line up.",
            )
        else:
            message, hint = self._no_device(device, self._devices)
            self.error(line.number, f"{message}, and Micro-Manager's core refuses the line", hint)
        return False

    def _declared(self, line: CfgLine, device: str, consequence: str) -> bool:
        """Warn of a device that is nowhere declared, in a line that the core accepts nevertheless."""
        if device in self._declared_at or device == "Core":
            return True
        message, hint = self._no_device(device, self._declared_at)
        self.warn(line.number, f"{message}; {consequence}", hint)
        return False

    def _number(
        self, line: CfgLine, text: str, what: str, *, least: float | None = None, matters: bool = True
    ) -> float | None:
        """Judge a number, and return it if it is one; one that enters no result is worth a warning only."""
        report = self.error if matters else self.warn
        number = plain_number(text, remark_too=True)
        if number is None:
            taken = f"Micro-Manager would take it for {taken_number(text):g}"
            report(line.number, f"'{text}' is not {what}; {taken}", "Write a number, with a decimal point.")
        elif least is not None and number < least:
            report(line.number, f"{text.strip()} is not {what}", f"It cannot be less than {least:g}.")
        else:
            if not is_number(text):
                self.warn(line.number, f"'{text}' is taken for {number:g}", "Put the remark on its own line.")
            return number
        return None

    def _whole_number(self, line: CfgLine, text: str, what: str, hint: str) -> int | None:
        """Judge a position, and return it if it is one."""
        if text.strip().isascii() and text.strip().isdigit():
            return int(text)
        if is_number(text) and taken_number(text) < 0:
            self.warn(line.number, f"{what} '{text}' does not exist", hint)
            return None
        self.error(
            line.number,
            f"{what} '{text}' is no whole number; Micro-Manager would take it for {taken_number(text):.0f}",
            hint,
        )
        return None

    def _value(self, line: CfgLine, device: str, name: str, value: str) -> None:
        """Judge what a property is set to."""
        labels = self._labels.get(device, {}).values()
        if name == "Label":
            self._label(line, device, value, labels)
            return
        if name == "State" and _ODD_NUMBER.fullmatch(value) and not is_number(value):
            self._whole_number(line, value, f"the position of '{device}'", "Positions count from 0.")
        elif _NO_NUMBER.fullmatch(value):
            self.warn(line.number, f"'{value}' is no number, if one belongs there", "Correct it.")
        if _REMARK.search(value):
            self.warn(line.number, "a comment after a command becomes part of its value", "Give it its own line.")
        elif value != value.strip():
            self.warn(line.number, f"a blank beside the value '{value}' is part of it", "Remove it.")
        if name != name.strip():
            self.warn(line.number, f"a blank beside a comma becomes part of the name '{name}'", "Remove it.")

    def _label(self, line: CfgLine, device: str, value: str, labels: Iterable[str]) -> None:
        """Warn of a label that is one of this file's but for a slip; others may be the device's own."""
        if not labels or value in labels:
            return
        folded = {_folded(label): label for label in labels}
        meant = folded.get(_folded(value))
        if meant is None:
            near = difflib.get_close_matches(value, labels, n=1, cutoff=_SURELY_MEANT)
            meant = near[0] if near and _DIGITS.findall(near[0]) == _DIGITS.findall(value) else None
        if meant is not None:
            self.warn(line.number, f"'{device}' has no label '{value}' in this file", f"Did you mean '{meant}'?")

    # --- devices ---

    def _look_at_device(self, line: CfgLine) -> None:
        label, library, adapter = line.fields
        if label in self._devices or label == "Core":
            self.error(line.number, f"the device label '{label}' is already in use", "Give each device its own label.")
        elif self._initialised_at is not None:
            self.warn(
                line.number,
                f"the device '{label}' comes after Property,Core,Initialize,1 and stays uninitialised",
                f"Move it above line {self._initialised_at}.",
            )
        self._devices.add(label)
        if adapter != adapter.strip():
            self.error(
                line.number,
                f"a blank beside a comma becomes part of the name: there is no device adapter '{adapter}'",
                "Remove the blank.",
            )
        if self._adapters_dir is not None and find_library(self._adapters_dir, library) is None:
            names = ", ".join(installed_libraries(self._adapters_dir)) or "none"
            self.error(
                line.number,
                f"the device adapter '{library}' is not installed in {self._adapters_dir}",
                f"Install Micro-Manager with it for this system, or correct the name; installed: {names}.",
                is_device=True,
            )

    def _look_at_parent(self, line: CfgLine) -> None:
        device, hub = line.fields
        if device == "Core" or self._known(line, device):
            self._declared(line, hub, f"'{device}' is left without a hub")

    def _look_at_delay(self, line: CfgLine) -> None:
        device, delay = line.fields
        if device != "Core":
            self._known(line, device)
        self._number(line, delay, "a delay in ms", least=0.0, matters=False)

    def _look_at_focusdirection(self, line: CfgLine) -> None:
        device, direction = line.fields
        self._declared(line, device, "Micro-Manager ignores this line")
        number = self._number(line, direction, "a focus direction (-1, 0 or 1)", matters=False)
        if number is not None and number not in (-1, 0, 1):
            self.warn(line.number, f"the focus direction is '{direction}'", "It can be -1, 0 or 1.")

    def _look_at_label(self, line: CfgLine) -> None:
        device, index, text = line.fields
        if self._known(line, device) and device not in self._initialised:
            self.warn(line.number, "a label before the devices are initialised is lost", _ORDER)
        position = self._whole_number(line, index, "the position", "Positions count from 0.")
        labels = self._labels.setdefault(device, {})
        key = index if position is None else str(position)
        if labels.get(key, text) != text:
            self.warn(
                line.number,
                f"position {key} of '{device}' has a label already, which '{text}' replaces",
                "Remove one of them.",
            )
        elif text in (other for at, other in labels.items() if at != key):
            self.warn(
                line.number,
                f"two positions of '{device}' are labelled '{text}': only this one can be chosen by it",
                "Give each its own label.",
            )
        labels[key] = text

    # --- properties and presets ---

    def _look_at_property(self, line: CfgLine) -> None:
        device, name, value = (*line.fields, "")[:3]
        if device == "Core":
            self._look_at_core(line, name, value)
        elif self._known(line, device):
            self._value(line, device, name, value)

    def _look_at_core(self, line: CfgLine, name: str, value: str) -> None:
        """Judge a property of the core itself, set now."""
        if name not in _CORE_PROPERTIES:
            message = f"the core has no property '{name}'"
            near = difflib.get_close_matches(name.strip(), _CORE_PROPERTIES, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"It has: {', '.join(_CORE_PROPERTIES)}."
            self.error(line.number, message, hint)
        elif name == "Initialize":
            self._look_at_initialize(line, value)
        elif name in _ROLES:
            self._look_at_role(line, name, value)
        elif name == "AutoShutter" and value not in ("0", "1"):
            self.error(line.number, f"AutoShutter can be 0 or 1, not '{value}'", "Correct it.")
        elif name == "TimeoutMs" and (plain_number(value, remark_too=True) or 0.0) < 1.0:
            self.error(line.number, f"TimeoutMs cannot be '{value}'", "It is a whole number of ms, above 0.")
        elif name == "ChannelGroup" and value and value not in self._groups:
            self.error(line.number, f"no ConfigGroup line above defines the group '{value}'", _ORDER)

    def _look_at_initialize(self, line: CfgLine, value: str) -> None:
        if value == "1":
            if self._initialised:
                self.error(
                    line.number,
                    f"the devices were initialised in line {self._initialised_at} already, and Micro-Manager refuses"
                    " to do it again",
                    "Remove one of the two lines.",
                )
            elif self._camera:
                self.warn(
                    line.number,
                    f"Micro-Manager may choose another camera than '{self._camera}' here",
                    "Move the line Property,Core,Camera below this one.",
                )
            self._initialised_at = line.number
            self._initialised = set(self._devices)
        elif value != "0":
            blank = " (with a blank)" if value.strip() in ("0", "1") else ""
            self.error(line.number, f"Initialize can be 0 or 1, not '{value}'{blank}", _ORDER)
        else:
            if self._devices:
                self.warn(line.number, "Initialize,0 unloads the devices declared above it", "Move it to the top.")
            # with the devices go labels, groups and pixel sizes
            self._devices, self._initialised, self._initialised_at, self._camera = set(), set(), None, ""
            self._groups, self._labels, self._sizes, self._startup = set(), {}, PixelSizes(), []

    def _look_at_role(self, line: CfgLine, name: str, value: str) -> None:
        if value and not self._known(line, value):
            return
        if name == "Camera":
            self._camera, self._camera_taken_away = value, not value
        if value and self._initialised_at is None:
            self.warn(line.number, f"the role {name} is given before the devices are initialised", _ORDER)

    def _look_at_config(self, line: CfgLine) -> None:
        self.warn(line.number, "the command 'Config' belongs to old versions and has no effect", "Use ConfigGroup.")

    def _look_at_configgroup(self, line: CfgLine) -> None:
        self._groups.add(line.fields[0])
        if line.fields[:2] == _STARTUP:
            self._startup.append(line)
        elif len(line.fields) > 1:
            _, preset, device, name, value = (*line.fields, "")[:5]
            consequence = f"the preset '{preset}' cannot be applied"
            if device == "Core":
                if name not in _CORE_PROPERTIES:
                    hint = f"It has: {', '.join(_CORE_PROPERTIES)}."
                    self.warn(line.number, f"the core has no property '{name}'; {consequence}", hint)
                elif name in _ROLES and value:
                    self._declared(line, value, consequence)
            elif self._declared(line, device, consequence):
                self._value(line, device, name, value)

    def _look_at_startup(self, line: CfgLine) -> None:
        """Judge a line of the preset that the core applies at the end: it refuses the file if a device does."""
        _, _, device, name, value = (*line.fields, "")[:5]
        if device == "Core" and name == "Initialize":
            self.error(line.number, "Initialize is no setting for a preset", "Remove the line.")
        elif device == "Core":
            self._look_at_core(line, name, value)
        elif self._known(line, device):
            self._value(line, device, name, value)

    # --- pixel sizes ---

    def _look_at_configpixelsize(self, line: CfgLine) -> None:
        preset, device, name, value = line.fields
        self._sizes.add_setting(line.number, preset, device, name, value)
        if self._declared(line, device, f"the pixel size preset '{preset}' never matches") and device != "Core":
            self._value(line, device, name, value)

    def _look_at_pixel_size(self, line: CfgLine) -> None:
        """Judge PixelSize_um and its relatives."""
        preset, *values = line.fields
        if preset not in self._sizes.presets:
            near = difflib.get_close_matches(preset, self._sizes.presets, n=1)
            self.error(
                line.number,
                f"no ConfigPixelSize line above defines the pixel size preset '{preset}'",
                f"Did you mean '{near[0]}'?" if near else f"Add ConfigPixelSize,{preset},<device>,<property>,<value>.",
            )
        least, what = (0.0, "a length in um") if line.command in _LENGTHS else (None, "a number")
        matters = line.command in ("PixelSize_um", "PixelSizeAffine")
        numbers = [self._number(line, value, what, least=least, matters=matters) for value in values]
        if line.command == "PixelSize_um":
            self._sizes.add_size(line.number, preset, numbers[0])


def _folded(label: str) -> str:
    return "".join(label.casefold().split())

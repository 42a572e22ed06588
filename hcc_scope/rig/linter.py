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
from typing import TYPE_CHECKING

from hcc_scope.number_text import plain_number
from hcc_scope.rig.adapters import find_library, installed_libraries, interface_mismatch
from hcc_scope.rig.cfg_lines import COMMANDS, NO_LONGER, TOO_LONG
from hcc_scope.rig.device_kinds import ROLE_KINDS
from hcc_scope.rig.findings import Findings
from hcc_scope.rig.lint_kinds import Kinds
from hcc_scope.rig.lint_ports import SerialPorts
from hcc_scope.rig.lint_values import Values, judge_letters
from hcc_scope.rig.pixel_sizes import PixelSizes
from hcc_scope.rig.placeholders import find_placeholders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from hcc_scope.rig.cfg_lines import CfgLine
    from hcc_scope.rig.findings import Finding

__all__ = ["Linter"]

_CORE_PROPERTIES = (*ROLE_KINDS, "Initialize", "AutoShutter", "ChannelGroup", "TimeoutMs")
_STARTUP = ("System", "Startup")
"""Group and preset that the core applies when everything is loaded."""
_ORDER = (
    "The order is: Initialize,0; devices; their pre-init properties; parents; Initialize,1; roles; labels; groups;"
    " pixel sizes."
)
_LENGTHS = ("PixelSize_um", "PixelSizeOptimalZ_Um")


class Linter:
    """Goes through a configuration, knowing what came before.

    Parameters
    ----------
    path : Path
        Of the file, for the findings.
    adapters_dir : Path or None
        Also judge whether the adapters are installed there.
    lines : sequence of CfgLine
        The whole file, to distinguish what comes too late from what is not there.
    """

    def __init__(self, path: Path, adapters_dir: Path | None, lines: Sequence[CfgLine]) -> None:
        self._findings = Findings(path)
        self._error, self._warn = self._findings.error, self._findings.warn
        self._values = Values(self._findings)
        self._kinds = Kinds(lines, self._findings)
        self._adapters_dir = adapters_dir
        self._lines = lines
        self._declared_at = {line.fields[0]: line.number for line in lines if line.command == "Device" and line.fields}
        self._labelled_at = {
            (line.fields[0], line.fields[2]): line.number
            for line in lines
            if line.command == "Label" and len(line.fields) == 3
        }
        self._groups_anywhere = {line.fields[0] for line in lines if line.command == "ConfigGroup" and line.fields}
        self._devices: set[str] = set()
        self._groups: set[str] = set()
        self._initialised_at: int | None = None
        self._initialised: set[str] = set()
        self._camera = ""
        self._camera_taken_away = False
        self._labels: dict[str, dict[str, str]] = {}
        self._sizes = PixelSizes()
        self._ports = SerialPorts()
        self._once_given: dict[tuple[str, str], str] = {}
        self._startup: list[CfgLine] = []

    def judge(self) -> list[Finding]:
        """Judge the file; return all findings, in the order of their lines."""
        for line in self._lines:
            for placeholder in find_placeholders(",".join(line.fields), line.number):
                self._findings.fill_in(placeholder)
            if line.cut:
                self._warn(
                    line.number, "the line holds a NUL, and Micro-Manager reads no further in it", "Write it anew."
                )
            self._look_at(line)
        self._look_at_the_whole()
        return self._findings.all()

    def _look_at(self, line: CfgLine) -> None:
        """Judge one line: its form, then its meaning if the form is right."""
        if line.command == TOO_LONG:
            self._warn(line.number, "a line that is too long: Micro-Manager reads no further", "Shorten it.")
        elif line.command in NO_LONGER:
            self._error(line.number, f"Micro-Manager's core refuses the command '{line.command}'", "Remove the line.")
        elif not line.command:
            self._error(line.number, "Micro-Manager's core refuses a line of commas alone", "Remove the line.")
        elif line.command not in COMMANDS:
            self._look_at_what_is_ignored(line)
        elif len(line.fields) not in COMMANDS[line.command][0]:
            form = f"Write {line.command},{COMMANDS[line.command][1]}"
            comma = " (a number takes a decimal point, not a comma)" if line.command.startswith("PixelSize") else ""
            self._error(line.number, f"'{line.command}' with {len(line.fields)} fields", f"{form}{comma}.")
        else:
            getattr(self, f"_look_at_{line.command.lower()}", self._look_at_pixel_size)(line)

    def _look_at_the_whole(self) -> None:
        """Judge what no single line shows."""
        for line in self._startup:
            self._look_at_startup(line)
        if self._initialised_at is None:
            self._error(0, "the line Property,Core,Initialize,1 is missing: no device would work", _ORDER)
        elif not self._camera:
            self._warn(
                0,
                "no camera is named"
                + ("" if self._camera_taken_away else "; Micro-Manager takes the last one that it initialises"),
                "Add Property,Core,Camera,<label> after Property,Core,Initialize,1.",
            )
        for place, message, hint in self._sizes.findings(self._labels):
            self._warn(place, message, hint)
        mismatch = None if self._adapters_dir is None else interface_mismatch(self._adapters_dir)
        if mismatch is not None:
            self._error(0, mismatch, "Install matching versions (see 'hcc-scope devices').", is_device=True)
        self._ports.judge(self._findings)
        judge_letters(self._lines, self._findings)

    # --- what a line may go wrong in ---

    def _look_at_what_is_ignored(self, line: CfgLine) -> None:
        command = line.command.lstrip("\ufeff").strip()
        if not command or command.startswith("#"):
            return
        if line.command.startswith("\ufeff"):
            if line.command == "\ufeffProperty" and line.fields == ("Core", "Initialize", "0"):
                return  # nothing is loaded yet anyway
            self._warn(
                line.number,
                "the byte order mark before it makes Micro-Manager ignore this line",
                "Save the file without a byte order mark.",
            )
            return
        near = difflib.get_close_matches(command, COMMANDS, n=1)
        self._warn(
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
            self._error(
                line.number,
                f"the device '{device}' is declared only in line {self._declared_at[device]}",
                "Move its Device line up.",
            )
        else:
            message, hint = self._no_device(device, self._devices)
            self._error(line.number, f"{message}, and Micro-Manager's core refuses the line", hint)
        return False

    def _declared(self, line: CfgLine, device: str, consequence: str) -> bool:
        """Warn of a device that is nowhere declared, in a line that the core accepts nevertheless."""
        if device in self._declared_at or device == "Core":
            return True
        message, hint = self._no_device(device, self._declared_at)
        self._warn(line.number, f"{message}; {consequence}", hint)
        return False

    # --- devices ---

    def _look_at_device(self, line: CfgLine) -> None:
        label, library, adapter = line.fields
        if label in self._devices or label == "Core":
            self._error(line.number, f"the device label '{label}' is already in use", "Give each device its own label.")
        elif self._initialised_at is not None:
            self._warn(
                line.number,
                f"the device '{label}' comes after Property,Core,Initialize,1 and stays uninitialised",
                f"Move it above line {self._initialised_at}.",
            )
        self._devices.add(label)
        self._ports.add_device(line.number, label, library, adapter)
        if adapter != adapter.strip():
            self._error(
                line.number,
                f"a blank beside a comma becomes part of the name: there is no device adapter '{adapter}'",
                "Remove the blank.",
            )
        if self._adapters_dir is not None and find_library(self._adapters_dir, library) is None:
            names = ", ".join(installed_libraries(self._adapters_dir)) or "none"
            self._error(
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
        self._values.number(line, delay, "a delay in ms", least=0.0, matters=False)
        self._once(line, device, "delay", delay)

    def _look_at_focusdirection(self, line: CfgLine) -> None:
        device, direction = line.fields
        self._declared(line, device, "Micro-Manager ignores this line")
        number = self._values.number(line, direction, "a focus direction (-1, 0 or 1)", matters=False)
        if number is not None and number not in (-1, 0, 1):
            self._warn(line.number, f"the focus direction is '{direction}'", "It can be -1, 0 or 1.")
        self._once(line, device, "focus direction", direction)

    def _once(self, line: CfgLine, device: str, what: str, value: str) -> None:
        """Warn of a second, different value of something that a device has one of."""
        before = self._once_given.setdefault((device, what), value)
        if before != value:
            self._warn(line.number, f"'{device}' has a {what} already, {before}, which {value} replaces", "Remove one.")
            self._once_given[device, what] = value

    def _look_at_label(self, line: CfgLine) -> None:
        device, index, text = line.fields
        if self._known(line, device):
            self._kinds.judge(line, device, "state", f"the label '{text}'")
        if device in self._devices and device not in self._initialised:
            self._warn(line.number, "a label before the devices are initialised is lost", _ORDER)
        position = self._values.whole_number(line, index, "the position", "Positions count from 0.")
        labels = self._labels.setdefault(device, {})
        key = index if position is None else str(position)
        if labels.get(key, text) != text:
            self._warn(
                line.number,
                f"position {key} of '{device}' has a label already, which '{text}' replaces",
                "Remove one of them.",
            )
        elif text in (other for at, other in labels.items() if at != key):
            self._warn(
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
            self._values.value(line, device, name, value, self._labels.get(device, {}))
            self._ports.add_property(line.number, device, name, value, early=self._initialised_at is None)
            later = self._labelled_at.get((device, value), 0)
            if name == "Label" and later > line.number and value not in self._labels.get(device, {}).values():
                self._warn(
                    line.number,
                    f"the label '{value}' of '{device}' is used before line {later} gives it",
                    f"Move this line below line {later}, or into the preset System/Startup.",
                )

    def _look_at_core(self, line: CfgLine, name: str, value: str) -> None:
        """Judge a property of the core itself, set now."""
        if name not in _CORE_PROPERTIES:
            message = f"the core has no property '{name}'"
            near = difflib.get_close_matches(name.strip(), _CORE_PROPERTIES, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"It has: {', '.join(_CORE_PROPERTIES)}."
            self._error(line.number, message, hint)
        elif name == "Initialize":
            self._look_at_initialize(line, value)
        elif name in ROLE_KINDS:
            self._look_at_role(line, name, value)
        elif name == "AutoShutter" and value not in ("0", "1"):
            self._error(line.number, f"AutoShutter can be 0 or 1, not '{value}'", "Correct it.")
        elif name == "TimeoutMs" and (plain_number(value, remark_too=True) or 0.0) < 1.0:
            self._error(line.number, f"TimeoutMs cannot be '{value}'", "It is a whole number of ms, above 0.")
        elif name == "ChannelGroup" and value and value not in self._groups:
            self._error(line.number, f"no ConfigGroup line above defines the group '{value}'", _ORDER)

    def _look_at_initialize(self, line: CfgLine, value: str) -> None:
        if value == "1":
            if self._initialised:
                self._error(
                    line.number,
                    f"the devices were initialised in line {self._initialised_at} already, and Micro-Manager refuses"
                    " to do it again",
                    "Remove one of the two lines.",
                )
            elif self._camera:
                self._warn(
                    line.number,
                    f"Micro-Manager may choose another camera than '{self._camera}' here",
                    "Move the line Property,Core,Camera below this one.",
                )
            self._initialised_at = line.number
            self._initialised = set(self._devices)
        elif value != "0":
            blank = " (with a blank)" if value.strip() in ("0", "1") else ""
            self._error(line.number, f"Initialize can be 0 or 1, not '{value}'{blank}", _ORDER)
        else:
            if self._devices:
                self._warn(line.number, "Initialize,0 unloads the devices declared above it", "Move it to the top.")
            # with the devices go labels, groups and pixel sizes
            self._devices, self._initialised, self._initialised_at, self._camera = set(), set(), None, ""
            self._groups, self._labels, self._sizes, self._startup = set(), {}, PixelSizes(), []
            self._ports, self._once_given = SerialPorts(), {}

    def _look_at_role(self, line: CfgLine, name: str, value: str) -> None:
        if value and not self._known(line, value):
            return
        if value:
            self._kinds.judge(line, value, ROLE_KINDS[name], f"the role {name}")
        if name == "Camera":
            self._camera, self._camera_taken_away = value, not value
        if value and self._initialised_at is None:
            self._warn(line.number, f"the role {name} is given before the devices are initialised", _ORDER)

    def _look_at_config(self, line: CfgLine) -> None:
        self._warn(line.number, "the command 'Config' belongs to old versions and has no effect", "Use ConfigGroup.")

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
                    self._warn(line.number, f"the core has no property '{name}'; {consequence}", hint)
                elif name in ROLE_KINDS and value:
                    if self._declared(line, value, consequence):
                        self._kinds.judge(line, value, ROLE_KINDS[name], f"the role {name}", consequence=consequence)
                elif name == "ChannelGroup" and value and value not in self._groups_anywhere:
                    self._warn(line.number, f"there is no group '{value}'; {consequence}", "Correct its name.")
            elif self._declared(line, device, consequence):
                self._values.value(line, device, name, value, self._labels.get(device, {}))

    def _look_at_startup(self, line: CfgLine) -> None:
        """Judge a line of the preset that the core applies at the end: it refuses the file if a device does."""
        _, _, device, name, value = (*line.fields, "")[:5]
        if device == "Core" and name == "Initialize":
            self._error(line.number, "Initialize is no setting for a preset", "Remove the line.")
        elif device == "Core":
            self._look_at_core(line, name, value)
        elif self._known(line, device):
            self._values.value(line, device, name, value, self._labels.get(device, {}))

    # --- pixel sizes ---

    def _look_at_configpixelsize(self, line: CfgLine) -> None:
        preset, device, name, value = line.fields
        self._sizes.add_setting(line.number, preset, device, name, value)
        if self._declared(line, device, f"the pixel size preset '{preset}' never matches") and device != "Core":
            self._values.value(line, device, name, value, self._labels.get(device, {}))

    def _look_at_pixel_size(self, line: CfgLine) -> None:
        """Judge PixelSize_um and its relatives."""
        preset, *values = line.fields
        if preset not in self._sizes.presets:
            near = difflib.get_close_matches(preset, self._sizes.presets, n=1)
            self._error(
                line.number,
                f"no ConfigPixelSize line above defines the pixel size preset '{preset}'",
                f"Did you mean '{near[0]}'?" if near else f"Add ConfigPixelSize,{preset},<device>,<property>,<value>.",
            )
        least, what = (0.0, "a length in um") if line.command in _LENGTHS else (None, "a number")
        matters = line.command in ("PixelSize_um", "PixelSizeAffine")
        numbers = [self._values.number(line, value, what, least=least, matters=matters) for value in values]
        if line.command == "PixelSize_um":
            self._sizes.add_size(line.number, preset, numbers[0])
        elif line.command == "PixelSizeAffine":
            self._sizes.add_affine(line.number, preset, [one for one in numbers if one is not None])

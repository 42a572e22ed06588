"""Rewrite a configuration so that it loads here: each device whose adapter is not installed becomes its demo twin.

>>> found = substitute(read_config(cfg), installed={"DemoCamera", "Utilities"}, roles=RigRoles())  # doctest: +SKIP
>>> found.text  # what to load
>>> found.replaced, found.remembered, found.left_out  # what it differs in
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.number_text import plain_number, taken_number
from hcc_scope.rig.cameras import find_camera
from hcc_scope.rig.cfg_lines import TOO_LONG
from hcc_scope.rig.device_kinds import kinds_of
from hcc_scope.rig.twins import (
    DEMO_LIBRARY,
    LONGEST_DELAY_MS,
    MOST_POSITIONS,
    TWINS,
    Setting,
    camera_roles,
    twin_role_value,
    understood,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from hcc_scope.rig.cfg_lines import CfgLine
    from hcc_scope.rig.device_kinds import DeviceKind, KnownDevice
    from hcc_scope.types import RigRoles

__all__ = ["Adjusted", "LeftOut", "Remembered", "Replaced", "Substitution", "substitute"]

_DEFAULT_SHAPE_YX = (1024, 1024)
_VELOCITY_MM_S = 40
_EMPTY = "(empty)"


@dataclass(frozen=True, slots=True)
class Replaced:
    """A device that has a twin, or none, in the rewritten configuration."""

    line: int
    device: str
    library: str
    adapter: str
    kind: DeviceKind
    reason: str
    """How the kind was found out."""
    twin: str | None
    """Adapter of the demo device; None: there is none of this kind, and the device is left out."""
    contradiction: str | None = None
    """In words that the adapter does not fit the role that the file gives it."""
    image_yx: tuple[int, int] | None = None
    """Of a camera: the size of its twin's images."""
    camera: str | None = None
    """The camera that was recognised and gave the size."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A property that the twin does not have."""

    line: int
    device: str
    name: str
    value: str
    memory: str | None
    """Label of the demo state device that holds the value; None: no preset uses it, so nothing does."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A value that the twin does not take, and the one that it was given."""

    line: int
    device: str
    name: str
    value: str
    taken: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line without effect on the twins."""

    line: int
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Substitution:
    """A configuration that loads with what is installed."""

    text: str
    origins: tuple[int, ...]
    """For each line of `text`, the line of the file that it stems from; 0: it was added."""
    roles: RigRoles
    """Those of the rig, for the camera that stands in its place."""
    replaced: tuple[Replaced, ...]
    remembered: tuple[Remembered, ...]
    adjusted: tuple[Adjusted, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def gone(self) -> frozenset[str]:
        """Labels of the devices that are not installed."""
        return frozenset(one.device for one in self.replaced)


def substitute(
    lines: Sequence[CfgLine], installed: Container[str], roles: RigRoles, *, hints: Sequence[str] = ()
) -> Substitution:
    """Replace every device whose adapter library is not installed.

    Parameters
    ----------
    lines : sequence of CfgLine
        Of a configuration without errors (`hcc_scope.rig.config.check`).
    installed : container of str
        Adapter libraries that stay as they are; DemoCamera must be among them.
    roles : RigRoles
        Of the rig file.
    hints : sequence of str
        Further texts that may name the camera's model, such as the name of the file.
    """
    return _Rewriter(lines, installed, roles, hints).rewritten()


class _Rewriter:
    def __init__(
        self, lines: Sequence[CfgLine], installed: Container[str], roles: RigRoles, hints: Sequence[str]
    ) -> None:
        self._lines = lines
        self._roles = roles
        self._hints = hints
        self._devices = kinds_of(lines, roles.objective)
        self._gone = {label: one for label, one in self._devices.items() if one.library not in installed}
        self._out: list[tuple[str, int]] = []
        self._early: list[tuple[str, int]] = []
        """Settings before the initialisation that the twin takes only after it."""
        self._initialised = False
        self._remembered: list[Remembered] = []
        self._adjusted: list[Adjusted] = []
        self._left_out: list[LeftOut] = []
        self._positions = {label: self._positions_of(label) for label, one in self._gone.items() if one.kind == "state"}
        self._memories = self._needed_memories()

    def rewritten(self) -> Substitution:
        for line in self._lines:
            if line.command == TOO_LONG:
                break
            self._rewrite(line)
        camera = self._camera()
        return Substitution(
            text="".join(f"{text}\n" for text, _ in self._out),
            origins=tuple(origin for _, origin in self._out),
            roles=camera_roles(self._roles) if camera in self._gone else self._roles,
            replaced=tuple(self._account(one) for one in self._gone.values()),
            remembered=tuple(self._remembered),
            adjusted=tuple(self._adjusted),
            left_out=tuple(self._left_out),
        )

    # --- what the whole file shows ---

    def _settings(self) -> Iterator[tuple[CfgLine, str, str, str, bool]]:
        """Yield line, device, property, value and whether a preset holds it, of everything that is set on a device."""
        for line in self._lines:
            match (line.command, *line.fields):
                case ("Property", device, name, *rest):
                    yield line, device, name, (*rest, "")[0], False
                case ("ConfigGroup", group, preset, device, name, *rest):
                    yield line, device, name, (*rest, "")[0], (group, preset) != ("System", "Startup")
                case ("ConfigPixelSize", _, device, name, value):
                    yield line, device, name, value, True
                case _:
                    pass

    def _positions_of(self, label: str) -> dict[str, int]:
        """Return the positions of a state device by label; labels that only the real device gives get free ones."""
        found: dict[str, int] = {}
        for line in self._lines:
            if line.command == "Label" and len(line.fields) == 3 and line.fields[0] == label:
                position = line.fields[1].strip()
                if position.isdigit() and int(position) < MOST_POSITIONS:
                    found[line.fields[2]] = int(position)
        taken = set(found.values()) | self._states(label)
        for _, device, name, value, _ in self._settings():
            if device == label and name == "Label" and value and value not in found:
                free = next(i for i in range(len(taken) + 1) if i not in taken)
                found[value] = free
                taken.add(free)
        return found

    def _states(self, label: str) -> set[int]:
        """Return the positions of a state device that the file gives by number."""
        return {
            int(value)
            for _, device, name, value, _ in self._settings()
            if device == label and name == "State" and value.strip().isdigit() and int(value) < MOST_POSITIONS
        }

    def _needed_memories(self) -> dict[tuple[str, str], tuple[str, dict[str, int]]]:
        """Return for each property that only presets can tell apart: the memory's label, and its positions by value."""
        values: dict[tuple[str, str], dict[str, int]] = {}
        needed: set[tuple[str, str]] = set()
        for _, device, name, value, in_preset in self._settings():
            if device in self._gone:
                known = values.setdefault((device, name), {})
                known.setdefault(_spelling(value, known), len(known))
                if in_preset and self._on_twin(device, name, value) is None:
                    needed.add((device, name))
        labels = set(self._devices)
        found = {}
        for device, name in values:
            if (device, name) in needed:
                label = f"{device} {name}"
                while label in labels:
                    label += "'"
                labels.add(label)
                found[device, name] = label, values[device, name]
        return found

    def _camera(self) -> str | None:
        """Return the label of the camera: the one that is named, or the last one that is initialised."""
        named = [
            label
            for _, device, name, label, in_preset in self._settings()
            if (device, name, in_preset) == ("Core", "Camera", False)
        ]
        cameras = [label for label, one in self._devices.items() if one.kind == "camera"]
        found = named or cameras
        return found[-1] if found else None

    def _model(self, one: KnownDevice) -> tuple[tuple[int, int], str | None]:
        """Return the image size of a camera that is not installed, and the model that it follows from."""
        values = [
            value
            for _, device, _, value, _ in self._settings()
            if device == one.label and plain_number(value) is None  # 888 may be anything
        ]
        model = find_camera(one.label, one.adapter, *values, *self._hints)
        return (_DEFAULT_SHAPE_YX, None) if model is None else (model.shape_yx, model.name)

    def _account(self, one: KnownDevice) -> Replaced:
        shape_yx, model = self._model(one) if one.kind == "camera" else (None, None)
        return Replaced(
            one.line,
            one.label,
            one.library,
            one.adapter,
            one.kind,
            one.reason,
            TWINS.get(one.kind),
            one.contradiction,
            shape_yx,
            model,
        )

    # --- line by line ---

    def _put(self, origin: int, *parts: str) -> None:
        self._out.append((",".join(parts), origin))

    def _leave_out(self, line: CfgLine, why: str) -> None:
        self._left_out.append(LeftOut(line.number, ",".join((line.command, *line.fields)), why))

    def _has_twin(self, label: str) -> bool:
        return label in self._gone and self._gone[label].kind in TWINS

    def _rewrite(self, line: CfgLine) -> None:
        match (line.command, *line.fields):
            case ("Property", "Core", "Initialize", "1") if not self._initialised:
                self._initialise(line)
            case ("Property", "Core", _, label) | ("ConfigGroup", _, _, "Core", _, label) if (
                label in self._gone and not self._has_twin(label)
            ):
                self._leave_out(line, f"there is no demo device for '{label}'")
            case ("Device", label, *_) if label in self._gone:
                self._device(line, self._gone[label])
            case ("Property", label, name, *rest) if label in self._gone:
                self._set(line, ("Property",), label, name, (*rest, "")[0])
            case ("ConfigGroup", group, preset, label, name, *rest) if label in self._gone:
                self._set(line, ("ConfigGroup", group, preset), label, name, (*rest, "")[0])
            case ("ConfigPixelSize", preset, label, name, value) if label in self._gone:
                self._set(line, ("ConfigPixelSize", preset), label, name, value)
            case ("Parent", label, hub) if label in self._gone:
                if self._has_twin(label) and hub in self._gone and self._gone[hub].kind == "hub":
                    self._put(line.number, "Parent", label, hub)
            case ("Label" | "FocusDirection" | "Delay", label, *_) if label in self._gone:
                self._of_kind(line, self._gone[label])
            case _:
                self._put(line.number, line.command, *line.fields)

    def _device(self, line: CfgLine, one: KnownDevice) -> None:
        twin = TWINS.get(one.kind)
        if twin is None:
            return
        self._put(line.number, "Device", one.label, DEMO_LIBRARY, twin)
        if one.kind == "state":
            used = set(self._positions[one.label].values()) | self._states(one.label)
            self._put(0, "Property", one.label, "Number of positions", str(max(used, default=9) + 1))

    def _of_kind(self, line: CfgLine, one: KnownDevice) -> None:
        """Keep what makes sense for this kind of device only."""
        needed = {"Label": "state", "FocusDirection": "stage"}.get(line.command)
        if one.kind not in TWINS:
            self._leave_out(line, f"there is no demo device for '{one.label}'")
        elif needed is not None and one.kind != needed:
            what = "positions" if needed == "state" else "focus"
            self._leave_out(line, f"'{one.label}' is taken for a {one.kind}, which has no {what}")
        elif line.command == "Label" and taken_number(line.fields[1]) >= MOST_POSITIONS:
            self._leave_out(line, f"a demo device has at most {MOST_POSITIONS} positions")
        elif line.command == "Delay" and (plain_number(line.fields[-1]) or 0.0) > LONGEST_DELAY_MS:
            taken = f"{LONGEST_DELAY_MS:g}"
            self._adjusted.append(Adjusted(line.number, one.label, "Delay", line.fields[-1], taken))
            self._put(line.number, "Delay", one.label, taken)
        else:
            self._put(line.number, line.command, *line.fields)

    def _initialise(self, line: CfgLine) -> None:
        """Write the initialisation, with the memories before it and what the twins need behind it."""
        for label, values in self._memories.values():
            self._put(0, "Device", label, DEMO_LIBRARY, "DStateDevice")
            self._put(0, "Property", label, "Number of positions", str(max(len(values), 2)))
        self._put(line.number, "Property", "Core", "Initialize", "1")
        self._initialised = True
        for label, values in self._memories.values():
            for value, position in values.items():
                self._put(0, "Label", label, str(position), value)
        for label, one in self._gone.items():
            for name, value in self._first_settings(one):
                self._put(0, "Property", label, name, value)
            for text, position in self._positions.get(label, {}).items():
                if text not in self._labelled(label):
                    self._put(0, "Label", label, str(position), text)
        self._out += self._early

    def _first_settings(self, one: KnownDevice) -> Iterator[tuple[str, str]]:
        """Yield what a twin needs to resemble its device from the start."""
        if one.kind == "camera":
            (height, width), _ = self._model(one)
            yield "PixelType", "16bit"
            yield "BitDepth", "16"
            yield "OnCameraCCDXSize", str(width)
            yield "OnCameraCCDYSize", str(height)
            if self._roles.em_gain is not None:
                yield "TestProperty5", "1"
        elif one.kind == "xy_stage":
            yield "Velocity", str(_VELOCITY_MM_S)

    def _labelled(self, label: str) -> set[str]:
        """Return the labels that Label lines give a device."""
        return {
            line.fields[2]
            for line in self._lines
            if line.command == "Label" and len(line.fields) == 3 and line.fields[0] == label
        }

    # --- properties ---

    def _on_twin(self, label: str, name: str, value: str) -> Setting | None:
        one = self._gone[label]
        if one.kind == "camera" and (setting := twin_role_value(self._roles, name, value)) is not None:
            return setting
        return understood(one.kind, name, value, positions=self._positions.get(label))

    def _set(self, line: CfgLine, start: tuple[str, ...], label: str, name: str, value: str) -> None:
        """Write what a line sets on a device: on its twin, into its memory, or nowhere."""
        setting = self._on_twin(label, name, value)
        memory = self._memories.get((label, name))
        parts = []
        if setting is not None:
            parts.append((*start, label, setting.name, setting.value))
            if setting.adjusted:
                self._adjusted.append(Adjusted(line.number, label, name, value, setting.value))
        else:
            self._remembered.append(Remembered(line.number, label, name, value, None if memory is None else memory[0]))
        if memory is not None:
            parts.append((*start, memory[0], "Label", _spelling(value, memory[1])))
        early = start == ("Property",) and not self._initialised
        for part in parts:
            (self._early if early else self._out).append((",".join(part), line.number))


def _spelling(value: str, known: dict[str, int]) -> str:
    """Return how a value is written as a label: one way for one number, and never empty."""
    number = plain_number(value)
    for other in known:
        if other == value or (number is not None and plain_number(other) == number):
            return other
    return value or _EMPTY

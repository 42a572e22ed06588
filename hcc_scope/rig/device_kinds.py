"""What kind of device a line of a configuration declares, also where its adapter is not installed.

Micro-Manager knows it only once the adapter is loaded. Without it, in this order:

1. the role that the configuration or the rig file gives it: only a camera can be the camera;
2. the table ``adapter_kinds.txt``, taken from the public sources of the adapters;
3. what its lines set: positions have labels, a camera has a binning;
4. words in the name of its adapter, such as ``Shutter``;
5. otherwise it is generic: a device that has properties and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hcc_scope.rig.cfg_lines import CfgLine

__all__ = [
    "KIND_WORDS",
    "ROLE_KINDS",
    "DeviceKind",
    "KnownDevice",
    "is_listed",
    "kinds_of",
    "known_kind",
    "known_libraries",
]

DeviceKind = Literal[
    "camera",
    "shutter",
    "state",
    "stage",
    "xy_stage",
    "serial",
    "generic",
    "autofocus",
    "processor",
    "signal",
    "magnifier",
    "slm",
    "hub",
    "galvo",
    "pressure_pump",
    "volumetric_pump",
]

KIND_WORDS: dict[DeviceKind, str] = {
    "camera": "a camera",
    "shutter": "a shutter",
    "state": "a device with positions",
    "stage": "a focus drive",
    "xy_stage": "an XY stage",
    "serial": "a serial port",
    "generic": "a device with properties only",
    "autofocus": "an autofocus",
    "processor": "an image processor",
    "signal": "an analogue output",
    "magnifier": "a magnifier",
    "slm": "a light modulator",
    "hub": "a hub",
    "galvo": "a scanner",
    "pressure_pump": "a pressure pump",
    "volumetric_pump": "a pump",
}
"""What messages call each kind."""

ROLE_KINDS: dict[str, DeviceKind] = {
    "Camera": "camera",
    "Shutter": "shutter",
    "Focus": "stage",
    "XYStage": "xy_stage",
    "AutoFocus": "autofocus",
    "ImageProcessor": "processor",
    "SLM": "slm",
    "Galvo": "galvo",
}
"""The kind of device that each of the core's roles needs; the core refuses another one."""
_BY_PROPERTY: dict[str, DeviceKind] = {
    "Label": "state",
    "Binning": "camera",
    "PixelType": "camera",
    "Exposure": "camera",
    "BaudRate": "serial",
    "StopBits": "serial",
}
"""Properties that every device of a kind has, and hardly another one."""
_BY_WORD: tuple[tuple[str, DeviceKind], ...] = (
    (r"^(com\d+|lpt\d+|/dev/tty.*|\d+\.\d+\.\d+\.\d+:\d+)$", "serial"),
    (r"xy ?-?(stage|drive|table)", "xy_stage"),
    (r"shutter", "shutter"),
    (r"nose ?piece|turret|wheel|objective|light ?path|slider|(filter|port) ?switch|switch$|changer|revolver", "state"),
    (r"z ?-?(stage|drive|axis)|focus ?drive|piezo|offset$|^focus$", "stage"),
    (r"auto ?focus|pfs|crisp|perfect ?focus|afc$", "autofocus"),
    (r"cam(era)?\b|camera|dcam|ccd|cmos", "camera"),
    (r"laser|led\b|lamp|light", "shutter"),
    (r"\bdac?\b|dac\d|analog", "signal"),
    (r"hub$|scope$", "hub"),
)
"""Tried in this order on the adapter's name, without regard to case."""


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device of a configuration, and what is known of its kind."""

    line: int
    label: str
    library: str
    adapter: str
    kind: DeviceKind
    reason: str
    """How the kind was found out, in words."""
    contradiction: str | None = None
    """In words that the adapter is another kind of device than its role needs."""


@cache
def _table() -> dict[str, dict[str, DeviceKind]]:
    found: dict[str, dict[str, DeviceKind]] = {}
    text = files("hcc_scope.rig").joinpath("adapter_kinds.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            library, kind, *adapters = line.split("\t")
            assert kind in get_args(DeviceKind)
            found.setdefault(library, {}).update(dict.fromkeys(adapters, cast("DeviceKind", kind)))
    return found


def known_libraries() -> tuple[str, ...]:
    """Return the adapter libraries in the table, sorted."""
    return tuple(sorted(_table()))


def known_kind(library: str, adapter: str) -> DeviceKind | None:
    """Return the kind of an adapter by the table, or None if it is not in it.

    Some controllers name their adapters by axis and address (``XYStage:XY:31``): what precedes the colon counts.
    """
    adapters = _table().get(library, {})
    for name in (adapter, adapter.split(":", 1)[0]):
        if name in adapters:
            return adapters[name]
    for pattern, kind in adapters.items():
        if pattern.endswith("*") and adapter.startswith(pattern[:-1]):
            return kind
    return None


def is_listed(library: str, adapter: str) -> bool:
    """Return whether the table has exactly this adapter: what it gives for others follows from their names."""
    return adapter in _table().get(library, {})


def kinds_of(lines: Sequence[CfgLine], objective: str | None = None) -> dict[str, KnownDevice]:
    """Return the devices of a configuration by label, each with its kind.

    Parameters
    ----------
    lines : sequence of CfgLine
        `hcc_scope.rig.cfg_lines.read_config`.
    objective : str, optional
        Label of the device that the rig file names as the objective.
    """
    roles = {label: role for role, label in _role_lines(lines)}
    found: dict[str, KnownDevice] = {}
    for line in lines:
        if line.command == "Device" and len(line.fields) == 3 and line.fields[0] not in found:
            label, library, adapter = line.fields
            kind, reason, contradiction = _kind(lines, label, library, adapter, roles.get(label), label == objective)
            found[label] = KnownDevice(line.number, label, library, adapter, kind, reason, contradiction)
    return found


def _role_lines(lines: Sequence[CfgLine]) -> Iterator[tuple[str, str]]:
    for line in lines:
        match (line.command, *line.fields):
            case ("Property", "Core", role, label) | ("ConfigGroup", _, _, "Core", role, label) if role in ROLE_KINDS:
                yield role, label


def _kind(
    lines: Sequence[CfgLine], label: str, library: str, adapter: str, role: str | None, is_objective: bool
) -> tuple[DeviceKind, str, str | None]:
    known = known_kind(library, adapter)
    if role is not None:
        kind = ROLE_KINDS[role]
        reason = "by its adapter" if known == kind else f"it has the role {role}"
        return kind, reason, _against(library, adapter, kind, known)
    if is_objective:
        return "state", "it is the rig's objective", _against(library, adapter, "state", known)
    if known is not None:
        return known, "by its adapter", None
    by_line = _by_lines(lines, label)
    if by_line is not None:
        return *by_line, None
    for pattern, kind in _BY_WORD:
        if re.search(pattern, adapter, re.IGNORECASE):
            return kind, f"by the name of its adapter, {adapter}", None
    return "generic", "nothing shows what it is", None


def _against(library: str, adapter: str, needed: DeviceKind, known: DeviceKind | None) -> str | None:
    if known is None or known == needed:
        return None
    return f"{library} {adapter} is {KIND_WORDS[known]}, not {KIND_WORDS[needed]}"


def _by_lines(lines: Sequence[CfgLine], label: str) -> tuple[DeviceKind, str] | None:
    for line in lines:
        match (line.command, *line.fields):
            case ("Label", device, _, _) if device == label:
                return "state", f"its positions have labels (line {line.number})"
            case ("FocusDirection", device, _) if device == label:
                return "stage", f"it has a focus direction (line {line.number})"
            case ("Parent", _, hub) if hub == label:
                return "hub", f"it is the hub of others (line {line.number})"
            case (
                ("Property", device, name, *_)
                | ("ConfigGroup", _, _, device, name, *_)
                | ("ConfigPixelSize", _, device, name, *_)
            ) if device == label and name in _BY_PROPERTY:
                return _BY_PROPERTY[name], f"it has the property {name} (line {line.number})"
    return None

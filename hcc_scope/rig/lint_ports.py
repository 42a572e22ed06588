"""Judges the serial ports of a configuration: whether a device finds its port, and the port its settings, in time.

All settings of a serial port, and the property ``Port`` of the device behind it, take effect before the devices are
initialised. What a Leica stand needs is from the public source of its adapter (library ``LeicaDMI``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcc_scope.rig.placeholders import find_placeholders

if TYPE_CHECKING:
    from hcc_scope.rig.findings import Findings

__all__ = ["SerialPorts"]

_SERIAL = "SerialManager"
_PORT_NAME = re.compile(r"COM\d+|/dev/\S+|tty\S+", re.IGNORECASE)
_LEICA = "LeicaDMI"
_LEICA_HUB = "Scope"
_LEICA_BAUD = "19200"
_DEFAULT_BAUD = "9600"


@dataclass(slots=True)
class _Device:
    line: int
    library: str
    adapter: str
    early: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Line and value of the properties that are set before the devices are initialised."""
    late: dict[str, int] = field(default_factory=dict)
    """Line of those that are set afterwards."""


class SerialPorts:
    """Gathers devices and their properties, and judges them at the end."""

    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}

    def add_device(self, line: int, label: str, library: str, adapter: str) -> None:
        """Note a ``Device`` line."""
        self._devices.setdefault(label, _Device(line, library, adapter))

    def add_property(self, line: int, label: str, name: str, value: str, *, early: bool) -> None:
        """Note a ``Property`` line; `early` is one above ``Property,Core,Initialize,1``."""
        device = self._devices.get(label)
        if device is not None and early:
            device.early[name] = line, value
        elif device is not None:
            device.late.setdefault(name, line)

    def judge(self, findings: Findings) -> None:
        """Report what keeps a port, or a device behind one, from working."""
        ports = {label: one for label, one in self._devices.items() if one.library == _SERIAL}
        for label, port in ports.items():
            if port.late:
                findings.warn(
                    min(port.late.values()),
                    f"the settings of the serial port '{label}' come after Property,Core,Initialize,1, when it is"
                    " already in use with others",
                    "Move them above that line.",
                )
        for label, device in self._devices.items():
            if "Port" in device.early and device.library != _SERIAL:
                self._judge_user(label, device, ports, findings)
        self._judge_leica(ports, findings)

    def _judge_user(self, label: str, device: _Device, ports: dict[str, _Device], findings: Findings) -> None:
        """Judge a device that names its serial port."""
        line, name = device.early["Port"]
        if name in ports:
            if ports[name].line > device.line:
                findings.warn(
                    ports[name].line,
                    f"the serial port '{name}' is declared below '{label}', which uses it: older versions of"
                    " Micro-Manager initialise devices in the order of the file",
                    f"Move its Device line above line {device.line}.",
                )
        elif _PORT_NAME.fullmatch(name) and device.library != _LEICA:
            findings.warn(line, f"'{label}' uses the serial port '{name}', {_NOT_DECLARED}", _declare(name, ports))

    def _judge_leica(self, ports: dict[str, _Device], findings: Findings) -> None:
        """Judge a Leica stand: its hub finds the microscope through the port, and its other devices through the hub."""
        stand = {label: one for label, one in self._devices.items() if one.library == _LEICA}
        hubs = {label: one for label, one in stand.items() if one.adapter == _LEICA_HUB}
        if stand and not hubs:
            label, device = next(iter(stand.items()))
            findings.error(
                device.line,
                f"'{label}' belongs to a Leica stand, and the configuration has no hub for it",
                f"Add Device,{_LEICA_HUB},{_LEICA},{_LEICA_HUB} above, with its property Port.",
            )
        for label, hub in hubs.items():
            if "Port" not in hub.early:
                findings.error(
                    hub.late.get("Port", hub.line),
                    f"the Leica stand '{label}' has no serial port when it is initialised",
                    f"Add Property,{label},Port,<label of the port> above Property,Core,Initialize,1.",
                )
                continue
            line, name = hub.early["Port"]
            if name not in ports:
                findings.error(line, f"the Leica stand '{label}' uses '{name}', {_NOT_DECLARED}", _declare(name, ports))
                continue
            at, baud = ports[name].early.get("BaudRate", (ports[name].line, _DEFAULT_BAUD))
            if baud != _LEICA_BAUD and not any(find_placeholders(baud, at)):
                findings.warn(
                    at,
                    f"{baud} baud are unusual for a Leica stand",
                    f"Set Property,{name},BaudRate,{_LEICA_BAUD}, unless the stand was set to another rate.",
                )


_NOT_DECLARED = "and no SerialManager device has that label"


def _declare(name: str, ports: dict[str, _Device]) -> str:
    meant = next((port for port in ports if port.casefold() == name.casefold()), None)
    return f"Did you mean '{meant}'?" if meant else f"Add Device,{name},{_SERIAL},{name}, or correct the name."

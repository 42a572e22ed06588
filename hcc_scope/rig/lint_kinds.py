"""Judges whether a device is of the kind that a line needs, as far as the adapters' sources show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.rig.device_kinds import KIND_WORDS, is_listed, known_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.rig.cfg_lines import CfgLine
    from hcc_scope.rig.device_kinds import DeviceKind
    from hcc_scope.rig.findings import Findings

__all__ = ["Kinds"]

_REFUSED = "Micro-Manager's core refuses the line"


class Kinds:
    """Knows the adapters of a file's devices.

    Parameters
    ----------
    lines : sequence of CfgLine
        The whole file.
    findings : Findings
        Takes what is wrong.
    """

    def __init__(self, lines: Sequence[CfgLine], findings: Findings) -> None:
        declared = (line.fields for line in lines if line.command == "Device" and len(line.fields) == 3)
        self._adapters = {label: (library, adapter) for label, library, adapter in declared}
        self._error, self._warn = findings.error, findings.warn

    def judge(
        self, line: CfgLine, device: str, needed: DeviceKind, what: str, *, consequence: str | None = None
    ) -> None:
        """Report a device of another kind; one that the table of adapters does not list is worth a warning only.

        Parameters
        ----------
        line : CfgLine
        device : str
            One that is declared.
        needed : DeviceKind
        what : str
            What the line gives to the device, as the begin of a sentence.
        consequence : str, optional
            What follows where the core loads the line nevertheless.
        """
        library, adapter = self._adapters.get(device, ("", ""))
        kind = known_kind(library, adapter)
        if kind is None or kind == needed:
            return
        fitting = [label for label, known in self._adapters.items() if known_kind(*known) == needed]
        report = self._error if consequence is None and is_listed(library, adapter) else self._warn
        report(
            line.number,
            f"{what} is given to '{device}', which is {KIND_WORDS[kind]} ({library} {adapter}) and not"
            f" {KIND_WORDS[needed]}; {consequence or _REFUSED}",
            f"Did you mean '{fitting[0]}'?" if len(fitting) == 1 else f"Name {KIND_WORDS[needed]}, or remove the line.",
        )

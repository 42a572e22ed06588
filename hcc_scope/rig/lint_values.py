"""Judges the numbers, values, labels and letters of a configuration's lines."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from hcc_scope.formatting import counted
from hcc_scope.number_text import is_number, plain_number, taken_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hcc_scope.rig.cfg_lines import CfgLine
    from hcc_scope.rig.findings import Findings

__all__ = ["Values", "judge_letters"]

_REMARK = re.compile(r"\s#(\s|$)")
_ODD_NUMBER = re.compile(r"\s*[+-]?(nan|inf|infinity|[\d._]*\d[\d._]*)\s*", re.IGNORECASE)
_NO_NUMBER = re.compile(r"\s*[+-]?(nan|inf|infinity)\s*", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_LETTERS_SHOWN = 8
_SURELY_MEANT = 0.8
"""How like another label a text must be to be a slip of the pen (`difflib`)."""


class Values:
    """Judges what stands in one field.

    Parameters
    ----------
    findings : Findings
        Takes what is wrong.
    """

    def __init__(self, findings: Findings) -> None:
        self._error, self._warn = findings.error, findings.warn

    def number(
        self, line: CfgLine, text: str, what: str, *, least: float | None = None, matters: bool = True
    ) -> float | None:
        """Judge a number, and return it if it is one; one that enters no result is worth a warning only."""
        report = self._error if matters else self._warn
        number = plain_number(text, remark_too=True)
        if number is None:
            taken = f"Micro-Manager would take it for {taken_number(text):g}"
            report(line.number, f"'{text}' is not {what}; {taken}", "Write a number, with a decimal point.")
        elif least is not None and number < least:
            report(line.number, f"{text.strip()} is not {what}", f"It cannot be less than {least:g}.")
        else:
            if not is_number(text):
                self._warn(line.number, f"'{text}' is taken for {number:g}", "Put the remark on its own line.")
            return number
        return None

    def whole_number(self, line: CfgLine, text: str, what: str, hint: str) -> int | None:
        """Judge a position, and return it if it is one."""
        if text.strip().isascii() and text.strip().isdigit():
            return int(text)
        if is_number(text) and taken_number(text) < 0:
            self._warn(line.number, f"{what} '{text}' does not exist", hint)
            return None
        self._error(
            line.number,
            f"{what} '{text}' is no whole number; Micro-Manager would take it for {taken_number(text):.0f}",
            hint,
        )
        return None

    def value(self, line: CfgLine, device: str, name: str, value: str, labels: Mapping[str, str]) -> None:
        """Judge what a property is set to; `labels` are those of the device in this file, by position."""
        if name == "Label":
            self._label(line, device, value, labels.values())
            return
        if name == "State" and _ODD_NUMBER.fullmatch(value) and not is_number(value):
            self.whole_number(line, value, f"the position of '{device}'", "Positions count from 0.")
        elif _NO_NUMBER.fullmatch(value):
            self._warn(line.number, f"'{value}' is no number, if one belongs there", "Correct it.")
        if _REMARK.search(value):
            self._warn(line.number, "a comment after a command becomes part of its value", "Give it its own line.")
        elif value != value.rstrip() or (value != value.strip() and is_number(value)):
            # before a text it may belong to the device: some cameras offer '  7.5 fps' beside ' 15 fps'
            self._warn(
                line.number, f"a blank beside the value '{value}' is part of it", "Remove it, unless the device has it."
            )
        if name != name.strip():
            self._warn(line.number, f"a blank beside a comma becomes part of the name '{name}'", "Remove it.")

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
            self._warn(line.number, f"'{device}' has no label '{value}' in this file", f"Did you mean '{meant}'?")


def _folded(label: str) -> str:
    return "".join(label.casefold().split())


def judge_letters(lines: Sequence[CfgLine], findings: Findings) -> None:
    """Warn of names in letters that another computer may read as others; comments are free."""
    foreign = [
        line
        for line in lines
        if not line.command.startswith("\ufeff") and not all(part.isascii() for part in (line.command, *line.fields))
    ]
    if foreign:
        letters = sorted({letter for line in foreign for letter in ",".join(line.fields) if not letter.isascii()})
        also = f", and in {counted(len(foreign) - 1, 'line')} below" if len(foreign) > 1 else ""
        findings.warn(
            foreign[0].number,
            f"letters that are not ASCII ({' '.join(letters[:_LETTERS_SHOWN])}) in a name or value{also}: their bytes"
            " depend on the code page of the computer that saved the file",
            "Write names in plain letters, such as um for \u00b5m, unless the device itself gives the name.",
        )

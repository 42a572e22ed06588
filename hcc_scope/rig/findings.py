"""What a check of a configuration or a rig file finds, and where it is gathered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.rig.placeholders import Placeholder

__all__ = ["TO_FILL_IN", "Finding", "Findings", "Severity"]

Severity = Literal["error", "warning", "to be filled in"]
TO_FILL_IN: Severity = "to be filled in"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a configuration, or missing in it."""

    path: Path
    line: int
    """Counted from 1; 0 concerns the whole file."""
    severity: Severity
    """An error stops a run, and so does what is to be filled in; a warning is worth knowing."""
    message: str
    hint: str
    is_device: bool = False
    """Whether a device or adapter is missing, rather than the file being wrong."""

    @property
    def place(self) -> str:
        """``file:line``, or the file."""
        return f"{self.path}:{self.line}" if self.line else f"{self.path}"

    def __str__(self) -> str:
        """Return ``file:line: severity: message. hint``."""
        return f"{self.place}: {self.severity}: {self.message}. {self.hint}"


class Findings:
    """Gathers the findings of one file.

    Parameters
    ----------
    path : Path
        Of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unfinished: set[int] = set()
        self._to_fill_in: dict[str, list[Placeholder]] = {}
        self._found: list[Finding] = []

    def error(self, line: int, message: str, hint: str, *, is_device: bool = False) -> None:
        """Add an error."""
        self._add(Finding(self._path, line, "error", message, hint, is_device))

    def warn(self, line: int, message: str, hint: str) -> None:
        """Add a warning."""
        self._add(Finding(self._path, line, "warning", message, hint))

    def fill_in(self, placeholder: Placeholder) -> None:
        """Add what is to be filled in; of its line nothing else is reported before it is."""
        self._to_fill_in.setdefault(placeholder.what, []).append(placeholder)
        self._unfinished.add(placeholder.line)

    def _add(self, finding: Finding) -> None:
        if finding.line not in self._unfinished:
            self._found.append(finding)

    def all(self) -> list[Finding]:
        """Return them in the order of their lines.

        What concerns the whole file often follows from one line, so it comes last. What is to be filled in in several
        lines is one finding.
        """
        found = [*self._found]
        for first, *others in self._to_fill_in.values():
            also = f" ({counted(1 + len(others), 'line')}: the last is {others[-1].line})" if others else ""
            found.append(Finding(self._path, first.line, TO_FILL_IN, f"{first.message}{also}", first.hint))
        return sorted(found, key=lambda finding: (finding.line == 0, finding.line))

"""``hcc-scope config lint`` and ``hcc-scope config schema``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hcc_scope.cli.console import people, print_json
from hcc_scope.errors import ConfigError, HccScopeError
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.rig.findings import Finding, Severity

__all__ = ["finding_as_dict", "run_lint", "run_schema", "show_findings"]

_STYLES: dict[Severity, str] = {"error": "red", "warning": "yellow", "to be filled in": "cyan"}


@dataclass(frozen=True, slots=True)
class _Linted:
    file: Path
    findings: tuple[Finding, ...]
    unreadable: HccScopeError | None = None

    def count(self, severity: Severity) -> int:
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def errors(self) -> int:
        return self.count("error") + (self.unreadable is not None)


def run_lint(files: Sequence[Path], *, adapters: Path | None, json_mode: bool) -> None:
    """Print every finding of configurations, and of rig files with the configurations that they name.

    Raises
    ------
    ConfigError
        If there is an error among them; what is to be filled in is none.
    """
    linted = [_lint(file, adapters) for file in files]
    if json_mode:
        objects = [_as_json(one) for one in linted]
        print_json(objects[0] if len(objects) == 1 else {"files": objects})
    else:
        console = people(json_mode=False)
        for one in linted:
            _show(one, console)
    faulty = [one for one in linted if one.errors]
    if len(linted) == 1 and linted[0].unreadable is not None:
        raise linted[0].unreadable
    if faulty:
        n = sum(one.errors for one in faulty)
        where = str(faulty[0].file) if len(linted) == 1 else f"{len(faulty)} of {len(linted)} files"
        verb = "has" if len(faulty) == 1 and len(linted) == 1 else "have"
        raise ConfigError(f"{where} {verb} {counted(n, 'error')}", hint="Correct the lines above before loading it.")


def _lint(file: Path, adapters: Path | None) -> _Linted:
    from hcc_scope.rig.config import lint
    from hcc_scope.rig.rig_linter import lint_rig
    from hcc_scope.rig.rigfile import load_rig
    from hcc_scope.small_files import expanded

    folder = None if adapters is None else expanded(adapters)
    try:
        # without a suffix it may be the name of a shipped rig, as in --rig
        if file.suffix.lower() in (".yaml", ".yml") or not (file.suffix or expanded(file).exists()):
            return _Linted(file, tuple(lint_rig(load_rig(file), folder)))
        return _Linted(file, tuple(lint(expanded(file), folder)))
    except ConfigError as error:  # the other files are judged nevertheless
        return _Linted(file, (), error)


def _show(linted: _Linted, console: People) -> None:
    show_findings(linted.findings, console)
    if linted.unreadable is not None:
        console.note(f"error: {linted.unreadable}", "red")
    elif not linted.findings:
        console.note(f"{linted.file}: nothing to complain about", "green")


def _as_json(linted: _Linted) -> dict[str, Any]:
    return {
        "file": str(linted.file),
        "errors": linted.errors,
        "to_be_filled_in": linted.count("to be filled in"),
        "unreadable": None if linted.unreadable is None else str(linted.unreadable),
        "findings": [finding_as_dict(one) for one in linted.findings],
    }


def show_findings(findings: Sequence[Finding], console: People) -> None:
    """Print findings, one a line."""
    for finding in findings:
        console.note(str(finding), _STYLES[finding.severity])


def finding_as_dict(finding: Finding) -> dict[str, Any]:
    """Return a finding as values for JSON."""
    return {
        "file": str(finding.path),
        "line": finding.line,
        "severity": finding.severity,
        "message": finding.message,
        "hint": finding.hint,
    }


def run_schema(out: Path | None) -> None:
    """Write the JSON Schema of rig files to a file, or to stdout."""
    import sys

    from hcc_scope.atomic_file import replace_file
    from hcc_scope.rig.rigfile_model import rig_schema

    if out is None:
        sys.stdout.write(rig_schema())
    else:
        replace_file(out, rig_schema().encode())

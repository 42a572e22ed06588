"""Read and lint Micro-Manager configuration files.

Why lint: the core ignores commands that it does not know, reads ``x`` as the number 0, keeps devices uninitialised
that come too late, and on any error unloads everything with a message about one line.

>>> lint(Path("hardware_configs/demo.cfg"))  # doctest: +SKIP
[]
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError, DeviceError
from hcc_scope.rig.cfg_lines import COMMANDS, CfgLine, read_config, readable
from hcc_scope.rig.files import check_adapters_dir, quoted
from hcc_scope.rig.linter import Finding, Linter

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COMMANDS", "CfgLine", "Finding", "check", "lint", "read_config", "readable"]


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
        If the file cannot be read or is UTF-16.
    DeviceError
        If there is no such folder of adapters.
    """
    if adapters_dir is not None:
        check_adapters_dir(adapters_dir)
    lines = read_config(path)
    declared_at = {line.fields[0]: line.number for line in lines if line.command == "Device" and line.fields}
    linter = Linter(path, adapters_dir, declared_at)
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
        more = f" ({len(errors) - 1} more: 'hcc-scope config lint {quoted(path)}')" if len(errors) > 1 else ""
        place = f"{path}:{first.line}" if first.line else f"{path}"
        kind = DeviceError if first.is_device else ConfigError
        raise kind(f"{place}: {first.message}", hint=f"{first.hint}{more}")
    return findings

"""Read and lint Micro-Manager configuration files.

Why lint: the core ignores commands that it does not know, reads ``x`` as the number 0, keeps devices uninitialised
that come too late, and on any error unloads everything with a message about one line.

>>> lint(Path("hardware_configs/demo.cfg"))  # doctest: +SKIP
[]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError, DeviceError
from hcc_scope.rig.cfg_lines import COMMANDS, PRESETS, CfgLine, read_config, readable
from hcc_scope.rig.files import check_adapters_dir, quoted
from hcc_scope.rig.findings import TO_FILL_IN, Finding
from hcc_scope.rig.linter import Linter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["COMMANDS", "CfgLine", "Finding", "check", "lint", "read_config", "readable", "refuse_faults"]


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
    return Linter(path, adapters_dir, read_config(path)).judge()


def check(path: Path, adapters_dir: Path | None = None, *, presets_may_wait: bool = False) -> list[Finding]:
    """Refuse a configuration with an error, or with something that is to be filled in; return its warnings.

    Parameters
    ----------
    path : Path
    adapters_dir : Path, optional
        As for `lint`.
    presets_may_wait : bool
        Let pass what is to be filled in in presets (`hcc_scope.rig.cfg_lines.readable` can leave it out): what a camera
        offers shows only when it is loaded.

    Raises
    ------
    ConfigError
        With the first error.
    DeviceError
        If the first error is an adapter that is not installed or does not fit.
    """
    findings = lint(path, adapters_dir)
    if presets_may_wait:
        waiting = {line.number for line in read_config(path) if line.command in PRESETS}
        findings = [one for one in findings if one.severity != TO_FILL_IN or one.line not in waiting]
    return refuse_faults(path, findings)


def refuse_faults(path: Path, findings: Sequence[Finding]) -> list[Finding]:
    """Raise the first error among the findings of a file, or else what is first to be filled in; return the warnings.

    Raises
    ------
    ConfigError, DeviceError
        See `check`.
    """
    faults = [finding for finding in findings if finding.severity == "error"]
    faults += [finding for finding in findings if finding.severity == TO_FILL_IN]
    if faults:
        first = faults[0]
        more = f" ({len(faults) - 1} more: 'hcc-scope config lint {quoted(path)}')" if len(faults) > 1 else ""
        kind = DeviceError if first.is_device else ConfigError
        raise kind(f"{first.place}: {first.message}", hint=f"{first.hint}{more}")
    return list(findings)

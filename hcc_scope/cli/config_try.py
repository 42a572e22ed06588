"""``hcc-scope config try``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.interrupt import Reported
from hcc_scope.cli.runs import interruptible
from hcc_scope.errors import UsageError
from hcc_scope.runs.trial import try_rig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.runs.trial_report import TrialReport

__all__ = ["run_try", "show_report"]

_STYLES = {"plain": "", "good": "green", "warning": "yellow", "bad": "red"}
_MARKS = {"plain": " ", "good": "+", "warning": "!", "bad": "x"}


def run_try(
    files: Sequence[str],
    *,
    adapters: Path | None,
    all_twins: bool,
    timeout_s: float,
    model_name: str,
    json_mode: bool,
) -> None:
    """Try each rig in turn, and show what was replaced, what passed and what did not.

    Raises
    ------
    UsageError
        If the time is none.
    SystemExit
        With the exit code of the first rig that did not pass.
    """
    if not (0 < timeout_s < math.inf):
        raise UsageError("--timeout takes a number of seconds above 0")
    console = people(json_mode=json_mode)
    reports = []
    with interruptible("the trial was ended, and nothing is left of it"):
        for file in files:
            console.note(f"Trying {file} ...", "dim")
            report = try_rig(
                file, adapters_dir=adapters, all_twins=all_twins, model_name=model_name, timeout_s=timeout_s
            )
            show_report(report, console)
            reports.append(report)
    if json_mode:
        print_json({"files": [report.as_dict() for report in reports]})
    failed = [report for report in reports if report.error is not None]
    for report in failed:
        people(json_mode=True).note(f"Error: {report.file} does not pass: {report.error}")
    if failed:
        raise Reported(failed[0].exit_code)


def show_report(report: TrialReport, console: People, *, to_fill_in: bool = True) -> None:
    """Print what came out of one trial, except for its error; without what is to be filled in, if that is known."""
    for kind, text in report.lines(to_fill_in=to_fill_in):
        if kind != "bad":
            console.note(f"{_MARKS[kind]} {text}", _STYLES[kind])
    if report.error is None:
        console.note(f"{report.file} passes ({report.seconds:.0f} s)", "green")

"""``hcc-scope doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.interrupt import Reported
from hcc_scope.doctor.examination import examine
from hcc_scope.doctor.problem_report import check_target, gather, write_report
from hcc_scope.doctor.results import exit_code, summary, worst
from hcc_scope.errors import UsageError
from hcc_scope.formatting import full_stop

if TYPE_CHECKING:
    from hcc_scope.cli.console import People
    from hcc_scope.doctor.checks import Check
    from hcc_scope.doctor.results import Result, Verdict
    from hcc_scope.doctor.subject import Options

__all__ = ["run_doctor"]

_STYLES: dict[Verdict, str] = {"pass": "green", "warn": "yellow", "fail": "red", "not tried": "dim"}
_WIDTH = max(map(len, _STYLES))


def run_doctor(options: Options, *, zip_file: Path | None = None, with_ids: bool = False, json_mode: bool) -> None:
    """Make every check, show what it found, and leave with the exit code of the worst.

    Parameters
    ----------
    options : Options
    zip_file : Path, optional
        Where a zip for a problem report is made.
    with_ids : bool
        Whether names stay in it.
    json_mode : bool

    Raises
    ------
    SystemExit
        Unless every check passed or was not to be made.
    StoreExistsError, StoreUnwritableError
        If the zip cannot be made.
    """
    if with_ids and zip_file is None:
        raise UsageError("--with-ids needs --zip FILE")
    if zip_file is not None:
        check_target(zip_file)
    console = people(json_mode=json_mode)
    logs: list[str] = []

    def begin(check: Check) -> None:
        if console.is_terminal:
            console.note(f"... {check.title}", "dim")

    results = examine(options, lambda result: _show(result, console), begin=begin, keep_log=logs.append)
    console.note("")
    console.note(summary(results), _STYLES[worst(results)])
    code = exit_code(results)
    if zip_file is not None:
        report = gather(results, rig=options.rig, out_dir=Path(options.out_dir), log="".join(logs), with_ids=with_ids)
        console.note(f"{write_report(report, zip_file)}: {', '.join(report.files)}")
    if json_mode:
        print_json({"verdict": worst(results), "exit_code": code, "checks": [result.as_json() for result in results]})
    if code:
        first = next((result for result in results if result.verdict == "fail"), None)
        if first is not None:
            people(json_mode=True).note(f"Error: {first.line()}")
        raise Reported(code)


def _show(result: Result, console: People) -> None:
    console.note(f"{result.verdict:>{_WIDTH}}  {result.title}: {full_stop(result.words)}", _STYLES[result.verdict])
    if result.advice:
        console.note(f"{'':>{_WIDTH}}  -> {result.advice}", _STYLES[result.verdict])

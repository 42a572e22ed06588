"""The process in which a rig is tried: ``python -m hcc_scope.runs.trial_worker FOLDER``, for `hcc_scope.runs.trial`.

A process of its own, because a driver may crash or hang, and because there is one Micro-Manager core in a process. It
reads ``request.json`` in the folder and writes ``report.json`` there; ``doing.txt`` holds what is being done, for the
case that neither comes. It ends when its standard input does: the program that started it has gone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from hcc_scope.errors import HccScopeError
from hcc_scope.runs.trial_report import TrialReport
from hcc_scope.workers import Failure, StopToken, attempt

__all__ = ["DOING", "REPORT", "REQUEST", "main"]

REQUEST, REPORT, DOING = "request.json", "report.json", "doing.txt"
_EXIT_INTERNAL = 70
_GRACE_S = 4.0


def main() -> None:
    """Try one rig."""
    folder = Path(sys.argv[1])
    stop = StopToken()
    threading.Thread(target=_end_with_the_other, args=(folder, stop), daemon=True).start()
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    report = TrialReport(request["file"])
    outcome = attempt(lambda: _try(request, folder, report, stop))
    if isinstance(outcome, Failure):
        error = outcome.error
        ours = isinstance(error, HccScopeError)
        report.error = str(error) if ours else f"a bug in HCC-Scope ({type(error).__name__}: {error})"
        report.exit_code = error.exit_code if isinstance(error, HccScopeError) else _EXIT_INTERNAL
    if stop.requested:
        shutil.rmtree(folder, ignore_errors=True)  # the other program waits for nothing, or was killed
        return
    unfinished = folder / f"{REPORT}.new"
    unfinished.write_text(json.dumps(report.as_dict()), encoding="utf-8")
    unfinished.replace(folder / REPORT)


def _try(request: dict[str, Any], folder: Path, report: TrialReport, stop: StopToken) -> None:
    from hcc_scope.runs.trial_here import Trial  # here: what goes wrong while it is imported is reported, too

    adapters_dir = request["adapters_dir"]
    trial = Trial(
        request["file"],
        folder,
        report,
        adapters_dir=None if adapters_dir is None else Path(adapters_dir),
        all_twins=request["all_twins"],
        doing=lambda what: _write_down(folder / DOING, what),
    )
    trial.load()
    if request["model_name"] is not None:
        trial.run_section(request["model_name"], stop)


def _write_down(path: Path, what: str) -> None:
    path.write_text(what, encoding="utf-8")


def _end_with_the_other(folder: Path, stop: StopToken) -> None:
    """Wait until the other program closes our input, then end: properly, if the drivers let us."""
    sys.stdin.buffer.read()
    stop.request()
    stop.request()
    main_thread = threading.main_thread()
    main_thread.join(_GRACE_S)
    if main_thread.is_alive():
        shutil.rmtree(folder, ignore_errors=True)  # the other program may have been killed
        os._exit(_EXIT_INTERNAL)


if __name__ == "__main__":
    main()

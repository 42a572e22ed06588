"""Try a rig on any computer, in a process of its own, with demo devices in the place of those not installed.

>>> report = try_rig("hardware_configs/demo.rig.yaml")  # doctest: +SKIP
>>> report.error, report.passed  # doctest: +SKIP
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.errors import DeviceError, HccScopeError, from_os_error
from hcc_scope.inference.base import DEFAULT_MODEL
from hcc_scope.runs.trial_report import TrialReport
from hcc_scope.runs.trial_worker import DOING, REPORT, REQUEST
from hcc_scope.small_files import expanded

if TYPE_CHECKING:
    from hcc_scope.protocols import StopSignal

__all__ = ["TIMEOUT_S", "try_rig"]

TIMEOUT_S = 180.0
"""A motorised stand may take a minute to find its limits."""
_WORKER = "hcc_scope.runs.trial_worker"
_LOOK_S = 0.1
_CLOSING_S = 6.0
"""How long the process may take to end once its input is closed; longer than it gives its drivers."""
_LAST_CHARACTERS = 4000


def try_rig(
    rig_or_cfg: str | Path,
    *,
    adapters_dir: Path | None = None,
    all_twins: bool = False,
    model_name: str | None = DEFAULT_MODEL,
    timeout_s: float = TIMEOUT_S,
    stop: StopSignal | None = None,
) -> TrialReport:
    """Load a rig and run one small section through it, in a process of its own.

    Parameters
    ----------
    rig_or_cfg : str or Path
        A rig file, a .cfg, or the name of a shipped rig.
    adapters_dir : Path, optional
        Folder of device adapters. Default: that of the rig file, if it is on this computer, else the demo adapters.
    all_twins : bool
        Replace every device by its demo twin, also those whose adapters are installed here: nothing of the microscope
        moves then.
    model_name : str or None
        The model that classifies the section. None: load the rig and apply its presets, and run no section.
    timeout_s : float
        After that the process is ended.
    stop : StopSignal, optional
        Ends the trial.

    Returns
    -------
    TrialReport
        With the error, if something did not pass.

    Raises
    ------
    HccScopeError
        If the process cannot be started, or `stop` was requested.
    """
    started_s = time.monotonic()
    try:
        folder = tempfile.TemporaryDirectory(prefix="hcc-scope-try-", ignore_cleanup_errors=True)
    except OSError as error:
        raise from_os_error(error, "a folder for the trial") from error
    with folder as name:
        report = _tried(Path(name), rig_or_cfg, adapters_dir, all_twins, model_name, timeout_s, stop)
    report.seconds = round(time.monotonic() - started_s, 1)
    return report


def _tried(
    folder: Path,
    rig_or_cfg: str | Path,
    adapters_dir: Path | None,
    all_twins: bool,
    model_name: str | None,
    timeout_s: float,
    stop: StopSignal | None,
) -> TrialReport:
    request = {
        "file": str(rig_or_cfg),
        "adapters_dir": None if adapters_dir is None else str(expanded(adapters_dir)),
        "all_twins": all_twins,
        "model_name": model_name,
    }
    (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
    output = folder / "output.txt"
    with output.open("wb") as words:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-m", _WORKER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=words,
            stderr=words,
            # Ctrl-C is for this program, which then ends the other one
            start_new_session=os.name == "posix",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        try:
            in_time = _wait(process, timeout_s, stop)
            doing = _doing(folder)  # a process that is ended may take the folder with it
        finally:
            _end(process, 0.5 if all_twins else _CLOSING_S)
    report = TrialReport(str(rig_or_cfg))
    if in_time and (folder / REPORT).exists():
        return TrialReport.from_dict(json.loads((folder / REPORT).read_text(encoding="utf-8")))
    if not in_time:
        report.error = str(
            DeviceError(
                f"the trial did not end within {timeout_s:g} s, while {doing}",
                hint="Check that the devices are on and connected, or give it longer with --timeout.",
            )
        )
    elif _is_crash(process.returncode):
        report.error = str(
            DeviceError(
                f"a driver crashed while {doing} ({_ending(process.returncode)})",
                hint="Update the drivers, or leave devices out to find the one; --all-twins uses no driver.",
            )
        )
    else:
        last = output.read_text(encoding="utf-8", errors="replace")[-_LAST_CHARACTERS:].strip().splitlines()
        said = last[-1] if last else _ending(process.returncode)
        report.error = str(DeviceError(f"the trial ended while {doing}: {said}"))
    report.exit_code = DeviceError.exit_code
    return report


def _wait(process: subprocess.Popen[bytes], timeout_s: float, stop: StopSignal | None) -> bool:
    """Wait for the process to end; return whether it did in time."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if stop is not None and stop.requested:
            raise HccScopeError("the trial was ended; nothing is left of it")
        try:
            process.wait(_LOOK_S)
        except subprocess.TimeoutExpired:
            continue
        return True
    return False


def _end(process: subprocess.Popen[bytes], closing_s: float) -> None:
    """End the process, if it runs: with its devices closed, if they let it."""
    assert process.stdin is not None
    process.stdin.close()
    if process.poll() is None:
        try:
            process.wait(closing_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _doing(folder: Path) -> str:
    """Return in words what the process was doing last."""
    try:
        return (folder / DOING).read_text(encoding="utf-8")
    except OSError:
        return "starting"


def _is_crash(code: int) -> bool:
    """Return whether the system ended the process: by a signal, or on Windows by an exception of the hardware."""
    return code < 0 or code >= 0xC0000000


def _ending(code: int) -> str:
    if code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code:#x}" if code >= 0xC0000000 else f"exit code {code}"

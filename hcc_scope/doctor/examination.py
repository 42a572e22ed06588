"""Make the checks, one after the other, in a process that a broken driver may end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hcc_scope.doctor.checks import CHECKS, find_check
from hcc_scope.doctor.results import Result, failed, not_tried, result_from_json
from hcc_scope.errors import DeviceError
from hcc_scope.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from hcc_scope.doctor.checks import Check
    from hcc_scope.doctor.subject import Options

__all__ = ["Examination", "examine"]

_LOOK_S = 0.1
_FAREWELL_S = 20.0
"""How long the devices may take to be unloaded."""
_LOG_CHARACTERS = 4000
_SCRATCH = ".hcc-scope-doctor-"


def examine(
    options: Options,
    report: Callable[[Result], None],
    *,
    begin: Callable[[Check], None] | None = None,
    checks: Sequence[Check] = CHECKS,
    keep_log: Callable[[str], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Result]:
    """Make all checks.

    Parameters
    ----------
    options : Options
    report : callable
        Takes each result as soon as there is one.
    begin : callable, optional
        Takes each check that is about to be made.
    checks : sequence of Check
        In order.
    keep_log : callable, optional
        Takes, at the end, what drivers and libraries printed.
    stop : callable
        Whether to end the check under way and leave the others out.

    Returns
    -------
    list of Result
        One for each check that was not left out.
    """
    results: dict[str, Result] = {}
    with (
        _scratch(Path(options.out_dir)) as scratch,
        Examination(replace(options, scratch_dir=scratch), stop) as examination,
    ):
        for check in checks:
            if stop():
                break
            found = _why_not(check, options, results)
            if found is None and check.name in ("disk_speed", "frame_rate") and scratch is None:
                found = not_tried("the folder for sections cannot be written to")
            if found is None:
                if begin is not None:
                    begin(check)
                found = examination.run(check.name)
            results[check.name] = replace(found, name=check.name, title=check.title)
            report(results[check.name])
        if keep_log is not None:
            keep_log(examination.log())
    return list(results.values())


def _why_not(check: Check, options: Options, results: dict[str, Result]) -> Result | None:
    """Return why a check cannot be made; None if it can."""
    if check.of_rig and options.rig is None:
        return not_tried("no rig was given", "Give one with --rig FILE, or --rig demo")
    for need in check.needs:
        before = results.get(need)
        if before is not None and before.verdict in ("fail", "not tried"):
            how = "failed" if before.verdict == "fail" else "was not tried"
            return not_tried(f"it rests on '{before.title}', which {how}")
    return None


@contextmanager
def _scratch(out_dir: Path) -> Iterator[str | None]:
    """Yield an empty folder on the disk of `out_dir`, removed at the end; None where none can be made."""
    folder = out_dir.absolute()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        made = tempfile.mkdtemp(prefix=_SCRATCH, dir=folder)
    except OSError:
        yield None
        return
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


class Examination:
    """A process that makes checks, started anew after one that ended it. A context manager.

    Parameters
    ----------
    options : Options
        With a `scratch_dir`.
    stop : callable
        Whether to end the check under way, and its process.
    """

    def __init__(self, options: Options, stop: Callable[[], bool] = lambda: False) -> None:
        self._options = options
        self._stop = stop
        self._process: subprocess.Popen[str] | None = None
        # a file, not a pipe: it is read after the process has ended, and a full pipe would stop it
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._log_from = 0
        """Where the present process's part begins."""

    def run(self, name: str) -> Result:
        """Make one check; a process that ends or hangs meanwhile is its result."""
        check = find_check(name)
        began_s = time.monotonic()
        process = self._started()
        assert process.stdout is not None
        answered, hangs = threading.Event(), threading.Event()
        limit_s = check.limit_s + self._options.seconds

        def watch() -> None:
            while not answered.wait(_LOOK_S):
                if self._stop():
                    process.terminate()  # it puts the devices back, and ends
                    answered.wait(_FAREWELL_S)
                    process.kill()
                    return
                if time.monotonic() - began_s > limit_s:
                    hangs.set()
                    process.kill()
                    return

        watcher = Worker("doctor-watch", watch, lambda error, where: None)
        watcher.start()
        try:
            self._send(process, name)
            line = process.stdout.readline()
        finally:
            answered.set()
            watcher.join()
        if line:
            return result_from_json(json.loads(line))
        self._process = None
        _end(process, None)
        seconds = round(time.monotonic() - began_s, 2)
        where = "a device driver or another library"
        if self._stop():
            return replace(not_tried("it was ended before it had an answer"), seconds=seconds)
        if hangs.is_set():
            words = f"{where} did not answer within {limit_s:.0f} s"
            advice = "Check power and cable, and start the computer again"
        else:
            words = f"{where} ended the process of this check ({_ending(process.returncode)}){self._last_words()}"
            advice = "Check which device it is by the configuration's lines, and its driver's version"
        return replace(failed(words, advice, exit_code=DeviceError.exit_code), seconds=seconds)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._log_from = self._log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hcc_scope.doctor.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
            )
            self._send(self._process, self._options.as_json())
        return self._process

    @staticmethod
    def _send(process: subprocess.Popen[str], message: object) -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: the answer, which will not come, shows why
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()

    def _last_words(self) -> str:
        """Return the last line that the process wrote, as the end of a sentence; empty if it wrote none."""
        self._log.seek(self._log_from)
        lines = [line.strip() for line in self._log.read()[-_LOG_CHARACTERS:].splitlines() if line.strip()]
        return f"; its last words: {lines[-1][:200]}" if lines else ""

    def log(self) -> str:
        """Return what the processes printed so far."""
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        """Let the process put the devices back and end. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            _end(process, _FAREWELL_S)
        if not self._log.closed:
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._process is not None:
            self._process.terminate()
        self.close()


def _end(process: subprocess.Popen[str], patience_s: float | None) -> None:
    """Wait until a process has ended by itself, or end it after a while; let its pipes go."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _ending(code: int) -> str:
    """Return how a process ended, as text."""
    if code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code & 0xFFFFFFFF:#x}" if os.name == "nt" else f"exit code {code}"

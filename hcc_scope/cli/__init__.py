"""The command line: the composition root. Each command is a module, imported only when it runs."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import traceback
from pathlib import Path

from hcc_scope.cli.interrupt import EXIT_INTERRUPTED, Told, wait_for_imports
from hcc_scope.errors import HccScopeError
from hcc_scope.workers import guard

__all__ = ["EXIT_INTERNAL", "main"]

EXIT_INTERNAL = 70


def main() -> None:
    """Run ``hcc-scope`` and exit: 0, the code of the error (docs/errors.md), 130 when interrupted, 70 for a bug."""
    code = 0

    def body() -> None:
        wait_for_imports()
        from hcc_scope.cli.app import app  # here, so that a broken install reaches the guard too
        from hcc_scope.cli.console import survive_any_stream

        survive_any_stream()

        app(prog_name="hcc-scope")

    def told(error: BaseException, _where: str) -> None:
        nonlocal code
        code = _tell(error)

    guard("hcc-scope", body, told)
    if any(thread.name.startswith("hcc-") for thread in threading.enumerate()):
        # a worker hangs inside a driver or a model; the interpreter's own end would abort the process under it
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    sys.exit(code)


def _tell(error: BaseException) -> int:
    """Say what happened on stderr, in one sentence; return the exit code."""
    match error:
        case SystemExit() if isinstance(error, Told) or error.code != EXIT_INTERRUPTED:
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        case SystemExit() | KeyboardInterrupt():  # the former is what typer makes of the latter
            _say("Error: interrupted")
            return EXIT_INTERRUPTED
        case HccScopeError():
            _say(f"Error: {error}")
            for extra in getattr(error, "__notes__", ()):
                _say(f"  {extra}")
            return error.exit_code
        case _:
            with tempfile.NamedTemporaryFile(
                "w", prefix="hcc-scope-bug-", suffix=".txt", delete=False, encoding="utf-8"
            ) as file:
                file.writelines(traceback.format_exception(error))
            _say(
                f"Error: a bug in HCC-Scope ({type(error).__name__}: {error}). "
                f"What was acknowledged is stored; please report the details in {Path(file.name)}"
            )
            return EXIT_INTERNAL


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")

"""One run of the program: parse, execute, and turn any error into one sentence and an exit code."""

from __future__ import annotations

import os
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.cli.interrupt import EXIT_INTERRUPTED, Reported
from hcc_scope.cli.streams import say, survive_any_stream
from hcc_scope.errors import HccScopeError, UsageError, from_os_error
from hcc_scope.workers import Failure, attempt, guard

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EXIT_INTERNAL", "run"]

EXIT_INTERNAL = 70


def run(arguments: Sequence[str]) -> int:
    """Run one command, as ``hcc-scope`` does.

    Parameters
    ----------
    arguments : sequence of str
        What follows the program's name.

    Returns
    -------
    int
        The exit code: 0, that of the error (docs/errors.md), 130 when interrupted, 70 for a bug. The reason has
        been printed on stderr.
    """
    code = 0

    def body() -> None:
        from hcc_scope.cli.acquisition_commands import app  # here, so that a broken install reaches the guard too

        survive_any_stream()
        app(args=[_expanded(argument) for argument in arguments], prog_name="hcc-scope")

    def report(error: BaseException, _where: str) -> None:
        nonlocal code
        code = _report(error)

    guard("hcc-scope", body, report)
    return code


def _expanded(argument: str) -> str:
    """Return an argument with a leading ``~/`` replaced by the user's folder, as in ``--out=~/runs``: no shell does."""
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    home = ("~/", "~" + os.sep)
    return option + equals + os.path.expanduser(value) if value.startswith(home) else argument  # noqa: PTH111 - a text


def _report(error: BaseException) -> int:
    """Say what happened on stderr, in one sentence; return the exit code."""
    match error:
        case SystemExit() if isinstance(error, Reported) or error.code != EXIT_INTERRUPTED:
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        case SystemExit() | KeyboardInterrupt():  # the former is what typer makes of the latter
            say("Error: interrupted")
            return EXIT_INTERRUPTED
        case HccScopeError():
            say(f"Error: {error}")
            for extra in getattr(error, "__notes__", ()):
                say(f"  {extra}")
            return error.exit_code
        case FileNotFoundError(filename=None) if isinstance(attempt(Path.cwd), Failure):
            hint = "Go to a folder that is there, or give full paths."
            return _report(UsageError("The folder in which the command runs was removed", hint=hint))
        case OSError(filename=str() | bytes() | Path()):
            return _report(from_os_error(error))
        case _:
            with tempfile.NamedTemporaryFile(
                "w", prefix="hcc-scope-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
            ) as file:
                file.writelines(traceback.format_exception(error))
            say(
                f"Error: a bug in HCC-Scope ({type(error).__name__}: {error}). "
                f"What was acknowledged is stored; please report the details in {Path(file.name)}"
            )
            return EXIT_INTERNAL

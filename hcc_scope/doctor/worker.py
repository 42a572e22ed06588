"""The process that makes the checks: ``python -m hcc_scope.doctor.worker``, driven by `hcc_scope.doctor.examination`.

One JSON value a line. First the options; then the name of one check a line, each answered with its result; the end of
the input ends it, and unloads the devices. Drivers print to stdout as they like, so answers go through a copy of it,
and file descriptor 1 is given to stderr.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from hcc_scope.doctor.checks import find_check
from hcc_scope.doctor.subject import Options, Subject

__all__ = ["main"]


def _end(_number: int, _frame: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a second one would break off what the first one lets be put back
    raise KeyboardInterrupt


def main() -> None:
    """Make checks until the input ends. A polite kill puts the devices back as they were, as Ctrl-C does."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        with Subject(Options.from_json(json.loads(sys.stdin.readline()))) as subject:
            for line in sys.stdin:
                result = find_check(json.loads(line)).run(subject)
                answers.write(json.dumps(result.as_json()) + "\n")
                answers.flush()
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)  # the process that asked has ended


if __name__ == "__main__":
    main()

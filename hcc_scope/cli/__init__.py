"""The command line: the composition root. Each command is a module, imported only when it runs.

`main` is what ``hcc-scope`` calls; nothing is imported here that takes time, as Ctrl-C is handled only once it runs.
"""

from __future__ import annotations

import os
import sys

from hcc_scope.cli.interrupt import EXIT_INTERRUPTED, heed_interrupts, ignore_interrupts

__all__ = ["main"]


def main() -> None:
    """Run ``hcc-scope`` and exit: 0, the code of the error (docs/errors.md), 130 when interrupted, 70 for a bug."""
    try:
        heed_interrupts()
        from hcc_scope.cli.program import run

        code = run(sys.argv[1:])
        ignore_interrupts()
    except KeyboardInterrupt:
        ignore_interrupts()
        os.write(2, b"Error: interrupted\n")
        code = EXIT_INTERRUPTED
    _leave(code)


def _leave(code: int) -> None:
    import threading

    if any(thread.name.startswith("hcc-") for thread in threading.enumerate()):
        # a worker hangs inside a driver or a model; the interpreter's own end would abort the process under it
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    sys.exit(code)

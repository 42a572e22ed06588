"""Ctrl-C: the first one ends the work under way, further ones change nothing, and none interrupts an import.

Python raises KeyboardInterrupt wherever the main thread is.

- Inside the import system that can leave a module half made, or, in its cleaning up, where the exception is only
  printed, the global import lock taken for ever: the next thread that imports something then waits without end. So
  while something is being imported, Ctrl-C waits until that is done.
- While the first Ctrl-C is dealt with (files are removed, devices unloaded, the reason is printed), a second one would
  break that off and end the program by a signal, with a traceback. So it is ignored there, unless the first one was
  long ago: then something hangs, and the program ends at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

TYPE_CHECKING = False  # typing would take most of the time that passes before Ctrl-C is handled
if TYPE_CHECKING:
    from types import FrameType

__all__ = ["EXIT_INTERRUPTED", "Reported", "heed_interrupts", "ignore_interrupts", "on_interrupt"]

EXIT_INTERRUPTED = 130
"""128 and the number of SIGINT, as a shell has it."""

PATIENCE_S = 5.0
"""After so long a further Ctrl-C ends the program at once."""

_AGAIN_S = 0.05
_IMPORTLIB = "<frozen importlib"

_since_s: float | None = None
"""When Ctrl-C was pressed that the program deals with."""
_repeated = False
"""Whether the signal on its way is our own, after an import, and no key."""


class Reported(SystemExit):
    """An end of the program whose reason has been printed."""


def heed_interrupts() -> None:
    """Have Ctrl-C raise KeyboardInterrupt in the main thread, once."""
    signal.signal(signal.SIGINT, on_interrupt)


def ignore_interrupts() -> None:
    """Let the program come to its end: it has an exit code, and the interpreter shuts down."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def on_interrupt(_number: int, frame: FrameType | None) -> None:
    """Handle SIGINT.

    Raises
    ------
    KeyboardInterrupt
        Unless the program ends already, or something is being imported.
    """
    global _since_s, _repeated
    by_key, _repeated = not _repeated, False
    now_s = time.monotonic()
    ending = _is_ending()
    if not ending and not _is_importing(frame):
        _since_s = now_s
        raise KeyboardInterrupt
    if _since_s is None:
        _since_s = now_s
    if by_key and now_s >= _since_s + PATIENCE_S:
        os.write(2, b"Error: interrupted\n")  # sys.stderr may be what hangs
        os._exit(EXIT_INTERRUPTED)
    if not ending:
        again = threading.Timer(_AGAIN_S, _repeat)
        again.daemon = True
        again.start()


def _is_ending() -> bool:
    """Return whether the main thread deals with an earlier Ctrl-C, or with the end of the program."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return True
        error = error.__context__
    return False


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTLIB):
            return True
        frame = frame.f_back
    return False


def _repeat() -> None:
    """Send the signal again, until `on_interrupt` has run: one that just precedes a system call does not end it."""
    global _repeated
    _repeated = True
    main = threading.main_thread().ident
    assert main is not None
    while _repeated:
        if hasattr(signal, "pthread_kill"):  # wakes the main thread from whatever it waits for
            signal.pthread_kill(main, signal.SIGINT)
        else:
            signal.raise_signal(signal.SIGINT)
        time.sleep(_AGAIN_S)

"""Ctrl-C that never strikes in the middle of an import.

Python raises KeyboardInterrupt wherever the main thread is. Inside the import system that can leave a module half made,
or, in its cleaning up, where the exception is only printed, the global import lock taken for ever: the next thread that
imports something then waits without end. So while something is being imported, Ctrl-C waits until that is done.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["EXIT_INTERRUPTED", "Told", "wait_for_imports"]

EXIT_INTERRUPTED = 130
"""128 and the number of SIGINT, as a shell has it."""

_AGAIN_S = 0.05
_IMPORTLIB = "<frozen importlib"


class Told(SystemExit):
    """An end of the program whose reason has been told."""


def wait_for_imports() -> None:
    """Have Ctrl-C raise KeyboardInterrupt in the main thread as ever, but only once no import is under way there."""
    signal.signal(signal.SIGINT, _on_interrupt)


def _on_interrupt(_number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTLIB):
            again = threading.Timer(_AGAIN_S, _interrupt)
            again.daemon = True
            again.start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _interrupt() -> None:
    if hasattr(signal, "pthread_kill"):  # wakes the main thread from whatever it waits for
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)

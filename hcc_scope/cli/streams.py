"""Make the two output streams of the program accept any text, whatever they are connected to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hcc_scope.printable import printable
from hcc_scope.workers import attempt

__all__ = ["say", "survive_any_stream"]


def say(sentence: str) -> None:
    """Write one line to stderr, if it is open."""
    line = " ".join(printable(sentence).split("\n"))
    attempt(lambda: print(line, file=sys.stderr, flush=True))  # noqa: T201 - the last resort of the program


def survive_any_stream() -> None:
    """Write nowhere if a stream is closed, and escape what an encoding cannot hold (Windows code pages, LANG=C)."""
    # a stream that the caller has closed is None
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")

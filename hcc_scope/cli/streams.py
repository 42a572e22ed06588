"""The two streams of the program: what may be written there, whatever they are and whatever the text holds."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

from hcc_scope.workers import attempt

__all__ = ["printable", "say", "survive_any_stream"]

_DANGEROUS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control characters, invisible ones (which can turn the direction of writing), halves of a pair, ends of lines."""
_HARMLESS = frozenset("\n\t\u200c\u200d")
"""Layout of our own, and the two joiners that scripts and emoji need."""


def printable(text: str) -> str:
    r"""Return `text` with everything escaped that would command a terminal instead of being shown by it.

    Ids, names and notes come with stores and manifests that others have made.

    Examples
    --------
    >>> printable("M7\x1b[2J")
    'M7\\x1b[2J'
    """
    if text.isprintable():  # true of nothing dangerous
        return text
    return "".join(
        c.encode("unicode_escape").decode("ascii")
        if unicodedata.category(c) in _DANGEROUS and c not in _HARMLESS
        else c
        for c in text
    )


def say(sentence: str) -> None:
    """Write one line to stderr, if anyone listens."""
    line = " ".join(printable(sentence).split("\n"))
    attempt(lambda: print(line, file=sys.stderr, flush=True))  # noqa: T201 - the last resort of the program


def survive_any_stream() -> None:
    """Write nowhere if a stream is closed, and escape what an encoding cannot say (Windows code pages, LANG=C)."""
    # a stream that the caller has closed is None
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")

"""Keys of a terminal, one by one, without Enter, and without waiting for any."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["keys"]


@contextmanager
def keys() -> Iterator[Callable[[], str]]:
    """Yield a function that returns the keys pressed since it was asked last; always empty where stdin is no terminal.

    Ctrl-C stays Ctrl-C. The terminal is as before afterwards.
    """
    if not sys.stdin.isatty():
        yield str
    elif sys.platform == "win32":
        yield _windows_keys
    else:
        with _posix_keys() as pressed:
            yield pressed


if sys.platform == "win32":
    import msvcrt

    def _windows_keys() -> str:
        found = ""
        while msvcrt.kbhit():
            found += msvcrt.getwch()
        return found

else:
    import select
    import termios
    import tty

    @contextmanager
    def _posix_keys() -> Iterator[Callable[[], str]]:
        handle = sys.stdin.fileno()
        before = termios.tcgetattr(handle)

        def pressed() -> str:
            ready, _, _ = select.select([handle], [], [], 0)
            return os.read(handle, 1024).decode(errors="ignore") if ready else ""

        tty.setcbreak(handle, termios.TCSANOW)
        try:
            yield pressed
        finally:
            termios.tcsetattr(handle, termios.TCSADRAIN, before)

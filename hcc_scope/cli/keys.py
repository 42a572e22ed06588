"""Keys of a terminal, one by one, without Enter, and without waiting for any."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["keys", "plain_keys"]

_PAGE_DOWN = "\x1b[6~"
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|O.?|[^\[O])?")
"""What a terminal sends for a key that is no letter, for Alt with one, or for Esc."""


def plain_keys(sent: str) -> str:
    r"""Return the keys in what a terminal sent, in lower case; Page Down, as a foot switch sends it, is a space.

    Other keys that are no letter are left out: what a terminal sends for them contains letters.

    Examples
    --------
    >>> plain_keys("kU"), plain_keys("\x1b[6~"), plain_keys("\x1b[A\x1bOPg")
    ('ku', ' ', 'g')
    """
    return _SEQUENCE.sub(lambda found: " " if found[0] == _PAGE_DOWN else "", sent).lower()


@contextmanager
def keys() -> Iterator[Callable[[], str]]:
    """Yield a function that returns the keys pressed since it was asked last; always empty where stdin is no terminal.

    Ctrl-C stays Ctrl-C. The terminal is as before afterwards. While the program runs in the background it leaves the
    terminal alone, which would stop it otherwise; one that is lost has no keys.
    """
    if not sys.stdin.isatty():
        yield str
    elif sys.platform == "win32":
        yield _windows_keys
    else:
        terminal = _Terminal(sys.stdin.fileno())
        try:
            yield terminal.pressed
        finally:
            terminal.put_back()


if sys.platform == "win32":
    import msvcrt

    def _windows_keys() -> str:
        found = ""
        while msvcrt.kbhit():
            key = msvcrt.getwch()
            if key in "\0\xe0" and msvcrt.kbhit():  # no letter: a second code names it
                found += " " if msvcrt.getwch() == "Q" else ""
            else:
                found += key.lower()
        return found

else:
    import select
    import termios
    import tty

    class _Terminal:
        """Read key by key, from the first time that the program is in its foreground."""

        def __init__(self, handle: int) -> None:
            self._handle = handle
            self._before: list[int | list[bytes | int]] | None = None
            """Its settings before they were changed."""

        def pressed(self) -> str:
            with suppress(OSError, termios.error):  # the terminal is lost
                if _in_foreground(self._handle):
                    return plain_keys(self._read())
            return ""

        def _read(self) -> str:
            if self._before is None:
                self._before = termios.tcgetattr(self._handle)
                tty.setcbreak(self._handle, termios.TCSANOW)
            ready, _, _ = select.select([self._handle], [], [], 0)
            return os.read(self._handle, 1024).decode(errors="ignore") if ready else ""

        def put_back(self) -> None:
            if self._before is None:
                return
            with suppress(OSError, termios.error):
                if _in_foreground(self._handle):  # a shell sets its terminal right itself
                    termios.tcsetattr(self._handle, termios.TCSADRAIN, self._before)

    def _in_foreground(handle: int) -> bool:
        """Return whether the program may use the terminal; one that does not control the program is free to use."""
        try:
            return os.tcgetpgrp(handle) == os.getpgrp()
        except OSError:
            return True

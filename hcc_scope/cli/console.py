"""Where output goes: a person reads stderr (and stdout without ``--json``), a program reads stdout.

A display is never worth a run: any failure while writing to a person (a closed pipe, a terminal that cannot
show a letter) silences the display and nothing else. What the words hold never commands the terminal.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from hcc_scope.errors import StoreUnwritableError
from hcc_scope.printable import printable
from hcc_scope.workers import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rich.console import ConsoleOptions, RenderableType

__all__ = ["People", "people", "print_data", "print_json"]

_PIPE_WIDTH = 140


class _Escaping(Console):
    """Escapes terminal commands wherever they occur: in a line, a table or a bar."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the pieces of text, with the styles that rich gives them and no other terminal commands."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


class People:
    """Speaks to a person, as long as that works.

    Parameters
    ----------
    console : rich.console.Console
        Where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._silent = False

    @property
    def is_terminal(self) -> bool:
        """Whether someone may be looking."""
        return self.console.is_terminal

    def attempt(self, paint: Callable[[], None]) -> bool:
        """Do something with the console; return whether it worked. After a failure nothing is tried any more."""
        if not self._silent:
            self._silent = not guard("display", paint, _let_through_ctrl_c)
        return not self._silent

    def note(self, text: str, style: str = "") -> None:
        """Print one line of plain words, unwrapped and without reading markup into it."""
        self.attempt(lambda: self.console.print(Text(text, style=style), soft_wrap=True))

    def show(self, what: RenderableType) -> None:
        """Print a table or the like."""
        self.attempt(lambda: self.console.print(what))


def _let_through_ctrl_c(error: BaseException, _where: str) -> None:
    if isinstance(error, KeyboardInterrupt):  # it can arrive anywhere, and is not the display's
        raise error


def people(*, json_mode: bool) -> People:
    """Return the voice for people: stdout, or stderr when stdout belongs to a program."""
    stream = sys.stderr if json_mode else sys.stdout
    # a file or pipe has no width: wide enough that tables do not break
    return People(_Escaping(stderr=json_mode, highlight=False, width=None if stream.isatty() else _PIPE_WIDTH))


def print_json(value: Mapping[str, Any]) -> None:
    """Print `value` on stdout, and nothing else; raises as `print_data`."""
    print_data(json.dumps(value, indent=2, allow_nan=False) + "\n")


def print_data(text: str) -> None:
    """Print a text for programs on stdout.

    Raises
    ------
    StoreUnwritableError
        If stdout does not take it (a full disk behind it, a reader that has gone).
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")
        raise StoreUnwritableError(f"the output could not be written to stdout: {error.strerror or error}") from error

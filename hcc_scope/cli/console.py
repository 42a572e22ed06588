"""Where words go: a person reads stderr (and stdout without ``--json``), a program reads stdout."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RESEARCH_USE_ONLY", "note", "people", "print_json"]

RESEARCH_USE_ONLY = "Research use only. Not for diagnosis."


def people(*, json_mode: bool) -> Console:
    """Return the console for people: stdout, or stderr when stdout belongs to a program."""
    stream = sys.stderr if json_mode else sys.stdout
    # a file or pipe has no width: wide enough that tables do not break
    return Console(stderr=json_mode, highlight=False, width=None if stream.isatty() else 140)


def note(console: Console, text: str, style: str = "") -> None:
    """Print one line of plain words, unwrapped and without reading markup into it."""
    console.print(Text(text, style=style), soft_wrap=True)


def print_json(value: Mapping[str, Any]) -> None:
    """Print `value` on stdout, and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()

"""What a shipped configuration cannot know, such as a COM port: ``<what: where to find it>`` stands in its place.

>>> list(find_placeholders("<COM port: Windows' Device Manager under Ports>", 3))
[Placeholder(line=3, what='COM port', where="Windows' Device Manager under Ports")]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Placeholder", "find_placeholders"]

_FORM = re.compile(r"(?:^|,)<(?P<what>[^<>:]+): (?P<where>[^<>]+)>(?=,|$)")
"""A whole field: an angle bracket inside of a name is just a character."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Something that only the rig itself shows."""

    line: int
    """Counted from 1."""
    what: str
    where: str
    """How to find it."""

    @property
    def message(self) -> str:
        """What is missing, as the start of a sentence."""
        return f"{self.what} is not filled in yet"

    @property
    def hint(self) -> str:
        """What to do, as a sentence."""
        return f"To find it: {self.where.rstrip('.')}."

    def error(self, path: Path) -> ConfigError:
        """Return what a run with it is refused with."""
        return ConfigError(f"{path}:{self.line}: {self.message}", hint=self.hint)


def find_placeholders(text: str, line: int) -> Iterator[Placeholder]:
    """Yield each placeholder of a line's fields (joined by commas) or of one value."""
    for found in _FORM.finditer(text):
        yield Placeholder(line, found["what"].strip(), found["where"].strip())

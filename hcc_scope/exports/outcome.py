"""What an export reports when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.formatting import sentence

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ExportOutcome"]


@dataclass(frozen=True, slots=True)
class ExportOutcome:
    """What was written."""

    path: Path
    """File or folder."""
    what: str
    """What is in it, as text: ``24 fields, sharing the store's files``."""
    left_out: tuple[str, ...] = ()
    """What is missing from it, or stands there in another way, and why: a sentence each."""

    def describe(self) -> str:
        """Return one line: where it is and what is in it."""
        return f"{self.path}: {sentence(self.what)}"

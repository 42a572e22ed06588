"""Whether a run writes to a store now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.storage.files import lock
from hcc_scope.storage.naming import JOURNAL

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_written_to"]


def is_written_to(store: Path) -> bool:
    """Return whether a run writes to a store now: it holds the lock of the journal.

    Raises
    ------
    OSError
        If the journal cannot be opened for writing.
    """
    with (store / JOURNAL).open("rb+") as file:
        return not lock(file.fileno())

"""Whether a run writes to a store now, and why a store is not complete."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.storage.files import lock
from hcc_scope.storage.naming import JOURNAL

if TYPE_CHECKING:
    from hcc_scope.storage.place import StorePlace

__all__ = ["UNDER_WAY", "is_written_to", "why_incomplete"]

UNDER_WAY = "its run is under way"


def is_written_to(store: Path) -> bool:
    """Return whether a run writes to a store now: it holds the lock of the journal.

    Raises
    ------
    OSError
        If the journal cannot be opened for writing.
    """
    with (store / JOURNAL).open("rb+") as file:
        return not lock(file.fileno())


def why_incomplete(store: StorePlace) -> str:
    """Return why a store is not complete, as half a sentence."""
    if isinstance(store, Path):
        with suppress(OSError):  # on a disk that is read only nothing is written
            if is_written_to(store):
                return UNDER_WAY
    return "its run was not ended in order"

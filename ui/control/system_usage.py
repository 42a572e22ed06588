"""The memory that this program uses and the free space of a disk, read from the system itself."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["disk_free_bytes", "resident_bytes"]


def resident_bytes() -> int:
    """Return how much memory this process holds, in bytes."""
    return int(psutil.Process().memory_info().rss)


def disk_free_bytes(folder: Path) -> int | None:
    """Return how much room there is for a folder that need not exist yet; None if the system does not report it."""
    for existing in (folder.absolute(), *folder.absolute().parents):
        try:
            return shutil.disk_usage(existing).free
        except OSError:
            continue
    return None

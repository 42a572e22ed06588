"""The memory that this program uses, read from the system itself."""

from __future__ import annotations

import psutil

__all__ = ["resident_bytes"]


def resident_bytes() -> int:
    """Return how much memory this process holds, in bytes."""
    return int(psutil.Process().memory_info().rss)

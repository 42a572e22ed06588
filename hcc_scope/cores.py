"""How many cores of the processor this process may use."""

from __future__ import annotations

import os

__all__ = ["usable_cores"]


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: what a container or `taskset` leaves us
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

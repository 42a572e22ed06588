"""The limits of a run: how much it may keep in memory, and how long it waits for a classifier."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SessionLimits"]

_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Limits of one run. 512 MB are 64 frames of 2048 x 2048 px.

    Raises
    ------
    ValueError
        If one of them is not more than 0, or NaN; the cache may have 0 bytes.
    """

    store_queue_bytes: int = 512 * _MB
    """Pixels that may wait for storage; then the source waits."""
    analyse_queue_bytes: int = 256 * _MB
    """Pixels that may wait for analysis; then further frames of a live source are deferred, any other source waits."""
    deferred_cache_bytes: int = 512 * _MB
    """Pixels of deferred frames that stay in memory, so that they need not be read back from the store."""
    classify_timeout_s: float = 60.0
    """How long the classifier may take for one frame before it is given up."""
    max_failures: int = 5
    """After how many failed frames in a row the classifier is given up."""

    def __post_init__(self) -> None:
        for name in ("store_queue_bytes", "analyse_queue_bytes", "classify_timeout_s", "max_failures"):
            if not getattr(self, name) > 0:  # also if it is NaN
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        if not self.deferred_cache_bytes >= 0:
            raise ValueError(f"deferred_cache_bytes must be at least 0, not {self.deferred_cache_bytes}")

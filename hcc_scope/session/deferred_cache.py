"""Deferred frames that stay in memory while there is room: reading them back from the store takes longer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcc_scope.types import Frame

__all__ = ["DeferredCache"]


class DeferredCache:
    """The newest deferred frames, up to a number of bytes. They are in the store as well: dropping one loses nothing.

    Safe to use from any thread.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._frames: dict[int, Frame] = {}  # oldest first
        self._bytes = 0
        self._closed = False
        self._lock = threading.Lock()

    def put(self, frame: Frame) -> None:
        """Keep a frame, at the cost of the oldest ones."""
        with self._lock:
            if self._closed:
                return
            self._frames[frame.seq] = frame
            self._bytes += frame.pixels.nbytes
            while self._bytes > self._limit_bytes:
                self._forget(next(iter(self._frames)))

    def take(self, seq: int) -> Frame | None:
        """Return a frame and keep it no longer; None if it is not here."""
        with self._lock:
            return self._forget(seq) if seq in self._frames else None

    def close(self) -> None:
        """Keep nothing, from now on."""
        with self._lock:
            self._closed = True
            self._frames.clear()
            self._bytes = 0

    def _forget(self, seq: int) -> Frame:
        frame = self._frames.pop(seq)
        self._bytes -= frame.pixels.nbytes
        return frame

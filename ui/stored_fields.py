"""Frames of a store that may still be growing, read off the Qt thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hcc_scope.report.overview import thumbnail

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import Frame

__all__ = ["StoredFields", "small"]

_STRIDE = 4


def small(frame: Frame) -> NDArray[np.uint16]:
    """Return a frame as it is drawn on the map: of a large one every 4th pixel, which takes a fifth of the time."""
    stride = _STRIDE if min(frame.pixels.shape) >= 1024 else 1
    return thumbnail(frame.pixels[::stride, ::stride])


class StoredFields:
    """Reads fields of one store; what was written since is found. Safe from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._store: SectionStore | None = None

    def read(self, seq: int) -> Frame:
        """Return one frame.

        Raises
        ------
        StoreError
            If it is not stored (yet), or damaged.
        """
        from hcc_scope.storage.reader import open_store

        with self._lock:
            if self._store is None or seq >= self._store.n_frames:
                self._store = open_store(self._path)
            store = self._store
        return store.read(seq)

"""Frames of a store that may still be growing, read off the Qt thread."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.position_tags import island_and_place
from hcc_scope.retakes import replaced_frame
from hcc_scope.shading.correction import analysed_pixels
from hcc_scope.thumbnails import thumbnail

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.shading.correction import Shading
    from hcc_scope.storage.journal import JournalEntry
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
        self._shading: Shading | None = None
        self._shading_is_read = False

    def read(self, seq: int) -> Frame:
        """Return one frame.

        Raises
        ------
        StoreError
            If it is not stored (yet), or damaged.
        """
        return self._with(seq).read(seq)

    def read_analysed(self, seq: int) -> Frame:
        """Return one frame with the pixels that are classified: corrected, if the section is. Raises like `read`."""
        store = self._with(seq)
        with self._lock:
            if not self._shading_is_read:  # once: two maps of the camera's size, and a run keeps its own
                self._shading = store.shading
                self._shading_is_read = True
        frame = store.read(seq)
        return replace(frame, pixels=analysed_pixels(frame.pixels, self._shading))

    def has(self, seq: int) -> bool:
        """Return whether the journal, as last read, names a field."""
        store = self._store
        return store is not None and seq < store.n_frames

    def place_um(self, seq: int) -> tuple[int, float, float] | None:
        """Return the island and x, y of a field, without reading the frame; None where its position is not known.

        Raises
        ------
        StoreError
            If it is not stored (yet), or its line is damaged.
        """
        entry = self._entry(seq)
        return island_and_place(entry.stage_um, entry.tags)

    def is_retake(self, seq: int) -> bool:
        """Return whether a frame takes a field again. Raises like `place_um`."""
        return replaced_frame(self._entry(seq).tags) is not None

    def _entry(self, seq: int) -> JournalEntry:
        store = self._with(seq)
        entry = store.journal[seq] if seq < store.n_frames else None
        if entry is None:
            raise StoreError(f"{self._path}: the journal has no line for frame {seq} that can be read")
        return entry

    def _with(self, seq: int) -> SectionStore:
        """Return the store as last read, or read it again if it did not have the field yet."""
        from hcc_scope.storage.reader import open_store

        with self._lock:
            if self._store is None or seq >= self._store.n_frames:
                self._store = open_store(self._path)
            return self._store

"""One small picture of a stored section: a field from its middle, as it lies on the specimen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import StoreDamagedError
from hcc_scope.orientation import Orientation
from hcc_scope.thumbnails import THUMBNAIL_PX, thumbnail

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["section_thumbnail"]

_TRIED = (2, 4, 1)
"""Which fields are read until one is sound: the middle one, that of the first quarter, the last, the first."""
_LIMITS_PERCENT = (0.5, 99.8)


def section_thumbnail(path: Path, side_px: int = THUMBNAIL_PX) -> NDArray[np.uint8] | None:
    """Return a picture of a section; reads one field, or a few if some are damaged.

    Parameters
    ----------
    path : Path
        The store.
    side_px : int
        Longest side.

    Returns
    -------
    (y, x) uint8 or None
        With the contrast of its own field; None for a section without a field that can be read.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    from hcc_scope.storage.reader import open_store

    store = open_store(path)
    n = store.n_frames
    for seq in dict.fromkeys([*(n // part if part > 1 else n - 1 for part in _TRIED), 0]):
        if not 0 <= seq < n:
            continue
        try:
            small = thumbnail(store.read(seq).pixels, side_px)
        except StoreDamagedError:
            continue
        low, high = (float(value) for value in np.percentile(small, _LIMITS_PERCENT))
        scaled = np.clip((small - low) * (255.0 / max(high - low, 1.0)), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(Orientation(store.spec.camera_axes).upright(scaled))
    return None

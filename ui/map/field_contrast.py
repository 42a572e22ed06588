"""One black and one white for all fields of a map, from the counts of their thumbnails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CommonContrast"]

_SHARES = (0.005, 0.998)
"""Black and white, as shares of all counts."""
_DRIFT = 0.1
"""Limits are renewed when they are off by this share: redrawing all fields for less would only flicker."""
_STEP = 2
"""Every so many-th row and column counts."""


class CommonContrast:
    """Keeps a histogram, so that one more field among hundreds costs no more than the first."""

    def __init__(self) -> None:
        self.limits: tuple[float, float] | None = None
        """Counts of black and white; None before the first field."""
        self._counts = np.zeros(1 << 16, np.int64)

    def add(self, thumbnail: NDArray[np.uint8] | NDArray[np.uint16]) -> bool:
        """Count a field (y, x) in; return whether the limits are new. One of uint8 is shown as it is, and left out."""
        if thumbnail.dtype == np.uint8:
            return False
        self._counts += self._histogram(thumbnail)
        return self._renew()

    def remove(self, thumbnail: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        """Take a field out again; the limits stay until the next one comes."""
        if thumbnail.dtype != np.uint8:
            self._counts -= self._histogram(thumbnail)

    def clear(self) -> None:
        """Forget all fields."""
        self.limits = None
        self._counts[:] = 0

    @staticmethod
    def _histogram(thumbnail: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.intp]:
        return np.bincount(thumbnail[::_STEP, ::_STEP].ravel(), minlength=1 << 16)

    def _renew(self) -> bool:
        below = np.cumsum(self._counts)
        low, high = (float(np.searchsorted(below, share * below[-1])) for share in _SHARES)
        high = max(high, low + 1.0)
        old = self.limits
        if old is not None and max(abs(low - old[0]), abs(high - old[1])) <= _DRIFT * (old[1] - old[0]):
            return False
        self.limits = (low, high)
        return True

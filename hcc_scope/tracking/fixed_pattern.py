"""What stays where it is on the sensor while the specimen moves: dirt on the camera's window or the condenser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["FixedPattern"]

_N_FIRST = 8
"""Different fields before a pattern is believed."""
_N_MEMORY = 64
"""Fields that the means reach back over, about: dirt that was wiped away is forgotten."""
_CERTAIN = 4.0
"""A px belongs to the pattern if its mean is this many of its standard errors from zero: tissue averages out."""
_LEAST = 0.01
_CLIP = 0.6


class FixedPattern:
    """Running mean of pictures of different fields, where it is certainly not zero."""

    def __init__(self) -> None:
        self._n = 0
        self._mean: F32 | None = None
        self._square: F32 | None = None
        self._pattern: F32 | None = None

    @property
    def pattern(self) -> F32 | None:
        """(y, x): what to subtract from a picture relative to its local brightness; None while it is not known."""
        return self._pattern

    @property
    def known(self) -> bool:
        """Whether enough different fields were seen to tell dirt from tissue."""
        return self._n >= _N_FIRST

    def learn(self, relative: F32) -> None:
        """Take in the picture of a field that differs from the ones before."""
        part = np.clip(relative, -_CLIP, _CLIP)
        self._n += 1
        if self._mean is None or self._square is None:
            self._mean, self._square = part, part * part
            return
        share = np.float32(1.0 / min(self._n, _N_MEMORY))
        self._mean += share * (part - self._mean)
        self._square += share * (part * part - self._square)
        if self.known and self._n % 4 == 0:
            self._pattern = self._certain(self._mean, self._square)

    def _certain(self, mean: F32, square: F32) -> F32 | None:
        error = np.sqrt(np.maximum(square - mean * mean, 1e-8) / np.float32(min(self._n, _N_MEMORY)))
        certain = (np.abs(mean) > _CERTAIN * error) & (np.abs(mean) > _LEAST)
        if not certain.any():
            return None
        near = ndimage.binary_dilation(certain, iterations=2)
        pattern: F32 = np.where(near, mean, np.float32(0.0))
        return pattern

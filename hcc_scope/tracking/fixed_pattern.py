"""What stays where it is on the sensor while the specimen moves: dirt on the camera's window or the condenser.

It would vote for a specimen at rest. Two views of it: blocks of the picture that still agree after the specimen has
moved, known at once and left out; and the pattern itself, px by px, known after some fields and taken away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcc_scope.tracking.picture import F32, block_sums
from hcc_scope.tracking.registration import correlation_at

__all__ = ["FixedPattern"]

_N_FIRST = 8
"""Different fields before a pattern is believed."""
_N_MEMORY = 64
"""Fields that the means reach back over, about: dirt that was wiped away is forgotten."""
_CERTAIN = 4.0
"""A px belongs to the pattern if its mean is this many of its standard errors from zero: tissue averages out."""
_LEAST = 0.01
_CLIP = 0.6
_MOVED = 0.4
"""Pictures that correlate less than this show different parts of the specimen."""
_STATIC = 0.5
"""Mean correlation, over pairs of pictures that differ, of a block that does not move with the specimen."""
_SHARE = 0.2


class FixedPattern:
    """Learns, from pictures of different fields, what is the camera's own."""

    def __init__(self) -> None:
        self._n = 0
        self._mean: F32 | None = None
        self._square: F32 | None = None
        self._pattern: F32 | None = None
        self._last: F32 | None = None
        self._agreement: F32 | None = None

    @property
    def tested(self) -> bool:
        """Whether the specimen was seen to move, so that what does not move with it is known."""
        return self._agreement is not None

    @property
    def static(self) -> NDArray[np.bool_] | None:
        """Blocks that do not move with the specimen, (rows of blocks, columns of blocks)."""
        return None if self._agreement is None else self._agreement > _STATIC

    def without(self, part: F32) -> F32:
        """Return a picture relative to its local brightness without the pattern."""
        return part if self._pattern is None else part - self._pattern

    def learn(self, part: F32, clean: F32) -> None:
        """Take in a picture, as it is and as `without` returned it; one of the same field as before teaches nothing."""
        if self._last is None:
            self._last = clean
            self._add(part)
            return
        if correlation_at(self._last, clean, 0, 0, step=2) >= _MOVED:
            return
        product = block_sums(self._last, clean)
        size = block_sums(self._last, self._last) * block_sums(clean, clean)
        agreement: F32 = product / np.sqrt(np.maximum(size, 1e-12))
        if self._agreement is None:
            self._agreement = agreement
        else:
            self._agreement += np.float32(_SHARE) * (agreement - self._agreement)
        self._last = clean
        self._add(part)

    def _add(self, part: F32) -> None:
        part = np.clip(part, -_CLIP, _CLIP)
        self._n += 1
        if self._mean is None or self._square is None:
            self._mean, self._square = part, part * part
            return
        share = np.float32(1.0 / min(self._n, _N_MEMORY))
        self._mean += share * (part - self._mean)
        self._square += share * (part * part - self._square)
        if self._n >= _N_FIRST and self._n % 4 == 0:
            self._pattern = self._certain(self._mean, self._square)

    def _certain(self, mean: F32, square: F32) -> F32 | None:
        error = np.sqrt(np.maximum(square - mean * mean, 1e-8) / np.float32(min(self._n, _N_MEMORY)))
        certain = (np.abs(mean) > _CERTAIN * error) & (np.abs(mean) > _LEAST)
        if not certain.any():
            return None
        near = ndimage.binary_dilation(certain, iterations=2)
        pattern: F32 = np.where(near, mean, np.float32(0.0))
        return pattern

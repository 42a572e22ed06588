"""What stays where it is on the sensor while the specimen moves: dirt on the camera's window or the condenser.

It would vote for a specimen at rest. Two views of it: blocks of the picture that still agree after the specimen has
moved, known at once and left out; and the pattern itself, px by px, known after some fields and taken away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from hcc_scope.tracking.picture import F32, LEAST_CONTRAST, block_covariances
from hcc_scope.tracking.registration import agreements

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.tracking.picture import Picture

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
"""Pictures of which half of the blocks correlate less than this show different parts of the specimen: dirt may cover
less than half of them, however much stronger it is than the specimen."""
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
        self._last: tuple[F32, F32, Picture] | None = None
        self._agreement: F32 | None = None

    @property
    def tested(self) -> bool:
        """Whether the specimen was seen to move, so that what does not move with it is known."""
        return self._agreement is not None

    @property
    def dirty(self) -> NDArray[np.bool_] | None:
        """Blocks with dirt, (rows of blocks, columns of blocks): what is in them proves no specimen."""
        return None if self._agreement is None else self._agreement[0] > _STATIC

    @property
    def static(self) -> NDArray[np.bool_] | None:
        """Blocks that do not move with the specimen even without the pattern: they must not be compared."""
        return None if self._agreement is None else self._agreement[1] > _STATIC

    def without(self, small: F32) -> F32 | None:
        """Return a reduced frame divided by the pattern; None while there is none."""
        return None if self._pattern is None else small / (self._pattern + np.float32(1.0))

    def learn(self, part: F32, clean: F32, picture: Picture) -> bool:
        """Take in what `hcc_scope.tracking.picture.relative` makes of a frame, and of the frame without the pattern.

        One that shows the same field as before teaches nothing.

        Parameters
        ----------
        part, clean : (y, x) ndarray of float32
        picture : Picture
            What was kept of `clean`, to see whether it shows another field.

        Returns
        -------
        bool
            Whether the blocks with dirt, or that do not move, may be others now.
        """
        last, self._last = self._last, (part, clean, picture)
        if last is None:
            self._add(part)
            return False
        blocks = agreements(last[2], picture)
        if blocks.size == 0 or np.median(blocks) >= _MOVED:
            self._last = last
            return False
        agreement = np.stack([_agreement(last[0], part), _agreement(last[1], clean)])
        if self._agreement is None:
            self._agreement = agreement
        else:
            share = max(_SHARE, 1.0 / self._n)
            self._agreement += np.float32(share) * (agreement - self._agreement)
        self._add(part)
        return True

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


def _agreement(one: F32, two: F32) -> F32:
    """Return the correlation of two pictures block by block, without a shift; 0 where a block of either is empty."""
    covariance = block_covariances(one, two)
    size_1, size_2 = block_covariances(one, one), block_covariances(two, two)
    empty = np.minimum(size_1, size_2) < LEAST_CONTRAST**2
    agreement: F32 = covariance / np.sqrt(np.maximum(size_1 * size_2, np.float32(1e-12)))
    agreement[empty] = 0.0
    return agreement

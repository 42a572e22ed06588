"""The counts of a frame: their distribution, and the limits that suit them.

Everything rests on every 8th pixel in y and x: 65,536 of the 4 million of a 2048 x 2048 frame, within a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["IGNORED_PERCENT", "CountHistogram"]

IGNORED_PERCENT = 0.1
"""Share of the darkest and of the brightest pixels that stretching ignores, until an operator chooses another."""
_STEP_PX = 8
_FEWEST_PX = 64
"""A small frame is sampled more finely: at least so many pixels a side."""
_BINS = 256


@dataclass(frozen=True, slots=True)
class CountHistogram:
    """How often each count occurs among the sampled pixels of one frame."""

    reached: NDArray[np.intp]
    """(65537,) how many sampled pixels have fewer counts than the index."""
    n: int
    """How many pixels were sampled."""
    lowest: int
    highest: int

    @classmethod
    def of(cls, pixels: NDArray[np.uint16]) -> CountHistogram:
        """Count the pixels (y, x) of a frame, decimated."""
        step = max(1, min(_STEP_PX, min(pixels.shape) // _FEWEST_PX))
        sampled = pixels[::step, ::step].ravel()
        reached = np.zeros((1 << 16) + 1, np.intp)
        np.cumsum(np.bincount(sampled, minlength=1 << 16), out=reached[1:])
        return cls(reached, sampled.size, int(sampled.min()), int(sampled.max()))

    def limits(self, ignored_share: float) -> tuple[float, float]:
        """Return black and white so that this share of the pixels lies beyond each; at least one count apart."""
        low = int(np.searchsorted(self.reached[1:], ignored_share * self.n, side="right"))
        high = int(np.searchsorted(self.reached[1:], (1.0 - ignored_share) * self.n, side="left"))
        low = min(low, self.highest)
        return float(low), float(max(high, low + 1))

    def share_from(self, count: int) -> float:
        """Return the share of the pixels with this count or more."""
        return 1.0 - float(self.reached[count]) / self.n

    def binned(self, first: int, last: int) -> NDArray[np.float64]:
        """Return (bins,) occurrences of the counts from first to last in bins of equal width."""
        edges = np.linspace(first, last + 1, min(_BINS, last + 1 - first) + 1).astype(np.intp)
        return np.diff(self.reached[edges]).astype(np.float64)

"""A saliency map as it is shown: relative to its own tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["relative_saliency"]

_TOP_PERCENT = 99.5
"""A few pixels are far above all others; they must not make the rest black."""


def relative_saliency(saliency: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return saliency from 0 to 1, relative to the tile's own 99.5th percentile; a map of zeros stays one.

    Parameters
    ----------
    saliency : (t, t) float32
        Of any sign: the absolute value counts. NaN and infinity count as 0.
    """
    size = np.abs(np.nan_to_num(saliency, nan=0.0, posinf=0.0, neginf=0.0))
    top = float(np.percentile(size, _TOP_PERCENT))
    if not top > 0:
        top = float(size.max())
    return np.clip(size / top, 0.0, 1.0).astype(np.float32) if top > 0 else np.zeros_like(size, dtype=np.float32)

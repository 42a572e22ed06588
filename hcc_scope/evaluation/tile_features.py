"""A few numbers of each tile that need no training: grey level, histogram and texture.

They are fixed here, before any image is seen, and are the same for every set. The texture knows neither the grey level
nor the contrast of a tile: co-occurrence is counted between *ranks* of grey (each of `LEVELS` levels holds as many
pixels as any other), and the structure function is divided by the variance. So no monotone change of the grey values
alters the former, and no change of offset or gain the latter.

Sources: Haralick et al., IEEE Trans. SMC 3, 1973 (co-occurrence and what is computed from it); Monin and Yaglom,
Statistical Fluid Mechanics, 1971 (structure function; here 1 - autocorrelation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BASELINES", "FEATURES", "N_FEATURES", "BaselineName", "FeatureSet", "tile_features"]

BaselineName = Literal["grey", "histogram", "texture"]

LEVELS = 8
"""Of grey, each with as many pixels as any other."""
PAIR_LAGS_PX = (1, 2, 4, 8, 16)
"""Distances, along rows and along columns, at which pairs of pixels are counted."""
STRUCTURE_LAGS_PX = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_COUNTS = 1 << 16


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Some of the numbers of a tile."""

    name: BaselineName
    columns: slice
    """Of what `tile_features` returns."""
    words: str
    """What they are."""

    @property
    def n(self) -> int:
        """How many."""
        return int(self.columns.stop - self.columns.start)


_N_TEXTURE = 4 * len(PAIR_LAGS_PX) + len(STRUCTURE_LAGS_PX)
FEATURES: dict[BaselineName, FeatureSet] = {
    # the histogram contains mean and SD, so the sets overlap
    "grey": FeatureSet("grey", slice(0, 2), "mean and SD of the tile's grey values"),
    "histogram": FeatureSet(
        "histogram", slice(0, 6), "mean, SD, skewness, excess kurtosis, 5th and 95th percentile of the grey values"
    ),
    "texture": FeatureSet(
        "texture",
        slice(6, 6 + _N_TEXTURE),
        f"co-occurrence of {LEVELS} equally filled grey levels (contrast, homogeneity, correlation, entropy at "
        f"{', '.join(map(str, PAIR_LAGS_PX))} px) and structure function over variance (log, at "
        f"{', '.join(map(str, STRUCTURE_LAGS_PX))} px); neither grey level nor contrast",
    ),
}
BASELINES: tuple[BaselineName, ...] = tuple(FEATURES)
N_FEATURES = 6 + _N_TEXTURE


def tile_features(tile: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return all numbers of one tile; ``FEATURES[name].columns`` are those of a set.

    Parameters
    ----------
    tile : (side, side) uint16
        Raw counts. What needs a larger distance than its side has (of tiles smaller than any model's) is 0.

    Returns
    -------
    (N_FEATURES,) float64
        Finite, also for a tile of one grey value.
    """
    counts = np.bincount(tile.ravel(), minlength=_COUNTS)
    grey = _grey_numbers(counts)
    values = tile.astype(np.float32) - np.float32(grey[0])
    return np.concatenate([grey, _pair_numbers(_ranked(tile, counts)), _structure(values, grey[1])])


def _grey_numbers(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return mean, SD, skewness, excess kurtosis and two percentiles of a histogram."""
    there = np.flatnonzero(counts)
    share = counts[there] / counts.sum()
    grey = there.astype(np.float64)
    mean = float(share @ grey)
    centred = grey - mean
    sd = float(np.sqrt(share @ centred**2))
    z = centred / (sd or 1.0)
    below = np.cumsum(share)
    low, high = (grey[min(int(np.searchsorted(below, q)), len(grey) - 1)] for q in (0.05, 0.95))
    return np.array([mean, sd, share @ z**3, share @ z**4 - 3.0 if sd else 0.0, low, high])


def _ranked(tile: NDArray[np.uint16], counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return each pixel's level, by the middle of the ranks of its grey value."""
    middle = (np.cumsum(counts) - counts / 2.0) / tile.size
    return np.minimum(middle * LEVELS, LEVELS - 1).astype(np.uint8)[tile]


def _pair_numbers(levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return contrast, homogeneity, correlation and entropy of the co-occurrence at each lag."""
    first = levels * np.uint8(LEVELS)
    i, j = np.divmod(np.arange(LEVELS**2), LEVELS)
    numbers = []
    for lag in PAIR_LAGS_PX:
        if lag >= len(levels):
            numbers += [0.0] * 4
            continue
        pairs = _count(first[:, lag:] + levels[:, :-lag]) + _count(first[lag:] + levels[:-lag])
        share = pairs / pairs.sum()
        share = (share + share.reshape(LEVELS, LEVELS).T.ravel()) / 2.0  # a pair has no direction
        mean = share @ i
        variance = share @ (i - mean) ** 2
        correlation = share @ ((i - mean) * (j - mean)) / variance if variance > 0 else 0.0
        entropy = -share @ np.log(np.where(share > 0, share, 1.0))
        numbers += [share @ (i - j) ** 2, share @ (1.0 / (1.0 + np.abs(i - j))), correlation, entropy]
    return np.array(numbers)


def _count(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how often each code of 0 to 63 occurs; two neighbours are counted at once, which halves the time."""
    flat = np.ascontiguousarray(codes).ravel()
    even = flat[: len(flat) // 2 * 2]
    twos = np.bincount(even.view(np.uint16), minlength=_COUNTS).reshape(256, 256)
    found: NDArray[np.int64] = (twos.sum(0) + twos.sum(1))[: LEVELS**2]
    if len(even) < len(flat):
        found[flat[-1]] += 1
    return found


def _structure(values: NDArray[np.float32], sd: float) -> NDArray[np.float64]:
    """Return the log of the mean squared difference at each lag, over twice the variance."""
    found = []
    for lag in STRUCTURE_LAGS_PX:
        if lag >= len(values) or not sd:
            found.append(1.0)
            continue
        across = values[:, lag:] - values[:, :-lag]
        down = values[lag:] - values[:-lag]
        # einsum, for BLAS may start threads of its own within each of ours
        total = np.einsum("ij,ij->", across, across) + np.einsum("ij,ij->", down, down)
        found.append(float(total) / (across.size + down.size) / (2.0 * sd**2))
    return np.log(np.maximum(found, 1e-6))

"""Two dimensions for the last hidden layer: t-SNE (van der Maaten and Hinton, JMLR 2008), the same every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FEWEST", "TooFewPointsError", "embed"]

FEWEST = 5
"""Fewer points have no neighbourhoods to keep."""
_PERPLEXITY = 30.0
_COMPONENTS = 50
"""Principal components that t-SNE sees, as its authors advise."""


class TooFewPointsError(ValueError):
    """There is nothing to embed; the message is the reason, as a sentence for the figure."""


def embed(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return (n, 2) places: near in the picture where near among the features.

    Distances between far groups, and the sizes of groups, mean nothing.

    Parameters
    ----------
    features : (n, n_features)
        The last hidden layer.
    seed : int
        Of the random numbers of both methods.

    Raises
    ------
    TooFewPointsError
        With fewer than `FEWEST` points, or if all are the same.
    """
    n = len(features)
    if n < FEWEST:
        raise TooFewPointsError(f"Too few tiles for t-SNE: {n}, and it takes at least {FEWEST}.")
    centred = np.asarray(features, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    scale = float(np.abs(centred).max())
    if not np.isfinite(scale) or scale <= 1e-12 * max(1.0, float(np.abs(features).max())):
        raise TooFewPointsError("No t-SNE: all tiles have the same features.")

    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    # One thread: with more, sums are added up in another order every time, and the picture changes; and threads that
    # wait for each other by spinning take fifty times as long where anything else runs
    with threadpool_limits(1):
        components = PCA(min(_COMPONENTS, n, features.shape[1]), random_state=seed).fit_transform(centred / scale)
        start = np.zeros((n, 2), dtype=np.float32)
        width = min(2, components.shape[1])
        start[:, :width] = components[:, :width] / components[:, 0].std() * 1e-4  # sklearn's own init="pca"
        places: NDArray[np.float32] = TSNE(
            perplexity=min(_PERPLEXITY, (n - 1) / 3), init=start, random_state=seed, n_jobs=1
        ).fit_transform(components.astype(np.float32))
    return places

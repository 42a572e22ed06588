"""Baselines: a logistic regression on a few numbers of each tile, on the tiles and folds of the networks.

What they find is a `FoldResult` of one start, so that every figure of an evaluation is computed from it by the same
code. Nothing is chosen: features (`tile_features`), standardisation on the training part and the ridge `RIDGE` are
fixed beforehand.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.atomic_file import replace_file
from hcc_scope.datasets.parallel import n_workers, over
from hcc_scope.evaluation.results import FoldResult, StartResult
from hcc_scope.evaluation.tile_features import FEATURES, N_FEATURES, tile_features
from hcc_scope.progress import Progress
from hcc_scope.small_files import read_small_file
from hcc_scope.storage.files import explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.results import Split
    from hcc_scope.evaluation.tile_features import BaselineName
    from hcc_scope.progress import OnProgress

__all__ = [
    "RIDGE",
    "Logistic",
    "baseline_fold",
    "baseline_folds",
    "fit_logistic",
    "kept_measures",
    "measure_tiles",
]

RIDGE = 1.0
"""Added to the sum over tiles of the negative log-likelihood: this times half the squared length of the weights, which
are those of standardised numbers. The usual choice where none is made (scikit-learn's ``C=1``)."""
STAGE = "measure tiles"
_TILES_AT_ONCE = 16
_MOST_STEPS = 100
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Logistic:
    """A logistic regression on standardised numbers."""

    mean: NDArray[np.float64]
    """(n_features,) of the training part."""
    sd: NDArray[np.float64]
    weights: NDArray[np.float64]
    """(n_features,) of standardised numbers."""
    intercept: float

    def log_odds(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (k,) the log-odds of *high* of (k, n_features)."""
        return np.asarray((features - self.mean) / self.sd @ self.weights + self.intercept)


def fit_logistic(features: NDArray[np.floating], labels: NDArray[np.int64], ridge: float = RIDGE) -> Logistic:
    """Fit a logistic regression by Newton's method; the same for the same numbers.

    Parameters
    ----------
    features : (n, n_features) float
    labels : (n,) int64
        0 and 1, both of them.
    ridge : float
        See `RIDGE`; the intercept has none.
    """
    x = np.asarray(features, np.float64)
    mean, sd = x.mean(0), x.std(0)
    sd = np.where(sd > 1e-12 * np.maximum(np.abs(mean), 1.0), sd, 1.0)  # what never varies tells nothing
    design = np.column_stack([(x - mean) / sd, np.ones(len(x))])
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 0.0
    signs = np.where(labels == 1, 1.0, -1.0)

    def loss(w: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0.0, -signs * (design @ w)).sum() + 0.5 * penalty @ w**2)

    w = np.zeros(design.shape[1])
    now = loss(w)
    for _ in range(_MOST_STEPS):
        p = 0.5 * (1.0 + np.tanh(0.5 * (design @ w)))
        gradient = design.T @ (p - (labels == 1)) + penalty * w
        curvature = (design * (p * (1.0 - p))[:, None]).T @ design + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        scale = 1.0
        while (after := loss(w - scale * step)) > now and scale > 1e-6:
            scale /= 2.0
        if now - after <= 1e-10 * max(now, 1.0):
            break
        w, now = w - scale * step, after
    return Logistic(mean, sd, w[:-1], float(w[-1]))


def baseline_fold(
    split: Split, tiles: TileTable, features: NDArray[np.floating], counted: NDArray[np.bool_] | None = None
) -> FoldResult:
    """Fit a baseline to one part of a split and predict the other.

    Parameters
    ----------
    split : Split
        Both classes in its training part.
    tiles : TileTable
    features : (n, n_features) float
        Of all its tiles, of one set.
    counted : (k,) bool, optional
        Which of the test tiles count; None: all.
    """
    labels = tiles.of_images(split.labels)
    train, test = split.train_rows(tiles), split.test_rows(tiles)
    odds = fit_logistic(features[train], labels[train]).log_odds(features[test])
    logits = np.stack([np.zeros(len(test)), odds], axis=1).astype(np.float32)
    if counted is None:
        return FoldResult(split, test, labels[test], (StartResult(logits),))
    # a baseline measures no distance; these make `FoldResult.counted` that of the network
    start = StartResult(logits, distances=(~counted).astype(np.float32), ood_threshold=0.5)
    return FoldResult(split, test, labels[test], (start,))


def baseline_folds(
    folds: Sequence[FoldResult], tiles: TileTable, measured: NDArray[np.floating], name: BaselineName
) -> tuple[FoldResult, ...]:
    """Return what a baseline makes of the folds of a network: the same images, and the same tiles count.

    Parameters
    ----------
    folds : sequence of FoldResult
    tiles : TileTable
    measured : (n, N_FEATURES) float
        Of all tiles, see `measure_tiles`.
    name : 'grey', 'histogram' or 'texture'
    """
    features = measured[:, FEATURES[name].columns]
    return tuple(baseline_fold(fold.split, tiles, features, fold.counted) for fold in folds)


def measure_tiles(tiles: TileTable, on_progress: OnProgress | None = None) -> NDArray[np.float64]:
    """Return (n, N_FEATURES) the numbers of all tiles, computed by threads with few tiles in memory.

    Parameters
    ----------
    tiles : TileTable
    on_progress : callable, optional
        Takes a `Progress` after every few tiles.
    """

    def measured(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.stack([tile_features(tile) for tile in tiles.reader.read(rows)])

    found = np.empty((len(tiles), N_FEATURES))
    done = 0
    batches: Iterable[NDArray[np.int64]] = (
        np.arange(start, min(start + _TILES_AT_ONCE, len(tiles))) for start in range(0, len(tiles), _TILES_AT_ONCE)
    )
    for part in over(batches, measured, n_workers()):
        found[done : done + len(part)] = part
        done += len(part)
        if on_progress is not None:
            on_progress(Progress(STAGE, done, len(tiles), ""))
    return found


def kept_measures(path: Path, fingerprint: str, tiles: TileTable, on_progress: OnProgress) -> NDArray[np.float64]:
    """Return the numbers of all tiles as they were measured before, or measure and keep them.

    The file is their sha256 (with the set's fingerprint and what is measured), then the numbers as they are in memory.

    Parameters
    ----------
    path : Path
        One that is damaged, or of other tiles, is replaced.
    fingerprint : str
        Of the set.
    tiles : TileTable
    on_progress : callable
        As of `measure_tiles`; is not called for numbers that are there.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    key = f"{_FORMAT} {fingerprint} {len(tiles)} {[one.words for one in FEATURES.values()]}".encode()
    try:
        content = read_small_file(path, 32 + 8 * len(tiles) * N_FEATURES)
    except OSError:
        content = b""  # then its sha256 is wrong, as that of a damaged file is
    if content[:32] == hashlib.sha256(key + content[32:]).digest():
        return np.frombuffer(content[32:], "<f8").reshape(len(tiles), N_FEATURES).copy()
    measured = measure_tiles(tiles, on_progress)
    numbers = measured.astype("<f8").tobytes()
    try:
        replace_file(path, hashlib.sha256(key + numbers).digest() + numbers)
    except OSError as error:
        raise explain(error, f"the numbers of the tiles could not be written to {path}") from error
    return measured

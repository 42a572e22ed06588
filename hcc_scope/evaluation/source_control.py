"""What images carry of the day, the batch and the site they are from, instead of their class.

A multinomial logistic regression on the texture of the tiles predicts it, with images dealt at random as the paper's
protocol deals them. What it gets beyond always naming the most frequent one is what can stand for the class wherever
the two go together. Where a section was imaged on one day, the day cannot be told from the section here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy.optimize import minimize

from hcc_scope.evaluation.baselines import RIDGE
from hcc_scope.evaluation.metrics import mean_by_animal
from hcc_scope.evaluation.splits import round_robin
from hcc_scope.evaluation.tile_features import FEATURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled_image import LabelledImage
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.intervals import ClusterBootstrap, Estimate

__all__ = ["SOURCES", "Source", "SourceFigures", "fit_multinomial", "source_control"]

Source = Literal["day", "batch", "site"]
SOURCES: tuple[Source, ...] = get_args(Source)
_STREAMS: dict[Source, int] = {"day": 4, "batch": 10, "site": 11}
_MOST_STEPS = 500


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """How well texture predicts where images are from."""

    source: Source
    values: tuple[str, ...]
    """The days, batches or sites, sorted."""
    accuracy: Estimate
    """Share of images for which it is predicted correctly."""
    chance: float
    """Share of images of the most frequent one: the accuracy of always predicting it."""
    balanced_accuracy: float
    """Mean over them of the share predicted correctly; by chance 1 / their number."""
    fold_accuracy: tuple[float, ...]
    n_images: int

    @property
    def shown(self) -> bool:
        """Whether the interval of the accuracy lies above chance."""
        return self.accuracy.interval is not None and self.accuracy.interval.low > self.chance


def value_of(source: Source, image: LabelledImage) -> str | None:
    """Return the day, batch or site of an image; None: the manifest does not state it."""
    if source == "day":
        return image.day
    return image.batch if source == "batch" else image.site


def source_control(
    source: Source,
    tiles: TileTable,
    measured: NDArray[np.floating],
    boot: ClusterBootstrap,
    *,
    folds: int = 5,
    seed: int = 0,
) -> SourceFigures | str:
    """Predict the day, batch or site of images from their texture.

    Parameters
    ----------
    source : 'day', 'batch' or 'site'
    tiles : TileTable
    measured : (n, N_FEATURES) float
        Of all tiles.
    boot : ClusterBootstrap
        Of the animals, sorted by name.
    folds : int
        At most; no more than the rarest value has images.
    seed : int

    Returns
    -------
    SourceFigures or str
        The reason, if it cannot be done.
    """
    values = [value_of(source, image) for image in tiles.images]
    usable = np.array([i for i in np.unique(tiles.image_index).tolist() if values[i] is not None], dtype=np.int64)
    names = tuple(sorted({str(values[i]) for i in usable.tolist()}))
    if not names:
        return f"the manifest states no {source}"
    if len(names) < 2:
        return f"all images are of one {source}"
    labels = np.array([names.index(value) if value in names else -1 for value in values], dtype=np.int64)
    strata = [usable[labels[usable] == number] for number in range(len(names))]
    fewest = min(range(len(names)), key=lambda number: len(strata[number]))
    k = min(folds, len(strata[fewest]))
    if k < 2:
        return f"{source} {names[fewest]} has one image with usable tiles, and two folds need two"
    parts = round_robin(strata, k, np.random.default_rng([seed, _STREAMS[source]]))
    features = measured[:, FEATURES["texture"].columns]
    found = [_fold(np.setdiff1d(usable, part), part, labels, tiles, features, len(names)) for part in parts]
    right, tested = np.concatenate(found), np.concatenate(parts)
    return SourceFigures(
        source=source,
        values=names,
        accuracy=mean_by_animal(right.astype(np.float64), _animals(tiles.images, tested), boot),
        chance=float(np.bincount(labels[tested]).max() / len(tested)),
        balanced_accuracy=float(np.mean([right[labels[tested] == number].mean() for number in range(len(names))])),
        fold_accuracy=tuple(float(part.mean()) for part in found),
        n_images=len(tested),
    )


def _fold(
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    labels: NDArray[np.int64],
    tiles: TileTable,
    features: NDArray[np.floating],
    n_values: int,
) -> NDArray[np.bool_]:
    """Return for which of the tested images the prediction is right: the value with the largest mean probability."""
    rows, test_rows = tiles.rows_of(train), tiles.rows_of(test)
    mean, sd = features[rows].mean(0), features[rows].std(0)
    sd = np.where(sd > 1e-12, sd, 1.0)
    weights = fit_multinomial((features[rows] - mean) / sd, tiles.of_images(labels)[rows], n_values)
    probabilities = _softmax(_with_one((features[test_rows] - mean) / sd) @ weights)
    sums = np.zeros((len(test), n_values))
    np.add.at(sums, np.searchsorted(test, tiles.image_index[test_rows]), probabilities)
    right: NDArray[np.bool_] = sums.argmax(axis=1) == labels[test]
    return right


def fit_multinomial(
    numbers: NDArray[np.floating], labels: NDArray[np.int64], n_values: int, ridge: float = RIDGE
) -> NDArray[np.float64]:
    """Return (n_features + 1, n_values) the weights of a multinomial logistic regression, the intercepts last.

    Parameters
    ----------
    numbers : (n, n_features) float
        Standardised.
    labels : (n,) int64
        0 to ``n_values - 1``.
    n_values : int
    ridge : float
        Added to the sum of the negative log-likelihood: this times half the squared length of the weights.
    """
    design = _with_one(numbers)
    truth = np.eye(n_values)[labels]
    penalty = np.full((design.shape[1], 1), ridge)
    penalty[-1] = 0.0

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(design.shape[1], n_values)
        scores = design @ weights
        top = scores.max(axis=1)
        total = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - (scores * truth).sum(axis=1)
        gradient = design.T @ (_softmax(scores) - truth) + penalty * weights
        return float(total.sum() + 0.5 * (penalty * weights**2).sum()), gradient.ravel()

    start = np.zeros(design.shape[1] * n_values)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _MOST_STEPS})
    return np.asarray(found.x, np.float64).reshape(design.shape[1], n_values)


def _with_one(numbers: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.column_stack([numbers, np.ones(len(numbers))])


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    share: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return share


def _animals(images: Sequence[LabelledImage], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    codes = {name: number for number, name in enumerate(sorted({image.animal_id for image in images}))}
    return np.array([codes[images[i].animal_id] for i in chosen.tolist()], dtype=np.int64)

"""What both protocols find if the animals' classes mean nothing, and how rarely such classes do as well as true ones.

Every labelling of `labellings` is evaluated by both protocols, on the numbers of a baseline. Its folds are dealt anew
by the protocols' own rules (equal shares of *its* classes), and where there are few labellings, many times each, so the
statistic is the same function of a labelling for all of them: the condition of an exact test.

For that to take seconds, the logistic regression is replaced by least squares with the ridge that has the same effect
near chance, on the same standardised numbers of the same tiles. Its solution needs only sums over the training tiles,
which are those over all tiles less those over the test images. Figures of baselines in tables are the logistic ones;
what is compared here, the true labelling included, is all by this one procedure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.stats import rankdata

from hcc_scope.evaluation.baselines import RIDGE
from hcc_scope.evaluation.labellings import labellings_of
from hcc_scope.evaluation.splits import animals_of, deal_at_random
from hcc_scope.evaluation.tile_features import BASELINES, FEATURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.labellings import Labellings
    from hcc_scope.evaluation.results import Unit
    from hcc_scope.evaluation.splits import Animal
    from hcc_scope.evaluation.tile_features import BaselineName

__all__ = ["DEALINGS", "LEAK_MARGIN", "MOST_FOLDS", "PermutationFigures", "permute"]

DEALINGS = 200
"""At least so many pairs of dealings in all; each labelling has an equal number of them, one or more."""
MOST_FOLDS = 5
"""Of labellings and of the control by day, batch and site, where one animal at a time is left out."""
LEAK_MARGIN = 0.03
"""By how much the mean AUC by animal over labellings may exceed 0.5. Their classes mean nothing, so it exceeds 0.5 only
if animals that keep a class in common are on both sides. Without any, simulated cohorts of 6 to 12 animals have a mean
within 0.01 of 0.5 (one standard deviation)."""
_LEAST_SQUARES_RIDGE = 4.0 * RIDGE
"""The log-likelihood of a logistic regression has a quarter of the curvature of a sum of squares, at chance."""
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class PermutationFigures:
    """What a baseline finds with the true classes of the animals and with others."""

    of: BaselineName
    labellings: int
    """Compared, the true one included."""
    exact: bool
    """Whether these are all there are."""
    possible: int
    exchanged: str
    """What is exchanged between labellings, in a sentence."""
    dealings: int
    """Of each labelling into folds."""
    auc: float
    """By animal, of images, with the true classes."""
    paper_auc: float
    p_value: float
    """Share of the labellings with at least that AUC by animal, the true one included."""
    smallest_p: float
    """That these labellings allow."""
    null_by_animal: float
    """Mean over all labellings."""
    null_paper: float
    testable: bool
    """Whether a labelling differs from the true one in more than the classes' names; else nothing here is a control."""
    draws: tuple[float, ...] = field(repr=False)
    """The AUC by animal of every labelling, sorted."""

    @property
    def null_gap(self) -> float:
        """The mean difference of the two protocols: what recognising animals gives where there is no class."""
        return self.null_paper - self.null_by_animal

    @property
    def recognises(self) -> bool:
        """Whether classes that mean nothing are found by the paper's protocol."""
        return self.testable and self.null_paper > 0.5 + LEAK_MARGIN

    @property
    def leaks(self) -> bool:
        """Whether classes that mean nothing are found by animal too."""
        return self.testable and self.null_by_animal > 0.5 + LEAK_MARGIN


def permute(
    tiles: TileTable,
    measured: NDArray[np.floating],
    *,
    folds: int,
    seed: int,
    unit: Unit = "image",
    names: Sequence[BaselineName] = BASELINES,
    dealings: int = DEALINGS,
) -> dict[BaselineName, PermutationFigures]:
    """Evaluate every labelling of the animals with every baseline.

    Parameters
    ----------
    tiles : TileTable
    measured : (n, N_FEATURES) float
        Of all tiles.
    folds : int
        Of both protocols, at most; a labelling whose rarer class has fewer animals has fewer.
    seed : int
    unit : 'image' or 'tile'
        What the paper's protocol deals.
    names : sequence of str
        Of the baselines.
    dealings : int
        See `DEALINGS`.

    Returns
    -------
    dict
        The same for the same arguments.
    """
    animals = animals_of(tiles)
    labellings = labellings_of(animals, tiles.images, seed)
    distinct, which = labellings.distinct()
    n = -(-dealings // len(distinct))
    by_animal = _Dealt.by_animal(tiles, animals, np.repeat(distinct, n, axis=0), folds, seed)
    paper = _Dealt.over_images(tiles, animals, by_animal, seed, unit)
    found = {}
    for name in names:
        features = measured[:, FEATURES[name].columns]
        aucs = [dealt.aucs(features).reshape(len(distinct), n).mean(axis=1)[which] for dealt in (by_animal, paper)]
        found[name] = _figures(name, labellings, n, *aucs)
    return found


def _figures(
    name: BaselineName, labellings: Labellings, n: int, by_animal: NDArray[np.float64], paper: NDArray[np.float64]
) -> PermutationFigures:
    """Return the figures from the AUCs of all labellings, the first of which is the true one."""
    total = len(labellings)
    as_large = int((by_animal >= by_animal[0] - 1e-12).sum())  # a labelling's mirror image has the very same AUC
    mirrors = int((labellings.distinct()[1] == labellings.distinct()[1][0]).sum())
    return PermutationFigures(
        of=name,
        labellings=total,
        exact=labellings.exact,
        possible=labellings.possible,
        exchanged=labellings.words,
        dealings=n,
        auc=float(by_animal[0]),
        paper_auc=float(paper[0]),
        p_value=as_large / total,
        smallest_p=(mirrors if labellings.exact else 1) / total,
        null_by_animal=float(by_animal.mean()),
        null_paper=float(paper.mean()),
        testable=labellings.testable,
        draws=tuple(np.sort(by_animal).tolist()),
    )


@dataclass(frozen=True, slots=True)
class _Dealt:
    """Labellings of things (images, or parts of images) that are dealt into folds."""

    group: NDArray[np.int64]
    """(n,) which thing each tile of the set is of."""
    labels: NDArray[np.int8]
    """(labellings, things) -1 or 1."""
    folds: NDArray[np.int16]
    """(labellings, things)."""
    kind: Literal["paper", "by_animal"]

    @classmethod
    def by_animal(
        cls, tiles: TileTable, animals: list[Animal], swapped: NDArray[np.bool_], folds: int, seed: int
    ) -> _Dealt:
        rng = np.random.default_rng([seed, 8])
        images, group = np.unique(tiles.image_index, return_inverse=True)
        place = {image: number for number, image in enumerate(images.tolist())}
        members = [np.array([place[image] for image in animal.images.tolist()]) for animal in animals]
        truth = np.array([1 if tiles.images[image].label else -1 for image in images], dtype=np.int8)
        labels = np.tile(truth, (len(swapped), 1))
        fold_of = np.empty(labels.shape, np.int16)
        other = [animal.relabelled() for animal in animals]
        for row, is_swapped in enumerate(swapped.tolist()):
            named = [two if swap else one for one, two, swap in zip(animals, other, is_swapped, strict=True)]
            for number, part in enumerate(deal_at_random(named, folds, rng)):
                fold_of[row, [place[image] for image in part.tolist()]] = number
            for those, swap in zip(members, is_swapped, strict=True):
                if swap:
                    labels[row, those] = -labels[row, those]
        return cls(group.ravel(), labels, fold_of, "by_animal")

    @classmethod
    def over_images(cls, tiles: TileTable, animals: list[Animal], other: _Dealt, seed: int, unit: Unit) -> _Dealt:
        """Return the same labellings dealt over images, or over parts of images as dealing tiles would divide them."""
        rng = np.random.default_rng([seed, 9])
        k = other.folds.max(axis=1).astype(np.int64) + 1
        if unit == "image":
            keys = other.labels + rng.random(other.labels.shape)  # within a class in random order
            order = np.argsort(keys, axis=1)
            folds = np.empty(order.shape, np.int16)
            np.put_along_axis(folds, order, np.arange(order.shape[1]) % k[:, None], axis=1)
            return cls(other.group, other.labels, folds, "paper")
        # dealing tiles gives every fold an equal share of each image's
        parts = int(k.max())
        first = np.searchsorted(other.group, np.arange(other.group.max() + 1))
        within = np.arange(len(other.group)) - first[other.group]
        things, group = np.unique(other.group * parts + within % parts, return_inverse=True)
        labels = other.labels[:, things // parts]
        turn = rng.integers(parts, size=(len(labels), other.labels.shape[1]))[:, things // parts]
        return cls(group.ravel(), labels, ((things % parts + turn) % k[:, None]).astype(np.int16), "paper")

    def aucs(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (labellings,) the AUC of the things' mean scores, from pairs within folds."""
        sums = _Sums.of(features, self.group, self.labels.shape[1])
        return np.concatenate(
            [
                _within_folds(self.labels[start:end], self.folds[start:end], sums)
                for start in range(0, len(self.labels), _AT_ONCE)
                for end in [start + _AT_ONCE]
            ]
        )


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over the tiles of each thing."""

    numbers: NDArray[np.float64]
    """(things, p) of the numbers, standardised over all tiles, and of 1."""
    products: NDArray[np.float64]
    """(things, p * p) of their products."""

    @classmethod
    def of(cls, features: NDArray[np.floating], group: NDArray[np.int64], n: int) -> _Sums:
        x = np.asarray(features, np.float64)
        sd = x.std(0)
        z = np.column_stack([(x - x.mean(0)) / np.where(sd > 1e-12, sd, 1.0), np.ones(len(x))])
        order = np.argsort(group, kind="stable")
        starts = np.searchsorted(group[order], np.arange(n))
        numbers = np.add.reduceat(z[order], starts, axis=0)
        products = np.empty((n, z.shape[1] ** 2))
        for thing, rows in enumerate(np.split(order, starts[1:])):
            products[thing] = (z[rows].T @ z[rows]).ravel()
        return cls(numbers, products)


def _within_folds(labels: NDArray[np.int8], folds: NDArray[np.int16], sums: _Sums) -> NDArray[np.float64]:
    """Return the AUC of some labellings: wins over pairs, both summed over folds."""
    n, p = len(labels), sums.numbers.shape[1]
    means = sums.numbers / sums.numbers[:, -1:]
    all_products, signed = sums.products.sum(0), labels.astype(np.float64)
    all_signed = signed @ sums.numbers
    wins, pairs = np.zeros(n), np.zeros(n)
    for fold in range(int(folds.max()) + 1):
        test = folds == fold
        products = (all_products - test.astype(np.float64) @ sums.products).reshape(n, p, p)
        target = all_signed - (signed * test) @ sums.numbers
        weights = _solved(products, target)
        most = int(test.sum(1).max())
        chosen = np.argsort(~test, axis=1, kind="stable")[:, :most]
        there = np.take_along_axis(test, chosen, axis=1)
        scores = np.take_along_axis(weights @ means.T, chosen, axis=1)
        high = np.take_along_axis(labels == 1, chosen, axis=1) & there
        ranks = rankdata(np.where(there, scores, np.inf), axis=1)
        n_high = high.sum(1)
        n_pairs = n_high * (there.sum(1) - n_high)
        wins += np.where(n_pairs, (ranks * high).sum(1) - n_high * (n_high + 1) / 2.0, 0.0)
        pairs += n_pairs
    found: NDArray[np.float64] = wins / pairs
    return found


def _solved(products: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of the regularised least squares; the ridge is of numbers standardised on the training part.

    Parameters
    ----------
    products : (n, p, p) float64
        Sums over the training tiles; the last number is 1.
    target : (n, p) float64
        Sums of the numbers times the label.
    """
    count = np.maximum(products[:, -1:, -1], 1.0)
    mean = products[:, -1, :] / count
    variance = np.maximum(np.diagonal(products, axis1=1, axis2=2) / count - mean**2, 1e-9)
    penalty = _LEAST_SQUARES_RIDGE * variance
    penalty[:, -1] = 0.0
    regularised = products + penalty[:, :, None] * np.eye(products.shape[1])
    regularised[:, -1, -1] += 1e-9
    return np.asarray(np.linalg.solve(regularised, target[:, :, None])[:, :, 0], np.float64)

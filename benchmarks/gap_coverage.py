"""How often the intervals of the protocols' difference less its null, and of AUCs with random starts, hold the truth.

The last two tables of ``python -m benchmarks.interval_coverage``; alone, ``python -m benchmarks.gap_coverage`` takes
about a minute. Both are made of cohorts that go through the evaluation's own code.

- *Gap*: animals, each unlike the others in the numbers of a baseline, with a difference of the classes or none. Truth
  is 0 without a difference: then the true labelling is one of many alike. With one it is the mean over the cohorts.
  The null is subtracted as if it were known, so only simulation shows how often the interval holds.
- *Starts*: networks whose separation of the classes varies from start to start, and which differ in what they make of
  an animal and an image. Two truths: the AUC that the mean logit has over all cohorts, and that of one further
  network, as a model is one.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from hcc_scope.datasets.labelled_image import CLASSES, LabelledImage
from hcc_scope.datasets.tiles import ArrayTiles, TileTable
from hcc_scope.evaluation import labellings
from hcc_scope.evaluation.aggregation import ProtocolScores, Scored, protocol_scores
from hcc_scope.evaluation.auc import auc_difference, auc_estimate, start_spread
from hcc_scope.evaluation.baseline_figures import gap_figures
from hcc_scope.evaluation.baselines import baseline_fold
from hcc_scope.evaluation.permutations import permute
from hcc_scope.evaluation.splits import protocol_splits
from hcc_scope.evaluation.tile_features import FEATURES, N_FEATURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.evaluation.aggregation import TableLevel

ANIMALS = (3, 5, 10)
IMAGES = 8
EFFECTS = (0.0, 1.0, 2.0)
"""Of the class, in standard deviations of animals."""
COHORTS, COHORTS_OF_STARTS = 200, 300
LABELLINGS = 60
"""Drawn at random where not all are tried; more change the null's mean little and take long."""
FOLDS, STARTS = 5, 3
QUALITIES = (0.0, 0.2, 0.5)
"""SD of the log of what a network's random start does to the separation of the classes."""
IN_COMMON = 0.7
"""Share of the variance of animals and images that the starts of a fold have in common."""
NETWORKS = 200
_IMAGE = LabelledImage(Path("x.tif"), 0, "low", "a", "s", "d", 0.325, (2048, 2048), 16)


def cohort(rng: np.random.Generator, animals: int, effect: float) -> tuple[TileTable, NDArray[np.float64]]:
    """Return images of one tile each, of animals on days of their own, and the numbers of the baseline *histogram*."""
    listed, rows = [], []
    direction = np.zeros(N_FEATURES)
    direction[FEATURES["histogram"].columns] = 1.0 / math.sqrt(FEATURES["histogram"].n)
    for number in range(2 * animals):
        label = number % 2
        own = rng.normal(size=N_FEATURES) + effect * label * direction
        for i in range(IMAGES):
            name, index = f"a{number}", IMAGES * number + i
            listed.append(replace(_IMAGE, tumour_class=CLASSES[label], animal_id=name, day=name, index=index))
            rows.append(own + rng.normal(size=N_FEATURES))
    n = len(listed)
    reader = ArrayTiles(np.zeros((0, 1, 1), np.uint16))
    return TileTable(tuple(listed), np.arange(n), np.zeros(n, np.int64), reader), np.array(rows)


def gap(rng: np.random.Generator, animals: int, effect: float) -> tuple[float, float, float, float, float]:
    """Return difference, null and gap of one cohort, and the ends of the gap's interval."""
    tiles, measured = cohort(rng, animals, effect)
    seed = int(rng.integers(2**31))
    features = measured[:, FEATURES["histogram"].columns]
    paper, by_animal = (
        protocol_scores([baseline_fold(split, tiles, features) for split in splits], tiles, 1.0).pooled["image"]
        for splits in protocol_splits(tiles, FOLDS, seed)
    )
    with patch.object(labellings, "RANDOM", LABELLINGS), patch.object(labellings, "EXACT_UP_TO", 300):
        null = permute(tiles, measured, folds=FOLDS, seed=seed, names=("histogram",), dealings=40)["histogram"]
    figures = gap_figures("histogram", auc_difference(paper, by_animal), null)
    assert figures.difference is not None
    assert figures.gap is not None
    assert figures.gap.interval is not None
    return figures.difference.value, null.null_gap, figures.gap.value, *figures.gap.interval.pair


def with_starts(
    rng: np.random.Generator, animals: int, auc: float, quality: float
) -> tuple[float, float, float, float]:
    """Return the AUC of a cohort's mean logits, its interval, and the share of further networks that it holds."""
    k = min(animals, FOLDS)
    distance = math.sqrt(2.0) * float(norm.ppf(auc))
    animal = np.repeat(np.arange(2 * animals), IMAGES)
    labels, fold_of = animal % 2, animal // 2 % k

    def noise() -> NDArray[np.float64]:
        found: NDArray[np.float64] = (rng.normal(size=2 * animals)[animal] + rng.normal(size=len(animal))) / math.sqrt(
            2.0
        )
        return found

    shared = math.sqrt(IN_COMMON) * noise()
    ranks = np.empty((STARTS, len(animal)))
    for fold in range(k):
        of = fold_of == fold
        for start in range(STARTS):
            own = shared + math.sqrt(1.0 - IN_COMMON) * noise()
            ranks[start, of] = (own + labels * distance * math.exp(quality * rng.normal()))[of]

    def scored(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> dict[TableLevel, Scored]:
        names = tuple((i,) for i in np.flatnonzero(chosen).tolist())
        ids = tuple(map(str, range(2 * animals)))
        parts = labels[chosen], expit(values[chosen]), values[chosen], animal[chosen], fold_of[chosen]
        return {"image": Scored("image", *parts, names, ids)}

    everything = np.ones(len(animal), bool)
    mean = ranks.mean(axis=0)
    scores = ProtocolScores(
        scored(mean, everything),
        tuple(scored(mean, fold_of == fold) for fold in range(k)),
        tuple(tuple(scored(one, fold_of == fold) for one in ranks) for fold in range(k)),
    )
    estimate = auc_estimate(scores.pooled["image"], start_spread(scores, "image"))
    assert estimate is not None
    assert estimate.interval is not None
    low, high = estimate.interval.pair
    further = norm.cdf(distance * np.exp(quality * rng.normal(size=NETWORKS)) / math.sqrt(2.0))
    return estimate.value, low, high, float(((low <= further) & (further <= high)).mean())


def main() -> None:
    """Print both tables."""
    rng = np.random.default_rng(3)
    print("\nDifference of the two protocols less that of classes which mean nothing, of the baseline histogram\n")
    print("| animals per class | class, SD of animals | difference | null | gap | interval holds | width |")
    print("|---|---|---|---|---|---|---|")
    for animals in ANIMALS:
        for effect in EFFECTS:
            found = np.array([gap(rng, animals, effect) for _ in range(COHORTS)])
            difference, null, value = found[:, :3].mean(axis=0)
            truth = value if effect else 0.0
            held = ((found[:, 3] <= truth) & (truth <= found[:, 4])).mean()
            print(
                f"| {animals} | {effect:g} | {difference:+.2f} | {null:+.2f} | {value:+.3f} | {held:.2f} "
                f"| {(found[:, 4] - found[:, 3]).mean():.2f} |",
                flush=True,
            )
    print(f"\nAUC with the random start in its interval, {STARTS} starts per fold\n")
    print("| animals per class | AUC of one network | SD of its log separation | mean logit | one further network |")
    print("|---|---|---|---|---|")
    for animals in ANIMALS:
        for auc in (0.69, 0.93):
            for quality in QUALITIES:
                values = np.array([with_starts(rng, animals, auc, quality) for _ in range(COHORTS_OF_STARTS)])
                truth = values[:, 0].mean()
                held = ((values[:, 1] <= truth) & (truth <= values[:, 2])).mean()
                print(f"| {animals} | {auc} | {quality} | {held:.2f} | {values[:, 3].mean():.2f} |", flush=True)


if __name__ == "__main__":
    main()

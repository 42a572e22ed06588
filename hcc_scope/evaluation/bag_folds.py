"""Heads for bags on the folds of an evaluation: which tiles are a bag, and what each head makes of the held-out ones.

By animal a bag is a section. Under the paper's protocol it is an image, because there the images of one section are on
both sides. What a head finds is given as a `FoldResult` in which every tile has the logits of its bag: then the scores
of images, sections and animals, and all figures, are computed by the code that computes those of the networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import DatasetError
from hcc_scope.evaluation.results import FoldResult, StartResult
from hcc_scope.phantom.effects import stable_rng
from hcc_scope.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.bag_features import FeatureSource, StartFeatures
    from hcc_scope.evaluation.results import Split
    from hcc_scope.progress import OnProgress
    from hcc_scope.training.bags import BagScore, HeadName

__all__ = ["Bag", "BagFold", "bags_of", "run_heads"]

STAGE = "heads"


@dataclass(frozen=True, slots=True)
class Bag:
    """Tiles that share one label."""

    name: tuple[Hashable, ...]
    """``(animal, section)``, or ``(index of the image,)``."""
    places: NDArray[np.int64]
    """(t,) of its tiles, in the rows that it was made of."""
    label: int


@dataclass(frozen=True, slots=True)
class BagFold:
    """What the heads of one kind make of a fold's test bags."""

    head: HeadName
    split: Split
    rows: NDArray[np.int64]
    """(k,) of all test tiles."""
    labels: NDArray[np.int64]
    """(k,)."""
    counted: NDArray[np.bool_]
    """(k,) which of them are in a bag: those that count in use."""
    bags: tuple[Bag, ...]
    """Of the test part; places are in `rows`."""
    train_bags: int
    logits: NDArray[np.float32]
    """(starts, bags) of *high*."""
    weights: NDArray[np.float32]
    """(k,) mean over the starts of each tile's share in its bag; 0 where it is in none."""
    tile_logits: NDArray[np.float32]
    """(k,) mean over the starts of the logit that each tile would have alone; 0 where it is in none."""

    @property
    def as_fold(self) -> FoldResult:
        """The same as predictions of tiles, start by start: each has the logit of its bag."""
        starts = []
        for number, of_bags in enumerate(self.logits, start=1):
            odds = np.zeros(len(self.rows), np.float32)
            for bag, value in zip(self.bags, of_bags, strict=True):
                odds[bag.places] = value
            # a head measures no distance; these make `FoldResult.counted` that of the bags
            unlike = (~self.counted).astype(np.float32)
            logits = np.stack([np.zeros_like(odds), odds], axis=1)
            starts.append(StartResult(logits, number, distances=unlike, ood_threshold=0.5))
        return FoldResult(self.split, self.rows, self.labels, tuple(starts))


def bags_of(tiles: TileTable, rows: NDArray[np.int64], split: Split) -> tuple[Bag, ...]:
    """Return the bags that some tiles of a fold make up, in the order of the table.

    Parameters
    ----------
    tiles : TileTable
    rows : (k,) int64
        Ascending.
    split : Split
        By animal, bags are sections; else images.
    """
    images = tiles.images
    groups: dict[tuple[Hashable, ...], list[int]] = {}
    for place, index in enumerate(tiles.image_index[rows].tolist()):
        name = images[index].section if split.protocol == "by_animal" else (index,)
        groups.setdefault(name, []).append(place)
    of_image = tiles.image_index[rows]
    return tuple(
        Bag(name, np.array(places, np.int64), int(split.labels[of_image[places[0]]])) for name, places in groups.items()
    )


def run_heads(
    heads: Sequence[HeadName],
    source: FeatureSource,
    splits: Sequence[Split],
    tiles: TileTable,
    seed: int,
    on_progress: OnProgress,
) -> dict[HeadName, tuple[BagFold, ...]]:
    """Train the heads for each start of each fold, and let them score the fold's test bags.

    Parameters
    ----------
    heads : sequence of str
    source : FeatureSource
    splits : sequence of Split
        Of the two protocols.
    tiles : TileTable
    seed : int
        Of the evaluation; each head's own is derived from it.
    on_progress : callable
        Takes a `Progress` after each fold.

    Raises
    ------
    DatasetError
        If nothing of a fold's test part counts.
    DivergedError
        If a head diverges.
    """
    found: dict[HeadName, list[BagFold]] = {head: [] for head in heads}
    for done, split in enumerate(splits, start=1):
        train, test = split.train_rows(tiles), split.test_rows(tiles)
        counted = source.counted(split)
        bags, train_bags = bags_of(tiles, test[counted], split), bags_of(tiles, train, split)
        if not bags:
            raise DatasetError(
                f"every tile that fold {split.fold + 1} of '{split.protocol}' tests is unlike those that its networks "
                "were trained on: there is no bag to score",
                hint="Give more images of more animals.",
            )
        kept = np.flatnonzero(counted)
        bags = tuple(Bag(bag.name, kept[bag.places], bag.label) for bag in bags)
        scores: dict[HeadName, list[list[BagScore]]] = {head: [] for head in heads}
        for features in source.starts_of(split):
            for head, of_bags in _one_start(heads, features, train_bags, bags, split, seed).items():
                scores[head].append(of_bags)
        for head in heads:
            found[head].append(_fold(head, split, tiles, test, counted, bags, len(train_bags), scores[head]))
        on_progress(Progress(STAGE, done, len(splits), f"{split.protocol} {split.fold + 1}"))
    return {head: tuple(folds) for head, folds in found.items()}


def _one_start(
    heads: Sequence[HeadName],
    features: StartFeatures,
    train_bags: Sequence[Bag],
    bags: Sequence[Bag],
    split: Split,
    seed: int,
) -> dict[HeadName, list[BagScore]]:
    from hcc_scope.training.bags import Reduction, fit_head

    reduction = Reduction.fit(features.train)
    reduced = reduction.apply(features.train)
    labels = np.array([bag.label for bag in train_bags], np.int64)
    found = {}
    for head in heads:
        own = int(stable_rng("bag head", seed, head, split.protocol, split.fold, features.start).integers(2**31))
        trained = fit_head(head, [reduced[bag.places] for bag in train_bags], labels, reduction, own)
        found[head] = [trained.score(features.test[bag.places]) for bag in bags]
    return found


def _fold(
    head: HeadName,
    split: Split,
    tiles: TileTable,
    rows: NDArray[np.int64],
    counted: NDArray[np.bool_],
    bags: tuple[Bag, ...],
    train_bags: int,
    scores: list[list[BagScore]],
) -> BagFold:
    weights, tile_logits = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    for place, bag in enumerate(bags):
        weights[bag.places] = np.mean([start[place].weights for start in scores], axis=0)
        tile_logits[bag.places] = np.mean([start[place].tile_logits for start in scores], axis=0)
    return BagFold(
        head=head,
        split=split,
        rows=rows,
        labels=tiles.of_images(split.labels)[rows],
        counted=counted,
        bags=bags,
        train_bags=train_bags,
        logits=np.array([[score.logit for score in start] for start in scores], np.float32),
        weights=weights,
        tile_logits=tile_logits,
    )

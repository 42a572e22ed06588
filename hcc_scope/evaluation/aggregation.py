"""Aggregate the logits of held-out tiles to scores of images, sections and animals, as the live score does.

Tile probability (calibrated) -> image = mean over its tiles -> section = mean over its images -> animal = mean over its
sections (`hcc_scope.scoring`). Where images of one section are in several folds (protocol *paper*), each image has the
score that the fold gave it in which it was held out, and the section is the mean over all of them.

As in use, a tile that is unlike the training tiles of the network that scores it is left out: it has no score at any
level. An image, section or animal without another tile has none either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_scope.evaluation.results import FoldResult
from hcc_scope.scoring import calibrate, log_odds

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable

__all__ = [
    "LEVELS",
    "TABLE_LEVELS",
    "Level",
    "ProtocolScores",
    "Scored",
    "TableLevel",
    "animal_strata",
    "protocol_scores",
    "scored",
]

Level = Literal["tile", "image", "section", "animal"]
LEVELS: tuple[Level, ...] = ("tile", "image", "section", "animal")
TableLevel = Literal["tile_all", "tile", "image", "section", "animal"]
"""``tile_all``: all tiles that were tested, those that are unlike the training's too, as in the paper."""
TABLE_LEVELS: tuple[TableLevel, ...] = ("tile_all", *LEVELS)


@dataclass(frozen=True, slots=True)
class Scored:
    """Everything of one level that a protocol has held out, in a fixed order."""

    level: Level
    labels: NDArray[np.int64]
    """(n,) 0 for low, 1 for high."""
    scores: NDArray[np.float64]
    """(n,) calibrated probability of *high*, or a mean of them."""
    ranks: NDArray[np.float64]
    """(n,) what AUCs are computed from: the log-odds of tiles, which never saturate, and the scores of all else."""
    animals: NDArray[np.int64]
    """(n,) into `animal_ids`."""
    folds: NDArray[np.int64]
    """(n,) in which it was held out; -1: parts of it in several."""
    names: tuple[tuple[Hashable, ...], ...]
    """What each is: ``(row,)`` of a tile, ``(index,)`` of an image, ``(animal, section)``, ``(animal,)``."""
    animal_ids: tuple[str, ...]
    """All of the set, sorted."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.labels)

    def part(self, chosen: NDArray[np.bool_]) -> Scored:
        """Return some of them."""
        return Scored(
            self.level,
            self.labels[chosen],
            self.scores[chosen],
            self.ranks[chosen],
            self.animals[chosen],
            self.folds[chosen],
            tuple(self.names[i] for i in np.flatnonzero(chosen)),
            self.animal_ids,
        )


@dataclass(frozen=True, slots=True)
class ProtocolScores:
    """The scores of everything that one protocol has held out, at all levels."""

    pooled: dict[TableLevel, Scored]
    """Of all folds together."""
    folds: tuple[dict[TableLevel, Scored], ...]
    """Of each fold in order, without what is in several folds; empty where a fold scores nothing."""
    singles: tuple[tuple[dict[TableLevel, Scored], ...], ...] = ()
    """Of each fold, what each of its networks makes of the fold's test part alone; empty where there is one network."""
    by_start: tuple[dict[TableLevel, Scored], ...] = ()
    """The networks of the same place in their folds, put together as in `pooled`; where a fold has fewer that have
    learnt something, they come round again."""


def protocol_scores(folds: Sequence[FoldResult], tiles: TileTable, temperature: float) -> ProtocolScores:
    """Return the scores of one protocol, pooled and fold by fold, of all tiles and as in use.

    Parameters
    ----------
    folds : sequence of FoldResult
        With two outputs; no image is held out twice.
    tiles : TileTable
    temperature : float
    """
    pooled = _at_all_levels(folds, tiles, temperature)
    by_fold = tuple(
        {level: values.part(values.folds == fold.split.fold) for level, values in pooled.items()} for fold in folds
    )
    if max(len(fold.used) for fold in folds) < 2:
        return ProtocolScores(pooled, by_fold, tuple(() for _ in folds))
    networks = [[FoldResult(fold.split, fold.rows, fold.labels, (start,)) for start in fold.used] for fold in folds]
    return ProtocolScores(
        pooled,
        by_fold,
        tuple(tuple(_at_all_levels([one], tiles, temperature) for one in those) for those in networks),
        tuple(
            _at_all_levels([those[i % len(those)] for those in networks], tiles, temperature)
            for i in range(max(map(len, networks)))
        ),
    )


def _at_all_levels(folds: Sequence[FoldResult], tiles: TileTable, temperature: float) -> dict[TableLevel, Scored]:
    in_use = scored(folds, tiles, temperature)
    return {
        "tile_all": _tile_scores(folds, tiles, temperature, all_tiles=True),
        **{level: in_use[level] for level in LEVELS},
    }


def scored(folds: Sequence[FoldResult], tiles: TileTable, temperature: float) -> dict[Level, Scored]:
    """Return the scores of a protocol's held-out tiles at all levels, as in use.

    Parameters
    ----------
    folds : sequence of FoldResult
        With two outputs; no image is held out twice.
    tiles : TileTable
    temperature : float

    Returns
    -------
    dict
        By level. A section or animal with images of both classes counts as two, one of each class.
    """
    images = tiles.images
    tile = _tile_scores(folds, tiles, temperature, all_tiles=False)
    image = _means(tile, "image", [(index,) for index in tiles.image_index[_rows(tile)].tolist()])
    section = _means(image, "section", [images[int(str(name[0]))].section for name in image.names])
    animal = _means(section, "animal", [(name[0],) for name in section.names])
    return {"tile": tile, "image": image, "section": section, "animal": animal}


def _rows(tile: Scored) -> NDArray[np.int64]:
    return np.array([name[0] for name in tile.names], dtype=np.int64)


def _tile_scores(folds: Sequence[FoldResult], tiles: TileTable, temperature: float, *, all_tiles: bool) -> Scored:
    """Return the scores of tiles in the order of the table; those that are unlike the training's only if asked for."""
    animal_ids = tuple(sorted({image.animal_id for image in tiles.images}))
    code = {name: i for i, name in enumerate(animal_ids)}
    animal_of = np.array([code[image.animal_id] for image in tiles.images], dtype=np.int64)

    counted = [np.ones(len(fold.rows), bool) if all_tiles else fold.counted for fold in folds]
    rows = np.concatenate([fold.rows[kept] for fold, kept in zip(folds, counted, strict=True)])
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    odds = np.concatenate([log_odds(fold.logits)[kept] for fold, kept in zip(folds, counted, strict=True)])[order]
    labels = np.concatenate([fold.labels[kept] for fold, kept in zip(folds, counted, strict=True)])[order]
    fold_of = np.repeat([fold.split.fold for fold in folds], [int(kept.sum()) for kept in counted]).astype(np.int64)
    return Scored(
        "tile",
        labels,
        calibrate(odds, temperature).astype(np.float64),
        odds.astype(np.float64),
        animal_of[tiles.image_index[rows]],
        fold_of[order],
        tuple((row,) for row in rows.tolist()),
        animal_ids,
    )


def _means(below: Scored, level: Level, names: Sequence[tuple[Hashable, ...]]) -> Scored:
    """Return the means over everything of `below` that shares a name and a class, in order of first appearance."""
    index: dict[tuple[tuple[Hashable, ...], int], int] = {}
    labels = below.labels.tolist()
    group = np.array([index.setdefault(key, len(index)) for key in zip(names, labels, strict=True)], dtype=np.int64)
    first = np.zeros(len(index), np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    scores = np.bincount(group, below.scores) / np.bincount(group)
    folds = below.folds[first]
    folds[np.unique(group[below.folds != folds[group]])] = -1
    return Scored(
        level,
        below.labels[first],
        scores,
        scores,
        below.animals[first],
        folds,
        tuple(name for name, _ in index),
        below.animal_ids,
    )


def animal_strata(tiles: TileTable) -> NDArray[np.int64]:
    """Return (animals,) what each animal with usable tiles carries: 0 low, 1 high, 2 both; -1 has no usable tile."""
    names = sorted({image.animal_id for image in tiles.images})
    carried: dict[str, set[int]] = {name: set() for name in names}
    for index in np.unique(tiles.image_index).tolist():
        carried[tiles.images[index].animal_id].add(tiles.images[index].label)
    return np.array([2 if len(c := carried[n]) == 2 else (next(iter(c)) if c else -1) for n in names], dtype=np.int64)

"""Starts of folds without a network, for the tests of their evaluation: as quick as reading the tiles."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import DivergedError
from hcc_scope.evaluation.aggregation import Scored
from hcc_scope.evaluation.start_folder import keep_start
from hcc_scope.progress import Progress
from hcc_scope.storage.tile_array import TileArray
from hcc_scope.training.metrics import LearningCheck

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.datasets.tiles import TileReader
    from hcc_scope.evaluation.aggregation import Level
    from hcc_scope.evaluation.start_task import StartTask
    from hcc_scope.executors.tasks import Here


def scored(labels: object, scores: object, animals: object, level: Level = "image", folds: object = None) -> Scored:
    """Return scores that an evaluation might have found."""
    labels, scores, animals = np.asarray(labels), np.asarray(scores, float), np.asarray(animals)
    n = len(labels)
    return Scored(
        level=level,
        labels=labels,
        scores=scores,
        ranks=scores,
        animals=animals,
        folds=np.zeros(n, int) if folds is None else np.asarray(folds),
        names=tuple((i,) for i in range(n)),
        animal_ids=tuple(f"a{i}" for i in range(animals.max() + 1)),
    )


KNOWS = LearningCheck(loss=0.2, chance=0.69, auc=0.9, luck=0.6)
"""What a network that has learnt something makes of its training tiles."""


def quick_start(task: StartTask, here: Here) -> None:
    """Tell classes by the nearest training tile in two features, which learns animals by heart; kept as a start is."""
    tiles, split = here.prepared, task.split
    train, test = split.train_rows(tiles), split.test_rows(tiles)
    labels = tiles.of_images(split.labels)
    pixels = tiles.reader.read(np.arange(len(tiles))).astype(np.float64)
    features = np.stack([pixels.mean((1, 2)), np.abs(np.diff(pixels, axis=2)).mean((1, 2))], axis=1)
    features = (features - features[train].mean(0)) / (features[train].std(0) + 1e-9)
    distances = ((features[test][:, None] - features[train][None]) ** 2).sum(2)
    logits = -np.stack([distances[:, labels[train] == c].min(1) for c in (0, 1)], axis=1)
    here.send(Progress("train", 1, 1, "quick"))
    part = task.folder.with_name(task.folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    # a start differs from another by a little
    logits = logits * (1.0 + 0.01 * np.random.default_rng(task.config.seed).standard_normal(logits.shape))
    keep_start(part, tiles, task, logits.astype(np.float32), features[test].astype(np.float32), [KNOWS])
    part.rename(task.folder)


def breaks_by_animal(task: StartTask, here: Here) -> None:
    """As `quick_start`, but the second fold by animal diverges."""
    if task.split.protocol == "by_animal" and task.split.fold == 1:
        raise DivergedError("the loss is no finite number", hint="Use a lower learning rate.")
    quick_start(task, here)


class OnOneMachine:
    """A reader of tiles that another process looks for in a folder where there are none."""

    def __init__(self, reader: TileReader, folder: Path) -> None:
        self.read, self._folder = reader.read, folder

    def __reduce__(self) -> tuple[type[TileArray], tuple[Path, int, int]]:
        return TileArray, (self._folder, 8, 48)

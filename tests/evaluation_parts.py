"""Folds without a network, for the tests of their evaluation: as quick as reading the tiles."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import DivergedError
from hcc_scope.evaluation.fold import keep_fold
from hcc_scope.progress import Progress
from hcc_scope.training.metrics import LearningCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.fold import FoldTask


KNOWS = LearningCheck(loss=0.2, chance=0.69, auc=0.9, luck=0.6, one_answer=False)
"""What a network that has learnt something makes of its training tiles."""


def quick_fold(shared: TileTable, task: FoldTask, send: Callable[[object], None]) -> None:
    """Tell classes by the nearest training tile in two features, which learns animals by heart; kept as a fold is."""
    tiles, split = shared, task.split
    train, test = split.train_rows(tiles), split.test_rows(tiles)
    labels = tiles.of_images(split.labels)
    pixels = tiles.reader.read(np.arange(len(tiles))).astype(np.float64)
    features = np.stack([pixels.mean((1, 2)), np.abs(np.diff(pixels, axis=2)).mean((1, 2))], axis=1)
    features = (features - features[train].mean(0)) / (features[train].std(0) + 1e-9)
    distances = ((features[test][:, None] - features[train][None]) ** 2).sum(2)
    logits = -np.stack([distances[:, labels[train] == c].min(1) for c in range(task.n_outputs)], axis=1)
    send(Progress("train", 1, 1, "quick"))
    part = task.folder.with_name(task.folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    keep_fold(part, tiles, task, logits.astype(np.float32), features[test].astype(np.float32), [KNOWS])
    part.rename(task.folder)


def breaks_by_animal(shared: TileTable, task: FoldTask, send: Callable[[object], None]) -> None:
    """As `quick_fold`, but the second fold by animal diverges."""
    if task.split.protocol == "by_animal" and task.split.fold == 1:
        raise DivergedError("the loss is no finite number", hint="Use a lower learning rate.")
    quick_fold(shared, task, send)


def dies_by_animal(shared: TileTable, task: FoldTask, send: Callable[[object], None]) -> None:
    """As `quick_fold`, but the process of the first fold by animal is killed, as one that takes too much memory."""
    if task.split.protocol == "by_animal":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    quick_fold(shared, task, send)


def never_ends(shared: None, task: int, send: Callable[[object], None]) -> None:
    """Tell the parent the process's id, over and over."""
    while True:
        send(os.getpid())
        time.sleep(0.05)

"""Evaluations that were never run, for the tests of figures: structured random numbers instead of networks' answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES, LabelledImage, LabelledSet
from hcc_scope.datasets.tiles import TileTable
from hcc_scope.evaluation.results import EvaluationResult, FoldResult, Split, StartResult
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.fit_result import Epoch
from tests.labelled_image_parts import texture_tile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.evaluation.results import ProtocolName

N_FEATURES = 64


@dataclass(frozen=True)
class TexturedTiles:
    """Draws each tile when it is asked for."""

    labels: np.ndarray

    def read(self, rows: Sequence[int]) -> np.ndarray:
        return np.stack([texture_tile(np.random.default_rng(row), int(self.labels[row])) for row in rows])


def fake_set(animals_per_class: int, sections: int, images: int, tiles: int) -> tuple[LabelledSet, TileTable]:
    """Images on one day per section and class, all of them synthetic."""
    listed = tuple(
        LabelledImage(
            path=Path(f"/nowhere/{name}{animal}-s{section}-{image}.tif"),
            index=0,
            tumour_class=name,
            animal_id=f"{name[0].upper()}{animal}",
            section_id=f"s{section}",
            day=f"2026-03-{1 + 2 * section + CLASSES.index(name):02d}",
            pixel_size_um=0.325,
            shape_yx=(2048, 2048),
            bit_depth=16,
        )
        for animal in range(1, animals_per_class + 1)
        for name in CLASSES
        for section in range(1, sections + 1)
        for image in range(images)
    )
    index = np.repeat(np.arange(len(listed)), tiles)
    labels = np.array([image.label for image in listed])[index]
    table = TileTable(listed, index, np.tile(np.arange(tiles), len(listed)), TexturedTiles(labels))
    return LabelledSet(Path("/nowhere/m.csv"), listed, 0.325, 16, "f" * 64, "Noise of two grains, for tests."), table


def fake_fold(
    protocol: ProtocolName, fold: int, test: np.ndarray, table: TileTable, weights: Path, leak: float
) -> FoldResult:
    """Class, animal and day each move the answer; with `leak` less of the animal is left in the way."""
    rng = np.random.default_rng([fold, len(protocol)])
    images = table.images
    labels = np.array([image.label for image in images])
    rows = table.rows_of(test)
    of_tile = labels[table.image_index[rows]]
    animal_shift = {image.animal_id: np.random.default_rng(ord(image.animal_id[-1])).normal() for image in images}
    shift = np.array([animal_shift[images[i].animal_id] for i in table.image_index[rows]])
    odds = 0.9 * (of_tile - 0.5) + (1 - leak) * 0.9 * shift + rng.normal(0, 1.0, len(rows))
    logits = np.stack([-odds, odds], axis=1).astype(np.float32)
    shift = shift + rng.normal(0, 0.4, len(shift))
    axes = rng.normal(size=(3, N_FEATURES))
    day = np.array([int(images[i].day[-2:]) for i in table.image_index[rows]])
    features = odds[:, None] * axes[0] + 2 * shift[:, None] * axes[1] + 0.5 * day[:, None] * axes[2]
    features = np.maximum(features + rng.normal(0, 2.0, features.shape), 0).astype(np.float32)
    history = tuple(
        Epoch(e, 0.7 * 0.85**e + 0.02 * rng.random(), 0.62 * 0.9**e + 0.05 * rng.random(), 0.9, 1e-3, 1.0)
        for e in range(1, 13)
    )
    train = np.setdiff1d(np.arange(len(images)), test)
    start = StartResult(logits, features=features, history=history, weights=weights)
    return FoldResult(Split(protocol, fold, train, test, labels), rows, of_tile, (start,))


def fake_result(
    weights: Path,
    *,
    animals_per_class: int = 3,
    sections: int = 2,
    images: int = 2,
    tiles: int = 2,
    folds: int = 3,
    alone: bool = False,
) -> EvaluationResult:
    """Folds over images leak, folds by animal do not; with `alone` each animal is a fold."""
    data, table = fake_set(animals_per_class, sections, images, tiles)
    names = sorted({image.animal_id for image in data.images}, key=lambda name: (name[1:], name[0]))
    place = np.array([names.index(image.animal_id) for image in data.images])
    pairs = place // 2
    by_animal = place if alone else pairs
    over_images = np.random.default_rng(0).permutation(np.arange(len(data.images)) % folds)
    found = [fake_fold("paper", k, np.flatnonzero(over_images == k), table, weights, 0.9) for k in range(folds)]
    found += [
        fake_fold("by_animal", k, np.flatnonzero(by_animal == k), table, weights, 0.0)
        for k in range(by_animal.max() + 1)
    ]
    return EvaluationResult(
        data, table, TrainConfig(), tuple(found), temperature=1.6, threshold=0.47, leave_one_out=alone
    )

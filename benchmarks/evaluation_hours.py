"""Measure what a network of an evaluation costs at the paper's scale, and compute the hours of an evaluation.

Tiles of two textures stand for a labelled set; they come from memory, so reading the cache is not counted. One network
is trained, predicts its test tiles and measures how unlike its training they are, exactly as in an evaluation
(`hcc_scope.evaluation.fold.run_start`): with ``--tiles`` tiles, and with twice as many. A part of its time is that of
the steps and the same for any set, the rest grows with the set: a line through both sizes gives the time for the
paper's 30,720. The time is that of the processor, with one thread: other programs disturb it least.

Run with ``python -m benchmarks.evaluation_hours``; four minutes on an idle core.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.cache import TILE_PX
from hcc_scope.datasets.labelled_image import CLASSES, LabelledImage
from hcc_scope.datasets.tiles import TileTable
from hcc_scope.evaluation.fold import run_start
from hcc_scope.evaluation.run import DEFAULT_STARTS
from hcc_scope.evaluation.splits import protocol_splits
from hcc_scope.evaluation.start_task import start_tasks
from hcc_scope.executors.tasks import Here
from hcc_scope.executors.this_process import ThisProcess
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.recipes import settings_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PAPER_TILES, PAPER_FOLDS, ANIMALS, TILES_OF_IMAGE = 30_720, 5, 20, 16
POOL = 64
"""Different tiles of each class."""
WORKERS = (1, 8, 20)


@dataclass
class Textures:
    """Tiles of fine or coarse grain, by the label of their row."""

    labels: NDArray[np.int64]
    pool: NDArray[np.uint16] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(2019)
        self.pool = np.stack([_tile(rng, label) for label in range(len(CLASSES)) for _ in range(POOL)])

    def read(self, rows: Sequence[int] | NDArray[np.integer]) -> NDArray[np.uint16]:
        """Return tiles as `hcc_scope.datasets.tiles.TileReader` does."""
        wanted = np.asarray(rows, dtype=np.intp)
        return np.take(self.pool, self.labels[wanted] * POOL + wanted % POOL, axis=0)


def _tile(rng: np.random.Generator, label: int) -> NDArray[np.uint16]:
    grain = (32, 2)[label]
    coarse = rng.normal(30_000, 6_000, (TILE_PX // grain, TILE_PX // grain))
    return np.kron(coarse, np.ones((grain, grain))).clip(0, 65535).astype(np.uint16)


def tile_table(n_tiles: int) -> TileTable:
    n_images = n_tiles // TILES_OF_IMAGE
    images = tuple(
        LabelledImage(
            path=Path(f"/nowhere/{i}.tif"),
            index=0,
            tumour_class=CLASSES[i % 2],
            animal_id=f"{CLASSES[i % 2]}-{i // 2 % (ANIMALS // 2)}",
            section_id="s1",
            day="d1",
            pixel_size_um=0.325,
            shape_yx=(4 * TILE_PX, 4 * TILE_PX),
            bit_depth=16,
        )
        for i in range(n_images)
    )
    index = np.repeat(np.arange(n_images), TILES_OF_IMAGE)
    labels = np.array([image.label for image in images])[index]
    digests = tuple(f"{i:064x}" for i in range(n_images))
    return TileTable(images, index, np.tile(np.arange(TILES_OF_IMAGE), n_images), Textures(labels), TILE_PX, digests)


def network_s(n_tiles: int, config: TrainConfig) -> float:
    """Return the seconds that a network of so many tiles takes the processor."""
    tiles = tile_table(n_tiles)
    split = protocol_splits(tiles, PAPER_FOLDS, config.seed)[1][0]  # by animal
    (worker,) = ThisProcess(1).workers()
    with tempfile.TemporaryDirectory() as folder:
        (task,) = start_tasks(Path(folder), split, config, 1)
        began_s = time.process_time()
        run_start(task, Here(worker, lambda _message: None, tiles))
        return time.process_time() - began_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=1536, help="More than a network is trained on.")
    parser.add_argument("--network", default="meng2019", choices=("meng2019", "compact"))
    given = parser.parse_args()
    config = TrainConfig(network=given.network, precision="float32", device="cpu", threads=1)
    steps = settings_for(config)
    small_s, large_s = (network_s(factor * given.tiles, config) for factor in (1, 2))
    of_a_tile_s = (large_s - small_s) / given.tiles
    of_steps_s = small_s - of_a_tile_s * given.tiles
    paper_s = of_steps_s + of_a_tile_s * PAPER_TILES
    print(
        f"{given.network}, recipe {config.recipe}, {steps.steps} steps of {steps.batch} tiles, one thread: "
        f"{small_s:.0f} s for {given.tiles} tiles, {large_s:.0f} s for {2 * given.tiles}, so {of_steps_s:.0f} s and "
        f"{1000 * of_a_tile_s:.1f} ms a tile; for {PAPER_TILES} tiles {paper_s / 60:.1f} minutes"
    )
    n = 2 * PAPER_FOLDS * DEFAULT_STARTS
    for workers in WORKERS:
        print(f"{n} networks on {workers:2} workers: {math.ceil(n / workers) * paper_s / 3600:.1f} hours")


if __name__ == "__main__":
    main()

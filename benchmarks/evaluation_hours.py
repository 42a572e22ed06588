"""Measure what a network of an evaluation costs at the paper's scale, and compute the hours of an evaluation.

Tiles of two textures stand for a labelled set; they come from memory, so reading the cache is not counted. One network
is trained, predicts its test tiles and measures how unlike its training they are, exactly as in an evaluation
(`hcc_scope.evaluation.fold.run_start`). The time is that of the processor, with one thread: other programs disturb it
least.

- ``python -m benchmarks.evaluation_hours --paper``: a network of the paper's 30,720 tiles, measured; ten minutes on an
  idle core.
- ``python -m benchmarks.evaluation_hours``: the same, calculated in four minutes. Two sets are measured, of ``--tiles``
  tiles and of twice as many. A part of a network's time is that of the steps and the same for any set, the rest grows
  with the set: a line through both sizes gives the time for 30,720.
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


def network_s(n_tiles: int, config: TrainConfig) -> tuple[float, float]:
    """Return the seconds of processor time that a network of so many tiles takes, and those of the clock."""
    tiles = tile_table(n_tiles)
    split = protocol_splits(tiles, PAPER_FOLDS, config.seed)[1][0]  # by animal
    (worker,) = ThisProcess(1).workers()
    with tempfile.TemporaryDirectory() as folder:
        (task,) = start_tasks(Path(folder), split, config, 1)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        run_start(task, Here(worker, lambda _message: None, tiles))
        return time.process_time() - began_cpu_s, time.perf_counter() - began_s


def _calculated_s(n_tiles: int, config: TrainConfig, what: str) -> float:
    """Return the processor seconds of a network at the paper's scale, from those of two smaller sets."""
    small_s, large_s = (network_s(factor * n_tiles, config)[0] for factor in (1, 2))
    of_a_tile_s = (large_s - small_s) / n_tiles
    of_steps_s = small_s - of_a_tile_s * n_tiles
    paper_s = of_steps_s + of_a_tile_s * PAPER_TILES
    print(
        f"{what}: {small_s:.0f} s for {n_tiles} tiles, {large_s:.0f} s for {2 * n_tiles}, so {of_steps_s:.0f} s and "
        f"{1000 * of_a_tile_s:.1f} ms a tile; calculated for {PAPER_TILES} tiles: {paper_s / 60:.1f} minutes"
    )
    return paper_s


def _measured_s(config: TrainConfig, what: str) -> float:
    """Return the processor seconds of a network at the paper's scale."""
    paper_s, clock_s = network_s(PAPER_TILES, config)
    print(
        f"{what}: measured for {PAPER_TILES} tiles: {paper_s / 60:.1f} minutes of the processor, "
        f"{clock_s / 60:.1f} of the clock"
    )
    return paper_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paper", action="store_true", help="Measure at 30,720 tiles, instead of calculating.")
    parser.add_argument("--tiles", type=int, default=1536, help="More than a network is trained on.")
    parser.add_argument("--network", default="meng2019", choices=("meng2019", "compact"))
    given = parser.parse_args()
    config = TrainConfig(network=given.network, precision="float32", device="cpu", threads=1)
    steps = settings_for(config)
    what = f"{given.network}, recipe {config.recipe}, {steps.steps} steps of {steps.batch} tiles, one thread"
    paper_s = _measured_s(config, what) if given.paper else _calculated_s(given.tiles, config, what)
    n = 2 * PAPER_FOLDS * DEFAULT_STARTS
    for workers in WORKERS:
        print(f"{n} networks on {workers:2} workers, calculated: {math.ceil(n / workers) * paper_s / 3600:.1f} hours")


if __name__ == "__main__":
    main()

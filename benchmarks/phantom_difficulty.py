"""Measure how hard phantom cohorts are: ``python -m benchmarks phantom_difficulty --help``.

Draws animals as `hcc-scope phantom cohort` does. Some of each class train, the others test, so that there are as many
test animals as one likes. Prints the AUC at four levels of the baselines of every evaluation and of networks from
several random starts (the mean of their logits), and the difference of network and texture, each with its interval over
test animals; the training animals are given. ``--arrangement-only`` takes every other difference of the classes away.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.cache import cut_tiles
from hcc_scope.datasets.cohort import write_cohort
from hcc_scope.datasets.cohort_plan import CohortSpec
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.evaluation.aggregation import LEVELS, animal_strata, scored
from hcc_scope.evaluation.auc import auc_difference
from hcc_scope.evaluation.baselines import baseline_fold, measure_tiles
from hcc_scope.evaluation.metrics import figures_at
from hcc_scope.evaluation.results import FoldResult, Split, StartResult
from hcc_scope.evaluation.start_task import seed_of_network
from hcc_scope.evaluation.tile_features import FEATURES
from hcc_scope.progress import ignore_progress
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.fit import fit
from hcc_scope.training.fit_task import FitTask
from hcc_scope.training.predict import predict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.intervals import Estimate


def main() -> None:
    """Draw, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=8, help="Animals of each class that train.")
    parser.add_argument("--test", type=int, default=20, help="Animals of each class that test.")
    parser.add_argument("--images", type=int, default=4, help="Of each animal, in two sections; 1024 px.")
    parser.add_argument("--starts", type=int, default=3, help="Networks of each kind.")
    parser.add_argument("--networks", nargs="*", default=["compact", "meng2019"])
    parser.add_argument("--learning-rate", type=float, default=None, help="Default: the recipe's.")
    parser.add_argument("--steps", type=int, default=None, help="Default: the recipe's.")
    parser.add_argument("--batch", type=int, default=None, help="Default: the recipe's.")
    parser.add_argument("--seed", type=int, default=1, help="Of the cohort and of the networks.")
    parser.add_argument("--jobs", type=int, default=2, help="Processes of one thread.")
    parser.add_argument("--arrangement-only", action="store_true")
    parser.add_argument("--folder", type=Path, default=None, help="Keeps the images. Default: a temporary one.")
    asked = parser.parse_args()
    n = asked.train + asked.test
    default = CohortSpec()
    spec = CohortSpec(
        n,
        n * asked.images,
        sections=2,
        image_px=1024,
        seed=asked.seed,
        class_separation=0.0 if asked.arrangement_only else default.class_separation,
        arrangement=default.arrangement_separation,
    )
    print(spec.sentence)
    with tempfile.TemporaryDirectory() as place:
        tiles = drawn(spec, asked.folder or Path(place) / "cohort", asked.jobs)
        measure(tiles, asked)


def drawn(spec: CohortSpec, folder: Path, jobs: int) -> TileTable:
    """Return the tiles of a cohort, which is drawn if it is not there yet."""
    manifest = folder / "manifest.csv"
    if not manifest.exists():
        write_cohort(spec, folder, ignore_progress, jobs=jobs)
    return cut_tiles(read_manifest(manifest), None, ignore_progress)


def measure(tiles: TileTable, asked: argparse.Namespace) -> None:
    """Print what baselines and networks make of the test animals."""
    number = np.array([int(image.animal_id.split("-")[1]) for image in tiles.images])
    labels = np.array([image.label for image in tiles.images], np.int64)
    train, test = np.flatnonzero(number <= asked.train), np.flatnonzero(number > asked.train)
    split = Split("by_animal", 0, train, test, labels)
    strata = animal_strata(tiles)
    animals = sorted({image.animal_id for image in tiles.images})
    strata[[int(name.split("-")[1]) <= asked.train for name in animals]] = -1
    print(f"{len(split.train_rows(tiles))} tiles train, {len(split.test_rows(tiles))} test")
    measured = measure_tiles(tiles)
    folds = {name: baseline_fold(split, tiles, measured[:, kind.columns]) for name, kind in FEATURES.items()}
    for name, fold in folds.items():
        show(name, fold, tiles, strata)
    for network in asked.networks:
        begun = time.monotonic()
        configs = [
            TrainConfig(
                network=network,
                seed=seed_of_network(asked.seed, "by_animal", 0, start),
                steps=asked.steps,
                batch=asked.batch,
                learning_rate=asked.learning_rate,
                threads=1,
            )
            for start in range(1, asked.starts + 1)
        ]
        with ProcessPoolExecutor(asked.jobs, multiprocessing.get_context("spawn")) as pool:
            starts = tuple(pool.map(trained, [(config, tiles, split) for config in configs]))
        test_rows = split.test_rows(tiles)
        fold = FoldResult(split, test_rows, tiles.labels[test_rows], starts)
        single = [
            figures_at(scored([FoldResult(split, fold.rows, fold.labels, (one,))], tiles, 1.0)["section"], 0.5).auc
            for one in starts
        ]
        words = " ".join(f"{value.value:.3f}" for value in single if value is not None)
        show(network, fold, tiles, strata)
        print(f"  single networks, sections: {words}; {time.monotonic() - begun:.0f} s")
        mine, texture = scored([fold], tiles, 1.0), scored([folds["texture"]], tiles, 1.0)
        gains = [auc_difference(mine[level], texture[level]) for level in LEVELS]
        print(f"  {network} - texture: " + "  ".join(words_of(gain) for gain in gains), flush=True)


def show(name: str, fold: FoldResult, tiles: TileTable, strata: NDArray[np.int64]) -> None:
    """Print the AUC of tiles, images, sections and animals."""
    found = scored([fold], tiles, 1.0)
    line = "  ".join(f"{level} {words_of(figures_at(found[level], 0.5, strata).auc)}" for level in LEVELS)
    print(f"{name:9s} {line}", flush=True)


def words_of(estimate: Estimate | None) -> str:
    """Return a figure with its interval."""
    if estimate is None:
        return "-"
    if estimate.interval is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.interval.low:.3f}, {estimate.interval.high:.3f}]"


def trained(job: tuple[TrainConfig, TileTable, Split]) -> StartResult:
    """Train one network by the recipe, to the end of its budget, and test it."""
    config, tiles, split = job
    task = FitTask(tiles, tiles.labels, split.train_rows(tiles), np.empty(0, np.int64), config, whole_budget=True)
    network = fit(task).network
    return StartResult(predict(network, tiles, split.test_rows(tiles), threads=1).logits, seed=config.seed)


if __name__ == "__main__":
    main()

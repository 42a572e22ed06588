"""How long baselines and permutations take: ``python -m benchmarks.baselines``.

Tiles are noise of two grains and as many animals as are asked for are simulated, so no files are needed. What is
printed are tiles measured per second and core, and labellings (by both protocols, of texture) per second.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from hcc_scope.datasets.labelled_image import CLASSES, LabelledImage
from hcc_scope.datasets.tiles import ArrayTiles, TileTable
from hcc_scope.evaluation.permutations import permute
from hcc_scope.evaluation.tile_features import N_FEATURES, tile_features


def measure_tiles_per_second(n: int) -> float:
    rng = np.random.default_rng(1)
    spots = gaussian_filter(rng.normal(size=(512, 512)), 3.0)
    tile = (30_000 + 5000 * spots / spots.std() + rng.normal(0, 200, spots.shape)).astype(np.uint16)
    start = time.process_time()
    for _ in range(n):
        tile_features(tile)
    return n / (time.process_time() - start)


def measure_labellings_per_second(animals: int, images: int, tiles: int) -> tuple[int, float, float]:
    """Return labellings, how many of them (each with its dealings) a second of one core does, and the null gap."""
    rng = np.random.default_rng(2)
    base = LabelledImage(Path("/nowhere/x.tif"), 0, "low", "a", "s", "d", 0.325, (2048, 2048), 16)
    listed, numbers = [], []
    for animal in range(2 * animals):
        own = rng.normal(size=N_FEATURES)
        for image in range(images):
            name = CLASSES[animal % 2]
            listed.append(replace(base, tumour_class=name, animal_id=f"a{animal}", day=f"d{animal}", index=image))
            numbers += [own + rng.normal(size=N_FEATURES) for _ in range(tiles)]
    index = np.repeat(np.arange(len(listed)), tiles)
    table = TileTable(tuple(listed), index, np.zeros(len(index), np.int64), ArrayTiles(np.zeros((0, 1, 1), np.uint16)))
    start = time.process_time()
    found = permute(table, np.array(numbers), folds=5, seed=1, names=("texture",))["texture"]
    return found.labellings, found.labellings * found.dealings / (time.process_time() - start), found.null_gap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=100, help="to measure")
    parser.add_argument("--animals", type=int, default=10, help="of each class")
    parser.add_argument("--images", type=int, default=30, help="of each animal")
    options = parser.parse_args()
    print(f"{measure_tiles_per_second(options.tiles):.0f} tiles of 512 px measured per second and core")
    n, rate, gap = measure_labellings_per_second(options.animals, options.images, 4)
    print(f"{n} labellings by both protocols: {rate:.0f} per second and core; null of the gap {gap:+.3f}")


if __name__ == "__main__":
    main()

"""Measure the cost of reading one labelled image: ``python -m benchmarks bench_datasets``.

Milliseconds of one thread for an image of 2048 x 2048 px of shot noise, step by step, and the search for pairs among as
many images as the paper has.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from hcc_scope.datasets.cache import TILE_PX, digest_of
from hcc_scope.datasets.depth import top_counts
from hcc_scope.datasets.images import read_pixels
from hcc_scope.datasets.labelled_image import LabelledImage
from hcc_scope.datasets.landmarks import landmarks_of, overlaps_of
from hcc_scope.quality import QualityLimits, assess
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE_PX = 2048
N_IMAGES = 1920
ROUNDS = 9


def median_ms(step: Callable[[], object]) -> float:
    times_s = []
    for _ in range(ROUNDS):
        start_s = time.perf_counter()
        step()
        times_s.append(time.perf_counter() - start_s)
    return 1e3 * statistics.median(times_s)


def main() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.poisson(30_000, (SIDE_PX, SIDE_PX)).astype(np.uint16)
    grid = TileGrid.for_frame(pixels.shape, TILE_PX)
    tiles = np.arange(grid.n)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "field.tif"
        tifffile.imwrite(path, pixels, compression="zlib", metadata=None)
        image = LabelledImage(path, 0, "low", "a", "s", "d", 0.325, pixels.shape, 16)
        steps: dict[str, Callable[[], object]] = {
            "read, inflated": lambda: read_pixels(image),
            "sha256 of its pixels": lambda: digest_of(pixels),
            "quality of its tiles": lambda: assess(pixels, grid, QualityLimits(), 16),
            "where its counts end": lambda: top_counts(pixels),
            "patches to find copies by": lambda: landmarks_of(pixels, grid, tiles),
        }
        for name, step in steps.items():
            print(f"{name:28s}{median_ms(step):8.1f} ms")
    one = landmarks_of(pixels, grid, tiles)
    many = [replace(one, keys=np.sort(rng.integers(0, 2**63, len(one.keys), dtype=np.uint64))) for _ in range(N_IMAGES)]
    start_s = time.perf_counter()
    overlaps_of(many, [image] * N_IMAGES)
    print(f"pairs among {N_IMAGES} images{time.perf_counter() - start_s:13.1f} s")


if __name__ == "__main__":
    main()

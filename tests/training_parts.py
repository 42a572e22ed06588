"""Shared by the tests of training: a small set that is learnt in a few steps, and a quick run on it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.tiles import ArrayTiles
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.fit import fit
from hcc_scope.training.fit_task import FitTask
from tests.labelled_image_parts import texture_set

if TYPE_CHECKING:
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.training.fit_result import FitResult

QUICK = TrainConfig(seed=7, epochs=2, batch=4, threads=1, learning_rate=2e-3)


@dataclass(frozen=True)
class Small:
    """Twelve tiles of two animals per class; the second animals are held out."""

    tiles: TileTable
    train: np.ndarray
    held_out: np.ndarray

    def fit(self, config: TrainConfig = QUICK, **options: object) -> FitResult:
        return fit(self.task(config), **options)  # type: ignore[arg-type]

    def task(self, config: TrainConfig = QUICK) -> FitTask:
        return FitTask(self.tiles, self.tiles.labels, self.train, self.held_out, config)


def small() -> Small:
    _, textures = texture_set(animals_per_class=2, images=3)
    counts = textures.reader.read(range(len(textures)))
    # noise: where pixels are equal, the maximum of a pooling is anybody's, and gradients differ with rounding
    counts += np.random.default_rng(0).integers(0, 500, counts.shape, dtype=np.uint16)
    tiles = replace(textures, reader=ArrayTiles(counts))
    animals = np.array([tiles.images[i].animal_id for i in tiles.image_index])
    first = np.isin(animals, ["low-1", "high-1"])
    return Small(tiles, np.flatnonzero(first), np.flatnonzero(~first))


class KilledAt:
    """Kills this very process at a step, or half-way through writing a checkpoint."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self) -> bool:
        self.left -= 1
        if self.left < 0:
            kill()
        return False


def kill() -> None:
    """End at once, as by kill -9 or a power cut."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(9)


def killed_twice(folder: str, step: int) -> None:
    """Print how a training at a step and its continuation while it writes ended: of two processes, both killed.

    Forked where that is safe, before anything is computed: they share the imports, which take the longest.
    """
    import torch._dynamo  # noqa: F401 - the first step of an optimiser does, which takes more than a second

    ends: list[int] = []
    for arguments in ((Path(folder), step, False), (Path(folder), 0, True)):
        if sys.platform == "linux":
            if (process := os.fork()) == 0:
                run_and_be_killed(*arguments)
                os._exit(1)
            ends.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        else:
            one = multiprocessing.get_context("spawn").Process(target=run_and_be_killed, args=arguments)
            one.start()
            one.join()
            ends.append(one.exitcode or 0)
    sys.stdout.write(json.dumps(ends))


def run_and_be_killed(folder: Path, step: int, while_writing: bool) -> None:
    """Train in `folder` (or go on there) until killed."""
    from hcc_scope.training import checkpoint

    if while_writing:
        real = checkpoint.replace_file
        left = step

        def half(path: Path, data: bytes) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                (path.parent / f"{path.name}.tmp").write_bytes(data[: len(data) // 2])
                kill()
            real(path, data)

        checkpoint.replace_file = half  # type: ignore[assignment]
        small().fit(folder=folder, resume=True, checkpoint_s=0.0)
    else:
        small().fit(folder=folder, resume=True, stop=KilledAt(step), checkpoint_s=0.0)

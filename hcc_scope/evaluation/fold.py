"""One start of a fold: train, predict, measure how unlike the training a tile is, and keep it in a folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.atomic_file import patiently
from hcc_scope.errors import DivergedError, TrainingError
from hcc_scope.evaluation.start_folder import OodDistances, keep_start
from hcc_scope.storage.files import explain
from hcc_scope.training.config import MOST_ATTEMPTS
from hcc_scope.training.metrics import has_diverged

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.start_task import StartTask
    from hcc_scope.executors.tasks import Here
    from hcc_scope.training.attempts import AttemptedFit

__all__ = ["FilesOfStart", "keep_files", "run_start", "run_start_elsewhere"]


FilesOfStart = dict[str, bytes]
"""The files of a start by their path below its folder."""


def run_start(task: StartTask, here: Here) -> None:
    """Train on the one part of a split for the whole budget, predict the other, and keep it.

    Parameters
    ----------
    task : StartTask
    here : Here
        What it prepared is the `TileTable`.

    Nothing is chosen on the test part: not the epoch, not the learning rate, not another attempt. Its loss is recorded
    for the learning curves, and decides nothing.

    Raises
    ------
    DivergedError
        If the loss, or a prediction, is no finite number.
    StoreError
        If the start cannot be written.
    """
    from hcc_scope.training.attempts import drop_checkpoints, fit_with_attempts
    from hcc_scope.training.fit_task import FitTask
    from hcc_scope.training.predict import predict

    tiles, split = here.prepared, task.split
    train, test = split.train_rows(tiles), split.test_rows(tiles)
    part = _part(task)
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        attempted = fit_with_attempts(
            FitTask(
                tiles,
                labels=tiles.of_images(split.labels),
                train_rows=train,
                held_out_rows=test,  # for learning curves
                config=task.config,
                whole_budget=True,
            ),
            folder=part,
            on_progress=here.send,
            most_attempts=MOST_ATTEMPTS,
        )
        found = predict(attempted.fitted.network, tiles, test, threads=task.config.threads, device=task.config.device)
        if has_diverged(found.logits):
            raise DivergedError(
                f"start {task.start} of fold {split.fold + 1} of '{split.protocol}' has diverged: what it predicts is "
                "no probability",
                hint="Use a lower --learning-rate.",
            )
        ood = _ood_distances(attempted, tiles, train, test, task.config.threads)
        keep_start(part, tiles, task, found.logits, found.features, attempted.learnt, attempted.fitted.history, ood)
        drop_checkpoints(part)  # only a start that was broken off would need them
        patiently(lambda: part.rename(task.folder))
    except OSError as error:
        raise explain(error, f"the network {task.folder} could not be written") from error


def run_start_elsewhere(argument: tuple[Callable[[StartTask, Here], None], StartTask], here: Here) -> FilesOfStart:
    """Do a start on a machine that does not see its folder, and return its files."""
    work, task = argument
    with TemporaryDirectory(prefix="hcc-scope-") as folder:
        place = Path(folder) / task.folder.name
        work(replace(task, folder=place), here)
        found = sorted(path for path in place.rglob("*") if path.is_file())
        return {path.relative_to(place).as_posix(): path.read_bytes() for path in found}


def keep_files(task: StartTask, files: FilesOfStart) -> None:
    """Keep a start that another machine did: complete or not at all.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    part = _part(task)
    try:
        shutil.rmtree(part, ignore_errors=True)
        for name, content in files.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(content)
        patiently(lambda: part.rename(task.folder))
    except OSError as error:
        raise explain(error, f"the network {task.folder} could not be written") from error


def _part(task: StartTask) -> Path:
    return task.folder.with_name(task.folder.name + ".part")


def _ood_distances(
    attempted: AttemptedFit, tiles: TileTable, train: NDArray[np.int64], test: NDArray[np.int64], threads: int | None
) -> OodDistances:
    """Return the distances of the test tiles, as the model of a training on these images would measure them."""
    from hcc_scope.training.ood_distance import distances_of, fit_ood_distance, mean_activations

    if attempted.silent:
        return OodDistances(why_not="the network has learnt nothing")
    network = attempted.fitted.network
    try:
        fitted = fit_ood_distance(network, tiles, train, train[:0], threads=threads)
    except TrainingError as error:  # too few tiles; a model of them would measure nothing either
        return OodDistances(why_not=str(error))
    means = mean_activations(network, tiles, test, threads=threads)
    distances = distances_of(fitted.network, means) if len(test) else np.zeros(0, np.float32)
    return OodDistances(distances, fitted.record.threshold)

"""One fold: train, predict, and keep what came out in a folder that is complete or absent."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import DivergedError, ResumeError, TrainingError
from hcc_scope.evaluation.results import FoldResult
from hcc_scope.storage.files import explain, json_bytes, patiently
from hcc_scope.training.fitted import Epoch
from hcc_scope.training.merit import has_diverged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.results import Split
    from hcc_scope.training.config import TrainConfig

__all__ = ["FoldTask", "fold_folder", "held_out_by_animal", "load_fold", "run_fold"]

_PREDICTIONS, _FEATURES, _HISTORY, _WEIGHTS = "predictions.npz", "features.npy", "fold.json", "weights.safetensors"
_WITH_FEATURES = ("paper", "by_animal")
"""What is drawn from the last hidden layer; of the controls nothing is, and at the paper's scale it is much."""


@dataclass(frozen=True, slots=True)
class FoldTask:
    """What one fold asks for."""

    split: Split
    config: TrainConfig
    epochs: int
    n_outputs: int
    folder: Path
    """Where it is kept."""


def fold_folder(out: Path, split: Split) -> Path:
    """Return where a fold is kept; folds count from 1 in names, as in tables."""
    return out / "folds" / f"{split.protocol}-{split.fold + 1}"


def run_fold(shared: TileTable, task: FoldTask, send: Callable[[object], None]) -> None:
    """Train on the one part of a split for a fixed number of epochs, predict the other, and keep it.

    Nothing is chosen on the test part: not the epoch, not the learning rate. Its loss after each epoch is recorded for
    the learning curves, and read by nobody before the end.

    Raises
    ------
    DivergedError
        If the loss, or a prediction, is no finite number.
    StoreError
        If the fold cannot be written.
    """
    from hcc_scope.training.fit import fit
    from hcc_scope.training.predict import has_learnt_nothing, predict

    tiles, split = shared, task.split
    labels = tiles.of_images(split.labels)
    train, test = tiles.rows_of(split.train), tiles.rows_of(split.test)
    drawn = split.protocol in _WITH_FEATURES
    part = task.folder.with_name(task.folder.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        fitted = fit(
            tiles,
            labels,
            train,
            test if drawn else test[:0],  # learning curves are drawn of the protocols alone
            task.config,
            n_outputs=task.n_outputs,
            folder=part,
            on_progress=send,
            fixed_epochs=task.epochs,
        )
        found = predict(fitted.network, tiles, test, threads=task.config.threads, device=task.config.device)
        if has_diverged(found.logits):
            raise DivergedError(
                f"fold {split.fold + 1} of '{split.protocol}' has diverged: what it predicts is no probability",
                hint="Use a lower --learning-rate.",
            )
        silent = drawn and has_learnt_nothing(
            fitted.network, tiles, train, threads=task.config.threads, device=task.config.device
        )
        np.savez(
            part / _PREDICTIONS,
            train=split.train,
            test=split.test,
            image_labels=split.labels,
            rows=test,
            labels=labels[test],
            logits=found.logits,
        )
        if drawn:
            np.save(part / _FEATURES, found.features, allow_pickle=False)
        told = {"schema": 1, "silent": silent, "history": [asdict(epoch) for epoch in fitted.history]}
        (part / _HISTORY).write_bytes(json_bytes(told))
        shutil.rmtree(part / "checkpoints", ignore_errors=True)  # only a fold that was broken off would need them
        patiently(lambda: part.rename(task.folder))
    except OSError as error:
        raise explain(error, f"the fold {task.folder} could not be written") from error


def load_fold(folder: Path, split: Split) -> FoldResult | None:
    """Return a finished fold, or None if it is not there.

    Raises
    ------
    ResumeError
        If it is of another split, or cannot be read.
    """
    if not folder.is_dir():
        return None
    try:
        with np.load(folder / _PREDICTIONS, allow_pickle=False) as kept:
            same = all(
                np.array_equal(kept[name], value)
                for name, value in (("train", split.train), ("test", split.test), ("image_labels", split.labels))
            )
            arrays = {name: kept[name] for name in ("rows", "labels", "logits")}
        features = (
            np.load(folder / _FEATURES, mmap_mode="r", allow_pickle=False)
            if split.protocol in _WITH_FEATURES
            else np.zeros((len(arrays["rows"]), 0), np.float32)
        )
        told = json.loads((folder / _HISTORY).read_text(encoding="utf-8"))
        epochs = tuple(Epoch(**epoch) for epoch in told["history"])
        silent = told.get("silent") is True
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ResumeError(f"the finished fold {folder} cannot be read: {error}", hint="Delete that folder.") from error
    if not same:
        raise ResumeError(f"the finished fold {folder} is of another split", hint="Use another --out.")
    return FoldResult(
        split=split, history=epochs, weights=folder / _WEIGHTS, features=features, silent=silent, **arrays
    )


def held_out_by_animal(out: Path) -> list[tuple[NDArray[np.int64], Path]]:
    """Return, for each fold by animal, the rows of the tile table that it tested and its network's weights.

    Raises
    ------
    TrainingError
        If there is no such fold, or one cannot be read.
    """
    found: list[tuple[NDArray[np.int64], Path]] = []
    try:
        for folder in sorted((out / "folds").glob("by_animal-*[0-9]"), key=lambda path: int(path.name.split("-")[1])):
            with np.load(folder / _PREDICTIONS, allow_pickle=False) as kept:
                found.append((kept["rows"], folder / _WEIGHTS))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"the folds of the evaluation {out} cannot be read: {error}") from error
    if not found:
        raise TrainingError(f"the evaluation {out} has no folds by animal", hint="Run hcc-scope evaluate again.")
    return found

"""One fold: train, predict, measure how unlike the training a tile is, and keep it in a folder: complete or absent."""

from __future__ import annotations

import io
import shutil
import tokenize
import zipfile
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pydantic

from hcc_scope.atomic_file import json_bytes, patiently
from hcc_scope.errors import DivergedError, ResumeError, TrainingError
from hcc_scope.evaluation.results import FoldResult
from hcc_scope.small_files import read_small_file
from hcc_scope.storage.files import explain
from hcc_scope.training.config import MOST_STARTS
from hcc_scope.training.fit_result import Epoch
from hcc_scope.training.metrics import LearningCheck, has_diverged
from hcc_scope.training.records import EpochRecord, StrictRecord, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.results import Split
    from hcc_scope.training.config import TrainConfig
    from hcc_scope.training.restarts import RestartedFit

__all__ = [
    "FoldTask",
    "HeldOutRows",
    "OodDistances",
    "fold_folder",
    "held_out_by_animal",
    "keep_fold",
    "load_fold",
    "run_fold",
]

_PREDICTIONS, _FEATURES, _HISTORY, _WEIGHTS = "predictions.npz", "features.npy", "fold.json", "weights.safetensors"
_OF_PROTOCOLS = ("paper", "by_animal")
"""What is started again if it has learnt nothing, measures how unlike a tile is, and is drawn from the last hidden
layer; of the controls none is done: they ask a question of the data, not what a model would do in use."""


@dataclass(frozen=True, slots=True)
class FoldTask:
    """The task of one fold."""

    split: Split
    config: TrainConfig
    epochs: int
    n_outputs: int
    folder: Path
    """Where it is kept."""


@dataclass(frozen=True, slots=True)
class OodDistances:
    """How unlike a fold's training tiles its test tiles are."""

    distances: NDArray[np.float32] | None = None
    """(k,)."""
    threshold: float | None = None
    """Distance beyond which a tile is left out in use."""
    why_not: str | None = None
    """Why there are none."""


class _StartRecord(StrictRecord):
    loss: float = pydantic.Field(ge=0)
    chance: float = pydantic.Field(ge=0)
    auc: float | None = pydantic.Field(ge=0, le=1)
    luck: float | None = pydantic.Field(ge=0.5, le=1)
    one_answer: bool


class _FoldRecord(StrictRecord):
    """``fold.json``."""

    schema_: Literal[2] = pydantic.Field(alias="schema")
    silent: bool
    start: int = pydantic.Field(ge=1)
    learnt: list[_StartRecord] = pydantic.Field(min_length=1, max_length=MOST_STARTS)
    unlike_beyond: float | None = pydantic.Field(gt=0)
    why_no_distance: str | None
    history: list[EpochRecord]

    @pydantic.model_validator(mode="after")
    def _agrees(self) -> Self:
        learnt = [LearningCheck(**dict(one)) for one in self.learnt]
        if self.silent is not all(one.learnt_nothing for one in learnt):
            raise ValueError("silent: its figures contradict it")
        if self.start != (1 if self.silent else len(learnt)):
            raise ValueError("start: it is not the one that was taken")
        return self


def fold_folder(out: Path, split: Split) -> Path:
    """Return where a fold is kept; folds count from 1 in names, as in tables."""
    return out / "folds" / f"{split.protocol}-{split.fold + 1}"


def run_fold(shared: TileTable, task: FoldTask, send: Callable[[object], None]) -> None:
    """Train on the one part of a split for a fixed number of epochs, predict the other, and keep it.

    Nothing is chosen on the test part: not the epoch, not the learning rate, not another start. Its loss after each
    epoch is recorded for the learning curves, and decides nothing.

    Raises
    ------
    DivergedError
        If the loss, or a prediction, is no finite number.
    StoreError
        If the fold cannot be written.
    """
    from hcc_scope.training.fit_task import FitTask
    from hcc_scope.training.predict import predict
    from hcc_scope.training.restarts import drop_checkpoints, fit_with_restarts

    tiles, split = shared, task.split
    train, test = split.train_rows(tiles), split.test_rows(tiles)
    of_protocol = split.protocol in _OF_PROTOCOLS
    part = task.folder.with_name(task.folder.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        started = fit_with_restarts(
            FitTask(
                tiles,
                labels=tiles.of_images(split.labels),
                train_rows=train,
                held_out_rows=test if of_protocol else test[:0],  # learning curves are drawn of the protocols alone
                config=task.config,
                n_outputs=task.n_outputs,
                fixed_epochs=task.epochs,
            ),
            folder=part,
            on_progress=send,
            most_starts=MOST_STARTS if of_protocol else 1,
        )
        found = predict(started.fitted.network, tiles, test, threads=task.config.threads, device=task.config.device)
        if has_diverged(found.logits):
            raise DivergedError(
                f"fold {split.fold + 1} of '{split.protocol}' has diverged: what it predicts is no probability",
                hint="Use a lower --learning-rate.",
            )
        ood = _ood_distances(started, tiles, train, test, task.config.threads) if of_protocol else OodDistances()
        keep_fold(part, tiles, task, found.logits, found.features, started.learnt, started.fitted.history, ood)
        drop_checkpoints(part)  # only a fold that was broken off would need them
        patiently(lambda: part.rename(task.folder))
    except OSError as error:
        raise explain(error, f"the fold {task.folder} could not be written") from error


def _ood_distances(
    started: RestartedFit, tiles: TileTable, train: NDArray[np.int64], test: NDArray[np.int64], threads: int | None
) -> OodDistances:
    """Return the distances of the test tiles, as the model of a training on these images would measure them."""
    from hcc_scope.training.ood_distance import distances_of, fit_ood_distance, mean_activations

    if started.silent:
        return OodDistances(why_not="its network has learnt nothing")
    network = started.fitted.network
    try:
        fitted = fit_ood_distance(network, tiles, train, train[:0], threads=threads)
    except TrainingError as error:  # too few tiles; a model of them would measure nothing either
        return OodDistances(why_not=str(error))
    means = mean_activations(network, tiles, test, threads=threads)
    distances = distances_of(fitted.network, means) if len(test) else np.zeros(0, np.float32)
    return OodDistances(distances, fitted.record.threshold)


def keep_fold(
    folder: Path,
    tiles: TileTable,
    task: FoldTask,
    logits: NDArray[np.float32],
    features: NDArray[np.float32],
    learnt: Sequence[LearningCheck],
    history: Sequence[Epoch] = (),
    ood: OodDistances | None = None,
) -> None:
    """Write what is kept of a fold beside its network's weights.

    Parameters
    ----------
    folder : Path
        Of the fold.
    tiles : TileTable
    task : FoldTask
    logits : (k, n_outputs) float32
        Of the usable tiles of the test part, in the order of the table.
    features : (k, f) float32
        Of the same; kept of the protocols alone.
    learnt : sequence of LearningCheck
        Of each start.
    history : sequence of Epoch
    ood : OodDistances, optional
        No distances if not given.
    """
    split, ood = task.split, OodDistances() if ood is None else ood
    rows = split.test_rows(tiles)
    distances = {} if ood.distances is None else {"distances": ood.distances}
    np.savez(
        folder / _PREDICTIONS,
        train=split.train,
        test=split.test,
        image_labels=split.labels,
        rows=rows,
        labels=tiles.of_images(split.labels)[rows],
        logits=logits,
        **distances,  # type: ignore[arg-type]  # numpy's stub takes them for allow_pickle
    )
    if split.protocol in _OF_PROTOCOLS:
        np.save(folder / _FEATURES, features, allow_pickle=False)
    silent = all(one.learnt_nothing for one in learnt)
    record = {
        "schema": 2,
        "silent": silent,
        "start": 1 if silent else len(learnt),
        "learnt": [asdict(one) for one in learnt],
        "unlike_beyond": ood.threshold,
        "why_no_distance": ood.why_not,
        "history": [asdict(epoch) for epoch in history],
    }
    (folder / _HISTORY).write_bytes(json_bytes(record))


_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    SyntaxError,
)
"""What reading a damaged archive raises; RuntimeError, NotImplementedError: one that is encrypted, or packed in a way
that Python does not know; TokenError, SyntaxError: an array whose header is no Python literal."""


def load_fold(folder: Path, split: Split, tiles: TileTable, n_outputs: int = 2) -> FoldResult | None:
    """Return a finished fold, or None if it is not there.

    Parameters
    ----------
    folder : Path
        Of the fold.
    split : Split
        What it has to be of.
    tiles : TileTable
    n_outputs : int
        Of its network.

    Raises
    ------
    ResumeError
        If it is of another split, or cannot be read.
    """
    if not folder.is_dir():
        return None
    try:
        arrays = _predictions(folder)
        if not all(
            np.array_equal(arrays[name], value)
            for name, value in (("train", split.train), ("test", split.test), ("image_labels", split.labels))
        ):
            raise ResumeError(f"the finished fold {folder} is of another split", hint="Use another --out.")
        rows = split.test_rows(tiles)
        _same(arrays["rows"], rows, "rows")
        _same(arrays["labels"], tiles.of_images(split.labels)[rows], "labels")
        if arrays["logits"].shape != (len(rows), n_outputs):
            raise ValueError(f"logits of shape {arrays['logits'].shape}")
        features = np.zeros((len(rows), 0), np.float32)
        if split.protocol in _OF_PROTOCOLS:
            if not (folder / _FEATURES).is_file():
                raise ValueError(f"there is no file {_FEATURES}")
            features = np.load(folder / _FEATURES, mmap_mode="r", allow_pickle=False)
            if features.ndim != 2 or len(features) != len(rows) or features.dtype != np.float32:
                raise ValueError(f"features of shape {features.shape}")
        record = _fold_record(folder)
        if (record.unlike_beyond is None) != ("distances" not in arrays):
            raise ValueError("distances without the threshold, or the threshold without them")
    except _UNREADABLE as error:
        raise ResumeError(
            f"the finished fold {folder} cannot be read: {one_line(error)}",
            hint="Delete that folder, and continue with --resume.",
        ) from error
    return FoldResult(
        split=split,
        rows=rows,
        labels=arrays["labels"],
        logits=arrays["logits"],
        features=features,
        history=tuple(Epoch(**dict(epoch)) for epoch in record.history),
        weights=folder / _WEIGHTS,
        silent=record.silent,
        starts=len(record.learnt),
        distances=arrays.get("distances"),
        ood_threshold=record.unlike_beyond,
        why_no_distance=record.why_no_distance,
    )


def _same(found: NDArray[Any], wanted: NDArray[np.int64], what: str) -> None:
    if not np.array_equal(found, wanted):
        raise ValueError(f"{what} are not those of the split")


def _predictions(folder: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a fold, of the right kinds; raises one of `_UNREADABLE`."""
    with np.load(io.BytesIO(read_small_file(folder / _PREDICTIONS)), allow_pickle=False) as kept:
        arrays = {name: kept[name] for name in ("train", "test", "image_labels", "rows", "labels", "logits")}
        if "distances" in kept:
            arrays["distances"] = kept["distances"]
    for name, array in arrays.items():
        wanted = np.float32 if name in ("logits", "distances") else np.int64
        if array.dtype != wanted or array.ndim != (2 if name == "logits" else 1):
            raise ValueError(f"{name} of {array.dtype} and shape {array.shape}")
        if wanted is np.float32 and not np.isfinite(array).all():
            raise ValueError(f"{name} that are no finite numbers")
        if name in ("rows", "labels", "logits", "distances") and len(array) != len(arrays["rows"]):
            raise ValueError(f"{len(array)} {name} of {len(arrays['rows'])} tiles")
    return arrays


def _fold_record(folder: Path) -> _FoldRecord:
    return _FoldRecord.model_validate_json(read_small_file(folder / _HISTORY))


@dataclass(frozen=True, slots=True)
class HeldOutRows:
    """What a fold by animal scored, and with what."""

    rows: NDArray[np.int64]
    """Of the tile table: its test tiles that are not unlike its training's."""
    weights: Path


def held_out_by_animal(out: Path) -> list[HeldOutRows]:
    """Return, for each fold by animal, what it scored.

    Raises
    ------
    TrainingError
        If there is no such fold, or one cannot be read.
    """
    found: list[HeldOutRows] = []
    try:
        for folder in sorted((out / "folds").glob("by_animal-*[0-9]"), key=lambda path: int(path.name.split("-")[1])):
            arrays, record = _predictions(folder), _fold_record(folder)
            rows = arrays["rows"]
            if record.unlike_beyond is not None:
                rows = rows[arrays["distances"] <= np.float32(record.unlike_beyond)]
            found.append(HeldOutRows(rows, folder / _WEIGHTS))
    except _UNREADABLE as error:
        raise TrainingError(f"the folds of the evaluation {out} cannot be read: {one_line(error)}") from error
    if not found:
        raise TrainingError(f"the evaluation {out} has no folds by animal", hint="Run hcc-scope evaluate again.")
    return found

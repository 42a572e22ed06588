"""The folder of one start of a fold: complete or absent.

::

    folds/by_animal-1/start-2/    the second network of the first fold by animal
        weights.safetensors
        metrics.jsonl
        start.json                what its attempts have learnt, the history of its epochs
        predictions.npz           of the fold's test tiles
        features.npy              their last hidden layer, of the two protocols
        attempt-2/                metrics and weights of another attempt, if the one before has learnt nothing
"""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pydantic

from hcc_scope.atomic_file import json_bytes
from hcc_scope.errors import ResumeError, TrainingError
from hcc_scope.evaluation.results import FoldResult, StartResult
from hcc_scope.small_files import read_small_file
from hcc_scope.training.config import MOST_ATTEMPTS
from hcc_scope.training.fit_result import Epoch
from hcc_scope.training.metrics import LearningCheck
from hcc_scope.training.records import EpochRecord, StrictRecord, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.results import Split
    from hcc_scope.evaluation.start_task import StartTask

__all__ = [
    "START_SCHEMA",
    "HeldOutRows",
    "OodDistances",
    "held_out_by_animal",
    "keep_start",
    "load_fold",
    "load_start",
]

START_SCHEMA = 3
_PREDICTIONS, _FEATURES, _RECORD, _WEIGHTS = "predictions.npz", "features.npy", "start.json", "weights.safetensors"


@dataclass(frozen=True, slots=True)
class OodDistances:
    """How unlike a network's training tiles the fold's test tiles are."""

    distances: NDArray[np.float32] | None = None
    """(k,)."""
    threshold: float | None = None
    """Distance beyond which a tile is left out in use."""
    why_not: str | None = None
    """Why there are none."""


class _AttemptRecord(StrictRecord):
    loss: float = pydantic.Field(ge=0)
    chance: float = pydantic.Field(ge=0)
    auc: float | None = pydantic.Field(ge=0, le=1)
    luck: float | None = pydantic.Field(ge=0.5, le=1)
    one_answer: bool


class _StartRecord(StrictRecord):
    """``start.json``."""

    schema_: Literal[3] = pydantic.Field(alias="schema")
    start: int = pydantic.Field(ge=1)
    seed: int = pydantic.Field(ge=0)
    silent: bool
    attempt: int = pydantic.Field(ge=1)
    learnt: list[_AttemptRecord] = pydantic.Field(min_length=1, max_length=MOST_ATTEMPTS)
    unlike_beyond: float | None = pydantic.Field(gt=0)
    why_no_distance: str | None
    history: list[EpochRecord]

    @pydantic.model_validator(mode="after")
    def _agrees(self) -> Self:
        learnt = [LearningCheck(**dict(one)) for one in self.learnt]
        if self.silent is not all(one.learnt_nothing for one in learnt):
            raise ValueError("silent: its figures contradict it")
        if self.attempt != (1 if self.silent else len(learnt)):
            raise ValueError("attempt: it is not the one that was taken")
        return self


def keep_start(
    folder: Path,
    tiles: TileTable,
    task: StartTask,
    logits: NDArray[np.float32],
    features: NDArray[np.float32] | None,
    learnt: Sequence[LearningCheck],
    history: Sequence[Epoch] = (),
    ood: OodDistances | None = None,
) -> None:
    """Write what is kept of a start beside its network's weights.

    Parameters
    ----------
    folder : Path
        Of the start.
    tiles : TileTable
    task : StartTask
    logits : (k, n_outputs) float32
        Of the usable tiles of the test part, in the order of the table.
    features : (k, f) float32 or None
        Of the same; kept of the two protocols alone.
    learnt : sequence of LearningCheck
        Of each attempt.
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
    if task.of_protocol and features is not None:
        np.save(folder / _FEATURES, features, allow_pickle=False)
    silent = all(one.learnt_nothing for one in learnt)
    record = {
        "schema": START_SCHEMA,
        "start": task.start,
        "seed": task.config.seed,
        "silent": silent,
        "attempt": 1 if silent else len(learnt),
        "learnt": [asdict(one) for one in learnt],
        "unlike_beyond": ood.threshold,
        "why_no_distance": ood.why_not,
        "history": [asdict(epoch) for epoch in history],
    }
    (folder / _RECORD).write_bytes(json_bytes(record))


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


def load_start(task: StartTask, tiles: TileTable) -> StartResult | None:
    """Return a finished start, or None if it is not there.

    Parameters
    ----------
    task : StartTask
        What it has to be of.
    tiles : TileTable

    Raises
    ------
    ResumeError
        If it is of another split, or cannot be read.
    """
    folder, split = task.folder, task.split
    if not folder.is_dir():
        return None
    try:
        arrays, record = _predictions(folder), _record(folder)
        if (record.start, record.seed) != (task.start, task.config.seed) or not all(
            np.array_equal(arrays[name], value)
            for name, value in (("train", split.train), ("test", split.test), ("image_labels", split.labels))
        ):
            raise ResumeError(f"the finished network {folder} is of another split or seed", hint="Use another --out.")
        rows = split.test_rows(tiles)
        _same(arrays["rows"], rows, "rows")
        _same(arrays["labels"], tiles.of_images(split.labels)[rows], "labels")
        if arrays["logits"].shape != (len(rows), task.n_outputs):
            raise ValueError(f"logits of shape {arrays['logits'].shape}")
        features = None
        if task.of_protocol:
            if not (folder / _FEATURES).is_file():
                raise ValueError(f"there is no file {_FEATURES}")
            features = np.load(folder / _FEATURES, mmap_mode="r", allow_pickle=False)
            if features.ndim != 2 or len(features) != len(rows) or features.dtype != np.float32:
                raise ValueError(f"features of shape {features.shape}")
        if (record.unlike_beyond is None) != ("distances" not in arrays):
            raise ValueError("distances without the threshold, or the threshold without them")
    except _UNREADABLE as error:
        raise ResumeError(
            f"the finished network {folder} cannot be read: {one_line(error)}",
            hint="Delete that folder, and continue with --resume.",
        ) from error
    return StartResult(
        logits=arrays["logits"],
        start=record.start,
        seed=record.seed,
        attempts=len(record.learnt),
        silent=record.silent,
        features=features,
        history=tuple(Epoch(**dict(epoch)) for epoch in record.history),
        weights=folder / _WEIGHTS,
        distances=arrays.get("distances"),
        ood_threshold=record.unlike_beyond,
        why_no_distance=record.why_no_distance,
    )


def load_fold(tasks: Sequence[StartTask], tiles: TileTable) -> FoldResult | None:
    """Return a fold all of whose starts are finished, or None.

    Parameters
    ----------
    tasks : sequence of StartTask
        Of the fold.
    tiles : TileTable

    Raises
    ------
    ResumeError
        As `load_start`.
    """
    split: Split = tasks[0].split
    found = [load_start(task, tiles) for task in tasks]
    starts = tuple(start for start in found if start is not None)
    if len(starts) < len(tasks):
        return None
    rows = split.test_rows(tiles)
    return FoldResult(split, rows, tiles.of_images(split.labels)[rows], starts)


def _same(found: NDArray[Any], wanted: NDArray[np.int64], what: str) -> None:
    if not np.array_equal(found, wanted):
        raise ValueError(f"{what} are not those of the split")


def _predictions(folder: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a start, of the right kinds; raises one of `_UNREADABLE`."""
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


def _record(folder: Path) -> _StartRecord:
    return _StartRecord.model_validate_json(read_small_file(folder / _RECORD))


@dataclass(frozen=True, slots=True)
class HeldOutRows:
    """What one network of a fold by animal scored."""

    fold: int
    """0, 1, ..."""
    start: int
    """1, 2, ..."""
    silent: bool
    rows: NDArray[np.int64]
    """Of the tile table: the fold's test tiles that are not unlike the network's training tiles."""
    weights: Path


def held_out_by_animal(out: Path) -> list[HeldOutRows]:
    """Return, for each network of the folds by animal, what it scored: fold by fold, each start in order.

    Raises
    ------
    TrainingError
        If there is no such network, or one cannot be read.
    """
    found: list[HeldOutRows] = []
    try:
        for fold in _numbered(out / "folds", "by_animal"):
            for folder in _numbered(fold, "start"):
                arrays, record = _predictions(folder), _record(folder)
                rows = arrays["rows"]
                if record.unlike_beyond is not None:
                    rows = rows[arrays["distances"] <= np.float32(record.unlike_beyond)]
                place = int(fold.name.rpartition("-")[2]) - 1
                found.append(HeldOutRows(place, record.start, record.silent, rows, folder / _WEIGHTS))
    except _UNREADABLE as error:
        raise TrainingError(f"the folds of the evaluation {out} cannot be read: {one_line(error)}") from error
    if not found:
        raise TrainingError(f"the evaluation {out} has no folds by animal", hint="Run hcc-scope evaluate again.")
    return found


def _numbered(folder: Path, name: str) -> list[Path]:
    """Return the folders ``name-1``, ``name-2``, ... in that order."""
    return sorted(folder.glob(f"{name}-*[0-9]"), key=lambda path: int(path.name.rpartition("-")[2]))

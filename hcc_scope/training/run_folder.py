"""A training run's folder, from a manifest to a model.

::

    RUN/
        config.json           the options, and the data
        splits.json           which images of which animals were learnt from, which were held out
        environment.json      where it ran
        metrics.jsonl         a line every few steps and for each epoch
        checkpoints/          from which a killed run continues
        weights.safetensors   the result
        attempt-2/, -3/       the same of another attempt, if the one before has learnt nothing
        model/                the finished model, for ``--model RUN/model``
"""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
import pydantic

from hcc_scope.atomic_file import json_bytes
from hcc_scope.datasets.cache import cut_tiles
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.errors import ResumeError, StoreExistsError, TrainingError
from hcc_scope.small_files import read_small_file
from hcc_scope.storage.files import explain
from hcc_scope.training.attempts import describe_attempts, fit_with_attempts
from hcc_scope.training.checkpoint import check_identity, write_bytes
from hcc_scope.training.compute import choose_place
from hcc_scope.training.config import (
    CONFIG_FILE,
    MODEL_FOLDER,
    Device,
    NetworkName,
    Precision,
    RecipeName,
    TrainConfig,
)
from hcc_scope.training.export import check_name
from hcc_scope.training.fit_task import FitTask
from hcc_scope.training.folder_lock import has_content, lock_folder
from hcc_scope.training.recipes import settings_for
from hcc_scope.training.records import StrictRecord, one_line
from hcc_scope.training.training_result import TrainingResult
from hcc_scope.training.validation_split import hold_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.progress import OnProgress
    from hcc_scope.training.compute import Place
    from hcc_scope.training.training_result import MakeModel
    from hcc_scope.training.validation_split import ValidationSplit

__all__ = ["TrainRun", "stored_config", "train_run"]

SPLITS_FILE = "splits.json"
ENVIRONMENT_FILE = "environment.json"

_PACKAGES = ("hcc-scope", "numpy", "torch", "safetensors", "tensorstore", "tifffile", "imagecodecs", "scipy")


@dataclass(frozen=True, slots=True)
class TrainRun:
    """The options of ``hcc-scope train``."""

    manifest: Path
    folder: Path
    """Of the run."""
    name: str
    """Of the model."""
    config: TrainConfig
    hold_out: int | None = 1
    """Animals of each class; None: nothing is held out."""
    cache: Path | None = None
    """Where tiles are kept; None: beside the manifest."""
    evaluation: Path | None = None
    """Folder of an evaluation of the same network, recipe and data; what it found goes into the model's card."""
    fingerprint: str | None = None
    """Of the labelled set that the evaluation is of."""
    command: str = "hcc-scope train"
    """As it would be typed again, for the card."""


def train_run(
    run: TrainRun,
    make_model: MakeModel,
    *,
    resume: bool = False,
    on_progress: OnProgress,
    say: Callable[[str], None] = lambda words: None,
    stop: Callable[[], bool] | None = None,
) -> Path:
    """Train on a manifest's images and make a model.

    Parameters
    ----------
    run : TrainRun
        What to do.
    make_model : callable
        Makes the model's folder of what was trained.
    resume : bool
        Continue the run in its folder.
    on_progress : callable
        Takes each step of the cutting of tiles and of the training.
    say : callable
        Takes sentences that a person should read.
    stop : callable, optional
        Asked before each step of the training.

    Returns
    -------
    Path
        The model's folder.

    Raises
    ------
    StoreExistsError
        If the run's folder exists and `resume` is not asked for, or another training is at work in it.
    TrainingError
        If the evaluation is of other data.
    ResumeError
        If there is nothing to continue, or it was started with another configuration or other data.
    Stopped
        If `stop` asked for it; `resume` continues from there.
    HccScopeError
        Whatever is wrong with manifest, images, options or disk.
    """
    check_name(run.name)
    _check_folder(run.folder, resume)
    with lock_folder(run.folder, "another training"):
        _check_folder(run.folder, resume)  # another one may have begun and ended meanwhile
        return _train(run, make_model, resume=resume, on_progress=on_progress, say=say, stop=stop)


def _train(
    run: TrainRun,
    make_model: MakeModel,
    *,
    resume: bool,
    on_progress: OnProgress,
    say: Callable[[str], None],
    stop: Callable[[], bool] | None,
) -> Path:
    data = read_manifest(run.manifest)
    if run.fingerprint not in (None, data.fingerprint):
        raise TrainingError(
            f"the evaluation {run.evaluation} is of other images than {run.manifest} lists now, or their files were "
            "copied or written to since",
            hint="Evaluate these images first: its figures would be on the card of a model that they do not describe.",
        )
    tiles = cut_tiles(data, run.cache, on_progress)
    place = choose_place(run.config.device, run.config.precision, run.config.threads)
    identity = _identity(run, data, tiles)
    split = hold_out(tiles, run.hold_out, run.config.seed)
    if resume:
        check_identity(stored_config(run.folder)["run"], identity, run.folder)
    else:
        _write_json(run.folder / CONFIG_FILE, _config(run, identity))
    _write_json(run.folder / SPLITS_FILE, _splits(tiles, split))
    _write_json(run.folder / ENVIRONMENT_FILE, _environment(place))
    say(split.description)
    train_rows, held_out_rows = tiles.rows_of(split.train), tiles.rows_of(split.held_out)
    say(f"{len(train_rows)} tiles to train on, {len(held_out_rows)} held out; {place.device}, {place.precision}.")
    attempted = fit_with_attempts(
        FitTask(tiles, tiles.labels, train_rows, held_out_rows, run.config),
        folder=run.folder,
        resume=True,
        on_progress=on_progress,
        stop=stop,
    )
    model = run.folder / MODEL_FOLDER
    if not model.exists():  # a run that was finished before
        if len(attempted.learnt) > 1 and not attempted.silent:
            say(describe_attempts(attempted.learnt))
        make_model(
            TrainingResult(
                fitted=attempted.fitted,
                data=data,
                tiles=tiles,
                split=split,
                config=run.config,
                place=place,
                name=run.name,
                command=run.command,
                evaluation=run.evaluation,
                learnt=attempted.learnt,
            ),
            model,
        )
    return model


def stored_config(folder: Path) -> dict[str, Any]:
    """Return ``config.json`` of a run that was started before.

    Raises
    ------
    ResumeError
        If there is none.
    """
    path = folder / CONFIG_FILE
    try:
        found = _Stored.model_validate_json(read_small_file(path))
    except FileNotFoundError:
        raise ResumeError(
            f"there is no training run in {folder} that could be continued", hint="Start it without --resume."
        ) from None
    except (OSError, ValueError) as error:
        raise ResumeError(
            f"{path} cannot be read ({one_line(error)})", hint="Start the training in another folder."
        ) from error
    return found.model_dump()


_Text = Annotated[str, pydantic.Field(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]


class _Asked(StrictRecord):
    """Fields of a `TrainConfig`; those that are not there have its values."""

    network: NetworkName = "meng2019"
    recipe: RecipeName = "modern"
    seed: int = pydantic.Field(default=2019, ge=0)
    steps: int | None = pydantic.Field(default=None, ge=1)
    epochs: int | None = pydantic.Field(default=None, ge=1)
    batch: int | None = pydantic.Field(default=None, ge=1)
    learning_rate: float | None = pydantic.Field(default=None, gt=0)
    augment_od: bool = False
    patience: int | None = pydantic.Field(default=None, ge=1)
    precision: Precision = "float32"
    device: Device = "auto"
    threads: int | None = pydantic.Field(default=None, ge=1)

    @pydantic.model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("epochs: the budget is stated in steps too")
        return self


class _Identity(StrictRecord):
    """Of a run; what else is in it is compared, not used (`check_identity`)."""

    model_config = pydantic.ConfigDict(extra="allow")

    name: _Text
    hold_out: int | None = pydantic.Field(ge=1)


class _Stored(StrictRecord):
    """``config.json``."""

    command: str
    manifest: _Text
    cache: _Text | None
    evaluation: _Text | None
    asked: _Asked
    run: _Identity


def _check_folder(folder: Path, resume: bool) -> None:
    """Say now, and not when the tiles are cut, that a run cannot begin or go on."""
    if resume:
        stored_config(folder)
        return
    try:
        taken = os.path.lexists(folder) and (not folder.is_dir() or has_content(folder))
    except OSError as error:
        raise explain(error, f"no training run can be written to {folder}") from error
    if taken:
        raise StoreExistsError(
            f"{folder} exists and {'is not empty' if folder.is_dir() else 'is no folder'}",
            hint="Continue a run in it with --resume, or give a new folder with --out.",
        )


def _identity(run: TrainRun, data: LabelledSet, tiles: TileTable) -> dict[str, object]:
    """Return what a continued run must have in common with the one before."""
    return {
        "name": run.name,
        "hold_out": run.hold_out,
        **asdict(settings_for(run.config)),
        "precision": run.config.precision,
        "device": run.config.device,
        "images": len(data.images),
        "tiles": len(tiles),
        "data": data.fingerprint,
    }


def _config(run: TrainRun, identity: dict[str, object]) -> dict[str, object]:
    return {
        "command": run.command,
        "manifest": str(run.manifest),
        "cache": None if run.cache is None else str(run.cache),
        "evaluation": None if run.evaluation is None else str(run.evaluation),
        "asked": asdict(run.config),
        "run": identity,
    }


def _splits(tiles: TileTable, split: ValidationSplit) -> dict[str, object]:
    counts = np.bincount(tiles.image_index, minlength=len(tiles.images))

    def side(images: list[int]) -> dict[str, object]:
        return {
            "animals": sorted({tiles.images[i].animal_id for i in images}),
            "tiles": int(counts[images].sum()) if images else 0,
            "images": [
                {
                    "path": str(tiles.images[i].path),
                    "index": tiles.images[i].index,
                    "class": tiles.images[i].tumour_class,
                    "animal": tiles.images[i].animal_id,
                    "section": tiles.images[i].section_id,
                    "tiles": int(counts[i]),
                }
                for i in images
            ],
        }

    return {
        "held_out_by": split.by,
        "words": split.description,
        "train": side(split.train.tolist()),
        "held_out": side(split.held_out.tolist()),
    }


def _environment(place: Place) -> dict[str, object]:
    import torch

    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if place.device == "cuda" else None,
        "device": place.device,
        "precision": place.precision,
        "threads": place.threads,
    }


def _write_json(path: Path, value: dict[str, object]) -> None:
    write_bytes(path, json_bytes(value))

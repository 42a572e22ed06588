"""The plan of an evaluation, written before it starts, so that resuming it does the same."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import json_bytes, replace_file
from hcc_scope.datasets.duplicate_images import refuse_contradictions
from hcc_scope.errors import DatasetError, ResumeError, StoreExistsError
from hcc_scope.evaluation.filenames import PLAN_FILE
from hcc_scope.evaluation.site_splits import site_splits
from hcc_scope.evaluation.splits import protocol_splits
from hcc_scope.small_files import read_small_file
from hcc_scope.storage.files import explain
from hcc_scope.training.config import LOOP
from hcc_scope.training.folder_lock import has_content
from hcc_scope.training.records import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.results import Split, Unit
    from hcc_scope.training.config import TrainConfig

__all__ = ["PLAN_SCHEMA", "Plan", "check_folder", "make_plan", "take_folder"]

PLAN_SCHEMA = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """All folds of all protocols."""

    splits: tuple[Split, ...]
    starts: int
    """Networks of each fold of the two protocols."""
    leave_one_out: bool
    unit: Unit = "image"
    """What the paper's protocol deals."""
    leave_one_site_out: bool = False


def make_plan(
    data: LabelledSet,
    tiles: TileTable,
    config: TrainConfig,
    *,
    folds: int,
    starts: int,
    leave_one_out: bool = False,
    unit: Unit = "image",
    leave_one_site_out: bool = False,
) -> Plan:
    """Return the folds of both protocols, and of leaving one site out if it is asked for.

    Raises
    ------
    DatasetError
        If one of the two protocols cannot run: neither is ever shown without the other. Also if the same pixels are of
        two classes.
    LeakError
        If they are of two animals.
    """
    if not len(tiles):
        raise DatasetError(f"no image of {data.manifest} has a usable tile")
    refuse_contradictions(tiles)
    paper, by_animal = protocol_splits(tiles, folds, config.seed, leave_one_out=leave_one_out, unit=unit)
    by_site = site_splits(tiles) if leave_one_site_out else ()
    return Plan((*paper, *by_animal, *by_site), starts, leave_one_out, unit, leave_one_site_out)


def _record(plan: Plan, data: LabelledSet, tiles: TileTable, config: TrainConfig, folds: int) -> dict[str, Any]:
    from hcc_scope.training.recipes import settings_for

    asked = {name: value for name, value in asdict(config).items() if name != "threads"}
    settings = asdict(settings_for(config, whole_budget=True))
    digest = hashlib.sha256()
    for split in plan.splits:
        digest.update(f"{split.protocol} {split.fold}".encode())
        for part in (split.train, split.test, split.labels, split.train_tiles, split.test_tiles):
            digest.update(b"" if part is None else part.astype("<i8").tobytes())
    return {
        "schema": PLAN_SCHEMA,
        "data": data.fingerprint,
        "tiles": len(tiles),
        "training_loop": LOOP,
        "folds": folds,
        "starts": plan.starts,
        "leave_one_out": plan.leave_one_out,
        "unit": plan.unit,
        "leave_one_site_out": plan.leave_one_site_out,
        "config": asked,
        "recipe": {name: value for name, value in settings.items() if name not in asked},
        "splits": digest.hexdigest(),
        "torch": version("torch"),
    }


def check_folder(out: Path, *, resume: bool) -> bool:
    """Return whether a folder holds an evaluation to continue.

    Raises
    ------
    StoreExistsError
        If there is one and `resume` is not asked for, or something else.
    StoreError
        If the folder cannot be looked into.
    """
    try:
        there = (out / PLAN_FILE).exists()
        taken = os.path.lexists(out) and (not out.is_dir() or has_content(out))
    except OSError as error:
        raise explain(error, f"no evaluation can be written to {out}") from error
    if there and not resume:
        raise StoreExistsError(f"{out} holds an evaluation", hint="Continue it (--resume), or choose a new folder.")
    if taken and not there:
        what = "holds no evaluation" if out.is_dir() else "is no folder"
        raise StoreExistsError(f"{out} exists and {what}", hint="Choose a new folder.")
    return there


def take_folder(
    out: Path, plan: Plan, data: LabelledSet, tiles: TileTable, config: TrainConfig, *, folds: int, resume: bool
) -> None:
    """Make the evaluation's folder, or check that the one that is there was made for the same.

    Raises
    ------
    StoreExistsError
        If there is one and `resume` is not asked for.
    ResumeError
        If it is of another configuration or of other data; lists what differs.
    StoreError
        If it cannot be written.
    """
    record = _record(plan, data, tiles, config, folds)
    path = out / PLAN_FILE
    if not check_folder(out, resume=resume):
        try:
            out.mkdir(parents=True, exist_ok=True)
            replace_file(path, json_bytes(record))
        except OSError as error:
            raise explain(error, f"no evaluation can be written to {out}") from error
        return
    try:
        kept = json.loads(read_small_file(path))
    except (OSError, ValueError, RecursionError) as error:
        raise ResumeError(f"{path} cannot be read: {one_line(error)}", hint="Choose a new folder.") from error
    found = _differences(kept, record)
    if found:
        raise ResumeError(
            f"{out} was started with something else: {'; '.join(found)}",
            hint="Give the same options and data, or choose a new folder.",
        )


def _differences(kept: Any, now: dict[str, Any], prefix: str = "") -> list[str]:  # noqa: ANN401 - of a file
    if not isinstance(kept, dict):
        return ["its plan is no plan"]
    found = []
    for key in sorted({*kept, *now}):
        before, after = kept.get(key), now.get(key)
        if isinstance(after, dict):
            found += _differences(before, after, f"{prefix}{key}.")
        elif before != after:
            shown = (f"{str(v)[:12]}..." if isinstance(v, str) and len(v) == 64 else v for v in (before, after))
            found.append("{} was {}, is {}".format(f"{prefix}{key}".removeprefix("config."), *shown))
    return found

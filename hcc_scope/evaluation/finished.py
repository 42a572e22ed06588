"""A finished evaluation, read back: its folds of both protocols, on the same images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import ResumeError, TrainingError
from hcc_scope.evaluation.filenames import PLAN_FILE
from hcc_scope.evaluation.plan import PLAN_SCHEMA, make_plan, take_folder
from hcc_scope.evaluation.record import load_calibration
from hcc_scope.evaluation.results import EvaluationResult
from hcc_scope.evaluation.start_folder import load_fold
from hcc_scope.evaluation.start_task import start_tasks
from hcc_scope.small_files import read_small_file
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.records import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.datasets.tiles import TileTable

__all__ = ["finished_evaluation"]


def finished_evaluation(folder: Path, data: LabelledSet, tiles: TileTable) -> EvaluationResult:
    """Return the folds of both protocols of a finished evaluation; nothing is trained.

    Parameters
    ----------
    folder : Path
        That ``hcc-scope evaluate`` wrote.
    data, tiles : LabelledSet, TileTable
        The images that it was of.

    Raises
    ------
    TrainingError
        If it is not finished, or cannot be read.
    ResumeError
        If it is of other images, or a network of it is damaged.
    """
    calibration = load_calibration(folder)
    plan_record = _plan(folder)
    try:
        config = TrainConfig(**plan_record["config"], threads=1)
        starts, folds = int(plan_record["starts"]), int(plan_record["folds"])
        leave_one_out, unit = bool(plan_record["leave_one_out"]), plan_record["unit"]
        by_site = bool(plan_record["leave_one_site_out"])
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(
            f"{folder / PLAN_FILE} cannot be read: {one_line(error)}", hint="Run hcc-scope evaluate again."
        ) from error
    if plan_record.get("data") != data.fingerprint:
        raise ResumeError(
            f"the evaluation {folder} is of other images than {data.manifest}",
            hint="Give the manifest that it was made of; a file that was touched since makes it another set.",
        )
    plan = make_plan(
        data,
        tiles,
        config,
        folds=folds,
        starts=starts,
        leave_one_out=leave_one_out,
        unit=unit,
        leave_one_site_out=by_site,
    )
    take_folder(folder, plan, data, tiles, config, folds=folds, resume=True)  # compares the folds
    found = []
    for split in plan.splits:
        if split.protocol in ("paper", "by_animal"):
            fold = load_fold(start_tasks(folder, split, config, starts), tiles)
            if fold is None:
                raise ResumeError(
                    f"a network of fold {split.fold + 1} of '{split.protocol}' is missing in {folder}",
                    hint="Continue the evaluation with --resume.",
                )
            found.append(fold)
    return EvaluationResult(
        data=data,
        tiles=tiles,
        config=config,
        folds=tuple(found),
        temperature=calibration.temperature,
        threshold=calibration.threshold,
        starts=starts,
        leave_one_out=leave_one_out,
        unit=unit,
    )


def _plan(folder: Path) -> dict[str, Any]:
    path = folder / PLAN_FILE
    try:
        found = json.loads(read_small_file(path))
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(
            f"{path} cannot be read: {one_line(error)}", hint="Run hcc-scope evaluate again."
        ) from error
    if not isinstance(found, dict) or found.get("schema") != PLAN_SCHEMA:
        raise TrainingError(f"{path} is of another version of HCC-Scope", hint="Run hcc-scope evaluate again.")
    return found

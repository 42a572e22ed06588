"""Run an evaluation: every fold of both protocols and both controls, and what is calibrated on them.

A fold is what a model of its images would do in use: a start that has learnt nothing is repeated, and tiles that are
unlike the training's are left out.

Folds are independent, so they run side by side in processes of one thread each: two such processes train faster than
one with two threads. The weights depend on neither.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hcc_scope.errors import TrainingError, UsageError
from hcc_scope.evaluation.calibration import calibrate_folds
from hcc_scope.evaluation.fold import FoldTask, fold_folder, load_fold, run_fold
from hcc_scope.evaluation.plan import make_plan, take_folder
from hcc_scope.evaluation.pool import run_all
from hcc_scope.evaluation.results import EvaluationResult, FoldResult
from hcc_scope.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.pool import Work
    from hcc_scope.evaluation.results import Split, Unit
    from hcc_scope.progress import OnProgress
    from hcc_scope.training.config import TrainConfig

__all__ = ["evaluate"]

_STAGE = "folds"


def evaluate(
    data: LabelledSet,
    tiles: TileTable,
    config: TrainConfig,
    folder: Path,
    *,
    folds: int = 5,
    jobs: int | None = None,
    on_progress: OnProgress,
    resume: bool = False,
    leave_one_out: bool = False,
    unit: Unit = "image",
    work: Work = run_fold,
) -> EvaluationResult:
    """Train and test a network per fold of both protocols and both controls.

    Parameters
    ----------
    data, tiles : LabelledSet, TileTable
    config : TrainConfig
        Of every fold; its ``threads`` and ``patience`` do not count: a fold has one thread on the CPU, and trains for
        as many epochs as all others.
    folder : Path
        New, unless `resume`; a finished fold is kept in ``folds/<protocol>-<k>``, whatever happens to the others.
    folds : int
        Of both protocols, at most; there are never more than animals of the rarer class.
    jobs : int, optional
        Folds side by side; None: as many as the processor has cores, 1 on a GPU. The result does not depend on it.
    on_progress : callable
        Takes a `Progress` whose total counts tiles times epochs over all folds.
    resume : bool
        Continue with what `folder` holds.
    leave_one_out : bool
        By animal, leave out one animal at a time.
    unit : 'image' or 'tile'
        What the paper's protocol deals.
    work : function
        What does one fold; for tests.

    Returns
    -------
    EvaluationResult

    Raises
    ------
    DatasetError, LeakError
        If a protocol cannot run on these data.
    StoreExistsError, ResumeError
        If the folder exists and is not to be continued, or belongs to something else.
    TrainingError, DivergedError
        If a fold cannot be trained, or its process dies.
    """
    from hcc_scope.training.compute import usable_cores

    if jobs is not None and jobs < 1:
        raise UsageError(f"{jobs} jobs do nothing", hint="Ask for at least 1.")
    config = _resolved(config)
    epochs = config.epochs or 0
    plan = make_plan(data, tiles, config, folds=folds, epochs=epochs, leave_one_out=leave_one_out, unit=unit)
    take_folder(folder, plan, data, tiles, config, folds=folds, resume=resume)

    def load(split: Split) -> FoldResult | None:
        return load_fold(fold_folder(folder, split), split, tiles, plan.n_outputs(split))

    kept = [load(split) for split in plan.splits]
    tasks = [
        FoldTask(split, config, epochs, plan.n_outputs(split), fold_folder(folder, split))
        for split, fold in zip(plan.splits, kept, strict=True)
        if fold is None
    ]
    costs = [len(split.train_rows(tiles)) * epochs for split in plan.splits]
    to_do = [len(task.split.train_rows(tiles)) * epochs for task in tasks]

    progress = _FoldProgress(tasks, to_do, sum(costs) - sum(to_do), on_progress)
    run_all(work, tiles, tasks, jobs or (1 if config.device == "cuda" else usable_cores()), progress.add)

    results = tuple(_finished(load(split), folder) for split in plan.splits)
    for name in ("paper", "by_animal"):
        if not any(fold.counted.any() for fold in results if fold.split.protocol == name):
            raise TrainingError(
                f"every tile that the folds of '{name}' tested is unlike those that they were trained on: there is "
                "nothing to count",
                hint="Give more images of more animals.",
            )
    temperature, threshold = calibrate_folds([r for r in results if r.split.protocol == "by_animal"], tiles)
    return EvaluationResult(
        data=data,
        tiles=tiles,
        config=config,
        folds=results,
        temperature=temperature,
        threshold=threshold,
        days=plan.days,
        not_run=plan.not_run,
        leave_one_out=leave_one_out,
        unit=unit,
    )


def _finished(fold: FoldResult | None, folder: Path) -> FoldResult:
    if fold is None:
        raise TrainingError(f"a fold vanished from {folder} while others were trained", hint="Continue with --resume.")
    return fold


def _resolved(config: TrainConfig) -> TrainConfig:
    """Return the configuration with the values that the recipe and this machine give."""
    from hcc_scope.training.compute import choose_place
    from hcc_scope.training.recipes import settings_for

    settings = settings_for(config)
    place = choose_place(config.device, config.precision, 1)
    return replace(
        config,
        epochs=settings.epochs,
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        patience=None,
        precision=place.precision,
        device=place.device,
        threads=1,
    )


class _FoldProgress:
    """Adds up the progress of all folds."""

    def __init__(self, tasks: Sequence[FoldTask], costs: Sequence[int], done: int, on_progress: OnProgress) -> None:
        self._tasks = tasks
        self._costs = costs
        self._before = done
        self._total = done + sum(costs)
        self._share = [0.0] * len(tasks)
        self._on_progress = on_progress
        self._of = {name: sum(t.split.protocol == name for t in tasks) for name in {t.split.protocol for t in tasks}}

    def add(self, number: int, message: object) -> None:
        """Add what a fold sent, or None when it is done, and report the sum."""
        split = self._tasks[number].split
        words = f"{split.protocol} {split.fold + 1}"
        if isinstance(message, Progress):
            share = message.done / message.total if message.stage == "train" and message.total else 0.0
            self._share[number] = max(self._share[number], min(share, 1.0))
            words += f": {message.message}"
        else:
            self._share[number] = 1.0
            words += ": done"
        done = self._before + sum(share * cost for share, cost in zip(self._share, self._costs, strict=True))
        self._on_progress(Progress(_STAGE, round(done), self._total, words))

"""Run an evaluation: every start of every fold of both protocols, and what is calibrated on them.

A start is what a model of its images would do in use: one that has learnt nothing is repeated, and tiles that are
unlike the training's are left out.

Starts are independent tasks (`hcc_scope.executors`): they run side by side in processes of one thread each, as two such
processes train faster than one with two threads, or on the workers of a cluster. The weights depend on neither.
"""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.errors import DatasetError, TrainingError, UsageError
from hcc_scope.evaluation.baselines import FEATURES_FILE, kept_measures
from hcc_scope.evaluation.calibration import calibrate_folds
from hcc_scope.evaluation.fold import FilesOfStart, keep_files, run_start, run_start_elsewhere
from hcc_scope.evaluation.plan import make_plan, take_folder
from hcc_scope.evaluation.results import EvaluationResult, FoldResult
from hcc_scope.evaluation.start_folder import load_fold, load_start
from hcc_scope.evaluation.start_task import start_tasks
from hcc_scope.evaluation.worker_record import record_worker
from hcc_scope.executors.choice import open_executor
from hcc_scope.executors.tasks import Setup, Task, worker_died
from hcc_scope.executors.this_process import ThisProcess
from hcc_scope.progress import Progress
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.results import Unit
    from hcc_scope.evaluation.start_task import StartTask
    from hcc_scope.executors.tasks import Executor, Here, TaskFailure, WorkerFacts
    from hcc_scope.progress import OnProgress
    from hcc_scope.training.config import TrainConfig

    Work = Callable[[StartTask, Here], None]

__all__ = ["DEFAULT_STARTS", "evaluate", "open_evaluation_executor"]

DEFAULT_STARTS = 3
"""Of each fold: enough to see how far networks that differ by chance alone lie apart."""
_STAGE = "folds"
_KNOWN_AFTER = 0.1
"""Of a network: enough to know the pace."""


def evaluate(
    data: LabelledSet,
    tiles: TileTable,
    config: TrainConfig,
    folder: Path,
    *,
    folds: int = 5,
    starts: int = DEFAULT_STARTS,
    executor: Executor | None = None,
    on_worker: Callable[[WorkerFacts | None], object] = lambda _worker: None,
    on_progress: OnProgress,
    resume: bool = False,
    leave_one_out: bool = False,
    unit: Unit = "image",
    leave_one_site_out: bool = False,
    work: Work = run_start,
) -> EvaluationResult:
    """Train and test the networks of each fold of both protocols, and measure the tiles for the baselines.

    Parameters
    ----------
    data, tiles : LabelledSet, TileTable
    config : TrainConfig
        Of every network, but for its seed; ``threads`` and ``patience`` do not count: a network has one thread on the
        CPU, and is trained for the whole budget.
    folder : Path
        New, unless `resume`; a finished start is kept in ``folds/<protocol>-<k>/start-<s>``, whatever happens to the
        others.
    folds : int
        Of both protocols, at most; there are never more than animals of the rarer class.
    starts : int
        Networks of each fold of the two protocols.
    executor : Executor, optional
        Where the starts run, as `open_evaluation_executor` gives it; None: in this process, one after the other. The
        result does not depend on it. Workers of a cluster have to see the cut tiles under the same path.
    on_worker : callable
        Takes the worker of each network that comes back from another machine: workers may join a cluster at any time.
    on_progress : callable
        Takes a `Progress` in tiles to train on, over all networks.
    resume : bool
        Continue with what `folder` holds.
    leave_one_out : bool
        By animal, leave out one animal at a time.
    unit : 'image' or 'tile'
        What the paper's protocol deals.
    leave_one_site_out : bool
        Add a third protocol, in which each fold tests one site.
    work : function
        What does one start; for tests.

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
        If a network cannot be trained, or its process dies.
    """
    if starts < 1:
        raise UsageError(f"{starts} starts train nothing", hint="Ask for at least 1.")
    config = _resolved(config)
    plan = make_plan(
        data,
        tiles,
        config,
        folds=folds,
        starts=starts,
        leave_one_out=leave_one_out,
        unit=unit,
        leave_one_site_out=leave_one_site_out,
    )
    take_folder(folder, plan, data, tiles, config, folds=folds, resume=resume)

    measured = kept_measures(folder / FEATURES_FILE, data.fingerprint, tiles, on_progress)
    of_folds = [start_tasks(folder, split, config, starts) for split in plan.splits]
    everything = [task for tasks in of_folds for task in tasks]
    to_do = [task for task in everything if load_start(task, tiles) is None]
    progress = _StartProgress(to_do, everything, tiles, config, on_progress, starts)
    _run_starts(executor or ThisProcess(), tiles, to_do, folder, work, progress, on_worker)

    results = tuple(_finished(load_fold(tasks, tiles), folder) for tasks in of_folds)
    for name in dict.fromkeys(split.protocol for split in plan.splits):
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
        starts=starts,
        measured=measured,
        leave_one_out=leave_one_out,
        unit=unit,
    )


def open_evaluation_executor(config: TrainConfig, workers: int | None, scheduler: str | None) -> Executor:
    """Return where the networks of an evaluation are trained, to enter.

    Parameters
    ----------
    config : TrainConfig
    workers : int, optional
        Processes of this machine; None: as many as the processor has cores, 1 on a GPU.
    scheduler : str, optional
        The address of a Dask cluster, in place of them.

    Raises
    ------
    UsageError
        As `open_executor`.
    """
    if workers is None and scheduler is None and _resolved(config).device == "cuda":
        workers = 1
    return open_executor(workers, scheduler, n_threads=1)


def _run_starts(
    executor: Executor,
    tiles: TileTable,
    to_do: Sequence[StartTask],
    folder: Path,
    work: Work,
    progress: _StartProgress,
    on_worker: Callable[[WorkerFacts | None], object],
) -> None:
    """Do the starts that are not done, and keep those that come back from other machines."""
    if not to_do:
        return
    there = not executor.shares_files
    setup = Setup(_tiles_elsewhere, pickle.dumps(tiles)) if there else Setup(_tiles_here, tiles)
    keys = [task.folder.relative_to(folder).as_posix() for task in to_do]
    numbers = {key: number for number, key in enumerate(keys)}
    tasks = (
        Task(key, run_start_elsewhere, (work, task)) if there else Task(key, work, task)
        for key, task in zip(keys, to_do, strict=True)
    )
    for end in executor.each(
        tasks,
        setup=setup,
        retry=worker_died,  # the same seed diverges again
        on_message=lambda key, message: progress.add(numbers[key], message),
    ):
        if end.failure is not None:
            raise _explained(end.failure)
        if there:
            files: FilesOfStart = end.value
            on_worker(end.worker)
            record_worker(folder, end.key, end.worker)  # first: a network that is kept has its line, even after a kill
            keep_files(to_do[numbers[end.key]], files)
        progress.add(numbers[end.key], None)


def _tiles_here(tiles: TileTable, _files: object, _worker: WorkerFacts) -> TileTable:
    return tiles


def _tiles_elsewhere(pickled: bytes, _files: object, worker: WorkerFacts) -> TileTable:
    """Return the tiles as this worker sees them: the array stays where it was cut."""
    found = attempt(partial(pickle.loads, pickled))
    if isinstance(found, Failure):
        raise DatasetError(
            f"the worker {worker.name} on {worker.host} cannot read the cut tiles: {found.error}",
            hint="Give --cache a folder that all workers see under the same path.",
        )
    tiles: TileTable = found
    return tiles


def _explained(failure: TaskFailure) -> Exception:
    if failure.reason == "raised":
        return failure.error
    return TrainingError(
        f"a network could not be trained: {failure.error.args[0]}",
        hint="If memory ran out, use fewer --workers or a smaller --batch; finished networks are kept: use --resume.",
    )


def _finished(fold: FoldResult | None, folder: Path) -> FoldResult:
    if fold is None:
        raise TrainingError(
            f"a network vanished from {folder} while others were trained", hint="Continue with --resume."
        )
    return fold


def _resolved(config: TrainConfig) -> TrainConfig:
    """Return the configuration with the values that the recipe and this machine give."""
    from hcc_scope.training.compute import choose_place
    from hcc_scope.training.recipes import settings_for

    settings = settings_for(config)
    place = choose_place(config.device, config.precision, 1)
    return replace(
        config,
        steps=settings.steps,
        epochs=settings.epochs,
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        patience=None,
        precision=place.precision,
        device=place.device,
        threads=1,
    )


class _StartProgress:
    """Adds up the progress of all networks, in tiles to train on."""

    def __init__(
        self,
        to_do: Sequence[StartTask],
        everything: Sequence[StartTask],
        tiles: TileTable,
        config: TrainConfig,
        on_progress: OnProgress,
        starts: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from hcc_scope.training.recipes import settings_for

        settings = settings_for(config)

        def cost(task: StartTask) -> int:
            n = len(task.split.train_rows(tiles))
            return settings.tiles_of(n, settings.steps_of(n))

        self._tasks = to_do
        self._costs = [cost(task) for task in to_do]
        self._total = sum(map(cost, everything))
        self._before = self._total - sum(self._costs)
        self._share = [0.0] * len(to_do)
        self._on_progress = on_progress
        self._starts, self._clock, self._began_s = starts, clock, clock()

    def add(self, number: int, message: object) -> None:
        """Add what a start sent, or None when it is done, and report the sum."""
        task = self._tasks[number]
        words = f"{task.split.protocol} {task.split.fold + 1}"
        words += f", start {task.start}"
        if isinstance(message, Progress):
            share = message.done / message.total if message.stage == "train" and message.total else 0.0
            self._share[number] = max(self._share[number], min(share, 1.0))
            words += f": {message.message}"
        else:
            self._share[number] = 1.0
            words += ": done"
        done = self._before + sum(share * cost for share, cost in zip(self._share, self._costs, strict=True))
        self._on_progress(Progress(_STAGE, round(done), self._total, words + self._pace()))

    def _pace(self) -> str:
        """Return how many folds an hour this run trains, once it has trained enough to know."""
        n, hours = sum(self._share), (self._clock() - self._began_s) / 3600
        return f" ({n / self._starts / hours:.1f} folds per hour)" if n >= _KNOWN_AFTER and hours > 0 else ""

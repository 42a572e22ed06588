"""Train again from another start if a network has learnt nothing.

Some networks of the paper's kind collapse in their first steps and end where they began, at the loss of chance; the
same training from another start learns. Such a start is repeated, a bounded number of times, with a seed that the first
one decides: the result is a function of the configuration still. It is never repeated because of what the network makes
of held-out tiles.

In a run's folder the first start lies as any run does, and the others in ``start-2``, ``start-3``; the weights beside
the first one's metrics are those of the start that was taken.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hcc_scope.phantom.effects import stable_rng
from hcc_scope.storage.files import explain
from hcc_scope.training.checkpoint import write_bytes
from hcc_scope.training.config import MOST_STARTS
from hcc_scope.training.fit import WEIGHTS_FILE, fit
from hcc_scope.training.predict import check_network
from hcc_scope.training.recipes import settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hcc_scope.progress import OnProgress, Progress
    from hcc_scope.training.fit_result import FitResult
    from hcc_scope.training.fit_task import FitTask
    from hcc_scope.training.metrics import LearningCheck

__all__ = [
    "RestartedFit",
    "describe_restarted",
    "drop_checkpoints",
    "fit_with_restarts",
    "seed_of_start",
    "start_folder",
]


@dataclass(frozen=True, slots=True)
class RestartedFit:
    """A trained network, and what each start came to."""

    fitted: FitResult
    start: int
    """The one that was taken: 1, 2, ...; the first if none has learnt anything."""
    learnt: tuple[LearningCheck, ...]
    """Of each start, in order."""

    @property
    def silent(self) -> bool:
        """Whether no start has learnt anything."""
        return all(one.learnt_nothing for one in self.learnt)


def seed_of_start(seed: int, start: int) -> int:
    """Return the seed of start 1, 2, ...: the first is the configuration's own."""
    return seed if start == 1 else int(stable_rng("another start", seed, start).integers(2**31))


def start_folder(folder: Path, start: int) -> Path:
    """Return where a start of the run in `folder` is kept."""
    return folder if start == 1 else folder / f"start-{start}"


def fit_with_restarts(
    task: FitTask,
    *,
    folder: Path | None = None,
    resume: bool = False,
    on_progress: OnProgress | None = None,
    stop: Callable[[], bool] | None = None,
    most_starts: int = MOST_STARTS,
) -> RestartedFit:
    """Fit a network, and again from another start for as long as it has learnt nothing (`hcc_scope.training.fit.fit`).

    Parameters
    ----------
    task : FitTask
        Of the first start; the others have another seed.
    folder, resume, on_progress, stop
        As for `fit`.
    most_starts : int
        At most so many starts.

    Returns
    -------
    RestartedFit
        The same whether the run was interrupted or not: what a finished start has learnt is judged anew.

    Raises
    ------
    DivergedError
        Also if a trained network answers with what is no probability.
    TrainingError, ResumeError, StoreExistsError, StoreError, Stopped
        As `fit`.
    """
    config = task.config
    loss = settings_for(config, task.fixed_epochs).loss
    found: list[tuple[FitResult, LearningCheck]] = []
    for start in range(1, most_starts + 1):
        fitted = fit(
            replace(task, config=replace(config, seed=seed_of_start(config.seed, start))),
            folder=None if folder is None else start_folder(folder, start),
            resume=resume,
            on_progress=on_progress if start == 1 or on_progress is None else _renamed(on_progress, start, most_starts),
            stop=stop,
        )
        learnt = check_network(
            fitted.network,
            task.tiles,
            task.train_rows,
            task.labels,
            loss,
            threads=config.threads,
            device=config.device,
        )
        found.append((fitted, learnt))
        if not learnt.learnt_nothing:
            break
    taken = len(found) if not found[-1][1].learnt_nothing else 1
    if folder is not None and len(found) > 1:
        _take_weights(folder, taken)
    return RestartedFit(found[taken - 1][0], taken, tuple(learnt for _, learnt in found))


def describe_restarted(learnt: Sequence[LearningCheck]) -> str:
    """Return that a training was started again, in a sentence."""
    before = "; ".join(one.description for one in learnt[:-1])
    n = len(learnt)
    return f"Start {n} of at most {MOST_STARTS} is taken: before it the network had learnt nothing ({before})."


def _renamed(on_progress: OnProgress, start: int, most: int) -> OnProgress:
    def renamed(step: Progress) -> None:
        on_progress(replace(step, message=f"start {start} of at most {most}: {step.message}"))

    return renamed


def _take_weights(folder: Path, start: int) -> None:
    """Put the weights of a start where those of a run are."""
    source = start_folder(folder, start) / WEIGHTS_FILE
    if start == 1:
        return
    try:
        weights = source.read_bytes()
    except OSError as error:
        raise explain(error, f"{source} cannot be read") from error
    write_bytes(folder / WEIGHTS_FILE, weights)


def drop_checkpoints(folder: Path) -> None:
    """Delete what only a run that was broken off would need, of all starts."""
    for start in range(1, MOST_STARTS + 1):
        shutil.rmtree(start_folder(folder, start) / "checkpoints", ignore_errors=True)

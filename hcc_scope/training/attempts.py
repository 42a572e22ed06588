"""Train again if a network has learnt nothing.

Some networks of the paper's kind collapse in their first steps and end where they began, at the loss of chance; the
same training from another seed learns. Such a training is repeated, a bounded number of times, with a seed that the
first one decides: the result is a function of the configuration still. It is never repeated because of what the network
makes of held-out tiles. Each repetition is an *attempt*; the *starts* of an evaluation are networks that are all kept.

In a run's folder the first attempt lies as any run does, and the others in ``attempt-2``, ``attempt-3``; the weights
beside the first one's metrics are those of the attempt that was taken.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hcc_scope.phantom.effects import stable_rng
from hcc_scope.storage.files import explain
from hcc_scope.training.checkpoint import write_bytes
from hcc_scope.training.config import MOST_ATTEMPTS
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
    "AttemptedFit",
    "attempt_folder",
    "describe_attempts",
    "drop_checkpoints",
    "fit_with_attempts",
    "seed_of_attempt",
]


@dataclass(frozen=True, slots=True)
class AttemptedFit:
    """A trained network, and what each attempt came to."""

    fitted: FitResult
    attempt: int
    """The one that was taken: 1, 2, ...; the first if none has learnt anything."""
    learnt: tuple[LearningCheck, ...]
    """Of each attempt, in order."""

    @property
    def silent(self) -> bool:
        """Whether no attempt has learnt anything."""
        return all(one.learnt_nothing for one in self.learnt)


def seed_of_attempt(seed: int, attempt: int) -> int:
    """Return the seed of attempt 1, 2, ...: the first is the configuration's own."""
    return seed if attempt == 1 else int(stable_rng("attempt", seed, attempt).integers(2**31))


def attempt_folder(folder: Path, attempt: int) -> Path:
    """Return where an attempt of the run in `folder` is kept."""
    return folder if attempt == 1 else folder / f"attempt-{attempt}"


def fit_with_attempts(
    task: FitTask,
    *,
    folder: Path | None = None,
    resume: bool = False,
    on_progress: OnProgress | None = None,
    stop: Callable[[], bool] | None = None,
    most_attempts: int = MOST_ATTEMPTS,
) -> AttemptedFit:
    """Fit a network, and again from another seed for as long as it has learnt nothing (`hcc_scope.training.fit.fit`).

    Parameters
    ----------
    task : FitTask
        Of the first attempt; the others have another seed.
    folder, resume, on_progress, stop
        As for `fit`.
    most_attempts : int
        At most so many.

    Returns
    -------
    AttemptedFit
        The same whether the run was interrupted or not: what a finished attempt has learnt is judged anew.

    Raises
    ------
    DivergedError
        Also if a trained network answers with what is no probability.
    TrainingError, ResumeError, StoreExistsError, StoreError, Stopped
        As `fit`.
    """
    config = task.config
    loss = settings_for(config).loss
    found: list[tuple[FitResult, LearningCheck]] = []
    for attempt in range(1, most_attempts + 1):
        said = on_progress if attempt == 1 or on_progress is None else _renamed(on_progress, attempt, most_attempts)
        fitted = fit(
            replace(task, config=replace(config, seed=seed_of_attempt(config.seed, attempt))),
            folder=None if folder is None else attempt_folder(folder, attempt),
            resume=resume,
            on_progress=said,
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
    return AttemptedFit(found[taken - 1][0], taken, tuple(learnt for _, learnt in found))


def describe_attempts(learnt: Sequence[LearningCheck]) -> str:
    """Return that a training was repeated, in a sentence."""
    before = "; ".join(one.description for one in learnt[:-1])
    n = len(learnt)
    return f"Attempt {n} of at most {MOST_ATTEMPTS} is taken: before it the network had learnt nothing ({before})."


def _renamed(on_progress: OnProgress, attempt: int, most: int) -> OnProgress:
    def renamed(step: Progress) -> None:
        on_progress(replace(step, message=f"attempt {attempt} of at most {most}: {step.message}"))

    return renamed


def _take_weights(folder: Path, attempt: int) -> None:
    """Put the weights of an attempt where those of a run are."""
    source = attempt_folder(folder, attempt) / WEIGHTS_FILE
    if attempt == 1:
        return
    try:
        weights = source.read_bytes()
    except OSError as error:
        raise explain(error, f"{source} cannot be read") from error
    write_bytes(folder / WEIGHTS_FILE, weights)


def drop_checkpoints(folder: Path) -> None:
    """Delete what only a run that was broken off would need, of all attempts."""
    for attempt in range(1, MOST_ATTEMPTS + 1):
        shutil.rmtree(attempt_folder(folder, attempt) / "checkpoints", ignore_errors=True)

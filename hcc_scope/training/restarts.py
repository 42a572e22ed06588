"""Train again from another start if a network has learnt nothing.

Some networks of the paper's kind fall silent in their first steps and end where they began, at the loss of chance; the
same training from another start learns. Such a start is repeated, a bounded number of times, with a seed that the first
one decides: the result is a function of the configuration still. It is never repeated because of what the network makes
of held-out tiles.

In a run's folder the first start stands as any run does, and the others in ``start-2``, ``start-3``; the weights beside
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
from hcc_scope.training.fit import WEIGHTS_FILE, Fitted, fit
from hcc_scope.training.predict import learnt_by
from hcc_scope.training.recipes import settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.progress import OnProgress, Progress
    from hcc_scope.training.config import TrainConfig
    from hcc_scope.training.metrics import Learnt

__all__ = ["Started", "describe_restarted", "drop_checkpoints", "fit_until_it_learns", "seed_of_start", "start_folder"]


@dataclass(frozen=True, slots=True)
class Started:
    """A trained network, and what each start came to."""

    fitted: Fitted
    start: int
    """The one that was taken: 1, 2, ...; the first if none has learnt anything."""
    learnt: tuple[Learnt, ...]
    """Of each start, in order."""

    @property
    def silent(self) -> bool:
        """Whether no start has learnt anything."""
        return all(one.nothing for one in self.learnt)


def seed_of_start(seed: int, start: int) -> int:
    """Return the seed of start 1, 2, ...: the first is the configuration's own."""
    return seed if start == 1 else int(stable_rng("another start", seed, start).integers(2**31))


def start_folder(folder: Path, start: int) -> Path:
    """Return where a start of the run in `folder` is kept."""
    return folder if start == 1 else folder / f"start-{start}"


def fit_until_it_learns(
    tiles: TileTable,
    labels: NDArray[np.int64],
    train_rows: NDArray[np.int64],
    held_out_rows: NDArray[np.int64],
    config: TrainConfig,
    *,
    n_outputs: int = 2,
    folder: Path | None = None,
    resume: bool = False,
    on_progress: OnProgress | None = None,
    stop: Callable[[], bool] | None = None,
    fixed_epochs: int | None = None,
    most_starts: int = MOST_STARTS,
) -> Started:
    """Fit a network, and again from another start for as long as it has learnt nothing (`hcc_scope.training.fit.fit`).

    Parameters
    ----------
    most_starts : int
        At most so many starts.

    Returns
    -------
    Started
        The same whether the run was interrupted or not: what a finished start has learnt is judged anew.

    Raises
    ------
    DivergedError
        Also if a trained network answers with what is no probability.
    TrainingError, ResumeError, StoreExistsError, StoreError, Stopped
        As `fit`.
    """
    loss = settings_for(config, fixed_epochs).loss
    found: list[tuple[Fitted, Learnt]] = []
    for start in range(1, most_starts + 1):
        fitted = fit(
            tiles,
            labels,
            train_rows,
            held_out_rows,
            replace(config, seed=seed_of_start(config.seed, start)),
            n_outputs=n_outputs,
            folder=None if folder is None else start_folder(folder, start),
            resume=resume,
            on_progress=on_progress if start == 1 or on_progress is None else _renamed(on_progress, start, most_starts),
            stop=stop,
            fixed_epochs=fixed_epochs,
        )
        learnt = learnt_by(
            fitted.network, tiles, train_rows, labels, loss, threads=config.threads, device=config.device
        )
        found.append((fitted, learnt))
        if not learnt.nothing:
            break
    taken = len(found) if not found[-1][1].nothing else 1
    if folder is not None and len(found) > 1:
        _take_weights(folder, taken)
    return Started(found[taken - 1][0], taken, tuple(learnt for _, learnt in found))


def describe_restarted(learnt: Sequence[Learnt]) -> str:
    """Return that a training was started again, in a sentence."""
    before = "; ".join(one.words for one in learnt[:-1])
    n = len(learnt)
    return f"Start {n} of at most {MOST_STARTS} is taken: before it the network had learnt nothing ({before})."


def _renamed(on_progress: OnProgress, start: int, most: int) -> OnProgress:
    def told(step: Progress) -> None:
        on_progress(replace(step, message=f"start {start} of at most {most}: {step.message}"))

    return told


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

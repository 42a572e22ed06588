"""The task of one start of a fold: which images, which network, where it is kept. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hcc_scope.phantom.effects import stable_rng

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.evaluation.results import ProtocolName, Split
    from hcc_scope.training.config import TrainConfig

__all__ = ["PAIRED", "StartTask", "seed_of_network", "start_tasks"]

PAIRED = ("paper", "by_animal")
"""The two protocols, whose networks are what a model would be: several starts, several attempts, a distance from the
training tiles, and pictures of the last hidden layer. Of the controls none is done: they ask a question of the data."""


@dataclass(frozen=True, slots=True)
class StartTask:
    """The task of one start."""

    split: Split
    start: int
    """1, 2, ..."""
    config: TrainConfig
    """Its seed is that of this network (`seed_of_network`)."""
    n_outputs: int
    folder: Path
    """Where it is kept."""

    @property
    def of_protocol(self) -> bool:
        """Whether it belongs to one of the two protocols, and not to a control."""
        return self.split.protocol in PAIRED


def seed_of_network(seed: int, protocol: ProtocolName, fold: int, start: int) -> int:
    """Return the seed of one network: independent of that of any other fold, start and protocol.

    Parameters
    ----------
    seed : int
        Of the evaluation.
    protocol : str
    fold : int
        0, 1, ...
    start : int
        1, 2, ...
    """
    return int(stable_rng("network", seed, protocol, fold, start).integers(2**31))


def start_tasks(out: Path, split: Split, config: TrainConfig, starts: int, n_outputs: int = 2) -> tuple[StartTask, ...]:
    """Return the tasks of a fold; folds count from 1 in names, as in tables. A control has one start."""
    folder = out / "folds" / f"{split.protocol}-{split.fold + 1}"
    return tuple(
        StartTask(
            split,
            start,
            replace(config, seed=seed_of_network(config.seed, split.protocol, split.fold, start)),
            n_outputs,
            folder / f"start-{start}",
        )
        for start in range(1, (starts if split.protocol in PAIRED else 1) + 1)
    )

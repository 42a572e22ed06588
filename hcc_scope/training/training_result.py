"""A finished training, and everything that the card of a model made of it will say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch

    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.training.compute import Place
    from hcc_scope.training.config import TrainConfig
    from hcc_scope.training.fit import Fitted
    from hcc_scope.training.metrics import Learnt
    from hcc_scope.training.validation_split import HeldOut

__all__ = ["MakeModel", "Module", "Trained"]

Module: TypeAlias = "torch.nn.Module"
"""A network, for those who hand it on without knowing torch."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run leaves."""

    fitted: Fitted
    data: LabelledSet
    tiles: TileTable
    split: HeldOut
    config: TrainConfig
    place: Place
    name: str
    """Of the model."""
    command: str
    """That repeats the run."""
    evaluation: Path | None
    """Folder of the evaluation that speaks for this network, recipe and data."""
    learnt: tuple[Learnt, ...] = ()
    """What each start of the training came to; empty if nobody has looked."""


MakeModel: TypeAlias = Callable[[Trained, Path], Path]
"""Makes the model's folder of a training, and returns it: `hcc_scope.runs.build_model`, which is above this package."""

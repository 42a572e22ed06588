"""A finished training, and everything that the card of its model states."""

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
    from hcc_scope.training.fit_result import FitResult
    from hcc_scope.training.metrics import LearningCheck
    from hcc_scope.training.validation_split import ValidationSplit

__all__ = ["MakeModel", "Module", "TrainingResult"]

Module: TypeAlias = "torch.nn.Module"
"""A network, for modules that hand it on without importing torch."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training run leaves."""

    fitted: FitResult
    data: LabelledSet
    tiles: TileTable
    split: ValidationSplit
    config: TrainConfig
    place: Place
    name: str
    """Of the model."""
    command: str
    """That repeats the run."""
    evaluation: Path | None
    """Folder of the evaluation that speaks for this network, recipe and data."""
    learnt: tuple[LearningCheck, ...] = ()
    """What each attempt at the training came to; empty if that was not checked."""


MakeModel: TypeAlias = Callable[[TrainingResult, Path], Path]
"""Makes the model's folder of a training, and returns it: `hcc_scope.runs.build_model`, which is above this package."""

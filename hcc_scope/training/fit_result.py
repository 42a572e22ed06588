"""The result of fitting a network. Importing this module imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

__all__ = ["Epoch", "FitResult", "Predictions"]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training tiles."""

    epoch: int
    """1, 2, ..."""
    loss: float
    """Mean over its steps, of the recipe's own loss."""
    held_out_loss: float | None
    """The same loss on held-out tiles after the epoch; None if nothing is held out."""
    held_out_auc: float | None
    """At tile level; None also where it is not defined (one class, or more than two outputs)."""
    learning_rate: float
    """At its end."""
    seconds: float


@dataclass(frozen=True, slots=True)
class FitResult:
    """A trained network."""

    network: torch.nn.Module
    """In evaluation mode, on the CPU."""
    best_epoch: int
    """The one whose weights it has."""
    history: tuple[Epoch, ...]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a network makes of some tiles."""

    logits: NDArray[np.float32]
    """(k, n_outputs)."""
    features: NDArray[np.float32]
    """(k, n_features), the last hidden layer."""

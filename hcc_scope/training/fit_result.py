"""What comes out of fitting a network: plain values, so that whoever evaluates need not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Epoch", "Predictions"]


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
class Predictions:
    """What a network makes of some tiles."""

    logits: NDArray[np.float32]
    """(k, n_outputs)."""
    features: NDArray[np.float32]
    """(k, n_features), the last hidden layer."""

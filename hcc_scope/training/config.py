"""What a training run is asked to do, and how it tells how far it is. Imports neither torch nor the phantom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OnProgress", "TrainConfig", "TrainProgress"]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run: a pure function of these numbers (on one kind of processor and one version of torch).

    The defaults make the shipped model.
    """

    name: str = "phantom-meng2019"
    """The model's name, and that of its folder."""
    seed: int = 2019
    """Decides everything: the phantom's specimens, fields, noise, first weights, order of tiles."""
    train_animals: int = 5
    """Per class; the weights are fitted to their tiles."""
    calibration_animals: int = 3
    """Per class; the epoch, temperature and decision threshold are chosen on them."""
    test_animals: int = 3
    """Per class; used for nothing but the card's validation table."""
    sections: int = 2
    """Per animal."""
    fields: int = 4
    """Per section, each cut into tiles."""
    field_px: int = 2048
    """Side of a field."""
    pixel_size_um: float = 0.325
    epochs: int = 6
    patience: int = 2
    """Stop after so many epochs without a lower loss on the calibration animals."""
    batch: int = 8
    """Tiles per step. Larger batches are not faster on a CPU: their activations do not fit its caches."""
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    """Of the convolutions while training. bfloat16 halves the time on processors that have it; the exported model
    is float32 either way."""
    threads: int = 2

    def command(self) -> str:
        """Return the command line that repeats this run."""
        epochs = "" if self.epochs == TrainConfig().epochs else f" --epochs {self.epochs}"
        return f"hcc-scope train --out retrained --name {self.name} --seed {self.seed}{epochs}"


@dataclass(frozen=True, slots=True)
class TrainProgress:
    """How far a run is."""

    stage: Literal["render", "train", "validate"]
    done: int
    total: int
    message: str
    """The latest figures, in words."""


if TYPE_CHECKING:
    OnProgress = Callable[[TrainProgress], None]

"""The options of a training run. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "CONFIG_FILE",
    "LOOP",
    "MODEL_FOLDER",
    "MOST_ATTEMPTS",
    "TRAINING_STAGES",
    "Device",
    "NetworkName",
    "Precision",
    "RecipeName",
    "Stopped",
    "TrainConfig",
]

NetworkName = Literal["meng2019", "compact"]
RecipeName = Literal["meng2019", "modern"]
Precision = Literal["auto", "bfloat16", "float32"]
Device = Literal["auto", "cpu", "cuda"]

MODEL_FOLDER = "model"
"""The finished model's folder in that of a training run."""
CONFIG_FILE = "config.json"
"""In a run's folder from its beginning; here, so that an interrupted command looks for it without importing torch."""

LOOP = 2
"""Number of the training loop: another one, where the same options lead to other weights. A run of another loop is not
continued. 2: gradients are shortened to the norm that the recipe states; the loop before did not shorten them."""

MOST_ATTEMPTS = 3
"""At a training whose network has learnt nothing: the first, and two from other seeds."""

TRAINING_STAGES = ("train", "validate")
"""Stages of `hcc_scope.progress.Progress` in which a training itself checks whether to stop."""


class Stopped(Exception):  # noqa: N818 - a signal, not an error
    """The user stopped the training; its checkpoint, if it has a folder, is written."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run: with its data, a pure function of these (on one kind of processor and one version of torch).

    Raises
    ------
    ValueError
        If the budget is stated in steps and in epochs.
    """

    network: NetworkName = "meng2019"
    recipe: RecipeName = "modern"
    seed: int = 2019
    """Decides first weights, order of tiles, augmentation, and which animals are held out."""
    steps: int | None = None
    """Batches, at most; None: the recipe's, unless `epochs` is given."""
    epochs: int | None = None
    """Passes over the training tiles, at most, in place of `steps`; None: the budget is stated in steps."""
    batch: int | None = None
    """Tiles per step; None: the recipe's."""
    learning_rate: float | None = None
    """None: the recipe's for this network."""
    patience: int | None = None
    """Stop after so many epochs without a lower loss on held-out tiles; None: the recipe's (never, for the paper's)."""
    precision: Precision = "float32"
    """Of the convolutions while training; auto: bfloat16 where the device has it. Exported models are float32."""
    augment_od: bool = False
    """Whether tiles also get another optical density each time: a thicker or thinner, darker or paler section."""
    device: Device = "auto"
    threads: int | None = None
    """On the CPU; None: all cores. Changes the speed and nothing else."""

    def __post_init__(self) -> None:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("the budget is stated in steps or in epochs, not in both")

"""The results of the folds of an evaluation, before anything is computed from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.training.config import TrainConfig
    from hcc_scope.training.fit_result import Epoch

__all__ = ["EvaluationResult", "FoldResult", "ProtocolName", "Split", "Unit"]

Unit = Literal["image", "tile"]
"""What the paper's protocol deals into folds."""

ProtocolName = Literal["paper", "by_animal", "permuted", "day"]
"""``paper``: stratified folds over images; ``by_animal``: folds share no animal; ``permuted``: as by_animal, with the
animals' classes permuted; ``day``: as paper, with the day of acquisition in place of the class."""


@dataclass(frozen=True, slots=True)
class Split:
    """One fold of a protocol, in images."""

    protocol: ProtocolName
    fold: int
    """0, 1, ..."""
    train: NDArray[np.int64]
    """Indices into the set's images, ascending."""
    test: NDArray[np.int64]
    labels: NDArray[np.int64]
    """(all images,) what the network is trained to predict: class, permuted class, or day."""
    train_tiles: NDArray[np.int64] | None = None
    """Rows of the tile table, ascending, where tiles are dealt and not images; None: all tiles of the images."""
    test_tiles: NDArray[np.int64] | None = None

    def train_rows(self, tiles: TileTable) -> NDArray[np.int64]:
        """Return the rows of the tile table that are trained on."""
        return tiles.rows_of(self.train) if self.train_tiles is None else self.train_tiles

    def test_rows(self, tiles: TileTable) -> NDArray[np.int64]:
        """Return the rows of the tile table that are tested."""
        return tiles.rows_of(self.test) if self.test_tiles is None else self.test_tiles


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What a network that was trained on one part of the images makes of the other."""

    split: Split
    rows: NDArray[np.int64]
    """(k,) rows of the tile table: all usable tiles of ``split.test``."""
    labels: NDArray[np.int64]
    """(k,) of these tiles, as in ``split.labels``."""
    logits: NDArray[np.float32]
    """(k, n_outputs)."""
    features: NDArray[np.float32]
    """(k, n_features), the last hidden layer; of the two controls (k, 0). May be on disk."""
    history: tuple[Epoch, ...]
    weights: Path
    """``weights.safetensors`` of this fold's network."""
    silent: bool = False
    """Whether no start of the network has learnt anything (`hcc_scope.training.metrics.LearningCheck`)."""
    starts: int = 1
    """How many it was given."""
    distances: NDArray[np.float32] | None = None
    """(k,) from the network's training tiles; None: it measures none."""
    ood_threshold: float | None = None
    """Distance beyond which a tile is unlike those of the training, set as for a model."""
    why_no_distance: str | None = None

    @property
    def counted(self) -> NDArray[np.bool_]:
        """(k,) which of the tiles would be scored in use: those that are not unlike the training's."""
        if self.distances is None or self.ood_threshold is None:
            return np.ones(len(self.rows), bool)
        return self.distances <= np.float32(self.ood_threshold)


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """All folds of all protocols."""

    data: LabelledSet
    tiles: TileTable
    config: TrainConfig
    folds: tuple[FoldResult, ...]
    temperature: float
    """Fitted to the logits of the folds by animal whose networks have learnt something; 1 if there are none."""
    threshold: float
    """Of the calibrated section score, chosen on the same folds; 0.5 if there are none."""
    days: tuple[str, ...] = ()
    """Names of the labels of the protocol *day*, in order."""
    not_run: dict[str, str] = field(default_factory=dict)
    """Why a control was not run, by protocol."""
    leave_one_out: bool = False
    """Whether a fold by animal leaves out one animal, and so may test a single class."""
    unit: Unit = "image"
    """What the paper's protocol dealt into folds."""

    def of(self, protocol: ProtocolName) -> tuple[FoldResult, ...]:
        """Return one protocol's folds, in order."""
        return tuple(fold for fold in self.folds if fold.split.protocol == protocol)

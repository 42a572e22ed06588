"""The results of the folds of an evaluation, before anything is computed from them.

A fold is trained from several random *starts*, each of which gives a network of its own. A start whose network has
learnt nothing is repeated: each repetition is an *attempt*.
"""

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

__all__ = ["EvaluationResult", "FoldResult", "ProtocolName", "Split", "StartResult", "Unit", "single_networks"]

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
class StartResult:
    """What one network of a fold makes of the fold's test tiles."""

    logits: NDArray[np.float32]
    """(k, n_outputs)."""
    start: int = 1
    """Of the fold: 1, 2, ..."""
    seed: int = 0
    """That decided its weights."""
    attempts: int = 1
    """How often it was trained: each attempt but the last one has learnt nothing."""
    silent: bool = False
    """Whether no attempt has learnt anything (`hcc_scope.training.metrics.LearningCheck`)."""
    features: NDArray[np.float32] | None = None
    """(k, n_features), the last hidden layer; None: not kept. May be on disk."""
    history: tuple[Epoch, ...] = ()
    weights: Path | None = None
    """``weights.safetensors``; None: what predicts is no network."""
    distances: NDArray[np.float32] | None = None
    """(k,) from the network's training tiles; None: it measures none."""
    ood_threshold: float | None = None
    """Distance beyond which a tile is unlike those of the training, set as for a model."""
    why_no_distance: str | None = None

    @property
    def unlike(self) -> NDArray[np.bool_]:
        """(k,) which of the tiles are unlike those of this network's training."""
        if self.distances is None or self.ood_threshold is None:
            return np.zeros(len(self.logits), bool)
        return self.distances > np.float32(self.ood_threshold)


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What the networks that were trained on one part of the images make of the other."""

    split: Split
    rows: NDArray[np.int64]
    """(k,) rows of the tile table: all usable tiles of ``split.test``."""
    labels: NDArray[np.int64]
    """(k,) of these tiles, as in ``split.labels``."""
    starts: tuple[StartResult, ...]
    """At least one."""

    @property
    def silent(self) -> bool:
        """Whether the networks of all starts have learnt nothing."""
        return all(start.silent for start in self.starts)

    @property
    def used(self) -> tuple[StartResult, ...]:
        """The starts that figures rest on: those that have learnt something, or all if none has."""
        return self.starts if self.silent else tuple(start for start in self.starts if not start.silent)

    @property
    def drawn(self) -> StartResult:
        """The start of which a picture is drawn that needs one network: the first of `used`."""
        return self.used[0]

    @property
    def logits(self) -> NDArray[np.float32]:
        """(k, n_outputs) mean over the starts that are used."""
        used = self.used
        if len(used) == 1:
            return used[0].logits
        mean = np.stack([start.logits for start in used]).mean(axis=0, dtype=np.float64)
        found: NDArray[np.float32] = mean.astype(np.float32)
        return found

    @property
    def counted(self) -> NDArray[np.bool_]:
        """(k,) which of the tiles would be scored in use: not those that most of the starts used find unlike."""
        used = self.used
        unlike = np.sum([start.unlike for start in used], axis=0)
        counted: NDArray[np.bool_] = 2 * unlike <= len(used)
        return counted

    @property
    def why_no_distance(self) -> str | None:
        """Why a network that is used does not measure how unlike a tile is; None: all do, or it is not stated."""
        return next((start.why_no_distance for start in self.used if start.why_no_distance is not None), None)


def single_networks(fold: FoldResult) -> tuple[FoldResult, ...]:
    """Return a fold of one start for each network that has learnt something: what one exported model would do.

    Temperature, threshold and everything else that goes into a model rest on these and not on mean logits, because a
    model is one network. Empty if none has learnt anything.
    """
    return tuple(FoldResult(fold.split, fold.rows, fold.labels, (start,)) for start in fold.starts if not start.silent)


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """All folds of all protocols."""

    data: LabelledSet
    tiles: TileTable
    config: TrainConfig
    folds: tuple[FoldResult, ...]
    temperature: float
    """Fitted to the networks by animal that have learnt something, one by one; 1 if there are none."""
    threshold: float
    """Of the calibrated section score of one network, chosen on the same; 0.5 if there are none."""
    starts: int = 1
    """Networks of each fold of the two protocols."""
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

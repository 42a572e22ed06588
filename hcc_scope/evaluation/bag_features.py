"""Where the features of tiles come from that heads for bags are trained on; nothing here trains anything.

- The networks of an evaluation: each fold's own, so that no feature of a test tile comes from a network that has seen
  its animal (or, under the paper's protocol, its image).
- A feature extractor that the user brings, or the texture of `tile_features`: frozen, so the same for all folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hcc_scope.errors import ResumeError
from hcc_scope.evaluation.baselines import measure_tiles
from hcc_scope.evaluation.tile_features import FEATURES
from hcc_scope.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.results import FoldResult, Split
    from hcc_scope.inference.extractor import TileExtractor
    from hcc_scope.progress import OnProgress
    from hcc_scope.training.config import TrainConfig

__all__ = ["FeatureSource", "FrozenFeatures", "NetworkFeatures", "StartFeatures", "extracted", "texture"]

STAGE = "features of tiles"
_TILES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class StartFeatures:
    """The features that one start of a fold sees."""

    start: int
    """1, 2, ..."""
    train: NDArray[np.float32]
    """(n, d) of the fold's training tiles, in the order of the table."""
    test: NDArray[np.float32]
    """(k, d) of its test tiles."""


class FeatureSource(Protocol):
    """What the heads ask for."""

    @property
    def words(self) -> str:
        """What the features are, in a clause."""

    @property
    def n_features(self) -> int:
        """That a tile has; known once some were given."""

    def starts_of(self, split: Split) -> Iterator[StartFeatures]:
        """Yield the features for each start of a fold."""

    def counted(self, split: Split) -> NDArray[np.bool_]:
        """Return (k,) which of the fold's test tiles count in use."""


class FrozenFeatures:
    """Features that know nothing of any fold.

    Parameters
    ----------
    tiles : TileTable
    features : (n, d) float32
        Of all tiles; may be on disk.
    words : str
    starts : int
        Heads that are trained from different first weights.
    """

    def __init__(self, tiles: TileTable, features: NDArray[np.float32], words: str, starts: int) -> None:
        self._tiles, self._features, self.words, self._starts = tiles, features, words, starts
        self.n_features = features.shape[1]

    def starts_of(self, split: Split) -> Iterator[StartFeatures]:
        """Yield the same features for each start: they differ in the first weights of the heads alone."""
        train = self._features[split.train_rows(self._tiles)]
        test = self._features[split.test_rows(self._tiles)]
        for start in range(1, self._starts + 1):
            yield StartFeatures(start, train, test)

    def counted(self, split: Split) -> NDArray[np.bool_]:
        """Return that all tiles count: nothing measures how unlike the training they are."""
        return np.ones(len(split.test_rows(self._tiles)), bool)


class NetworkFeatures:
    """The last hidden layer of each fold's own networks.

    Parameters
    ----------
    tiles : TileTable
    config : TrainConfig
        Of the evaluation.
    folds : sequence of FoldResult
        Of its two protocols.
    bit_depth : int
        Of the images.
    on_progress : callable
        Takes a `Progress` after each network.
    """

    words = "the last hidden layer of each fold's own networks"

    def __init__(
        self,
        tiles: TileTable,
        config: TrainConfig,
        folds: Sequence[FoldResult],
        bit_depth: int,
        on_progress: OnProgress,
    ) -> None:
        self._tiles, self._config, self._bit_depth = tiles, config, bit_depth
        self._folds = {(fold.split.protocol, fold.split.fold): fold for fold in folds}
        self._on_progress = on_progress
        self._total = sum(len(fold.used) for fold in folds)
        self._done = 0
        self.n_features = 0

    def starts_of(self, split: Split) -> Iterator[StartFeatures]:
        """Yield, for each network of the fold that has learnt something, the features that it makes of all tiles."""
        from hcc_scope.training.predict import load_weights, predict

        rows = split.train_rows(self._tiles)
        for start in self._folds[split.protocol, split.fold].used:
            assert start.weights is not None, "folds of an evaluation have networks"
            assert start.features is not None, "folds of the two protocols keep them"
            network = load_weights(self._config.network, start.weights, bit_depth=self._bit_depth)
            found = predict(network, self._tiles, rows, device=self._config.device).features
            if found.shape[1] != start.features.shape[1]:
                raise ResumeError(
                    f"{start.weights} gives {found.shape[1]} features for a tile, and {start.features.shape[1]} are "
                    "kept beside it",
                    hint="Delete that folder, and continue the evaluation with --resume.",
                )
            self.n_features = found.shape[1]
            yield StartFeatures(start.start, found, np.asarray(start.features))
            self._done += 1
            self._on_progress(Progress(STAGE, self._done, self._total, f"{split.protocol} {split.fold + 1}"))

    def counted(self, split: Split) -> NDArray[np.bool_]:
        """Return which test tiles count for the networks themselves."""
        return self._folds[split.protocol, split.fold].counted


def texture(tiles: TileTable, starts: int, on_progress: OnProgress) -> FrozenFeatures:
    """Return the texture numbers of `tile_features`, which need no network."""
    measured = measure_tiles(tiles, on_progress)[:, FEATURES["texture"].columns].astype(np.float32)
    return FrozenFeatures(tiles, measured, f"texture: {FEATURES['texture'].words}", starts)


def extracted(
    tiles: TileTable, extractor: TileExtractor, words: str, starts: int, keep: Path, on_progress: OnProgress
) -> FrozenFeatures:
    """Return what an extractor makes of all tiles; computed once, one tile at a time, and kept in a file.

    Parameters
    ----------
    tiles : TileTable
    extractor : TileExtractor
    words : str
        What the features are.
    starts : int
    keep : Path
        ``.npy`` that is written, and read from while heads are trained.
    on_progress : callable

    Raises
    ------
    ModelError, ModelFormatError
        What the extractor raises.
    OSError
        If the file cannot be written.
    """
    first = tiles.reader.read([0])[0]
    extractor.check(first)
    n_features = extractor.n_features
    assert n_features is not None, "a tile went through"
    file = np.lib.format.open_memmap(keep, mode="w+", dtype=np.float32, shape=(len(tiles), n_features))
    for start in range(0, len(tiles), _TILES_AT_ONCE):
        rows = np.arange(start, min(start + _TILES_AT_ONCE, len(tiles)))
        for row, tile in zip(rows.tolist(), tiles.reader.read(rows), strict=True):
            file[row] = extractor.features(tile)
        on_progress(Progress(STAGE, int(rows[-1]) + 1, len(tiles), ""))
    file.flush()
    return FrozenFeatures(tiles, np.load(keep, mmap_mode="r", allow_pickle=False), words, starts)

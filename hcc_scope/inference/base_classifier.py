"""What all engines have in common: one call at a time, with checked tiles and a checked answer."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.inference.output_checks import check_distances, check_finite, check_tiles, to_logits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.protocols import Tiles

__all__ = ["BaseClassifier"]


class BaseClassifier(ABC):
    """A `hcc_scope.protocols.MeasuringClassifier` without an engine.

    Parameters
    ----------
    card : ModelCard
        Tile size, name, and whether the model tells a distance.
    """

    def __init__(self, card: ModelCard) -> None:
        self._tile_px = card.tile_px
        self._model_name = card.name
        self._probabilities = card.output == "probabilities"
        self._measures = card.unlike_training is not None
        self._lock = threading.Lock()

    def classify(self, tiles: Tiles) -> NDArray[np.float32]:
        """Return logits for raw tiles.

        Parameters
        ----------
        tiles : ndarray or sequence of ndarray
            (n, tile, tile) uint16 raw counts, or n times (tile, tile); any strides are fine, n may be 0.

        Returns
        -------
        ndarray
            (n, 2) float32, columns *low*, *high*.

        Raises
        ------
        ModelFormatError
            If the model returns anything but two logits for a tile.
        ModelError
            If the model fails, or a logit is not a finite number.
        """
        return self.classify_and_measure(tiles)[0]

    def classify_and_measure(self, tiles: Tiles) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return logits (n, 2) as `classify` does, and the distances (n,) from the training tiles, if the model tells.

        Raises
        ------
        ModelFormatError
            As `classify`; or if the model's outputs are not what its card says about distances.
        ModelError
            As `classify`; or if a distance is not a number.
        """
        check_tiles(tiles, self._tile_px)
        logits = np.empty((len(tiles), 2), np.float32)
        distances = np.empty(len(tiles), np.float32) if self._measures else None
        with self._lock:
            self._fill(tiles, logits, distances)
        if self._probabilities:
            logits = to_logits(logits, self._model_name)
        check_finite(logits, self._model_name)
        check_distances(distances, self._model_name)
        return logits, distances

    @abstractmethod
    def _fill(self, tiles: Tiles, logits: NDArray[np.float32], distances: NDArray[np.float32] | None) -> None:
        """Run the model on checked tiles; fill (n, 2) with what it returns and, if it tells distances, (n,).

        One call at a time.
        """

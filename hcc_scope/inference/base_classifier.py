"""The base of all engines: one call at a time, with checked tiles and a checked answer."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.inference.output_checks import check_distances, check_finite, check_tiles, to_logits
from hcc_scope.types import Classification

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.protocols import Tiles

__all__ = ["BaseClassifier"]


class BaseClassifier(ABC):
    """A `hcc_scope.protocols.Classifier` without an engine.

    Parameters
    ----------
    card : ModelCard
        Tile size, name, and whether the model gives a distance.
    """

    def __init__(self, card: ModelCard) -> None:
        self._tile_px = card.tile_px
        self._model_name = card.name
        self._probabilities = card.output == "probabilities"
        self._measures = card.unlike_training is not None
        self._lock = threading.Lock()

    def classify(self, tiles: Tiles) -> Classification:
        """Return logits for raw tiles, and their distances from the training tiles if the model gives any.

        Parameters
        ----------
        tiles : ndarray or sequence of ndarray
            (n, tile, tile) uint16 raw counts, or n times (tile, tile); any strides are fine, n may be 0.

        Returns
        -------
        Classification
            (n, 2) float32 logits, columns *low*, *high*, and (n,) float32 distances or None.

        Raises
        ------
        ModelFormatError
            If the model returns anything but two logits for a tile, or its outputs do not match its card in whether
            they have a distance.
        ModelError
            If the model fails, or a logit or a distance is not a finite number.
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
        return Classification(logits, distances)

    @abstractmethod
    def _fill(self, tiles: Tiles, logits: NDArray[np.float32], distances: NDArray[np.float32] | None) -> None:
        """Run the model on checked tiles; fill (n, 2) with what it returns and, if it gives distances, (n,).

        One call at a time.
        """

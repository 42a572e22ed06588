"""Check that an engine gives the reference's probabilities; each has to pass before it may score anything.

The reference engine reproduces the model's stored test output to within rounding. The others are compared with it, on
this machine, on more tiles than the model brings along: each of its test tiles in its eight orientations, every second
one at three quarters of the light. Orientation and light are what differs from section to section without being the
tumour's; a network that was not trained to be indifferent to them answers differently, which is what makes these tiles
worth comparing. Nothing is random: the same check everywhere.

The distances of a model that gives any are compared as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import ModelSelfTestError
from hcc_scope.scoring import calibrate, log_odds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.inference.base import Engine
    from hcc_scope.protocols import Classifier

__all__ = ["DISTANCE_TOLERANCE", "Agreement", "comparison_tiles", "distances_apart"]

MOST_TEST_TILES = 4
"""A model may bring hundreds; the comparison is made at every start."""
DISTANCE_TOLERANCE = 0.05
"""Largest difference of a distance from the training tiles between another engine and the reference, as a share of the
threshold, or of the distance where that is larger. Nearer to the threshold than this, engines may flag differently."""
DIMMED = (3, 4)
"""Numerator and denominator, so that the counts stay whole."""


def comparison_tiles(test_tiles: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return the tiles (8 k, tile, tile) on which engines are compared, from a model's first k <= 4 test tiles."""
    tiles = []
    for tile in test_tiles[:MOST_TEST_TILES]:
        for quarter_turns in range(4):
            turned = np.rot90(tile, quarter_turns)
            dimmed = turned[:, ::-1].astype(np.uint32) * DIMMED[0] // DIMMED[1]
            tiles += [turned, dimmed.astype(np.uint16)]
    return np.stack(tiles)


def distances_apart(one: NDArray[np.float32], other: NDArray[np.float32], threshold: float) -> float:
    """Return the largest difference of two engines' distances, as `DISTANCE_TOLERANCE` takes it; 0 of no tiles."""
    return float(np.max(np.abs(one - other) / np.maximum(one, threshold), initial=0.0))


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the reference makes of the comparison tiles, and how far another engine may be from it."""

    tiles: NDArray[np.uint16]
    """(n, tile, tile)"""
    probabilities: NDArray[np.float32]
    """(n,) the reference's"""
    temperature: float
    tolerance: float
    """Largest absolute difference of a calibrated probability; the card's ``probability_tolerance``."""
    distances: NDArray[np.float32] | None = None
    """(n,) the reference's; None if the model gives none."""
    unlike_beyond: float = 1.0
    """The card's threshold of the distances."""

    @classmethod
    def with_reference(
        cls,
        reference: Classifier,
        test_tiles: NDArray[np.uint16],
        *,
        temperature: float,
        tolerance: float,
        unlike_beyond: float = 1.0,
    ) -> Agreement:
        """Return what `reference` demands of the other engines."""
        tiles = comparison_tiles(test_tiles)
        answer = reference.classify(tiles)
        probabilities = calibrate(log_odds(answer.logits), temperature)
        return cls(tiles, probabilities, temperature, tolerance, answer.distances, unlike_beyond)

    def largest_difference(self, classifier: Classifier) -> float:
        """Return the largest absolute difference of a tile's probability to the reference's."""
        return self.differences(classifier)[0]

    def differences(self, classifier: Classifier) -> tuple[float, float | None]:
        """Return the largest differences to the reference: of a probability, and of a distance (`distances_apart`)."""
        answer = classifier.classify(self.tiles)
        probability = float(np.abs(calibrate(log_odds(answer.logits), self.temperature) - self.probabilities).max())
        if self.distances is None or answer.distances is None:
            return probability, None
        return probability, distances_apart(self.distances, answer.distances, self.unlike_beyond)

    def check(self, engine: Engine) -> None:
        """Refuse an engine that is not the reference's equal.

        Raises
        ------
        ModelSelfTestError
            With the difference and the tolerance.
        """
        worst, apart = self.differences(engine)
        if not worst <= self.tolerance:  # also if it is not a number
            raise ModelSelfTestError(
                f"on the engine {engine.name} a tile's probability differs by {worst:.2g} from the reference engine's "
                f"(tolerance {self.tolerance:g})"
            )
        if apart is not None and not apart <= DISTANCE_TOLERANCE:
            raise ModelSelfTestError(
                f"on the engine {engine.name} a tile's distance from the training tiles differs by {apart:.2g} of the "
                f"threshold from the reference engine's (tolerance {DISTANCE_TOLERANCE:g})"
            )

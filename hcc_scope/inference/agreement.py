"""Whether an engine gives the reference's probabilities: the check that each has to pass before it may score anything.

The reference engine reproduces the model's stored test output to within rounding. The others are compared with it, on
this machine, on more tiles than the model brings along: each of its test tiles in its eight orientations, every second
one at three quarters of the light. Orientation and light are what differs from section to section without being the
tumour's; a network that was not trained to be indifferent to them answers differently, which is what makes these tiles
worth comparing. Nothing is random: the same check everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import ModelSelfTestError
from hcc_scope.scoring import calibrate, log_odds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.inference.engines import Engine
    from hcc_scope.protocols import Classifier

__all__ = ["Agreement", "comparison_tiles"]

MOST_TEST_TILES = 4
"""A model may bring hundreds; the comparison is made at every start."""
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

    @classmethod
    def with_reference(
        cls, reference: Classifier, test_tiles: NDArray[np.uint16], *, temperature: float, tolerance: float
    ) -> Agreement:
        """Return what `reference` demands of the other engines."""
        tiles = comparison_tiles(test_tiles)
        return cls(tiles, calibrate(log_odds(reference.classify(tiles)), temperature), temperature, tolerance)

    def largest_difference(self, classifier: Classifier) -> float:
        """Return the largest absolute difference of a tile's probability to the reference's."""
        found = calibrate(log_odds(classifier.classify(self.tiles)), self.temperature)
        return float(np.abs(found - self.probabilities).max())

    def check(self, engine: Engine) -> None:
        """Refuse an engine that is not the reference's equal.

        Raises
        ------
        ModelSelfTestError
            With the difference and the tolerance.
        """
        worst = self.largest_difference(engine)
        if not worst <= self.tolerance:  # also if it is not a number
            raise ModelSelfTestError(
                f"on the engine {engine.name} a tile's probability differs by {worst:.2g} from the reference engine's "
                f"(tolerance {self.tolerance:g})"
            )

"""Scores of sections and animals by single networks that had never seen the animal.

A model is *one* network, so whatever goes onto its card about a section's score (the threshold's interval, the section
map, what a verdict is worth) rests on single networks, not on the mean over a fold's starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.evaluation.aggregation import scored
from hcc_scope.evaluation.results import single_networks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.aggregation import Level
    from hcc_scope.evaluation.results import FoldResult

__all__ = ["UnseenScores", "unseen_scores"]


@dataclass(frozen=True, slots=True)
class UnseenScores:
    """Mean tile probabilities of sections or animals, each by one network."""

    scores: NDArray[np.float64]
    """(n,) in [0, 1]."""
    labels: NDArray[np.int64]
    """(n,) 0 for low, 1 for high."""
    animals: NDArray[np.int64]
    """(n,) of which animal; two of one animal are not independent, nor are two networks' scores of one section."""
    networks: NDArray[np.int64]
    """(n,) 0, 1 ...: which of its fold's networks gave the score."""

    def __len__(self) -> int:
        """Return how many scores there are."""
        return len(self.scores)

    def of_class(self, label: int) -> int:
        """Return how many animals of a class there are."""
        return len(np.unique(self.animals[self.labels == label]))

    def part(self, chosen: NDArray[np.bool_]) -> UnseenScores:
        """Return some of them."""
        return UnseenScores(self.scores[chosen], self.labels[chosen], self.animals[chosen], self.networks[chosen])

    def weights(self) -> NDArray[np.float64]:
        """Return (n,) weights with which each animal counts once."""
        codes = np.unique(self.animals, return_inverse=True)[1]
        counts: NDArray[np.float64] = 1.0 / np.bincount(codes)[codes]
        return counts


def unseen_scores(
    folds: Sequence[FoldResult], tiles: TileTable, temperature: float, level: Level = "section"
) -> UnseenScores:
    """Return the scores at a level, of each network of each fold for itself, as in use.

    Networks that have learnt nothing are left out, unless no other is in the fold.

    Parameters
    ----------
    folds : sequence of FoldResult
        By animal.
    tiles : TileTable
    temperature : float
    level : str
    """
    parts, networks = [], []
    for fold in folds:
        for i, network in enumerate(single_networks(fold) or (fold,)):
            found = scored([network], tiles, temperature)[level]
            parts.append(found)
            networks.append(np.full(len(found), i))
    return UnseenScores(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.animals for part in parts]),
        np.concatenate(networks),
    )

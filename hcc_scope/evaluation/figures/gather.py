"""The tiles that a figure shows where it cannot show all: chosen by rule, never by eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

__all__ = ["both_classes", "spread_over", "typical_and_wrong"]


def both_classes(labels: NDArray[np.int64]) -> bool:
    """Return whether a ROC curve is defined."""
    return len(np.unique(labels)) == 2


def spread_over(groups: Sequence[Hashable], most: int, seed: int) -> NDArray[np.intp]:
    """Return (at most `most`,) ascending places, drawn at random but as evenly from every group as it can give."""
    numbers: dict[Hashable, int] = {}
    group = np.array([numbers.setdefault(one, len(numbers)) for one in groups], dtype=np.intp)
    order = np.random.default_rng(seed).permutation(len(group))
    turn = np.empty(len(group), np.intp)  # each place's turn within its group
    for number in range(len(numbers)):
        members = order[group[order] == number]
        turn[members] = np.arange(len(members))
    chosen = order[np.argsort(turn[order], kind="stable")][:most]
    return np.sort(chosen)


def typical_and_wrong(scores: NDArray[np.float64], labels: NDArray[np.int64], label: int) -> list[tuple[int, str]]:
    """Return places of two tiles of a class, and by which rule each was chosen.

    The correct tile (on its class's side of 0.5) with the median probability, and the tile with the largest error.

    Parameters
    ----------
    scores : (n,)
        Probability of *high*.
    labels : (n,)
    label : int
        0 low, 1 high.
    """
    members = np.flatnonzero(labels == label)
    if not len(members):
        return []
    error = scores[members] if label == 0 else 1.0 - scores[members]
    order = members[np.argsort(error, kind="stable")]
    correct = order[: int((error < 0.5).sum())]
    chosen: list[tuple[int, str]] = []
    if len(correct):
        chosen.append((int(correct[(len(correct) - 1) // 2]), "median of the correct tiles"))
    worst = int(order[-1])
    if not chosen or worst != chosen[0][0]:
        chosen.append((worst, "most wrong tile" if error.max() >= 0.5 else "least certain tile (none is wrong)"))
    return chosen

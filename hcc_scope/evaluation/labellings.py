"""Which other classes the animals could have had: the labellings that a permutation test compares the true one with.

A permutation test is exact if, images being what they are, every labelling it compares with was as likely as the true
one. What is exchanged is therefore what the study could have exchanged:

- Animals of both classes that share a day differ by more than the day. Their classes are exchanged among themselves:
  a labelling that gave one day to *low* and another one to *high* was never possible.
- Animals of one class that share a day, with none of the other class, resemble each other for that reason alone. They
  keep one class in common, which is exchanged as a whole. Single animals would be too many: that the images of one day
  are alike would count as a difference of the classes.
- The same holds for a batch and for a site, where the manifest has them: from the finest to the coarsest, what is of
  one class is joined, and what is of both is exchanged within.
- An animal with images of both classes has them swapped, or not.

Images per animal may be unequal: a labelling moves whole animals, and every statistic takes the images they have.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled_image import LabelledImage
    from hcc_scope.evaluation.splits import Animal

__all__ = ["EXACT_UP_TO", "RANDOM", "Labellings", "labellings_of"]

EXACT_UP_TO = 4000
"""So many labellings are all tried."""
RANDOM = 2000
"""So many are drawn at random where there are more."""

_Source = Literal["day", "batch", "site"]
_SOURCES: dict[_Source, Callable[[LabelledImage], str | None]] = {
    "day": lambda image: image.day,
    "batch": lambda image: image.batch,
    "site": lambda image: image.site,
}
"""From the finest to the coarsest."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """Animals that have their class in common."""

    animals: tuple[int, ...]
    kind: int


@dataclass(frozen=True, slots=True)
class Labellings:
    """Which animals have the other class than in truth."""

    swapped: NDArray[np.bool_]
    """(labellings, animals); the first row is the truth: none has."""
    exact: bool
    """Whether these are all there are, each once; else the others are drawn at random."""
    possible: int
    """How many there are."""
    words: str
    """What is exchanged, in a sentence."""

    def __len__(self) -> int:
        """Return how many are compared, the truth included."""
        return len(self.swapped)

    def distinct(self) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """Return the labellings that differ in more than the classes' names, and which of them each one is.

        A labelling and its mirror image (all animals swapped) have the same AUC, for scores turn round with the
        classes.
        """
        mirrored = self.swapped ^ self.swapped[:, :1]
        found, which = np.unique(mirrored, axis=0, return_inverse=True)
        return found, which.ravel()

    @property
    def testable(self) -> bool:
        """Whether any labelling differs from the truth in more than the classes' names."""
        return len(self.distinct()[0]) > 1


def labellings_of(animals: Sequence[Animal], images: Sequence[LabelledImage], seed: int) -> Labellings:
    """Return all labellings of the animals, or many drawn at random.

    Parameters
    ----------
    animals : sequence of Animal
        At least two with images of each class.
    images : sequence of LabelledImage
        That the animals' images are indices of.
    seed : int
        Of those drawn at random.
    """
    groups, words = _exchangeable(animals, images)
    both = [number for number, animal in enumerate(animals) if animal.kind is None]
    n_high = [sum(unit.kind for unit in group) for group in groups]
    possible = 2 ** len(both) * math.prod(map(math.comb, map(len, groups), n_high))
    exact = possible <= EXACT_UP_TO
    rows = []
    if exact:
        choices = [list(itertools.combinations(range(len(g)), k)) for g, k in zip(groups, n_high, strict=True)]
        swaps = list(itertools.product((False, True), repeat=len(both)))
        rows += [_row(animals, groups, highs, both, swap) for highs in itertools.product(*choices) for swap in swaps]
    else:
        rng = np.random.default_rng([seed, 7])
        rows.append(np.zeros(len(animals), bool))
        for _ in range(RANDOM):
            highs = tuple(tuple(rng.permutation(len(g))[:k].tolist()) for g, k in zip(groups, n_high, strict=True))
            rows.append(_row(animals, groups, highs, both, (rng.random(len(both)) < 0.5).tolist()))
    swapped = np.array([row for row in rows if _enough(animals, row)])
    truth_first = np.argsort(swapped.any(axis=1), kind="stable")
    return Labellings(swapped[truth_first], exact, possible, words)


def _row(
    animals: Sequence[Animal],
    groups: Sequence[Sequence[_Unit]],
    highs: Sequence[Sequence[int]],
    both: Sequence[int],
    swaps: Sequence[bool],
) -> NDArray[np.bool_]:
    row = np.zeros(len(animals), bool)
    for group, high in zip(groups, highs, strict=True):
        for number, unit in enumerate(group):
            row[list(unit.animals)] = unit.kind != (number in high)
    row[list(both)] = swaps
    return row


def _enough(animals: Sequence[Animal], swapped: NDArray[np.bool_]) -> bool:
    """Whether each class still has two animals: units of unequal size may take them away."""
    counts = [0, 0]
    for animal, is_swapped in zip(animals, swapped.tolist(), strict=True):
        for label in (0, 1):
            counts[label] += animal.n_of[1 - label if is_swapped else label] > 0
    return min(counts) >= 2


def _exchangeable(animals: Sequence[Animal], images: Sequence[LabelledImage]) -> tuple[list[list[_Unit]], str]:
    """Return the groups within which classes are exchanged, and what they are."""
    units = [_Unit((number,), animal.kind) for number, animal in enumerate(animals) if animal.kind is not None]
    groups: list[list[_Unit]] = []
    words = []
    for source, value_of in _SOURCES.items():
        values = [{value_of(images[i]) for i in animal.images.tolist()} - {None} for animal in animals]
        connected = _connected(units, values)
        within = [group for group in connected if len({unit.kind for unit in group}) > 1]
        groups += within
        units = [
            _Unit(tuple(sorted(itertools.chain.from_iterable(unit.animals for unit in group))), group[0].kind)
            for group in connected
            if len({unit.kind for unit in group}) == 1
        ]
        if within:
            words.append(f"within {counted(len(within), 'group')} of animals that share a {source}")
    if len({unit.kind for unit in units}) > 1:
        joined = sum(len(unit.animals) > 1 for unit in units)
        words.append(
            f"among {len(units)} animals or groups of one class that share a day, batch or site"
            if joined
            else f"among {len(units)} animals"
        )
        groups.append(units)
    if both := sum(animal.kind is None for animal in animals):
        words.append(f"within {counted(both, 'animal')} with images of both")
    what = "Classes are exchanged " + ", and ".join(words) if words else "Nothing can be exchanged"
    return groups, f"{what}."


def _connected(units: Sequence[_Unit], values: Sequence[set[str | None]]) -> list[list[_Unit]]:
    """Return the units in groups that are linked by values that their animals share."""
    group = list(range(len(units)))
    first: dict[str | None, int] = {}
    for number, unit in enumerate(units):
        for value in set().union(*(values[animal] for animal in unit.animals)):
            one, other = group[first.setdefault(value, number)], group[number]
            group = [one if of == other else of for of in group]
    return [[u for u, mine in zip(units, group, strict=True) if mine == of] for of in dict.fromkeys(group)]

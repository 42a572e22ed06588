"""How far a figure of an evaluation moves with the random start of its networks.

The starts of a fold differ in nothing but their seed, and those of different folds are independent. So the variance of
a figure over the starts is the sum over folds of its variance over that fold's starts, with the other folds as they
are: exact for a weighted mean over folds, such as the AUC from pairs within folds, and to first order for any other.
With k folds of K starts that rests on k (K - 1) differences, where comparing the first networks of all folds with the
second ones, and so on, would rest on K - 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.evaluation.results import FoldResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["StartSpread", "over_starts"]


@dataclass(frozen=True, slots=True)
class StartSpread:
    """A figure of networks one by one."""

    mean: float | None
    """Of networks one by one, where the tables have that of the mean logit; None: it is not defined for all."""
    sd: float | None
    """Standard deviation over single networks; None: fewer than two starts of each fold have learnt something, or the
    figure is not defined for all. That of the mean logit of K starts is smaller: about sd / sqrt(K)."""


def over_starts(folds: Sequence[FoldResult], figure: Callable[[Sequence[FoldResult]], float | None]) -> StartSpread:
    """Return mean and standard deviation of a figure over networks that differ by their random start alone.

    Parameters
    ----------
    folds : sequence of FoldResult
        Of one protocol. Where no start has learnt anything all count, else those that have.
    figure : callable
        Takes such folds; for example their AUC.
    """
    networks = [[FoldResult(f.split, f.rows, f.labels, (start,)) for start in f.used] for f in folds]
    most = max(map(len, networks), default=0)
    # where fewer have learnt something, they come round again
    singles = [figure([of_fold[j % len(of_fold)] for of_fold in networks]) for j in range(most)]
    known = [value for value in singles if value is not None]
    mean = float(np.mean(known)) if known and len(known) == most else None
    if any(len(of_fold) < 2 for of_fold in networks):
        return StartSpread(mean, None)
    variance = 0.0
    for place, of_fold in enumerate(networks):
        found = [figure([*folds[:place], one, *folds[place + 1 :]]) for one in of_fold]
        values = [value for value in found if value is not None]
        if len(values) < len(found):
            return StartSpread(mean, None)
        variance += float(np.var(values, ddof=1))
    return StartSpread(mean, math.sqrt(variance))

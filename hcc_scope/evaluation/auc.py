"""The AUC from pairs within folds, what few animals and the random start leave open of it, and differences of two.

Which pairs
-----------
An AUC is the share of pairs (of one *high* and one *low*) in which *high* has the larger score. Scores of two folds are
those of different networks, which need not have a common scale, so pairs within folds are counted: wins and pairs are
summed over the folds. Where that cannot be (a section whose images are in several folds, folds of a single class) all
pairs are counted, and `PairTable.within_folds` is False. The pooled AUC, of all pairs, stands beside it as a footnote.

What it leaves open
-------------------
Everything follows from a table of animals by animals: wins and pairs of each animal's *high* with each animal's *low*.

- Animals: each animal's contribution to the AUC, and from them the variance between animals (DeLong, DeLong &
  Clarke-Pearson, Biometrics 44, 1988, with animals in the place of observations: Obuchowski, Biometrics 53, 1997);
  then `hcc_scope.evaluation.intervals.score_interval`.
- Random starts: the standard deviation over evaluations that differ by their starts alone, with one network in each
  fold. It is added to both ends of the interval in full, although the figure is of a mean over starts, by the method of
  variance estimates recovery (Zou & Donner, Statistics in Medicine 27, 2008), each side with its own quantile of
  Student's t. A single network, as a model is, is not averaged over the folds: it can vary by up to the square root of
  their number times as much.
- A difference of two AUCs of the same animals: the same method, with the correlation of the animals' contributions,
  which few animals show badly and which is therefore shrunk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student

from hcc_scope.evaluation.intervals import (
    BY_ANIMAL,
    CONFIDENCE,
    PRIOR_DF,
    Estimate,
    Interval,
    coverage_of,
    score_interval,
)
from hcc_scope.training.metrics import roc_auc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.evaluation.aggregation import ProtocolScores, Scored, TableLevel

__all__ = [
    "PairTable",
    "StartSpread",
    "auc_difference",
    "auc_estimate",
    "covariance_of",
    "pair_table",
    "start_spread",
    "with_starts",
    "within_fold_auc",
]


@dataclass(frozen=True, slots=True)
class StartSpread:
    """How much an AUC changes from one random start of the training to another."""

    sd: float
    """With one network in each fold, in the place of the mean logit of several."""
    df: float
    """Degrees of freedom of `sd`."""
    mean: float
    """Mean AUC of the networks one by one."""


@dataclass(frozen=True, slots=True)
class PairTable:
    """Wins and pairs of each animal's *high* (row) with each animal's *low* (column)."""

    wins: NDArray[np.float64]
    """(animals, animals) pairs in which the high has the larger score, ties counting half."""
    pairs: NDArray[np.float64]
    """(animals, animals)."""
    within_folds: bool
    """Whether only pairs of one fold are counted."""

    @property
    def auc(self) -> float | None:
        """None: there is no pair."""
        n = float(self.pairs.sum())
        return float(self.wins.sum()) / n if n else None

    @property
    def animals(self) -> tuple[int, int]:
        """Animals with *low*, and with *high*, that have a part in it."""
        return int((self.pairs.sum(0) > 0).sum()), int((self.pairs.sum(1) > 0).sum())

    @property
    def fewest(self) -> int:
        """Animals of the rarer class."""
        return min(self.animals)

    @property
    def independent(self) -> float:
        """Independent pairs that it is worth at least: animals of the rarer class, if all have as many pairs."""
        share = self.pairs / self.pairs.sum()
        rows, columns = share.sum(1), share.sum(0)
        worth = [1.0 / float((part**2).sum()) for part in (rows, columns, (rows + columns) / 2.0)]
        return max(1.0, min(worth[0], worth[1], worth[2] / 2.0))

    def strata(self) -> list[NDArray[np.int64]]:
        """Return the animals with *low* alone, with *high* alone and with both, as far as there are any."""
        high, low = self.pairs.sum(1) > 0, self.pairs.sum(0) > 0
        found = [np.flatnonzero(part) for part in (low & ~high, high & ~low, low & high)]
        return [part for part in found if len(part)]

    def contributions(self) -> NDArray[np.float64]:
        """Return (animals,) how much each animal adds to the AUC, less what an average one adds."""
        total = self.pairs.sum()
        excess = (self.wins - self.wins.sum() / total * self.pairs) / total
        each: NDArray[np.float64] = excess.sum(1) + excess.sum(0)
        return each

    def covariance(self, other: PairTable) -> tuple[float, float]:
        """Return the covariance of the two AUCs over animals, and its degrees of freedom (Satterthwaite)."""
        return covariance_of(self.contributions(), other.contributions(), self.strata())


def covariance_of(
    one: NDArray[np.float64], other: NDArray[np.float64], strata: Sequence[NDArray[np.int64]]
) -> tuple[float, float]:
    """Return the covariance of two sums over animals, and its degrees of freedom (Satterthwaite).

    Parameters
    ----------
    one, other : (animals,) float64
        What each animal adds to the sum.
    strata : sequence of (k,) int64
        Which animals were sampled together: those of one class. With one that has a single animal nothing is known of
        the variance, and both results are 0.
    """
    parts, counts = [], []
    for stratum in strata:
        n = len(stratum)
        if n < 2:
            return 0.0, 0.0
        a, b = one[stratum] - one[stratum].mean(), other[stratum] - other[stratum].mean()
        parts.append(n / (n - 1) * float(a @ b))
        counts.append(n - 1)
    total = math.fsum(parts)
    spread = math.fsum(part**2 / count for part, count in zip(parts, counts, strict=True))
    df = total**2 / spread if spread > 0.0 else float(min(counts))
    return total, min(max(df, float(min(counts))), float(sum(counts)))


def pair_table(values: Scored, *, within_folds: bool | None = None) -> PairTable:
    """Return wins and pairs of animals.

    Parameters
    ----------
    values : Scored
    within_folds : bool, optional
        Whether only pairs of one fold count; None: if every score is of one fold, and a fold has both classes.
    """
    folds = values.folds
    if within_folds is None:
        within_folds = bool((folds >= 0).all()) and any(
            len(np.unique(values.labels[folds == fold])) > 1 for fold in np.unique(folds)
        )
    parts = [folds == fold for fold in np.unique(folds)] if within_folds else [np.ones(len(values), bool)]
    n = len(values.animal_ids)
    wins, pairs = np.zeros((n, n)), np.zeros((n, n))
    for part in parts:
        _count(values.ranks[part], values.labels[part] == 1, values.animals[part], wins, pairs)
    return PairTable(wins, pairs, within_folds)


def _count(
    ranks: NDArray[np.float64],
    is_high: NDArray[np.bool_],
    animals: NDArray[np.int64],
    wins: NDArray[np.float64],
    pairs: NDArray[np.float64],
) -> None:
    """Add the wins and pairs of one fold."""
    n = len(wins)
    high_ranks, high_animals = ranks[is_high], animals[is_high]
    n_high = np.bincount(high_animals, minlength=n).astype(np.float64)
    for animal in np.unique(animals[~is_high]):
        low = np.sort(ranks[~is_high & (animals == animal)])
        won = np.searchsorted(low, high_ranks, "left") + np.searchsorted(low, high_ranks, "right")
        wins[:, animal] += np.bincount(high_animals, won / 2.0, minlength=n)
        pairs[:, animal] += n_high * len(low)


def within_fold_auc(ranks: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.int64]) -> float | None:
    """Return the AUC from pairs within folds alone, without an interval: for figures that are computed often.

    Parameters
    ----------
    ranks, labels, folds : (n,)

    Returns
    -------
    float or None
        None: no fold has both classes.
    """
    wins = pairs = 0.0
    for fold in np.unique(folds):
        mine = folds == fold
        auc = roc_auc(ranks[mine], labels[mine])
        if auc is not None:
            n_high = int(labels[mine].sum())
            n = n_high * (int(mine.sum()) - n_high)
            wins, pairs = wins + auc * n, pairs + n
    return wins / pairs if pairs else None


def with_starts(
    value: float, low: float, high: float, spreads: Sequence[StartSpread | None], bounds: tuple[float, float]
) -> tuple[float, float]:
    """Return the ends of an interval with what the random starts add to it."""
    added = [float(student.ppf((1.0 + CONFIDENCE) / 2.0, spread.df)) * spread.sd for spread in spreads if spread]
    below, above = math.hypot(value - low, *added), math.hypot(high - value, *added)
    return max(value - below, bounds[0]), min(value + above, bounds[1])


def _by_animals(table: PairTable, value: float) -> tuple[float, float]:
    variance, df = table.covariance(table)
    return score_interval(value, variance, df, table.independent)


def auc_estimate(values: Scored, spread: StartSpread | None = None) -> Estimate | None:
    """Return an AUC from pairs within folds (see `pair_table`), with its interval.

    Parameters
    ----------
    values : Scored
    spread : StartSpread, optional
        Of the random starts; None: only animals are in the interval.

    Returns
    -------
    Estimate or None
        None: there is no pair.
    """
    table = pair_table(values)
    value = table.auc
    if value is None:
        return None
    low, high = with_starts(value, *_by_animals(table, value), [spread], (0.0, 1.0))
    interval = Interval(low, high, BY_ANIMAL, coverage_of("auc", table.fewest))
    return Estimate(value, interval, len(values), None if spread is None else spread.sd)


def auc_difference(
    one: Scored, other: Scored, spread: StartSpread | None = None, other_spread: StartSpread | None = None
) -> Estimate | None:
    """Return the AUC of `one` less that of `other`, of the same animals, with the interval of the pair.

    Parameters
    ----------
    one, other : Scored
    spread, other_spread : StartSpread, optional
        Of the random starts of each.
    """
    tables = pair_table(one), pair_table(other)
    first, second = (table.auc for table in tables)
    if first is None or second is None:
        return None
    value = first - second
    (low, high), (other_low, other_high) = _by_animals(tables[0], first), _by_animals(tables[1], second)
    rho = _correlation(*tables)

    def distance(mine: float, others: float) -> float:
        return math.sqrt(max(mine**2 + others**2 - 2.0 * rho * mine * others, 0.0))

    ends = (value - distance(first - low, other_high - second), value + distance(high - first, second - other_low))
    fewest = min(table.fewest for table in tables)
    low, high = with_starts(value, *ends, [spread, other_spread], (-1.0, 1.0))
    sds = [each.sd for each in (spread, other_spread) if each is not None]
    return Estimate(
        value,
        Interval(low, high, BY_ANIMAL, coverage_of("difference", fewest)),
        min(len(one), len(other)),
        math.hypot(*sds) if sds else None,
    )


def _correlation(one: PairTable, other: PairTable) -> float:
    """Return the correlation of two AUCs over animals, shrunk towards 0 for few of them."""
    variances = one.covariance(one)[0] * other.covariance(other)[0]
    df = sum(len(stratum) - 1 for stratum in one.strata())
    if variances <= 0.0 or df < 1:
        return 0.0
    rho = one.covariance(other)[0] / math.sqrt(variances)
    return min(max(rho, -1.0), 1.0) * df / (df + PRIOR_DF)


def start_spread(scores: ProtocolScores, level: TableLevel) -> StartSpread | None:
    """Return how much a protocol's AUC at one level changes with the random start of the training.

    Starts of different folds are independent, so the variance of an AUC from pairs within folds is the sum of those of
    the folds' parts in it. Where all pairs are counted, networks of the same place in their folds are put together.

    Parameters
    ----------
    scores : ProtocolScores
    level : TableLevel

    Returns
    -------
    StartSpread or None
        None: no fold has two networks that could be compared.
    """
    if not pair_table(scores.pooled[level]).within_folds:
        found = [pair_table(each[level], within_folds=False).auc for each in scores.by_start]
        aucs = np.array([auc for auc in found if auc is not None])
        if len(aucs) < 2:
            return None
        return StartSpread(float(aucs.std(ddof=1)), len(aucs) - 1, float(aucs.mean()))
    weights, means, variances, df = [], [], [], 0
    for fold, singles in zip(scores.folds, scores.singles, strict=True):
        pairs = float(pair_table(fold[level], within_folds=False).pairs.sum())
        found = [pair_table(each[level], within_folds=False).auc for each in singles]
        aucs = np.array([auc for auc in found if auc is not None])
        if pairs and len(aucs):
            weights.append(pairs)
            means.append(float(aucs.mean()))
            variances.append(float(aucs.var(ddof=1)) if len(aucs) > 1 else math.nan)
            df += len(aucs) - 1
    if not df:
        return None
    share = np.array(weights) / sum(weights)
    spread = np.array(variances)
    spread[np.isnan(spread)] = np.nanmean(spread)  # a fold whose other starts have learnt nothing is as any other
    return StartSpread(math.sqrt(float((share**2 * spread).sum())), df, float((share * means).sum()))

"""Measure how often the intervals of docs/evaluation.md contain the truth, and compare ways of making them.

Run with ``python -m benchmarks.interval_coverage``; takes under three minutes. Cohorts of few animals are simulated:
an image's score is normal, with the share ICC of its variance between animals. For each number of animals per class,
AUC, ICC, and equal or unequal numbers of images per animal (2 to 20) it counts how often an interval contains the
truth, and on which side it misses: *flattering* lies wholly above the truth. Pairs of all images are counted, and pairs
within folds, of networks that differ in scale. The last table is `hcc_scope.evaluation.intervals.COVERAGE`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats import t as student

from hcc_scope.evaluation.aggregation import Scored
from hcc_scope.evaluation.auc import auc_difference, auc_estimate
from hcc_scope.evaluation.intervals import CONFIDENCE, COVERAGE, PRIOR_DF, ClusterBootstrap, bounded_mean
from hcc_scope.evaluation.metrics import mean_by_animal, share_by_animal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ends = tuple[NDArray[np.float64], NDArray[np.float64]]

ANIMALS = (2, 3, 4, 5, 10, 20, 40)
AUCS = (0.50, 0.69, 0.85, 0.93, 0.98)
PAIRS_OF_AUCS = ((0.50, 0.50), (0.69, 0.69), (0.85, 0.69), (0.85, 0.85), (0.93, 0.69), (0.93, 0.85), (0.98, 0.93))
SHARES = (0.50, 0.64, 0.86, 0.95)
ICCS = (0.2, 0.5, 0.8)
IN_COMMON = (0.0, 0.5, 0.9)
"""Share of the variance of a score that two networks have in common."""
COHORTS, COHORTS_OF_PAIRS, COHORTS_DRAWN = 600, 250, 40
"""Cohorts in each case; of a difference; for intervals that have to be drawn or solved for one by one."""
DRAWINGS = 500
FOLDS = 5
IMAGES, UNEQUAL = 10, np.array([2, 4, 8, 12, 20])
_Q = (1.0 + CONFIDENCE) / 2.0

CHOSEN = "score interval by animal (chosen)"
BOOTSTRAP = "cluster bootstrap, expanded percentiles"


@dataclass(frozen=True, slots=True)
class Sample:
    """The scores of many cohorts of as many animals per class."""

    high: NDArray[np.float64]
    """(cohorts, animals, images)."""
    low: NDArray[np.float64]
    there: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    """Which of the images of *high*, and of *low*, there are."""


def draw_many(
    rng: np.random.Generator,
    cohorts: int,
    animals: int,
    icc: float,
    *,
    unequal: bool,
    count: int = 1,
    common: float = 0,
) -> list[Sample]:
    """Return the scores of `count` networks for the same images, without a difference of the classes."""
    most = int(UNEQUAL.max()) if unequal else IMAGES
    numbers = [
        rng.choice(UNEQUAL, (cohorts, animals)) if unequal else np.full((cohorts, animals), most) for _ in range(2)
    ]
    there = tuple(np.arange(most) < number[..., None] for number in numbers)

    def scores() -> NDArray[np.float64]:
        of_animals = np.sqrt(icc) * rng.normal(size=(cohorts, animals, 1))
        return np.asarray(of_animals + np.sqrt(1 - icc) * rng.normal(size=(cohorts, animals, most)))

    shared = [scores(), scores()] if common else [0.0, 0.0]
    return [
        Sample(
            *(np.sqrt(common) * both + np.sqrt(1 - common) * scores() for both in shared),
            there,  # type: ignore[arg-type]  # of two
        )
        for _ in range(count)
    ]


def separation(auc: float) -> float:
    """Return the difference of two normal means of variance 1 that gives an AUC."""
    return float(np.sqrt(2.0) * norm.ppf(auc))


def wins_and_pairs(sample: Sample, auc: float, *, within: bool) -> Ends:
    """Return (cohorts, animals, animals) wins and pairs of each animal's high with each animal's low."""
    n = sample.high.shape[1]
    high = np.where(sample.there[0], sample.high + separation(auc), -np.inf)
    wins = np.zeros((len(high), n, n))
    for animal in range(n):
        low = np.where(sample.there[1][:, animal], sample.low[:, animal], np.inf)
        wins[:, :, animal] = (high[..., None] > low[:, None, None, :]).sum((2, 3))
    pairs = (sample.there[0].sum(2)[:, :, None] * sample.there[1].sum(2)[:, None, :]).astype(np.float64)
    if within:
        fold = np.arange(n) % min(n, FOLDS)
        same = fold[:, None] == fold[None]
        wins, pairs = wins * same, pairs * same
    return wins, pairs


@dataclass(frozen=True, slots=True)
class Found:
    """AUCs of many cohorts, and what their animals show of them."""

    auc: NDArray[np.float64]
    each: tuple[NDArray[np.float64], NDArray[np.float64]]
    """(cohorts, animals) contributions of *high* and of *low*."""
    variances: tuple[NDArray[np.float64], NDArray[np.float64]]
    df: NDArray[np.float64]
    independent: NDArray[np.float64]

    @property
    def variance(self) -> NDArray[np.float64]:
        """Between animals."""
        return self.variances[0] + self.variances[1]


def contributions(wins: NDArray[np.float64], pairs: NDArray[np.float64]) -> Found:
    """Return the AUC of each cohort (DeLong's variance with animals in the place of observations)."""
    n, total = wins.shape[1], pairs.sum((1, 2))
    auc = wins.sum((1, 2)) / total
    excess = (wins - auc[:, None, None] * pairs) / total[:, None, None]
    each = excess.sum(2), excess.sum(1)
    first, second = (n / (n - 1) * (part**2).sum(1) for part in each)
    share = pairs.sum(2) / total[:, None], pairs.sum(1) / total[:, None]
    independent = np.minimum(*(1.0 / (part**2).sum(1) for part in share))
    return Found(auc, each, (first, second), _df(first, second, n), independent)


def _df(first: NDArray[np.float64], second: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    spread = (first**2 + second**2) / (n - 1)
    with np.errstate(invalid="ignore"):
        df = np.where(spread > 0, (first + second) ** 2 / spread, n - 1)
    return np.asarray(np.clip(df, n - 1, 2 * n - 2))


def score_ends(
    value: NDArray[np.float64], variance: NDArray[np.float64], df: NDArray[np.float64], worth: object
) -> Ends:
    """Return the ends of `hcc_scope.evaluation.intervals.score_interval` for many cohorts at once."""
    worst, spread = 1.0 / np.asarray(worth), value * (1 - value)
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.where((spread > 0) & (variance > 0), np.minimum(variance / spread, worst), worst)
    n, z = (PRIOR_DF + df) / (PRIOR_DF * worst + df * observed), student.ppf(_Q, PRIOR_DF + df)
    centre = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(spread / n + z * z / (4 * n * n))
    return centre - half, centre + half


def logit_ends(found: Found, variance: NDArray[np.float64], df: NDArray[np.float64]) -> Ends:
    """Return the ends of Student's t on the logit scale; a bound where all animals agree."""
    inside = np.clip(found.auc, 1e-6, 1 - 1e-6)
    half = student.ppf(_Q, df) * np.sqrt(variance) / (inside * (1 - inside))
    bound = (1 - _Q) ** (1 / found.independent)
    agree = variance < 1e-12
    low = np.where(agree, np.where(found.auc > 0.5, bound, 0.0), expit(logit(inside) - half))
    return low, np.where(agree, np.where(found.auc > 0.5, 1.0, 1 - bound), expit(logit(inside) + half))


def jackknife(wins: NDArray[np.float64], pairs: NDArray[np.float64], found: Found) -> Ends:
    """Return the ends from leaving out one animal at a time."""
    n, variance = wins.shape[1], np.zeros(len(wins))
    for axis in (2, 1):
        with np.errstate(invalid="ignore", divide="ignore"):
            left = (wins.sum((1, 2))[:, None] - wins.sum(axis)) / (pairs.sum((1, 2))[:, None] - pairs.sum(axis))
        variance += (n - 1) / n * ((left - left.mean(1, keepdims=True)) ** 2).sum(1)
    return logit_ends(found, variance, np.full(len(wins), 2.0 * n - 2))


def drawn(rng: np.random.Generator, parts: list[Ends]) -> Ends:
    """Return the expanded percentiles of an AUC, or of a difference of two, over drawings of animals."""
    n = parts[0][0].shape[1]
    high, low = (rng.multinomial(n, np.full(n, 1 / n), DRAWINGS).astype(float) for _ in range(2))
    tail = 100.0 * norm.cdf(-np.sqrt(n / (n - 1)) * student.ppf(_Q, 2 * n - 2))
    ends = []
    for cohort in range(len(parts[0][0])):
        with np.errstate(invalid="ignore"):
            of = [((high @ w[cohort]) * low).sum(1) / ((high @ p[cohort]) * low).sum(1) for w, p in parts]
        replicates = of[0] - of[1] if len(of) > 1 else of[0]
        ends.append(np.percentile(replicates[np.isfinite(replicates)], [tail, 100.0 - tail]))
    low_ends, high_ends = np.array(ends).T
    return low_ends, high_ends


class Tally:
    """Counts how often intervals contain the truth, by method and number of animals."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], list[tuple[float, float, float, float]]] = {}

    def add(self, method: str, animals: int, truth: float, ends: Ends) -> None:
        """Add one case."""
        low, high = ends
        flattering, other = float((low > truth + 1e-9).mean()), float((high < truth - 1e-9).mean())
        case = 1.0 - flattering - other, flattering, other, float((high - low).mean())
        self.rows.setdefault((method, animals), []).append(case)

    def worst(self, method: str, animals: int) -> float:
        """Return the lowest coverage of all cases."""
        return min(case[0] for case in self.rows[method, animals])

    def show(self, title: str) -> None:
        """Print a table."""
        print(f"\n{title}\n")
        print("| interval | animals per class | covered | worst case | flattering | unflattering | width |")
        print("|---|---|---|---|---|---|---|")
        for (method, animals), cases in sorted(self.rows.items(), key=lambda item: (item[0][1], item[0][0])):
            covered, flattering, other, width = np.array(cases).T
            print(
                f"| {method} | {animals} | {covered.mean():.3f} | {covered.min():.2f} | {flattering.max():.2f} "
                f"| {other.max():.2f} | {width.mean():.2f} |"
            )


def cases() -> Iterator[tuple[float, bool]]:
    """Return the shares of variance between animals, and whether animals have unequal numbers of images."""
    yield from itertools.product(ICCS, (False, True))


def of_aucs(rng: np.random.Generator, *, within: bool, animals: tuple[int, ...] = ANIMALS) -> Tally:
    """Simulate single AUCs."""
    tally = Tally()
    for n, auc, (icc, unequal) in itertools.product(animals, AUCS, cases()):
        sample = draw_many(rng, COHORTS, n, icc, unequal=unequal)[0]
        wins, pairs = wins_and_pairs(sample, auc, within=within)
        found = contributions(wins, pairs)
        ends = score_ends(found.auc, found.variance, found.df, found.independent)
        _check(sample, auc, ends, within=within)
        tally.add(CHOSEN, n, auc, ends)
        tally.add("DeLong by animal, logit, t", n, auc, logit_ends(found, found.variance, found.df))
        tally.add("jackknife by animal, logit, t", n, auc, jackknife(wins, pairs, found))
        some = slice(COHORTS_DRAWN)
        tally.add(BOOTSTRAP, n, auc, drawn(rng, [(wins[some], pairs[some])]))
        bounds = [bounded_mean(a, w).pair for a, w in zip(found.auc[some], found.independent[some], strict=True)]
        tally.add("Hoeffding's bound", n, auc, tuple(np.array(bounds).T))  # type: ignore[arg-type]
    return tally


def _scored(sample: Sample, auc: float, cohort: int, *, within: bool) -> Scored:
    """Return one cohort as an evaluation has it."""
    n = sample.high.shape[1]
    there = np.concatenate([part[cohort] for part in sample.there[::-1]])
    ranks = np.concatenate([sample.low[cohort], sample.high[cohort] + separation(auc)])[there]
    animals = np.repeat(np.arange(2 * n), there.sum(1))
    folds = animals % n % min(n, FOLDS) if within else np.zeros_like(animals)
    names = tuple((i,) for i in range(len(ranks)))
    return Scored(
        "image", (animals >= n) * 1, expit(ranks), ranks, animals, folds, names, tuple(map(str, range(2 * n)))
    )


def _check(sample: Sample, auc: float, ends: Ends, *, within: bool) -> None:
    """Compare the first cohort with what an evaluation prints."""
    estimate = auc_estimate(_scored(sample, auc, 0, within=within))
    assert estimate is not None
    assert estimate.interval is not None
    if not np.allclose(estimate.interval.pair, (ends[0][0], ends[1][0]), atol=1e-9):
        raise AssertionError(f"{estimate.interval.pair} is not ({ends[0][0]}, {ends[1][0]})")


def of_differences(rng: np.random.Generator, animals: tuple[int, ...] = ANIMALS) -> Tally:
    """Simulate differences: of two networks by animal, and of the paper's protocol and the one by animal."""
    tally = Tally()
    grid = itertools.product(animals, PAIRS_OF_AUCS, IN_COMMON, cases(), (True, False))
    for n, aucs, common, (icc, unequal), within in grid:
        samples = draw_many(rng, COHORTS_OF_PAIRS, n, icc, unequal=unequal, count=2, common=common)
        tables = [wins_and_pairs(s, a, within=w) for s, a, w in zip(samples, aucs, (within, True), strict=True)]
        one, two = (contributions(*table) for table in tables)
        value, truth, scale = one.auc - two.auc, aucs[0] - aucs[1], n / (n - 1)
        covariance = scale * sum((a * b).sum(1) for a, b in zip(one.each, two.each, strict=True))
        product = one.variance * two.variance
        rho = np.where(product > 0, covariance / np.sqrt(np.where(product > 0, product, 1.0)), 0.0)
        rho = np.clip(rho, -1, 1) * (2 * n - 2) / (2 * n - 2 + PRIOR_DF)
        (low, high), (other_low, other_high) = (score_ends(f.auc, f.variance, f.df, f.independent) for f in (one, two))
        mine, others = one.auc - low, other_high - two.auc
        below = np.sqrt(np.maximum(mine**2 + others**2 - 2 * rho * mine * others, 0))
        mine, others = high - one.auc, two.auc - other_low
        above = np.sqrt(np.maximum(mine**2 + others**2 - 2 * rho * mine * others, 0))
        ends = np.maximum(value - below, -1.0), np.minimum(value + above, 1.0)
        found = auc_difference(
            *(_scored(s, a, 0, within=w) for s, a, w in zip(samples, aucs, (within, True), strict=True))
        )
        assert found is not None
        assert found.interval is not None
        if not np.allclose(found.interval.pair, (ends[0][0], ends[1][0]), atol=1e-9):
            raise AssertionError(f"{found.interval.pair} is not ({ends[0][0]}, {ends[1][0]})")
        tally.add("from two score intervals (chosen)", n, truth, ends)
        first, second = (scale * ((a - b) ** 2).sum(1) for a, b in zip(one.each, two.each, strict=True))
        half = student.ppf(_Q, _df(first, second, n)) * np.sqrt(first + second)
        tally.add("DeLong by animal, t", n, truth, (value - half, value + half))
        some = slice(COHORTS_DRAWN // 4)
        tally.add(BOOTSTRAP, n, truth, drawn(rng, [(w[some], p[some]) for w, p in tables]))
    return tally


def of_shares(rng: np.random.Generator, animals: tuple[int, ...] = ANIMALS) -> Tally:
    """Simulate sensitivities of images."""
    tally = Tally()
    for n, share, (icc, unequal) in itertools.product(animals, SHARES, cases()):
        sample = draw_many(rng, COHORTS, n, icc, unequal=unequal)[0]
        there = sample.there[0]
        hits = (sample.high < norm.ppf(share)) & there
        numbers = there.sum(2)
        total = numbers.sum(1)
        value = hits.sum((1, 2)) / total
        excess = (hits.sum(2) - value[:, None] * numbers) / total[:, None]
        variance = n / (n - 1) * (excess**2).sum(1)
        worth = total**2 / (numbers**2).sum(1)
        ends = score_ends(value, variance, np.full(len(value), n - 1.0), worth)
        of = np.repeat(np.arange(n), numbers[0])
        product = share_by_animal(hits[0][there[0]], of, np.zeros(n, np.int64)).interval
        assert product is not None
        if not np.allclose(product.pair, (ends[0][0], ends[1][0]), atol=1e-9):
            raise AssertionError(f"{product.pair} is not ({ends[0][0]}, {ends[1][0]})")
        tally.add(CHOSEN, n, share, ends)
        boot = ClusterBootstrap(np.zeros(n, np.int64), 1, DRAWINGS)
        found = [
            mean_by_animal(hits[i][there[i]].astype(float), np.repeat(np.arange(n), numbers[i]), boot).interval
            for i in range(COHORTS_DRAWN)
        ]
        pairs = [interval.pair for interval in found if interval is not None]
        tally.add(BOOTSTRAP + " (bound below 5)", n, share, tuple(np.array(pairs).T))  # type: ignore[arg-type]
    return tally


def of_briers(rng: np.random.Generator, animals: tuple[int, ...] = ANIMALS) -> Tally:
    """Simulate Brier scores of images, of both classes."""
    tally = Tally()
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    for n, auc, (icc, unequal) in itertools.product(animals, AUCS, cases()):
        half = separation(auc) / 2.0
        truth = float((expit(2.0 * (nodes - half)) ** 2 * weights).sum() / weights.sum())
        sample = draw_many(rng, 4 * COHORTS_DRAWN, n, icc, unequal=unequal)[0]
        boot = ClusterBootstrap(np.repeat([0, 1], n), 1, DRAWINGS)
        ends = []
        for i in range(4 * COHORTS_DRAWN):
            low, high = sample.low[i][sample.there[1][i]], sample.high[i][sample.there[0][i]]
            squares = np.concatenate([expit(2.0 * (low - half)), 1.0 - expit(2.0 * (high + half))]) ** 2
            of = np.repeat(np.arange(2 * n), np.concatenate([part[i].sum(1) for part in sample.there[::-1]]))
            interval = mean_by_animal(squares, of, boot).interval
            assert interval is not None
            ends.append(interval.pair)
        tally.add(BOOTSTRAP + " (chosen)", n, truth, tuple(np.array(ends).T))  # type: ignore[arg-type]
    return tally


def main() -> None:
    """Print all tables, and the worst cases beside those that the program prints."""
    rng = np.random.default_rng(1)
    pooled, within = of_aucs(rng, within=False), of_aucs(rng, within=True)
    differences, shares, briers = of_differences(rng), of_shares(rng), of_briers(rng)
    pooled.show("AUC, all pairs")
    within.show("AUC, pairs within folds")
    differences.show("Difference of two AUCs of the same animals")
    shares.show("Sensitivity of images")
    briers.show("Brier score of images")
    print("\nWorst case of the chosen intervals, and what the program prints (nothing from 0.95 on)\n")
    print("| animals per class | AUC | difference | share | mean |\n|---|---|---|---|---|")
    for n in ANIMALS:
        auc = min(pooled.worst(CHOSEN, n), within.worst(CHOSEN, n))
        found = (
            auc,
            *(
                tally.worst(next(name for name, _ in tally.rows if "(chosen)" in name), n)
                for tally in (differences, shares, briers)
            ),
        )
        stated = (next((c for least, c in reversed(rows) if least <= n), CONFIDENCE) for rows in COVERAGE.values())
        print(f"| {n} | " + " | ".join(f"{a:.2f} ({b:.2f})" for a, b in zip(found, stated, strict=True)) + " |")


if __name__ == "__main__":
    main()

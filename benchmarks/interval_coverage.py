"""Measure how often the intervals of docs/evaluation.md contain the truth, and compare ways of making them.

Run with ``python -m benchmarks.interval_coverage``; takes some two minutes. Cohorts of few animals are simulated:
an image's score is normal, with the share ICC of its variance between animals. For each number of animals per class,
AUC, ICC, and equal or unequal numbers of images per animal (2 to 20) it counts how often an interval contains the
truth, and on which side it misses: *flattering* lies wholly above the truth. Pairs of all images are counted, and pairs
within folds. The table from which `hcc_scope.evaluation.intervals.COVERAGE` is, draws the worst cases anew: the
lowest of many simulated coverages is too low by chance.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats import t as student

from benchmarks import gap_coverage
from hcc_scope.evaluation import intervals
from hcc_scope.evaluation.aggregation import Scored
from hcc_scope.evaluation.auc import auc_difference, auc_estimate
from hcc_scope.evaluation.intervals import CONFIDENCE, COVERAGE
from hcc_scope.evaluation.metrics import mean_by_animal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ends = tuple[NDArray[np.float64], NDArray[np.float64]]

ANIMALS = (2, 3, 4, 5, 10, 20, 40)
AUCS = (0.50, 0.69, 0.85, 0.93, 0.98)
PAIRS_OF_AUCS = ((0.50, 0.50), (0.69, 0.69), (0.85, 0.69), (0.85, 0.85), (0.93, 0.69), (0.93, 0.85), (0.98, 0.93))
SHARES = (0.50, 0.64, 0.86, 0.95)
ICCS = (0.2, 0.5, 0.8)
IN_COMMON = (0.0, 0.5, 0.9)
"""Share of the variance of a score that two networks have in common."""
COHORTS, COHORTS_OF_PAIRS, COHORTS_DRAWN = 300, 100, 15
"""Cohorts in each case; of a difference; for intervals that have to be drawn or solved for one by one."""
SOME_OF = 11
"""Of AUCs and differences with more than 20 animals per class, which take longest, one case of so many."""
WORST_CASES, COHORTS_AGAIN = 3, 2000
"""So many of the cases with the lowest coverage are simulated anew, with so many cohorts each."""
PRIORS = (1, 2, 4, 8)
"""Degrees of freedom for the largest possible variance that were tried."""
DRAWINGS = 400
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
    there = (np.arange(most) < numbers[0][..., None], np.arange(most) < numbers[1][..., None])

    def scores() -> NDArray[np.float64]:
        of_animals = np.sqrt(icc) * rng.normal(size=(cohorts, animals, 1))
        return np.asarray(of_animals + np.sqrt(1 - icc) * rng.normal(size=(cohorts, animals, most)))

    shared = [scores() if common else np.zeros(1) for _ in range(2)]
    found = []
    for _ in range(count):
        high, low = (np.sqrt(common) * both + np.sqrt(1 - common) * scores() for both in shared)
        found.append(Sample(high, low, there))
    return found


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
    prior = intervals.PRIOR_DF
    n, z = (prior + df) / (prior * worst + df * observed), student.ppf(_Q, prior + df)
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
    ends = []
    for cohort in range(len(parts[0][0])):
        with np.errstate(invalid="ignore"):
            of = [((high @ w[cohort]) * low).sum(1) / ((high @ p[cohort]) * low).sum(1) for w, p in parts]
        ends.append(expanded(of[0] - of[1] if len(of) > 1 else of[0], n, 2 * n - 2))
    return _columns(ends)


def expanded(replicates: NDArray[np.float64], n: int, df: int) -> NDArray[np.float64]:
    """Return the percentiles that Student's t and the missing n - 1 ask for (Hesterberg 2015)."""
    tail = 100.0 * norm.cdf(-np.sqrt(n / (n - 1)) * student.ppf(_Q, df))
    return np.asarray(np.percentile(replicates[np.isfinite(replicates)], [tail, 100.0 - tail]))


def hoeffding(mean: float, n: float) -> NDArray[np.float64]:
    """Return all expectations that a mean of `n` independent numbers in [0, 1] allows (Hoeffding 1963, theorem 1)."""

    def excess(mu: float) -> float:
        of_ones = mean * np.log(mean / mu) if mean > 0 else 0.0
        of_zeros = (1 - mean) * np.log((1 - mean) / (1 - mu)) if mean < 1 else 0.0
        return float(of_ones + of_zeros - np.log(2.0 / (1.0 - CONFIDENCE)) / n)

    low, high = 1e-12, 1 - 1e-12
    below = brentq(excess, low, mean) if mean > low and excess(low) > 0 else 0.0
    return np.array([below, brentq(excess, mean, high) if mean < high and excess(high) > 0 else 1.0])


def _columns(ends: list[NDArray[np.float64]]) -> Ends:
    low, high = np.array(ends).T
    return low, high


@dataclass(frozen=True, slots=True)
class Case:
    """What is simulated."""

    animals: int
    icc: float
    unequal: bool
    auc: float
    """Or a share, or the AUC of the network whose Brier score is meant."""
    other_auc: float = 0.5
    common: float = 0.0
    within: bool = False


class Tally:
    """Counts how often intervals contain the truth, by method and number of animals."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: dict[tuple[str, int], list[tuple[Case, float, float, float, float]]] = {}

    def add(self, method: str, case: Case, truth: float, ends: Ends) -> None:
        """Add one case."""
        low, high = ends
        flattering, other = float((low > truth + 1e-9).mean()), float((high < truth - 1e-9).mean())
        row = case, 1.0 - flattering - other, flattering, other, float((high - low).mean())
        self.rows.setdefault((method, case.animals), []).append(row)

    def worst(self, animals: int) -> list[Case]:
        """Return the cases in which the chosen intervals cover least."""
        rows = sorted(self.rows[CHOSEN, animals], key=lambda row: row[1])
        return [row[0] for row in rows[:WORST_CASES]]

    def show(self) -> None:
        """Print a table."""
        print(f"\n{self.title}\n")
        print("| animals per class | interval | covered | worst case | flattering | unflattering | width |")
        print("|---|---|---|---|---|---|---|")
        for (method, animals), rows in sorted(self.rows.items(), key=lambda item: (item[0][1], item[0][0])):
            covered, flattering, other, width = np.array([row[1:] for row in rows]).T
            print(
                f"| {animals} | {method} | {covered.mean():.3f} | {covered.min():.2f} | {flattering.max():.2f} "
                f"| {other.max():.2f} | {width.mean():.2f} |",
                flush=True,
            )


def _same(interval: object, ends: Ends) -> None:
    """Compare the first cohort with what an evaluation prints."""
    pair = getattr(interval, "pair", None)
    if pair is None or not np.allclose(pair, (ends[0][0], ends[1][0]), atol=1e-9):
        raise AssertionError(f"{interval} is not ({ends[0][0]}, {ends[1][0]})")


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


def auc_case(rng: np.random.Generator, case: Case, cohorts: int, others: Tally | None = None) -> tuple[float, Ends]:
    """Return the truth and the chosen intervals of single AUCs, and add the other candidates to a tally."""
    sample = draw_many(rng, cohorts, case.animals, case.icc, unequal=case.unequal)[0]
    wins, pairs = wins_and_pairs(sample, case.auc, within=case.within)
    found = contributions(wins, pairs)
    ends = score_ends(found.auc, found.variance, found.df, found.independent)
    estimate = auc_estimate(_scored(sample, case.auc, 0, within=case.within))
    _same(estimate and estimate.interval, ends)
    if others is not None:
        others.add("DeLong by animal, logit, t", case, case.auc, logit_ends(found, found.variance, found.df))
        others.add("jackknife by animal, logit, t", case, case.auc, jackknife(wins, pairs, found))
        some = slice(COHORTS_DRAWN)
        others.add(BOOTSTRAP, case, case.auc, drawn(rng, [(wins[some], pairs[some])]))
        bounds = [hoeffding(a, w) for a, w in zip(found.auc[some], found.independent[some], strict=True)]
        others.add("Hoeffding's bound", case, case.auc, _columns(bounds))
    return case.auc, ends


def difference_case(
    rng: np.random.Generator, case: Case, cohorts: int, others: Tally | None = None
) -> tuple[float, Ends]:
    """Return the same for the difference of two networks' AUCs by animal, or of the two protocols' (not `within`)."""
    n, scale = case.animals, case.animals / (case.animals - 1)
    samples = draw_many(rng, cohorts, n, case.icc, unequal=case.unequal, count=2, common=case.common)
    given = list(zip(samples, (case.auc, case.other_auc), (case.within, True), strict=True))
    tables = [wins_and_pairs(sample, auc, within=within) for sample, auc, within in given]
    one, two = (contributions(*table) for table in tables)
    value, truth = one.auc - two.auc, case.auc - case.other_auc
    covariance = scale * sum((a * b).sum(1) for a, b in zip(one.each, two.each, strict=True))
    product = one.variance * two.variance
    rho = np.where(product > 0, covariance / np.sqrt(np.where(product > 0, product, 1.0)), 0.0)
    rho = np.clip(rho, -1, 1) * (2 * n - 2) / (2 * n - 2 + intervals.PRIOR_DF)
    (low, high), (other_low, other_high) = (score_ends(f.auc, f.variance, f.df, f.independent) for f in (one, two))

    def distance(mine: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sqrt(np.maximum(mine**2 + other**2 - 2 * rho * mine * other, 0)))

    below = distance(one.auc - low, other_high - two.auc)
    above = distance(high - one.auc, two.auc - other_low)
    ends = np.maximum(value - below, -1.0), np.minimum(value + above, 1.0)
    mine, other = (_scored(sample, auc, 0, within=within) for sample, auc, within in given)
    estimate = auc_difference(mine, other)
    _same(estimate and estimate.interval, ends)
    if others is not None:
        first, second = (scale * ((a - b) ** 2).sum(1) for a, b in zip(one.each, two.each, strict=True))
        half = student.ppf(_Q, _df(first, second, n)) * np.sqrt(first + second)
        others.add("DeLong by animal, t", case, truth, (value - half, value + half))
        some = slice(COHORTS_DRAWN // 4)
        others.add(BOOTSTRAP, case, truth, drawn(rng, [(w[some], p[some]) for w, p in tables]))
    return truth, ends


def _means(rng: np.random.Generator, case: Case, groups: list[tuple[NDArray[np.float64], NDArray[np.bool_]]]) -> Ends:
    """Return the chosen intervals of the mean over the images of some classes; (cohorts, animals, images) each."""
    n = case.animals
    sums, counts = ([part.sum(2) for part in parts] for parts in zip(*((x * t, t) for x, t in groups), strict=True))
    total = sum(part.sum(1) for part in counts)
    value = sum(part.sum(1) for part in sums) / total
    excess = [(s - value[:, None] * c) / total[:, None] for s, c in zip(sums, counts, strict=True)]
    variances = [n / (n - 1) * ((e - e.mean(1, keepdims=True)) ** 2).sum(1) for e in excess]
    df = _df(variances[0], variances[-1], n) if len(variances) > 1 else np.full(len(value), n - 1.0)
    worth = total**2 / sum((part**2).sum(1) for part in counts)
    ends = score_ends(value, sum(variances), df, worth)
    strata = np.repeat(np.arange(len(groups)), n)
    of = np.repeat(np.arange(n * len(groups)), np.concatenate([c[0] for c in counts]))
    _same(mean_by_animal(np.concatenate([x[0][t[0]] for x, t in groups]), of, strata).interval, ends)
    return ends


def _drawn_means(
    rng: np.random.Generator, case: Case, groups: list[tuple[NDArray[np.float64], NDArray[np.bool_]]]
) -> Ends:
    n, ends = case.animals, []
    weights = [rng.multinomial(n, np.full(n, 1 / n), DRAWINGS).astype(float) for _ in groups]
    for i in range(COHORTS_DRAWN):
        sums = sum(w @ (x[i] * t[i]).sum(1) for w, (x, t) in zip(weights, groups, strict=True))
        counts = sum(w @ t[i].sum(1) for w, (_, t) in zip(weights, groups, strict=True))
        ends.append(expanded(np.asarray(sums / counts), n, len(groups) * (n - 1)))
    return _columns(ends)


def share_case(rng: np.random.Generator, case: Case, cohorts: int, others: Tally | None = None) -> tuple[float, Ends]:
    """Return the same for the sensitivity of images."""
    sample = draw_many(rng, cohorts, case.animals, case.icc, unequal=case.unequal)[0]
    groups = [((sample.high < norm.ppf(case.auc)).astype(float), sample.there[0])]
    if others is not None:
        others.add(BOOTSTRAP, case, case.auc, _drawn_means(rng, case, groups))
    return case.auc, _means(rng, case, groups)


def brier_case(rng: np.random.Generator, case: Case, cohorts: int, others: Tally | None = None) -> tuple[float, Ends]:
    """Return the same for the Brier score of images of both classes, from calibrated probabilities where ICC is 0."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    half = separation(case.auc) / 2.0
    slope = 2.0 * half
    truth = float((expit(slope * (nodes - half)) ** 2 * weights).sum() / weights.sum())
    sample = draw_many(rng, cohorts, case.animals, case.icc, unequal=case.unequal)[0]
    groups = [
        (expit(slope * (sample.low - half)) ** 2, sample.there[1]),
        (expit(-slope * (sample.high + half)) ** 2, sample.there[0]),
    ]
    if others is not None:
        others.add(BOOTSTRAP, case, truth, _drawn_means(rng, case, groups))
    return truth, _means(rng, case, groups)


KINDS = {"auc": auc_case, "difference": difference_case, "share": share_case, "brier": brier_case}
TITLES = {
    "auc": "AUC: all pairs, and pairs within folds",
    "difference": "Difference of two AUCs: of two networks by animal, and of the two protocols",
    "share": "Sensitivity of images",
    "brier": "Brier score of images",
}


def cases(kind: str, animals: int) -> list[Case]:
    """Return everything that is simulated of a kind for a number of animals per class."""
    spread = list(itertools.product(ICCS, (False, True)))
    every = 1 if animals <= 20 else SOME_OF
    if kind == "auc":
        grid = itertools.product(spread, AUCS, (False, True))
        return [Case(animals, icc, unequal, auc, within=w) for (icc, unequal), auc, w in grid][::every]
    if kind == "difference":
        of_pairs = itertools.product(spread, PAIRS_OF_AUCS, IN_COMMON, (False, True))
        return [Case(animals, icc, unequal, a, b, r, w) for (icc, unequal), (a, b), r, w in of_pairs][::every]
    values = SHARES if kind == "share" else AUCS[1:]
    return [Case(animals, icc, unequal, value) for (icc, unequal), value in itertools.product(spread, values)]


def coverage_in(rng: np.random.Generator, kind: str, case: Case, cohorts: int) -> float:
    """Return how often the chosen interval contains the truth in one case."""
    covered = 0.0
    for start in range(0, cohorts, 500):
        n = min(500, cohorts - start)
        truth, (low, high) = KINDS[kind](rng, case, n)
        covered += n * float(((low <= truth + 1e-9) & (truth <= high + 1e-9)).mean())
    return covered / cohorts


def show_priors(rng: np.random.Generator, tally: Tally) -> None:
    """Print how often AUCs are covered with other degrees of freedom, in the cases in which four do least."""
    print("\nAUC: worst case by the degrees of freedom that the largest possible variance counts for\n")
    print(f"| animals per class | {' | '.join(map(str, PRIORS))} |\n|---|{'---|' * len(PRIORS)}")
    for animals in (n for n in ANIMALS if n <= 20):
        found = []
        for prior in PRIORS:
            with patch.object(intervals, "PRIOR_DF", prior):
                found.append(min(coverage_in(rng, "auc", case, COHORTS_AGAIN) for case in tally.worst(animals)))
        print(f"| {animals} | {' | '.join(f'{covered:.3f}' for covered in found)} |", flush=True)


def main() -> None:
    """Print all tables, and the worst cases beside those that the program prints."""
    rng = np.random.default_rng(1)
    tallies = {kind: Tally(title) for kind, title in TITLES.items()}
    for kind, tally in tallies.items():
        for animals in ANIMALS:
            for case in cases(kind, animals):
                of_pairs = kind == "difference"
                tally.add(CHOSEN, case, *KINDS[kind](rng, case, COHORTS_OF_PAIRS if of_pairs else COHORTS, tally))
        tally.show()
    print("\nWorst cases of the chosen intervals drawn anew, and what the program states (0.95: nothing)\n")
    print("| animals per class | AUC | difference | share or mean |\n|---|---|---|---|")
    for animals in ANIMALS:
        # the more animals, the longer it takes and the less it changes
        cohorts = COHORTS_AGAIN if animals <= 20 else COHORTS_AGAIN // 3
        found = {
            kind: min(coverage_in(rng, kind, case, cohorts) for case in tally.worst(animals))
            for kind, tally in tallies.items()
        }
        measured = (found["auc"], found["difference"], min(found["share"], found["brier"]))
        stated = ([c for least, c in rows if least <= animals] for rows in COVERAGE.values())
        cells = (f"{m:.3f} ({(s or [CONFIDENCE])[-1]:.2f})" for m, s in zip(measured, stated, strict=True))
        print(f"| {animals} | {' | '.join(cells)} |", flush=True)
    show_priors(rng, tallies["auc"])
    gap_coverage.main()


if __name__ == "__main__":
    main()

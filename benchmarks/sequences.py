"""How often the running interval holds its mean, how wide it is, and what the test for drift finds.

Run with ``python -m benchmarks sequences [SECTIONS]``. Every section is a lattice of fields with fixed scores; fields
are drawn from it without replacement. A section counts as missed if the interval does not hold the mean over the
lattice's classifiable fields after any one of the fields drawn.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.confidence import HedgedCapital
from hcc_scope.drift import DriftTest
from hcc_scope.lattice_confidence import TRUNCATION, LatticeCapital
from hcc_scope.plans.geometry import lattice_through, random_fields
from hcc_scope.score_rule import CURRENT_RULE, ScoreRule
from hcc_scope.scoring import FieldEntry, SectionScorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Lattices = Callable[[np.random.Generator, int, int], tuple[NDArray[np.float64], NDArray[np.float64]]]

GRID_STEPS = 200
NO_FLAGS = (0, 0, 0, 0, 0)


def beta_scores(rng: np.random.Generator, mean: float, sd: float, shape: tuple[int, int]) -> NDArray[np.float64]:
    k = mean * (1 - mean) / sd**2 - 1
    return rng.beta(mean * k, (1 - mean) * k, shape)


def alike(mean: float, sd: float) -> Lattices:
    """Return lattices of fields that differ by chance, all of them classifiable."""

    def make(rng: np.random.Generator, sections: int, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return beta_scores(rng, mean, sd, (sections, n)), np.ones((sections, n))

    return make


def islands(rng: np.random.Generator, sections: int, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Make a tenth of the fields high, all others low."""
    return (rng.random((sections, n)) < 0.1).astype(np.float64), np.ones((sections, n))


def partly_glass(rng: np.random.Generator, sections: int, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Make a third of the fields impossible to classify, more often those that are low."""
    scores = beta_scores(rng, 0.4, 0.2, (sections, n))
    return scores, (rng.random((sections, n)) > 0.6 * (1 - scores)).astype(np.float64)


def by_tissue(rng: np.random.Generator, sections: int, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight fields by their usable tiles of 16; high ones have fewer, and some have none."""
    scores = beta_scores(rng, 0.4, 0.2, (sections, n))
    return scores, rng.binomial(16, np.clip(1.1 - scores, 0.0, 1.0)) / 16


LATTICES: dict[str, Lattices] = {
    "mean 0.3, sd 0.05": alike(0.3, 0.05),
    "mean 0.7, sd 0.10": alike(0.7, 0.1),
    "mean 0.5, sd 0.20": alike(0.5, 0.2),
    "0 or 1, a tenth is 1": islands,
    "a third not classifiable": partly_glass,
    "weighted by tissue": by_tissue,
}


@dataclass(frozen=True)
class Found:
    """What sections drawn from lattices show."""

    missed: float
    """Share of sections whose interval missed its mean at some time."""
    half_width: float
    """At the end, on average."""
    before: float
    """The same for the rule of earlier stores, over the fields with a score."""


def drawn(lattices: Lattices, n_lattice: int, n: int, sections: int, *, truncation: float = TRUNCATION) -> Found:
    """Draw `n` fields of each of many lattices, and look after every one."""
    rng = np.random.default_rng(n_lattice + n)
    scores, weights = lattices(rng, sections, n_lattice)  # independent fields: their order is a random one
    weights[weights.sum(axis=1) == 0] = 1.0
    mean = (scores * weights).sum(axis=1) / weights.sum(axis=1)
    capital = LatticeCapital(sections, n_lattice, grid_steps=GRID_STEPS, truncation=truncation)
    missed = np.zeros(sections, dtype=np.bool_)
    for value, weight in zip(scores.T[:n], weights.T[:n], strict=True):
        capital.add(value, weight)
        missed |= capital.emptied | (capital.lower > mean + 1e-9) | (capital.upper < mean - 1e-9)
    before = [earlier_half_width(scores[i, :n][weights[i, :n] > 0]) for i in range(min(sections, 50))]
    half_width = float(((capital.upper - capital.lower) / 2).mean())
    return Found(float(missed.mean()), half_width, float(np.mean(before)))


def earlier_half_width(values: NDArray[np.float64]) -> float:
    capital = HedgedCapital(1, grid_steps=GRID_STEPS)
    for value in values:
        capital.add(np.array([value]))
    return float((capital.upper[0] - capital.lower[0]) / 2)


def rim_and_middle(field_um: float, n: int, sections: int) -> tuple[float, float]:
    """Draw random fields of sections of 8 x 6 mm whose rim, one field wide, scores 0.8 and whose middle scores 0.2.

    Returns
    -------
    tuple of float
        Share of sections whose interval missed the mean of the lattice; standard deviation of that mean over lattices.
    """
    outline = np.array([(0, 0), (8000, 0), (8000, 6000), (0, 6000)], dtype=np.float64)
    field = (field_um, field_um)
    scores, sizes, means = [], [], []
    for seed in range(sections):
        chosen = np.array(random_fields(n, field, outline, seed))
        lattice = lattice_through(tuple(chosen[0]), field, outline)
        if len(chosen) == n:
            scores.append(rim_scores(chosen, field_um))
            sizes.append(len(lattice))
            means.append(rim_scores(lattice, field_um).mean())
    mean = np.array(means)
    capital = LatticeCapital(len(mean), np.array(sizes), grid_steps=GRID_STEPS)
    missed = np.zeros(len(mean), dtype=np.bool_)
    for value in np.array(scores).T:
        capital.add(value)
        missed |= capital.emptied | (capital.lower > mean + 1e-9) | (capital.upper < mean - 1e-9)
    return float(missed.mean()), float(mean.std())


def rim_scores(places: NDArray[np.float64], field_um: float) -> NDArray[np.float64]:
    """Return scores (n,) of fields centred at `places` (n, 2); each place has a fixed deviation of its own."""
    rim = (np.minimum(places, (8000, 6000) - places) < field_um).any(axis=1)
    own = 0.05 * np.sin(places @ (1.7, 2.9))
    scores: NDArray[np.float64] = np.where(rim, 0.8, 0.2) + own
    return scores


@dataclass(frozen=True)
class Warming:
    """A lamp that warms up evenly over the section, or `until` a share of it."""

    by_score: float = 0.10
    """How much the score changes over the section."""
    by_level: float = 0.05
    """By what share the grey level changes; on the phantom, 0.10 of score would take more than 0.30."""
    until: float = 1.0

    def at(self, n: int) -> NDArray[np.float64]:
        """Return (n,) how far it is, from 0 to 1."""
        return np.minimum(1.0, np.linspace(0, 1, n) / self.until)


NO_WARMING = Warming(0.0, 0.0)
SD_SCORE, SD_LEVEL, SD_FOCUS = 0.07, 0.013, 0.035
"""Between fields; levels and focus as shares of their means. Those of the demo's sections: 0.06 and 0.09, 0.010 and
0.014, 0.03 and 0.04."""


def alarms(n: int, sections: int, warming: Warming, *, score_alone: bool = False) -> float:
    """Return the share of sections of `n` fields in which the test finds a drift."""
    rng = np.random.default_rng(n)
    found = 0
    for _ in range(sections):
        score, level, focus = measured(rng, n, warming)
        test = DriftTest(n)
        for one in zip(score.tolist(), level.tolist(), focus.tolist(), strict=True):
            test.add((one[0], None, None) if score_alone else one)
        found += bool(test.result.found_in)
    return found / sections


def measured(rng: np.random.Generator, n: int, warming: Warming) -> tuple[NDArray[np.float64], ...]:
    """Return scores, grey levels and focus (n,) of the fields of a section, in the order in which they are taken."""
    score = beta_scores(rng, 0.4, SD_SCORE, (1, n))[0] + warming.by_score * warming.at(n)
    level = 0.47 * (1 + SD_LEVEL * rng.normal(size=n)) * (1 + warming.by_level * warming.at(n))
    return np.clip(score, 0, 1), level, 0.09 * (1 + SD_FOCUS * rng.normal(size=n))


def shown_and_wrong(n_lattice: int, n: int, sections: int, warming: Warming) -> tuple[float, float]:
    """Return the share of sections under a warming lamp whose interval misses the mean of the lattice before it warmed.

    Returns
    -------
    tuple of float
        Without a look at the result of the test for drift; and with it, as an interval is not valid then.
    """
    rng = np.random.default_rng(7)
    missed = shown = 0
    for _ in range(sections):
        steady = measured(rng, n_lattice, NO_WARMING)
        scorer = SectionScorer(0.5, 1.0, "random", rule=ScoreRule(CURRENT_RULE, n_lattice=n_lattice, n_planned=n))
        share = warming.at(n)
        for seq in range(n):
            score = float(np.clip(steady[0][seq] + warming.by_score * share[seq], 0, 1))
            level = float(steady[1][seq] * (1 + warming.by_level * share[seq]))
            scorer.add_entry(FieldEntry(seq, "classified", score, 4, NO_FLAGS, 4, level, float(steady[2][seq])))
        found = scorer.score()
        wrong = not found.interval[0] <= steady[0].mean() <= found.interval[1]
        missed += wrong
        shown += wrong and found.interval_valid
    return missed / sections, shown / sections


def main() -> None:
    sections = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print(f"{sections} sections each. A 95 % interval may miss 5 %, over all times together.\n")
    print("| fields | lattice | drawn | missed, % | half-width | half-width of earlier stores |")
    print("|---|---|---|---|---|---|")
    for name, lattices in LATTICES.items():
        for n_lattice, n in ((5, 5), (12, 12), (60, 24), (60, 50), (60, 60), (200, 24), (200, 100)):
            found = drawn(lattices, n_lattice, n, sections)
            shown = f"{100 * found.missed:.1f} | {found.half_width:.3f} | {found.before:.3f}"
            print(f"| {name} | {n_lattice} | {n} | {shown} |", flush=True)
    print("\n| rim 0.8, middle 0.2: field, um | drawn | missed, % | sd of the lattice's mean |\n|---|---|---|---|")
    for field_um, n in ((666, 24), (666, 45), (580, 55), (580, 90)):
        missed, sd = rim_and_middle(field_um, n, sections // 4)
        print(f"| {field_um} | {n} | {100 * missed:.1f} | {sd:.3f} |", flush=True)
    print("\n| truncation | half-width, 24 of 60: sd 0.05 | sd 0.10 | sd 0.20 |\n|---|---|---|---|")
    for c in (0.5, 0.75, 0.9, 0.95, 0.99):
        widths = [
            drawn(LATTICES[name], 60, 24, 200, truncation=c).half_width
            for name in ("mean 0.3, sd 0.05", "mean 0.7, sd 0.10", "mean 0.5, sd 0.20")
        ]
        print(f"| {c} | {widths[0]:.3f} | {widths[1]:.3f} | {widths[2]:.3f} |", flush=True)
    n_drift = max(50, sections // 2)
    print(f"\nDrift, found in % of {n_drift} sections; 'nothing' may be 5 %.")
    print("| fields | nothing | 0.10 of score, evenly | the same, score alone | in the first quarter |")
    print("|---|---|---|---|---|")
    for n in (12, 24, 50, 100, 200):
        shares = (
            alarms(n, n_drift, NO_WARMING),
            alarms(n, n_drift, Warming()),
            alarms(n, n_drift, Warming(), score_alone=True),
            alarms(n, n_drift, Warming(until=0.25)),
        )
        print(f"| {n} | " + " | ".join(f"{100 * share:.1f}" for share in shares) + " |", flush=True)
    wrong, left = shown_and_wrong(60, 50, max(50, sections // 10), Warming())
    print(f"\nThe same lamp, 50 of 60 fields: interval wrong in {100 * wrong:.0f} %, and valid in {100 * left:.1f} %.")


if __name__ == "__main__":
    main()

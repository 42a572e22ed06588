"""How often the interval of a guided section holds the mean: ``python -m benchmarks guided_sampling [SECTIONS]``.

Without a microscope: a score at every place of a section, smooth over some millimetres, and a hand that goes to the
drawn fields, nearest first, captures each somewhere within the tolerance, and skips what is bare glass or out of reach.
Beside the guided interval stand those that leave one of its rules out.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.by_hand.guide import Guide
from hcc_scope.plans.drawn_sample import TOLERANCE
from hcc_scope.plans.geometry import lattice_through, random_fields
from hcc_scope.score_rule import CURRENT_RULE, ScoreRule
from hcc_scope.scoring import FieldEntry, SectionScorer
from hcc_scope.tracking import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hcc_scope.types import SectionScore, SkipReason

FIELD_UM = 500.0
OUTLINE_UM = ((0.0, 0.0), (8000.0, 0.0), (8000.0, 6000.0), (0.0, 6000.0))
NO_FLAGS = (0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Tissue:
    """What a section shows at a place (n, 2) um."""

    score: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    glass: Callable[[NDArray[np.float64]], NDArray[np.bool_]]
    """Nothing to classify."""
    barred: Callable[[NDArray[np.float64]], NDArray[np.bool_]]
    """Where the stage does not come."""

    def mean(self, n: int, seed: int) -> float:
        """Return what the interval is about: the mean over the fields of the draw's lattice that can be classified."""
        field_um, outline_um = (FIELD_UM, FIELD_UM), np.array(OUTLINE_UM)
        places = lattice_through(random_fields(n, field_um, outline_um, seed)[0], field_um, outline_um)
        return float(self.score(places[~self.glass(places)]).mean())


def nowhere(places: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.zeros(len(places), dtype=np.bool_)


def hole(places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Bare glass in the middle."""
    return np.hypot(places[:, 0] - 4000, places[:, 1] - 3000) < 900


def end(places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """One end of the section, 13 % of the places, where the stage does not come."""
    return places[:, 0] > 6800


def worst_at_the_end(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score low but for that end."""
    return 0.1 + 0.85 / (1 + np.exp((6700 - places[:, 0]) / 60))


def patches(seed: int) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Patches of high and low score, some millimetres wide."""
    rng = np.random.default_rng(seed)
    waves, phases = rng.normal(0, 1e-4, (4, 2)), rng.uniform(0, 2 * np.pi, 4)

    def score(places: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.cos(2 * np.pi * places @ waves.T + phases).sum(axis=1)
        bounded: NDArray[np.float64] = 1 / (1 + np.exp(-2 * total))
        return bounded

    return score


WAYS = ("guided", "as visited", "first half", "left out")
"""``guided``: as it is. ``as visited``: in the order of the visits, as a random plan. ``first half``: after half of
those. ``left out``: with fields out of reach counted as nothing."""


def visit(tissue: Tissue, n: int, seed: int, *, others: bool = True) -> dict[str, SectionScore]:
    """Draw `n` fields, go to each, nearest first, capture what can be captured; return the score by each of `WAYS`.

    Without `others` the guided one alone.
    """
    rng = np.random.default_rng(seed)
    guide = Guide((500, 500), FIELD_UM / 500)
    guide.see(Place(0, 0.0, 0.0, 0.0))  # where the drive round the section ended
    guide.take(guide.draw(n, seed, OUTLINE_UM))
    assert guide.sample is not None
    rule = ScoreRule(CURRENT_RULE, n_lattice=guide.sample.n_lattice)
    scorers = {
        "guided": SectionScorer(0.5, 1.0, "guided", rule=rule),
        "as visited": SectionScorer(0.5, 1.0, "random", rule=rule),
    }
    scorers["left out"] = scorers["guided"].fresh()
    drawn = {way: scorer.drawn for way, scorer in scorers.items() if scorer.drawn is not None}
    for one in drawn.values():
        one.draw(guide.sample)
    scores: dict[str, SectionScore] = {}
    seq = 0
    while (k := guide.target) is not None:
        at = np.array([guide.sample.fields_um[k]]) + rng.uniform(-TOLERANCE, TOLERANCE, 2) * FIELD_UM
        place = Place(0, float(at[0, 0]), float(at[0, 1]), 0.5)
        reason: SkipReason | None = "bare glass" if tissue.glass(at)[0] else None
        reason = "not reachable" if reason is None and tissue.barred(at)[0] else reason
        if reason is not None:
            drawn["guided"].skip(k, reason)
            drawn["left out"].skip(k, "fold")
            guide.skipped(k, reason)
            continue
        guide.see(place)
        assert guide.drawn_at(place) == k
        entry = FieldEntry(seq, "classified", float(tissue.score(at)[0]), 4, NO_FLAGS)
        for one in drawn.values():
            one.place(seq, k)
        for way, scorer in scorers.items():
            if others or way == "guided":
                scorer.add_entry(entry)
        guide.reached(k, seq)
        seq += 1
        if seq == n // 2:
            scores["first half"] = scorers["as visited"].score()
    return scores | {way: scorer.score() for way, scorer in scorers.items() if others or way == "guided"}


def misses(score: SectionScore, mean: float) -> bool:
    """Return whether a score claims an interval that does not hold the mean."""
    low, high = score.interval
    return score.interval_valid and not low <= mean <= high


TISSUES: dict[str, Callable[[int], Tissue]] = {
    "worst where the stage does not come": lambda seed: Tissue(worst_at_the_end, hole, end),
    "patches, one end out of reach": lambda seed: Tissue(patches(seed), hole, end),
    "patches": lambda seed: Tissue(patches(seed), hole, nowhere),
}


def missed(tissue: Callable[[int], Tissue], n_fields: int, sections: int, *, others: bool = True) -> Counter[str]:
    """Return how many sections claimed an interval that does not hold the mean, by the way in which it was made.

    ``not valid`` counts the guided sections that claimed none, as too many fields were skipped.
    """
    count: Counter[str] = Counter()
    for seed in range(sections):
        shown = tissue(seed)
        mean, scores = shown.mean(n_fields, seed), visit(shown, n_fields, seed, others=others)
        count.update({way: misses(score, mean) for way, score in scores.items()})
        count["not valid"] += not scores["guided"].interval_valid
    return count


def main() -> None:
    sections = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"Misses of {sections} sections, in %; a 95 % interval may miss 5 %.")
    print("| section | fields | guided | in order of visits | first half alone | out of reach left out | not valid |")
    print("|---|---|---|---|---|---|---|")
    for name, tissue in TISSUES.items():
        for n_fields in (24, 40):
            count = missed(tissue, n_fields, sections)
            shares = " | ".join(f"{100 * count[way] / sections:.1f}" for way in (*WAYS, "not valid"))
            print(f"| {name} | {n_fields} | {shares} |", flush=True)


if __name__ == "__main__":
    main()

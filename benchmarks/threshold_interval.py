"""Measure what a verdict's records on a card are worth, on simulated cohorts of animals.

How often the interval of the decision threshold contains the threshold that is best for all animals, beside plain
percentiles of the same drawings; and how often the section map goes onto a card, and is then better than the score
itself for new animals.

Run with ``python -m benchmarks.threshold_interval``; takes some minutes.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from hcc_scope.evaluation.calibration import choose_threshold
from hcc_scope.evaluation.section_map import try_section_map
from hcc_scope.evaluation.threshold_interval import choose_in_drawings, draw_animals, threshold_interval
from hcc_scope.evaluation.unseen_sections import UnseenScores
from hcc_scope.validation_text import probability_high

SECTIONS = 4
OF_SECTION = 0.3
"""Standard deviations of log-odds: of sections within an animal, in units of the scale of log-odds."""
COHORTS, DRAWINGS = 300, 500
NEW_ANIMALS = 250


def cohort(
    rng: np.random.Generator, n: int, apart: float, spread: tuple[float, float], slope: float = 1.0
) -> UnseenScores:
    """Return the scores of `n` animals of each class, whose log-odds lie `apart` on average."""
    labels = np.repeat([0, 1], n)
    animals = rng.normal((labels - 0.5) * apart, np.array(spread)[labels])
    of = np.repeat(np.arange(2 * n), SECTIONS)
    log_odds = slope * (animals[of] + rng.normal(0.0, OF_SECTION, len(of)))
    return UnseenScores(1.0 / (1.0 + np.exp(-log_odds)), labels[of], of, np.zeros_like(of))


def best_threshold(apart: float, spread: tuple[float, float]) -> float:
    """Return the score at which sensitivity + specificity of all sections is largest: where both densities cross."""
    low, high = (float(np.hypot(one, OF_SECTION)) for one in spread)

    def excess(x: float) -> float:
        return float(norm.logpdf(x, apart / 2, high) - norm.logpdf(x, -apart / 2, low))

    return float(1.0 / (1.0 + np.exp(-brentq(excess, -apart / 2, apart / 2))))


def thresholds() -> None:
    """Print coverages and widths of the threshold's interval."""
    print("| animals per class | log-odds apart | spread of low, high | covered | width | plain percentiles | width |")
    print("|---|---|---|---|---|---|---|")
    for spread in ((0.7, 0.7), (0.4, 1.0)):
        for apart in (1.0, 2.0, 4.0):
            truth = best_threshold(apart, spread)
            for n in (3, 4, 5, 8, 12):
                rng = np.random.default_rng([n, int(10 * apart)])
                covered, width = np.zeros(2), np.zeros(2)
                for seed in range(COHORTS):
                    sections = cohort(rng, n, apart, spread)
                    chosen = choose_threshold(sections.scores, sections.labels)
                    found = threshold_interval(sections, chosen, seed, DRAWINGS)
                    assert found is not None
                    drawn = choose_in_drawings(sections, draw_animals(sections, seed, DRAWINGS))
                    ends = np.array([found, np.percentile(drawn, (2.5, 97.5))])
                    covered += (ends[:, 0] <= truth) & (truth <= ends[:, 1])
                    width += ends[:, 1] - ends[:, 0]
                (one, other), (wide, narrow) = covered / COHORTS, width / COHORTS
                print(
                    f"| {n} | {apart:g} | {spread[0]:g}, {spread[1]:g} | {one:.2f} | {wide:.2f} | {other:.2f} | "
                    f"{narrow:.2f} |",
                    flush=True,
                )


def maps() -> None:
    """Print how often a map goes onto a card, and whether it is right to."""
    print("| animals per class | score | on the card | of these better for new animals | Brier, score | Brier, map |")
    print("|---|---|---|---|---|---|")
    # true log-odds of the class are 2 * apart / variance times those of the animal: the score is calibrated at `fits`
    apart, spread = 2.0, (0.7, 0.7)
    fits = apart / (spread[0] ** 2 + OF_SECTION**2)
    for words, slope in (("calibrated", fits), ("too timid", fits / 4), ("too sure", 4 * fits)):
        new = cohort(np.random.default_rng(99), NEW_ANIMALS, apart, spread, slope)
        raw = float(np.mean((new.scores - new.labels) ** 2))
        for n in (5, 8, 12, 20):
            rng = np.random.default_rng([n, int(100 * slope)])
            used, better, brier = 0, 0, []
            for _ in range(COHORTS):
                found = try_section_map(cohort(rng, n, apart, spread, slope)).section_map
                if found is None:
                    continue
                p = np.array([probability_high(found, score, 0.5) for score in new.scores.tolist()])
                used += 1
                brier.append(float(np.mean((p - new.labels) ** 2)))
                better += brier[-1] < raw
            shown = f"{better / used:.2f} | {raw:.3f} | {np.mean(brier):.3f}" if used else f"| {raw:.3f} | "
            print(f"| {n} | {words} | {used / COHORTS:.2f} | {shown} |", flush=True)


def main() -> None:
    thresholds()
    print()
    maps()


if __name__ == "__main__":
    main()

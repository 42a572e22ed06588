"""How often the jackknifed interval of a recalibration slope holds the slope of all animals.

Log-odds of tiles are normal within a class, and animals differ; each animal is of one class. What is held is the slope
that very many such animals have.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from scipy.special import expit

from hcc_scope.evaluation.aggregation import Scored
from hcc_scope.evaluation.external.recalibration import fit_cox, recalibrate

TILES = 20
"""Of an animal."""
APART = 2.0
"""Distance of the classes' mean log-odds; SD within a class 1."""
SHARE = 0.3
"""Of the variance within a class that is between animals."""


def cohort(rng: np.random.Generator, animals: int) -> Scored:
    """Return the tiles of so many animals of each class."""
    animal = np.repeat(np.arange(2 * animals), TILES)
    labels = (animal >= animals).astype(np.int64)
    of_animal = rng.normal(0, math.sqrt(SHARE), 2 * animals)[animal]
    odds = APART * (labels - 0.5) + of_animal + rng.normal(0, math.sqrt(1 - SHARE), len(animal))
    names = tuple((i,) for i in range(len(odds)))
    return Scored("tile", labels, expit(odds), odds, animal, np.zeros_like(labels), names, tuple(map(str, set(animal))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    many = cohort(rng, 4000)
    fitted = fit_cox(many.ranks, many.labels)
    assert fitted is not None
    print(f"slope of all animals {fitted.slope:.3f}; {given.cohorts} cohorts of each size")
    for animals in (3, 5, 10):
        held, widths = [], []
        for _ in range(given.cohorts):
            values = cohort(rng, animals)
            slope = recalibrate(values, values.ranks).slope
            if slope is not None and slope.interval is not None:
                held.append(slope.interval.low <= fitted.slope <= slope.interval.high)
                widths.append(slope.interval.high - slope.interval.low)
        found = f"held {np.mean(held):.3f} of {len(held)}, median width {np.median(widths):.2f}"
        print(f"{animals:3} animals per class: {found}", flush=True)


if __name__ == "__main__":
    main()

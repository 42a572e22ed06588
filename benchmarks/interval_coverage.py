"""Measure how often the intervals of docs/evaluation.md contain the truth: simulated cohorts of differing animals.

Run with ``python benchmarks/interval_coverage.py``; takes a minute.
"""

from __future__ import annotations

import math

import numpy as np

from hcc_scope.evaluation.aggregation import Scored
from hcc_scope.evaluation.intervals import ClusterBootstrap
from hcc_scope.evaluation.metrics import figures_at

IMAGES = 10
COHORTS = 600


def normal_cdf(x: float) -> float:
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


def main() -> None:
    rng = np.random.default_rng(1)
    print("| animals per class | AUC | covered | sensitivity | covered |\n|---|---|---|---|---|")
    for separation in (0.0, 1.0, 3.0):
        # scores have variance 1 between animals and 1 within
        auc, sensitivity = normal_cdf(separation / 2.0), normal_cdf(separation / 2.0 / math.sqrt(2.0))
        for n in (3, 5, 10, 20):
            animals = np.repeat(np.arange(2 * n), IMAGES)
            labels = (animals >= n).astype(np.int64)
            strata = (np.arange(2 * n) >= n).astype(np.int64)
            names = tuple((i,) for i in range(len(animals)))
            ids = tuple(map(str, range(2 * n)))
            covered = np.zeros(2)
            for cohort in range(COHORTS):
                ranks = rng.normal(size=2 * n)[animals] + rng.normal(size=len(animals)) + separation * (labels - 0.5)
                # sensitivity needs the side of the middle alone
                sides = (ranks >= 0).astype(np.float64)
                values = Scored("image", labels, sides, ranks, animals, np.zeros_like(labels), names, ids)
                found = figures_at(values, 0.5, ClusterBootstrap(strata, cohort))
                for i, (estimate, truth) in enumerate(((found.auc, auc), (found.sensitivity, sensitivity))):
                    assert estimate is not None
                    assert estimate.interval is not None
                    covered[i] += estimate.interval.low <= truth <= estimate.interval.high
            of_auc, of_sensitivity = covered / COHORTS
            print(f"| {n} | {auc:.2f} | {of_auc:.2f} | {sensitivity:.2f} | {of_sensitivity:.2f} |", flush=True)


if __name__ == "__main__":
    main()

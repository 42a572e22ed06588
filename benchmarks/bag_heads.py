"""How well the heads for bags find a class that a few tiles, or all of them, carry: ``python -m benchmarks.bag_heads``.

Bags of standard normal features. In a bag of class *high* a share of the tiles is shifted along one of them. The AUC is
that of 60 other bags, a mean over the repetitions. `hcc_scope.training.bags` has its penalty and steps from here.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from hcc_scope.training.bags import HEADS, Reduction, fit_head
from hcc_scope.training.metrics import roc_auc

CASES = (
    ("a tenth of the tiles, 40 bags of 20", 0.1, 4.0, 40, 20),
    ("a tenth of the tiles, 8 bags of 60", 0.1, 4.0, 8, 60),
    ("all tiles a little, 40 bags of 20", 1.0, 0.5, 40, 20),
    ("all tiles a little, 8 bags of 60", 1.0, 0.5, 8, 60),
    ("nothing, 8 bags of 60", 0.0, 0.0, 8, 60),
)
FEATURES = 40


def drawn_bags(
    rng: np.random.Generator, labels: np.ndarray, share: float, shift: float, tiles: int
) -> list[np.ndarray]:
    """Return a bag (tiles, FEATURES) for each label."""
    bags = [rng.normal(size=(tiles, FEATURES)).astype(np.float32) for _ in labels]
    for bag, label in zip(bags, labels, strict=True):
        if label and share:
            bag[: max(1, round(share * tiles)), 0] += shift
    return bags


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=6)
    repetitions = parser.parse_args().repetitions
    print(f"{'the class is carried by':38}" + "".join(f"{head:>18}" for head in HEADS) + "   s per head")
    for words, share, shift, n_bags, tiles in CASES:
        found = np.zeros((repetitions, len(HEADS)))
        began_s = time.perf_counter()
        for repetition in range(repetitions):
            rng = np.random.default_rng(repetition)
            labels, tested = np.arange(n_bags) % 2, np.arange(60) % 2
            bags = drawn_bags(rng, labels, share, shift, tiles)
            others = drawn_bags(rng, tested, share, shift, tiles)
            reduction = Reduction.fit(np.concatenate(bags))
            for place, name in enumerate(HEADS):
                head = fit_head(name, [reduction.apply(bag) for bag in bags], labels, reduction, repetition)
                area = roc_auc(np.array([head.score(bag).logit for bag in others]), tested)
                found[repetition, place] = np.nan if area is None else area
        seconds = (time.perf_counter() - began_s) / found.size
        print(f"{words:38}" + "".join(f"{value:18.2f}" for value in found.mean(0)) + f"{seconds:13.2f}")


if __name__ == "__main__":
    main()

"""Measure whether rounding moves the AUCs of an evaluation by more than the spread over starts that it states.

The folds by animal of a labelled set are trained three times from the same seeds: in float32; in float32 with first
weights that differ by one part in a million, as another processor's kernels would make them differ after some steps;
and, where the processor has it, in bfloat16. For each it prints the AUC of images (pairs within folds) of the mean
logit, that of single networks, their standard deviation over starts, and how far the AUC lies from that of float32, in
standard deviations of such a difference: with K starts sd sqrt(2 / K).

Run with ``python -m benchmarks.starts MANIFEST``; an hour for 8 animals on one core, less with ``--steps``.
"""

from __future__ import annotations

import argparse
import math
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import torch

from hcc_scope.datasets.cache import cut_tiles
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.evaluation.aggregation import protocol_scores
from hcc_scope.evaluation.auc import pair_table, start_spread
from hcc_scope.evaluation.results import FoldResult, StartResult
from hcc_scope.evaluation.splits import animal_splits
from hcc_scope.evaluation.start_task import start_tasks
from hcc_scope.progress import ignore_progress
from hcc_scope.training import fit as loop
from hcc_scope.training.attempts import fit_with_attempts
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.fit_task import FitTask
from hcc_scope.training.network import make_network
from hcc_scope.training.predict import predict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcc_scope.datasets.tiles import TileTable

PERTURBATION = 1e-6
VARIANTS = ("float32", "first weights x (1 + 1e-6 z)", "bfloat16")


@contextmanager
def perturbed(wanted: bool) -> Iterator[None]:
    """Let the first weights of every network differ by one part in a million, at random."""

    def make(*args: object, seed: int, **more: object) -> torch.nn.Module:
        network = make_network(*args, seed=seed, **more)  # type: ignore[arg-type]
        rng = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in network.parameters():
                weight.mul_(1.0 + PERTURBATION * torch.randn(weight.shape, generator=rng))
        return network

    if not wanted:
        yield
        return
    with patch.object(loop, "make_network", make):
        yield


def trained(tiles: TileTable, config: TrainConfig, starts: int, most_folds: int, variant: str) -> list[FoldResult]:
    """Return the folds by animal."""
    config = replace(config, precision="bfloat16" if variant == "bfloat16" else "float32")
    found = []
    for split in animal_splits(tiles, 5, config.seed)[:most_folds]:
        train, test = tiles.rows_of(split.train), tiles.rows_of(split.test)
        results = []
        for task in start_tasks(Path(), split, config, starts):
            with perturbed(variant == VARIANTS[1]):
                fitted = fit_with_attempts(
                    FitTask(tiles, tiles.labels, train, test[:0], task.config, whole_budget=True)
                )
            logits = predict(fitted.fitted.network, tiles, test, threads=config.threads).logits
            results.append(StartResult(logits, task.start, task.config.seed, len(fitted.learnt), silent=fitted.silent))
            print(
                f"  {variant}, fold {split.fold + 1}, start {task.start}: {fitted.learnt[-1].description}", flush=True
            )
        found.append(FoldResult(split, test, tiles.labels[test], tuple(results)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--network", choices=("meng2019", "compact"), default="meng2019")
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5, help="so many of the folds by animal, at most")
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--threads", type=int, default=None)
    given = parser.parse_args()
    tiles = cut_tiles(read_manifest(given.manifest), None, ignore_progress)
    config = TrainConfig(network=given.network, steps=given.steps, threads=given.threads)

    rows = []
    first = None
    for variant in VARIANTS:
        folds = trained(tiles, config, given.starts, given.folds, variant)
        scores = protocol_scores(folds, tiles, 1.0)
        mean, spread = pair_table(scores.pooled["image"]).auc, start_spread(scores, "image")
        first = mean if first is None else first
        distance = "not defined"
        if mean is not None and spread is not None and first is not None:
            sd = spread.sd * math.sqrt(2.0 / given.starts)
            distance = f"{mean - first:+.3f}" + (f", {abs(mean - first) / sd:.1f} sd" if sd else "")
        single, sd_of_starts = (None, None) if spread is None else (spread.mean, spread.sd)
        rows.append((variant, mean, single, sd_of_starts, distance))
    print(
        "\n| variant | AUC, mean logit | AUC, single networks | sd over starts | from float32 |\n|---|---|---|---|---|"
    )
    for variant, *values, distance in rows:
        shown = " | ".join("not defined" if value is None else f"{value:.3f}" for value in values)
        print(f"| {variant} | {shown} | {distance} |")


if __name__ == "__main__":
    main()

"""Whether changes of optical density while training help: ``python -m benchmarks.augment_od --out FOLDER``.

A phantom cohort whose animals and sections differ more than usual in growth, stain and thickness is evaluated twice,
with the same folds and seeds: without and with ``--augment-od``. Prints the AUC of images and sections by animal of
both, with the SD of starts. It takes about twice as long as one evaluation of so many images.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.datasets.cache import cut_tiles
from hcc_scope.datasets.cohort import CohortSpec, write_cohort
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.evaluation.analysis import analyse
from hcc_scope.evaluation.run import evaluate, open_evaluation_executor
from hcc_scope.evaluation.tables import format_estimate
from hcc_scope.progress import ignore_progress
from hcc_scope.training.config import TrainConfig

if TYPE_CHECKING:
    from hcc_scope.evaluation.results import EvaluationResult


def evaluated(folder: Path, manifest: Path, starts: int, steps: int | None, *, augment_od: bool) -> EvaluationResult:
    data = read_manifest(manifest)
    tiles = cut_tiles(data, None, ignore_progress)
    config = TrainConfig(steps=steps, augment_od=augment_od)
    begun = folder.exists()
    with open_evaluation_executor(config, None, None) as executor:
        return evaluate(
            data, tiles, config, folder, starts=starts, executor=executor, resume=begun, on_progress=ignore_progress
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="Folder; one that is there is continued.")
    parser.add_argument("--animals-per-class", type=int, default=4)
    parser.add_argument("--images-per-class", type=int, default=24)
    parser.add_argument("--effect", type=float, default=2.0, help="Factor on what animals and sections differ in.")
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--steps", type=int, default=None)
    given = parser.parse_args()
    cohort = given.out / "cohort"
    if not cohort.exists():
        spec = CohortSpec(
            animals_per_class=given.animals_per_class,
            images_per_class=given.images_per_class,
            animal_effect=given.effect,
            section_effect=given.effect,
        )
        write_cohort(spec, cohort, ignore_progress)
    for augment_od in (False, True):
        name = "with" if augment_od else "without"
        result = evaluated(given.out / name, cohort / "manifest.csv", given.starts, given.steps, augment_od=augment_od)
        pooled = analyse(result).protocols["by_animal"].pooled
        for level in ("image", "section"):
            auc = pooled[level].auc
            sd = "" if auc is None or auc.sd_of_starts is None else f", SD of starts {auc.sd_of_starts:.3f}"
            print(f"{name:8} {level:8} AUC {format_estimate(auc)}{sd}", flush=True)


if __name__ == "__main__":
    main()

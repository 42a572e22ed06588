"""Evaluate heads for bags on features of an evaluation's networks, of an extractor or of texture, on the same folds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from hcc_scope.datasets.duplicate_images import refuse_contradictions
from hcc_scope.errors import DatasetError, UsageError
from hcc_scope.evaluation.bag_analysis import analyse_bags
from hcc_scope.evaluation.bag_features import FrozenFeatures, NetworkFeatures, extracted, texture
from hcc_scope.evaluation.bag_folds import run_heads
from hcc_scope.evaluation.bag_report import BagOrigin
from hcc_scope.evaluation.baselines import baseline_fold, measure_tiles
from hcc_scope.evaluation.finished import finished_evaluation
from hcc_scope.evaluation.splits import protocol_splits
from hcc_scope.evaluation.tile_features import FEATURES
from hcc_scope.storage.files import explain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.bag_analysis import BagAnalysis, Predictor
    from hcc_scope.evaluation.bag_features import FeatureSource
    from hcc_scope.evaluation.results import EvaluationResult, FoldResult, Split
    from hcc_scope.inference.extractor import ExtractorInput
    from hcc_scope.progress import OnProgress

__all__ = ["FEATURES_FILE", "TEXTURE", "BagPlan", "evaluate_bags", "kind_of"]

TEXTURE = "texture"
"""What ``--features`` is called for the numbers that need no network."""
FEATURES_FILE = "features.npy"
DEFAULT_FOLDS, DEFAULT_SEED, DEFAULT_STARTS = 5, 2019, 3


@dataclass(frozen=True, slots=True)
class BagPlan:
    """What is asked for; None where an evaluation decides it, or the default."""

    features: Path
    """Folder of an evaluation, a TorchScript file, or `TEXTURE`."""
    folds: int | None = None
    seed: int | None = None
    starts: int | None = None
    input: ExtractorInput | None = None
    input_px: int | None = None


def kind_of(plan: BagPlan) -> Literal["network", "texture", "extractor"]:
    """Return what features are asked for, and refuse options that do not go with them.

    Raises
    ------
    UsageError
        If there is no such file or folder, or an option contradicts it.
    """
    if plan.features.is_dir():
        kind: Literal["network", "texture", "extractor"] = "network"
    elif str(plan.features) == TEXTURE:
        kind = "texture"
    elif plan.features.exists():
        kind = "extractor"
    else:
        raise UsageError(
            f"there is no {plan.features}",
            hint=f"--features takes the folder of an evaluation, a TorchScript file, or {TEXTURE}.",
        )
    if kind != "extractor" and (plan.input is not None or plan.input_px is not None):
        raise UsageError("--input and --input-px are for a TorchScript file", hint="Leave them out.")
    if kind == "network":
        for name in ("folds", "seed", "starts"):
            if getattr(plan, name) is not None:
                raise UsageError(
                    f"--{name} is that of the evaluation {plan.features}, whose networks and folds are used",
                    hint="Leave it out.",
                )
    return kind


def evaluate_bags(
    data: LabelledSet, tiles: TileTable, plan: BagPlan, out: Path, on_progress: OnProgress
) -> tuple[BagAnalysis, BagOrigin]:
    """Train and test both heads on the folds of both protocols, and compute all figures.

    Parameters
    ----------
    data, tiles : LabelledSet, TileTable
    plan : BagPlan
    out : Path
        Exists; features of an extractor are kept there.
    on_progress : callable

    Raises
    ------
    DatasetError, LeakError
        If a protocol cannot run on these data.
    UsageError, TrainingError, ResumeError
        If the evaluation is of something else, or not finished.
    ModelError, ModelFormatError
        If the extractor cannot be used.
    StoreError
        If features cannot be kept.
    """
    from hcc_scope.training.bags import HEADS

    kind = kind_of(plan)
    if not len(tiles):
        raise DatasetError(f"no image of {data.manifest} has a usable tile")
    refuse_contradictions(tiles)
    result = finished_evaluation(plan.features, data, tiles) if kind == "network" else None
    seed = (plan.seed if plan.seed is not None else DEFAULT_SEED) if result is None else result.config.seed
    if result is None:
        folds = plan.folds or DEFAULT_FOLDS
        paper, by_animal = protocol_splits(tiles, folds, seed)
        splits: tuple[Split, ...] = (*paper, *by_animal)
    else:
        splits = tuple(fold.split for fold in result.folds)
        folds = sum(split.protocol == "by_animal" for split in splits)
    starts = plan.starts or DEFAULT_STARTS
    source, origin = _source(kind, data, tiles, plan, out, result, BagOrigin(kind, folds, seed), starts, on_progress)
    heads = run_heads(HEADS, source, splits, tiles, seed, on_progress)
    beside = _beside(tiles, splits, source, result, on_progress)
    return analyse_bags(data, tiles, source.words, source.n_features, heads, beside), origin


def _source(
    kind: str,
    data: LabelledSet,
    tiles: TileTable,
    plan: BagPlan,
    out: Path,
    result: EvaluationResult | None,
    origin: BagOrigin,
    starts: int,
    on_progress: OnProgress,
) -> tuple[FeatureSource, BagOrigin]:
    if result is not None:
        network = NetworkFeatures(tiles, result.config, result.folds, data.bit_depth, on_progress)
        return network, replace(origin, evaluation=plan.features.name)
    if kind == "texture":
        return texture(tiles, starts, on_progress), origin
    from hcc_scope.inference.extractor import INPUTS, load_extractor

    takes = plan.input or "counts"
    extractor = load_extractor(plan.features, kind=takes, full_scale=data.full_scale, input_px=plan.input_px)
    words = f"those of {plan.features.name} (sha256 {extractor.sha256[:12]}), which takes {INPUTS[takes]}"
    words += "" if plan.input_px is None else f", resized to {plan.input_px} px"
    try:
        found: FrozenFeatures = extracted(tiles, extractor, words, starts, out / FEATURES_FILE, on_progress)
    except OSError as error:
        raise explain(error, f"the features {out / FEATURES_FILE} could not be kept") from error
    return found, replace(
        origin, file=plan.features.name, sha256=extractor.sha256, input=INPUTS[takes], input_px=plan.input_px
    )


def _beside(
    tiles: TileTable,
    splits: Sequence[Split],
    source: FeatureSource,
    result: EvaluationResult | None,
    on_progress: OnProgress,
) -> dict[Predictor, tuple[Sequence[FoldResult], float]]:
    """Return what knows the label of every tile: texture, and the evaluation's own networks."""
    measured = measure_tiles(tiles, on_progress)[:, FEATURES["texture"].columns]
    texture_folds = [baseline_fold(split, tiles, measured, source.counted(split)) for split in splits]
    beside: dict[Predictor, tuple[Sequence[FoldResult], float]] = {"texture": (texture_folds, 1.0)}
    if result is not None:
        beside["network"] = (result.folds, result.temperature)
    return beside

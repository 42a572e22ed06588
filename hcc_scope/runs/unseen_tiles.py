"""Results of a training on tiles of animals that its networks were not trained on: temperature, threshold, metrics.

There are two sources of such tiles: the folds by animal of an evaluation of the same network, recipe and data, or the
animals that the training held out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.errors import TrainingError
from hcc_scope.evaluation.aggregation import scored
from hcc_scope.evaluation.calibration import NO_TEMPERATURE, NO_THRESHOLD, calibrate_folds, calibration_folds
from hcc_scope.evaluation.record import load_calibration
from hcc_scope.evaluation.results import FoldResult, Split, StartResult
from hcc_scope.evaluation.start_folder import HeldOutRows, held_out_by_animal
from hcc_scope.inference.card import ValidationRow
from hcc_scope.scoring import log_odds
from hcc_scope.training.metrics import roc_auc
from hcc_scope.training.predict import load_weights, predict
from hcc_scope.training.recipes import settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.record import Calibration
    from hcc_scope.inference.card import EvaluationRecord
    from hcc_scope.training.config import NetworkName
    from hcc_scope.training.ood_distance import OodFit
    from hcc_scope.training.training_result import Module, TrainingResult

__all__ = ["UnseenTiles", "load_networks", "unseen_tiles"]

_CONVENTIONS = "nothing: temperature 1 and threshold 0.5 are conventions, since no animal was held out"
_NOTHING_TO_CALIBRATE = (
    "nothing: temperature 1 and threshold 0.5 are conventions, since this network has learnt nothing"
)


@dataclass(frozen=True, slots=True)
class UnseenTiles:
    """What is known from tiles of animals that a network was not trained on."""

    temperature: float
    threshold: float
    calibrated_on: str
    networks: tuple[tuple[NDArray[np.int64], Module], ...]
    """Rows of the tile table, each with the network that has not seen their animals."""
    tile_auc: float | None = None
    validation: tuple[ValidationRow, ...] = ()
    evaluation: EvaluationRecord | None = None

    @property
    def rows(self) -> NDArray[np.int64]:
        """All these rows, ascending."""
        return np.sort(np.concatenate([rows for rows, _ in self.networks])) if self.networks else np.zeros(0, np.int64)


def unseen_tiles(trained: TrainingResult, ood: OodFit | None, *, silent: bool) -> UnseenTiles:
    """Return what is known from tiles of unseen animals: of an evaluation, or else of the held-out animals.

    Parameters
    ----------
    trained : TrainingResult
    ood : OodFit or None
        Its held-out distances are of all held-out tiles; None: the model measures none.
    silent : bool
        Whether the network has learnt nothing: then nothing is calibrated.

    Raises
    ------
    TrainingError
        If the evaluation, or a network of its folds, cannot be read.
    """
    rows = trained.tiles.rows_of(trained.split.held_out)
    found = UnseenTiles(NO_TEMPERATURE, NO_THRESHOLD, _CONVENTIONS, ())
    if trained.evaluation is not None:
        found = _by_evaluation(trained.evaluation, len(trained.tiles))
        if silent:  # what was chosen for other networks does not hold for this one
            found = replace(
                found, temperature=NO_TEMPERATURE, threshold=NO_THRESHOLD, calibrated_on=_NOTHING_TO_CALIBRATE
            )
    elif len(rows):
        found = _by_held_out(trained, rows, ood, silent=silent)
    return found


def load_networks(folder: Path, found: Calibration) -> tuple[tuple[NDArray[np.int64], Module], ...]:
    """Return a network of each fold by animal of an evaluation, with the rows of the tile table that it scored.

    A model is one network, so one stands for each fold: that of the first start that has learnt something, or of the
    first start if none has.

    Raises
    ------
    TrainingError
        If one of all the networks is missing, or cannot be read.
    """
    kept = held_out_by_animal(folder)
    folds = next((p.folds for p in found.evaluation.protocols if p.protocol == "by_animal"), 0)
    wanted = folds * (found.evaluation.starts or 1)
    if len(kept) != wanted:
        raise TrainingError(
            f"the evaluation {folder} was of {wanted} networks by animal, and {len(kept)} are there",
            hint="Run hcc-scope evaluate again, with --resume.",
        )
    drawn: dict[int, HeldOutRows] = {}
    for one in sorted(kept, key=lambda one: (one.fold, one.silent, one.start)):
        drawn.setdefault(one.fold, one)
    return tuple(
        (one.rows, load_weights(cast("NetworkName", found.network), one.weights, bit_depth=found.bit_depth))
        for one in drawn.values()
    )


def _by_evaluation(folder: Path, n_tiles: int) -> UnseenTiles:
    found = load_calibration(folder)
    networks = load_networks(folder, found)
    for rows, _ in networks:
        if len(rows) and not (rows.min() >= 0 and rows.max() < n_tiles):
            raise TrainingError(
                f"the folds of the evaluation {folder} are of other tiles than this training",
                hint="Run hcc-scope evaluate again.",
            )
    return UnseenTiles(
        temperature=found.temperature,
        threshold=found.threshold,
        calibrated_on=found.calibrated_on,
        networks=networks,
        evaluation=found.evaluation,
    )


def _by_held_out(trained: TrainingResult, rows: NDArray[np.int64], ood: OodFit | None, *, silent: bool) -> UnseenTiles:
    """Calibrate on held-out tiles, on the processor: where the engines that run the model are compared with."""
    network, tiles, split, threads = trained.fitted.network, trained.tiles, trained.split, trained.config.threads
    logits = predict(network, tiles, rows, threads=threads, device="cpu").logits
    class_of = np.array([image.label for image in tiles.images], dtype=np.int64)
    fold = FoldResult(
        split=Split("by_animal", 0, split.train, split.held_out, class_of),
        rows=rows,
        labels=tiles.labels[rows],
        starts=(
            StartResult(
                logits,
                silent=silent,
                distances=None if ood is None else ood.held_out_distances,
                ood_threshold=None if ood is None else ood.record.threshold,
            ),
        ),
    )
    temperature, threshold = calibrate_folds([fold], tiles)
    threshold = min(max(round(threshold, 4), 1e-4), 1.0 - 1e-4)
    counted = rows[fold.counted]
    return UnseenTiles(
        temperature=temperature,
        threshold=threshold,
        calibrated_on=_calibrated_on(trained, fold, silent=silent),
        networks=((counted, network),),
        tile_auc=roc_auc(log_odds(logits[fold.counted]), tiles.labels[counted]),
        validation=_validation(fold, tiles, temperature, threshold) if split.by == "animal" else (),
    )


def _calibrated_on(trained: TrainingResult, fold: FoldResult, *, silent: bool) -> str:
    """Return what temperature and threshold of held-out images were chosen on."""
    if silent:
        return _NOTHING_TO_CALIBRATE
    if not calibration_folds([fold]):
        return (
            "nothing: temperature 1 and threshold 0.5 are conventions, since the held-out tiles of one class are all "
            "unlike the training's"
        )
    split, tiles = trained.split, trained.tiles
    n, left_out = int(fold.counted.sum()), int((~fold.counted).sum())
    count = f"{n} tiles of {len(split.held_out)} images"
    without = f" (without {left_out} that are unlike the training's)" if left_out else ""
    if split.by != "animal":
        return f"{count}{without} that were held out, NOT by animal: their animals were trained on"
    animals = ", ".join(sorted({tiles.images[i].animal_id for i in split.held_out}))
    chose = "" if settings_for(trained.config).patience is None else ", which also chose the epoch"
    return (
        f"{count} of {animals}{without}{chose}; no image of these animals, and none found to share pixels with one of "
        "them, was trained on"
    )


def _validation(fold: FoldResult, tiles: TileTable, temperature: float, threshold: float) -> tuple[ValidationRow, ...]:
    """Return one row per held-out animal."""
    at = scored([fold], tiles, temperature)
    rows = []
    for i, name in enumerate(at["animal"].names):
        code, label = at["animal"].animals[i], int(at["animal"].labels[i])
        own = {level: np.flatnonzero((at[level].animals == code) & (at[level].labels == label)) for level in at}
        scores = at["section"].scores[own["section"]]
        right = (at["tile"].scores[own["tile"]] >= threshold) == (label == 1)
        rows.append(
            ValidationRow(
                animal=str(name[0]),
                tumour_class=CLASSES[label],
                role="calibration",
                sections=len(scores),
                fields=len(own["image"]),
                tiles=len(own["tile"]),
                tile_accuracy=round(float(right.mean()), 4),
                section_scores=tuple(round(float(score), 4) for score in scores),
                animal_score=round(float(at["animal"].scores[i]), 4),
                correct=bool(((scores >= threshold) == (label == 1)).all()),
            )
        )
    return tuple(rows)

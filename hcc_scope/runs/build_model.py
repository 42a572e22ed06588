"""A finished training becomes a model that can be used: calibrated, measured in other light, with a card and a folder.

Temperature and threshold have to come from animals that the network has never seen. There are two sources of such
tiles, and each is used for the calibration, for the study of shifts and for the distance's threshold alike:

- the animals that the training held out, or
- an evaluation of the same network, recipe and data (``--evaluation``): the network is then trained on all animals,
  and what is said about unseen ones comes from the folds by animal.

Without either the card says that nothing was calibrated. Nor is anything calibrated for a network that has learnt
nothing. As in use, tiles that are unlike the training's count nowhere.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, cast

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.errors import DatasetError, TrainingError
from hcc_scope.evaluation.aggregation import scored
from hcc_scope.evaluation.calibration import NO_TEMPERATURE, NO_THRESHOLD, calibrate_folds, calibration_folds
from hcc_scope.evaluation.fold import held_out_by_animal
from hcc_scope.evaluation.record import load_calibration
from hcc_scope.evaluation.results import FoldResult, Split
from hcc_scope.evaluation.robustness import sampled_rows, shift_rows
from hcc_scope.inference.card import ValidationRow
from hcc_scope.phantom import CameraPhysics
from hcc_scope.progress import Progress
from hcc_scope.report.card_markdown import card_markdown
from hcc_scope.scoring import log_odds
from hcc_scope.training.draft_card import draft_card, final_card
from hcc_scope.training.export import export_model, to_torchscript
from hcc_scope.training.metrics import auc
from hcc_scope.training.ood_distance import FALSE_FLAG_RATE, distances_of, fit_unlike, mean_activations, table_of
from hcc_scope.training.ood_tiles import strange_tiles
from hcc_scope.training.predict import learnt_by, load_weights, predict
from hcc_scope.training.recipes import settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.record import Calibration
    from hcc_scope.inference.card import EvaluationRecord, ShiftRow, UnlikeTraining
    from hcc_scope.progress import OnProgress
    from hcc_scope.training.config import NetworkName
    from hcc_scope.training.metrics import Learnt
    from hcc_scope.training.ood_distance import WithDistance
    from hcc_scope.training.recipes import Settings
    from hcc_scope.training.training_result import Module, Trained

__all__ = ["load_networks", "make_model"]

_CONVENTIONS = "nothing: temperature 1 and threshold 0.5 are conventions, since no animal was held out"
_NOTHING_TO_CALIBRATE = (
    "nothing: temperature 1 and threshold 0.5 are conventions, since this network has learnt nothing"
)
_SHIFTED_TILES = 512
"""At most so many are classified in another light, or focus."""
_PACKAGES = ("hcc-scope", "numpy", "torch")


@dataclass(frozen=True, slots=True)
class _Unseen:
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


def make_model(trained: Trained, folder: Path, *, on_progress: OnProgress, say: Callable[[str], None]) -> Path:
    """Calibrate a trained network, measure what its card has to tell, and write the model's folder.

    Parameters
    ----------
    trained : Trained
        The training.
    folder : Path
        Of the model; must not exist.
    on_progress : callable
        Takes a `Progress` per step.
    say : callable
        Takes sentences about what the model will lack, and why.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    ModelError
        If `folder` exists.
    StoreError
        If it cannot be written.
    TrainingError
        If the evaluation, or a network of its folds, cannot be read.
    """
    data, tiles, split, config = trained.data, trained.tiles, trained.split, trained.config
    network, settings = trained.fitted.network, settings_for(trained.config)
    train_rows = tiles.rows_of(split.train)
    learnt = trained.learnt or (
        learnt_by(network, tiles, train_rows, tiles.labels, settings.loss, threads=config.threads, device="cpu"),
    )
    silent = all(one.nothing for one in learnt)
    draft = draft_card(trained.name, network, data, network_name=config.network)
    if silent:
        words = _describe_learnt_nothing(learnt)
        say(words)
        draft = draft.model_copy(update={"limits": (words, *draft.limits)})
    on_progress(Progress("distance", 0, 1, "of tiles unlike those of the training"))
    measuring, unlike = (network, None) if silent else _distance(trained, say)
    on_progress(Progress("distance", 1, 1, "" if unlike is None else f"threshold {unlike.threshold:g}"))
    on_progress(Progress("calibrate", 0, 1, ""))
    unseen = _unseen(trained, cast("WithDistance", measuring) if unlike is not None else None, unlike, silent=silent)
    on_progress(Progress("calibrate", 1, 1, f"temperature {unseen.temperature:g}, threshold {unseen.threshold:g}"))
    shifts = _shifts(trained, unseen, on_progress, say)
    card = final_card(
        draft,
        config,
        data,
        temperature=unseen.temperature,
        threshold=unseen.threshold,
        calibrated_on=unseen.calibrated_on,
        command=trained.command,
        loss=_describe_loss(settings),
        optimiser=_describe_optimiser(settings),
        epochs=trained.fitted.best_epoch,
        tiles=len(train_rows),
        software={"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
        images=split.train.tolist(),
        excluded_tiles=tiles.excluded,
        precision=trained.place.precision,
        device=trained.place.device,
        evaluation=unseen.evaluation,
        shifts=shifts,
        unlike_training=unlike,
        validation=unseen.validation,
        tile_auc_held_out=unseen.tile_auc,
        starts=len(learnt),
        shifts_on=_shifts_on(tiles, unseen.rows) if shifts else None,
    )
    candidates = unseen.rows
    if len(np.unique(tiles.labels[candidates])) < len(CLASSES):
        candidates = train_rows
    labels = tiles.labels[candidates]
    one_of_each = [int(candidates[labels == label][0]) for label in range(len(CLASSES))]
    return export_model(
        to_torchscript(measuring),
        measuring,
        tiles.reader.read(one_of_each),
        card,
        folder,
        weights_of=network,
        describe=card_markdown,
        note=say,
    )


# -- what unseen animals tell -----------------------------------------------------------------------------------------


def _unseen(
    trained: Trained, measuring: WithDistance | None, unlike: UnlikeTraining | None, *, silent: bool
) -> _Unseen:
    rows = trained.tiles.rows_of(trained.split.held_out)
    found = _Unseen(NO_TEMPERATURE, NO_THRESHOLD, _CONVENTIONS, ())
    if trained.evaluation is not None:
        found = _by_evaluation(trained.evaluation, len(trained.tiles))
        if silent:  # what was chosen for other networks says nothing of this one
            found = replace(
                found, temperature=NO_TEMPERATURE, threshold=NO_THRESHOLD, calibrated_on=_NOTHING_TO_CALIBRATE
            )
    elif len(rows):
        found = _by_held_out(trained, rows, measuring, unlike, silent=silent)
    return found


def load_networks(folder: Path, found: Calibration) -> tuple[tuple[NDArray[np.int64], Module], ...]:
    """Return the networks of an evaluation's folds by animal, each with the rows of the tile table that it tested.

    Raises
    ------
    TrainingError
        If one is missing, or cannot be read.
    """
    kept = held_out_by_animal(folder)
    wanted = next((p.folds for p in found.evaluation.protocols if p.protocol == "by_animal"), 0)
    if len(kept) != wanted:
        raise TrainingError(
            f"the evaluation {folder} was of {wanted} folds by animal, and {len(kept)} are there",
            hint="Run hcc-scope evaluate again, with --resume.",
        )
    return tuple(
        (fold.rows, load_weights(cast("NetworkName", found.network), fold.weights, bit_depth=found.bit_depth))
        for fold in kept
    )


def _by_evaluation(folder: Path, n_tiles: int) -> _Unseen:
    found = load_calibration(folder)
    for fold in held_out_by_animal(folder):
        if len(fold.rows) and not (fold.rows.min() >= 0 and fold.rows.max() < n_tiles):
            raise TrainingError(
                f"the folds of the evaluation {folder} are of other tiles than this training",
                hint="Run hcc-scope evaluate again.",
            )
    return _Unseen(
        temperature=found.temperature,
        threshold=found.threshold,
        calibrated_on=found.calibrated_on,
        networks=load_networks(folder, found),
        evaluation=found.evaluation,
    )


def _by_held_out(
    trained: Trained,
    rows: NDArray[np.int64],
    measuring: WithDistance | None,
    unlike: UnlikeTraining | None,
    *,
    silent: bool,
) -> _Unseen:
    """Calibrate on held-out tiles, on the processor: where the engines that run the model are compared with."""
    network, tiles, split, threads = trained.fitted.network, trained.tiles, trained.split, trained.config.threads
    logits = predict(network, tiles, rows, threads=threads, device="cpu").logits
    class_of = np.array([image.label for image in tiles.images], dtype=np.int64)
    fold = FoldResult(
        split=Split("by_animal", 0, split.train, split.held_out, class_of),
        rows=rows,
        labels=tiles.labels[rows],
        logits=logits,
        features=np.zeros((len(rows), 0), np.float32),
        history=(),
        weights=trained.data.manifest,  # of no fold: nobody reads it
        silent=silent,
        distances=None
        if measuring is None
        else distances_of(measuring, mean_activations(network, tiles, rows, threads=threads)),
        unlike_beyond=None if unlike is None else unlike.threshold,
    )
    temperature, threshold = calibrate_folds([fold], tiles)
    threshold = min(max(round(threshold, 4), 1e-4), 1.0 - 1e-4)
    counted = rows[fold.counted]
    both = len(np.unique(tiles.labels[counted])) == len(CLASSES)
    return _Unseen(
        temperature=temperature,
        threshold=threshold,
        calibrated_on=_calibrated_on(trained, fold, silent=silent),
        networks=((counted, network),),
        tile_auc=auc(log_odds(logits[fold.counted]), tiles.labels[counted]) if both else None,
        validation=_validation(fold, tiles, temperature, threshold) if split.by == "animal" else (),
    )


def _calibrated_on(trained: Trained, fold: FoldResult, *, silent: bool) -> str:
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


# -- shifts, and what is unlike ---------------------------------------------------------------------------------------


def _shifts(
    trained: Trained, unseen: _Unseen, on_progress: OnProgress, say: Callable[[str], None]
) -> tuple[ShiftRow, ...]:
    """Return how scores of unseen animals move in another light and focus, each by the network that has not seen it."""
    if not len(unseen.rows):
        say("The card does not tell what another light or focus does: nothing was held out to measure it on.")
        return ()
    network_of = {int(row): network for rows, network in unseen.networks for row in rows}

    def log_odds_of(pixels: NDArray[np.uint16], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        odds = np.empty(len(pixels), np.float32)
        for network in {id(network_of[int(row)]): network_of[int(row)] for row in rows}.values():
            mine = np.array([network_of[int(row)] is network for row in rows])
            odds[mine] = _odds(network, pixels[mine], trained.config.threads)
        return odds

    try:
        return shift_rows(
            log_odds_of,
            trained.tiles,
            unseen.rows,
            trained.data,
            unseen.temperature,
            unseen.threshold,
            # of a real camera's offset nobody has told us
            offset_counts=CameraPhysics().offset_counts if trained.data.synthetic else 0.0,
            max_tiles=_SHIFTED_TILES,
            seed=trained.config.seed,
            on_progress=lambda done, total: on_progress(Progress("other light", done, total, "")),
        )
    except DatasetError as error:
        say(f"The card does not tell what another light or focus does: {error}")
        return ()


def _shifts_on(tiles: TileTable, rows: NDArray[np.int64]) -> str:
    """Return which tiles the study of shifts is of, and so whether its figures are those of the tables."""
    n = len(sampled_rows(tiles, rows, _SHIFTED_TILES))
    if n == len(rows):
        return f"all {n} tiles of unseen animals that count above: the images as they are give the figures above"
    return (
        f"{n} of the {len(rows)} tiles of unseen animals that count above, evenly from all sections: compare these "
        "rows with each other, not with the figures above"
    )


def _odds(network: Module, pixels: NDArray[np.uint16], threads: int | None) -> NDArray[np.float32]:
    return log_odds(predict(network, table_of(pixels), range(len(pixels)), threads=threads, device="cpu").logits)


def _distance(trained: Trained, say: Callable[[str], None]) -> tuple[Module, UnlikeTraining | None]:
    data, tiles, split = trained.data, trained.tiles, trained.split
    rows, held_out = tiles.rows_of(split.train), tiles.rows_of(split.held_out)
    needed = 1.0 / FALSE_FLAG_RATE
    if len(held_out) < needed:  # then of training animals, each by a distance fitted to the others
        held_out = held_out[:0]
    others = None
    if max(len(rows), len(held_out)) >= needed:  # else there will be no distance, and drawing them takes seconds
        others = strange_tiles(
            pixel_size_um=data.pixel_size_um,
            tile_px=tiles.tile_px,
            bit_depth=data.bit_depth,
            of_phantom=data.synthetic is not None,
        )
    try:
        return fit_unlike(
            trained.fitted.network,
            tiles,
            rows,
            held_out,
            others=others,
            threads=trained.config.threads,
        )
    except TrainingError as error:
        say(f"The model does not tell tiles that are unlike its training: {error}")
        return trained.fitted.network, None


# -- words ------------------------------------------------------------------------------------------------------------


def _describe_learnt_nothing(learnt: Sequence[Learnt]) -> str:
    starts = "" if len(learnt) == 1 else f", from none of {len(learnt)} starts"
    return (
        f"This network has learnt nothing{starts}: {learnt[0].words}. Nothing is calibrated. Train it with another "
        "seed, for longer, or on more images."
    )


def _describe_loss(settings: Settings) -> str:
    if settings.loss == "squared error":
        return "half the squared error of the probabilities (eq. 4 of the paper)"
    return "cross-entropy (the paper: half the squared error, eq. 4)"


def _describe_optimiser(settings: Settings) -> str:
    words = f"{settings.optimiser}, learning rate {settings.learning_rate:g}{' in one cycle' * settings.one_cycle}"
    words += f", weight decay {settings.weight_decay:g}" if settings.weight_decay else ""
    words += f", batch {settings.batch}"
    words += "" if settings.largest_gradient is None else f", gradients of norm {settings.largest_gradient:g} at most"
    return words + (", tiles turned, mirrored and lit differently each time" if settings.augment else "")

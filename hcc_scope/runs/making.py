"""A finished training becomes a model that can be used: calibrated, measured in other light, with a card and a folder.

Temperature and threshold have to come from animals that the network has never seen. There are two sources of such
tiles, and each is used for the calibration, for the study of shifts and for the distance's threshold alike:

- the animals that the training held out, or
- an evaluation of the same network, recipe and data (``--evaluation``): the network is then trained on all animals,
  and what is said about unseen ones comes from the folds by animal.

Without either the card says that nothing was calibrated.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, cast

import numpy as np

from hcc_scope.datasets.labelled import CLASSES
from hcc_scope.errors import DatasetError, TrainingError
from hcc_scope.evaluation.calibration import calibrate_folds
from hcc_scope.evaluation.fold import held_out_by_animal
from hcc_scope.evaluation.levels import scored
from hcc_scope.evaluation.record import load_calibration
from hcc_scope.evaluation.results import FoldResult, Split
from hcc_scope.evaluation.shifts import shift_rows
from hcc_scope.inference.card import ValidationRow
from hcc_scope.phantom import CameraPhysics
from hcc_scope.report.model_card import card_markdown
from hcc_scope.scoring import log_odds
from hcc_scope.training.config import TrainProgress
from hcc_scope.training.export import export_model, to_torchscript
from hcc_scope.training.merit import auc
from hcc_scope.training.model_card import draft_card, final_card
from hcc_scope.training.predict import has_learnt_nothing, load_weights, predict
from hcc_scope.training.recipes import settings_for
from hcc_scope.training.strangers import strange_tiles
from hcc_scope.training.unlike import fit_unlike, table_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.record import Calibration
    from hcc_scope.inference.card import EvaluationRecord, ShiftRow, UnlikeTraining
    from hcc_scope.training.config import NetworkName, OnProgress
    from hcc_scope.training.recipes import Settings
    from hcc_scope.training.trained import Module, Trained

__all__ = ["load_networks", "make_model"]

_CONVENTIONS = "nothing: temperature 1 and threshold 0.5 are conventions, since no animal was held out"
_FALSE_FLAG_RATE = 0.01
"""Share of tiles like those of the training that are taken for strangers all the same."""
_LEARNT_NOTHING = (
    "This network has learnt nothing: it answers the same to all tiles that it was trained on. Train it with another "
    "seed, for longer, or on more images."
)
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
        Takes a `TrainProgress` per step.
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
    silent = has_learnt_nothing(network, tiles, train_rows, threads=config.threads, device="cpu")
    on_progress(TrainProgress("calibrate", 0, 1, ""))
    unseen = _unseen(trained)
    on_progress(TrainProgress("calibrate", 1, 1, f"temperature {unseen.temperature:g}, threshold {unseen.threshold:g}"))
    shifts = _shifts(trained, unseen, on_progress, say)
    on_progress(TrainProgress("distance", 0, 1, "of tiles unlike those of the training"))
    measuring, unlike = _distance(trained, say)
    on_progress(TrainProgress("distance", 1, 1, "" if unlike is None else f"threshold {unlike.threshold:g}"))
    draft = draft_card(trained.name, network, data, network_name=config.network)
    if silent:
        say(_LEARNT_NOTHING)
        draft = draft.model_copy(update={"limits": (_LEARNT_NOTHING, *draft.limits)})
    card = final_card(
        draft,
        config,
        data,
        temperature=unseen.temperature,
        threshold=unseen.threshold,
        calibrated_on=unseen.calibrated_on,
        command=trained.command,
        loss=_loss_words(settings),
        optimiser=_optimiser_words(settings),
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
    )
    candidates = unseen.rows if len(unseen.rows) else train_rows
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


def _unseen(trained: Trained) -> _Unseen:
    rows = trained.tiles.rows_of(trained.split.held_out)
    if trained.evaluation is not None:
        return _by_evaluation(trained.evaluation)
    if len(rows):
        return _by_held_out(trained, rows)
    return _Unseen(1.0, 0.5, _CONVENTIONS, ())


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
        (rows, load_weights(cast("NetworkName", found.network), weights, bit_depth=found.bit_depth))
        for rows, weights in kept
    )


def _by_evaluation(folder: Path) -> _Unseen:
    found = load_calibration(folder)
    return _Unseen(
        temperature=found.temperature,
        threshold=found.threshold,
        calibrated_on=found.calibrated_on,
        networks=load_networks(folder, found),
        evaluation=found.evaluation,
    )


def _by_held_out(trained: Trained, rows: NDArray[np.int64]) -> _Unseen:
    """Calibrate on held-out tiles, on the processor: where the engines that run the model are compared with."""
    network, tiles, split = trained.fitted.network, trained.tiles, trained.split
    logits = predict(network, tiles, rows, threads=trained.config.threads, device="cpu").logits
    class_of = np.array([image.label for image in tiles.images], dtype=np.int64)
    fold = FoldResult(
        split=Split("by_animal", 0, split.train, split.held_out, class_of),
        rows=rows,
        labels=tiles.labels[rows],
        logits=logits,
        features=np.zeros((len(rows), 0), np.float32),
        history=(),
        weights=trained.data.manifest,  # of no fold: nobody reads it
    )
    temperature, threshold = calibrate_folds([fold], tiles)
    threshold = min(max(round(threshold, 4), 1e-4), 1.0 - 1e-4)
    animals = sorted({tiles.images[i].animal_id for i in split.held_out})
    count = f"{len(rows)} tiles of {len(split.held_out)} images"
    chose = "" if settings_for(trained.config).patience is None else ", which also chose the epoch"
    calibrated_on = (
        f"{count} of {', '.join(animals)}{chose}; no tile of these animals was trained on"
        if split.by == "animal"
        else f"{count} that were held out, NOT by animal: their animals were trained on"
    )
    return _Unseen(
        temperature=temperature,
        threshold=threshold,
        calibrated_on=calibrated_on,
        networks=((rows, network),),
        tile_auc=auc(log_odds(logits), tiles.labels[rows]),
        validation=_validation(fold, tiles, temperature, threshold) if split.by == "animal" else (),
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
            seed=trained.config.seed,
            on_progress=lambda done, total: on_progress(TrainProgress("other light", done, total, "")),
        )
    except DatasetError as error:
        say(f"The card does not tell what another light or focus does: {error}")
        return ()


def _odds(network: Module, pixels: NDArray[np.uint16], threads: int | None) -> NDArray[np.float32]:
    return log_odds(predict(network, table_of(pixels), range(len(pixels)), threads=threads, device="cpu").logits)


def _distance(trained: Trained, say: Callable[[str], None]) -> tuple[Module, UnlikeTraining | None]:
    data, tiles, split = trained.data, trained.tiles, trained.split
    rows, held_out = tiles.rows_of(split.train), tiles.rows_of(split.held_out)
    needed = 1.0 / _FALSE_FLAG_RATE
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
            false_flag_rate=_FALSE_FLAG_RATE,
            others=others,
            threads=trained.config.threads,
        )
    except TrainingError as error:
        say(f"The model does not tell tiles that are unlike its training: {error}")
        return trained.fitted.network, None


# -- words ------------------------------------------------------------------------------------------------------------


def _loss_words(settings: Settings) -> str:
    if settings.loss == "squared error":
        return "half the squared error of the probabilities (eq. 4 of the paper)"
    return "cross-entropy (the paper: half the squared error, eq. 4)"


def _optimiser_words(settings: Settings) -> str:
    words = f"{settings.optimiser}, learning rate {settings.learning_rate:g}{' in one cycle' * settings.one_cycle}"
    words += f", weight decay {settings.weight_decay:g}" if settings.weight_decay else ""
    words += f", batch {settings.batch}"
    words += "" if settings.largest_gradient is None else f", gradients of norm {settings.largest_gradient:g} at most"
    return words + (", tiles turned, mirrored and lit differently each time" if settings.augment else "")

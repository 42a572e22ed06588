"""Make a usable model from a finished training: calibrated, measured in other light, with a card and a folder.

Temperature and threshold have to come from animals that the network has never seen. There are two sources of such
tiles, and each is used for the calibration, for the study of shifts and for the distance's threshold alike:

- the animals that the training held out, or
- an evaluation of the same network, recipe and data (``--evaluation``): the network is then trained on all animals,
  and the figures of unseen ones come from the folds by animal.

Without either, the card states that nothing was calibrated. Nor is anything calibrated for a network that has learnt
nothing. As in use, tiles that are unlike the training's count nowhere.
"""

from __future__ import annotations

import platform
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.errors import DatasetError, TrainingError
from hcc_scope.evaluation.input_summary import input_summary
from hcc_scope.evaluation.robustness import sampled_rows, shift_rows
from hcc_scope.phantom import CameraPhysics
from hcc_scope.progress import Progress
from hcc_scope.report.card_markdown import card_markdown
from hcc_scope.runs.unseen_tiles import UnseenTiles, unseen_tiles
from hcc_scope.scoring import log_odds
from hcc_scope.training.draft_card import draft_card, final_card
from hcc_scope.training.export import export_model, to_torchscript
from hcc_scope.training.ood_distance import FALSE_FLAG_RATE, distances_of, fit_ood_distance, mean_activations, table_of
from hcc_scope.training.ood_tiles import draw_ood_tiles
from hcc_scope.training.predict import check_network, predict
from hcc_scope.training.recipes import settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.inference.card import ShiftRow
    from hcc_scope.progress import OnProgress
    from hcc_scope.training.metrics import LearningCheck
    from hcc_scope.training.ood_distance import OodFit
    from hcc_scope.training.recipes import Settings
    from hcc_scope.training.training_result import Module, TrainingResult

__all__ = ["make_model"]

_SHIFTED_TILES = 512
"""At most so many are classified in another light, or focus."""
_PACKAGES = ("hcc-scope", "numpy", "torch")


def make_model(trained: TrainingResult, folder: Path, *, on_progress: OnProgress, say: Callable[[str], None]) -> Path:
    """Calibrate a trained network, measure what its card states, and write the model's folder.

    Parameters
    ----------
    trained : TrainingResult
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
        check_network(network, tiles, train_rows, tiles.labels, settings.loss, threads=config.threads, device="cpu"),
    )
    silent = all(one.learnt_nothing for one in learnt)
    draft = draft_card(trained.name, network, data, network_name=config.network)
    if silent:
        words = _describe_learnt_nothing(learnt)
        say(words)
        draft = draft.model_copy(update={"limits": (words, *draft.limits)})
    on_progress(Progress("distance", 0, 1, "of tiles unlike those of the training"))
    ood = None if silent else _fit_ood_distance(trained, say)
    on_progress(Progress("distance", 1, 1, "" if ood is None else f"threshold {ood.record.threshold:g}"))
    on_progress(Progress("calibrate", 0, 1, ""))
    unseen = unseen_tiles(trained, ood, silent=silent)
    on_progress(Progress("calibrate", 1, 1, f"temperature {unseen.temperature:g}, threshold {unseen.threshold:g}"))
    shifts = _shifts(trained, unseen, on_progress, say)
    inputs = input_summary(tiles, train_rows, data.bit_depth, images=split.train.tolist(), on_progress=on_progress)
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
        unlike_training=None if ood is None else ood.record,
        validation=unseen.validation,
        tile_auc_held_out=unseen.tile_auc,
        inputs=inputs,
        attempts=len(learnt),
        steps=settings.steps_of(len(train_rows)),
        shifts_on=_shifts_on(tiles, unseen) if shifts else None,
    )
    candidates = unseen.rows
    if len(np.unique(tiles.labels[candidates])) < len(CLASSES):
        candidates = train_rows
    labels = tiles.labels[candidates]
    one_of_each = [int(candidates[labels == label][0]) for label in range(len(CLASSES))]
    exported = network if ood is None else ood.network
    return export_model(
        to_torchscript(exported),
        exported,
        tiles.reader.read(one_of_each),
        card,
        folder,
        weights_of=network,
        describe=card_markdown,
        note=say,
    )


# -- shifts, and tiles unlike the training -----------------------------------------------------------------------------


def _shifts(
    trained: TrainingResult, unseen: UnseenTiles, on_progress: OnProgress, say: Callable[[str], None]
) -> tuple[ShiftRow, ...]:
    """Return how scores of unseen animals move in another light and focus, each by the network that has not seen it."""
    if not len(unseen.rows):
        say("The card does not state what another light or focus does: nothing was held out to measure it on.")
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
            # the offset of a real camera is not known
            offset_counts=CameraPhysics().offset_counts if trained.data.synthetic else 0.0,
            max_tiles=_SHIFTED_TILES,
            seed=trained.config.seed,
            on_progress=lambda done, total: on_progress(Progress("other light", done, total, "")),
        )
    except DatasetError as error:
        say(f"The card does not state what another light or focus does: {error}")
        return ()


def _shifts_on(tiles: TileTable, unseen: UnseenTiles) -> str:
    """Return which tiles the study of shifts is of, and so whether its figures are those of the tables."""
    n, n_all = len(sampled_rows(tiles, unseen.rows, _SHIFTED_TILES)), len(unseen.rows)
    evaluation = unseen.evaluation
    several = evaluation is not None and (evaluation.starts or 1) > 1  # tables are of the mean over starts
    if n == n_all and not several:
        return f"all {n} tiles of unseen animals that count above: the images as they are give the figures above"
    which = f"all {n} tiles" if n == n_all else f"{n} of the {n_all} tiles, evenly from all sections,"
    whose = "that one network of each fold finds like its training" if several else "that count above"
    return f"{which} of unseen animals {whose}: compare these rows with each other, not with the figures above"


def _odds(network: Module, pixels: NDArray[np.uint16], threads: int | None) -> NDArray[np.float32]:
    return log_odds(predict(network, table_of(pixels), range(len(pixels)), threads=threads, device="cpu").logits)


def _fit_ood_distance(trained: TrainingResult, say: Callable[[str], None]) -> OodFit | None:
    """Return the network with its distance from the training tiles; None if there are too few tiles to fit it to."""
    data, tiles, split, threads = trained.data, trained.tiles, trained.split, trained.config.threads
    network, rows, held_out = trained.fitted.network, tiles.rows_of(split.train), tiles.rows_of(split.held_out)
    needed = 1.0 / FALSE_FLAG_RATE
    # with fewer, the threshold is set on training animals, each by a distance fitted to the others
    threshold_rows = held_out if len(held_out) >= needed else held_out[:0]
    others = None
    if max(len(rows), len(threshold_rows)) >= needed:  # else there will be no distance, and drawing them takes seconds
        others = draw_ood_tiles(
            pixel_size_um=data.pixel_size_um,
            tile_px=tiles.tile_px,
            bit_depth=data.bit_depth,
            of_phantom=data.synthetic is not None,
        )
    try:
        found = fit_ood_distance(network, tiles, rows, threshold_rows, others=others, threads=threads)
    except TrainingError as error:
        say(f"The model does not flag tiles that are unlike its training: {error}")
        return None
    if len(threshold_rows) == len(held_out):
        return found
    means = mean_activations(network, tiles, held_out, threads=threads)
    return replace(found, held_out_distances=distances_of(found.network, means))


# -- words ------------------------------------------------------------------------------------------------------------


def _describe_learnt_nothing(learnt: Sequence[LearningCheck]) -> str:
    attempts = "" if len(learnt) == 1 else f" in any of {len(learnt)} attempts"
    return (
        f"This network has learnt nothing{attempts}: {learnt[0].description}. Nothing is calibrated. Train it with "
        "another seed, for longer, or on more images."
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
    words += ", first weights fitted to training tiles, classes balanced in each batch" if settings.standardised else ""
    words += ", tiles turned, mirrored and lit differently each time" if settings.augment else ""
    return words + (", and of another optical density" if settings.augment_od else "")

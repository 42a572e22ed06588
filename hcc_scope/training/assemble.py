"""A trained network becomes a model's folder: temperature and threshold on held-out tiles, card, artefact."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.labelled import CLASSES
from hcc_scope.inference.card import ModelCard, TrainingRecord
from hcc_scope.scoring import calibrate, log_odds
from hcc_scope.training.config import TrainProgress
from hcc_scope.training.export import export_model, to_torchscript
from hcc_scope.training.merit import auc, fit_temperature
from hcc_scope.training.network import TILE_PX, count_scale_for
from hcc_scope.training.predict import predict
from hcc_scope.training.recipes import settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled import LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.training.config import OnProgress, TrainConfig
    from hcc_scope.training.fit import Fitted
    from hcc_scope.training.held_out import HeldOut

__all__ = ["MODEL_FOLDER", "Trained", "assemble_model", "midpoint_threshold"]

MODEL_FOLDER = "model"

_INTENDED_USE = (
    "To score sections of the kind it was trained on, in research. Research use only: it is no medical device, and no "
    "diagnosis may rest on it."
)


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training, and everything that its card will say."""

    fitted: Fitted
    data: LabelledSet
    tiles: TileTable
    split: HeldOut
    config: TrainConfig
    name: str
    command: str
    evaluation: Path | None


def assemble_model(trained: Trained, folder: Path, on_progress: OnProgress) -> Path:
    """Choose temperature and threshold on the held-out tiles, and write the model's folder.

    Parameters
    ----------
    trained : Trained
        The network and where it comes from.
    folder : Path
        The model's folder; must not exist.
    on_progress : callable
        Takes a `TrainProgress` per stage.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    ModelError
        If `folder` exists.
    StoreUnwritableError
        If it cannot be written.
    """
    network, tiles, split = trained.fitted.network, trained.tiles, trained.split
    rows = tiles.rows_of(split.held_out)
    temperature, threshold, area = 1.0, 0.5, None
    calibrated_on = "Nothing: temperature 1 and threshold 0.5 are conventions. " + split.words
    if len(rows):
        on_progress(TrainProgress("calibrate", 0, 1, f"{len(rows)} held-out tiles"))
        # on the processor: where the engines that run the model are compared with
        found = predict(network, tiles, rows, threads=trained.config.threads, device="cpu")
        odds, labels = log_odds(found.logits), tiles.labels[rows]
        temperature = fit_temperature(odds, labels)
        threshold = midpoint_threshold(tiles, rows, calibrate(odds, temperature))
        area = round(auc(odds, labels), 4)
        calibrated_on = split.words
        on_progress(TrainProgress("calibrate", 1, 1, f"temperature {temperature:g}, threshold {threshold:g}"))
    card = _card(trained, temperature, threshold, calibrated_on, area)
    candidates = rows if len(rows) else np.arange(len(tiles))
    one_of_each = [int(candidates[tiles.labels[candidates] == label][0]) for label in range(len(CLASSES))]
    artefact = to_torchscript(network)
    return export_model(artefact, network, tiles.reader.read(one_of_each), card, folder)


def midpoint_threshold(tiles: TileTable, rows: NDArray[np.int64], p_high: NDArray[np.float32]) -> float:
    """Return the middle between the classes' mean section scores, to three decimals.

    A section's score is the mean over its images of the mean over their tiles, as in a run.

    Parameters
    ----------
    tiles : TileTable
        The tiles.
    rows : ndarray
        (k,) which of them; both classes among them.
    p_high : ndarray
        (k,) calibrated probability of *high*.
    """
    of_image = tiles.image_index[rows]
    sections: dict[tuple[str, str, int], list[float]] = {}
    for i in np.unique(of_image):
        image = tiles.images[i]
        sections.setdefault((*image.section, image.label), []).append(float(p_high[of_image == i].mean()))
    means = [
        float(np.mean([np.mean(scores) for key, scores in sections.items() if key[2] == label])) for label in (0, 1)
    ]
    return round(min(0.999, max(0.001, sum(means) / 2)), 3)


def _card(
    trained: Trained, temperature: float, threshold: float, calibrated_on: str, held_out_auc: float | None
) -> ModelCard:
    data, tiles, settings = trained.data, trained.tiles, settings_for(trained.config)
    images = [tiles.images[i] for i in trained.split.train]
    animals = tuple(sorted({image.animal_id for image in images}))
    what = data.synthetic or "Images of frozen sections."
    limits = [
        "The figures of this card are of one training on few animals.",
        "Monochrome white-light frames at the pixel size above; other objectives are refused.",
        "Tiles of one field are not independent; only the section score over random fields is meant to be read.",
    ]
    if data.synthetic:
        limits.insert(0, "Trained on synthetic sections only; no figure here says anything about real tumours.")
    if settings.network == "meng2019":
        limits.append(
            "Mean stretching leaves contrast to illumination, exposure and gain: sections imaged much brighter or "
            "darker than in training shift the score."
        )
    return ModelCard(
        name=trained.name,
        description=f"The network {settings.network}, trained by the recipe {settings.recipe}. {what}",
        sha256="0" * 64,
        classes=CLASSES,
        tile_px=TILE_PX,
        pixel_size_um=data.pixel_size_um,
        pixel_size_tolerance=0.05,
        bit_depth=data.bit_depth,
        full_scale=data.full_scale,
        normalisation="inside",
        count_scale=count_scale_for(data.bit_depth) if settings.network == "meng2019" else 1.0,
        temperature=temperature,
        decision_threshold=threshold,
        engine_tolerance=1e-3,
        parameters=sum(weight.numel() for weight in trained.fitted.network.parameters()),
        network=settings.network,
        calibrated_on=calibrated_on,
        training=TrainingRecord(
            data=f"{what} {len(images)} images of {len(animals)} animals. {trained.split.words}",
            command=trained.command,
            seed=settings.seed,
            animals=animals,
            tiles=len(tiles.rows_of(trained.split.train)),
            epochs=trained.fitted.best_epoch,
            loss=settings.loss + (" of the probabilities, halved (eq. 4)" if settings.loss == "squared error" else ""),
            optimiser=f"{settings.optimiser}, learning rate {settings.learning_rate:g}, batch {settings.batch}",
            tile_auc_calibration=held_out_auc,
            tile_auc_test=None,
            software={"python": platform.python_version(), "torch": version("torch")},
        ),
        intended_use=_INTENDED_USE,
        limits=tuple(limits),
        licence="BSD-3-Clause",
    )

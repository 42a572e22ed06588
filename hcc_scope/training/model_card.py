"""What the card of a model trained here says: figures are measured, words are written once, here."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from hcc_scope.inference.card import ModelCard, TrainingRecord
from hcc_scope.phantom import CameraPhysics
from hcc_scope.training.dataset import CLASSES, DEFOCUS_UM, EXPOSURE_SD
from hcc_scope.training.network import COUNT_SCALE, TILE_PX

if TYPE_CHECKING:
    from hcc_scope.inference.card import SensitivityRow, ValidationRow
    from hcc_scope.training.config import TrainConfig
    from hcc_scope.training.dataset import TileSet

__all__ = ["draft_card", "final_card"]

_INTENDED_USE = (
    "To demonstrate and test HCC-Scope. Research use only. It has seen nothing but a synthetic phantom: its output on "
    "real tissue means nothing."
)
_LIMITS = (
    "Trained and validated on synthetic sections only; no figure here says anything about real tumours.",
    "Mean stretching leaves contrast to illumination, exposure and gain: sections imaged much brighter or darker than "
    "in training shift the score (see 'sensitivity').",
    "Monochrome white-light frames of 16 bits at the pixel size above; other objectives are refused.",
    "Tiles of one field are not independent; only the section score over random fields is meant to be read.",
    "Temperature and threshold were chosen on the few animals marked 'calibration'.",
)
_DATA = (
    "Synthetic white-light sections (hcc_scope.phantom) of animals named train-*, which neither demo nor any "
    "acquisition shows; random fields, a day of its own per section pair, exposure varied by {exposure:.0%}, focus by "
    "{defocus:g} um; tiles that fail quality dropped. Split by animal."
)


def draft_card(config: TrainConfig) -> ModelCard:
    """Return the card of a network that was not trained yet: enough to run it."""
    camera = CameraPhysics()
    return ModelCard(
        name=config.name,
        description=(
            "The network of Meng et al. 2019 (five 3 x 3 convolutions with 16, 16, 16, 8, 8 maps, one fully connected "
            "layer), trained on a synthetic phantom. Not trained on any real tissue."
        ),
        sha256="0" * 64,
        classes=CLASSES,
        tile_px=TILE_PX,
        pixel_size_um=config.pixel_size_um,
        pixel_size_tolerance=0.05,
        bit_depth=camera.bit_depth,
        full_scale=camera.full_scale,
        normalisation="inside",
        count_scale=COUNT_SCALE,
        temperature=1.0,
        decision_threshold=0.5,
        engine_tolerance=1e-3,
        intended_use=_INTENDED_USE,
        limits=_LIMITS,
        reference=(
            "Meng, Gao, Wang, Tian, Deep learning based classification for metastasis of hepatocellular carcinoma with "
            "microscopic images, Proc. SPIE 10949, 109492L (2019), doi 10.1117/12.2512214"
        ),
        licence="BSD-3-Clause",
    )


def final_card(
    draft: ModelCard,
    config: TrainConfig,
    *,
    parameters: int,
    temperature: float,
    threshold: float,
    train_data: TileSet,
    epochs: int,
    auc_calibration: float,
    auc_test: float,
    validation: tuple[ValidationRow, ...],
    sensitivity: tuple[SensitivityRow, ...],
    torch_version: str,
) -> ModelCard:
    """Return the draft with everything that was measured."""
    record = TrainingRecord(
        data=_DATA.format(exposure=EXPOSURE_SD, defocus=DEFOCUS_UM),
        command=config.command(),
        seed=config.seed,
        animals=tuple(dict.fromkeys(ref.animal for ref in train_data.sections)),
        tiles=len(train_data.tiles),
        epochs=epochs,
        loss="cross-entropy (the paper: half the squared error, eq. 4)",
        optimiser=(
            f"AdamW, learning rate {config.learning_rate:g} in one cycle, weight decay {config.weight_decay:g}, batch "
            f"{config.batch}, {config.precision} convolutions (the paper: plain gradient descent, eq. 5, 6)"
        ),
        tile_auc_calibration=round(auc_calibration, 4),
        tile_auc_test=round(auc_test, 4),
        software={"python": platform.python_version(), "torch": torch_version},
    )
    return draft.model_copy(
        update={
            "parameters": parameters,
            "temperature": temperature,
            "decision_threshold": threshold,
            "training": record,
            "validation": validation,
            "sensitivity": sensitivity,
        }
    )

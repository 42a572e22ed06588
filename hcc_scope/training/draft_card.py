"""The card of a model trained here: its figures are measured, its texts are written here.

There are two sets of texts: the card of a synthetic set states so in every part; that of a real set states no more
than the manifest does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.colour import describe_conversion
from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.formatting import counted
from hcc_scope.inference.card import LICENCE_NOT_STATED, ModelCard, TrainingRecord
from hcc_scope.research_use import RESEARCH_USE
from hcc_scope.training.network import TILE_PX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from hcc_scope.datasets.labelled_image import LabelledImage, LabelledSet
    from hcc_scope.inference.card import EvaluationRecord, InputSummary, ShiftRow, UnlikeTraining, ValidationRow
    from hcc_scope.training.config import TrainConfig

__all__ = ["draft_card", "final_card"]

PIXEL_SIZE_TOLERANCE = 0.05
ENGINE_TOLERANCE = 1e-3

_NETWORKS = {
    "meng2019": (
        "The network of Meng et al. 2019 (five 3 x 3 convolutions with 16, 16, 16, 8, 8 maps, one fully connected "
        "layer)"
    ),
    "compact": (
        "A compact convolutional network (five 3 x 3 convolutions with batch normalisation on each tile's relative "
        "contrast, global average pooling)"
    ),
}
_REFERENCE = (
    "Meng, Gao, Wang, Tian, Deep learning based classification for metastasis of hepatocellular carcinoma with "
    "microscopic images, Proc. SPIE 10949, 109492L (2019), doi 10.1117/12.2512214"
)
_USE_SYNTHETIC = (
    f"To demonstrate and test HCC-Scope. {RESEARCH_USE}. It has seen nothing but a synthetic phantom: its output on "
    "real tissue means nothing."
)
_USE_REAL = (
    f"{RESEARCH_USE}, not for diagnosis. To score sections that were prepared and imaged like those it was trained "
    "on: frozen sections of tumours in white light, at the pixel size and bit depth that this card states."
)
_LIMIT_SYNTHETIC = (
    "Trained on synthetic sections only, and validated on no others; no figure here says anything about real tumours."
)
_LIMIT_REAL = (
    "Trained on the animals of one set, and validated on no others; nothing here says how it does in another "
    "laboratory, with another stain, line of tumour or microscope."
)
_LIMIT_CONTRAST = {
    "meng2019": (
        "Mean stretching leaves contrast to illumination, exposure and gain: sections imaged much brighter or darker "
        "than in training shift the score (see 'Other light, gain, flatness and focus')."
    ),
    "compact": (
        "Contrast is taken relative to each tile's mean, so that exposure and gain matter little, but a camera offset, "
        "flatness and focus do (see 'Other light, gain, flatness and focus')."
    ),
}
_LIMIT_OTHER = (
    "Sections imaged in another light or focus than in training may shift the score (see 'Other light, gain, flatness "
    "and focus')."
)
_LIMIT_TILES = "Tiles of one field are not independent; only the section score over random fields is meant to be read."


def draft_card(name: str, network: nn.Module, data: LabelledSet, *, network_name: str | None = None) -> ModelCard:
    """Return the card of a network that is not calibrated yet: enough to run it.

    Parameters
    ----------
    name : str
        The model's.
    network : nn.Module
        For its number of parameters and, if it has a buffer ``count_scale``, that.
    data : LabelledSet
        Pixel size, bit depth, and whether it is synthetic.
    network_name : str, optional
        As in ``hcc-scope train --network``.
    """
    architecture = _NETWORKS.get(network_name or "", "A network of the user's own")
    if data.synthetic is not None:
        trained_on = "a synthetic phantom. Not trained on any real tissue."
        use, first = _USE_SYNTHETIC, _LIMIT_SYNTHETIC
    else:
        trained_on = f"labelled images of sections of low and high metastatic tumours. {RESEARCH_USE}."
        use, first = _USE_REAL, _LIMIT_REAL
    camera = (
        f"Monochrome white-light frames of {data.bit_depth} bits at {data.pixel_size_um:g} um per pixel; other "
        "objectives are refused."
    )
    if data.colour is not None:
        camera = (
            f"Trained on {describe_conversion(data.colour)}, of {data.bit_depth} bits at {data.pixel_size_um:g} um per "
            "pixel: a monochrome camera sees other grey values, so scores of its frames mean nothing until they are "
            "validated; other objectives are refused."
        )
    scale = dict(network.named_buffers()).get("count_scale")
    return ModelCard(
        name=name,
        description=f"{architecture}, trained on {trained_on}",
        sha256="0" * 64,
        classes=CLASSES,
        tile_px=TILE_PX,
        pixel_size_um=data.pixel_size_um,
        pixel_size_tolerance=PIXEL_SIZE_TOLERANCE,
        bit_depth=data.bit_depth,
        full_scale=data.full_scale,
        normalisation="inside",
        count_scale=1.0 if scale is None else float(scale),
        temperature=1.0,
        decision_threshold=0.5,
        engine_tolerance=ENGINE_TOLERANCE,
        parameters=sum(p.numel() for p in network.parameters()),
        network=network_name,
        intended_use=use,
        limits=(first, _LIMIT_CONTRAST.get(network_name or "", _LIMIT_OTHER), camera, _LIMIT_TILES),
        reference=_REFERENCE,
        licence=LICENCE_NOT_STATED,
    )


def final_card(
    draft: ModelCard,
    config: TrainConfig,
    data: LabelledSet,
    *,
    temperature: float,
    threshold: float,
    calibrated_on: str,
    command: str,
    loss: str,
    optimiser: str,
    epochs: int,
    tiles: int,
    software: Mapping[str, str],
    images: Sequence[int] | None = None,
    excluded_tiles: Mapping[str, int] | None = None,
    precision: str | None = None,
    device: str | None = None,
    evaluation: EvaluationRecord | None = None,
    shifts: Sequence[ShiftRow] = (),
    unlike_training: UnlikeTraining | None = None,
    validation: Sequence[ValidationRow] = (),
    tile_auc_held_out: float | None = None,
    attempts: int | None = None,
    steps: int | None = None,
    shifts_on: str | None = None,
    inputs: InputSummary | None = None,
) -> ModelCard:
    """Return the draft with everything that the run knows.

    Parameters
    ----------
    draft : ModelCard
        As `draft_card` returns it.
    config : TrainConfig
        Network, recipe, seed.
    data : LabelledSet
        The whole set.
    temperature, threshold : float
        Of the calibration.
    calibrated_on : str
        What these two were chosen on, in a sentence.
    command : str
        That repeats the run.
    loss, optimiser : str
        The recipe's, as text, with the values it ran with.
    epochs : int
        After which the weights are those of the model.
    tiles : int
        That the weights were fitted to.
    software : mapping
        Versions.
    images : sequence of int, optional
        Indices of the images that the weights were fitted to; all of the set by default.
    excluded_tiles : mapping, optional
        `TileTable.excluded`.
    precision, device : str, optional
        That the run resolved ``auto`` to.
    evaluation, shifts, unlike_training, validation
        Parts of the card; without them the card reports them as missing.
    tile_auc_held_out : float, optional
        On the held-out tiles that the epoch was chosen on, as in use.
    attempts : int, optional
        At the training; each but the last one has learnt nothing.
    steps : int, optional
        Batches, at most.
    shifts_on : str, optional
        Which tiles the shifts were measured on.
    inputs : InputSummary, optional
        What the training tiles look like.
    """
    fitted = data.images if images is None else tuple(data.images[int(i)] for i in images)
    by_class: dict[str, int] = {name: sum(image.tumour_class == name for image in fitted) for name in CLASSES}
    record = TrainingRecord(
        data=_data(data, fitted),
        command=command,
        seed=config.seed,
        animals=tuple(dict.fromkeys(image.animal_id for image in fitted)),
        tiles=tiles,
        epochs=epochs,
        loss=loss,
        optimiser=optimiser,
        tile_auc_calibration=None if tile_auc_held_out is None else round(tile_auc_held_out, 4),
        tile_auc_test=None,
        software=dict(software),
        synthetic=data.synthetic is not None,
        network=config.network,
        recipe=config.recipe,
        images=len(fitted),
        images_by_class=by_class,
        animals_by_class={
            name: len({image.animal_id for image in fitted if image.tumour_class == name}) for name in CLASSES
        },
        sections=len({image.section for image in fitted}),
        days=len({image.day for image in fitted}),
        colour=data.colour,
        excluded_tiles=dict(excluded_tiles or {}),
        data_fingerprint=data.fingerprint,
        precision=config.precision if precision is None else precision,
        device=config.device if device is None else device,
        attempts=attempts,
        steps=steps,
    )
    return draft.model_copy(
        update={
            "network": config.network,
            "temperature": temperature,
            "decision_threshold": threshold,
            "calibrated_on": calibrated_on,
            "training": record,
            "evaluation": evaluation,
            "shifts": tuple(shifts),
            "shifts_on": shifts_on,
            "unlike_training": unlike_training,
            "validation": tuple(validation),
            "inputs": inputs,
        }
    )


def _data(data: LabelledSet, fitted: Sequence[LabelledImage]) -> str:
    """Return what the weights were fitted to, in a sentence or two; no path of the machine."""
    animals = len({image.animal_id for image in fitted})
    sections = len({image.section for image in fitted})
    days = len({image.day for image in fitted})
    counts = (
        f"{counted(len(fitted), 'image')} of {counted(sections, 'section')} of {counted(animals, 'animal')}, taken on "
        f"{counted(days, 'day')} ({data.manifest.name}); tiles that fail quality dropped."
    )
    if data.colour is not None:
        described = describe_conversion(data.colour)
        counts += f" {described[0].upper()}{described[1:]}."
    return counts if data.synthetic is None else f"{data.synthetic.rstrip('.')}. {counts}"

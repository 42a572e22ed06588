"""The card of a model, ``card.yaml``: read strictly, written by the training.

A card that lacks a key, has an unknown one or a value of the wrong kind is refused with the key and its line, because
a pixel size or a threshold that was guessed would make every score wrong without a sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pydantic
import yaml

from hcc_scope.colour import ColourConversion  # noqa: TC001 - read by pydantic
from hcc_scope.errors import ModelFormatError, ModelMismatchError
from hcc_scope.formatting import counted
from hcc_scope.inference.card_evaluation import (
    AnimalRow,
    CardPart,
    EvaluationRecord,
    Interval,
    Level,
    LevelFigures,
    ProtocolRecord,
    StatementRecord,
)
from hcc_scope.inference.card_inputs import InputSummary
from hcc_scope.research_use import PHANTOM_TRAINING
from hcc_scope.yaml_file import FileKind, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.types import RunSpec

__all__ = [
    "CARD_FILE",
    "LICENCE_NOT_STATED",
    "MODEL_FILE",
    "AnimalRow",
    "EvaluationRecord",
    "InputSummary",
    "Interval",
    "Level",
    "LevelFigures",
    "ModelCard",
    "ProtocolRecord",
    "ShiftRow",
    "TrainingRecord",
    "UnlikeTraining",
    "ValidationRow",
    "read_card",
    "write_card",
]

CARD_FILE = "card.yaml"
MODEL_FILE = "model.pt"
"""The artefact beside the card."""
_KIND = FileKind("model card", ModelFormatError, most_bytes=2**20, needs="Its keys are in docs/models.md.")
MOST_TILE_PX = 16_384
MOST_ENGINE_TOLERANCE = 1.0
"""Of a logit. Float32 on another processor differs by less than 0.001."""
MOST_PROBABILITY_TOLERANCE = 0.1
LICENCE_NOT_STATED = "not stated"
"""Of a newly trained model, until its owner states a licence."""
Output = Literal["logits", "probabilities"]
ShadingWish = Literal["required", "accepted", "refused"]


class ValidationRow(CardPart):
    """What the model makes of one animal."""

    animal: str
    tumour_class: Literal["low", "high"]
    role: Literal["train", "calibration", "test"]
    """``train``: the weights were fitted to it; ``calibration``: epoch, temperature and threshold were chosen on it;
    ``test``: nothing was."""
    sections: int
    fields: int
    tiles: int
    tile_accuracy: float = pydantic.Field(ge=0, le=1)
    """Share of tiles on the right side of the decision threshold."""
    section_scores: tuple[float, ...]
    """Mean tile probability per section: mean over fields of the mean calibrated P(high) over included tiles."""
    animal_score: float = pydantic.Field(ge=0, le=1)
    """Mean over sections."""
    correct: bool
    """Whether every section is on the right side of the decision threshold."""


class ShiftRow(CardPart):
    """What another light, gain, flatness or focus than in training does to the scores of held-out sections."""

    kind: Literal["exposure", "gain", "vignetting", "defocus"]
    amount: float
    """``exposure`` and ``gain``: factor on the signal, without and with its noise; ``vignetting``: light missing in the
    corners, 0 to 1; ``defocus``: um from focus."""
    tile_auc: float = pydantic.Field(ge=0, le=1)
    mean_score_low: float = pydantic.Field(ge=0, le=1)
    """Mean score of the sections of class *low*."""
    mean_score_high: float = pydantic.Field(ge=0, le=1)
    sections_correct: int
    """Sections on the right side of the decision threshold."""
    sections: int


class UnlikeTraining(CardPart):
    """When a tile is so unlike the training tiles that its score would mean nothing."""

    method: str
    components: int
    threshold: float = pydantic.Field(gt=0)
    """Of the distance, the third output of the artefact; beyond it a tile is flagged."""
    false_flag_rate: float = pydantic.Field(gt=0, lt=1)
    """Share of tiles of the kind trained on that the threshold flags."""
    measured_on: str
    """Which tiles the threshold was set on."""
    flagged: dict[str, float] = pydantic.Field(default_factory=dict)
    """Share of flagged tiles of other things, by what they are."""


class TrainingRecord(CardPart):
    """How the weights came about."""

    data: str
    command: str
    seed: int
    animals: tuple[str, ...]
    tiles: int
    epochs: int
    loss: str
    optimiser: str
    tile_auc_calibration: float | None = pydantic.Field(default=None, ge=0, le=1)
    tile_auc_test: float | None = pydantic.Field(default=None, ge=0, le=1)
    """Over all tiles of the test animals, which were used for nothing else; None if there were none."""
    software: dict[str, str]
    synthetic: bool | None = None
    """Whether the images are no tissue; None on cards that do not state it."""
    network: str | None = None
    recipe: str | None = None
    images: int | None = None
    """That the weights were fitted to."""
    images_by_class: dict[str, int] = pydantic.Field(default_factory=dict)
    animals_by_class: dict[str, int] = pydantic.Field(default_factory=dict)
    sections: int | None = None
    days: int | None = None
    """Of acquisition."""
    colour: ColourConversion | None = None
    """How colour images became grey, by its name in `hcc_scope.colour`; None: they were grey."""
    excluded_tiles: dict[str, int] = pydantic.Field(default_factory=dict)
    """Tiles of the set that failed quality, by reason; a tile counts under each of its reasons."""
    data_fingerprint: str | None = None
    """sha256 over the content of the manifest and its files' sizes and times: whether it was the same set."""
    precision: str | None = None
    device: str | None = None
    attempts: int | None = pydantic.Field(
        default=None, ge=1, validation_alias=pydantic.AliasChoices("attempts", "starts")
    )
    """At the training; each but the last one has learnt nothing. Earlier cards name it ``starts``; None on cards that
    do not state it."""
    steps: int | None = pydantic.Field(default=None, ge=1)
    """Batches, at most; None on cards that do not state it."""


class ModelCard(CardPart):
    """The contract between a model and the pipeline (one ``card.yaml`` beside the artefact)."""

    name: str = pydantic.Field(min_length=1)
    description: str
    sha256: str = pydantic.Field(pattern="^[0-9a-f]{64}$")
    """Of ``model.pt``, checked before it is parsed."""
    classes: tuple[Literal["low"], Literal["high"]]
    """Order of the columns of the logits; the probability shown is always that of *high*."""
    tile_px: int = pydantic.Field(gt=0, le=MOST_TILE_PX)
    pixel_size_um: float = pydantic.Field(gt=0)
    """Of the specimen in the training tiles."""
    pixel_size_tolerance: float = pydantic.Field(ge=0, lt=1)
    """Largest relative difference of a frame's pixel size that is accepted."""
    bit_depth: int = pydantic.Field(ge=8, le=16)
    full_scale: int = pydantic.Field(gt=0)
    """Counts at which the camera saturates."""
    normalisation: Literal["inside", "external"]
    """``inside``: the graph takes raw counts. ``external``: mean stretching is applied before the graph."""
    count_scale: float = pydantic.Field(gt=0)
    """Constant that the mean-stretched counts are multiplied by; the same as rescaling the first layer's weights."""
    output: Output = "logits"
    """What the graph returns for the two classes. ``probabilities``: a softmax or sigmoid is inside, and its logarithm
    is taken (`hcc_scope.inference.output_checks.to_logits`) before anything else is made of it."""
    temperature: float = pydantic.Field(gt=0)
    decision_threshold: float = pydantic.Field(gt=0, lt=1)
    """Of the calibrated section score; at or above it a section counts as *high*."""
    engine_tolerance: float = pydantic.Field(gt=0, le=MOST_ENGINE_TOLERANCE)
    """Largest absolute difference of a logit (of what the graph returns) to ``test_output.npy`` that the self-test of
    the reference engine accepts."""
    probability_tolerance: float = pydantic.Field(default=0.01, gt=0, le=MOST_PROBABILITY_TOLERANCE)
    """Largest absolute difference of a tile's calibrated probability between another engine and the reference.

    Engines of less precision change a logit by more than rounding does, and a section's score, a mean of
    probabilities, by at most this."""
    parameters: int | None = None
    network: str | None = None
    """Name of the architecture, as in ``hcc-scope train --network``."""
    calibrated_on: str | None = None
    """What temperature and threshold were chosen on, in a sentence."""
    training: TrainingRecord | None = None
    validation: tuple[ValidationRow, ...] = ()
    evaluation: EvaluationRecord | None = None
    shifts: tuple[ShiftRow, ...] = ()
    shifts_on: str | None = None
    """Which tiles these were measured on, as text."""
    shading: ShadingWish = "accepted"
    """Whether frames are corrected by a dark and a flat field before the model classifies them: ``required`` (a section
    without fresh references is refused), ``accepted`` (they are, where there are fresh references), ``refused``."""
    unlike_training: UnlikeTraining | None = None
    """None: the model does not recognise tiles that it was not trained for."""
    inputs: InputSummary | None = None
    """What the training tiles look like; None on cards that do not state it."""
    intended_use: str
    limits: tuple[str, ...]
    reference: str | None = None
    licence: str
    """An SPDX identifier, or `LICENCE_NOT_STATED`."""

    @pydantic.field_validator("full_scale")
    @classmethod
    def _full_scale_fits_the_bits(cls, value: int, info: pydantic.ValidationInfo) -> int:
        bits = info.data.get("bit_depth")
        if bits is not None and not 2 ** (bits - 1) <= value < 2**bits:
            raise ValueError(f"a camera of {bits} bits saturates between {2 ** (bits - 1)} and {2**bits - 1} counts")
        return value

    @property
    def trained_on_phantom_only(self) -> bool:
        """Whether no image of the training was of tissue."""
        return self.training is not None and self.training.synthetic is True

    @property
    def trained_on(self) -> str | None:
        """What the weights were fitted to, in a few words; None if the card does not state it."""
        if self.training is None:
            return None
        if self.training.synthetic is True:
            return PHANTOM_TRAINING
        return f"{counted(self.training.tiles, 'tile')} of {counted(len(self.training.animals), 'animal')}"

    @property
    def statement(self) -> StatementRecord | None:
        """What a verdict at the decision threshold is worth; None if the card does not state it for this threshold."""
        found = None if self.evaluation is None else self.evaluation.statement
        return found if found is not None and found.threshold == self.decision_threshold else None

    @property
    def threshold_interval(self) -> Interval | None:
        """Of the decision threshold, at 95 %; None if the card has none."""
        return None if self.statement is None else self.statement.threshold_interval

    def check_matches(self, spec: RunSpec) -> None:
        """Refuse frames that are unlike those the model was trained on.

        Raises
        ------
        ModelMismatchError
            Names what differs: pixel size beyond the card's tolerance, bit depth, tile size.
        """
        of_section = f" of section {spec.section_id}" if spec.section_id else ""
        self.check_pixel_size(spec.pixel_size_um, of_section=of_section)
        self.check_bit_depth(spec.bit_depth)
        self.check_tile(spec.tile_px)

    def check_image(self, pixel_size_um: float, bit_depth: int, tile_px: int, what: str = "the frames have") -> None:
        """Refuse an image that is unlike those the model was trained on; `check_matches` for one of known pixel size.

        Parameters
        ----------
        pixel_size_um : float
        bit_depth : int
        tile_px : int
            That it is cut into.
        what : str
            What has them, with its verb.

        Raises
        ------
        ModelMismatchError
            Names what differs.
        """
        self.check_pixel_size(pixel_size_um, what)
        self.check_bit_depth(bit_depth, what)
        self.check_tile(tile_px)

    def check_pixel_size(self, pixel_size_um: float, what: str = "the frames have", of_section: str = "") -> None:
        """Refuse another pixel size than the model was trained at; 0 is an unknown one.

        Raises
        ------
        ModelMismatchError
        """
        if not pixel_size_um > 0:
            raise ModelMismatchError(
                f"the pixel size{of_section} is unknown, so the model {self.name} cannot be applied",
                hint="Give the objective's pixel size in the configuration (PixelSize_um).",
            )
        if abs(pixel_size_um / self.pixel_size_um - 1.0) > self.pixel_size_tolerance:
            raise ModelMismatchError(
                f"{what} {pixel_size_um:g} um/px but the model {self.name} was trained at "
                f"{self.pixel_size_um:g} um/px (tolerance {self.pixel_size_tolerance:.0%})",
                hint="Change the objective, or choose a model trained for this one.",
            )

    def check_bit_depth(self, bit_depth: int, what: str = "the frames have") -> None:
        """Refuse another bit depth than the model was trained on.

        Raises
        ------
        ModelMismatchError
        """
        if bit_depth != self.bit_depth:
            raise ModelMismatchError(
                f"{what} {bit_depth} bits but the model {self.name} was trained on {self.bit_depth}",
                hint="Set the camera's bit depth, or choose a model trained for this one.",
            )

    def check_tile(self, tile_px: int) -> None:
        """Refuse tiles of another size than the model was trained on.

        Raises
        ------
        ModelMismatchError
        """
        if tile_px != self.tile_px:
            raise ModelMismatchError(
                f"the tiles have {tile_px} px but the model {self.name} was trained on {self.tile_px} px"
            )


def read_card(folder: Path) -> ModelCard:
    """Read and check ``card.yaml`` in a model's folder.

    Raises
    ------
    ModelFormatError
        Names the file, and the key and line that are wrong.
    """
    path = folder / CARD_FILE
    if not path.exists():
        raise ModelFormatError(f"the model folder {folder} has no {CARD_FILE}")
    return read_yaml(path, _KIND).validated(ModelCard)


def write_card(card: ModelCard, folder: Path) -> Path:
    """Write `card` as ``card.yaml`` into `folder` and return its path."""
    path = folder / CARD_FILE
    content = card.model_dump(mode="json", exclude_none=True)
    if card.shading == "accepted":  # earlier versions refuse a key that they do not know
        del content["shading"]
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path

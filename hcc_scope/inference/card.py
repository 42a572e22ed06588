"""What a model says about itself: ``card.yaml``, read strictly and written by the training.

A card that lacks a key, has an unknown one or a value of the wrong kind is refused with the key and its line, because
a pixel size or a threshold that was guessed would make every score wrong without a sign.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import pydantic
import yaml

from hcc_scope.errors import ModelFormatError
from hcc_scope.formatting import counted
from hcc_scope.inference.model_files import read_regular
from hcc_scope.research_use import PHANTOM_TRAINING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CARD_FILE",
    "LICENCE_NOT_STATED",
    "AnimalRow",
    "EvaluationRecord",
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
MOST_CARD_BYTES = 1 << 20
"""A card of ours has 12 kB."""
MOST_TILE_PX = 16_384
MOST_ENGINE_TOLERANCE = 1.0
"""Of a logit. Float32 on another processor differs by less than 0.001."""
MOST_PROBABILITY_TOLERANCE = 0.1
LICENCE_NOT_STATED = "not stated"
"""Of a model that somebody trained: whose it is, nobody has told us."""
Output = Literal["logits", "probabilities"]


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"[-+]?(0|[1-9]\d*)(\.\d*)?([eE][-+]?\d+)?|[-+]?\.(inf|nan)", re.IGNORECASE)
"""YAML 1.1 reads ``0_325`` as 213, ``010`` as 8 and ``1:30`` as 90."""


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: object, info: pydantic.ValidationInfo) -> object:
        """Refuse ``true`` where a number belongs (Python takes it for 1), and ``'0_325'`` (it would be 325)."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        kinds = {annotation, *get_args(annotation)}
        entries = value if isinstance(value, (list, tuple)) else (value,)
        if isinstance(value, dict) and get_origin(annotation) is dict:
            entries = list(value.values())
        if bool not in kinds and any(isinstance(entry, bool) for entry in entries):
            raise ValueError("true or false stands where a number or a text belongs")
        texts = [*entries, *value] if isinstance(value, dict) else entries
        if any(isinstance(text, str) and _CONTROL.search(text) for text in texts):
            raise ValueError("the text has characters that control a terminal")
        if not kinds.isdisjoint({int, float}) and isinstance(value, str) and not _NUMBER.fullmatch(value):
            raise ValueError(f"{value!r} is no number")
        return value


class ValidationRow(_Strict):
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
    """Mean over fields of the mean calibrated P(high) over included tiles, per section."""
    animal_score: float = pydantic.Field(ge=0, le=1)
    """Mean over sections."""
    correct: bool
    """Whether every section is on the right side of the decision threshold."""


Level = Literal["tile", "image", "section", "animal"]
Interval = tuple[float, float]
Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Count = Annotated[int, pydantic.Field(ge=0)]


class ShiftRow(_Strict):
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


class LevelFigures(_Strict):
    """What a protocol found at one level, pooled over its folds; the intervals are at 95 %."""

    level: Level
    n: Count
    """Of tiles, images, sections or animals."""
    auc: Share | None = None
    auc_interval: Interval | None = None
    """Cluster bootstrap by animal."""
    sensitivity: Share | None = None
    sensitivity_interval: Interval | None = None
    specificity: Share | None = None
    specificity_interval: Interval | None = None
    accuracy: Share
    accuracy_interval: Interval | None = None
    brier: Share
    ece: Share
    """Expected calibration error."""
    threshold: Share | None = None
    """At or above it something counts as *high*; None on cards that do not say."""


class ProtocolRecord(_Strict):
    """One way of splitting the images, and what it found."""

    protocol: Literal["paper", "by_animal"]
    folds: Count
    splitting: str
    """How, in a sentence."""
    fold_auc: tuple[Share | None, ...]
    """Per fold, at tile level."""
    levels: tuple[LevelFigures, ...]
    """As in use, without the tiles that are unlike the training's."""
    all_tiles: LevelFigures | None = None
    """Of those tiles too, as in the paper; None on cards that do not say."""


class AnimalRow(_Strict):
    """What the folds that had never seen an animal made of it."""

    animal: str
    tumour_class: Literal["low", "high"]
    sections: Count
    images: Count
    tiles: Count
    section_scores: tuple[Share, ...]
    animal_score: float = pydantic.Field(ge=0, le=1)
    correct: bool
    """Whether the animal's score is on the right side of the decision threshold."""


class EvaluationRecord(_Strict):
    """Validation of this network and recipe on the training data: both protocols, never one alone."""

    command: str
    animals: Count
    images: Count
    tiles: Count
    protocols: tuple[ProtocolRecord, ...]
    leakage_gap: Annotated[float, pydantic.Field(ge=-1, le=1)] | None = None
    """AUC (image level) of the protocol *paper* less that of *by_animal*: what sharing animals between training and
    validation adds."""
    leakage_gap_interval: Interval | None = None
    permuted_auc: Share | None = None
    """By animal, with the animals' classes permuted: 0.5 if nothing leaks."""
    permuted_auc_interval: Interval | None = None
    day_accuracy: Share | None = None
    """Share of images whose day of acquisition the same network tells; None if there is only one day."""
    day_chance: Share | None = None
    silent: str | None = None
    """Which of the networks have learnt nothing, in a sentence; None: none, or nobody has looked."""
    restarted: str | None = None
    """Which of the networks were trained again from another start, in a sentence; None: none."""
    left_out: str | None = None
    """How many tiles were left out, as in use, because they are unlike the training's; None on cards that do not
    say."""
    calibration: str | None = None
    """What temperature and threshold are worth where they were not chosen, in a sentence."""
    per_animal: tuple[AnimalRow, ...]


class UnlikeTraining(_Strict):
    """When a tile is so unlike the training tiles that its score would mean nothing."""

    method: str
    components: int
    threshold: float = pydantic.Field(gt=0)
    """Of the distance, the third output of the artefact; beyond it a tile is flagged."""
    false_flag_rate: float = pydantic.Field(gt=0, lt=1)
    """Share of tiles of the kind trained on that the threshold flags."""
    measured_on: str
    """Which tiles the threshold was set on."""
    flagged: dict[str, float] = {}
    """Share of flagged tiles of other things, by what they are."""


class TrainingRecord(_Strict):
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
    """Whether the images are no tissue; None on cards that do not say."""
    network: str | None = None
    recipe: str | None = None
    images: int | None = None
    """That the weights were fitted to."""
    images_by_class: dict[str, int] = {}
    animals_by_class: dict[str, int] = {}
    sections: int | None = None
    days: int | None = None
    """Of acquisition."""
    excluded_tiles: dict[str, int] = {}
    """Tiles of the set that failed quality, by reason; a tile counts under each of its reasons."""
    data_fingerprint: str | None = None
    """sha256 over what the manifest says and its files' sizes and times: whether it was the same set."""
    precision: str | None = None
    device: str | None = None
    starts: int | None = pydantic.Field(default=None, ge=1)
    """Of the training; each but the last one has learnt nothing. None on cards that do not say."""


class ModelCard(_Strict):
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
    """Which tiles these were measured on, in words."""
    unlike_training: UnlikeTraining | None = None
    """None: the model says nothing about what it was not trained for."""
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
        """What the weights were fitted to, in a few words; None if the card does not say."""
        if self.training is None:
            return None
        if self.training.synthetic is True:
            return PHANTOM_TRAINING
        return f"{counted(self.training.tiles, 'tile')} of {counted(len(self.training.animals), 'animal')}"


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
    try:
        text = read_regular(path, f"the model card {path}", most_bytes=MOST_CARD_BYTES).decode()
    except UnicodeDecodeError as error:
        raise ModelFormatError(f"the model card {path} cannot be read: {error}") from error
    try:
        root = yaml.compose(text, Loader=_CardLoader)
        content = yaml.load(text, Loader=_CardLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a 45th of a month
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise ModelFormatError(f"the model card {path}{where} is not valid YAML: {_problem(error)}") from error
    if not isinstance(content, dict):
        raise ModelFormatError(f"the model card {path} holds no keys")
    try:
        return ModelCard.model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        line = _line_of(root, first["loc"])
        where = f", line {line}" if line is not None else ""
        said = first["msg"].removeprefix("Value error, ")
        raise ModelFormatError(f"the model card {path}{where}: key '{key}': {said}") from error


def write_card(card: ModelCard, folder: Path) -> Path:
    """Write `card` as ``card.yaml`` into `folder` and return its path."""
    path = folder / CARD_FILE
    content = card.model_dump(mode="json", exclude_none=True)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


class _CardLoader(yaml.SafeLoader):
    """YAML in which every value stands once, and numbers are written as people read them."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases (nine of them in a row are a card of a billion entries), second values, odd numbers."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # untyped in yaml
            raise yaml.composer.ComposerError(None, None, "a card has no aliases (*)", event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        entries = node.value if isinstance(node, yaml.MappingNode) else []
        keys = [key for key, _ in entries if isinstance(key, yaml.ScalarNode)]
        seen: set[str] = set()
        for key in keys:
            if key.value in seen:
                raise yaml.composer.ComposerError(None, None, f"the key '{key.value}' is there twice", key.start_mark)
            seen.add(key.value)
        is_number = isinstance(node, yaml.ScalarNode) and node.tag.endswith((":int", ":float"))
        if node is not None and is_number and not _NUMBER.fullmatch(node.value):
            words = f"{node.value!r} is no number as it is written elsewhere"
            raise yaml.composer.ComposerError(None, None, words, node.start_mark)
        return node


def _problem(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]


def _line_of(node: yaml.Node | None, loc: tuple[int | str, ...]) -> int | None:
    """Return the 1-based line of the deepest part of `loc` that is in the file; None for a missing key at the top."""
    line: int | None = None
    for part in loc:
        child: Any = None
        if isinstance(node, yaml.MappingNode):
            child = next(((key, value) for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = (node.value[part], node.value[part])
        if child is None:
            return line
        line = child[0].start_mark.line + 1
        node = child[1]
    return line

"""The evaluation on a model's card: what both protocols, baselines and controls found, and what a verdict is worth."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import pydantic

__all__ = [
    "AnimalRow",
    "BaselineProtocol",
    "BaselineRecord",
    "CardPart",
    "EvaluationRecord",
    "GapRecord",
    "Interval",
    "Level",
    "LevelFigures",
    "PermutationRecord",
    "ProtocolRecord",
    "SectionMap",
    "StatementRecord",
]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class CardPart(pydantic.BaseModel):
    """A part of a model card: read strictly, without characters that control a terminal."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @pydantic.field_validator("*", mode="after")
    @classmethod
    def _no_control_characters(cls, value: object) -> object:
        entries = value if isinstance(value, tuple) else (value,)
        texts = [*value, *value.values()] if isinstance(value, dict) else entries
        if any(isinstance(text, str) and _CONTROL.search(text) for text in texts):
            raise ValueError("the text has characters that control a terminal")
        return value


Level = Literal["tile", "image", "section", "animal"]
Interval = tuple[float, float]
Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Spread = Annotated[float, pydantic.Field(ge=0, le=1)]
Count = Annotated[int, pydantic.Field(ge=0)]


class LevelFigures(CardPart):
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
    """At or above it something counts as *high*; None on cards that do not state it."""
    animals: Count | None = None
    """That the figures rest on; None on cards that do not state it."""
    auc_of_single: Share | None = None
    """Mean AUC of the networks one by one, where the others are of the mean logit of several starts."""
    auc_sd_of_starts: Spread | None = None
    """Standard deviation of that AUC over the starts; it is in `auc_interval`."""
    auc_coverage: Share | None = None
    """How often an interval like `auc_interval` contains the truth, where that is less than 95 %
    (``python -m benchmarks.interval_coverage``); None: it does, or the card does not state it."""


class ProtocolRecord(CardPart):
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
    """Of those tiles too, as in the paper; None on cards that do not state it."""


class AnimalRow(CardPart):
    """The predictions for an animal by the folds that had never seen it."""

    animal: str
    tumour_class: Literal["low", "high"]
    sections: Count
    images: Count
    tiles: Count
    section_scores: tuple[Share, ...]
    animal_score: float = pydantic.Field(ge=0, le=1)
    correct: bool
    """Whether the animal's score is on the right side of the decision threshold."""


class BaselineProtocol(CardPart):
    """What a baseline found by one protocol, on the tiles and folds of the network."""

    protocol: Literal["paper", "by_animal"]
    levels: tuple[LevelFigures, ...]
    auc_difference: dict[Level, Annotated[float, pydantic.Field(ge=-1, le=1)] | None] = {}
    """AUC of the network less that of the baseline, paired."""
    auc_difference_interval: dict[Level, Interval | None] = {}


class BaselineRecord(CardPart):
    """A logistic regression on a few numbers of each tile, fixed before anything was looked at."""

    name: Literal["grey", "histogram", "texture"]
    features: str
    """What the numbers are, in a sentence."""
    n_features: Count
    protocols: tuple[BaselineProtocol, ...]


class GapRecord(CardPart):
    """The difference of the two protocols' AUCs, and what it is worth."""

    of: Literal["network", "grey", "histogram", "texture"]
    difference: Annotated[float, pydantic.Field(ge=-1, le=1)] | None = None
    """AUC (images, from pairs within folds) of the protocol *paper* less that of *by_animal*."""
    difference_interval: Interval | None = None
    null_mean: Annotated[float, pydantic.Field(ge=-1, le=1)] | None = None
    """Mean of that difference over labellings of the animals that mean nothing."""
    null_of: Literal["grey", "histogram", "texture"] | None = None
    """Which baseline these labellings were tried with."""
    gap: Annotated[float, pydantic.Field(ge=-2, le=2)] | None = None
    """`difference` less `null_mean`."""
    gap_interval: Interval | None = None


class PermutationRecord(CardPart):
    """How the true classes of the animals compare with all others, or with many drawn at random."""

    of: Literal["grey", "histogram", "texture"]
    labellings: Count
    exact: bool
    """Whether these are all there are."""
    auc: Share
    """By animal, of images, with the true classes."""
    p_value: Share
    """Share of labellings, the true one included, with at least that AUC."""
    null_by_animal: Share
    """Mean AUC by animal over them."""
    null_paper: Share
    """Mean AUC of the protocol *paper* over them: what recognising animals gives without any class."""


class SectionMap(CardPart):
    """From a section's mean tile probability to the probability of the class *high*, fitted leaving animals out."""

    intercept: float
    slope: float
    """Of the log-odds of the class on the log-odds of the mean tile probability."""
    prevalence: Share
    """Share of *high* among the animals that it was fitted to."""
    ece: Share
    """Of sections of animals that it was not fitted to."""
    brier: Share
    sections: Count
    animals: Count


class StatementRecord(CardPart):
    """What a verdict about a section is worth: from animals that the predicting network had never seen."""

    animals_right: Count
    animals: Count
    high_right: Count
    high: Count
    threshold_interval: Interval | None = None
    """Of the decision threshold, at 95 %: a score within it is *undecided*."""
    section_map: SectionMap | None = None
    """None: too few animals, or not calibrated; then nothing at section level is called a probability."""
    scores_low: tuple[Share, ...] = ()
    """Mean tile probabilities of unseen animals of class *low*, for conformal p-values."""
    scores_high: tuple[Share, ...] = ()


class EvaluationRecord(CardPart):
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
    """Share of images whose day of acquisition the same network predicts; None if there is only one day."""
    day_chance: Share | None = None
    silent: str | None = None
    """Which of the networks have learnt nothing, in a sentence; None: none, or not checked."""
    restarted: str | None = None
    """Which of the networks were trained again from another start, in a sentence; None: none."""
    left_out: str | None = None
    """How many tiles were left out, as in use, because they are unlike the training's; None on cards that do not
    state it."""
    calibration: str | None = None
    """What temperature and threshold are worth where they were not chosen, in a sentence."""
    per_animal: tuple[AnimalRow, ...]
    starts: Annotated[int, pydantic.Field(ge=1)] | None = None
    """Networks per fold, whose mean logit the figures are of; None on cards that do not state it."""
    baselines: tuple[BaselineRecord, ...] = ()
    better_than_texture: str | None = None
    """Whether the network is better than texture, by how much, or not shown to be, in a sentence."""
    shortcut: str | None = None
    """That the grey level alone tells the class, in a sentence; None: it does not."""
    gaps: tuple[GapRecord, ...] = ()
    permutations: PermutationRecord | None = None
    controls: tuple[str, ...] = ()
    """What the controls show, in sentences; empty on cards whose controls were networks."""
    statement: StatementRecord | None = None

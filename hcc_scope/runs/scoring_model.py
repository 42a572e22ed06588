"""A checked model on an engine, and what a store records about both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import ModelError
from hcc_scope.quality import QualityLimits
from hcc_scope.score_rule import WEIGHT_KEY
from hcc_scope.scoring import SectionScorer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcc_scope.inference.base import Engine
    from hcc_scope.inference.loading import LoadedModel
    from hcc_scope.types import RunSpec, ScoreWeight

__all__ = ["ScoringModel", "load_scoring_model"]


@dataclass(frozen=True, slots=True)
class ScoringModel:
    """A checked model on an engine."""

    model: LoadedModel
    classifier: Engine
    """Its ``name`` is the user's choice, or the automatic one; ``engine`` adds version and threads."""
    score_unlike: bool = False
    """Whether tiles that are unlike the model's training tiles are scored too."""
    allow_phantom_model: bool = False
    """Whether a model that was trained on a phantom only may score what may be tissue (`hcc_scope.runs.specimen`)."""
    weight: ScoreWeight = "field"
    """What a field counts in a section's score."""

    @property
    def facts(self) -> dict[str, str | float | bool]:
        """What a store has to know to be scored again in the same way."""
        card = self.model.card
        return {
            "model": card.name,
            "model_folder": str(self.model.folder),
            "engine": self.classifier.name,
            "temperature": card.temperature,
            "decision_threshold": card.decision_threshold,
            **self._statement_facts,
            **({} if card.trained_on is None else {"model_trained_on": card.trained_on}),
            **({"allow_phantom_model": True} if self.allow_phantom_model and card.trained_on_phantom_only else {}),
            **({} if self.weight == "field" else {WEIGHT_KEY: self.weight}),
            **self._unlike_facts,
            **{f"quality_{name}": limit for name, limit in QualityLimits().as_dict().items()},
        }

    @property
    def _statement_facts(self) -> dict[str, str | float | bool]:
        statement = self.model.card.statement
        if statement is None:
            return {}
        ends = zip(("low", "high"), statement.threshold_interval or (), strict=False)
        return {
            "statement": statement.model_dump_json(exclude_none=True),
            **{f"decision_threshold_{name}": end for name, end in ends},
        }

    @property
    def _unlike_facts(self) -> dict[str, float | bool]:
        unlike = self.model.card.unlike_training
        return {} if unlike is None else {"unlike_threshold": unlike.threshold, "score_unlike": self.score_unlike}

    @property
    def unlike_beyond(self) -> float | None:
        """Distance from the training tiles beyond which a tile is not scored; None: no limit."""
        return self.unlike_limit(score_unlike=self.score_unlike)

    @property
    def scored_beyond(self) -> float | None:
        """Distance beyond which tiles are scored nevertheless; None: they are not, or the model gives none."""
        return self.scored_limit(score_unlike=self.score_unlike)

    def scored_limit(self, *, score_unlike: bool) -> float | None:
        """Return what `scored_beyond` is for another choice of `score_unlike`."""
        return self.unlike_limit(score_unlike=False) if score_unlike else None

    def unlike_limit(self, *, score_unlike: bool) -> float | None:
        """Return what `unlike_beyond` is for another choice of `score_unlike`."""
        unlike = self.model.card.unlike_training
        return None if unlike is None or score_unlike else unlike.threshold

    def scorer(self, spec: RunSpec) -> SectionScorer:
        """Return a fresh scorer for a section, by the rule that its spec records."""
        card = self.model.card
        return SectionScorer.for_section(
            spec, card.decision_threshold, card.temperature, threshold_interval=card.threshold_interval
        )


def load_scoring_model(
    model_name: str | Path,
    engine: str,
    note: Callable[[str], None],
    fall_back: bool = False,
    *,
    score_unlike: bool = False,
    allow_phantom_model: bool = False,
) -> ScoringModel:
    """Load, check and warm up a model on an engine, and note which engine that is.

    Parameters
    ----------
    model_name : str or Path
        Name, or folder.
    engine : str
        Name of an engine, or ``"auto"``.
    note : callable
        Takes a sentence on what was chosen, and on each engine that cannot be used.
    fall_back : bool
        If the engine cannot be used here, note it and take the reference engine.
    score_unlike : bool
        Also score tiles that are unlike the model's training tiles.
    allow_phantom_model : bool
        Allow a model trained on phantoms alone to score what may be tissue.

    Raises
    ------
    ModelError
        If the model may not be used, or (without `fall_back`) not on this engine.
    """
    from hcc_scope.inference import load_model
    from hcc_scope.inference.base import REFERENCE
    from hcc_scope.inference.engines import check_engine

    if not fall_back:
        check_engine(engine)  # a model takes a second to load
    model = load_model(model_name)
    try:
        classifier = model.classifier(engine, note=note)
    except ModelError as error:
        if not fall_back or engine == REFERENCE:
            raise
        note(f"Engine {engine} is not used, but {REFERENCE}: {error}")
        classifier = model.classifier(REFERENCE)
    if score_unlike and model.card.unlike_training is None:
        note(f"The model {model.card.name} gives no distance from its training tiles: all tiles are scored.")
    return ScoringModel(model, classifier, score_unlike, allow_phantom_model)

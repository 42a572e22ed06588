"""Who classifies: a checked model on an engine, and what a store has to know about the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import ModelError
from hcc_scope.quality import QualityLimits
from hcc_scope.scoring import SectionScorer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcc_scope.inference.engines import Engine
    from hcc_scope.inference.loading import LoadedModel
    from hcc_scope.protocols import FrameSource

__all__ = ["Analyst", "load_analyst"]


@dataclass(frozen=True, slots=True)
class Analyst:
    """A checked model on an engine."""

    model: LoadedModel
    classifier: Engine
    """Its ``name`` is what the user chose, or what was chosen for them; ``engine`` says it in full, with version and
    threads."""

    @property
    def facts(self) -> dict[str, str | float]:
        """What a store has to know to be scored again in the same way."""
        card = self.model.card
        return {
            "model": card.name,
            "model_folder": str(self.model.folder),
            "engine": self.classifier.name,
            "temperature": card.temperature,
            "decision_threshold": card.decision_threshold,
            **{f"quality_{name}": limit for name, limit in QualityLimits().as_dict().items()},
        }

    def scorer(self, source: FrameSource) -> SectionScorer:
        """Return a fresh scorer for the source's section."""
        card = self.model.card
        return SectionScorer(card.decision_threshold, card.temperature, source.spec.sampling)


def load_analyst(model_name: str | Path, engine: str, note: Callable[[str], None], fall_back: bool = False) -> Analyst:
    """Load, check and warm up a model on an engine, and say which engine that is.

    Parameters
    ----------
    model_name : str or Path
        Name, or folder.
    engine : str
        Name of an engine, or ``"auto"``.
    note : callable
        Takes a sentence on what was chosen, and on each engine that cannot be used.
    fall_back : bool
        If the engine cannot be used here, say so and take the reference engine.

    Raises
    ------
    ModelError
        If the model may not be used, or (without `fall_back`) not on this engine.
    """
    from hcc_scope.inference import load_model
    from hcc_scope.inference.engines import REFERENCE

    model = load_model(model_name)
    try:
        classifier = model.classifier(engine, note=note)
    except ModelError as error:
        if not fall_back or engine == REFERENCE:
            raise
        note(f"Engine {engine} is not used, but {REFERENCE}: {error}")
        classifier = model.classifier(REFERENCE)
    return Analyst(model, classifier)

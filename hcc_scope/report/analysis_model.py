"""The model behind an analysis of a stored section: its name, and what of its card turns its answers into a score."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import ModelError
from hcc_scope.inference.card_evaluation import StatementRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.storage.recorded_run import RecordedRun

__all__ = ["AnalysisModel", "CardFacts", "analysis_model", "known_card"]


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a model's card states that turns the model's answers into a score; None: not known.

    The same weights with another threshold have the same sha256 and give another result.
    """

    temperature: float | None = None
    decision_threshold: float | None = None
    unlike_threshold: float | None = None
    """Distance from the training tiles beyond which a tile counts as unlike them."""
    probability_tolerance: float = 0.0
    """By how much a probability may differ between engines; 0: not known."""
    threshold_interval: tuple[float, float] | None = None
    """Of the decision threshold itself."""
    statement: StatementRecord | None = None
    """What a verdict at that threshold is worth."""

    @classmethod
    def of_card(cls, card: ModelCard) -> CardFacts:
        """Return the facts of a card."""
        unlike = None if card.unlike_training is None else card.unlike_training.threshold
        return cls(
            card.temperature,
            card.decision_threshold,
            unlike,
            card.probability_tolerance,
            card.threshold_interval,
            card.statement,
        )

    @classmethod
    def of_run(cls, run: RecordedRun) -> CardFacts:
        """Return the facts that a store recorded; the tolerance is not among them."""
        return cls(
            run.provenance.temperature,
            run.decision_threshold,
            run.provenance.unlike_threshold,
            threshold_interval=run.threshold_interval,
            statement=StatementRecord.from_json(run.provenance.statement),
        )

    def changes(self, now: CardFacts) -> str:
        """Return as text what the card `now` states differently, where both are known; empty if nothing."""
        pairs = (
            ("temperature", self.temperature, now.temperature),
            ("decision threshold", self.decision_threshold, now.decision_threshold),
            ("decision threshold's interval", _ends(self.threshold_interval), _ends(now.threshold_interval)),
            ("limit of 'unlike training'", self.unlike_threshold, now.unlike_threshold),
        )
        return ", ".join(
            f"{what} {then} then, {present} now"
            for what, then, present in pairs
            if None not in (then, present) and then != present
        )


@dataclass(frozen=True, slots=True)
class AnalysisModel:
    """The model whose answers some stored predictions are."""

    name: str
    """As a person reads it."""
    sha256: str | None
    trained_on: str | None
    """In a few words; None: not known."""
    card: CardFacts


def analysis_model(store: SectionStore, header: Mapping[str, Any]) -> AnalysisModel:
    """Return the model of predictions that a store holds.

    Parameters
    ----------
    store : SectionStore
    header : mapping
        Of the predictions (`hcc_scope.storage.prediction_log.PredictionLog`).
    """
    provenance, sha256 = store.recorded.provenance, header.get("model_sha256")
    if sha256 == store.spec.model_sha256:  # what counted in the run, whatever the card states by now
        name, card = provenance.model or "unknown model", CardFacts.of_run(store.recorded)
        return AnalysisModel(name, sha256, provenance.model_trained_on, card)
    known = None if sha256 is None else known_card(sha256, provenance.model)
    if known is None:
        return AnalysisModel(f"model {str(sha256)[:8]}", sha256, None, CardFacts())
    return AnalysisModel(known.name, sha256, known.trained_on, CardFacts.of_card(known))


def known_card(sha256: str, name: str | None) -> ModelCard | None:
    """Return the card of the model with a sha256, as far as that is known here; None if it is not.

    Parameters
    ----------
    sha256 : str
    name : str, optional
        Of the model, as a store records it.
    """
    from hcc_scope.inference.card import read_card
    from hcc_scope.inference.catalogue import known_model

    folder = known_model(sha256, name)
    with suppress(ModelError):
        return None if folder is None else read_card(folder)
    return None


def _ends(interval: tuple[float, float] | None) -> str | None:
    return None if interval is None else f"{interval[0]} to {interval[1]}"

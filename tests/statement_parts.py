"""Records of what a verdict is worth, for the tests of those who show them."""

from __future__ import annotations

from hcc_scope.inference.card import EvaluationRecord, ModelCard
from hcc_scope.inference.card_evaluation import SectionMap, StatementRecord

SECTION_MAP = SectionMap(
    intercept=-0.4,
    slope=2.0,
    prevalence=0.4,
    ece=0.05,
    brier=0.1,
    ece_of_score=0.24,
    brier_of_score=0.2,
    sections=40,
    animals=10,
)
STATEMENT = StatementRecord(
    threshold=0.5,
    animals_right=7,
    animals=8,
    high_right=4,
    high=4,
    threshold_interval=(0.42, 0.61),
    scores_low=(0.2, 0.3, 0.35, 0.55),
    scores_high=(0.6, 0.7, 0.8, 0.9),
)


def with_statement(card: ModelCard, **changes: object) -> ModelCard:
    """Return a card that states what its verdict is worth."""
    statement = STATEMENT.model_copy(update={"threshold": card.decision_threshold, **changes})
    evaluation = EvaluationRecord(
        command="hcc-scope evaluate", animals=8, images=32, tiles=64, protocols=(), per_animal=(), statement=statement
    )
    return card.model_copy(update={"evaluation": evaluation})

"""By which rule a section's score and interval follow from the results of its fields; recorded in its store.

Rule 1 is that of stores without a record of their rule: fields count as drawn with replacement
(`hcc_scope.confidence`), and no drift is looked for. Rule 2: fields are drawn without replacement from a lattice of
known size (`hcc_scope.lattice_confidence`), and in a random plan their order is tested for drift (`hcc_scope.drift`). A
replay, a continued section and a score without some fields use the rule of the store, and give the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.types import RunSpec, Sampling, ScoreWeight, TagValue

__all__ = ["CURRENT_RULE", "LATTICE_KEY", "RULE_KEY", "WEIGHT_KEY", "ScoreRule", "current_rule_facts"]

CURRENT_RULE = 2
RULE_KEY = "interval_rule"
"""Key of a store's provenance; without it, the rule is 1."""
LATTICE_KEY = "lattice_fields"
"""Key of the provenance of a random plan: how many fields its lattice has."""
WEIGHT_KEY = "score_weight"
"""Key of the provenance: ``tissue`` where fields are weighted by their usable tiles."""


@dataclass(frozen=True, slots=True)
class ScoreRule:
    """How a score and its interval are made; as given, that of a store without a record."""

    interval: int = 1
    """The rule's number."""
    weight: ScoreWeight = "field"
    """What every field counts: the same, or as many as it has usable tiles."""
    n_lattice: int | None = None
    """Fields of the lattice that a random plan draws from; None where that is not known."""
    n_planned: int | None = None
    """Fields of the plan; None for an open end."""

    @classmethod
    def of(cls, spec: RunSpec) -> ScoreRule:
        """Return the rule that a run's spec records."""
        facts = spec.provenance
        weight: ScoreWeight = "tissue" if facts.get(WEIGHT_KEY) == "tissue" else "field"
        ruled = facts.get(RULE_KEY) == CURRENT_RULE or weight != "field"  # the first rule knows no weights
        return cls(
            interval=CURRENT_RULE if ruled else 1,
            weight=weight,
            n_lattice=_whole(facts.get(LATTICE_KEY)),
            n_planned=spec.expected_frames,
        )


def _whole(value: TagValue) -> int | None:
    """Return a count of fields; a program that writes the metadata anew may have given it a fraction of 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < 1e9:
        return None
    return int(value) if value == int(value) else None


def current_rule_facts(sampling: Sampling) -> Mapping[str, TagValue]:
    """Return what the provenance of a new section records; other samplings than a random one have no valid interval."""
    return {RULE_KEY: CURRENT_RULE} if sampling in ("random", "guided") else {}

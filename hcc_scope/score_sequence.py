"""The interval of a running score, by the rule that its store records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hcc_scope.confidence import ConfidenceSequence
from hcc_scope.lattice_confidence import LatticeSequence

if TYPE_CHECKING:
    from hcc_scope.score_rule import ScoreRule

__all__ = ["ScoreSequence", "new_sequence"]


class ScoreSequence(Protocol):
    """An interval that takes one field after the other."""

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end; (0, 1) before the first value."""

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""

    @property
    def emptied(self) -> bool:
        """Whether no mean is compatible with all values."""

    @property
    def n(self) -> int:
        """How many fields with a score there were."""

    @property
    def n_beyond(self) -> int:
        """How many fields came after all of the lattice's; they are not part of the interval."""

    def add(self, value: float | None, weight: int = 1, weight_max: int = 1) -> None:
        """Take one more field: its score, None if it has none, and what it counts."""


def new_sequence(rule: ScoreRule, n_lattice: int | None, confidence: float) -> ScoreSequence:
    """Return a sequence of a rule without a value.

    Parameters
    ----------
    rule : ScoreRule
    n_lattice : int or None
        Fields of the lattice that fields are drawn from; None if that is not known.
    confidence : float
        Of the interval, at all times together.
    """
    return ConfidenceSequence(confidence) if rule.interval == 1 else LatticeSequence(n_lattice, confidence)

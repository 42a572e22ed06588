"""The score of an animal over its sections, and its interval: from the scores of the sections alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hcc_scope.types import SectionScore

__all__ = ["CONFIDENCE", "NOT_VALID", "animal_interval", "animal_score", "share_of_confidence"]

CONFIDENCE = 0.95
"""Of the interval of a section's score, and of an animal's."""
NOT_VALID = "interval not valid: "
"""How `SectionScore.stabilised_reason` starts when the interval is not valid; what follows is the reason."""


def animal_score(sections: Iterable[SectionScore]) -> float | None:
    """Return the mean over an animal's sections that have a score, or None if none has."""
    scores = [section.score for section in sections if section.score is not None]
    return math.fsum(scores) / len(scores) if scores else None


def share_of_confidence(n_sections: int, confidence: float = CONFIDENCE) -> float:
    """Return the confidence that the interval of each of an animal's sections needs, so that all hold together.

    The probabilities that an interval misses add up (Bonferroni), whatever the sections have in common.
    """
    return 1 - (1 - confidence) / max(1, n_sections)


def animal_interval(sections: Sequence[SectionScore], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Return the interval of `animal_score`: of the mean over the sections themselves, not over others of the animal.

    Its ends are the means of the ends of the sections' intervals.

    Parameters
    ----------
    sections : sequence of SectionScore
        Each with an interval of the confidence `share_of_confidence` at least.
    confidence : float

    Returns
    -------
    (float, float) or None
        None if the interval of a section is not valid, or of too little confidence; or if there is no section.
    """
    scored = [section for section in sections if section.score is not None]
    needed = share_of_confidence(len(scored), confidence)
    if not scored or not all(one.interval_valid and one.confidence >= needed - 1e-12 for one in scored):
        return None
    low, high = (math.fsum(one.interval[end] for one in scored) / len(scored) for end in (0, 1))
    return low, high

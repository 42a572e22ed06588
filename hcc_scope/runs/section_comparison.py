"""Two stored sections beside each other: what is different about them, and by how much their scores differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.animal_scoring import CONFIDENCE, share_of_confidence
from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import capital, format_utc, percent
from hcc_scope.runs.section_reading import with_present_score
from hcc_scope.score_text import SCORE_DECIMALS, SCORE_NAME, describe_score
from hcc_scope.storage.present_score import present_score

if TYPE_CHECKING:
    from hcc_scope.runs.listed_section import ListedSection
    from hcc_scope.types import SectionScore

__all__ = ["ComparedFact", "SectionComparison", "compare_sections", "describe_difference"]


@dataclass(frozen=True, slots=True)
class ComparedFact:
    """One line of a comparison."""

    name: str
    first: str
    second: str

    @property
    def differs(self) -> bool:
        """Whether the two sections differ in it."""
        return self.first != self.second


@dataclass(frozen=True, slots=True)
class SectionComparison:
    """How a second section differs from a first."""

    first: ListedSection
    second: ListedSection
    answer: str
    """About their scores, as a sentence."""
    facts: tuple[ComparedFact, ...]


def describe_difference(first: SectionScore, second: SectionScore) -> str:
    """Return by how much a second score differs from a first, with the interval of the difference, as a sentence.

    Parameters
    ----------
    first, second : SectionScore
        Each with an interval of the confidence that `share_of_confidence` returns for two.
    """
    if first.score is None or second.score is None:
        return "There are no two scores to compare."
    differ = f"The second section scores {abs(second.score - first.score):.{SCORE_DECIMALS}f} "
    differ += "more" if second.score >= first.score else "less"
    enough = min(first.confidence, second.confidence) >= share_of_confidence(2) - 1e-12
    if not (first.interval_valid and second.interval_valid and enough):
        return f"{differ}. Without two valid intervals it is not known whether the sections differ."
    low, high = second.interval[0] - first.interval[1], second.interval[1] - first.interval[0]
    interval = (
        f"{percent(CONFIDENCE, 2)} interval of the difference {low:+.{SCORE_DECIMALS}f} to {high:+.{SCORE_DECIMALS}f}"
    )
    if low <= 0 <= high:
        return f"{differ}; {interval}: the sections need not differ."
    return f"{differ}; {interval}: the sections differ."


def compare_sections(first: ListedSection, second: ListedSection) -> SectionComparison:
    """Compare two sections of a list; reads the results of both, some ms for each."""
    first, second = (with_present_score(one) if one.has_old_score else one for one in (first, second))
    return SectionComparison(first, second, _answer(first, second), _facts(first, second))


def _answer(first: ListedSection, second: ListedSection) -> str:
    from hcc_scope.storage.reader import open_store

    if first.score is None or second.score is None:
        return "There are no two scores to compare."
    if first.model_sha256 != second.model_sha256:
        return (
            "The sections were scored by different models: their scores do not compare. "
            "Classify both again with one model; Replay shows the new scores."
        )
    try:
        one, other = (present_score(open_store(section.path), share_of_confidence(2)) for section in (first, second))
    except HccScopeError as error:
        return str(error)
    return describe_difference(one, other)


def _facts(first: ListedSection, second: ListedSection) -> tuple[ComparedFact, ...]:
    names = (
        "Animal",
        "Section",
        "Acquired",
        capital(SCORE_NAME),
        "Model",
        "Fields",
        "Left out",
        "Label",
        "Notes",
        "Ended",
    )
    pairs = zip(names, _texts(first), _texts(second), strict=True)
    return tuple(ComparedFact(name, one, other) for name, one, other in pairs)


def _texts(section: ListedSection) -> tuple[str, ...]:
    return (
        section.animal_id,
        section.section_id,
        "" if section.created_utc is None else format_utc(section.created_utc, seconds=False),
        "" if section.score is None else describe_score(section.score),
        section.model or "",
        section.describe_fields(),
        section.describe_quality(),
        section.label or "",
        str(section.n_notes or ""),
        section.ended or section.problem,
    )

"""A score and what may be said about it, as people read it: the same words wherever it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.formatting import counted, format_score, format_threshold
from hcc_scope.report.summary import decision
from hcc_scope.research_use import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from hcc_scope.types import SectionScore

__all__ = ["RESEARCH_USE_ONLY", "describe_score"]


def describe_score(score: SectionScore) -> str:
    """Return the score with its interval and what may be said about the threshold, as a person reads it."""
    if score.score is None:
        return f"no score yet{_taken_out(score)}"
    threshold = score.threshold
    words = format_score(score.score, threshold, 3)
    out = _taken_out(score)
    if not score.interval_valid:
        return f"{words}, no valid interval, so no decision (threshold {format_threshold(threshold, score.score)}){out}"
    low, high = score.interval
    words += f" [{format_score(low, threshold, 3)}, {format_score(high, threshold, 3)}]"
    beside = format_threshold(threshold, low, high)
    if score.interval_frames != score.frames:
        words += f" (interval over the first {score.interval_frames} of {counted(score.frames, 'frame')})"
    decided = decision(score)
    if decided is None:
        return f"{words}, undecided: contains the threshold {beside}{out}"
    return f"{words}, on the {decided} side of {beside}{out}"


def _taken_out(score: SectionScore) -> str:
    """Return, for the end of a sentence, how many fields an operator took out of the score."""
    n = score.fields_excluded_by_operator
    return "" if not n else f"; {counted(n, 'field')} excluded by the operator"

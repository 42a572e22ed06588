"""When a section was acquired, and how its run ended, in words; reports, lists and window use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hcc_scope.formatting import counted, format_utc

if TYPE_CHECKING:
    from hcc_scope.storage.recorded_run import RecordedRun
    from hcc_scope.types import Sampling

__all__ = ["acquired_word", "describe_acquired", "describe_ended"]


def acquired_word(sampling: Sampling) -> Literal["Acquired", "Imported"]:
    """Return how a section came to be at the time that `describe_acquired` gives."""
    return "Imported" if sampling == "imported" else "Acquired"


def describe_acquired(run: RecordedRun) -> str:
    """Return when a section was acquired, or imported, and in which parts if it was continued."""
    when = format_utc(run.created_utc)
    if not run.parts:
        return when
    later = (f"from field {part.first_frame} on {format_utc(part.began_utc)}" for part in run.parts[1:])
    return f"{when}, in {len(run.parts)} parts: {', '.join(later)}"


def describe_ended(run: RecordedRun, n_fields: int, n_planned: int | None) -> str:
    """Return how a run ended, as its store records it: a whole store may be of a run that was stopped early.

    Parameters
    ----------
    run : RecordedRun
    n_fields : int
        Fields that are stored; one that was taken again counts once.
    n_planned : int or None
        None for an open end.
    """
    if not run.complete:
        return "not yet, or not in order"
    of = f" after {n_fields:,} of {counted(n_planned, 'planned field')}" if n_planned and n_planned > n_fields else ""
    skipped = 0 if run.outcome is None else run.outcome.skipped_fields
    if skipped:
        of += f", {counted(skipped, 'field')} skipped as the stage did not reach {'it' if skipped == 1 else 'them'}"
    match run.state:
        case "completed":
            return f"complete{of}"
        case "cancelled":
            return f"stopped early{of}"
        case "failed":
            cause = None if run.outcome is None else run.outcome.cause
            return f"failed{of}" + (f": {cause}" if cause else "")
        case None:
            return "the store does not record how"
        case other:
            return f"{other}{of}"

"""When a section was acquired, in words; report and window use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.formatting import format_utc

if TYPE_CHECKING:
    from hcc_scope.storage.recorded_run import RecordedRun

__all__ = ["describe_acquired"]


def describe_acquired(run: RecordedRun) -> str:
    """Return when a section was acquired, and in which parts if it was continued."""
    when = format_utc(run.created_utc)
    if not run.parts:
        return when
    later = (f"from field {part.first_frame} on {format_utc(part.began_utc)}" for part in run.parts[1:])
    return f"{when}, in {len(run.parts)} parts: {', '.join(later)}"

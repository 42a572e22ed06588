"""The sentences about a run that an operator reads during it and at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.formatting import counted
from hcc_scope.scoring import FIELDS_SKIPPED

if TYPE_CHECKING:
    from hcc_scope.types import FrameResult, RunOutcome

__all__ = [
    "SKIPPED_SPOILS",
    "describe_broken_classifier",
    "describe_end",
    "describe_failed_frame",
    "describe_missing_frames",
    "describe_run_now",
    "describe_skipped_fields",
]


SKIPPED_SPOILS = FIELDS_SKIPPED
"""Why a random plan that lost a field gives no interval: where the stage sticks is no matter of chance."""


def describe_run_now(
    message: str,
    *,
    finished: bool,
    stopping: bool,
    analysis_skipped: bool,
    paused: bool,
    held: bool,
    activity: str = "",
    pause_reason: str = "",
) -> str:
    """Return what to show now: `message`, or what the operator asked for where that is more important.

    Parameters
    ----------
    message : str
        The latest message; may be empty.
    finished, stopping, analysis_skipped, paused : bool
        Of the run.
    held : bool
        Whether the source has stopped already.
    activity : str
        What the source does at this moment besides its frames; may be empty.
    pause_reason : str
        Why the run has paused by itself; empty if it has not.
    """
    if finished:
        return message
    if analysis_skipped:
        return "stopping now: what is acquired is stored, the rest is not classified"
    if paused and pause_reason:
        return pause_reason
    if activity and not stopping and not paused:
        return activity
    if message:
        return message
    if stopping:
        return "stopping: what is acquired is stored and classified first"
    if paused:
        return "paused" if held else "pausing: what is exposed already is still taken"
    return ""


def describe_failed_frame(result: FrameResult) -> str:
    """Return which frame failed, and why."""
    return f"frame {result.seq} could not be classified: {result.error}"


def describe_missing_frames(first: int, n: int) -> str:
    """Return that a source left `n` frames out from number `first` on."""
    return f"{n} frame(s) from number {first} on are missing in the source"


def describe_skipped_fields(n: int, why: str) -> str:
    """Return how many fields were left out, and why the last one was."""
    return f"{counted(n, 'field')} skipped: {why}"


def describe_broken_classifier(error: BaseException, *, stores: bool) -> str:
    """Return that the classifier was given up, and what still continues."""
    rest = ", frames are only stored" if stores else ""
    return f"nothing is classified any more{rest}: {error}"


def describe_end(outcome: RunOutcome) -> str | None:
    """Return the most important thing about how a run ended; None if there is nothing to report."""
    if outcome.cause is not None:
        return str(outcome.cause)
    if outcome.remark is not None:
        return outcome.remark
    if outcome.counts.deferred and outcome.degraded is None:
        return f"{outcome.counts.deferred} frames are stored but not classified: replay them"
    return None

"""What the operator does next, in one sentence: beside Start, and the reason why Start waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.formatting import capital, full_stop

if TYPE_CHECKING:
    from ui.control.run_control import Phase

__all__ = ["Situation", "next_step"]


@dataclass(frozen=True, slots=True)
class Situation:
    """What the next step depends on."""

    rig_open: bool
    phase: Phase
    missing: str
    """What keeps a section from starting, as text; empty if nothing does. Without a rig it states that."""
    rig_busy: bool = False
    """Whether a rig is being opened or closed."""
    live: bool = False
    """Whether the camera's live picture is on."""
    by_hand: bool = False
    """Whether an operator moves the specimen."""
    pause_reason: str = ""
    """Why the section pauses by itself, and what to do, as text; empty if the operator paused it."""
    importing: bool = False
    """Whether the section is made of images of other programs."""
    just_stored: str = ""
    """Animal and section that were stored last; empty for none."""


def next_step(now: Situation) -> str:
    """Return what to do now, as a sentence.

    Examples
    --------
    >>> next_step(Situation(rig_open=True, phase="idle", missing="the animal id is missing"))
    'To start: the animal id is missing.'
    """
    match now.phase:
        case "preparing" if now.importing:
            return "Preparing: loading the model, reading the headers of the images …"
        case "preparing":
            return "Preparing: loading the model, checking camera, stage and disk …"
        case "running":
            if now.importing:
                return "Images are imported one after the other; Stop (F10) ends the import, which can go on later."
            if now.by_hand:
                return "Move the specimen as By hand shows it; Stop (F10) ends the section."
            return "Fields are acquired one after the other; Pause (F9) waits between two."
        case "paused":
            if now.pause_reason:  # with what to do before
                return full_stop(capital(now.pause_reason))
            return "Paused: Resume (F9), or end the section with Stop (F10)."
        case "stopping" | "analysis_skipped" | "finishing":
            return "Finishing: storing and classifying what was taken …"
        case "idle":
            return _before_start(now)


def _before_start(now: Situation) -> str:
    if not now.rig_open:
        return "The rig is loading …" if now.rig_busy else "Open a rig (Ctrl+R), or the demo rig (Ctrl+D)."
    if now.missing:
        return full_stop(f"To start: {now.missing}")
    if now.just_stored:
        # of a long name the end is cut, and not what to do
        return f"Place the next section and press Start (F8): {now.just_stored} is stored."
    if now.live:
        return "Focus, set the exposure, and press Start (F8)."
    return "Check the picture with Live (F5), then press Start (F8)."

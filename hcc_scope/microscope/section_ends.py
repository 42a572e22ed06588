"""What happens to the devices before and after a section: their state is logged, and their settings are put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.microscope.device_record import LIMIT_S, device_state
from hcc_scope.microscope.restore import describe_left
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.microscope.micromanager import MicroManager

__all__ = ["begin_section", "end_section"]

_TURN_S = 0.4
"""How long the end of a section waits for an exposure that is under way."""
_END_S = LIMIT_S + 10.0
"""How long devices may take to be put back and read."""


def begin_section(rig: MicroManager) -> None:
    """Log the state of every device, and note which settings are found."""

    def begin() -> None:
        rig.hardware.remember_settings()
        _note_state(rig, "before")

    rig.events.begin()
    rig.thread.call("reading the devices", begin)


def end_section(rig: MicroManager, warn: Callable[[str], None]) -> None:
    """Put settings back and log the state of every device, also after an error.

    Parameters
    ----------
    rig : MicroManager
    warn : callable
        Takes a sentence if settings are not put back, or only later: after the exposure that is under way.
    """

    def end() -> None:
        left = rig.hardware.put_back()
        if left:
            warn(describe_left(left))
        _note_state(rig, "after")

    ended = attempt(lambda: rig.thread.finish("putting settings back", end, turn_s=_TURN_S, end_s=_END_S))
    if isinstance(ended, Failure):
        warn(f"the settings from before the section are not put back: {ended.error}")
    elif not ended:
        warn(f"the settings from before the section are put back when '{rig.hardware.camera}' has ended its exposure")


def _note_state(rig: MicroManager, when: str) -> None:
    state = attempt(lambda: device_state(rig.backend))
    facts = {"unread": str(state.error)} if isinstance(state, Failure) else state
    rig.events.add("device_state", when=when, **facts)

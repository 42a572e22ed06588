"""What happens to the devices before and after a section: their state is logged, and their settings are put back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hcc_scope.microscope.device_record import LIMIT_S, device_state
from hcc_scope.microscope.restore import describe_left
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.microscope.micromanager import MicroManager

__all__ = ["abandon_section", "begin_section", "end_section", "put_settings_back"]

_log = logging.getLogger(__name__)

_WHAT = "putting settings back"
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
        _put_back(rig, warn)
        _note_state(rig, "after")

    ended = attempt(lambda: rig.thread.finish(_WHAT, end, turn_s=_TURN_S, end_s=_END_S))
    if isinstance(ended, Failure):
        warn(f"the settings from before the section are not put back: {ended.error}")
    elif not ended:
        warn(f"the settings from before the section are put back when '{rig.hardware.camera}' has ended its exposure")


def put_settings_back(rig: MicroManager) -> None:
    """Put back what was set for something else than a section, which has the camera."""
    rig.thread.finish(_WHAT, lambda: _put_back(rig, _log.warning), turn_s=_TURN_S, end_s=_END_S)


def abandon_section(rig: MicroManager) -> None:
    """Put back what was set for a section that never began, unless another one has the camera by now."""

    def abandon() -> None:
        if rig.use.state == "free":
            with rig.use.at_rest():  # a preview may have begun since
                _put_back(rig, _log.warning)

    rig.thread.finish(_WHAT, abandon, turn_s=_TURN_S, end_s=_END_S)


def _put_back(rig: MicroManager, warn: Callable[[str], None]) -> None:
    if left := rig.hardware.put_back():
        warn(describe_left(left))


def _note_state(rig: MicroManager, when: str) -> None:
    state = attempt(lambda: device_state(rig.backend))
    facts = {"unread": str(state.error)} if isinstance(state, Failure) else state
    rig.events.add("device_state", when=when, **facts)

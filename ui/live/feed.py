"""The kind of picture in the tab Live at this moment: of the running section, live, stored, or an old one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hcc_scope.formatting import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.types import Frame

__all__ = ["Feed"]

LATE_S = 2.0
EXPOSURES_LATE = 5.0
"""A live picture is an old one after so many exposures, and after `LATE_S` at the earliest."""


class Feed:
    """Knows where pictures come from, and describes what one is.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.live = False
        """Whether the camera's live picture is on."""
        self.section = ""
        """The section whose frames come now; empty if none is acquired."""
        self._began_s = self._came_s = 0.0

    def begin(self) -> None:
        """Wait for the first live picture."""
        self.live = True
        self._began_s = self._clock()

    def end(self) -> None:
        """End the live picture; from now on an old one is shown."""
        self.live = False

    def came(self) -> None:
        """Note that a picture came just now."""
        self._came_s = self._clock()

    @property
    def describe_waiting(self) -> str:
        """What is shown while there is no picture yet."""
        if self.section and not self.live:
            return "Waiting for the first field of the section …"
        if not self.live:
            return "No frame yet: press Live or Snap, or start a section"
        waited_s = self._clock() - self._began_s
        waited = f" ({format_duration(waited_s)})" if waited_s >= 1 else ""
        return f"Waiting for the first live picture{waited} …"

    def describe(self, frame: Frame, *, pinned: bool) -> str:
        """Return what a picture is; only one that came just now is called live."""
        if frame.section_id:
            running = frame.section_id == self.section and not pinned
            return f"Field {frame.seq}" if running else f"Stored field {frame.seq}"
        if not self.live:
            return f"Still picture of {frame.t_utc.astimezone():%H:%M:%S}"
        age_s = self._clock() - self._came_s
        if age_s > max(LATE_S, EXPOSURES_LATE * frame.exposure_ms / 1000):
            return f"Not live: no new picture for {format_duration(age_s)}"
        return "Live"

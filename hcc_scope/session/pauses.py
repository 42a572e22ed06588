"""The time that a run was paused, which no rate counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STAGES", "Pauses", "Stage"]

Stage = Literal["acquire", "store", "resolve"]
STAGES: tuple[Stage, ...] = ("acquire", "store", "resolve")


class Pauses:
    """How long each stage had nothing to do because the run was paused.

    A stage that still has work continues during a pause, and that time counts; so what is taken off is, for each stage,
    from the beginning of the pause or from the last thing that it did in it, until the end of the pause. Not
    thread-safe. Times are handed in, in ns.
    """

    def __init__(self) -> None:
        self._since_ns: int | None = None
        self._idle_ns = dict.fromkeys(STAGES, 0)
        self.all_idle_ns = 0
        """While no stage had anything to do."""

    def begin(self, now_ns: int) -> None:
        """Note that the run is paused; nothing happens if it is already."""
        if self._since_ns is None:
            self._since_ns = now_ns

    def end(self, now_ns: int, done_ns: Mapping[Stage, int | None]) -> None:
        """Note that the run continues; nothing happens if it does already.

        Parameters
        ----------
        now_ns : int
        done_ns : mapping
            Of each stage: when it did the last thing that there was to do; None if there is still something.
        """
        if self._since_ns is None:
            return
        idle_ns = {stage: self._idle_now_ns(now_ns, done_ns[stage]) for stage in STAGES}
        for stage, ns in idle_ns.items():
            self._idle_ns[stage] += ns
        self.all_idle_ns += min(idle_ns.values())
        self._since_ns = None

    def _idle_now_ns(self, now_ns: int, done_ns: int | None) -> int:
        if self._since_ns is None or done_ns is None:
            return 0
        return max(0, now_ns - max(self._since_ns, done_ns))

    def stage_ns(self, stage: Stage, now_ns: int, done_ns: int | None = None) -> int:
        """Return a stage's own time: that of the clock without its idle time; `done_ns` as in `end`."""
        return now_ns - self._idle_ns[stage] - self._idle_now_ns(now_ns, done_ns)

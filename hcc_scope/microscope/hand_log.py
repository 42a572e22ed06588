"""What happens in a section by hand, for the log of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcc_scope.run_events import JsonValue, RunEvents
    from hcc_scope.tracking import TrackView

__all__ = ["HandLog"]

_KIND = "hand"
_SETTLED_S = 0.5
"""How long a state lasts before it is logged: an uneasy hand changes it with every frame."""


class HandLog:
    """Adds events of the kind ``hand`` to those of a run.

    Parameters
    ----------
    events : RunEvents
    """

    def __init__(self, events: RunEvents) -> None:
        self._events = events
        self._logged = ""
        self._state = ""
        self._since_s = 0.0

    def add(self, what: str, **facts: JsonValue) -> None:
        """Add an event: ``state``, ``island``, ``undo``, ``kept anyway``, ``outline``, ``drawn``, ``skip`` ..."""
        self._events.add(_KIND, what=what, **facts)

    def track(self, track: TrackView, t_s: float, next_seq: int) -> None:
        """Note the tracker's state after a live frame; one that lasts is logged.

        Parameters
        ----------
        track : TrackView
        t_s : float
            When the frame was exposed.
        next_seq : int
            Number of the next captured frame, which places the event among them.
        """
        if track.state != self._state:
            self._state, self._since_s = track.state, t_s
        if self._state == self._logged or t_s - self._since_s < _SETTLED_S:
            return
        self._logged = self._state
        self.add("state", state=track.state, island=track.island, before_seq=next_seq, remark=track.remark)

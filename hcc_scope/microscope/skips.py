"""Fields that the stage does not reach: left out and counted, until too many follow each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcc_scope.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.microscope.moves import PlaceMissedError
    from hcc_scope.run_events import RunEvents

__all__ = ["MOST_IN_A_ROW", "SkippedFields"]

MOST_IN_A_ROW = 3
"""A stage that misses so many fields one after the other is not fit for the rest."""
_HINT = "Check that the stage is on, connected and free; what was stored before stays stored."


class SkippedFields:
    """Counts the fields that one run leaves out.

    Parameters
    ----------
    events : RunEvents
        Takes each of them.
    """

    def __init__(self, events: RunEvents) -> None:
        self._events = events
        self._n = self._in_a_row = 0
        self._last: PlaceMissedError | None = None
        self.report: Callable[[str], None] = _nowhere
        """Takes one sentence for each field that is left out."""

    def skip(self, event: dict[str, Any], why: PlaceMissedError) -> None:
        """Leave a field of the plan out.

        Raises
        ------
        DeviceError
            If it is one too many in a row.
        """
        self._n += 1
        self._in_a_row += 1
        self._last = why
        self._events.add("skipped", axes=dict(event["axes"]), why=why.message)
        self.report(why.message)
        if self._in_a_row >= MOST_IN_A_ROW:
            raise DeviceError(
                f"{why.message}; {self._in_a_row} fields in a row were not reached, so the run has ended", hint=_HINT
            ) from why

    def reached(self) -> None:
        """Note that a field was reached."""
        self._in_a_row = 0

    def check_any(self, n_taken: int) -> None:
        """Raise `DeviceError` at the end of a plan of which no field was reached: that is no complete run."""
        if self._last is not None and n_taken == 0:
            raise DeviceError(f"{self._last.message}; no field of the plan was reached", hint=_HINT) from self._last


def _nowhere(_sentence: str) -> None:
    """Report nothing."""

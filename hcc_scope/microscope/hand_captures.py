"""What was captured of a section by hand, and taken back again."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hcc_scope.tracking import Place

__all__ = ["Capture", "HandCaptures"]


@dataclass(frozen=True, slots=True)
class Capture:
    """A captured field."""

    seq: int
    place: Place | None
    """None where the position is not known."""
    forced: str = ""
    """The word of the rule that spoke against it and was overruled; empty if none did."""


class HandCaptures:
    """Counts the captured fields of one section. The thread of the live frames adds; any thread may undo.

    What is undone is counted at once. Tracker and judge, which belong to the thread of the live frames, follow with
    `settle`.

    Parameters
    ----------
    follow_undo : callable
        Called by `settle` for each capture that was undone, the latest first.
    """

    def __init__(self, follow_undo: Callable[[Capture], None]) -> None:
        self._lock = threading.Lock()
        self._follow_undo = follow_undo
        self._before: tuple[Capture, ...] = ()
        self._captures: list[Capture] = []
        self._undone: list[Capture] = []
        self._next_seq = 0
        self._last_seq: int | None = None

    @property
    def next_seq(self) -> int:
        """Number of the next captured frame in the store."""
        return self._next_seq

    @property
    def last_seq(self) -> int | None:
        """Number of the frame that was captured last, undone or not; None before the first."""
        return self._last_seq

    @property
    def captures(self) -> tuple[Capture, ...]:
        """Those that were not undone, in order; of the section's earlier parts, too."""
        with self._lock:
            return (*self._before, *self._captures)

    @property
    def n_own(self) -> int:
        """How many of `captures` this run took."""
        return len(self._captures)

    def go_on(self, before: Iterable[Capture], next_seq: int) -> None:
        """Begin behind the captures of earlier parts, which cannot be undone any more, only excluded."""
        with self._lock:
            self._before, self._next_seq = tuple(before), next_seq

    @property
    def n_forced(self) -> int:
        """How many of `captures` were kept although a rule spoke against it."""
        return sum(bool(one.forced) for one in self.captures)

    def add(self, capture: Capture, follow: Callable[[], None]) -> None:
        """Note a capture that the session has taken over; `follow` notes it in tracker and judge."""
        with self._lock:
            self._settle()
            self._captures.append(capture)
            self._next_seq, self._last_seq = capture.seq + 1, capture.seq
            follow()

    def undo(self, exclude: Callable[[int], None]) -> int | None:
        """Take the last capture back.

        Parameters
        ----------
        exclude : callable
            Excludes a field from the score, durably; what it raises leaves everything as it was.

        Returns
        -------
        int or None
            Its number in the store; None if there is none.
        """
        with self._lock:
            if not self._captures:
                return None
            last = self._captures[-1]
            exclude(last.seq)
            self._undone.append(self._captures.pop())
            return last.seq

    def settle(self) -> None:
        """Have tracker and judge follow what was undone. In the thread of the live frames."""
        with self._lock:
            self._settle()

    def _settle(self) -> None:
        for capture in self._undone:
            self._follow_undo(capture)
        self._undone.clear()

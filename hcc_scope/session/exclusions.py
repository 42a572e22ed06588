"""Fields that an operator excludes from the score, or includes again: first written to the notes, then applied."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hcc_scope.errors import UsageError

if TYPE_CHECKING:
    from hcc_scope.protocols import NoteSink
    from hcc_scope.session.ledger import FrameLedger
    from hcc_scope.session.run_score import RunScore

__all__ = ["Exclusions"]


class Exclusions:
    """Takes fields out of a run's score, one at a time. Safe from any thread.

    Parameters
    ----------
    score : RunScore
    ledger : FrameLedger
        Takes the new score.
    notes : NoteSink or None
        Where exclusions are written down.
    n_planned : int
        Fields that there are from the start, as in a replay.
    """

    def __init__(self, score: RunScore, ledger: FrameLedger, notes: NoteSink | None, n_planned: int = 0) -> None:
        self._score = score
        self._ledger = ledger
        self._notes = notes
        self._n_planned = n_planned
        self._lock = threading.Lock()

    def exclude(self, seq: int, reason: str) -> None:
        """Take a field out. Raises like `hcc_scope.session.Session.exclude`."""
        with self._lock:
            self._check(seq)
            counts = self._score.counting(seq)
            if counts != seq:
                raise UsageError(
                    f"frame {seq} is out of the score: frame {counts} shows the field again and counts in its place",
                    hint=f"Exclude field {counts}.",
                )
            if self._notes is not None:
                self._notes.add("exclude", reason, seq)
            with self._score.lock:
                self._ledger.rescore(self._score.exclude(seq))

    def include(self, seq: int, reason: str) -> None:
        """Take a field in again; does nothing if it is in."""
        with self._lock:
            self._check(seq)
            if seq not in self._score.excluded:
                return
            if self._notes is not None:
                self._notes.add("include", reason, seq)
            with self._score.lock:
                self._ledger.rescore(self._score.include(seq))

    def spoil(self, why: str) -> None:
        """Note that the fields are no random choice, for good; takes effect first, as this run shows its score already.

        Raises
        ------
        HccScopeError
            If it cannot be written down.
        """
        with self._score.lock:
            self._ledger.rescore(self._score.spoil(why))
        if self._notes is not None:
            self._notes.add("spoilt", why)

    def _check(self, seq: int) -> None:
        n = max(self._n_planned, self._ledger.counts.acquired)
        if not 0 <= seq < n:
            raise UsageError(f"there is no field {seq} in this run: it has {n} so far")

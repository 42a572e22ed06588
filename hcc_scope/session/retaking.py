"""Fields that are taken again during a run: first written to the notes, then stored, and counted once analysed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.errors import UsageError
from hcc_scope.protocols import RetakingSource
from hcc_scope.retakes import replaced_frame, retake_reason

if TYPE_CHECKING:
    from hcc_scope.protocols import FrameSource, NoteSink
    from hcc_scope.session.ledger import FrameLedger
    from hcc_scope.session.run_score import RunScore
    from hcc_scope.types import Frame

__all__ = ["Retaking"]


class Retaking:
    """Asks a source for retakes, and lets each one stand in the place of the frame that it replaces.

    Parameters
    ----------
    source : FrameSource
    score : RunScore
    ledger : FrameLedger
        Takes the new score, and that one frame more is expected.
    notes : NoteSink or None
        Where retakes are written down.
    """

    def __init__(self, source: FrameSource, score: RunScore, ledger: FrameLedger, notes: NoteSink | None) -> None:
        self._source = source
        self._score = score
        self._ledger = ledger
        self._notes = notes

    def ask(self, seq: int, reason: str) -> None:
        """Ask for a retake. Raises like `hcc_scope.session.Session.retake`."""
        n = self._ledger.counts.acquired
        if not 0 <= seq < n:
            raise UsageError(f"there is no field {seq} in this run: it has {n} so far")
        if not isinstance(self._source, RetakingSource):
            raise UsageError("the fields of this run cannot be taken again", hint="Take a further section.")
        self._source.retake(seq, reason)

    def take(self, frame: Frame) -> None:
        """Take a new frame, before it is stored: a retake is written down, and counted once it has a result.

        Raises
        ------
        HccScopeError
            If it cannot be written down.
        """
        replaced = replaced_frame(frame.tags)
        if replaced is None:
            return
        if self._notes is not None:
            self._notes.add("retake", retake_reason(frame.tags), frame.seq, replaced)
        self._ledger.expect_another()
        with self._score.lock:
            self._ledger.rescore(self._score.retake(frame.seq, replaced))

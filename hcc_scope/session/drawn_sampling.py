"""The drawn sample of a guided section during its run: first written down, then applied to the score."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hcc_scope.position_tags import drawn_field

if TYPE_CHECKING:
    from hcc_scope.by_hand.keeper import SampleKeeper
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.session.ledger import FrameLedger
    from hcc_scope.session.run_score import RunScore
    from hcc_scope.types import Frame, SkipReason

__all__ = ["DrawnSampling"]


class DrawnSampling:
    """Keeps a run's score up to date with its drawn fields; a `hcc_scope.by_hand.SampleKeeper`. Safe from any thread.

    Parameters
    ----------
    score : RunScore
    ledger : FrameLedger
        Takes the new score.
    keeper : SampleKeeper or None
        Where the sample is written down.
    """

    def __init__(self, score: RunScore, ledger: FrameLedger, keeper: SampleKeeper | None) -> None:
        self._score = score
        self._ledger = ledger
        self._keeper = keeper
        self._lock = threading.Lock()

    def drawn(self, sample: DrawnSample) -> None:
        """Take which fields were drawn."""
        with self._lock:
            if self._keeper is not None:
                self._keeper.drawn(sample)
            with self._score.lock:
                self._ledger.rescore(self._score.draw(sample))

    def skipped(self, field: int, reason: SkipReason) -> None:
        """Take that a drawn field is skipped."""
        with self._lock:
            if self._keeper is not None:
                self._keeper.skipped(field, reason)
            with self._score.lock:
                self._ledger.rescore(self._score.skip_drawn(field, reason))

    def undone(self, seq: int) -> None:
        """Take that a frame shows no drawn field after all."""
        with self._lock:
            if self._keeper is not None:
                self._keeper.undone(seq)
            with self._score.lock:
                self._ledger.rescore(self._score.undo(seq))

    def place(self, frame: Frame) -> None:
        """Take which drawn field a new frame shows: its tag states it, in the journal too."""
        with self._score.lock:
            self._ledger.rescore(self._score.place(frame.seq, drawn_field(frame.tags)))

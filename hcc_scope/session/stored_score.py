"""The score of the frames that are on disk: what a replay of the store will find."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from hcc_scope.protocols import FrameSink
    from hcc_scope.scoring import SectionScorer
    from hcc_scope.types import FrameResult, SectionScore

__all__ = ["StoredScore"]


class StoredScore:
    """A second score, of committed frames alone, for the case that storage breaks down.

    Analysis may be ahead of the disk, and an interval cannot forget a frame. So results wait here, in bounded memory,
    until their frames are committed. One thread at a time.

    Parameters
    ----------
    scorer : SectionScorer
        Fresh, and of its own.
    sink : FrameSink
        Tells what is committed.
    """

    def __init__(self, scorer: SectionScorer, sink: FrameSink) -> None:
        self._scorer = scorer
        self._sink = sink
        self._waiting: dict[int, FrameResult] = {}

    def add(self, result: FrameResult) -> None:
        """Take one frame's result, whether the frame is on disk yet or not."""
        self._waiting[result.seq] = result
        self._catch_up()

    def _catch_up(self) -> None:
        n_committed = self._sink.committed
        for seq in [seq for seq in self._waiting if seq < n_committed]:
            self._scorer.add(self._waiting.pop(seq))

    def settle(self) -> tuple[SectionScore, Collection[FrameResult]]:
        """Return the score of what is on disk now, and the results of frames that are not."""
        self._catch_up()
        return self._scorer.score(), self._waiting.values()

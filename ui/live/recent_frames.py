"""The newest frames and results of a section, kept until a frame meets its own result; never many."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import Frame, FrameResult

__all__ = ["MOST_FRAMES", "MOST_RESULTS", "RecentFrames", "TileResult"]

MOST_FRAMES = 4
"""Frames that may wait for their result; more would hold memory that the pipeline needs."""
MOST_RESULTS = 16


class TileResult(NamedTuple):
    """What the model predicts for a frame."""

    result: FrameResult
    grid: TileGrid
    """Where the tiles of the result lie."""
    threshold: float
    """The model's decision threshold."""


class RecentFrames:
    """Pairs frames and results of one section by their number."""

    def __init__(self) -> None:
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._results: OrderedDict[int, TileResult] = OrderedDict()

    def add_frame(self, frame: Frame) -> None:
        """Keep a frame; the oldest one goes."""
        self._frames[frame.seq] = frame
        self._frames.move_to_end(frame.seq)
        while len(self._frames) > MOST_FRAMES:
            self._frames.popitem(last=False)

    def add_result(self, result: TileResult, *, shown: int | None = None) -> None:
        """Keep a result; the oldest one goes, but never that of the frame `shown`."""
        seq = result.result.seq
        self._results[seq] = result
        self._results.move_to_end(seq)
        while len(self._results) > MOST_RESULTS:
            self._results.pop(next(one for one in self._results if one != shown))

    def frame(self, seq: int) -> Frame | None:
        """Return a frame that is still kept, or None."""
        return self._frames.get(seq)

    def result(self, seq: int) -> TileResult | None:
        """Return the result of a frame, or None."""
        return self._results.get(seq)

    @property
    def has_results(self) -> bool:
        """Whether any frame of the section has a result."""
        return bool(self._results)

    def newest_classified(self) -> Frame | None:
        """Return the newest kept frame that has its result, or None."""
        return next((one for one in reversed(self._frames.values()) if one.seq in self._results), None)

    def clear(self) -> None:
        """Forget the section."""
        self._frames.clear()
        self._results.clear()

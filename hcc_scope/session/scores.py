"""The score of a run: of every field that has a result and that no person took out, whenever that was said."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hcc_scope.scoring import field_entry

if TYPE_CHECKING:
    from collections.abc import Collection

    from hcc_scope.scoring import FieldEntry, SectionScorer
    from hcc_scope.types import FrameOutcome, FrameResult, SectionScore

__all__ = ["RunScore"]


class RunScore:
    """Keeps what the score needs of every field (a few numbers), so that it can be made again without some of them.

    An interval cannot forget a field; a score without one is therefore that of a fresh scorer which was never told of
    it. So it is, bit for bit, what a replay finds that knows from the start which fields are out.

    Hold `lock` to change score and counts together; the methods take it themselves.

    Parameters
    ----------
    scorer : SectionScorer
        Fresh.
    excluded : collection of int, optional
        Fields that are out from the start.
    """

    def __init__(self, scorer: SectionScorer, excluded: Collection[int] = ()) -> None:
        self.lock = threading.RLock()
        self._scorer = scorer
        self._entries: dict[int, FieldEntry | None] = {}
        """In the order of arrival; None for a frame that will never have a result."""
        self._excluded = set(excluded)
        for seq in sorted(self._excluded):
            scorer.exclude(seq)

    @property
    def temperature(self) -> float:
        """The model card's calibration temperature."""
        return self._scorer.temperature

    @property
    def excluded(self) -> tuple[int, ...]:
        """The fields that a person took out, ascending."""
        with self.lock:
            return tuple(sorted(self._excluded))

    def score(self) -> SectionScore:
        """Return the score as it stands."""
        with self.lock:
            return self._scorer.score()

    def add(self, result: FrameResult) -> SectionScore:
        """Take one frame's result; return the score after it."""
        entry = field_entry(result)
        with self.lock:
            self._scorer.add(result)
            self._entries[result.seq] = entry
            return self._scorer.score()

    def skip(self, seq: int) -> None:
        """Note that a frame will never have a result."""
        with self.lock:
            self._scorer.skip(seq)
            self._entries[seq] = None

    def exclude(self, seq: int) -> SectionScore:
        """Take a field out; return the score without it."""
        with self.lock:
            if seq not in self._excluded:
                self._excluded.add(seq)
                self._make_again()
            return self._scorer.score()

    def include(self, seq: int) -> SectionScore:
        """Take a field in again; return the score with it."""
        with self.lock:
            if seq in self._excluded:
                self._excluded.discard(seq)
                self._make_again()
            return self._scorer.score()

    def spoil(self, why: str) -> SectionScore:
        """Note that the fields are no random choice, for good; return the score with an interval that is not valid."""
        with self.lock:
            self._scorer.spoil(why)
            return self._scorer.score()

    def keep_below(self, n_frames: int) -> tuple[SectionScore, list[FrameOutcome]]:
        """Drop frames from number `n_frames` on, which are not on disk; return the score and their outcomes."""
        with self.lock:
            gone = [seq for seq in self._entries if seq >= n_frames]
            entries = [self._entries.pop(seq) for seq in gone]
            self._excluded = {seq for seq in self._excluded if seq < n_frames}
            self._make_again()
            return self._scorer.score(), [entry.outcome for entry in entries if entry is not None]

    def _make_again(self) -> None:
        self._scorer = self._scorer.fresh()
        for seq in sorted(self._excluded):
            self._scorer.exclude(seq)
        for seq, entry in self._entries.items():
            if entry is None:
                self._scorer.skip(seq)
            else:
                self._scorer.add_entry(entry)

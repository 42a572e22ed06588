"""The score of a run: of every field that has a result and that no operator excluded, at any time."""

from __future__ import annotations

import math
import threading
from array import array
from typing import TYPE_CHECKING, get_args

from hcc_scope.score_course import scores_in_order
from hcc_scope.scoring import FieldEntry, feed, field_entry, prepare
from hcc_scope.types import FrameOutcome, QualityFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from hcc_scope.drawn_fields import DrawnFields
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.scoring import SectionScorer
    from hcc_scope.types import FrameResult, SectionScore, SkipReason

__all__ = ["RunScore"]


_OUTCOMES: tuple[FrameOutcome, ...] = get_args(FrameOutcome)
_NONE = -1
_COUNTS = 2 + len(QualityFlag)
"""Per field: all tiles, those that enter, and those with each flag."""
_MEASURED = 3
"""Per field: score, grey level, focus."""


class _Entries:
    """What the score needs of every field, in the order of arrival: 65 bytes a field, as a long run has many."""

    def __init__(self) -> None:
        self._seqs, self._outcomes = array("q"), array("b")
        self._measured, self._tiles = array("d"), array("i")

    def add(self, seq: int, entry: FieldEntry | None) -> None:
        """Take a field; None for a frame that will never have a result."""
        self._seqs.append(seq)
        self._outcomes.append(_NONE if entry is None else _OUTCOMES.index(entry.outcome))
        if entry is None:
            self._measured.extend((math.nan,) * _MEASURED)
            self._tiles.extend((0,) * _COUNTS)
        else:
            measured = (entry.score, entry.level, entry.focus)
            self._measured.extend(math.nan if value is None else value for value in measured)
            self._tiles.extend((entry.n_tiles, entry.n_included, *entry.n_flagged))

    def __iter__(self) -> Iterator[tuple[int, FieldEntry | None]]:
        for i, (seq, outcome) in enumerate(zip(self._seqs, self._outcomes, strict=True)):
            if outcome == _NONE:
                yield seq, None
                continue
            n_tiles, n_included, *n_flagged = self._tiles[i * _COUNTS : (i + 1) * _COUNTS]
            measured = self._measured[i * _MEASURED : (i + 1) * _MEASURED]
            score, level, focus = (None if math.isnan(value) else value for value in measured)
            yield seq, FieldEntry(seq, _OUTCOMES[outcome], score, n_included, tuple(n_flagged), n_tiles, level, focus)


class RunScore:
    """Keeps what the score needs of every field (a few numbers), so that it can be made again without some of them.

    An interval cannot forget a field; a score without one is therefore that of a fresh scorer without
    it. That is, bit for bit, the score of a replay that leaves these fields out from the start.

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
        self._entries = _Entries()
        self._excluded = set(excluded)
        feed(scorer, (), self._excluded)

    @property
    def temperature(self) -> float:
        """The model card's calibration temperature."""
        return self._scorer.temperature

    @property
    def excluded(self) -> tuple[int, ...]:
        """The fields that an operator excluded, ascending."""
        with self.lock:
            return tuple(sorted(self._excluded))

    def score(self) -> SectionScore:
        """Return the present score."""
        with self.lock:
            return self._scorer.score()

    def course(self) -> list[SectionScore]:
        """Return the score after each field that is resolved; the last is the present one.

        The fields come in the order in which they were taken. Those that are excluded now are in none of the scores,
        and one that was taken again is in them once. Analysis goes on meanwhile.
        """
        with self.lock:
            scorer = self._scorer.fresh()
            fields = prepare(scorer, self._entries, self._excluded)
        steps = scores_in_order(scorer, fields)
        scores: list[SectionScore] = []
        while True:
            with self.lock:  # retakes are shared
                score = next(steps, None)
            if score is None:
                return scores
            scores.append(score)

    def add(self, result: FrameResult) -> SectionScore:
        """Take one frame's result; return the score after it."""
        entry = field_entry(result)
        with self.lock:
            self._add(result.seq, entry)
            return self._scorer.score()

    def skip(self, seq: int) -> None:
        """Note that a frame will never have a result."""
        with self.lock:
            self._add(seq, None)

    def _add(self, seq: int, entry: FieldEntry | None) -> None:
        if self._scorer.retakes.involves(seq):  # another frame of the field may have been counted until now
            self._entries.add(seq, entry)
            self._rebuild()
            return
        if entry is None:
            self._scorer.skip(seq)
        else:
            self._scorer.add_entry(entry)
        self._entries.add(seq, entry)

    def skip_missing(self, n_frames: int) -> SectionScore:
        """Note that no frame below `n_frames` will have a result that has none yet; return the score after it."""
        with self.lock:
            for seq in range(n_frames):
                if self._scorer.is_open(seq):
                    self.skip(seq)
            return self._scorer.score()

    def exclude(self, seq: int) -> SectionScore:
        """Take a field out; return the score without it."""
        with self.lock:
            if seq not in self._excluded:
                self._excluded.add(seq)
                self._rebuild()
            return self._scorer.score()

    def include(self, seq: int) -> SectionScore:
        """Take a field in again; return the score with it."""
        with self.lock:
            if seq in self._excluded:
                self._excluded.discard(seq)
                self._rebuild()
            return self._scorer.score()

    def retake(self, seq: int, replaced: int) -> SectionScore:
        """Take that frame `seq` takes another one again; it counts for that field once it has a result."""
        with self.lock:
            self._scorer.retakes.add(seq, replaced)
            self._rebuild()
            return self._scorer.score()

    def counting(self, seq: int) -> int:
        """Return the frame that counts for the field that a frame shows: the frame itself if it was not taken again."""
        with self.lock:
            field = self._scorer.retakes.field_of(seq)
            return self._scorer.score().retaken.get(field, field)

    def spoil(self, why: str) -> SectionScore:
        """Note that the fields are no random choice, for good; return the score with an interval that is not valid."""
        with self.lock:
            self._scorer.spoil(why)
            return self._scorer.score()

    def draw(self, sample: DrawnSample) -> SectionScore:
        """Take the drawn sample of a guided section; return the score after it."""
        return self._changed(lambda drawn: drawn.draw(sample))

    def place(self, seq: int, field: int | None) -> SectionScore:
        """Take which drawn field a frame shows, None if it shows none; return the score after it."""
        return self._changed(lambda drawn: drawn.place(seq, field))

    def skip_drawn(self, field: int, reason: SkipReason) -> SectionScore:
        """Take that a drawn field is skipped; return the score after it."""
        return self._changed(lambda drawn: drawn.skip(field, reason))

    def undo(self, seq: int) -> SectionScore:
        """Take that a frame shows no drawn field after all; return the score after it."""
        return self._changed(lambda drawn: drawn.undo(seq))

    def _changed(self, change: Callable[[DrawnFields], None]) -> SectionScore:
        """Change the drawn fields; nothing happens in a section that is not guided."""
        with self.lock:
            if self._scorer.drawn is not None:
                change(self._scorer.drawn)
            return self._scorer.score()

    def keep_below(self, n_frames: int) -> tuple[SectionScore, list[FrameOutcome]]:
        """Drop frames from number `n_frames` on, which are not on disk; return the score and their outcomes."""
        with self.lock:
            kept, gone = _Entries(), []
            for seq, entry in self._entries:
                if seq < n_frames:
                    kept.add(seq, entry)
                elif entry is not None:
                    gone.append(entry.outcome)
            self._entries = kept
            self._excluded = {seq for seq in self._excluded if seq < n_frames}
            self._scorer.retakes = self._scorer.retakes.below(n_frames)
            if self._scorer.drawn is not None:
                self._scorer.drawn.forget_from(n_frames)
            self._rebuild()
            return self._scorer.score(), gone

    def _rebuild(self) -> None:
        self._scorer = self._scorer.fresh()
        feed(self._scorer, self._entries, self._excluded)

"""The interval of a guided section: over its drawn fields, in the order in which they were drawn.

The operator visits the fields in any order, so results come in that order. A confidence sequence over them would follow
the way over the section, where neighbours are alike and the first fields are not any fields. In the order of the draw
each value is one of a field drawn at random, whatever the order of the visits.

- A field that was skipped as bare glass or a fold holds nothing to classify, like a field that the quality check
  excludes: it adds nothing.
- A field that was *not reachable* may hold anything. Two sequences are kept: the lower end is that of the one that
  counts it as 0, the upper end that of the one that counts it as 1. A bet on "the mean is larger" with values that are
  at most the true ones is no better than the one with the true ones, on average. So each end keeps its half of
  the miss probability, whatever the fields show, as long as where a field lies decides whether it can be reached.
- The interval takes fields up to the first one that is open, or whose frame has no result yet.

A field is known by its number k in the draw, a frame by its `seq`. The same facts in any order give the same bits.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

from hcc_scope.confidence import ConfidenceSequence
from hcc_scope.formatting import counted, percent
from hcc_scope.types import SampleCounts

if TYPE_CHECKING:
    from collections.abc import Collection

    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.types import SkipReason

__all__ = ["DrawnFields"]

_ANYTHING: Final = "anything"
"""In place of the value of a field that was not reachable."""


class DrawnFields:
    """The drawn fields of one section, and the interval over them. Not thread-safe.

    Parameters
    ----------
    confidence : float
        Of the interval, at all times together.
    """

    def __init__(self, confidence: float = 0.95) -> None:
        self._confidence = confidence
        self._n_drawn = 0
        self._skipped_share = 0.0
        self._skipped: dict[int, SkipReason] = {}
        self._undone: set[int] = set()
        self._field_of: dict[int, int | None] = {}
        """Frame to the field that its tag states."""
        self._frame_of: dict[int, int] = {}
        """Field to the frame that counts for it."""
        self._problem = ""
        self._begin()

    def _begin(self) -> None:
        self._values: dict[int, float | None] = {}
        """By frame: its score; None for one that has none."""
        self._restart()

    def _restart(self) -> None:
        self._taken: list[float | str | None] = []
        self._low = self._high = ConfidenceSequence(self._confidence)
        """One and the same, until a field was not reachable."""
        self._n = 0

    def fresh(self) -> DrawnFields:
        """Return the same fields, visits and skips, without any value."""
        fresh = DrawnFields(self._confidence)
        fresh._n_drawn, fresh._skipped_share, fresh._problem = self._n_drawn, self._skipped_share, self._problem
        fresh._skipped, fresh._undone = dict(self._skipped), set(self._undone)
        fresh._field_of, fresh._frame_of = dict(self._field_of), dict(self._frame_of)
        return fresh

    # -- what happens ------------------------------------------------------------------------------------------------

    def draw(self, sample: DrawnSample) -> None:
        """Take which fields were drawn, with all that became of them so far."""
        self._n_drawn, self._skipped_share = sample.n_drawn, sample.skipped_share
        self._undone |= sample.undone
        self._skipped.update(sample.skips)
        for k, seq in sample.reached.items():
            self._field_of[seq] = k
        self._settle_frames()

    def lose(self, why: str) -> None:
        """Declare that the record of the sample cannot be relied on: half a sentence, for people."""
        self._problem = self._problem or why

    def place(self, seq: int, k: int | None) -> None:
        """Take which drawn field a frame shows, by its tag, or None. Of several frames of a field the latest counts."""
        if self._field_of.get(seq, -1) != k:
            self._field_of[seq] = k
            self._settle_frames()

    def skip(self, k: int, reason: SkipReason) -> None:
        """Take that a field is skipped; a frame that shows it overrules that."""
        self._skipped[k] = reason

    def undo(self, seq: int) -> None:
        """Take that a frame shows no drawn field after all."""
        self._undone.add(seq)
        self._settle_frames()

    def forget_from(self, n_frames: int) -> None:
        """Drop frames from number `n_frames` on: they are not on disk."""
        self._field_of = {seq: k for seq, k in self._field_of.items() if seq < n_frames}
        self._settle_frames()

    def _settle_frames(self) -> None:
        shown = sorted((seq, k) for seq, k in self._field_of.items() if k is not None and seq not in self._undone)
        self._frame_of = {k: seq for seq, k in shown}

    def resolve(self, seq: int, value: float | None) -> None:
        """Take the score of a frame; None if it has none, or never will have a result."""
        self._values[seq] = value
        self._field_of.setdefault(seq, None)

    # -- what is known -----------------------------------------------------------------------------------------------

    @property
    def frames(self) -> list[int]:
        """The frames that show a drawn field, one for each field that was reached, by field."""
        return [seq for k, seq in sorted(self._frame_of.items()) if self._is_drawn(k)]

    def _is_drawn(self, k: int) -> bool:
        return 0 <= k < self._n_drawn or not self._n_drawn  # without a record, the tags are all there is

    def counts(self, excluded: Collection[int]) -> SampleCounts:
        """Return what became of the fields; `excluded` are frames that an operator took out, and counted elsewhere."""
        of_sample = self.frames
        skipped: dict[SkipReason, int] = {}
        for _, reason in sorted(self._open_skips()):
            skipped[reason] = skipped.get(reason, 0) + 1
        beside = self._field_of.keys() - set(of_sample) - set(excluded)
        return SampleCounts(self._n_drawn, len(of_sample), skipped, len(beside))

    def _open_skips(self) -> list[tuple[int, SkipReason]]:
        """Return the skipped fields that no frame shows."""
        return [(k, why) for k, why in self._skipped.items() if k not in self._frame_of and 0 <= k < self._n_drawn]

    def why_not_valid(self) -> str:
        """Return why no interval is valid, as half a sentence; empty if it is."""
        if self._problem:
            return self._problem
        if not self._n_drawn:
            return "the random fields are not drawn yet"
        n_skipped = len(self._open_skips())
        if n_skipped > self._skipped_share * self._n_drawn + 1e-9:
            drawn = counted(self._n_drawn, "drawn field")
            return f"{n_skipped} of {drawn} skipped, more than {percent(self._skipped_share)}"
        n_visited = len(self.frames) + n_skipped
        if n_visited < self._n_drawn:
            return f"{n_visited} of {counted(self._n_drawn, 'drawn field')} visited"
        return ""

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end; (0, 1) before the first value."""
        self._refresh()
        lower, upper = self._low.interval[0], self._high.interval[1]
        return min(lower, upper), max(lower, upper)

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        lower, upper = self.interval
        return (upper - lower) / 2

    @property
    def emptied(self) -> bool:
        """Whether no mean is compatible with all values; see `hcc_scope.confidence.ConfidenceSequence.emptied`."""
        self._refresh()
        return self._low.interval[0] >= self._high.interval[1] or (self._low.emptied and self._high.emptied)

    @property
    def n(self) -> int:
        """How many frames with a score the interval rests on."""
        self._refresh()
        return self._n

    @property
    def waits_for(self) -> int | None:
        """The first drawn field that was visited and has no result yet; None if there is none."""
        self._refresh()
        k = len(self._taken)
        return k if k in self._frame_of and k < self._n_drawn else None

    def _refresh(self) -> None:
        """Bring the sequences up to date; start again if what they took has changed."""
        items = self._items()
        if items[: len(self._taken)] != self._taken:
            self._restart()
        for item in items[len(self._taken) :]:
            if item == _ANYTHING:
                self._part_ends()
                self._low.add(0.0)
                self._high.add(1.0)
            elif isinstance(item, float):
                for sequence in {self._low, self._high}:
                    sequence.add(item)
                self._n += 1
        self._taken = items

    def _part_ends(self) -> None:
        if self._high is self._low:
            self._high = copy.deepcopy(self._low)

    def _items(self) -> list[float | str | None]:
        items: list[float | str | None] = []
        for k in range(self._n_drawn):
            seq = self._frame_of.get(k)
            if seq is not None and seq in self._values:
                items.append(self._values[seq])
            elif seq is None and k in self._skipped:
                items.append(_ANYTHING if self._skipped[k] == "not reachable" else None)
            else:
                break
        return items

"""The interval of a guided section: over its drawn fields, in the order in which they were drawn.

The operator visits the fields in any order, so results come in that order. A confidence sequence over them would follow
the way over the section, where neighbours are alike and the first fields are not any fields. In the order of the draw
each value is one of a field drawn at random, whatever the order of the visits.

- A field that was skipped as bare glass or a fold holds nothing to classify, like a field that the quality check
  excludes: it is drawn, and has no score.
- A field that was *not reachable* may hold anything. Two sequences are kept: the lower end is that of the one that
  counts it as 0, the upper end that of the one that counts it as 1. Each is the interval of a lattice in which all
  fields out of reach score so, and the mean of the true one lies between the means of the two. So each end keeps its
  half of the miss probability, whatever the fields show, as long as where a field lies decides whether it can be
  reached.
- The interval takes fields up to the first one that is open, or whose frame has no result yet.

A field is known by its number k in the draw, a frame by its `seq`. The same facts in any order give the same bits.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final, NamedTuple

from hcc_scope.formatting import counted, percent
from hcc_scope.score_rule import ScoreRule
from hcc_scope.score_sequence import new_sequence
from hcc_scope.types import SampleCounts

if TYPE_CHECKING:
    from collections.abc import Collection

    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.types import SkipReason

__all__ = ["DrawnFields"]

_ANYTHING: Final = "anything"
"""In place of the value of a field that was not reachable."""


class _Value(NamedTuple):
    """What a drawn field adds to the interval."""

    score: float | None
    weight: int = 1
    weight_max: int = 1


_NOTHING = _Value(None)


class DrawnFields:
    """The drawn fields of one section, and the interval over them. Not thread-safe.

    Parameters
    ----------
    confidence : float
        Of the interval, at all times together.
    rule : ScoreRule, optional
        How the interval is made; its lattice is that of the draw.
    """

    def __init__(self, confidence: float = 0.95, rule: ScoreRule | None = None) -> None:
        self._confidence = confidence
        self._rule = ScoreRule() if rule is None else rule
        self._n_lattice: int | None = None
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
        self._values: dict[int, _Value] = {}
        """By frame."""
        self._weight_max = 1
        self._restart()

    def _restart(self) -> None:
        self._taken: list[_Value | str] = []
        self._low = self._high = new_sequence(self._rule, self._n_lattice, self._confidence)
        """One and the same, until a field was not reachable."""
        self._n = 0

    def fresh(self) -> DrawnFields:
        """Return the same fields, visits and skips, without any value."""
        fresh = DrawnFields(self._confidence, self._rule)
        fresh._n_lattice = self._n_lattice
        fresh._n_drawn, fresh._skipped_share, fresh._problem = self._n_drawn, self._skipped_share, self._problem
        fresh._skipped, fresh._undone = dict(self._skipped), set(self._undone)
        fresh._field_of, fresh._frame_of = dict(self._field_of), dict(self._frame_of)
        fresh._restart()
        return fresh

    # -- what happens ------------------------------------------------------------------------------------------------

    def draw(self, sample: DrawnSample) -> None:
        """Take which fields were drawn, with all that became of them so far."""
        self._n_drawn, self._skipped_share = sample.n_drawn, sample.skipped_share
        self._n_lattice = sample.n_lattice
        self._undone |= sample.undone
        self._skipped.update(sample.skips)
        for k, seq in sample.reached.items():
            self._field_of[seq] = k
        self._settle_frames()
        self._restart()

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

    def resolve(self, seq: int, value: float | None, weight: int = 1, weight_max: int = 1) -> None:
        """Take the score of a frame and what it counts; None if it has none, or never will have a result."""
        self._values[seq] = _NOTHING if value is None else _Value(value, weight, weight_max)
        if value is not None and weight_max != self._weight_max:
            self._weight_max = weight_max
            self._restart()  # fields out of reach count as much as any
        self._field_of.setdefault(seq, None)

    # -- what is known -----------------------------------------------------------------------------------------------

    @property
    def frames(self) -> list[int]:
        """The frames that show a drawn field, one for each field that was reached, by field."""
        return [seq for k, seq in sorted(self._frame_of.items()) if self._is_drawn(k)]

    def instead_of(self, seq: int) -> int | None:
        """Return the frame that counts for the drawn field that a frame shows, if it is another one."""
        k = self._field_of.get(seq)
        if k is None or seq in self._undone or not self._is_drawn(k):
            return None
        counting = self._frame_of.get(k)
        return None if counting == seq else counting

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

    @property
    def n_lattice(self) -> int | None:
        """Fields of the lattice that the sample was drawn from; None if that is not known."""
        return self._n_lattice

    def n_without_score(self) -> int:
        """Return how many drawn fields are visited, and have no score: skipped, or their frame has none."""
        shown = [self._values[seq] for seq in self.frames if seq in self._values]
        return len(self._open_skips()) + sum(value.score is None for value in shown)

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
        """Whether no mean is compatible with all values; see `hcc_scope.score_sequence.ScoreSequence.emptied`."""
        self._refresh()
        lower, upper = self._low.interval[0], self._high.interval[1]
        # equal ends of the first rule were both ruled out; of a lattice that was seen whole, they are its mean
        crossed = lower >= upper if self._rule.interval == 1 else lower > upper
        return crossed or (self._low.emptied and self._high.emptied)

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
            if isinstance(item, str):
                self._part_ends()
                self._low.add(0.0, self._weight_max, self._weight_max)
                self._high.add(1.0, self._weight_max, self._weight_max)
            else:
                for sequence in {self._low, self._high}:
                    sequence.add(*item)
                self._n += item.score is not None
        self._taken = items

    def _part_ends(self) -> None:
        if self._high is self._low:
            self._high = copy.deepcopy(self._low)

    def _items(self) -> list[_Value | str]:
        items: list[_Value | str] = []
        for k in range(self._n_drawn):
            seq = self._frame_of.get(k)
            if seq is not None and seq in self._values:
                items.append(self._values[seq])
            elif seq is None and k in self._skipped:
                items.append(_ANYTHING if self._skipped[k] == "not reachable" else _NOTHING)
            else:
                break
        return items

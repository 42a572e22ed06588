"""Compute the running score of a section, and of an animal, from tile logits.

Frame score (`hcc_scope.field_scores`) -> section score = mean over frames -> animal score = mean over sections. Frames
are the sampling unit: tiles of one field are not independent. By a section's rule (`hcc_scope.score_rule`) frames count
the same, or as many as they have included tiles. The score is a *mean tile probability*; what it says about the
probability of the section's class is another question (`hcc_scope.validation_text`).

Design notes
------------
- A score is a pure function of the *set* of results. Live, deferred frames arrive late and out of order; the mean is
  therefore kept as an exact sum, correctly rounded (as `math.fsum`), and the interval takes frames in order of ``seq``,
  up to the first that is still open. Whatever the order of arrival, a finished section has the same bits.
- A frame is *resolved* when it was classified, excluded or has failed, or was declared never to come (`skip`). Only a
  classified frame with at least one included tile enters score and interval.
- The score lies within its interval (rule 2), with one exception: while a frame is open that others have overtaken, the
  score rests on more frames than the interval. ``SectionScore.frames`` and ``interval_frames`` then differ, and the
  score does not count as stabilised.
- An operator can take a field out (`exclude`), before it is added: it is then resolved without a score, and its tiles
  are counted nowhere. To exclude one that was added, feed a fresh scorer with all others.
- A field that was taken again (`hcc_scope.retakes`) enters once, by the frame that counts, and at the place of its
  first frame: the interval and the test for drift see the fields in the order in which they were drawn. A retake is no
  field of its own (`drop`). `feed` decides this for a whole section.
- The interval (see `hcc_scope.lattice_confidence`) holds for fields sampled at random, and is about the mean over the
  fields of their lattice that can be classified: fields without tissue or out of focus reveal nothing about the tumour.
  What the score would be if all fields without one were low, or high, stands beside it (``excluded_bounds``).
- In a random plan the order of the fields is tested for drift (`hcc_scope.drift`). Where it is found, the interval may
  be wrong, and is not valid. In any other plan neighbours follow each other, and a drift cannot be told from them.
- In a *guided* section only frames that show a drawn field enter, and the interval takes them in the order of the draw,
  whatever the order of the visits (`hcc_scope.drawn_fields`). It is valid once all drawn fields are visited.

Examples
--------
>>> import numpy as np
>>> from hcc_scope.types import FrameResult
>>> scorer = SectionScorer(threshold=0.5, temperature=1.0, sampling="random")
>>> logits = np.float32([0.0, 3.0, np.nan])
>>> scorer.add(FrameResult(0, "classified", logits, calibrate(logits, 1.0), np.uint8([0, 0, 1]), "torchscript"))
>>> score = scorer.score()
>>> round(score.score, 3), score.frames, score.tiles, dict(score.tiles_excluded)
(0.726, 1, 2, {'no_tissue': 1})
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.animal_scoring import CONFIDENCE, NOT_VALID
from hcc_scope.drawn_fields import DrawnFields
from hcc_scope.drift import DriftTest
from hcc_scope.exact_sum import ExactSum
from hcc_scope.field_scores import FieldEntry, calibrate, field_entry, frame_score, log_odds
from hcc_scope.flag_texts import FLAG_TEXTS
from hcc_scope.formatting import counted, listed
from hcc_scope.retakes import Retakes
from hcc_scope.score_rule import ScoreRule
from hcc_scope.score_sequence import new_sequence
from hcc_scope.types import ExcludedBounds, QualityFlag, SectionScore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hcc_scope.score_sequence import ScoreSequence
    from hcc_scope.types import FrameResult, RunSpec, Sampling

__all__ = [
    "FieldEntry",
    "SectionScorer",
    "calibrate",
    "feed",
    "field_entry",
    "frame_score",
    "is_analysed",
    "log_odds",
    "prepare",
    "rescored",
]

DEVICE_FAILED = "a device failed during the run"
"""Why the fields of a random plan are no random choice; `FIELDS_SKIPPED` is another reason. Both no longer hold once
the plan goes on at the field at which it stood (`hcc_scope.storage.lasting_reasons`)."""
FIELDS_SKIPPED = "a field was not reached, so the others are no random choice of the section"

_NOT_RANDOM = {
    "raster": "fields were taken as a raster, not at random",
    "positions": "fields were chosen from a list, not at random",
    "time_series": "fields are a time series of one place, not at random",
    "sequence": "fields are a continuous sequence, not at random",
    "chosen": "fields were chosen by the operator, not at random",
    "imported": "the images were imported, and how their fields were chosen is not known",
}


class SectionScorer:
    """The running score of one section.

    Not thread-safe: one thread adds and asks, or the caller holds a lock.

    Parameters
    ----------
    threshold : float
        The model card's decision threshold; only passed on.
    temperature : float
        The one that the results' probabilities were calibrated with; only kept beside the score.
    sampling : str
        How the fields were chosen: the interval is valid for ``"random"``, and for ``"guided"`` once all drawn fields
        are visited.
    confidence : float
        Of the interval, at all times together.
    half_width_target : float
        The score counts as stabilised below this half-width, once no frame waits for an earlier one.
    min_fields : int
        And not before this many classified fields.
    threshold_interval : (float, float), optional
        The card's interval of the threshold; only passed on.
    rule : ScoreRule, optional
        How score and interval are made; `for_section` takes it from the run. As given: that of a store without a
        record.
    """

    def __init__(
        self,
        threshold: float,
        temperature: float,
        sampling: Sampling,
        *,
        confidence: float = CONFIDENCE,
        half_width_target: float = 0.1,
        min_fields: int = 8,
        threshold_interval: tuple[float, float] | None = None,
        rule: ScoreRule | None = None,
    ) -> None:
        self.threshold = threshold
        self.threshold_interval = threshold_interval
        self.temperature = temperature
        self.sampling = sampling
        self.half_width_target = half_width_target
        self.min_fields = min_fields
        self.confidence = confidence
        self.rule = ScoreRule() if rule is None else rule
        self._sequence = new_sequence(self.rule, self.rule.n_lattice, confidence)
        self._drift = DriftTest(self.rule.n_planned) if sampling == "random" and self.rule.interval > 1 else None
        self._sum = ExactSum()
        self._weight = 0
        self._weight_max = 1
        self._n_unscored = 0
        self._frames = 0
        self._tiles = 0
        self._tiles_excluded = dict.fromkeys(QualityFlag, 0)
        self._next_seq = 0
        self._ahead: dict[int, FieldEntry | None] = {}
        """Resolved frames beyond the first open one; None if they have no score."""
        self._excluded: set[int] = set()
        self._dropped: set[int] = set()
        self.retakes = Retakes()
        """Fields that were taken again, for `feed`."""
        self._retaken: dict[int, int] = {}
        self._set_aside: tuple[int, ...] = ()
        self._spoilt = ""
        self._drawn = DrawnFields(confidence, self.rule) if sampling == "guided" else None
        self._entries: dict[int, FieldEntry] = {}
        """Of a guided section: which frames enter is known at the end only."""

    @classmethod
    def for_section(
        cls,
        spec: RunSpec,
        threshold: float,
        temperature: float,
        *,
        threshold_interval: tuple[float, float] | None = None,
        confidence: float = CONFIDENCE,
    ) -> SectionScorer:
        """Return a fresh scorer for a run's section, by the rule that its spec records."""
        return cls(
            threshold,
            temperature,
            spec.sampling,
            confidence=confidence,
            threshold_interval=threshold_interval,
            rule=ScoreRule.of(spec),
        )

    @property
    def drawn(self) -> DrawnFields | None:
        """The drawn fields of a guided section, which take what happens to them; None for any other."""
        return self._drawn

    def fresh(self) -> SectionScorer:
        """Return a scorer with the same parameters, drawn fields and retakes, and without a result."""
        fresh = SectionScorer(
            self.threshold,
            self.temperature,
            self.sampling,
            confidence=self.confidence,
            half_width_target=self.half_width_target,
            min_fields=self.min_fields,
            threshold_interval=self.threshold_interval,
            rule=self.rule,
        )
        fresh._spoilt = self._spoilt
        fresh.retakes = self.retakes
        if self._drawn is not None:
            fresh._drawn = self._drawn.fresh()
        return fresh

    def spoil(self, why: str) -> None:
        """Declare that the fields are no random sample of the section, even if the plan was random.

        Parameters
        ----------
        why : str
            Half a sentence, for people.
        """
        self._spoilt = self._spoilt or why

    def add(self, result: FrameResult) -> None:
        """Take one frame's result; frames may come in any order, each once.

        Raises
        ------
        ValueError
            If the frame was already resolved, or a probability lies outside [0, 1].
        """
        self.add_entry(field_entry(result))

    def add_entry(self, entry: FieldEntry) -> None:
        """Take what `field_entry` made of a result; see `add`.

        Raises
        ------
        ValueError
            If the frame was already resolved.
        """
        self._check_open(entry.seq)
        enters = entry.seq not in self._excluded
        if enters and self._drawn is not None:
            self._entries[entry.seq] = entry
        elif enters:
            self._count(entry)
        self._resolve(entry.seq, entry if enters and entry.score is not None else None)

    def _count(self, entry: FieldEntry) -> None:
        for flag, n in zip(QualityFlag, entry.n_flagged, strict=True):
            self._tiles_excluded[flag] += n
        if entry.score is not None:
            weight, self._weight_max = self._weights(entry)
            self._sum.add(weight * entry.score)
            self._weight += weight
            self._frames += 1
            self._tiles += entry.n_included

    def _weights(self, entry: FieldEntry) -> tuple[int, int]:
        """Return what a frame counts, and the most that one can count."""
        return (1, 1) if self.rule.weight == "field" else (entry.n_included, entry.n_tiles)

    def exclude(self, seq: int) -> None:
        """Declare that a person takes a frame out: its result, when it comes, enters nothing but the count of these.

        Raises
        ------
        ValueError
            If the frame was already resolved: feed a fresh scorer with the others instead.
        """
        self._check_open(seq)
        self._excluded.add(seq)

    def skip(self, seq: int) -> None:
        """Declare that a frame will never have a result (lost from a damaged store): the interval does not wait for it.

        Raises
        ------
        ValueError
            If the frame was already resolved.
        """
        self._check_open(seq)
        self._resolve(seq, None)

    def drop(self, seq: int) -> None:
        """Declare that a frame is no field of its own, as it takes another one again; it counts nowhere.

        Raises
        ------
        ValueError
            If the frame was already resolved.
        """
        self._check_open(seq)
        self._dropped.add(seq)
        self._ahead[seq] = None
        self._follow()

    def take_retaken(self, retaken: Mapping[int, int], set_aside: tuple[int, ...]) -> None:
        """Take which frame counts for each field that was taken again, and which do not, to state it with the score."""
        self._retaken = {field: seq for field, seq in retaken.items() if seq != field}
        self._set_aside = set_aside

    def is_open(self, seq: int) -> bool:
        """Return whether a frame has neither a result nor was skipped."""
        return seq >= self._next_seq and seq not in self._ahead

    def score(self) -> SectionScore:
        """Return the present score; costs the same for any number of frames, of a guided section some us for each."""
        if self._drawn is not None:
            self._count_drawn(self._drawn)
        valid, reason = self._validity()
        stabilised = False
        if valid:
            stabilised, reason = self._stability()
        return SectionScore(
            score=self._sum.value() / self._weight if self._weight else None,
            interval=self._rests_on.interval,
            interval_frames=self._rests_on.n,
            interval_valid=valid,
            confidence=self.confidence,
            threshold=self.threshold,
            threshold_interval=self.threshold_interval,
            stabilised=stabilised,
            stabilised_reason=reason,
            frames=self._frames,
            tiles=self._tiles,
            tiles_excluded={FLAG_TEXTS[flag].key: n for flag, n in self._tiles_excluded.items() if n},
            fields_excluded_by_operator=len(self._excluded),
            spoilt=self._spoilt or None,
            sample=None if self._drawn is None else self._drawn.counts(self._excluded),
            weight=self.rule.weight,
            n_lattice=self._n_lattice,
            excluded_bounds=self._bounds(),
            drift=None if self._drift is None else self._drift.result,
            retaken=dict(self._retaken),
            set_aside=self._set_aside,
        )

    @property
    def _rests_on(self) -> ScoreSequence | DrawnFields:
        return self._sequence if self._drawn is None else self._drawn

    @property
    def _n_lattice(self) -> int | None:
        if self.rule.interval == 1:
            return None
        return self.rule.n_lattice if self._drawn is None else self._drawn.n_lattice

    def _bounds(self) -> ExcludedBounds | None:
        n = self._n_unscored if self._drawn is None else self._drawn.n_without_score()
        if not n or not self._weight:
            return None
        total, missing = self._sum.value(), n * self._weight_max
        whole = self._weight + missing
        return ExcludedBounds(n, total / whole, (total + missing) / whole)

    def _count_drawn(self, drawn: DrawnFields) -> None:
        """Count the frames that show a drawn field, and no others."""
        self._sum, self._weight, self._frames, self._tiles = ExactSum(), 0, 0, 0
        self._tiles_excluded = dict.fromkeys(QualityFlag, 0)
        for seq in drawn.frames:
            if seq in self._entries:
                self._count(self._entries[seq])

    def _check_open(self, seq: int) -> None:
        if seq < 0:
            raise ValueError(f"a frame's number cannot be negative ({seq})")
        if not self.is_open(seq):
            raise ValueError(f"frame {seq} was already scored or skipped")

    def _resolve(self, seq: int, entry: FieldEntry | None) -> None:
        if self._drawn is not None:
            self._drawn.resolve(seq, *self._value_of(entry))
        self._n_unscored += entry is None
        self._ahead[seq] = entry
        self._follow()

    def _follow(self) -> None:
        """Give the interval what is resolved up to the first open frame."""
        while self._next_seq in self._ahead:
            seq, following = self._next_seq, self._ahead.pop(self._next_seq)
            self._next_seq += 1
            if self._drawn is not None or seq in self._dropped:
                continue
            self._sequence.add(*self._value_of(following))
            if self._drift is not None and following is not None:
                self._drift.add((following.score, following.level, following.focus))

    def _value_of(self, entry: FieldEntry | None) -> tuple[float | None, int, int]:
        """Return a frame's score, what it counts, and the most that one can count."""
        return (None, 1, 1) if entry is None else (entry.score, *self._weights(entry))

    def _validity(self) -> tuple[bool, str]:
        if self.sampling not in ("random", "guided"):
            return False, f"{NOT_VALID}{_NOT_RANDOM[self.sampling]}"
        if self._spoilt:
            return False, f"{NOT_VALID}{self._spoilt}"
        if self._drawn is not None and (why := self._drawn.why_not_valid()):
            return False, f"{NOT_VALID}{why}"
        if self._rests_on.emptied:
            return False, f"{NOT_VALID}the fields' scores drift, no single mean fits them all"
        if self._sequence.n_beyond:
            return False, f"{NOT_VALID}more fields were taken than the plan's lattice has"
        if self._drift is not None and (found_in := self._drift.result.found_in):
            return False, f"{NOT_VALID}fields drift over time in {listed(found_in)}, the interval may be wrong"
        return True, ""

    def _stability(self) -> tuple[bool, str]:
        n_fields, half_width = self._rests_on.n, self._rests_on.half_width
        waits = f"frame {self._next_seq}" if self._ahead else ""
        if self._drawn is not None:
            waits = "" if self._drawn.waits_for is None else f"drawn field {self._drawn.waits_for}"
        if waits:  # the score rests on frames that the interval does not: it may even lie outside
            return (
                False,
                f"interval over the first {n_fields} of {counted(self._frames, 'frame')}; {waits} is still open",
            )
        if n_fields == 0:
            return False, "no field classified yet"
        if n_fields < self.min_fields:
            return False, f"{n_fields} of at least {counted(self.min_fields, 'field')} so far"
        shown = math.ceil(half_width * 100) / 100  # up: never narrower than it is
        if half_width >= self.half_width_target:
            return False, f"interval still ±{shown:.2f}, target ±{self.half_width_target:.2f}"
        return True, f"interval ±{shown:.2f} after {counted(n_fields, 'field')}, target ±{self.half_width_target:.2f}"


def rescored(
    results: Mapping[int, FrameResult], scorer: SectionScorer, n_frames: int, excluded: Collection[int] = ()
) -> SectionScore:
    """Return the score of these results without the fields of `excluded`.

    Parameters
    ----------
    results : mapping
        By `seq`; frames below `n_frames` that it lacks count as never to come.
    scorer : SectionScorer
        Gives threshold, temperature and so on; it is left as it is.
    n_frames : int
    excluded : collection of int
    """
    fresh = scorer.fresh()
    entries = ((seq, field_entry(results[seq]) if seq in results else None) for seq in range(n_frames))
    feed(fresh, entries, excluded)
    return fresh.score()


def is_analysed(results: Mapping[int, FrameResult] | Mapping[int, FieldEntry | None], seq: int) -> bool:
    """Return whether a frame has a result that has not failed, so that it counts if it is a retake."""
    result = results.get(seq)
    return result is not None and result.outcome != "failed"


def feed(
    scorer: SectionScorer, entries: Iterable[tuple[int, FieldEntry | None]], excluded: Collection[int] = ()
) -> None:
    """Give a fresh scorer the frames of a section, each field by the frame that counts; parameters of `prepare`.

    Raises
    ------
    ValueError
        If a frame comes twice.
    """
    for seq, entry in prepare(scorer, entries, excluded):
        if entry is None:
            scorer.skip(seq)
        else:
            scorer.add_entry(entry)


def prepare(
    scorer: SectionScorer, entries: Iterable[tuple[int, FieldEntry | None]], excluded: Collection[int] = ()
) -> list[tuple[int, FieldEntry | None]]:
    """Declare to a fresh scorer what is out of its score, and return the fields that it is to be given.

    Parameters
    ----------
    scorer : SectionScorer
        Without a result; it holds the retakes.
    entries : iterable of (int, FieldEntry or None)
        `seq` of every frame that is resolved, and what `field_entry` made of its result; None for a frame that will
        never have one.
    excluded : collection of int
        `seq` of the frames that an operator excluded.

    Returns
    -------
    list of (int, FieldEntry or None)
        One for each field, by the number of its first frame.
    """
    retakes = scorer.retakes
    for seq in retakes:
        scorer.drop(seq)
    for seq in sorted(excluded):
        if not retakes.involves(seq):
            scorer.exclude(seq)
    fields: list[tuple[int, FieldEntry | None]] = []
    again: dict[int, FieldEntry | None] = {}
    for seq, entry in entries:
        if retakes.involves(seq):
            again[seq] = entry
        else:
            fields.append((seq, entry))

    analysed = partial(is_analysed, again)
    counting = retakes.counting(analysed)
    for field, seq in counting.items():
        if seq in excluded:
            scorer.exclude(field)
        if seq in again:  # else none of the field's frames has a result yet
            entry = again[seq]
            fields.append((field, None if entry is None else replace(entry, seq=field)))
    scorer.take_retaken(counting, retakes.set_aside(analysed))
    return fields

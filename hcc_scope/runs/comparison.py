"""Compare two analyses of the same frames: equal or not, and where they differ; one rule for command line and window.

The rule
--------
- Fields that both analyses hold, and that failed in neither, are compared; the others are counted.
- One engine gives one result: flags, log-odds, probabilities and distances have the same bits.
- Two engines of one model may differ: a probability by the model's tolerance, a distance from the training tiles by
  `hcc_scope.inference.agreement.DISTANCE_TOLERANCE`. Flags are the same, except ``UNLIKE_TRAINING`` of a tile whose
  distances both lie that near to the threshold: such a tile is compared as the recorded analysis flags it.
- Two models have no tolerance.
- The score that the run recorded is that of the other analysis, if every field was compared; between two engines within
  the same tolerance, since a mean of probabilities moves by no more than they do.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.formatting import counted, sentence
from hcc_scope.inference.agreement import DISTANCE_TOLERANCE
from hcc_scope.runs.section_analyses import section_score
from hcc_scope.runs.tile_differences import (
    as_flagged_in,
    compared_fields,
    first_difference,
    largest_distance,
    largest_probability,
    n_answered,
    on_other_sides,
    scores_unlike_tiles,
    usable_in_both,
)
from hcc_scope.scoring import frame_score

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from hcc_scope.runs.section_analyses import SectionAnalysis
    from hcc_scope.storage.reader import SectionStore

__all__ = ["Comparison", "FieldDifference", "Verdict", "compare"]


class Verdict(enum.Enum):
    """The result of a comparison."""

    NOTHING = "nothing to compare"
    EQUAL = "equal bit for bit"
    WITHIN_TOLERANCE = "within tolerance, not bit for bit"
    DIFFERENT = "the analysis differs"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field in both analyses."""

    seq: int
    first: float | None
    """Its score; None without one."""
    second: float | None
    largest: float
    """Difference of a tile's probability; NaN if no tile has one in both."""
    sides_changed: int
    """Tiles on the other side of the threshold, each analysis with its own."""
    flags_changed: int
    """Tiles with other quality flags."""
    equal: bool
    """All flags, log-odds, probabilities and distances, bit for bit."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a second analysis differs from a first; made by `compare`."""

    first: SectionAnalysis
    second: SectionAnalysis
    verdict: Verdict
    answer: str
    """The verdict and what it rests on, as a sentence without capital and full stop."""
    remarks: tuple[str, ...]
    """What else is worth knowing, each a whole sentence."""
    fields: tuple[FieldDifference, ...]
    """In order of `seq`; fields that one side has not analysed are left out."""
    pairs: NDArray[np.float32]
    """(n, 2) probabilities of tiles classified in both."""
    pair_places: NDArray[np.int64]
    """(n, 2) field and tile of each pair."""
    left_out: int
    """Stored fields that an analysis lacks, or on which it failed."""
    largest_difference: float
    """Of a tile's probability; infinite where tiles or flags are not the same, 0 if there is nothing to compare."""

    @property
    def equal(self) -> bool:
        """Whether everything compared is the same bit for bit."""
        return self.verdict is Verdict.EQUAL

    @property
    def largest(self) -> float:
        """Largest difference of a probability among tiles classified in both; NaN if there is none."""
        return float(np.abs(self.pairs[:, 1] - self.pairs[:, 0]).max()) if len(self.pairs) else math.nan

    @property
    def sides_changed(self) -> int:
        """Tiles on the other side of the threshold."""
        return sum(one.sides_changed for one in self.fields)

    def sentence(self) -> str:
        """Return the answer and the remarks as sentences."""
        return " ".join((sentence(self.answer), *self.remarks))


def compare(store: SectionStore, first: SectionAnalysis, second: SectionAnalysis) -> Comparison:
    """Compare two analyses of a store's frames.

    Parameters
    ----------
    store : SectionStore
        Holds the frames; gives the recorded score its rules.
    first, second : SectionAnalysis
        In the order in which they are shown; the order does not change the verdict.

    Raises
    ------
    StoreError
        If a score has to be computed again and the store's notes cannot be read.
    """
    if first.grid.tile_px != second.grid.tile_px:
        answer = (
            f"nothing to compare: {first.title} has tiles of {first.grid.tile_px} px, {second.title} of "
            f"{second.grid.tile_px} px"
        )
        return _nothing(store, first, second, answer)
    seqs = compared_fields(first.results, second.results)
    if not seqs:
        return _nothing(store, first, second, "nothing to compare: no field was analysed in both")
    judged = _judge(store, first, second, seqs)
    pairs, places, fields = [], [], []
    for seq in seqs:
        one, other = first.results[seq], second.results[seq]
        both = usable_in_both(one, other)
        pair = np.stack([one.probabilities[both], other.probabilities[both]], axis=1)
        pairs.append(pair)
        places.append(np.stack([np.full(len(pair), seq), np.flatnonzero(both)], axis=1))
        fields.append(_field(seq, first, second, pair, equal=seq not in judged.unequal))
    comparison = Comparison(
        first,
        second,
        judged.verdict,
        judged.answer,
        (),
        tuple(fields),
        np.concatenate(pairs).astype(np.float32),
        np.concatenate(places).astype(np.int64),
        max(0, store.n_frames - len(seqs)),
        judged.largest_probability,
    )
    return replace(comparison, remarks=(*judged.remarks, *_remarks(comparison), *_not_compared(comparison)))


def _nothing(store: SectionStore, first: SectionAnalysis, second: SectionAnalysis, answer: str) -> Comparison:
    none = np.empty((0, 2), np.float32)
    places = np.empty((0, 2), np.int64)
    return Comparison(first, second, Verdict.NOTHING, answer, (), (), none, places, store.n_frames, 0.0)


# -- the verdict -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Judged:
    verdict: Verdict
    answer: str
    remarks: tuple[str, ...]
    largest_probability: float
    unequal: frozenset[int]
    """Fields in which a bit is different."""


def _judge(store: SectionStore, first: SectionAnalysis, second: SectionAnalysis, seqs: Sequence[int]) -> _Judged:
    """Decide, with the analysis that the run recorded as what the other is held against."""
    swapped = first.recorded is None and second.recorded is not None
    recorded, other = (second, first) if swapped else (first, second)
    one_model = first.model_sha256 is not None and first.model_sha256 == second.model_sha256
    engines = [_engines(analysis, seqs) for analysis in (recorded, other)]
    one_engine = engines[0] == engines[1] and len(engines[0]) == 1
    tolerance = (
        0.0 if one_engine or not one_model else max(first.card.probability_tolerance, second.card.probability_tolerance)
    )
    titles = (recorded.title, other.title)
    unequal = {seq: first_difference(recorded.results[seq], other.results[seq], titles) for seq in seqs}
    unequal = {seq: difference for seq, difference in unequal.items() if difference}
    found, results, n_near = unequal, other.results, 0
    unlike_in_one = _describe_unlike_in_one(recorded, other, seqs) if one_model else ""
    if one_model and not one_engine and not unlike_in_one:
        results, n_near = as_flagged_in(recorded.results, results, *_temperature_and_limit(recorded, other))
    if n_near:
        found = {seq: first_difference(recorded.results[seq], results[seq], titles) for seq in unequal}
        found = {seq: difference for seq, difference in found.items() if difference}
    largest = largest_probability(recorded.results, results, seqs)
    apart = largest_distance(recorded.results, results, seqs, _distance_scale(recorded, other))
    context = (
        "" if one_engine else f" ({recorded.title} on {_listed(engines[0])}, {other.title} on {_listed(engines[1])})"
    )
    context += _describe_cards(recorded, other, one_model=one_model) + unlike_in_one
    remarks: tuple[str, ...] = (_describe_near(n_near),) if n_near else ()
    if found and not (tolerance > 0 and largest <= tolerance and apart <= DISTANCE_TOLERANCE):
        limits = ""
        if 0 < tolerance < largest < math.inf:
            limits += f", a probability by {largest:.2g} (tolerance {tolerance:g})"
        if tolerance > 0 and DISTANCE_TOLERANCE < apart < math.inf:
            limits += f", a distance from the training tiles by {apart:.2g} (tolerance {DISTANCE_TOLERANCE:g})"
        where = f"in {len(found)} of {counted(len(seqs), 'field')}"
        at = min(found)
        answer = f"{Verdict.DIFFERENT.value} {where}{limits}{context}; first: field {at}{found[at]}"
        if one_engine and one_model and not recorded.card.changes(other.card) and not unlike_in_one:
            remarks = ("One engine should give one result bit for bit: this is a fault.", *remarks)
        return _Judged(Verdict.DIFFERENT, answer, remarks, largest, frozenset(unequal))
    # a journal that lost lines has its own problem, reported elsewhere: its score cannot be the recorded one
    if len(seqs) == store.n_frames == store.recorded_frames and recorded.recorded is not None:
        wrong, more = _compare_scores(
            store, recorded, replace(other, results=results), tolerance if found else 0.0, as_flagged=n_near > 0
        )
        remarks = (*remarks, *more)
        if wrong is not None:
            return _Judged(
                Verdict.DIFFERENT, f"{Verdict.DIFFERENT.value}: {wrong}{context}", remarks, largest, frozenset(unequal)
            )
    what = f"{counted(n_answered(recorded.results, results, seqs), 'tile')} of {counted(len(seqs), 'field')}"
    if not found:
        return _Judged(Verdict.EQUAL, f"{Verdict.EQUAL.value}: {what}", remarks, largest, frozenset(unequal))
    limits = f"probabilities differ by at most {largest:.2g} (tolerance {tolerance:g})"
    answer = f"{Verdict.WITHIN_TOLERANCE.value}: {what}, {limits}{context}"
    return _Judged(Verdict.WITHIN_TOLERANCE, answer, remarks, largest, frozenset(unequal))


def _describe_near(n: int) -> str:
    tiles = f"{counted(n, 'tile')} {'is' if n == 1 else 'are'}"
    return (
        f"{tiles} so near the limit of 'unlike training' that the engines flag {'it' if n == 1 else 'them'} "
        "differently; compared as recorded."
    )


def _engines(analysis: SectionAnalysis, seqs: Iterable[int]) -> frozenset[str]:
    return frozenset(analysis.results[seq].engine for seq in seqs)


def _listed(engines: Iterable[str]) -> str:
    return ", ".join(sorted(engines)) or "an unknown engine"


def _temperature_and_limit(recorded: SectionAnalysis, other: SectionAnalysis) -> tuple[float | None, float | None]:
    """Return what a tile that enters again is calibrated with, and the limit that both engines were held to."""
    temperature = recorded.card.temperature if other.card.temperature is None else other.card.temperature
    limit = None if recorded.score_unlike else _threshold_of_distances(recorded, other)
    return temperature, limit


def _threshold_of_distances(recorded: SectionAnalysis, other: SectionAnalysis) -> float | None:
    return recorded.card.unlike_threshold if other.card.unlike_threshold is None else other.card.unlike_threshold


def _distance_scale(recorded: SectionAnalysis, other: SectionAnalysis) -> float:
    threshold = _threshold_of_distances(recorded, other)
    return 1.0 if threshold is None else threshold


def _describe_cards(recorded: SectionAnalysis, other: SectionAnalysis, *, one_model: bool) -> str:
    """Return, for the end of a sentence, what is different about the models; empty if nothing."""
    if None in (recorded.model_sha256, other.model_sha256):
        return f" (not known whether by one model: {recorded.model}, {other.model})"
    if not one_model:
        return f" (by different models: {recorded.model}, {other.model})"
    changes = recorded.card.changes(other.card)
    return f" (the model's card has changed: {changes})" if changes else ""


def _describe_unlike_in_one(recorded: SectionAnalysis, other: SectionAnalysis, seqs: Sequence[int]) -> str:
    """Return, for the end of a sentence, which analysis alone scores tiles unlike the training tiles; empty if none."""
    choices = {
        one.title: scores_unlike_tiles(one.results, seqs, one.card.unlike_threshold) for one in (recorded, other)
    }
    if set(choices.values()) != {True, False}:
        return ""
    title = next(title for title, scores in choices.items() if scores)
    return f" (only {title} scores the tiles that are unlike the training tiles)"


def _compare_scores(
    store: SectionStore, recorded: SectionAnalysis, other: SectionAnalysis, tolerance: float, *, as_flagged: bool
) -> tuple[str | None, list[str]]:
    """Return what is wrong with the score that the run recorded, or None, and what else is worth knowing.

    The recorded score rests on the fields that were in when the run ended. If fields were taken out or in since, the
    other analysis is scored as then.

    Parameters
    ----------
    store : SectionStore
    recorded, other : SectionAnalysis
    tolerance : float
        0 where bits are promised.
    as_flagged : bool
        Whether `other` has flags that are not its own, so that its own score is not that of its results.
    """
    then = recorded.recorded
    if then is None or then.score is None:
        return None, []
    remarks = []
    score = other.score
    if then.excluded_by_operator != other.excluded or as_flagged:
        score = section_score(
            other.results, store, other.threshold, then.excluded_by_operator, other.threshold_interval
        )
    if then.excluded_by_operator != other.excluded:
        n_then, n_now = len(then.excluded_by_operator), len(other.excluded)
        remarks.append(
            f"The operator's exclusions were changed after the run: {counted(n_then, 'field')} then, {n_now} now; the "
            "recorded score was compared without those of then."
        )
    near = tolerance > 0 and score.score is not None and abs(score.score - then.score) <= tolerance
    if near or (then.score, then.interval) == (score.score, score.interval):
        return None, remarks
    return (
        f"score {_shown(then.score, then.interval)} recorded, {_shown(score.score, score.interval)} in {other.title}",
        remarks,
    )


def _shown(score: float | None, interval: tuple[float, float] | None) -> str:
    """Return a score to the last bit: a difference may lie there."""
    return f"{score} {'without an interval' if interval is None else f'[{interval[0]}, {interval[1]}]'}"


# -- field by field ----------------------------------------------------------------------------------------------------


def _field(
    seq: int, first: SectionAnalysis, second: SectionAnalysis, pair: NDArray[np.float32], *, equal: bool
) -> FieldDifference:
    one, other = first.results[seq], second.results[seq]
    flags = (
        int(np.count_nonzero(one.flags != other.flags)) if one.flags.shape == other.flags.shape else len(other.flags)
    )
    return FieldDifference(
        seq,
        frame_score(one),
        frame_score(other),
        float(np.abs(pair[:, 1] - pair[:, 0]).max()) if len(pair) else math.nan,
        int(np.count_nonzero(on_other_sides(pair, (first.threshold, second.threshold)))),
        flags,
        equal,
    )


def _remarks(comparison: Comparison) -> list[str]:
    n, thresholds = comparison.sides_changed, {comparison.first.threshold, comparison.second.threshold}
    lie = f"{counted(n, 'tile')} {'lies' if n == 1 else 'lie'}"
    remarks = []
    if not comparison.equal and len(comparison.pairs):
        mean = float(np.abs(comparison.pairs[:, 1] - comparison.pairs[:, 0]).mean())
        remarks.append(f"Probabilities differ by at most {comparison.largest:.2g}, {mean:.2g} on average.")
    if n:
        own = "With their own thresholds, " if len(thresholds) > 1 else ""
        remarks.append(f"{own}{lie} on the other side of the threshold.")
    if flags := sum(one.flags_changed for one in comparison.fields):
        remarks.append(f"{counted(flags, 'tile')} {'has' if flags == 1 else 'have'} other quality flags.")
    return remarks


def _not_compared(comparison: Comparison) -> list[str]:
    return [f"{counted(comparison.left_out, 'field')} could not be compared."] if comparison.left_out else []

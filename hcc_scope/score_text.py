"""The statement about a section's score: one wording for the window, the report's page and the command line.

A side of the threshold is named only once the whole, valid interval lies on it (`decision`); where the model's card has
an interval of the threshold itself, beyond that. An interval that is not valid is not written down: its numbers would
pass for a claim.

All functions take the same `SectionScore`. `describe_score` is the whole sentence; where a place has room for a part
only, that part is `format_section_score`, `describe_interval` or `verdict`, and the words are the same.

Examples
--------
>>> from hcc_scope.scoring import FieldEntry, SectionScorer
>>> scorer = SectionScorer(threshold=0.45, temperature=1.0, sampling="random")
>>> describe_score(scorer.score())
'No score: no field is classified'
>>> for seq in range(40):
...     scorer.add_entry(FieldEntry(seq, "classified", 0.9, 4, (0, 0, 0, 0, 0)))
>>> verdict(scorer.score()).title
'High metastatic side'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from hcc_scope.animal_scoring import CONFIDENCE, NOT_VALID
from hcc_scope.flag_texts import describe_reason_counts
from hcc_scope.formatting import counted, format_score, format_threshold, listed, percent

if TYPE_CHECKING:
    from hcc_scope.types import SampleCounts, SectionScore

__all__ = [
    "SAMPLING_TEXTS",
    "SCORE_DECIMALS",
    "SCORE_NAME",
    "VERDICT_TITLES",
    "Verdict",
    "VerdictKind",
    "decision",
    "describe_animal_interval",
    "describe_animal_mean",
    "describe_assumed_threshold",
    "describe_drift",
    "describe_excluded_bounds",
    "describe_interval",
    "describe_lattice",
    "describe_named_score",
    "describe_sample",
    "describe_score",
    "describe_stability",
    "describe_threshold_interval",
    "format_confidence",
    "format_section_score",
    "format_section_threshold",
    "verdict",
    "verdict_kind",
    "why_not_valid",
]

SCORE_NAME = "mean tile probability"
"""What a section's score is called: it is no probability that the section is high."""
SCORE_DECIMALS = 3
"""Of a section's score, its interval and the threshold beside them, at least."""

SAMPLING_TEXTS: dict[str, str] = {
    "random": "random fields",
    "raster": "a raster",
    "positions": "a list of positions",
    "time_series": "a time series",
    "sequence": "a continuous sequence",
    "guided": "random fields, visited by hand",
    "chosen": "fields chosen by the operator",
    "imported": "images that were imported",
}
"""How fields were chosen (`hcc_scope.types.Sampling`), for a sentence."""

VerdictKind = Literal["none", "not valid", "undecided", "low", "high"]
VERDICT_TITLES: dict[VerdictKind, str] = {
    "none": "No score",
    "not valid": "No decision",
    "undecided": "Undecided",
    "low": "Low metastatic side",
    "high": "High metastatic side",
}


class Verdict(NamedTuple):
    """The statement about the threshold."""

    kind: VerdictKind
    title: str
    """A few words, with a capital."""
    why: str
    """Half a sentence."""

    @property
    def sentence(self) -> str:
        """Both in one, without a full stop."""
        return f"{self.title}: {self.why}"


def decision(score: SectionScore) -> Literal["low", "high"] | None:
    """Return the side of the threshold on which the whole interval lies; None while it is open.

    No early verdict: a score without a valid interval decides nothing, nor does one whose interval contains the
    threshold or meets the threshold's own interval. Ends belong to the intervals.
    """
    low, high = score.interval
    if score.score is None or not score.interval_valid:
        return None
    lowest, highest = _threshold_ends(score)
    if low > highest:
        return "high"
    return "low" if high < lowest else None


def verdict_kind(score: SectionScore | None) -> VerdictKind:
    """Return the kind of the statement about the threshold, without its words; None is a section without a frame."""
    if score is None or score.score is None:
        return "none"
    return (decision(score) or "undecided") if score.interval_valid else "not valid"


def _threshold_ends(score: SectionScore) -> tuple[float, float]:
    """Return from where to where the threshold may be; both ends are the threshold where its interval is not known."""
    low, high = score.threshold_interval or (score.threshold, score.threshold)
    return min(low, score.threshold), max(high, score.threshold)


def verdict(score: SectionScore | None) -> Verdict:
    """Return the statement about the threshold, and its reason; None is a section without a frame."""
    kind = verdict_kind(score)
    return Verdict(kind, VERDICT_TITLES[kind], _why(kind, score))


def _why(kind: VerdictKind, score: SectionScore | None) -> str:
    if score is None or kind == "none":
        return _why_no_score(score)
    if kind == "not valid":
        return f"the interval is not valid ({why_not_valid(score)})"
    beside = format_section_threshold(score)
    own = describe_threshold_interval(score)
    if kind == "undecided":
        if own and not score.interval[0] <= score.threshold <= score.interval[1]:
            return f"the interval meets that of the threshold {beside}, {own}"
        return f"the interval contains the threshold {beside}"
    where = "above" if kind == "high" else "below"
    what = f"that of the threshold {beside}, {own}" if own else f"the threshold {beside}"
    return f"the whole interval is {where} {what}"


def why_not_valid(score: SectionScore) -> str:
    """Return why the interval is not valid, as half a sentence; empty if it is valid."""
    if score.interval_valid:
        return ""
    reason = score.stabilised_reason
    if reason.startswith(NOT_VALID):
        return reason.removeprefix(NOT_VALID)
    return score.spoilt or reason or "the reason is not recorded"


def format_section_score(score: SectionScore) -> str:
    """Return the score alone, fine enough to see on which side of the threshold it is; ``no score`` without one."""
    return "no score" if score.score is None else _format_beside(score.score, score)


def format_confidence(score: SectionScore) -> str:
    """Return the confidence of the interval, not rounded to whole per cent: ``97.5 %``."""
    return percent(score.confidence, 2)


def format_section_threshold(score: SectionScore) -> str:
    """Return the threshold, fine enough to stand beside the score and, if valid, its interval."""
    return format_threshold(score.threshold, *_beside_threshold(score), decimals=SCORE_DECIMALS)


def _beside_threshold(score: SectionScore) -> list[float | None]:
    """Return the numbers that stand beside a threshold."""
    return [score.score, *(score.interval if score.score is not None and score.interval_valid else ())]


def _format_beside(value: float, score: SectionScore) -> str:
    """Return a score or an end of its interval, fine enough to see its side of the threshold and of its interval."""
    ends = {score.threshold, *_threshold_ends(score)}
    forms = [format_score(value, end, SCORE_DECIMALS) for end in ends]
    if value == score.threshold:
        forms.append(format_section_threshold(score))  # one number has one form
    return max(forms, key=len)


def describe_threshold_interval(score: SectionScore) -> str:
    """Return the interval of the threshold itself, fine enough to stand beside the score's; empty if it has none."""
    ends = _threshold_ends(score)
    if ends[0] == ends[1]:
        return ""
    low, high = (format_threshold(end, *_beside_threshold(score), decimals=SCORE_DECIMALS) for end in ends)
    return f"{low} to {high}"


def describe_assumed_threshold(threshold: float) -> str:
    """Return, as a whole sentence, that a store names no threshold, and which one is assumed."""
    return f"The store names no threshold; {format_threshold(threshold)} is assumed."


def describe_interval(score: SectionScore) -> str:
    """Return the interval, and why the score does not lie well within it where it does not; empty without a valid one.

    A score can lie outside because the interval rests on fewer frames, or (in stores of the first rule) because fields
    scored differently early and late.
    """
    if score.score is None or not score.interval_valid:
        return ""
    low, high = (_format_beside(end, score) for end in score.interval)
    text = f"{format_confidence(score)} interval {low} to {high}"
    if score.interval_frames != score.frames:
        text += f" (over the first {score.interval_frames:,} of {counted(score.frames, 'frame')})"
    elif not score.interval[0] <= score.score <= score.interval[1]:
        text += " (the score lies outside: fields scored differently early and late)"
    elif score.n_lattice is not None and score.interval[0] == score.interval[1]:
        text += f" (all {counted(score.n_lattice, 'field')} of the lattice were seen)"
    return text


def describe_lattice(score: SectionScore) -> str:
    """Return what mean the interval is about, as half a sentence; empty without a valid interval or a known lattice."""
    if score.n_lattice is None or not describe_interval(score):
        return ""
    return (
        f"the interval is about the mean over the {counted(score.n_lattice, 'field')} of the lattice that fields were "
        "drawn from, as far as they can be classified"
    )


def describe_excluded_bounds(score: SectionScore) -> str:
    """Return what the score would be if all fields without one were low, or high, as half a sentence; empty if none is.

    Examples
    --------
    >>> from hcc_scope.scoring import FieldEntry, SectionScorer
    >>> scorer = SectionScorer(threshold=0.45, temperature=1.0, sampling="random")
    >>> for seq in range(9):
    ...     scorer.add_entry(FieldEntry(seq, "classified", 0.5, 4, (0, 0, 0, 0, 0)))
    >>> scorer.skip(9)
    >>> describe_excluded_bounds(scorer.score())
    '0.450 if the 1 field without a score were low, 0.550 if it were high'
    """
    bounds = score.excluded_bounds
    if bounds is None:
        return ""
    low, high = (format_score(end, score.threshold, SCORE_DECIMALS) for end in (bounds.low, bounds.high))
    every, they = ("", "it") if bounds.fields == 1 else ("all ", "all")
    fields = counted(bounds.fields, "field")
    return f"{low} if the {fields} without a score were {every}low, {high} if {they} were high"


def describe_drift(score: SectionScore) -> str:
    """Return what the test for drift found, as half a sentence; empty where there was none, or before two fields."""
    if score.drift is None or score.drift.fields < 2:
        return ""
    if score.drift.found_in:
        return f"fields drift over time in {listed(score.drift.found_in)}: the interval may be wrong"
    fields = counted(score.drift.fields, "field")
    return f"no drift of score, grey level or focus found over {fields}"


def describe_score(score: SectionScore) -> str:
    """Return the score, its interval, the statement about the threshold, and what is known of fields without a score.

    One line that starts like a sentence and has no full stop.
    """
    stated = verdict(score)
    if stated.kind == "none":
        return stated.sentence
    numbers = ", ".join(filter(None, (format_section_score(score), describe_interval(score))))
    if stated.kind == "not valid":
        numbers += f" (threshold {format_section_threshold(score)})"
    n = score.fields_excluded_by_operator
    excluded = f"; {counted(n, 'field')} excluded by the operator" if n else ""
    excluded += f"; {counted(n, 'field')} taken again" if (n := len(score.retaken)) else ""
    weighted = "fields are weighted by their usable tiles" if score.weight == "tissue" else ""
    parts = (weighted, describe_sample(score.sample), describe_excluded_bounds(score))
    beside = "".join(f"; {text}" for text in parts if text)
    return f"{numbers}; {stated.title[:1].lower()}{stated.title[1:]}: {stated.why}{excluded}{beside}"


def describe_named_score(score: SectionScore) -> str:
    """Return `describe_score` with the score's name before its number, for a place without a heading."""
    text = describe_score(score)
    return text if score.score is None else f"{SCORE_NAME} {text}"


def describe_animal_mean(
    n_sections: int,
    mean: float,
    interval: tuple[float, float] | None = None,
    *,
    confidence: float = CONFIDENCE,
    why_no_interval: str = "",
) -> str:
    """Return the score of an animal over its sections, with its interval or the reason why there is none.

    Parameters
    ----------
    n_sections : int
        Those with a score.
    mean : float
        Of their scores.
    interval : (float, float), optional
        About the mean over these sections, not over others of the animal.
    confidence : float
        Of the interval.
    why_no_interval : str
        Half a sentence; empty if the interval is not asked for.

    Examples
    --------
    >>> describe_animal_mean(3, 0.5124, (0.4013, 0.6221))
    'mean of 3 sections 0.512, 95 % interval 0.401 to 0.622'
    >>> describe_animal_mean(1, 0.5124, why_no_interval="section S1 has no valid interval")
    'mean of 1 section 0.512 (no interval: section S1 has no valid interval)'
    """
    text = f"mean of {counted(n_sections, 'section')} {mean:.{SCORE_DECIMALS}f}"
    if interval is not None:
        return f"{text}, {describe_animal_interval(interval, confidence=confidence)}"
    return f"{text} (no interval: {why_no_interval})" if why_no_interval else text


def describe_animal_interval(interval: tuple[float, float], *, confidence: float = CONFIDENCE) -> str:
    """Return the interval of an animal's score, as in `describe_animal_mean`."""
    low, high = (f"{end:.{SCORE_DECIMALS}f}" for end in interval)
    return f"{percent(confidence, 2)} interval {low} to {high}"


def describe_sample(sample: SampleCounts | None) -> str:
    """Return which drawn fields were skipped and which frames do not count, as half a sentence; empty if none.

    Examples
    --------
    >>> from hcc_scope.types import SampleCounts
    >>> describe_sample(SampleCounts(24, 21, {"bare glass": 2, "not reachable": 1}, not_of_sample=4))
    '3 of 24 drawn fields skipped (2 bare glass, 1 not reachable); 4 frames are not of the sample and do not count'
    """
    if sample is None:
        return ""
    parts = []
    if sample.skipped:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sample.skipped.items())
        n_skipped = sum(sample.skipped.values())
        parts.append(f"{n_skipped} of {counted(sample.drawn, 'drawn field')} skipped ({reasons})")
    if n := sample.not_of_sample:
        verbs = "is not of the sample and does" if n == 1 else "are not of the sample and do"
        parts.append(f"{counted(n, 'frame')} {verbs} not count")
    return "; ".join(parts)


def describe_stability(score: SectionScore) -> str:
    """Return whether more fields would change the score much, and why; empty if the interval is not valid.

    `verdict` gives the reason then.
    """
    if not score.interval_valid:
        return ""
    return f"{'Stabilised' if score.stabilised else 'Not stabilised'}: {score.stabilised_reason}"


def _why_no_score(score: SectionScore | None) -> str:
    """Return why there is no score, from what entered it and what did not."""
    if score is None:
        return "no field is classified"
    n = score.fields_excluded_by_operator
    if score.sample is not None and not score.frames and score.sample.not_of_sample:
        return f"no drawn field is classified, {describe_sample(score.sample)}"
    if n:
        return f"no classified field is left, {counted(n, 'field')} excluded by the operator"
    reasons = describe_reason_counts(score.tiles_excluded)
    if reasons:
        return f"no usable tile ({', '.join(reasons)})"
    return "no field is classified"

"""The statement about a score: one value, one wording, and no side before the whole interval lies on it."""

from __future__ import annotations

import doctest
import importlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hcc_scope.cli.runs import _table
from hcc_scope.report.summary import SectionReport, section_account
from hcc_scope.score_text import (
    decision,
    describe_interval,
    describe_score,
    describe_stability,
    describe_threshold_interval,
    format_section_score,
    format_section_threshold,
    verdict,
    why_not_valid,
)
from hcc_scope.scoring import FieldEntry, SectionScorer
from hcc_scope.types import Counts, RunOutcome, SectionScore

if TYPE_CHECKING:
    from hcc_scope.types import Sampling

THRESHOLD = 0.497665
NO_FLAGS = (0, 0, 0, 0, 0)


def scored(
    *values: float,
    sampling: Sampling = "random",
    no_tissue: int = 0,
    unlike: int = 0,
    spoilt: str = "",
    excluded: tuple[int, ...] = (),
) -> SectionScore:
    """Return the score of fields with these scores, after one without a usable tile if there are such tiles."""
    scorer = SectionScorer(THRESHOLD, 1.0, sampling)
    if spoilt:
        scorer.spoil(spoilt)
    for seq in excluded:
        scorer.exclude(seq)
    entries = [FieldEntry(seq, "classified", value, 4, NO_FLAGS) for seq, value in enumerate(values)]
    if no_tissue or unlike:
        entries.append(FieldEntry(len(entries), "excluded", None, 0, (no_tissue, 0, 0, 0, unlike)))
    for entry in entries:
        scorer.add_entry(entry)
    return scorer.score()


def between(low: float, high: float, score: float) -> SectionScore:
    return replace(scored(*[0.9] * 40), score=score, interval=(low, high))


HIGH = scored(*[0.9] * 40)
CASES = [
    ("no score", scored(), "none", "No score: no field is classified"),
    ("no usable tile", scored(no_tissue=4), "none", "No score: no usable tile (4 no tissue)"),
    ("all unlike", scored(unlike=3, no_tissue=1), "none", "No score: no usable tile (3 unlike training, 1 no tissue)"),
    (
        "all excluded",
        scored(0.9, excluded=(0,)),
        "none",
        "No score: no classified field is left, 1 field excluded by the operator",
    ),
    (
        "raster",
        scored(*[0.9] * 40, sampling="raster"),
        "not valid",
        "0.900 (threshold 0.498); no decision: the interval is not valid (fields were taken as a raster, not at "
        "random)",
    ),
    (
        "spoilt",
        scored(*[0.9] * 40, spoilt="a device failed during the run"),
        "not valid",
        "0.900 (threshold 0.498); no decision: the interval is not valid (a device failed during the run)",
    ),
    (
        "drift",
        scored(*[0.0] * 60, *[1.0] * 60),
        "not valid",
        "0.500 (threshold 0.498); no decision: the interval is not valid (the fields' scores drift, no single mean "
        "fits them all)",
    ),
    (
        "threshold inside",
        between(0.2, 0.9, 0.55),
        "undecided",
        "0.550, 95 % interval 0.200 to 0.900; undecided: the interval contains the threshold 0.498",
    ),
    (
        "upper end at the threshold",
        between(0.1, THRESHOLD, 0.3),
        "undecided",
        "0.300, 95 % interval 0.100 to 0.498; undecided: the interval contains the threshold 0.498",
    ),
    (
        "lower end at the threshold",
        between(THRESHOLD, 0.9, 0.7),
        "undecided",
        "0.700, 95 % interval 0.498 to 0.900; undecided: the interval contains the threshold 0.498",
    ),
    (
        "just above",
        between(0.4978, 0.9, 0.7),
        "high",
        "0.700, 95 % interval 0.4978 to 0.900; high metastatic side: the whole interval is above the threshold 0.4977",
    ),
    (
        "low",
        between(0.1, 0.3, 0.2),
        "low",
        "0.200, 95 % interval 0.100 to 0.300; low metastatic side: the whole interval is below the threshold 0.498",
    ),
    (
        "high, some tiles unlike",
        replace(between(0.7, 0.9, 0.8), tiles_excluded={"unlike_training": 3}),
        "high",
        "0.800, 95 % interval 0.700 to 0.900; high metastatic side: the whole interval is above the threshold 0.498",
    ),
    (
        "interval behind the score",
        replace(between(0.7, 0.9, 0.8), frames=1640, interval_frames=1600),
        "high",
        "0.800, 95 % interval 0.700 to 0.900 (over the first 1,600 of 1,640 frames); high metastatic side: the whole "
        "interval is above the threshold 0.498",
    ),
    (
        "fields excluded",
        replace(between(0.7, 0.9, 0.8), fields_excluded_by_operator=2),
        "high",
        "0.800, 95 % interval 0.700 to 0.900; high metastatic side: the whole interval is above the threshold 0.498; "
        "2 fields excluded by the operator",
    ),
]
SCORES = pytest.mark.parametrize(
    ("score", "kind", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)


@SCORES
def test_a_score_in_one_sentence(score: SectionScore, kind: str, text: str):
    assert verdict(score).kind == kind
    assert describe_score(score) == text


@SCORES
def test_parts_are_pieces_of_the_sentence(score: SectionScore, kind: str, text: str):
    assert format_section_score(score).lower() in text.lower()
    assert describe_interval(score) in text
    assert verdict(score).why in text
    assert verdict(score).title.lower() in text.lower()
    assert (decision(score) or "none") == (kind if kind in ("high", "low") else "none")


@SCORES
def test_an_interval_is_written_only_if_it_is_valid(score: SectionScore, kind: str, text: str):
    assert bool(describe_interval(score)) is (kind in ("undecided", "high", "low"))
    assert bool(describe_stability(score)) is score.interval_valid


@SCORES
def test_command_line_and_summary_agree(score: SectionScore, kind: str, text: str):
    report = SectionReport("a", "s", None, RunOutcome("completed", None, Counts(), score))
    (cell,) = _table([report]).columns[2].cells
    assert str(cell) == text
    assert section_account(report)["decision"] == (kind if kind in ("high", "low") else None)


def test_without_a_frame_nothing_is_known():
    assert verdict(None) == verdict(scored())


def test_an_old_store_without_a_reason_still_has_a_sentence():
    score = replace(HIGH, interval_valid=False, stabilised_reason="")
    assert verdict(score).sentence == "No decision: the interval is not valid (the reason is not recorded)"
    assert verdict(replace(score, spoilt="the lamp failed")).why == "the interval is not valid (the lamp failed)"


def test_stability_states_the_reason():
    assert describe_stability(scored(0.9)) == "Not stabilised: 1 of at least 8 fields so far"
    assert describe_stability(scored(*[0.9] * 400)).startswith("Stabilised: interval ±0.")


OWN = (0.45, 0.55)
OWN_CASES = [
    (
        "meets the threshold's interval from above",
        between(0.55, 0.9, 0.7),
        "undecided",
        "0.700, 95 % interval 0.550 to 0.900; undecided: the interval meets that of the threshold 0.498, 0.450 to "
        "0.550",
    ),
    (
        "contains the threshold",
        between(0.48, 0.9, 0.7),
        "undecided",
        "0.700, 95 % interval 0.480 to 0.900; undecided: the interval contains the threshold 0.498",
    ),
    (
        "just above it",
        between(0.5502, 0.9, 0.7),
        "high",
        "0.700, 95 % interval 0.5502 to 0.900; high metastatic side: the whole interval is above that of the threshold "
        "0.498, 0.450 to 0.5500",
    ),
    (
        "below it",
        between(0.1, 0.3, 0.2),
        "low",
        "0.200, 95 % interval 0.100 to 0.300; low metastatic side: the whole interval is below that of the threshold "
        "0.498, 0.450 to 0.550",
    ),
]


@pytest.mark.parametrize(
    ("score", "kind", "text"), [case[1:] for case in OWN_CASES], ids=[case[0] for case in OWN_CASES]
)
def test_a_score_is_undecided_within_the_thresholds_own_interval(score: SectionScore, kind: str, text: str):
    score = replace(score, threshold_interval=OWN)
    assert describe_score(score) == text
    assert verdict(score).kind == kind
    assert (decision(score) or "undecided") == kind


ends = st.floats(0, 1).map(lambda value: round(value, 5))


@given(low=ends, high=ends, threshold=ends, own=st.tuples(ends, ends))
def test_numbers_beside_a_thresholds_interval_never_contradict_the_verdict(
    low: float, high: float, threshold: float, own: tuple[float, float]
):
    low, high = sorted((low, high))
    own = min(*own, threshold), max(*own, threshold)
    score = replace(HIGH, score=(low + high) / 2, interval=(low, high), threshold=threshold)
    plain, score = decision(score), replace(score, threshold_interval=own)
    assert decision(score) in (plain, None)  # an interval of the threshold never decides anything
    shown = [float(word) for word in describe_interval(score).split() if word[0] in "01"]
    assert bool(describe_threshold_interval(score)) == (own[0] < own[1])
    where = describe_threshold_interval(score) or format_section_threshold(score)
    found = [float(word) for word in where.split() if word[0] in "01"]
    lowest, highest = found[0], found[-1]
    match verdict(score).kind:
        case "high":
            assert shown[0] > highest
        case "low":
            assert shown[1] < lowest
        case _:
            assert shown[0] <= highest
            assert lowest <= shown[1]


@example(low=0.83984, high=0.84, threshold=0.83984)  # an end that is the threshold
@given(low=ends, high=ends, threshold=ends)
def test_numbers_of_a_sentence_never_contradict_its_verdict(low: float, high: float, threshold: float):
    low, high = sorted((low, high))
    score = replace(HIGH, score=(low + high) / 2, interval=(low, high), threshold=threshold)
    shown_low, shown_high = (float(word) for word in describe_interval(score).split() if word[0] in "01")
    beside = float(format_section_threshold(score))
    match verdict(score).kind:
        case "high":
            assert shown_low > beside
        case "low":
            assert shown_high < beside
        case _:
            assert shown_low <= beside <= shown_high


@pytest.mark.parametrize("name", ["score_text", "flag_texts", "formatting", "scoring"])
def test_examples_in_docstrings(name: str):
    found = doctest.testmod(importlib.import_module(f"hcc_scope.{name}"))
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize(("confidence", "text"), [(0.95, "95 %"), (0.975, "97.5 %"), (0.999, "99.9 %")])
def test_the_confidence_is_not_rounded(confidence: float, text: str):
    score = replace(scored(*[0.9] * 40), confidence=confidence)
    assert describe_interval(score).startswith(f"{text} interval ")


def test_an_interval_that_is_no_number_decides_nothing():
    assert decision(between(float("nan"), float("nan"), 0.9)) is None


def test_the_reason_why_an_interval_is_not_valid_is_none_about_stability():
    score = replace(scored(*[0.9] * 40, spoilt="the stage was moved"), stabilised_reason="half-width 0.02 of 0.05")
    assert why_not_valid(score) == "the stage was moved"
    assert why_not_valid(replace(score, spoilt=None, stabilised_reason="")) == "the reason is not recorded"

"""The score is a pure function of the set of results, and states what it rests on."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcc_scope.animal_scoring import animal_score
from hcc_scope.confidence import ConfidenceSequence
from hcc_scope.exact_sum import ExactSum
from hcc_scope.scoring import SectionScorer, calibrate, frame_score, log_odds
from hcc_scope.types import FrameOutcome, FrameResult, QualityFlag, Sampling, SectionScore

NAN = float("nan")


def result(
    seq: int, probabilities: list[float], flags: list[int] | None = None, outcome: FrameOutcome = "classified"
) -> FrameResult:
    values = np.array(probabilities, dtype=np.float32)
    marks = np.array(flags or [0] * len(values), dtype=np.uint8)
    return FrameResult(seq, outcome, values, values, marks, "torchscript")


def scorer(sampling: Sampling = "random", *, half_width_target: float = 0.1, min_fields: int = 8) -> SectionScorer:
    return SectionScorer(0.5, 1.0, sampling, half_width_target=half_width_target, min_fields=min_fields)


def scored(results: list[FrameResult]) -> SectionScore:
    section = scorer()
    for one in results:
        section.add(one)
    return section.score()


# logits to probabilities


def test_log_odds_are_high_minus_low():
    odds = log_odds(np.array([[1.0, 3.5], [2.0, -1.0]], dtype=np.float32))
    assert odds.dtype == np.float32
    assert odds.tolist() == [2.5, -3.0]


@pytest.mark.parametrize("shape", [(2,), (3, 1), (3, 3)])
def test_logits_of_another_shape_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"\(n, 2\)"):
        log_odds(np.zeros(shape, dtype=np.float32))


def test_calibrate_exact_cases():
    odds = np.array([0.0, math.log(3), -math.log(3), 1e30, -1e30, np.inf, -np.inf, np.nan], dtype=np.float32)
    probabilities = calibrate(odds, 1.0)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, [0.5, 0.75, 0.25, 1, 0, 1, 0, np.nan], atol=1e-7)


def test_temperature_divides_the_log_odds():
    odds = np.array([-3.0, 0.5, 4.0], dtype=np.float32)
    np.testing.assert_array_equal(calibrate(odds, 2.0), calibrate(odds / 2, 1.0))


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=70), st.floats(0.01, 100))
def test_calibrate_is_monotone_bounded_and_the_same_for_one_as_for_many(values: list[float], temperature: float):
    odds = np.sort(np.array(values, dtype=np.float32))
    probabilities = calibrate(odds, temperature)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert (np.diff(probabilities) >= 0).all()
    alone = [calibrate(odds[i : i + 1], temperature)[0] for i in range(len(odds))]
    np.testing.assert_array_equal(probabilities, alone)


@pytest.mark.parametrize("temperature", [0.0, -1.0, NAN, math.inf])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float):
    with pytest.raises(ValueError, match="temperature"):
        calibrate(np.zeros(1, dtype=np.float32), temperature)


# frames


def test_frame_score_is_the_mean_over_included_tiles():
    assert frame_score(result(0, [0.25, 0.75, 1.0], [0, 0, 2])) == 0.5
    assert frame_score(result(0, [0.25, NAN])) == 0.25
    assert frame_score(result(0, [0.25, 0.5], [1, 4])) is None
    assert frame_score(result(0, [0.25], outcome="failed")) is None


def test_a_probability_outside_its_bounds_is_refused_and_changes_nothing():
    section = scorer()
    with pytest.raises(ValueError, match="frame 0 has a probability outside"):
        section.add(result(0, [1.5], [0]))
    section.add(result(0, [0.5]))
    assert section.score().score == 0.5


# the section


def test_before_the_first_frame():
    score = scorer().score()
    assert score.score is None
    assert score.interval == (0.0, 1.0)
    assert (score.frames, score.tiles, score.interval_frames) == (0, 0, 0)
    assert not score.stabilised
    assert score.stabilised_reason == "no field classified yet"


def test_section_score_is_the_mean_over_frames_not_over_tiles():
    score = scored([result(0, [0.2, 0.4]), result(1, [0.9, 0.9, NAN, 0.9]), result(2, [0.5, 0.0], [0, 1])])
    frames = [frame_score(result(0, [0.2, 0.4])), float(np.float32(0.9)), 0.5]
    assert score.score == math.fsum(frames) / 3
    assert (score.frames, score.tiles, score.interval_frames) == (3, 6, 3)


def test_the_interval_is_the_confidence_sequence_of_the_frame_scores():
    values = [0.5, 0.25, 0.75, 1.0, 0.0, 0.5] * 4
    sequence = ConfidenceSequence()
    for value in values:
        sequence.add(value)
    assert scored([result(seq, [value]) for seq, value in enumerate(values)]).interval == sequence.interval


def test_excluded_and_failed_frames_count_but_do_not_enter():
    plain = scored([result(0, [0.25]), result(1, [0.75])])
    more = scored(
        [
            result(0, [NAN, NAN], [1, 6], "excluded"),
            result(1, [0.25]),
            result(2, [0.9, 0.9], outcome="failed"),
            result(3, [NAN], outcome="classified"),
            result(4, [0.75, NAN], [0, 2]),
        ]
    )
    for name in ("score", "interval", "interval_frames", "frames", "tiles"):
        assert getattr(more, name) == getattr(plain, name)
    assert plain.tiles_excluded == {}
    assert more.tiles_excluded == {"no_tissue": 1, "out_of_focus": 2, "saturated": 1}


def test_the_interval_waits_for_an_open_frame_and_the_score_does_not():
    section = scorer()
    for seq in (0, 1, 3, 4):
        section.add(result(seq, [0.25 * seq]))
    score = section.score()
    assert score.score == (0 + 0.25 + 0.75 + 1.0) / 4
    assert (score.frames, score.interval_frames) == (4, 2)
    assert "frame 2 is still open" in score.stabilised_reason
    section.add(result(2, [0.5]))
    assert section.score() == scored([result(seq, [0.25 * seq]) for seq in range(5)])


def test_a_score_is_not_stabilised_while_later_frames_wait_for_an_open_one():
    # the score has left the interval, which knows the first frames alone
    section = scorer(half_width_target=0.2)
    for seq in range(140):
        if seq != 40:
            section.add(result(seq, [0.2 if seq < 40 else 0.9]))
    score = section.score()
    assert score.score > score.interval[1]
    assert (score.interval[1] - score.interval[0]) / 2 < 0.2
    assert not score.stabilised
    assert score.stabilised_reason == "interval over the first 40 of 139 frames; frame 40 is still open"


def test_an_open_frame_at_the_end_blocks_no_reader():
    section = scorer(half_width_target=0.2)
    for seq in range(40):
        section.add(result(seq, [0.5]))
    assert section.score().stabilised


def test_a_skipped_frame_is_not_waited_for():
    section = scorer()
    section.add(result(2, [0.5]))
    section.skip(1)
    assert section.score().interval_frames == 0
    section.skip(0)
    assert section.score().interval_frames == 1


@pytest.mark.parametrize("seq", [0, 5])
def test_a_frame_is_resolved_once(seq: int):
    section = scorer()
    section.add(result(0, [0.5]))
    section.add(result(5, [0.5]))
    before = section.score()
    with pytest.raises(ValueError, match=f"frame {seq} was already"):
        section.add(result(seq, [0.1]))
    with pytest.raises(ValueError, match=f"frame {seq} was already"):
        section.skip(seq)
    assert section.score() == before
    with pytest.raises(ValueError, match="negative"):
        section.skip(-1)


def test_a_fresh_scorer_has_the_parameters_and_none_of_the_frames():
    section = SectionScorer(0.4, 1.7, "positions", confidence=0.9, half_width_target=0.3, min_fields=5)
    section.add(result(0, [0.5], [0]))
    blank = SectionScorer(0.4, 1.7, "positions", confidence=0.9, half_width_target=0.3, min_fields=5)
    fresh = section.fresh()
    assert fresh.score() == blank.score()
    assert (fresh.temperature, fresh.half_width_target, fresh.min_fields) == (1.7, 0.3, 5)


def test_only_random_sampling_makes_the_interval_valid():
    for sampling in ("raster", "positions", "time_series", "sequence"):
        section = scorer(sampling)
        for seq in range(60):
            section.add(result(seq, [0.5]))
        score = section.score()
        assert not score.interval_valid
        assert not score.stabilised
        assert score.stabilised_reason.startswith("interval not valid: fields ")
        assert score.interval_frames == 60


def test_stabilises_when_narrow_enough_after_enough_fields():
    section = scorer()
    reasons: list[str] = []
    while not (score := section.score()).stabilised:
        reasons.append(score.stabilised_reason)
        section.add(result(len(reasons) - 1, [0.4, 0.6]))
        assert len(reasons) < 100
    assert score.interval_frames == len(reasons)
    assert (score.interval[1] - score.interval[0]) / 2 < 0.1
    assert reasons[1] == "1 of at least 8 fields so far"
    assert reasons[8].startswith("interval still ±0.")
    assert reasons[8].endswith(", target ±0.10")
    assert score.stabilised_reason.startswith("interval ±0.")


def test_does_not_stabilise_before_enough_fields_however_narrow():
    section = scorer(half_width_target=0.6, min_fields=3)
    for seq in range(2):
        section.add(result(seq, [0.5]))
        assert not section.score().stabilised
    section.add(result(2, [0.5]))
    assert section.score().stabilised


def test_scores_that_drift_make_the_interval_invalid():
    section = scorer()
    for seq in range(600):
        section.add(result(seq, [0.1 if seq < 300 else 0.9]))
    score = section.score()
    assert not score.interval_valid
    assert not score.stabilised
    assert "drift" in score.stabilised_reason
    assert score.interval[0] < score.interval[1]


tiles = st.lists(
    st.tuples(st.one_of(st.floats(0, 1, width=32), st.just(NAN)), st.sampled_from([0, 0, 0, 1, 2, 5, 8])), max_size=4
)
outcomes: st.SearchStrategy[FrameOutcome] = st.sampled_from(["classified", "classified", "excluded", "failed"])


@given(st.lists(st.one_of(st.none(), st.tuples(outcomes, tiles)), max_size=25), st.integers(0, 1000))
def test_any_order_of_arrival_gives_the_same_bits(
    frames: list[tuple[FrameOutcome, list[tuple[float, int]]] | None], seed: int
):
    def final(order: list[int]) -> SectionScore:
        section = scorer()
        for seq in order:
            frame = frames[seq]
            if frame is None:
                section.skip(seq)
            else:
                outcome, pairs = frame
                section.add(result(seq, [p for p, _ in pairs], [flag for _, flag in pairs], outcome))
        return section.score()

    order = list(range(len(frames)))
    in_order = final(order)
    random.Random(seed).shuffle(order)
    assert repr(final(order)) == repr(in_order)  # repr: every bit of a float, and the order of the reasons

    scores = [frame_score(result(0, [p for p, _ in f[1]], [m for _, m in f[1]], f[0])) for f in frames if f]
    entered = [score for score in scores if score is not None]
    assert in_order.score == (math.fsum(entered) / len(entered) if entered else None)
    assert in_order.frames == in_order.interval_frames == len(entered)
    assert 0 <= in_order.interval[0] <= in_order.interval[1] <= 1


@given(st.lists(st.one_of(st.floats(0, 1), st.floats(-1e15, 1e15)), max_size=60))
def test_the_exact_sum_is_fsum_at_every_moment(terms: list[float]):
    exact = ExactSum()
    for n, term in enumerate(terms, start=1):
        exact.add(term)
        assert exact.value() == math.fsum(terms[:n])


def test_every_flag_has_its_own_count():
    flags = [int(flag) for flag in QualityFlag]
    score = scored([result(0, [NAN] * len(flags), flags, "excluded")])
    assert score.tiles_excluded == {
        "no_tissue": 1,
        "out_of_focus": 1,
        "saturated": 1,
        "under_exposed": 1,
        "unlike_training": 1,
    }


# the animal


def test_animal_score_is_the_mean_over_sections_that_have_one():
    sections = [scored([result(0, [0.25])]), scorer().score(), scored([result(0, [0.5]), result(1, [1.0])])]
    assert animal_score(sections) == 0.5
    assert animal_score([scorer().score()]) is None
    assert animal_score([]) is None

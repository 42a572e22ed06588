"""Numbers in words: shorter than the number, never another one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hcc_scope.formatting import (
    capital,
    counted,
    format_bytes,
    format_duration,
    format_number,
    format_score,
    format_threshold,
    format_utc,
    percent,
    sentence,
    significant,
)

SHARES = st.floats(0, 1)
THRESHOLDS = st.floats(0.05, 0.95)


@given(st.integers(0, 10**9))
def test_one_thing_is_singular_and_all_other_numbers_are_plural(n: int):
    number, noun = counted(n, "frame").rsplit(" ", 1)
    assert int(number.replace(",", "")) == n
    assert noun == ("frame" if n == 1 else "frames")


@given(SHARES)
@example(1.0)
@example(0.9999999)
@example(0.9949)
@example(0.9951)
@example(0.0996)
@example(1e-9)
def test_percentages_have_no_exponent_and_only_all_is_all(share: float):
    words = percent(share)
    assert re.fullmatch(r"(under |over )?\d+(\.\d)? %", words), words
    assert (words == "100 %") == (share == 1)
    assert (words == "0 %") == (share == 0)
    value = float(words.removeprefix("under ").removeprefix("over ").removesuffix(" %"))
    assert abs(value - 100 * share) <= 0.51


@given(SHARES, SHARES)
def test_percentages_keep_their_order(one: float, other: float):
    low, high = sorted((one, other))
    assert _value(percent(low)) <= _value(percent(high))


def _value(words: str) -> float:
    bound = -0.01 if words.startswith("under") else 0.01 if words.startswith("over") else 0.0
    return float(words.removeprefix("under ").removeprefix("over ").removesuffix(" %")) + bound


@given(SHARES, THRESHOLDS)
@example(0.4991, 0.497665)
@example(0.4962, 0.497665)
@example(0.49999, 0.5)
def test_a_score_reads_as_on_its_side_of_the_threshold(score: float, threshold: float):
    if abs(score - threshold) < 1e-6:
        return  # these cannot be distinguished: six digits are never shown
    shown, beside = float(format_score(score, threshold)), float(format_threshold(threshold, score))
    assert (shown > beside) == (score > threshold)
    assert (shown < beside) == (score < threshold)
    assert abs(shown - score) <= 0.005 + 1e-12


@given(st.lists(SHARES, min_size=2, max_size=2), THRESHOLDS)
@example([0.4991, 0.4962], 0.497665)
def test_low_and_high_never_read_the_same(scores: list[float], threshold: float):
    low, high = min(scores), max(scores)
    if low < threshold <= high and min(threshold - low, high - threshold) > 1e-6:
        assert format_score(low, threshold) != format_score(high, threshold)


@given(st.floats(-1e9, 1e9), st.integers(0, 6))
@example(300.0, 1)
@example(1000.0, 0)
def test_a_number_keeps_its_size_and_has_no_exponent(value: float, decimals: int):
    words = format_number(value, decimals)
    assert "e" not in words
    assert abs(float(words) - value) <= 0.5000001 * 10.0**-decimals + 1e-6 * abs(value)


@given(st.floats(1e-6, 1e12))
@example(100.0)
@example(123456.0)
def test_significant_digits_without_an_exponent(value: float):
    words = significant(value)
    assert "e" not in words
    assert float(words) == pytest.approx(value, rel=0.006)


@given(st.floats(0, 1e15))
@example(999.6e6)
@example(999.96e9)
def test_sizes_are_never_a_thousand_of_a_unit(n_bytes: float):
    words = format_bytes(n_bytes)
    number, unit = words.split()
    assert unit in ("byte", "bytes", "kB", "MB", "GB", "TB")
    assert unit == "TB" or float(number.replace(",", "")) <= 1000
    assert words != "0 MB"


@given(st.floats(0, 1e7))
def test_durations_have_no_sixtieth_minute_or_second(seconds: float):
    parts = re.findall(r"([\d,]+) (s|min|h)", format_duration(seconds))
    assert all(int(n.replace(",", "")) < 60 for n, unit in parts if unit != "h")


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.integers(-12, 14))  # noqa: DTZ001 - the zone is drawn
def test_times_are_in_utc_to_the_second(when: datetime, hours: int):
    there = when.replace(tzinfo=timezone(timedelta(hours=hours)))
    words = format_utc(there.isoformat())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", words)
    shown = datetime.strptime(words, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert timedelta(0) <= there - shown < timedelta(seconds=1)


@pytest.mark.parametrize("odd", ["", "soon", None, 12, "0001-01-01T00:00:00+14:00"])
def test_a_text_that_is_no_time_is_shown_as_unknown(odd: object):
    assert format_utc(odd) == "an unknown time"


def test_sentences_begin_with_a_capital_and_keep_names():
    assert sentence("device DCam gave no answer") == "Device DCam gave no answer."
    assert capital("µm are not read") == "µm are not read"

"""Latencies in bins: quantiles within one percent, whether counted in one place or in several."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.latency import LatencyHistogram


def histogram_of(values_ms: list[float]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for value_ms in values_ms:
        histogram.add(value_ms)
    return histogram


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_quantiles_are_within_one_percent(values_ms: list[float], q: float):
    exact_ms = sorted(values_ms)[max(1, math.ceil(q * len(values_ms))) - 1]
    assert histogram_of(values_ms).quantile_ms(q) == pytest.approx(exact_ms, rel=0.01)


@given(st.lists(st.lists(st.floats(0.01, 1e6), max_size=30), max_size=5))
def test_merged_bins_equal_one_histogram_of_everything(sections_ms: list[list[float]]):
    merged = LatencyHistogram.merged(histogram_of(section_ms).bins for section_ms in sections_ms)
    together = histogram_of([value_ms for section_ms in sections_ms for value_ms in section_ms])
    assert merged.summary() == together.summary()
    assert merged.bins == together.bins


def test_merging_leaves_the_parts_alone():
    part = histogram_of([1.0, 2.0])
    merged = LatencyHistogram.merged([part.bins, part.bins])
    merged.add(5.0)
    part.bins.clear()
    assert part.bins == histogram_of([1.0, 2.0]).bins


def test_nothing_counted_has_no_quantiles():
    nothing = LatencyHistogram.merged([])
    assert nothing.summary() == {}
    assert math.isnan(nothing.quantile_ms(0.5))

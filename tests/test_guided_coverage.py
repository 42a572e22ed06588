"""Guided sections: the interval holds the mean in at least 95 % of them, and would not without its rules.

Whole sections are simulated through the real guide, draw and scorer (`benchmarks.guided_sampling`), with fixed seeds.
The rules are needed: so many misses without one have a probability below 1 % if each section misses with 5 %.
"""

from __future__ import annotations

from scipy.stats import binom

from benchmarks.guided_sampling import TISSUES, missed

N_FIELDS = 40
MAY_MISS = 0.05
UNLIKELY = 0.01


def test_a_guided_section_covers_the_mean_with_skips_and_nearest_first():
    worst = missed(TISSUES["worst where the stage does not come"], N_FIELDS, 40, others=False)
    patches = missed(TISSUES["patches, one end out of reach"], N_FIELDS, 60, others=False)
    for count, sections in ((worst, 40), (patches, 60)):
        assert count["guided"] <= MAY_MISS * sections
        assert count["not valid"] < sections / 4  # those that skipped too many claim nothing


def test_without_its_rules_it_would_not():
    """The same fields in the order of the visits; only the first ones; and what is out of reach counted as nothing."""
    patches = missed(TISSUES["patches"], N_FIELDS, 24)
    worst = missed(TISSUES["worst where the stage does not come"], N_FIELDS, 40)
    assert binom.sf(patches["first half"] - 1, 24, MAY_MISS) < UNLIKELY
    assert binom.sf(worst["as visited"] - 1, 40, MAY_MISS) < UNLIKELY
    assert binom.sf(worst["left out"] - 1, 40, MAY_MISS) < UNLIKELY
    assert worst["guided"] + patches["guided"] <= MAY_MISS * 64

"""A drift over the order of the fields is found, may be looked for after every field, and is rarely seen in chance."""

from __future__ import annotations

import math
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.sequences import NO_FLAGS, NO_WARMING, Warming, alarms, shown_and_wrong
from hcc_scope.drift import QUANTITIES, DriftTest, RankCapital
from hcc_scope.score_rule import ScoreRule
from hcc_scope.score_text import describe_drift, verdict
from hcc_scope.scoring import FieldEntry, SectionScorer

if TYPE_CHECKING:
    from hcc_scope.types import Sampling, SectionScore


def test_false_alarms_are_rare_at_all_times_together():
    assert alarms(50, 200, NO_WARMING) <= 0.05


@pytest.mark.parametrize("warming", [Warming(), Warming(until=0.25)])
def test_a_lamp_that_warms_up_is_found(warming: Warming):
    assert alarms(50, 40, warming) >= 0.9


def test_an_interval_that_a_drift_makes_wrong_is_not_valid():
    wrong, valid = shown_and_wrong(60, 50, 8, Warming())
    assert wrong > 0.9  # the drift alone would make it so
    assert valid == 0.0


def test_the_capital_is_fair():
    """Over all orders of few fields its mean is 1: nothing is won on average."""
    means = []
    for n in (1, 2, 5):
        final = []
        for order in permutations(range(n)):
            capital = RankCapital(n, seed=0)
            for value in order:
                capital.add(float(value))
            final.append(capital.value)
        means.append(math.fsum(final) / len(final))
    assert means == pytest.approx([1.0, 1.0, 1.0])


def test_quantities_that_drift_alike_are_no_more_evidence_than_one():
    """Their ranks depend on each other, so their capitals do not add up to a fair one."""
    capital, test, most = RankCapital(24, seed=0), DriftTest(24), 1.0
    for field in range(24):
        capital.add(float(field))
        most = max(most, capital.value)
        test.add((field, field, field))
    assert test.result.evidence == pytest.approx(most / 3)
    assert test.result.found_in == QUANTITIES


def test_fields_that_are_equal_are_no_drift():
    test = DriftTest(200)
    for _ in range(200):
        test.add((0.5, 0.47, 0.09))
    assert test.result.found_in == ()


def section(levels: list[float | None], sampling: Sampling = "random", rule: int = 2) -> SectionScore:
    scorer = SectionScorer(0.5, 1.0, sampling, rule=ScoreRule(rule, n_lattice=80, n_planned=len(levels)))
    rng = np.random.default_rng(0)
    for seq, (level, score) in enumerate(zip(levels, rng.beta(40, 10, len(levels)).tolist(), strict=True)):
        scorer.add_entry(FieldEntry(seq, "classified", score, 4, NO_FLAGS, 4, level, 0.09))
    return scorer.score()


WARMING_UP: list[float | None] = [0.47 + 0.001 * seq for seq in range(50)]


def test_what_drifts_is_named_and_no_side_is_stated():
    found = section(WARMING_UP)
    assert found.drift is not None
    assert found.drift.found_in == ("grey level",)
    assert describe_drift(found) == "fields drift over time in grey level: the interval may be wrong"
    assert verdict(found).sentence == (
        "No decision: the interval is not valid (fields drift over time in grey level, the interval may be wrong)"
    )
    steady = section([0.47] * 50)
    assert steady.interval_valid
    assert describe_drift(steady) == "no drift of score, grey level or focus found over 50 fields"


def test_results_of_earlier_versions_are_tested_on_the_score_alone():
    found = section([None] * 50)
    assert found.drift is not None
    assert (found.drift.fields, found.drift.found_in) == (50, ())


@pytest.mark.parametrize(
    ("sampling", "rule"), [("raster", 2), ("positions", 2), ("chosen", 2), ("guided", 2), ("random", 1)]
)
def test_where_the_order_is_not_random_nothing_is_tested(sampling: Sampling, rule: int):
    assert section(WARMING_UP, sampling, rule).drift is None


def test_quantities_are_those_of_a_field():
    assert QUANTITIES == ("score", "grey level", "focus")

"""The interval over a lattice holds its mean at all times, ends at the mean, and never leaves the score out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.sequences import LATTICES, drawn, rim_and_middle
from hcc_scope.lattice_confidence import LatticeCapital, LatticeSequence
from hcc_scope.score_rule import ScoreRule
from hcc_scope.score_text import describe_interval
from hcc_scope.scoring import FieldEntry, SectionScorer

if TYPE_CHECKING:
    from hcc_scope.types import ScoreWeight

NO_FLAGS = (0, 0, 0, 0, 0)


@pytest.mark.parametrize("name", LATTICES)
@pytest.mark.parametrize(("n_lattice", "n"), [(12, 12), (50, 50)])
def test_covers_the_mean_of_the_lattice_at_all_times_together(name: str, n_lattice: int, n: int):
    found = drawn(LATTICES[name], n_lattice, n, 400)
    assert found.missed <= 0.05
    if n == n_lattice:
        assert found.half_width < 0.002  # the mean is known; a sequence that emptied keeps its last interval
    assert found.half_width < found.before


def test_covers_where_rim_and_middle_differ():
    missed, _ = rim_and_middle(666, 45, 60)
    assert missed <= 0.05


def test_the_interval_is_about_as_narrow_as_stated():
    """Of 24 of 60 fields, spread as those of the demo's sections."""
    assert drawn(LATTICES["mean 0.3, sd 0.05"], 60, 24, 50).half_width == pytest.approx(0.066, abs=0.003)
    assert drawn(LATTICES["mean 0.7, sd 0.10"], 60, 24, 50).half_width == pytest.approx(0.074, abs=0.003)


def test_a_wrong_mean_is_not_covered():
    scores = np.random.default_rng(1).beta(14.0, 6.0, (50, 200))
    capital = LatticeCapital(50, 400, grid_steps=200)
    for value in scores.T:
        capital.add(value)
    assert not ((capital.lower < 0.6) & (capital.upper > 0.6)).any()


def literal_interval(values: list[float], weights: list[float], n_lattice: int, steps: int) -> tuple[float, float]:
    """Return the rule written down term by term, for one sequence."""
    alpha, c = 0.1, 0.95
    lower, upper = 0.0, 1.0
    for n in range(1, len(values) + 1):
        for step in range(steps + 1):
            m = step / steps
            z = [w * (x - m) for x, w in zip(values, weights, strict=True)]
            up = down = 1.0
            for t in range(n):
                mean = -sum(z[:t]) / (n_lattice - t)
                scored = sum(w > 0 for w in weights[:t])
                squares = 0.25
                for i in range(t):
                    total = sum(w * x for x, w in zip(values[: i + 1], weights[: i + 1], strict=True))
                    squares += (weights[i] * (values[i] - (0.5 + total) / (1 + sum(weights[: i + 1])))) ** 2
                stake = math.sqrt(2 * math.log(2 / alpha) / (squares * math.log(scored + 2)))
                below, above = mean + m, 1 - m - mean  # z lies in [-m, 1 - m]
                up = (
                    math.inf
                    if below < -1e-9
                    else up * (1 + min(stake, c / below if below > 0 else math.inf) * (z[t] - mean))
                )
                down = (
                    math.inf
                    if above < -1e-9
                    else down * (1 - min(stake, c / above if above > 0 else math.inf) * (z[t] - mean))
                )
            if up / 2 >= 1 / alpha:
                lower = max(lower, m)
            if down / 2 >= 1 / alpha:
                upper = min(upper, m)
        s, w = sum(w * x for x, w in zip(values[:n], weights[:n], strict=True)), sum(weights[:n])
        lower, upper = max(lower, s / (w + n_lattice - n)), min(upper, (s + n_lattice - n) / (w + n_lattice - n))
    return lower, upper


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ([0.9] * 9, [1.0] * 9),
        ([0.2, 0.4, 0.0, 0.3, 0.2, 0.4, 0.1, 0.3], [1.0, 0.5, 0.0, 0.75, 1.0, 0.25, 1.0, 1.0]),
    ],
)
def test_equals_the_rule_written_down(values: list[float], weights: list[float]):
    capital = LatticeCapital(1, 12, 0.9, grid_steps=40)
    for value, weight in zip(values, weights, strict=True):
        capital.add(np.array([value]), np.array([weight]))
    expected = literal_interval(values, weights, 12, 40)
    assert expected[0] > 0
    assert expected[1] < 1
    assert (capital.lower[0], capital.upper[0]) == pytest.approx(expected, abs=1e-12)


def test_fields_without_a_score_are_drawn_too():
    """All fields of a lattice, half of them glass: the mean over the others is known."""
    sequence = LatticeSequence(20)
    for value in (0.3, None, 0.5, None) * 5:
        sequence.add(value)
    assert sequence.interval == (0.4, 0.4)
    assert sequence.n == 10
    assert not sequence.emptied


def test_more_fields_than_the_lattice_has_are_no_part_of_it():
    sequence = LatticeSequence(3)
    for value in (0.2, 0.4, 0.6, 1.0):
        sequence.add(value)
    assert sequence.n_beyond == 1
    assert sequence.interval == (pytest.approx(0.4), pytest.approx(0.4))


def test_without_a_known_lattice_draws_are_independent():
    sequence = LatticeSequence(None)
    for _ in range(500):
        sequence.add(0.3)
    lower, upper = sequence.interval
    assert 0.28 < lower < 0.3 < upper < 0.32


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan])
def test_a_value_outside_the_bounds_is_refused(value: float):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        LatticeSequence(9).add(value)


FIELD = st.one_of(st.none(), st.tuples(st.floats(0, 1), st.integers(1, 4)))


@given(
    fields=st.lists(FIELD, min_size=1, max_size=40),
    beyond=st.integers(0, 30),
    rule=st.sampled_from([1, 2]),
    weight=st.sampled_from(["field", "tissue"]),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_score_never_lies_outside_its_interval_or_it_says_why(
    fields: list[tuple[float, int] | None], beyond: int, rule: int, weight: ScoreWeight
):
    """Also of fields that drift, and in the same order by a store of the first rule."""
    scorer = SectionScorer(0.5, 1.0, "random", rule=ScoreRule(rule, weight, len(fields) + beyond))
    for seq, field in enumerate(fields):
        score, n_tiles = (None, 0) if field is None else field
        scorer.add_entry(FieldEntry(seq, "classified", score, n_tiles, NO_FLAGS, 4))
        found = scorer.score()
        if found.score is None or (rule == 1 and weight == "tissue"):
            continue
        low, high = found.interval
        inside = low <= found.score <= high
        assert inside or rule == 1
        if found.interval_valid and not inside:
            assert "the score lies outside" in describe_interval(found)


def test_an_interval_of_an_earlier_store_states_why_the_score_lies_outside():
    scorer = SectionScorer(0.5, 1.0, "random")
    scorer.add_entry(FieldEntry(0, "classified", 0.9, 4, NO_FLAGS))
    found = replace(scorer.score(), score=0.9, interval=(0.2, 0.6))
    assert describe_interval(found).endswith("(the score lies outside: fields scored differently early and late)")


@pytest.mark.parametrize("weight", ["field", "tissue"])
def test_all_fields_seen_and_the_interval_is_the_score(weight: ScoreWeight):
    rng = np.random.default_rng(4)
    scorer = SectionScorer(0.5, 1.0, "random", rule=ScoreRule(2, weight, 30))
    total = tiles = 0.0
    for seq, (value, n) in enumerate(zip(rng.random(30).tolist(), rng.integers(0, 5, 30).tolist(), strict=True)):
        scorer.add_entry(FieldEntry(seq, "classified", value if n else None, n, NO_FLAGS, 4))
        total, tiles = total + n * value, tiles + n
    found = scorer.score()
    assert found.interval == (found.score, found.score)
    if weight == "tissue":
        assert found.score == pytest.approx(total / tiles)
    assert describe_interval(found).endswith("(all 30 fields of the lattice were seen)")

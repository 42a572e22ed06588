"""The interval covers the mean at all times together, and an ordinary one does not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcc_scope.confidence import ConfidenceSequence, HedgedCapital

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]

N_SECTIONS, N_FRAMES, GRID_STEPS = 1000, 500, 50

# frame scores of a section: the mean (on the grid of 1/50, so that coverage is checked exactly there) and a way to draw
DISTRIBUTIONS: dict[str, tuple[float, Draw]] = {
    "bernoulli": (0.3, lambda rng, shape: (rng.random(shape) < 0.3).astype(np.float64)),
    "rare": (0.04, lambda rng, shape: (rng.random(shape) < 0.04).astype(np.float64)),
    "beta_u_shaped": (0.5, lambda rng, shape: rng.beta(0.4, 0.4, shape)),
    "beta_concentrated": (0.7, lambda rng, shape: rng.beta(14.0, 6.0, shape)),
    "beta_skewed": (0.1, lambda rng, shape: rng.beta(0.5, 4.5, shape)),
    "uniform": (0.5, lambda rng, shape: rng.random(shape)),
    "two_point": (0.32, lambda rng, shape: np.where(rng.random(shape) < 0.2, 0.8, 0.2)),
    "constant": (0.6, lambda rng, shape: np.full(shape, 0.6)),
}


def always_covered(values: NDArray[np.float64], mean: float) -> NDArray[np.bool_]:
    """Return for each row of (n_sections, n_frames) whether the interval held the mean after every single frame."""
    capital = HedgedCapital(len(values), grid_steps=GRID_STEPS)
    covered = np.ones(len(values), dtype=np.bool_)
    for frame_scores in values.T:
        capital.add(frame_scores)
        # strictly inside: an end is a point that was ruled out, so this asks whether the mean itself was
        covered &= (capital.lower < mean) & (mean < capital.upper)
    return covered


def always_covered_naive(values: NDArray[np.float64], mean: float, first: int = 10) -> NDArray[np.bool_]:
    """Return the same for mean ± 1.96 standard errors, from the 10th frame on."""
    n = np.arange(1, values.shape[1] + 1)
    means = np.cumsum(values, axis=1) / n
    variance = np.maximum(np.cumsum(values**2, axis=1) / n - means**2, 0) * n / np.maximum(n - 1, 1)
    miss = np.abs(means - mean) > 1.96 * np.sqrt(variance / n) + 1e-9
    return ~miss[:, first - 1 :].any(axis=1)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_covers_the_mean_at_all_times_together(name: str):
    mean, draw = DISTRIBUTIONS[name]
    values = draw(np.random.default_rng(20190101), (N_SECTIONS, N_FRAMES))
    assert always_covered(values, mean).mean() >= 0.95
    if name != "constant":
        assert always_covered_naive(values, mean).mean() < 0.85  # this simulation detects a wrong interval


def test_covers_when_fields_are_drawn_without_replacement():
    rng = np.random.default_rng(3)
    fields = 0.1 + 0.8 * rng.beta(2.0, 3.0, 60)
    fields += 0.42 - fields.mean()
    assert ((fields >= 0) & (fields <= 1)).all()
    assert always_covered(rng.permuted(np.tile(fields, (N_SECTIONS, 1)), axis=1), 0.42).mean() >= 0.95


def test_a_wrong_mean_is_not_covered():
    values = np.random.default_rng(1).beta(14.0, 6.0, (50, 300))
    assert not always_covered(values, 0.6).any()


# mean, sd, mean half-widths after 24, 100, 500 frames (betting, empirical Bernstein): the table in the docstring
HALF_WIDTHS = [
    (0.3, 0.05, (0.094, 0.304), (0.027, 0.075), (0.008, 0.016)),
    (0.3, 0.1, (0.1, 0.306), (0.033, 0.078), (0.014, 0.018)),
    (0.3, 0.2, (0.125, 0.308), (0.058, 0.089), (0.029, 0.03)),
    (0.7, 0.05, (0.094, 0.304), (0.027, 0.075), (0.008, 0.016)),
    (0.7, 0.1, (0.1, 0.306), (0.033, 0.078), (0.014, 0.018)),
    (0.7, 0.2, (0.126, 0.308), (0.058, 0.089), (0.029, 0.03)),
]


@pytest.mark.parametrize(("mean", "sd", "at_24", "at_100", "at_500"), HALF_WIDTHS)
def test_narrower_than_empirical_bernstein(
    mean: float, sd: float, at_24: tuple[float, float], at_100: tuple[float, float], at_500: tuple[float, float]
):
    k = mean * (1 - mean) / sd**2 - 1
    values = np.random.default_rng(5).beta(mean * k, (1 - mean) * k, (40, 500))
    bernstein = empirical_bernstein_half_widths(values)
    capital = HedgedCapital(len(values))
    for n, frame_scores in enumerate(values.T, start=1):
        capital.add(frame_scores)
        if n in (24, 100, 500):
            betting = float((capital.upper - capital.lower).mean() / 2)
            expected = {24: at_24, 100: at_100, 500: at_500}[n]
            assert (betting, bernstein[n - 1]) == pytest.approx(expected, abs=0.002)
            assert betting < bernstein[n - 1]


def empirical_bernstein_half_widths(values: NDArray[np.float64], alpha: float = 0.05) -> NDArray[np.float64]:
    """Return (n_frames,) mean half-widths of the predictable plug-in empirical-Bernstein sequence, theorem 2."""
    n = np.arange(1, values.shape[1] + 1)
    means = (0.5 + np.cumsum(values, axis=1)) / (n + 1)
    variances = (0.25 + np.cumsum((values - means) ** 2, axis=1)) / (n + 1)
    means_before = np.insert(means[:, :-1], 0, 0.5, axis=1)
    variances_before = np.insert(variances[:, :-1], 0, 0.25, axis=1)
    stakes = np.minimum(np.sqrt(2 * math.log(2 / alpha) / (variances_before * n * np.log(n + 1))), 0.5)
    total = np.cumsum(stakes, axis=1)
    centre = np.cumsum(stakes * values, axis=1) / total
    psi = -np.log1p(-stakes) - stakes  # 4 psi_E
    radius = (math.log(2 / alpha) + np.cumsum((values - means_before) ** 2 * psi, axis=1)) / total
    lower = np.maximum.accumulate(np.clip(centre - radius, 0, 1), axis=1)
    upper = np.minimum.accumulate(np.clip(centre + radius, 0, 1), axis=1)
    half_widths: NDArray[np.float64] = ((upper - lower) / 2).mean(axis=0)
    return half_widths


def literal_interval(values: list[float], alpha: float, steps: int) -> tuple[float, float]:
    """Theorem 3 written down term by term, for one sequence."""
    lower, upper = 0.0, 1.0
    for n in range(1, len(values) + 1):
        for step in range(steps + 1):
            m = step / steps
            up = down = 1.0
            for t in range(1, n + 1):
                mean_before = [(0.5 + sum(values[: i + 1])) / (i + 2) for i in range(t - 1)]
                squares = sum((x - mu) ** 2 for x, mu in zip(values, mean_before, strict=False))
                stake = math.sqrt(2 * math.log(2 / alpha) / ((0.25 + squares) / t * t * math.log(t + 1)))
                up *= 1 + min(stake, 0.75 / m if m else math.inf) * (values[t - 1] - m)
                down *= 1 - min(stake, 0.75 / (1 - m) if m < 1 else math.inf) * (values[t - 1] - m)
            if up / 2 >= 1 / alpha:
                lower = max(lower, m)
            if down / 2 >= 1 / alpha:
                upper = min(upper, m)
    return lower, upper


@pytest.mark.parametrize("values", [[0.9] * 9, [0.0, 1.0, 1.0, 1.0, 0.4, 1.0, 1.0, 0.9], [0.0] * 6])
def test_equals_the_theorem_written_down(values: list[float]):
    capital = HedgedCapital(1, 0.9, grid_steps=40)
    for value in values:
        capital.add(np.array([value]))
    expected = literal_interval(values, 0.1, 40)
    assert expected != (0.0, 1.0)
    assert (capital.lower[0], capital.upper[0]) == expected


def test_nothing_is_known_before_the_first_value_and_little_after_it():
    sequence = ConfidenceSequence()
    assert sequence.interval == (0.0, 1.0)
    assert sequence.n == 0
    sequence.add(1.0)
    assert sequence.n == 1
    assert sequence.half_width > 0.4


@given(st.lists(st.floats(0, 1), max_size=40))
def test_never_grows_and_stays_within_bounds(values: list[float]):
    sequence = ConfidenceSequence()
    lower, upper = sequence.interval
    for value in values:
        sequence.add(value)
        now = sequence.interval
        assert 0 <= lower <= now[0] < now[1] <= upper <= 1
        lower, upper = now
    assert sequence.n == len(values)


def test_one_of_many_is_the_same_as_one_alone():
    values = np.random.default_rng(2).random((5, 60))
    many, alone = HedgedCapital(5), ConfidenceSequence()
    for frame_scores in values.T:
        many.add(frame_scores)
        alone.add(float(frame_scores[3]))
    assert alone.interval == (many.lower[3], many.upper[3])


def test_values_that_drift_empty_the_interval_and_the_last_one_stays():
    sequence = ConfidenceSequence()
    for _ in range(300):
        sequence.add(0.2)
    assert not sequence.emptied
    while not sequence.emptied:
        before = sequence.interval
        sequence.add(0.9)
        assert sequence.n < 2000
    assert sequence.interval == before
    sequence.add(0.9)
    assert sequence.interval == before
    assert sequence.emptied


def test_a_long_constant_run_neither_overflows_nor_empties():
    sequence = ConfidenceSequence()
    for _ in range(3000):
        sequence.add(0.3005)  # between two candidates
    lower, upper = sequence.interval
    assert lower < 0.3005 < upper
    assert upper - lower < 0.01
    assert not sequence.emptied


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf])
def test_a_value_outside_the_bounds_is_refused(value: float):
    sequence = ConfidenceSequence()
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        sequence.add(value)
    assert sequence.n == 0


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_that_is_no_probability_is_refused(confidence: float):
    with pytest.raises(ValueError, match="confidence"):
        ConfidenceSequence(confidence)

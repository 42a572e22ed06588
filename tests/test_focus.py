"""The search for the focus: what it accepts, what it refuses and why, and that it never runs away."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from benchmarks.focus_curves import KINDS, Stand, search, specimen
from hcc_scope.cli.focus import curve_lines
from hcc_scope.errors import PlanError
from hcc_scope.focus import FocusReading, FocusSettings, FocusTrend, find_focus, fit_plane, read_focus
from hcc_scope.focus.curve import locate, noise_of, second_rise, shoulder, unevenness
from hcc_scope.focus.record import FocusRecord, read_record
from hcc_scope.phantom import CameraPhysics
from hcc_scope.quality import QualityLimits
from hcc_scope.run_events import RunEvent
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SETTINGS = FocusSettings()
GRID = TileGrid.for_frame((512, 512))


def reading(z_um: float, focus: object, second: object = None, *, tissue: object = True, saturated: object = False):
    values = np.atleast_1d(np.asarray(focus, dtype=np.float32))
    every = np.ones(len(values), dtype=bool)
    return FocusReading(
        z_um,
        values,
        np.atleast_1d(np.asarray(focus if second is None else second, dtype=np.float32)),
        every & np.asarray(tissue, dtype=bool),
        every & np.asarray(saturated, dtype=bool),
    )


def bell(z_um: float, at_um: float = 0.0, width_um: float = 2.0) -> float:
    return 0.01 + 0.07 / (1 + ((z_um - at_um) / width_um) ** 2)


# what is accepted


@pytest.mark.parametrize("began_um", [-30.0, -20.0, -10.3, -5.0, -2.0, 0.0, 0.4, 2.7, 5.0, 10.0, 20.0, 30.0])
def test_a_clean_peak_is_found_from_both_sides_within_the_frames(began_um: float):
    asked: list[float] = []

    def read_at(z_um: float) -> FocusReading:
        asked.append(z_um)
        return reading(z_um, bell(z_um))

    result = find_focus(read_at, began_um)
    assert result.accepted, result.explanation
    assert abs(result.z_um) < 0.2
    assert len(asked) == len(result.curve) <= SETTINGS.most_frames
    assert result.curve[-1].z_um == result.z_um == asked[-1]
    assert result.around_um is not None
    assert result.around_um[0] < 0 < result.around_um[1]


def test_the_height_is_what_the_drive_reports_and_not_what_was_asked():
    result = find_focus(lambda z_um: reading(z_um - 1.25, bell(z_um - 1.25)), 4.0)
    assert result.accepted
    assert abs(result.z_um) < 0.1


def test_a_tile_that_loses_its_texture_out_of_focus_is_judged_in_every_frame():
    def read_at(z_um: float) -> FocusReading:
        return reading(z_um, [bell(z_um)] * 3, tissue=[abs(z_um) < 6, abs(z_um) < 6, False])

    result = find_focus(read_at, 9.0)
    assert (result.accepted, result.judged_tiles, result.tiles) == (True, 2, 3)
    assert all(point.focus == pytest.approx(bell(point.z_um)) for point in result.curve)


def test_glass_that_glows_out_of_focus_is_no_tissue():
    result = find_focus(lambda z_um: reading(z_um, bell(z_um), tissue=abs(z_um) > 6), 0.0)
    assert result.reason == "no_tissue"
    structure = FocusSettings(judged="structure")
    assert find_focus(lambda z_um: reading(z_um, bell(z_um), tissue=False), 0.0, settings=structure).accepted


def test_dirt_on_a_few_tiles_does_not_move_the_focus():
    def read_at(z_um: float) -> FocusReading:
        return reading(z_um, [bell(z_um)] * 5 + [3 * bell(z_um, 14)] * 2)

    result = find_focus(read_at, 3.0)
    assert result.accepted
    assert abs(result.z_um) < 0.1


def test_a_tile_that_is_saturated_in_one_frame_counts_in_none():
    def read_at(z_um: float) -> FocusReading:
        return reading(z_um, [bell(z_um)] * 3, saturated=[abs(z_um) < 1, False, False])

    result = find_focus(read_at, 3.0)
    assert (result.accepted, result.judged_tiles) == (True, 2)


# what is refused


def _drifting(at_um: float = 0.0) -> Callable[[float], FocusReading]:
    frames = iter(range(100))
    return lambda z_um: reading(z_um, bell(z_um, at_um + 0.6 * next(frames)))


def _noisy() -> Callable[[float], FocusReading]:
    rng = np.random.default_rng(5)
    return lambda z_um: reading(z_um, *(bell(z_um, width_um=6) * rng.uniform(0.2, 1.0, size=2)))


def steps(z_um: float) -> float:
    return round(z_um / 1.3) * 1.3


REFUSED: dict[str, tuple[str, Callable[[float], FocusReading]]] = {
    "flat": ("flat", lambda z: reading(z, 0.05)),
    "slope without an end": ("edge", lambda z: reading(z, 0.05 + 0.001 * z)),
    "peak beyond the shifted window": ("edge", lambda z: reading(z, bell(z, 60, 20))),
    "bowl": ("two_peaks", lambda z: reading(z, 0.02 + 0.0001 * min(abs(z), 17) ** 2 + 0.05 * (abs(z) < 1))),
    "two peaks": ("two_peaks", lambda z: reading(z, bell(z, -9) + 0.5 * bell(z, 9))),
    "shoulder": ("two_peaks", lambda z: reading(z, bell(z, 0) + 0.4 * bell(z, 8))),
    "tissue too bright": ("saturated", lambda z: reading(z, bell(z), saturated=True)),
    "saturated, and sharper where it is": ("saturated", lambda z: reading(z, bell(z), saturated=abs(z) < 1)),
    "all white": ("saturated", lambda z: reading(z, 0.0, tissue=False, saturated=True)),
    "glass": ("no_tissue", lambda z: reading(z, 0.0, tissue=False)),
    "second measure elsewhere": ("disagreeing", lambda z: reading(z, bell(z), bell(z, 10))),
    "second measure a little elsewhere": ("disagreeing", lambda z: reading(z, bell(z), bell(z, 2.5))),
    "second measure flat": ("disagreeing", lambda z: reading(z, bell(z), 0.01)),
    "drifting": ("drifting", _drifting()),
    "noisy": ("noisy", _noisy()),
    "drive with coarse steps": ("off_target", lambda z: reading(steps(z), bell(steps(z), 0.65, 3))),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_curve_without_one_clear_peak_is_refused_for_its_reason(case: str):
    reason, read_at = REFUSED[case]
    result = find_focus(read_at, 0.0)
    assert (result.reason, result.z_um, result.accepted) == (reason, 0.0, False)
    assert len(result.curve) <= SETTINGS.most_frames
    json.dumps(result.as_facts(), allow_nan=False)


def test_a_peak_at_the_rigs_limit_is_an_edge_and_no_height_beyond_is_asked_for():
    asked: list[float] = []

    def read_at(z_um: float) -> FocusReading:
        asked.append(z_um)
        return reading(z_um, bell(z_um))

    result = find_focus(read_at, -10.0, (-40.0, 0.0))
    assert result.reason == "edge"
    assert min(asked) >= -40.0
    assert max(asked) <= 0.0
    assert find_focus(read_at, -10.0, (-14.0, 0.0)).reason == "no_room"
    assert find_focus(read_at, -10.0, (0.0, 100.0)).reason == "no_room"


def test_a_contrast_that_saturation_inverts_does_not_drive_the_stage_away():
    # a bright lamp: sharper tissue clips more, and looks blurrier for it, up to the end of the range
    def read_at(z_um: float) -> FocusReading:
        return reading(z_um, [0.09 - bell(z_um, -12)] * 2, saturated=[abs(z_um + 12) < 3, False])

    result = find_focus(read_at, 0.0)
    assert not result.accepted
    assert max(abs(point.z_um) for point in result.curve) <= 2 * SETTINGS.coarse_range_um


def test_a_drive_that_reports_heights_beyond_its_reach_is_not_sent_there():
    asked: list[float] = []

    def read_at(z_um: float) -> FocusReading:
        asked.append(z_um)
        return reading(3 * z_um, bell(z_um, 15.0))

    assert not find_focus(read_at, 0.0).accepted
    assert max(abs(z_um) for z_um in asked) <= SETTINGS.reach_um + 0.25


def test_without_a_judged_tile_no_measure_is_recorded_and_no_curve_is_shown():
    result = find_focus(lambda z_um: reading(z_um, 0.0, tissue=False), 0.0)
    assert (result.reason, result.judged_tiles, len(result.curve)) == ("no_tissue", 0, 11)
    facts: dict[str, Any] = result.as_facts()
    assert {(one["focus"], one["tenengrad"]) for one in facts["curve"]} == {(None, None)}
    record = read_record(RunEvent(datetime.now(UTC), "focus", facts))
    assert isinstance(record, FocusRecord)
    assert (record.is_drawn, len(record.curve)) == (False, 11)
    assert list(curve_lines(result, "#")) == ["0 of 1 tiles judged (tissue tiles), 11 frames"]


def test_what_the_reader_raises_comes_through():
    def read_at(_z_um: float) -> FocusReading:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_focus(read_at, 0.0)


@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1))
@settings(max_examples=72)
def test_no_specimen_makes_the_search_run_away_or_end_blurrier(kind: str, seed: int):
    outcome = search(specimen(kind, np.random.default_rng(seed)))
    assert not outcome.runaway
    assert not outcome.blurrier
    assert len(outcome.result.curve) <= SETTINGS.most_frames


@given(
    st.lists(st.floats(0, 1), min_size=24, max_size=24),
    st.floats(-500, 500),
    st.floats(0, 60),
    st.floats(0, 60),
    st.floats(-2, 2),
)
@settings(max_examples=60)
def test_any_curve_at_all_ends_within_the_limits(
    values: list[float], began_um: float, below_um: float, above_um: float, off_um: float
):
    def read(z_um: float, frame: int) -> FocusReading:
        return reading(z_um, values[frame])

    span_um = (began_um - below_um, began_um + above_um)
    stand = Stand(lambda _z, _n: 0.0, read, began_um, span_um, lambda z_um: z_um + off_um)
    assert not search(stand).runaway


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="do not suffice"):
        FocusSettings(most_frames=14)
    with pytest.raises(ValueError, match="positive"):
        FocusSettings(fine_step_um=0.0)


# the parts of a curve


def test_noise_is_measured_on_a_slope_beside_a_narrow_peak_and_between_two_peaks():
    rng = np.random.default_rng(3)
    slope = np.linspace(0, 1, 400)
    noisy = slope + 0.02 * rng.standard_normal(400)
    assert unevenness(noisy) == pytest.approx(0.02, rel=0.15)
    flat, other = rng.standard_normal((2, 400))
    assert noise_of(flat, other) == pytest.approx(1.0, rel=0.15)
    narrow = np.array([1.0, 1, 1, 1, 9, 1, 1, 1, 1, 1, 1])
    two = np.array([1.0, 4, 9, 3, 1, 3, 7, 4, 1])
    assert (noise_of(narrow, narrow**2), noise_of(two, two**2)) == (0, 0)
    assert unevenness(two) > 1


def test_the_top_of_a_peak_is_found_between_its_points():
    z_um = np.arange(-4.0, 5.0)
    for at_um in (-1.3, 0.0, 0.45, 2.0):
        peak = locate(z_um, np.exp(-(((z_um - at_um) / 3) ** 2)), 0.0)
        assert peak is not None
        assert (peak.z_um, peak.value) == (pytest.approx(at_um, abs=1e-6), pytest.approx(1.0))
    assert locate(z_um, z_um + 5, 0.0) is None  # no top
    assert locate(np.zeros(9), np.exp(-(z_um**2)), 0.0) is None  # a drive that does not move


def test_second_peaks_are_seen_with_a_valley_and_without():
    single, twin = np.array([0.0, 1, 4, 9, 4, 1, 0]), np.array([0.0, 1, 4, 9, 4, 5, 0])
    assert (second_rise(single, single, 3), second_rise(twin, twin, 3)) == (0, 1)
    beside = np.array([9.0, 4, 3.9, 1, 0])
    assert (shoulder(single, single, 3), shoulder(beside, beside, 0)) == (0, pytest.approx(2.8))


def test_a_rise_that_the_second_measure_does_not_show_is_chance():
    twin, other = np.array([0.0, 1, 4, 9, 4, 5, 0]), np.array([0.0, 1, 4, 9, 4, 2, 1])
    assert (second_rise(twin, other, 3), shoulder(twin, other, 3)) == (0, 0)
    rng = np.random.default_rng(8)

    def in_little_light(z_um: float) -> FocusReading:  # hardly any structure is left there to relate the detail to
        return reading(z_um, bell(z_um) + (0.02 * rng.uniform() if abs(z_um) > 18 else 0.0), bell(z_um) ** 1.5)

    assert find_focus(in_little_light, 15.0).accepted


# a reading


@pytest.fixture(scope="module")
def frames() -> dict[float, NDArray[np.uint16]]:
    """Return a textured field out of focus by so many um, with the noise of a camera."""
    rng = np.random.default_rng(11)
    grain = sum(ndimage.gaussian_filter(rng.standard_normal((512, 512)), px) * px for px in (0.7, 2, 6, 15))
    sharp = (0.6 * np.exp(0.4 * grain)).astype(np.float32)
    return {
        z_um: CameraPhysics().expose(ndimage.gaussian_filter(sharp, 0.67 * z_um), exposure_ms=5, noise_seed=int(z_um))
        for z_um in (0.0, 2.0, 8.0, 20.0)
    }


def test_both_measures_fall_with_defocus_on_tissue(frames: dict[float, NDArray[np.uint16]]):
    readings = [read_focus(pixels, GRID, QualityLimits(), 16, z_um) for z_um, pixels in frames.items()]
    for values in ([one.focus for one in readings], [one.tenengrad for one in readings]):
        assert values == sorted(values, reverse=True)
        assert values[0] > 2 * values[2] > 0
    assert [one.tissue_tiles for one in readings] == [1, 1, 1, 1]


def test_the_measures_do_not_depend_on_the_light(frames: dict[float, NDArray[np.uint16]]):
    full, half = (read_focus(pixels, GRID, QualityLimits(), 16, 0.0) for pixels in (frames[0.0], frames[0.0] // 2))
    assert half.focus == pytest.approx(full.focus, rel=0.02)
    assert half.tenengrad == pytest.approx(full.tenengrad, rel=0.02)


def test_a_saturated_tile_is_named_and_not_judged(frames: dict[float, NDArray[np.uint16]]):
    bright = np.where(frames[0.0] > np.quantile(frames[0.0], 0.9), 65535, frames[0.0]).astype(np.uint16)
    one = read_focus(bright, GRID, QualityLimits(), 16, 0.0)
    assert (one.saturated_fraction, one.focus, one.judged.any()) == (1.0, 0.0, False)


# a plane


def heights(n: int, seed: int, noise_um: float = 0.2) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    places = rng.uniform(-5000, 5000, size=(n, 2))
    z_um = 3 + 0.002 * places[:, 0] - 0.001 * places[:, 1] + noise_um * rng.standard_normal(n)
    return np.column_stack([places, z_um])


@given(st.integers(8, 30), st.integers(0, 1000), st.floats(0, 0.3), st.floats(8, 200))
@settings(max_examples=25)
def test_wrong_heights_are_named_and_do_not_pull_the_plane(n: int, seed: int, share: float, by_um: float):
    points = heights(n, seed)
    wrong = list(range(int(share * n)))
    points[wrong, 2] += by_um
    plane = fit_plane(points.tolist())
    assert set(plane.outliers) == set(wrong)
    for x_um, y_um in ((0, 0), (4000, -4000)):
        assert plane.z_um(x_um, y_um) == pytest.approx(3 + 0.002 * x_um - 0.001 * y_um, abs=1.5)
    assert plane.residual_um < 1.0
    json.dumps(plane.as_facts(), allow_nan=False)


def test_one_wrong_height_of_six_stands_out():
    points = heights(6, 4, noise_um=0.1)
    points[2, 2] += 15
    plane = fit_plane(points.tolist())
    assert plane.outliers == (2,)
    assert plane.residuals_um[2] == pytest.approx(15, abs=1)


def test_a_plane_is_less_well_known_far_from_its_points():
    near = [(x, y, 0.0) for x in (0.0, 100.0, 200.0) for y in (0.0, 100.0)]
    plane = fit_plane(near)
    assert plane.uncertainty_um(100.0, 50.0) == pytest.approx(0.5 / np.sqrt(6))
    assert plane.uncertainty_um(3000.0, 50.0) > 5.0
    # the standard error of least squares, by repetition
    rng = np.random.default_rng(3)
    found = []
    for _ in range(300):
        noise = rng.normal(0, 0.5, 6)
        heights = [(x, y, z) for (x, y, _), z in zip(near, noise, strict=True)]
        one = fit_plane(heights)
        found.append(one.z_um(600.0, 50.0) if not one.outliers else np.nan)
    assert np.nanstd(found) == pytest.approx(plane.uncertainty_um(600.0, 50.0), rel=0.2)


def test_a_plane_needs_six_places_that_are_no_line():
    with pytest.raises(PlanError, match="at least 6 points"):
        fit_plane(heights(5, 1).tolist())
    with pytest.raises(PlanError, match="in one line"):
        fit_plane([(i * 100.0, i * 200.0, 1.0) for i in range(8)])
    with pytest.raises(PlanError, match="no position"):
        fit_plane([*heights(7, 1).tolist(), (0.0, 0.0, float("nan"))])


# the coach


def test_the_coach_leads_past_the_best_and_back():
    trend = FocusTrend()
    states = [trend.add(reading(np.nan, bell(z_um))).state for z_um in np.arange(-10, 0.1, 0.5)]
    assert set(states[3:-2]) == {"rising"}
    past = [trend.add(reading(np.nan, bell(z_um))) for z_um in np.arange(1, 6)]
    assert past[-1].state == "past_best"
    assert past[-1].fraction == pytest.approx(bell(5) / bell(0), rel=0.01)
    back = [trend.add(reading(np.nan, bell(z_um))) for z_um in (4, 3, 2, 1, 0.5, 0.2, 0, 0, 0, 0)]
    assert back[1].state == "rising"
    assert (back[-1].state, back[-1].fraction) == ("best", pytest.approx(1.0))


def test_the_coach_claims_no_best_before_it_has_seen_anything_else():
    trend = FocusTrend()
    assert [trend.add(reading(np.nan, 0.05)).state for _ in range(6)] == ["steady"] * 6


def test_the_coach_takes_noise_for_no_trend():
    trend, rng = FocusTrend(), np.random.default_rng(2)
    states = [trend.add(reading(np.nan, 0.05 * (1 + 0.02 * rng.standard_normal(4)))).state for _ in range(60)]
    assert states[10:].count("steady") >= 45


def test_the_coach_follows_tiles_that_lose_their_texture_and_says_where_there_is_none():
    trend = FocusTrend()
    assert trend.add(reading(np.nan, 0.0, tissue=False)).state == "no_structure"
    for z_um in np.arange(-6, 0.1):
        view = trend.add(reading(np.nan, [bell(z_um)] * 2, tissue=[abs(z_um) < 3, False]))
    assert view.fraction == pytest.approx(1.0)
    view = trend.add(reading(np.nan, [bell(9)] * 2, tissue=False))
    assert (view.state, view.fraction) == ("past_best", pytest.approx(bell(9) / bell(0), rel=0.01))
    trend.reset()
    assert trend.add(reading(np.nan, [bell(9)] * 2, tissue=False)).state == "no_structure"

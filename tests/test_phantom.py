"""The phantom section and its camera: deterministic, consistent between fields, honest about its effect sizes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hcc_scope.phantom import (
    CLEAR_EFFECTS,
    EFFECTS,
    CameraPhysics,
    DayEffect,
    SectionEffect,
    Specimen,
    defocus_sigma_um,
    vignetting_map,
)

PX = 0.325
Floats = NDArray[np.floating[Any]]


@pytest.fixture(scope="module")
def high():
    return Specimen(3, "A2", "S1", "high", cache_mb=32)


@pytest.fixture(scope="module")
def low():
    return Specimen(3, "A1", "S1", "low", cache_mb=32)


def sharpness(field: Floats):
    return float(np.diff(field, axis=1).var())


def auc(positive: Floats, negative: Floats):
    return float((np.asarray(positive)[:, None] > np.asarray(negative)[None, :]).mean())


# ---- the same every time


def test_the_same_words_give_the_same_field(high: Specimen):
    again = Specimen(3, "A2", "S1", "high")
    assert np.array_equal(
        high.render(120.0, -340.0, 1.5, (300, 200), PX), again.render(120.0, -340.0, 1.5, (300, 200), PX)
    )
    assert np.array_equal(high.outline_um, again.outline_um)


def test_another_process_gives_the_same_field_and_frame(high: Specimen):
    field = high.render(0.0, 0.0, 0.0, (200, 200), PX)
    frame = CameraPhysics().expose(field, exposure_ms=10.0, noise_seed=4, day=high.day_effect)
    code = (
        "import zlib; from hcc_scope.phantom import *; s = Specimen(3, 'A2', 'S1', 'high');"
        f"f = s.render(0.0, 0.0, 0.0, (200, 200), {PX});"
        "c = CameraPhysics().expose(f, exposure_ms=10.0, noise_seed=4, day=s.day_effect);"
        "print(zlib.crc32(f.tobytes()), zlib.crc32(c.tobytes()))"
    )
    # as on another processor: its matrix products would round differently
    env = os.environ | {"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60, env=env)
    assert done.stdout.split() == [str(zlib.crc32(field.tobytes())), str(zlib.crc32(frame.tobytes()))]


def test_a_field_does_not_depend_on_what_was_rendered_before(high: Specimen):
    fresh = Specimen(3, "A2", "S1", "high", cache_mb=1)  # four chunks: nearly everything is drawn anew
    for x in (0.0, 50.0, -50.0, 0.0):
        assert np.array_equal(fresh.render(x, 10.0, 0.0, (600, 600), PX), high.render(x, 10.0, 0.0, (600, 600), PX))


def test_threads_get_the_same_field(high: Specimen):
    fresh = Specimen(3, "A2", "S1", "high", cache_mb=2)
    places = [(x * 40.0, 0.0) for x in range(6)]
    with ThreadPoolExecutor(4) as pool:
        fields = list(pool.map(lambda place: fresh.render(*place, 0.0, (300, 300), PX), places))
    for place, field in zip(places, fields, strict=True):
        assert np.array_equal(field, high.render(*place, 0.0, (300, 300), PX))


@pytest.mark.parametrize(
    "words", [(4, "A2", "S1", "high"), (3, "A3", "S1", "high"), (3, "A2", "S2", "high"), (3, "A2", "S1", "low")]
)
def test_every_word_matters(high: Specimen, words: tuple[int, str, str, str]):
    specimen = Specimen(*words)
    other = specimen.render(0.0, 0.0, 0.0, (128, 128), PX)
    assert not np.array_equal(other, high.render(0.0, 0.0, 0.0, (128, 128), PX))
    assert specimen._tissue() is not high._tissue()


def test_a_section_that_is_looked_at_again_is_not_grown_again():
    assert Specimen(3, "A2", "S1", "high")._tissue() is Specimen(3, "A2", "S1", "high", day=1)._tissue()


# ---- fields agree where they overlap


@pytest.mark.parametrize("um_per_px", [0.325, 0.65])
@settings(max_examples=15, deadline=None, derandomize=True)
@given(dx=st.integers(-150, 150), dy=st.integers(-150, 150), z_um=st.sampled_from([0.0, 0.4, 1.0, -4.0]))
def test_overlapping_fields_agree_pixel_for_pixel(high: Specimen, dx: int, dy: int, z_um: float, um_per_px: float):
    shape = (190, 221)
    x0, y0 = 1234 * um_per_px, -777 * um_per_px
    a = high.render(x0, y0, z_um, shape, um_per_px)
    b = high.render(x0 + dx * um_per_px, y0 + dy * um_per_px, z_um, shape, um_per_px)
    rows, columns = shape[0] - abs(dy), shape[1] - abs(dx)
    part_a = a[max(dy, 0) : max(dy, 0) + rows, max(dx, 0) : max(dx, 0) + columns]
    part_b = b[max(-dy, 0) : max(-dy, 0) + rows, max(-dx, 0) : max(-dx, 0) + columns]
    assert np.array_equal(part_a, part_b)


def test_rounding_of_a_position_on_half_a_pixel_does_not_shift_the_field(high: Specimen):
    half = 100.5 * PX
    exact = high.render(half, half, 0.0, (64, 64), PX)
    for nudge in (-1e-9, 1e-9):
        assert np.array_equal(high.render(half + nudge, half - nudge, 0.0, (64, 64), PX), exact)


def test_chunks_leave_no_seam(high: Specimen):
    field = high.render(0.0, 0.0, 0.0, (1024, 1024), PX)  # centred on a corner of chunks
    steps = np.abs(np.diff(field, axis=1)).mean(axis=0)
    at_borders = steps[[255, 511, 767]].mean()
    assert at_borders < steps.mean() + 4.0 * steps.std() / np.sqrt(3)


def test_a_tile_equals_the_middle_of_a_larger_field(low: Specimen):
    large = low.render(0.0, 0.0, 0.0, (401, 301), PX)
    assert np.array_equal(low.render(0.0, 0.0, 0.0, (101, 51), PX), large[150:251, 125:176])


# ---- outline and glass


def test_outside_is_bare_glass_and_inside_is_tissue(high: Specimen):
    assert high.contains(0.0, 0.0)
    assert not high.contains(6000.0, 0.0)
    assert np.all(high.render(6000.0, 0.0, 0.0, (256, 256), PX) == 1.0)
    assert high.render(0.0, 0.0, 0.0, (256, 256), PX).mean() < 0.9


def test_outline_is_about_8_by_6_mm_and_its_edge_shows_tissue_and_glass(high: Specimen):
    outline = high.outline_um
    width, height = np.ptp(outline, axis=0)
    assert 6500 < width < 10000
    assert 4800 < height < 7600
    x, y = outline[40]
    assert high.contains(0.97 * x, 0.97 * y)
    assert not high.contains(1.03 * x, 1.03 * y)
    glass = (high.render(x, y, 0.0, (1024, 1024), PX) > 0.999).mean()
    assert 0.15 < glass < 0.85


def test_there_is_room_for_forty_fields(low: Specimen):
    side = 2048 * PX
    corners = list(itertools.product((-side / 2, side / 2), repeat=2))
    grid = itertools.product(np.arange(-5, 6) * side, np.arange(-4, 5) * side)
    assert sum(all(low.contains(x + dx, y + dy) for dx, dy in corners) for x, y in grid) > 40


# ---- focus and pixel size


def test_blur_grows_with_the_distance_from_focus(high: Specimen):
    blurs = [sharpness(high.render(0.0, 0.0, z, (256, 256), PX)) for z in (0.0, 1.0, 2.0, 5.0, 12.0)]
    assert blurs == sorted(blurs, reverse=True)
    assert blurs[-1] < 0.1 * blurs[0]
    assert np.array_equal(high.render(0.0, 0.0, -3.0, (64, 64), PX), high.render(0.0, 0.0, 3.0, (64, 64), PX))


def test_defocus_follows_the_geometry_of_the_objective():
    assert defocus_sigma_um(-10.0) == pytest.approx(10.0 * np.tan(np.arcsin(0.4)) / 2.0, rel=0.01)


def test_other_pixel_sizes_show_the_same_place(high: Specimen):
    fine = high.render(0.0, 0.0, 0.0, (300, 300), 0.325).astype(np.float64)
    coarse = high.render(0.0, 0.0, 0.0, (150, 150), 0.65).astype(np.float64)
    binned = fine.reshape(150, 2, 150, 2).mean(axis=(1, 3))
    assert np.corrcoef(binned.ravel(), coarse.ravel())[0, 1] > 0.8
    assert coarse.mean() == pytest.approx(binned.mean(), rel=0.03)


@pytest.mark.parametrize("um_per_px", [0.65, 2.0])
@pytest.mark.parametrize("shape_yx", [(1, 1), (7, 333), (513, 2)])
def test_any_shape_and_pixel_size(low: Specimen, um_per_px: float, shape_yx: tuple[int, int]):
    field = low.render(11.0, 17.0, 0.0, shape_yx, um_per_px)
    assert field.shape == shape_yx
    assert field.dtype == np.float32
    assert np.all((field > 0.0) & (field <= 1.0))
    assert field.flags.c_contiguous
    assert field.flags.writeable


@pytest.mark.parametrize(("shape_yx", "um_per_px"), [((0, 5), PX), ((5, 5), 0.0), ((5, 5), float("nan"))])
def test_impossible_fields_are_refused(low: Specimen, shape_yx: tuple[int, int], um_per_px: float):
    with pytest.raises(ValueError, match=r"must be"):
        low.render(0.0, 0.0, 0.0, shape_yx, um_per_px)


def test_unknown_class_is_refused():
    with pytest.raises(ValueError, match="low"):
        Specimen(1, "A", "S", "medium")  # type: ignore[arg-type]  # the point of the test


# ---- classes and random effects


@pytest.fixture(scope="module")
def class_tiles():
    """Mean grey and share of dark (nuclear) pixels of tiles, per class: 6 animals, 8 places each."""
    features = {"low": [], "high": []}
    for number, tumour_class in enumerate(["low", "high"] * 3):
        specimen = Specimen(21, f"M{number}", "S1", tumour_class, day=number // 2)
        for x, y in itertools.product((-1500.0, -500.0, 500.0, 1500.0), (-600.0, 600.0)):
            field = specimen.render(x, y, 0.0, (512, 512), PX)
            dark = float((field < 0.75 * np.median(field)).mean())
            features[tumour_class].append((float(field.mean()), dark, specimen.phenotype(x, y)))
    return {name: np.array(rows) for name, rows in features.items()}


def test_classes_differ_in_their_nuclei_but_single_tiles_are_ambiguous(class_tiles: dict[str, Floats]):
    assert 0.75 < auc(class_tiles["high"][:, 1], class_tiles["low"][:, 1]) < 0.98


def test_the_mean_grey_does_not_separate_the_classes(class_tiles: dict[str, Floats]):
    assert 0.25 < auc(class_tiles["high"][:, 0], class_tiles["low"][:, 0]) < 0.75


def test_sections_differ_in_their_mean(class_tiles: dict[str, Floats]):
    mean = {name: rows[:, 2].reshape(3, 8).mean(axis=1) for name, rows in class_tiles.items()}
    assert mean["high"].min() > mean["low"].max()


def test_effects_have_the_stated_sizes():
    n = 3000
    sections = [SectionEffect.draw(1, f"a{i}", "s", "high", EFFECTS) for i in range(n)]
    latent = np.array([s.latent_mean for s in sections])
    assert latent.mean() == pytest.approx(EFFECTS.class_separation / 2, abs=0.06)
    assert latent.std() == pytest.approx(np.hypot(EFFECTS.animal_latent_sd, EFFECTS.section_latent_sd), rel=0.06)
    nests = np.array([s.arrangement_mean for s in sections])
    assert nests.mean() == pytest.approx(EFFECTS.arrangement_separation / 2, abs=0.09)
    assert nests.std() == pytest.approx(
        np.hypot(EFFECTS.animal_arrangement_sd, EFFECTS.section_arrangement_sd), rel=0.06
    )
    assert abs(np.corrcoef(latent, nests)[0, 1]) < 0.06
    stain = np.log([s.stain for s in sections])
    assert stain.std() == pytest.approx(np.hypot(EFFECTS.animal_stain_sd, EFFECTS.section_stain_sd), rel=0.06)
    assert np.log([s.thickness for s in sections]).std() == pytest.approx(EFFECTS.section_thickness_sd, rel=0.06)

    days = [DayEffect.draw(1, day) for day in range(n)]
    for values, sd in (
        (np.log([d.illumination for d in days]), EFFECTS.day_illumination_sd),
        (np.log([d.gain for d in days]), EFFECTS.day_gain_sd),
        (np.log([d.thickness for d in days]), EFFECTS.day_thickness_sd),
        (np.array([d.vignetting for d in days]), EFFECTS.vignetting_sd),
        (np.array([d.centre_yx[0] for d in days]), EFFECTS.vignetting_centre_sd),
    ):
        assert values.std() == pytest.approx(sd, rel=0.06)


def test_sections_of_one_animal_share_its_effects():
    pairs = [[SectionEffect.draw(1, f"a{i}", s, "low", EFFECTS) for s in ("s1", "s2")] for i in range(2000)]
    for name, animal_sd, section_sd in (
        ("latent_mean", EFFECTS.animal_latent_sd, EFFECTS.section_latent_sd),
        ("arrangement_mean", EFFECTS.animal_arrangement_sd, EFFECTS.section_arrangement_sd),
    ):
        drawn = np.array([[getattr(one, name) for one in pair] for pair in pairs])
        assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(animal_sd**2 / (animal_sd**2 + section_sd**2), abs=0.05)


def test_animals_of_a_cohort_overlap_and_hold_the_clear_sections_of_the_demo():
    latent, nests = (
        np.array(
            [
                [getattr(SectionEffect.draw(1, f"a{i}", "s", name, EFFECTS), which) for i in range(2000)]
                for name in ("low", "high")
            ]
        )
        for which in ("latent_mean", "arrangement_mean")
    )
    assert 0.75 < auc(latent[1], latent[0]) < 0.9
    assert 0.9 < auc(nests[1], nests[0]) < 0.97
    for seed in range(20):
        for number, name in enumerate(("low", "high")):
            clear = SectionEffect.draw(seed, "M1", "S1", name, CLEAR_EFFECTS)  # type: ignore[arg-type]
            assert np.quantile(latent[number], 0.03) < clear.latent_mean < np.quantile(latent[number], 0.97)
            assert (clear.latent_mean > 0) == (name == "high")
            assert clear.arrangement_mean is None


def test_heterogeneity_inside_a_section_has_unit_size(high: Specimen):
    rng = np.random.default_rng(0)
    p = np.array([high.phenotype(x, y) for x, y in rng.uniform(-1800, 1800, (800, 2))])
    latent = np.log(p / (1 - p))
    assert latent.std() == pytest.approx(1.0, abs=0.15)
    assert latent.mean() == pytest.approx(high.section_effect.latent_mean, abs=0.25)


def test_thickness_of_the_day_scales_the_absorbance(high: Specimen):
    tuesday = Specimen(3, "A2", "S1", "high", day="tuesday")
    one = np.log(high.render(0.0, 0.0, 0.0, (64, 64), PX))
    other = np.log(tuesday.render(0.0, 0.0, 0.0, (64, 64), PX))
    dense = one < -0.05
    ratio = tuesday.day_effect.thickness / high.day_effect.thickness
    assert ratio != 1.0
    np.testing.assert_allclose(other[dense] / one[dense], ratio, rtol=1e-4)


# ---- camera

FLAT = np.full((512, 1024), 0.8, dtype=np.float32)


@pytest.mark.parametrize(
    ("exposure_ms", "em_gain", "bit_depth"),
    [(10.0, 1.0, 16), (0.5, 1.0, 16), (0.05, 20.0, 16), (0.005, 300.0, 16), (10.0, 1.0, 12), (0.0, 1.0, 16)],
)
def test_mean_and_variance_follow_theory(exposure_ms: float, em_gain: float, bit_depth: int):
    camera = CameraPhysics(bit_depth=bit_depth)
    day = DayEffect(illumination=1.1, gain=0.95)
    frame = camera.expose(FLAT, exposure_ms=exposure_ms, em_gain=em_gain, noise_seed=1, day=day)
    mean, variance = camera.expected(0.8, exposure_ms=exposure_ms, em_gain=em_gain, day=day)
    sd_of_mean = np.sqrt(variance / FLAT.size)
    assert abs(frame.mean() - mean) < 5.0 * sd_of_mean + 0.02
    assert frame.var() == pytest.approx(variance + 1.0 / 12.0, rel=0.02)  # quantisation adds a twelfth


def test_em_gain_adds_excess_noise():
    camera = CameraPhysics()
    assert camera.excess_noise_squared(1.0) == pytest.approx(1.0)
    assert camera.excess_noise_squared(1000.0) == pytest.approx(2.0, rel=0.02)
    # at high gain the read noise no longer matters: signal to noise is that of half the electrons
    electrons = 0.8 * camera.photons_per_ms * 0.05 * camera.quantum_efficiency
    frame = camera.expose(FLAT, exposure_ms=0.05, em_gain=200.0, noise_seed=2).astype(np.float64)
    snr = (frame.mean() - camera.offset_counts) / frame.std()
    assert snr**2 == pytest.approx(electrons / camera.excess_noise_squared(200.0), rel=0.03)


def test_glass_is_at_sixty_percent_ten_times_saturates_and_a_twentieth_is_dark():
    camera = CameraPhysics()
    glass = np.ones((64, 64), dtype=np.float32)
    assert camera.expose(glass, exposure_ms=10.0, noise_seed=0).mean() / camera.full_scale == pytest.approx(
        0.6, abs=0.02
    )
    assert np.all(camera.expose(glass, exposure_ms=100.0, noise_seed=0) == camera.full_scale)
    assert camera.expose(glass, exposure_ms=0.5, noise_seed=0).max() < 0.05 * camera.full_scale


def test_bit_depth_bounds_the_counts():
    camera = CameraPhysics(bit_depth=12)
    frame = camera.expose(np.ones((32, 32), dtype=np.float32), exposure_ms=1000.0, noise_seed=0)
    assert frame.dtype == np.uint16
    assert frame.max() == 4095


def test_noise_repeats_with_its_seed_and_not_without():
    camera = CameraPhysics()
    one, again, other = (
        camera.expose(FLAT, exposure_ms=10.0, noise_seed=seed).astype(np.float64) for seed in (7, 7, 8)
    )
    assert np.array_equal(one, again)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.01
    # neighbours are independent too
    assert abs(np.corrcoef(one[:, 1:].ravel(), one[:, :-1].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(one[1:].ravel(), one[:-1].ravel())[0, 1]) < 0.01


@settings(max_examples=20, deadline=None, derandomize=True)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_any_frame_shape_is_exposed(height: int, width: int):
    frame = CameraPhysics().expose(np.ones((height, width), dtype=np.float32), exposure_ms=10.0, noise_seed=3)
    assert frame.shape == (height, width)
    assert frame.min() > 35_000


def test_vignetting_belongs_to_the_field_not_to_the_specimen():
    day = DayEffect(vignetting=0.2)
    light = vignetting_map((401, 601), day)
    assert light[200, 300] == 1.0
    assert light[0, 0] == pytest.approx(0.8, abs=0.002)
    frame = CameraPhysics().expose(np.ones((401, 601), dtype=np.float32), exposure_ms=10.0, noise_seed=0, day=day)
    assert frame[:20, :20].mean() / frame[190:210, 290:310].mean() == pytest.approx(0.82, abs=0.02)
    off_centre = vignetting_map((100, 100), DayEffect(vignetting=0.2, centre_yx=(0.3, -0.2)))
    row, column = np.unravel_index(off_centre.argmax(), off_centre.shape)
    assert (row, column) == pytest.approx((64.5, 39.5), abs=1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"exposure_ms": -1.0}, "exposure_ms"), ({"em_gain": 0.5}, "em_gain"), ({"intensity": FLAT[0]}, "two dimensions")],
)
def test_impossible_exposures_are_refused(change: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        CameraPhysics().expose(**({"intensity": FLAT, "exposure_ms": 10.0, "noise_seed": 0} | change))


def test_bit_depth_is_checked():
    with pytest.raises(ValueError, match="bit_depth"):
        CameraPhysics(bit_depth=17)

"""Shifts between two pictures: found to a fraction of a px, and refused where there is none."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hcc_scope.tracking import TrackSettings
from hcc_scope.tracking.picture import Picture, reduced, reduction_factor, relative
from hcc_scope.tracking.registration import match, proposals, repeats, threshold
from tests.tracking_world import MIDDLE, Camera, picture

SETTINGS = TrackSettings()


@pytest.mark.parametrize(
    ("dy", "dx"),
    [(0, 0), (0.5, -0.25), (40, 30), (40.3, -30.6), (-70.5, 12.2), (-90.75, -60.5), (110.5, 0.0), (3.5, -120.3)],
)
def test_a_shift_is_found_in_every_quadrant_to_a_fraction_of_a_px(dy: float, dx: float) -> None:
    found = match(picture(MIDDLE, MIDDLE, 1), picture(MIDDLE + dy, MIDDLE + dx, 2), SETTINGS)
    assert found is not None
    assert found.offset_yx == pytest.approx((dy, dx), abs=0.15)
    assert found.overlap == pytest.approx((1 - abs(dy) / 256) * (1 - abs(dx) / 256), abs=0.01)
    assert found.correlation > threshold(found.overlap, SETTINGS)
    assert max(abs(found.offset_yx[0] - dy), abs(found.offset_yx[1] - dx)) < 3 * found.se_px


@pytest.mark.parametrize("shape", [(128, 512), (512, 128), (200, 300)])
def test_frames_need_not_be_square(shape: tuple[int, int]) -> None:
    found = match(picture(900, 900, 1, shape_yx=shape), picture(940.5, 850.25, 2, shape_yx=shape), SETTINGS)
    assert found is not None
    assert found.offset_yx == pytest.approx((40.5, -49.75), abs=0.15)


def test_a_gradient_and_dirt_do_not_pull_the_shift_to_zero():
    dirty = {"gradient": 0.8, "n_dirt": 25}
    for dy, dx in ((0.5, 0.3), (4.5, -2.0), (60.0, 35.5)):
        found = match(picture(MIDDLE, MIDDLE, 1, **dirty), picture(MIDDLE + dy, MIDDLE + dx, 2, **dirty), SETTINGS)
        assert found is not None
        assert found.offset_yx == pytest.approx((dy, dx), abs=0.4)


def test_fields_that_do_not_overlap_are_refused():
    places = [(y, x) for y in (0, 300, 600, 900, 1200) for x in (0, 300, 600, 900)]
    fields = [picture(y, x, k) for k, (y, x) in enumerate(places)]
    chance = [max(proposals(a, b, SETTINGS)) for i, a in enumerate(fields) for b in fields[:i]]
    assert len(chance) == 190
    assert all(match(a, b, SETTINGS) is None for a, b in itertools.pairwise(fields))
    # chance stays far below what is accepted at the overlap that it claims
    assert max(one.correlation / threshold(one.overlap, SETTINGS) for one in chance) < 0.6


def test_glass_on_glass_is_refused():
    assert match(picture(0, 0, 1, glass=True), picture(0, 0, 2, glass=True), SETTINGS) is None
    assert picture(0, 0, 1, glass=True).covered < 0.05


def test_a_repeating_picture_has_no_shift():
    y, x = np.mgrid[:256, :256]

    def grating(by_px: float, seed: int) -> Picture:
        wave = 30_000 + 8000 * np.sin(2 * np.pi * (x + by_px) / 23) * np.sin(2 * np.pi * y / 29)
        return Picture.of(relative((wave + np.random.default_rng(seed).normal(0, 200, wave.shape)).astype(np.float32)))

    found = proposals(grating(0, 1), grating(7, 2), SETTINGS)
    assert repeats(found)
    assert match(grating(0, 1), grating(7, 2), SETTINGS) is None


def test_a_defocused_field_is_still_matched():
    camera = Camera()
    sharp = Picture.of(relative(camera.frame(800, 800, 1).astype(np.float32)))
    blurred = Picture.of(relative(camera.frame(830, 770, 2, blur=2.0).astype(np.float32)))
    found = match(sharp, blurred, SETTINGS)
    assert found is not None
    assert found.offset_yx == pytest.approx((30, -30), abs=3 * found.se_px)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("shape", "factor"), [((1024, 1024), 4), ((515, 513), 2), ((100, 90), 1), ((512, 2048), 4)])
def test_a_frame_is_reduced_to_the_means_of_its_blocks(shape: tuple[int, int], factor: int, dtype: type) -> None:
    assert reduction_factor(shape, 256) == factor
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    small = reduced(pixels, factor)
    assert small.shape == (shape[0] // factor, shape[1] // factor)
    assert small[-1, -1] == pytest.approx(
        pixels[: small.shape[0] * factor, : small.shape[1] * factor][-factor:, -factor:].mean(), rel=1e-5
    )

"""Tiles are judged as a person would, at any exposure and gain; the phantom is the specimen."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from hcc_scope.errors import FrameSizeError
from hcc_scope.flag_texts import FLAG_TEXTS, describe_flags, describe_reason_counts, missed_step, reason_names
from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.quality import QualityLimits, TileQuality, assess
from hcc_scope.tiling import TileGrid
from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LIMITS = QualityLimits()
SHAPE_YX = (1024, 1024)
GRID = TileGrid.for_frame(SHAPE_YX)
CAMERA = CameraPhysics()
INSIDE = (0.0, 0.45, 0.75)  # of the way from the middle of the section to its edge
OUTSIDE = (1.3, 1.5)


@pytest.fixture(scope="module")
def specimens() -> list[Specimen]:
    return [
        Specimen(71, "Q1", "S1", "low", day=1, cache_mb=16),
        Specimen(72, "Q2", "S1", "high", day=2, cache_mb=16),
        Specimen(73, "Q3", "S1", "low", day=3, cache_mb=16),
        Specimen(74, "Q4", "S1", "high", day=4, cache_mb=16),
    ]


def fields(specimens: list[Specimen], reach: tuple[float, ...], z_um: float = 0.0) -> list[NDArray[np.float32]]:
    """Render fields on a ray from the middle of each section outwards."""
    rendered = []
    for number, specimen in enumerate(specimens):
        outline_um = specimen.outline_um
        for step, part in enumerate(reach):
            x_um, y_um = part * outline_um[(37 * number + 101 * step) % len(outline_um)]
            rendered.append(specimen.render(float(x_um), float(y_um), z_um, SHAPE_YX, 0.325))
    return rendered


def judge(
    specimens: list[Specimen], rendered: list[NDArray[np.float32]], *, exposure_ms: float = 10.0, em_gain: float = 1.0
) -> TileQuality:
    """Expose and assess fields; the tiles of all of them are joined."""
    per_specimen = len(rendered) // len(specimens)
    parts = [
        assess(
            CAMERA.expose(
                field,
                exposure_ms=exposure_ms,
                em_gain=em_gain,
                noise_seed=number,
                day=specimens[number // per_specimen].day_effect,
            ),
            GRID,
            LIMITS,
            16,
        )
        for number, field in enumerate(rendered)
    ]
    names = [field.name for field in dataclasses.fields(TileQuality)]
    return TileQuality(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def share(quality: TileQuality, flag: QualityFlag) -> float:
    return float(((quality.flags & flag) > 0).mean())


@pytest.fixture(scope="module")
def tissue(specimens: list[Specimen]) -> list[NDArray[np.float32]]:
    return fields(specimens, INSIDE)


@pytest.fixture(scope="module")
def glass(specimens: list[Specimen]) -> list[NDArray[np.float32]]:
    return fields(specimens, OUTSIDE)


# the phantom


@pytest.mark.parametrize(
    ("exposure_ms", "em_gain"), [(10.0, 1.0), (5.0, 1.0), (2.0, 1.0), (0.1, 100.0)], ids=["full", "half", "fifth", "em"]
)
def test_tissue_in_focus_passes_and_glass_does_not(
    specimens: list[Specimen],
    tissue: list[NDArray[np.float32]],
    glass: list[NDArray[np.float32]],
    exposure_ms: float,
    em_gain: float,
):
    inside = judge(specimens, tissue, exposure_ms=exposure_ms, em_gain=em_gain)
    assert (inside.flags == 0).mean() >= 0.98
    outside = judge(specimens, glass, exposure_ms=exposure_ms, em_gain=em_gain)
    assert share(outside, QualityFlag.NO_TISSUE) >= 0.99
    assert share(outside, QualityFlag.OUT_OF_FOCUS) == 0  # nothing to judge it by


@pytest.mark.parametrize("z_um", [8.0, -10.0, 15.0])
def test_defocus_is_noticed(specimens: list[Specimen], z_um: float):
    assert share(judge(specimens, fields(specimens, INSIDE[1:2], z_um)), QualityFlag.OUT_OF_FOCUS) >= 0.95


def test_a_little_defocus_is_forgiven(specimens: list[Specimen]):
    assert (judge(specimens, fields(specimens, INSIDE[1:2], 2.0)).flags == 0).mean() >= 0.98


def test_the_limits_have_room_on_both_sides(specimens: list[Specimen], tissue: list[NDArray[np.float32]]):
    sharp = judge(specimens, tissue)
    blurred = judge(specimens, fields(specimens, INSIDE[1:2], 10.0))
    assert sharp.focus.min() > 1.5 * LIMITS.focus_min
    assert blurred.focus.max() < LIMITS.focus_min
    assert sharp.tissue_fraction.min() > 1.5 * LIMITS.tissue_fraction_min


def test_exposure_is_judged(specimens: list[Specimen], tissue: list[NDArray[np.float32]]):
    assert share(judge(specimens, tissue, exposure_ms=100.0), QualityFlag.SATURATED) == 1
    assert share(judge(specimens, tissue, exposure_ms=0.5), QualityFlag.UNDER_EXPOSED) == 1


def test_tissue_and_focus_hardly_depend_on_exposure(specimens: list[Specimen], tissue: list[NDArray[np.float32]]):
    full = judge(specimens, tissue[:2] * 2, exposure_ms=10.0)
    fifth = judge(specimens, tissue[:2] * 2, exposure_ms=2.0)
    np.testing.assert_allclose(fifth.focus, full.focus, rtol=0.05)
    np.testing.assert_allclose(fifth.tissue_fraction, full.tissue_fraction, atol=0.03)


# what is no specimen at all


def noise(mean: float) -> NDArray[np.uint16]:
    return np.random.default_rng(0).poisson(mean, SHAPE_YX).astype(np.uint16)


def waves(period_px: float) -> NDArray[np.uint16]:
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    return (30000 + 20000 * np.sin(2 * np.pi * (x + y) / period_px)).astype(np.uint16)


def vignetted(corner: float) -> NDArray[np.uint16]:
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE_YX), indexing="ij")
    light = 40000 * (1 - (1 - corner) * (x**2 + y**2) / 2)
    return np.random.default_rng(0).poisson(light).astype(np.uint16)


@pytest.mark.parametrize(
    ("draw", "reasons"),  # drawn in the test: what is imported is imported by every process of the tests
    [
        (lambda: np.zeros(SHAPE_YX, np.uint16), ("no_tissue", "under_exposed")),
        (lambda: np.full(SHAPE_YX, 30000, np.uint16), ("no_tissue",)),
        (lambda: np.full(SHAPE_YX, 65535, np.uint16), ("no_tissue", "saturated")),
        (lambda: noise(9000), ("no_tissue",)),
        (lambda: noise(100), ("no_tissue", "under_exposed")),
        (lambda: np.random.default_rng(0).integers(0, 65536, SHAPE_YX, np.uint16), ("no_tissue",)),
        (lambda: vignetted(0.5), ("no_tissue",)),
        (lambda: waves(60.0), ("out_of_focus",)),
    ],
    ids=["dark", "flat", "full", "shot noise", "few photons", "white noise", "vignetted glass", "demo camera waves"],
)
def test_what_is_no_specimen(draw: Callable[[], NDArray[np.uint16]], reasons: tuple[str, ...]):
    assert {reason_names(int(flag)) for flag in assess(draw(), GRID, LIMITS, 16).flags} == {reasons}


def test_half_a_tile_of_tissue_is_half_a_tile():
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.standard_normal(SHAPE_YX), 3)
    light = np.full(SHAPE_YX, 40000.0)
    light[:, :256] = 20000 * (1 + 0.1 * texture[:, :256] / texture.std())
    quality = assess(rng.poisson(light).astype(np.uint16), GRID, LIMITS, 16)
    np.testing.assert_allclose(quality.tissue_fraction, [0.5, 0, 0.5, 0], atol=0.02)


def test_level_and_saturation_are_relative_to_the_bit_depth():
    pixels = np.full(SHAPE_YX, 2000, np.uint16)
    pixels[:64, :512] = 4095
    twelve, sixteen = assess(pixels, GRID, LIMITS, 12), assess(pixels, GRID, LIMITS, 16)
    assert twelve.saturated_fraction.tolist() == [0.125, 0, 0, 0]
    assert sixteen.saturated_fraction.tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(twelve.mean_level[1:], 2000 / 4095, rtol=1e-6)
    assert reason_names(int(twelve.flags[0])) == ("no_tissue", "saturated")
    assert reason_names(int(sixteen.flags[1])) == ("no_tissue", "under_exposed")


# the contract


def test_is_pure_and_follows_the_grid(tissue: list[NDArray[np.float32]]):
    pixels = CAMERA.expose(tissue[0], exposure_ms=10.0, noise_seed=1)
    pixels.flags.writeable = False
    grid = TileGrid.for_frame((1024, 1000))
    once = assess(pixels[:, :1000], grid, LIMITS, 16)
    again = assess(pixels[:, :1000].copy(), grid, LIMITS, 16)
    alone = assess(pixels[512:, 488:1000], TileGrid.for_frame((512, 512)), LIMITS, 16)
    for field in dataclasses.fields(TileQuality):
        values = getattr(once, field.name)
        assert values.shape == (grid.n,)
        np.testing.assert_array_equal(values, getattr(again, field.name))
        assert values[3] == getattr(alone, field.name)[0]
    assert once.flags.dtype == np.uint8


def test_limits_decide(tissue: list[NDArray[np.float32]]):
    pixels = CAMERA.expose(tissue[0], exposure_ms=10.0, noise_seed=1)
    strict = QualityLimits(
        tissue_fraction_min=1.1, focus_min=1.0, saturated_fraction_max=-1.0, mean_level_min=1.0, texture_cv=0.0
    )
    # without tissue the focus is not judged
    assert (assess(pixels, GRID, strict, 16).flags == 13).all()
    assert (assess(pixels, GRID, dataclasses.replace(strict, tissue_fraction_min=0.0), 16).flags == 14).all()


def test_a_frame_of_another_shape_is_refused():
    with pytest.raises(FrameSizeError):
        assess(np.zeros((512, 512), np.uint16), GRID, LIMITS, 16)


def test_small_tiles_work():
    assert assess(np.zeros((64, 96), np.uint16), TileGrid.for_frame((64, 96), 32), LIMITS, 16).flags.shape == (6,)


def test_limits_can_be_written_down():
    assert QualityLimits(**json.loads(json.dumps(LIMITS.as_dict()))) == LIMITS


def test_reason_names():
    assert reason_names(0) == ()
    assert reason_names(15) == ("no_tissue", "out_of_focus", "saturated", "under_exposed")


def test_every_flag_has_its_words():
    assert list(FLAG_TEXTS) == list(QualityFlag)
    for flag, text in FLAG_TEXTS.items():
        assert text.key == str(flag.name).lower()  # stores and summaries keep it
        assert text.name
        assert text.meaning
    for part in ("key", "name", "meaning"):
        assert len({getattr(text, part) for text in FLAG_TEXTS.values()}) == len(QualityFlag)


def test_flags_in_words():
    assert describe_flags(0) == ""
    assert describe_flags(31) == "no tissue, out of focus, saturated, under-exposed, unlike training"
    counts = {"of_a_later_version": 3, "saturated": 3, "no_tissue": 3, "under_exposed": 0, "out_of_focus": 1200}
    expected = ("1,200 out of focus", "3 no tissue", "3 saturated", "3 of a later version")
    assert describe_reason_counts(counts) == expected


@pytest.mark.parametrize(
    ("flags", "missed"), [(0, "classified"), (1, "classified"), (16, "scored"), (17, "classified"), (15, "classified")]
)
def test_a_tile_that_is_unlike_training_was_classified(flags: int, missed: str):
    assert missed_step(flags) == missed

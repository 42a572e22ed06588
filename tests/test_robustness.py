"""Other light, gain, flatness and focus: the shifted tiles are what the microscope would have given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hcc_scope.datasets.tiles import ArrayTiles, TileTable
from hcc_scope.errors import DatasetError
from hcc_scope.evaluation.robustness import (
    AMOUNTS,
    defocused,
    exposed,
    gained,
    noise_variance,
    sampled_rows,
    shift_rows,
    vignetted,
)
from hcc_scope.inference import load_model
from hcc_scope.phantom import CameraPhysics, Specimen, defocus_sigma_um
from hcc_scope.scoring import calibrate, log_odds
from tests.labelled_image_parts import TILE_PX, texture_set

FULL = 65535
ELECTRONS = 0.8
"""Counts per electron."""


def photons(mean: float, seed: int, shape: tuple[int, int] = (512, 512)) -> np.ndarray:
    """A bright, slowly varying scene with its photon noise, in counts."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    scene = mean * (1 + 0.2 * np.sin(x / 40) * np.cos(y / 50))
    return (np.random.default_rng(seed).poisson(scene / ELECTRONS) * ELECTRONS).clip(0, FULL).astype(np.uint16)


def grainy(tiles: np.ndarray, _rows: np.ndarray | None = None) -> np.ndarray:
    """Log-odds of a detector of fine texture: the class of `texture_set`'s tiles."""
    counts = tiles.astype(np.float64)
    fine = np.square(counts[:, 2:] - counts[:, :-2]).mean(axis=(1, 2)) / counts.var(axis=(1, 2))
    return (10 * (fine - 1)).astype(np.float32)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_noise_variance_is_that_of_the_photons():
    tile = photons(20_000, 1)
    assert noise_variance(tile) == pytest.approx(ELECTRONS * 20_000, rel=0.05)
    assert noise_variance(np.full((64, 64), 500, np.uint16)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("factor", [0.25, 0.5, 0.85])
def test_less_exposure_has_the_noise_of_less_light(factor: float):
    """Indistinguishable in mean and noise from a tile that was taken with less light."""
    found, real = exposed(photons(20_000, 1), factor, FULL, rng()), photons(20_000 * factor, 2)
    assert found.mean() == pytest.approx(real.mean(), rel=0.002)
    assert noise_variance(found) == pytest.approx(noise_variance(real), rel=0.06)


def test_more_exposure_and_gain_scale_the_noise_along():
    tile = photons(20_000, 1)
    for found in (exposed(tile, 1.4, FULL, rng()), gained(tile, 1.4, FULL)):
        assert found.mean() == pytest.approx(1.4 * tile.mean(), rel=0.001)
        assert noise_variance(found) == pytest.approx(1.4**2 * noise_variance(tile), rel=0.01)
    assert (exposed(tile, 1.0, FULL, rng()) == tile).all()


def test_an_offset_is_no_signal_and_counts_end_at_full_scale():
    dark = np.full((32, 32), 500, np.uint16)
    assert (exposed(dark, 0.5, FULL, rng(), offset_counts=500) == 500).all()
    assert (gained(dark, 1.4, FULL, offset_counts=500) == 500).all()
    assert gained(np.full((8, 8), 4000, np.uint16), 1.4, 4095).max() == 4095


def test_vignetting_is_of_the_whole_frame():
    bright = np.full((512, 512), 40_000, np.uint16)  # without noise, so that none is added
    frame = (2048, 2048)
    corner = vignetted(bright, 0.4, FULL, rng(), (1536, 1536), frame)
    opposite = vignetted(bright, 0.4, FULL, rng(), (0, 0), frame)
    middle = vignetted(bright, 0.4, FULL, rng(), (768, 768), frame)
    assert corner[-1, -1] == pytest.approx(0.6 * 40_000, rel=0.002)
    assert (opposite == corner[::-1, ::-1]).all()
    assert middle[256, 256] == pytest.approx(40_000, rel=0.001)
    assert middle.mean() > 1.2 * corner.mean()


def test_defocus_blurs_the_light_and_not_the_noise():
    tile = photons(20_000, 1)
    found = defocused(tile, 1.5, FULL, rng())
    assert found.mean() == pytest.approx(tile.mean(), rel=0.001)
    assert noise_variance(found) == pytest.approx(noise_variance(tile), rel=0.08)
    point = np.full((65, 65), 1000, np.uint16)
    point[32, 32] = 60_000
    sharp = defocused(point, 1.5, FULL, np.random.default_rng(1)).astype(float)
    assert sharp[32, 32] < 0.15 * 60_000


def test_a_shifted_tile_scores_as_one_that_was_imaged_so():
    """The shipped model cannot distinguish a shifted phantom from one with another exposure or focus."""
    model = load_model("phantom-meng2019")
    camera = CameraPhysics()
    specimen = Specimen(seed=11, animal="high1", section="s1", tumour_class="high")

    def imaged(exposure_ms: float, z_um: float, noise_seed: int) -> np.ndarray:
        field = specimen.render(0.0, 0.0, z_um, (512, 512), 0.325)
        return camera.expose(field, exposure_ms=exposure_ms, noise_seed=noise_seed, day=specimen.day_effect)

    sharp = imaged(10.0, 0.0, 1)
    offset = camera.offset_counts
    pairs = [
        (exposed(sharp, 0.5, FULL, rng(), offset), imaged(5.0, 0.0, 2)),
        (exposed(sharp, 1.4, FULL, rng(), offset), imaged(14.0, 0.0, 3)),
        (defocused(sharp, defocus_sigma_um(4.0) / 0.325, FULL, rng(), offset), imaged(10.0, 4.0, 4)),
    ]
    tiles = np.stack([sharp, *(tile for pair in pairs for tile in pair)])
    as_it_is, *scores = calibrate(log_odds(model.classifier().classify(tiles).logits), model.card.temperature).tolist()
    assert scores[::2] == pytest.approx(scores[1::2], abs=0.015)
    assert max(abs(score - as_it_is) for score in scores) > 0.03


def test_rows_are_sampled_evenly_by_section():
    _data, tiles = texture_set(animals_per_class=2, sections=1, images=4, tiles=2)
    rows = np.arange(len(tiles))
    chosen = sampled_rows(tiles, rows, 8)
    of = [tiles.images[i].section for i in tiles.image_index[chosen]]
    assert len(chosen) == 8
    assert all(of.count(section) == 2 for section in set(of))
    assert len(set(of)) == 4
    assert (sampled_rows(tiles, rows, 10_000) == rows).all()
    few = np.concatenate([rows[:1], rows[8:]])  # one tile of one section: what it cannot give, the others do
    assert len(sampled_rows(tiles, few, 8)) == 8
    assert len(sampled_rows(tiles, rows, 1)) == 4


def test_every_shift_has_a_row_and_focus_matters_to_a_detector_of_fine_texture():
    data, tiles = texture_set(animals_per_class=2, images=1)
    largest = 0

    def predict(pixels: np.ndarray, _rows: np.ndarray) -> np.ndarray:
        nonlocal largest
        largest = max(largest, len(pixels))
        return grainy(pixels)

    seen: list[tuple[int, int]] = []
    rows = np.arange(len(tiles))
    found = shift_rows(predict, tiles, rows, data, 2.0, 0.5, on_progress=lambda done, n: seen.append((done, n)))
    assert [(row.kind, row.amount) for row in found] == [(kind, a) for kind, values in AMOUNTS.items() for a in values]
    assert seen[-1] == (len(found), len(found))
    assert all(row.sections == 4 for row in found)
    by = {(row.kind, row.amount): row for row in found}
    same = by["exposure", 1.0]
    assert same.tile_auc == 1
    assert same.sections_correct == 4
    sections = 1 / (1 + np.exp(-grainy(tiles.reader.read(rows)).astype(float) / 2.0))
    assert same.mean_score_high == pytest.approx(sections[tiles.labels == 1].mean(), abs=1e-4)
    assert by["defocus", 4.0].mean_score_high < same.mean_score_high - 0.1
    assert by["gain", 0.85].mean_score_high == pytest.approx(same.mean_score_high, abs=1e-3)
    assert largest <= 8
    assert found == shift_rows(predict, tiles, rows, data, 2.0, 0.5)


def test_tiles_of_one_class_are_refused():
    data, tiles = texture_set(animals_per_class=1, images=1)
    with pytest.raises(DatasetError, match="both classes"):
        shift_rows(grainy, tiles, np.flatnonzero(tiles.labels == 0), data, 1.0, 0.5)


def test_a_tile_is_shifted_by_its_place_in_its_image():
    """Two equal tiles of one image, left and right of its middle, lose light on opposite sides."""
    data, tiles = texture_set(animals_per_class=1, images=1, tiles=2)
    flat = TileTable(
        tiles.images, tiles.image_index, tiles.tile_index, ArrayTiles(np.full((4, TILE_PX, TILE_PX), 30_000, np.uint16))
    )
    kept: list[np.ndarray] = []

    def predict(pixels: np.ndarray, _rows: np.ndarray) -> np.ndarray:
        kept.extend(pixels)
        return np.zeros(len(pixels), np.float32)

    shift_rows(predict, flat, np.arange(4), replace(data), 1.0, 0.5, amounts={"vignetting": (0.4,)})
    left, right = kept[:2]
    assert left[256, 0] < 0.85 * left[256, -1]
    assert (right == left[:, ::-1]).all()

"""Baselines and the controls on them: features, fits, labellings, exact p, the null of both protocols, a leak found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hcc_scope.datasets.labelled_image import CLASSES, LabelledImage
from hcc_scope.datasets.tiles import ArrayTiles, TileTable
from hcc_scope.evaluation.aggregation import animal_strata
from hcc_scope.evaluation.baselines import fit_logistic, kept_measures, measure_tiles
from hcc_scope.evaluation.labellings import RANDOM, labellings_of
from hcc_scope.evaluation.permutations import permute
from hcc_scope.evaluation.source_control import source_control
from hcc_scope.evaluation.splits import animals_of
from hcc_scope.evaluation.tile_features import FEATURES, N_FEATURES, tile_features

BASE = LabelledImage(Path("/nowhere/x.tif"), 0, "low", "a", "s", "d", 0.325, (2048, 2048), 16)
Animal = tuple[int, str]
"""Class and day."""


def cohort(
    seed: int, animals: list[Animal], *, images: int = 4, effect: float = 1.5, day: float = 0.0, split: bool = False
) -> tuple[TileTable, np.ndarray]:
    """Animals without a class, each unlike the others; with `split` the first one is entered under two ids."""
    rng = np.random.default_rng(seed)
    days = {name: rng.normal(size=N_FEATURES) * day for name in dict.fromkeys(name for _, name in animals)}
    listed, rows = [], []
    for number, (label, on) in enumerate(animals):
        own = rng.normal(size=N_FEATURES) * effect + days[on]
        for i in range(images):
            name = f"a{number}" + "x" * (split and number == 0 and i % 2)
            listed.append(replace(BASE, tumour_class=CLASSES[label], animal_id=name, day=on, index=100 * number + i))
            rows.append(own + rng.normal(size=N_FEATURES))
    n = len(listed)
    nothing = ArrayTiles(np.zeros((0, 1, 1), np.uint16))
    return TileTable(tuple(listed), np.arange(n), np.zeros(n, np.int64), nothing), np.array(rows)


def apart(n: int) -> list[Animal]:
    return [(label, f"d{label}{i}") for label in (0, 1) for i in range(n)]


PAIRED = [(label, f"d{i}") for label in (0, 1) for i in range(3)]


def test_texture_knows_neither_grey_level_nor_contrast_and_no_turn():
    tile = np.random.default_rng(1).normal(20_000, 900, (96, 96)).cumsum(axis=1) / 96
    tile = tile.astype(np.uint16)
    texture = FEATURES["texture"].columns
    one = tile_features(tile)
    assert one.shape == (N_FEATURES,)
    assert FEATURES["texture"].n == 32
    np.testing.assert_allclose(tile_features(tile + 5000)[texture], one[texture], atol=1e-5)
    np.testing.assert_allclose(tile_features((tile * 2).astype(np.uint16))[texture], one[texture], atol=1e-3)
    np.testing.assert_allclose(tile_features(tile.T[::-1])[texture], one[texture], atol=1e-5)
    assert one[0] == pytest.approx(tile.mean())
    assert one[1] == pytest.approx(tile.std())
    assert np.isfinite(tile_features(np.full((8, 8), 7, np.uint16))).all()


def test_co_occurrence_counts_pairs():
    tile = np.zeros((16, 16), np.uint16)
    tile[:, ::2] = 100  # columns alternate: neighbours across differ, neighbours below do not
    found = tile_features(tile)[FEATURES["texture"].columns]
    levels = np.where(tile, 6, 2)  # middles of their ranks
    pairs = [(levels[:, 1:] - levels[:, :-1]).ravel(), (levels[1:] - levels[:-1]).ravel()]
    assert found[0] == pytest.approx(np.mean(np.concatenate(pairs).astype(float) ** 2))


def test_logistic_regression_is_at_its_minimum():
    rng = np.random.default_rng(2)
    x = rng.normal(3, [1.0, 50.0, 0.0], (80, 3))
    labels = (x[:, 0] + rng.normal(size=80) > 3).astype(np.int64)
    fitted = fit_logistic(x, labels)
    p = 1 / (1 + np.exp(-fitted.log_odds(x)))
    z = (x - fitted.mean) / fitted.sd
    np.testing.assert_allclose(z.T @ (p - labels) + fitted.weights, 0, atol=1e-3)
    assert abs((p - labels).sum()) < 1e-3


def test_measures_are_kept_and_damage_is_noticed(tmp_path: Path):
    pixels = np.random.default_rng(3).integers(0, 60_000, (5, 16, 16)).astype(np.uint16)
    tiles = replace(cohort(0, apart(2), images=1)[0], image_index=np.array([0, 1, 2, 3, 3]), reader=ArrayTiles(pixels))
    heard: list[object] = []
    first = kept_measures(tmp_path / "f", "a", tiles, heard.append)
    assert heard
    np.testing.assert_array_equal(first, measure_tiles(tiles))
    heard.clear()
    np.testing.assert_array_equal(kept_measures(tmp_path / "f", "a", tiles, heard.append), first)
    assert not heard
    kept_measures(tmp_path / "f", "of another set", tiles, heard.append)
    assert heard
    (tmp_path / "f").write_bytes((tmp_path / "f").read_bytes()[:-1] + b"?")
    np.testing.assert_array_equal(kept_measures(tmp_path / "f", "of another set", tiles, heard.append), first)


@pytest.mark.parametrize(
    ("animals", "n", "distinct"),
    [
        (apart(3), 20, 10),
        (PAIRED, 8, 4),
        ([(label, "d") for label in (0, 1) for _ in range(4)], 70, 35),
        ([(label, f"d{label}") for label in (0, 1) for _ in range(3)], 2, 1),  # class and day go together
        ([(label, f"d{label}{i // 2}") for label in (0, 1) for i in range(4)], 6, 3),  # pairs of one class and day
        ([(i > 1, f"d{i}") for i in range(5)], 10, 10),
    ],
)
def test_all_labellings_that_were_possible(animals: list[Animal], n: int, distinct: int):
    tiles, _ = cohort(0, animals)
    found = labellings_of(animals_of(tiles), tiles.images, 1)
    assert (len(found), found.possible, found.exact) == (n, n, True)
    assert not found.swapped[0].any()
    assert len(np.unique(found.swapped, axis=0)) == n
    assert len(found.distinct()[0]) == distinct
    assert found.testable is (distinct > 1)


def test_many_labellings_are_drawn_and_batches_are_heeded():
    tiles, _ = cohort(0, apart(8))
    found = labellings_of(animals_of(tiles), tiles.images, 1)
    assert (len(found), found.possible, found.exact) == (RANDOM + 1, 12870, False)
    of_batch = {f"a{i}": f"b{i % 4}" for i in range(16)}
    images = tuple(replace(image, batch=of_batch[image.animal_id]) for image in tiles.images)
    within = labellings_of(animals_of(tiles), images, 1)  # two low and two high in each of four batches
    assert within.possible == 6**4
    batches = np.array([of_batch[animal.name] for animal in animals_of(tiles)])
    high = np.array([animal.kind for animal in animals_of(tiles)])[None] != within.swapped
    assert all((high[:, batches == name].sum(axis=1) == 2).all() for name in set(batches))


def test_p_is_uniform_and_the_gap_is_nothing_where_there_is_no_class():
    p, gaps, raw = [], [], []
    for seed in range(80):
        tiles, measured = cohort(seed, apart(3))
        found = permute(tiles, measured, folds=3, seed=seed, names=("histogram",), dealings=10)["histogram"]
        assert found.smallest_p == pytest.approx(0.1)
        p.append(found.p_value)
        raw.append(found.paper_auc - found.auc)
        gaps.append(raw[-1] - found.null_gap)
    assert np.mean(raw) > 0.15  # what sharing animals gives where there is no class
    assert abs(np.mean(gaps)) < 4 * np.std(gaps) / np.sqrt(len(gaps))
    for level in (0.1, 0.3, 0.5):
        assert abs(np.mean(np.array(p) <= level + 1e-9) - level) < 4 * np.sqrt(level * (1 - level) / len(p))


@pytest.mark.parametrize(("split", "leaks"), [(False, False), (True, True)])
def test_an_animal_under_two_ids_is_found_and_nothing_else_is(split: bool, leaks: bool):
    for seed in range(3):
        tiles, measured = cohort(seed, apart(4), images=6, split=split)
        assert permute(tiles, measured, folds=4, seed=1, names=("texture",))["texture"].leaks is leaks


def test_animals_of_one_day_and_class_on_both_sides_are_found():
    days = [(label, f"d{label}{i // 2}") for label in (0, 1) for i in range(4)]
    found = permute(*cohort(1, days, day=3.0), folds=4, seed=1, names=("texture",))["texture"]
    assert found.null_by_animal > 0.8
    paired = permute(*cohort(1, PAIRED, day=3.0), folds=3, seed=1, names=("texture",))["texture"]
    assert paired.null_by_animal == pytest.approx(0.5)
    assert not paired.leaks


def test_day_and_batch_are_predicted_where_images_carry_them():
    for effect, shown in ((3.0, True), (0.0, False)):
        tiles, measured = cohort(4, PAIRED, images=6, effect=0.0, day=effect)
        found = source_control("day", tiles, measured, animal_strata(tiles), folds=3)
        assert not isinstance(found, str)
        assert found.shown is shown
        assert found.chance == pytest.approx(1 / 3)
    assert source_control("batch", tiles, measured, animal_strata(tiles)) == "the manifest states no batch"

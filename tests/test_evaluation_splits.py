"""Folds: no shared animal, both classes on both sides, no copies, and labels that are permuted without a bias."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.datasets.tiles import ArrayTiles, TileTable
from hcc_scope.errors import DatasetError, LeakError
from hcc_scope.evaluation.intervals import bounded_mean
from hcc_scope.evaluation.splits import (
    MIN_DRAWS,
    animal_splits,
    copies_across,
    day_splits,
    dealing_of,
    dealings,
    paper_splits,
    permuted_splits,
    protocol_splits,
    require_animals,
)
from hcc_scope.training.metrics import roc_auc
from tests.labelled_image_parts import texture_set

if TYPE_CHECKING:
    from hcc_scope.evaluation.results import Split

BASE = texture_set(1, 1, 1, 1)[1].images[0]


def table(animals: list[tuple[int, int]], days: int = 2, tiles: int = 2) -> TileTable:
    """One animal per pair (images of class low, images of class high)."""
    images = tuple(
        replace(
            BASE, tumour_class=name, animal_id=f"a{a}", section_id=f"s{i % 2}", day=f"d{i % days}", index=100 * a + i
        )
        for a, counts in enumerate(animals)
        for name, count in zip(CLASSES, counts, strict=True)
        for i in range(count)
    )
    n = len(images)
    return TileTable(
        images,
        np.repeat(np.arange(n), tiles),
        np.tile(np.arange(tiles), n),
        ArrayTiles(np.zeros((0, 1, 1), np.uint16)),
        digests=tuple(f"{i:064x}" for i in range(n)),
    )


COHORTS = st.lists(
    st.one_of(
        st.tuples(st.integers(1, 9), st.just(0)),
        st.tuples(st.just(0), st.integers(1, 9)),
        st.tuples(st.integers(1, 4), st.integers(1, 4)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(animals=COHORTS, folds=st.integers(2, 6), seed=st.integers(0, 99))
def test_folds_by_animal_keep_animals_apart_and_classes_together_or_states_the_reason(
    animals: list[tuple[int, int]], folds: int, seed: int
) -> None:
    tiles = table(animals)
    rarer = min(sum(a[c] > 0 for a in animals) for c in (0, 1))
    if rarer < 2:
        with pytest.raises(DatasetError, match=r"one animal, so the protocol by animal cannot run|one class"):
            animal_splits(tiles, folds, seed)
        return
    splits = animal_splits(tiles, folds, seed)
    assert len(splits) == min(folds, rarer)
    for split in (*splits, *permuted_splits(tiles, folds, seed)):
        of = [{tiles.images[i].animal_id for i in part} for part in (split.train, split.test)]
        assert not of[0] & of[1]
        assert sorted([*split.train, *split.test]) == list(range(len(tiles.images)))
        for part in (split.train, split.test):
            assert set(split.labels[part]) == {0, 1}
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(len(tiles.images)))


def test_folds_by_animal_hold_about_as_many_images_each():
    tiles = table([(n, 0) for n in (20, 10, 10, 5, 5, 10)] + [(0, n) for n in (10, 10, 10, 10, 10, 10)])
    splits = animal_splits(tiles, 3, 1)
    for label in (0, 1):
        assert [int((split.labels[split.test] == label).sum()) for split in splits] == [20, 20, 20]


def on_days(animals: list[tuple[int, int, tuple[int, ...]]]) -> TileTable:
    """One animal per entry: images of class low, of class high, and the days that they go round."""
    tiles = table([animal[:2] for animal in animals])
    days = [animal[2] for animal in animals]
    numbers = [int(image.animal_id[1:]) for image in tiles.images]
    images = tuple(
        replace(image, day=f"d{days[a][image.index % 100 % len(days[a])]}")
        for a, image in zip(numbers, tiles.images, strict=True)
    )
    return replace(tiles, images=images)


DAYS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.lists(st.integers(0, 6), min_size=1, max_size=2).map(tuple))
    .filter(lambda animal: animal[0] + animal[1] > 0),
    min_size=4,
    max_size=12,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(animals=DAYS, folds=st.integers(2, 5), seed=st.integers(0, 99))
def test_animals_of_both_classes_that_share_a_day_stay_together_where_that_makes_enough_folds(
    animals: list[tuple[int, int, tuple[int, ...]]], folds: int, seed: int
) -> None:
    tiles = on_days(animals)
    rarer = min(sum(animal[c] > 0 for animal in animals) for c in (0, 1))
    assume(rarer >= 2)
    dealing = dealing_of(tiles, folds)
    first = protocol_splits(tiles, folds, seed)
    for number, (paper, by_animal) in enumerate(dealings(tiles, 3, folds, seed)):
        assert len(paper) == len(by_animal) == dealing.folds == min(folds, rarer)
        if number == 0:
            assert [split.test.tolist() for split in (*paper, *by_animal)] == [
                split.test.tolist() for splits in first for split in splits
            ]
        for split in by_animal:
            trained, tested = ([tiles.images[i] for i in part] for part in (split.train, split.test))
            assert not {image.animal_id for image in trained} & {image.animal_id for image in tested}
            assert {image.label for image in trained} == {image.label for image in tested} == {0, 1}
            if dealing.together:
                for day in {image.day for image in trained} & {image.day for image in tested}:
                    assert len({image.label for image in tiles.images if image.day == day}) == 1


def test_days_shared_by_pairs_of_animals_are_units_and_days_shared_by_all_are_not():
    pairs = on_days([(4, 0, (a,)) for a in range(4)] + [(0, 4, (a,)) for a in range(4)])
    assert dealing_of(pairs).together
    assert "8 animals in 4 units" in dealing_of(pairs).words
    for split in animal_splits(pairs, 4, 3):
        assert len({pairs.images[i].day for i in split.test}) == 1
    shared = table([(4, 0)] * 3 + [(0, 4)] * 3, days=2)
    assert dealing_of(shared).words.endswith(
        "animals of both classes that share a day make 1 fold with both classes, and not 3."
    )
    apart = on_days([(4, 0, (a,)) for a in range(3)] + [(0, 4, (a + 3,)) for a in range(3)])
    assert "no two animals of different classes share a day" in dealing_of(apart).words


def test_other_dealings_differ_and_are_the_same_again():
    tiles = table([(n, 0) for n in (9, 3, 4, 6)] + [(0, n) for n in (5, 8, 2, 7)])

    def tested() -> list[str]:
        return [str([s.test.tolist() for splits in both for s in splits]) for both in dealings(tiles, 6, 4, 1)]

    assert tested() == tested()
    assert len({str([s.test.tolist() for s in by_animal]) for _, by_animal in dealings(tiles, 6, 4, 1)}) > 3
    assert list(dealings(tiles, 0)) == []


def test_both_protocols_train_on_as_much():
    tiles = table([(6, 0)] * 3 + [(0, 6)] * 4)
    for options, k in (({}, 3), ({"leave_one_out": True}, 7)):
        paper, by_animal = protocol_splits(tiles, 5, 1, **options)
        assert len(paper) == len(by_animal) == k
        means = [np.mean([len(split.train) for split in splits]) for splits in (paper, by_animal)]
        assert means[0] == pytest.approx(means[1])


def test_dealt_by_tile_the_tiles_of_an_image_are_on_both_sides():
    tiles = table([(4, 0), (3, 0), (0, 3), (0, 5)], tiles=4)
    splits = paper_splits(tiles, 3, 1, unit="tile")
    assert sorted(np.concatenate([split.test_rows(tiles) for split in splits])) == list(range(len(tiles)))
    for split in splits:
        assert not np.intersect1d(split.train_rows(tiles), split.test_rows(tiles)).size
        assert len(split.train_rows(tiles)) + len(split.test_rows(tiles)) == len(tiles)
        assert np.intersect1d(split.train, split.test).size
        low = [int((tiles.labels[split.test_rows(tiles)] == label).sum()) for label in (0, 1)]
        assert abs(low[0] - 28 / 3) < 1
        assert abs(low[1] - 32 / 3) < 1
        assert copies_across(split, tiles.digests) == []  # an image is no copy of itself
    images, by_animal = protocol_splits(tiles, 3, 1)
    assert all(split.train_tiles is None for split in (*images, *by_animal))


def test_a_class_with_one_animal_refuses_the_protocol_and_states_the_reason():
    tiles = table([(5, 0), (0, 5), (0, 5), (0, 5)])
    for leave_one_out in (False, True):
        with pytest.raises(DatasetError, match=r"class 'low' has one animal, .* no 'low' is left to train on"):
            animal_splits(tiles, leave_one_out=leave_one_out)
    with pytest.raises(DatasetError, match="class 'low' has one animal"):
        require_animals(tiles.images)
    require_animals(table([(1, 1), (2, 2)]).images)


def test_leave_one_animal_out_tests_each_animal_alone():
    tiles = table([(3, 0), (3, 0), (0, 4), (0, 2), (0, 2)])
    splits = animal_splits(tiles, leave_one_out=True)
    assert len(splits) == 5
    assert all(len({tiles.images[i].animal_id for i in split.test}) == 1 for split in splits)
    assert all(set(split.labels[split.train]) == {0, 1} for split in splits)


def test_paper_folds_are_stratified_and_seeded():
    tiles = table([(13, 0), (10, 0), (0, 11), (0, 16)])
    splits = paper_splits(tiles, 5, 3)
    shares = [(int((s.labels[s.test] == 0).sum()), int((s.labels[s.test] == 1).sum())) for s in splits]
    assert all(low in (4, 5) and high in (5, 6) for low, high in shares)
    assert sorted(np.concatenate([s.test for s in splits])) == list(range(50))
    again, other = paper_splits(tiles, 5, 3), paper_splits(tiles, 5, 4)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(splits, again, strict=True))
    assert not all(np.array_equal(a.test, b.test) for a, b in zip(splits, other, strict=True))
    with pytest.raises(DatasetError, match="'low' has 4 images"):
        paper_splits(table([(4, 0), (0, 9)]), 5)


def test_images_without_a_usable_tile_are_in_no_fold():
    tiles = table([(3, 0), (3, 0), (0, 3), (0, 3)])
    keep = tiles.image_index != 4
    tiles = replace(tiles, image_index=tiles.image_index[keep], tile_index=tiles.tile_index[keep])
    for split in (
        *paper_splits(tiles, 3),
        *animal_splits(tiles),
        *permuted_splits(tiles),
        *day_splits(tiles, 2).splits,
    ):
        assert 4 not in split.train
        assert 4 not in split.test


def test_a_copy_under_another_animal_is_refused_by_animal_and_noted_otherwise():
    tiles = table([(3, 0), (3, 0), (0, 3), (0, 3)])
    digests = list(tiles.digests)
    splits = animal_splits(tiles)
    one, other = int(splits[0].test[0]), int(splits[1].test[0])
    digests[other] = digests[one]
    copied = replace(tiles, digests=tuple(digests))
    with pytest.raises(LeakError, match="hold the same pixels") as refused:
        animal_splits(copied)
    assert f"[{copied.images[one].index}]" in str(refused.value)
    assert f"[{copied.images[other].index}]" in str(refused.value)
    paper = paper_splits(copied, 3)
    noted = [pair for split in paper for pair in copies_across(split, copied.digests)]
    assert all({*pair} == {one, other} for pair in noted)
    # within one animal a copy leaks nothing across animals
    digests = list(tiles.digests)
    digests[1] = digests[0]
    animal_splits(replace(tiles, digests=tuple(digests)))


def test_days_are_predicted_where_there_are_enough_of_them():
    days = day_splits(table([(6, 0), (0, 6)], days=3), 2)
    assert days.names == ("d0", "d1", "d2")
    assert all(np.bincount(s.labels[s.test]).tolist() == [2, 2, 2] for s in days.splits)
    assert day_splits(table([(6, 0), (0, 6)], days=1)).why_not == "all images were acquired on one day"
    assert len(day_splits(table([(6, 0), (0, 6)], days=3), 5).splits) == 4  # as many as a day has images
    assert "day d1 has one image" in str(day_splits(table([(2, 0), (0, 1)], days=3), 5).why_not)


def _nearest_mean(split: Split, values: np.ndarray) -> np.ndarray:
    """A learner that learns what it can: the log-odds of two normal distributions of one width."""
    low, high = (values[split.train[split.labels[split.train] == c]].mean(0) for c in (0, 1))
    return (values[split.test] - (low + high) / 2) @ (high - low)


@pytest.mark.parametrize("signal", [0.0, 3.0])
def test_permuted_classes_give_an_auc_of_one_half_within_its_interval(signal: float) -> None:
    """With animals unlike each other, with and without a difference of the classes, three animals of each."""
    rng = np.random.default_rng(5)
    tiles = table([(5, 0)] * 3 + [(0, 5)] * 3, tiles=1)
    truth = np.array([image.label for image in tiles.images])
    animal = np.array([int(image.animal_id[1:]) for image in tiles.images])
    means, covered = [], 0
    n_cohorts = 300
    for cohort in range(n_cohorts):
        values = rng.normal(size=(6, 3))[animal] + 0.7 * rng.normal(size=(len(truth), 3)) + signal * truth[:, None]
        splits = permuted_splits(tiles, 5, cohort)
        assert len(splits) == MIN_DRAWS
        aucs = [roc_auc(_nearest_mean(s, values), s.labels[s.test]) for s in splits]
        means.append(np.mean(aucs))
        interval = bounded_mean(float(means[-1]), len(aucs))
        covered += interval.low <= 0.5 <= interval.high
    assert abs(np.mean(means) - 0.5) < 4 * np.std(means) / np.sqrt(n_cohorts)
    assert covered / n_cohorts >= 0.95

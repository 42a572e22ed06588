"""Images that share pixels are found wherever the pixels lie and however they are turned; others never are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dataset_parts import small_set, tissue, write_image, write_lines
from labelled_image_parts import labelled_image, texture_set

from hcc_scope.datasets.cache import cut_tiles
from hcc_scope.datasets.check import check_dataset
from hcc_scope.datasets.duplicate_images import overlaps_across, refuse_contradictions
from hcc_scope.datasets.landmarks import Landmarks, Overlap, Region, landmarks_of, overlaps_of
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.errors import DatasetError, LeakError
from hcc_scope.evaluation.results import Split
from hcc_scope.evaluation.splits import copies_across
from hcc_scope.progress import ignore_progress
from hcc_scope.tiling import TileGrid
from hcc_scope.training.validation_split import hold_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[np.ndarray], np.ndarray]

SHAPE_YX = (700, 900)
RNG = np.random.default_rng(3)
SPECIMENS = {
    "shot noise": RNG.poisson(np.linspace(8_000, 24_000, SHAPE_YX[1]), SHAPE_YX).astype(np.uint16),
    "8 bit, little noise": RNG.normal(120, 1.5, SHAPE_YX).round().astype(np.uint16),
    "blocks": tissue(0, SHAPE_YX),
}
FORMS = {
    "as it is": lambda a: a,
    "turned left": lambda a: np.rot90(a),
    "turned round": lambda a: np.rot90(a, 2),
    "turned right": lambda a: np.rot90(a, 3),
    "mirrored": lambda a: a[:, ::-1],
    "upside down": lambda a: a[::-1],
    "transposed": lambda a: a.T,
    "transposed and turned": lambda a: np.rot90(a.T, 2),
}


def shared(*pixels: np.ndarray) -> list[Overlap]:
    images = [replace(labelled_image(i, animal=f"a{i}"), shape_yx=one.shape) for i, one in enumerate(pixels)]
    return overlaps_of([landmarks_of(np.ascontiguousarray(one)) for one in pixels], images)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("specimen", SPECIMENS.values(), ids=SPECIMENS)
def test_a_crop_is_found_wherever_it_lies_and_however_it_is_turned(specimen: np.ndarray, form: Change):
    crop = form(specimen[77 : 77 + 512, 131 : 131 + 530])
    [overlap] = shared(specimen, crop)
    found = overlap.in_one
    assert 77 <= found.top < 77 + 150
    assert 77 + 512 - 150 < found.bottom <= 77 + 512
    assert 131 <= found.left < 131 + 150
    assert 131 + 530 - 150 < found.right <= 131 + 530
    assert overlap.turned is (form is not FORMS["as it is"])
    height, width = crop.shape
    assert 0 <= overlap.in_other.top < overlap.in_other.bottom <= height
    assert 0 <= overlap.in_other.left < overlap.in_other.right <= width
    # the very pixels: turned as the whole is, the region of the one is that of the other
    one = specimen[found.top : found.bottom, found.left : found.right]
    other = crop[overlap.in_other.top : overlap.in_other.bottom, overlap.in_other.left : overlap.in_other.right]
    np.testing.assert_array_equal(form(one), other)


def test_overlapping_fields_and_a_frame_around_a_copy_are_found():
    wide = RNG.poisson(15_000, (512, 1400)).astype(np.uint16)
    left, right = wide[:, :800], wide[:, 600:]
    [overlap] = shared(left, right)
    assert (overlap.in_one.left >= 600, overlap.in_other.right <= 200) == (True, True)
    framed = np.pad(wide[:300, :300], 150, constant_values=65_535)
    assert len(shared(left, framed)) == 1


@pytest.mark.parametrize(
    "change",
    [lambda a: a + 100, lambda a: a * 16, lambda a: a * 3 + 7],
    ids=["another dark level", "shifted to the upper bits", "multiplied"],
)
def test_counts_with_another_zero_or_unit_are_found(change: Change):
    whole = RNG.poisson(2_000, (600, 600)).astype(np.uint16)
    [overlap] = shared(whole, change(whole[50:562, 20:532]))
    assert overlap.shared > 50


def test_what_is_alike_by_nature_is_no_copy():
    y, x = np.mgrid[:700, :700]
    ramp = (20_000 + 10 * y + 3 * x).astype(np.uint16)
    images = [
        *(tissue(i, SHAPE_YX) for i in range(4)),
        *(RNG.normal(200, 1.2, SHAPE_YX).round().astype(np.uint16) for _ in range(4)),  # glass
        *(np.minimum(RNG.normal(65_500, 60, SHAPE_YX).round(), 65_535).astype(np.uint16) for _ in range(3)),
        *(np.full(SHAPE_YX, 65_535, np.uint16) for _ in range(2)),
        ramp,
        ramp[:, ::-1],
    ]
    assert shared(*images) == []


def test_a_line_of_text_that_was_burnt_in_is_no_shared_tissue():
    label = RNG.integers(0, 60_000, (50, 400), dtype=np.uint16)
    images = [RNG.poisson(20_000, (512, 700)).astype(np.uint16) for _ in range(3)]
    for image in images:
        image[440:490, 250:650] = label
    assert shared(*images) == []


def with_label(pixels: np.ndarray, at_bottom: bool = False) -> np.ndarray:
    label = np.repeat(np.repeat(np.random.default_rng(4).integers(0, 40_000, (60, 200), dtype=np.uint16), 2, 0), 2, 1)
    out = pixels.copy()
    out[(-130 if at_bottom else 10) :][:120, 20:420] = label
    return out


@pytest.mark.parametrize("at_bottom", [False, True])
def test_a_label_in_the_images_of_several_animals_is_no_shared_tissue(at_bottom: bool):
    heights = (700, 720, 740, 760) if at_bottom else (700,) * 4
    images = [with_label(RNG.poisson(20_000, (height, 900)).astype(np.uint16), at_bottom) for height in heights]
    assert shared(*images) == []
    # a crop in spite of it
    [overlap] = shared(*images, images[0][130:560, 200:880])
    assert (overlap.one, overlap.other) == (0, 4)
    # the same in two animals alone may be tissue
    assert len(shared(*images[:2])) == 1


def test_a_tile_at_the_same_place_in_several_animals_is_no_label():
    images = [RNG.poisson(20_000, (1100, 1200)).astype(np.uint16) for _ in range(4)]
    for image in images[1:]:
        image[20:532, 30:542] = images[0][20:532, 30:542]
    assert {image for overlap in shared(*images) for image in (overlap.one, overlap.other)} == {0, 1, 2, 3}


def test_copies_in_several_animals_are_no_label():
    images = [RNG.poisson(20_000, (600, 600)).astype(np.uint16)] * 3
    images = [np.where(np.arange(360_000).reshape(600, 600) == at, 1, one) for at, one in enumerate(images)]
    assert len(shared(*[one.astype(np.uint16) for one in images])) == 2


@pytest.mark.parametrize("step", [16, 257])
def test_a_pixel_that_does_not_fit_hides_no_copy(step: int):
    whole = RNG.poisson(100, (600, 600)).astype(np.uint16) * np.uint16(step)
    changed = whole.copy()
    changed[300, 300] += 1
    marked = whole.copy()
    marked[560:580, 300:580] = 65_535  # a scale bar
    assert [overlap.shared > 50 for overlap in shared(whole, changed)] == [True]
    assert [overlap.shared > 50 for overlap in shared(whole, marked[:, 20:])] == [True]


def test_regular_patterns_cost_no_more_than_others():
    y, x = np.mgrid[:1024, :1024]
    regular = ((np.sin(x / 3) + np.sin(y / 5)) * 900 + 4_000).astype(np.uint16)
    stripes = np.tile(np.array([10, 20, 35, 50, 90, 20], np.uint16), (1024, 171))[:, :1024]
    for pixels in (regular, stripes):
        assert len(landmarks_of(pixels).keys) < 8 * pixels.size / 2048


def test_however_images_are_divided_a_pair_across_is_found():
    crop = RNG.poisson(15_000, (600, 600)).astype(np.uint16)
    marks = [landmarks_of(crop[i : 512 + i, :512]) for i in range(6)]
    images = [labelled_image(i, animal=f"a{i % 3}") for i in range(6)]
    found = overlaps_of(marks, images)
    for side in range(1, 2**6 - 1):
        train = [i for i in range(6) if side >> i & 1]
        test = [i for i in range(6) if i not in train]
        assert overlaps_across(train, test, found)
    animals = {tuple(sorted((images[o.one].animal_id, images[o.other].animal_id))) for o in found}
    assert {("a0", "a1"), ("a1", "a2")} <= animals


def test_only_the_tiles_that_count_are_looked_at():
    pixels = RNG.poisson(15_000, (512, 1024)).astype(np.uint16)
    grid = TileGrid.for_frame(pixels.shape)
    everything, second = landmarks_of(pixels), landmarks_of(pixels, grid, np.array([1]))
    assert set(second.keys) < set(everything.keys)
    assert second.centres_yx[:, 1].min() >= 512
    none = landmarks_of(pixels, grid, np.array([], np.intp))
    assert len(none.keys) == 0
    assert overlaps_of([none, none], [labelled_image(0), labelled_image(1)]) == []
    assert overlaps_of([], []) == []
    empty = Landmarks(np.empty(0, np.uint64), np.empty((0, 2), np.int32), np.empty(0, np.uint8))
    assert len(overlaps_of([empty, everything], [labelled_image(0), labelled_image(1)])) == 0


# ---- check, train and evaluate --------------------------------------------------------------------------------------


def with_crop(folder: Path, row: str) -> Path:
    manifest = small_set(folder, 2, images=2, shape_yx=(800, 900))
    whole = tissue(100, (800, 900))  # low1-0.tif
    write_image(folder / "crop.tif", np.ascontiguousarray(whole[101:701, 33:666].T[::-1]))
    return write_lines(manifest, [*manifest.read_text().splitlines()[1:], f"crop.tif,{row},0.325"])


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ("low,low2,s1,2026-01-02", LeakError, "Images of different animals share pixels: low1-0.tif (low, low1) and"),
        ("high,high2,s1,2026-01-02", DatasetError, "Images labelled low and high share pixels: low1-0.tif (low, low1)"),
    ],
)
def test_a_crop_in_another_animal_or_class_is_refused(
    tmp_path: Path, row: str, error: type[DatasetError], message: str
):
    manifest = with_crop(tmp_path, row)
    report = check_dataset(manifest)
    [problem] = report.errors
    assert problem.kind == "overlap"
    assert problem.what.startswith(message)
    assert "turned or mirrored" in problem.what
    assert set(problem.images) == {str(tmp_path / "low1-0.tif"), str(tmp_path / "crop.tif")}
    data = read_manifest(manifest)
    tiles = cut_tiles(data, None, ignore_progress)
    again = cut_tiles(data, None, ignore_progress)
    assert again.overlaps == tiles.overlaps
    for table in (tiles, again):
        with pytest.raises(error, match=r"low1-0.tif .*crop.tif .* share pixels: rows \d+ to") as raised:
            refuse_contradictions(table)
        assert type(raised.value) is error


def test_the_check_warns_of_labels_and_continues(tmp_path: Path):
    def drawn(i: int) -> np.ndarray:
        return with_label(tissue(i, (600, 700)))

    rows = []
    for i in range(4):
        name = write_image(tmp_path / f"i{i}.tif", drawn(i)).name
        rows.append(f"{name},{'low' if i < 2 else 'high'},a{i},s1,2026-01-0{1 + i % 2},0.325")
    report = check_dataset(write_lines(tmp_path / "m.csv", rows))
    assert [problem.what for problem in report.errors] == []
    [problem] = [one for one in report.problems if one.kind == "overlay"]
    assert problem.what.startswith("4 images of several animals hold the same pixels at the same place")
    refuse_contradictions(cut_tiles(read_manifest(report.manifest), None, ignore_progress))


def test_within_an_animal_it_is_a_warning_that_counts_both_sides(tmp_path: Path):
    manifest = with_crop(tmp_path, "low,low1,s1,2026-01-01")
    report = check_dataset(manifest)
    assert report.trainable
    [problem] = [problem for problem in report.problems if problem.kind == "overlap"]
    assert (problem.severity, problem.what[:33]) == ("warning", "Images of one animal share pixels")
    tiles = cut_tiles(read_manifest(manifest), None, ignore_progress)
    refuse_contradictions(tiles)
    [overlap] = tiles.overlaps
    crop = len(tiles.images) - 1
    assert (overlap.one, overlap.other) == (0, crop)
    assert overlaps_across([0, 1], [2, crop], tiles.overlaps) == [(0, crop)]
    assert overlaps_across([crop], [0], tiles.overlaps) == [(crop, 0)]
    assert overlaps_across([0, crop], [1], tiles.overlaps) == []
    refuse_contradictions(replace(tiles, overlaps=()))


def overlapping(one: int, other: int) -> Overlap:
    return Overlap(one, other, 9, Region(0, 100, 0, 100), Region(5, 105, 9, 109), turned=False)


def test_a_fold_over_images_counts_the_pairs_that_overlap_across_it():
    tiles = texture_set(1, images=4)[1]
    split = Split("paper", 0, np.array([0, 1, 4, 5]), np.array([2, 3, 6, 7]), np.array([0] * 4 + [1] * 4))
    across = [overlapping(0, 2), overlapping(3, 1), overlapping(0, 1)]
    assert copies_across(split, tiles.digests) == []
    assert copies_across(split, tiles.digests, across) == [(0, 2), (1, 3)]
    digests = list(tiles.digests)
    digests[2] = digests[0]
    assert copies_across(split, digests, across) == [(0, 2), (1, 3)]  # whole copies count once
    assert copies_across(split, (), across) == [(0, 2), (1, 3)]


def test_held_out_images_that_overlap_with_others_are_counted_in_words():
    tiles = texture_set(1, images=10)[1]
    held = hold_out(tiles, 1, seed=1)
    assert held.by == "image"
    assert "share pixels" not in held.description
    one, other = int(held.held_out[0]), next(int(i) for i in held.train if tiles.images[i].label == 0)
    pair = overlapping(*sorted((one, other)))
    said = hold_out(replace(tiles, overlaps=(pair,)), 1, seed=1).description
    assert said == held.description + " 1 of them shares pixels with images that are trained on."

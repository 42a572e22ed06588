"""Tiles cut once and kept on disk."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorstore as ts
from dataset_parts import edit, small_set, tissue, write_image, write_lines

from hcc_scope.datasets import cache
from hcc_scope.datasets.cache import CACHE_FOLDER, cut_tiles, digest_of
from hcc_scope.datasets.images import read_pixels
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.datasets.parallel import over
from hcc_scope.errors import (
    DatasetError,
    DiskFullError,
    ImageError,
    StoreDamagedError,
    StoreExistsError,
    StoreUnwritableError,
)
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.quality import QualityLimits, assess
from hcc_scope.storage import tile_array
from hcc_scope.storage.tile_array import TileArray, TileArrayWriter
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledSet


@pytest.fixture
def few_per_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several shards from a handful of tiles."""
    monkeypatch.setattr(tile_array, "SHARD_TILES", 4)


def mixed_set(folder: Path) -> LabelledSet:
    """Tissue, glass, a copy, and a frame whose last tiles overlap."""
    half = tissue(1, (1024, 1100))
    half[:, 512:] = 40_000  # glass
    write_image(folder / "half.tif", half)
    write_image(folder / "copy.tif", half)
    write_image(folder / "glass.tif", np.full((600, 600), 40_000, np.uint16))
    write_image(folder / "dark.tif", np.full((512, 512), 10, np.uint16))
    write_image(folder / "high.tif", tissue(2, (512, 1024)))
    names = ("half", "copy", "glass", "dark")
    lines = [f"{name}.tif,low,m1,s1,mon,0.325" for name in names]
    return read_manifest(write_lines(folder / "m.csv", [*lines, "high.tif,high,m2,s1,mon,0.325"]))


def test_tiles_are_those_of_the_live_pipeline(tmp_path: Path, few_per_shard: None):
    data = mixed_set(tmp_path)
    steps: list[Progress] = []
    table = cut_tiles(data, None, steps.append)
    assert [step.done for step in steps] == [1, 2, 3, 4, 5]
    expected = []
    for i, image in enumerate(data.images):
        pixels = read_pixels(image)
        grid = TileGrid.for_frame(image.shape_yx)
        kept = np.flatnonzero(assess(pixels, grid, QualityLimits(), image.bit_depth).flags == 0)
        expected += [(i, k, tile) for k, tile in zip(kept, grid.cut(pixels, kept), strict=True)]
        assert table.digests[i] == digest_of(pixels)
    assert [(i, k) for i, k, _ in expected] == list(zip(table.image_index, table.tile_index, strict=True))
    np.testing.assert_array_equal(table.reader.read(range(len(table))), [tile for *_, tile in expected])
    assert table.images == data.images
    assert set(table.image_index.tolist()) == {0, 1, 4}  # glass and dark have no usable tile, and stay listed
    assert table.digests[0] == table.digests[1] != table.digests[4]
    assert table.excluded["no_tissue"] > table.excluded["under_exposed"] == 1


def test_the_second_time_nothing_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = read_manifest(small_set(tmp_path))
    first = cut_tiles(data, None, ignore_progress)
    monkeypatch.setattr(cache, "read_pixels", lambda _: pytest.fail("an image was read"))
    again = cut_tiles(data, None, pytest.fail)
    np.testing.assert_array_equal(again.image_index, first.image_index)
    np.testing.assert_array_equal(again.reader.read([3, 0]), first.reader.read([3, 0]))
    assert (again.digests, again.excluded) == (first.digests, first.excluded)
    sent = pickle.loads(pickle.dumps(again))  # to another process
    assert sent.images == data.images
    np.testing.assert_array_equal(sent.reader.read([1]), first.reader.read([1]))
    assert [path.name for path in (tmp_path / CACHE_FOLDER).iterdir()] == [data.fingerprint[:12]]


def test_another_folder_can_hold_several_sets(tmp_path: Path):
    one, other = read_manifest(small_set(tmp_path / "a")), read_manifest(small_set(tmp_path / "b", 1))
    for data in (one, other):
        cut_tiles(data, tmp_path / "caches" / "here", ignore_progress)
    assert len(list((tmp_path / "caches" / "here").iterdir())) == 2
    assert not (tmp_path / "a" / CACHE_FOLDER).exists()


def test_tiles_are_read_in_any_order_by_any_thread_and_process(tmp_path: Path, few_per_shard: None):
    tiles = np.stack([tissue(i, (64, 64)) for i in range(11)])
    writer = TileArrayWriter(tmp_path, 64)
    for part in (tiles[:3], tiles[3:3], tiles[3:10], tiles[10:]):
        writer.append(part)
    writer.close()
    array = pickle.loads(pickle.dumps(TileArray(tmp_path, 64, 11)))
    assert len(array.shard_files()) == 3
    rng = np.random.default_rng(0)
    wanted = [rng.integers(0, 11, 5) for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        for rows, found in zip(wanted, pool.map(array.read, wanted), strict=True):
            np.testing.assert_array_equal(found, tiles[rows])
            assert found.flags.writeable
    assert array.read([]).shape == (0, 64, 64)
    with pytest.raises(IndexError):
        array.read([11])
    # as any zarr reader sees it
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(tmp_path)}}
    np.testing.assert_array_equal(ts.open(spec, open=True).result().read().result(), tiles)


def test_a_damaged_tile_is_noticed(tmp_path: Path):
    data = read_manifest(small_set(tmp_path))
    table = cut_tiles(data, None, ignore_progress)
    [shard] = table.reader.shard_files()
    damaged = bytearray(shard.read_bytes())
    damaged[1000] ^= 0xFF
    shard.write_bytes(bytes(damaged))
    reader = pickle.loads(pickle.dumps(table.reader))
    with pytest.raises(StoreDamagedError, match=r"Tile 0 in .* missing or damaged.*Remove that folder"):
        reader.read([0])
    np.testing.assert_array_equal(reader.read([1]), [read_pixels(data.images[1])])


@pytest.mark.parametrize(
    "harm",
    [
        lambda place: (place / "index.json").unlink(),
        lambda place: (place / "index.json").write_text("{}"),
        lambda place: edit(place / "index.json", '"n_tiles": 4', '"n_tiles": 5'),
        lambda place: edit(place / "index.json", '"fingerprint": "', '"fingerprint": "0'),
        lambda place: edit(place / "index.json", '"focus_min": ', '"focus_min": 1'),
        lambda place: edit(place / "index.json", '"digest": "', '"digest": "0'),
        lambda place: edit(place / "index.json", '"overlaps": []', '"overlaps": [[0, 1]]'),
        lambda place: (place / "index.json").write_text("[" * 100_000),
        lambda place: shutil.rmtree(place / "tiles" / "c"),
        lambda place: os.truncate(next((place / "tiles" / "c").rglob("0/0/0")), 100),
    ],
)
def test_a_cache_that_is_damaged_or_of_another_set_is_made_anew(tmp_path: Path, harm: Callable[[Path], object]):
    data = read_manifest(small_set(tmp_path))
    cut_tiles(data, None, ignore_progress)
    harm(tmp_path / CACHE_FOLDER / data.fingerprint[:12])
    steps: list[Progress] = []
    table = cut_tiles(data, None, steps.append)
    assert len(steps) == 4
    np.testing.assert_array_equal(table.reader.read([2]), [read_pixels(data.images[2])])


def test_two_that_cut_one_set_at_the_same_time_both_have_its_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The other's cache appears between the look for it and the renaming of one's own."""
    data = read_manifest(small_set(tmp_path))
    cut_tiles(data, tmp_path / "other", ignore_progress)
    name, patiently = data.fingerprint[:12], cache.patiently

    def late(move: Callable[[], object]) -> None:
        if not (tmp_path / CACHE_FOLDER / name).exists():
            shutil.copytree(tmp_path / "other" / name, tmp_path / CACHE_FOLDER / name)
        patiently(move, hold_s=0.0)

    monkeypatch.setattr(cache, "patiently", late)
    table = cut_tiles(data, None, ignore_progress)
    np.testing.assert_array_equal(table.reader.read([2]), [read_pixels(data.images[2])])
    assert [path.name for path in (tmp_path / CACHE_FOLDER).iterdir()] == [name]


def test_a_folder_that_is_no_cache_is_left_alone(tmp_path: Path):
    data = read_manifest(small_set(tmp_path))
    place = tmp_path / CACHE_FOLDER / data.fingerprint[:12]
    place.mkdir(parents=True)
    (place / "thesis.docx").write_text("the only copy")
    with pytest.raises(StoreExistsError, match="is no cache of tiles"):
        cut_tiles(data, None, ignore_progress)
    assert [path.name for path in place.parent.rglob("*")] == [place.name, "thesis.docx"]


def test_an_unreadable_image_leaves_nothing_behind(tmp_path: Path):
    data = read_manifest(small_set(tmp_path))
    path = data.images[2].path
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ImageError, match=path.name):
        cut_tiles(data, None, ignore_progress)
    assert list((tmp_path / CACHE_FOLDER).iterdir()) == []


def test_what_a_killed_cut_left_is_removed_but_not_a_living_ones(tmp_path: Path):
    data = read_manifest(small_set(tmp_path))
    code = f"""
import os
from pathlib import Path
from hcc_scope.datasets.cache import cut_tiles
from hcc_scope.datasets.manifest import read_manifest
cut_tiles(read_manifest(Path({str(data.manifest)!r})), None, lambda step: step.done == 2 and os._exit(9))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    folder = tmp_path / CACHE_FOLDER
    [left] = folder.iterdir()
    assert left.name.endswith(".partial")
    cut_tiles(data, None, ignore_progress)
    assert [path.name for path in folder.iterdir()] == [data.fingerprint[:12]]

    shutil.rmtree(folder)
    seen: list[int] = []

    def meanwhile(step: Progress) -> None:
        if step.done == 2:  # somebody else cuts the same set, from beginning to end
            cut_tiles(data, None, lambda other: seen.append(other.done))
            assert len([path for path in folder.iterdir() if path.name.endswith(".partial")]) == 1

    cut_tiles(data, None, meanwhile)
    assert seen == [1, 2, 3, 4]
    assert [path.name for path in folder.iterdir()] == [data.fingerprint[:12]]


def test_a_class_without_a_usable_tile_is_an_error(tmp_path: Path):
    write_image(tmp_path / "a.tif", tissue(1))
    write_image(tmp_path / "b.tif", np.full((512, 512), 65_535, np.uint16))
    path = write_lines(tmp_path / "m.csv", ["a.tif,low,m1,s1,mon,0.3", "b.tif,high,m2,s1,mon,0.3"])
    for _ in range(2):
        with pytest.raises(DatasetError, match=r"No tile of class high in .*m.csv passes quality \(1 no tissue, 1 sat"):
            cut_tiles(read_manifest(path), None, ignore_progress)


# ---- the disk -------------------------------------------------------------------------------------------------------


def test_too_little_space_is_reported_before_anything_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = read_manifest(small_set(tmp_path))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**24, 0, 2**24))
    with pytest.raises(
        DiskFullError, match=r"4 images, up to 0.00 GB, cannot be kept in .*: 0.02 GB are free.*--cache"
    ):
        cut_tiles(data, None, pytest.fail)
    assert list((tmp_path / CACHE_FOLDER).iterdir()) == []


LIMITED = """
import resource, sys
from pathlib import Path
from hcc_scope.datasets.cache import cut_tiles
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.progress import ignore_progress
from hcc_scope.errors import DiskFullError
data = read_manifest(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # the kernel's own refusal, as a full disk's
try:
    cut_tiles(data, None, ignore_progress)
except DiskFullError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
def test_a_disk_that_fills_while_tiles_are_written_is_reported_and_leaves_nothing(tmp_path: Path):
    data = read_manifest(small_set(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(data.manifest)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "The tiles of 4 images, up to 0.00 GB, cannot be kept" in done.stdout
    assert "--cache DIR" in done.stdout
    assert list((tmp_path / CACHE_FOLDER).iterdir()) == []


def test_a_full_disk_for_the_index_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = read_manifest(small_set(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "create_file", full)
    with pytest.raises(DiskFullError, match="no space is left"):
        cut_tiles(data, None, ignore_progress)
    assert list((tmp_path / CACHE_FOLDER).iterdir()) == []


def test_a_place_that_cannot_be_written_names_the_way_out(tmp_path: Path):
    data = read_manifest(small_set(tmp_path))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnwritableError, match=r"--cache DIR"):
        cut_tiles(data, tmp_path / "file", ignore_progress)


# ---- several at once ------------------------------------------------------------------------------------------------


def test_work_is_done_in_order_and_not_far_ahead():
    running: set[int] = set()
    taken: list[int] = []

    def body(i: int) -> int:
        running.add(i)
        if i == 30:
            raise ImageError("the 30th")
        return i

    def take_all() -> None:
        for i in over(range(100), body, 2):
            taken.append(i)
            assert max(running) <= i + 4

    with pytest.raises(ImageError, match="the 30th"):
        take_all()
    assert taken == list(range(30))
    assert max(running) <= 34


def test_the_index_is_readable_by_a_person(tmp_path: Path):
    data = read_manifest(small_set(tmp_path))
    cut_tiles(data, None, ignore_progress)
    index = json.loads((tmp_path / CACHE_FOLDER / data.fingerprint[:12] / "index.json").read_bytes())
    assert index["fingerprint"] == data.fingerprint
    assert [image["tiles"] for image in index["images"]] == [[0]] * 4

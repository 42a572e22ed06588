"""Every value written to a store is read back, and what cannot be stored is refused with a message."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaozarrs
import zarr
from storage_cases import SMALL, assert_same_frame, fingerprint, make_frame, make_pixels, make_spec, shard

from hcc_scope.errors import (
    DiskFullError,
    IdError,
    StoreError,
    StoreExistsError,
    StoreUnwritableError,
)
from hcc_scope.protocols import FrameSink
from hcc_scope.storage.metadata import spec_from_json, spec_to_json
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.section_writer import GROW_FRAMES
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.types import Frame

FRAME_BYTES = 2 * SMALL[0] * SMALL[1]


def shape_on_disk(store: Path) -> list[int]:
    return json.loads((store / "frames" / "0" / "zarr.json").read_text())["shape"]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.002)


@pytest.mark.parametrize("shape_yx", [(1, 1), SMALL, (512, 512), (600, 1030), (1024, 1024), (1500, 513), (2048, 2048)])
def test_round_trip(tmp_path: Path, shape_yx: tuple[int, int]):
    frames = [make_frame(seq, shape_yx) for seq in range(3)]
    with create_store(tmp_path / "new" / "folder", make_spec(shape_yx)) as writer:
        for frame in frames:
            writer.append(frame)
    writer.finalise({"state": "completed", "counts": {"acquired": 3}})

    store = open_store(writer.path)
    assert store.n_frames == 3
    assert store.complete
    assert store.spec == make_spec(shape_yx)
    assert store.attributes["outcome"]["counts"] == {"acquired": 3}
    for frame in frames:
        assert_same_frame(store.read(frame.seq), frame)

    yaozarrs.validate_zarr_store(str(writer.path))
    array = zarr.open_array(writer.path / "frames" / "0", mode="r")
    np.testing.assert_array_equal(array[...], np.stack([frame.pixels for frame in frames]))
    # one file per frame, and no temporary file left
    assert sorted(p.name for p in writer.path.iterdir()) == ["frames", "frames.jsonl", "hcc_scope.json", "zarr.json"]
    assert len([p for p in (writer.path / "frames" / "0" / "c").rglob("*") if p.is_file()]) == 3


def test_other_programs_find_scale_and_axes(tmp_path: Path):
    with create_store(tmp_path, make_spec(), interval_s=0.5) as writer:
        pass
    group = yaozarrs.validate_zarr_store(str(writer.path))
    multiscale = group.ome_metadata().multiscales[0]
    assert [(a.name, a.type, a.unit) for a in multiscale.axes] == [
        ("t", "time", "second"),
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    assert multiscale.datasets[0].path == "frames/0"
    assert multiscale.datasets[0].coordinateTransformations[0].scale == [0.5, 0.325, 0.325]
    assert group.ome_metadata().omero.channels[0].window.end == 2**14 - 1


def test_a_black_frame_is_a_file_like_any_other(tmp_path: Path):
    black = np.zeros(SMALL, np.uint16)
    with create_store(tmp_path, make_spec()) as writer:
        writer.append(make_frame(0, pixels=black))
    assert shard(writer.path, 0).is_file()
    np.testing.assert_array_equal(open_store(writer.path).read(0).pixels, black)


def test_the_array_grows_and_is_cut_to_what_is_there(tmp_path: Path):
    n = GROW_FRAMES + 5
    with create_store(tmp_path, make_spec()) as writer:
        assert shape_on_disk(writer.path)[0] == GROW_FRAMES
        for seq in range(n):
            writer.append(make_frame(seq))
        wait_until(lambda: writer.committed == n)
        assert shape_on_disk(writer.path)[0] == 2 * GROW_FRAMES
        yaozarrs.validate_zarr_store(str(writer.path))
    assert shape_on_disk(writer.path) == [n, *SMALL]
    for seq in (0, GROW_FRAMES - 1, GROW_FRAMES, n - 1):
        assert_same_frame(open_store(writer.path).read(seq), make_frame(seq))


@pytest.mark.parametrize(("expected", "appended"), [(3, 3), (3, 1), (3, 5), (3, 0), (0, 0)])
def test_an_expected_length_is_only_an_expectation(tmp_path: Path, expected: int, appended: int):
    with create_store(tmp_path, make_spec(expected_frames=expected)) as writer:
        assert shape_on_disk(writer.path)[0] == expected
        for seq in range(appended):
            writer.append(make_frame(seq))
    assert shape_on_disk(writer.path)[0] == appended
    assert open_store(writer.path).n_frames == appended
    yaozarrs.validate_zarr_store(str(writer.path))


def test_committed_frames_can_be_read_while_others_are_written(tmp_path: Path):
    with create_store(tmp_path, make_spec()) as writer:
        assert isinstance(writer, FrameSink)
        for seq in range(40):
            writer.append(make_frame(seq))
            done = writer.committed
            store = open_store(writer.path)
            assert not store.complete
            assert store.n_frames >= done
            for reader in (writer, store):
                if done:
                    assert_same_frame(reader.read(done - 1), make_frame(done - 1))
        with pytest.raises(StoreError, match="not among"):
            writer.read(40)


def test_a_buffer_that_is_filled_again_does_not_reach_the_disk(tmp_path: Path):
    buffer = np.empty(SMALL, np.uint16)
    with create_store(tmp_path, make_spec()) as writer:
        for seq in range(20):
            buffer[...] = make_pixels(seq)
            writer.append(make_frame(seq, pixels=buffer))
        buffer[...] = 0
    store = open_store(writer.path)
    for seq in range(20):
        np.testing.assert_array_equal(store.read(seq).pixels, make_pixels(seq))


def test_numbers_that_json_cannot_hold_do_not_stop_a_run(tmp_path: Path):
    odd = make_frame(
        0,
        em_gain=np.float32(2.5),
        temperature_c=float("nan"),
        tags={"a": np.int64(3), "b": float("inf"), "c": Path("x")},
    )
    with create_store(tmp_path, make_spec()) as writer:
        writer.append(odd)
        writer.append(make_frame(1, stage_um=(1e308, -5.0, 2.0)))  # farther off than any stage reaches
    store = open_store(writer.path)
    assert store.read(1).stage_um is None
    read = store.read(0)
    assert (read.em_gain, read.temperature_c) == (2.5, None)
    assert read.tags == {"a": 3, "b": None, "c": "x"}


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (make_frame(1, (70, 91)), "(70, 91)"),
        (make_frame(1, pixels=np.zeros(SMALL, np.uint8)), "uint8"),
        (make_frame(2), "frame 1 was due"),
        (make_frame(0), "frame 1 was due"),
        (make_frame(1, section_id="S3"), "section 'S3'"),
    ],
)
def test_a_frame_that_does_not_belong_is_refused_and_the_run_continues(tmp_path: Path, frame: Frame, words: str):
    with create_store(tmp_path, make_spec()) as writer:
        writer.append(make_frame(0))
        with pytest.raises(StoreError) as caught:
            writer.append(frame)
        assert words in str(caught.value)
        writer.append(make_frame(1))
    assert open_store(writer.path).n_frames == 2


def test_close_and_finalise(tmp_path: Path):
    writer = create_store(tmp_path, make_spec())
    writer.append(make_frame(0))
    with pytest.raises(StoreError, match="must be closed"):
        writer.finalise({})
    writer.close()
    writer.close()
    assert not open_store(writer.path).complete
    with pytest.raises(StoreError, match=r"after .+ was closed"):
        writer.append(make_frame(1))
    writer.finalise({"state": "cancelled"})
    assert open_store(writer.path).complete
    assert open_store(writer.path).attributes["n_frames"] == 1


# ---- refused before the start


def test_an_existing_store_is_never_touched(tmp_path: Path):
    with create_store(tmp_path, make_spec()) as writer:
        writer.append(make_frame(0))
    before = fingerprint(tmp_path)
    with pytest.raises(StoreExistsError, match="never overwritten"):
        create_store(tmp_path, make_spec())
    assert fingerprint(tmp_path) == before


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_anything_of_that_name_counts_as_existing(tmp_path: Path, kind: str):
    path = tmp_path / "M1_S2.ome.zarr"
    match kind:
        case "file":
            path.write_text("x")
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreExistsError):
        create_store(tmp_path, make_spec())


def test_a_folder_that_cannot_be_made_is_unwritable(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnwritableError, match="Nothing can be stored in"):
        create_store(tmp_path / "file", make_spec())
    with pytest.raises(StoreUnwritableError, match="Nothing can be stored in"):
        create_store(tmp_path / "file" / "below", make_spec())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root may write to")
def test_a_folder_of_the_system_is_unwritable():
    with pytest.raises(StoreUnwritableError, match="Nothing can be stored in"):
        create_store(Path("/proc/self/new"), make_spec())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_unwritable(tmp_path: Path):
    tmp_path.chmod(0o555)
    with pytest.raises(StoreUnwritableError, match="Permission denied"):
        create_store(tmp_path, make_spec())
    tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"animal_id": "a/b"}, IdError),
        ({"section_id": ""}, IdError),
        ({"pixel_size_um": float("nan")}, StoreError),
        ({"pixel_size_um": 0.0}, StoreError),
        ({"dtype": "uint8"}, StoreError),
        ({"bit_depth": 17}, StoreError),
        ({"frame_shape_yx": (0, 5)}, StoreError),
        ({"expected_frames": 10**12}, DiskFullError),
    ],
)
def test_a_run_that_cannot_be_stored_leaves_nothing_behind(tmp_path: Path, changes: dict, error: type[Exception]):
    with pytest.raises(error):
        create_store(tmp_path, replace(make_spec(), **changes))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("factor", "fits"), [(1.249, False), (1.251, True)])
def test_a_plan_needs_a_quarter_more_than_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float, fits: bool
):
    expected = 10_000
    usage = namedtuple("usage", "total used free")
    free = int(factor * expected * FRAME_BYTES)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(free, 0, free))
    spec = make_spec(expected_frames=expected)
    if fits:
        create_store(tmp_path, spec).close()
    else:
        with pytest.raises(DiskFullError, match=r"0\.16 GB are needed for 10000 frames"):
            create_store(tmp_path, spec)


def test_a_disk_that_fills_midway_stops_the_run_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    usage = namedtuple("usage", "total used free")
    free = 2**40
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 0, free))
    writer = create_store(tmp_path, make_spec())
    for seq in range(3):
        writer.append(make_frame(seq))
    free = 2**24
    with pytest.raises(DiskFullError, match="frame 3 was not stored, the 3 frames before it are safe"):
        writer.append(make_frame(3))
    writer.close()
    writer.finalise({"state": "failed"})
    assert open_store(writer.path).n_frames == 3


# ---- writes that fail


def test_a_failed_write_is_reported_and_the_frames_before_it_stay(tmp_path: Path):
    writer = create_store(tmp_path, make_spec(), max_in_flight_bytes=4 * FRAME_BYTES)
    (writer.path / "frames" / "0" / "c" / "2").write_text("in the way")
    with pytest.raises(StoreError, match="Frame 2 could not be written"):  # noqa: PT012 - some append, not a given one
        for seq in range(10):
            writer.append(make_frame(seq))
    for _ in range(2):
        with pytest.raises(StoreError, match="the 2 frames before it are safe"):
            writer.close()
    assert writer.committed == 2
    assert writer.in_flight_bytes == 0
    assert shape_on_disk(writer.path)[0] == 2
    store = open_store(writer.path)
    assert not store.complete
    assert store.n_frames == 2
    assert_same_frame(store.read(1), make_frame(1))
    writer.finalise({"state": "failed"})
    assert open_store(writer.path).complete


def test_a_failed_write_is_reported_by_close_if_nothing_is_appended_any_more(tmp_path: Path):
    writer = create_store(tmp_path, make_spec())
    (writer.path / "frames" / "0" / "c" / "0").write_text("in the way")
    writer.append(make_frame(0))
    with pytest.raises(StoreError, match="Frame 0 could not be written"):
        writer.close()


def test_the_error_that_ended_a_block_is_not_hidden_by_close(tmp_path: Path):
    with pytest.raises(KeyError), create_store(tmp_path, make_spec()) as writer:  # noqa: PT012 - both are one block
        (writer.path / "frames" / "0" / "c" / "0").write_text("in the way")
        writer.append(make_frame(0))
        raise KeyError


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
def test_appends_wait_for_the_disk_and_are_woken_by_its_error(tmp_path: Path):
    # the disk hangs: opening a pipe for writing waits until somebody reads it; then writing at an offset fails
    writer = create_store(tmp_path, make_spec(), max_in_flight_bytes=3 * FRAME_BYTES)
    slow = shard(writer.path, 1).with_name("0.__lock")
    slow.parent.mkdir(parents=True)
    os.mkfifo(slow)
    caught: list[StoreError] = []
    appended: list[int] = []

    def produce() -> None:
        try:
            for seq in range(10):
                writer.append(make_frame(seq))
                appended.append(seq)
        except StoreError as error:
            caught.append(error)

    producer = threading.Thread(target=produce)
    producer.start()
    wait_until(lambda: writer.committed == 1 and writer.in_flight_bytes == 3 * FRAME_BYTES)
    producer.join(0.1)
    assert producer.is_alive()  # parked
    assert appended == [0, 1, 2, 3]  # one committed, three in flight: the bound

    with slow.open("rb"):
        producer.join(30)
        assert not producer.is_alive()
    assert len(caught) == 1
    assert "Frame 1 could not be written" in str(caught[0])
    with pytest.raises(StoreError, match="Frame 1"):
        writer.close()
    assert open_store(writer.path).n_frames == 1


def test_spec_survives_json():
    spec = make_spec(expected_frames=7, model_sha256="ab", rig_sha256="cd", sampling="raster", tile_px=256)
    assert spec_from_json(json.loads(json.dumps(spec_to_json(spec)))) == spec

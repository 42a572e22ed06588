"""The disk, its folders and their names: asked before a run, watched during it, and reported as they are at its end."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections import namedtuple
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaozarrs
from storage_cases import assert_same_frame, make_frame, make_result, make_spec, shard

from hcc_scope import atomic_file
from hcc_scope.errors import (
    DiskFullError,
    HccScopeError,
    StoreDamagedError,
    StoreError,
    StoreExistsError,
    StoreUnwritableError,
)
from hcc_scope.runs.reports import write_section_report
from hcc_scope.storage import frame_array, journal_writer, section_writer, space
from hcc_scope.storage.journal import read_journal
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.predictions import PredictionWriter
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recover import recover
from hcc_scope.storage.space import check_out_dir
from hcc_scope.storage.tile_array import TileArray, TileArrayWriter
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.storage.section_writer import SectionWriter

linux_only = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux follows a renamed folder")


def record(sink: SectionWriter, first: int, end: int) -> None:
    for seq in range(first, end):
        sink.append(make_frame(seq))


def wait_for(sink: SectionWriter, n: int) -> None:
    deadline = time.monotonic() + 30
    while sink.committed < n and time.monotonic() < deadline:
        time.sleep(0.002)
    assert sink.committed == n


# ---- paths


@pytest.mark.parametrize(
    "name",
    [
        "sub/../out",
        "link",
        "link/../out",
        "a b",
        "a#b?c%20d|e",
        "Größe-肝",
        "a:b",
        "new/",
        "./out/.",
        "x" * 200,
        "-dash",
        "o\udcffut",
        "o\\ut",
    ],
)
def test_any_path_that_a_shell_can_give_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    (tmp_path / "sub").mkdir()
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    monkeypatch.chdir(tmp_path)
    for out in (Path(name), tmp_path / name, Path(f"//{tmp_path}/{name}")):
        with create_store(out, make_spec()) as sink:
            record(sink, 0, 2)
        sink.finalise({"state": "completed"})
        store = open_store(sink.path)
        assert store.problems == ()
        for seq in range(2):
            assert_same_frame(store.read(seq), make_frame(seq))
            assert_same_frame(sink.read(seq), make_frame(seq))
        assert recover(sink.path).changes == ()
        shutil.rmtree(sink.path)


@pytest.mark.parametrize("name", [".", "frames/.."])
def test_a_store_has_its_name_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    with create_store(tmp_path, make_spec(tile_px=35)) as sink:
        record(sink, 0, 1)
    monkeypatch.chdir(sink.path)
    assert open_store(Path(name)).path == recover(Path(name)).path == sink.path.resolve()
    assert write_section_report(Path(name)) == tmp_path.resolve() / "M1_S2-report.html"  # beside the store, not in it


@linux_only
@pytest.mark.parametrize("name", [".", "..", "M1_S2.ome.zarr"])
def test_a_working_folder_that_was_deleted_is_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for read in (open_store, recover):
        with pytest.raises(StoreError, match="There is no store at"):
            read(Path(name))


def test_tiles_are_kept_below_any_path(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "tiles").mkdir()
    folder = tmp_path / "sub" / ".." / "tiles"
    tiles = np.arange(2 * 16 * 16, dtype=np.uint16).reshape(2, 16, 16)
    kept = TileArrayWriter(folder, 16)
    kept.append(tiles)
    kept.close()
    np.testing.assert_array_equal(TileArray(folder, 16, 2).read([1, 0]), tiles[::-1])


# ---- before a run


def test_a_folder_is_asked_without_leaving_a_trace(tmp_path: Path):
    check_out_dir(tmp_path / "new" / "er")
    check_out_dir(tmp_path / "new" / "er", make_spec(expected_frames=3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("x" * 300, StoreUnwritableError, "name too long"),
        (f"new/{'x' * 300}/out", StoreUnwritableError, "more than 255 bytes"),
        ("new/" * 1200, StoreUnwritableError, "too long"),
        ("file", StoreUnwritableError, "file is no folder"),
        ("file/below", StoreUnwritableError, "file is no folder"),
        ("loop/out", StoreUnwritableError, "symbolic links"),
        ("dangling", StoreUnwritableError, "is a link to nowhere, which is not there. Make that folder"),
        ("dangling/out", StoreUnwritableError, "is a link to nowhere, which is not there"),
        ("nul\0l", StoreError, "null"),
    ],
)
def test_a_folder_that_cannot_be_is_refused_and_nothing_is_made(tmp_path: Path, name: str, error: type, words: str):
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    before = sorted(tmp_path.iterdir())
    for ask in (check_out_dir, lambda out: create_store(out, make_spec())):
        with pytest.raises(error, match=words) as caught:
            ask(tmp_path / name)
        assert isinstance(caught.value, HccScopeError)
    assert sorted(tmp_path.iterdir()) == before


def test_a_taken_name_and_a_full_disk_are_refused_before_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "M1_S2.ome.zarr").mkdir()
    with pytest.raises(StoreExistsError):
        check_out_dir(tmp_path, make_spec())
    check_out_dir(tmp_path)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**30, 0, 10**6))
    with pytest.raises(DiskFullError, match=r"0\.00 GB free"):
        check_out_dir(tmp_path)


def test_a_disk_without_room_for_more_files_is_refused_before_and_during_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(space, "_free_files", lambda _: 40)
    with pytest.raises(DiskFullError, match="room for 40 more files, but 316 are needed"):
        create_store(tmp_path, make_spec(expected_frames=100))
    assert list(tmp_path.iterdir()) == []
    sink = create_store(tmp_path, make_spec())
    record(sink, 0, 1)
    monkeypatch.setattr(space, "_free_files", lambda _: 5)
    with pytest.raises(DiskFullError, match="no room for more files: frame 1 was not stored"):
        sink.append(make_frame(1))
    sink.close()
    assert open_store(sink.path).n_frames == 1


def test_a_store_that_cannot_be_opened_after_it_was_made_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> bool:
        return False

    monkeypatch.setattr(journal_writer, "lock", refuse)
    with pytest.raises(StoreError, match="being written"):
        create_store(tmp_path / "new" / "folder", make_spec())
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()

    def fail(*_: object, **__: object) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(frame_array, "driver_path", fail)
    with pytest.raises(StoreError, match="Input/output error"):
        create_store(tmp_path / "new", make_spec())
    assert list(tmp_path.iterdir()) == []


# ---- a run without a frame


def test_a_store_without_a_frame_can_be_removed_and_its_name_used_again(tmp_path: Path):
    spec = make_spec(tile_px=35)
    for _ in range(2):
        sink = create_store(tmp_path, spec)
        results = PredictionWriter(sink.path, spec, run="r")
        with pytest.raises(StoreError, match="must be closed"):
            sink.discard()
        sink.close()
        results.close()
        assert sink.discard()
        assert list(tmp_path.iterdir()) == []
        assert not sink.discard()


def put_frame(sink: SectionWriter) -> None:
    sink.append(make_frame(0))


def put_note(sink: SectionWriter) -> None:
    NotesWriter(sink.path).add("note", "the slide was broken")


def put_file(sink: SectionWriter) -> None:
    (sink.path / "mine.txt").write_text("x")


def exchange(sink: SectionWriter) -> None:
    sink.path.rename(sink.path.with_name("mine"))
    create_store(sink.path.parent, make_spec()).close()


@pytest.mark.parametrize("put", [put_frame, put_note, put_file, exchange])
def test_a_store_with_anything_in_it_is_not_removed(tmp_path: Path, put: Callable[[SectionWriter], None]):
    sink = create_store(tmp_path, make_spec())
    put(sink)
    try:
        sink.close()
    except StoreError:
        assert put is exchange
    assert not sink.discard()
    assert (sink.path / "zarr.json").is_file()
    assert (sink.path / "frames" / "0" / "c").is_dir()


# ---- moved, deleted, replaced during a run


def deleted(path: Path) -> None:
    shutil.rmtree(path)


def renamed(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def replaced(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    shutil.copytree(path.with_name("elsewhere"), path)


def replaced_by_another(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    with create_store(path.parent, make_spec()) as other:
        other.append(make_frame(0, tags={"of": "another run"}))


def replaced_by_a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("x")


def journal_deleted(path: Path) -> None:
    (path / "frames.jsonl").unlink()


def journal_replaced(path: Path) -> None:
    data = (path / "frames.jsonl").read_bytes()
    (path / "frames.jsonl").unlink()
    (path / "frames.jsonl").write_bytes(b"".join(data.splitlines(keepends=True)[:2]))


def journal_cut(path: Path) -> None:
    data = (path / "frames.jsonl").read_bytes()
    os.truncate(path / "frames.jsonl", len(b"".join(data.splitlines(keepends=True)[:2])))


@linux_only
@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize(
    ("happens", "kept"),
    [
        (deleted, 0),
        (renamed, 4),
        (replaced, 4),
        (replaced_by_another, 4),
        (replaced_by_a_file, 0),
        (journal_deleted, 0),
        (journal_replaced, 2),
        (journal_cut, 2),
    ],
)
def test_a_store_that_is_meddled_with_fails_the_run_with_what_is_kept(
    tmp_path: Path, happens: Callable[[Path], None], kept: int, goes_on: bool
):
    sink = create_store(tmp_path, make_spec(), max_in_flight_bytes=50_000)
    record(sink, 0, 4)
    wait_for(sink, 4)
    happens(sink.path)
    before = sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*"))
    if goes_on:
        with pytest.raises(StoreError, match="moved, deleted, replaced or changed"):  # noqa: PT012 - some append
            for seq in range(4, 1000):
                sink.append(make_frame(seq))
    with pytest.raises(StoreError) as caught:
        sink.close()
    message = "; ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert f"{kept} of the 4 frames that had been stored are in" in message
    assert sink.committed == kept
    with pytest.raises(StoreError, match="no longer the same store"):
        sink.finalise({"state": "completed"})
    assert not sink.discard()
    # nothing is written under the old name
    after = sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*"))
    assert [name for name in after if name not in before and "elsewhere" not in name and "/c/" not in name] == []
    if happens in {renamed, replaced_by_another}:
        elsewhere = open_store(tmp_path / "elsewhere")
        assert elsewhere.n_frames == 4
        assert_same_frame(elsewhere.read(3), make_frame(3))


@linux_only
def test_frames_in_flight_follow_a_renamed_store_and_make_no_second_one(tmp_path: Path):
    sink = create_store(tmp_path, make_spec((2048, 2048)))
    with pytest.raises(StoreError, match="moved, deleted"):  # noqa: PT012 - some append, not a given one
        for seq in range(40):
            sink.append(make_frame(seq, (2048, 2048)))
            if seq == 2:
                renamed(sink.path)
    with pytest.raises(StoreError):
        sink.close()
    assert [one.name for one in tmp_path.iterdir()] == ["elsewhere"]
    assert open_store(tmp_path / "elsewhere").n_frames == sink.committed


@linux_only
@pytest.mark.parametrize("moment", ["sync_folder", "require_space"])
def test_a_store_renamed_between_a_check_and_the_write_after_it_is_reported_as_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
):
    sink = create_store(tmp_path, make_spec())
    record(sink, 0, 2)
    wait_for(sink, 2)
    real = getattr(section_writer, moment)

    def rename_first(*given: object) -> object:
        if sink.path.exists():
            renamed(sink.path)
        return real(*given)

    monkeypatch.setattr(section_writer, moment, rename_first)
    with pytest.raises(StoreError, match="moved, deleted, replaced or changed"):  # noqa: PT012 - some append
        for seq in range(2, 1000):
            sink.append(make_frame(seq))
    with pytest.raises(StoreError, match="2 of the 2 frames that had been stored are in"):
        sink.close()
    assert open_store(tmp_path / "elsewhere").n_frames == 2


def test_a_store_replaced_after_its_last_frame_is_not_given_an_end(tmp_path: Path):
    sink = create_store(tmp_path, make_spec())
    record(sink, 0, 1)
    sink.close()
    replaced(sink.path)
    with pytest.raises(StoreError, match="no longer the same store"):
        sink.finalise({"state": "completed"})
    assert not open_store(sink.path).complete


def test_frames_deleted_during_a_run_are_reported_at_its_end(tmp_path: Path):
    sink = create_store(tmp_path, make_spec())
    record(sink, 0, 4)
    wait_for(sink, 4)
    shutil.rmtree(shard(sink.path, 1).parents[1])
    with pytest.raises(StoreError, match=r"A stored frame is gone from .* \(frame 1\)"):
        sink.close()


def test_a_line_changed_in_place_during_a_run_is_reported_at_its_end(tmp_path: Path):
    sink = create_store(tmp_path, make_spec())
    record(sink, 0, 3)
    wait_for(sink, 3)
    with (sink.path / "frames.jsonl").open("r+b") as file:
        file.seek(file.read().index(b'"seq":1'))
        file.write(b'"seq":9')
    with pytest.raises(StoreDamagedError, match="was changed during the run, from the line of frame 1 on"):
        sink.close()


@pytest.mark.parametrize("name", ["hcc_scope.json", "frames/zarr.json"])
def test_facts_deleted_during_a_run_are_reported_at_its_end(tmp_path: Path, name: str):
    sink = create_store(tmp_path, make_spec())
    record(sink, 0, 1)
    wait_for(sink, 1)
    (sink.path / name).unlink()
    with pytest.raises(StoreDamagedError, match=r"was deleted during the run: hcc-scope recover writes it again"):
        sink.close()
    sink.finalise({"state": "failed"})
    recover(sink.path)
    assert open_store(sink.path).problems == ()


def test_metadata_that_is_written_at_the_end_may_be_gone_before(tmp_path: Path):
    sink = create_store(tmp_path, make_spec(expected_frames=1))
    record(sink, 0, 1)
    wait_for(sink, 1)
    (sink.path / "zarr.json").unlink()
    (sink.path / "frames" / "0" / "zarr.json").unlink()
    sink.close()
    sink.finalise({"state": "completed"})
    assert open_store(sink.path).problems == ()


def test_predictions_of_a_moved_store_make_no_table_elsewhere(tmp_path: Path):
    spec = make_spec(tile_px=35)
    sink = create_store(tmp_path, spec)
    results = PredictionWriter(sink.path, spec, run="r")
    record(sink, 0, 1)
    results.append(make_result(0, 6))
    sink.close()
    replaced(sink.path)
    with pytest.raises(StoreError, match="no table is made"):
        results.close()
    assert not (sink.path / "predictions.parquet").exists()


# ---- writes that fail


def fail_with(code: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("recovers", [True, False])
def test_a_line_that_was_neither_synced_nor_cut_off_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recovers: bool
):
    sink = create_store(tmp_path, make_spec(), max_in_flight_bytes=50_000)
    record(sink, 0, 2)
    wait_for(sink, 2)
    append, fsync = sink._journal.append, os.fsync
    failures = [OSError(errno.EIO, "Input/output error")]

    def fail_once(handle: int) -> None:
        if failures:
            raise failures.pop()
        fsync(handle)

    def append_on_a_sick_disk(lines: list[bytes]) -> None:
        monkeypatch.setattr(os, "fsync", fail_once)
        monkeypatch.setattr(os, "ftruncate", fail_with(errno.EIO))
        append(lines)

    monkeypatch.setattr(sink._journal, "append", append_on_a_sick_disk)
    with pytest.raises(StoreError, match="the 2 frames before it are safe"):  # noqa: PT012 - some append
        for seq in range(2, 1000):
            sink.append(make_frame(seq))
    if recovers:
        monkeypatch.undo()
    with pytest.raises(StoreError, match="Frame 2 could not be written"):
        sink.close()
    monkeypatch.undo()
    assert sink.committed == 2
    assert read_journal(sink.path / "frames.jsonl").n_frames == 2
    assert (b"withdrawn" in (sink.path / "frames.jsonl").read_bytes()) is not recovers
    sink.finalise({"state": "failed"})
    store = open_store(sink.path)
    assert (store.n_frames, store.problems) == (2, ())
    report = recover(sink.path)
    assert (report.n_frames, report.changes) == (2, ())


def test_frames_whose_lines_can_be_neither_removed_nor_withdrawn_are_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sink = create_store(tmp_path, make_spec())
    record(sink, 0, 2)
    wait_for(sink, 2)
    write_all = journal_writer.write_all

    def only_frames(handle: int, data: bytes) -> None:
        if b"withdrawn" in data:
            raise OSError(errno.EIO, "Input/output error")
        write_all(handle, data)
        monkeypatch.setattr(os, "fsync", fail_with(errno.EIO))
        monkeypatch.setattr(os, "ftruncate", fail_with(errno.EIO))

    monkeypatch.setattr(journal_writer, "write_all", only_frames)
    sink.append(make_frame(2))
    with pytest.raises(StoreError, match="Frame 2 could not be written") as caught:
        sink.close()
    monkeypatch.undo()
    assert "frames 2 to 2 in" in "; ".join(caught.value.__notes__)
    assert sink.committed == 2
    sink.finalise({"state": "failed"})
    assert [problem for problem in open_store(sink.path).problems if "lists 3 frames, but 2 were recorded" in problem]


def test_a_journal_does_not_grow_beyond_what_readers_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_writer, "MAX_BYTES", 1200)
    sink = create_store(tmp_path, make_spec(), max_in_flight_bytes=50_000)
    record(sink, 0, 1)
    wait_for(sink, 1)  # lines are written in groups, and a group that does not fit is not written
    with pytest.raises(StoreError, match=r"is full: the [12] frames in it are safe"):  # noqa: PT012 - some append
        for seq in range(1, 1000):
            sink.append(make_frame(seq))
    with pytest.raises(StoreError, match="is full"):
        sink.close()
    assert open_store(sink.path).n_frames == sink.committed > 0


@pytest.mark.parametrize("left", [b'{"seq":2,"crc', b""])
def test_a_withdrawn_line_may_have_been_written_in_part(tmp_path: Path, left: bytes):
    sink = create_store(tmp_path, make_spec())
    record(sink, 0, 2)
    sink.close()
    file = sink.path / "frames.jsonl"
    file.write_bytes(file.read_bytes() + left + b"\n" + journal_writer.sealed_line({"withdrawn_from": 2}))
    found = read_journal(file)
    assert (found.n_frames, found.problems, found.torn) == (2, (), b"")


def test_a_disk_without_room_for_a_file_still_has_its_array_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sink = create_store(tmp_path, make_spec())
    record(sink, 0, 3)
    wait_for(sink, 3)
    monkeypatch.setattr(atomic_file, "create_file", fail_with(errno.ENOSPC))
    sink.close()
    with pytest.raises(DiskFullError):
        sink.finalise({"state": "completed"})
    monkeypatch.undo()
    assert json.loads((sink.path / "frames" / "0" / "zarr.json").read_text())["shape"] == [3, 70, 90]
    assert not (sink.path / "frames" / "0" / "zarr.json.tmp").exists()


def test_missing_tables_are_reported(tmp_path: Path):
    spec = make_spec(tile_px=35)
    sink = create_store(tmp_path, spec)
    results = PredictionWriter(sink.path, spec, run="r")
    record(sink, 0, 1)
    results.append(make_result(0, 6))
    sink.close()
    sink.finalise({"state": "completed"})
    os.close(results._handle)
    (problem,) = open_store(sink.path).problems
    assert problem.endswith("predictions.parquet is missing: hcc-scope recover makes it again")
    recover(sink.path)
    assert open_store(sink.path).problems == ()


# ---- the time axis


@pytest.mark.parametrize(("interval_s", "unit", "scale"), [(None, None, 1.0), (2.5, "second", 2.5), (0.0, None, 1.0)])
def test_the_time_axis_states_what_is_known(tmp_path: Path, interval_s: float | None, unit: str | None, scale: float):
    with create_store(tmp_path, make_spec(), interval_s=interval_s) as sink:
        record(sink, 0, 1)
    image = yaozarrs.validate_zarr_store(str(sink.path)).ome_metadata().multiscales[0]
    assert (image.axes[0].name, image.axes[0].type, image.axes[0].unit) == ("t", "time", unit)
    assert image.datasets[0].coordinateTransformations[0].scale == [scale, 0.325, 0.325]
    assert open_store(sink.path).problems == ()

"""`hcc-scope finish`: frames packed into few files read as before, and a store is whole at every moment of it."""

from __future__ import annotations

import errno
import json
import shutil
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaozarrs
import zarr
from storage_cases import assert_same_frame, fingerprint, make_frame, make_result, make_spec, shard

from hcc_scope.errors import DiskFullError, HccScopeError, StoreDamagedError, StoreError, UsageError
from hcc_scope.runs.continued_section import continuable_store
from hcc_scope.storage import other_frames, packing
from hcc_scope.storage.frame_array import FrameArray
from hcc_scope.storage.layout import LIVE, Layout
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.packing import pack_store, unpack_store
from hcc_scope.storage.predictions import PredictionWriter, read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recover import recover
from hcc_scope.storage.reopened import reopen_section
from hcc_scope.storage.writer import create_store
from tests.commands import cli

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.progress import Progress

SHAPE = (515, 601)
N = 5
SPEC = make_spec(SHAPE, tile_px=515)


def make(folder: Path, *, complete: bool = True) -> Path:
    writer = create_store(folder, SPEC)
    results = PredictionWriter(writer.path, SPEC, run="r")
    for seq in range(N):
        writer.append(make_frame(seq, SHAPE))
        results.append(make_result(seq, 2))
    writer.close()
    results.close()
    NotesWriter(writer.path).add("exclude", "out of focus", 1)
    if complete:
        writer.finalise({"state": "completed", "score": 0.5, "interval": [0.25, 0.75]})
    return writer.path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / made.name))


def assert_whole(path: Path) -> None:
    store = open_store(path)
    assert (store.n_frames, store.problems, store.complete) == (N, (), True)
    for seq in range(N):
        assert_same_frame(store.read(seq), make_frame(seq, SHAPE))


def test_a_packed_store_reads_as_before_and_unpacks_to_the_same_bytes(path: Path):
    before = fingerprint(path)
    opened = open_store(path)
    steps: list[Progress] = []

    report = pack_store(path, shard_frames=2, on_progress=steps.append)

    assert (report.changed, report.n_frames, report.files) == (True, N, (N, 6))
    assert {step.stage: (step.done, step.total) for step in steps} == {"packing": (N, N), "checking": (2 * N, 2 * N)}
    assert_whole(path)
    assert len(read_predictions(path)) == N
    after = fingerprint(path)
    kept = {name: one for name, one in before.items() if not name.startswith("frames/") and name != "zarr.json"}
    assert {name: one for name, one in after.items() if not name.startswith("frames_packed/")} == kept | {
        "zarr.json": after["zarr.json"]
    }
    # one that was opened before, as by the window, goes on
    assert opened.own_file(2) is None
    assert_same_frame(opened.read(3), make_frame(3, SHAPE))
    again = open_store(path)
    assert recover(path).changes == ()
    assert not pack_store(path).changed
    with pytest.raises(StoreError, match="packed already, in another way; nothing was changed"):
        pack_store(path, shard_frames=3)
    with pytest.raises(StoreError, match="its files hold several frames each"):
        reopen_section(path, SPEC)
    with pytest.raises(StoreError, match="its files hold several frames each"):
        continuable_store(path)  # before a microscope is opened
    assert fingerprint(path) == after

    assert unpack_store(path).files == (6, N)
    assert fingerprint(path) == before
    ahead = [frame.pixels for frame in again.read_ahead(range(N), 2) if not isinstance(frame, StoreDamagedError)]
    assert len(ahead) == N


def test_other_programs_read_frames_and_smaller_pictures(path: Path):
    pack_store(path, shard_frames=2)
    yaozarrs.validate_zarr_store(str(path))
    datasets = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]["datasets"]
    assert [one["path"] for one in datasets] == ["frames_packed/0", "frames_packed/1"]
    assert datasets[1]["coordinateTransformations"] == [
        {"type": "scale", "scale": [1.0, 0.65, 0.65]},
        {"type": "translation", "translation": [0.0, 0.1625, 0.1625]},
    ]
    frames, halved = (zarr.open_array(path / one["path"], mode="r") for one in datasets)
    assert (frames.shape, halved.shape) == ((N, *SHAPE), (N, 257, 300))
    assert (frames.shards, frames.chunks) == (halved.shards, halved.chunks) == ((2, 1024, 1024), (1, 512, 512))
    for seq, line in enumerate((path / "frames.jsonl").read_text().splitlines()):
        pixels = frames[seq]
        assert zlib.crc32(pixels.tobytes()) == json.loads(line)["crc32"]
        means = pixels[:514, :600].reshape(257, 2, 300, 2).mean((1, 3))
        np.testing.assert_allclose(halved[seq], means, atol=0.5)


@pytest.mark.parametrize("direction", [pack_store, unpack_store])
def test_a_store_is_whole_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direction: Callable[[Path], object]
):
    flat = (4, 520)  # has a smaller picture, and is quick
    with create_store(tmp_path, make_spec(flat, tile_px=4)) as writer:
        for seq in range(3):
            writer.append(make_frame(seq, flat))
    writer.finalise({"state": "completed"})
    path = writer.path
    if direction is unpack_store:
        pack_store(path, shard_frames=2)
    moments: dict[str, Path] = {}

    def before(function: Callable[..., object]) -> Callable[..., object]:
        def looked(*arguments: object, **options: object) -> object:
            now = json.dumps(fingerprint(path))
            if now not in moments:
                moments[now] = Path(shutil.copytree(path, tmp_path / f"{len(moments)}" / path.name))
            return function(*arguments, **options)

        return looked

    monkeypatch.setattr(packing, "_USUAL_FRAMES", 2)
    monkeypatch.setattr(packing, "replace_file", before(packing.replace_file))
    monkeypatch.setattr(FrameArray, "start_write_file", before(FrameArray.start_write_file))
    monkeypatch.setattr(other_frames, "_remove_if_empty", before(other_frames._remove_if_empty))
    direction(path)
    monkeypatch.undo()

    layouts = []
    for moment in moments.values():  # what a kill leaves at each of them
        for lost in (False, True):
            if lost:  # and a disk that loses the file that states which frames hold
                (moment / "zarr.json").unlink()
                assert recover(moment).damaged == ()
            store = open_store(moment)
            assert (store.n_frames, store.problems, store.complete) == (3, (), True)
            for seq in range(3):
                assert_same_frame(store.read(seq), make_frame(seq, flat))
            layouts.append(store.layout)
    assert len(moments) >= 8
    assert set(layouts) == {LIVE, Layout.packed(2, 2)}


def test_what_an_interrupted_packing_leaves_is_removed(path: Path, monkeypatch: pytest.MonkeyPatch):
    before = fingerprint(path)
    monkeypatch.setattr(packing, "_let_go", lambda *_: None)  # as after a kill
    monkeypatch.setattr(packing, "root_bytes", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pack_store(path)
    assert (path / "frames_packed" / "zarr.json").exists()
    (path / "frames_packed/0/c/0/0/0.__lock").write_bytes(b"half")
    monkeypatch.undo()
    assert_whole(path)
    copy = Path(shutil.copytree(path, path.parent / "copy.ome.zarr"))
    assert "5 files with frames that are elsewhere too removed" in recover(copy).changes
    assert fingerprint(copy) == before
    assert pack_store(path, pictures=False).changed
    assert_whole(path)
    assert sorted(one.name for one in (path / "frames_packed").iterdir()) == ["0", "zarr.json"]
    assert not list(path.rglob("*.__lock"))


def test_a_frame_that_never_reached_the_journal_stays(path: Path):
    stray = shard(path, N)
    stray.parent.mkdir(parents=True)
    stray.write_bytes(shard(path, 0).read_bytes())
    pack_store(path)
    assert_whole(path)
    assert recover(path).unacknowledged == 1
    unpack_store(path)
    assert_whole(path)
    assert stray.exists()


@pytest.mark.parametrize(("error", "kind"), [(errno.ENOSPC, DiskFullError), (None, StoreDamagedError)])
def test_a_full_disk_or_a_disk_that_keeps_other_bytes_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: int | None, kind: type[HccScopeError]
):
    before = fingerprint(path)
    write = FrameArray.start_write_file

    def faulty(array: FrameArray, first: int, pixels: np.ndarray) -> object:
        if first == 2 and error is not None:
            raise OSError(error, "no space")
        if first == 2:
            pixels = pixels.copy()
            pixels[-1, 0, 0] ^= 1
        return write(array, first, pixels)

    monkeypatch.setattr(FrameArray, "start_write_file", faulty)
    with pytest.raises(kind):
        pack_store(path, shard_frames=2)
    assert fingerprint(path) == before


def test_what_cannot_be_packed_is_refused_in_one_sentence_and_stays_as_it_is(path: Path, tmp_path: Path):
    unfinished = make(tmp_path / "unfinished", complete=False)
    empty = create_store(tmp_path / "empty", SPEC)
    NotesWriter(empty.path).add("note", "bare glass", None)
    empty.close()
    empty.finalise({"state": "completed"})
    running = create_store(tmp_path / "running", SPEC)
    data = bytearray(shard(path, 2).read_bytes())
    data[100] ^= 1
    shard(path, 2).write_bytes(data)
    for store, words in (
        (unfinished, "its run was not ended in order. Run hcc-scope recover on it first"),
        (empty.path, "it has no frame"),
        (running.path, "is being written by another process"),
        (path, "Frame 2 in .*; nothing was changed"),
        (tmp_path / "none", "There is no store"),
    ):
        before = fingerprint(store)
        with pytest.raises(StoreError, match=words):
            pack_store(store)
        assert fingerprint(store) == before
    running.close()


def test_frames_that_are_there_twice_stay_while_one_of_those_that_hold_is_damaged(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(UsageError, match=r"0 frames of .* make no file\. Give 1 to"):
        pack_store(path, shard_frames=0)
    monkeypatch.setattr(packing, "remove_other_frames", lambda *_: 0)  # as if the program was killed then
    pack_store(path, shard_frames=2)
    monkeypatch.undo()
    (path / "frames_packed/0/c/1/0/0").unlink()
    for _ in range(2):
        with pytest.raises(StoreDamagedError, match=r"Frame 2 in .* is missing; nothing was changed"):
            pack_store(path)
        recover(path)
        assert all(shard(path, seq).exists() for seq in range(N))


def test_damage_of_a_packed_store_is_reported_and_mended(path: Path):
    pack_store(path, shard_frames=2)
    whole = fingerprint(path)
    for name in ("frames_packed/zarr.json", "frames_packed/0/zarr.json", "frames_packed/1/zarr.json"):
        (path / name).write_text("{}")
        assert name in " ".join(open_store(path).problems)
        assert f"{name} rewritten for {N} frames" in recover(path).changes
        (path / f"{name}.torn").unlink()
    assert fingerprint(path) == whole

    copy = json.loads((path / "hcc_scope.json").read_text())
    (path / "hcc_scope.json").unlink()
    recover(path)
    assert json.loads((path / "hcc_scope.json").read_text()) == copy
    (path / "frames_packed/1/c/1/0/0").unlink()
    assert "smaller pictures" in " ".join(recover(path).problems)
    (path / "frames_packed/0/c/1/0/0").unlink()
    damaged = recover(path).damaged
    assert [error.message.split(" in ")[0] for error in damaged] == ["Frame 2", "Frame 3"]
    (path / "zarr.json").unlink()
    (path / "frames_packed/zarr.json").unlink()
    with pytest.raises(StoreDamagedError, match="nothing was changed"):
        recover(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"frames_per_file": 0}, "frames_per_file"), ({"levels": 99}, "levels"), ({"schema_version": 1}, "packed")],
)
def test_a_forged_layout_is_refused(change: dict[str, int], words: str):
    packed = {"frames_per_file": 2, "levels": 2, "schema_version": 5, "packed_utc": "2026-11-30T11:00:00+00:00"}
    attributes = {"schema_version": 7, "packed": packed}
    assert Layout.parse(attributes) == Layout.packed(2, 2)
    with pytest.raises(ValueError, match=words):
        Layout.parse({**attributes, "packed": {**attributes["packed"], **change}})
    with pytest.raises(ValueError, match="another version"):
        Layout.parse({**attributes, "schema_version": 5})


def test_the_command_reports_what_became_of_each_store(path: Path, tmp_path: Path):
    done = cli("finish", path, tmp_path / "none.ome.zarr", "--frames-per-file", "2", "--no-pictures", "--json")
    assert done.code == 30
    [row] = json.loads(done.out)["stores"]
    assert (row["frames"], row["files_before"], row["files"], row["smaller_pictures"]) == (N, N, 3, 0)
    done = cli("finish", path, "--undo")
    assert "5 frames in 5 files" in done.out
    assert cli("finish", path, "--undo", "--pictures").code == 2

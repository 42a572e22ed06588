"""Files that are replaced at once, and the lock, on systems and disks that do not always let us."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
from pathlib import Path

import pytest
from storage_cases import assert_same_frame, fingerprint, make_frame, make_spec

from hcc_scope import atomic_file
from hcc_scope.errors import StoreError, StoreUnwritableError
from hcc_scope.storage import files, frame_array
from hcc_scope.storage.layout import LIVE
from hcc_scope.storage.place import RemotePath
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.remote_frames import RemoteFrames
from hcc_scope.storage.section_writer import GROW_FRAMES
from hcc_scope.storage.writer import create_store


class Scanner:
    """A virus scanner that holds files open: replacing or renaming one is refused `times` times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: float, name: str = "") -> None:
        self.refused = 0
        for verb in ("replace", "rename"):
            self._wrap(monkeypatch, verb, times, name)

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, verb: str, times: float, name: str) -> None:
        original = getattr(Path, verb)

        def replacement(path: Path, target: Path) -> Path:
            if name in str(target) and self.refused < times:
                self.refused += 1
                raise PermissionError(errno.EACCES, "in use", str(target))
            return original(path, target)

        monkeypatch.setattr(Path, verb, replacement)


@pytest.fixture
def like_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_file, "_HOLDS_PASS", True)


@pytest.mark.usefixtures("like_windows")
def test_a_file_that_is_held_open_for_a_moment_is_replaced_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scanner = Scanner(monkeypatch, times=3)
    atomic_file.replace_file(tmp_path / "a.json", b"new")
    assert scanner.refused == 3
    assert (tmp_path / "a.json").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.usefixtures("like_windows")
def test_a_file_that_is_held_open_for_ever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.json").write_bytes(b"old")
    scanner = Scanner(monkeypatch, times=float("inf"))
    with pytest.raises(PermissionError):
        atomic_file.replace_file(tmp_path / "a.json", b"new", hold_s=0.05)
    assert scanner.refused > 1
    assert (tmp_path / "a.json").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_elsewhere_a_forbidden_file_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(atomic_file, "_HOLDS_PASS", False)
    scanner = Scanner(monkeypatch, times=float("inf"))
    with pytest.raises(PermissionError):
        atomic_file.replace_file(tmp_path / "a.json", b"new")
    assert scanner.refused == 1


@pytest.mark.usefixtures("like_windows")
def test_a_new_store_gets_its_name_when_the_scanner_releases_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scanner = Scanner(monkeypatch, times=2)
    with create_store(tmp_path, make_spec()) as writer:
        writer.append(make_frame(0))
    assert scanner.refused == 2
    assert open_store(writer.path).n_frames == 1


def test_a_reader_that_holds_the_metadata_does_not_keep_the_array_from_growing_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    n = GROW_FRAMES + 20
    with create_store(tmp_path, make_spec()) as writer:
        scanner = Scanner(monkeypatch, times=1, name=str(Path("frames", "0", "zarr.json")))
        for seq in range(n):
            writer.append(make_frame(seq))
    assert scanner.refused == 1
    assert writer.committed == n
    assert json.loads((writer.path / "frames" / "0" / "zarr.json").read_text())["shape"][0] == n


def test_metadata_that_stays_held_at_the_end_is_reported_and_every_frame_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    n = GROW_FRAMES + 20
    writer = create_store(tmp_path, make_spec())
    Scanner(monkeypatch, times=float("inf"), name=str(Path("frames", "0", "zarr.json")))
    for seq in range(n):
        writer.append(make_frame(seq))
    with pytest.raises(StoreUnwritableError, match="could not be closed"):
        writer.close()
    assert writer.committed == open_store(writer.path).n_frames == n


# ---- the lock


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_a_disk_that_knows_no_locks_is_written_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int):
    def refuse(_handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files, "_take_lock", refuse)
    with create_store(tmp_path, make_spec()) as writer:
        writer.append(make_frame(0))
    assert open_store(writer.path).n_frames == 1


@pytest.mark.parametrize("code", [errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN, errno.EDEADLK])
def test_a_lock_that_somebody_else_holds_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int):
    with create_store(tmp_path, make_spec()) as writer:
        writer.append(make_frame(0))
    before = fingerprint(writer.path)

    def refuse(_handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files, "_take_lock", refuse)
    with (writer.path / "frames.jsonl").open("rb") as file:
        assert not files.lock(file.fileno())
    with pytest.raises(StoreError, match="being written"):
        create_store(tmp_path, make_spec(section_id="S3"))
    assert fingerprint(writer.path) == before


def test_no_context_of_tensorstore_ends_with_its_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A thread of a context that ended may look for work in it, and the process crashes."""
    made: list[object] = []
    make = frame_array.ts.Context

    def counted(*given: object) -> object:
        made.append(make(*given))
        return made[-1]

    monkeypatch.setattr(frame_array.ts, "Context", counted)
    monkeypatch.setattr(frame_array, "_writing_contexts", [])
    frame_array.reading_context.cache_clear()
    for n, section in enumerate(("S2", "S3")):
        with create_store(tmp_path, make_spec(section_id=section)) as writer:
            writer.append(make_frame(0, section_id=section))
            assert frame_array._writing_contexts == []
        path = writer.path
        del writer
        gc.collect()
        assert len(frame_array._writing_contexts) == 1
        for _ in range(3):
            assert open_store(path).read(0).section_id == section
        assert len(made) == 2, n
    assert frame_array.reading_context(-1) is not frame_array.reading_context(tmp_path.stat().st_dev)


def test_stores_on_object_storage_share_no_memory():
    arrays = [RemoteFrames(RemotePath(f"s3://bucket/{name}.ome.zarr"), (70, 90), LIVE) for name in "ab"]
    arrays[0]._memory.write("c/0/0/0", b"a").result()
    assert [array._memory.read("c/0/0/0").result().state for array in arrays] == ["value", "missing"]


def test_a_store_that_takes_the_place_of_an_open_one_reads_its_own_frames(tmp_path: Path):
    held = []
    for shape_yx in ((70, 90), (90, 70), (71, 512)):  # whose files all hold the same number of chunks, or not
        with create_store(tmp_path, make_spec(shape_yx)) as writer:
            writer.append(make_frame(0, shape_yx))
        store = open_store(writer.path)
        assert_same_frame(store.read(0), make_frame(0, shape_yx))
        held.append(store)
        shutil.rmtree(writer.path)

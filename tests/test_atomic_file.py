"""A file that replaces another: whole or not at all, synced, and with no leftover beside it."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from hcc_scope import atomic_file
from hcc_scope.atomic_file import replace_file, replacing
from hcc_scope.inference import user_cache
from hcc_scope.report.summary import write_summary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Writer = Callable[[Path], object]

WRITERS: dict[str, Writer] = {
    "file": lambda folder: replace_file(folder / "a.json", b"new"),
    "shared file": lambda folder: replace_file(folder / "a.json", b"new", shared=True),
    "summary": lambda folder: write_summary({"command": "acquire"}, folder / "run.json"),
}


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest):
    return WRITERS[request.param]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a folder")
def test_the_file_is_synced_before_its_folder(write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        real(handle)
        synced.append("folder" if os.path.samestat(os.fstat(handle), tmp_path.stat()) else "file")

    monkeypatch.setattr(os, "fsync", fsync)
    write(tmp_path)
    assert synced[0] == "file"
    assert synced[-1] == "folder"


@pytest.mark.parametrize("step", ["write_all", "patiently"])
def test_a_failure_leaves_the_old_file_and_nothing_beside(
    write: Writer, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write(tmp_path)
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    monkeypatch.setattr("hcc_scope.report.summary._keep_earlier", lambda _path: None)

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic_file, step, full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path)
    assert names(tmp_path) == {path.name}
    assert path.read_bytes() == before


def test_a_drive_that_syncs_no_folder_fails_a_store_and_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_folder: Path) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(atomic_file, "sync_folder", refuse)
    replace_file(tmp_path / "a.json", b"new", shared=True)
    assert (tmp_path / "a.json").read_bytes() == b"new"
    with pytest.raises(OSError, match="Invalid argument"):
        replace_file(tmp_path / "b.json", b"new")


def test_an_interruption_leaves_nothing_beside_either(tmp_path: Path):
    def interrupted() -> None:
        with replacing(tmp_path / "a.png", shared=True) as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == set()


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path: Path):
    (tmp_path / "other").write_bytes(b"of somebody else")
    try:
        (tmp_path / "a.json.tmp").symlink_to(tmp_path / "other")
    except OSError:
        pytest.skip("no links here")
    replace_file(tmp_path / "a.json", b"new")
    assert (tmp_path / "other").read_bytes() == b"of somebody else"
    assert names(tmp_path) == {"a.json", "other"}


def test_writers_of_a_shared_file_do_not_disturb_each_other(tmp_path: Path):
    both = threading.Barrier(2)
    failed: list[Exception] = []

    def write(data: bytes) -> None:
        try:
            with replacing(tmp_path / "a.json", shared=True) as part:
                part.write_bytes(data)
                both.wait(30)
        except OSError as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(data,)) for data in (b"one", b"two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert (tmp_path / "a.json").read_bytes() in (b"one", b"two")
    assert names(tmp_path) == {"a.json"}


def test_the_temporary_file_of_a_picture_keeps_its_suffix(tmp_path: Path):
    with replacing(tmp_path / "a.png", shared=True) as part:
        assert part.suffix == ".png"
        part.write_bytes(b"new")
    assert (tmp_path / "a.png").read_bytes() == b"new"


def test_the_users_cache_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(user_cache, "cache_dir", lambda: tmp_path)
    user_cache.remember_folder("a" * 64, tmp_path / "\u00fc")
    assert user_cache.known_folder("a" * 64) == tmp_path / "\u00fc"

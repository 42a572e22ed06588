"""A folder has one writer: a second is refused, a dead one blocks no other, and nothing empty is left."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import StoreExistsError, StoreUnwritableError
from hcc_scope.training.folder_lock import LOCK_FILE, has_content, lock_folder

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path


def hold_and_be_killed(folder: Path, ready: Connection) -> None:
    with lock_folder(folder, "x"):
        ready.send("held")
        signal.pause()


def test_a_second_writer_is_refused_and_the_next_one_is_not(tmp_path: Path):
    with (
        lock_folder(tmp_path, "another training"),
        pytest.raises(StoreExistsError, match=f"another training is at work in {tmp_path}"),
        lock_folder(tmp_path, "another training"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
    with lock_folder(tmp_path, "another training"):
        assert not has_content(tmp_path)
        (tmp_path / "kept").touch()
    assert has_content(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_writer_blocks_no_other(tmp_path: Path):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=hold_and_be_killed, args=(tmp_path / "run", theirs))
    child.start()
    assert ours.recv() == "held"
    with pytest.raises(StoreExistsError), lock_folder(tmp_path / "run", "x"):
        pass
    child.kill()
    child.join()
    assert (tmp_path / "run" / LOCK_FILE).exists()
    assert not has_content(tmp_path / "run")
    with lock_folder(tmp_path / "run", "x"):
        pass


@pytest.mark.parametrize("what", [ValueError, KeyboardInterrupt])
def test_folders_that_were_made_for_nothing_go_again(tmp_path: Path, what: type[BaseException]):
    with pytest.raises(what), lock_folder(tmp_path / "a" / "b" / "c", "x"):
        raise what
    assert list(tmp_path.iterdir()) == []
    with lock_folder(tmp_path / "a" / "b", "x"):
        (tmp_path / "a" / "kept").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept"]


def test_where_no_lock_can_be_made_the_reason_is_reported(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnwritableError, match="nothing can be written to"), lock_folder(tmp_path / "file", "x"):
        pass
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK_FILE).symlink_to(tmp_path / "elsewhere" / "made")
    with pytest.raises(Exception, match="nothing can be written to"), lock_folder(tmp_path / "run", "x"):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []

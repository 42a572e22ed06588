"""The end of the program: the sentence and the exit code for every kind of error."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hcc_scope.cli.models as models
from benchmarks.fuzz_options import invoke, obeying_modes
from hcc_scope.cli.interrupt import Reported
from hcc_scope.errors import DiskFullError, HccScopeError, from_os_error

if TYPE_CHECKING:
    from benchmarks.fuzz_options import Ended


def ended_by(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Ended:
    def list_models(**_: object) -> None:
        raise error

    monkeypatch.setattr(models, "run_list", list_models)
    return invoke(["models", "list"])


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), 1, "/a/b: Permission denied. Choose one that"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "n"), 1, "n: File name too long. Choose a shorter name."),
        (OSError(errno.ENOSPC, "No space left on device", "d"), 33, "d: No space left on device. Free some space"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a", None, "b\n\x1b[2J"), 1, "b \\x1b[2J: No such file"),
        (HccScopeError("no", hint="Do."), 1, "no. Do."),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_error_is_one_sentence(error: BaseException, code: int, sentence: str, monkeypatch: pytest.MonkeyPatch):
    ended = ended_by(error, monkeypatch)
    assert ended.code == code
    assert ended.err.startswith(f"Error: {sentence}")
    assert ended.err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the folder in which a program runs")
def test_a_folder_that_was_removed_under_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    ended = invoke(["query", "."])
    assert (ended.code, ended.err) == (
        2,
        "Error: The folder in which the command runs was removed. Go to a folder that is there, or give full paths.\n",
    )


@pytest.mark.parametrize("error", [OSError("no file is named"), ValueError("no"), SystemError("no")])
def test_a_bug_is_reported_with_its_traceback_in_a_file(error: Exception, monkeypatch: pytest.MonkeyPatch):
    ended = ended_by(error, monkeypatch)
    assert ended.code == 70
    details = Path(ended.err.rpartition("details in ")[2].strip())
    assert type(error).__name__ in details.read_text(encoding="utf-8")
    details.unlink()


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (13, 13), (130, 130), (None, 0)])
def test_a_reported_error_is_not_reported_again(code: int | None, expected: int, monkeypatch: pytest.MonkeyPatch):
    ended = ended_by(Reported(code), monkeypatch)
    assert (ended.code, ended.err) == (expected, "")


def test_the_system_s_words_are_kept():
    error = from_os_error(OSError(errno.EDQUOT, "Disk quota exceeded", "x"), "The summary cannot be written")
    assert isinstance(error, DiskFullError)
    assert error.message == "The summary cannot be written: Disk quota exceeded"


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no modes there")
def test_modes_are_obeyed_also_by_root(tmp_path: Path):
    (tmp_path / "shut").mkdir(mode=0)
    with obeying_modes(), pytest.raises(PermissionError):
        list((tmp_path / "shut").iterdir())
    (tmp_path / "shut").chmod(0o700)
    assert not list((tmp_path / "shut").iterdir())


@pytest.mark.parametrize("form", ["{}", "--config={}"])
def test_the_user_s_folder_is_found_where_no_shell_expands_it(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    start = ["devices"] if form.startswith("--") else ["config", "lint"]
    ended = invoke([*start, form.format("~/none.cfg")])
    assert str(tmp_path / "none.cfg") in ended.err

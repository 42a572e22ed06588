"""Run the command line as a user does, in this process or in one of its own, and look at what it leaves."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from hcc_scope.cli.program import run
from hcc_scope.resources import hardware_configs_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-c", "from hcc_scope.cli import main; main()"]
WAIT_S = 120.0
SMALL_FRAMES = [f"--property=Camera,OnCameraCCD{axis}Size,1024" for axis in "XY"]
"""Options for frames of 4 tiles rather than 16."""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out)
        return value


def cli(*arguments: str | Path, cwd: Path | None = None) -> Done:
    """Run one command in this process: a second instead of five, most of which are imports."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _standard_stream(name: str, number: int, descriptor: int, encoding: str) -> Iterator[None]:
    """Let a standard stream, and all that goes to its number past Python, write to `descriptor`."""
    kept = os.dup(number)
    try:
        os.dup2(descriptor, number)
        with pytest.MonkeyPatch.context() as patch:
            stream = open(number, "w", encoding=encoding, closefd=False)
            patch.setattr(sys, name, stream)
            try:
                yield
            finally:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
    finally:
        os.dup2(kept, number)
        os.close(kept)


def cli_on_descriptors(*arguments: str | Path, stdout: int | None = None, encoding: str = "utf-8") -> Done:
    """Run one command in this process, with files (or `stdout`) as standard streams: libraries in C write there too."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with (
            _standard_stream("stdout", 1, out.fileno() if stdout is None else stdout, encoding),
            _standard_stream("stderr", 2, err.fileno(), encoding),
        ):
            code = run([str(argument) for argument in arguments])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(encoding))
    return Done(code, *texts)


def hcc_scope(*arguments: str | Path, cwd: Path | None = None) -> Done:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=WAIT_S, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def journal(store: Path) -> list[dict[str, Any]]:
    """Whole lines of the journal; what a crash left of the last one is not a line."""
    path = store / "frames.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def wait_for_frames(process: subprocess.Popen[str], store: Path, n: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while len(journal(store)) < n:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"only {len(journal(store))} frames"
        time.sleep(0.02)


def assert_frames_readable(store: Path) -> int:
    """Every journalled frame, read by zarr-python, has the crc of the journal."""
    lines = journal(store)
    frames = zarr.open_array(store / "frames" / "0", mode="r")
    for line in lines:
        pixels = np.ascontiguousarray(frames[line["seq"]], dtype="<u2")
        assert zlib.crc32(pixels.tobytes()) == line["crc32"], line["seq"]
    return len(lines)


def acquire_arguments(out: Path, *more: str) -> list[str | Path]:
    return ["acquire", "--rig", "demo", "--animal", "m1", "--section", "s1", "--out", out, *more]


def small_rig_file(path: Path, cfg: Path | None = None) -> Path:
    """Write the demo's rig file with a camera's buffer of 64 MiB, for the demo's configuration or one beside it.

    The core fills the buffer with zeros whenever a rig is opened: half a second for its usual GiB.
    """
    shipped = (hardware_configs_dir() / "demo.rig.yaml").read_text(encoding="utf-8")
    config = (hardware_configs_dir() / "demo.cfg").as_posix() if cfg is None else cfg.name
    text = shipped.replace("config: demo.cfg", f"config: {json.dumps(config)}")
    assert text != shipped
    path.write_text(text + "buffer_size_mb: 64\n", encoding="utf-8")
    return path


def edited(source: Path, target: Path, *changes: tuple[str, str]) -> Path:
    """Write a copy of a text file with each old text replaced by a new one."""
    text = source.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    target.write_text(text)
    return target

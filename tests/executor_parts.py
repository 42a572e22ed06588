"""Work for the tests of executors, in a module so that other processes find it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.executors.tasks import Here, WorkerFacts


def read_numbers(argument: int, files: Mapping[str, Path], _worker: WorkerFacts) -> tuple[int, int, str]:
    """Prepare what `add` needs: a number, the content of a file, and what no other call returns."""
    return argument, int(files["sub/number.txt"].read_text()), uuid4().hex


def add(number: int, here: Here) -> tuple[int, int, str]:
    """Return the sum with what was prepared, the process, and which preparation that was; 3 is not added."""
    here.send(f"adding {number}")
    argument, content, preparation = here.prepared
    if number == 3:
        raise ValueError("three")
    return number + argument + content, os.getpid(), preparation


def die_once(mark: str, _here: Here) -> str:
    """Take the process down, as the system does when memory runs out; not where `mark` is there."""
    path = Path(mark)
    if path.exists():
        return "alive"
    path.touch()
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    raise AssertionError


def die(_argument: None, _here: Here) -> None:
    """Take the process down each time."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def never_end(_argument: int, here: Here) -> None:
    """Send the process's id, over and over."""
    while True:
        here.send(os.getpid())
        time.sleep(0.02)


def until(path: str, here: Here) -> str:
    """Report once, and end when a file is there."""
    here.send("begun")
    while not Path(path).exists():
        time.sleep(0.01)
    return path


def not_to_be_sent(_argument: None, _here: Here) -> object:
    """Return what cannot be pickled."""
    return lambda: None


def unreadable(_argument: None, _here: Here) -> Readable:
    """Return what the process that made it can read, and no other."""
    return Readable(os.getpid())


class Readable:
    """Can be read in one process only, as a class that another version of a package lacks."""

    def __init__(self, process: int) -> None:
        self.process = process

    def __reduce__(self) -> tuple[object, tuple[int]]:
        """Return what reads it."""
        return _read, (self.process,)


def _read(process: int) -> Readable:
    if process != os.getpid():
        raise ModuleNotFoundError("No module named 'of_later'")
    return Readable(process)

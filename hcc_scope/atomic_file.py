"""Replace a file atomically: a reader sees the old bytes or the new ones, also after a crash or a power cut."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = [
    "HOLD_S",
    "TEMPORARY_SUFFIX",
    "create_file",
    "json_bytes",
    "patiently",
    "replace_file",
    "replacing",
    "sync_folder",
    "write_all",
]

TEMPORARY_SUFFIX = ".tmp"
"""Ends the name of a file that is about to replace another, where there is one writer."""
HOLD_S = 1.0
"""How long a file that is about to be replaced may be held open by another program."""
_HOLDS_PASS = os.name == "nt"
"""On Windows a file that a virus scanner or a reader has open cannot be replaced or renamed, mostly for a moment."""
_LOOK_AGAIN_S = 0.02


def json_bytes(value: Mapping[str, object]) -> bytes:
    """Return `value` as the JSON text that our files hold: the same value, the same bytes."""
    try:
        return (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:  # a file name that is no text: JSON can hold it, UTF-8 cannot
        return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def sync_folder(folder: Path) -> None:
    """Make new and renamed entries of `folder` survive a power cut (Windows has no such call and needs none)."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes) -> None:
    """Write all of `data` to a file descriptor: one call may take only part of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def create_file(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet, and sync it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)


def patiently(move: Callable[[], object], hold_s: float = HOLD_S) -> None:
    """Call `move`, which replaces or renames a file; on Windows, again while another program holds that file open.

    Parameters
    ----------
    move : callable
        Raises PermissionError while it cannot be done.
    hold_s : float
        How long to continue.

    Raises
    ------
    PermissionError
        If it still cannot be done then; on other systems immediately.
    """
    deadline_s = time.monotonic() + hold_s
    while True:
        try:
            move()
        except PermissionError:
            if not _HOLDS_PASS or time.monotonic() >= deadline_s:
                raise
            time.sleep(_LOOK_AGAIN_S)
        else:
            return


@contextmanager
def replacing(path: Path, *, shared: bool = False, hold_s: float = HOLD_S) -> Iterator[Path]:
    """Yield the path of a temporary file in the same folder that replaces `path` at the end of the block.

    Parameters
    ----------
    path : Path
        Of the file to replace, or to make.
    shared : bool
        Whether several processes may write this file. The temporary file's name is then unique, with the suffix
        of `path` at its end.
    hold_s : float
        How long another program may hold the file open on Windows, as in `patiently`.

    Raises
    ------
    OSError
        If it cannot be written or replaced. `path` is then unchanged, and no temporary file is left.
    """
    name = f".{path.stem}.{uuid.uuid4().hex[:8]}.part{path.suffix}" if shared else f"{path.name}{TEMPORARY_SUFFIX}"
    temporary = path.with_name(name)
    replaced = False
    try:
        temporary.unlink(missing_ok=True)
        yield temporary
        _sync(temporary)
        patiently(lambda: temporary.replace(path), hold_s)
        replaced = True
    finally:
        if not replaced:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    try:
        sync_folder(path.parent)
    except OSError:
        # some network drives sync no folders: a store must know, a file beside it is complete nevertheless
        if not shared:
            raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(path: Path, data: bytes, *, shared: bool = False, hold_s: float = HOLD_S) -> None:
    """Replace a file by `data`; see `replacing`."""
    with replacing(path, shared=shared, hold_s=hold_s) as temporary:
        create_file(temporary, data)

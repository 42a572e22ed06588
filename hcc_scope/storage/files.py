"""Files that survive a power cut: atomic replacement, synced folders, and the lock that shows a living writer."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING

from hcc_scope.errors import DiskFullError, StoreError, StoreUnwritableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = [
    "HOLD_S",
    "TEMPORARY_SUFFIX",
    "create_file",
    "explain",
    "json_bytes",
    "lock",
    "patiently",
    "replace_file",
    "sync_folder",
    "write_all",
]

TEMPORARY_SUFFIX = ".tmp"
"""Ends the name of a file that is about to replace another; `recover` removes what a crash left of them."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, 112})
"""No space, quota used up, file-size limit; 112 is Windows's ERROR_DISK_FULL, passed on raw by tensorstore."""
_CODE_IN_TEXT = re.compile(r"os_error_code='(\d+)'")
_UNWRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT, errno.EEXIST})
"""Forbidden, read-only, or a file where a folder should be."""

HOLD_S = 1.0
"""How long a file that is about to be replaced may be held open by somebody else."""
_HOLDS_PASS = os.name == "nt"
"""On Windows a file that a virus scanner or a reader has open cannot be replaced or renamed, mostly for a moment."""
_LOOK_AGAIN_S = 0.02
_HELD_BY_ANOTHER = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""What the systems answer for a lock that is taken; anything else means that there are no locks here."""


def explain(error: OSError | ValueError, what: str) -> StoreError:
    """Return the error that tells a user why something could not be written.

    Parameters
    ----------
    error : OSError or ValueError
        From the operating system, or from tensorstore, whose every error is a ValueError with the system's code in it.
    what : str
        What failed and where, as the start of a sentence.
    """
    if isinstance(error, OSError):
        code, detail = error.errno, error.strerror or str(error)
    else:
        match = _CODE_IN_TEXT.search(str(error))
        code = None if match is None else int(match[1])
        detail = str(error).splitlines()[0] if code is None else os.strerror(code)
    if code in _FULL:
        return DiskFullError(f"{what}: no space is left ({detail})", hint="Free some space or choose another disk.")
    if code in _UNWRITABLE:
        return StoreUnwritableError(f"{what}: {detail}", hint="Choose a folder that you may write to.")
    return StoreError(f"{what}: {detail}", hint="Check the disk.")


def json_bytes(value: Mapping[str, object]) -> bytes:
    """Return `value` as the JSON text that metadata files hold: the same value, the same bytes."""
    return (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


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
    """Call `move`, which replaces or renames a file; on Windows, again for as long as somebody holds that file open.

    Parameters
    ----------
    move : callable
        Raises PermissionError while it cannot be done.
    hold_s : float
        How long to go on.

    Raises
    ------
    PermissionError
        If it still cannot be done then; on other systems at once.
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


def replace_file(path: Path, data: bytes, *, hold_s: float = HOLD_S) -> None:
    """Replace a file at once: whoever reads sees the old bytes or the new, also after a power cut.

    `hold_s` is how long somebody else may hold it open on Windows, as in `patiently`.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)  # one writer per store: the name cannot clash
    try:
        temporary.unlink(missing_ok=True)
        create_file(temporary, data)
        patiently(lambda: temporary.replace(path), hold_s)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def lock(handle: int) -> bool:
    """Take the writer's lock on an open journal, until the file is closed or the process dies.

    Returns
    -------
    bool
        False if another process writes to this store. True also where the file system knows no locks (some network
        drives): then nothing can be told.
    """
    try:
        _take_lock(handle)
    except OSError as error:
        return error.errno not in _HELD_BY_ANOTHER
    return True


def _take_lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        here = os.lseek(handle, 0, os.SEEK_CUR)
        try:
            os.lseek(handle, 1 << 40, os.SEEK_SET)  # far behind the end: Windows forbids others to read what is locked
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(handle, here, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

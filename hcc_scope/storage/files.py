"""Files of a store: which kinds of file are accepted, why one cannot be read or written, and the writer's lock."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from typing import TYPE_CHECKING

from hcc_scope.errors import FREE_SPACE_HINT, FULL_DISK, DiskFullError, StoreError, StoreUnwritableError
from hcc_scope.storage.naming import JOURNAL, NOTES, PREDICTIONS, ROOT, SAMPLE
from hcc_scope.storage.place import RemotePath

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hcc_scope.storage.place import StorePlace

__all__ = [
    "cannot_read",
    "check_plain",
    "ends_whole",
    "explain",
    "files_stamp",
    "is_settled",
    "lock",
    "open_own",
    "open_plain",
    "read_plain",
    "store_stamp",
    "too_large",
]

_FULL = FULL_DISK | {112}
"""112 is Windows's ERROR_DISK_FULL, passed on raw by tensorstore."""
_CODE_IN_TEXT = re.compile(r"os_error_code='(\d+)'")
_UNWRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT, errno.EEXIST})
"""Forbidden, read-only, or a file where a folder should be."""

_HELD_BY_ANOTHER = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""What the systems answer for a lock that is taken; anything else means that there are no locks here."""


def cannot_read(error: OSError, what: str) -> StoreError:
    """Return the error for something in a store that cannot be read; `what` starts the sentence."""
    return StoreError(f"{what} cannot be read: {error.strerror or error}")


def explain(
    error: OSError | ValueError, what: str, *, unwritable_hint: str = "Choose a folder that you may write to."
) -> StoreError:
    """Return the error for something that cannot be written.

    Parameters
    ----------
    error : OSError or ValueError
        From the operating system, or from tensorstore, whose every error is a ValueError with the system's code in it.
    what : str
        What failed and where, as the start of a sentence.
    unwritable_hint : str
        What to do where nothing may be written.
    """
    if isinstance(error, OSError):
        code, detail = error.errno, error.strerror or str(error)
    else:
        match = _CODE_IN_TEXT.search(str(error))
        code = None if match is None else int(match[1])
        detail = str(error).splitlines()[0] if code is None else os.strerror(code)
    if code in (errno.EEXIST, errno.ENOTDIR):
        return StoreUnwritableError(f"{what}: a file is in the place of a folder", hint="Choose another folder.")
    if code in _FULL:
        return DiskFullError(f"{what}: no space is left ({detail})", hint=FREE_SPACE_HINT)
    if code in _UNWRITABLE:
        return StoreUnwritableError(f"{what}: {detail}", hint=unwritable_hint)
    if code == errno.ENAMETOOLONG:
        return StoreUnwritableError(f"{what}: {detail}", hint="Choose a folder with a shorter name.")
    if code == errno.ELOOP:  # its links lead in a circle
        return StoreUnwritableError(f"{what}: {detail}", hint="Choose another folder.")
    return StoreError(f"{what}: {detail}", hint="Check the disk.")


_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISREG, "a file"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)
_MOUNT_POINT = 0xA0000003
"""What Windows calls a junction: a link from a folder to another."""


def _kind(status: os.stat_result) -> str:
    if stat.S_ISREG(status.st_mode) and not getattr(status, "st_reparse_tag", 0):
        return "a file"
    if getattr(status, "st_reparse_tag", 0) == _MOUNT_POINT:
        return "a symbolic link"
    return next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "a device")


def _not_plain(path: Path | str, kind: str, wanted: str) -> StoreError:
    hint = "Copy the store with what its links lead to, if you trust it." if kind == "a symbolic link" else None
    return StoreError(f"{path} is {kind}; in a store, {wanted} belongs there", hint=hint)


def check_plain(path: Path | str, wanted: str = "a file") -> None:
    """Refuse anything but a plain file or folder in a store: a link leads out of it, a pipe never ends.

    Parameters
    ----------
    path : Path or str
        Below the store's folder; only its last part is judged. Text is cheaper where thousands are read.
    wanted : {"a file", "a folder"}
        What belongs there.

    Raises
    ------
    StoreError
        If something else is there.
    OSError
        If nothing is there, or it cannot be asked.
    """
    kind = _kind(os.lstat(path))
    if kind != wanted:
        raise _not_plain(path, kind, wanted)


def open_plain(path: Path | str, flags: int) -> int:
    """Open a file of a store that is there already; never one that a link leads to, and never a pipe or device.

    Parameters
    ----------
    path : Path or str
        Below the store's folder.
    flags : int
        As for `os.open`.

    Returns
    -------
    int
        The file descriptor.

    Raises
    ------
    StoreError
        If something else is in its place.
    OSError
        If it is not there, or cannot be opened.
    """
    check_plain(path)
    # checked again once it is open: it may be exchanged in between
    guards = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags | guards)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _not_plain(path, "a symbolic link", "a file") from error
        raise
    kind = _kind(os.fstat(handle))
    if kind != "a file":
        os.close(handle)
        raise _not_plain(path, kind, "a file")
    return handle


def open_own(path: Path, flags: int) -> int:
    """Open a file of a store to change it in place; one that is also a file elsewhere is refused.

    Raises
    ------
    StoreError
        As `open_plain`, and for a file with a second name (a hard link): that one would be changed as well.
    OSError
        If it is not there, or cannot be opened.
    """
    handle = open_plain(path, flags)
    if os.fstat(handle).st_nlink > 1:
        os.close(handle)
        raise StoreError(
            f"{path} has a second name elsewhere (a hard link), which would change with it",
            hint="Copy the store, then work with the copy.",
        )
    return handle


def too_large(path: StorePlace | str, size: int) -> StoreError:
    """Return the error for a file of a store that is larger than such a file can be."""
    return StoreError(f"{path} has {size / 1e6:.0f} MB, more than such a file of a store can have")


def read_plain(path: StorePlace | str, limit_bytes: int) -> bytes:
    """Return what a file of a store holds.

    Raises
    ------
    StoreError
        If something else is in its place, or it is larger than `limit_bytes`; nothing is read then. If object storage
        does not give it.
    OSError
        If it is not there, or cannot be read.
    """
    if isinstance(path, RemotePath):
        from hcc_scope.storage.remote_files import read_file

        return read_file(path, limit_bytes)
    handle = open_plain(path, os.O_RDONLY)
    with os.fdopen(handle, "rb") as file:
        size = os.fstat(handle).st_size
        if size > limit_bytes:
            raise too_large(path, size)
        return file.read(size)  # what is added meanwhile comes with the next look


_YOUNG_S = 3.0


def files_stamp(paths: Iterable[str | Path]) -> tuple[int, ...]:
    """Return times, sizes and numbers of some files, without reading any: another stamp, another content.

    Four numbers for each file: when it was written, its size, its inode, and when that changed (on Windows: when the
    file was made).
    """
    stamp: list[int] = []
    look = os.stat
    for path in paths:
        try:
            status = look(path)
            stamp += (status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)
        except OSError as error:
            stamp += (-1, error.errno or 0, 0, 0)
    return tuple(stamp)


_DECISIVE = (ROOT, NOTES, JOURNAL, SAMPLE, f"{PREDICTIONS}.jsonl")


def store_stamp(path: Path) -> tuple[int, ...]:
    """Return the stamp of the files of a store on which its score, and its row in a list, rest."""
    folder = f"{path}{os.sep}"
    return files_stamp([folder + name for name in _DECISIVE])


def is_settled(stamp: tuple[int, ...]) -> bool:
    """Return whether no file of a stamp was written just now.

    One that was could change again within the resolution of its file system's times, and have the same stamp.
    """
    newest_ns = max(max(stamp[0::4], default=0), max(stamp[3::4], default=0))
    return newest_ns < time.time_ns() - int(1e9 * _YOUNG_S)


def ends_whole(handle: int, end: int) -> bool:
    """Return whether the last line of an open file of `end` bytes has its end; a crash may have cut it short."""
    if end == 0:
        return True
    os.lseek(handle, end - 1, os.SEEK_SET)
    return os.read(handle, 1) == b"\n"


def lock(handle: int, *, certainly: bool = False) -> bool:
    """Take the lock of an open file, such as that of a journal's writer, until it is closed or the process dies.

    Parameters
    ----------
    handle : int
    certainly : bool
        Whether the answer is False where the file system knows no locks (some network drives).

    Returns
    -------
    bool
        False if another process holds it. True also where the file system knows no locks, unless `certainly`: then
        nothing is known.
    """
    try:
        _take_lock(handle)
    except OSError as error:
        return not certainly and error.errno not in _HELD_BY_ANOTHER
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

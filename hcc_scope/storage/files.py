"""Files of a store: which kinds of file are accepted, why one cannot be read or written, and the writer's lock."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hcc_scope.errors import FREE_SPACE_HINT, FULL_DISK, DiskFullError, StoreError, StoreUnwritableError
from hcc_scope.storage.place import RemotePath

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hcc_scope.storage.place import StorePlace

__all__ = [
    "cannot_read",
    "check_plain",
    "check_still_there",
    "ends_whole",
    "exists",
    "explain",
    "files_stamp",
    "lines_of",
    "lock",
    "names_in",
    "open_own",
    "open_plain",
    "read_plain",
    "size_of",
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
    if getattr(status, "st_reparse_tag", 0) == _MOUNT_POINT:
        return "a symbolic link"
    return next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "a device")


def _not_plain(path: Path, kind: str, wanted: str) -> StoreError:
    hint = "Copy the store with what its links lead to, if you trust it." if kind == "a symbolic link" else None
    return StoreError(f"{path} is {kind}; in a store, {wanted} belongs there", hint=hint)


def check_plain(path: Path, wanted: str = "a file") -> None:
    """Refuse anything but a plain file or folder in a store: a link leads out of it, a pipe never ends.

    Parameters
    ----------
    path : Path
        Below the store's folder; only its last part is judged.
    wanted : {"a file", "a folder"}
        What belongs there.

    Raises
    ------
    StoreError
        If something else is there.
    OSError
        If nothing is there, or it cannot be asked.
    """
    kind = _kind(path.lstat())
    if kind != wanted:
        raise _not_plain(path, kind, wanted)


def open_plain(path: Path, flags: int) -> int:
    """Open a file of a store that is there already; never one that a link leads to, and never a pipe or device.

    Parameters
    ----------
    path : Path
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


def _too_large(path: Path, size: int) -> StoreError:
    return StoreError(f"{path} has {size / 1e6:.0f} MB, more than such a file of a store can have")


def read_plain(path: StorePlace, limit_bytes: int) -> bytes:
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
            raise _too_large(path, size)
        return file.read(size)  # what is added meanwhile comes with the next look


@contextmanager
def lines_of(path: StorePlace, limit_bytes: int) -> Iterator[Iterator[bytes]]:
    """Open a file of a store to go through its lines, each with its end; raises like `read_plain`."""
    if isinstance(path, RemotePath):
        yield io.BytesIO(read_plain(path, limit_bytes))
        return
    with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
        if (size := os.fstat(file.fileno()).st_size) > limit_bytes:
            raise _too_large(path, size)
        yield file


def exists(path: StorePlace) -> bool:
    """Return whether there is anything of that name.

    Raises
    ------
    StoreError
        If object storage does not answer.
    """
    if isinstance(path, RemotePath):
        from hcc_scope.storage.remote_files import is_there

        return is_there(path)
    return path.exists()


def size_of(file: StorePlace) -> int | None:
    """Return the size of a file of a store; None where it comes with the content alone, as from object storage.

    Raises
    ------
    StoreError
        If something else is in its place, or object storage does not answer.
    OSError
        If it is not there, or cannot be asked.
    """
    if isinstance(file, RemotePath):
        if not exists(file):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
        return None
    check_plain(file)
    return file.stat().st_size


def names_in(store: StorePlace, start: str, end: str = "") -> list[str]:
    """Return the names of a store's own files that start and end so, in order; those in folders are none.

    Where names cannot be listed, it is the one that has nothing between start and end, if it is there.

    Raises
    ------
    StoreError
        If object storage does not answer.
    """
    if isinstance(store, RemotePath):
        from hcc_scope.storage.remote_files import names_below

        listed = names_below(store, start)
        if listed is None:  # a plain web server: only a name that is known can be asked for
            return [start + end] if exists(store / (start + end)) else []
        names = [name for name in listed if "/" not in name]
    else:
        names = [path.name for path in store.glob(f"{start}*")]
    return sorted(name for name in names if name.endswith(end))


def check_still_there(file: StorePlace) -> None:
    """Refuse to take files for missing or damaged, after one could not be read, if `file` cannot be read either.

    A share that goes away, a disk that is pulled out and a bucket that is deleted leave no file behind.

    Parameters
    ----------
    file : StorePlace
        One that the store had when it was opened.

    Raises
    ------
    StoreError
        If it is not there, or cannot be read.
    """
    try:
        if isinstance(file, RemotePath):
            there = exists(file)
        else:
            with os.fdopen(open_plain(file, os.O_RDONLY), "rb", buffering=0) as opened:
                opened.read(1)
            there = True
        reason = "it is not there any more"
    except OSError as error:
        there, reason = False, error.strerror or str(error)
    if not there:
        raise StoreError(
            f"The store {file.parent} went away while it was read: {reason}",
            hint="Connect its disk or its share again, then run this again.",
        )


def files_stamp(paths: Iterable[Path]) -> tuple[int, ...]:
    """Return times and sizes of some files, without reading any of them: another stamp, another content."""
    stamp: list[int] = []
    for path in paths:
        try:
            status = path.stat()
            stamp += (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError as error:
            stamp += (-1, error.errno or 0, 0)
    return tuple(stamp)


def ends_whole(handle: int, end: int) -> bool:
    """Return whether the last line of an open file of `end` bytes has its end; a crash may have cut it short."""
    if end == 0:
        return True
    os.lseek(handle, end - 1, os.SEEK_SET)
    return os.read(handle, 1) == b"\n"


def lock(handle: int) -> bool:
    """Take the writer's lock on an open journal, until the file is closed or the process dies.

    Returns
    -------
    bool
        False if another process writes to this store. True also where the file system knows no locks (some network
        drives): then nothing is known.
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

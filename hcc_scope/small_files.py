"""Files that a person names: read only if they are files, and no larger than such a file can be."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcc_scope.errors import HccScopeError

__all__ = ["expanded", "read_named_file", "read_small_file"]


def read_small_file(path: Path, most_bytes: int | None = None) -> bytes:
    """Return a file's content.

    Parameters
    ----------
    path : Path
        Links are followed.
    most_bytes : int, optional
        More than this is refused before it is read.

    Raises
    ------
    OSError
        If it cannot be read, is no regular file (a pipe or a device may never end; ``EISDIR`` or ``EINVAL``), or is
        larger than `most_bytes` (``EFBIG``). Its `strerror` states the reason.
    """
    if path.is_dir():  # asked first: Windows cannot open one to see
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    # O_NONBLOCK: a pipe that took the file's place just now is not waited for
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is a pipe, a device or the like, not a file", str(path))
    with os.fdopen(handle, "rb") as file:
        data = file.read() if most_bytes is None else file.read(most_bytes + 1)
    if most_bytes is not None and len(data) > most_bytes:
        words = f"it is larger than {most_bytes // 2**20} MiB, too large for such a file"
        raise OSError(errno.EFBIG, words, str(path))
    return data


def expanded(path: str | Path) -> Path:
    """Return a path with a leading ``~`` replaced by the user's folder; unchanged if there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def read_named_file(path: Path, kind: str, most_bytes: int, error: type[HccScopeError]) -> bytes:
    """Return what is in a file that a user names, or raise `error` with one sentence about the file.

    Parameters
    ----------
    path : Path
    kind : str
        Of file, as the sentence calls it: ``rig file``.
    most_bytes : int
        More than any file of its kind has.
    error : type of HccScopeError

    Raises
    ------
    HccScopeError
        `error`: the file is not there, cannot be read, is no ordinary file, or is too large.
    """
    try:
        return read_small_file(path, most_bytes)
    except OSError as caught:
        match caught.errno:
            case errno.EISDIR:
                raise error(f"{path} is a folder and no {kind}", hint="Name the file itself.") from caught
            case errno.EINVAL:
                what = f"{path} is a pipe, a device or the like and no {kind}"
                raise error(what, hint="Name an ordinary file.") from caught
            case errno.EFBIG:
                what = f"{path} is larger than {most_bytes // 2**20} MiB and no {kind}"
            case _:
                what = f"cannot read the {kind} {path}: {caught.strerror or caught}"
        raise error(what, hint=f"Check the path of the {kind}.") from caught
    except ValueError as caught:  # a character that no path can have
        raise error(f"cannot read the {kind} {str(path)!r}: {caught}") from caught

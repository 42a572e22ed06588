"""Paths and small files that someone else wrote: no pipe that never ends, nothing larger than it can be."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_small", "without_dots"]


def without_dots(path: Path) -> Path:
    """Return an absolute path without ``..``, which not everything that opens files understands.

    Links are followed up to the last ``..`` alone, for what lies above a link is known only then; a path without one
    stays as it was written.
    """
    path = path.absolute()
    if ".." not in path.parts:
        return path
    last = len(path.parts) - path.parts[::-1].index("..")
    try:
        return type(path)(*path.parts[:last]).resolve().joinpath(*path.parts[last:])
    except (OSError, RuntimeError):  # links in a circle: who opens it says so
        return path


def read_small(path: Path, most_bytes: int) -> bytes:
    """Return a file's contents.

    Raises
    ------
    OSError
        If it cannot be read, is no regular file (a pipe or a device may never end), or is larger than `most_bytes`; its
        `strerror` says so.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no file but a pipe, a device or the like", str(path))
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes / 1e6:.0f} MB, too large for such a file", str(path))
    return data

"""Read a small file that someone else wrote: no pipe that never ends, nothing larger than it can be."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_small"]


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

"""Lines that are added to a file of a store one by one, each on disk before it takes effect."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from hcc_scope.atomic_file import sync_folder, write_all
from hcc_scope.errors import StoreError
from hcc_scope.storage.files import check_plain, ends_whole, lock, open_own

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["append_line"]

_HOLD_S = 2.0
"""How long another writer may take for its line."""
_LOOK_AGAIN_S = 0.01


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file of a store, and make the file if it is not there. On return the line is on disk.

    Safe beside other writers of the same file. If a crash cut the last line short, the new one is another line.

    Parameters
    ----------
    path : Path
        In the store's folder.
    line : bytes
        With its end.

    Raises
    ------
    StoreError
        If something else is in the file's place, or another program holds it.
    OSError
        If it cannot be written.
    """
    is_new = False
    try:
        check_plain(path)
    except FileNotFoundError:
        is_new = True
        with suppress(FileExistsError):  # another writer was faster
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    handle = open_own(path, os.O_RDWR | os.O_APPEND)
    try:
        deadline_s = time.monotonic() + _HOLD_S
        while not lock(handle):
            if time.monotonic() > deadline_s:
                raise StoreError(f"{path} is held by another program", hint="Close it and try again.")
            time.sleep(_LOOK_AGAIN_S)
        end = os.lseek(handle, 0, os.SEEK_END)
        try:
            write_all(handle, (b"" if ends_whole(handle, end) else b"\n") + line)
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, end)  # half a line would make the next one unreadable
            raise
    finally:
        os.close(handle)
    if is_new:
        sync_folder(path.parent)

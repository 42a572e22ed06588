"""What is asked about the files of a store, wherever it is: on a disk, on a share, or on object storage."""

from __future__ import annotations

import errno
import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.storage.files import check_plain, open_plain, read_plain, too_large
from hcc_scope.storage.place import RemotePath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcc_scope.storage.place import StorePlace

__all__ = ["check_still_there", "exists", "lines_of", "names_in", "size_of"]


@contextmanager
def lines_of(path: StorePlace, limit_bytes: int) -> Iterator[Iterator[bytes]]:
    """Open a file of a store to go through its lines, each with its end; raises like `read_plain`."""
    if isinstance(path, RemotePath):
        yield io.BytesIO(read_plain(path, limit_bytes))
        return
    with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
        if (size := os.fstat(file.fileno()).st_size) > limit_bytes:
            raise too_large(path, size)
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
    return os.path.lexists(path)


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

"""One writer per folder: a second training, evaluation or export into it is refused while the first is at work.

The lock is the operating system's, on a file in the folder. It ends with the process, however that ends, so a killed
run leaves nothing that could refuse the next one. Where the file system knows no locks (some network
drives), a second writer is not noticed.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreExistsError
from hcc_scope.storage.files import explain, lock
from hcc_scope.storage.folders import leave_none_empty

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["LOCK_FILE", "has_content", "lock_folder"]

LOCK_FILE = ".hcc-scope.lock"


def has_content(folder: Path) -> bool:
    """Return whether there is anything in a folder but the lock that a killed run has left."""
    return any(path.name != LOCK_FILE for path in folder.iterdir())


@contextmanager
def lock_folder(folder: Path, what: str, name: str = LOCK_FILE) -> Iterator[None]:
    """Hold a folder for one writer; the folder, and those above it that were missing, go again if nothing comes in.

    Parameters
    ----------
    folder : Path
        Made if missing.
    what : str
        Who holds it, for the message of the second: "a training".
    name : str
        Of the lock's file; two names do not exclude each other.

    Raises
    ------
    StoreExistsError
        If another process holds it.
    StoreError
        If nothing can be written there.
    """
    with leave_none_empty(folder), _lock_in(folder, what, name):
        yield


@contextmanager
def _lock_in(folder: Path, what: str, name: str) -> Iterator[None]:
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _locked(path)
    except OSError as error:
        raise explain(error, f"nothing can be written to {folder}") from error
    if handle is None:
        raise StoreExistsError(
            f"{what} is at work in {folder}", hint="Wait until it has ended, or choose another folder."
        )
    try:
        yield
    finally:
        if os.name == "nt":  # an open file cannot be deleted there
            os.close(handle)
        with suppress(OSError):  # gone with the folder, or held by the next one
            path.unlink(missing_ok=True)
        if os.name != "nt":
            os.close(handle)


def _locked(path: Path) -> int | None:
    """Return the lock's open file; None if another process holds it."""
    # O_NONBLOCK: a pipe of that name is not waited for; O_NOFOLLOW: no file is made elsewhere
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    while True:
        handle = os.open(path, flags, 0o666)
        if not lock(handle):
            os.close(handle)
            return None
        try:
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)  # its holder has deleted it in between

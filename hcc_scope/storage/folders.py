"""Folders that results go into: refused before the work begins, and not left behind empty."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreUnwritableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["check_folder", "leave_none_empty"]

_HINT = "Choose a folder that you may write to."


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to; makes nothing.

    Parameters
    ----------
    folder : Path
        Where results will be; need not exist yet, nor need those above it.

    Raises
    ------
    StoreUnwritableError
        If it is no folder, its name is too long, or nothing can be written there.
    """
    try:
        there = _nearest(folder)
        if not there.is_dir():
            what = "is not a folder" if there == folder else f"cannot be made: {there} is not a folder"
            raise StoreUnwritableError(f"{folder} {what}", hint=_HINT)
        with tempfile.TemporaryFile(dir=there):  # a mode or an owner does not tell of read-only disks and shares
            pass
    except OSError as error:
        raise StoreUnwritableError(f"{folder} cannot be written to: {error.strerror or error}", hint=_HINT) from error


def _nearest(folder: Path) -> Path:
    """Return `folder`, or the nearest above it that is there.

    Raises
    ------
    OSError
        If a name is too long, or a folder on the way may not be looked into.
    """
    for one in (folder, *folder.parents):
        with suppress(FileNotFoundError):
            os.lstat(one)
            return one
    return folder


@contextmanager
def leave_none_empty(folder: Path) -> Iterator[None]:
    """Remove `folder`, and the folders above it, if they are made in here and are empty at the end."""
    missing = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
    try:
        yield
    finally:
        with suppress(OSError):
            for one in missing:
                one.rmdir()

"""The stores in folders and those below, each once, whatever links lead to it; only names are looked at."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.storage.naming import STORE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hcc_scope.storage.place import RemotePath

__all__ = ["DEEPEST", "each_store", "each_store_and_real", "find_stores", "stores_at"]

_MARK = "frames.jsonl"
"""The file that a store has: its journal."""
DEEPEST = 3
"""How many folders below the named one are looked through."""


def find_stores(
    folders: Iterable[Path], deepest: int = DEEPEST, unread: Callable[[Path], None] = lambda _folder: None
) -> list[Path]:
    """Return the stores of `each_store` by name."""
    return sorted(each_store(folders, deepest, unread))


def each_store(
    folders: Iterable[Path], deepest: int = DEEPEST, unread: Callable[[Path], None] = lambda _folder: None
) -> Iterator[Path]:
    """Yield the stores in some folders and those below, as they are found, the least deep ones first.

    Other arrays of zarr are not looked through: an exported section has a folder for each field, and holds no store.

    Parameters
    ----------
    folders : iterable of Path
    deepest : int
        How many folders below them are looked through; 0: none.
    unread : callable
        Takes a folder that cannot be opened.
    """
    return (path for path, _ in each_store_and_real(folders, deepest, unread))


def each_store_and_real(
    folders: Iterable[Path], deepest: int = DEEPEST, unread: Callable[[Path], None] = lambda _folder: None
) -> Iterator[tuple[Path, str]]:
    """Yield the stores of `each_store`, each with its real path."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = deque((folder, os.path.realpath(folder), 0) for folder in folders)
    while waiting:
        folder, real, depth = waiting.popleft()  # the least deep first: what a link leads to again is not cut off
        if folder.name.endswith(STORE_SUFFIX):
            if real not in found:
                found.add(real)
                yield folder, real
            continue
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(folder) as entries:
                below = [
                    (
                        Path(entry.path),
                        os.path.realpath(entry.path) if entry.is_symlink() else f"{real}{os.sep}{entry.name}",
                    )
                    for entry in entries
                    if not _is_other_zarr(entry.name) and _is_folder(entry)
                ]
        except OSError:
            unread(folder)
            continue
        waiting += [(path, at, depth + 1) for path, at in below if depth < deepest or path.name.endswith(STORE_SUFFIX)]


def stores_at(address: RemotePath, deepest: int = DEEPEST) -> list[RemotePath]:
    """Return the stores below an address, by name; the address itself, if it is the one of a store.

    Object storage knows no folders: the names of all objects below the address are listed, a thousand with one request.

    Raises
    ------
    StoreError
        If the storage does not answer, or cannot list what it has, as a plain web server.
    """
    if address.name.endswith(STORE_SUFFIX):
        return [address]
    from hcc_scope.storage.remote_files import names_below

    names = names_below(address)
    if names is None:
        raise StoreError(f"{address} cannot be looked through: it lists no files", hint="Name each store.")
    found: set[str] = set()
    for name in names:
        *folders, file = name.split("/")
        if file == _MARK and len(folders) <= deepest + 1 and folders[-1:] and folders[-1].endswith(STORE_SUFFIX):
            found.add("/".join(folders))
    return [address / name for name in sorted(found)]


def _is_other_zarr(name: str) -> bool:
    return name.endswith(".zarr") and not name.endswith(STORE_SUFFIX)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, or a link to one; a link that leads to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False

"""Where an export is written: beside its place, renamed when it is whole, and never over anything or into a store."""

from __future__ import annotations

import glob
import os
import shutil
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hcc_scope.atomic_file import patiently
from hcc_scope.errors import StoreExistsError
from hcc_scope.storage.files import explain, lock
from hcc_scope.storage.naming import STORE_SUFFIX, refuse_inside_store
from hcc_scope.storage.space import check_out_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.storage.place import StorePlace

__all__ = ["check_target", "export_name", "exported"]

_LOCK = ".lock"
"""Behind the name of what is being written: a file that its process has locked."""
_STEM_LETTERS = 40
_ANY_MARK = "[0-9a-f]" * 8
"""As a pattern: what makes the name of each part its own."""


def export_name(store: StorePlace, ending: str) -> str:
    """Return the name of an export of a store.

    Examples
    --------
    >>> from pathlib import Path
    >>> export_name(Path("runs/M7_S1.ome.zarr"), "-mosaic.ome.tif")
    'M7_S1-mosaic.ome.tif'
    """
    return store.name.removesuffix(STORE_SUFFIX) + ending


def check_target(target: Path, need_bytes: int) -> None:
    """Refuse a place where an export cannot be written, before anything is.

    Parameters
    ----------
    target : Path
        File or folder that will be made; the folders above it need not exist yet.
    need_bytes : int
        What it will take at most.

    Raises
    ------
    StoreExistsError
        If there is anything of that name.
    UsageError
        If it lies inside a store.
    StoreUnwritableError, DiskFullError
        If it cannot be written to, or has too little space.
    """
    refuse_inside_store(target)
    if os.path.lexists(target):
        raise StoreExistsError(
            f"{target} is already there and is never overwritten", hint="Delete it first, or give another folder."
        )
    check_out_dir(target.parent, need_bytes=need_bytes)


@contextmanager
def exported(target: Path, need_bytes: int) -> Iterator[Path]:
    """Yield a path beside `target`, for a file or a folder, that takes its name at the end of the block.

    Parameters
    ----------
    target, need_bytes
        As for `check_target`, which is called before anything is written.

    Raises
    ------
    HccScopeError
        As `check_target`, and if it cannot be renamed. Nothing half-made is left.
    """
    _remove_left_over(target)  # before the room that there is counts
    check_target(target, need_bytes)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _owned_part(target) as part:
            yield part
            if os.path.lexists(target):  # made by another program meanwhile
                check_target(target, 0)
            patiently(lambda: part.rename(target))
    except OSError as error:
        raise explain(error, f"{target} cannot be written") from error


def _part_name(stem: str, mark: str, suffix: str) -> str:
    return f".{stem}.{mark}.part{suffix}"


@contextmanager
def _owned_part(target: Path) -> Iterator[Path]:
    """Yield a path that is removed at the end, with a lock beside it that ends with this process, however that ends."""
    while True:
        mark = uuid.uuid4().hex[:8]
        part = target.with_name(_part_name(target.stem[:_STEM_LETTERS], mark, target.suffix))
        own = part.with_name(part.name + _LOCK)
        try:
            with own.open("xb") as file:
                # another export may have taken the lock before this one could, and removed the file
                if not lock(file.fileno()) or not own.exists():
                    continue
                try:
                    yield part
                finally:
                    _remove(part)
        finally:
            with suppress(OSError):
                own.unlink(missing_ok=True)
        return


def _remove_left_over(target: Path) -> None:
    """Remove what exports to `target` left that were killed: those whose lock nobody holds."""
    stem, suffix = (glob.escape(part) for part in (target.stem[:_STEM_LETTERS], target.suffix))
    for own in target.parent.glob(_part_name(stem, _ANY_MARK, suffix) + _LOCK):
        with suppress(OSError):
            with own.open("rb+") as file:
                if not lock(file.fileno(), certainly=True):
                    continue
                _remove(own.with_name(own.name.removesuffix(_LOCK)))
            own.unlink(missing_ok=True)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)

"""The folder of a store before a run starts, and room on its disk: enough then, and a reserve during it.

Standard library only: the command line and the window ask before anything heavy is loaded or drawn.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.errors import DiskFullError, StoreUnwritableError
from hcc_scope.storage.files import explain
from hcc_scope.storage.naming import store_path, taken_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.types import RunSpec

__all__ = ["RESERVE_BYTES", "SPACE_FACTOR", "check_free_space", "check_out_dir", "require_space"]

SPACE_FACTOR = 1.25
"""A run of known length starts only with this many times its uncompressed size free."""

RESERVE_BYTES = 16 * 2**20
"""Kept free during a run, besides two frames, so that journal and metadata can always be written."""


_LONGEST_INSIDE = 60
"""Of a path inside a store."""
_FILES_PER_FRAME = 3
"""The frame's file and its two folders."""
_RESERVE_FILES = 16
"""For the tables and whatever replaces another file."""


def check_out_dir(out_dir: Path, spec: RunSpec | None = None, *, need_bytes: int = RESERVE_BYTES) -> None:
    """Refuse a folder that a run could not write to. Leaves nothing behind, and does not make the folder.

    Call it when a folder is chosen, and before anything that takes time.

    Parameters
    ----------
    out_dir : Path
        Where stores will be; need not exist yet.
    spec : RunSpec, optional
        The run, if it is known already: its store's name must be free, and its frames must have room.
    need_bytes : int
        Without a `spec`, what must be free.

    Raises
    ------
    IdError
        If an id of `spec` cannot be part of a file name.
    StoreExistsError
        If there is anything of the store's name.
    StoreUnwritableError
        If the folder cannot be made or written to: forbidden, read-only, a file in its place, a name too long.
    DiskFullError
        If there is too little space, or no room for as many files.
    StoreError
        If the disk cannot be asked.
    """
    what = f"Nothing can be stored in {out_dir}"
    store = None if spec is None else store_path(out_dir, spec.animal_id, spec.section_id)
    try:
        folder = _nearest_folder(out_dir)
        if not folder.is_dir():
            raise StoreUnwritableError(f"{what}: {folder} is no folder", hint="Choose a folder.")
        missing = Path(os.path.abspath(out_dir)).parts[len(folder.parts) :]  # noqa: PTH100 - links stay as they are
        if store is not None:
            missing = (*missing, store.name)
        _check_names(folder, missing, what)
        if store is not None and os.path.lexists(store):
            raise taken_error(store)
        # only an attempt shows it: access rules, quotas and read-only disks are not all in the mode bits
        with tempfile.TemporaryDirectory(prefix=".hcc-scope-", dir=folder):
            pass
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise explain(error, what) from error
    if spec is not None:
        check_free_space(out_dir, spec)
    elif (free := _free_bytes(folder, what)) < need_bytes:
        raise DiskFullError(
            f"{out_dir} has {free / 1e9:.2f} GB free, but {need_bytes / 1e9:.2f} GB are needed",
            hint="Free some space or choose another disk.",
        )


def _nearest_folder(out_dir: Path) -> Path:
    """Return the folder itself, or the nearest one above it that is there.

    Raises
    ------
    OSError
        If none can be asked.
    StoreUnwritableError
        If a link in `out_dir` leads nowhere: no folder can be made there.
    """
    folder = Path(os.path.abspath(out_dir))  # noqa: PTH100 - links stay as they are
    while True:
        try:
            folder.stat()
        except (FileNotFoundError, NotADirectoryError):  # the latter below a file
            if folder == folder.parent:
                raise
            if folder.is_symlink():
                raise StoreUnwritableError(
                    f"{folder} is a link to {folder.readlink()}, which is not there",
                    hint="Make that folder, or choose another one.",
                ) from None
            folder = folder.parent
        else:
            return folder


def _check_names(folder: Path, names: Sequence[str], what: str) -> None:
    """Refuse names that no folder can have here, before the ones above them are made."""
    try:
        longest, whole = os.pathconf(folder, "PC_NAME_MAX"), os.pathconf(folder, "PC_PATH_MAX")
    except (AttributeError, OSError, ValueError):  # Windows does not report it
        longest, whole = 255, 32_000
    for name in names:
        if len(os.fsencode(name)) > longest:
            raise StoreUnwritableError(
                f"{what}: the name {name[:40]}... has more than {longest} bytes", hint="Choose a shorter name."
            )
    if len(os.fsencode(folder.joinpath(*names))) + _LONGEST_INSIDE > whole:
        raise StoreUnwritableError(f"{what}: its path is too long", hint="Choose a folder with a shorter path.")


def _free_bytes(folder: Path, what: str) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise explain(error, what) from error


def _free_files(folder: Path) -> int | None:
    """Return how many files the disk has room for; None where it does not report that, or has no such limit.

    Some network drives report 0 and mean nothing by it; where it is true, the next file that is made fails.
    """
    try:
        status = os.statvfs(folder)
    except (AttributeError, OSError):
        return None
    return status.f_favail if status.f_files > 0 and status.f_favail > 0 else None


def check_free_space(out_dir: Path, spec: RunSpec) -> None:
    """Refuse a run that would fill the disk.

    Parameters
    ----------
    out_dir : Path
        Where the store will be; need not exist yet.
    spec : RunSpec
        Frame shape and, if known, number of frames. An open-ended run needs the reserve only.

    Raises
    ------
    DiskFullError
        If less than `SPACE_FACTOR` times the plan's uncompressed size is free.
    """
    frame_bytes = _frame_bytes(spec)
    need = 2 * frame_bytes + RESERVE_BYTES
    if spec.expected_frames is not None:
        need = max(need, int(SPACE_FACTOR * spec.expected_frames * frame_bytes))
    what = f"Nothing can be stored in {out_dir}"
    try:
        folder = _nearest_folder(out_dir)
    except OSError as error:
        raise explain(error, what) from error
    free = _free_bytes(folder, what)
    files, need_files = _free_files(folder), _FILES_PER_FRAME * (spec.expected_frames or 1) + _RESERVE_FILES
    if files is not None and files < need_files:
        raise DiskFullError(
            f"The disk of {out_dir} has room for {files} more files, but {need_files} are needed",
            hint="Delete small files there, or choose another disk.",
        )
    if free < need:
        frames = "an open-ended run" if spec.expected_frames is None else f"{spec.expected_frames} frames"
        raise DiskFullError(
            f"{out_dir} has {free / 1e9:.2f} GB free, but {need / 1e9:.2f} GB are needed for {frames}",
            hint="Free some space or choose another disk.",
        )


def _frame_bytes(spec: RunSpec) -> int:
    return 2 * spec.frame_shape_yx[0] * spec.frame_shape_yx[1]


def require_space(store: Path, spec: RunSpec, seq: int, in_flight_bytes: int) -> None:
    """Refuse frame `seq` if it would use up the reserve.

    Parameters
    ----------
    store : Path
        The store's folder.
    spec : RunSpec
        Its run.
    seq : int
        The frame that is about to be written; those before it are taken.
    in_flight_bytes : int
        Uncompressed size of the frames that are not on disk yet.

    Raises
    ------
    DiskFullError
        If there is no room for it.
    StoreError
        If the store is gone.
    """
    try:
        free = shutil.disk_usage(store).free
    except OSError as error:
        raise explain(error, f"The store {store} is gone") from error
    if free < in_flight_bytes + 2 * _frame_bytes(spec) + RESERVE_BYTES:
        raise DiskFullError(
            f"The disk of {store} is full: frame {seq} was not stored, the {seq} frames before it are safe",
            hint="Free some space and start a new section.",
        )
    files = _free_files(store)
    if files is not None and files < _FILES_PER_FRAME * (1 + in_flight_bytes // _frame_bytes(spec)) + _RESERVE_FILES:
        raise DiskFullError(
            f"The disk of {store} has no room for more files: frame {seq} was not stored, the {seq} frames before it "
            "are safe",
            hint="Delete small files there and start a new section.",
        )

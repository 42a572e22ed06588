"""Room on the disk: enough before a run starts, and a reserve while it goes on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from hcc_scope.errors import DiskFullError
from hcc_scope.storage.files import explain

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.types import RunSpec

__all__ = ["RESERVE_BYTES", "SPACE_FACTOR", "check_free_space", "require_space"]

SPACE_FACTOR = 1.25
"""A run of known length starts only with this many times its uncompressed size free."""

RESERVE_BYTES = 16 * 2**20
"""Kept free during a run, besides two frames, so that journal and metadata can always be written."""


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
    folder = out_dir.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
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

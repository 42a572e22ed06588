"""Checks of the disk that sections go to: room, and how fast it takes frames that must be on it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.atomic_file import create_file, sync_folder
from hcc_scope.doctor.results import failed, not_tried, passed, warned
from hcc_scope.errors import FREE_SPACE_HINT, FULL_DISK, DiskFullError, StoreUnwritableError
from hcc_scope.formatting import format_bytes, format_number

if TYPE_CHECKING:
    from hcc_scope.doctor.results import Result
    from hcc_scope.doctor.subject import Subject

__all__ = ["ENOUGH_BYTES", "free_bytes", "free_space", "judge_speed", "room", "synced_speed"]

ENOUGH_BYTES = 20e9
"""Some hundred sections of 24 frames of 2048 x 2048."""
MOVE_S = 0.1
"""What a fast stage needs from one field to the next."""
_LEAST_FPS = 2.0
"""Where no camera states its own pace."""
_LONGEST_S = 3.0
_MOST_FILES = 64
_RESERVE_BYTES = 1e9
"""Left free by the measurement."""


def free_bytes(folder: Path) -> int | None:
    """Return how much room there is for a folder that need not exist yet; None if the system does not report it."""
    for existing in (folder.absolute(), *folder.absolute().parents):
        try:
            return shutil.disk_usage(existing).free
        except OSError:
            continue
    return None


def room(out_dir: Path) -> Result:
    """Check that there is room for sections; nothing is written."""
    free = free_bytes(out_dir)
    if free is None:
        return failed(
            f"the folder for sections cannot be reached: {out_dir}",
            "Choose another folder",
            exit_code=StoreUnwritableError.exit_code,
        )
    words = f"{format_bytes(free)} free for sections in {out_dir}"
    if free < ENOUGH_BYTES:
        return warned(f"only {words}", "Free some space or choose another disk", free_bytes=free)
    return passed(words, free_bytes=free)


def free_space(subject: Subject) -> Result:
    """Check that the folder for sections can be written to and has room."""
    from hcc_scope.storage.space import check_out_dir

    check_out_dir(subject.out_dir)
    return room(subject.out_dir.absolute())


def synced_speed(subject: Subject) -> Result:
    """Write files of a frame's size, each synced as a store does, and compare with what the camera needs."""
    height, width = subject.frame_shape_yx
    frame_bytes = 2 * height * width
    assert subject.options.scratch_dir is not None  # made for the examination
    folder = Path(subject.options.scratch_dir) / "disk"
    free = free_bytes(folder)
    if free is not None and free < _RESERVE_BYTES + 4 * frame_bytes:
        return not_tried(f"only {format_bytes(free)} are free", "Free some space or choose another disk")
    n_most = _MOST_FILES if free is None else min(_MOST_FILES, int((free - _RESERVE_BYTES) // frame_bytes))
    folder.mkdir()
    try:
        n, seconds = _write(folder, frame_bytes, n_most)
    except OSError as error:
        kind = DiskFullError if error.errno in FULL_DISK else StoreUnwritableError
        words = f"the disk of {subject.out_dir} takes no files: {error.strerror or error}"
        raise kind(words, hint=FREE_SPACE_HINT) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rig = subject.__dict__.get("rig")
    pace_s = (
        None if subject.snap_s is None else subject.snap_s + (MOVE_S if rig is not None and rig.has_xy_stage else 0)
    )
    return judge_speed(n * frame_bytes / seconds, frame_bytes, pace_s)


def _write(folder: Path, frame_bytes: int, n_most: int) -> tuple[int, float]:
    """Write files for a while; return how many, and how long they took, in s."""
    data = os.urandom(frame_bytes)  # a frame of photon noise compresses little; nothing here compresses at all
    began_s = time.perf_counter()
    n = 0
    while n < n_most and (n < 2 or time.perf_counter() - began_s < _LONGEST_S):
        create_file(folder / str(n), data)
        sync_folder(folder)
        n += 1
    return n, time.perf_counter() - began_s


def judge_speed(bytes_per_s: float, frame_bytes: int, pace_s: float | None) -> Result:
    """Judge how fast a disk takes frames.

    Parameters
    ----------
    bytes_per_s : float
        Synced, and not compressed.
    frame_bytes : int
        Of one frame.
    pace_s : float or None
        From one frame of a section to the next, as fast as this camera and a fast stage can; None: not known.
    """
    fps = bytes_per_s / frame_bytes
    needed_fps = _LEAST_FPS if pace_s is None else 1 / pace_s
    facts = {
        "mb_per_s": round(bytes_per_s / 1e6, 1),
        "frames_per_s": round(fps, 1),
        "needed_frames_per_s": round(needed_fps, 1),
    }
    shown = format_number(fps, 1)
    words = f"{format_bytes(bytes_per_s)}/s of synced writes: {shown} frames/s of {format_bytes(frame_bytes)}"
    if pace_s is None:
        what = f"a section needs some {needed_fps:g}"
    else:
        what = f"single exposures come at up to {format_number(needed_fps, 1)} frames/s"
    if fps < needed_fps:
        advice = (
            "Nothing is lost, but the camera waits for the disk: store sections on a faster one (an SSD, not a network)"
        )
        return warned(f"{words}; {what}", advice, **facts)
    return passed(f"{words}; {what}", **facts)

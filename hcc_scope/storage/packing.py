"""Pack the frames of a section that is done: many in a file, with smaller pictures of each; or one in a file again.

Design
------
::

    check -> frames into the other folder, synced -> read back from there, each crc compared -> what they are, beside
    them -> zarr.json replaced -> the frames in the first folder removed

- *One step*: which folder holds is one fact in ``zarr.json``. Before that file is replaced the store is the old one,
  with files that nothing reads beside it; from then on it is the new one. A kill leaves one or the other;
  `hcc_scope.storage.recover` and the next packing remove what is left over.
- *Nothing on trust*: every frame is compared with the checksum of its journal line when it is read, and again when it
  is read back; a smaller picture with that of what was written.
- *Journal, predictions, notes and all else* stay untouched, byte for byte.
- Memory stays at two files' frames.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.atomic_file import json_bytes, replace_file, sync_folder
from hcc_scope.errors import StoreDamagedError, StoreError, UsageError
from hcc_scope.formatting import format_bytes
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.storage.facts import ROOT, Facts, recorded_facts
from hcc_scope.storage.files import explain, lock, open_own
from hcc_scope.storage.frame_array import FrameArray, crc32_of
from hcc_scope.storage.layout import (
    LIVE,
    MAX_SHARD_FRAMES,
    PACKED,
    SCHEMA_VERSION_PACKED,
    Layout,
    start_version,
)
from hcc_scope.storage.metadata import JOURNAL
from hcc_scope.storage.metadata_check import array_files, root_bytes
from hcc_scope.storage.other_frames import remove_frames, remove_other_frames
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recover import refuse_links
from hcc_scope.storage.space import RESERVE_BYTES, check_out_dir
from hcc_scope.thumbnails import reduced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.progress import OnProgress
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import Frame

__all__ = ["PackReport", "pack_store", "unpack_store"]

_FILE_BYTES = 128 * 2**20
"""Of a file's frames before compression, if nothing else is asked for."""
_LARGEST_FILE_BYTES = 2**30
"""That may be asked for: so much is in memory, a few times over."""
_USUAL_FRAMES = 256
"""In such a file, at most: one that is damaged costs them all."""
_AHEAD = 3
_PICTURES_SHARE = 1 / 3
"""What all smaller pictures of a frame add to it."""


@dataclass(frozen=True, slots=True)
class PackReport:
    """What packing a store, or unpacking it, came to."""

    path: Path
    n_frames: int
    changed: bool
    """False if the store was as it was wanted."""
    layout: Layout
    """Where the frames are now."""
    files: tuple[int, int]
    """Files of frames and pictures, before and now."""
    n_bytes: tuple[int, int]
    """What they take, before and now."""
    left_over: str | None = None
    """Why files that are not needed any more could not be removed."""


def pack_store(
    path: Path,
    *,
    shard_frames: int | None = None,
    pictures: bool | None = None,
    on_progress: OnProgress = ignore_progress,
) -> PackReport:
    """Put many frames into each file of a store, with smaller pictures of each for viewers.

    Everything reads a packed store as before, and its frames keep every bit; no frame can be added to it until
    `unpack_store`.

    Parameters
    ----------
    path : Path
        A store whose run has ended.
    shard_frames : int, optional
        Frames in a file; about 128 MiB of them by default.
    pictures : bool, optional
        Whether to add the smaller pictures; True by default.
    on_progress : callable
        Takes each step. What it raises ends the packing; the store is then as it was.

    Raises
    ------
    UsageError
        If `shard_frames` makes no sense.
    StoreError
        If there is no store, its run has not ended, another process writes to it, its version is too old, it has no
        frame, or it is packed in another way.
    StoreDamagedError
        If a frame is damaged, or is not read back as it was. The store is as it was then.
    StoreUnwritableError, DiskFullError
        If it cannot be written.
    """
    with _opened(path, "packed") as store:
        shape_yx = store.spec.frame_shape_yx
        frame_bytes = 2 * shape_yx[0] * shape_yx[1]
        most = min(MAX_SHARD_FRAMES, max(1, _LARGEST_FILE_BYTES // frame_bytes))
        if shard_frames is not None and not 1 <= shard_frames <= most:
            raise UsageError(
                f"{shard_frames} frames of {format_bytes(frame_bytes)} make no file", hint=f"Give 1 to {most}."
            )
        usual = min(_USUAL_FRAMES, max(1, _FILE_BYTES // frame_bytes))
        layout = Layout.packed(
            usual if shard_frames is None else shard_frames,
            1 if pictures is False else Layout.useful_levels(shape_yx),
        )
        if store.layout.is_packed:
            asked = (
                store.layout.shard_frames if shard_frames is None else layout.shard_frames,
                store.layout.n_levels if pictures is None else layout.n_levels,
            )
            if asked != (store.layout.shard_frames, store.layout.n_levels):
                raise StoreError(
                    f"{store.path} is packed already, in another way; nothing was changed",
                    hint="Run hcc-scope finish --undo on it first.",
                )
            layout = store.layout
        attributes = {
            **store.attributes,
            "schema_version": SCHEMA_VERSION_PACKED,
            PACKED: {
                "frames_per_file": layout.shard_frames,
                "levels": layout.n_levels,
                "schema_version": start_version(store.attributes),
                "packed_utc": datetime.now(UTC).isoformat(),
                "software": {name: version(name) for name in ("hcc-scope", "tensorstore", "numpy")},
            },
        }
        return _moved(store, layout, attributes, "packing", on_progress)


def unpack_store(path: Path, *, on_progress: OnProgress = ignore_progress) -> PackReport:
    """Give each frame of a packed store a file of its own again, so that the section can be continued.

    Parameters and errors are those of `pack_store`. ``zarr.json`` is as before, byte for byte.
    """
    with _opened(path, "unpacked") as store:
        attributes = {key: value for key, value in store.attributes.items() if key != PACKED}
        attributes["schema_version"] = start_version(store.attributes)
        return _moved(store, LIVE, attributes, "unpacking", on_progress)


@contextmanager
def _opened(path: Path, what: str) -> Iterator[SectionStore]:
    """Open a store that no other process writes to until the end of the block; refuse one that cannot be moved."""
    store = open_store(path)
    path = store.path
    try:
        handle = open_own(path / JOURNAL, os.O_RDWR)
        try:
            if not lock(handle):
                raise StoreError(f"{path} is being written by another process", hint="Wait until it has ended.")
            refuse_links(path)
            store = open_store(path)  # again: nothing changes from here on
            _check(store, what)
            yield store
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:  # tensorstore's errors are ValueErrors
        raise explain(error, f"The store {path} cannot be {what}") from error


def _check(store: SectionStore, what: str) -> None:
    path = store.path
    if store.attributes["schema_version"] == 1:
        raise StoreError(f"{path} cannot be {what}: it has store version 1, whose lines have no checksums")
    if not store.complete:
        raise StoreError(
            f"{path} cannot be {what}: its run was not ended in order", hint="Run hcc-scope recover on it first."
        )
    if store.n_frames == 0:
        raise StoreError(f"{path} cannot be {what}: it has no frame")
    for problem in store.journal_problems:
        raise StoreDamagedError(f"{path} cannot be {what}: {problem}", hint="Run hcc-scope recover on it first.")


def _moved(
    store: SectionStore, layout: Layout, attributes: dict[str, Any], stage: str, on_progress: OnProgress
) -> PackReport:
    """Move the frames of a store, and let go of what is left in the other folder."""
    path, n, before = store.path, store.n_frames, _taken(store.path, store.layout, store.n_frames)
    changed = layout != store.layout
    if changed:
        pictures = 1 + (_PICTURES_SHARE if layout.n_levels > 1 else 0)
        check_out_dir(path, need_bytes=int(1.05 * pictures * before[1]) + RESERVE_BYTES)
        _clear(store, store.layout)
        with ExitStack() as undo:
            undo.callback(_let_go, path, layout, n)
            _write(store, Facts.parse(attributes, store.facts.file), stage, on_progress)
            replace_file(path / ROOT, root_bytes(store.facts, attributes))
            undo.pop_all()
    left_over = None
    try:
        if changed:  # and compared
            remove_other_frames(path, layout, n)
        else:
            _clear(store, layout)
    except OSError as error:  # the store is whole: a program has one of the old files open
        left_over = f"{error.filename or path}: {error.strerror or error}"
    now = _taken(path, layout, n)
    return PackReport(path, n, changed, layout, (before[0], now[0]), (before[1], now[1]), left_over)


def _clear(store: SectionStore, layout: Layout) -> None:
    """Remove what an interrupted packing left, once it is sure that no frame rests on it."""
    other = LIVE if layout.is_packed else Layout.packed(1, 1)
    if any((store.path / other.shard_path(seq)).exists() for seq in range(store.n_frames)):
        for frame in store.read_ahead(range(store.n_frames), _AHEAD):
            _whole(frame)
    remove_other_frames(store.path, layout, store.n_frames)


def _let_go(path: Path, layout: Layout, n_frames: int) -> None:
    """Remove what was written, after an error, unless it holds already: a file may be replaced and not be synced."""
    with suppress(OSError, StoreError):  # the error before it is the one to report
        if recorded_facts(path).layout != layout:
            remove_frames(path, layout, n_frames)


def _taken(path: Path, layout: Layout, n_frames: int) -> tuple[int, int]:
    """Return how many files hold frames and pictures, and their bytes."""
    sizes = []
    for level in range(layout.n_levels):
        for seq in range(0, n_frames, layout.shard_frames):
            with suppress(FileNotFoundError):
                sizes.append((path / layout.shard_path(seq, level)).stat().st_size)
    return len(sizes), sum(sizes)


def _write(store: SectionStore, facts: Facts, stage: str, on_progress: OnProgress) -> None:
    """Write all frames as `facts` lay them out, and compare each with what is read back."""
    path, layout, n = store.path, facts.layout, store.n_frames
    for level in range(layout.n_levels):
        (path / layout.array_path(level) / "c").mkdir(parents=True, exist_ok=True)
    shape_yx = store.spec.frame_shape_yx
    arrays = [FrameArray(path, shape_yx, layout, level=level, pinned=True) for level in range(layout.n_levels)]
    crcs = _write_frames(store, arrays, layout, stage, on_progress)
    group, *metadata = array_files(facts, n).items()
    for name, content in metadata:
        replace_file(path / name, json_bytes(content))
    # tensorstore syncs a file and its folder, not the folders above that it made
    for level in range(layout.n_levels):
        chunks = path / layout.array_path(level) / "c"
        for seq in range(0, n, layout.shard_frames):
            sync_folder((path / layout.shard_path(seq, level)).parents[1])
        for folder in (chunks, chunks.parent):
            sync_folder(folder)
    _compare(store, crcs, layout, on_progress)
    # the last file: from here on the arrays count as whole
    replace_file(path / group[0], json_bytes(group[1]))
    sync_folder(path)


def _write_frames(
    store: SectionStore, arrays: list[FrameArray], layout: Layout, stage: str, on_progress: OnProgress
) -> list[list[int]]:
    """Write all frames; return the checksums of each array's pictures, by `seq`."""
    n, shape_yx = store.n_frames, store.spec.frame_shape_yx
    frames = store.read_ahead(range(n), _AHEAD)
    crcs: list[list[int]] = [[] for _ in arrays]
    writing: list[Any] = []
    try:
        for first in range(0, n, layout.shard_frames):
            size = min(layout.shard_frames, n - first)
            files = [np.empty((size, *layout.shape_yx(shape_yx, level)), np.uint16) for level in range(len(arrays))]
            for place, frame in enumerate(islice(frames, size)):
                pixels = _whole(frame).pixels
                for level, pictures in enumerate(files):
                    pictures[place] = reduced(pixels, 1 << level)
                    crcs[level].append(crc32_of(pictures[place]))
                on_progress(Progress(stage, first + place + 1, n))
            _wait(writing)
            writing = []
            for array, pictures in zip(arrays, files, strict=True):
                writing.append(array.start_write_file(first, pictures))
        _wait(writing)
    finally:
        for future in writing:  # nothing is written any more when the folder is removed
            future.exception()
    return crcs


def _whole(frame: Frame | StoreDamagedError) -> Frame:
    """Return a frame that was read and compared; refuse a damaged one."""
    if isinstance(frame, StoreDamagedError):
        raise StoreDamagedError(
            f"{frame.message}; nothing was changed", hint="A store with a damaged frame stays as it is."
        )
    return frame


def _wait(writing: list[Any]) -> None:
    for future in writing:
        future.result()


def _compare(store: SectionStore, crcs: list[list[int]], layout: Layout, on_progress: OnProgress) -> None:
    """Read everything back from the files; the frames against the journal, their pictures against what was written."""
    n, done = store.n_frames, 0
    for level, of_level in enumerate(crcs):
        array = FrameArray(store.path, store.spec.frame_shape_yx, layout, level=level)
        reading: deque[tuple[int, Any, int]] = deque()
        for seq, crc32 in enumerate(of_level):
            reading.append((seq, array.start_read(seq), crc32))
            while len(reading) > (_AHEAD if seq < n - 1 else 0):
                array.finish_read(*reading.popleft())
                done += 1
                on_progress(Progress("checking", done, n * len(crcs)))

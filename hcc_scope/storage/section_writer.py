"""Write frames: each one to its own file, synced, and only then journalled.

Design
------
::

    append(frame) --starts the write, waits for room--> [in flight, bounded in bytes]
                                                             |  committer thread, first in first out
                                                             v
                    checksum -> file synced -> folders synced -> journal line synced -> committed += 1

- *Back-pressure*: `SectionWriter.append` blocks while more than `max_in_flight_bytes` wait for the disk.
- *Group commit*: whatever is on disk by then shares one sync of the journal.
- *Errors*: the first failed write is latched; every waiting call wakes, and `append` and `close` raise it. The journal
  ends at the frame before; frames after it that did reach the disk are not acknowledged. A frame that `append` itself
  refuses (wrong shape, no space left) was never taken, and does not make `close` fail.
- *Growing*: the array's length on disk is ahead of the journal by up to `GROW_FRAMES`, and cut back by `close`. It may
  fall behind while another program holds the metadata open on Windows.
- *Identity*: folder and journal are those that this writer made, or nothing more is written. They are asked for with
  every group and at the end: if another program renames, deletes or replaces them, the run ends, with what was kept.
- *Ending*: `close` puts every frame on disk; `finalise` then records that, last and at once. Without it the run is
  unfinished, whatever happened.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.atomic_file import HOLD_S, json_bytes, replace_file, sync_folder, write_all
from hcc_scope.errors import DiskFullError, StoreDamagedError, StoreError
from hcc_scope.storage.files import explain, open_own
from hcc_scope.storage.frame_array import FrameArray, crc32_of
from hcc_scope.storage.journal import line_of
from hcc_scope.storage.metadata import (
    ARRAY_PATH,
    JOURNAL,
    MANIFEST_COPY,
    array_metadata,
    group_metadata,
)
from hcc_scope.storage.metadata_check import root_bytes
from hcc_scope.storage.shading_copy import SHADING_FILES, is_corrected
from hcc_scope.storage.skeleton import remove_empty
from hcc_scope.storage.space import require_space
from hcc_scope.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from hcc_scope.storage.earlier_frames import EarlierFrames
    from hcc_scope.storage.journal_writer import JournalWriter
    from hcc_scope.types import Frame, RunSpec

__all__ = ["GROW_FRAMES", "SectionWriter"]

GROW_FRAMES = 64
_MAX_GROUP = 16
"""Frames that share one sync of the journal; more would only delay their acknowledgement."""


@dataclass(frozen=True, slots=True)
class _InFlight:
    """A frame on its way to disk."""

    frame: Frame
    pixels: NDArray[np.uint16]
    writing: Any
    """tensorstore's future."""


class SectionWriter:
    """The store of a section that is being acquired. A `hcc_scope.protocols.FrameSink`.

    Made by `hcc_scope.storage.writer.create_store`, or, with `earlier` frames, by
    `hcc_scope.storage.reopened.reopen_section`.

    One thread appends; any thread may read what is committed.
    """

    def __init__(
        self,
        path: Path,
        spec: RunSpec,
        attributes: dict[str, Any],
        array: FrameArray,
        journal: JournalWriter,
        length: int,
        max_in_flight_bytes: int,
        earlier: EarlierFrames | None = None,
    ) -> None:
        self.path = path
        self.spec = spec
        self._attributes = attributes
        self._journal = journal
        self._array = array
        self._folder = path.stat()
        self._length = length  # of the time axis, on disk
        self._limit = max_in_flight_bytes
        self._changed = threading.Condition()
        self._in_flight: deque[_InFlight] = deque()
        self._in_flight_bytes = 0
        self._earlier = earlier
        self._next_seq = self._committed = 0 if earlier is None else earlier.n_frames
        self._error: BaseException | None = None
        self._closing = False
        self._ended = threading.Lock()
        self._tidy = False
        self._in_place = True
        self._committer = Worker("store-commit", self._commit_all, self._fail, self._let_go)
        self._committer.start()

    @property
    def committed(self) -> int:
        """Frames 0 .. committed-1 are on disk and journalled: they survive a crash."""
        return self._committed

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attribute ``hcc_scope`` of the store."""
        return self._attributes

    @property
    def in_flight_bytes(self) -> int:
        """Bytes of pixels that wait for the disk."""
        return self._in_flight_bytes

    def append(self, frame: Frame) -> None:
        """Take over one frame and start to write it; blocks while too much waits for the disk.

        Parameters
        ----------
        frame : Frame
            The next in order of `seq`. Its pixels must not change any more; writeable ones are copied.

        Raises
        ------
        DiskFullError
            If the disk has no room for it; the frames before it are safe.
        StoreError
            If an earlier write failed, or the frame does not belong here (shape, type, order, section).
        """
        pixels = self._checked(frame)
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or self._closing or self._has_room(pixels.nbytes))
            self._raise_if_failed()
            if self._closing:
                raise StoreError(f"Frame {frame.seq} came after {self.path} was closed")
            self._check_in_place()
            try:
                require_space(self.path, self.spec, frame.seq, self._in_flight_bytes)
            except StoreError:
                self._check_in_place()  # moved away just now: the disk of nothing has no room
                raise
            writing = self._array.start_write(frame.seq, pixels)
            self._in_flight.append(_InFlight(frame, pixels, writing))
            self._in_flight_bytes += pixels.nbytes
            self._next_seq += 1
            self._changed.notify_all()

    def _has_room(self, n_bytes: int) -> bool:
        return self._in_flight_bytes == 0 or self._in_flight_bytes + n_bytes <= self._limit

    def _checked(self, frame: Frame) -> NDArray[np.uint16]:
        """Return the pixels to write, or raise if the frame does not belong here."""
        pixels = frame.pixels
        if pixels.dtype != np.uint16 or pixels.shape != self.spec.frame_shape_yx:
            raise StoreError(
                f"Frame {frame.seq} is {pixels.dtype} {pixels.shape}, but {self.path.name} holds "
                f"uint16 {self.spec.frame_shape_yx} (y, x)",
                hint="Start a new section after changing the camera's settings.",
            )
        if frame.seq != self._next_seq:
            raise StoreError(f"Frame {frame.seq} came where frame {self._next_seq} was due in {self.path.name}")
        if frame.section_id != self.spec.section_id:
            raise StoreError(
                f"Frame {frame.seq} belongs to section {frame.section_id!r}, but {self.path.name} holds "
                f"section {self.spec.section_id!r}"
            )
        if pixels.flags.writeable or not pixels.flags.c_contiguous:
            # tensorstore reads the buffer later: one that the camera fills again would end up on disk
            return np.array(pixels, order="C")
        return pixels

    def _raise_if_failed(self) -> None:
        if self._error is not None:
            raise self._error

    def _check_in_place(self) -> None:
        """Raise unless folder and journal are still those that this writer made."""
        if not (self._folder_is_in_place() and self._journal.is_in_place()):
            raise self._gone()

    def _folder_is_in_place(self) -> bool:
        try:
            return os.path.samestat(self.path.stat(), self._folder)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # a disk that does not answer: the next write reports it
            return True

    def _gone(self) -> StoreError:
        return StoreError(
            f"The store {self.path}, or its journal, was moved, deleted, replaced or changed during the run: "
            "nothing more is written",
            hint="Leave a section's folder alone until its run has ended.",
        )

    # ---- the committer thread

    def _commit_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._in_flight or self._closing)
                if not self._in_flight:
                    return
            self._commit_group()

    def _commit_group(self) -> None:
        """Wait for the oldest frame; commit it and those after it that are on disk by then."""
        with self._changed:
            waiting = list(islice(self._in_flight, _MAX_GROUP))
        lines: list[bytes] = []
        failure: BaseException | None = None
        for item in waiting:
            if lines and not item.writing.done():
                break
            line = line_of(item.frame, crc32_of(item.pixels))  # while the disk works
            failure = item.writing.exception()  # waits
            if failure is not None:
                break
            lines.append(line)
        self._acknowledge(lines)
        if failure is not None:
            raise failure

    def _acknowledge(self, lines: list[bytes]) -> None:
        """Make the next ``len(lines)`` frames committed."""
        if not lines:
            return
        self._check_in_place()
        if not self._journal.is_as_left():
            raise self._gone()
        first, end = self._committed, self._committed + len(lines)
        # tensorstore syncs a frame's file and its folder, not the folders above that it made
        for seq in range(first, end):
            sync_folder(self._array.shard_path(seq).parents[1])
        sync_folder(self._array.shard_path(first).parents[2])
        if end > self._length:
            # a program that holds the metadata open on Windows must neither end the run nor slow it down: readers trust
            # the journal, and the next group, at the latest `close`, tries again
            with suppress(PermissionError):
                self._set_length(-(-end // GROW_FRAMES) * GROW_FRAMES, hold_s=0.0)
        self._journal.append(lines)
        with self._changed:
            for _ in lines:
                self._in_flight_bytes -= self._in_flight.popleft().pixels.nbytes
            self._committed = end
            self._changed.notify_all()

    def _fail(self, error: BaseException, where: str) -> None:
        """Latch the first error and wake every waiting call; what is found at the end is added to it."""
        if isinstance(error, OSError | ValueError):
            error = self._explained(error)
        with self._changed:
            if self._error is None:
                self._error = error
            elif where == "close":
                self._error.add_note(str(error))
            self._changed.notify_all()

    def _explained(self, error: OSError | ValueError) -> StoreError:
        """Return what a failed write means: the disk's own reason, unless the store was moved away under it."""
        n = self._committed
        if self._folder_is_in_place() and self._journal.is_in_place():
            explained = explain(
                error, f"Frame {n} could not be written to {self.path} (the {n} frames before it are safe)"
            )
        else:  # between the check before the write and the write
            explained = self._gone()
        explained.__cause__ = error
        return explained

    def _let_go(self) -> None:
        """After an error: wait until tensorstore touches the store no more, and free the frames."""
        with self._changed:
            left = list(self._in_flight)
        for item in left:
            item.writing.exception()
        with self._changed:
            self._in_flight.clear()
            self._in_flight_bytes = 0

    # ---- the end

    def close(self) -> None:
        """Wait until every appended frame is on disk, and cut the array to their number.

        Idempotent: a second call waits for nothing and raises the same error again.

        Raises
        ------
        StoreError
            If an appended frame is not on disk; those before it are, and stay readable.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._committer.join()
        with self._ended:
            if not self._tidy:
                self._tidy = True
                self._journal.mend()
                self._take_stock()
                if self._in_place:
                    try:
                        self._cut_length()
                    except OSError as error:
                        self._fail(explain(error, f"{self.path} could not be closed"), "close")
                self._journal.close()
        self._raise_if_failed()

    def _take_stock(self) -> None:
        """Look at what is really there at the end: neither more nor less is reported."""
        try:
            self._check_in_place()
            if not self._journal.is_as_left():
                raise self._gone()
        except StoreError as error:
            self._in_place = False
            place = self._journal.place() or self.path / JOURNAL
            listed = self._journal.count_in(place)
            kept = next((n for n in range(listed) if not self._array.shard_path(n, place.parent).is_file()), listed)
            there = f"{kept} of the {self._committed} frames that had been stored are in {place.parent}"
            self._fail(StoreError(f"{error.message}; {there}", hint=error.hint), "close")
            self._committed = kept
            return
        kept = self._journal.count_in(self.path / JOURNAL)
        if kept < self._committed:
            words = f"The journal {self.path / JOURNAL} was changed during the run, from the line of frame {kept} on"
            self._fail(StoreDamagedError(words), "close")
        doubtful = self._journal.n_doubtful()
        if doubtful:
            frames = f"{self._committed} to {self._committed + doubtful - 1}"
            words = f"the disk neither kept nor gave up the journal lines of frames {frames} in {self.path}"
            self._fail(StoreError(f"{words}: these frames are in doubt", hint="Check the disk."), "close")
        gone = [seq for seq in range(self._committed) if not self._array.shard_path(seq).is_file()]
        if gone:
            n = f"{len(gone)} of {self._committed} stored frames are" if len(gone) > 1 else "A stored frame is"
            first = f"frame {gone[0]} {'first' if len(gone) > 1 else ''}".strip()
            words = f"{n} gone from {self.path} ({first}): files were deleted during the run"
            self._fail(StoreDamagedError(words), "close")
        # the other metadata is written by `close` and `finalise`
        for file in (self.path / MANIFEST_COPY, self.path / "frames" / "zarr.json"):
            if not file.is_file():
                words = f"{file} was deleted during the run: hcc-scope recover writes it again"
                self._fail(StoreDamagedError(words), "close")
        if is_corrected(self.spec.provenance):
            for name in SHADING_FILES.values():
                if not (self.path / name).is_file():
                    words = f"{self.path / name} was deleted during the run: its frames cannot be corrected any more"
                    self._fail(StoreDamagedError(words), "close")
        if not (self.path / ARRAY_PATH / "zarr.json").is_file():
            self._length = -1

    def discard(self) -> bool:
        """Remove a store that holds no frame, after `close`, so that its name can be used again.

        One that was continued is given back as it was if nothing came: neither a frame nor anything else that its score
        rests on.

        Returns
        -------
        bool
            Whether it is gone, or as it was. Not if a frame is journalled, a person wrote a note, another program added
            a file, or the folder is not ours any more.

        Raises
        ------
        StoreError
            If the store was not closed.
        """
        if not self._tidy:
            raise StoreError(f"{self.path} must be closed before it is removed")
        if not (self._in_place and self._folder_is_in_place()):
            return False
        if self._earlier is not None:
            return self._committed == self._earlier.n_frames and self._earlier.put_back(self.path)
        return self._committed == 0 and remove_empty(self.path)

    def finalise(self, outcome: Mapping[str, object]) -> None:
        """Record that the run has ended, in the root ``zarr.json``: the last thing that is written, and all at once.

        A store without it counts as unfinished. Also for a run that failed or was cancelled: after `close` its frames
        are in order, and `outcome` is how it ended.

        Parameters
        ----------
        outcome : mapping
            JSON values: how the run ended. Its keys are those of ``docs/store.md``; ``state`` is always there.

        Raises
        ------
        StoreError
            If the store was not closed, or the manifest cannot be written.
        """
        if not self._tidy:
            raise StoreError(f"{self.path} must be closed before it is finalised")
        if not (self._in_place and self._folder_is_in_place()):
            raise StoreError(f"The end of the run is not written: {self.path} is no longer the same store")
        self._attributes = {
            **self._attributes,
            "complete": True,
            "n_frames": self._committed,
            "finished_utc": datetime.now(UTC).isoformat(),
            "outcome": dict(outcome),
        }
        if self._earlier is None:
            root = json_bytes(group_metadata(self.spec, self._attributes))
        else:
            root = root_bytes(self._earlier.facts, self._attributes)
        try:
            replace_file(self.path / "zarr.json", root)
        except OSError as error:
            raise explain(error, f"The end of the run could not be written to {self.path}") from error

    def _cut_length(self) -> None:
        """Set the array's length to the frames that are there, even on a disk that has no room for another file."""
        try:
            self._set_length(self._committed)
        except OSError as error:
            if not isinstance(explain(error, ""), DiskFullError):
                raise
            # not at once, unlike a replacement; but `recover` can make this file from the facts
            data = json_bytes(array_metadata(self.spec.frame_shape_yx, self._committed))
            handle = open_own(self.path / ARRAY_PATH / "zarr.json", os.O_RDWR)
            try:
                write_all(handle, data)
                os.ftruncate(handle, len(data))
                os.fsync(handle)
            finally:
                os.close(handle)
            self._length = self._committed

    def _set_length(self, n_frames: int, hold_s: float = HOLD_S) -> None:
        """Write the array's metadata with another length of the time axis."""
        if n_frames != self._length:
            metadata = json_bytes(array_metadata(self.spec.frame_shape_yx, n_frames))
            replace_file(self.path / ARRAY_PATH / "zarr.json", metadata, hold_s=hold_s)
            self._length = n_frames

    def read(self, seq: int) -> Frame:
        """Read a committed frame back, also while others are written, from any thread.

        Raises
        ------
        StoreDamagedError
            If it is not what was written.
        StoreError
            If it is not committed.
        """
        if not 0 <= seq < self._committed:
            raise StoreError(f"Frame {seq} is not among the {self._committed} committed frames of {self.path}")
        try:
            entry = self._journal.entry(seq)
        except (OSError, ValueError) as error:
            raise StoreDamagedError(f"The journal line of frame {seq} in {self.path} cannot be read back") from error
        return entry.frame(self._array.finish_read(seq, self._array.start_read(seq), entry.crc32))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        with suppress(StoreError):  # the error that ended the block is the first one
            self.close()

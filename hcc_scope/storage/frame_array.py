"""The pixels of a store through tensorstore: one write, one file, one frame.

Design
------
- The array's metadata is ours (`metadata.array_metadata`), written by us. tensorstore *assumes* it, with an
  endless time axis: growing the array is then one small file, not a `resize` that waits behind queued writes, and a
  reader needs no metadata but the journal.
- ``store_data_equal_to_fill_value``: a black frame is written like any other, so that a file that is not there always
  means a frame that is lost (``fill_missing_data_reads`` off).
- Files are replaced atomically and synced (``file_io_sync``): a reader or a crash never sees half a frame.
- No cache: every frame is written once and read rarely.
- No context ends while the process lives: a thread of tensorstore 0.1.86 may still look for work in one that ended, and
  the process crashes. All readers of a disk share one (`reading_context`), so that a share that does not answer keeps
  no reader of another disk waiting. A writer has its own, so that no reader takes its threads; the next writer gets it.
"""

from __future__ import annotations

import functools
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorstore as ts
from zlib_ng import zlib_ng

from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.storage.files import cannot_read, check_plain, open_plain
from hcc_scope.storage.layout import CHUNK_PX, LIVE, Layout
from hcc_scope.storage.metadata import array_metadata, shard_shape_yx

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "COMPRESSING_THREADS",
    "ENDLESS",
    "MAX_CHUNK_BYTES",
    "NO_CHUNK",
    "FrameArray",
    "committed_pixels",
    "crc32_of",
    "driver_path",
    "first_words",
    "reading_context",
]

ENDLESS = 1 << 40
"""Length of the time axis as tensorstore sees it; the writer maintains the length in the file."""

MAX_CHUNK_BYTES = 2 * (2 * CHUNK_PX**2)
"""Of a compressed chunk: what does not become smaller grows by some bytes, whatever compresses it."""
NO_CHUNK = (1 << 64) - 1

COMPRESSING_THREADS = 2
_FILE_THREADS = 4
"""Enough for over 100 frames a second; the rest of the machine belongs to the classifier."""


def crc32_of(pixels: NDArray[np.uint16]) -> int:
    """Return the zlib CRC-32 of the frame's bytes in C order, little-endian.

    zlib-ng computes it with the processor's carry-less multiplication: the same number in a tenth of the time.

    Parameters
    ----------
    pixels : (y, x) ndarray of uint16
        C-contiguous: no copy is made on a little-endian machine.
    """
    return int(zlib_ng.crc32(np.ascontiguousarray(pixels, dtype="<u2").data))


def driver_path(folder: Path, owner: object, *, pinned: bool = False) -> str:
    """Return a folder's path as tensorstore takes it: whole, without ``..``, links or doubled slashes.

    Parameters
    ----------
    folder : Path
        As the user gave it; it has to be there.
    owner : object
        What uses the path, for as long as it lives.
    pinned : bool
        On Linux, follow the folder itself and not its name: if another program renames or replaces it during
        a run, tensorstore does not start another one under the old name.

    Raises
    ------
    OSError
        If the folder is not there.
    """
    whole = os.path.realpath(folder, strict=True)
    try:
        whole.encode()
    except UnicodeEncodeError:  # a name that is no text in this system's encoding
        pinned = True
    if os.sep == "/" and "\\" in whole:  # a letter like others here, but tensorstore takes it for a slash
        pinned = True
    if pinned and sys.platform == "linux":
        handle = os.open(whole, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        weakref.finalize(owner, os.close, handle)
        by_handle = f"/proc/self/fd/{handle}"
        if os.path.isdir(by_handle):  # noqa: PTH112 - a path that is no file's
            return f"{by_handle}/"
    return f"{whole.replace(os.sep, '/').rstrip('/')}/"


@functools.cache
def reading_context(device: int) -> Any:  # noqa: ANN401 - tensorstore has no types
    """Return the threads for all that reads from a disk, without a cache.

    Parameters
    ----------
    device : int
        Of the disk: ``st_dev`` of a folder on it.
    """
    return _context()


_writing_contexts: list[Any] = []
"""Those that no writer has now."""


def _writing_context(owner: object) -> Any:  # noqa: ANN401 - tensorstore has no types
    """Return threads that are those of `owner` alone for as long as it lives."""
    try:
        context = _writing_contexts.pop()
    except IndexError:
        context = _context()
    weakref.finalize(owner, _writing_contexts.append, context)
    return context


def _context() -> Any:  # noqa: ANN401 - tensorstore has no types
    return ts.Context(
        {
            "cache_pool": {"total_bytes_limit": 0},
            "data_copy_concurrency": {"limit": COMPRESSING_THREADS},
            "file_io_concurrency": {"limit": _FILE_THREADS},
            "file_io_sync": True,
        }
    )


class FrameArray:
    """An array of frames of a store: ``frames/0``, or one of a packed store.

    Parameters
    ----------
    store : Path
        The store's folder.
    shape_yx : tuple of int
        Shape of every frame, px.
    layout : Layout
        Where the frames are.
    level : int
        0 for the frames, else the array of their pictures that were halved so often.
    pinned : bool
        For a writer: as for `driver_path`, and with threads of its own.

    Raises
    ------
    StoreDamagedError
        If the array's folder is missing.
    StoreError
        If tensorstore cannot use it.
    """

    def __init__(
        self, store: Path, shape_yx: tuple[int, int], layout: Layout = LIVE, *, level: int = 0, pinned: bool = False
    ) -> None:
        self.layout, self.level = layout, level
        self._store = store
        self._folder = store / layout.array_path(level)
        height, width = shard_shape_yx(shape_yx)
        n_chunks = (height // CHUNK_PX) * (width // CHUNK_PX) * layout.shard_frames
        self._index_bytes = 16 * n_chunks + 4  # offset and length of each chunk, and a checksum
        self._largest_file = n_chunks * MAX_CHUNK_BYTES + self._index_bytes
        try:
            path = driver_path(self._folder, self, pinned=pinned)
            context = _writing_context(self) if pinned else reading_context(self._folder.stat().st_dev)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreDamagedError(f"The folder {self._folder} is missing: no frame can be read") from error
        except OSError as error:
            raise cannot_read(error, f"The frames in {self._folder}") from error
        self._array: Any = ts.open(
            {
                "driver": "zarr3",
                "kvstore": {"driver": "file", "path": path},
                "metadata": array_metadata(shape_yx, ENDLESS, layout, level),
                "store_data_equal_to_fill_value": True,
                "fill_missing_data_reads": False,
            },
            open=True,
            assume_metadata=True,
            context=context,
        ).result()

    def shard_path(self, seq: int, store: Path | None = None) -> Path:
        """Return the file of frame `seq`; of another `store`, if one is given."""
        return (self._store if store is None else store) / self.layout.shard_path(seq, self.level)

    def start_write(self, seq: int, pixels: NDArray[np.uint16]) -> Any:  # noqa: ANN401 - tensorstore has no types
        """Start to write a frame; its future is done when the file is synced.

        tensorstore reads `pixels` until then without its own copy: they must not change.
        """
        return _started(self._array[seq].write(pixels, can_reference_source_data_indefinitely=True).commit)

    def start_write_file(self, first: int, pixels: NDArray[np.uint16]) -> Any:  # noqa: ANN401 - tensorstore has no types
        """Start to write all frames (n, y, x) of one file, from frame `first` on; otherwise as `start_write`."""
        frames = self._array[first : first + len(pixels)]
        return _started(frames.write(pixels, can_reference_source_data_indefinitely=True).commit)

    def check_file(self, seq: int) -> None:
        """Refuse what tensorstore must not open: a link, a pipe, a file that cannot be the frame that it claims to be.

        tensorstore takes the memory that a file claims, and ends the process if there is not as much.

        Raises
        ------
        StoreDamagedError
            If the frame's file is no such file, or missing.
        """
        file = self.shard_path(seq)
        where = f"Frame {seq} in {file}"
        try:
            for folder in (file.parents[1], file.parent):
                check_plain(folder, "a folder")
            with os.fdopen(open_plain(file, os.O_RDONLY), "rb") as opened:
                size = os.fstat(opened.fileno()).st_size
                opened.seek(max(0, size - self._index_bytes))
                index = opened.read(self._index_bytes - 4)
        except (FileNotFoundError, NotADirectoryError):
            raise StoreDamagedError(f"{where} is missing") from None
        except OSError as error:
            raise StoreDamagedError(f"{where} cannot be read: {error.strerror or error}") from error
        except StoreError as error:
            raise StoreDamagedError(f"Frame {seq} cannot be read: {error.message}", hint=error.hint) from error
        if size < self._index_bytes:
            raise StoreDamagedError(f"{where} cannot be read: it has {size} bytes, less than its index")
        lengths = np.frombuffer(index, "<u8")[1::2]
        if size > self._largest_file or (lengths[lengths != NO_CHUNK] > MAX_CHUNK_BYTES).any():
            raise StoreDamagedError(f"{where} cannot be read: it claims more bytes than a frame can have")

    def start_read(self, seq: int) -> Any:  # noqa: ANN401 - tensorstore has no types
        """Start to read a frame; give the future to `finish_read`. Raises like `check_file`."""
        self.check_file(seq)
        return _started(self._array[seq].read(order="C"))

    def finish_read(self, seq: int, reading: Any, crc32: int | None) -> NDArray[np.uint16]:  # noqa: ANN401
        """Wait for a frame and return it if it is the one that was committed.

        Parameters
        ----------
        seq : int
        reading
            From `start_read`.
        crc32 : int or None
            Of its pixels; None for a smaller picture, whose chunks alone have checksums.

        Returns
        -------
        (y, x) ndarray of uint16
            Owned and read-only.

        Raises
        ------
        StoreDamagedError
            If its file is missing, cannot be decoded, or its checksum is wrong.
        """
        where = f"Frame {seq} in {self.shard_path(seq)}"
        try:
            pixels: NDArray[np.uint16] = reading.result()
        except (ValueError, OSError) as error:
            if not self.shard_path(seq).exists():
                raise StoreDamagedError(f"{where} is missing") from error
            raise StoreDamagedError(f"{where} cannot be read: {first_words(error)}") from error
        return committed_pixels(pixels, crc32, where)


def committed_pixels(pixels: NDArray[np.uint16], crc32: int | None, where: str) -> NDArray[np.uint16]:
    """Return decoded pixels, read-only, if they are those that were committed.

    Parameters
    ----------
    pixels : (y, x) uint16
    crc32 : int or None
        From the journal; None where there is nothing to compare with.
    where : str
        The frame and its file, for the message.

    Raises
    ------
    StoreDamagedError
        If the checksum differs.
    """
    if crc32 is not None and crc32_of(pixels) != crc32:
        raise StoreDamagedError(f"{where} is damaged: its checksum differs from the journal's")
    pixels.flags.writeable = False
    return pixels


def _started(future: Any) -> Any:  # noqa: ANN401 - tensorstore has no types
    """Return a future that works: otherwise it starts when it is waited for."""
    future.force()
    return future


def first_words(error: Exception) -> str:
    """Return tensorstore's reason without the path that the sentence already has."""
    return str(error).splitlines()[0].split(": ")[-1][:200]

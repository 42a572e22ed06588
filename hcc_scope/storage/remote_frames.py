"""The pixels of a store on object storage: one request for each frame.

A file that holds one frame is fetched whole. Of a packed file, the index is fetched once, and the chunks of one frame
with one request. tensorstore decodes them from memory: so an error of the network is never taken for damage, and what a
file claims is checked before any memory is taken for it.
"""

from __future__ import annotations

import functools
import itertools
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorstore as ts

from hcc_scope.errors import StoreDamagedError
from hcc_scope.storage.frame_array import (
    COMPRESSING_THREADS,
    ENDLESS,
    MAX_CHUNK_BYTES,
    NO_CHUNK,
    committed_pixels,
    first_words,
)
from hcc_scope.storage.layout import CHUNK_PX, Layout
from hcc_scope.storage.metadata import array_metadata, shard_shape_yx
from hcc_scope.storage.remote_files import received, start_read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.storage.place import RemotePath

__all__ = ["RemoteFrames"]

_INDEX_CRC_BYTES = 4
_KEPT_INDEXES = 64
_ANSWER_S = 120


@functools.cache
def _threads() -> Any:  # noqa: ANN401 - tensorstore has no types
    """Return the threads for all stores: a context must not end (see `hcc_scope.storage.frame_array`)."""
    return ts.Context({"data_copy_concurrency": {"limit": COMPRESSING_THREADS}})


class RemoteFrames:
    """Reads an array of frames of a store, as `hcc_scope.storage.frame_array.FrameArray` does on a disk.

    Safe to use from several threads.

    Parameters
    ----------
    store : RemotePath
    shape_yx : tuple of int
        Shape of every frame, px.
    layout : Layout
        Where the frames are.
    level : int
        0 for the frames, else the array of their pictures that were halved so often.
    """

    def __init__(self, store: RemotePath, shape_yx: tuple[int, int], layout: Layout, level: int = 0) -> None:
        self.layout, self.level = layout, level
        self._store = store
        height, width = shard_shape_yx(shape_yx)
        self._n_chunks = (height // CHUNK_PX) * (width // CHUNK_PX)
        self._index_bytes = 16 * self._n_chunks * layout.shard_frames + _INDEX_CRC_BYTES
        self._indexes: dict[int, NDArray[np.uint64]] = {}
        self._lock = threading.Lock()
        self._slots = itertools.count()
        # with a memory of its own: the slots of another store have the same names
        context = ts.Context({"cache_pool": {"total_bytes_limit": 0}, "memory_key_value_store": {}}, _threads())
        # a shard of one frame; its index is ours, so it needs no checksum: the frame has one
        metadata = array_metadata(shape_yx, ENDLESS, Layout(layout.folder, 1, layout.n_levels), level)
        metadata["codecs"][0]["configuration"]["index_codecs"] = [
            {"name": "bytes", "configuration": {"endian": "little"}}
        ]
        self._memory: Any = ts.KvStore.open({"driver": "memory"}, context=context).result()
        self._array: Any = ts.open(
            {
                "driver": "zarr3",
                "kvstore": {"driver": "memory"},
                "metadata": metadata,
                "fill_missing_data_reads": False,
            },
            open=True,
            assume_metadata=True,
            context=context,
        ).result()

    def shard_path(self, seq: int) -> RemotePath:
        """Return the file that holds frame `seq`."""
        return self._store / self.layout.shard_path(seq, self.level)

    def start_read(self, seq: int) -> Any:  # noqa: ANN401 - tensorstore's future
        """Start to fetch a frame; give the result to `finish_read`.

        Of a packed store, the index of the frame's file is waited for.

        Raises
        ------
        StoreDamagedError
            If the file is missing, or cannot be the frame's.
        StoreError
            If the storage does not answer.
        """
        if self.layout.shard_frames == 1:
            return start_read(self.shard_path(seq))
        first, end, _ = self._part(seq, self._index_of(seq))
        return start_read(self.shard_path(seq), first, end)

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
        StoreError
            If the storage does not answer.
        """
        content = self._received(seq, reading)
        if self.layout.shard_frames == 1:
            index = self._index_in(seq, content)
            first, end, chunks = self._part(seq, index)
            content = content[first:end]
        else:
            _, _, chunks = self._part(seq, self._index_of(seq))
        return committed_pixels(self._decoded(seq, content, chunks), crc32, self._where(seq))

    def _where(self, seq: int) -> str:
        return f"Frame {seq} in {self.shard_path(seq)}"

    def _received(self, seq: int, reading: Any) -> bytes:  # noqa: ANN401 - tensorstore's future
        try:
            return received(reading, self.shard_path(seq), _ANSWER_S)
        except FileNotFoundError:
            raise StoreDamagedError(f"{self._where(seq)} is missing") from None
        except EOFError:
            raise StoreDamagedError(f"{self._where(seq)} cannot be read: it is shorter than it claims") from None

    def _index_of(self, seq: int) -> NDArray[np.uint64]:
        """Return the index of a packed file, fetched once."""
        number = seq // self.layout.shard_frames
        with self._lock:
            index = self._indexes.get(number)
        if index is None:
            index = self._index_in(seq, self._received(seq, start_read(self.shard_path(seq), -self._index_bytes)))
            with self._lock:
                self._indexes[number] = index
                while len(self._indexes) > _KEPT_INDEXES:
                    del self._indexes[next(iter(self._indexes))]
        return index

    def _index_in(self, seq: int, content: bytes) -> NDArray[np.uint64]:
        """Return the index at the end of a file: offset and length of each chunk."""
        if len(content) < self._index_bytes:
            raise StoreDamagedError(
                f"{self._where(seq)} cannot be read: it has {len(content)} bytes, less than its index"
            )
        index = content[len(content) - self._index_bytes : -_INDEX_CRC_BYTES]
        return np.frombuffer(index, "<u8").reshape(-1, 2).astype(np.uint64)

    def _part(self, seq: int, index: NDArray[np.uint64]) -> tuple[int, int, list[tuple[int, int] | None]]:
        """Return where a frame's chunks begin and end in its file, and offset and length of each within that part.

        None is a chunk that is not there.
        """
        start = (seq % self.layout.shard_frames) * self._n_chunks
        chunks = [
            None if offset == length == NO_CHUNK else (offset, length)
            for offset, length in index[start : start + self._n_chunks].tolist()
        ]
        there = [chunk for chunk in chunks if chunk is not None]
        first = min((offset for offset, _ in there), default=0)
        end = max((offset + length for offset, length in there), default=0)
        if end - first > self._n_chunks * MAX_CHUNK_BYTES:
            raise StoreDamagedError(f"{self._where(seq)} cannot be read: it claims more bytes than a frame can have")
        return first, end, [None if one is None else (one[0] - first, one[1]) for one in chunks]

    def _decoded(self, seq: int, content: bytes, chunks: list[tuple[int, int] | None]) -> NDArray[np.uint16]:
        """Return the pixels of a frame, from the part of its file that holds its chunks."""
        entries = [(NO_CHUNK, NO_CHUNK) if chunk is None else chunk for chunk in chunks]
        slot = next(self._slots)
        key = f"c/{slot}/0/0"
        try:
            self._memory.write(key, content + np.array(entries, "<u8").tobytes()).result()
            pixels: NDArray[np.uint16] = self._array[slot].read(order="C").result()
        except (ValueError, OSError) as error:
            raise StoreDamagedError(f"{self._where(seq)} cannot be read: {first_words(error)}") from error
        finally:
            self._memory.delete_range(ts.KvStore.KeyRange(key, f"{key}0")).result()
        return pixels

"""Other writers of frames, with the layout of ours: a shard per frame, chunks of 512, blosc lz4, bit shuffling.

None of them syncs a frame to disk, computes its checksum or keeps a journal. ome-writers offers no bit shuffling, so
its lz4 shuffles bytes. acquire-zarr and ome-writers are the extra ``bench``.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from hcc_scope.bench.writers import FrameWriter, WriterContender
from hcc_scope.storage.metadata import CHUNK_PX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["WRITERS", "PeerWriterContender", "missing_package"]


class ZarrPythonWriter:
    """zarr-python as in its tutorial: an array, and assignments."""

    def __init__(self, folder: Path, n_frames: int, side_px: int) -> None:
        from benchmarks.peers.zarr_array import create_zarr_array

        self._array = create_zarr_array(folder / "zarr-python.zarr", n_frames, side_px)

    def append(self, seq: int, pixels: NDArray[np.uint16]) -> None:
        """Write a frame."""
        self._array[seq] = pixels

    def close(self) -> None:
        """Nothing is open."""


class AcquireZarrWriter:
    """acquire-zarr's stream, with its own threads."""

    def __init__(self, folder: Path, n_frames: int, side_px: int) -> None:
        import acquire_zarr as az

        del n_frames  # a stream has no end
        space = {"kind": az.DimensionType.SPACE, "array_size_px": side_px, "chunk_size_px": CHUNK_PX}
        dimensions = [
            az.Dimension(name="t", kind=az.DimensionType.TIME, array_size_px=0, chunk_size_px=1, shard_size_chunks=1),
            az.Dimension(name="y", shard_size_chunks=side_px // CHUNK_PX, **space),
            az.Dimension(name="x", shard_size_chunks=side_px // CHUNK_PX, **space),
        ]
        compression = az.CompressionSettings(
            compressor=az.Compressor.BLOSC1, codec=az.CompressionCodec.BLOSC_LZ4, level=5, shuffle=2
        )
        array = az.ArraySettings(dimensions=dimensions, data_type=az.DataType.UINT16, compression=compression)
        path = str(folder / "acquire.zarr")
        self._stream = az.ZarrStream(az.StreamSettings(store_path=path, overwrite=True, arrays=[array]))

    def append(self, seq: int, pixels: NDArray[np.uint16]) -> None:
        """Hand a frame over; it is copied."""
        del seq
        self._stream.append(pixels)

    def close(self) -> None:
        """Wait for the stream's threads."""
        self._stream.close()


class OmeWritersWriter:
    """ome-writers on its tensorstore backend."""

    def __init__(self, folder: Path, n_frames: int, side_px: int) -> None:
        import ome_writers as ow

        shards = side_px // CHUNK_PX
        dimensions = (
            ow.Dimension(name="t", type="time", count=n_frames, chunk_size=1, shard_size_chunks=1),
            ow.Dimension(name="y", type="space", count=side_px, chunk_size=CHUNK_PX, shard_size_chunks=shards),
            ow.Dimension(name="x", type="space", count=side_px, chunk_size=CHUNK_PX, shard_size_chunks=shards),
        )
        settings = ow.AcquisitionSettings(
            root_path=str(folder / "ome-writers.ome.zarr"),
            dimensions=dimensions,
            dtype="uint16",
            compression="blosc-lz4",
            format=ow.OmeZarrFormat(backend="tensorstore"),
        )
        self._stream = ow.create_stream(settings)

    def append(self, seq: int, pixels: NDArray[np.uint16]) -> None:
        """Hand a frame over; it is written later, from the same memory."""
        del seq
        self._stream.append(pixels)

    def close(self) -> None:
        """Wait for tensorstore."""
        self._stream.close()


WRITERS: dict[str, Callable[[Path, int, int], FrameWriter]] = {
    "zarr_python": ZarrPythonWriter,
    "acquire_zarr": AcquireZarrWriter,
    "ome_writers": OmeWritersWriter,
}
_OPTIONAL = {"acquire_zarr": "acquire-zarr", "ome_writers": "ome-writers"}


def missing_package(writer: str) -> str | None:
    """Return the package that a writer needs and that is not installed, or None."""
    package = _OPTIONAL.get(writer)
    return package if package is not None and importlib.util.find_spec(writer) is None else None


class PeerWriterContender(WriterContender):
    """One of `WRITERS`."""

    def __init__(self, writer: str, side_px: int, folder: str) -> None:
        super().__init__(WRITERS[writer], side_px, folder)

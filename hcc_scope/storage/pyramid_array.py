"""A picture on several levels as zarr arrays (z, y, x) of one plane, all with the same chunks and codecs.

Viewers take the codecs of the first level for all. What is not written has the fill value, and takes no room.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorstore as ts

from hcc_scope.atomic_file import json_bytes
from hcc_scope.storage.files import explain
from hcc_scope.storage.frame_array import driver_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = ["PyramidArrays"]

_IN_FLIGHT = 8


class PyramidArrays:
    """Writes such arrays, in folders 0, 1, 2 ...; a context manager. One thread at a time.

    Parameters
    ----------
    folder : Path
        Of the picture; must exist.
    shapes_yx : sequence of (int, int)
        Of the levels, the full resolution first.
    dtype : numpy dtype
        uint16 or float32.
    fill : int or float
        What is read where nothing was written.
    chunk_px : int
        Side of a chunk, which is one file.

    Raises
    ------
    StoreUnwritableError, DiskFullError, StoreError
        If they cannot be made.
    """

    def __init__(
        self, folder: Path, shapes_yx: Sequence[tuple[int, int]], dtype: np.dtype[Any], fill: float, chunk_px: int
    ) -> None:
        self._folder, self._chunk_px = folder, chunk_px
        self._writing: deque[Any] = deque()
        context = ts.Context({"cache_pool": {"total_bytes_limit": 0}, "file_io_sync": False})
        self._levels: list[Any] = []
        try:
            for level, shape_yx in enumerate(shapes_yx):
                (folder / str(level)).mkdir()
                metadata = _array_metadata(shape_yx, dtype, fill, chunk_px)
                (folder / str(level) / "zarr.json").write_bytes(json_bytes(metadata))
                self._levels.append(
                    ts.open(
                        {
                            "driver": "zarr3",
                            "kvstore": {"driver": "file", "path": driver_path(folder / str(level), self)},
                            "metadata": metadata,
                        },
                        open=True,
                        assume_metadata=True,
                        context=context,
                    ).result()
                )
        except (OSError, ValueError) as error:
            raise explain(error, f"{folder} cannot be written") from error

    def __enter__(self) -> PyramidArrays:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for writing in self._writing:  # the folder can be removed once nothing is written any more
            writing.exception()
        self._writing.clear()

    def write(self, level: int, row: int, column: int, pixels: NDArray[Any]) -> None:
        """Start to write one chunk; waits while too many are under way.

        Parameters
        ----------
        level, row, column : int
        pixels : (y, x) ndarray
            A whole chunk; what lies outside of the array is left out. It must not change any more.

        Raises
        ------
        StoreUnwritableError, DiskFullError, StoreError
            If an earlier chunk could not be written.
        """
        array = self._levels[level]
        _, height, width = array.shape
        top, left = row * self._chunk_px, column * self._chunk_px
        part = pixels[: height - top, : width - left]
        writing = (
            array[0, top : top + part.shape[0], left : left + part.shape[1]]
            .write(part, can_reference_source_data_indefinitely=True)
            .commit
        )
        writing.force()
        self._writing.append(writing)
        self._wait(_IN_FLIGHT)

    def finish(self) -> None:
        """Wait until everything is written.

        Raises
        ------
        StoreUnwritableError, DiskFullError, StoreError
            If something could not be.
        """
        self._wait(0)

    def _wait(self, at_most: int) -> None:
        while len(self._writing) > at_most:
            try:
                self._writing.popleft().result()
            except (OSError, ValueError) as error:
                raise explain(error, f"{self._folder} cannot be written") from error


def _array_metadata(shape_yx: tuple[int, int], dtype: np.dtype[Any], fill: float, chunk_px: int) -> dict[str, Any]:
    shuffled = {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": dtype.itemsize, "blocksize": 0}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [1, *shape_yx],
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, chunk_px, chunk_px]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "NaN" if np.isnan(fill) else dtype.type(fill).item(),  # that of whole numbers has no fraction
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "blosc", "configuration": shuffled},
        ],
        "dimension_names": ["z", "y", "x"],
        "attributes": {},
    }

"""Tiles on disk through tensorstore: many small squares of raw counts, written once in order and read at random.

A zarr v3 array (n, tile, tile) uint16 of one chunk per tile, `SHARD_TILES` of them in a file: thousands of tiles are
then hundreds of files. Codecs as for frames (`metadata.array_metadata`), with a checksum for each tile besides. Nothing
is synced: tiles are cut anew from their images if a power cut takes them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorstore as ts

from hcc_scope.atomic_file import create_file, json_bytes
from hcc_scope.errors import StoreDamagedError
from hcc_scope.storage.files import explain
from hcc_scope.storage.frame_array import driver_path
from hcc_scope.storage.metadata import stack_metadata

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SHARD_TILES", "TileArray", "TileArrayWriter"]

SHARD_TILES = 64
"""Of 512 px: 32 MiB before compression, the memory that the writer holds a few times over."""

_ENDLESS = 1 << 40
_SHARDS_IN_FLIGHT = 1
_INDEX_CACHE_BYTES = 16 * 2**20
"""For the shards' indices: without it every tile read is two."""


def tile_array_metadata(tile_px: int, n_tiles: int) -> dict[str, Any]:
    """Return the ``zarr.json`` of an array of tiles."""
    shape, shard_shape = (n_tiles, tile_px, tile_px), (SHARD_TILES, tile_px, tile_px)
    return stack_metadata(shape, shard_shape, tile_px, "tile", checksums=True)


def _open(folder: Path, tile_px: int, n_tiles: int, owner: object) -> Any:  # noqa: ANN401 - tensorstore has no types
    # the metadata is ours, as for frames (see `frame_array`): growing needs no resize, and a lost tile is an error
    context = ts.Context(
        {
            "cache_pool": {"total_bytes_limit": _INDEX_CACHE_BYTES},
            "file_io_sync": False,
        }
    )
    return ts.open(
        {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": driver_path(folder, owner)},
            "metadata": tile_array_metadata(tile_px, n_tiles),
            "store_data_equal_to_fill_value": True,
            "fill_missing_data_reads": False,
            "recheck_cached_data": False,
            "recheck_cached_metadata": False,
        },
        open=True,
        assume_metadata=True,
        context=context,
    ).result()


class TileArrayWriter:
    """Writes tiles one after the other; memory stays at a few shards however many there are.

    Parameters
    ----------
    folder : Path
        Of the array; must exist and be empty.
    tile_px : int
        Side of a tile.
    """

    def __init__(self, folder: Path, tile_px: int) -> None:
        self._folder = folder
        self._tile_px = tile_px
        self._array = _open(folder, tile_px, _ENDLESS, self)
        self._shard = self._fresh()
        self._filled = 0
        self._written = 0
        self._writing: deque[Any] = deque()

    def _fresh(self) -> NDArray[np.uint16]:
        return np.empty((SHARD_TILES, self._tile_px, self._tile_px), np.uint16)

    @property
    def n_tiles(self) -> int:
        """How many were appended."""
        return self._written + self._filled

    def append(self, tiles: NDArray[np.uint16]) -> None:
        """Add tiles (k, tile, tile); blocks while the shards before are written.

        Raises
        ------
        DiskFullError, StoreUnwritableError, StoreError
            If an earlier shard could not be written.
        """
        while len(tiles):
            part = tiles[: SHARD_TILES - self._filled]
            self._shard[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            tiles = tiles[len(part) :]
            if self._filled == SHARD_TILES:
                self._flush()

    def _flush(self) -> None:
        if self._filled == 0:
            return
        start, end = self._written, self._written + self._filled
        writing = (
            self._array[start:end]
            .write(self._shard[: self._filled], can_reference_source_data_indefinitely=True)
            .commit
        )
        writing.force()
        self._writing.append(writing)
        self._shard, self._filled, self._written = self._fresh(), 0, end
        self._wait(_SHARDS_IN_FLIGHT)

    def _wait(self, at_most: int) -> None:
        while len(self._writing) > at_most:
            try:
                self._writing.popleft().result()
            except (OSError, ValueError) as error:
                raise explain(error, f"The tiles could not be written to {self._folder}") from error

    def close(self) -> None:
        """Write the last shard and the array's metadata.

        Raises
        ------
        DiskFullError, StoreUnwritableError, StoreError
            If it could not be written.
        """
        self._flush()
        self._wait(0)
        try:
            create_file(self._folder / "zarr.json", json_bytes(tile_array_metadata(self._tile_px, self._written)))
        except OSError as error:
            raise explain(error, f"The tiles could not be written to {self._folder}") from error

    def abandon(self) -> None:
        """Wait until nothing is written any more, whatever became of it; the folder can then be removed."""
        for writing in self._writing:
            writing.exception()
        self._writing.clear()


class TileArray:
    """Reads tiles at random from any thread; a pickled one opens the same folder again elsewhere.

    Parameters
    ----------
    folder : Path
        Of the array.
    tile_px : int
        Side of a tile.
    n_tiles : int
        How many there are.
    """

    def __init__(self, folder: Path, tile_px: int, n_tiles: int) -> None:
        self.folder = folder.absolute()
        self.tile_px = tile_px
        self.n_tiles = n_tiles
        self._array = _open(self.folder, tile_px, n_tiles, self)

    def __reduce__(self) -> tuple[type[TileArray], tuple[Path, int, int]]:
        return TileArray, (self.folder.absolute(), self.tile_px, self.n_tiles)

    def __repr__(self) -> str:
        return f"TileArray({str(self.folder)!r}, {self.tile_px}, {self.n_tiles})"

    def shard_files(self) -> list[Path]:
        """Return the files that an array of this length has."""
        return [self.folder / "c" / str(i) / "0" / "0" for i in range(-(-self.n_tiles // SHARD_TILES))]

    def read(self, rows: Sequence[int] | NDArray[np.integer]) -> NDArray[np.uint16]:
        """Return tiles (k, tile, tile) in the order asked for; the caller owns them.

        Raises
        ------
        IndexError
            If there is no such tile.
        StoreDamagedError
            If a tile is missing or its checksum is wrong.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        if wanted.size and not (0 <= wanted.min() and wanted.max() < self.n_tiles):
            raise IndexError(f"tiles {wanted.min()} to {wanted.max()} of {self.n_tiles}")
        tiles = np.empty((len(wanted), self.tile_px, self.tile_px), np.uint16)
        reading = [
            ts.array(tile).write(self._array[row]).commit for tile, row in zip(tiles, wanted.tolist(), strict=True)
        ]
        for row, future in zip(wanted.tolist(), reading, strict=True):
            try:
                future.result()
            except (OSError, ValueError) as error:
                raise StoreDamagedError(
                    f"Tile {row} in {self.folder} is missing or damaged: {str(error).splitlines()[0][-200:]}",
                    hint="Remove that folder: the tiles are then cut again from their images.",
                ) from error
        return tiles

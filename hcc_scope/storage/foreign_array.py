"""One array of another program's zarr, read plane by plane through tensorstore.

Every file is looked at before tensorstore opens it: a pipe never ends, and a chunk may claim any size. A chunk that has
no file holds the fill value, by zarr's definition, and looks the same as one that was lost: `read` counts them, and
refuses a plane that has none at all.
"""

from __future__ import annotations

import itertools
import math
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import tensorstore as ts

from hcc_scope.errors import COPY_AGAIN, ImageError
from hcc_scope.storage.foreign_chunks import fault_of
from hcc_scope.storage.foreign_layout import ForeignLayout, read_layout
from hcc_scope.storage.frame_array import driver_path, first_words, reading_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ForeignArray", "ReadPlane"]

_MOST_FILES_OF_A_PLANE: Final = 2**16
_SMALL_PLANE_BYTES: Final = 2**26
_MOST_MISSING: Final = 16
"""Of a larger plane, one in so many chunks has to be there: else its size is a claim."""
_CACHE_BYTES: Final = 2**28
"""For chunks that hold several planes, which are decompressed whole."""
_NO_CHUNK: Final = (1 << 64) - 1
_INDEX_CACHE_BYTES: Final = 2**24
"""For the indices of shards: without it every chunk read is two."""


@dataclass(frozen=True, slots=True)
class ReadPlane:
    """Pixels, and how complete they were stored."""

    pixels: NDArray[Any]
    """In the order of the array's axes."""
    n_files: int
    """Over which it is spread."""
    n_missing: int
    """Of these, how many are not there; their pixels are the fill value."""


class ForeignArray:
    """An array that another program wrote, open for reading.

    Parameters
    ----------
    folder : Path
        Of the array.

    Raises
    ------
    ImageError
        As `hcc_scope.storage.foreign_layout.read_layout`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.layout: ForeignLayout = read_layout(folder)
        self._opened: Any = None

    def read(self, where: str, place: Sequence[int | None]) -> ReadPlane:
        """Return a plane.

        Parameters
        ----------
        where : str
            For the messages.
        place : sequence of int or None
            For each axis an index, or None for all of it.

        Raises
        ------
        ImageError
            If nothing of it is stored, its size is impossible, or it cannot be decoded.
        """
        layout = self.layout
        n_files, n_missing = self._check(where, place)
        if n_missing and layout.fill_value is None:
            raise ImageError(
                f"{where} is damaged: {n_missing} of its {n_files} chunks are missing, and the array defines no value "
                "for them",
                hint=COPY_AGAIN,
            )
        try:
            if self._opened is None:
                self._opened = self._open(place)
            pixels = self._opened[tuple(slice(None) if one is None else one for one in place)].read(order="C").result()
        except (ValueError, OSError) as error:
            raise ImageError(f"{where} cannot be decoded: {first_words(error)}", hint=COPY_AGAIN) from error
        except MemoryError as error:
            raise ImageError(f"{where} is too large for this machine's memory") from error
        return ReadPlane(np.asarray(pixels), n_files, n_missing)

    def release(self) -> None:
        """Give back what is kept for the next read; another one opens it again."""
        self._opened = None

    def _open(self, place: Sequence[int | None]) -> Any:  # noqa: ANN401 - tensorstore has no types
        layout = self.layout
        cache_bytes = 0 if layout.shard is None else _INDEX_CACHE_BYTES
        if any(at is not None and chunk > 1 for at, chunk in zip(place, layout.chunk_shape, strict=True)):
            cache_bytes += min(2 * layout.chunk_bytes, _CACHE_BYTES)
        # with a cache of its own: what is released gives its memory back
        threads = reading_context(self._folder.stat().st_dev)
        return ts.open(
            {
                "driver": layout.driver,
                "kvstore": {"driver": "file", "path": driver_path(self._folder, self)},
                "metadata": layout.metadata,
                "recheck_cached_data": False,
                "recheck_cached_metadata": False,
            },
            open=True,
            assume_metadata=True,
            context=ts.Context({"cache_pool": {"total_bytes_limit": cache_bytes}}, threads),
        ).result()

    # ---- what lies on disk

    def _check(self, where: str, place: Sequence[int | None]) -> tuple[int, int]:
        """Look at every file of a plane; return how many there are, and how many are missing.

        Raises
        ------
        ImageError
            If one is no file or claims what it cannot hold, or too few are there.
        """
        layout = self.layout
        cells = [
            range(-(-length // cell)) if at is None else range(at // cell, at // cell + 1)
            for at, length, cell in zip(place, layout.shape, layout.cell_shape, strict=True)
        ]
        n_files = math.prod(len(one) for one in cells)
        if n_files > _MOST_FILES_OF_A_PLANE:
            raise ImageError(f"{where} is spread over {n_files} files", hint="Save it with larger chunks.")
        n_missing = 0
        for cell in itertools.product(*cells):
            n_missing += not self._check_file(where, cell, place)
        n_stored = n_files - n_missing
        if n_stored == 0:
            raise ImageError(f"{where} is not there: none of its {n_files} chunks is stored", hint=COPY_AGAIN)
        plane_bytes = layout.itemsize * math.prod(
            length for at, length in zip(place, layout.shape, strict=True) if at is None
        )
        if plane_bytes > _SMALL_PLANE_BYTES and n_files > _MOST_MISSING * n_stored:
            raise ImageError(
                f"{where} claims {plane_bytes} bytes, but only {n_stored} of its {n_files} chunks are stored",
                hint=COPY_AGAIN,
            )
        return n_files, n_missing

    def _check_file(self, where: str, cell: tuple[int, ...], place: Sequence[int | None]) -> bool:
        """Return whether a cell's file is there, after a look into it."""
        path = self._folder / self.layout.file_name(cell)
        try:
            # O_NONBLOCK: opening a pipe would wait for its other end
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(handle, "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise ImageError(f"{where} cannot be read: {path} is no file")
                if self.layout.shard is None:
                    self._check_chunk(where, path, file, 0, status.st_size)
                else:
                    for start, length in self._inner(where, path, file, status.st_size, cell, place):
                        self._check_chunk(where, path, file, start, length)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise ImageError(f"{where} cannot be read: {path}: {error.strerror or error}") from error
        return True

    def _check_chunk(self, where: str, path: Path, file: BinaryIO, start: int, length: int) -> None:
        layout = self.layout
        length = max(0, length - layout.trailing_bytes)
        fault = fault_of(layout.compression, file, start, length, layout.chunk_bytes)
        if fault is not None:
            raise ImageError(f"{where} is damaged: a chunk in {path} {fault}", hint=COPY_AGAIN)

    def _inner(
        self, where: str, path: Path, file: BinaryIO, size: int, cell: tuple[int, ...], place: Sequence[int | None]
    ) -> Iterator[tuple[int, int]]:
        """Yield start and length of each chunk that a plane needs of a shard; one of the fill value has none."""
        layout, shard = self.layout, self.layout.shard
        assert shard is not None
        grid = [cell // chunk for cell, chunk in zip(layout.cell_shape, layout.chunk_shape, strict=True)]
        index_bytes = 16 * math.prod(grid)
        if size < index_bytes + shard.trailing_bytes:
            raise ImageError(f"{where} is damaged: {path} is smaller than its index", hint=COPY_AGAIN)
        file.seek(size - index_bytes - shard.trailing_bytes if shard.at_end else 0)
        index = np.frombuffer(file.read(index_bytes), "<u8").reshape(*grid, 2)
        needed = [
            range(n) if at is None else [(at - first * length) // chunk]
            for at, first, length, chunk, n in zip(
                place, cell, layout.cell_shape, layout.chunk_shape, grid, strict=True
            )
        ]
        for inner in itertools.product(*needed):
            start, length = (int(number) for number in index[inner])
            if start == length == _NO_CHUNK:
                continue
            if start + length > size:
                raise ImageError(f"{where} is damaged: {path} ends before its chunks do", hint=COPY_AGAIN)
            yield start, length

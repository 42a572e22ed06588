"""Batches of tiles, read and prepared by a separate thread while the network works on the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from hcc_scope.workers import Broken, Channel, Closed, ErrorLatch, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileReader

__all__ = ["Batch", "Prefetch"]

_AHEAD_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Batch:
    """Some tiles, ready for the network."""

    rows: NDArray[np.int64]
    counts: NDArray[np.float32]
    """(b, 1, y, x)."""


class Prefetch:
    """A context manager that is iterated once; its thread has ended when the ``with`` is left, however it is left.

    Parameters
    ----------
    reader : TileReader
        Where tiles come from.
    batches : sequence of ndarray
        Rows of each batch, in order.
    prepare : callable
        Takes a tile (tile, tile) uint16 and its row; returns it, or a part of it, as float32; all of one size.
    ahead_bytes : int
        How much may wait.
    """

    def __init__(
        self,
        reader: TileReader,
        batches: Sequence[NDArray[np.int64]],
        prepare: Callable[[NDArray[np.uint16], int], NDArray[np.float32]],
        ahead_bytes: int = _AHEAD_BYTES,
    ) -> None:
        self._reader = reader
        self._batches = batches
        self._prepare = prepare
        self._channel: Channel[Batch] = Channel(ahead_bytes)
        self._latch = ErrorLatch()
        self._worker = Worker("prefetch", self._read, self._latch.set, self._channel.close)

    def _read(self) -> None:
        try:
            for rows in self._batches:
                tiles = self._reader.read(rows)
                ready = [self._prepare(tile, int(row)) for tile, row in zip(tiles, rows, strict=True)]
                counts = np.stack(ready)[:, None]
                self._channel.put(Batch(rows, counts), counts.nbytes)
        except Broken:  # the rest is not wanted
            return

    def __iter__(self) -> Iterator[Batch]:
        while True:
            try:
                batch = self._channel.get()
            except Closed:
                break
            yield batch
        if self._latch.error is not None:
            raise self._latch.error

    def __enter__(self) -> Self:
        self._worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.break_()
        self._worker.join()

"""Thumbnails of tiles, made off the Qt thread from the stored frames, kept as long as there is room.

A frame is read once for all its tiles. The newest request is served first, and requests that scrolled out of sight
are dropped, so that scrolling fast through ten thousand tiles never queues ten thousand reads.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QImage

from hcc_scope.thumbnails import block_means
from hcc_scope.tiling import TileGrid
from ui.canvas.luts import display_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hcc_scope.types import Frame
    from ui.kit.jobs import JobRunner

__all__ = ["Thumbnails", "make_thumbnails"]

TILE_PX = 512
"""Until a section is shown, which brings the size of its tiles."""
_CAPACITY_BYTES = 96 * 2**20
_MOST_WAITING = 64
"""Frames; more than two screens of tiles of as many different fields."""
RETRY_S = 2.0
"""A field of a running section may not be on disk yet."""


def make_thumbnails(pixels: NDArray[np.uint16], grid: TileGrid, side_px: int) -> NDArray[np.uint8]:
    """Return all tiles of a frame, small, with the contrast of the whole frame so that they can be compared.

    Parameters
    ----------
    pixels : (y, x) uint16
    grid : TileGrid
        For this frame's shape.
    side_px : int
        Least side; a tile is reduced by a whole number to this or just above.

    Returns
    -------
    (n, s, s) uint8
    """
    low, high = display_limits(pixels)
    reduction = max(1, grid.tile_px // side_px)
    side = grid.tile_px // reduction
    small = np.empty((grid.n, side, side), dtype=np.uint8)
    for thumbnail, tile in zip(small, grid.views(pixels), strict=True):
        thumbnail[...] = np.clip((block_means(tile, reduction) - low) * (255.0 / (high - low)), 0, 255)
    return small


class Thumbnails(QObject):
    """The cache; painting asks it, so it answers at once with what there is.

    Parameters
    ----------
    jobs : JobRunner
        Reads and reduces on its worker ``disk``.
    parent : QObject, optional
    """

    arrived = Signal(int)
    """A field's number: its thumbnails are there now, or could not be made."""

    def __init__(self, jobs: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._reader: Callable[[int], Frame] | None = None
        self._tile_px = TILE_PX
        self._side_px = 128
        self._generation = 0
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._kept_bytes = 0
        self._waiting: OrderedDict[int, None] = OrderedDict()
        self._in_work: int | None = None
        self._problems: dict[int, tuple[float, str]] = {}
        self._again = QTimer(self, singleShot=True, interval=int(RETRY_S * 1000) + 50)
        self._again.timeout.connect(self._retry)

    def set_reader(self, reader: Callable[[int], Frame] | None) -> None:
        """Take the frames from elsewhere; forgets everything."""
        self._reader = reader
        self._forget()

    def set_tile_px(self, tile_px: int) -> None:
        """Cut tiles of this size, as for the model; tiles of another size would be other tiles."""
        if tile_px != self._tile_px:
            self._tile_px = tile_px
            self._forget()

    def set_side_px(self, side_px: int) -> None:
        """Make thumbnails of at least this many physical px."""
        if side_px != self._side_px:
            self._side_px = side_px
            self._forget()

    def _forget(self) -> None:
        self._generation += 1
        self._kept.clear()
        self._kept_bytes = 0
        self._waiting.clear()
        self._problems.clear()
        self._in_work = None
        self._again.stop()

    def get(self, seq: int, index: int) -> QImage | None:
        """Return a tile's thumbnail, or None and request it (`arrived` follows)."""
        tiles = self._kept.get(seq)
        if tiles is not None:
            self._kept.move_to_end(seq)
            if index >= len(tiles):
                return None
            tile = tiles[index]
            side = tile.shape[0]
            return QImage(tile.data, side, side, side, QImage.Format.Format_Grayscale8).copy()
        self._ask(seq)
        return None

    def problem(self, seq: int) -> str | None:
        """Return why a field's thumbnails could not be made, or None."""
        return self._problems[seq][1] if seq in self._problems else None

    def _ask(self, seq: int) -> None:
        if self._reader is None or seq == self._in_work:
            return
        if seq in self._problems and time.monotonic() - self._problems[seq][0] < RETRY_S:
            return
        self._waiting[seq] = None
        self._waiting.move_to_end(seq)
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.popitem(last=False)
        self._work()

    def _work(self) -> None:
        if self._in_work is not None or not self._waiting or self._reader is None:
            return
        seq, _ = self._waiting.popitem()
        self._in_work = seq
        reader, side_px, generation = self._reader, self._side_px, self._generation
        tile_px = self._tile_px

        def make() -> NDArray[np.uint8]:
            frame = reader(seq)
            return make_thumbnails(frame.pixels, TileGrid.for_frame(frame.pixels.shape, tile_px), side_px)

        self._jobs.submit(
            "disk", make, lambda tiles: self._take(generation, seq, tiles), lambda why: self._fail(generation, seq, why)
        )

    def _take(self, generation: int, seq: int, tiles: NDArray[np.uint8]) -> None:
        if generation != self._generation:
            return
        self._kept[seq] = tiles
        self._kept_bytes += tiles.nbytes
        while self._kept_bytes > _CAPACITY_BYTES and len(self._kept) > 1:
            self._kept_bytes -= self._kept.popitem(last=False)[1].nbytes
        self._problems.pop(seq, None)
        self._next(seq)

    def _fail(self, generation: int, seq: int, why: str) -> None:
        if generation != self._generation:
            return
        self._problems[seq] = (time.monotonic(), why)
        self._again.start()
        self._next(seq)

    def _next(self, seq: int) -> None:
        self._in_work = None
        self.arrived.emit(seq)
        self._work()

    @Slot()
    def _retry(self) -> None:
        """Let the fields that could not be read be painted again, which requests them again."""
        for seq in self._problems:
            self.arrived.emit(seq)

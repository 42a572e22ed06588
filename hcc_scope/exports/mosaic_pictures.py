"""What is drawn for each field of a mosaic: its frame, or the probabilities of its tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.errors import StoreDamagedError
from hcc_scope.shading.correction import analysed_pixels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from hcc_scope.exports.geometry import SectionGeometry
    from hcc_scope.exports.section_tiles import SectionTiles
    from hcc_scope.shading.correction import Shading
    from hcc_scope.storage.reader import SectionStore

__all__ = ["FramePictures", "TileProbabilities"]

_AHEAD = 3
"""Frames that are read while others are drawn."""


class FramePictures:
    """The frames of a section as they lie in the mosaic; each is compared with its checksum.

    Parameters
    ----------
    store : SectionStore
    geometry : SectionGeometry
    shading : Shading, optional
        What they are corrected by.
    """

    kind = "mosaic"
    dtype: np.dtype[Any] = np.dtype(np.uint16)
    fill = 0.0

    def __init__(self, store: SectionStore, geometry: SectionGeometry, shading: Shading | None) -> None:
        self._store, self._geometry, self._shading = store, geometry, shading
        self.damaged: dict[int, str] = {}
        """`seq` of the frames that could not be read, and why."""

    def read(self, seqs: Iterable[int]) -> Iterator[NDArray[np.uint16] | None]:
        """Yield the pictures (y, x) of fields; None of a damaged one."""
        asked: list[int] = []

        def noted() -> Iterator[int]:
            for seq in seqs:
                asked.append(seq)
                yield seq

        for frame in self._store.read_ahead(noted(), _AHEAD):
            seq = asked.pop(0)
            if isinstance(frame, StoreDamagedError):
                self.damaged[seq] = str(frame)
                yield None
            else:
                upright = self._geometry.upright(analysed_pixels(frame.pixels, self._shading))
                yield np.ascontiguousarray(upright)


class TileProbabilities:
    """The probabilities of the tiles that enter a section's score, each over all of its pixels; NaN elsewhere.

    A field whose frame is damaged is left out, as in the mosaic: one that lies below it shows in both. So each frame is
    read once, and compared with its checksum.

    Where tiles of a field overlap, at its far edges, the later one is drawn.

    Parameters
    ----------
    geometry : SectionGeometry
    tiles : SectionTiles
    """

    kind = "heatmap"
    dtype: np.dtype[Any] = np.dtype(np.float32)
    fill = float("nan")

    def __init__(self, geometry: SectionGeometry, tiles: SectionTiles) -> None:
        self._store = tiles.store
        self._checked: set[int] = set()
        self._shape_yx, self._tile_px = geometry.field_shape_yx, tiles.grid.tile_px
        self._corners = geometry.tile_corners_px(tiles.grid).tolist()
        self._rows = {seq: row for row, seq in enumerate(tiles.columns.seqs.tolist())}
        self._probabilities = np.where(tiles.included(), tiles.columns.probabilities, np.float32(np.nan))
        self.damaged: dict[int, str] = {}
        """`seq` of the frames that could not be read, and why."""

    def read(self, seqs: Iterable[int]) -> Iterator[NDArray[np.float32] | None]:
        """Yield the pictures (y, x) of fields; None of a damaged one."""
        for seq in seqs:
            self._check(seq)
            if seq in self.damaged:
                yield None
                continue
            picture = np.full(self._shape_yx, np.nan, np.float32)
            if seq in self._rows:
                probabilities = self._probabilities[self._rows[seq]].tolist()
                for (x, y), probability in zip(self._corners, probabilities, strict=True):
                    picture[y : y + self._tile_px, x : x + self._tile_px] = probability
            yield picture

    def _check(self, seq: int) -> None:
        if seq in self._checked:
            return
        self._checked.add(seq)
        try:
            self._store.read(seq)
        except StoreDamagedError as error:
            self.damaged[seq] = str(error)

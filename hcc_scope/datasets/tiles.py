"""The usable tiles of a labelled set, as training and evaluation see them: a table, and pixels on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled_image import LabelledImage
    from hcc_scope.datasets.landmarks import Overlap

__all__ = ["ArrayTiles", "TileReader", "TileTable"]


class TileReader(Protocol):
    """Where the pixels of tiles come from; safe from any thread, and memory stays bounded however many there are."""

    def read(self, rows: Sequence[int] | NDArray[np.integer]) -> NDArray[np.uint16]:
        """Return tiles (k, tile, tile) of raw counts, in the order asked for; the caller owns them."""


@dataclass(frozen=True, slots=True)
class ArrayTiles:
    """Tiles in memory: for small sets and tests."""

    tiles: NDArray[np.uint16]
    """(n, tile, tile)."""

    def read(self, rows: Sequence[int] | NDArray[np.integer]) -> NDArray[np.uint16]:
        """Return a copy of the tiles asked for."""
        return self.tiles[np.asarray(rows, dtype=np.intp)]


@dataclass(frozen=True, slots=True)
class TileTable:
    """One row per tile that passed quality; rows of one image are consecutive and in `TileGrid` order."""

    images: tuple[LabelledImage, ...]
    """All images of the set, also those without a usable tile."""
    image_index: NDArray[np.int64]
    """(n,) into `images`, ascending."""
    tile_index: NDArray[np.int64]
    """(n,) number of the tile in its image's `TileGrid`."""
    reader: TileReader = field(compare=False)
    tile_px: int = 512
    digests: tuple[str, ...] = ()
    """sha256 over the pixels of each of `images`: equal for copies, whatever their files are called."""
    overlaps: tuple[Overlap, ...] = ()
    """Pairs of `images` whose usable tiles share pixels, in whatever way they are turned; those with most first."""
    excluded: dict[str, int] = field(default_factory=dict)
    """Tiles left out, by the name of the `QualityFlag`; a tile counts under each of its reasons."""

    def __len__(self) -> int:
        """Return the number of usable tiles."""
        return len(self.image_index)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) 0 for low, 1 for high."""
        return self.of_images([image.label for image in self.images])

    def of_images(self, values: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (n,) the value of each tile's image."""
        return np.asarray(values, dtype=np.int64)[self.image_index]

    def rows_of(self, images: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the rows of some images (indices into `images`), ascending."""
        return np.flatnonzero(np.isin(self.image_index, np.asarray(images, dtype=np.int64)))

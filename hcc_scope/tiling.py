"""Cut a frame of any size into the square tiles that the model takes.

A grid depends on the frame's shape alone, so it is made once per run. Tiles are laid side by side from the upper left
corner; where the frame is no multiple of the tile, the last row or column is anchored to the far edge and overlaps its
neighbour, so every pixel is seen and no tile is padded. Tiles are numbered row by row.

Examples
--------
>>> grid = TileGrid.for_frame((1024, 1100))
>>> grid.shape_rc, grid.n
((2, 3), 6)
>>> grid.origins_yx[:3].tolist()
[[0, 0], [0, 512], [0, 588]]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import FrameSizeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.orientation import Orientation

__all__ = ["TileGrid"]


@dataclass(frozen=True, slots=True)
class TileGrid:
    """Where the tiles of one frame shape lie. Make it with `TileGrid.for_frame`."""

    frame_shape_yx: tuple[int, int]
    tile_px: int
    shape_rc: tuple[int, int]
    """Rows and columns of tiles."""
    origins_yx: NDArray[np.intp] = field(compare=False, repr=False)
    """(n, 2) upper left pixel of each tile; read-only."""
    rows_cols: NDArray[np.intp] = field(compare=False, repr=False)
    """(n, 2) row and column of each tile in the grid; read-only."""

    @classmethod
    def for_frame(cls, shape_yx: tuple[int, int], tile_px: int = 512) -> TileGrid:
        """Lay out the fewest tiles that cover a frame.

        Parameters
        ----------
        shape_yx : (int, int)
            The frame's height and width in px.
        tile_px : int
            Side of a tile in px.

        Raises
        ------
        FrameSizeError
            If the frame is smaller than one tile in either direction.
        ValueError
            If `tile_px` is not positive.
        """
        if tile_px <= 0:
            raise ValueError(f"tile_px must be positive, not {tile_px}")
        height_px, width_px = int(shape_yx[0]), int(shape_yx[1])
        if height_px < tile_px or width_px < tile_px:
            raise FrameSizeError(
                f"the frame is {height_px} x {width_px} px (height x width), smaller than one tile of "
                f"{tile_px} x {tile_px} px",
                hint="Use a larger camera region, less binning, or a model with smaller tiles",
            )
        ys, xs = _starts(height_px, tile_px), _starts(width_px, tile_px)
        rows, cols = np.divmod(np.arange(len(ys) * len(xs)), len(xs))
        origins_yx = np.stack([ys[rows], xs[cols]], axis=1)
        rows_cols = np.stack([rows, cols], axis=1)
        origins_yx.flags.writeable = False
        rows_cols.flags.writeable = False
        return cls((height_px, width_px), tile_px, (len(ys), len(xs)), origins_yx, rows_cols)

    @property
    def n(self) -> int:
        """How many tiles."""
        return len(self.origins_yx)

    def centres_um(self, orientation: Orientation, pixel_size_um: float) -> NDArray[np.float64]:
        """Return where the tiles' centres lie on the stage, from the frame's position.

        Returns
        -------
        (n, 2) ndarray
            x, y in um.
        """
        offsets_yx_px = self.origins_yx + self.tile_px / 2 - np.array(self.frame_shape_yx) / 2
        return orientation.to_stage_um(offsets_yx_px[:, ::-1], pixel_size_um)

    def views(self, pixels: NDArray[np.uint16]) -> list[NDArray[np.uint16]]:
        """Return the n tiles (tile, tile) of a frame as views into it: nothing is copied.

        Raises
        ------
        FrameSizeError
            If the frame has another shape than this grid.
        """
        self._check(pixels)
        t = self.tile_px
        return [pixels[y : y + t, x : x + t] for y, x in self.origins_yx.tolist()]

    def cut(
        self, pixels: NDArray[np.uint16], indices: Sequence[int] | NDArray[np.integer] | None = None
    ) -> NDArray[np.uint16]:
        """Copy tiles into one contiguous array.

        Parameters
        ----------
        pixels : (y, x) ndarray
            A frame of this grid's shape.
        indices : sequence of int, optional
            Which tiles, in the order wanted; all by default.

        Returns
        -------
        (k, tile, tile) ndarray of the frame's dtype

        Raises
        ------
        FrameSizeError
            If the frame has another shape than this grid.
        IndexError
            If there is no such tile.
        """
        views = self.views(pixels)
        chosen = range(self.n) if indices is None else [int(i) for i in indices]
        tiles = np.empty((len(chosen), self.tile_px, self.tile_px), dtype=pixels.dtype)
        for tile, index in zip(tiles, chosen, strict=True):
            tile[...] = views[index]
        return tiles

    def _check(self, pixels: NDArray[np.uint16]) -> None:
        if pixels.shape != self.frame_shape_yx:
            got = " x ".join(str(side) for side in pixels.shape)
            height_px, width_px = self.frame_shape_yx
            raise FrameSizeError(
                f"a frame of {got} px does not fit the tile grid, which is for {height_px} x {width_px} px",
                hint="All frames of a run must have one size",
            )


def _starts(length_px: int, tile_px: int) -> NDArray[np.intp]:
    """Return the first pixel of each tile along one side; the last is anchored to the far edge."""
    n_tiles = -(-length_px // tile_px)
    return np.minimum(np.arange(n_tiles, dtype=np.intp) * tile_px, length_px - tile_px)

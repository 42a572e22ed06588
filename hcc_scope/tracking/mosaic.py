"""The live mosaic of everything that was seen, by island: small pictures laid where the field was when they were taken.

It is for the eye: nothing is measured in it. What was seen is kept in square tiles of one byte a pixel. If a section
grows beyond the memory that is allowed, every tile is reduced to half its side, and the mosaic goes on coarser; where
that frees too little, what changed longest ago is forgotten.

Where ground is seen again, the newer picture replaces the older one unless it is less sharp there. Sharpness is
compared on the same ground, cell by cell, so that it needs no threshold for kinds of tissue, and it is relative to the
brightness, so that it needs none for the light. A position that is corrected later moves nothing.

Examples
--------
>>> from hcc_scope.tracking import Place
>>> mosaic = SeenMosaic((1024, 1024), 0.65, bit_depth=12)
>>> mosaic.add(Place(0, 1000.0, -200.0, 0.4), np.full((256, 256), 900.0))
>>> change = mosaic.changes()
>>> change.um_per_px, len(change.tiles), mosaic.changes(change.version).tiles
(2.6, 4, ())
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.orientation import Orientation
from hcc_scope.tracking.course import Course
from hcc_scope.tracking.mosaic_pictures import (
    CELL_PX,
    NOT_SEEN,
    block_means,
    coded,
    halved,
    reduced,
    sharpness,
    turned_back,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from hcc_scope.tracking.course import Stretch
    from hcc_scope.tracking.view import Place, TrackView

__all__ = ["MAX_BYTES", "TILE_PX", "MosaicChange", "MosaicTile", "SeenMosaic"]

TILE_PX = 256
"""Side of a tile."""
MAX_BYTES = 32 * 2**20
"""Of the pictures of one mosaic, by default: 230 mm² at 2.6 um per px before it becomes coarser."""
_FIELD_PX = 256
"""Side of a square field in the mosaic, about; that of the pictures that the tracker reduces."""
_AS_SHARP = 0.8
"""A picture replaces another one from this share of its sharpness on: noise alone must not keep the older one."""
_LEAST_SHARE = 0.25
"""Of a cell: the sharpness of less is chance, so that less only fills ground that was not seen."""
_TILE_BYTES = TILE_PX**2 + 4 * (TILE_PX // CELL_PX) ** 2
_LEAST_TILES = 16
_WORTH_IT = 0.75
"""A coarser mosaic takes at most this share of the tiles, or it is not made."""
_LEAST_FIELD_PX = 32
"""A field is at least so long, however large the section is: smaller, it could not be recognised."""
_TILTED_DEG = 0.1
"""From this tilt of the camera on the picture is turned back: a quarter of a pixel at a field's corner."""


@dataclass(frozen=True, slots=True)
class MosaicTile:
    """A square part of the mosaic as it is now. It does not change any more: a newer one takes its place."""

    island: int
    row: int
    column: int
    version: int
    """Grows with every change of any tile."""
    box_um: tuple[float, float, float, float]
    """Left, top, width and height in the coordinates of the island."""
    pixels: NDArray[np.uint8]
    """(TILE_PX, TILE_PX), read-only: `NOT_SEEN`, or the square root of the light between 1 (none) and 255 (full
    scale), as `SeenMosaic.counts` gives it."""

    @property
    def key(self) -> tuple[int, int, int]:
        """Which place it takes."""
        return self.island, self.row, self.column


@dataclass(frozen=True, slots=True)
class MosaicChange:
    """What changed since an earlier version."""

    version: int
    """To be given at the next time."""
    um_per_px: float
    """Of every tile."""
    anew: bool
    """Whether earlier tiles are void: the mosaic has become coarser, or has forgotten a part."""
    tiles: tuple[MosaicTile, ...]


Key = tuple[int, int, int]
"""Island, row and column of a tile."""


class SeenMosaic:
    """The mosaic of one section. One thread adds; any thread may read meanwhile.

    Parameters
    ----------
    shape_yx : (int, int)
        Of a whole frame.
    um_per_px : float
        Of a whole frame.
    orientation : Orientation, optional
        How the camera lies over the stage.
    bit_depth : int
        Of the camera: full scale is the brightest value of a tile.
    max_bytes : int
        Bound of what all tiles take; at least that of 16 tiles.

    Raises
    ------
    ValueError
        If a size is not positive, or `max_bytes` is less than the least.
    """

    def __init__(
        self,
        shape_yx: tuple[int, int],
        um_per_px: float,
        orientation: Orientation | None = None,
        *,
        bit_depth: int = 16,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        if min(shape_yx) < 1 or not um_per_px > 0:
            raise ValueError(f"a mosaic needs the size of a frame, not {shape_yx} px of {um_per_px} um")
        if max_bytes < _LEAST_TILES * _TILE_BYTES:
            raise ValueError(f"a mosaic needs at least {_LEAST_TILES * _TILE_BYTES} bytes, not {max_bytes}")
        self._shape_yx, self._frame_um_per_px = shape_yx, um_per_px
        self._orientation = Orientation() if orientation is None else orientation
        self._full_scale = float(2**bit_depth - 1)
        self._most_tiles = max_bytes // _TILE_BYTES
        self._lock = threading.Lock()
        self._tiles: dict[Key, MosaicTile] = {}
        self._sharpness: dict[Key, NDArray[np.float32]] = {}
        """(cells, cells) of each tile; of a cell in parts, that of the sharpest; 0 where next to nothing was seen."""
        self._boxes: dict[int, tuple[float, float, float, float]] = {}
        self._version = self._anew = 0
        self._picture_yx: tuple[int, int] | None = None
        self._um_per_px = 0.0
        self._step = 1
        """Pixels of a picture along one of the mosaic's finest."""
        self._halvings = 0
        """How often the mosaic was made coarser."""
        self._untilted: NDArray[np.intp] | None = None
        self._course = Course(min(shape_yx) * um_per_px)

    # -- adding --------------------------------------------------------------------------------------------------------

    def see(self, track: TrackView, picture: NDArray[Any]) -> None:
        """Take a live frame: its picture is laid where the field is, if that is known.

        Parameters
        ----------
        track : TrackView
            What the tracker made of the frame.
        picture : (y, x) ndarray
            As in `add`.
        """
        if track.place is None:
            with self._lock:
                self._course.interrupt()
        else:
            self.add(track.place, picture)

    def add(self, place: Place, picture: NDArray[Any]) -> None:
        """Lay a picture of the whole field.

        Parameters
        ----------
        place : Place
            Of the frame's centre.
        picture : (y, x) ndarray
            Counts of the whole frame, reduced by a whole number or not; of one size during a section.

        Raises
        ------
        ValueError
            If its size differs from that of the pictures before, or is no reduced frame's.
        """
        if self._picture_yx is None:
            self._begin(picture)
        elif picture.shape != self._picture_yx:
            raise ValueError(f"the mosaic is made of pictures of {self._picture_yx} px, not {picture.shape}")
        whole = self._upright(picture)
        with self._lock:
            while True:
                small = reduced(whole, self._halvings)
                top, left = self._corner_px(place, small.shape)
                keys = _keys(place.island, top, left, small.shape)
                if len(self._tiles) + sum(key not in self._tiles for key in keys) <= self._most_tiles:
                    break
                self._make_room(keys)
            self._lay(keys, top, left, small)
            c = self._um_per_px
            self._grow(place.island, (left * c, top * c, small.shape[1] * c, small.shape[0] * c))
            self._course.move(place)

    def _begin(self, picture: NDArray[Any]) -> None:
        step = self._shape_yx[0] // max(1, picture.shape[0])
        if step < 1 or tuple(n // step for n in self._shape_yx) != picture.shape:
            raise ValueError(f"a picture of {picture.shape} px is no reduced frame of {self._shape_yx} px")
        self._picture_yx = (picture.shape[0], picture.shape[1])
        self._step = max(1, round(math.sqrt(picture.shape[0] * picture.shape[1]) / _FIELD_PX))
        self._um_per_px = self._step * step * self._frame_um_per_px
        if self._orientation.tilt_deg > _TILTED_DEG:
            rows, columns = (n // self._step for n in picture.shape)
            self._untilted = turned_back((rows, columns), self._orientation)

    def _upright(self, picture: NDArray[Any]) -> NDArray[np.uint8]:
        """Return a picture in the stage's axes, as the tiles show it."""
        codes = coded(block_means(picture, self._step), self._full_scale)
        if self._untilted is None:
            return np.ascontiguousarray(self._orientation.upright(codes))
        flat = np.append(codes.ravel(), np.uint8(NOT_SEEN))
        return flat[self._untilted]

    def _corner_px(self, place: Place, shape_yx: tuple[int, ...]) -> tuple[int, int]:
        height, width = shape_yx
        c = self._um_per_px
        return round(place.y_um / c - height / 2), round(place.x_um / c - width / 2)

    def _lay(self, keys: list[Key], top: int, left: int, small: NDArray[np.uint8]) -> None:
        rows, columns = _cells_around(top, small.shape[0]), _cells_around(left, small.shape[1])
        laid = np.full((len(rows) * CELL_PX, len(columns) * CELL_PX), NOT_SEEN, np.uint8)  # whole cells around it
        y, x = top - rows.start * CELL_PX, left - columns.start * CELL_PX
        laid[y : y + small.shape[0], x : x + small.shape[1]] = small
        sharp, share = sharpness(laid)
        known = self._known_sharpness(keys, rows, columns)
        wins = (share >= _LEAST_SHARE) & (sharp >= _AS_SHARP * known)
        stays = np.where(wins, np.where(share < 1.0, np.maximum(sharp, known), sharp), known)
        replaces = wins.repeat(CELL_PX, 0).repeat(CELL_PX, 1)
        seen = laid != NOT_SEEN
        for key in keys:
            (cells_y, from_cells_y), (cells_x, from_cells_x) = _cells_of(key, rows, columns)
            into, part = (np.s_[_px(cells_y), _px(cells_x)], np.s_[_px(from_cells_y), _px(from_cells_x)])
            old = self._tiles.get(key)
            pixels = np.full((TILE_PX, TILE_PX), NOT_SEEN, np.uint8) if old is None else old.pixels.copy()
            where = (replaces[part] | (pixels[into] == NOT_SEEN)) & seen[part]
            if where.any():
                np.copyto(pixels[into], laid[part], where=where)
                cells = self._sharpness.setdefault(key, np.zeros((TILE_PX // CELL_PX,) * 2, np.float32))
                cells[cells_y, cells_x] = stays[from_cells_y, from_cells_x]
                self._put(*key, pixels)

    def _known_sharpness(self, keys: list[Key], rows: range, columns: range) -> NDArray[np.float32]:
        """Return the sharpness of what lies in the cells (rows, columns) now."""
        known = np.zeros((len(rows), len(columns)), np.float32)
        for key in keys:
            tile, cells = self._tiles.get(key), self._sharpness.get(key)
            if tile is not None and cells is None:  # it was made coarser, and is measured when it is needed
                cells = self._sharpness[key] = sharpness(tile.pixels)[0]
            if cells is not None:
                (into_y, from_y), (into_x, from_x) = _cells_of(key, rows, columns)
                known[from_y, from_x] = cells[into_y, into_x]
        return known

    def _put(self, island: int, row: int, column: int, pixels: NDArray[np.uint8]) -> None:
        self._version += 1
        pixels.setflags(write=False)
        side_um = TILE_PX * self._um_per_px
        box_um = (column * side_um, row * side_um, side_um, side_um)
        self._tiles[island, row, column] = MosaicTile(island, row, column, self._version, box_um, pixels)

    def _grow(self, island: int, box: tuple[float, float, float, float]) -> None:
        known = self._boxes.get(island, box)
        left, top = min(known[0], box[0]), min(known[1], box[1])
        right = max(known[0] + known[2], box[0] + box[2])
        bottom = max(known[1] + known[3], box[1] + box[3])
        self._boxes[island] = (left, top, right - left, bottom - top)

    # -- the bound -----------------------------------------------------------------------------------------------------

    def _make_room(self, needed: Collection[Key]) -> None:
        """Make the mosaic coarser; where that frees too little, forget the tile that changed longest ago."""
        coarser = {(island, row >> 1, column >> 1) for island, row, column in self._tiles}
        field_px = min(self._shape_yx) * self._frame_um_per_px / self._um_per_px
        if len(coarser) <= _WORTH_IT * len(self._tiles) and field_px >= 2 * _LEAST_FIELD_PX:
            self._halve()
        else:
            oldest = min((tile for tile in self._tiles.values() if tile.key not in needed), key=lambda t: t.version)
            del self._tiles[oldest.key]
            self._sharpness.pop(oldest.key, None)
            if all(island != oldest.island for island, _, _ in self._tiles):
                self._boxes.pop(oldest.island, None)
        self._version += 1
        self._anew = self._version

    def _halve(self) -> None:
        old, self._tiles, self._sharpness = self._tiles, {}, {}
        self._um_per_px *= 2
        self._halvings += 1
        half = TILE_PX // 2
        merged: dict[Key, NDArray[np.uint8]] = {}
        for (island, row, column), tile in old.items():
            key = (island, row >> 1, column >> 1)
            pixels = merged.setdefault(key, np.full((TILE_PX, TILE_PX), NOT_SEEN, np.uint8))
            top, left = (row & 1) * half, (column & 1) * half
            pixels[top : top + half, left : left + half] = halved(tile.pixels)
        for key, pixels in merged.items():
            self._put(*key, pixels)

    # -- reading -------------------------------------------------------------------------------------------------------

    def changes(self, since: int = 0) -> MosaicChange:
        """Return the tiles that changed since a version; all of them for version 0."""
        with self._lock:
            anew = since < self._anew
            tiles = tuple(tile for tile in self._tiles.values() if anew or tile.version > since)
            return MosaicChange(self._version, self._um_per_px, anew, tiles)

    @property
    def version(self) -> int:
        """Grows with every change of a tile."""
        return self._version

    @property
    def n_bytes(self) -> int:
        """What the tiles take now."""
        with self._lock:
            return len(self._tiles) * _TILE_BYTES

    def boxes_um(self) -> dict[int, tuple[float, float, float, float]]:
        """Return left, top, width and height of what was seen of each island, in its own coordinates."""
        with self._lock:
            return dict(self._boxes)

    def course_um(self) -> tuple[Stretch, ...]:
        """Return the way that the field went, as (island, (n, 2) x and y) of each stretch without interruption."""
        with self._lock:
            return self._course.stretches()

    def counts(self) -> NDArray[np.float64]:
        """Return the camera's counts that each value of a tile stands for: (256,), NaN for `NOT_SEEN`."""
        light = (np.arange(256) - 1.0) / 254.0
        counts: NDArray[np.float64] = np.square(light) * self._full_scale
        counts[NOT_SEEN] = np.nan
        return counts


def _cells_around(start_px: int, n_px: int) -> range:
    """Return the numbers of the cells that n_px pixels from start_px on touch."""
    return range(start_px // CELL_PX, (start_px + n_px - 1) // CELL_PX + 1)


def _px(cells: slice) -> slice:
    """Return the pixels of cells."""
    return slice(cells.start * CELL_PX, cells.stop * CELL_PX)


def _overlap(offset: int, n: int, room: int) -> tuple[slice, slice]:
    """Return the part of `room` that n values, the first at `offset`, fill, and which of the values these are."""
    start, stop = max(0, offset), max(0, min(room, offset + n))
    return slice(start, stop), slice(start - offset, max(start, stop) - offset)


def _cells_of(key: Key, rows: range, columns: range) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    cells = TILE_PX // CELL_PX
    _, row, column = key
    return (
        _overlap(rows.start - row * cells, len(rows), cells),
        _overlap(columns.start - column * cells, len(columns), cells),
    )


def _keys(island: int, top: int, left: int, shape_yx: tuple[int, ...]) -> list[Key]:
    height, width = shape_yx
    return [
        (island, row, column)
        for row in range(top // TILE_PX, (top + height - 1) // TILE_PX + 1)
        for column in range(left // TILE_PX, (left + width - 1) // TILE_PX + 1)
    ]

"""A mosaic, block by block: which fields show in each block, when their frames are read, and how they are drawn.

Design
------
- The plan rests on places alone, so it is known before a pixel is read: which fields are hidden by later ones, which
  frame is needed when, and when it can be forgotten. Memory is that of the frames under one row of blocks, and at most
  `MOST_HELD_BYTES` of frames: beyond that a frame is forgotten and read again later.
- A block has full size at the mosaic's far edges too. What no field covers, there and elsewhere, has the fill value
  and takes no part in the means of smaller levels.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hcc_scope.exports.geometry import SectionGeometry

__all__ = ["BLEND_DEPTH", "BLOCK_PX", "Block", "BlockPlan", "Painter", "blend_weights", "halved", "plan_rows"]

BLOCK_PX = 1024
"""Side of a block: one chunk of OME-Zarr, four tiles of a TIFF."""
MOST_HELD_BYTES = 768 * 2**20
_STRIP_PX = 128
"""Rows that are halved at once: their sums stay in the processor's cache. Large arrays come as fresh memory each time,
which takes several times as long as the sums."""
BLEND_DEPTH = 4
"""So many fields are blended at one place, the latest ones: a grid has no more at its corners."""

Rectangle = tuple[slice, slice, slice, slice]
"""Rows and columns of a block, and rows and columns of a field's picture: the part that they share."""


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """What one block of the full resolution needs."""

    row: int
    column: int
    shown: tuple[int, ...]
    """`seq` of the fields that show in it, the latest first."""
    rectangles: tuple[Rectangle, ...]
    """Of each of them."""
    loads: tuple[int, ...]
    """`seq` of frames that are read for it, in this order."""
    drops: tuple[int, ...]
    """`seq` of frames that are forgotten after it."""
    streamed: bool
    """Whether so many fields show that each is drawn as it is read, and not kept."""


@dataclass(frozen=True, slots=True)
class Block:
    """The pixels of a block, or of a part of it."""

    pixels: NDArray[Any]
    """(y, x); the fill value where no field covers it."""
    mask: NDArray[np.bool_] | None
    """(y, x): where a field covers it; None: everywhere."""


def plan_rows(geometry: SectionGeometry, picture_bytes: int, depth: int = 1) -> Iterator[list[BlockPlan]]:
    """Yield the blocks of a mosaic with a field in them, row by row from the top, each row from left to right.

    Parameters
    ----------
    geometry : SectionGeometry
    picture_bytes : int
        Of a field's picture in memory.
    depth : int
        How many fields show at one place, the latest ones.
    """
    most_held = max(8, MOST_HELD_BYTES // picture_bytes)
    seqs = np.array([field.seq for field in geometry.fields], dtype=np.int64)
    lefts, tops = np.array([field.origin_px for field in geometry.fields], dtype=np.int64).reshape(-1, 2).T
    height, width = geometry.field_shape_yx
    held = _Held(most_held)
    n_rows, n_columns = (-(-side // BLOCK_PX) for side in geometry.mosaic_shape_yx)
    for row in range(n_rows):
        y = row * BLOCK_PX
        in_row = np.flatnonzero((tops < y + BLOCK_PX) & (tops + height > y))
        plans: list[BlockPlan] = []
        for column in range(n_columns):
            x = column * BLOCK_PX
            here = in_row[(lefts[in_row] < x + BLOCK_PX) & (lefts[in_row] + width > x)]
            if not here.size:
                continue
            places = [(int(tops[i]) - y, int(lefts[i]) - x) for i in here]
            shown, rectangles = _shown(places, (height, width), depth)
            numbers = here[shown]
            needed = tuple(seqs[numbers].tolist())
            done = tuple(
                seqs[here[(tops[here] + height <= y + BLOCK_PX) & (lefts[here] + width <= x + BLOCK_PX)]].tolist()
            )
            streamed = len(needed) > most_held
            loads, drops = held.take(needed, done, keep=not streamed)
            plans.append(BlockPlan(row, column, needed, rectangles, loads, drops, streamed))
        yield plans


class _Held:
    """Which frames are in memory: those that were needed last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seqs: OrderedDict[int, None] = OrderedDict()

    def take(
        self, needed: Sequence[int], done: Sequence[int], *, keep: bool
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return which frames a block reads, and which are forgotten after it as they are not needed any more."""
        loads = tuple(seq for seq in needed if seq not in self._seqs)
        for seq in needed:
            if keep or seq in self._seqs:
                self._seqs[seq] = None
                self._seqs.move_to_end(seq)
        drops = [seq for seq in done if seq in self._seqs]
        for seq in drops:
            del self._seqs[seq]
        while len(self._seqs) > self._most:
            drops.append(self._seqs.popitem(last=False)[0])
        return loads, tuple(drops)


def _shown(
    places: Sequence[tuple[int, int]], shape_yx: tuple[int, int], depth: int
) -> tuple[list[int], tuple[Rectangle, ...]]:
    """Return which fields show in a block, the latest first, and their parts of it.

    Parameters
    ----------
    places : sequence of (y, x)
        Upper left corners, from that of the block, in the order in which the fields were taken.
    shape_yx : (int, int)
        Of a field.
    depth : int
    """
    counts = np.zeros((BLOCK_PX, BLOCK_PX), np.uint8)
    shown: list[int] = []
    rectangles: list[Rectangle] = []
    for index in reversed(range(len(places))):
        part = _rectangle(places[index], shape_yx)
        here = counts[part[:2]]
        if depth == 1 and here.shape == counts.shape and not shown:
            return [index], (part,)
        if here.min() >= depth:
            continue
        shown.append(index)
        rectangles.append(part)
        here += here < depth
    return shown, tuple(rectangles)


def _rectangle(place: tuple[int, int], shape_yx: tuple[int, int]) -> Rectangle:
    (top, left), (height, width) = place, shape_yx
    rows = slice(max(top, 0), min(top + height, BLOCK_PX))
    columns = slice(max(left, 0), min(left + width, BLOCK_PX))
    return rows, columns, slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)


def blend_weights(shape_yx: tuple[int, int]) -> NDArray[np.float32]:
    """Return what each pixel of a field counts where fields overlap: its distance from the nearest edge, in px."""
    down, right = (np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)) for n in shape_yx)
    return np.minimum.outer(down, right).astype(np.float32)


class Painter:
    """Draws the fields of one block, the latest first. One thread at a time.

    Parameters
    ----------
    plan : BlockPlan
    dtype : numpy dtype
    fill : int or float
        Of pixels that no field covers.
    weights : (y, x) ndarray of float32, optional
        Of a field's pixels, where fields overlap: they are then blended. Without it the latest field is drawn.
    """

    def __init__(self, plan: BlockPlan, dtype: Any, fill: float, weights: NDArray[np.float32] | None = None) -> None:  # noqa: ANN401
        self._plan, self._dtype, self._fill, self._weights = plan, np.dtype(dtype), fill, weights
        self._pixels: NDArray[Any] | None = None
        self._counts = np.zeros((BLOCK_PX, BLOCK_PX), np.uint8)
        self._sums: NDArray[np.float32] | None = None
        self._sum_of_weights: NDArray[np.float32] | None = None
        self._whole = False

    def add(self, index: int, picture: NDArray[Any]) -> None:
        """Draw the field ``plan.shown[index]``; indices ascend, and may be left out.

        Parameters
        ----------
        index : int
        picture : (y, x) ndarray
            Of the whole field; it must not change any more.
        """
        rows, columns, *inside = self._plan.rectangles[index]
        part = picture[tuple(inside)]
        if self._pixels is None:
            if part.shape == self._counts.shape and len(self._plan.shown) == 1:
                self._pixels, self._whole = part, True
                return
            self._pixels = np.full(self._counts.shape, self._fill, self._dtype)
        counts, pixels = self._counts[rows, columns], self._pixels[rows, columns]
        if self._weights is not None and len(self._plan.shown) > 1:
            self._blend(rows, columns, part, self._weights[tuple(inside)])
        elif counts.any():
            np.copyto(pixels, part, where=counts == 0)
        else:
            np.copyto(pixels, part)
        if self._weights is None:
            counts[...] = 1
        else:
            counts += counts < BLEND_DEPTH

    def _blend(self, rows: slice, columns: slice, part: NDArray[Any], weights: NDArray[np.float32]) -> None:
        if self._sums is None or self._sum_of_weights is None:
            self._sums = np.zeros(self._counts.shape, np.float32)
            self._sum_of_weights = np.zeros(self._counts.shape, np.float32)
        if self._counts[rows, columns].max() >= BLEND_DEPTH:
            weights = np.where(self._counts[rows, columns] < BLEND_DEPTH, weights, np.float32(0))
        self._sums[rows, columns] += part * weights
        self._sum_of_weights[rows, columns] += weights

    def finish(self) -> Block | None:
        """Return the block; None if nothing was drawn."""
        if self._pixels is None:
            return None
        if self._whole:
            return Block(self._pixels, None)
        mask = self._counts > 0
        if self._sums is not None and self._sum_of_weights is not None:
            # a pixel of one field alone comes back as it was: the rounding of float32 is far below one count
            np.divide(self._sums, self._sum_of_weights, out=self._sums, where=mask)
            np.copyto(self._pixels, np.rint(self._sums), where=mask, casting="unsafe")
        return Block(self._pixels, None if mask.all() else mask)


def halved(block: Block) -> Block:
    """Return a block at half the resolution, for the next level.

    Whole numbers become the mean of the covered ones of 2 x 2 pixels, rounded. Others, which are probabilities or NaN,
    become the first of the four: each stays one that a tile has.
    """
    pixels, mask = block.pixels, block.mask
    if not np.issubdtype(pixels.dtype, np.integer):
        return Block(np.ascontiguousarray(pixels[::2, ::2]), None if mask is None else mask[::2, ::2])
    means = np.empty((BLOCK_PX // 2, BLOCK_PX // 2), pixels.dtype)
    covered = None if mask is None else np.empty(means.shape, np.bool_)
    for first in range(0, BLOCK_PX, _STRIP_PX):
        here, half = slice(first, first + _STRIP_PX), slice(first // 2, (first + _STRIP_PX) // 2)
        rows = np.add(pixels[here][::2], pixels[here][1::2], dtype=np.uint32)
        sums = rows[:, ::2] + rows[:, 1::2]
        means[half] = (sums + 2) >> 2
        if mask is None or covered is None:
            continue
        pairs = np.add(mask[here][::2], mask[here][1::2], dtype=np.uint8)
        counts = pairs[:, ::2] + pairs[:, 1::2]
        edge = np.nonzero((counts > 0) & (counts < 4))
        n = counts[edge]
        means[half][edge] = (sums[edge] + n // 2) // n
        covered[half] = counts > 0
    return Block(means, covered)

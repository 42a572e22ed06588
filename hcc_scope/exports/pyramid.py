"""A mosaic and its smaller levels, written in one pass: memory is that of a row of blocks on each level.

Fields are read and planned in the calling thread; blocks are drawn, halved and encoded by a few others. A row of blocks
whose two rows below are done is on its way to the next level while the fields of the following row are read.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import tee
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hcc_scope.exports.blocks import BLEND_DEPTH, BLOCK_PX, Block, Painter, blend_weights, halved, plan_rows
from hcc_scope.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from hcc_scope.exports.blocks import BlockPlan
    from hcc_scope.exports.geometry import SectionGeometry
    from hcc_scope.progress import OnProgress

__all__ = ["LevelSink", "Pictures", "PyramidCounts", "level_shapes", "write_pyramid"]

_SMALLEST_PX = 512
"""A level of at most this size is the last one."""
_MOST_THREADS = 8


class Pictures(Protocol):
    """What is drawn for each field."""

    @property
    def kind(self) -> str:
        """What the picture is: ``mosaic`` or ``heatmap``."""

    @property
    def damaged(self) -> Mapping[int, str]:
        """`seq` of the fields that could not be read until now, and why."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels."""

    @property
    def fill(self) -> float:
        """What a pixel holds that no field covers."""

    def read(self, seqs: Iterable[int]) -> Iterator[NDArray[Any] | None]:
        """Yield the pictures (y, x) of fields, as they lie in the mosaic; None of one that cannot be read."""


class LevelSink(Protocol):
    """Where the blocks of all levels go."""

    def encode(self, level: int, row: int, column: int, block: Block) -> Any:  # noqa: ANN401 - given back to `put`
        """Return a block as `put` takes it; called from several threads."""

    def put(self, encoded: Any) -> None:  # noqa: ANN401
        """Write what `encode` returned; called from one thread, in any order of levels."""


@dataclass(slots=True)
class PyramidCounts:
    """What was drawn in the full resolution."""

    covered_px: int = 0
    fill_in_fields_px: int = 0
    """Pixels of fields that have the fill value themselves."""
    drawn: set[int] = field(default_factory=set)
    """`seq` of the fields that show somewhere."""


def level_shapes(shape_yx: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the shapes of a mosaic's levels, each half of the one before.

    Examples
    --------
    >>> level_shapes((3000, 1025))
    [(3000, 1025), (1500, 513), (750, 257), (375, 129)]
    """
    shapes = [shape_yx]
    while max(shapes[-1]) > _SMALLEST_PX:
        height, width = shapes[-1]
        shapes.append((-(-height // 2), -(-width // 2)))
    return shapes


def write_pyramid(
    geometry: SectionGeometry,
    pictures: Pictures,
    sink: LevelSink,
    *,
    feather: bool,
    stage: str,
    on_progress: OnProgress,
) -> PyramidCounts:
    """Draw a section's fields and write them, with all levels.

    Parameters
    ----------
    geometry : SectionGeometry
        With a field at least.
    pictures : Pictures
    sink : LevelSink
    feather : bool
        Whether fields are blended where they overlap; otherwise the latest one is drawn.
    stage : str
        For `on_progress`.
    on_progress : callable
        What it raises ends the work.

    Raises
    ------
    HccScopeError
        As `pictures` and `sink`.
    """
    writing = _Writing(geometry, pictures, sink, feather=feather)
    n_rows, n_columns = (-(-side // BLOCK_PX) for side in geometry.mosaic_shape_yx)
    try:
        for row, plans in enumerate(writing.rows):
            for plan in plans:
                on_progress(Progress(stage, row * n_columns + plan.column, n_rows * n_columns))
                writing.draw(plan)
            writing.end_row(0, row)
        writing.finish()
        on_progress(Progress(stage, n_rows * n_columns, n_rows * n_columns))
    finally:
        writing.close()
    return writing.counts


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a thread made of a block."""

    encoded: Any
    half: Block | None
    """For the next level; None on the last one."""
    counts: PyramidCounts | None = None
    """Of the full resolution."""


@dataclass(frozen=True, slots=True)
class _Job:
    level: int
    row: int
    column: int
    drawn: Future[_Drawn | None]


@dataclass(frozen=True, slots=True)
class _RowEnd:
    level: int
    row: int


class _Writing:
    def __init__(self, geometry: SectionGeometry, pictures: Pictures, sink: LevelSink, *, feather: bool) -> None:
        self._pictures, self._sink = pictures, sink
        self._shapes = level_shapes(geometry.mosaic_shape_yx)
        height, width = geometry.field_shape_yx
        plans = plan_rows(geometry, height * width * pictures.dtype.itemsize, BLEND_DEPTH if feather else 1)
        # the reader looks ahead of what is drawn
        self.rows, ahead = tee(plans)
        loads = (seq for row in ahead for plan in row for seq in plan.loads)
        self._reading = iter(pictures.read(loads))
        self._weights = blend_weights((height, width)) if feather else None
        self._held: dict[int, NDArray[Any] | None] = {}
        self._parents: dict[tuple[int, int], dict[int, Block]] = {}
        """By level and row: the blocks of a row that is not complete, by column."""
        self._threads = min(_MOST_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="hcc-mosaic")
        self._queue: deque[_Job | _RowEnd] = deque()
        self.counts = PyramidCounts()

    def draw(self, plan: BlockPlan) -> None:
        """Give one block of the full resolution to the threads, and take what they have finished."""
        painter = Painter(plan, self._pictures.dtype, self._pictures.fill, self._weights)
        parts: list[tuple[int, NDArray[Any]]] = []
        loads = frozenset(plan.loads)
        for index, seq in enumerate(plan.shown):
            picture = next(self._reading) if seq in loads else self._held[seq]
            if not plan.streamed:
                self._held[seq] = picture
            if picture is None:
                continue
            self.counts.drawn.add(seq)
            if plan.streamed:
                painter.add(index, picture)
            else:
                parts.append((index, picture))
        for seq in plan.drops:
            del self._held[seq]
        self._submit(0, plan.row, plan.column, self._pool.submit(self._draw, plan, painter, parts))

    def _draw(self, plan: BlockPlan, painter: Painter, parts: list[tuple[int, NDArray[Any]]]) -> _Drawn | None:
        for index, picture in parts:
            painter.add(index, picture)
        block = painter.finish()
        if block is None:
            return None
        covered = block.pixels.size if block.mask is None else int(np.count_nonzero(block.mask))
        n_fill = _count(block.pixels, self._pictures.fill) - (block.pixels.size - covered)
        drawn = self._encode(0, plan.row, plan.column, block)
        return _Drawn(drawn.encoded, drawn.half, PyramidCounts(covered, n_fill))

    def _encode(self, level: int, row: int, column: int, block: Block) -> _Drawn:
        half = halved(block) if level + 1 < len(self._shapes) else None
        return _Drawn(self._sink.encode(level, row, column, block), half)

    def _submit(self, level: int, row: int, column: int, drawn: Future[_Drawn | None]) -> None:
        self._queue.append(_Job(level, row, column, drawn))
        while len(self._queue) > 2 * self._threads + 2:
            self._take()

    def end_row(self, level: int, row: int) -> None:
        """Note that all blocks of a row were given to the threads."""
        self._queue.append(_RowEnd(level, row))

    def finish(self) -> None:
        """Wait until everything is written."""
        while self._queue:
            self._take()

    def _take(self) -> None:
        first = self._queue.popleft()
        if isinstance(first, _RowEnd):
            self._hand_up(first.level, first.row)
            return
        drawn = first.drawn.result()
        if drawn is None:
            return
        self._sink.put(drawn.encoded)
        if drawn.counts is not None:
            self.counts.covered_px += drawn.counts.covered_px
            self.counts.fill_in_fields_px += drawn.counts.fill_in_fields_px
        if drawn.half is not None:
            self._keep_half(first, drawn.half)

    def _keep_half(self, job: _Job, half: Block) -> None:
        parents = self._parents.setdefault((job.level + 1, job.row // 2), {})
        parent = parents.get(job.column // 2)
        if parent is None:
            shape = (BLOCK_PX, BLOCK_PX)
            parent = Block(np.full(shape, self._pictures.fill, self._pictures.dtype), np.zeros(shape, np.bool_))
            parents[job.column // 2] = parent
        top, left = job.row % 2 * BLOCK_PX // 2, job.column % 2 * BLOCK_PX // 2
        quarter = slice(top, top + BLOCK_PX // 2), slice(left, left + BLOCK_PX // 2)
        parent.pixels[quarter] = half.pixels
        assert parent.mask is not None
        parent.mask[quarter] = True if half.mask is None else half.mask

    def _hand_up(self, level: int, row: int) -> None:
        """Give the blocks of the next level to the threads that a finished row completes."""
        n_rows = -(-self._shapes[level][0] // BLOCK_PX)
        if level + 1 == len(self._shapes) or (row % 2 == 0 and row + 1 < n_rows):
            return
        parents = self._parents.pop((level + 1, row // 2), {})
        for column in sorted(parents):
            parent = parents.pop(column)
            self._submit(
                level + 1, row // 2, column, self._pool.submit(self._draw_parent, level + 1, row // 2, column, parent)
            )
        self.end_row(level + 1, row // 2)

    def _draw_parent(self, level: int, row: int, column: int, block: Block) -> _Drawn:
        assert block.mask is not None
        return self._encode(level, row, column, Block(block.pixels, None) if block.mask.all() else block)

    def close(self) -> None:
        """End the threads; what is not written by now is not written any more."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._held.clear()


def _count(pixels: NDArray[Any], value: float) -> int:
    """Return how many pixels have a value, which may be NaN."""
    if np.isnan(value):
        return int(np.count_nonzero(np.isnan(pixels)))
    if value == 0:
        return int(pixels.size - np.count_nonzero(pixels))
    return int(np.count_nonzero(pixels == value))

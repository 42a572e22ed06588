"""All fields of a section as one picture of several resolutions, of which only what is shown is read."""

from __future__ import annotations

import operator
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.thumbnails import reduced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hcc_scope.exports.geometry import FieldPlace, SectionGeometry
    from hcc_scope.storage.reader import SectionStore

    Picture = NDArray[np.uint16]

__all__ = ["LevelPicture", "picture_levels"]

_LARGEST_LEAST_PX = 1024
"""Longer side of the smallest picture, at most: napari reads it whole."""
_KEPT_BYTES = 256 * 2**20
_SMALL_PX = 256
"""Longer side of the pictures that are kept in passing."""
_AHEAD = 3


class _Fields:
    """Fields of a store, reduced by a whole number and kept; safe to use from several threads."""

    def __init__(self, store: SectionStore, geometry: SectionGeometry, n_levels: int) -> None:
        self._store, self._geometry = store, geometry
        sides = [max(geometry.field_shape_yx) >> level for level in range(n_levels)]
        self._small = [level for level, side in enumerate(sides) if side <= _SMALL_PX]
        self._kept: OrderedDict[tuple[int, int], Picture | None] = OrderedDict()
        self._kept_bytes = 0
        self._lock = threading.Lock()

    def pictures(self, seqs: list[int], level: int) -> dict[int, Picture | None]:
        """Return the pictures of fields, halved `level` times; None for a damaged frame."""
        with self._lock:
            found = {seq: self._kept[seq, level] for seq in seqs if (seq, level) in self._kept}
            for seq in found:
                self._kept.move_to_end((seq, level))
        missing = [seq for seq in seqs if seq not in found]
        stored = min(level, self._store.layout.n_levels - 1)
        # what was decoded for this picture has the smallest ones too
        wanted = {level, *(one for one in self._small if one >= stored)}
        for seq, pixels in zip(missing, self._read(missing, stored), strict=True):
            for one in wanted:
                picture = None
                if pixels is not None:
                    step = min(1 << (one - stored), *pixels.shape)
                    picture = np.ascontiguousarray(self._geometry.upright(reduced(pixels, step)))
                self._keep((seq, one), picture)
                if one == level:
                    found[seq] = picture
        return found

    def _read(self, seqs: list[int], level: int) -> Iterator[Picture | None]:
        """Yield frames, or the pictures of them that a packed store has; None for a damaged one."""
        if level == 0:
            for frame in self._store.read_ahead(seqs, _AHEAD):
                yield None if isinstance(frame, StoreDamagedError) else frame.pixels
            return
        for seq in seqs:
            try:
                yield self._store.read_picture(seq, level)
            except StoreError:
                yield None

    def _keep(self, key: tuple[int, int], picture: Picture | None) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = picture
            self._kept_bytes += 0 if picture is None else picture.nbytes
            while self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._kept_bytes -= 0 if oldest is None else oldest.nbytes


class LevelPicture:
    """One resolution of the picture; napari takes it for an array.

    Parameters
    ----------
    fields : _Fields
    geometry : SectionGeometry
    level : int
        How often it was halved.
    """

    def __init__(self, fields: _Fields, geometry: SectionGeometry, level: int) -> None:
        self._fields, self._geometry, self._level = fields, geometry, level
        height, width = geometry.mosaic_shape_yx
        self.shape = (max(1, height >> level), max(1, width >> level))
        self.dtype = np.dtype(np.uint16)
        self.ndim = 2

    @property
    def size(self) -> int:
        """How many pixels."""
        return self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401
        """Return the whole picture."""
        del copy
        return self[:, :].astype(self.dtype if dtype is None else dtype, copy=False)

    def __getitem__(self, key: Any) -> NDArray[np.uint16]:  # noqa: ANN401 - whatever an array takes
        """Return a part of the picture: 0 where no field is. Fields are read for it."""
        keys = key if isinstance(key, tuple) else (key,)
        at = next((place for place, one in enumerate(keys) if one is Ellipsis), len(keys))
        named = (*keys[:at], *keys[at + 1 :])
        whole = (*named[:at], *(slice(None),) * (2 - len(named)), *named[at:])
        spans = [_span(one, side) for one, side in zip(whole, self.shape, strict=True)]
        (top, bottom), (left, right) = spans
        part = self._part(top, bottom, left, right)
        # what is left to do within the part: steps, single rows, lists of indices
        inside = tuple(
            _within(one, start, side) for one, (start, _), side in zip(whole, spans, self.shape, strict=True)
        )
        cut: Picture = part[inside]
        return cut

    def _part(self, top: int, bottom: int, left: int, right: int) -> NDArray[np.uint16]:
        part = np.zeros((max(0, bottom - top), max(0, right - left)), np.uint16)
        level, (height, width) = self._level, self._geometry.field_shape_yx
        height, width = max(1, height >> level), max(1, width >> level)

        def corner(field: FieldPlace) -> tuple[int, int]:
            return field.origin_px[0] >> level, field.origin_px[1] >> level

        shown = [
            field
            for field in self._geometry.fields
            if left - width < corner(field)[0] < right and top - height < corner(field)[1] < bottom
        ]
        pictures = self._fields.pictures([field.seq for field in shown], level)
        for field in shown:  # in the order in which they were taken: a later one lies over an earlier one
            picture = pictures[field.seq]
            if picture is None:
                continue
            x, y = corner(field)
            h, w = picture.shape
            y0, y1, x0, x1 = max(y, top), min(y + h, bottom), max(x, left), min(x + w, right)
            part[y0 - top : y1 - top, x0 - left : x1 - left] = picture[y0 - y : y1 - y, x0 - x : x1 - x]
        return part


def picture_levels(store: SectionStore, geometry: SectionGeometry) -> list[LevelPicture]:
    """Return the picture of a section's fields in several resolutions, the finest one first; nothing is read."""
    n = 1
    while max(geometry.mosaic_shape_yx) >> (n - 1) > _LARGEST_LEAST_PX:
        n += 1
    fields = _Fields(store, geometry, n)
    return [LevelPicture(fields, geometry, level) for level in range(n)]


def _span(key: Any, side: int) -> tuple[int, int]:  # noqa: ANN401 - whatever an array takes
    """Return the first index that a key asks for, and the one behind the last."""
    asked = range(*key.indices(side)) if isinstance(key, slice) else range(side)
    if not isinstance(key, slice) and np.ndim(key) == 0:
        index = asked[operator.index(key)]
        return index, index + 1
    return (min(asked[0], asked[-1]), max(asked[0], asked[-1]) + 1) if len(asked) else (0, 0)


def _within(key: Any, start: int, side: int) -> Any:  # noqa: ANN401 - whatever an array takes
    """Return a key for the part that begins at index `start` of the whole."""
    if not isinstance(key, slice):
        return 0 if np.ndim(key) == 0 else key
    asked = range(*key.indices(side))
    if len(asked) == 0:
        return slice(0, 0)
    end = asked[-1] - start + (1 if asked.step > 0 else -1)
    return slice(asked[0] - start, None if end < 0 else end, asked.step)

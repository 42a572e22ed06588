"""The fields that others are measured against, and where they lie: a graph of measured offsets, relaxed as it grows."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hcc_scope.tracking.picture import Picture
from hcc_scope.tracking.recognition import coarse_spectrum

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KeyFrame", "KeyFrames"]

F64 = NDArray[np.float64]

_LEVELS = 31.0
"""Steps of a stored picture per standard deviation: 127 of them reach as far as a picture is cut off."""
_UNPACKED = 48
_SWEEPS = 12


@dataclass(slots=True, eq=False)
class KeyFrame:
    """One field that was kept to compare with."""

    island: int
    position: F64
    """(y, x) in reduced px of its island."""
    variance: float
    """Of each coordinate, px^2, against the nearest captured field; 0 where it is stated: for a captured field, and for
    the first one of an island."""
    captured: bool
    packed: NDArray[np.int8] = field(repr=False)
    coarse: NDArray[np.complex64] = field(repr=False)
    """For the search: `hcc_scope.tracking.recognition.coarse_spectrum`."""
    contrast: float
    covered: float
    floor: float
    edges: list[tuple[KeyFrame, F64, float]] = field(default_factory=list, repr=False)
    """(other, position of the other relative to this, variance of that)."""


class KeyFrames:
    """All of them, of every island; bounded in number."""

    def __init__(self, shape_yx: tuple[int, int], most: int) -> None:
        self._shape = np.array(shape_yx, dtype=np.float64)
        self._most = most
        self._frames: list[KeyFrame] = []
        self._unpacked: OrderedDict[int, Picture] = OrderedDict()
        self._index: tuple[int, list[KeyFrame], F64] | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[KeyFrame]:
        return iter(self._frames)

    def picture(self, frame: KeyFrame) -> Picture:
        """Return its picture, from the ones used last or unpacked anew."""
        picture = self._unpacked.pop(id(frame), None)
        if picture is None:
            structure = frame.packed * np.float32(1.0 / _LEVELS)
            picture = Picture(structure, frame.contrast, frame.covered, frame.floor)
        self._unpacked[id(frame)] = picture
        while len(self._unpacked) > _UNPACKED:
            self._unpacked.popitem(last=False)
        return picture

    def add(self, picture: Picture, island: int, position: F64, variance: float, *, captured: bool) -> KeyFrame:
        """Keep a field; drop another one if there are too many."""
        packed = np.rint(picture.structure * np.float32(_LEVELS)).astype(np.int8)
        coarse = coarse_spectrum(picture)
        frame = KeyFrame(
            island,
            position.copy(),
            variance,
            captured,
            packed,
            coarse,
            picture.contrast,
            picture.covered,
            picture.floor,
        )
        self._frames.append(frame)
        self._index = None
        self._unpacked[id(frame)] = picture
        if len(self._frames) > self._most:
            self._drop()
        return frame

    def replace(self, frame: KeyFrame, picture: Picture) -> None:
        """Keep another picture of a field."""
        frame.packed = np.rint(picture.structure * np.float32(_LEVELS)).astype(np.int8)
        frame.coarse = coarse_spectrum(picture)
        frame.contrast, frame.covered, frame.floor = picture.contrast, picture.covered, picture.floor
        self._unpacked[id(frame)] = picture

    def remove(self, frame: KeyFrame) -> None:
        """Forget a field."""
        self._frames.remove(frame)
        self._index = None
        self._unpacked.pop(id(frame), None)
        for other, _, _ in frame.edges:
            other.edges = [edge for edge in other.edges if edge[0] is not frame]
        frame.edges.clear()

    def connect(self, one: KeyFrame, two: KeyFrame, offset: F64, variance: float) -> None:
        """Add a measured offset: `two` lies at `offset` from `one`. Positions that are not stated give way to it."""
        one.edges.append((two, offset, variance))
        two.edges.append((one, -offset, variance))

    def overlaps(self, island: int, position: F64) -> list[tuple[float, KeyFrame]]:
        """Return the key frames of an island that a field overlaps, with the overlaps as shares, largest first."""
        if self._index is None or self._index[0] != island:
            mine = [frame for frame in self._frames if frame.island == island]
            places = np.array([frame.position for frame in mine]).reshape(-1, 2)
            self._index = island, mine, places
        _, mine, places = self._index
        apart = np.abs(places - position)
        shares = np.prod(np.maximum(0.0, 1.0 - apart / self._shape), axis=1)
        order = np.argsort(-shares, kind="stable")[: int(np.count_nonzero(shares))]
        return [(float(shares[k]), mine[k]) for k in order]

    def relax(self, around: KeyFrame) -> None:
        """Move the positions that are not stated to where the measured offsets agree best.

        A few sweeps of weighted least squares (Gauss-Seidel) outward from a key frame: the error of a loop that closes
        there is spread over it, in bounded time.
        """
        wave = _around(around, limit=60)
        self._index = None
        for _ in range(_SWEEPS):
            largest = 0.0
            for frame in wave:
                if frame.variance == 0.0 or not frame.edges:
                    continue
                weights = np.array([1.0 / (variance + 1e-6) for _, _, variance in frame.edges])
                wanted = np.array([other.position - offset for other, offset, _ in frame.edges])
                position = weights @ wanted / weights.sum()
                largest = max(largest, float(np.abs(position - frame.position).max()))
                frame.position = position
                frame.variance = min(frame.variance, *(other.variance + variance for other, _, variance in frame.edges))
            if largest < 1e-3:
                return

    def _drop(self) -> None:
        """Forget the oldest field that is not captured, or the oldest one."""
        for frame in self._frames:
            if not frame.captured:
                self.remove(frame)
                return
        self.remove(self._frames[0])


def _around(start: KeyFrame, limit: int) -> list[KeyFrame]:
    found, seen = [start], {id(start)}
    for frame in found:
        for other, _, _ in frame.edges:
            if id(other) not in seen and len(found) < limit:
                seen.add(id(other))
                found.append(other)
    return found

"""The way that the field went over the section: places, thinned, in stretches without interruption."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.tracking.view import Place

__all__ = ["MAX_POINTS", "Course", "Stretch"]

Stretch = tuple[int, "NDArray[np.float64]"]
"""Island, and (n, 2) x and y in um in its coordinates; read-only."""

MAX_POINTS = 8_000
"""More are thinned to half: the course of a whole day stays small."""
_STEP_FIELDS = 0.1
"""A place that is nearer to the one before adds nothing that could be seen."""
_AT_ONCE = 256
"""Points of a part that is finished: it is read as it is, and not copied 30 times a second."""


class Course:
    """Grows with every place. Not safe from several threads.

    Parameters
    ----------
    field_um : float
        Shorter side of a field.
    max_points : int
        Bound of all points together.
    """

    def __init__(self, field_um: float, *, max_points: int = MAX_POINTS) -> None:
        self._step_um = _STEP_FIELDS * field_um
        self._max_points = max_points
        self._done: list[Stretch] = []
        self._island = 0
        self._open: list[tuple[float, float]] = []

    def move(self, place: Place) -> None:
        """Take the next place of the field."""
        at = (place.x_um, place.y_um)
        if place.island != self._island:
            self.interrupt()
            self._island = place.island
        if self._open and math.dist(self._open[-1], at) < self._step_um:
            return
        self._open.append(at)
        if len(self._open) > _AT_ONCE:
            self._close()
            self._open = [at]  # the parts join
        if sum(len(points) for _, points in self._done) + len(self._open) > self._max_points:
            self._thin()

    def interrupt(self) -> None:
        """Begin another stretch with the next place: where the field went meanwhile is not known."""
        self._close()
        self._open = []

    def _close(self) -> None:
        if self._open:
            self._done.append((self._island, _frozen(self._open)))

    def _thin(self) -> None:
        """Keep every other point; of many short stretches, which that hardly shortens, give up the oldest."""
        self._step_um *= 2
        self._done = [(island, _frozen([*points[:-1:2], points[-1]])) for island, points in self._done]
        n = len(self._open) + sum(len(points) for _, points in self._done)
        while self._done and n > 0.75 * self._max_points:
            n -= len(self._done.pop(0)[1])

    def stretches(self) -> tuple[Stretch, ...]:
        """Return the course in order; a long stretch in several parts that join."""
        last = ((self._island, _frozen(self._open)),) if self._open else ()
        return (*self._done, *last)


def _frozen(points: list[tuple[float, float]] | list[NDArray[np.float64]]) -> NDArray[np.float64]:
    array = np.array(points, dtype=np.float64)
    array.setflags(write=False)
    return array

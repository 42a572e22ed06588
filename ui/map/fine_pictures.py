"""Finer pictures of the fields that are in sight, read from the store off the Qt thread.

A field is drawn from its thumbnail until it is larger on the screen than that. Then the frame is read and reduced by a
power of two, to no coarser than the screen's pixels. One frame is read at a time, nearest to the middle first, once the
view has come to rest; what has left the view is not read. Painting asks, and gets what there is: the thumbnail stays
until the finer picture is there.

The pictures together take at most `LARGEST_BYTES`; what was out of sight the longest goes first.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QImage

from hcc_scope.errors import StoreError
from hcc_scope.orientation import Orientation
from hcc_scope.thumbnails import reduced
from ui.canvas.luts import lookup_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcc_scope.types import Frame
    from ui.canvas.viewport import Viewport
    from ui.kit.jobs import JobRunner

__all__ = ["LARGEST_BYTES", "FinePictures", "Wish"]

LARGEST_BYTES = 128 * 2**20
"""Of all pictures together."""
_BYTES_PER_PX = 4
SETTLE_MS = 80
"""The view is at rest for so long before anything is read."""
RETRY_S = 2.0
"""A field of a running section may not be on disk yet."""
_REST_SHARE = 3.0
"""While a section is acquired, a rest of so many times as long as the last picture took leaves the disk to it."""

Limits = tuple[float, float]


class Wish(NamedTuple):
    """A field that is in sight and larger than its thumbnail."""

    seq: int
    px_per_px: float
    """Physical px of the screen for each px of the frame."""
    from_middle: float
    """Distance from the middle of the view, in any unit."""


class _Picture(NamedTuple):
    image: QImage
    limits: Limits
    """Counts of black and white."""

    @property
    def n_bytes(self) -> int:
        return self.image.sizeInBytes()


Key = tuple[int, int]
"""Field, and frame px for each px of its picture."""


class FinePictures(QObject):
    """The cache, and what reads into it.

    Parameters
    ----------
    jobs : JobRunner
        Reads and reduces on its worker ``pictures``.
    parent : QObject, optional
    """

    arrived = Signal()
    """A picture is there: paint again."""

    def __init__(self, jobs: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._reader: Callable[[int], Frame] | None = None
        self._shape_yx = (1, 1)
        self._orientation = Orientation()
        self._beside_run = False
        self._allowed = True
        self._kept: OrderedDict[Key, _Picture] = OrderedDict()
        self._n_bytes = 0
        self._finest: dict[int, list[int]] = {}
        """Steps of the pictures of each field, finest first."""
        self._wishes: list[Key] = []
        self._limits: Limits = (0.0, 65535.0)
        self._seen: Viewport | None = None
        self._in_work: tuple[Key, threading.Event] | None = None
        self._failed_s: dict[int, float] = {}
        """When a field could not be read; infinite if it is not tried again."""
        self._rests_until_s = 0.0
        self._wait = QTimer(self, singleShot=True)
        self._wait.timeout.connect(self._next)

    # -- what there is -------------------------------------------------------------------------------------------------

    def set_reader(
        self,
        reader: Callable[[int], Frame] | None,
        frame_shape_yx: tuple[int, int] = (1, 1),
        orientation: Orientation | None = None,
    ) -> None:
        """Read the frames of another section; forgets all pictures.

        Parameters
        ----------
        reader : callable, optional
            Reads the frame of a `seq`, off the Qt thread; None: there is nothing to read.
        frame_shape_yx : (int, int)
            Of every frame, in px.
        orientation : Orientation, optional
            How the camera lies over the stage; not turned without it.
        """
        self._reader, self._shape_yx = reader, frame_shape_yx
        self._orientation = Orientation() if orientation is None else orientation
        self._kept.clear()
        self._finest.clear()
        self._n_bytes = 0
        self._wishes = []
        self._failed_s.clear()
        self._cancel()
        self._in_work = None
        self._wait.stop()

    def set_beside_run(self, beside: bool, *, allowed: bool = True) -> None:
        """Note whether a section is acquired: reading then leaves most of the disk's time to it, or all of it."""
        self._beside_run, self._allowed = beside, allowed or not beside

    @property
    def n_bytes(self) -> int:
        """What the pictures take together."""
        return self._n_bytes

    @property
    def complete(self) -> bool:
        """Whether all that was wished for is there, or cannot be read."""
        return self._in_work is None and not self._open_wishes()

    def width_px(self) -> int:
        """Return the width of a frame as it lies on the stage, in px."""
        return self._shape_yx[0] if self._orientation.swaps_axes else self._shape_yx[1]

    def picture(self, seq: int, px_per_px: float) -> QImage | None:
        """Return the picture of a field that fits a size on the screen best; None if only the thumbnail is there.

        Parameters
        ----------
        seq : int
            The field.
        px_per_px : float
            Physical px of the screen for each px of the frame.
        """
        steps = self._finest.get(seq)
        if not steps:
            return None
        fine_enough = [step for step in steps if step * px_per_px <= 1.0]
        step = fine_enough[-1] if fine_enough else steps[0]
        self._kept.move_to_end((seq, step))
        return self._kept[seq, step].image

    # -- what is wished for --------------------------------------------------------------------------------------------

    def wish(self, wishes: Sequence[Wish], limits: Limits, view: Viewport) -> None:
        """Take what is in sight now, in place of what was; cheap enough for every paint.

        Parameters
        ----------
        wishes : sequence of Wish
            Fields that are drawn larger than their thumbnail.
        limits : (float, float)
            Counts of black and white.
        view : Viewport
            While it moves, nothing new is read.
        """
        moved, self._seen = view != self._seen, view
        self._limits = limits
        self._wishes = self._affordable(wishes)
        if self._in_work is not None and self._in_work[0] not in self._wishes:
            self._cancel()
        if not self._wishes:
            self._wait.stop()
        elif self._in_work is None and (moved or not self._wait.isActive()) and self._open_wishes():
            self._wait.start(SETTLE_MS)

    def _affordable(self, wishes: Sequence[Wish]) -> list[Key]:
        """Return the wished pictures, nearest to the middle first, together no larger than half of what is kept."""
        n_px = self._shape_yx[0] * self._shape_yx[1]
        powers = [max(0, math.floor(math.log2(1.0 / max(wish.px_per_px, 1e-9)))) for wish in wishes]
        while sum(n_px >> (2 * power) for power in powers) * _BYTES_PER_PX > LARGEST_BYTES // 2:
            finest = min(powers)
            powers = [max(power, finest + 1) for power in powers]
        ordered = sorted(zip(wishes, powers, strict=True), key=lambda pair: pair[0].from_middle)
        return [(wish.seq, 1 << power) for wish, power in ordered]

    def _open_wishes(self) -> list[Key]:
        if self._reader is None or not self._allowed:
            return []
        now_s = time.monotonic()
        return [
            key
            for key in self._wishes
            if (key not in self._kept or self._kept[key].limits != self._limits)
            and now_s - self._failed_s.get(key[0], -math.inf) >= RETRY_S
        ]

    def _cancel(self) -> None:
        if self._in_work is not None:
            self._in_work[1].set()

    # -- reading -------------------------------------------------------------------------------------------------------

    @Slot()
    def _next(self) -> None:
        wanted, rest_s = self._open_wishes(), self._rests_until_s - time.monotonic()
        if self._in_work is not None or not wanted or self._reader is None:
            return
        if rest_s > 0.0:
            self._wait.start(math.ceil(1000 * rest_s))
            return
        key, cancelled = wanted[0], threading.Event()
        self._in_work = key, cancelled
        make = partial(_make, self._reader, key, self._limits, self._orientation, cancelled)
        began_s = time.monotonic()
        self._jobs.submit(
            "pictures", make, partial(self._take, key, cancelled, began_s), partial(self._lose, key, cancelled)
        )

    def _take(self, key: Key, cancelled: threading.Event, began_s: float, made: _Picture | None) -> None:
        if self._in_work is None or self._in_work[1] is not cancelled:
            return  # of a section before
        self._in_work = None
        now_s = time.monotonic()
        if self._beside_run:
            self._rests_until_s = now_s + _REST_SHARE * (now_s - began_s)
        if made is not None:
            self._keep(key, made)
            self.arrived.emit()
        elif not cancelled.is_set():
            self._failed_s[key[0]] = now_s
        self._next()

    def _lose(self, key: Key, cancelled: threading.Event, _sentence: str) -> None:
        if self._in_work is not None and self._in_work[1] is cancelled:
            self._in_work = None
            self._failed_s[key[0]] = math.inf
            self._next()

    def _keep(self, key: Key, made: _Picture) -> None:
        self._drop(key)
        self._kept[key] = made
        self._n_bytes += made.n_bytes
        self._finest[key[0]] = sorted([*self._finest.get(key[0], []), key[1]])
        while self._n_bytes > LARGEST_BYTES and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        old = self._kept.pop(key, None)
        if old is not None:
            self._n_bytes -= old.n_bytes
            self._finest[key[0]].remove(key[1])


def _make(
    reader: Callable[[int], Frame], key: Key, limits: Limits, orientation: Orientation, cancelled: threading.Event
) -> _Picture | None:
    """Read a frame and make its picture, in the worker; None if it cannot be read (yet), or is not wanted any more."""
    seq, step = key
    if cancelled.is_set():
        return None
    try:
        pixels = reader(seq).pixels
    except StoreError:
        return None  # not in the journal yet; what is damaged, the replay reports
    if cancelled.is_set():
        return None
    counts = orientation.upright(reduced(pixels, step))
    rgb = np.take(lookup_table("Grey", limits, None), counts, mode="clip")  # (rows, columns) uint32
    rows, columns = rgb.shape
    image = QImage(rgb.data, columns, rows, 4 * columns, QImage.Format.Format_RGB32)
    return _Picture(image.copy(), limits)  # which owns its memory

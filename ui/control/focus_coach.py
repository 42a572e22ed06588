"""The focus coach: measure the focus of the frames on the screen, off the Qt thread, for a stand without focus motor.

One frame is measured at a time, and of those that come meanwhile the newest is next. The coach rests between two
frames: half of the time while nothing is stored, four fifths of it while a section is, whose frames come first.
"""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hcc_scope.focus import FocusTrend, read_focus
from hcc_scope.focus.trend import TrendView
from hcc_scope.position_tags import island_and_place
from hcc_scope.quality import QualityLimits
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from hcc_scope.focus import FocusReading
    from hcc_scope.types import Frame
    from ui.kit.jobs import Jobs

__all__ = ["FocusCoach"]

_TILE_PX = 512
_LEAST_PX = 32
"""Below this a tile has no measure."""
_REST, _REST_STORING = 1.0, 4.0
"""Rest after a frame, in multiples of the time that it took."""
_SAME_PLACE_UM = 2.0
"""A stage that rests reads back the same place within this."""
_FILL = 0.25
"""From this fill of the storage queue on, nothing is measured: the disk is behind."""


class FocusCoach(QObject):
    """Follows the focus of frames that it is given.

    Parameters
    ----------
    jobs : Jobs
        Measures on its worker ``coach``.
    parent : QObject, optional
    """

    changed = Signal(TrendView)
    """How the focus is now, relative to the best that was seen."""

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._on = False
        self._trend = FocusTrend()
        self._busy = False
        self._waiting: Frame | None = None
        self._storing = False
        self._behind = False
        self._subject: tuple[object, ...] = ()
        self._view: object = None
        self._place: tuple[int, float, float] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._take)

    @property
    def on(self) -> bool:
        """Whether it measures."""
        return self._on

    def turn(self, on: bool) -> None:
        """Measure from now on, or no longer."""
        if on != self._on:
            self._on = on
            self.reset()

    @Slot()
    def reset(self) -> None:
        """Forget the best that was seen: another field is under the lens."""
        self._trend.reset()
        self._waiting = None
        self._subject = ()

    def note_view(self, view: object) -> None:
        """Note which part of the sensor is read; another one shows something else."""
        if view != self._view:
            self._view = view
            self.reset()

    def note_run(self, *, storing: bool, store_queue_fill: float) -> None:
        """Note whether frames are stored now, and how far the disk is behind."""
        self._storing, self._behind = storing, storing and store_queue_fill >= _FILL

    def see(self, frame: Frame) -> None:
        """Take the newest frame on the screen; returns at once."""
        if not self._on or self._behind:
            return
        self._waiting = frame
        if not self._busy and not self._timer.isActive():
            self._take()

    @Slot()
    def _take(self) -> None:
        frame, self._waiting = self._waiting, None
        if frame is None or self._busy or not self._on:
            return
        subject = (*_settings_of(frame), self._place_of(frame))
        if subject != self._subject:
            self._subject = subject
            self._trend.reset()
        self._busy = True
        self._jobs.submit("coach", partial(_measured, frame), partial(self._judge, subject), self._failed)

    def _judge(self, subject: tuple[object, ...], measured: tuple[FocusReading | None, float]) -> None:
        reading, took_s = measured
        self._busy = False
        self._timer.start(math.ceil(1000 * took_s * (_REST_STORING if self._storing else _REST)))
        if reading is not None and self._on and subject == self._subject:
            self.changed.emit(self._trend.add(reading))

    def _failed(self, _sentence: str) -> None:
        self._busy = False

    def _place_of(self, frame: Frame) -> tuple[int, float, float] | None:
        """Return the island and where the frame lies in it; the same place as before for as long as the stage rests."""
        place = island_and_place(frame.stage_um, frame.tags)
        before = self._place
        if place is None or before is None or place[0] != before[0] or math.dist(before, place) > _SAME_PLACE_UM:
            self._place = place
        return self._place


def _settings_of(frame: Frame) -> tuple[object, ...]:
    """Return what must be the same for the sharpness of two frames to be compared."""
    size = frame.pixels.shape, frame.pixel_size_um
    return frame.section_id, size, frame.exposure_ms, frame.em_gain, frame.objective


def _measured(frame: Frame) -> tuple[FocusReading | None, float]:
    """Return the reading of a frame, None if it is too small for one, and how long that took in s."""
    began = time.monotonic()
    side = min(_TILE_PX, *frame.pixels.shape)
    if side < _LEAST_PX:
        return None, 0.0
    grid = TileGrid.for_frame((frame.pixels.shape[0], frame.pixels.shape[1]), side)
    z_um = math.nan if frame.stage_um is None or frame.stage_um[2] is None else frame.stage_um[2]
    reading = read_focus(frame.pixels, grid, QualityLimits(), frame.bit_depth, z_um)
    return reading, time.monotonic() - began

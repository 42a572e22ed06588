"""What was seen at which position of the stage, for the map before a section: small pictures, with a bound.

Pictures come from a scan, or from Live while the stage is at rest. The stage's position is read now and then while the
camera runs, so that a picture of Live is laid only once a later one has the same position: between the two the stage
did not move.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from hcc_scope.tracking import Place
from hcc_scope.tracking.mosaic import SeenMosaic

if TYPE_CHECKING:
    from hcc_scope.orientation import Orientation
    from hcc_scope.types import Frame
    from ui.kit.jobs import Jobs

__all__ = ["Overview"]

MOST_MOSAICS = 3
"""Sizes of a pixel or frame that are kept, such as of a scan with low power and of Live; the oldest goes."""
MOSAIC_BYTES = 16 * 2**20
"""Bound of the pictures of each."""
_SAME_PLACE_UM = 1.0
"""A stage at rest reports positions that differ by less."""
_REST_S = 0.5
"""Time between two pictures of one position."""


class Overview(QObject):
    """Collects the pictures. `add` may be called in any thread, all else in the Qt thread.

    Parameters
    ----------
    jobs : Jobs
    parent : QObject, optional
    """

    grown = Signal()
    """Another part was seen, or all is forgotten."""

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._lock = threading.Lock()
        self._mosaics: dict[object, SeenMosaic] = {}
        """By size of pixel and frame; the one that was used last is the last."""
        self._waiting: Frame | None = None
        """Of Live: the next one at the same position shows that the stage is at rest."""
        self._adding = False

    @property
    def mosaics(self) -> tuple[SeenMosaic, ...]:
        """What was seen, from the coarsest pixels to the finest."""
        with self._lock:
            known = sorted(self._mosaics.items(), key=lambda one: -one[0][1])  # type: ignore[index]
        return tuple(mosaic for _, mosaic in known)

    def add(self, frame: Frame, orientation: Orientation) -> bool:
        """Lay a picture of a stage at rest; return whether its place is known."""
        if frame.stage_um is None or not frame.pixel_size_um:
            return False
        height, width = frame.pixels.shape
        key = ((height, width), frame.pixel_size_um, frame.bit_depth, orientation.matrix)
        with self._lock:
            mosaic = self._mosaics.pop(key, None)
            if mosaic is None:
                how = {"bit_depth": frame.bit_depth, "max_bytes": MOSAIC_BYTES}
                mosaic = SeenMosaic((height, width), frame.pixel_size_um, orientation, **how)
            self._mosaics[key] = mosaic
            for old in list(self._mosaics)[:-MOST_MOSAICS]:
                del self._mosaics[old]
            mosaic.add(Place(0, frame.stage_um[0], frame.stage_um[1], 0.0), frame.pixels)
        return True

    def take_scanned(self, frame: Frame, orientation: Orientation) -> None:
        """Lay a picture of a scan; in its worker."""
        if self.add(frame, orientation):
            self._jobs.post(self.grown.emit)

    def take_live(self, frame: Frame, orientation: Orientation) -> None:
        """Take a picture of Live: the one before is laid if the stage was at rest since."""
        before = self._waiting
        if before is None or not _same_place(before, frame):
            self._waiting = frame
        elif (frame.t_mono_ns - before.t_mono_ns) / 1e9 >= _REST_S and not self._adding:
            self._waiting = frame
            self._adding = True
            self._jobs.submit("overview", partial(self.add, before, orientation), self._added, self._not_added)

    def take_snap(self, frame: Frame, orientation: Orientation) -> None:
        """Lay a single picture, which was taken at rest."""
        self._adding = True
        self._jobs.submit("overview", partial(self.add, frame, orientation), self._added, self._not_added)

    def _added(self, laid: bool) -> None:
        self._adding = False
        if laid:
            self.grown.emit()

    def _not_added(self, _sentence: str) -> None:
        self._adding = False

    def clear(self) -> None:
        """Forget everything: another specimen, or another rig."""
        self._waiting = None
        with self._lock:
            empty = not self._mosaics
            self._mosaics.clear()
        if not empty:
            self.grown.emit()


def _same_place(one: Frame, other: Frame) -> bool:
    if one.stage_um is None or other.stage_um is None or one.pixels.shape != other.pixels.shape:
        return False
    return all(abs(a - b) < _SAME_PLACE_UM for a, b in zip(one.stage_um[:2], other.stage_um[:2], strict=True))

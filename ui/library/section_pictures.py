"""The small pictures of sections, made off the Qt thread when they are first painted, kept as long as there is room.

The newest request is served first, and requests that scrolled out of sight are dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter

from hcc_scope.runs.section_thumbnail import section_thumbnail
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.runs.listed_section import ListedSection
    from ui.kit.jobs import Jobs

__all__ = ["PICTURE_PX", "SectionPictures"]

PICTURE_PX = 40
"""Longest side of a picture in the list; it has room for a square."""
_PX_PER_PX = 2
"""Finer than a screen that is not scaled shows it."""
_MOST_KEPT = 2000
"""Of some 10 kB each."""
_MOST_WAITING = 48
"""More than a screen of rows."""
_WORKER = "pictures"


class SectionPictures(QObject):
    """The cache; painting asks it, so it answers at once with what there is.

    Parameters
    ----------
    jobs : Jobs
        Reads on its worker ``pictures``.
    is_behind : callable
        Whether a disk is behind the camera now: then nothing is read.
    parent : QObject, optional
    """

    arrived = Signal(object)
    """The path of a section whose picture is there."""

    def __init__(
        self, jobs: Jobs, is_behind: Callable[[], bool] = lambda: False, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._jobs, self._is_behind = jobs, is_behind
        self._kept: OrderedDict[Path, tuple[tuple[int, ...], QImage]] = OrderedDict()
        self._waiting: OrderedDict[Path, tuple[int, ...]] = OrderedDict()
        self._in_work: Path | None = None
        self._blank = _square(None)

    def get(self, section: ListedSection) -> QImage:
        """Return a section's picture; an empty one, and request it, if it is not there (`arrived` follows).

        A section that grows keeps its picture until its run has ended.
        """
        kept = self._kept.get(section.path)
        if kept is not None:
            self._kept.move_to_end(section.path)
        if section.can_open and section.n_frames and (kept is None or self._is_old(kept[0], section)):
            self._ask(section)
        return self._blank if kept is None else kept[1]

    @staticmethod
    def _is_old(stamp: tuple[int, ...], section: ListedSection) -> bool:
        return section.state != "under way" and stamp != _identity(section)

    def _ask(self, section: ListedSection) -> None:
        if section.path == self._in_work or self._is_behind():
            return
        self._waiting[section.path] = _identity(section)
        self._waiting.move_to_end(section.path)
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.popitem(last=False)
        self._work()

    def _work(self) -> None:
        if self._in_work is not None or not self._waiting:
            return
        path, stamp = self._waiting.popitem()
        self._in_work = path
        self._jobs.submit(_WORKER, partial(_picture, path), partial(self._take, path, stamp))

    def _take(self, path: Path, stamp: tuple[int, ...], pixels: NDArray[np.uint8] | None) -> None:
        self._kept[path] = stamp, _square(pixels)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        self._in_work = None
        self.arrived.emit(path)
        self._work()


def _square(pixels: NDArray[np.uint8] | None) -> QImage:
    """Return a picture in the middle of a square without colour, so that all rows begin at one place."""
    side = PICTURE_PX * _PX_PER_PX
    image = QImage(side, side, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(QColor(0, 0, 0, 0))
    if pixels is not None:
        height, width = pixels.shape
        grey = QImage(pixels.data, width, height, width, QImage.Format.Format_Grayscale8)
        grey = grey.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
        painter = QPainter(image)
        painter.drawImage((side - grey.width()) // 2, (side - grey.height()) // 2, grey)
        painter.end()
    image.setDevicePixelRatio(_PX_PER_PX)
    return image


def _identity(section: ListedSection) -> tuple[int, ...]:
    """Return what changes with the frames of a section, and not with its notes."""
    return (section.n_frames or 0, section.n_parts)


def _picture(path: Path) -> NDArray[np.uint8] | None:
    """Return the picture, or None if there is none: the list states what is wrong with a store."""
    made = attempt(partial(section_thumbnail, path, PICTURE_PX * _PX_PER_PX))
    return None if isinstance(made, Failure) else made

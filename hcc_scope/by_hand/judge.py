"""Decides which live frames of a hand-moved stand are captured.

A frame is fit if its position is known, and the field is still, well exposed, tissue, in focus, and new. The rules are
asked in an order that puts first what an operator must mend first.

*In focus* is relative: a field has at least a share of the best sharpness of the last minute, whether that was captured
or passed by slowly. A field of less fine detail is in focus once the focus was turned through its best
there, and is back. Either way the field is about as sharp as at any time during this halt, and is not getting sharper.

One halt gives one field: the stage must move before the next one is captured. The same holds after a capture was
undone, or it would come back at once.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.by_hand.words import verdict
from hcc_scope.orientation import Orientation
from hcc_scope.quality import QualityLimits, TileQuality, assess_tiles
from hcc_scope.tracking import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.by_hand.view import Verdict
    from hcc_scope.tiling import TileGrid
    from hcc_scope.tracking import TrackView
    from hcc_scope.types import CaptureRules, Frame

__all__ = ["CaptureJudge"]

_LOOK_PX = 16
"""The level is measured on every 16th pixel in y and x."""
_LEAST_SIDE_PX = 64
_OFF_HALT = 2.0
"""A halt is over once the field moves this many times as fast as a still one may."""
_RECENT_S = 60.0
"""How long the best sharpness counts."""
_MOST_SMEAR_PX = 8.0
"""Way during the exposure up to which motion lowers the sharpness. A longer smear along a row takes away more of the
structure of 16 px, which it is relative to, than of the finest: at 120 px it is twice that of the field at rest."""
_AT_BEST = 0.85
"""Share of the best of its halt that a captured frame has."""
_PASSED = 0.8
"""The focus was turned through its best if the sharpness was below this share of it before and after."""
_RISING = 1.1
"""Sharpness relative to what it was `CaptureRules.still_ms` ago from which it is getting sharper."""


class CaptureJudge:
    """Judges live frames, one after the other. Not for several threads at once.

    Parameters
    ----------
    rules : CaptureRules
    grid : TileGrid
        Of every frame.
    um_per_px : float
    orientation : Orientation, optional
        How the camera lies over the axes of the positions.
    limits : QualityLimits, optional
        What counts as tissue.
    """

    def __init__(
        self,
        rules: CaptureRules,
        grid: TileGrid,
        um_per_px: float,
        orientation: Orientation | None = None,
        limits: QualityLimits | None = None,
    ) -> None:
        self._rules = rules
        self._grid = grid
        self._limits = limits or QualityLimits()
        height_px, width_px = grid.frame_shape_yx
        self._um_per_px = um_per_px
        self._size_um = np.array((width_px, height_px)) * um_per_px
        self._to_picture = np.linalg.inv(np.reshape((orientation or Orientation()).matrix, (2, 2)))
        """From the axes of the positions to those of the picture."""
        self._captured: list[Place | None] = []
        self._halt_place: Place | None = None
        """Where a field was captured, or undone, while the stage has not moved away yet."""
        self._halt_word = ""
        """What happened in this halt: ``captured`` or ``undone``; empty if nothing, or once the stage has moved."""
        self._objective: str | None = None
        self._recent = _RecentBest()
        self._halt = _Halt()

    def judge(
        self,
        frame: Frame,
        track: TrackView,
        *,
        t_s: float | None = None,
        asked: bool = False,
        at_target: bool | None = None,
    ) -> Verdict:
        """Return whether the newest live frame is captured.

        Parameters
        ----------
        frame : Frame
        track : TrackView
            What the tracker made of it.
        t_s : float, optional
            When it was exposed; by the frame's own clock if not given.
        asked : bool
            Whether the operator asked for it: it need not have been still for long, may follow another of the same
            halt, and may lie off the target.
        at_target : bool, optional
            Of a drawn field of a guided section: whether this is its place. There it is captured whether it is tissue
            or not, and whatever it overlaps, as on a motorised stage. None for fields that are chosen freely.

        Raises
        ------
        FrameSizeError
            If the frame has another shape than the grid.
        """
        t_s = frame.t_mono_ns / 1e9 if t_s is None else t_s
        if frame.objective != self._objective:
            self._objective = frame.objective
            self._recent, self._halt = _RecentBest(), _Halt()
        return verdict(self._word(frame, track, t_s, asked=asked, at_target=at_target))

    def captured(self, place: Place | None) -> None:
        """Take note that the frame that was judged last is captured, at a place or without one."""
        self._captured.append(place)
        self._halt_word, self._halt_place = "captured", place

    def undone(self) -> None:
        """Take note that the last capture is undone: its place may be captured again, after the stage has moved."""
        if self._captured:
            self._halt_word, self._halt_place = "undone", self._captured.pop()

    def _word(self, frame: Frame, track: TrackView, t_s: float, *, asked: bool, at_target: bool | None) -> str:
        rules, speed_um_s, place = self._rules, track.speed_um_s, _place(frame, track)
        if speed_um_s is None or speed_um_s > _OFF_HALT * rules.still_um_s:
            self._halt_word = ""
        still = speed_um_s is not None and speed_um_s <= rules.still_um_s
        if not still:
            self._halt = _Halt()
        word = self._exposure_word(frame)
        if word:
            return word
        if place is None or track.state != "tracking":
            return "lost" if track.state == "tracking" else track.state.replace("_", " ")
        tissue_share, sharpness = self._measure(frame)
        if sharpness is not None and self._is_hardly_smeared(frame, speed_um_s):
            self._recent.add(t_s, sharpness)
        if not still:
            return "waiting" if speed_um_s is None else "moving"
        self._halt.add(t_s, sharpness, rules.still_ms / 1000)
        if not asked and self._halt_word and (self._halt_place is None or self._covered(place, [self._halt_place])):
            return self._halt_word
        if at_target is False and not asked:
            return "off target"
        if not at_target:
            if sharpness is None or tissue_share < rules.tissue_min:
                return "no tissue"
            if self._covered(place, self._captured):
                return "already here"
        if sharpness is not None:
            if self._halt.is_rising:
                return "focusing"
            if not self._in_focus(sharpness):
                return "blurred"
        if not asked and t_s - self._halt.since_s < rules.still_ms / 1000:
            return "waiting"
        return ""

    def _exposure_word(self, frame: Frame) -> str:
        look = frame.pixels[::_LOOK_PX, ::_LOOK_PX]
        full_scale = 2**frame.bit_depth - 1
        if float(np.mean(look >= full_scale)) > self._rules.saturated_max:
            return "too bright"
        return "too dark" if float(look.mean()) < self._rules.level_min * full_scale else ""

    def _measure(self, frame: Frame) -> tuple[float, float | None]:
        """Return the share of a frame that is tissue, and its sharpness; None without a tile of tissue.

        A quarter of each tile, its middle, shows what all of it shows, in a quarter of the time.
        """
        side = max(min(self._grid.tile_px, _LEAST_SIDE_PX), self._grid.tile_px // 2)
        begin = (self._grid.tile_px - side) // 2
        views = [view[begin : begin + side, begin : begin + side] for view in self._grid.views(frame.pixels)]
        measured: TileQuality = assess_tiles(views, self._limits, frame.bit_depth)
        tissue = measured.tissue_fraction >= self._limits.tissue_fraction_min
        sharpness = float(np.median(measured.focus[tissue])) if tissue.any() else None
        return float(measured.tissue_fraction.mean()), sharpness

    def _is_hardly_smeared(self, frame: Frame, speed_um_s: float | None) -> bool:
        return speed_um_s is not None and speed_um_s * frame.exposure_ms / 1e3 <= _MOST_SMEAR_PX * self._um_per_px

    def _in_focus(self, sharpness: float) -> bool:
        if sharpness < _AT_BEST * self._halt.best:
            return False
        least = max(self._limits.focus_min, self._rules.focus_min * self._recent.best)
        return sharpness >= least or self._halt.passed_best

    def _covered(self, place: Place, by: Sequence[Place | None]) -> bool:
        """Return whether one of these fields, if it is of the same island, covers too much of the field here."""
        centres = [(one.x_um, one.y_um) for one in by if one is not None and one.island == place.island]
        if not centres:
            return False
        apart_um: NDArray[np.float64] = np.array(centres) - (place.x_um, place.y_um)  # (n, 2)
        shared = np.maximum(0.0, 1.0 - np.abs(apart_um @ self._to_picture.T) / self._size_um)
        return bool((shared.prod(axis=1) > self._rules.overlap_max).any())


class _RecentBest:
    """The best sharpness of the last minute; of longer ago, if nothing came since."""

    def __init__(self) -> None:
        self._descending: deque[tuple[float, float]] = deque()
        """(t_s, sharpness): each less sharp than the one before, and newer."""

    def add(self, t_s: float, sharpness: float) -> None:
        while self._descending and self._descending[-1][1] <= sharpness:
            self._descending.pop()
        self._descending.append((t_s, sharpness))
        while self._descending[0][0] < t_s - _RECENT_S:
            self._descending.popleft()

    @property
    def best(self) -> float:
        return self._descending[0][1] if self._descending else 0.0


class _Halt:
    """The course of the sharpness while the field is still."""

    def __init__(self) -> None:
        self.since_s = math.inf
        self.best = 0.0
        self._lowest = self._low_before = self._low_after = math.inf
        self._lately: deque[tuple[float, float]] = deque()
        """(t_s, sharpness), as far back as a rise is looked for."""

    def add(self, t_s: float, sharpness: float | None, lately_s: float) -> None:
        self.since_s = min(self.since_s, t_s)
        if sharpness is None:
            return
        if sharpness > self.best:
            self.best, self._low_before, self._low_after = sharpness, self._lowest, sharpness
        self._lowest, self._low_after = min(self._lowest, sharpness), min(self._low_after, sharpness)
        self._lately.append((t_s, sharpness))
        while len(self._lately) > 1 and self._lately[1][0] <= t_s - lately_s:
            self._lately.popleft()

    @property
    def is_rising(self) -> bool:
        return self._lately[-1][1] > _RISING * self._lately[0][1]

    @property
    def passed_best(self) -> bool:
        """Whether the focus was turned through its best."""
        return max(self._low_before, self._low_after) < _PASSED * self.best


def _place(frame: Frame, track: TrackView) -> Place | None:
    """Return where the field is: by the stage if there is one, as tracked otherwise; None where it is not known."""
    if frame.stage_um is not None:
        return Place(track.island, frame.stage_um[0], frame.stage_um[1], 0.0)
    return track.place

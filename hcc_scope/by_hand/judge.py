"""Decides which live frames of a hand-moved stand are captured.

A frame is fit if its position is known, and the field is still, well exposed, tissue, in focus, and new. The rules are
asked in an order that puts first what an operator must mend first; what is costly is measured for still fields alone.

*In focus* is relative, as the sharpness of a field depends on its tissue: at least a share of what the last captured
fields had (their median), or, for a field of less fine detail, as sharp as this field can be: the focus was turned
through its best here, and is back there. Either way it is about as sharp as the best seen in this halt, and no longer
rising.

One halt gives one field: the stage must move before the next one is captured. The same holds after a capture was
undone, or it would come back at once.
"""

from __future__ import annotations

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
"""A halt is over once the field moves this many times as fast as a still one."""
_RECENT_FIELDS = 9
"""Captured fields that the recent best rests on: their median, so that no single one sets it."""
_AT_BEST = 0.85
"""Share of the best in this halt that a captured frame has."""
_PASSED = 0.8
"""The focus was turned through its best if the sharpness was below this share of it before and after."""
_RISING = 1.1
"""Sharpness relative to what it was `still_ms` ago from which it is called rising."""


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
        self._size_um = np.array((width_px, height_px)) * um_per_px
        a, b, c, d = (orientation or Orientation()).matrix
        self._to_picture = np.linalg.inv(np.array(((a, b), (c, d))))
        """From the axes of the positions to those of the picture."""
        self._captured: list[tuple[Place | None, float]] = []
        """Place and sharpness of each captured field."""
        self._focus: deque[tuple[float, float]] = deque()
        """(t_s, sharpness) of the still frames of this halt, as far back as a rise is looked for."""
        self._still_since_s: float | None = None
        self._halt_place: Place | None = None
        """Where a field was captured, or undone, while the stage has not moved away yet."""
        self._must_move = False
        self._objective: str | None = None
        self._reset_halt()

    def _reset_halt(self) -> None:
        self._focus.clear()
        self._still_since_s = None
        self._best = 0.0
        self._lowest = self._low_before = self._low_after = float("inf")
        self._sharpness = float("nan")

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
            Whether the operator asked for it: it need not have been still for long, and may follow another of the same
            halt.
        at_target : bool, optional
            Of a drawn field of a guided section: whether this is its place. There it is captured whether it is
            tissue or not, and whatever it overlaps, as a motorised stage would. None for fields that are chosen freely.
        """
        t_s = frame.t_mono_ns / 1e9 if t_s is None else t_s
        if frame.objective != self._objective:
            self._objective = frame.objective
            self._captured = [(place, float("nan")) for place, _ in self._captured]
        return verdict(self._word(frame, track, t_s, asked=asked, at_target=at_target))

    def captured(self, place: Place | None) -> None:
        """Take note that the frame that was judged last is captured, at a place or without one."""
        self._captured.append((place, self._sharpness))
        self._must_move, self._halt_place = True, place

    def undone(self) -> None:
        """Take note that the last capture is undone: its place may be captured again, after the stage has moved."""
        if self._captured:
            self._halt_place, _ = self._captured.pop()
        self._must_move = True

    def _word(self, frame: Frame, track: TrackView, t_s: float, *, asked: bool, at_target: bool | None) -> str:
        rules = self._rules
        place = _place(frame, track)
        still = track.speed_um_s is not None and track.speed_um_s <= rules.still_um_s
        if track.speed_um_s is None or track.speed_um_s > _OFF_HALT * rules.still_um_s:
            self._must_move = False
        if not still:
            self._reset_halt()
        elif self._still_since_s is None:
            self._still_since_s = t_s
        word = self._exposure_word(frame)
        if word:
            return word
        if place is None:
            return track.state.replace("_", " ") if track.state != "tracking" else "lost"
        if not still:
            return "moving" if track.speed_um_s is not None else "waiting"
        if at_target is False and not asked:
            return "off target"
        measured = self._measure(frame)
        has_tissue = float(measured.tissue_fraction.mean()) >= rules.tissue_min
        if not has_tissue and not at_target:
            return "no tissue"
        if not at_target and self._covered(place, [one for one, _ in self._captured]):
            return "already here"
        word = self._focus_word(measured, t_s)
        if word:
            return word
        assert self._still_since_s is not None
        if not asked and self._must_move and (self._halt_place is None or self._covered(place, [self._halt_place])):
            return "already here"
        if not asked and t_s - self._still_since_s < rules.still_ms / 1000:
            return "waiting"
        return ""

    def _exposure_word(self, frame: Frame) -> str:
        look = frame.pixels[::_LOOK_PX, ::_LOOK_PX]
        full_scale = 2**frame.bit_depth - 1
        if float(np.mean(look >= full_scale)) > self._rules.saturated_max:
            return "too bright"
        return "too dark" if float(look.mean()) < self._rules.level_min * full_scale else ""

    def _measure(self, frame: Frame) -> TileQuality:
        """Measure the middle of each tile: a quarter of its pixels shows what all of them show, in less time."""
        side = max(min(self._grid.tile_px, _LEAST_SIDE_PX), self._grid.tile_px // 2)
        begin = (self._grid.tile_px - side) // 2
        views = [view[begin : begin + side, begin : begin + side] for view in self._grid.views(frame.pixels)]
        return assess_tiles(views, self._limits, frame.bit_depth)

    def _focus_word(self, measured: TileQuality, t_s: float) -> str:
        """Return what is wrong with the sharpness of a still field; empty for a field without tissue to judge by."""
        tissue = measured.tissue_fraction >= self._limits.tissue_fraction_min
        if not tissue.any():
            self._sharpness = float("nan")
            return ""
        now = self._sharpness = float(np.median(measured.focus[tissue]))
        if now > self._best:
            self._best, self._low_before, self._low_after = now, self._lowest, now
        self._lowest, self._low_after = min(self._lowest, now), min(self._low_after, now)
        self._focus.append((t_s, now))
        while len(self._focus) > 1 and self._focus[1][0] <= t_s - self._rules.still_ms / 1000:
            self._focus.popleft()
        if now > _RISING * self._focus[0][1]:
            return "focusing"
        passed = max(self._low_before, self._low_after) < _PASSED * self._best
        recent = [value for _, value in self._captured[-_RECENT_FIELDS:] if np.isfinite(value)]
        least = max(self._limits.focus_min, self._rules.focus_min * float(np.median(recent or [0.0])))
        return "" if now >= _AT_BEST * self._best and (passed or now >= least) else "blurred"

    def _covered(self, place: Place, by: Sequence[Place | None]) -> bool:
        """Return whether one of these fields, if it is of the same island, covers too much of the field here."""
        centres = [(one.x_um, one.y_um) for one in by if one is not None and one.island == place.island]
        if not centres:
            return False
        apart_um: NDArray[np.float64] = np.array(centres) - (place.x_um, place.y_um)  # (n, 2)
        shared = np.maximum(0.0, 1.0 - np.abs(apart_um @ self._to_picture.T) / self._size_um)
        return bool((shared.prod(axis=1) > self._rules.overlap_max).any())


def _place(frame: Frame, track: TrackView) -> Place | None:
    """Return where the field is: by the stage if there is one, as tracked otherwise; None while it is not known."""
    if frame.stage_um is not None:
        return Place(track.island, frame.stage_um[0], frame.stage_um[1], 0.0)
    return track.place if track.state == "tracking" else None

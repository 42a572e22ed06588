"""Search for the sharpest height: a coarse pass, a fine one, and a last look at what they found.

Nothing is accepted by default. A height is accepted if the curve falls to both sides of it by more than the noise, if
both measures place the peak there, if there is no second peak, and if a last frame taken there is as sharp as the
curve promises and no blurrier than where the search began. In every other case the search ends with a reason, and the
focus drive goes back (docs/focus.md).

The same tiles are judged in all frames. A tile counts as tissue if it does so in its own sharpest frame: out of focus
tissue loses the texture that makes it tissue, and the glow of something beside it can make bare glass look textured.
A tile that is saturated in any frame is left out of all, and if most are, the search is refused.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.focus.curve import bracket, locate, noise_of, second_rise, shoulder
from hcc_scope.focus.result import FocusPoint, FocusResult
from hcc_scope.focus.settings import FocusSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from hcc_scope.focus.curve import Peak
    from hcc_scope.focus.reading import FocusReading
    from hcc_scope.focus.result import FocusReason

__all__ = ["find_focus"]

_FEWEST_COARSE = 5
"""Fewer points between the rig's limits show neither a peak nor the noise."""
_SATURATED_SHARE = 0.5
"""Share of the tissue tiles that may be saturated and left out."""
_STRUCTURE_SHARE = 0.5
"""Share of its frames in which a tile must show structure, where any structure is judged."""
_BRACKET = 0.2
"""A point to a side of the peak brackets it if it lies this share of the peak's height lower."""
_SECOND_CONTRAST = 0.05
"""Of Tenengrad, which the camera's noise raises everywhere, relative to its peak."""
_SURELY_SECOND = 0.3
"""A rise of this share of the peak's height is a second peak, however noisy the curve is."""
_NOISY_RISE = 0.2
"""A rise of this share that might be noise is refused, too: a curve with so much noise has no reliable top."""
_NEAR = 2
"""The beginning is looked at again if it lies within so many fine ranges of the peak: a drift could hide there."""
_SHOULDER = 0.1
"""Share of the peak's height by which the curve may steepen again on its way down."""
_NOISES_SHOULDER = 4.0
_SCATTER = (0.1, 0.25)
"""How far the points about the peak may scatter around their parabola, relative to their values, by measure."""
_DRIFT = 0.1
"""Share of the peak's height by which a height may differ when it is looked at again."""
_UNSEEN = 0.02
"""Share of the peak's height: a smaller difference between two frames at one height is their noise."""
_NOISES_AGAIN = 3.0
"""Standard deviations of the noise by which it may differ."""


def find_focus(
    read_at: Callable[[float], FocusReading],
    began_um: float,
    z_span_um: tuple[float, float] | None = None,
    settings: FocusSettings = FocusSettings(),  # noqa: B008 - frozen
) -> FocusResult:
    """Search for the sharpest height around where the focus drive is.

    Parameters
    ----------
    read_at : callable
        Brings the focus drive to a height, takes a frame there, and returns its reading with the height that was read
        back (`hcc_scope.focus.read_focus`). What it raises is passed on.
    began_um : float
        Where the focus drive is now.
    z_span_um : (lowest, highest), optional
        The rig's limits; no height beyond them is asked for.
    settings : FocusSettings, optional

    Returns
    -------
    FocusResult
        If it is accepted, the last call of `read_at` was for its height. Otherwise the caller brings the focus drive
        back to where it began.
    """
    search = _Search(read_at, began_um, z_span_um or (-math.inf, math.inf), settings)
    try:
        z_um, around_um = search.run()
    except _Refused as refused:
        return search.result(refused.reason, began_um, None)
    return search.result("in_focus", z_um, around_um)


class _Refused(Exception):  # noqa: N818 - a result, not an error
    def __init__(self, reason: FocusReason) -> None:
        super().__init__(reason)
        self.reason = reason


class _Search:
    """One search: the frames so far, and what they show."""

    def __init__(
        self,
        read_at: Callable[[float], FocusReading],
        began_um: float,
        z_span_um: tuple[float, float],
        settings: FocusSettings,
    ) -> None:
        self._read_at = read_at
        self._began_um = began_um
        self._z_span_um = z_span_um
        self._settings = settings
        self._readings: list[FocusReading] = []
        self._coarse_frames = 0
        self._short_um = 0.0
        """By how much the drive missed the last height."""
        self._near_um = settings.fine_step_um / 2
        """How near to the peak the drive must come."""

    def run(self) -> tuple[float, tuple[float, float]]:
        """Return the accepted height, as read back, and the heights that bracket it; raise `_Refused` otherwise."""
        best_um, noise = self._coarse()
        self._coarse_frames = len(self._readings)
        self._fine(best_um)
        peak, around_um = self._peak(best_um, noise)
        return self._last_look(peak, around_um), around_um

    # --- the passes ---

    def _coarse(self) -> tuple[float, float]:
        """Return the best height of the coarse pass, and the noise of the focus measure."""
        settings, step_um = self._settings, self._settings.coarse_step_um
        half = settings.coarse_frames // 2
        heights = [self._began_um + k * step_um for k in range(-half, half + 1)]
        heights = [z_um for z_um in heights if self._allowed(z_um)]
        if len(heights) < _FEWEST_COARSE or not self._allowed(self._began_um):
            raise _Refused("no_room")
        for z_um in heights:
            self._read(z_um)
        self._need_tiles()
        _z_um, focus, second = self._curve()
        noise, noise_second = noise_of(focus, second), noise_of(second, focus)
        if not self._stands_out(focus, 0.0, settings.least_contrast):
            raise _Refused("flat")
        if not self._stands_out(focus, noise, settings.least_contrast):
            raise _Refused("noisy")
        if not self._stands_out(second, noise_second, _SECOND_CONTRAST):
            raise _Refused("disagreeing")
        self._shift(heights[0], heights[-1], noise)
        z_um_of, focus, second = self._curve()
        top = int(np.argmax(focus))
        drop = self._drop(focus, noise)
        if None in bracket(focus, top, drop):
            raise _Refused("edge")
        self._need_one_peak(focus, second, float(np.ptp(focus)), noise)
        if abs(z_um_of[int(np.argmax(second))] - z_um_of[top]) > 1.5 * step_um:
            raise _Refused("disagreeing")
        return float(z_um_of[top]), noise

    def _shift(self, lowest_um: float, highest_um: float, noise: float) -> None:
        """Follow a peak that is not bracketed on one side, in that direction only."""
        step_um = self._settings.coarse_step_um
        _z_um, focus, _second = self._curve()
        left, right = bracket(focus, int(np.argmax(focus)), self._drop(focus, noise))
        if (left is None) == (right is None):
            return
        direction, z_um = (-1, lowest_um) if left is None else (1, highest_um)
        for _ in range(int(self._settings.shift_um / step_um + 1e-9)):
            z_um += direction * step_um
            if not self._allowed(z_um) or self._frames_left() <= 2:
                return
            self._read(z_um)
            self._need_tiles()
            _z_um, focus, _second = self._curve()
            side = bracket(focus, int(np.argmax(focus)), self._drop(focus, noise))[0 if direction < 0 else 1]
            if side is not None:
                return

    def _fine(self, best_um: float) -> None:
        """Read between the coarse heights about the best one; that one and the beginning again if frames are left."""
        step_um = self._settings.fine_step_um
        half = int(self._settings.fine_range_um / step_um + 1e-9)
        seen_um = np.array([reading.z_um for reading in self._readings])
        offsets = [k for k in range(-half, half + 1) if np.min(np.abs(seen_um - best_um - k * step_um)) > step_um / 4]
        left = self._frames_left() - 1  # for the last look
        nearest = sorted(offsets, key=lambda k: (abs(k), k))
        if len(nearest) > left:
            nearest = nearest[: left // 2 * 2]  # as many to either side
        heights = [best_um + k * step_um for k in nearest]
        if len(heights) < left:
            heights.append(best_um)
        if (
            len(heights) < left
            and self._settings.fine_step_um < abs(self._began_um - best_um) <= _NEAR * half * step_um
        ):
            heights.append(self._began_um)
        for z_um in sorted(heights):
            if self._allowed(z_um):
                self._read(z_um)
        self._need_tiles()

    def _peak(self, best_um: float, noise: float) -> tuple[Peak, tuple[float, float]]:
        """Return the peak, and the heights that bracket it."""
        settings = self._settings
        z_um, focus, second = self._curve()
        near = np.abs(z_um - best_um) <= settings.fine_range_um + settings.fine_step_um / 4
        late = near & (self._order() >= self._coarse_frames)  # of one pass: a drift between the two does not bend them
        peak = locate(z_um[late], focus[late], float(focus.min()))
        if peak is None:
            late = near
            peak = locate(z_um[near], focus[near], float(focus.min()))
        if peak is None:
            raise _Refused("drifting")
        for repeated_um in (best_um, self._began_um):
            again = focus[np.abs(z_um - repeated_um) <= settings.fine_step_um / 4]
            if again.size and np.ptp(again) > self._change(focus, peak):
                raise _Refused("drifting")
        self._need_one_peak(focus[near], second[near], float(np.ptp(focus)), noise)
        peak_second = locate(z_um[late], second[late], float(second.min()))
        if peak_second is None or abs(peak_second.z_um - peak.z_um) > settings.agree_um:
            raise _Refused("disagreeing")
        if peak.scatter > _SCATTER[0] or peak_second.scatter > _SCATTER[1]:
            raise _Refused("noisy")
        coarse = self._order() < self._coarse_frames
        steps, steps_second = focus[coarse], second[coarse]
        by_chance = _NOISES_SHOULDER * peak.scatter * peak.value
        steepens = shoulder(steps, steps_second, int(np.argmax(steps)))
        if steepens >= max(_SHOULDER * float(np.ptp(focus)), by_chance):
            raise _Refused("two_peaks")
        left, right = bracket(focus, int(np.argmax(focus)), self._drop(focus, noise))
        if left is None or right is None:
            raise _Refused("drifting")
        around_um = float(z_um[left]), float(z_um[right])
        if not around_um[0] < peak.z_um < around_um[1] or not self._allowed(peak.z_um):
            raise _Refused("drifting")
        return peak, around_um

    def _last_look(self, peak: Peak, around_um: tuple[float, float]) -> float:
        """Look at the peak, and return its height as read back."""
        z_um, focus, _second = self._curve()
        before = self._sharpness_before(z_um, focus)
        # a fit through three points has no scatter, and where it began the image may have been sharp already
        by_chance = max(_NOISES_AGAIN * peak.scatter * peak.value, _UNSEEN * float(np.ptp(focus)))
        least = max(peak.value - self._change(focus, peak), before - by_chance)
        reading = self._read(self._corrected(peak.z_um))
        if abs(reading.z_um - peak.z_um) > self._near_um and self._frames_left():
            reading = self._read(self._corrected(peak.z_um))
        self._need_tiles()
        if abs(reading.z_um - peak.z_um) > self._near_um or not around_um[0] <= reading.z_um <= around_um[1]:
            raise _Refused("off_target")
        if self._focus_in_order()[-1] < least:
            raise _Refused("drifting")
        return reading.z_um

    def _corrected(self, z_um: float) -> float:
        """Return what to ask for so as to reach a height: a drive that stopped short at last does so again."""
        corrected = z_um + self._short_um if abs(self._short_um) > self._near_um else z_um
        return corrected if self._allowed(corrected) else z_um

    def _sharpness_before(self, z_um: NDArray[np.float64], focus: NDArray[np.float64]) -> float:
        """Return the focus measure where the search began: of the last frame there, or between its neighbours."""
        values = self._focus_in_order()
        there = [
            value
            for reading, value in zip(self._readings, values, strict=True)
            if abs(reading.z_um - self._began_um) <= self._settings.fine_step_um / 4
        ]
        return float(there[-1]) if there else float(np.interp(self._began_um, z_um, focus))

    # --- what the frames show ---

    def _read(self, z_um: float) -> FocusReading:
        reading = self._read_at(z_um)
        self._short_um = z_um - reading.z_um
        self._readings.append(reading)
        return reading

    def _frames_left(self) -> int:
        return self._settings.most_frames - len(self._readings)

    def _allowed(self, z_um: float) -> bool:
        """Return whether a height is within the rig's limits, and within reach: what is read back may be anything."""
        in_reach = abs(z_um - self._began_um) <= self._settings.reach_um + self._settings.fine_step_um / 4
        return in_reach and self._z_span_um[0] <= z_um <= self._z_span_um[1]

    def _stands_out(self, values: NDArray[np.float64], noise: float, contrast: float) -> bool:
        height = float(np.ptp(values))
        return height > 0 and height >= max(contrast * float(values.max()), self._settings.noises * noise)

    def _change(self, focus: NDArray[np.float64], peak: Peak) -> float:
        """Return by how much a height may differ when it is looked at again."""
        return max(_DRIFT * float(np.ptp(focus)), _NOISES_AGAIN * peak.scatter * peak.value)

    def _need_one_peak(
        self, focus: NDArray[np.float64], second: NDArray[np.float64], height: float, noise: float
    ) -> None:
        """Refuse a curve that rises again beside its highest point."""
        rise = second_rise(focus, second, int(np.argmax(focus)))
        surely = max(self._settings.second_peak * height, min(self._settings.noises * noise, _SURELY_SECOND * height))
        if rise >= surely:
            raise _Refused("two_peaks")
        if rise >= _NOISY_RISE * height:
            raise _Refused("noisy")

    def _drop(self, focus: NDArray[np.float64], noise: float) -> float:
        return max(_BRACKET * float(np.ptp(focus)), self._settings.noises * noise)

    def _tiles(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return (n,) which tiles show tissue (or structure), and which are saturated in a frame."""
        focus = np.stack([reading.tile_focus for reading in self._readings])  # (frames, n)
        saturated = np.logical_or.reduce([reading.tile_saturated for reading in self._readings])
        if self._settings.judged == "structure":
            shown: NDArray[np.bool_] = (focus > 0).mean(axis=0) >= _STRUCTURE_SHARE
            return shown, saturated
        tissue = np.stack([reading.tile_has_tissue for reading in self._readings])
        return tissue[focus.argmax(axis=0), np.arange(focus.shape[1])], saturated

    def _judged(self) -> NDArray[np.bool_]:
        shown, saturated = self._tiles()
        return shown & ~saturated

    def _need_tiles(self) -> None:
        shown, saturated = self._tiles()
        if (shown & saturated).sum() > _SATURATED_SHARE * shown.sum() or (not shown.any() and saturated.any()):
            raise _Refused("saturated")
        if not shown.any():
            raise _Refused("no_tissue" if self._settings.judged == "tissue" else "flat")

    def _medians(self, values: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
        judged = self._judged()
        return np.array([np.median(each[judged]) if judged.any() else 0.0 for each in values], dtype=np.float64)

    def _focus_in_order(self) -> NDArray[np.float64]:
        return self._medians(reading.tile_focus for reading in self._readings)

    def _second_in_order(self) -> NDArray[np.float64]:
        return self._medians(reading.tile_tenengrad for reading in self._readings)

    def _order(self) -> NDArray[np.intp]:
        """Return (frames,) when each frame was taken, in order of height."""
        return np.argsort([reading.z_um for reading in self._readings], kind="stable")

    def _curve(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the frames in order of height: their heights, and both measures, (frames,) each."""
        z_um = np.array([reading.z_um for reading in self._readings], dtype=np.float64)
        order = self._order()
        return z_um[order], self._focus_in_order()[order], self._second_in_order()[order]

    def result(self, reason: FocusReason, z_um: float, around_um: tuple[float, float] | None) -> FocusResult:
        points: list[FocusPoint] = []
        judged_tiles = tiles = 0
        if self._readings:
            judged = self._judged()
            judged_tiles, tiles = int(judged.sum()), len(judged)
            points = [
                FocusPoint(reading.z_um, float(focus), float(second))
                for reading, focus, second in zip(
                    self._readings, self._focus_in_order(), self._second_in_order(), strict=True
                )
            ]
        return FocusResult(
            reason=reason,
            z_um=z_um,
            began_um=self._began_um,
            curve=tuple(points),
            judged_tiles=judged_tiles,
            tiles=tiles,
            settings=self._settings,
            around_um=around_um,
        )

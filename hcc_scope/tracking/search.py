"""The search for a field that was lost: among all key frames, and at the px sizes of other objectives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hcc_scope.tracking.recognition import PIXEL_SIZE_RATIOS, coarse_spectrum, correlation_at_ratio, likeliest
from hcc_scope.tracking.registration import Match, match, measure, turn

if TYPE_CHECKING:
    from hcc_scope.tracking.key_frames import KeyFrame, KeyFrames
    from hcc_scope.tracking.picture import Picture
    from hcc_scope.tracking.settings import TrackSettings

__all__ = ["Search"]

F64 = NDArray[np.float64]

_N_SEARCHED = 48
"""Key frames that are looked through with one frame."""
_N_VERIFIED = 2
_SAME_OBJECTIVE = 0.5
"""Correlation at which a picture fits at another px size; chance reaches a third of it."""


_TURNED = 0.01
"""Turn, in radians, from which on the positions of earlier fields hold no longer: 3 um over a field's width."""


class Search:
    """Goes through the key frames in turns: a part of them with each frame, so that no frame costs much.

    Parameters
    ----------
    keys : KeyFrames
    settings : TrackSettings
    """

    def __init__(self, keys: KeyFrames, settings: TrackSettings) -> None:
        self._keys = keys
        self._settings = settings
        self._cursor = 0
        self._ratio = 0
        self._hope: tuple[KeyFrame, F64] | None = None
        self.px_size_ratio: float | None = None
        """Of the px to those of the usual objective, once the pictures fit at that ratio; None otherwise."""

        self.turned_deg = 0.0
        """By how much the specimen lies turned against a key frame that it shows a part of; 0 if it does not."""

    def forget(self) -> None:
        """Begin anew: the field was found, or frames were missed."""
        self._hope = self.px_size_ratio = None
        self.turned_deg = 0.0

    def field(
        self, picture: Picture, step: Match | None, last: tuple[int, F64] | None, *, recent: bool
    ) -> tuple[KeyFrame, Match] | None:
        """Return the key frame that shows a part of the field, and how the field lies to it; None if none is found yet.

        Parameters
        ----------
        picture : Picture
        step : Match or None
            From the frame before, which confirms what was half recognised in that.
        last : (island, position) or None
            The position that was known last.
        recent : bool
            Whether that was a few frames ago, so that the field may still be near it.
        """
        settings = self._settings
        hope, self._hope = self._hope, None
        if hope is not None and step is not None:
            key, position = hope
            offset = position + step.offset_yx - key.position
            seen = measure(self._keys.picture(key), picture, offset.tolist(), settings)
            if seen is not None and seen.correlation >= settings.relocalise_correlation:
                return key, seen
        best: tuple[KeyFrame, Match] | None = None
        for key in self._suspects(picture, last if recent else None):
            seen = match(self._keys.picture(key), picture, settings)
            if seen is None or seen.overlap < settings.relocalise_overlap:
                continue
            if best is None or seen.correlation > best[1].correlation:
                best = key, seen
        if best is None or best[1].correlation < settings.relocalise_correlation:
            return None
        turned = turn(self._keys.picture(best[0]), picture, best[1], settings)
        if abs(turned) > _TURNED:
            self.turned_deg = math.degrees(abs(turned))
            return None
        if best[1].correlation >= settings.sure_correlation:
            return best
        self._hope = best[0], best[0].position + best[1].offset_yx
        return None

    def objective(self, picture: Picture, last: tuple[int, F64] | None) -> None:
        """Compare a lost field at one other px size with what was known last, or is known at all."""
        near = list(self._keys)[-_N_VERIFIED:]
        if last is not None:
            near = [key for _, key in self._keys.overlaps(*last)[:_N_VERIFIED]]
        ratio = PIXEL_SIZE_RATIOS[self._ratio % len(PIXEL_SIZE_RATIOS)]
        self._ratio += 1
        for key in near:
            known = self._keys.picture(key).structure
            if correlation_at_ratio(picture.structure, known, ratio) >= _SAME_OBJECTIVE:
                self.px_size_ratio = ratio
                return

    def _suspects(self, picture: Picture, last: tuple[int, F64] | None) -> list[KeyFrame]:
        """Return the key frames to compare with this time: near the last position, and the likeliest of a part."""
        frames = list(self._keys)
        if len(frames) <= _N_VERIFIED:
            return frames
        suspects: list[KeyFrame] = []
        if last is not None:
            suspects = [key for _, key in self._keys.overlaps(*last)[:_N_VERIFIED]]
        end = len(frames) - self._cursor % len(frames)
        part = frames[max(0, end - _N_SEARCHED) : end]
        self._cursor = 0 if end <= _N_SEARCHED else self._cursor + _N_SEARCHED
        likely = likeliest(part, coarse_spectrum(picture), _N_VERIFIED)
        return suspects + [key for key in likely if key not in suspects]

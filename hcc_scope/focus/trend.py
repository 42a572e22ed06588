"""How the sharpness goes from one live picture to the next, and whether the best is past."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from hcc_scope.focus.curve import unevenness

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FocusTrend", "SharpTiles", "TileSharpness", "TrendState", "TrendView"]

TrendState = Literal["no_structure", "steady", "rising", "falling", "past_best", "best"]
"""``past_best``: it was sharper before, and turning back brings that back. ``best``: as sharp as the best seen."""


@dataclass(frozen=True, slots=True)
class TrendView:
    """What is shown of the trend."""

    state: TrendState
    fraction: float
    """Sharpness now relative to the best seen, 0 to 1: the bar."""
    text: str
    """For people, short."""


class SharpTiles(Protocol):
    """What the trend needs of a frame; `hcc_scope.focus.reading.FocusReading` has it too. Of n tiles each."""

    @property
    def tile_focus(self) -> NDArray[np.float32]:
        """(n,) `hcc_scope.quality.TileQuality.focus`."""

    @property
    def tile_has_tissue(self) -> NDArray[np.bool_]:
        """(n,) whether enough of the tile is textured as tissue is."""

    @property
    def tile_saturated(self) -> NDArray[np.bool_]:
        """(n,) whether too many of its pixels are at full scale."""


@dataclass(frozen=True, slots=True)
class TileSharpness:
    """The `SharpTiles` of a frame whose tiles are measured already."""

    tile_focus: NDArray[np.float32]
    tile_has_tissue: NDArray[np.bool_]
    tile_saturated: NDArray[np.bool_]


_TEXTS: dict[TrendState, str] = {
    "no_structure": "nothing to focus on here",
    "steady": "turn the focus a little",
    "rising": "sharper: go on",
    "falling": "a little less sharp",
    "past_best": "past the best: turn back",
    "best": "as sharp as the best seen",
}
_NEAR_BEST = 0.95
_PAST_BEST = 0.9
"""Shares of the best seen."""
_LEAST_CHANGE = 0.03
"""A smaller change from one look to the next, relative to the sharpness, is no trend."""
_NOISES = 4.0
_MOST_NOISE = 0.15
"""A larger change is a trend, however unevenly it comes: a hand turns in jerks."""
_RECENT = 9
"""Frames that the trend and the noise rest on: a third of a second of a live picture, or a few turns of a knob."""
_BACK = 2
"""A frame is compared with the one this many before: a hand is slow."""


class FocusTrend:
    """Follows the focus measure over successive frames. `reset` for another field.

    Each tile is compared with itself, so that a tile that loses its texture out of focus does not change what the
    others count for. A tile is judged from the first frame on that shows tissue in it.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the best seen: another field, objective or exposure."""
        self._best: NDArray[np.float32] | None = None  # (n,)
        self._judged: NDArray[np.bool_] | None = None  # (n,)
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=_RECENT)
        self._was_passed = False

    def add(self, reading: SharpTiles) -> TrendView:
        """Take the newest frame's reading, and return what to show."""
        if self._best is None or self._judged is None or len(self._best) != len(reading.tile_focus):
            self.reset()
            self._best = reading.tile_focus.copy()
            self._judged = reading.tile_has_tissue & ~reading.tile_saturated
        self._best = np.maximum(self._best, reading.tile_focus)
        self._judged = (self._judged | reading.tile_has_tissue) & ~reading.tile_saturated
        self._recent.append(reading.tile_focus)
        used = self._judged & (self._best > 0)
        if not used.any():
            return _view("no_structure", 0.0)
        # (frames,) sharpness of the same tiles, each relative to its own best
        course = np.median(np.stack(self._recent)[:, used] / self._best[used], axis=1)
        now = float(min(1.0, course[-1]))
        change = float(course[-1] - course[max(0, len(course) - 1 - _BACK)])
        by_chance = min(_NOISES * unevenness(course), _MOST_NOISE * now)
        matters = max(_LEAST_CHANGE * now, by_chance)
        if change > matters:
            return _view("rising", now)
        if now < _PAST_BEST:
            self._was_passed = True
            return _view("past_best", now)
        if change < -matters:
            return _view("falling" if now >= _NEAR_BEST else "past_best", now)
        return _view("best" if self._was_passed and now >= _NEAR_BEST else "steady", now)


def _view(state: TrendState, fraction: float) -> TrendView:
    return TrendView(state, fraction, _TEXTS[state])

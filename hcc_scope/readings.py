"""What a section shows of its microscope: a few numbers, recorded with the end of its run.

They are medians over the section of what is measured for every frame anyway (`hcc_scope.quality`), of what the devices
report, and of one cheap look at the raw pixels. They change no score. Control charts follow them over days
(`hcc_scope.report.control_charts`).

=================  ==================================================================================================
``background``     level of the tiles without tissue, as a share of full scale
``tissue_level``   level of the tiles with tissue, likewise
``vignette``       background in the corners of the frame, relative to its middle
``focus``          focus measure of the tiles with tissue
``noise``          variance of the pixel noise divided by the level, in counts: for photon noise, counts per electron
``exposure_ms``, ``em_gain``, ``temperature_c``, ``lamp_level``   as read back
``objective``      the label that most frames have
``frames``         how many frames were measured
=================  ==================================================================================================

Saturated and under-exposed tiles are left out. Levels are those of the raw frame,
before any correction: a correction would hide the vignette that it removes.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.quality import TileQuality
    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import Frame, TagValue

__all__ = ["LAMP_TAG", "ReadingsLog"]

LAMP_TAG = "lamp_level"
"""The tag of a frame that holds the lamp's level, where the rig file names the property."""
_STEP_PX = 16
_MOST_FRAMES = 2048
"""Of a longer run every second, fourth ... frame counts: memory stays bounded, and a median needs no more."""
_LEAST_TILES = 4
"""Fewer are chance."""
_LEAST_AT_PLACE = 2
_LEAST_ROWS = 3
"""Of places in a frame, so that there are corners and a middle."""
_SPLIT_ROWS = 4
"""Where a frame has fewer tiles, they are divided: the 1024 x 1024 pixels of an EMCCD are four of 512."""
_USELESS = QualityFlag.SATURATED.value | QualityFlag.UNDER_EXPOSED.value


class ReadingsLog:
    """Collects the readings of a run. One thread adds; any thread may ask.

    Parameters
    ----------
    grid : TileGrid
        Of every frame.
    first_seq : int
        Frames with a smaller number are of an earlier part of the section, and of another day's microscope.
    """

    def __init__(self, grid: TileGrid, first_seq: int = 0) -> None:
        self._grid = grid
        self._first_seq = first_seq
        fewest = min(grid.shape_rc)
        self._split = 1 if fewest >= _LEAST_ROWS else -(-_SPLIT_ROWS // fewest)
        """Into how many parts a tile is divided along each axis, to see the vignette."""
        self._lock = threading.Lock()
        self._tiles: list[NDArray[np.float32]] = []
        """Per frame (4, n): background, tissue level, focus, noise; NaN where a tile has none."""
        self._parts: list[NDArray[np.float32]] = []
        """Per frame (n, split, split): background of the parts of each tile."""
        self._numbers: list[tuple[float, float, float, float]] = []
        """Per frame: exposure, EM gain, temperature, lamp level; NaN where there is none."""
        self._objectives: Counter[str] = Counter()
        self._every = 1
        self._n_seen = 0

    def add(self, frame: Frame, views: Sequence[NDArray[np.uint16]], assessed: TileQuality) -> None:
        """Take one frame.

        Parameters
        ----------
        frame : Frame
        views : sequence of (tile, tile) uint16
            The tiles of its raw pixels.
        assessed : TileQuality
            What was measured of them.
        """
        if frame.seq < self._first_seq:
            return
        self._n_seen += 1
        if (self._n_seen - 1) % self._every:
            return
        full_scale = 2.0**frame.bit_depth - 1
        looks = [view[::_STEP_PX, ::_STEP_PX] for view in views]
        level = np.array([look.mean() for look in looks]) / full_scale
        good = (assessed.flags & _USELESS) == 0
        tissue = (assessed.flags & QualityFlag.NO_TISSUE.value) == 0
        noise = assessed.noise_variance / np.maximum(assessed.mean_level * full_scale, 1.0)
        rows = ((level, good & ~tissue), (level, good & tissue), (assessed.focus, good & tissue), (noise, good))
        glass = np.where(good & ~tissue, 1.0, np.nan)[:, None, None]
        parts = (np.array([_part_means(look, self._split) for look in looks]) * glass).astype(np.float32)
        tiles = np.array([np.where(valid, values, np.nan) for values, valid in rows], dtype=np.float32)
        lamp = frame.tags.get(LAMP_TAG)
        numbers = (frame.exposure_ms, _number(frame.em_gain), _number(frame.temperature_c), _number(lamp))
        with self._lock:
            self._tiles.append(tiles)
            self._parts.append(parts)
            self._numbers.append(numbers)
            if frame.objective is not None:
                self._objectives[frame.objective] += 1
            if len(self._tiles) > _MOST_FRAMES:
                self._every *= 2
                del self._tiles[1::2], self._parts[1::2], self._numbers[1::2]

    def summary(self) -> dict[str, TagValue]:
        """Return the readings by name; None where a section has none. Empty before the first frame."""
        with self._lock:
            if not self._tiles:
                return {}
            tiles, parts, numbers = np.stack(self._tiles), np.stack(self._parts), np.array(self._numbers)
            objective = self._objectives.most_common(1)
        background, tissue_level, focus, noise = (tiles[:, row] for row in range(4))
        exposure_ms, em_gain, temperature_c, lamp_level = (_median(numbers[:, column], 1) for column in range(4))
        return {
            "frames": self._n_seen,
            "background": _median(background, _LEAST_TILES),
            "tissue_level": _median(tissue_level, _LEAST_TILES),
            "vignette": self._vignette(parts),
            "focus": _median(focus, _LEAST_TILES),
            "noise": _median(noise, _LEAST_TILES),
            "exposure_ms": exposure_ms,
            "em_gain": em_gain,
            "temperature_c": temperature_c,
            "lamp_level": lamp_level,
            "objective": objective[0][0] if objective else None,
        }

    def _vignette(self, parts: NDArray[np.float32]) -> float | None:
        """Return the background in the corners relative to the middle; None where it is not known.

        Parameters
        ----------
        parts : (frames, n, split, split) float32
        """
        split = self._split
        rows, columns = (split * n for n in self._grid.shape_rc)
        within = np.arange(split)
        row = (split * self._grid.rows_cols[:, 0, None, None] + within[:, None] + 0 * within).ravel()
        column = (split * self._grid.rows_cols[:, 1, None, None] + within + 0 * within[:, None]).ravel()
        corner = np.isin(row, (0, rows - 1)) & np.isin(column, (0, columns - 1))
        middle = (np.abs(row - (rows - 1) / 2) < 1) & (np.abs(column - (columns - 1) / 2) < 1)
        levels = parts.reshape(len(parts), -1)  # (frames, places)
        outer, inner = (_place_means(levels[:, where]) for where in (corner, middle))
        if outer.size < 2 or inner.size < 1 or inner.mean() <= 0:
            return None
        return _rounded(float(outer.mean() / inner.mean()))


def _part_means(look: NDArray[np.uint16], split: int) -> NDArray[np.float64]:
    """Return the mean of each of split x split parts of a look at a tile."""
    rows = np.array_split(look, split, axis=0)
    return np.array([[part.mean() for part in np.array_split(row, split, axis=1)] for row in rows])


def _place_means(levels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the median at each place of a frame that was background often enough."""
    enough = np.count_nonzero(np.isfinite(levels), axis=0) >= _LEAST_AT_PLACE
    medians: NDArray[np.float64] = np.nanmedian(levels[:, enough].astype(np.float64), axis=0)
    return medians


def _median(values: NDArray[np.floating], least: int) -> float | None:
    finite = values[np.isfinite(values)]
    return _rounded(float(np.median(finite))) if finite.size >= least else None


def _rounded(value: float) -> float:
    """Return a reading with the digits that it has, so that manifests stay short."""
    return float(f"{value:.6g}")


def _number(value: TagValue) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")

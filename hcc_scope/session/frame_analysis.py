"""What is done with one frame: tiles, quality, model. A function of the frame and the model alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope import quality, scoring
from hcc_scope.errors import HccScopeError, ModelFormatError
from hcc_scope.types import FrameResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hcc_scope.protocols import Tiles
    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import Frame

__all__ = ["FrameAnalyser", "failed_result"]


@dataclass(frozen=True, slots=True)
class FrameAnalyser:
    """Makes a `FrameResult` of a frame.

    Tiles with a quality flag are not classified; a frame with no tile left is ``excluded``.
    """

    grid: TileGrid
    limits: quality.QualityLimits
    classify: Callable[[Tiles], NDArray[np.float32]]
    """k raw tiles, as views into the frame, to (k, 2) logits, columns *low*, *high*."""
    engine: str
    temperature: float
    """The model card's calibration temperature."""

    def analyse(self, frame: Frame) -> FrameResult:
        """Return the frame's result, with the milliseconds of the stages ``tile``, ``quality`` and ``classify``.

        Raises
        ------
        ModelFormatError
            If the classifier does not return two logits per tile.
        HccScopeError
            If it returns something that is no number, or the frame does not fit the grid.
        """
        watch = _StopWatch()
        flags = quality.assess(frame.pixels, self.grid, self.limits, frame.bit_depth).flags
        watch.lap("quality")
        included = np.flatnonzero(flags == 0)
        logits = np.full(self.grid.n, np.nan, dtype=np.float32)
        probabilities = logits.copy()
        if included.size:
            views = self.grid.views(frame.pixels)
            tiles = [views[index] for index in included]  # k views (tile, tile): nothing is copied
            watch.lap("tile")
            log_odds = scoring.log_odds(self._checked(self.classify(tiles), len(tiles)))  # (k,)
            watch.lap("classify")
            logits[included] = log_odds
            probabilities[included] = scoring.calibrate(log_odds, self.temperature)
        for array in (logits, probabilities, flags):
            array.flags.writeable = False
        return FrameResult(
            seq=frame.seq,
            outcome="classified" if included.size else "excluded",
            logits=logits,
            probabilities=probabilities,
            flags=flags,
            engine=self.engine,
            latency_ms=watch.laps_ms,
        )

    @staticmethod
    def _checked(logits: NDArray[np.float32], n_tiles: int) -> NDArray[np.float32]:
        if logits.shape != (n_tiles, 2):
            raise ModelFormatError(f"the model returned an array of shape {logits.shape} for {n_tiles} tiles")
        if not np.isfinite(logits).all():
            raise HccScopeError("the model returned a value that is no finite number")
        return logits


def failed_result(seq: int, n_tiles: int, engine: str, reason: str) -> FrameResult:
    """Return the result of a frame that could not be analysed, and why."""
    nothing = np.full(n_tiles, np.nan, dtype=np.float32)
    nothing.flags.writeable = False
    return FrameResult(
        seq=seq,
        outcome="failed",
        logits=nothing,
        probabilities=nothing,
        flags=np.zeros(n_tiles, dtype=np.uint8),
        engine=engine,
        error=reason,
    )


class _StopWatch:
    """Milliseconds from lap to lap."""

    def __init__(self) -> None:
        self.laps_ms: dict[str, float] = {}
        self._last_ns = time.perf_counter_ns()

    def lap(self, name: str) -> None:
        now_ns = time.perf_counter_ns()
        self.laps_ms[name] = (now_ns - self._last_ns) / 1e6
        self._last_ns = now_ns

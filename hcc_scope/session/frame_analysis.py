"""The analysis of one frame: shading, tiles, quality, model. A function of frame, references and model alone."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope import quality, scoring
from hcc_scope.errors import HccScopeError, ModelFormatError
from hcc_scope.shading.correction import analysed_pixels
from hcc_scope.types import Classification, FrameResult, QualityFlag

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hcc_scope.protocols import Tiles
    from hcc_scope.readings import ReadingsLog
    from hcc_scope.shading.correction import Shading
    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import Frame

__all__ = ["FrameAnalyser", "failed_result"]


@dataclass(frozen=True, slots=True)
class FrameAnalyser:
    """Makes a `FrameResult` of a frame.

    Tiles with a quality flag are not classified. Those that the model then finds unlike its training tiles are flagged
    as well and get no probability; their log-odds and distances are kept. A frame with no tile left is ``excluded``.
    """

    grid: TileGrid
    limits: quality.QualityLimits
    classify: Callable[[Tiles], Classification]
    """Takes k tiles, as views into the frame or its corrected copy; see `hcc_scope.protocols.Classifier.classify`."""
    engine: str
    temperature: float
    """The model card's calibration temperature."""
    unlike_beyond: float | None = None
    """Distance from the training tiles beyond which a tile is not scored; None: whatever the distance."""
    readings: ReadingsLog | None = None
    """Takes what each frame shows of the microscope."""
    shading: Shading | None = None
    """Corrects each frame before it is cut into tiles; None: tiles are raw."""

    def analyse(self, frame: Frame) -> FrameResult:
        """Return the frame's result, with the milliseconds of its stages.

        The stages are ``shading`` (with a correction only), ``tile``, ``quality`` and ``classify``.

        Raises
        ------
        ModelFormatError
            If the classifier does not return two logits and one or no distance per tile, or no distance where tiles
            beyond one must be flagged.
        HccScopeError
            If it returns something that is no number, or the frame does not fit the grid or the references.
        """
        return self.analyse_with_quality(frame)[0]

    def analyse_with_quality(self, frame: Frame) -> tuple[FrameResult, quality.TileQuality]:
        """Return the frame's result, and the measured values behind the flags of its tiles; raises like `analyse`."""
        watch = _StopWatch()
        pixels = analysed_pixels(frame.pixels, self.shading)
        if self.shading is not None:
            watch.lap("shading")
        views = self.grid.views(pixels)  # nothing is copied
        raw = None if self.shading is None else self.grid.views(frame.pixels)
        watch.lap("tile")
        assessed = quality.assess_tiles(views, self.limits, frame.bit_depth, raw=raw)
        flags = assessed.flags.copy()  # the model adds its own
        if self.readings is not None:
            self.readings.add(frame, views if raw is None else raw, assessed)
        watch.lap("quality")
        asked = np.flatnonzero(flags == 0)
        logits = np.full(self.grid.n, np.nan, dtype=np.float32)
        probabilities = logits.copy()
        distances: NDArray[np.float32] | None = None
        if asked.size:
            answer = self._checked(self.classify([views[index] for index in asked]), asked.size)
            watch.lap("classify")
            logits[asked] = scoring.log_odds(answer.logits)
            if answer.distances is not None:
                distances = np.full(self.grid.n, np.nan, dtype=np.float32)
                distances[asked] = answer.distances
                if self.unlike_beyond is not None:
                    flags[asked[answer.distances > self.unlike_beyond]] |= QualityFlag.UNLIKE_TRAINING.value
        included = np.flatnonzero(flags == 0)
        probabilities[included] = scoring.calibrate(logits[included], self.temperature)
        for array in (logits, probabilities, flags, distances):
            if array is not None:
                array.flags.writeable = False
        result = FrameResult(
            seq=frame.seq,
            outcome="classified" if included.size else "excluded",
            logits=logits,
            probabilities=probabilities,
            flags=flags,
            engine=self.engine,
            latency_ms=watch.laps_ms,
            distances=distances,
            level=_mean(assessed.mean_level[asked]),
            focus=_mean(assessed.focus[asked]),
        )
        return result, assessed

    def _checked(self, answer: Classification, n_tiles: int) -> Classification:
        if not isinstance(answer, Classification):  # a classifier of the user's own may return anything
            raise ModelFormatError(
                f"the classifier returned {type(answer).__name__}, not a Classification",
                hint="Return hcc_scope.types.Classification(logits) from its classify method.",
            )
        logits = _as_float32(answer.logits, "logits")
        distances = None if answer.distances is None else _as_float32(answer.distances, "distances")
        if logits.shape != (n_tiles, 2):
            raise ModelFormatError(f"the model returned an array of shape {logits.shape} for {n_tiles} tiles")
        if not np.isfinite(logits).all():
            raise HccScopeError("the model returned a value that is no finite number")
        if distances is None:
            if self.unlike_beyond is not None:
                raise ModelFormatError("the model does not give a tile's distance from its training tiles")
        elif distances.shape != (n_tiles,) or not (np.isfinite(distances) & (distances >= 0)).all():
            raise ModelFormatError(
                f"the model did not return a distance, finite and from 0 on, for each of {n_tiles} tiles"
            )
        return Classification(logits, distances)


def _mean(values: NDArray[np.float32]) -> float | None:
    """Return the mean, the same for the same values on any machine; None of none."""
    return math.fsum(values.tolist()) / values.size if values.size else None


def _as_float32(values: object, what: str) -> NDArray[np.float32]:
    """Return the numbers of a classifier in the precision in which they are scored and stored."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        kind = f"an array of {values.dtype}" if isinstance(values, np.ndarray) else type(values).__name__
        raise ModelFormatError(
            f"the classifier returned {what} that are {kind}, not an array of real numbers",
            hint="Return them as a float32 array.",
        )
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused as such
        return values.astype(np.float32, copy=False)


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

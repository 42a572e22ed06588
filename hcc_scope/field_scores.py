"""What one field contributes to a score: from the logits of its tiles to their mean probability of *high*.

Tile probability (temperature-calibrated) -> frame score = mean over included tiles. What becomes of the frames is in
`hcc_scope.scoring`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.types import FrameOutcome, FrameResult

__all__ = ["FieldEntry", "calibrate", "field_entry", "frame_score", "log_odds", "usable_tiles"]


def log_odds(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the log-odds of *high* against *low*.

    Parameters
    ----------
    logits : (n, 2) float32
        Columns *low*, *high*.

    Returns
    -------
    (n,) float32
    """
    if logits.ndim != 2 or logits.shape[1] != 2:
        raise ValueError(f"logits must be (n, 2), not {logits.shape}")
    return logits[:, 1].astype(np.float32) - logits[:, 0].astype(np.float32)


def calibrate(log_odds: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return the probability of *high*: the logistic function of ``log_odds / temperature``.

    Temperature scaling after Guo et al., "On calibration of modern neural networks", ICML 2017. NaN stays NaN.

    Parameters
    ----------
    log_odds : (n,) float32
        See `log_odds`.
    temperature : float
        The model card's; 1 leaves the probabilities as the network gave them.

    Returns
    -------
    (n,) float32 in [0, 1]

    Raises
    ------
    ValueError
        If the temperature is not a positive number.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be positive, not {temperature}")
    scaled = log_odds.astype(np.float64) / temperature
    small = np.exp(-np.abs(scaled))  # never overflows
    return (np.where(scaled >= 0, 1.0, small) / (1.0 + small)).astype(np.float32)


def frame_score(result: FrameResult) -> float | None:
    """Return the mean probability over a frame's included tiles, or None if it has none.

    A tile is included if the frame was classified, none of the tile's quality flags is set and its probability is a
    number.

    Raises
    ------
    ValueError
        If a probability lies outside [0, 1].
    """
    included = _included(result)
    return math.fsum(included) / len(included) if included else None


def usable_tiles(flags: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which tiles of a classified frame are included: no quality flag, and a probability that is a number."""
    usable: NDArray[np.bool_] = (flags == 0) & np.isfinite(probabilities)
    return usable


def _included(result: FrameResult) -> list[float]:
    if result.outcome != "classified":
        return []
    probabilities: list[float] = result.probabilities[usable_tiles(result.flags, result.probabilities)].tolist()
    if any(not 0.0 <= p <= 1.0 for p in probabilities):
        raise ValueError(f"frame {result.seq} has a probability outside [0, 1]")
    return probabilities


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """All that a section's score needs of one frame's result; see `field_entry`."""

    seq: int
    outcome: FrameOutcome
    score: float | None
    """Mean over included tiles; None if there is none."""
    n_included: int
    """Tiles that enter the score."""
    n_flagged: tuple[int, ...]
    """Tiles by `QualityFlag`, in its order; all 0 for a frame that failed."""
    n_tiles: int = 0
    """All tiles of the frame; 0 where nothing depends on it."""
    level: float | None = None
    focus: float | None = None
    """See `hcc_scope.types.FrameResult`."""


def field_entry(result: FrameResult) -> FieldEntry:
    """Return what a section's score needs of a frame's result.

    Raises
    ------
    ValueError
        If a probability lies outside [0, 1].
    """
    included = _included(result)
    score = math.fsum(included) / len(included) if included else None
    n_flagged = tuple(
        0 if result.outcome == "failed" else int(np.count_nonzero(result.flags & flag.value)) for flag in QualityFlag
    )
    return FieldEntry(
        result.seq, result.outcome, score, len(included), n_flagged, len(result.flags), result.level, result.focus
    )

"""The sentences below the live image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.formatting import counted, format_number
from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from hcc_scope.types import Frame, FrameResult

__all__ = ["describe_camera", "describe_pixel", "describe_result"]


def describe_result(result: FrameResult) -> str:
    """Return the outcome of a frame: how many of its tiles are classified or scored."""
    if result.outcome == "failed":
        return f"could not be classified: {result.error or 'no reason given'}"
    used = int(np.count_nonzero((result.flags == 0) & np.isfinite(result.probabilities)))
    unlike = int(np.count_nonzero(result.flags & np.uint8(QualityFlag.UNLIKE_TRAINING.value)))
    left_out = f", {unlike} unlike training" if unlike else ""
    return f"{used} of {counted(len(result.flags), 'tile')} {'scored' if unlike else 'classified'}{left_out}"


def describe_camera(frame: Frame) -> str:
    """Return size, exposure and gain of a frame."""
    height_px, width_px = frame.pixels.shape
    text = f"{width_px} x {height_px} px"
    if not math.isnan(frame.exposure_ms):  # of an image whose file states none
        text += f", {format_number(frame.exposure_ms, 3)} ms"
    return text if frame.em_gain is None else f"{text}, EM gain {format_number(frame.em_gain, 1)}"


def describe_pixel(x_px: int, y_px: int, counts: int, full_scale: int, um_per_px: float | None) -> str:
    """Return counts and place of a pixel.

    Examples
    --------
    >>> describe_pixel(100, 50, 4095, 4095, 0.5)
    '4,095 counts, saturated at x 100 px, y 50 px = 50.0 µm, 25.0 µm'
    """
    full = ", saturated" if counts >= full_scale else ""
    um = "" if um_per_px is None else f" = {x_px * um_per_px:.1f} µm, {y_px * um_per_px:.1f} µm"
    return f"{counts:,} counts{full} at x {x_px} px, y {y_px} px{um}"

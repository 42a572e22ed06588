"""Exposures that a rig allows, and whether a camera took the one asked for: drivers take the nearest they can do."""

from __future__ import annotations

__all__ = ["exposure_span_ms", "takes_exposure"]

_SHARE = 0.01
_LEAST_MS = 0.01
"""How far a camera may round an exposure: the larger of a share of it and a line or two of its read-out."""


def takes_exposure(asked_ms: float, taken_ms: float) -> bool:
    """Return whether an exposure that a camera reports is the one that it was asked for, but for rounding.

    Examples
    --------
    >>> takes_exposure(20.0, 20.1), takes_exposure(20.0, 25.0), takes_exposure(0.001, 0.0)
    (True, False, False)
    """
    return taken_ms > 0 and abs(taken_ms - asked_ms) <= max(_SHARE * asked_ms, _LEAST_MS)


def exposure_span_ms(
    camera_ms: tuple[float, float] | None, rig_ms: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Return the exposures that camera and rig file both allow; None if neither states limits.

    Examples
    --------
    >>> exposure_span_ms((0.0, 10_000.0), (1.0, 200.0)), exposure_span_ms(None, None)
    ((1.0, 200.0), None)
    """
    spans = [span for span in (camera_ms, rig_ms) if span is not None]
    if not spans:
        return None
    return max(span[0] for span in spans), min(span[1] for span in spans)

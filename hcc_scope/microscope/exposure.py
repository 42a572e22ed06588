"""Whether a camera took the exposure that it was asked for: drivers silently take the nearest that they can do."""

from __future__ import annotations

__all__ = ["takes_exposure"]

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

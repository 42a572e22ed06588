"""The thresholds of tracking. What they rest on is measured by ``python -m benchmarks.tracking``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TrackSettings"]


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How pictures are compared, and when a comparison counts."""

    reduced_px: int = 256
    """Side, in px, of the square that has as many pixels as a reduced picture has about."""
    min_correlation: float = 0.42
    """Smallest correlation over the true overlap that is accepted, however large the overlap."""
    stated_correlation: float = 0.65
    """Smallest correlation with a key frame at which a position is stated without a second measurement that agrees."""
    min_overlap: float = 0.10
    """Smallest overlap, as a share of the field."""
    relocalise_correlation: float = 0.55
    """Smallest correlation at which a field that was lost is recognised; the next frame must confirm it ..."""
    sure_correlation: float = 0.7
    """... but from here on. A field that agrees less with its neighbours does not become a key frame."""
    relocalise_overlap: float = 0.25
    """Smallest overlap at which a field that was lost is recognised."""
    key_overlap: float = 0.6
    """A field that overlaps all key frames less becomes a key frame."""
    max_key_frames: int = 1000
    """Pictures that are kept to compare with; each takes about 64 KiB plus 17 KiB for the search."""
    max_course: int = 20_000
    """Positions of the course that are kept; a longer one is thinned."""

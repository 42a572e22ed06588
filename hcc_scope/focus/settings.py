"""How a search for the focus goes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["FocusSettings", "JudgedTiles"]

JudgedTiles = Literal["tissue", "structure"]
"""Which tiles are judged: those with tissue, or all that show any structure (beads, a test target)."""


@dataclass(frozen=True, slots=True)
class FocusSettings:
    """How a search for the focus goes. Recorded with every search (`as_dict`)."""

    coarse_range_um: float = 20.0
    """How far the coarse pass goes to each side of where the search begins."""
    coarse_step_um: float = 4.0
    fine_range_um: float = 4.0
    """How far the fine pass goes to each side of the coarse pass's best height."""
    fine_step_um: float = 1.0
    shift_um: float = 16.0
    """How far the window may follow a peak beyond its edge, once and to one side."""
    most_frames: int = 20
    """Frames in total, the last look at the accepted height included."""
    judged: JudgedTiles = "tissue"

    def as_dict(self) -> dict[str, float | str]:
        """Return the settings by name."""
        return asdict(self)

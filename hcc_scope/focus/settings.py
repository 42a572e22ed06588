"""How a search for the focus goes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["FocusSettings", "JudgedTiles"]

JudgedTiles = Literal["tissue", "structure"]
"""Which tiles are judged: those with tissue, or all that show any structure (beads, a test target)."""


@dataclass(frozen=True, slots=True)
class FocusSettings:
    """How a search for the focus goes. Recorded with every search (`as_dict`).

    Raises
    ------
    ValueError
        If a range or step is not positive, or the frames do not suffice for the coarse pass and four more.
    """

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
    least_contrast: float = 0.2
    """A peak stands at least this share of itself above the lowest point of the curve."""
    noises: float = 5.0
    """And this many standard deviations of the noise of the measure."""
    second_peak: float = 0.08
    """A second peak counts if it rises this share of the first one's height above the valley between them."""
    agree_um: float = 1.5
    """How far apart the two measures may place the peak."""

    def __post_init__(self) -> None:
        lengths = (self.coarse_range_um, self.coarse_step_um, self.fine_range_um, self.fine_step_um)
        if not all(math.isfinite(one) and one > 0 for one in lengths) or not 0 <= self.shift_um < math.inf:
            raise ValueError("the ranges and steps of a focus search must be positive numbers")
        if self.coarse_frames + _FEWEST_FINE > self.most_frames:
            raise ValueError(
                f"{self.most_frames} frames do not suffice for {self.coarse_frames} coarse and {_FEWEST_FINE} fine ones"
            )

    @property
    def coarse_frames(self) -> int:
        """How many frames the coarse pass takes, the one in its middle included."""
        return 2 * int(self.coarse_range_um / self.coarse_step_um + 1e-9) + 1

    @property
    def reach_um(self) -> float:
        """How far from where it began a search may take a frame, at most."""
        return self.coarse_range_um + self.shift_um

    def as_dict(self) -> dict[str, float | str]:
        """Return the settings by name."""
        return asdict(self)


_FEWEST_FINE = 4
"""One to each side of the best, another beyond a shifted window, and the last look."""

"""The part of a plane that a widget shows: pure geometry, in floating point, without Qt.

*World* is what is looked at (pixels of a frame, um of a stage), x to the right and y downwards as in an image;
*screen* is the widget, in its own device-independent px. One scale serves both axes, so nothing is ever distorted.

Examples
--------
>>> seen = Viewport.fitted((0.0, 0.0, 2048.0, 2048.0), (800.0, 600.0), margin=0.0)
>>> seen.to_screen(1024.0, 1024.0)
(400.0, 300.0)
>>> closer = seen.zoomed(2.0, 100.0, 100.0)
>>> [round(v, 6) for v in closer.to_world(100.0, 100.0)] == [round(v, 6) for v in seen.to_world(100.0, 100.0)]
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

__all__ = ["Box", "Viewport", "nice_length"]

Box = tuple[float, float, float, float]
"""left, top, width, height in world units."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """A position and a scale; every change returns a new one."""

    scale: float = 1.0
    """Screen px per world unit."""
    centre: tuple[float, float] = (0.0, 0.0)
    """World x, y in the middle of the widget."""
    size: tuple[float, float] = (1.0, 1.0)
    """Width and height of the widget in px."""

    @classmethod
    def fitted(cls, box: Box, size: tuple[float, float], margin: float = 0.02) -> Viewport:
        """Return the viewport that shows a whole box, as large as possible.

        Parameters
        ----------
        box : (left, top, width, height)
        size : (width, height)
            Of the widget in px.
        margin : float
            Share of the widget kept free on each side.
        """
        left, top, width, height = box
        room = 1.0 - 2.0 * margin
        scale = room * min(max(size[0], 1.0) / max(width, 1e-9), max(size[1], 1.0) / max(height, 1e-9))
        return cls(scale, (left + width / 2, top + height / 2), size)

    def to_screen(self, x: float, y: float) -> tuple[float, float]:
        """Return where a world point is in the widget."""
        return (
            (x - self.centre[0]) * self.scale + self.size[0] / 2,
            (y - self.centre[1]) * self.scale + self.size[1] / 2,
        )

    def to_world(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Return what is under a point of the widget."""
        return (
            (x_px - self.size[0] / 2) / self.scale + self.centre[0],
            (y_px - self.size[1] / 2) / self.scale + self.centre[1],
        )

    def visible(self) -> Box:
        """Return the part of the world that the widget shows."""
        left, top = self.to_world(0.0, 0.0)
        return left, top, self.size[0] / self.scale, self.size[1] / self.scale

    def resized(self, size: tuple[float, float]) -> Viewport:
        """Return the same middle and scale in a widget of another size."""
        return replace(self, size=size)

    def panned(self, dx_px: float, dy_px: float) -> Viewport:
        """Return the view after its content was dragged by so many screen px."""
        return replace(self, centre=(self.centre[0] - dx_px / self.scale, self.centre[1] - dy_px / self.scale))

    def zoomed(self, factor: float, x_px: float | None = None, y_px: float | None = None) -> Viewport:
        """Return the view enlarged by a factor; what is under the given point of the widget stays there."""
        x_px = self.size[0] / 2 if x_px is None else x_px
        y_px = self.size[1] / 2 if y_px is None else y_px
        fixed_x, fixed_y = self.to_world(x_px, y_px)
        scale = self.scale * factor
        centre = (fixed_x - (x_px - self.size[0] / 2) / scale, fixed_y - (y_px - self.size[1] / 2) / scale)
        return replace(self, scale=scale, centre=centre)

    def limited(self, box: Box, scales: tuple[float, float]) -> Viewport:
        """Return the view with its scale within bounds and its middle inside a box: the world stays in sight."""
        scale = min(max(self.scale, scales[0]), scales[1])
        left, top, width, height = box
        centre = (
            min(max(self.centre[0], left), left + width),
            min(max(self.centre[1], top), top + height),
        )
        return replace(self, scale=scale, centre=centre)


def nice_length(longest: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not longer: the length of a scale bar.

    Examples
    --------
    >>> [nice_length(v) for v in (0.34, 99.0, 100.0, 730.0)]
    [0.2, 50.0, 100.0, 500.0]
    """
    if not longest > 0 or not math.isfinite(longest):
        raise ValueError(f"a scale bar needs a positive length, not {longest}")
    power = math.floor(math.log10(longest) + 1e-9)
    steps = [step * 10.0**power for step in (1.0, 2.0, 5.0)]
    return max((step for step in steps if step <= longest * (1 + 1e-9)), default=steps[0])

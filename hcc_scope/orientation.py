"""The orientation of a camera to its stage: turned, mirrored, or neither.

A frame is not turned when it is stored: its rows and columns are the camera's. What lies on the *stage* (the places of
a grid, a tile's position, a field on the map) goes through an `Orientation`.

The convention is Micro-Manager's ``PixelSizeAffine``: a point (dx, dy) px to the right of and below a frame's centre
lies ``pixel_size_um * matrix @ (dx, dy)`` um away from the stage position of that frame. Without an affine x grows with
the column and y with the row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["AFFINE_HINT", "LARGEST_TILT_DEG", "NOT_TURNED", "Matrix", "Orientation", "linear_part"]

Matrix = tuple[float, float, float, float]

NOT_TURNED: Matrix = (1.0, 0.0, 0.0, 1.0)

AFFINE_HINT = "Calibrate the pixel size again, or remove the line PixelSizeAffine."
LARGEST_TILT_DEG = 10.0
"""A camera may be turned by quarters, and by this much besides: what is left of a tilted field's upright inside, which
is what a grid can count on, shrinks by its sine (17 % of a side)."""
_SIZE_AGREES = 0.05
"""How far the size in a preset's affine may be from its PixelSize_um: one is often nominal, the other measured."""
_LARGEST_SHEAR = 0.05
"""How far the two directions may differ in scale, or from a right angle (as a sine)."""
_EXACT = 1e-4
"""A turn is a quarter's multiple if its sine is that near: 0.006 degrees, a tenth of a pixel over a field."""


def linear_part(affine: Sequence[float]) -> Matrix | None:
    """Return the linear part of the six numbers of a ``PixelSizeAffine``; None if they stand for "not measured"."""
    linear = (affine[0], affine[1], affine[3], affine[4])
    # the core's own default is the identity, in no unit; some configurations carry zeros
    return None if linear in (NOT_TURNED, (0.0, 0.0, 0.0, 0.0)) else linear


@dataclass(frozen=True, slots=True)
class Orientation:
    """The turn from the camera's axes to the stage's.

    Parameters
    ----------
    matrix : (a, b, c, d)
        ``x = a dx + b dy``, ``y = c dx + d dy`` for (dx, dy) px and a pixel size of 1 um.
    """

    matrix: Matrix = NOT_TURNED

    @classmethod
    def from_affine(cls, affine_um: tuple[float, float, float, float]) -> tuple[Orientation, float]:
        """Split the linear part of an affine (um per px) into a turn and a pixel size.

        Returns
        -------
        Orientation
        float
            Pixel size in um.

        Raises
        ------
        ValueError
            If it holds what is no number, has no area, or is not a turn or mirroring of square pixels.
        """
        a, b, c, d = affine_um
        if not all(math.isfinite(value) for value in affine_um):
            raise ValueError("it holds what is not a number")
        size_um = math.sqrt(abs(a * d - b * c))
        along, across = math.hypot(a, c), math.hypot(b, d)
        if not size_um > 0 or min(along, across) <= 0:
            raise ValueError("it covers no area")
        if abs(along / across - 1) > _LARGEST_SHEAR or abs(a * b + c * d) > _LARGEST_SHEAR * along * across:
            raise ValueError("it is not a turn or mirroring of square pixels")
        matrix = np.array(affine_um) / size_um
        small = np.abs(matrix) < _EXACT
        nearest = np.where(small, 0.0, np.sign(matrix)) if np.count_nonzero(small) == 2 else matrix
        one, two, three, four = (round(float(value), 9) + 0.0 for value in nearest)
        return cls((one, two, three, four)), size_um

    @classmethod
    def of_preset(
        cls, affine_um: tuple[float, float, float, float], size_um: float | None, origin: str = "PixelSize_um"
    ) -> Orientation:
        """Return the turn that the affine of a pixel size preset describes.

        Parameters
        ----------
        affine_um : (a, b, c, d)
            Its linear part, in um per px.
        size_um : float or None
            The size of a pixel that it must agree with.
        origin : str
            What gives that size, for the message.

        Raises
        ------
        ValueError
            If frames cannot be placed by it; with the reason.
        """
        orientation, affine_size_um = cls.from_affine(affine_um)
        if size_um is not None and abs(affine_size_um / size_um - 1) > _SIZE_AGREES:
            raise ValueError(f"its pixel size is {affine_size_um:.4g} um, and {origin} {size_um:g} um")
        if orientation.tilt_deg > LARGEST_TILT_DEG:
            raise ValueError(
                f"the camera is tilted by {orientation.tilt_deg:.0f} degrees to the stage's axes, more than"
                f" {LARGEST_TILT_DEG:.0f}"
            )
        return orientation

    @property
    def tilt_deg(self) -> float:
        """How far it is from the nearest quarter turn, mirrored or not: 0 to 45 degrees."""
        a, b, c, d = self.matrix
        angle = math.degrees(math.atan2(abs(c) + abs(b), abs(a) + abs(d)))  # 0: upright, 90: a quarter
        return min(angle, 90 - angle)

    @property
    def is_upright(self) -> bool:
        """Whether a frame lies in its `upright` picture as it was stored: neither turned by quarters nor mirrored."""
        a, _, _, d = self.matrix
        return not self.swaps_axes and a > 0 and d > 0

    @property
    def swaps_axes(self) -> bool:
        """Whether a frame's rows run more along the stage's x than along its y."""
        a, b, _, _ = self.matrix
        return abs(b) > abs(a)

    def to_stage_um(self, offsets_px: NDArray[np.float64], pixel_size_um: float) -> NDArray[np.float64]:
        """Return where points of a frame lie on the stage.

        Parameters
        ----------
        offsets_px : (..., 2) ndarray
            (dx, dy) from the frame's centre, right and down.
        pixel_size_um : float

        Returns
        -------
        (..., 2) ndarray
            (x, y) um from the frame's stage position.

        Examples
        --------
        >>> Orientation((0.0, -1.0, 1.0, 0.0)).to_stage_um(np.array([100.0, 0.0]), 0.5).tolist()
        [0.0, 50.0]
        """
        turned: NDArray[np.float64] = np.asarray(offsets_px, dtype=np.float64) @ np.reshape(self.matrix, (2, 2)).T
        return turned * pixel_size_um + 0.0

    def to_picture_px(self, offsets_um: NDArray[np.float64], pixel_size_um: float) -> NDArray[np.float64]:
        """Return how far to the right of a frame's centre, and below it, places on the stage lie: see `to_stage_um`.

        Parameters
        ----------
        offsets_um : (..., 2) ndarray
            (x, y) from the frame's stage position.
        pixel_size_um : float

        Returns
        -------
        (..., 2) ndarray
            (dx, dy) px.

        Examples
        --------
        >>> Orientation((0.0, -1.0, 1.0, 0.0)).to_picture_px(np.array([0.0, 50.0]), 0.5).tolist()
        [100.0, 0.0]
        """
        back = np.linalg.inv(np.reshape(self.matrix, (2, 2)))
        turned: NDArray[np.float64] = np.asarray(offsets_um, dtype=np.float64) @ back.T
        return turned / pixel_size_um + 0.0

    def extent_um(self, shape_yx: tuple[int, int], pixel_size_um: float) -> tuple[float, float]:
        """Return width and height, in the stage's axes, of the upright rectangle around a frame."""
        height, width = shape_yx
        a, b, c, d = (abs(value) for value in self.matrix)
        return (a * width + b * height) * pixel_size_um, (c * width + d * height) * pixel_size_um

    def inside_um(self, shape_yx: tuple[int, int], pixel_size_um: float) -> tuple[float, float]:
        """Return width and height, in the stage's axes, of an upright rectangle that the frame covers wholly.

        Steps of that size leave no gap between the frames of a grid.

        Raises
        ------
        ValueError
            If the camera is tilted so much that no such rectangle is left.
        """
        height, width = shape_yx
        a, b, c, d = (abs(value) for value in self.matrix)
        if self.swaps_axes:
            size = b * height - a * width, c * width - d * height
        else:
            size = a * width - b * height, d * height - c * width
        if min(size) <= 0:
            raise ValueError("a frame covers no upright rectangle")
        return size[0] * pixel_size_um, size[1] * pixel_size_um

    def upright(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return a frame's picture as it lies on the stage, x to the right and y down; a tilt is not turned back.

        Parameters
        ----------
        pixels : (y, x, ...) ndarray

        Returns
        -------
        (y, x, ...) ndarray
            A view. Rows and columns are exchanged if the camera is turned by a quarter.
        """
        a, b, c, d = self.matrix
        if self.swaps_axes:
            pixels = pixels.swapaxes(0, 1)
            along_x, along_y = b, c
        else:
            along_x, along_y = a, d
        return pixels[:: -1 if along_y < 0 else 1, :: -1 if along_x < 0 else 1]

    @property
    def of_upright(self) -> Orientation:
        """The turn that is left in a frame's `upright` picture: none but for a tilt."""
        a, b, c, d = self.matrix
        if self.swaps_axes:
            right, down = math.copysign(1.0, b), math.copysign(1.0, c)
            left_over = b * right, a * down, d * right, c * down
        else:
            right, down = math.copysign(1.0, a), math.copysign(1.0, d)
            left_over = a * right, b * down, c * right, d * down
        one, two, three, four = (value + 0.0 for value in left_over)  # no -0.0
        return Orientation((one, two, three, four))

    def upright_box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        """Return where a part of a frame lies in its upright picture.

        Parameters
        ----------
        left, top, right, bottom : float
            As shares of the frame's width and height.

        Returns
        -------
        left, top, right, bottom
            As shares of the picture's.
        """
        a, b, c, d = self.matrix
        along_x, along_y = (b, c) if self.swaps_axes else (a, d)
        if self.swaps_axes:
            left, top, right, bottom = top, left, bottom, right
        if along_x < 0:
            left, right = 1 - right, 1 - left
        if along_y < 0:
            top, bottom = 1 - bottom, 1 - top
        return left, top, right, bottom

    def as_seen(self, upright: NDArray[Any]) -> NDArray[Any]:
        """Return what the camera sees of a picture in the stage's axes: the inverse of `upright`."""
        a, b, c, d = self.matrix
        along_x, along_y = (b, c) if self.swaps_axes else (a, d)
        pixels = upright[:: -1 if along_y < 0 else 1, :: -1 if along_x < 0 else 1]
        return pixels.swapaxes(0, 1) if self.swaps_axes else pixels

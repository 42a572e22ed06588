"""From the numbers that a foreign file stores to the counts of a frame: colour, floating point and bit depth.

Nothing is guessed: colour and floating-point numbers are converted only in the way that a person states, and whole
numbers are taken as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.colour import CONVERSIONS, to_counts
from hcc_scope.errors import ImageError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.colour import ColourConversion
    from hcc_scope.imports.collection import Plane

__all__ = ["Conversion", "parse_range"]

_COUNTS = ("uint8", "uint16")
_FLOATS = ("float16", "float32", "float64")
_BLOCK_PX = 1 << 22
"""Pixels converted at a time, so that what is made on the way stays small."""


def parse_range(text: str | None) -> tuple[float, float] | None:
    """Return the two numbers of ``LOW,HIGH``; None of None.

    Raises
    ------
    UsageError
        If they are no two numbers, the second the larger.

    Examples
    --------
    >>> parse_range("0,1")
    (0.0, 1.0)
    """
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(
            f"--float-range is two numbers, the second the larger, not {text!r}", hint="For example --float-range 0,1."
        )
    return low, high


@dataclass(frozen=True, slots=True)
class Conversion:
    """How stored numbers become counts, as a person stated it."""

    colour: ColourConversion | None = None
    """How red, green and blue become grey; None: the images are grey."""
    float_range: tuple[float, float] | None = None
    """The values that become 0 and the full scale; None: the images hold whole numbers."""
    bit_depth: int | None = None
    """Of the camera; None: as the file states it, and 16 of floating point."""

    def describe(self) -> str:
        """Return the options that state it.

        Examples
        --------
        >>> Conversion(float_range=(0.0, 1.5), bit_depth=12).describe(), Conversion().describe()
        ('--float-range 0.0,1.5 --bit-depth 12', 'no option of conversion')
        """
        options = [
            ("--colour", self.colour),
            ("--float-range", None if self.float_range is None else ",".join(map(repr, self.float_range))),
            ("--bit-depth", self.bit_depth),
        ]
        return " ".join(f"{name} {value}" for name, value in options if value is not None) or "no option of conversion"

    def depth_of(self, plane: Plane) -> int:
        """Return the bit depth of a plane's counts."""
        if self.bit_depth is not None:
            return self.bit_depth
        return 16 if plane.bit_depth is None else plane.bit_depth

    def check(self, plane: Plane) -> None:
        """Refuse a plane that this conversion does not fit, before a pixel is read.

        Raises
        ------
        UsageError
            If its conversion is not stated, or one is that it has no use for.
        ImageError
            If its numbers are no counts, whatever is stated.
        """
        where = plane.where
        if plane.colour and self.colour is None:
            raise UsageError(
                f"{where} is in colour", hint=f"State how it becomes grey with --colour {'|'.join(CONVERSIONS)}."
            )
        if self.colour is not None and not plane.colour:
            raise UsageError(f"{where} is grey, so it cannot be converted by {self.colour}", hint="Leave out --colour.")
        if plane.dtype in _FLOATS:
            if plane.colour:
                raise ImageError(f"{where} holds colour in floating point", hint="Save it as colour of 8 or 16 bits.")
            if self.float_range is None:
                raise UsageError(
                    f"{where} holds floating-point numbers ({plane.dtype}), and their scale is not stated",
                    hint="State the values that become 0 and full scale with --float-range LOW,HIGH.",
                )
        elif plane.dtype not in _COUNTS:
            raise ImageError(
                f"{where} holds numbers of the kind {plane.dtype}, not counts of 8 to 16 bits",
                hint="Save it as whole numbers without a sign, of 8 or 16 bits.",
            )
        elif self.float_range is not None:
            raise UsageError(f"{where} holds whole numbers ({plane.dtype})", hint="Leave out --float-range.")
        if self.bit_depth is not None and not 8 <= self.bit_depth <= 16:
            raise UsageError(f"--bit-depth is from 8 to 16, not {self.bit_depth}")

    def counts(self, plane: Plane, pixels: NDArray[Any]) -> NDArray[np.uint16]:
        """Return the counts (y, x) of a plane's stored pixels.

        Parameters
        ----------
        plane : Plane
            Checked.
        pixels : (y, x) or (y, x, 3) ndarray
            As the reader returns them.

        Raises
        ------
        ImageError
            If they are not of the size that the headers state, or hold what is no number.
        UsageError
            If a number lies beyond the stated range or bit depth: every other image is in doubt as well.
        """
        shape = (*plane.shape_yx, 3) if plane.colour else plane.shape_yx
        if pixels.shape != shape:
            raise ImageError(f"{plane.where} has {_sides(pixels.shape)} px, and its headers state {_sides(shape)} px")
        if pixels.dtype.kind == "f":
            counts = self._scaled(plane, pixels)
        elif self.colour is not None:
            counts = to_counts(np.asarray(pixels, dtype=pixels.dtype.newbyteorder("=")), self.colour)
        else:
            counts = np.array(pixels, dtype=np.uint16, order="C")  # owned: pixels may be part of a larger array
        top = 2 ** self.depth_of(plane) - 1
        if counts.size and (largest := int(counts.max())) > top:
            raise UsageError(
                f"{plane.where} has a count of {largest}, above the {top} of {self.depth_of(plane)} bits",
                hint="Give the camera's bit depth with --bit-depth.",
            )
        return counts

    def _scaled(self, plane: Plane, pixels: NDArray[Any]) -> NDArray[np.uint16]:
        assert self.float_range is not None
        low, high = self.float_range
        factor = (2 ** self.depth_of(plane) - 1) / (high - low)
        counts: NDArray[np.uint16] = np.empty(pixels.shape, np.uint16)
        rows = max(1, _BLOCK_PX // max(1, pixels.shape[1]))
        for first in range(0, len(pixels), rows):
            block = np.asarray(pixels[first : first + rows], dtype=np.float64)
            if not np.isfinite(block).all():
                raise ImageError(f"{plane.where} holds pixels that are no numbers (NaN or infinity)")
            least, largest = float(block.min()), float(block.max())
            if least < low or largest > high:
                value = least if least < low else largest
                raise UsageError(
                    f"{plane.where} has a value of {value:g}, beyond the range {low:g} to {high:g} that is stated",
                    hint="Give a wider --float-range.",
                )
            counts[first : first + rows] = np.rint((block - low) * factor)
        return counts


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape)

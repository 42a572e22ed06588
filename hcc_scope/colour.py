"""Colour images as the counts of a monochrome camera: one conversion, chosen by a person and recorded.

A colour image holds three numbers a pixel, and there is no one way to make them one. So none is applied unless it is
named, and whatever is made of the image states which one it was. All conversions return numbers that are proportional
to light, bright where there is no tissue, within the range of the three: quality limits, mean stretching, changes of
the light while training, and dark and flat fields mean the same for them as for counts of a camera.

The numbers are taken as the file stores them. Most colour cameras and all screens store them after a gamma curve, which
a file seldom states; nothing here undoes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hcc_scope.colour_conversions import CONVERSIONS, ColourConversion, describe_conversion

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CONVERSIONS", "ColourConversion", "describe_conversion", "to_counts"]

_CHANNEL: Final[dict[ColourConversion, int]] = {"red": 0, "green": 1, "blue": 2}
_REC_709: Final = (2126, 7152, 722)
"""Parts of 10,000: luma of ITU-R BT.709."""
_BLOCK_PX: Final = 1 << 22
"""Pixels converted at a time, so that what is made on the way stays small."""


def to_counts(pixels: NDArray[np.uint8] | NDArray[np.uint16], conversion: ColourConversion) -> NDArray[np.uint16]:
    """Return a colour image as grey counts; the same on every machine.

    Parameters
    ----------
    pixels : (y, x, 3) uint8 or uint16
        Red, green, blue.
    conversion : {"luminance", "red", "green", "blue", "od"}

    Returns
    -------
    (y, x) uint16
        Of the bit depth of `pixels`: never beyond the largest of a pixel's three numbers.

    Notes
    -----
    ``od``: the optical density of a channel is ``-log10((I + 1) / (W + 1))`` for the full scale W (the 1 keeps it
    finite in black). The mean D over the three channels is what a stain takes away on average, whatever its hue; the
    result is the light that it leaves, ``(W + 1) 10**-D - 1``. W cancels out, so no white has to be known: it is the
    geometric mean of the three numbers, each plus 1, less 1. Densities add where stains overlap or a section is
    thicker, and ``log(counts + 1)`` is linear in them.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"expected (y, x, 3) of 8 or 16 bits, not {pixels.shape} of {pixels.dtype}")
    if conversion in _CHANNEL:
        return np.ascontiguousarray(pixels[:, :, _CHANNEL[conversion]], dtype=np.uint16)
    convert = _luminance if conversion == "luminance" else _mean_density
    counts: NDArray[np.uint16] = np.empty(pixels.shape[:2], np.uint16)
    rows = max(1, _BLOCK_PX // max(1, pixels.shape[1]))
    for first in range(0, len(pixels), rows):
        counts[first : first + rows] = convert(pixels[first : first + rows])
    return counts


def _luminance(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint32]:
    """Return the weighted mean in whole numbers, which every processor rounds alike."""
    red, green, blue = (pixels[:, :, i].astype(np.uint32) * part for i, part in enumerate(_REC_709))
    return (red + green + blue + 5000) // 10_000


def _mean_density(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return the geometric mean; the product of three numbers of 16 bits is exact in float64."""
    red, green, blue = (pixels[:, :, i].astype(np.float64) + 1.0 for i in range(3))
    return np.rint(np.cbrt(red * green * blue) - 1.0)

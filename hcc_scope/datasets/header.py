"""The facts that the headers of an image file state, and whether they are possible."""

from __future__ import annotations

from dataclasses import dataclass

from hcc_scope.colour import CONVERSIONS
from hcc_scope.errors import COPY_AGAIN, ImageError

__all__ = [
    "CAMERA_KINDS",
    "COLOUR_HINT",
    "COPY_AGAIN",
    "FLATTEN_HINT",
    "GREY_HINT",
    "LARGEST_PX",
    "Header",
    "at_specimen",
    "require_possible",
]

CAMERA_KINDS = "Save it as a grey TIFF or PNG of 8 or 16 bits, as the camera took it."
COLOUR_HINT = (
    f"State in the manifest's column colour how it becomes grey ({', '.join(CONVERSIONS)}; see docs/datasets.md), or "
    "give the camera's grey image."
)
FLATTEN_HINT = "Save it without transparency."
GREY_HINT = "Leave the column colour empty for it."

LARGEST_PX = 2**29
"""Pixels of one image: 1 GB of counts, three times the largest sensor. Whole slides are cut into fields first."""

_PLAUSIBLE_UM = 0.01, 10.0
_MOST_PACKED = {"none": 1, "deflate": 1032 + 1, "lzw": 4096, "packbits": 64 + 1}
"""Bytes that one byte can unpack to, by how these formats are built."""


def at_specimen(size_yx_um: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return a pixel size (y, x) in um; None if it is rather the printer's or the screen's than the specimen's."""
    least, most = _PLAUSIBLE_UM
    return size_yx_um if size_yx_um is not None and all(least <= one <= most for one in size_yx_um) else None


@dataclass(frozen=True, slots=True)
class Header:
    """One image of a file, as its headers describe it."""

    index: int
    """Page of a file, or `seq` of a store's frame; from 0."""
    shape_yx: tuple[int, int]
    bit_depth: int
    """Of the numbers as they are stored, 8 to 16; the camera's own may be smaller."""
    pixel_size_yx_um: tuple[float, float] | None = None
    """At the specimen, if the file states it in a unit of length."""
    significant_bits: int | None = None
    """Of the camera, if the file states it."""


def require_possible(
    where: str,
    shape_yx: tuple[int, int],
    bits: int,
    packed_bytes: int,
    packing: str | None = None,
    *,
    samples: int = 1,
) -> None:
    """Refuse an image whose claimed size is none, before memory is taken for it.

    Parameters
    ----------
    where : str
        File and page, for the message.
    shape_yx : (int, int)
        As claimed, in px.
    bits : int
        Of a number.
    packed_bytes : int
        That the file has for its pixels.
    packing : str, optional
        ``none``, ``deflate``, ``lzw`` or ``packbits``; of others nothing is known.
    samples : int
        Numbers a pixel: 3 in colour.

    Raises
    ------
    ImageError
        If there are no pixels, too many, or more than so many bytes can hold.
    """
    height, width = shape_yx
    if height <= 0 or width <= 0:
        raise ImageError(f"{where} has no pixels: it is {height} x {width} px", hint=COPY_AGAIN)
    most_px = LARGEST_PX // samples
    if height * width > most_px:
        raise ImageError(
            f"{where} claims {height} x {width} px{' in colour' * (samples > 1)}, more than the {most_px} of the "
            "largest image that is read",
            hint="Cut it into fields.",
        )
    claimed_bytes = height * -(-width * samples * bits // 8)
    if packing is not None and packed_bytes * _MOST_PACKED[packing] < claimed_bytes:
        raise ImageError(
            f"{where} claims {height} x {width} px, but {packed_bytes} bytes cannot hold so many", hint=COPY_AGAIN
        )

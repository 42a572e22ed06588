"""What the pixels of a TIFF's page are, and how they become counts: which kinds come in, and which are refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.datasets.header import FLATTEN_HINT, LARGEST_PX
from hcc_scope.datasets.tiff_pages import DECODED_TO_RGB, PLANES_APART, refuse_other_sizes_within, require_whole
from hcc_scope.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PixelKind", "pixel_kind", "pixels_behind", "pixels_of"]

_HINT = "Save it as a grey or red, green and blue image of 8 or 16 bits."
_SIGNED_HINT = "Save it as unsigned numbers of 16 bits."
_COLOURS = 3
_ALPHA = (1, 2)
"""ExtraSamples: transparency."""
_IMAGEJ_SIGNED = -32768.0, 1.0
"""Offset and slope by which ImageJ marks numbers that were signed: it adds 32768 to hold them."""


@dataclass(frozen=True, slots=True)
class PixelKind:
    """How a page's numbers are stored, and what is done to each to get counts."""

    shape_yx: tuple[int, int]
    dtype: str
    """Of what is read."""
    bit_depth: int | None
    """Of what is read; None of floating point."""
    colour: bool = False
    channels: int = 1
    """Grey images in the page."""
    stored: str = ""
    """NumPy's name of the numbers as stored."""
    zero: int = 0
    """The stored number that means none."""
    inverted: bool = False
    """Whether white is stored as 0."""


def pixel_kind(where: str, file: Any, page: Any) -> PixelKind:  # noqa: ANN401
    """Return how a page's pixels are stored.

    Raises
    ------
    ImageError
        If they are of a kind that is not read, or the page claims more than the file holds.
    """
    bits, dtype = page.bitspersample, page.dtype
    if dtype is None or not isinstance(bits, int):
        raise ImageError(f"{where} holds unknown numbers of {bits} bits", hint=_HINT)
    colour, channels = _samples(where, page)
    samples = _COLOURS if colour else channels
    if page.ndim != (2 if samples == 1 else 3):
        raise ImageError(f"{where} has {page.ndim - (samples > 1)} dimensions, not 2", hint=_HINT)
    shape_yx = require_whole(where, file, page, bits, samples)
    if math.prod(shape_yx) * samples * bits > LARGEST_PX * 16:
        raise ImageError(
            f"{where} claims {shape_yx[0]} x {shape_yx[1]} px of {samples} x {bits} bits, more than the largest image "
            "that is read",
            hint="Cut it into fields.",
        )
    inverted = page.photometric is not None and page.photometric.name == "MINISWHITE"
    stored = np.dtype(dtype).newbyteorder("=").name
    if dtype.kind == "f" and not colour and not inverted:
        return PixelKind(shape_yx, stored, None, channels=channels, stored=stored)
    if dtype.kind not in "ui" or not 8 <= bits <= 16 or (dtype.kind == "i" and (colour or inverted)):
        raise ImageError(f"{where} holds {stored} of {bits} bits, not counts of 8 to 16 bits", hint=_HINT)
    zero = _zero(where, file, page, bits)
    half = zero == (0 if dtype.kind == "i" else 1 << (bits - 1))
    counts = "uint8" if bits == 8 else "uint16"
    return PixelKind(shape_yx, counts, max(8, bits - half), colour, channels, stored, zero, inverted)


def _samples(where: str, page: Any) -> tuple[bool, int]:  # noqa: ANN401
    """Return whether a page is in colour, and how many grey images it holds."""
    photometric = page.photometric.name if page.photometric is not None else "MINISBLACK"
    samples = int(page.samplesperpixel)
    extra = page.tags.valueof(338, default=())
    extra = extra if isinstance(extra, tuple) else (extra,)
    if any(one in _ALPHA for one in extra):
        raise ImageError(f"{where} has transparency", hint=FLATTEN_HINT)
    if photometric in {"MINISBLACK", "MINISWHITE"}:
        return False, samples
    in_colour = photometric == "RGB" or (photometric == "YCBCR" and int(page.compression) in DECODED_TO_RGB)
    if in_colour and samples == _COLOURS:
        return True, 1
    kind = "a palette of colours" if photometric == "PALETTE" else f"{samples} samples a pixel"
    raise ImageError(f"{where} is neither grey nor red, green and blue: it has {kind} ({photometric})", hint=_HINT)


def _zero(where: str, file: Any, page: Any, bits: int) -> int:  # noqa: ANN401
    """Return which of a page's numbers means zero.

    Raises
    ------
    ImageError
        If they are signed and the file does not state it.
    """
    signed = page.dtype.kind == "i"
    if file.is_imagej and bits == 16:
        known = file.imagej_metadata or {}
        if (known.get("c0"), known.get("c1")) == _IMAGEJ_SIGNED:
            return 0 if signed else 32768
    if not signed:
        return 0
    least = page.tags.valueof(340)  # SMinSampleValue
    least = least[0] if isinstance(least, tuple) and least else least
    if least == 0 or least == -(1 << (bits - 1)):
        return int(least)
    raise ImageError(f"{where} holds signed numbers and does not state which of them is zero", hint=_SIGNED_HINT)


def pixels_of(where: str, file: Any, page: Any, kind: PixelKind, sample: int) -> NDArray[Any]:  # noqa: ANN401
    """Return the pixels of a page: (y, x) of one of its grey images, or (y, x, 3).

    Raises
    ------
    ImageError
        If they are not what the page states.
    """
    refuse_other_sizes_within(where, file, page)
    decoded = page.asarray(maxworkers=1)
    if decoded.ndim == 3 and int(page.planarconfig) == PLANES_APART:
        decoded = np.moveaxis(decoded, 0, -1)
    return _counts(where, decoded if kind.colour or kind.channels == 1 else decoded[..., sample], kind)


def pixels_behind(where: str, file: Any, page: Any, kind: PixelKind, index: int) -> NDArray[Any]:  # noqa: ANN401
    """Return the pixels of an image that has no page of its own, but lies as the `index`-th behind the first one's.

    Raises
    ------
    ImageError
        If the file ends before it does.
    """
    handle = file.filehandle
    handle.seek(page.dataoffsets[0] + index * page.nbytes)
    data = handle.read(page.nbytes)
    if len(data) < page.nbytes:
        raise ImageError(f"{where} ends before its pixels do")
    stored = np.frombuffer(data, page.dtype.newbyteorder(file.byteorder)).reshape(page.shape)
    return _counts(where, stored, kind)


def _counts(where: str, stored: NDArray[Any], kind: PixelKind) -> NDArray[Any]:
    if stored.shape != (*kind.shape_yx, _COLOURS)[: 3 if kind.colour else 2]:
        raise ImageError(f"{where} holds {stored.shape} numbers, not the {kind.shape_yx} that it states")
    if kind.bit_depth is None:
        return np.ascontiguousarray(stored, dtype=kind.dtype)
    if kind.zero or kind.stored.startswith("int"):
        if (least := int(stored.min())) < kind.zero:
            raise ImageError(f"{where} holds {least}, below the {kind.zero} that it states to be zero")
        stored = stored.astype(np.int32) - kind.zero
    counts = np.ascontiguousarray(stored, dtype=kind.dtype)
    if kind.inverted:
        counts = np.asarray(2**kind.bit_depth - 1 - counts.astype(np.int32), dtype=kind.dtype)
    return counts

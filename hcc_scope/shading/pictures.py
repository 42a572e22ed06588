"""Small pictures of references and of refused shots, for people: 8 bits, stretched, the tile with the fault framed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

from hcc_scope.thumbnails import thumbnail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.shading.making import Refusal
    from hcc_scope.shading.reference import Reference

__all__ = ["png_of", "reference_picture", "refusal_picture"]

SIDE_PX = 512
_LINE_PX = 2


def reference_picture(reference: Reference) -> NDArray[np.uint8]:
    """Return a reference (y, x): black is its lowest value, white its highest."""
    return _stretched(thumbnail(reference.pixels, SIDE_PX))


def refusal_picture(refusal: Refusal) -> NDArray[np.uint8] | None:
    """Return the shot that a refusal is about (y, x), with its tile framed; None if it is about no picture."""
    if refusal.picture is None:
        return None
    small = thumbnail(refusal.picture, SIDE_PX)
    drawn = _stretched(small)
    if refusal.tile_px is not None:
        x, y, width, height = refusal.tile_px
        share = small.shape[1] / refusal.picture.shape[1]
        left, top, right, bottom = (round(side * share) for side in (x, y, x + width, y + height))
        inside = np.zeros(drawn.shape, np.bool_)
        inside[top:bottom, left:right] = True
        frame = inside.copy()
        frame[top + 2 * _LINE_PX : bottom - 2 * _LINE_PX, left + 2 * _LINE_PX : right - 2 * _LINE_PX] = False
        drawn[frame] = 255  # white within black: seen on dark and on light
        frame[top + _LINE_PX : bottom - _LINE_PX, left + _LINE_PX : right - _LINE_PX] = False
        drawn[inside & frame] = 0
    return drawn


def png_of(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture (y, x) as a PNG file."""
    return bytes(imagecodecs.png_encode(picture, level=6))


def _stretched(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    low, high = np.percentile(pixels, (0.1, 99.9))
    span = max(1.0, float(high - low))
    shown: NDArray[np.uint8] = np.clip((pixels - float(low)) * (255.0 / span), 0, 255).astype(np.uint8)
    return shown

"""Where a field lies that is known by sight alone: a search through the key frames, a part of them with every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from hcc_scope.tracking.picture import F32, Picture, relative
from hcc_scope.tracking.registration import correlation_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.tracking.key_frames import KeyFrame

__all__ = ["PIXEL_SIZE_RATIOS", "coarse_spectrum", "correlation_at_ratio", "likeliest"]

C64 = NDArray[np.complex64]

_COARSE = 4
"""Reduced px along each side of one px of the coarse pictures that the search compares."""
_WHITENING = 0.4

PIXEL_SIZE_RATIOS = (2.0, 0.5, 4.0, 0.25, 2.5, 0.4, 1.6, 0.625, 5.0, 0.2, 3.15, 0.3175)
"""Of another objective to the usual one: between 4x, 5x, 10x, 20x, 40x, 63x and 100x, likeliest first."""


def coarse_spectrum(picture: Picture) -> C64:
    """Return the whitened spectrum of a picture at coarse size, of norm 1."""
    height, width = (max(n // _COARSE, 1) for n in picture.structure.shape)
    cut = picture.structure[: height * _COARSE, : width * _COARSE]
    small: F32 = cut.reshape(height, _COARSE, width, _COARSE).mean(axis=(1, 3))
    small *= np.hanning(height + 2)[1:-1, None].astype(np.float32) * np.hanning(width + 2)[None, 1:-1].astype(
        np.float32
    )
    spectrum: C64 = fft.rfft2(small, workers=1)
    power = spectrum.real**2 + spectrum.imag**2
    power += np.float32(1e-6 * float(power.max()) + 1e-12)
    spectrum *= power ** np.float32(-_WHITENING)
    spectrum /= np.float32(max(float(np.linalg.norm(spectrum)), 1e-12))
    return spectrum


def likeliest(frames: Sequence[KeyFrame], spectrum: C64, n: int) -> list[KeyFrame]:
    """Return the key frames that resemble a field most, by the height of a correlation's peak; that proves nothing."""
    stack = np.stack([frame.coarse for frame in frames])
    stack *= spectrum.conj()
    width = 2 * (spectrum.shape[1] - 1)
    surfaces = fft.irfft2(stack, s=(spectrum.shape[0], width), workers=1, overwrite_x=True)
    peaks = surfaces.reshape(len(frames), -1).max(axis=1)
    return [frames[int(k)] for k in np.argsort(-peaks, kind="stable")[:n]]


def correlation_at_ratio(seen: F32, known: F32, ratio: float) -> float:
    """Return how well a picture fits a known one if its px are ``ratio`` times as large, over the best shift.

    The picture of the smaller field is looked for inside the other one, which is made smaller for it.

    Parameters
    ----------
    seen, known : (y, x) ndarray
        Structure of the newest picture and of a key frame.
    ratio : float
        Above 1: the newest picture shows more of the specimen.
    """
    whole, part = (seen, known) if ratio > 1.0 else (known, seen)
    shrink = min(ratio, 1.0 / ratio)
    smooth = ndimage.gaussian_filter(part, 0.4 / shrink, truncate=2.5)
    patch = np.asarray(ndimage.zoom(smooth, shrink, order=1), dtype=np.float32)
    patch = relative(patch + np.float32(10.0)) * np.float32(10.0)
    height, width = patch.shape
    framed = np.zeros_like(whole)
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[None, 1:-1]
    framed[:height, :width] = patch * window.astype(np.float32)
    cross = fft.rfft2(whole, workers=1) * fft.rfft2(framed, workers=1).conj()
    power = cross.real**2 + cross.imag**2
    power += np.float32(1e-6 * float(power.max()) + 1e-12)
    cross *= power ** np.float32(-0.25)
    surface = fft.irfft2(cross, s=whole.shape, workers=1)
    inside = surface[: whole.shape[0] - height + 1, : whole.shape[1] - width + 1]
    y, x = divmod(int(inside.argmax()), inside.shape[1])
    return correlation_at(whole[y : y + height, x : x + width], patch, 0, 0)

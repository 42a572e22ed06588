"""What the tracker keeps of a frame: a reduced picture of its structure, without the light's gradient or fixed dirt."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Picture", "reduced", "reduction_factor"]

F32 = NDArray[np.float32]
C64 = NDArray[np.complex64]

_LOW_PASS_PX = 41
"""Side of the box, in reduced px, whose mean is the local brightness: larger than a nucleus, smaller than a gradient."""
_BLOCK_PX = 16
_CLIP = 4.0
"""Structure beyond this many of its standard deviations is cut off, so that one speck does not outvote the tissue."""


def reduction_factor(shape_yx: tuple[int, int], reduced_px: int) -> int:
    """Return the px of a frame, along each side, that one px of the reduced picture stands for."""
    side = (shape_yx[0] * shape_yx[1]) ** 0.5
    return max(1, round(side / reduced_px))


def reduced(pixels: NDArray[Any], factor: int) -> F32:
    """Return a frame at reduced size, each px the mean of ``factor x factor``; what is left at the far edges is cut.

    Parameters
    ----------
    pixels : (y, x) ndarray of unsigned integers
    factor : int

    Returns
    -------
    (y // factor, x // factor) ndarray of float32
    """
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    cut = pixels[: height * factor, : width * factor]
    # rows first: whole lines are added, which is four times as fast as adding blocks
    lines = cut.reshape(height, factor, width * factor).sum(axis=1, dtype=np.uint32)
    total = lines[:, 0::factor].copy()
    for k in range(1, factor):
        total += lines[:, k::factor]
    return total * np.float32(1.0 / factor**2)


@dataclass(slots=True)
class Picture:
    """The structure of one frame."""

    structure: F32
    """(y, x): brightness relative to the local mean, scaled to a standard deviation of 1; without fixed dirt."""
    contrast: float
    """Standard deviation before scaling, relative to the brightness."""
    covered: float
    """Share of the field, 0 to 1, that has structure."""
    _spectrum: C64 | None = field(default=None, repr=False)

    @property
    def spectrum(self) -> C64:
        """Fourier transform of the windowed structure."""
        if self._spectrum is None:
            window = _window(self.structure.shape)
            self._spectrum = fft.rfft2(self.structure * window, workers=1)
        return self._spectrum

    @classmethod
    def of(cls, small: F32, fixed: F32 | None = None) -> Picture:
        """Take the structure out of a reduced frame; `fixed` is a pattern that belongs to the camera."""
        structure, contrast, covered = _structure(small, fixed)
        return cls(structure, contrast, covered)


def relative(small: F32) -> F32:
    """Return brightness relative to the local mean, minus 1: a gradient of the light falls away."""
    local = ndimage.uniform_filter(small, _LOW_PASS_PX, mode="reflect")
    np.maximum(local, 1.0, out=local)
    ratio: F32 = small / local
    ratio -= 1.0
    return ratio


def _structure(small: F32, fixed: F32 | None) -> tuple[F32, float, float]:
    structure = relative(small)
    if fixed is not None:
        structure -= fixed
    structure = _smooth(structure)
    structure -= structure.mean()
    # what differs from one px to the next but not smoothly is noise: its size says what contrast means
    noise = _noise(structure)
    contrast = float(structure.std())
    covered = _covered(structure, noise)
    if contrast > 0.0:
        structure *= np.float32(1.0 / contrast)
        np.clip(structure, -_CLIP, _CLIP, out=structure)
    return structure, contrast, covered


def _smooth(structure: F32) -> F32:
    """Return the picture after a binomial filter (1 2 1): what is finer than a px of a mean cannot be interpolated."""
    padded = np.pad(structure, 1, mode="edge")
    rows = padded[:-2] + padded[2:]
    rows += 2.0 * padded[1:-1]
    smooth: F32 = rows[:, :-2] + rows[:, 2:]
    smooth += 2.0 * rows[:, 1:-1]
    smooth *= 1.0 / 16.0
    return smooth


def _noise(structure: F32) -> float:
    """Return the standard deviation of the noise, from second differences across the diagonal (Immerkaer 1996)."""
    d = structure[:-1, :-1] - structure[1:, :-1] - structure[:-1, 1:] + structure[1:, 1:]
    return float(np.median(np.abs(d[::2, ::2]))) / (0.6745 * 2.0)


def _covered(structure: F32, noise: float) -> float:
    height, width = (n // _BLOCK_PX * _BLOCK_PX for n in structure.shape)
    blocks = structure[:height, :width].reshape(height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX)
    spread = blocks.std(axis=(1, 3))
    return float(np.mean(spread > max(2.0 * noise, 0.006)))


@lru_cache(maxsize=8)
def _window(shape_yx: Sequence[int]) -> F32:
    """Return a Hann window: without it the picture's edges would vote for no shift."""
    along_y, along_x = (np.hanning(n + 2)[1:-1].astype(np.float32) for n in shape_yx)
    window: F32 = along_y[:, None] * along_x[None, :]
    return window

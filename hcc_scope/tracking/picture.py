"""What the tracker keeps of a frame: a reduced picture of its structure, without the light's gradient or fixed dirt."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BLOCK_PX",
    "F32",
    "LEAST_CONTRAST",
    "Picture",
    "block_covariances",
    "reduced",
    "reduction_factor",
    "relative",
]

F32 = NDArray[np.float32]
C64 = NDArray[np.complex64]

BLOCK_PX = 16
"""Side, in reduced px, of the blocks whose structure is judged one by one."""
_LOW_PASS_PX = 41
"""Side of the box, in reduced px, whose mean is the local brightness: larger than a nucleus, smaller than a
gradient."""
_CLIP = 4.0
"""Structure beyond this many of its standard deviations is cut off, so that one speck does not outvote the tissue."""
LEAST_CONTRAST = 0.006
"""Contrast of a block below which it counts as empty, however little noise there is."""
_OVER_NOISE = 2.0


def reduction_factor(shape_yx: tuple[int, int], reduced_px: int) -> int:
    """Return the px of a frame, along each side, that one px of the reduced picture stands for."""
    side = math.sqrt(shape_yx[0] * shape_yx[1])
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
    mean: F32 = total.astype(np.float32)
    mean *= np.float32(1.0 / factor**2)
    return mean


def relative(small: F32) -> F32:
    """Return brightness relative to the local mean, minus 1: a gradient of the light and vignetting fall away."""
    local = ndimage.uniform_filter(small, _LOW_PASS_PX, mode="reflect")
    np.maximum(local, 1.0, out=local)
    ratio: F32 = small / local
    ratio -= 1.0
    return ratio


def block_covariances(one: F32, two: F32, block_px: int = BLOCK_PX) -> F32:
    """Return the covariance of two pictures in each square block, (rows of blocks, columns of blocks).

    A slope of the light and the wide halo of a speck add little to it.
    """
    height, width = (max(n // block_px, 1) for n in one.shape)
    side_y, side_x = min(block_px, one.shape[0]), min(block_px, one.shape[1])
    shape, n = (height, side_y, width, side_x), np.float32(side_y * side_x)
    cut = slice(height * side_y), slice(width * side_x)
    a, b = one[cut].reshape(shape), two[cut].reshape(shape)
    mean_1 = np.einsum("iajb->ij", a) / n
    mean_2 = mean_1 if b is a else np.einsum("iajb->ij", b) / n
    covariance: F32 = np.einsum("iajb,iajb->ij", a, b) / n - mean_1 * mean_2
    return covariance


@dataclass(slots=True)
class Picture:
    """The structure of one frame."""

    structure: F32
    """(y, x): brightness relative to the local mean, scaled to a standard deviation of 1; without fixed dirt."""
    contrast: float
    """Standard deviation before scaling, relative to the brightness."""
    covered: float
    """Share of the field, 0 to 1, that has structure."""
    floor: float = 0.0
    """Standard deviation, in units of `structure`, up to which a block of it counts as empty."""
    _spectrum: C64 | None = field(default=None, repr=False)

    @property
    def spectrum(self) -> C64:
        """Fourier transform of the windowed structure."""
        if self._spectrum is None:
            window = _window(self.structure.shape)
            self._spectrum = fft.rfft2(self.structure * window, workers=1)
        return self._spectrum

    @property
    def isotropy(self) -> float:
        """Power of the gradient in the direction where it is least over that across it, 0 to 1.

        Tissue has nearly the same in all directions. Motion blur over 30 px of the frame leaves about 0.4, over 60 px
        0.2 along the motion.
        """
        down = self.structure[1:, :-1] - self.structure[:-1, :-1]
        right = self.structure[:-1, 1:] - self.structure[:-1, :-1]
        yy, xx, yx = float(np.vdot(down, down)), float(np.vdot(right, right)), float(np.vdot(down, right))
        middle, spread = (yy + xx) / 2, math.hypot((yy - xx) / 2, yx)
        return (middle - spread) / max(middle + spread, 1e-9)

    def without(self, blocks: NDArray[np.bool_]) -> Picture:
        """Return the picture with blocks, (rows of blocks, columns of blocks), left blank."""
        structure = self.structure.copy()
        _blank(structure, blocks)
        scale = max(float(structure.std()), 1e-3)
        structure *= np.float32(1.0 / scale)
        np.clip(structure, -_CLIP, _CLIP, out=structure)
        return Picture(structure, self.contrast * scale, self.covered, self.floor / scale)

    @classmethod
    def of(cls, part: F32, static: NDArray[np.bool_] | None = None, dirty: NDArray[np.bool_] | None = None) -> Picture:
        """Take the structure out of a frame.

        Parameters
        ----------
        part : (y, x) ndarray
            From `relative`; without the fixed pattern of the camera if that is known.
        static : (rows of blocks, columns of blocks) ndarray of bool, optional
            Blocks that do not move with the specimen: they are left blank.
        dirty : (rows of blocks, columns of blocks) ndarray of bool, optional
            Blocks with dirt: they do not count for the share that has structure.
        """
        noise = _noise(part)
        structure = _smooth(part)
        structure -= structure.mean()
        # a binomial filter leaves 3/8 of white noise along each axis
        floor = max(_OVER_NOISE * 0.375 * noise, LEAST_CONTRAST)
        filled = block_covariances(structure, structure) > floor**2
        if dirty is not None:
            filled &= ~dirty
        if static is not None and static.any():
            _blank(structure, static)
        contrast = float(structure.std())
        if contrast > 0.0:
            structure *= np.float32(1.0 / contrast)
            np.clip(structure, -_CLIP, _CLIP, out=structure)
        return cls(structure, contrast, float(filled.mean()), floor / max(contrast, 1e-9))


def _blank(structure: F32, static: NDArray[np.bool_]) -> None:
    mask = np.repeat(np.repeat(static, BLOCK_PX, axis=0), BLOCK_PX, axis=1)
    structure[: mask.shape[0], : mask.shape[1]][mask[: structure.shape[0], : structure.shape[1]]] = 0.0


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
    """Return the standard deviation of white noise, from second differences across the diagonal (Immerkaer 1996)."""
    h, w = (n // 2 * 2 for n in structure.shape)
    d = structure[0:h:2, 0:w:2] - structure[1:h:2, 0:w:2] - structure[0:h:2, 1:w:2] + structure[1:h:2, 1:w:2]
    return float(np.median(np.abs(d))) / (0.6745 * 2.0)


@lru_cache(maxsize=8)
def _window(shape_yx: Sequence[int]) -> F32:
    """Return a Hann window: without it the picture's edges would vote for no shift."""
    along_y, along_x = (np.hanning(n + 2)[1:-1].astype(np.float32) for n in shape_yx)
    window: F32 = along_y[:, None] * along_x[None, :]
    return window

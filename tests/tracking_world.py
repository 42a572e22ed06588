"""A specimen without end for tests of tracking: one texture, and what a camera sees of any part of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from hcc_scope.tracking.picture import Picture, relative

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORLD_PX = 2600
MIDDLE = 1300


@functools.cache
def texture(seed: int = 0) -> NDArray[np.float32]:
    """Return the transmitted light of a texture with the sizes of nuclei and of trabeculae, 0.3 to 1."""
    rng = np.random.default_rng(seed)
    small = ndimage.gaussian_filter(rng.standard_normal((WORLD_PX, WORLD_PX), dtype=np.float32), 2.0, truncate=3.0)
    large = ndimage.gaussian_filter(rng.standard_normal((WORLD_PX // 4,) * 2, dtype=np.float32), 2.5, truncate=3.0)
    mixed = small / small.std() + ndimage.zoom(large / large.std(), 4, order=1)
    return np.clip(0.75 + 0.11 * mixed, 0.3, 1.0).astype(np.float32)


@dataclass
class Camera:
    """Takes frames of 256 x 256 px of the texture; the tracker does not reduce them any further."""

    shape_yx: tuple[int, int] = (256, 256)
    gradient: float = 0.0
    n_dirt: int = 0
    full_scale: float = 40_000.0
    dtype: str = "uint16"
    glass: bool = False
    contrast: float = 1.0
    noise: float = 0.01

    @functools.cached_property
    def light(self) -> NDArray[np.float32]:
        height, width = self.shape_yx
        light = 1.0 + self.gradient * (np.arange(width, dtype=np.float32)[None, :] / width - 0.5)
        light = np.repeat(light, height, axis=0)
        rng = np.random.default_rng(5)
        y, x = np.mgrid[:height, :width]
        for _ in range(self.n_dirt):
            at_y, at_x, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(2, 5)
            light *= np.where(np.hypot(y - at_y, x - at_x) < radius, np.float32(0.5), np.float32(1.0))
        return light

    def frame(self, y: float, x: float, seed: int = 0, *, blur: float = 0.0) -> NDArray[np.unsignedinteger]:
        """Return a frame whose first px is at (y, x) of the texture, with noise."""
        height, width = self.shape_yx
        if self.glass:
            part = np.ones(self.shape_yx, np.float32)
        else:
            top, left = int(np.floor(y)), int(np.floor(x))
            whole = texture()[top : top + height + 1, left : left + width + 1]
            u, v = np.float32(y - top), np.float32(x - left)
            lines = whole[:-1] * (1 - u) + whole[1:] * u
            part = lines[:, :-1] * (1 - v) + lines[:, 1:] * v
        part = np.float32(1.0) - np.float32(self.contrast) * (np.float32(1.0) - part)
        if blur:
            part = ndimage.gaussian_filter(part, blur)
        noise = np.random.default_rng(seed).standard_normal(self.shape_yx, dtype=np.float32)
        counts = part * self.light * self.full_scale
        return (counts + noise * (self.noise * self.full_scale)).clip(0, np.iinfo(self.dtype).max).astype(self.dtype)


def picture(y: float, x: float, seed: int = 0, **camera: object) -> Picture:
    """Return what the tracker keeps of a frame."""
    return Picture.of(relative(Camera(**camera).frame(y, x, seed).astype(np.float32)))

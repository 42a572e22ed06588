"""Make a reference of shots, or name the tile that shows why there is none.

- *Dark field*: the mean of shots with the lamp off.
- *Flat field*: the median of shots of blank glass, moved between shots, each less the dark field and divided by its own
  mean; smoothed, with a mean of 1. The median drops what lies in a place once, a median over neighbours hot and dead
  pixels and lines, smoothing the noise.

A shot is judged as it comes (saturated, too dark, light in the dark, the stage not moved), the whole at the end (too
few, a lamp that drifted, texture that stays in the median: dust, tissue, fields that were not moved).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import median_filter

from hcc_scope.formatting import counted
from hcc_scope.shading.reference import Reference
from hcc_scope.shading.smooth import block_means, smoothed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.shading.reference import ReferenceKind, Settings

__all__ = ["LEAST_SHOTS", "MOST_SHOTS", "SATURATED_SHARE", "Refusal", "Shots"]

LEAST_SHOTS: dict[ReferenceKind, int] = {"dark": 32, "flat": 16}
MOST_SHOTS = 256
_TILES = 8
"""Along each side: how finely a fault is located."""
_BLOCK_PX = 8
"""Texture is judged on means of such blocks, in which the noise of single pixels is lost."""
SATURATED_SHARE = 0.001
"""Of a tile of a flat field, or of a field that an estimate is made of."""
_DARK_LEVEL = 0.10
"""Of full scale: no camera's own offset is higher."""
_DARK_SPREAD = 0.005
"""Of full scale, between the tiles of a dark field, and between its shots."""
_FLAT_LEVEL = 0.10
"""Of full scale above the dark field: with less light the noise decides."""
_FLAT_DRIFT = 0.05
"""Of the light, between the brightest and the faintest shot."""
_TEXTURE = 0.01
"""Root mean square of a tile's blocks against the smooth field: as much as the correction may leave."""
_LIGHT_SPAN = (0.2, 3.0)
"""Of the mean light, after smoothing: no lamp that is set up is more uneven, and a map ends at 4."""
_LEAST_SIDE_PX = 32
"""A smaller image is too small to part light and texture."""
_NEIGHBOURS_PX = 3
"""Side of the square over which hot and dead pixels are dropped: at 512 px one would move the light by 1 %."""
_SAME_PLACE_UM = 1.0
_SMOOTH_SHARE = 1 / 128
_FIELD_SHARE = 1 / 32
"""Gaussian sigmas as a share of the image's shorter side: of the flat field, and of what counts as its smooth part."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no reference, and where it shows."""

    kind: ReferenceKind
    reason: str
    """Half a sentence, without the place."""
    hint: str
    tile_px: tuple[int, int, int, int] | None = None
    """x, y, width, height of the tile that shows it; None where it is no matter of a place."""
    picture: NDArray[np.uint16] | None = None
    """What the tile is a part of."""

    @property
    def message(self) -> str:
        """The reason and the place, as a sentence without a full stop."""
        words = f"the {self.kind} field is refused: {self.reason}"
        if self.tile_px is None:
            return words
        x, y, width, height = self.tile_px
        return f"{words} (the tile of {width} x {height} px at x {x}, y {y} shows it)"


class Shots:
    """Collects the shots of one reference. One thread at a time.

    Parameters
    ----------
    kind : {"dark", "flat"}
    settings : Settings
        Of the rig while they are taken.
    dark : Reference, optional
        Subtracted from the shots of a flat field, which needs it.
    """

    def __init__(self, kind: ReferenceKind, settings: Settings, dark: Reference | None = None) -> None:
        if (kind == "flat") != (dark is not None):
            raise ValueError("a flat field needs a dark field, a dark field none")
        self.kind = kind
        self.settings = settings
        self._dark = dark
        self._dark_counts = None if dark is None else dark.values.astype(np.float32)
        self._sum = np.zeros(settings.shape_yx, np.uint64)
        self._kept: list[NDArray[np.uint16]] = []
        self._places: list[tuple[float, float]] = []
        self._means: list[float] = []
        self._full_scale = 2**settings.bit_depth - 1

    @property
    def n(self) -> int:
        """How many shots are in."""
        return len(self._means)

    def add(self, pixels: NDArray[np.uint16], stage_xy_um: tuple[float, float] | None = None) -> Refusal | None:
        """Take one shot, or return why it spoils the reference.

        Parameters
        ----------
        pixels : (y, x) uint16
            Raw counts; not changed later.
        stage_xy_um : (x, y), optional
            Where it was taken; None without a stage.
        """
        if pixels.shape != self.settings.shape_yx:
            shape = " x ".join(map(str, pixels.shape))
            return self._refusal(f"a shot has {shape} px", "Leave the camera's region and binning as they are.")
        if min(pixels.shape) < _LEAST_SIDE_PX:
            height, width = pixels.shape
            return self._refusal(f"an image of {width} x {height} px is too small", "Use a larger region.")
        refusal = self._judge_dark(pixels) if self.kind == "dark" else self._judge_flat(pixels, stage_xy_um)
        if refusal is not None:
            return refusal
        if self.kind == "dark":
            self._sum += pixels
        else:
            self._kept.append(pixels)
            if stage_xy_um is not None:
                self._places.append(stage_xy_um)
        self._means.append(float(pixels.mean(dtype=np.float64)))
        return None

    def finish(self) -> Reference | Refusal:
        """Return the reference, or why there is none."""
        if self.n < LEAST_SHOTS[self.kind]:
            least = counted(LEAST_SHOTS[self.kind], "shot")
            return self._refusal(f"it takes at least {least}, and there are {self.n}", "Take more shots.")
        return self._finish_dark() if self.kind == "dark" else self._finish_flat()

    # -- dark ---------------------------------------------------------------------------------------------------------

    def _judge_dark(self, pixels: NDArray[np.uint16]) -> Refusal | None:
        means = _tile_means(pixels.astype(np.float32))
        if means.max() > _DARK_LEVEL * self._full_scale:
            return self._light_in_the_dark(means, pixels)
        return None

    def _finish_dark(self) -> Reference | Refusal:
        mean = self._sum / float(self.n)
        picture = np.rint(mean).astype(np.uint16)
        means = _tile_means(mean.astype(np.float32))
        if np.ptp(means) > _DARK_SPREAD * self._full_scale:
            return self._light_in_the_dark(means, picture)
        if np.ptp(self._means) > _DARK_SPREAD * self._full_scale:
            return self._refusal(
                f"its shots differ by {np.ptp(self._means):.0f} counts on average",
                "Wait until the camera is at its temperature, and keep all light away.",
            )
        return Reference.of_map("dark", mean, self.settings, shots=self.n)

    def _light_in_the_dark(self, means: NDArray[np.float32], picture: NDArray[np.uint16]) -> Refusal:
        return self._refusal(
            f"there is light in the dark, {means.max():.0f} counts where the darkest tile has {means.min():.0f}",
            "Switch the lamp off, close the shutter, and darken the room.",
            means,
            picture,
        )

    # -- flat ---------------------------------------------------------------------------------------------------------

    def _judge_flat(self, pixels: NDArray[np.uint16], stage_xy_um: tuple[float, float] | None) -> Refusal | None:
        assert self._dark_counts is not None
        saturated = _tile_means((pixels >= self._full_scale).astype(np.float32))
        if saturated.max() > SATURATED_SHARE:
            return self._refusal(
                f"{saturated.max():.1%} of a tile's pixels are saturated",
                "Use less light or a shorter exposure.",
                saturated,
                pixels,
            )
        light = _tile_means(pixels - self._dark_counts)
        if light.min() < _FLAT_LEVEL * self._full_scale:
            return self._refusal(
                f"a tile has {max(0.0, float(light.min())) / self._full_scale:.1%} of full scale, and it takes "
                f"{_FLAT_LEVEL:.0%}",
                "Use more light or a longer exposure.",
                -light,
                pixels,
            )
        if stage_xy_um is not None and any(math.dist(stage_xy_um, one) < _SAME_PLACE_UM for one in self._places):
            return self._refusal("the stage was not moved between two shots", "Move to another field for each shot.")
        return None

    def _finish_flat(self) -> Reference | Refusal:
        assert self._dark is not None
        assert self._dark_counts is not None
        dark_mean = float(self._dark_counts.mean(dtype=np.float64))
        light = np.array(self._means) - dark_mean
        if np.ptp(light) > _FLAT_DRIFT * light.mean():
            return self._refusal(
                f"the light changed by {np.ptp(light) / light.mean():.1%} between the shots",
                "Let the lamp warm up, and stay on blank glass.",
            )
        flat = _median(self._kept, self._dark_counts, light.astype(np.float32))
        flat = median_filter(flat, _NEIGHBOURS_PX, mode="nearest")
        blocks = block_means(flat, _BLOCK_PX)
        field = smoothed(blocks, max(1.0, min(blocks.shape) * _FIELD_SHARE))
        texture = np.sqrt(_tile_means(np.square(blocks / field - 1).astype(np.float32)))
        if texture.max() > _TEXTURE:
            return self._refusal(
                f"a tile has texture of {texture.max():.1%}: tissue or dust in it, or fields that were not moved",
                "Use clean, blank glass (or defocus), and move to another field for each shot.",
                texture,
                self._kept[-1],
                scale_px=_BLOCK_PX,
            )
        field = smoothed(flat, max(1.0, min(flat.shape) * _SMOOTH_SHARE))
        field /= field.mean()
        if field.min() < _LIGHT_SPAN[0] or field.max() > _LIGHT_SPAN[1]:
            apart = _tile_means(np.abs(np.log(np.maximum(field, 1e-6))).astype(np.float32))
            return self._refusal(
                f"its light goes from {field.min():.0%} to {field.max():.0%} of the mean",
                "Set up Köhler illumination, and open the field diaphragm beyond the image.",
                apart,
                self._kept[-1],
            )
        return Reference.of_map(
            "flat",
            field,
            self.settings,
            shots=self.n,
            dark_sha256=self._dark.manifest.pixels_sha256,
        )

    # -- where --------------------------------------------------------------------------------------------------------

    def _refusal(
        self,
        reason: str,
        hint: str,
        faults: NDArray[np.float32] | None = None,
        picture: NDArray[np.uint16] | None = None,
        *,
        scale_px: int = 1,
    ) -> Refusal:
        """Return a refusal; `faults` (rows, columns) is largest in the tile to show."""
        if faults is None or picture is None:
            return Refusal(self.kind, reason, hint)
        row, column = (int(i) for i in np.unravel_index(int(np.argmax(faults)), faults.shape))
        height, width = (side // scale_px // n * scale_px for side, n in zip(picture.shape, faults.shape, strict=True))
        return Refusal(self.kind, reason, hint, (column * width, row * height, width, height), picture)


def _tile_means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means over `_TILES` x `_TILES` equal tiles of an image (y, x); fewer of a tiny one."""
    rows, columns = (min(_TILES, side) for side in values.shape)
    height, width = values.shape[0] // rows, values.shape[1] // columns
    used = values[: rows * height, : columns * width].reshape(rows, height, columns, width)
    means: NDArray[np.float32] = used.mean(axis=(1, 3), dtype=np.float64).astype(np.float32)
    return means


def _median(
    shots: list[NDArray[np.uint16]], dark: NDArray[np.float32], light: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the median (y, x) of shots less the dark field, each divided by its own light; rows at a time."""
    height, width = dark.shape
    rows = max(1, (1 << 18) // width)
    out = np.empty(dark.shape, np.float64)
    for first in range(0, height, rows):
        here = slice(first, first + rows)
        stack = np.stack([(shot[here] - dark[here]) / one for shot, one in zip(shots, light, strict=True)])
        out[here] = np.median(stack, axis=0)
    return out

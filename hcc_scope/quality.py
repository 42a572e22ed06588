"""Decide per tile whether it is worth classifying: tissue, focus, saturation, exposure.

In white light the bare glass is bright and smooth, tissue is darker and textured. Everything but the level is measured
relative to the image itself, so that exposure, gain and camera offset hardly matter:

- *Level*: mean and share of full-scale pixels, over every 4th pixel in y and x.
- *Tissue*: the share of the tile's 32 x 32 px blocks that are textured: their variance (64 of those samples), less the
  camera's noise, exceeds both ``texture_cv`` of their mean and what noise alone would give. Darkness is not required:
  vignetting would need a flat field to distinguish a dark corner from tissue.
- *Noise and focus* rest on the structure function S(d), the mean squared difference of pixels d apart, on
  full-resolution strips. Pixel noise adds the same 2 sigma^2 to every S(d) and cancels from any difference of two. What
  is smooth at the scale of a pixel has S(2) = 4 S(1), apart from the noise; hence sigma^2 = (4 S(1) - S(2)) / 6. Focus
  is (S(2) - S(1)) / (S(16) - S(1)): the share of the finest detail in all structure up to some um; defocus takes the
  finest first. It has no unit and does not depend on offset, gain, light or noise.

Where a frame is corrected by a dark and a flat field (`hcc_scope.shading`), all this is measured on what is classified,
except saturation: the camera's own counts alone show it. A corrected pixel at full scale was not saturated, and a
saturated one may lie below.

Lags and blocks are in px; the limits are for 0.325 um/px, which a model insists on anyway. They were set on the phantom
(``tests/test_quality.py``): inside the section, focus is at least 0.066 at z = 0 and 0.027 at 3 um, at most 0.021 at
8 um; at least 95 % of the blocks are textured, and none on glass. Within broad bounds they do not depend on how the
phantom is drawn, but a rig of one's own deserves a look at its own numbers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.tiling import TileGrid

__all__ = ["QualityLimits", "TileQuality", "assess", "assess_tiles"]

_STEP_PX = 4  # level and texture look at every 4th pixel in y and x
_BLOCK_PX = 32  # 10 um: a nucleus and its surroundings
_STRIP_EVERY_PX = 16
_STRUCTURE_MIN = 0.1  # relative to the noise; less is chance, given some 10,000 differences in a tile
_NOISE_SIGMAS = 4.0  # a block of pure noise passes for textured once in some 10,000


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Where a tile stops being usable. Recorded with every run (`as_dict`)."""

    tissue_fraction_min: float = 0.5
    """Below this share of textured blocks: ``NO_TISSUE``."""
    texture_cv: float = 0.02
    """A block is textured if its standard deviation, without noise, exceeds this share of its mean."""
    focus_min: float = 0.022
    """Below: ``OUT_OF_FOCUS``. See the module for the measure."""
    saturated_fraction_max: float = 0.01
    """Above this share of pixels at full scale: ``SATURATED``."""
    mean_level_min: float = 0.05
    """Below this mean, as a share of full scale: ``UNDER_EXPOSED``."""

    def as_dict(self) -> dict[str, float]:
        """Return the limits by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TileQuality:
    """One entry per tile, in `TileGrid` order."""

    tissue_fraction: NDArray[np.float32]
    """(n,) share of blocks with tissue, 0 to 1."""
    focus: NDArray[np.float32]
    """(n,) fine detail relative to coarse; 0 where there is no structure to judge by."""
    saturated_fraction: NDArray[np.float32]
    """(n,) share of pixels at full scale."""
    mean_level: NDArray[np.float32]
    """(n,) mean as a share of full scale."""
    noise_variance: NDArray[np.float32]
    """(n,) of the pixel noise, in counts^2."""
    flags: NDArray[np.uint8]
    """(n,) bit set of `QualityFlag`; 0 for a tile to classify."""


def assess(
    pixels: NDArray[np.uint16],
    grid: TileGrid,
    limits: QualityLimits,
    bit_depth: int,
    *,
    raw: NDArray[np.uint16] | None = None,
) -> TileQuality:
    """Measure and judge every tile of a frame.

    ``OUT_OF_FOCUS`` is raised only where there is tissue to judge by; the other reasons are independent.

    Parameters
    ----------
    pixels : (y, x) uint16
        What is classified; only read.
    grid : TileGrid
        For this frame's shape; tiles of at least 32 px.
    limits : QualityLimits
        Where a tile stops being usable.
    bit_depth : int
        Of the camera: full scale is ``2**bit_depth - 1``.
    raw : (y, x) uint16, optional
        The camera's counts, if `pixels` are corrected.

    Returns
    -------
    TileQuality
        The same for the same pixels, always.

    Raises
    ------
    FrameSizeError
        If the frame has another shape than the grid.
    """
    return assess_tiles(grid.views(pixels), limits, bit_depth, raw=None if raw is None else grid.views(raw))


def assess_tiles(
    views: Sequence[NDArray[np.uint16]],
    limits: QualityLimits,
    bit_depth: int,
    *,
    raw: Sequence[NDArray[np.uint16]] | None = None,
) -> TileQuality:
    """Measure and judge the n tiles of a frame, cut already; see `assess`.

    Parameters
    ----------
    views : sequence of (tile, tile) uint16
        `TileGrid.views` of the frame.
    raw : sequence of (tile, tile) uint16, optional
        The same tiles in the camera's counts, if `views` are corrected.
    """
    full_scale = 2**bit_depth - 1
    sampled = _gathered([view[::_STEP_PX, ::_STEP_PX] for view in views])  # (n, t / 4, t / 4)
    counts = sampled if raw is None else _gathered([view[::_STEP_PX, ::_STEP_PX] for view in raw])
    saturated_fraction = (counts >= full_scale).mean(axis=(1, 2), dtype=np.float32)
    mean = sampled.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)  # (n,)
    noise_variance, focus = _noise_and_focus(views)
    tissue_fraction = _textured_fraction(sampled, mean, noise_variance, limits.texture_cv)
    mean_level = mean / np.float32(full_scale)

    has_tissue = tissue_fraction >= limits.tissue_fraction_min
    flags = np.zeros(len(views), dtype=np.uint8)
    flags[~has_tissue] |= QualityFlag.NO_TISSUE.value
    flags[has_tissue & (focus < limits.focus_min)] |= QualityFlag.OUT_OF_FOCUS.value
    flags[saturated_fraction > limits.saturated_fraction_max] |= QualityFlag.SATURATED.value
    flags[mean_level < limits.mean_level_min] |= QualityFlag.UNDER_EXPOSED.value
    return TileQuality(tissue_fraction, focus, saturated_fraction, mean_level, noise_variance, flags)


def _gathered(parts: Sequence[NDArray[np.uint16]]) -> NDArray[np.float32]:
    """Return equally shaped views as one float32 array: all tiles are then measured by the same few calls."""
    gathered = np.empty((len(parts), *parts[0].shape), dtype=np.float32)
    for place, part in zip(gathered, parts, strict=True):
        place[...] = part
    return gathered


def _noise_and_focus(views: Sequence[NDArray[np.uint16]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the variance of the pixel noise (counts^2) and the focus measure of each of n tiles."""
    # three neighbouring rows out of every 16: (n, t / 16, t) each
    upper, middle, lower = (_gathered([view[row::_STRIP_EVERY_PX] for view in views]) for row in range(3))
    s_1 = (_mean_square(upper[..., 1:] - upper[..., :-1]) + _mean_square(middle - upper)) / 2
    s_2 = (_mean_square(upper[..., 2:] - upper[..., :-2]) + _mean_square(lower - upper)) / 2
    s_16 = _mean_square(upper[..., 16:] - upper[..., :-16])
    noise_variance = np.maximum(0.0, (4 * s_1 - s_2) / 6)
    structure = s_16 - s_1
    judged = structure > _STRUCTURE_MIN * noise_variance
    share = np.divide(s_2 - s_1, structure, out=np.zeros_like(structure), where=judged)
    return noise_variance.astype(np.float32), np.maximum(0.0, share).astype(np.float32)


def _mean_square(differences: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean square of each of n arrays (n, y, x); rows are summed in float32, their sums in float64."""
    _n, rows, columns = differences.shape
    of_rows = np.einsum("nyx,nyx->ny", differences, differences)
    means: NDArray[np.float64] = of_rows.sum(axis=1, dtype=np.float64) / (rows * columns)
    return means


def _textured_fraction(
    counts: NDArray[np.float32], mean: NDArray[np.float32], noise_variance: NDArray[np.float32], texture_cv: float
) -> NDArray[np.float32]:
    """Return the share of blocks whose variance exceeds noise and `texture_cv`, for each of n tiles.

    Parameters
    ----------
    counts : (n, s, s) float32
        Every 4th pixel of a tile.
    mean : (n,) float32
        Its mean.
    noise_variance : (n,) float32
        Of one pixel, in counts^2, at that mean.
    texture_cv : float
        See `QualityLimits`.
    """
    mean, noise_variance = mean[:, None, None], noise_variance[:, None, None]
    centred = counts - mean  # first: float32 would lose a small variance beside a large mean
    block_mean = _block_means(centred)  # (n, blocks, blocks)
    variance = _block_means(np.square(centred)) - np.square(block_mean)
    level = np.maximum(block_mean + mean, np.float32(1.0))
    noise = noise_variance * level / np.maximum(mean, np.float32(1.0))  # photon noise: its variance goes with the light
    side = _BLOCK_PX // _STEP_PX
    by_chance = np.float32(_NOISE_SIGMAS * np.sqrt(2 / side**2)) * noise
    textured = variance - noise > np.maximum(np.square(np.float32(texture_cv) * level), by_chance)
    fraction: NDArray[np.float32] = textured.mean(axis=(1, 2), dtype=np.float32)
    return fraction


def _block_means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means (n, b, b) over the whole blocks of (n, s, s) samples."""
    side = _BLOCK_PX // _STEP_PX
    used = values.shape[1] // side * side
    values = values[:, :used, :used]
    # numpy sums many short runs one by one; adding every 8th column to the next is the same sum, ten times as fast
    columns = sum((values[:, :, i::side] for i in range(1, side)), start=values[:, :, ::side])
    blocks: NDArray[np.float32] = sum((columns[:, i::side] for i in range(1, side)), start=columns[:, ::side])
    return blocks / np.float32(side**2)

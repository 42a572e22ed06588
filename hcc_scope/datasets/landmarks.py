"""Find images that share pixels: a crop, an overlap, a copy that was turned or mirrored.

Small patches are picked by their own content (a hash of sums that no turn and no mirroring changes), so that the same
patches are picked wherever in an image they lie: sampling by content, as in Manber, "Finding similar files in a large
file system" (USENIX 1994), in two dimensions. A patch's key is equal for its eight turned and mirrored forms and, since
only differences of counts enter it, for counts with a constant added or multiplied by a whole number. Two images that
have several keys in common hold the same pixels there, up to that.

What is smooth or flat (bare glass, saturation, a frame around the image) gives no evidence. Copies that were resampled,
compressed with loss, or given another contrast are not found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled import LabelledImage
    from hcc_scope.tiling import TileGrid

__all__ = ["FEWEST_SHARED", "SMALLEST_SPAN_PX", "Landmarks", "Overlap", "Region", "landmarks_of", "overlaps_of"]

FEWEST_SHARED = 4
"""Patches that two images must have in common ..."""
SMALLEST_SPAN_PX = 64
"""... over an area no less high and wide than this: a burnt-in line of text is no shared tissue."""

_RADIUS = 8
"""A patch has 17 x 17 px."""
_SIDE = 2 * _RADIUS + 1
_RATE_BITS = 11
"""One patch is picked for each 2048 px of texture: some 2000 for an image of 2048 x 2048 px."""
_FEWEST_VALUES = 5
"""Different counts of a patch; with fewer it is no evidence."""
_ROWS = 128
"""Worked on at once, so that what is worked on stays in the processor's cache."""
_DENSE = 8
"""Times the expected number of patches from which more are left out, by content again."""
_SAMPLE_PX = 4096

_rng = np.random.default_rng(20261129)
_WEIGHTS = _rng.integers(0, 2**63, (_SIDE, _SIDE), dtype=np.uint64) | np.uint64(1)
_FORMS = np.stack(
    [np.rot90(form, turns).ravel() for form in (_WEIGHTS, _WEIGHTS[:, ::-1]) for turns in range(4)], axis=1
)
"""(289, 8) the weights, turned and mirrored in each way."""


class Region(NamedTuple):
    """Rows and columns of an image, the ends not included."""

    top: int
    bottom: int
    left: int
    right: int

    def __str__(self) -> str:
        """Return it for a message."""
        return f"rows {self.top} to {self.bottom - 1}, columns {self.left} to {self.right - 1}"


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The picked patches of one image."""

    keys: NDArray[np.uint64]
    """(n,) ascending, each once."""
    centres_yx: NDArray[np.int32]
    """(n, 2) in px."""
    forms: NDArray[np.uint8]
    """(n,) which of the eight forms the key was taken of."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two images that share pixels."""

    one: int
    """Of the images as they were given."""
    other: int
    shared: int
    """Patches in common."""
    in_one: Region
    """Where they lie, so the least that is shared."""
    in_other: Region
    turned: bool
    """Whether one is turned or mirrored to the other."""


def landmarks_of(
    pixels: NDArray[np.uint16], grid: TileGrid | None = None, tiles: NDArray[np.intp] | None = None
) -> Landmarks:
    """Return the picked patches of an image.

    Parameters
    ----------
    pixels : (y, x) ndarray of uint16
        The counts.
    grid : TileGrid, optional
        How it is cut into tiles.
    tiles : (n,) ndarray of int, optional
        Look in these tiles of `grid` alone, such as those that pass quality; everywhere by default.
    """
    ys, xs = _picked(pixels)
    if grid is not None and tiles is not None:
        inside = np.zeros(len(ys), bool)
        for top, left in grid.origins_yx[tiles].tolist():
            inside |= (ys >= top) & (ys < top + grid.tile_px) & (xs >= left) & (xs < left + grid.tile_px)
        ys, xs = ys[inside], xs[inside]
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (_SIDE, _SIDE))
    patches = windows[ys - _RADIUS, xs - _RADIUS].reshape(len(ys), _SIDE * _SIDE).astype(np.int32)
    in_order = np.sort(patches, axis=1)
    textured = np.count_nonzero(np.diff(in_order, axis=1), axis=1) + 1 >= _FEWEST_VALUES
    patches, ys, xs = patches[textured], ys[textured], xs[textured]
    centre = patches[:, _SIDE * _SIDE // 2]
    differences = ((patches - centre[:, None]) // _step_of(pixels)).astype(np.int64).view(np.uint64)
    hashes = _mixed64(differences @ _FORMS)  # (n, 8)
    forms = hashes.argmin(axis=1)
    keys, first = np.unique(hashes[np.arange(len(hashes)), forms], return_index=True)
    return Landmarks(keys, np.stack([ys[first], xs[first]], axis=1).astype(np.int32), forms[first].astype(np.uint8))


def _picked(pixels: NDArray[np.uint16]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the centres of patches that lie wholly in the image."""
    step = _step_of(pixels)
    height, width = pixels.shape
    rows, columns = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for top in range(_RADIUS, height - _RADIUS, _ROWS):
        bottom = min(top + _ROWS, height - _RADIUS)
        # one row and column more on each side than there are centres
        part = pixels[top - 1 : bottom + 1, _RADIUS - 1 : width - _RADIUS + 1].astype(np.int32)
        if step > 1:
            part //= step  # exact for differences: all counts leave the same remainder
        centre4 = part[1:-1, 1:-1] << 2
        above_and_below = part[:-2] + part[2:]
        cross = above_and_below[:, 1:-1] + part[1:-1, :-2] + part[1:-1, 2:] - centre4
        corners = above_and_below[:, :-2] + above_and_below[:, 2:] - centre4
        hashes = cross.view(np.uint32) * np.uint32(0x9E3779B1)
        hashes += corners.view(np.uint32) * np.uint32(0x85EBCA77)
        hashes += np.uint32(0xC2B2AE3D)
        hashes ^= hashes >> np.uint32(15)
        hashes *= np.uint32(0x27D4EB2F)
        found = np.flatnonzero(hashes < np.uint32(1 << (32 - _RATE_BITS)))
        ys, xs = np.divmod(found, part.shape[1] - 2)
        rows.append(ys + top)
        columns.append(xs + _RADIUS)
    ys, xs = np.concatenate(rows), np.concatenate(columns)
    return _thinned(pixels, ys, xs, step)


def _thinned(
    pixels: NDArray[np.uint16], ys: NDArray[np.intp], xs: NDArray[np.intp], step: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Leave out some of too many: few different counts can make one hash frequent.

    What is left of an image includes what is left where more is left out, so a crop keeps patches of its image.
    """
    excess = len(ys) * 2**_RATE_BITS / max(1, pixels.size)
    if excess <= _DENSE:
        return ys, xs
    bits = math.ceil(math.log2(excess))
    around = np.zeros(len(ys), np.uint32)
    centre = pixels[ys, xs].astype(np.int32)
    for distance, factor in ((3, 0x9E3779B1), (5, 0x85EBCA77), (8, 0xC2B2AE3D)):
        total = np.zeros(len(ys), np.int32)
        for dy, dx in ((0, distance), (0, -distance), (distance, 0), (-distance, 0)):
            total += (pixels[ys + dy, xs + dx].astype(np.int32) - centre) // step
        around += total.view(np.uint32) * np.uint32(factor)
    around ^= around >> np.uint32(15)
    around *= np.uint32(0x27D4EB2F)
    kept = around < np.uint32(1 << (32 - bits))
    return ys[kept], xs[kept]


def _step_of(pixels: NDArray[np.uint16]) -> int:
    """Return the whole number that all differences of counts are multiples of: 16 for 12 bits shifted to the left."""
    flat = pixels.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLE_PX)].astype(np.int32)
    if int(np.gcd.reduce(sample - sample[0])) == 1:  # as with every camera that uses its bits
        return 1
    values = np.flatnonzero(np.bincount(flat, minlength=1))
    return int(np.gcd.reduce(values - values[0])) or 1


def _mixed64(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread 64 bits over all 64 (the finaliser of MurmurHash3)."""
    numbers ^= numbers >> np.uint64(33)
    numbers *= np.uint64(0xFF51AFD7ED558CCD)
    numbers ^= numbers >> np.uint64(33)
    return numbers


def overlaps_of(marks: Sequence[Landmarks], images: Sequence[LabelledImage]) -> list[Overlap]:
    """Return pairs of images that share pixels.

    Parameters
    ----------
    marks : sequence of Landmarks
        Of each image.
    images : sequence of LabelledImage
        Whose they are. Where many images share one patch, each is compared with the next alone, in the order of
        classes and animals: however they are divided into two sides, a pair across is found.

    Returns
    -------
    list of Overlap
        Those with most in common first.
    """
    if not images:
        return []
    rank = np.empty(len(images), np.int64)
    rank[sorted(range(len(images)), key=lambda i: (images[i].tumour_class, images[i].animal_id, i))] = range(
        len(images)
    )
    image = np.repeat(np.arange(len(marks)), [len(one.keys) for one in marks])
    keys = np.concatenate([one.keys for one in marks])
    in_order = np.lexsort((rank[image], keys))
    [same] = np.nonzero(keys[in_order[1:]] == keys[in_order[:-1]])
    at_one, at_other = in_order[same], in_order[same + 1]
    swapped = image[at_one] > image[at_other]
    at_one, at_other = np.where(swapped, at_other, at_one), np.where(swapped, at_one, at_other)
    pairs = image[at_one] * len(marks) + image[at_other]
    by_pair = np.argsort(pairs, kind="stable")
    pairs, starts, counts = np.unique(pairs[by_pair], return_index=True, return_counts=True)
    if not len(pairs):
        return []
    at_one, at_other = at_one[by_pair], at_other[by_pair]
    centres_yx = np.concatenate([one.centres_yx for one in marks])
    forms = np.concatenate([one.forms for one in marks])
    in_one, in_other = _around(centres_yx[at_one], starts), _around(centres_yx[at_other], starts)
    turned = np.add.reduceat(forms[at_one] != forms[at_other], starts, dtype=np.int64) * 2 > counts
    wide = (np.minimum(_span(in_one), _span(in_other)) >= SMALLEST_SPAN_PX).all(axis=1)
    found = [
        Overlap(
            int(pairs[i] // len(marks)),
            int(pairs[i] % len(marks)),
            int(counts[i]),
            Region(*in_one[i].tolist()),
            Region(*in_other[i].tolist()),
            bool(turned[i]),
        )
        for i in np.flatnonzero(wide & (counts >= FEWEST_SHARED)).tolist()
    ]
    return sorted(found, key=lambda overlap: -overlap.shared)


def _around(centres_yx: NDArray[np.int32], starts: NDArray[np.intp]) -> NDArray[np.int32]:
    """Return (k, 4) top, bottom, left and right of the patches of each group of centres."""
    least = np.minimum.reduceat(centres_yx, starts) - _RADIUS
    most = np.maximum.reduceat(centres_yx, starts) + _RADIUS + 1
    return np.stack([least[:, 0], most[:, 0], least[:, 1], most[:, 1]], axis=1)


def _span(regions: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return (k, 2) height and width."""
    return regions[:, 1::2] - regions[:, ::2]

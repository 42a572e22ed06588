"""Find images that share pixels: a crop, an overlap, a copy that was turned or mirrored.

Small patches are picked by their own content (a hash of sums that no turn and no mirroring changes), so that the same
patches are picked wherever in an image they lie: sampling by content, as in Manber, "Finding similar files in a large
file system" (USENIX 1994), in two dimensions. A patch's key is equal for its eight turned and mirrored forms and, since
only differences of counts enter it, for counts with a constant added or multiplied by a whole number. Two images that
have several keys in common hold the same pixels there, up to that.

What is smooth or flat (bare glass, saturation, a frame around the image) gives no evidence. Copies that were resampled,
compressed with loss, or given another contrast are not found. A label, a scale bar or a data bar that was written into
images lies at the same place in several animals and is a small part of each: it is recognised as such and is no copy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled_image import LabelledImage
    from hcc_scope.tiling import TileGrid

__all__ = [
    "FEWEST_SHARED",
    "SMALLEST_SPAN_PX",
    "Landmarks",
    "Overlap",
    "Region",
    "in_overlays",
    "landmarks_of",
    "overlaps_of",
]

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
_SAMPLES_AT_ONCE = 16
"""Of which the common divisor is taken: so few that most hold no pixel of a label or of a defect."""
_OVERLAY_ANIMALS = 3
_OVERLAY_IMAGES = 3
_OVERLAY_SPAN_PX = 256
"""High and wide, in one corner of an image, it is part of an image and not a label."""
_OVERLAY_SHARE = 1 / 3
"""Of an image's patches: more of them at the same place as in others is a copy of the image, not a label in it."""

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
            part //= step  # exact for differences: counts leave the same remainder, but for a few pixels
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
    """Return the whole number that differences of counts are multiples of: 16 for 12 bits shifted to the left.

    A few other pixels, such as a scale bar, do not change it: a copy with them has the patches of its original.
    """
    flat = pixels.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLE_PX)]
    sample = sample[sample != np.bincount(sample).argmax()].astype(np.int32)  # without what is bare or saturated
    differences = np.diff(sample)
    differences = differences[differences != 0]
    n = len(differences) // _SAMPLES_AT_ONCE
    if n == 0:
        return int(np.gcd.reduce(differences)) or 1
    steps = np.gcd.reduce(differences[: n * _SAMPLES_AT_ONCE].reshape(n, _SAMPLES_AT_ONCE), axis=1)
    return int(np.bincount(steps).argmax())


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
    in_order = in_order[~np.concatenate(in_overlays(marks, images))[in_order]]
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


def in_overlays(marks: Sequence[Landmarks], images: Sequence[LabelledImage]) -> list[NDArray[np.bool_]]:
    """Return which patches belong to a label, a scale bar or the like that was written into many images.

    They are at the same place, measured from the nearest corner, in images of several animals or in most images, and
    are a small part of each of these images, neither high and wide nor much of it.

    Parameters
    ----------
    marks : sequence of Landmarks
        Of each image.
    images : sequence of LabelledImage
        Whose they are.

    Returns
    -------
    list of (n,) ndarray of bool
        For each of `marks`.
    """
    lengths = [len(one.keys) for one in marks]
    if sum(lengths) == 0:
        return [np.empty(0, np.bool_) for _ in marks]
    image = np.repeat(np.arange(len(marks)), lengths)
    animal = np.unique([one.animal_id for one in images], return_inverse=True)[1][image]
    shape_yx = np.array([one.shape_yx for one in images])[image]
    centre_yx = np.concatenate([one.centres_yx for one in marks])
    y, x = np.where(centre_yx * 2 < shape_yx, centre_yx, centre_yx - shape_yx).T
    form = np.concatenate([one.forms for one in marks])
    key = np.concatenate([one.keys for one in marks])
    in_order = np.lexsort((animal, form, x, y, key))
    changes = np.zeros(len(key), np.bool_)
    changes[0] = True
    for values in (key, y, x, form):
        changes[1:] |= np.diff(values[in_order]) != 0
    group = np.cumsum(changes) - 1
    n_images = np.bincount(group)
    new_animal = changes.copy()
    new_animal[1:] |= np.diff(animal[in_order]) != 0
    n_animals = np.bincount(group, weights=new_animal)
    found = (n_animals >= _OVERLAY_ANIMALS) | (n_images >= max(_OVERLAY_IMAGES, len(marks) // 2 + 1))
    group_of = np.empty_like(group)
    group_of[in_order] = group
    shares = np.bincount(image, weights=found[group_of], minlength=len(marks)) / np.maximum(1, lengths)
    is_copy = shares[image] > _OVERLAY_SHARE
    corner = 4 * image + 2 * (y < 0) + (x < 0)
    at = np.flatnonzero(found[group_of])
    span = np.full((4 * len(marks), 2), -(2**31))  # stays so where nothing was found
    least = np.full_like(span, 2**31)
    np.maximum.at(span, corner[at], np.stack([y, x], axis=1)[at])
    np.minimum.at(least, corner[at], np.stack([y, x], axis=1)[at])
    is_copy |= (span - least).min(axis=1)[corner] >= _OVERLAY_SPAN_PX
    found[group_of[is_copy]] = False
    return np.split(found[group_of], np.cumsum(lengths)[:-1])


def _around(centres_yx: NDArray[np.int32], starts: NDArray[np.intp]) -> NDArray[np.int32]:
    """Return (k, 4) top, bottom, left and right of the patches of each group of centres."""
    least = np.minimum.reduceat(centres_yx, starts) - _RADIUS
    most = np.maximum.reduceat(centres_yx, starts) + _RADIUS + 1
    return np.stack([least[:, 0], most[:, 0], least[:, 1], most[:, 1]], axis=1)


def _span(regions: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return (k, 2) height and width."""
    return regions[:, 1::2] - regions[:, ::2]

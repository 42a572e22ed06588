"""Check that counts fit their stated bit depth, and that the facts of a file fit the manifest.

With a bit depth that is too large nothing is ever at full scale, so no saturated tile is seen as such.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.dataset_report import Problem
from hcc_scope.datasets.manifest import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled_image import LabelledImage

__all__ = ["TopCounts", "depth_problems", "file_problems", "top_counts"]

_CAMERA_BITS = (8, 10, 12, 14, 16)
_PLATEAU_PX = 100
_PLATEAU_SHARE = 1e-4
"""Of an image's pixels, at the largest count: more than light leaves there by chance ..."""
_PLATEAU_STEP = 256
"""... if the counts of the highest 256th below have no half as many."""
_SAME_SIZE = 0.01
"""Relative: what rounding in a file's resolution does to a pixel size."""


@dataclass(frozen=True, slots=True)
class TopCounts:
    """Where the counts of an image end."""

    largest: int
    plateau_px: int
    """Pixels at the largest count if many more are there than just below, as where a camera saturates; else 0."""


def top_counts(pixels: NDArray[np.uint16]) -> TopCounts:
    """Return where the counts of an image end."""
    largest = int(pixels.max())
    top = pixels[pixels >= largest - max(1, largest // _PLATEAU_STEP)]
    n = int(np.count_nonzero(top == largest))
    is_plateau = n >= max(_PLATEAU_PX, _PLATEAU_SHARE * pixels.size) and n > 2 * (top.size - n)
    return TopCounts(largest, n if is_plateau and n < pixels.size else 0)


def depth_problems(images: Sequence[LabelledImage], tops: Sequence[TopCounts]) -> list[Problem]:
    """Warn of counts that end below the full scale of the stated bit depth."""
    problems: list[Problem] = []
    of_depth: defaultdict[int, list[int]] = defaultdict(list)
    for i, image in enumerate(images):
        of_depth[image.bit_depth].append(i)
    for depth, group in sorted(of_depth.items()):
        full_scale = 2**depth - 1
        plateaus: defaultdict[int, list[int]] = defaultdict(list)
        for i in group:
            if tops[i].plateau_px and tops[i].largest < full_scale:
                plateaus[tops[i].largest].append(i)
        problems += [_plateau(level, [images[i] for i in at], depth) for level, at in sorted(plateaus.items())]
        largest = max(tops[i].largest for i in group)
        smaller = next((bits for bits in _CAMERA_BITS if bits < depth and largest < 2**bits), None)
        if smaller is not None and largest not in plateaus:
            problems.append(
                Problem(
                    "warning",
                    "depth",
                    f"No count of {counted(len(group), 'image')} of {depth} bit is above {largest}: a camera of "
                    f"{smaller} bits ends at {2**smaller - 1}, of {depth} bits at {full_scale}",
                    f"If the camera has {smaller} bits, write {smaller} in the column bit_depth: otherwise, saturation "
                    "goes unseen.",
                )
            )
    return problems


def _plateau(level: int, images: Sequence[LabelledImage], depth: int) -> Problem:
    has = "has" if len(images) == 1 else "have"
    bits = next((bits for bits in _CAMERA_BITS if level == 2**bits - 1), None)
    shifted = next((bits for bits in _CAMERA_BITS if bits < depth and level == 2**depth - 2 ** (depth - bits)), None)
    advice = f"Say {bits} in the column bit_depth" if bits else "Find out at which count the camera saturates"
    if shifted is not None:
        by = 2 ** (depth - shifted)
        advice = (
            f"They look like counts of {shifted} bits times {by}: divide them by {by} and write {shifted} in bit_depth"
        )
    return Problem(
        "warning",
        "depth",
        f"{counted(len(images), 'image')} {has} no count above {level} and many there, as if saturated, but the bit "
        f"depth of {depth} allows {2**depth - 1}: {listed([image.name for image in images])}",
        f"{advice}: tiles that are saturated there are not left out now.",
        tuple(image.full_name for image in images),
    )


def file_problems(images: Sequence[LabelledImage]) -> list[Problem]:
    """Warn of pixel sizes and bit depths where a file and the manifest differ."""
    groups: defaultdict[tuple[str, str, str], list[LabelledImage]] = defaultdict(list)
    for image in images:
        if image.file_bits is not None and image.file_bits != image.bit_depth:
            groups["bit depth", f"{image.bit_depth} bit", f"{image.file_bits} bit"].append(image)
        if image.file_pixel_size_yx_um is not None:
            y_um, x_um = image.file_pixel_size_yx_um
            if any(abs(um / image.pixel_size_um - 1) > _SAME_SIZE for um in (y_um, x_um)):
                found = f"{x_um:.4g} um" if abs(x_um / y_um - 1) <= _SAME_SIZE else f"{x_um:.4g} x {y_um:.4g} um"
                groups["pixel size", f"{image.pixel_size_um:.4g} um", found].append(image)
    return [
        Problem(
            "warning",
            "file",
            f"The {what} of {counted(len(group), 'image')} is {manifest} in the manifest and {file} in the "
            f"file{'s' * (len(group) > 1)}: {listed([image.name for image in group])}",
            "Find out which is right; the manifest's is used.",
            tuple(image.full_name for image in group),
        )
        for (what, manifest, file), group in sorted(groups.items())
    ]

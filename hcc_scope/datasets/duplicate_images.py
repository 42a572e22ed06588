"""Images that share pixels: those that make any training or validation wrong, and those that leak across a split."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.dataset_report import Problem, Severity
from hcc_scope.datasets.landmarks import FEWEST_SHARED, in_overlays, overlaps_of
from hcc_scope.datasets.manifest import counted
from hcc_scope.errors import DatasetError, LeakError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hcc_scope.datasets.labelled_image import LabelledImage
    from hcc_scope.datasets.landmarks import Landmarks, Overlap
    from hcc_scope.datasets.tiles import TileTable

__all__ = ["describe_overlap", "overlap_problems", "overlaps_across", "refuse_contradictions"]

_OF_ONE_ANIMAL = "of one animal"
_HINT = "Find out whose they are and remove the other from the manifest ('hcc-scope dataset check' lists all copies)."


def refuse_contradictions(tiles: TileTable) -> None:
    """Refuse images that share pixels and are of two classes or two animals; unusable tiles do not matter.

    Raises
    ------
    DatasetError
        If the same pixels have two classes.
    LeakError
        If they are of two animals.
    """
    pairs = [*_copies(tiles), *((one.one, one.other, one) for one in tiles.overlaps)]
    for i, j, overlap in pairs:
        one, other = tiles.images[i], tiles.images[j]
        if one.tumour_class != other.tumour_class:
            what = "both hold the same pixels" if overlap is None else f"they share pixels: {describe_overlap(overlap)}"
            raise DatasetError(
                f"{one.full_name} is labelled {one.tumour_class} and {other.full_name} is labelled "
                f"{other.tumour_class}, but {what}",
                hint=_HINT,
            )
    for i, j, overlap in pairs:
        one, other = tiles.images[i], tiles.images[j]
        if one.animal_id != other.animal_id:
            what = "hold the same pixels" if overlap is None else f"share pixels: {describe_overlap(overlap)}"
            raise LeakError(
                f"{one.full_name} (animal {one.animal_id}) and {other.full_name} (animal {other.animal_id}) {what}",
                hint=_HINT,
            )


def _copies(tiles: TileTable) -> list[tuple[int, int, Overlap | None]]:
    """Return each image with usable tiles, and the first that is the same."""
    if not tiles.digests:
        return []
    first: dict[str, int] = {}
    usable = np.unique(tiles.image_index).tolist()
    return [(first.setdefault(tiles.digests[i], i), i, None) for i in usable]


def overlap_problems(
    images: Sequence[LabelledImage], digests: Sequence[str], landmarks: Sequence[Landmarks]
) -> list[Problem]:
    """Report images that share a part of their pixels; whole copies, with one digest, are left to others."""
    kinds: defaultdict[str, list[Overlap]] = defaultdict(list)
    for overlap in overlaps_of(landmarks, images):
        one, other = images[overlap.one], images[overlap.other]
        if digests[overlap.one] == digests[overlap.other]:
            continue
        if one.tumour_class != other.tumour_class:
            kinds["labelled low and high"].append(overlap)
        elif one.animal_id != other.animal_id:
            kinds["of different animals"].append(overlap)
        else:
            kinds[_OF_ONE_ANIMAL].append(overlap)
    problems = []
    for kind, group in kinds.items():
        most = group[0]
        names = " and ".join(
            f"{image.name} ({image.tumour_class}, {image.animal_id})"
            for image in (images[most.one], images[most.other])
        )
        more = f"; so {'does' if len(group) == 2 else 'do'} {counted(len(group) - 1, 'other pair')}"
        what = f"Images {kind} share pixels: {names}; {describe_overlap(most)}{more if len(group) > 1 else ''}"
        severity: Severity = "error"
        hint = "Find out whose they are: shared pixels on both sides of a split make any validation wrong."
        if kind == _OF_ONE_ANIMAL:
            severity = "warning"
            hint = "Neighbouring fields may overlap; a split over images then tests pixels that were trained on."
        concerned = sorted({i for overlap in group for i in (overlap.one, overlap.other)})
        problems.append(Problem(severity, "overlap", what, hint, tuple(images[i].full_name for i in concerned)))
    return problems + _overlay_problems(images, landmarks)


def _overlay_problems(images: Sequence[LabelledImage], landmarks: Sequence[Landmarks]) -> list[Problem]:
    """Warn of what was written into many images at one place: it is no copy, but a network may learn it."""
    found = [
        (image, marks.centres_yx[inside])
        for image, marks, inside in zip(images, landmarks, in_overlays(landmarks, images), strict=True)
        if np.count_nonzero(inside) >= FEWEST_SHARED
    ]
    if not found:
        return []
    image, centres_yx = found[0]
    (top, left), (bottom, right) = centres_yx.min(axis=0), centres_yx.max(axis=0)
    return [
        Problem(
            "warning",
            "overlay",
            f"{counted(len(found), 'image')} of several animals hold the same pixels at the same place, such as a "
            f"label or a scale bar: {image.name} around rows {top} to {bottom}, columns {left} to {right}",
            "Use the images without it: a network may learn from it where an image comes from. If it is tissue, find "
            "out whose it is.",
            tuple(one.full_name for one, _ in found),
        )
    ]


def describe_overlap(overlap: Overlap) -> str:
    """Return what two images share, for a message that has named both."""
    turned = ", turned or mirrored" if overlap.turned else ""
    return f"{overlap.in_one} of the first are {overlap.in_other} of the second{turned}"


def overlaps_across(train: Iterable[int], test: Iterable[int], overlaps: Sequence[Overlap]) -> list[tuple[int, int]]:
    """Return the pairs of images, one trained on and one tested, that share pixels."""
    trained, tested = set(map(int, train)), set(map(int, test))
    pairs = [(overlap.one, overlap.other) for overlap in overlaps]
    return [(i, j) for one, other in pairs for i, j in ((one, other), (other, one)) if i in trained and j in tested]

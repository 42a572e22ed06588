"""Divide images into those to train on, and those that decide when a training ends and where the threshold lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_scope.datasets.duplicate_images import overlaps_across, refuse_contradictions
from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.errors import LeakError, TrainingError, UsageError
from hcc_scope.phantom.effects import stable_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable

__all__ = ["ValidationSplit", "hold_out"]

_IMAGE_SHARE = 5
"""One image in so many is held out where there is but one animal of a class."""


@dataclass(frozen=True, slots=True)
class ValidationSplit:
    """A set of images, divided."""

    train: NDArray[np.int64]
    """Indices into the table's images, ascending; only images with usable tiles."""
    held_out: NDArray[np.int64]
    by: Literal["animal", "image", "none"]
    description: str
    """What was done, in a sentence for people and for the card."""


def hold_out(tiles: TileTable, n_animals: int | None, seed: int) -> ValidationSplit:
    """Divide the images with usable tiles; no animal is on both sides, unless a class has but one.

    Parameters
    ----------
    tiles : TileTable
        The tiles.
    n_animals : int or None
        Animals of each class to hold out; None: nothing is held out.
    seed : int
        Decides which.

    Raises
    ------
    UsageError
        If a class has not more than `n_animals` animals, and that is more than one.
    TrainingError
        If a class has one animal with one image.
    DatasetError
        If the same pixels have two classes.
    LeakError
        If the same pixels are of two animals, or on both sides.
    """
    refuse_contradictions(tiles)
    usable = np.unique(tiles.image_index)
    if n_animals is None:
        return ValidationSplit(usable, usable[:0], "none", "Nothing is held out.")
    animals: dict[str, list[str]] = {
        name: sorted({tiles.images[i].animal_id for i in usable if tiles.images[i].tumour_class == name})
        for name in CLASSES
    }
    fewest = min(animals, key=lambda name: len(animals[name]))
    n = len(animals[fewest])
    if n > n_animals:
        chosen = {
            animal
            for name in CLASSES
            for animal in stable_rng("held out", seed, name).choice(animals[name], n_animals, replace=False).tolist()
        }
        held = np.array([i for i in usable if tiles.images[i].animal_id in chosen], np.int64)
        by: Literal["animal", "image"] = "animal"
        words = f"Held out: all images of {', '.join(sorted(chosen))}."
    elif n_animals > 1:
        raise UsageError(
            f"{n_animals} animals per class cannot be held out: class {fewest} has {n}",
            hint="Give a smaller number with --hold-out, or 'none'.",
        )
    else:
        held = _some_images(tiles, usable, seed)
        by = "image"
        words = (
            f"Held out: {len(held)} images, NOT by animal, because class {fewest} has one animal only; what is chosen "
            "on them (epoch, temperature, threshold) may not hold for another animal."
        )
    train = np.setdiff1d(usable, held)
    _refuse_copies(tiles, train, held)
    if shared := overlaps_across(train, held, tiles.overlaps):
        n = len({i for _, i in shared})
        words += f" {n} of them share{'s' * (n == 1)} pixels with images that are trained on."
    return ValidationSplit(train, held, by, words)


def _some_images(tiles: TileTable, usable: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    held: list[int] = []
    for label, name in enumerate(CLASSES):
        images = [int(i) for i in usable if tiles.images[i].label == label]
        if len(images) < 2:
            raise TrainingError(
                f"class {name} has one usable image, so none can be held out",
                hint="Add images, or train without held-out images: --hold-out none.",
            )
        order = stable_rng("held out images", seed, name).permutation(images)
        held += order[: max(1, len(images) // _IMAGE_SHARE)].tolist()
    return np.sort(np.array(held, np.int64))


def _refuse_copies(tiles: TileTable, train: NDArray[np.int64], held: NDArray[np.int64]) -> None:
    if not tiles.digests:
        return
    learnt = {tiles.digests[i]: int(i) for i in train}
    for i in held:
        twin = learnt.get(tiles.digests[i])
        if twin is not None:
            raise LeakError(
                f"{tiles.images[i].name} of animal {tiles.images[i].animal_id} is held out, and "
                f"{tiles.images[twin].name} of animal {tiles.images[twin].animal_id}, which is trained on, is the same "
                "image",
                hint="Remove one of the two from the manifest ('hcc-scope dataset check' lists all copies).",
            )

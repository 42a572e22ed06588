"""Whether a finished model may be judged on a set: the images are of the kind it was made for, and it has seen none.

A model's card names the animals that the weights were fitted to, or that epoch, temperature and threshold were chosen
on; it has a fingerprint of the whole set and, from this version on, of each image. What it lacks is stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.datasets.images import is_store, opened_store
from hcc_scope.datasets.manifest import listed
from hcc_scope.errors import LeakError, ModelMismatchError
from hcc_scope.inference.card_inputs import DIGEST_LENGTH

if TYPE_CHECKING:
    from hcc_scope.datasets.labelled_image import LabelledImage, LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.inference.card import ModelCard

__all__ = ["LeakCheck", "check_images", "check_unseen", "check_unseen_content"]


@dataclass(frozen=True, slots=True)
class LeakCheck:
    """Which comparisons with the training found nothing, and which could not be made."""

    animals: int | None
    """On the card, none of which is in the set; None: the card names none."""
    images: int | None
    """Whose content the card knows, none of which is in the set; None: it knows none."""
    same_names: tuple[str, ...] = ()
    """Animals of the set that are called like animals of the card; a person has stated that they are others."""


def check_images(card: ModelCard, data: LabelledSet, tile_px: int) -> None:
    """Refuse images that the model was not made for.

    Parameters
    ----------
    card : ModelCard
    data : LabelledSet
    tile_px : int
        That they are cut into.

    Raises
    ------
    ModelMismatchError
        Names the first image whose pixel size, bit depth, tile or correction by dark and flat fields is not what the
        card demands, or the conversion of colour, if the model was trained on that of another.
    """
    _check_colour(card, data)
    for image in data.images:
        card.check_image(image.pixel_size_um, image.bit_depth, tile_px, f"the image {image.name} has")
        _check_shading(card, image)


def _check_colour(card: ModelCard, data: LabelledSet) -> None:
    """Refuse another conversion than that of the training; grey images beside converted ones are for a person."""
    trained_by = None if card.training is None else card.training.colour
    if trained_by is not None and data.colour is not None and trained_by != data.colour:
        raise ModelMismatchError(
            f"the model {card.name} was trained on colour images converted by {trained_by}, and those of "
            f"{data.manifest} are converted by {data.colour}",
            hint=f"Write {trained_by} in the column colour.",
        )


def _check_shading(card: ModelCard, image: LabelledImage) -> None:
    if card.shading == "accepted":
        return
    corrected = is_store(image.path) and opened_store(image.path).shading is not None
    if card.shading == "required" and not corrected:
        raise ModelMismatchError(
            f"the model {card.name} requires images corrected by dark and flat fields, and {image.name} is not",
            hint="List stores that keep their dark and flat fields.",
        )
    if card.shading == "refused" and corrected:
        raise ModelMismatchError(
            f"the model {card.name} classifies raw images alone, and those of {image.path.name} are corrected by dark "
            "and flat fields",
            hint="List images that are not corrected, or judge another model.",
        )


def check_unseen(card: ModelCard, data: LabelledSet, *, new_animals: bool = False) -> tuple[str, ...]:
    """Refuse animals that the model was trained or calibrated on, before a tile is cut.

    Parameters
    ----------
    card : ModelCard
    data : LabelledSet
    new_animals : bool
        Whether a person has stated that animals with the same ids are others.

    Returns
    -------
    tuple of str
        The ids that are on the card too: none, or those of other animals.

    Raises
    ------
    LeakError
        Names them.
    """
    if card.training is not None and card.training.data_fingerprint == data.fingerprint:
        raise LeakError(
            f"the model {card.name} was trained on this very set: {data.manifest}",
            hint="List other animals; hcc-scope evaluate without --model validates network and recipe on this set.",
        )
    ids = {image.animal_id for image in data.images}
    known = tuple(sorted(ids & set(_animals(card))))
    if known and not new_animals:
        raise LeakError(
            f"by its card, the model {card.name} was trained or calibrated on animals of {data.manifest}: "
            f"{listed(known)}",
            hint="Take their rows out of the manifest; for other animals of the same names, add --new-animals.",
        )
    return known


def _animals(card: ModelCard) -> tuple[str, ...]:
    """Return the animals that anything of the model rests on."""
    fitted = () if card.training is None else card.training.animals
    evaluated = () if card.evaluation is None else tuple(row.animal for row in card.evaluation.per_animal)
    chosen_on = tuple(row.animal for row in card.validation if row.role != "test")
    return tuple(dict.fromkeys([*fitted, *evaluated, *chosen_on]))


def check_unseen_content(card: ModelCard, tiles: TileTable, same_names: tuple[str, ...] = ()) -> LeakCheck:
    """Refuse images whose pixels the model was trained on, under whatever name, and return what was compared.

    Parameters
    ----------
    card : ModelCard
    tiles : TileTable
    same_names : tuple of str
        What `check_unseen` has returned.

    Raises
    ------
    LeakError
        Names them.
    """
    known = _known_images(card)
    if known is not None:
        seen = [
            image.name
            for image, digest in zip(tiles.images, tiles.digests, strict=True)
            if digest[:DIGEST_LENGTH] in known
        ]
        if seen:
            raise LeakError(
                f"the model {card.name} was trained on the pixels of {listed(seen)}",
                hint="Take these images, and all others of their animals, out of the manifest.",
            )
    return LeakCheck(len(_animals(card)) or None, None if known is None else len(known), same_names)


def _known_images(card: ModelCard) -> frozenset[str] | None:
    if card.inputs is None or card.inputs.images is None:
        return None
    return frozenset(card.inputs.images.split())

"""Copies of an image that no training and no validation can be right with, whatever is held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import DatasetError, LeakError

if TYPE_CHECKING:
    from hcc_scope.datasets.labelled import LabelledImage
    from hcc_scope.datasets.tiles import TileTable

__all__ = ["refuse_contradictions"]

_HINT = "Find out whose they are and remove the other from the manifest ('hcc-scope dataset check' lists all copies)."


def refuse_contradictions(tiles: TileTable) -> None:
    """Refuse images with the same pixels in two classes or two animals; those without a usable tile do not matter.

    Raises
    ------
    DatasetError
        If the same pixels have two classes.
    LeakError
        If they are of two animals.
    """
    if not tiles.digests:
        return
    first: dict[str, LabelledImage] = {}
    usable = np.unique(tiles.image_index).tolist()
    pairs = [(first.setdefault(tiles.digests[i], tiles.images[i]), tiles.images[i]) for i in usable]
    for one, other in pairs:
        if one.tumour_class != other.tumour_class:
            raise DatasetError(
                f"{one.full_name} is labelled {one.tumour_class} and {other.full_name} is labelled "
                f"{other.tumour_class}, but both hold the same pixels",
                hint=_HINT,
            )
    for one, other in pairs:
        if one.animal_id != other.animal_id:
            raise LeakError(
                f"{one.full_name} (animal {one.animal_id}) and {other.full_name} (animal {other.animal_id}) hold the "
                "same pixels",
                hint=_HINT,
            )

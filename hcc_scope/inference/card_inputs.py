"""What the training images of a model look like, on its card: to compare new ones with, and to find known ones."""

from __future__ import annotations

from typing import Annotated

import pydantic

from hcc_scope.inference.card_evaluation import CardPart

__all__ = ["DIGEST_LENGTH", "InputFeature", "InputSummary"]

DIGEST_LENGTH = 12
"""Hexadecimal digits of an image's sha256 that a card keeps: by chance two images share them once in 10^14 pairs."""
_DIGESTS = r"^([0-9a-f]{12}( [0-9a-f]{12})*)?$"
Count = Annotated[int, pydantic.Field(ge=0)]
Spread = Annotated[float, pydantic.Field(ge=0)]


class InputFeature(CardPart):
    """One number of the training tiles; the classes count alike, however many tiles each has."""

    mean: float
    """Mean of the two classes' means over animals."""
    sd: Spread
    """Of tiles within a class."""
    sd_of_animals: Spread | None = None
    """Of animals' means within a class; None: a class has one animal alone."""


class InputSummary(CardPart):
    """The training tiles in a few numbers, and the images by their content."""

    tiles: Count
    """That were measured."""
    animals_low: Count
    animals_high: Count
    features: dict[str, InputFeature]
    """By the names of `hcc_scope.evaluation.input_summary`."""
    images: str | None = pydantic.Field(default=None, pattern=_DIGESTS)
    """The first `DIGEST_LENGTH` digits of the sha256 over the pixels of each training image, with spaces between them;
    None: not kept."""

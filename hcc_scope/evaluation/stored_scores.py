"""The scores of images in a finished evaluation, of folds by animal or of a finished model on new animals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pydantic

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.evaluation.stored_evaluation import reading_evaluation
from hcc_scope.small_files import read_small_file
from hcc_scope.training.records import StrictRecord

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["StoredScores", "stored_scores"]


@dataclass(frozen=True, slots=True)
class StoredScores:
    """Of every image that has one, by a network that was not trained on its animal."""

    scores: tuple[float, ...]
    labels: tuple[int, ...]
    """0 low, 1 high."""
    sections: tuple[tuple[str, str], ...]
    """Animal and section."""
    folds: tuple[int, ...]
    """Which network it was."""


class _Part(StrictRecord):
    model_config = pydantic.ConfigDict(extra="ignore")


class _Score(_Part):
    score: float = pydantic.Field(ge=0, le=1)
    fold: int = pydantic.Field(default=1, ge=1)


class _Image(_Part):
    class_: Literal["low", "high"] = pydantic.Field(alias="class")
    animal: str
    section: str
    by_animal: _Score | None = None
    external: _Score | None = None


class _Content(_Part):
    images: list[_Image]


def stored_scores(folder: Path) -> StoredScores:
    """Read the scores of images from ``evaluation.json``.

    Raises
    ------
    TrainingError
        If there is no finished evaluation, or one that cannot be read.
    """
    with reading_evaluation(folder) as path:
        content = _Content.model_validate_json(read_small_file(path))
    found = [(image, score) for image in content.images if (score := image.by_animal or image.external) is not None]
    return StoredScores(
        scores=tuple(score.score for _, score in found),
        labels=tuple(CLASSES.index(image.class_) for image, _ in found),
        sections=tuple((image.animal, image.section) for image, _ in found),
        folds=tuple(score.fold for _, score in found),
    )

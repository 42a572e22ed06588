"""The stored sections of one animal: beside the section that is running, and in the report of one section.

Which stores count is the rule of `hcc_scope.runs.animal_scores`, over a folder and those below it, as in the library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.runs.animal_scores import animal_scores, describe_left_out
from hcc_scope.runs.library import SectionLister

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hcc_scope.report.page import AnimalMean
    from hcc_scope.runs.animal_scores import AnimalScore
    from hcc_scope.types import RunSpec, SectionScore

__all__ = ["OtherSection", "animal_mean", "other_sections"]


@dataclass(frozen=True, slots=True)
class OtherSection:
    """Another section of the same animal."""

    section_id: str
    score: SectionScore
    model_sha256: str | None = None
    """Of the model that scored it."""


def other_sections(folder: Path, spec: RunSpec) -> list[OtherSection]:
    """Return the other sections of an animal that the model of a section has scored, by section id.

    Parameters
    ----------
    folder : Path
        It and those below are looked through; one that cannot be opened holds none.
    spec : RunSpec
        Of the section that is left out: animal, section and model.
    """
    animal = _animal_score(folder, spec.animal_id, spec.model_sha256)
    return [
        OtherSection(one.section_id, one.score, one.model_sha256)
        for one in (() if animal is None else animal.sections)
        if one.score is not None and one.section_id != spec.section_id
    ]


def animal_mean(
    store_path: Path, spec: RunSpec, folder: Path, scores: Iterable[AnimalScore] | None = None
) -> AnimalMean | None:
    """Return the score of a section's animal, as the report of the section states it; None without one.

    Parameters
    ----------
    store_path : Path
        Of the section.
    spec : RunSpec
        Of the section.
    folder : Path
        It and those below hold the animal's sections.
    scores : iterable of AnimalScore, optional
        Those of the folder, where they are known.
    """
    from hcc_scope.report.page import AnimalMean

    found = _animal_score(folder, spec.animal_id, spec.model_sha256, scores)
    if found is None:
        return None
    here = store_path.resolve()
    why = next((one.describe() for one in found.left_out if one.section.path.resolve() == here), "")
    return AnimalMean(
        found.score,
        len(found.sections),
        "this folder and those below it"
        if folder.resolve() == here.parent
        else f"the folder {folder.resolve().name} and those below it",
        f"this store does not count: {why}" if why else describe_left_out(found.left_out),
    )


def _animal_score(
    folder: Path, animal_id: str, model_sha256: str | None, scores: Iterable[AnimalScore] | None = None
) -> AnimalScore | None:
    if scores is None:
        lister = SectionLister.of_user()
        try:
            sections = [one for one in lister.each([folder]) if one.animal_id == animal_id]
        except StoreError:
            return None
        scores = animal_scores(lister.with_present_scores(sections))
    return next((one for one in scores if (one.animal_id, one.model_sha256) == (animal_id, model_sha256)), None)

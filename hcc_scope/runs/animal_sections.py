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
    from pathlib import Path

    from hcc_scope.runs.animal_scores import AnimalScore
    from hcc_scope.types import RunSpec, SectionScore

__all__ = ["OtherSection", "other_sections", "write_report"]


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


def _animal_score(folder: Path, animal_id: str, model_sha256: str | None) -> AnimalScore | None:
    lister = SectionLister.of_user()
    try:
        sections = [one for one in lister.each([folder]) if one.animal_id == animal_id]
    except StoreError:
        return None
    scores = animal_scores(lister.with_present_scores(sections))
    return next((one for one in scores if one.model_sha256 == model_sha256), None)


def write_report(
    store_path: Path, out_dir: Path | None = None, *, prevalence: float | None = None, folder: Path | None = None
) -> Path:
    """Write the report of a stored section, with the mean over the animal's sections.

    Parameters
    ----------
    store_path, out_dir, prevalence
        As for `hcc_scope.report.section.section_report`, and so are what is returned and what is raised.
    folder : Path, optional
        It and those below hold the animal's sections; that of the store, if not given.
    """
    from hcc_scope.report.page import AnimalMean
    from hcc_scope.report.section import section_report
    from hcc_scope.storage.reader import read_facts

    spec = read_facts(store_path)[0].spec
    beside = store_path.resolve().parent
    found = _animal_score(beside if folder is None else folder, spec.animal_id, spec.model_sha256)
    mean = None
    if found is not None:
        where = "this folder" if folder is None or folder.resolve() == beside else f"the folder {folder.name}"
        here = store_path.resolve()
        why = next((one.describe() for one in found.left_out if one.section.path.resolve() == here), "")
        mean = AnimalMean(
            found.score,
            len(found.sections),
            f"{where} and those below it",
            f"this store does not count: {why}" if why else describe_left_out(found.left_out),
        )
    return section_report(store_path, out_dir, prevalence=prevalence, animal=mean)

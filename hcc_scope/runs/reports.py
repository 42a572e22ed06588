"""Reports of stored sections and of their animals, for command line and window alike.

A report shows a store as it is now; `hcc_scope.report.section` makes the page. Here the model joins it: its card and
its saliency, of the model that classified the section, and only if that is known here
(`hcc_scope.runs.replay.recorded_model`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from hcc_scope.errors import HccScopeError, StoreError, UsageError
from hcc_scope.formatting import format_utc
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.report.animal import AnimalFacts, ScoreOfModel, animal_document, section_in_short
from hcc_scope.report.model_rows import ReportModel
from hcc_scope.report.section import PAGE_ENDING, page_path, section_facts, write_document, write_section_files
from hcc_scope.runs.animal_scores import animal_scores
from hcc_scope.runs.animal_sections import animal_mean
from hcc_scope.runs.library import SectionLister
from hcc_scope.runs.section_analyses import CardFacts, RecordedSaliency, known_card
from hcc_scope.storage.naming import STORE_SUFFIX, check_id, refuse_inside_store
from hcc_scope.storage.place import local_place, place_of
from hcc_scope.storage.reader import open_store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.progress import OnProgress
    from hcc_scope.report.animal import AnimalSection
    from hcc_scope.runs.animal_scores import AnimalScore
    from hcc_scope.runs.listed_section import ListedSection
    from hcc_scope.storage.reader import SectionStore

__all__ = ["ReportModels", "WrittenReport", "write_reports", "write_section_report"]


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """One report, or why there is none."""

    name: str
    """Animal and section, or the animal alone."""
    page: Path | None
    """Its PDF, and the picture of a section, lie beside it under the same name."""
    error: HccScopeError | None = None
    of_animal: bool = False


class ReportModels:
    """Knows the models of the sections that are reported, each once. For one thread."""

    def __init__(self) -> None:
        self._known: dict[tuple[str | None, str | None], tuple[ModelCard | None, RecordedSaliency]] = {}

    def of(self, store: SectionStore) -> ReportModel:
        """Return what is known here of the model that classified a section; it is loaded when a tile asks for it."""
        sha256, name = key = store.spec.model_sha256, store.recorded.provenance.model
        if key not in self._known:
            self._known[key] = None if sha256 is None else known_card(sha256, name), RecordedSaliency(store)
        card, saliency = self._known[key]
        changes = "" if card is None else CardFacts.of_run(store.recorded).changes(CardFacts.of_card(card))
        return ReportModel(card, changes, saliency)


def write_section_report(
    store_path: Path,
    out_dir: Path | None = None,
    *,
    prevalence: float | None = None,
    pdf: bool = True,
    folder: Path | None = None,
) -> Path:
    """Write the report of a stored section with all that is known of its model.

    Parameters
    ----------
    store_path : Path
        A store, finished or not; it is only read.
    out_dir : Path, optional
        Where the report goes; beside the store, if not given. An earlier report of the section is replaced.
    prevalence : float, optional
        Share of animals that are high, as the user states it; None: not stated.
    pdf : bool
        Whether to write the report as a PDF too.
    folder : Path, optional
        It and those below hold the sections of the animal; by default the one that the store lies in.

    Returns
    -------
    Path
        The page; picture and PDF have the same name and end in ``.png`` and ``.pdf``.

    Raises
    ------
    StoreError
        If the store cannot be read.
    UsageError
        If `out_dir` lies inside a store.
    StoreUnwritableError
        If the report cannot be written.
    """
    store = open_store(store_path)
    animal = animal_mean(store.path, store.spec, store.path.parent if folder is None else folder)
    facts = section_facts(store, prevalence=prevalence, model=ReportModels().of(store), animal=animal)
    return write_section_files(facts, out_dir, pdf=pdf)


def write_reports(
    places: Sequence[Path],
    out_dir: Path | None = None,
    *,
    animals: Collection[str] | None = None,
    folder: Path | None = None,
    prevalence: float | None = None,
    pdf: bool = True,
    on_progress: OnProgress = ignore_progress,
) -> Iterator[WrittenReport]:
    """Write reports, and yield each as it is there.

    Parameters
    ----------
    places : sequence of Path
        A store has the report of its section. A folder has those of all sections in it and in folders below, and of
        each animal over them, which lies in the folder itself.
    out_dir : Path, optional
        Where all of them go; by default that of a section lies beside its store.
    animals : collection of str, optional
        Ids of the animals that are reported; all, if not given.
    folder : Path, optional
        For stores among `places`, as for `write_section_report`.
    prevalence, pdf
        As for `write_section_report`.
    on_progress : callable
        Takes each step.

    Raises
    ------
    StoreError
        If a place is not there or holds no section; before anything is written.
    UsageError
        If two sections would have reports of the same name, or `out_dir` lies inside a store; before anything is
        written.
    """
    if out_dir is not None:
        refuse_inside_store(out_dir / "report")
    found = [_Place(place, out_dir, animals, folder) for place in places]
    models = ReportModels()
    sections = {one.path: one for place in found for one in place.sections}
    _refuse_same_names(list(sections), out_dir)
    done = 0
    for place in found:
        known: dict[Path, AnimalSection] = {}
        troubles: dict[Path, HccScopeError] = {}
        for one in place.sections:
            on_progress(Progress("reports", done, len(sections), one.name))
            try:
                page, short = _write_section(one, place, out_dir, models, prevalence=prevalence, pdf=pdf)
            except HccScopeError as error:
                troubles[one.path] = error
                yield WrittenReport(one.name, None, error)
            else:
                known[one.path] = short
                yield WrittenReport(one.name, page)
            done += 1
        if place.is_folder:
            on_progress(Progress("reports", done, len(sections), "animals"))
            yield from _write_animals(place, out_dir, known, troubles, pdf=pdf)
    on_progress(Progress("reports", len(sections), len(sections)))


class _Place:
    """A store or a folder that reports are asked for, and its sections."""

    def __init__(self, place: Path, out_dir: Path | None, animals: Collection[str] | None, folder: Path | None) -> None:
        place = local_place(place_of(place), "reports are written of stores on this computer")
        if place.resolve().name.endswith(STORE_SUFFIX):
            place = place.resolve()  # a link to a store is that store
        self.is_folder = not place.name.endswith(STORE_SUFFIX)
        if not place.is_dir():
            raise StoreError(f"There is no store or folder at {place}", hint="Give a store, or a folder of sections.")
        self.folder = out_dir if out_dir is not None else place if self.is_folder else place.parent
        lister = SectionLister.of_user()
        rows = [one for one in lister.each([place]) if animals is None or one.animal_id in (*animals, "")]
        listed = list(lister.with_present_scores(rows))
        self.scores: list[AnimalScore] | None = animal_scores(listed) if self.is_folder else None
        """Of a folder: those of its animals."""
        self.whole = place if self.is_folder else place.parent if folder is None else folder
        """It and those below hold the sections of the animals."""
        self.sections = sorted(listed, key=lambda one: (one.animal_id, one.section_id, str(one.path)))
        if not self.sections:
            raise StoreError(
                f"{place} holds no section", hint=f"Sections are folders whose names end in {STORE_SUFFIX}."
            )


def _refuse_same_names(stores: Sequence[Path], out_dir: Path | None) -> None:
    taken: dict[Path, Path] = {}
    for store in stores:
        page = page_path(store, out_dir)
        if page in taken:
            raise UsageError(
                f"The reports of {taken[page]} and {store} would have the same name in {out_dir}",
                hint="Leave --out away, so that each lies beside its store.",
            )
        taken[page] = store


def _write_section(
    one: ListedSection,
    place: _Place,
    out_dir: Path | None,
    models: ReportModels,
    *,
    prevalence: float | None,
    pdf: bool,
) -> tuple[Path, AnimalSection]:
    """Write a section's report; return its page, and the section as its animal's report shows it."""
    store = open_store(one.path)
    animal = animal_mean(store.path, store.spec, place.whole, place.scores)
    facts = section_facts(store, prevalence=prevalence, model=models.of(store), animal=animal)
    page = write_section_files(facts, out_dir, pdf=pdf)
    short = section_in_short(
        facts,
        link=_relative(page, place.folder),
        acquired="" if one.created_utc is None else format_utc(one.created_utc, seconds=False),
        fields=one.describe_fields(),
        left_out=one.describe_quality(),
        ended=one.ended,
    )
    return page, short


def _relative(page: Path, folder: Path) -> str:
    """Return the address of a page from another one in a folder; that of the file itself on another drive."""
    try:
        return quote(os.path.relpath(page.resolve(), folder.resolve()).replace(os.sep, "/"))
    except ValueError:
        return page.resolve().as_uri()


def _write_animals(
    place: _Place,
    out_dir: Path | None,
    known: dict[Path, AnimalSection],
    troubles: dict[Path, HccScopeError],
    *,
    pdf: bool,
) -> Iterator[WrittenReport]:
    """Write the report of each animal that has a section with one."""
    readable = [one for one in place.sections if one.path in known]
    scores = [one.with_interval() for one in place.scores or ()]
    taken = {page_path(one.path, out_dir).resolve() for one in place.sections}
    for animal_id in dict.fromkeys(one.animal_id for one in readable):
        name = f"animal {animal_id}"
        facts = AnimalFacts(
            animal_id=animal_id,
            scores=[
                ScoreOfModel(one.model or "unknown", one.score, one.describe(), one.evidence())
                for one in scores
                if one.animal_id == animal_id
            ],
            sections=[known[one.path] for one in readable if one.animal_id == animal_id],
            problems=[
                f"{one.path.name} is not in this report: {troubles[one.path].message}"
                for one in place.sections
                if one.path in troubles and one.animal_id in (animal_id, "")
            ],
            made_utc=datetime.now(UTC),
        )
        try:
            page = place.folder / f"{check_id(animal_id, 'animal id')}{PAGE_ENDING}"
            if page.resolve() in taken:
                raise UsageError(f"The report of animal {animal_id} would have the name of a section's, {page.name}")
            write_document(animal_document(facts), page, pdf=pdf)
        except HccScopeError as error:
            yield WrittenReport(name, None, error, of_animal=True)
        else:
            yield WrittenReport(name, page, of_animal=True)

"""The report of one stored section: a page that opens in any browser, with everything in it, its picture, and a PDF.

All of it is read from the store when the report is made: what the run recorded, and the present notes. So the
score is that of the fields that count now; where it differs from the score at the end of the run, the report states it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.atomic_file import replace_file, replacing
from hcc_scope.errors import StoreError, StoreUnwritableError
from hcc_scope.report.hand_account import hand_account
from hcc_scope.report.html_page import html_page
from hcc_scope.report.model_rows import ReportModel
from hcc_scope.report.overview import draw_overview
from hcc_scope.report.page import PageFacts, section_document
from hcc_scope.report.pdf_file import pdf_file
from hcc_scope.report.pictures import section_picture
from hcc_scope.scoring import is_analysed, rescored
from hcc_scope.storage.frames_out import frames_out
from hcc_scope.storage.naming import STORE_SUFFIX, refuse_inside_store
from hcc_scope.storage.notes import excluded_fields, read_notes_log
from hcc_scope.storage.predictions import read_predictions
from hcc_scope.storage.recorded_run import ASSUMED_THRESHOLD
from hcc_scope.storage.scorer import store_scorer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hcc_scope.report.document import Document
    from hcc_scope.report.page import AnimalMean
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import FrameResult

__all__ = ["PAGE_ENDING", "page_path", "section_facts", "write_document", "write_section_files"]

PAGE_ENDING = "-report.html"


@dataclass(frozen=True, slots=True)
class _Predictions:
    """What is known about the fields."""

    results: Mapping[int, FrameResult]
    problem: str | None


def page_path(store_path: Path, out_dir: Path | None = None) -> Path:
    """Return where the page of a section's report lies: beside the store, if no folder is given."""
    folder = store_path.parent if out_dir is None else out_dir
    return folder / f"{store_path.name.removesuffix(STORE_SUFFIX)}{PAGE_ENDING}"


def write_section_files(facts: PageFacts, out_dir: Path | None = None, *, pdf: bool = False) -> Path:
    """Write a section's report, and its picture as a PNG beside it.

    Parameters
    ----------
    facts : PageFacts
    out_dir : Path, optional
        Where the report goes; beside the store, if not given. An earlier report of the section is replaced.
    pdf : bool
        Whether to write the report as a PDF too.

    Returns
    -------
    Path
        ``<animal>_<section>-report.html``; picture and PDF have the same name and end in ``.png`` and ``.pdf``.

    Raises
    ------
    UsageError
        If that folder lies inside a store.
    StoreUnwritableError
        If the report cannot be written.
    """
    page = page_path(facts.store.path, out_dir)
    refuse_inside_store(page)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        with replacing(page.with_suffix(".png"), shared=True) as part:
            draw_overview([facts.picture], part, subtitle=_subtitle(facts.store))
    except OSError as error:
        raise _unwritable(page, error) from error
    write_document(section_document(facts), page, pdf=pdf)
    return page


def section_facts(
    store: SectionStore,
    *,
    prevalence: float | None = None,
    model: ReportModel | None = None,
    animal: AnimalMean | None = None,
) -> PageFacts:
    """Return what a section's report shows; reads the store's results, its notes, and the frames that are drawn.

    Parameters
    ----------
    store : SectionStore
        Finished or not; it is only read.
    prevalence : float, optional
        Share of animals that are high, as the user states it; None: not stated.
    model : ReportModel, optional
        The model of the section, for its card and the saliency of tiles; without it the report has neither.
    animal : AnimalMean, optional
        The score of the animal (`hcc_scope.runs.animal_sections.animal_mean`); None: not stated.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    predictions = _predictions(store)
    notes = read_notes_log(store.path)
    excluded = {seq: why for seq, why in excluded_fields(notes.notes).items() if seq < store.n_frames}
    recorded_threshold = store.recorded.decision_threshold
    threshold = ASSUMED_THRESHOLD if recorded_threshold is None else recorded_threshold
    out = frames_out(
        store.path,
        store.journal,
        partial(is_analysed, predictions.results),
        guided=store.spec.sampling == "guided",
    )
    scorer = store_scorer(store, threshold, threshold_interval=store.recorded.threshold_interval)
    return PageFacts(
        store=store,
        results=predictions.results,
        notes=notes.notes,
        excluded=excluded,
        out=out,
        score=rescored(predictions.results, scorer, store.n_frames, excluded),
        score_of_all=rescored(predictions.results, scorer, store.n_frames),
        threshold_known=recorded_threshold is not None,
        problems=tuple(filter(None, (*store.problems, *notes.problems, predictions.problem))),
        picture=section_picture(
            store.path,
            threshold=threshold,
            outline_um=store.recorded.provenance.outline_um,
            results=predictions.results,
        ),
        made_utc=datetime.now(UTC),
        by_hand=hand_account(store.spec.sampling, store.journal, notes.notes),
        animal=animal,
        prevalence=prevalence,
        model=ReportModel() if model is None else model,
    )


def write_document(document: Document, page: Path, *, pdf: bool = False) -> None:
    """Write a report as a page and, where asked for, as a PDF beside it; earlier ones are replaced.

    Parameters
    ----------
    document : Document
    page : Path
        Ends in ``.html``; its folder is made.
    pdf : bool
        Whether to write the PDF, of the same name.

    Raises
    ------
    StoreUnwritableError
        If one cannot be written.
    """
    _write(page, html_page(document))
    if pdf:
        _write(page.with_suffix(".pdf"), pdf_file(document))


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content, shared=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> StoreUnwritableError:
    return StoreUnwritableError(
        f"The report {path} cannot be written: {error.strerror or error}", hint="Choose another folder."
    )


def _predictions(store: SectionStore) -> _Predictions:
    """Return what the run recorded; a section without it has a report nevertheless."""
    try:
        return _Predictions(read_predictions(store.path), None)
    except StoreError as error:
        return _Predictions({}, str(error))


def _subtitle(store: SectionStore) -> str:
    specimen = store.recorded.provenance.specimen
    return f"animal {store.spec.animal_id}, section {store.spec.section_id}" + (f" ({specimen})" if specimen else "")

"""The report of one stored section: a page that opens in any browser, with everything in it, and its picture.

All of it is read from the store when the report is made: what the run recorded, and the present notes. So the
score is that of the fields that count now; where it differs from the score at the end of the run, the report states it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hcc_scope.atomic_file import replace_file, replacing
from hcc_scope.errors import StoreError, StoreUnwritableError
from hcc_scope.report.hand_account import hand_account
from hcc_scope.report.overview import draw_overview
from hcc_scope.report.page import PageFacts, render
from hcc_scope.report.pictures import section_picture
from hcc_scope.scoring import rescored
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.storage.notes import excluded_fields, read_notes_log
from hcc_scope.storage.predictions import read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recorded_run import ASSUMED_THRESHOLD
from hcc_scope.storage.scorer import store_scorer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hcc_scope.report.page import AnimalMean
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import FrameResult

__all__ = ["section_report"]


@dataclass(frozen=True, slots=True)
class _Predictions:
    """What is known about the fields."""

    results: Mapping[int, FrameResult]
    problem: str | None


def section_report(
    store_path: Path,
    out_dir: Path | None = None,
    *,
    prevalence: float | None = None,
    animal: AnimalMean | None = None,
) -> Path:
    """Write the report of a stored section, and its picture as a PNG beside it.

    Parameters
    ----------
    store_path : Path
        A store, finished or not; it is only read.
    out_dir : Path, optional
        Where the report goes; beside the store, if not given. An earlier report of the section is replaced.
    prevalence : float, optional
        Share of animals that are high, as the user states it; None: not stated.
    animal : AnimalMean, optional
        The score of the animal (`hcc_scope.runs.animal_sections.write_report` finds it); None: not stated.

    Returns
    -------
    Path
        ``<animal>_<section>-report.html``; the picture has the same name and ends in ``.png``.

    Raises
    ------
    StoreError
        If the store cannot be read.
    StoreUnwritableError
        If the report cannot be written.
    """
    store = open_store(store_path)
    store_path = store.path
    folder = store_path.parent if out_dir is None else out_dir
    page = folder / f"{store_path.name.removesuffix(STORE_SUFFIX)}-report.html"
    picture = page.with_suffix(".png")
    predictions = _predictions(store)
    notes = read_notes_log(store_path)
    excluded = {seq: why for seq, why in excluded_fields(notes.notes).items() if seq < store.n_frames}
    recorded_threshold = store.recorded.decision_threshold
    threshold = ASSUMED_THRESHOLD if recorded_threshold is None else recorded_threshold
    scorer = store_scorer(store, threshold, threshold_interval=store.recorded.threshold_interval)
    drawn = section_picture(
        store_path, threshold=threshold, outline_um=store.recorded.provenance.outline_um, results=predictions.results
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(picture, shared=True) as part:
            draw_overview([drawn], part, subtitle=_subtitle(store))
        facts = PageFacts(
            store=store,
            results=predictions.results,
            notes=notes.notes,
            excluded=excluded,
            score=rescored(predictions.results, scorer, store.n_frames, excluded),
            score_of_all=rescored(predictions.results, scorer, store.n_frames),
            threshold_known=recorded_threshold is not None,
            problems=tuple(filter(None, (*store.problems, *notes.problems, predictions.problem))),
            picture=drawn,
            made_utc=datetime.now(UTC),
            by_hand=hand_account(store.spec.sampling, store.journal, notes.notes),
            animal=animal,
            prevalence=prevalence,
        )
        text = render(facts)
        # half of a surrogate pair, which JSON can hold and UTF-8 cannot, is shown as its code
        replace_file(page, text.encode(errors="backslashreplace"), shared=True)
    except OSError as error:
        raise StoreUnwritableError(
            f"The report {page} cannot be written: {error.strerror or error}", hint="Choose another folder."
        ) from error
    return page


def _predictions(store: SectionStore) -> _Predictions:
    """Return what the run recorded; a section without it has a report nevertheless."""
    try:
        return _Predictions(read_predictions(store.path), None)
    except StoreError as error:
        return _Predictions({}, str(error))


def _subtitle(store: SectionStore) -> str:
    specimen = store.recorded.provenance.specimen
    return f"animal {store.spec.animal_id}, section {store.spec.section_id}" + (f" ({specimen})" if specimen else "")

"""The score of a stored section now: of the results that its run recorded, without the fields that are excluded now.

A store records the score at the end of its run. Fields can be excluded later, and a run that never ended has recorded
no score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.animal_scoring import CONFIDENCE
from hcc_scope.scoring import feed, field_entry
from hcc_scope.storage.notes import excluded_fields, read_notes
from hcc_scope.storage.predictions import read_predictions
from hcc_scope.storage.recorded_run import ASSUMED_THRESHOLD
from hcc_scope.storage.scorer import store_scorer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hcc_scope.scoring import FieldEntry
    from hcc_scope.storage.notes import Note
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.storage.recorded_run import RecordedRun
    from hcc_scope.types import SectionScore

__all__ = ["holds_present_score", "present_score", "score_of_entries"]


def holds_present_score(run: RecordedRun, notes: Iterable[Note]) -> bool:
    """Return whether the score that a store records is the present one: no field was taken out or in since.

    Parameters
    ----------
    run : RecordedRun
        Of the store.
    notes : iterable of Note
        Of the store, oldest first.
    """
    if run.outcome is None or run.outcome.section_score is None:
        return False
    excluded = tuple(seq for seq in excluded_fields(notes) if run.frames is None or seq < run.frames)
    return excluded == run.excluded_by_operator


def present_score(store: SectionStore, confidence: float = CONFIDENCE) -> SectionScore:
    """Return the score of a store's recorded results; reads all of them.

    Parameters
    ----------
    store : SectionStore
    confidence : float
        Of its interval.

    Raises
    ------
    StoreError
        If its predictions, its notes or its drawn sample cannot be read, or it has no predictions.
    """
    results = read_predictions(store.place)
    return score_of_entries(store, {seq: field_entry(result) for seq, result in results.items()}, confidence)


def score_of_entries(
    store: SectionStore,
    entries: Mapping[int, FieldEntry],
    confidence: float = CONFIDENCE,
    *,
    threshold: float | None = None,
    threshold_interval: tuple[float, float] | None = None,
) -> SectionScore:
    """Return the score of a store's results, of which each frame's part is known already.

    Parameters
    ----------
    store : SectionStore
    entries : mapping
        `seq` to what the score needs of the frame's result.
    confidence : float
        Of its interval.
    threshold : float, optional
        Of the model; that of the run, if not given.
    threshold_interval : (float, float), optional
        Of a threshold that is given.

    Raises
    ------
    StoreError
        If its notes or its drawn sample cannot be read.
    """
    run = store.recorded
    if threshold is None:
        threshold = ASSUMED_THRESHOLD if run.decision_threshold is None else run.decision_threshold
        threshold_interval = run.threshold_interval
    scorer = store_scorer(store, threshold, threshold_interval=threshold_interval, confidence=confidence)
    excluded = [seq for seq in excluded_fields(read_notes(store.place)) if seq < store.n_frames]
    feed(scorer, ((seq, entries.get(seq)) for seq in range(store.n_frames)), excluded)
    return scorer.score()

"""Scores for the frames of a store: by its plan, and by what its run recorded about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.animal_scoring import CONFIDENCE
from hcc_scope.scoring import SectionScorer
from hcc_scope.storage.drawn_sample import give_sample
from hcc_scope.storage.lasting_reasons import lasting_reasons
from hcc_scope.storage.notes import read_notes, stored_retakes

if TYPE_CHECKING:
    from hcc_scope.storage.reader import SectionStore

__all__ = ["store_scorer"]


def store_scorer(
    store: SectionStore,
    threshold: float,
    temperature: float = 1.0,
    threshold_interval: tuple[float, float] | None = None,
    *,
    goes_on: bool = False,
    confidence: float = CONFIDENCE,
) -> SectionScorer:
    """Return a fresh scorer for the frames of a store, with the fields that were taken again.

    Parameters
    ----------
    store : SectionStore
    threshold : float
        The model card's decision threshold.
    temperature : float
        Of results that are to come; recorded ones are calibrated already, and 1 will do.
    threshold_interval : (float, float), optional
        The card's interval of the threshold.
    goes_on : bool
        Whether the store's plan goes on now, at the field at which it stood.
    confidence : float
        Of the score's interval.

    Raises
    ------
    StoreError
        If the store's notes or its drawn sample are there and cannot be read.
    """
    notes = read_notes(store.place)
    scorer = SectionScorer.for_section(
        store.spec, threshold, temperature, threshold_interval=threshold_interval, confidence=confidence
    )
    if scorer.drawn is not None:
        give_sample(scorer.drawn, store.place, store.journal)
    else:
        scorer.retakes = stored_retakes(notes, store.n_frames)
    for why in lasting_reasons(store.recorded, store.n_frames, notes, goes_on=goes_on):
        scorer.spoil(why)
    return scorer

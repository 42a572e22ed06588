"""Scores for the frames of a store: by its plan, and by what its run found out about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcc_scope.scoring import SectionScorer
from hcc_scope.storage.notes import read_notes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.storage.reader import SectionStore

__all__ = ["lasting_reason", "store_scorer"]


def lasting_reason(attributes: Mapping[str, Any]) -> str | None:
    """Return why a run's outcome calls its fields no random choice although its plan was one; None if it does not.

    Parameters
    ----------
    attributes : mapping
        The attribute ``hcc_scope``. What the run recorded stays true after a recovery.
    """
    for key in ("outcome", "outcome_before_recovery"):
        outcome = attributes.get(key)
        if not isinstance(outcome, dict):
            continue
        if isinstance(outcome.get("spoilt"), str) and outcome["spoilt"]:
            return str(outcome["spoilt"])
        if "spoilt" not in outcome and outcome.get("state") == "failed" and outcome.get("interval_valid") is False:
            return "the run failed, and no interval was valid then"
    return None


def store_scorer(store: SectionStore, threshold: float, temperature: float = 1.0) -> SectionScorer:
    """Return a fresh scorer for the frames of a store.

    Parameters
    ----------
    store : SectionStore
    threshold : float
        The model card's decision threshold.
    temperature : float
        Of results that are to come; recorded ones are calibrated already, and 1 will do.

    Raises
    ------
    StoreError
        If the store's notes are there and cannot be read.
    """
    scorer = SectionScorer(threshold, temperature, store.spec.sampling)
    noted = [note.text for note in read_notes(store.path) if note.kind == "spoilt"]
    for why in (lasting_reason(store.attributes), *noted):
        if why:
            scorer.spoil(why)
    return scorer

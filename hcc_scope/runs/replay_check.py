"""Check that a replay reproduces the predictions and the score of its store, for ``hcc-scope replay --check``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import CheckError, StoreError
from hcc_scope.runs.comparison import Verdict, compare
from hcc_scope.runs.section_analyses import CardFacts, recorded_analysis, replay_analysis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.errors import HccScopeError
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.comparison import Comparison
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import FrameResult

__all__ = ["ReplayCheck", "changed_card", "check_replay"]


@dataclass(frozen=True, slots=True)
class ReplayCheck:
    """How one store's replay compares with what was recorded."""

    frames: int
    """How many were compared."""
    equal: bool
    """Bit for bit."""
    largest_difference: float
    """Of a tile's probability; infinite where tiles or flags are not the same."""
    problem: HccScopeError | None = None
    """If they differ by more than they may, or cannot be compared."""
    words: str = ""
    """The answer, for a person; empty with a `problem`."""
    remarks: tuple[str, ...] = ()
    """What else is worth knowing."""


def check_replay(
    store: SectionStore, report: SectionReport, replayed: Mapping[int, FrameResult], scoring_model: ScoringModel
) -> ReplayCheck:
    """Compare a store's recorded predictions and score with the replayed ones (`hcc_scope.runs.comparison`).

    Parameters
    ----------
    store : SectionStore
        What was replayed.
    report : SectionReport
        How the replay ended.
    replayed : mapping
        `seq` to result.
    scoring_model : ScoringModel
        What classified.
    """
    try:
        recorded = recorded_analysis(store)
    except StoreError as error:
        return _problem(error)
    if store.n_frames == 0:
        words = f"{store.place.name} holds no frame: nothing to check"
        return ReplayCheck(0, equal=True, largest_difference=0.0, words=words)
    if recorded is None:
        return _problem(CheckError(f"{store.place} has no recorded prediction to compare with"))
    return _checked(
        store, compare(store, recorded, replay_analysis("Replay", store, scoring_model, replayed, report.outcome))
    )


def changed_card(store: SectionStore, scoring_model: ScoringModel) -> str:
    """Return as text what the card of a store's model states differently by now; empty if nothing."""
    card = scoring_model.model.card
    if store.spec.model_sha256 != card.sha256:
        return ""
    return CardFacts.of_run(store.recorded).changes(CardFacts.of_card(card))


def _problem(problem: HccScopeError) -> ReplayCheck:
    return ReplayCheck(0, equal=False, largest_difference=math.inf, problem=problem)


def _checked(store: SectionStore, comparison: Comparison) -> ReplayCheck:
    n, largest = len(comparison.fields), comparison.largest_difference
    if comparison.verdict is Verdict.NOTHING:
        same_tiles = comparison.first.grid.tile_px == comparison.second.grid.tile_px
        hint = None if same_tiles else "Leave out --check, or --model."
        return _problem(CheckError(f"{store.place}: {comparison.answer}", hint=hint))
    if comparison.verdict is Verdict.DIFFERENT:
        problem = CheckError(f"{store.place}: {comparison.answer}")
        return ReplayCheck(n, equal=False, largest_difference=largest, problem=problem, remarks=comparison.remarks)
    return ReplayCheck(
        n,
        equal=comparison.equal,
        largest_difference=largest,
        words=f"{store.place.name}: {comparison.answer}",
        remarks=comparison.remarks,
    )

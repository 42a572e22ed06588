"""How two analyses of the same frames differ: a live run and its replay, or two models."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import CheckError, StoreError
from hcc_scope.inference.agreement import DISTANCE_TOLERANCE, distances_apart
from hcc_scope.runs.replay import recorded_score_unlike
from hcc_scope.scoring import calibrate, rescored
from hcc_scope.storage.scorer import store_scorer
from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.errors import HccScopeError
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import FrameOutcome, FrameResult

__all__ = [
    "Comparison",
    "as_flagged_in",
    "changed_card",
    "check_replay",
    "compared_fields",
    "differences",
    "probability_difference",
    "rescored",
]


_CARD_FACTS = {
    "temperature": "temperature",
    "decision_threshold": "decision threshold",
    "unlike_threshold": "limit of 'unlike training'",
}


def compared_fields(recorded: Mapping[int, FrameResult], replayed: Mapping[int, FrameResult]) -> list[int]:
    """Return the fields that both sides have analysed: neither deferred, failed nor damaged."""
    return [
        seq
        for seq in sorted(recorded.keys() & replayed.keys())
        if "failed" not in (recorded[seq].outcome, replayed[seq].outcome)
    ]


def differences(recorded: Mapping[int, FrameResult], replayed: Mapping[int, FrameResult]) -> list[str]:
    """Return where two analyses of the same frames differ, in words; empty if every bit is the same.

    Frames that one side has not classified (deferred, failed, damaged) are not compared.
    """
    found = []
    for seq in compared_fields(recorded, replayed):
        old, new = recorded[seq], replayed[seq]
        if not np.array_equal(old.flags, new.flags):
            tile = int(np.flatnonzero(old.flags != new.flags)[0])
            found.append(f"frame {seq}, tile {tile}: quality flags {old.flags[tile]} recorded, {new.flags[tile]} now")
            continue
        if (old.distances is None) != (new.distances is None):
            found.append(f"frame {seq}: distances from the training tiles on one side only")
            continue
        pairs = [("logit", old.logits, new.logits)]
        if old.distances is not None and new.distances is not None:
            pairs.append(("distance", old.distances, new.distances))
        for what, one, other in pairs:
            unequal = ~((one == other) | (np.isnan(one) & np.isnan(other)))
            if unequal.any():
                tile = int(np.flatnonzero(unequal)[0])
                found.append(
                    f"frame {seq}, tile {tile}: {what} {one[tile]!s} recorded, {other[tile]!s} now "
                    f"({int(unequal.sum())} of {len(unequal)} tiles of this frame differ)"
                )
                break  # a frame that differs is told once
    return found


def as_flagged_in(
    recorded: Mapping[int, FrameResult],
    replayed: Mapping[int, FrameResult],
    temperature: float,
    unlike_beyond: float | None,
) -> tuple[dict[int, FrameResult], int]:
    """Return replayed results with the recorded flags `UNLIKE_TRAINING` where both distances are near the threshold.

    Engines differ in the last digits of a distance, so a tile near the threshold may be scored on one and not on the
    other. That is no disagreement, but it would look like one in every mean that the tile enters.

    Parameters
    ----------
    recorded, replayed : mapping
        `seq` to result, of two engines.
    temperature : float
        Gives a tile that is taken in again its probability.
    unlike_beyond : float or None
        The threshold; None: nothing is flagged for its distance.

    Returns
    -------
    dict
        `seq` to result; what is far from the threshold, and all else, as replayed.
    int
        Tiles whose flag was changed.
    """
    aligned, n_changed = dict(replayed), 0
    if unlike_beyond is None:
        return aligned, 0
    bit = np.uint8(QualityFlag.UNLIKE_TRAINING.value)
    for seq in compared_fields(recorded, replayed):
        old, new = recorded[seq], replayed[seq]
        if old.distances is None or new.distances is None or old.flags.shape != new.flags.shape:
            continue
        near = np.maximum(np.abs(old.distances - unlike_beyond), np.abs(new.distances - unlike_beyond))
        change = ((old.flags ^ new.flags) == bit) & (near <= DISTANCE_TOLERANCE * unlike_beyond)
        if not change.any():
            continue
        n_changed += int(np.count_nonzero(change))
        flags = np.where(change, old.flags, new.flags)
        probabilities = np.where(flags == 0, calibrate(new.logits, temperature), np.float32(np.nan))
        outcome: FrameOutcome = "classified" if (flags == 0).any() else "excluded"
        aligned[seq] = replace(new, flags=flags, probabilities=probabilities, outcome=outcome)
    return aligned, n_changed


def _distances_apart(
    recorded: Mapping[int, FrameResult], replayed: Mapping[int, FrameResult], unlike_beyond: float
) -> float:
    """Return the largest difference of a tile's distance, as `hcc_scope.inference.agreement.distances_apart`."""
    worst = 0.0
    for seq in compared_fields(recorded, replayed):
        old, new = recorded[seq].distances, replayed[seq].distances
        if (old is None) != (new is None):
            return math.inf
        if old is not None and new is not None:
            told = np.isfinite(old)
            if not np.array_equal(told, np.isfinite(new)):
                return math.inf
            worst = max(worst, distances_apart(old[told], new[told], unlike_beyond))
    return worst


def probability_difference(recorded: Mapping[int, FrameResult], replayed: Mapping[int, FrameResult]) -> float:
    """Return the largest difference of a tile's probability between two analyses; infinite if tiles or flags differ.

    Frames that one side has not classified (deferred, failed, damaged) are not compared.
    """
    worst = 0.0
    for seq in compared_fields(recorded, replayed):
        old, new = recorded[seq], replayed[seq]
        included = np.isfinite(old.probabilities)
        if not np.array_equal(old.flags, new.flags) or not np.array_equal(included, np.isfinite(new.probabilities)):
            return math.inf
        if included.any():
            worst = max(worst, float(np.abs(old.probabilities - new.probabilities)[included].max()))
    return worst


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one store's replay compares with what was recorded."""

    frames: int
    """How many were compared."""
    equal: bool
    """Bit for bit."""
    largest_difference: float
    """Of a tile's probability."""
    problem: HccScopeError | None = None
    """If they differ by more than they may."""
    words: str = ""
    """How it came out, for a person; empty with a `problem`."""
    remarks: tuple[str, ...] = ()
    """What else is worth knowing."""


def check_replay(
    store: SectionStore, report: SectionReport, replayed: Mapping[int, FrameResult], scoring_model: ScoringModel
) -> Comparison:
    """Compare a store's recorded predictions and score with the replayed ones.

    The recorded score rests on the fields that were in when the run ended. If fields were taken out or in since, it is
    compared with the replay's results scored as then, and a remark says so.
    """
    from hcc_scope.storage.predictions import read_predictions

    if store.spec.tile_px != scoring_model.model.card.tile_px:
        problem: HccScopeError = CheckError(
            f"{store.path} was classified in tiles of {store.spec.tile_px} px, and the model "
            f"{scoring_model.model.card.name} takes {scoring_model.model.card.tile_px} px: "
            f"there are no two results of one tile to compare",
            hint="Leave out --check, or --model.",
        )
        return Comparison(0, equal=False, largest_difference=math.inf, problem=problem)
    try:
        recorded = read_predictions(store.path)
    except StoreError as error:
        return Comparison(0, equal=False, largest_difference=math.inf, problem=error)
    if store.n_frames == 0:
        words = f"{store.path.name} holds no frame: nothing to check"
        return Comparison(0, equal=True, largest_difference=0.0, words=words)
    compared = compared_fields(recorded, replayed)
    n = len(compared)
    if not compared:
        problem = CheckError(f"{store.path} has no recorded prediction to compare with")
        return Comparison(0, equal=False, largest_difference=math.inf, problem=problem)
    engines = {recorded[seq].engine for seq in compared} - {scoring_model.classifier.engine}
    other = f" (recorded with {', '.join(sorted(engines))}, now {scoring_model.classifier.engine})" if engines else ""
    card = scoring_model.model.card
    other += _other_card(store, scoring_model)
    n_near = 0
    if engines:
        beyond = scoring_model.unlike_limit(score_unlike=recorded_score_unlike(store))
        replayed, n_near = as_flagged_in(recorded, replayed, card.temperature, beyond)
    found = differences(recorded, replayed)
    worst = probability_difference(recorded, replayed)
    apart = _distances_apart(
        recorded, replayed, 1.0 if card.unlike_training is None else card.unlike_training.threshold
    )
    # bits are promised by the same engine only
    tolerance = card.probability_tolerance if engines else 0.0
    if found and not (engines and worst <= tolerance and apart <= DISTANCE_TOLERANCE):
        limit = f", a probability by {worst:.2g} (tolerance {tolerance:g})" if engines and math.isfinite(worst) else ""
        if engines and not apart <= DISTANCE_TOLERANCE and math.isfinite(apart):
            limit += f", a distance from the training tiles by {apart:.2g} (tolerance {DISTANCE_TOLERANCE:g})"
        problem = CheckError(f"{store.path}: {len(found)} of {n} frames differ{limit}{other}; first: {found[0]}")
        return Comparison(n, equal=False, largest_difference=worst, problem=problem)
    remarks: list[str] = []
    # a journal that lost lines since then has its own problem, told elsewhere: its score cannot be the recorded one
    if n == store.n_frames == store.recorded_frames:
        wrong = _compare_scores(
            store, report, replayed, scoring_model, tolerance if found else 0.0, remarks, otherwise_flagged=n_near > 0
        )
        if wrong is not None:
            problem = CheckError(f"{store.path}: {wrong}{other}")
            return Comparison(n, equal=False, largest_difference=worst, problem=problem)
    tiles = sum(int(np.isfinite(replayed[seq].logits).sum()) for seq in compared)
    words = f"{store.path.name}: {tiles} logits of {n} frames "
    if found:
        words += (
            f"within tolerance, not bit for bit: probabilities differ by at most {worst:.2g} of {tolerance:g}{other}"
        )
    else:
        words += "equal bit for bit"
    if n_near:
        remarks.append(
            f"{n_near} tile{'s' if n_near > 1 else ''} so near the limit of 'unlike training' that the engines flag "
            "them differently; compared as recorded"
        )
    if n < store.n_frames:
        remarks.append(f"{store.n_frames - n} frames have no recorded prediction")
    return Comparison(n, equal=not found, largest_difference=worst, words=words, remarks=tuple(remarks))


def _other_card(store: SectionStore, scoring_model: ScoringModel) -> str:
    """Return, for the end of a sentence, what the card said otherwise when the store was made."""
    if store.spec.model_sha256 != scoring_model.model.card.sha256:
        return " (recorded with another model)"
    changes = changed_card(store, scoring_model)
    return f" (the model's card has changed: {changes})" if changes else ""


def changed_card(store: SectionStore, scoring_model: ScoringModel) -> str:
    """Return in words what the card of a store's model says otherwise than it did; empty if nothing.

    The same weights with another threshold have the same sha256 and give another result.
    """
    if store.spec.model_sha256 != scoring_model.model.card.sha256:
        return ""
    now = scoring_model.facts
    return ", ".join(
        f"{words} {store.spec.provenance[key]} then, {now[key]} now"
        for key, words in _CARD_FACTS.items()
        if key in store.spec.provenance and key in now and store.spec.provenance[key] != now[key]
    )


def _compare_scores(
    store: SectionStore,
    report: SectionReport,
    replayed: Mapping[int, FrameResult],
    scoring_model: ScoringModel,
    tolerance: float,
    remarks: list[str],
    *,
    otherwise_flagged: bool,
) -> str | None:
    """Return what is wrong with the recorded score, in words, or None; `tolerance` is 0 where bits are promised.

    The report's own score is not that of `replayed` if these were `otherwise_flagged`.
    """
    live = store.attributes.get("outcome", {})
    if not isinstance(live.get("score"), float):
        return None
    then = tuple(live.get("excluded_by_operator", ()))
    score = report.outcome.score
    if then != report.outcome.excluded_by_operator or otherwise_flagged:
        card = scoring_model.model.card
        scorer = store_scorer(store, card.decision_threshold, card.temperature)
        score = rescored(replayed, scorer, store.n_frames, then)
    if then != report.outcome.excluded_by_operator:
        now = len(report.outcome.excluded_by_operator)
        remarks.append(
            f"the operator's exclusions were changed after the run: {len(then)} fields then, {now} now; the recorded "
            "score was compared without those of then"
        )
    recorded, found = (live["score"], tuple(live.get("interval") or ())), (score.score, score.interval)
    # a mean of probabilities moves by no more than they do
    near = tolerance > 0 and score.score is not None and abs(score.score - live["score"]) <= tolerance
    return None if recorded == found or near else f"score {recorded} recorded, {found} now"

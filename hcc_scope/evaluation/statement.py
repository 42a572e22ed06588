"""What a verdict of the model is worth, for its card: from animals that the predicting network had never seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.evaluation.calibration import calibrate_folds, calibration_folds
from hcc_scope.evaluation.section_map import try_section_map
from hcc_scope.evaluation.threshold_interval import threshold_interval
from hcc_scope.evaluation.unseen_sections import unseen_scores
from hcc_scope.formatting import percent
from hcc_scope.inference.card_evaluation import StatementRecord
from hcc_scope.unseen_animals import net_benefit
from hcc_scope.validation_text import (
    EVEN,
    PREVALENCES,
    counts_of,
    describe_error_rate,
    describe_predictive_values,
    describe_smallest_p,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.results import EvaluationResult, FoldResult
    from hcc_scope.evaluation.section_map import MapTrial
    from hcc_scope.unseen_animals import Benefit

__all__ = [
    "BENEFIT_PREVALENCES",
    "Statement",
    "benefit_rows",
    "benefits",
    "describe_statement_record",
    "make_statement",
]

BENEFIT_PREVALENCES = (PREVALENCES[0], EVEN, PREVALENCES[1])
_SHOWN = (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9)
"""Threshold probabilities of the table."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The record for the card, and how its map came about."""

    record: StatementRecord
    trial: MapTrial


def make_statement(result: EvaluationResult) -> Statement | None:
    """Return what a verdict at the evaluation's threshold is worth; None if nothing could be chosen by animal.

    Parameters
    ----------
    result : EvaluationResult
    """
    folds = result.of("by_animal")
    chosen_on = calibration_folds(folds)
    counts = _right_by_others(folds, result.tiles)
    if not chosen_on or counts is None:
        return None
    sections = unseen_scores(chosen_on, result.tiles, result.temperature)
    animals = unseen_scores(chosen_on, result.tiles, result.temperature, "animal")
    first = animals.part(animals.networks == 0)
    trial = try_section_map(sections)
    record = StatementRecord(
        threshold=result.threshold,
        **counts,
        threshold_interval=threshold_interval(sections, result.threshold, result.config.seed),
        section_map=trial.section_map,
        scores_low=tuple(sorted(first.scores[first.labels == 0].tolist())),
        scores_high=tuple(sorted(first.scores[first.labels == 1].tolist())),
    )
    return Statement(record, trial)


def _right_by_others(folds: Sequence[FoldResult], tiles: TileTable) -> dict[str, int] | None:
    """Count animals on the right side of a threshold that was chosen on the other folds.

    The temperature is theirs too. Networks that have learnt nothing are counted, and nothing is chosen on them. Of
    several networks the mean number is taken, rounded down: the statement is about one.

    Returns
    -------
    dict or None
        Keys of `StatementRecord`. None if a choice would see one class alone.
    """
    right, of, networks = np.zeros(2), np.zeros(2, np.int64), 1
    for left_out in folds:
        others = [fold for fold in folds if fold is not left_out]
        if not calibration_folds(others):
            return None
        temperature, threshold = calibrate_folds(others, tiles)
        animals = unseen_scores([left_out], tiles, temperature, "animal")
        if not len(animals):
            continue
        n = int(animals.networks.max()) + 1
        networks = max(networks, n)
        hits = (animals.scores >= threshold) == (animals.labels == 1)
        for label in (0, 1):
            mine = animals.labels == label
            of[label] += animals.part(mine).of_class(label)
            right[label] += hits[mine].sum() / n
    if not of.sum():
        return None
    low, high = (int(np.floor(one + 1e-9)) for one in right)
    return {
        "animals_right": low + high,
        "animals": int(of.sum()),
        "high_right": high,
        "high": int(of[1]),
        "networks": networks,
    }


def describe_statement_record(statement: Statement | None) -> list[str]:
    """Return what a verdict is worth, and how that was found, as sentences for the report."""
    if statement is None:
        return [
            "What a verdict is worth is not known: with these folds no threshold can be chosen on some animals and "
            "counted on others."
        ]
    record, trial = statement.record, statement.trial
    words = [
        f"{describe_error_rate(record)} Each animal by its mean score over sections, at a temperature and a threshold "
        "that were chosen on the animals of the other folds"
        + (f"; the mean over {record.networks} networks each, rounded down." if record.networks > 1 else "."),
        describe_predictive_values(record),
    ]
    if record.threshold_interval is None:
        words.append("The threshold has no interval: there are too few animals to draw from.")
    else:
        low, high = record.threshold_interval
        words.append(
            f"The threshold {record.threshold:.4f} has the 95 % interval {low:.4f} to {high:.4f} (whole animals drawn "
            "anew; at least the gap between the scores that it lies between). A section is undecided while the "
            "interval of its score meets it."
        )
    words += [_describe_map(trial), describe_smallest_p(record)]
    return [text for text in words if text]


def _describe_map(trial: MapTrial) -> str:
    raw = f"ECE {trial.ece_of_score:.3f}, Brier score {trial.brier_of_score:.3f}"
    if trial.ece is None or trial.brier is None:
        return (
            f"A section's score is a mean tile probability. Taken for the probability of the class it has {raw}. A map "
            f"to that probability is not fitted: {trial.why_not}. So nothing at section level is called a probability."
        )
    tried = (
        "A section's score is a mean tile probability. Taken for the probability of the class it has "
        f"{raw}; a logistic map of it (Firth's penalty) has ECE {trial.ece:.3f}, Brier score {trial.brier:.3f} on "
        "animals that it was not fitted to."
    )
    if trial.section_map is None:
        return f"{tried} It is not used: {trial.why_not}. So nothing at section level is called a probability."
    return (
        f"{tried} It is on the card: log-odds of high = {trial.section_map.intercept:.3f} + "
        f"{trial.section_map.slope:.3f} x log-odds of the score, at a prevalence of "
        f"{percent(trial.section_map.prevalence)}."
    )


def benefits(
    record: StatementRecord, prevalence: float, threshold_probabilities: Sequence[float] = _SHOWN
) -> tuple[Benefit, ...]:
    """Return the net benefit of acting on *high*, at each threshold probability; empty with animals of one class."""
    counts = counts_of(record)
    return net_benefit(counts, prevalence, threshold_probabilities) if counts.of_both_classes else ()


def benefit_rows(statement: Statement | None) -> list[tuple[str, ...]]:
    """Return rows of the report's table: threshold probability, then verdict and all animals at each prevalence."""
    if statement is None:
        return []
    columns = [benefits(statement.record, prevalence) for prevalence in BENEFIT_PREVALENCES]
    return [
        (
            f"{row[0].threshold_probability:g}",
            *(
                text
                for one in row
                for text in (
                    f"{_signed(one.of_verdict)} [{_signed(one.low)}, {_signed(one.high)}]",
                    _signed(one.of_all),
                )
            ),
        )
        for row in zip(*columns, strict=True)
    ]


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"  # never -0.00

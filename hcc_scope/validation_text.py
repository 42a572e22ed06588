"""What a verdict about a section is worth, in sentences: one wording for window, command line and reports.

The verdict itself is `hcc_scope.score_text`. Its interval shows the sampling error of one section alone; how often the
model is wrong about animals that it has never seen, and what follows from that, is on the model's card
(`StatementRecord`).

A section's score is a *mean tile probability*. A probability that the section is high comes from the card's map alone
(`SectionMap`), and for a stated prevalence; where the card has no map, nothing here is called a probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcc_scope.formatting import counted, percent
from hcc_scope.score_text import SCORE_NAME
from hcc_scope.unseen_animals import (
    VerdictCounts,
    conformal_p,
    exact_interval,
    predictive_values,
    score_log_odds,
    shifted_probability,
    smallest_p,
)

if TYPE_CHECKING:
    from hcc_scope.inference.card_evaluation import SectionMap, StatementRecord
    from hcc_scope.types import SectionScore
    from hcc_scope.unseen_animals import Value

__all__ = [
    "EVEN",
    "NOT_KNOWN",
    "PREVALENCES",
    "SCORE_MEANING",
    "counts_of",
    "describe_animal",
    "describe_error_rate",
    "describe_predictive_values",
    "describe_probability",
    "describe_smallest_p",
    "describe_statement",
    "probability_high",
    "statement_json",
]

SCORE_MEANING = f"{SCORE_NAME} of high, from 0 to 1"
"""What a section's score is; half a sentence."""
PREVALENCES = (0.2, 0.8)
"""Between which predictive values are shown while the user states no prevalence."""
EVEN = 0.5
"""Prevalence that a section's probability is stated for then."""
NOT_KNOWN = "The model's error rate on unseen animals is not known: there is no record of it."
_LEVEL = 0.05


def counts_of(statement: StatementRecord) -> VerdictCounts:
    """Return the animals of a record, by class."""
    low, low_right = statement.animals - statement.high, statement.animals_right - statement.high_right
    return VerdictCounts(statement.high_right, statement.high, low_right, low)


def describe_statement(
    statement: StatementRecord | None, score: SectionScore | None = None, prevalence: float | None = None
) -> list[str]:
    """Return what belongs under a verdict, as sentences.

    Parameters
    ----------
    statement : StatementRecord, optional
        Of the model's card; None: it has none.
    score : SectionScore, optional
        Of the section; None: no section's probability is stated.
    prevalence : float, optional
        Share of animals that are high, as the user states it; None: not stated.
    """
    if statement is None:
        return [NOT_KNOWN]
    found = (
        describe_error_rate(statement),
        describe_predictive_values(statement, prevalence),
        "" if score is None else describe_probability(statement, score, prevalence),
    )
    return [text for text in found if text]


def describe_error_rate(statement: StatementRecord) -> str:
    """Return on how many unseen animals the model was right, with the exact interval of that share."""
    if not statement.animals:
        return NOT_KNOWN
    low, high = exact_interval(statement.animals_right, statement.animals)
    right = "was" if statement.animals_right == 1 else "were"
    return (
        f"Of {counted(statement.animals, 'unseen animal')} {statement.animals_right} {right} on the right side "
        f"[{low:.2f}, {high:.2f}]."
    )


def describe_predictive_values(statement: StatementRecord, prevalence: float | None = None) -> str:
    """Return PPV and NPV with their intervals, at one prevalence or from the lowest to the highest that is shown.

    Empty if no animal of one class was predicted.
    """
    counts = counts_of(statement)
    if not counts.of_both_classes:
        return ""
    shown = PREVALENCES if prevalence is None else (prevalence,)
    values = [predictive_values(counts, one) for one in shown]
    ppv, npv = (_values([pair[i] for pair in values]) for i in range(2))
    where = (
        f"a prevalence of high of {_prevalence(shown[0])}"
        if len(shown) == 1
        else f"a prevalence of high from {' to '.join(_prevalence(one) for one in shown)}"
    )
    return f"At {where}, PPV (high is right) {ppv}, NPV (low is right) {npv}."


def _values(values: list[Value]) -> str:
    """Return one figure at each prevalence; not defined at one is not defined at any."""
    if any(one.value is None for one in values):
        return "not defined, since no unseen animal had that verdict"
    return " to ".join(f"{_share(one.value or 0.0)} [{_lower(one.low)}, {_upper(one.high)}]" for one in values)


def _share(value: float) -> str:
    """Return a share with two decimals; ``0.00`` and ``1.00`` are exact."""
    return _lower(value) if value >= 0.5 else _upper(value)


def _lower(end: float) -> str:
    """Return a share that is at least this: it is never rounded to 1."""
    text = f"{end:.2f}"
    return "over 0.99" if text == "1.00" and end < 1.0 else text


def _upper(end: float) -> str:
    """Return a share that is at most this: it is never rounded to 0."""
    text = f"{end:.2f}"
    return "under 0.01" if text == "0.00" and end > 0.0 else text


def _prevalence(share: float) -> str:
    """Return a prevalence as it is stated, not rounded to whole per cent."""
    return percent(share, 2)


def probability_high(section_map: SectionMap, score: float, prevalence: float) -> float:
    """Return the probability that a section is high, by the card's map, at a prevalence.

    Parameters
    ----------
    section_map : SectionMap
    score : float
        The section's mean tile probability.
    prevalence : float
        Share of *high*, between 0 and 1: the map's own prevalence is replaced by it.
    """
    log_odds = section_map.intercept + section_map.slope * score_log_odds(score)
    return shifted_probability(log_odds, section_map.prevalence, prevalence)


def describe_probability(statement: StatementRecord, score: SectionScore, prevalence: float | None = None) -> str:
    """Return the probability that the section is high; empty unless the card has a map and the interval is valid."""
    if statement.section_map is None or score.score is None or not score.interval_valid:
        return ""
    at = EVEN if prevalence is None else prevalence
    value, low, high = (probability_high(statement.section_map, one, at) for one in (score.score, *score.interval))
    ends = f"{_lower(low)} to {_upper(high)}"
    return f"P(high) at a prevalence of {_prevalence(at)}: {_share(value)} ({ends} over the score's interval)."


def describe_animal(statement: StatementRecord | None, mean: float) -> str:
    """Return the conformal p-values of an animal's mean score, and what they cannot be; empty without a record.

    Parameters
    ----------
    statement : StatementRecord, optional
    mean : float
        Of the scores of the animal's sections.
    """
    if statement is None or not (statement.scores_low and statement.scores_high):
        return ""
    n_low, n_high = len(statement.scores_low), len(statement.scores_high)
    is_low = conformal_p(mean, statement.scores_low, towards="high")
    is_high = conformal_p(mean, statement.scores_high, towards="low")
    words = (
        f"Conformal p-values from {n_low} low and {counted(n_high, 'high unseen animal')}: is a low animal "
        f"p = {_p(is_low)}, is a high animal p = {_p(is_high)}."
    )
    if n_low == n_high:
        return words + _never_evidence(n_low, "animal", "of a class p")
    return (
        words
        + _never_evidence(n_low, "low animal", "the p of a low animal")
        + _never_evidence(n_high, "high animal", "the p of a high animal")
    )


def describe_smallest_p(statement: StatementRecord) -> str:
    """Return what an animal's conformal p-values rest on and are never below; empty without unseen animals of both."""
    if not (statement.scores_low and statement.scores_high):
        return ""
    n_low, n_high = len(statement.scores_low), len(statement.scores_high)
    return (
        f"An animal's conformal p-values rest on {n_low} low and {counted(n_high, 'high unseen animal')}, and are "
        f"never below {_p(smallest_p(n_low))} and {_p(smallest_p(n_high))}."
    )


def _never_evidence(n: int, animals: str, p_value: str) -> str:
    """Return that a p-value from so few animals cannot be small; empty if it can."""
    if smallest_p(n) <= _LEVEL:
        return ""
    return (
        f" With {counted(n, animals)} {p_value} is at least {_p(smallest_p(n))}: this can never be evidence at "
        f"{percent(_LEVEL)}."
    )


def _p(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def statement_json(statement: StatementRecord | None, prevalence: float | None = None) -> dict[str, Any] | None:
    """Return what a verdict is worth as JSON values; None without a record.

    Parameters
    ----------
    statement : StatementRecord, optional
    prevalence : float, optional
        As the user states it.
    """
    if statement is None or not statement.animals:
        return None
    counts = counts_of(statement)
    shown = PREVALENCES if prevalence is None else (prevalence,)
    at = []
    for one in shown if counts.of_both_classes else ():
        ppv, npv = predictive_values(counts, one)
        at.append({"prevalence": one, "ppv": ppv._asdict(), "npv": npv._asdict()})
    return {
        "animals": statement.animals,
        "animals_right": statement.animals_right,
        "interval": list(exact_interval(statement.animals_right, statement.animals)),
        "high": statement.high,
        "high_right": statement.high_right,
        "predictive_values": at,
    }

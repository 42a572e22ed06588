"""What counts and scores of animals that a model had never seen say about its verdicts.

Animals are independent; sections of one animal are not. So everything here rests on animals alone:

- `exact_interval`: of a proportion (Clopper & Pearson, Biometrika 26, 1934);
- `predictive_values`: PPV and NPV at a prevalence, by Bayes' rule from sensitivity and specificity;
- `net_benefit`: of acting on the verdict *high* (Vickers & Elkin, Medical Decision Making 26, 2006);
- `conformal_p`: whether an animal is like those of a class (Vovk, Gammerman & Shafer, Algorithmic Learning in a Random
  World, 2005).

The intervals of what rests on both classes are made of two exact ones at 97.5 %: both hold together in at least 95 % of
cases (Bonferroni), and PPV, NPV and net benefit rise with sensitivity and with specificity.

Examples
--------
>>> counts = VerdictCounts(high_right=4, high=4, low_right=3, low=4)
>>> [round(end, 2) for end in exact_interval(counts.right, counts.animals)]
[0.47, 1.0]
>>> ppv, npv = predictive_values(counts, prevalence=0.5)
>>> round(ppv.value, 2), npv.value
(0.8, 1.0)
>>> conformal_p(0.9, [0.1, 0.2, 0.2, 0.4], towards="high")
0.2
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Benefit",
    "Value",
    "VerdictCounts",
    "conformal_p",
    "exact_interval",
    "net_benefit",
    "predictive_values",
    "score_log_odds",
    "shifted_probability",
    "smallest_p",
]

_CONFIDENCE = 0.95
_EACH_OF_TWO = 1.0 - (1.0 - _CONFIDENCE) / 2.0
_TINY = 1e-6


class Value(NamedTuple):
    """A figure and its interval at 95 %."""

    value: float | None
    """None where it is not defined: no animal has that verdict."""
    low: float
    high: float


class Benefit(NamedTuple):
    """Net benefits per animal at one threshold probability."""

    threshold_probability: float
    of_verdict: float
    low: float
    high: float
    """Interval of `of_verdict`, at 95 %."""
    of_all: float
    """Of acting on every animal, whatever its verdict; of acting on none it is 0."""


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """How many animals of each class were on the right side."""

    high_right: int
    high: int
    low_right: int
    low: int

    @property
    def right(self) -> int:
        """Of both classes."""
        return self.high_right + self.low_right

    @property
    def animals(self) -> int:
        """Of both classes."""
        return self.high + self.low

    @property
    def of_both_classes(self) -> bool:
        """Whether there are animals of each: else sensitivity or specificity is not known."""
        return self.high > 0 and self.low > 0


def exact_interval(hits: int, n: int, confidence: float = _CONFIDENCE) -> tuple[float, float]:
    """Return the exact interval of a proportion: it holds at least that often, whatever the proportion.

    Parameters
    ----------
    hits, n : int
        Of `n` independent trials; n of at least 1.
    confidence : float

    Raises
    ------
    ValueError
        If it is no proportion.
    """
    from scipy.special import betaincinv  # a tenth of a second

    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no proportion")
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, 1.0 - tail))
    return low, high


def predictive_values(counts: VerdictCounts, prevalence: float) -> tuple[Value, Value]:
    """Return PPV and NPV: how often the verdicts *high* and *low* are right where so many animals are high.

    Parameters
    ----------
    counts : VerdictCounts
        Of both classes.
    prevalence : float
        Share of animals that are high, between 0 and 1.
    """
    (lows, highs), sensitivity, specificity = _rates(counts)
    return (
        Value(
            _positive(sensitivity, specificity, prevalence),
            _positive(lows[0], lows[1], prevalence) or 0.0,
            _certain(_positive(highs[0], highs[1], prevalence)),
        ),
        Value(
            _positive(specificity, sensitivity, 1.0 - prevalence),
            _positive(lows[1], lows[0], 1.0 - prevalence) or 0.0,
            _certain(_positive(highs[1], highs[0], 1.0 - prevalence)),
        ),
    )


def _certain(value: float | None) -> float:
    return 1.0 if value is None else value


def _rates(counts: VerdictCounts) -> tuple[tuple[tuple[float, float], tuple[float, float]], float, float]:
    """Return the lower and the upper ends of sensitivity and specificity, and both."""
    if not counts.of_both_classes:
        raise ValueError("there are no animals of one class")
    sensitivity = exact_interval(counts.high_right, counts.high, _EACH_OF_TWO)
    specificity = exact_interval(counts.low_right, counts.low, _EACH_OF_TWO)
    ends = (sensitivity[0], specificity[0]), (sensitivity[1], specificity[1])
    return ends, counts.high_right / counts.high, counts.low_right / counts.low


def _positive(sensitivity: float, specificity: float, prevalence: float) -> float | None:
    right, wrong = sensitivity * prevalence, (1.0 - specificity) * (1.0 - prevalence)
    return right / (right + wrong) if right + wrong > 0 else None


def net_benefit(
    counts: VerdictCounts, prevalence: float, threshold_probabilities: Sequence[float]
) -> tuple[Benefit, ...]:
    """Return the net benefit of acting on *high* alone, beside that of acting on every animal.

    True positives less false positives, each false one at the odds of the threshold probability, per animal.

    Parameters
    ----------
    counts : VerdictCounts
        Of both classes.
    prevalence : float
    threshold_probabilities : sequence of float
        From which probability of *high* someone would act: p / (1 - p) is the harm of acting in vain over the
        benefit of acting rightly. Each at least 0 and below 1.
    """
    (lows, highs), sensitivity, specificity = _rates(counts)

    def benefit(of_high: float, of_low: float, odds: float) -> float:
        return of_high * prevalence - (1.0 - of_low) * (1.0 - prevalence) * odds

    rows = []
    for p in threshold_probabilities:
        odds = p / (1.0 - p)
        ends = benefit(*lows, odds), benefit(*highs, odds)
        rows.append(Benefit(p, benefit(sensitivity, specificity, odds), *ends, benefit(1.0, 0.0, odds)))
    return tuple(rows)


def conformal_p(score: float, of_class: Sequence[float], *, towards: Literal["low", "high"]) -> float:
    """Return the p-value of the hypothesis that an animal is of a class, from scores of animals of that class.

    The share of animals, this one included, whose score is at least as far towards the other class. It holds exactly
    where the new animal and those of the class are exchangeable, and is never below ``1 / (n + 1)``.

    Parameters
    ----------
    score : float
        Of the animal.
    of_class : sequence of float
        Scores of animals of the class that the predicting network had never seen.
    towards : 'low' or 'high'
        The other class: what speaks against the hypothesis.
    """
    beyond = sum(other >= score if towards == "high" else other <= score for other in of_class)
    return (beyond + 1) / (len(of_class) + 1)


def smallest_p(n: int) -> float:
    """Return the smallest p-value that `conformal_p` can have with `n` animals of a class."""
    return 1.0 / (n + 1)


def shifted_probability(log_odds: float, prevalence_then: float, prevalence: float) -> float:
    """Return the probability behind log-odds that suppose one prevalence, where the prevalence is another."""
    shifted = log_odds - _logit(prevalence_then) + _logit(prevalence)
    if shifted >= 0:
        return 1.0 / (1.0 + math.exp(-shifted))
    return math.exp(shifted) / (1.0 + math.exp(shifted))


def score_log_odds(score: float) -> float:
    """Return the log-odds of a mean tile probability, finite at 0 and 1 too."""
    return _logit(min(max(score, _TINY), 1.0 - _TINY))


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))

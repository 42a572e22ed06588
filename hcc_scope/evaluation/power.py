"""How wide the intervals of a validation will be, by simulation, for a number of animals, sections and fields.

An image's score is its class's mean plus what its animal, its section and the field itself add, each normal. The
shares of the variance within a class decide everything: where animals differ, more fields of the same animals narrow
nothing. Cohorts are drawn from this, and each is given the very intervals that an evaluation gives
(`hcc_scope.evaluation.auc`, `hcc_scope.evaluation.intervals`); their width and how often they contain the truth
are counted.

The shares of an evaluation's held-out scores are estimated by a nested analysis of variance with unequal numbers
(Searle, Casella & McCulloch, Variance Components, 1992, section 3.6 and chapter 5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from hcc_scope.errors import UsageError
from hcc_scope.evaluation.aggregation import Scored
from hcc_scope.evaluation.auc import auc_estimate
from hcc_scope.evaluation.intervals import clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = [
    "MOST_ANIMALS",
    "PHANTOM_SPREAD",
    "Design",
    "Expected",
    "Spread",
    "animals_needed",
    "expected_intervals",
    "spread_of",
]

MOST_ANIMALS = 64
"""Of each class: beyond it the simulation takes minutes, and the normal approximation of any text book will do."""
_MOST_IMAGES = 20_000
"""Of a cohort."""
_FEWEST_SIMULATIONS = 20
_CLEAR_OF_ENDS = 1e-3
"""A score is kept so far from 0 and 1 before its log-odds are taken: a few extreme ones would decide everything."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Shares of the variance of images' scores within a class; the rest is between fields of one section."""

    animals: float
    """Between animals, 0 to 1."""
    sections: float
    """Between sections of one animal, 0 to 1."""

    @property
    def fields(self) -> float:
        """Between fields of one section."""
        return 1.0 - self.animals - self.sections


PHANTOM_SPREAD = Spread(animals=0.4, sections=0.1)
"""Assumed, not measured: the shares that animals (0.9 squared) and sections (0.45 squared) have in the variance of the
phantom's latent growth, whose variance within a section is 1 (`hcc_scope.phantom.effects.EffectSizes`)."""


@dataclass(frozen=True, slots=True)
class Design:
    """A cohort of equal animals."""

    animals: int
    """Of each class."""
    sections: int
    """Of each animal."""
    fields: int
    """Of each section."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the intervals of a design will be."""

    design: Design
    auc_half_width: float
    """Half the width of the interval of the AUC of images, mean over the cohorts."""
    auc_coverage: float
    """How often it contains the truth."""
    right: float
    """Expected share of animals on the right side of a threshold midway between the classes."""
    right_half_width: float
    """Half the width of that share's interval."""
    right_coverage: float
    simulations: int


def expected_intervals(design: Design, auc: float, spread: Spread, *, simulations: int, seed: int) -> Expected:
    """Return the width and coverage of the intervals that an evaluation of such a cohort would give.

    Parameters
    ----------
    design : Design
    auc : float
        Of images of animals that the model has not seen.
    spread : Spread
    simulations : int
        Cohorts; a coverage of 95 % from 200 of them is known within 3 %.
    seed : int
        The same seed gives the same figures.

    Raises
    ------
    UsageError
        If a value is out of its range.
    """
    _check(design, auc, spread, simulations)
    n, per_animal = design.animals, design.sections * design.fields
    apart = math.sqrt(2.0) * float(norm.ppf(auc))
    of_animal = math.sqrt(
        spread.animals + spread.sections / design.sections + spread.fields / (design.sections * design.fields)
    )
    right = float(norm.cdf(apart / 2.0 / of_animal)) if of_animal > 0 else 1.0
    animals = np.repeat(np.arange(2 * n), per_animal)
    sections = np.repeat(np.arange(2 * n * design.sections), design.fields)
    labels = (animals >= n).astype(np.int64)
    names, ids = tuple((i,) for i in range(len(animals))), tuple(map(str, range(2 * n)))
    rng = np.random.default_rng([seed, 11, n, design.sections, design.fields])
    widths, covered = np.zeros((2, simulations)), np.zeros((2, simulations), bool)
    for i in range(simulations):
        scores = apart * (labels - 0.5)
        scores = scores + math.sqrt(spread.animals) * rng.normal(size=2 * n)[animals]
        scores = scores + math.sqrt(spread.sections) * rng.normal(size=sections[-1] + 1)[sections]
        scores = scores + math.sqrt(max(spread.fields, 0.0)) * rng.normal(size=len(scores))
        area = auc_estimate(Scored("image", labels, scores, scores, animals, np.zeros_like(labels), names, ids))
        assert area is not None, "both classes are there"
        assert area.interval is not None, "a figure of a cohort has an interval"
        hits = int(((scores.reshape(2 * n, per_animal).mean(1) >= 0) == (np.arange(2 * n) >= n)).sum())
        for row, (interval, truth) in enumerate(((area.interval, auc), (clopper_pearson(hits, 2 * n), right))):
            widths[row, i] = (interval.high - interval.low) / 2.0
            covered[row, i] = interval.low <= truth <= interval.high
    return Expected(
        design=design,
        auc_half_width=float(widths[0].mean()),
        auc_coverage=float(covered[0].mean()),
        right=right,
        right_half_width=float(widths[1].mean()),
        right_coverage=float(covered[1].mean()),
        simulations=simulations,
    )


def animals_needed(half_width: float, of: Callable[[int], float], fewest: int = 3) -> int | None:
    """Return the smallest number of animals per class that gives a half-width; None if `MOST_ANIMALS` do not.

    Parameters
    ----------
    half_width : float
        Wanted.
    of : callable
        Takes animals per class, returns the half-width that they give; falls with their number.
    fewest : int
        To begin with.
    """
    low, high = fewest - 1, fewest
    width = cache(of)
    while width(high) > half_width:
        if high >= MOST_ANIMALS:
            return None
        low, high = high, min(2 * high, MOST_ANIMALS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if width(middle) <= half_width else (middle, high)
    return high


def spread_of(
    scores: Sequence[float], labels: Sequence[int], sections: Sequence[tuple[str, str]], folds: Sequence[int]
) -> tuple[float, Spread]:
    """Return the AUC of images and the shares of variance, estimated from scores of unseen animals.

    Parameters
    ----------
    scores : sequence of float
        Of images, 0 to 1.
    labels : sequence of int
        0 low, 1 high.
    sections : sequence of (str, str)
        Animal and section of each.
    folds : sequence of int
        Which network scored it: networks differ in level, which is no spread of animals.

    Raises
    ------
    UsageError
        If a class has fewer than two animals, or no animal has two images.
    """
    y, of_fold = np.asarray(labels, np.int64), np.asarray(folds, np.int64)
    clear = np.clip(np.asarray(scores, np.float64), _CLEAR_OF_ENDS, 1.0 - _CLEAR_OF_ENDS)
    odds = np.log(clear) - np.log1p(-clear)
    wins = pairs = 0.0
    for fold in np.unique(of_fold):
        mine = of_fold == fold
        low, high = odds[mine & (y == 0)], odds[mine & (y == 1)]
        if len(low) and len(high):
            odds[mine] -= (low.mean() + high.mean()) / 2.0
            wins += float((np.sign(high[:, None] - low[None, :]) + 1.0).sum()) / 2.0
            pairs += len(low) * len(high)
    if not pairs:  # each fold has one class: its networks can be compared with each other alone
        low, high = odds[y == 0], odds[y == 1]
        wins = float((np.sign(high[:, None] - low[None, :]) + 1.0).sum()) / 2.0
        pairs = len(low) * len(high)
    if not pairs:
        raise UsageError("its scores are of one class alone", hint="Give --auc, --animal-share and --section-share.")
    return wins / pairs, _shares(odds, y, sections)


def _shares(values: NDArray[np.float64], labels: NDArray[np.int64], sections: Sequence[tuple[str, str]]) -> Spread:
    """Return the shares by nested analysis of variance; a negative component counts as none."""
    animal = _codes([f"{label} {one[0]}" for label, one in zip(labels.tolist(), sections, strict=True)])
    section = _codes([f"{label} {one!r}" for label, one in zip(labels.tolist(), sections, strict=True)])
    n_animals, n_sections, n_classes, n = animal.max() + 1, section.max() + 1, len(np.unique(labels)), len(values)
    if n_animals - n_classes < n_classes or n_animals == n:
        raise UsageError(
            "its scores are of too few animals, or of one image each, to tell how much animals differ",
            hint="Give --animal-share and --section-share.",
        )
    size_s, size_a, size_c = (np.bincount(group).astype(np.float64) for group in (section, animal, labels))
    mean_s, mean_a = np.bincount(section, values) / size_s, np.bincount(animal, values) / size_a
    mean_c = np.bincount(labels, values) / np.maximum(size_c, 1.0)
    animal_of_section = np.zeros(n_sections, np.int64)
    animal_of_section[section] = animal
    class_of_animal = np.zeros(n_animals, np.int64)
    class_of_animal[animal] = labels
    within_a = np.bincount(animal_of_section, size_s**2) / size_a
    over_class = np.bincount(class_of_animal[animal_of_section], size_s**2)
    over_class_a = np.bincount(class_of_animal, size_a**2)
    filled = size_c > 0
    ss_fields = float(((values - mean_s[section]) ** 2).sum())
    ss_sections = float((size_s * (mean_s - mean_a[animal_of_section]) ** 2).sum())
    ss_animals = float((size_a * (mean_a - mean_c[class_of_animal]) ** 2).sum())
    free_f, free_s, free_a = n - n_sections, n_sections - n_animals, n_animals - n_classes
    field = ss_fields / free_f if free_f else 0.0
    of_section = 0.0
    if free_s:
        of_section = max(0.0, (ss_sections / free_s - field) * free_s / (n - within_a.sum()))
    k_section = (within_a.sum() - (over_class[filled] / size_c[filled]).sum()) / free_a
    k_animal = (n - (over_class_a[filled] / size_c[filled]).sum()) / free_a
    of_animal = max(0.0, (ss_animals / free_a - field - k_section * of_section) / k_animal)
    total = field + of_section + of_animal
    return Spread(of_animal / total, of_section / total) if total > 0 else Spread(0.0, 0.0)


def _codes(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)


def _check(design: Design, auc: float, spread: Spread, simulations: int) -> None:
    if not 0.5 <= auc < 1.0:
        raise UsageError(f"--auc must be at least 0.5 and below 1, not {auc:g}", hint="Give, for example, 0.9.")
    if not (spread.animals >= 0 and spread.sections >= 0 and spread.animals + spread.sections <= 1.0 + 1e-9):
        raise UsageError(
            f"--animal-share {spread.animals:g} and --section-share {spread.sections:g} are no shares of one variance",
            hint="Each is at least 0, both together at most 1.",
        )
    if not 2 <= design.animals <= MOST_ANIMALS:
        raise UsageError(f"--animals must be from 2 to {MOST_ANIMALS} per class, not {design.animals}")
    if min(design.sections, design.fields) < 1:
        raise UsageError("--sections and --fields must be at least 1")
    if 2 * design.animals * design.sections * design.fields > _MOST_IMAGES:
        raise UsageError(
            f"{2 * design.animals} animals of {design.sections * design.fields} images are more than "
            f"{_MOST_IMAGES:,} images",
            hint="Ask for fewer sections or fields: where animals differ they change little.",
        )
    if simulations < _FEWEST_SIMULATIONS:
        raise UsageError(f"--simulations must be at least {_FEWEST_SIMULATIONS}, not {simulations}")

"""Everything that is reported of an evaluation, computed from its folds in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_scope.evaluation.calibration import Nested, nested
from hcc_scope.evaluation.intervals import ClusterBootstrap, Estimate, bounded_mean
from hcc_scope.evaluation.levels import LEVELS, Level, Scored, animal_strata, fold_of_each, scored
from hcc_scope.evaluation.metrics import Figures, auc_difference, auc_of, figures_at, mean_by_animal
from hcc_scope.evaluation.splits import copies_across

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.evaluation.results import EvaluationResult, FoldResult

__all__ = [
    "ARGMAX",
    "Analysis",
    "AnimalFigures",
    "DayFigures",
    "FoldFigures",
    "PermutedFigures",
    "ProtocolFigures",
    "analyse",
]

ARGMAX = 0.5
"""Threshold of tiles and images, as in the paper: the class with the larger probability. It was chosen on nothing."""


@dataclass(frozen=True, slots=True)
class FoldFigures:
    """One fold of a protocol, without intervals: its network is one of few."""

    fold: int
    train_images: int
    test_images: int
    test_animals: tuple[str, ...]
    levels: dict[Level, Figures]
    """Sections and animals only where no other fold tests parts of them."""


@dataclass(frozen=True, slots=True)
class ProtocolFigures:
    """One of the two protocols."""

    protocol: Literal["paper", "by_animal"]
    splitting: str
    folds: tuple[FoldFigures, ...]
    pooled: dict[Level, Figures]
    """Over the predictions of all folds together. A pooled AUC compares scores of *different* networks."""

    def fold_mean(self, level: Level, name: Literal["auc", "sensitivity", "specificity", "accuracy"]) -> float | None:
        """Return a figure's mean over folds, each with one network's scores alone; None if a fold has none."""
        values = [self.of_fold(fold, level, name) for fold in self.folds]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known and len(known) == len(values) else None

    @staticmethod
    def of_fold(fold: FoldFigures, level: Level, name: str) -> float | None:
        """Return a figure of one fold."""
        figures = fold.levels.get(level)
        estimate = None if figures is None else getattr(figures, name)
        return None if estimate is None else float(estimate.value)


@dataclass(frozen=True, slots=True)
class PermutedFigures:
    """The control with permuted classes."""

    draw_auc: tuple[float, ...]
    """At image level; one network and one permutation each."""
    auc: Estimate
    """Their mean; the interval supposes no more than that the permutations are independent, which they are."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The control that tells the day."""

    days: tuple[str, ...]
    accuracy: Estimate
    """Share of images whose day is told."""
    chance: float
    """Share of images of the commonest day: what one gets for always naming it."""
    balanced_accuracy: float
    """Mean over days of the share told; by chance 1 / days."""
    fold_accuracy: tuple[float, ...]
    n_images: int


@dataclass(frozen=True, slots=True)
class AnimalFigures:
    """One animal as the folds saw it that had not been trained on it."""

    animal: str
    label: int
    sections: tuple[str, ...]
    section_scores: tuple[float, ...]
    images: int
    tiles: int
    score: float
    correct: bool


@dataclass(frozen=True, slots=True)
class Analysis:
    """All figures of an evaluation."""

    protocols: dict[Literal["paper", "by_animal"], ProtocolFigures]
    gap: Estimate | None
    """Pooled AUC of images, *paper* less *by animal*; the interval draws the same animals for both."""
    gap_of_fold_means: float | None
    """The same from the means over folds, in which no two networks are compared."""
    permuted: PermutedFigures
    day: DayFigures | None
    nested: Nested | None
    animals: tuple[AnimalFigures, ...]
    n_animals: tuple[int, int, int]
    """That carry low, high, both."""
    replicates: int
    distinct_resamples: int
    copies: tuple[tuple[int, int], ...]
    """Pairs of images with the same pixels, or some of them, on both sides of a fold of *paper*."""
    silent: dict[Literal["paper", "by_animal"], tuple[int, ...]]
    """Folds whose network answers the same to every tile that it was trained on: it has learnt nothing."""


def analyse(result: EvaluationResult) -> Analysis:
    """Compute all figures of an evaluation.

    Parameters
    ----------
    result : EvaluationResult

    Returns
    -------
    Analysis
        The same for the same folds: drawings are seeded by the configuration.
    """
    strata = animal_strata(result.tiles)
    boot = ClusterBootstrap(strata, result.config.seed)
    held_out = {name: scored(result.of(name), result.tiles, result.temperature) for name in ("paper", "by_animal")}
    protocols: dict[Literal["paper", "by_animal"], ProtocolFigures] = {
        "paper": _protocol("paper", result, held_out["paper"], boot),
        "by_animal": _protocol("by_animal", result, held_out["by_animal"], boot),
    }
    means = [protocol.fold_mean("image", "auc") for protocol in protocols.values()]
    paper_folds = result.of("paper")
    return Analysis(
        protocols=protocols,
        gap=auc_difference(held_out["paper"]["image"], held_out["by_animal"]["image"], boot),
        gap_of_fold_means=None if means[0] is None or means[1] is None else means[0] - means[1],
        permuted=_permuted(result),
        day=_day(result, boot) if result.of("day") else None,
        nested=nested(result.of("by_animal"), result.tiles),
        animals=_animals(held_out["by_animal"], result.threshold),
        n_animals=(int((strata == 0).sum()), int((strata == 1).sum()), int((strata == 2).sum())),
        replicates=len(boot.weights),
        distinct_resamples=boot.distinct_resamples,
        silent={name: tuple(fold.split.fold for fold in result.of(name) if fold.silent) for name in protocols},
        copies=tuple(
            pair
            for fold in paper_folds
            for pair in copies_across(fold.split, result.tiles.digests, result.tiles.overlaps)
        ),
    )


def _threshold(level: Level, result: EvaluationResult) -> float:
    return ARGMAX if level in ("tile", "image") else result.threshold


def _protocol(
    name: Literal["paper", "by_animal"],
    result: EvaluationResult,
    held_out: dict[Level, Scored],
    boot: ClusterBootstrap,
) -> ProtocolFigures:
    by_fold = {level: fold_of_each(held_out[level]) for level in LEVELS}
    images = result.tiles.images
    rows = []
    for fold in result.of(name):
        split = fold.split
        levels: dict[Level, Figures] = {}
        for level in LEVELS if name == "by_animal" else LEVELS[:2]:
            levels[level] = figures_at(by_fold[level][split.fold], _threshold(level, result))
        tested = tuple(sorted({images[i].animal_id for i in split.test}))
        rows.append(FoldFigures(split.fold, len(split.train), len(split.test), tested, levels))
    return ProtocolFigures(
        protocol=name,
        splitting=_splitting(name, result),
        folds=tuple(rows),
        pooled={level: figures_at(held_out[level], _threshold(level, result), boot) for level in LEVELS},
    )


def _splitting(name: Literal["paper", "by_animal"], result: EvaluationResult) -> str:
    k = len(result.of(name))
    if name == "paper":
        return (
            f"{k} folds over images at random, with equal shares of both classes: images of one animal and one section "
            "are on both sides (Meng et al. 2019)."
        )
    if result.leave_one_out:
        return f"{k} folds, each of which leaves out one animal: no animal is on both sides."
    return f"{k} folds over animals: no animal is on both sides, and each part of each fold holds both classes."


def _image_auc(fold: FoldResult, result: EvaluationResult) -> float:
    image = scored([fold], result.tiles, result.temperature)["image"]
    value = auc_of(image.ranks, image.labels)
    assert value is not None, "every part of a permuted fold holds both classes"
    return value


def _permuted(result: EvaluationResult) -> PermutedFigures:
    draws = tuple(_image_auc(fold, result) for fold in result.of("permuted"))
    mean = float(np.mean(draws))
    return PermutedFigures(draws, Estimate(mean, bounded_mean(mean, len(draws))))


def _day(result: EvaluationResult, boot: ClusterBootstrap) -> DayFigures:
    images = result.tiles.images
    codes = {name: i for i, name in enumerate(sorted({image.animal_id for image in images}))}
    told: list[NDArray[np.bool_]] = []
    truth: list[NDArray[np.int64]] = []
    animals: list[NDArray[np.int64]] = []
    for fold in result.of("day"):
        tested, group = np.unique(result.tiles.image_index[fold.rows], return_inverse=True)
        shifted = fold.logits.astype(np.float64) - fold.logits.max(axis=1, keepdims=True)
        probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        means = np.zeros((len(tested), fold.logits.shape[1]))
        np.add.at(means, group, probabilities)  # a sum has its largest entry where the mean has
        labels = fold.split.labels[tested]
        means /= np.bincount(group)[:, None]
        told.append(means.argmax(axis=1) == labels)
        truth.append(labels)
        animals.append(np.array([codes[images[i].animal_id] for i in tested], dtype=np.int64))
    right, labels = np.concatenate(told), np.concatenate(truth)
    counts = np.bincount(labels, minlength=len(result.days))
    return DayFigures(
        days=result.days,
        accuracy=mean_by_animal(right.astype(np.float64), np.concatenate(animals), boot),
        chance=float(counts.max() / counts.sum()),
        balanced_accuracy=float(np.mean([right[labels == day].mean() for day in np.flatnonzero(counts)])),
        fold_accuracy=tuple(float(fold.mean()) for fold in told),
        n_images=len(labels),
    )


def _animals(held_out: dict[Level, Scored], threshold: float) -> tuple[AnimalFigures, ...]:
    found = []
    animal, section = held_out["animal"], held_out["section"]
    for i in range(len(animal)):
        code, label = animal.animals[i], animal.labels[i]

        def mine(values: Scored, code: np.int64 = code, label: np.int64 = label) -> NDArray[np.intp]:
            return np.flatnonzero((values.animals == code) & (values.labels == label))

        sections: Sequence[int] = mine(section).tolist()
        found.append(
            AnimalFigures(
                animal=animal.animal_ids[code],
                label=int(label),
                sections=tuple(str(section.names[s][1]) for s in sections),
                section_scores=tuple(float(section.scores[s]) for s in sections),
                images=len(mine(held_out["image"])),
                tiles=len(mine(held_out["tile"])),
                score=float(animal.scores[i]),
                correct=bool((animal.scores[i] >= threshold) == (label == 1)),
            )
        )
    return tuple(sorted(found, key=lambda a: (a.label, a.animal)))

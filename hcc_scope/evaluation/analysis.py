"""All results of an evaluation, computed from its folds in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_scope.evaluation.aggregation import (
    LEVELS,
    TABLE_LEVELS,
    Level,
    ProtocolScores,
    Scored,
    TableLevel,
    animal_strata,
    protocol_scores,
    scored,
)
from hcc_scope.evaluation.calibration import Nested, calibration_folds, nested
from hcc_scope.evaluation.intervals import ClusterBootstrap, Estimate, bounded_mean
from hcc_scope.evaluation.metrics import Figures, auc_difference, figures_at, mean_by_animal
from hcc_scope.evaluation.splits import copies_across
from hcc_scope.training.metrics import roc_auc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.evaluation.results import EvaluationResult, FoldResult

__all__ = [
    "ARGMAX",
    "Analysis",
    "AnimalFigures",
    "CalibrationFigures",
    "DayFigures",
    "FoldFigures",
    "PairedProtocol",
    "PermutedFigures",
    "ProtocolFigures",
    "analyse",
]

PairedProtocol = Literal["paper", "by_animal"]
"""The two protocols that are always shown side by side."""

ARGMAX = 0.5
"""Threshold of tiles and images, as in the paper: the class with the larger probability. It was chosen on nothing."""


@dataclass(frozen=True, slots=True)
class FoldFigures:
    """One fold of a protocol, without intervals: its network is one of few."""

    fold: int
    train_images: int
    test_images: int
    test_animals: tuple[str, ...]
    test_tiles: int
    """Usable ones of the images tested."""
    unlike_tiles: int
    """Of these, how many are unlike those of the training: as in use they count in ``tile_all`` alone."""
    starts: int
    """Networks that were trained on it, each from a random start of its own."""
    attempts: tuple[int, ...]
    """Of each start: how often it was trained; each attempt but the last one has learnt nothing."""
    silent_starts: tuple[int, ...]
    """Those whose networks have learnt nothing in any attempt: 1, 2, ..."""
    silent: bool
    """Whether these are all of them."""
    levels: dict[TableLevel, Figures]
    """Sections and animals only where no other fold tests parts of them; a level without a score is not there."""


@dataclass(frozen=True, slots=True)
class ProtocolFigures:
    """One of the two protocols."""

    protocol: PairedProtocol
    splitting: str
    folds: tuple[FoldFigures, ...]
    pooled: dict[TableLevel, Figures]
    """Over the predictions of all folds together. A pooled AUC compares scores of *different* networks."""
    unscored: tuple[tuple[str, str], ...]
    """Animal and section of those all of whose tested tiles are unlike the training's."""
    why_no_distance: tuple[str, ...]
    """Why some of the networks do not flag such tiles, each reason once."""

    @property
    def silent(self) -> tuple[int, ...]:
        """Folds whose networks have learnt nothing, whatever the start."""
        return tuple(fold.fold for fold in self.folds if fold.silent)

    @property
    def test_tiles(self) -> int:
        """Usable tiles that were tested."""
        return sum(fold.test_tiles for fold in self.folds)

    @property
    def unlike_tiles(self) -> int:
        """Of these, those that are left out as in use."""
        return sum(fold.unlike_tiles for fold in self.folds)

    def fold_mean(
        self, level: TableLevel, name: Literal["auc", "sensitivity", "specificity", "accuracy"]
    ) -> float | None:
        """Return a figure's mean over folds, each with one network's scores alone; None if a fold has none."""
        values = [self.of_fold(fold, level, name) for fold in self.folds]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known and len(known) == len(values) else None

    def fold_aucs(self, level: TableLevel) -> tuple[float, ...]:
        """Return the AUC of each fold that has one at this level."""
        return tuple(value for fold in self.folds if (value := self.of_fold(fold, level, "auc")) is not None)

    @staticmethod
    def of_fold(fold: FoldFigures, level: TableLevel, name: str) -> float | None:
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
    silent: int
    """Networks that have learnt nothing of the permuted classes, and so could not show a leak."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The control that predicts the day."""

    days: tuple[str, ...]
    accuracy: Estimate
    """Share of images whose day is predicted correctly."""
    chance: float
    """Share of images of the most frequent day: the accuracy of always predicting it."""
    balanced_accuracy: float
    """Mean over days of the share predicted correctly; by chance 1 / days."""
    fold_accuracy: tuple[float, ...]
    n_images: int
    silent: int
    """Networks that have learnt nothing of the day."""


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
class CalibrationFigures:
    """What temperature and threshold were chosen on."""

    folds: int
    """By animal, without those whose networks have learnt nothing; 0: nothing was chosen."""
    animals: int
    tiles: int
    sections: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """All figures of an evaluation, and what they were computed from: tables, texts and drawings compute none again."""

    result: EvaluationResult = field(repr=False, compare=False)
    scores: dict[PairedProtocol, ProtocolScores] = field(repr=False, compare=False)
    """Of everything that was held out, at all levels."""
    protocols: dict[PairedProtocol, ProtocolFigures]
    gaps: dict[Level, Estimate | None]
    """Pooled AUC, *paper* less *by animal*; the interval draws the same animals for both."""
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
    silent: dict[PairedProtocol, tuple[int, ...]]
    """Folds whose networks have learnt nothing, from whichever start."""
    calibration: CalibrationFigures

    @property
    def gap(self) -> Estimate | None:
        """The leakage gap: that of images."""
        return self.gaps["image"]


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
    scores: dict[PairedProtocol, ProtocolScores] = {
        name: protocol_scores(result.of(name), result.tiles, result.temperature) for name in ("paper", "by_animal")
    }
    protocols = {name: _protocol(name, result, found, boot) for name, found in scores.items()}
    paper, by_animal = scores["paper"].pooled, scores["by_animal"].pooled
    means = [protocol.fold_mean("image", "auc") for protocol in protocols.values()]
    return Analysis(
        result=result,
        scores=scores,
        protocols=protocols,
        gaps={level: auc_difference(paper[level], by_animal[level], boot) for level in LEVELS},
        gap_of_fold_means=None if means[0] is None or means[1] is None else means[0] - means[1],
        permuted=_permuted(result),
        day=_day(result, boot) if result.of("day") else None,
        nested=nested(result.of("by_animal"), result.tiles),
        animals=_animals(by_animal, result.threshold),
        n_animals=(int((strata == 0).sum()), int((strata == 1).sum()), int((strata == 2).sum())),
        replicates=len(boot.weights),
        distinct_resamples=boot.distinct_resamples,
        silent={name: protocol.silent for name, protocol in protocols.items()},
        calibration=_calibration(result, by_animal),
        copies=tuple(
            pair
            for fold in result.of("paper")
            for pair in copies_across(fold.split, result.tiles.digests, result.tiles.overlaps)
        ),
    )


def _calibration(result: EvaluationResult, by_animal: dict[TableLevel, Scored]) -> CalibrationFigures:
    chosen = [fold.split.fold for fold in calibration_folds(result.of("by_animal"))]
    tile, section = by_animal["tile"], by_animal["section"]  # no section is in two folds
    of_tiles = np.isin(tile.folds, chosen)
    return CalibrationFigures(
        folds=len(chosen),
        animals=len(np.unique(tile.animals[of_tiles])),
        tiles=int(of_tiles.sum()),
        sections=int(np.isin(section.folds, chosen).sum()),
    )


def _threshold(level: TableLevel, result: EvaluationResult) -> float:
    return result.threshold if level in ("section", "animal") else ARGMAX


def _protocol(
    name: PairedProtocol, result: EvaluationResult, scores: ProtocolScores, boot: ClusterBootstrap
) -> ProtocolFigures:
    held_out = scores.pooled
    images = result.tiles.images
    rows = []
    for fold, of_fold in zip(result.of(name), scores.folds, strict=True):
        split = fold.split
        levels: dict[TableLevel, Figures] = {}
        for level in TABLE_LEVELS if name == "by_animal" else TABLE_LEVELS[:3]:
            if len(of_fold[level]):
                levels[level] = figures_at(of_fold[level], _threshold(level, result))
        rows.append(
            FoldFigures(
                fold=split.fold,
                train_images=len(split.train),
                test_images=len(split.test),
                test_animals=tuple(sorted({images[i].animal_id for i in split.test})),
                test_tiles=len(fold.rows),
                unlike_tiles=int((~fold.counted).sum()),
                starts=len(fold.starts),
                attempts=tuple(start.attempts for start in fold.starts),
                silent_starts=tuple(start.start for start in fold.starts if start.silent),
                silent=fold.silent,
                levels=levels,
            )
        )
    tested = {images[i].section for fold in result.of(name) for i in result.tiles.image_index[fold.rows].tolist()}
    return ProtocolFigures(
        protocol=name,
        splitting=_splitting(name, result),
        folds=tuple(rows),
        pooled={level: figures_at(held_out[level], _threshold(level, result), boot) for level in TABLE_LEVELS},
        unscored=tuple(sorted(tested - {(str(one[0]), str(one[1])) for one in held_out["section"].names})),
        why_no_distance=tuple(
            dict.fromkeys(fold.why_no_distance for fold in result.of(name) if fold.why_no_distance is not None)
        ),
    )


def _splitting(name: PairedProtocol, result: EvaluationResult) -> str:
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
    value = roc_auc(image.ranks, image.labels)
    assert value is not None, "every part of a permuted fold holds both classes"
    return value


def _permuted(result: EvaluationResult) -> PermutedFigures:
    draws = tuple(_image_auc(fold, result) for fold in result.of("permuted"))
    mean = float(np.mean(draws))
    silent = sum(fold.silent for fold in result.of("permuted"))
    return PermutedFigures(draws, Estimate(mean, bounded_mean(mean, len(draws))), silent)


def _day(result: EvaluationResult, boot: ClusterBootstrap) -> DayFigures:
    images = result.tiles.images
    codes = {name: i for i, name in enumerate(sorted({image.animal_id for image in images}))}
    correct: list[NDArray[np.bool_]] = []
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
        correct.append(means.argmax(axis=1) == labels)
        truth.append(labels)
        animals.append(np.array([codes[images[i].animal_id] for i in tested], dtype=np.int64))
    right, labels = np.concatenate(correct), np.concatenate(truth)
    counts = np.bincount(labels, minlength=len(result.days))
    return DayFigures(
        days=result.days,
        accuracy=mean_by_animal(right.astype(np.float64), np.concatenate(animals), boot),
        chance=float(counts.max() / counts.sum()),
        balanced_accuracy=float(np.mean([right[labels == day].mean() for day in np.flatnonzero(counts)])),
        fold_accuracy=tuple(float(fold.mean()) for fold in correct),
        n_images=len(labels),
        silent=sum(fold.silent for fold in result.of("day")),
    )


def _animals(held_out: dict[TableLevel, Scored], threshold: float) -> tuple[AnimalFigures, ...]:
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

"""All results of an evaluation, computed from its folds in one place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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
)
from hcc_scope.evaluation.auc import auc_difference, start_spread
from hcc_scope.evaluation.baseline_figures import BaselineFigures, GapFigures, gap_figures
from hcc_scope.evaluation.baselines import baseline_folds, measure_tiles
from hcc_scope.evaluation.calibration import Nested, calibrate_folds, calibration_folds, nested
from hcc_scope.evaluation.metrics import Figures, figures_at
from hcc_scope.evaluation.permutations import MOST_FOLDS, PermutationFigures, permute
from hcc_scope.evaluation.recipe_words import describe_dealing
from hcc_scope.evaluation.source_control import SOURCES, Source, SourceFigures, source_control
from hcc_scope.evaluation.splits import copies_across
from hcc_scope.evaluation.statement import Statement, make_statement
from hcc_scope.evaluation.tile_features import BASELINES, BaselineName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.evaluation.intervals import Estimate
    from hcc_scope.evaluation.results import EvaluationResult

__all__ = [
    "ARGMAX",
    "PROTOCOLS",
    "Analysis",
    "AnimalFigures",
    "CalibrationFigures",
    "FoldFigures",
    "PairedProtocol",
    "ProtocolFigures",
    "analyse",
    "animal_figures",
]

PairedProtocol = Literal["paper", "by_animal", "by_site"]
"""The two protocols that are always shown side by side, and beside them, where it was asked for, the third."""
PROTOCOLS: tuple[PairedProtocol, ...] = ("paper", "by_animal", "by_site")

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
    site: str | None = None
    """That the fold leaves out; None for the other protocols."""


@dataclass(frozen=True, slots=True)
class ProtocolFigures:
    """One of the protocols."""

    protocol: PairedProtocol
    splitting: str
    folds: tuple[FoldFigures, ...]
    pooled: dict[TableLevel, Figures]
    """Over the predictions of all folds together; AUCs of pairs within folds, where there are some."""
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
    """AUC, *paper* less *by animal*."""
    gap_pooled: float | None
    """The same of all pairs, in which scores of different networks are compared."""
    baselines: dict[BaselineName, BaselineFigures]
    permutations: dict[BaselineName, PermutationFigures]
    corrected: dict[Literal["network"] | BaselineName, GapFigures]
    """The difference of the two protocols less that for classes which mean nothing; the network's null is texture's."""
    sources: dict[Source, SourceFigures | str]
    """How well texture predicts where images are from, or why that was not tried."""
    nested: Nested | None
    animals: tuple[AnimalFigures, ...]
    n_animals: tuple[int, int, int]
    """That carry low, high, both."""
    copies: tuple[tuple[int, int], ...]
    """Pairs of images with the same pixels, or some of them, on both sides of a fold of *paper*."""
    silent: dict[PairedProtocol, tuple[int, ...]]
    """Folds whose networks have learnt nothing, from whichever start."""
    calibration: CalibrationFigures
    statement: Statement | None
    """What a verdict is worth; None if no threshold can be chosen on some animals and counted on others."""

    @property
    def lead(self) -> Literal["tile", "image"]:
        """The level whose AUC leads: that of what is dealt, since pairs within folds need scores of one fold."""
        return self.result.unit

    @property
    def gap(self) -> Estimate | None:
        """The difference of the two protocols' AUCs at the level that leads."""
        return self.gaps[self.lead]


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
    scores: dict[PairedProtocol, ProtocolScores] = {
        name: protocol_scores(result.of(name), result.tiles, result.temperature)
        for name in PROTOCOLS
        if result.of(name)
    }
    protocols = {name: _protocol(name, result, found, strata) for name, found in scores.items()}
    paper, by_animal = scores["paper"].pooled, scores["by_animal"].pooled
    gaps = {
        level: auc_difference(
            paper[level],
            by_animal[level],
            start_spread(scores["paper"], level),
            start_spread(scores["by_animal"], level),
        )
        for level in LEVELS
    }
    pooled = [protocol.pooled[result.unit].auc_pooled for protocol in (protocols["paper"], protocols["by_animal"])]
    measured = measure_tiles(result.tiles) if result.measured is None else result.measured
    baselines = {name: _baseline(name, result, measured, scores, strata) for name in BASELINES}
    folds = MOST_FOLDS if result.leave_one_out else len(result.of("by_animal"))
    permuted = permute(result.tiles, measured, folds=folds, seed=result.config.seed, unit=result.unit)
    return Analysis(
        result=result,
        scores=scores,
        protocols=protocols,
        gaps=gaps,
        gap_pooled=None if pooled[0] is None or pooled[1] is None else pooled[0] - pooled[1],
        baselines={name: figures for name, (figures, _) in baselines.items()},
        permutations=permuted,
        corrected={
            "network": gap_figures("network", gaps["image"], permuted["texture"]),
            **{name: gap_figures(name, difference, permuted[name]) for name, (_, difference) in baselines.items()},
        },
        sources={
            source: source_control(source, result.tiles, measured, strata, folds=folds, seed=result.config.seed)
            for source in SOURCES
        },
        nested=nested(result.of("by_animal"), result.tiles),
        animals=animal_figures(by_animal, result.threshold),
        n_animals=(int((strata == 0).sum()), int((strata == 1).sum()), int((strata == 2).sum())),
        silent={name: protocol.silent for name, protocol in protocols.items()},
        calibration=_calibration(result, by_animal),
        statement=make_statement(result),
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
    name: PairedProtocol, result: EvaluationResult, scores: ProtocolScores, strata: NDArray[np.int64]
) -> ProtocolFigures:
    held_out = scores.pooled
    images = result.tiles.images
    rows = []
    for fold, of_fold in zip(result.of(name), scores.folds, strict=True):
        split = fold.split
        levels: dict[TableLevel, Figures] = {}
        for level in TABLE_LEVELS[:3] if name == "paper" else TABLE_LEVELS:
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
                site=images[int(split.test[0])].site if name == "by_site" else None,
            )
        )
    tested = {images[i].section for fold in result.of(name) for i in result.tiles.image_index[fold.rows].tolist()}
    return ProtocolFigures(
        protocol=name,
        splitting=_splitting(name, result),
        folds=tuple(rows),
        pooled={
            level: figures_at(held_out[level], _threshold(level, result), strata, start_spread(scores, level))
            for level in TABLE_LEVELS
        },
        unscored=tuple(sorted(tested - {(str(one[0]), str(one[1])) for one in held_out["section"].names})),
        why_no_distance=tuple(
            dict.fromkeys(fold.why_no_distance for fold in result.of(name) if fold.why_no_distance is not None)
        ),
    )


def _splitting(name: PairedProtocol, result: EvaluationResult) -> str:
    k = len(result.of(name))
    if name == "paper":
        shared = "images of one animal and one section" if result.unit == "image" else "tiles of one image"
        return (
            f"{k} folds over {result.unit}s at random, with equal shares of both classes: {shared} are on both sides "
            "(Meng et al. 2019)."
        )
    if name == "by_site":
        return f"{k} folds, each of which tests one site and trains on all others: no animal is on both sides."
    if result.leave_one_out:
        return f"{k} folds, each of which leaves out one animal: no animal is on both sides."
    return (
        f"{k} folds over animals: no animal is on both sides, and each part of each fold holds both classes. "
        f"{describe_dealing(result)}"
    )


def _baseline(
    name: BaselineName,
    result: EvaluationResult,
    measured: NDArray[np.floating],
    network: dict[PairedProtocol, ProtocolScores],
    strata: NDArray[np.int64],
) -> tuple[BaselineFigures, Estimate | None]:
    """Return a baseline's figures, by the code that makes those of the network, and its difference of protocols."""
    folds = {which: baseline_folds(result.of(which), result.tiles, measured, name) for which in network}
    temperature, threshold = calibrate_folds(folds["by_animal"], result.tiles)
    own = replace(
        result,
        folds=tuple(one for of in folds.values() for one in of),
        temperature=temperature,
        threshold=threshold,
        starts=1,
    )
    scores = {which: protocol_scores(own.of(which), own.tiles, temperature) for which in network}
    figures = BaselineFigures(
        name=name,
        temperature=temperature,
        threshold=threshold,
        protocols={which: _protocol(which, own, found, strata) for which, found in scores.items()},
        differences={
            which: {
                level: auc_difference(
                    network[which].pooled[level], scores[which].pooled[level], start_spread(network[which], level)
                )
                for level in LEVELS
            }
            for which in network
        },
    )
    return figures, auc_difference(scores["paper"].pooled["image"], scores["by_animal"].pooled["image"])


def animal_figures(held_out: dict[TableLevel, Scored], threshold: float) -> tuple[AnimalFigures, ...]:
    """Return each animal that has a score, by class and name."""
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

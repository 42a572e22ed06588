"""A finished model on new animals: its predictions, and every figure that is made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.errors import DatasetError
from hcc_scope.evaluation.aggregation import TABLE_LEVELS, animal_strata, protocol_scores
from hcc_scope.evaluation.analysis import ARGMAX, animal_figures
from hcc_scope.evaluation.calibration import choose_threshold
from hcc_scope.evaluation.external.recalibration import logit, recalibrate
from hcc_scope.evaluation.input_summary import input_differences, input_summary
from hcc_scope.evaluation.metrics import figures_at, mean_by_animal
from hcc_scope.evaluation.results import FoldResult, Split, StartResult
from hcc_scope.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled_image import LabelledImage, LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.aggregation import Scored, TableLevel
    from hcc_scope.evaluation.analysis import AnimalFigures
    from hcc_scope.evaluation.external.admission import LeakCheck
    from hcc_scope.evaluation.external.recalibration import Recalibration
    from hcc_scope.evaluation.input_summary import InputDifference
    from hcc_scope.evaluation.intervals import Estimate
    from hcc_scope.evaluation.metrics import Figures
    from hcc_scope.inference.base import Engine
    from hcc_scope.inference.card import InputSummary, ModelCard
    from hcc_scope.progress import OnProgress

__all__ = ["Drift", "ExternalAnalysis", "ExternalResult", "GroupFigures", "NewThreshold", "analyse_model", "classify"]

STAGE = "classify"
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ExternalResult:
    """What a finished model makes of every usable tile of a set."""

    card: ModelCard
    engine: str
    """In full, with version and threads."""
    data: LabelledSet
    tiles: TileTable
    fold: FoldResult
    leak: LeakCheck

    @property
    def animals(self) -> int:
        """In the set."""
        return len({image.animal_id for image in self.data.images})


def classify(
    card: ModelCard, engine: Engine, data: LabelledSet, tiles: TileTable, leak: LeakCheck, on_progress: OnProgress
) -> ExternalResult:
    """Run a model on all tiles of a set, as in use.

    Parameters
    ----------
    card : ModelCard
    engine : Engine
        Of the same model.
    data, tiles : LabelledSet, TileTable
    leak : LeakCheck
        Of the same.
    on_progress : callable
        Takes a `Progress` after every few tiles.
    """
    logits = np.empty((len(tiles), len(CLASSES)), np.float32)
    unlike = card.unlike_training
    distances = None if unlike is None else np.empty(len(tiles), np.float32)
    for start in range(0, len(tiles), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(tiles)))
        found = engine.classify(tiles.reader.read(rows))
        logits[rows] = found.logits
        if distances is not None and found.distances is not None:
            distances[rows] = found.distances
        on_progress(Progress(STAGE, int(rows[-1]) + 1, len(tiles), tiles.images[int(tiles.image_index[rows[-1]])].name))
    images = np.unique(tiles.image_index)
    labels = np.array([image.label for image in tiles.images], dtype=np.int64)
    start_result = StartResult(
        logits=logits,
        distances=distances,
        ood_threshold=None if unlike is None else unlike.threshold,
        why_no_distance=None if unlike is not None else f"the model {card.name} gives no distance from its training",
    )
    split = Split("external", 0, train=images[:0], test=images, labels=labels)
    fold = FoldResult(split, np.arange(len(tiles), dtype=np.int64), tiles.labels, (start_result,))
    return ExternalResult(card, engine.engine, data, tiles, fold, leak)


@dataclass(frozen=True, slots=True)
class NewThreshold:
    """The threshold that these sections would choose, and what it is worth on animals that it was not chosen on."""

    threshold: float
    sections_right: int | None
    """By the threshold of all other animals; None: a class has one animal alone."""
    animals_right: int | None
    sections: int
    animals: int


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """The images of one site or batch."""

    name: str
    image: Figures
    """Its intervals rest on the animals of that group alone."""
    animals: int
    """With an image of it; each counts with all of its images, those of other batches too."""
    animals_right: int
    unlike_tiles: int
    test_tiles: int


@dataclass(frozen=True, slots=True)
class Drift:
    """How the images differ from those of the training."""

    new: InputSummary
    differences: tuple[InputDifference, ...]
    """Largest first; empty if the card does not state what its training tiles look like."""
    unlike: Estimate | None
    """Share of tiles that are unlike the training's; None: the model measures no distance."""
    expected_unlike: float | None
    """Share of tiles like the training's that are flagged nevertheless."""


@dataclass(frozen=True, slots=True)
class ExternalAnalysis:
    """All figures; tables, texts and drawings compute none again."""

    result: ExternalResult = field(repr=False, compare=False)
    scored: dict[TableLevel, Scored] = field(repr=False, compare=False)
    levels: dict[TableLevel, Figures]
    animals: tuple[AnimalFigures, ...]
    n_animals: tuple[int, int, int]
    """That carry low, high, both."""
    unlike_tiles: int
    unscored: tuple[tuple[str, str], ...]
    """Animal and section of those all of whose tiles are unlike the training's."""
    tile_calibration: Recalibration
    section_calibration: Recalibration
    mapped: bool
    """Whether the latter is of the card's map from section scores to probabilities, or of the scores themselves."""
    new_threshold: NewThreshold | None
    """None: the sections are of one class."""
    drift: Drift
    sites: tuple[GroupFigures, ...]
    """Empty where the manifest states none or one, as are the batches."""
    batches: tuple[GroupFigures, ...]


def analyse_model(result: ExternalResult, *, on_progress: OnProgress | None = None) -> ExternalAnalysis:
    """Compute all figures of a finished model on new animals.

    Parameters
    ----------
    result : ExternalResult
    on_progress : callable, optional
        Takes a `Progress` while tiles are measured.

    Raises
    ------
    DatasetError
        If every tile is unlike those of the training, so that nothing is left to count.
    """
    card, fold, tiles = result.card, result.fold, result.tiles
    if not fold.counted.any():
        raise DatasetError(
            f"every tile of {result.data.manifest} is unlike those that the model {card.name} was trained on: there is "
            "nothing to count",
            hint="Compare light, focus and stain with those of the training, or judge another model.",
        )
    strata = animal_strata(tiles)
    pooled = protocol_scores([fold], tiles, card.temperature).pooled
    tile, section = pooled["tile"], pooled["section"]
    section_map = None
    if card.evaluation is not None and card.evaluation.statement is not None:
        section_map = card.evaluation.statement.section_map
    odds = logit(section.scores)
    if section_map is not None:
        odds = section_map.intercept + section_map.slope * odds
    tested = {tiles.images[i].section for i in np.unique(tiles.image_index).tolist()}
    threshold = card.decision_threshold
    return ExternalAnalysis(
        result=result,
        scored=pooled,
        levels={level: figures_at(pooled[level], _threshold(level, card), strata) for level in TABLE_LEVELS},
        animals=animal_figures(pooled, threshold),
        n_animals=(int((strata == 0).sum()), int((strata == 1).sum()), int((strata == 2).sum())),
        unlike_tiles=int((~fold.counted).sum()),
        unscored=tuple(sorted(tested - {(str(one[0]), str(one[1])) for one in section.names})),
        tile_calibration=recalibrate(tile, tile.ranks / card.temperature),
        section_calibration=recalibrate(section, odds),
        mapped=section_map is not None,
        new_threshold=_new_threshold(section, pooled["animal"]),
        drift=_drift(result, strata, on_progress),
        sites=_groups(result, pooled, strata, lambda image: image.site),
        batches=_groups(result, pooled, strata, lambda image: image.batch),
    )


def _threshold(level: TableLevel, card: ModelCard) -> float:
    return card.decision_threshold if level in ("section", "animal") else ARGMAX


def _new_threshold(section: Scored, animal: Scored) -> NewThreshold | None:
    if len(np.unique(section.labels)) < len(CLASSES):
        return None
    sections_right: int | None = 0
    animals_right: int | None = 0
    for code in np.unique(section.animals).tolist():
        others = section.animals != code
        if len(np.unique(section.labels[others])) < len(CLASSES):
            sections_right = animals_right = None
            break
        threshold = choose_threshold(section.scores[others], section.labels[others])
        assert sections_right is not None
        assert animals_right is not None
        sections_right += _right(section, section.animals == code, threshold)
        animals_right += _right(animal, animal.animals == code, threshold)
    return NewThreshold(
        threshold=choose_threshold(section.scores, section.labels),
        sections_right=sections_right,
        animals_right=animals_right,
        sections=len(section),
        animals=len(animal),
    )


def _right(values: Scored, among: NDArray[np.bool_], threshold: float) -> int:
    return int((((values.scores >= threshold) == (values.labels == 1)) & among).sum())


def _drift(result: ExternalResult, strata: NDArray[np.int64], on_progress: OnProgress | None) -> Drift:
    card, fold, tiles = result.card, result.fold, result.tiles
    new = input_summary(tiles, fold.rows, result.data.bit_depth, on_progress=on_progress)
    unlike = None
    if card.unlike_training is not None:
        codes = {name: i for i, name in enumerate(sorted({image.animal_id for image in tiles.images}))}
        animals = np.array([codes[tiles.images[i].animal_id] for i in tiles.image_index.tolist()], dtype=np.int64)
        unlike = mean_by_animal((~fold.counted).astype(np.float64), animals, strata)
    return Drift(
        new=new,
        differences=() if card.inputs is None else input_differences(card.inputs, new),
        unlike=unlike,
        expected_unlike=None if card.unlike_training is None else card.unlike_training.false_flag_rate,
    )


def _groups(
    result: ExternalResult,
    pooled: dict[TableLevel, Scored],
    strata: NDArray[np.int64],
    group_of: Callable[[LabelledImage], str | None],
) -> tuple[GroupFigures, ...]:
    """Return the figures of each site or batch; none where there is one alone."""
    tiles, image = result.tiles, pooled["image"]
    of_image = np.array([group_of(tiles.images[int(str(name[0]))]) or "" for name in image.names])
    of_tile = np.array([group_of(tiles.images[i]) or "" for i in tiles.image_index.tolist()])
    names = sorted({str(name) for name in of_tile} - {""})
    if len(names) < 2:
        return ()
    found = []
    for name in names:
        mine = of_image == name
        if not mine.any():
            continue
        here = image.part(mine)
        animals = pooled["animal"].part(np.isin(pooled["animal"].animals, here.animals))
        right = (animals.scores >= result.card.decision_threshold) == (animals.labels == 1)
        found.append(
            GroupFigures(
                name=name,
                image=figures_at(here, ARGMAX, strata),
                animals=len(animals),
                animals_right=int(right.sum()),
                unlike_tiles=int((~result.fold.counted[of_tile == name]).sum()),
                test_tiles=int((of_tile == name).sum()),
            )
        )
    return tuple(found)

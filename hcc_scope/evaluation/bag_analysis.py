"""All figures of heads for bags, computed in one place, beside those of what knows every tile's label."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hcc_scope.evaluation.aggregation import animal_strata, protocol_scores
from hcc_scope.evaluation.analysis import ARGMAX
from hcc_scope.evaluation.auc import auc_difference, start_spread
from hcc_scope.evaluation.metrics import figures_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.aggregation import Level, ProtocolScores
    from hcc_scope.evaluation.analysis import PairedProtocol
    from hcc_scope.evaluation.bag_folds import BagFold
    from hcc_scope.evaluation.intervals import Estimate
    from hcc_scope.evaluation.metrics import Figures
    from hcc_scope.evaluation.results import FoldResult
    from hcc_scope.training.bags import HeadName

__all__ = ["LEVELS_OF", "BagAnalysis", "BagDifference", "BagFigures", "Predictor", "analyse_bags"]

Predictor = Literal["mean-logit", "gated-attention", "texture", "network"]
"""``texture`` and ``network`` are trained on tiles, each with its section's label, and averaged."""
LEVELS_OF: dict[PairedProtocol, tuple[Level, ...]] = {
    "paper": ("image", "section", "animal"),
    "by_animal": ("section", "animal"),
}
"""That have figures: a bag, and what is made of bags."""


@dataclass(frozen=True, slots=True)
class BagFigures:
    """What one predictor finds under one protocol."""

    predictor: Predictor
    protocol: PairedProtocol
    levels: dict[Level, Figures]
    """The AUC has the SD over starts, where there are several."""


@dataclass(frozen=True, slots=True)
class BagDifference:
    """The AUC of sections by animal of one predictor less that of another, drawn with the same animals."""

    one: Predictor
    other: Predictor
    auc: Estimate


@dataclass(frozen=True, slots=True)
class BagAnalysis:
    """Everything that tables, sentences and pictures are made of."""

    data: LabelledSet
    tiles: TileTable = field(repr=False, compare=False)
    features: str
    """What they are, in a clause."""
    n_features: int
    starts: int
    folds: dict[HeadName, tuple[BagFold, ...]] = field(repr=False, compare=False)
    """Of both protocols."""
    figures: tuple[BagFigures, ...]
    differences: tuple[BagDifference, ...]
    n_animals: tuple[int, int, int]
    """That carry low, high, both."""
    n_sections: int
    """That are bags by animal."""
    silent: dict[PairedProtocol, tuple[int, ...]]
    """Folds, from 0, all of whose networks have learnt nothing; empty where there are none, or no networks."""

    def of(self, predictor: Predictor, protocol: PairedProtocol) -> BagFigures | None:
        """Return one predictor's figures under one protocol, if it was there."""
        return next((f for f in self.figures if (f.predictor, f.protocol) == (predictor, protocol)), None)

    @property
    def labellings(self) -> int:
        """In how many ways the animals' classes could lie: of which one is in the right order."""
        low, high, both = self.n_animals
        return math.comb(low + high, high) * (1 << both)


def analyse_bags(
    data: LabelledSet,
    tiles: TileTable,
    features: str,
    n_features: int,
    heads: dict[HeadName, tuple[BagFold, ...]],
    beside: dict[Predictor, tuple[Sequence[FoldResult], float]],
) -> BagAnalysis:
    """Compute all figures.

    Parameters
    ----------
    data, tiles : LabelledSet, TileTable
    features : str
        What the heads were given, in a clause.
    n_features : int
    heads : dict
        The folds of both protocols, by head.
    beside : dict
        The folds of both protocols of what is shown beside them, with its temperature.
    """
    strata = animal_strata(tiles)
    found: list[BagFigures] = []
    by_animal: dict[Predictor, ProtocolScores] = {}

    def add(predictor: Predictor, protocol: PairedProtocol, scores: ProtocolScores) -> None:
        levels = {
            level: figures_at(scores.pooled[level], ARGMAX, strata, start_spread(scores, level))
            for level in LEVELS_OF[protocol]
        }
        found.append(BagFigures(predictor, protocol, levels))
        if protocol == "by_animal":
            by_animal[predictor] = scores

    protocols: tuple[PairedProtocol, ...] = ("paper", "by_animal")
    for name, (of_both, temperature) in beside.items():
        for protocol in protocols:
            folds = [fold for fold in of_both if fold.split.protocol == protocol]
            add(name, protocol, protocol_scores(folds, tiles, temperature))
    for head, of_head in heads.items():
        for protocol in protocols:
            of_protocol = [fold.as_fold for fold in of_head if fold.split.protocol == protocol]
            add(head, protocol, protocol_scores(of_protocol, tiles, 1.0))
    networks = beside["network"][0] if "network" in beside else ()
    kinds = [fold for fold in next(iter(heads.values())) if fold.split.protocol == "by_animal"]
    return BagAnalysis(
        data=data,
        tiles=tiles,
        features=features,
        n_features=n_features,
        starts=max(len(fold.logits) for fold in next(iter(heads.values()))),
        folds=heads,
        figures=tuple(found),
        differences=tuple(_differences(by_animal)),
        n_animals=(int((strata == 0).sum()), int((strata == 1).sum()), int((strata == 2).sum())),
        n_sections=len({bag.name for fold in kinds for bag in fold.bags}),
        silent={
            protocol: those
            for protocol in protocols
            if (those := tuple(f.split.fold for f in networks if f.split.protocol == protocol and f.silent))
        },
    )


def _differences(by_animal: dict[Predictor, ProtocolScores]) -> list[BagDifference]:
    """Compare both heads with each other, and each with what is beside them."""
    heads: tuple[Predictor, ...] = ("mean-logit", "gated-attention")
    others: tuple[Predictor, ...] = ("texture", "network")
    pairs = [(heads[1], heads[0]), *((head, other) for head in heads for other in others)]
    found = []
    for one, other in pairs:
        if one not in by_animal or other not in by_animal:
            continue
        mine, theirs = by_animal[one], by_animal[other]
        difference = auc_difference(
            mine.pooled["section"],
            theirs.pooled["section"],
            start_spread(mine, "section"),
            start_spread(theirs, "section"),
        )
        if difference is not None:
            found.append(BagDifference(one, other, difference))
    return found

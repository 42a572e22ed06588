"""Saliency maps of held-out tiles, by the networks of the folds, and the check of these maps with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.evaluation.figures.gather import typical_and_wrong
from hcc_scope.evaluation.figures.maps import ExplainedTile

if TYPE_CHECKING:
    from hcc_scope.evaluation.analysis import Analysis
    from hcc_scope.training.sanity import SanityCheck

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything behind the figures of saliency."""

    tiles: tuple[ExplainedTile, ...]
    checks: tuple[SanityCheck, ...]
    """One per tile."""
    verdict: str


def explain(analysis: Analysis, *, smooth: int, seed: int) -> Explanation:
    """Explain two tiles of each class, each by one network of the fold in which it was held out (`FoldResult.drawn`).

    Parameters
    ----------
    analysis : Analysis
        Its folds by animal are explained.
    smooth : int
        As for `hcc_scope.inference.saliency.saliency`.
    seed : int
        Of the weights that are drawn anew.
    """
    from hcc_scope.training.sanity import check_map, networks_of, verdict

    result, held_out = analysis.result, analysis.scores["by_animal"].pooled["tile"]
    weights = {fold.split.fold: fold.drawn.weights for fold in result.of("by_animal")}
    explained: list[ExplainedTile] = []
    checks: list[SanityCheck] = []
    for label, name in enumerate(CLASSES):
        for place, rule in typical_and_wrong(held_out.scores, held_out.labels, label):
            fold = int(held_out.folds[place])
            row = int(str(held_out.names[place][0]))
            tile = result.tiles.reader.read([row])[0]
            path = weights[fold]
            assert path is not None, "folds of an evaluation have networks"
            trained, fresh = networks_of(result.config.network, path, result.data.bit_depth, seed)
            check = check_map(trained, fresh, tile, smooth)
            animal = held_out.animal_ids[held_out.animals[place]]
            score = held_out.scores[place]
            words = f"{name}:\n{rule}\n\nprobability\nof high {score:.3f}\nanimal {animal}\nfold {fold + 1}"
            explained.append(ExplainedTile(words, f"{name}, {rule}", tile, check.maps[0]))
            checks.append(check)
    return Explanation(tuple(explained), tuple(checks), verdict(checks))

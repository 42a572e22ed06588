"""Temperature and decision threshold, from predictions of networks that had never seen the animal.

Both are chosen on the same out-of-fold predictions that the tables are made of. For the temperature, one number from
hundreds of tiles, that hardly matters; a threshold that was chosen on six sections looks better on these six than it
is. `nested` therefore chooses both on all other folds, and counts on the one that was left out.

A model is one network, so everything here rests on the networks of the folds one by one (`single_networks`) and not on
mean logits: a mean over starts is surer, and would make a single network look surer than it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.evaluation.aggregation import scored
from hcc_scope.evaluation.results import FoldResult, single_networks
from hcc_scope.scoring import log_odds
from hcc_scope.training.metrics import fit_temperature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.tiles import TileTable

__all__ = [
    "NO_TEMPERATURE",
    "NO_THRESHOLD",
    "Nested",
    "calibrate_folds",
    "calibration_folds",
    "choose_threshold",
    "nested",
]

NO_TEMPERATURE, NO_THRESHOLD = 1.0, 0.5
"""Conventions, where there is nothing to choose them on."""


def choose_threshold(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the threshold with the largest sensitivity + specificity - 1 (Youden 1950).

    Between two neighbouring scores all thresholds do as well: the middle is taken. If several gaps do equally well, the
    one whose middle is nearest to the midpoint of the two classes' means. If no threshold does better than chance,
    that midpoint itself.

    Parameters
    ----------
    scores : (n,) float64
        In [0, 1]; of both classes.
    labels : (n,) int64

    Returns
    -------
    float
        Strictly between 0 and 1.
    """
    low, high = np.sort(scores[labels == 0]), np.sort(scores[labels == 1])
    midpoint = float((low.mean() + high.mean()) / 2.0)
    distinct = np.unique(scores)
    cuts = (distinct[1:] + distinct[:-1]) / 2.0
    if len(cuts):
        sensitivity = 1.0 - np.searchsorted(high, cuts, "left") / len(high)
        specificity = np.searchsorted(low, cuts, "left") / len(low)
        # whole numbers of pairs: equal ones are equal
        youden = np.rint((sensitivity + specificity - 1.0) * len(low) * len(high))
        if youden.max() > 0:
            best = cuts[youden == youden.max()]
            midpoint = float(best[np.argmin(np.abs(best - midpoint))])
    return min(max(midpoint, 1e-6), 1.0 - 1e-6)


def calibration_folds(folds: Sequence[FoldResult]) -> tuple[FoldResult, ...]:
    """Return the folds that something may be chosen on: those in which a network has learnt something.

    None, if what these networks count is not of both classes.
    """
    found = tuple(fold for fold in folds if not fold.silent)
    networks = [network for fold in found for network in single_networks(fold)]
    classes = {int(label) for one in networks for label in np.unique(one.labels[one.counted])}
    return found if len(classes) == len(CLASSES) else ()


def calibrate_folds(folds: Sequence[FoldResult], tiles: TileTable) -> tuple[float, float]:
    """Return temperature (of tiles) and threshold (of sections) from folds by animal.

    Chosen on what counts in use alone: neither on networks that have learnt nothing, nor on tiles that are unlike those
    of the training. If nothing is left, the conventions 1 and 0.5.
    """
    networks = [network for fold in calibration_folds(folds) for network in single_networks(fold)]
    if not networks:
        return NO_TEMPERATURE, NO_THRESHOLD
    temperature = fit_temperature(
        np.concatenate([log_odds(one.logits[one.counted]) for one in networks]),
        np.concatenate([one.labels[one.counted] for one in networks]),
    )
    sections = [scored([one], tiles, temperature)["section"] for one in networks]
    return temperature, choose_threshold(
        np.concatenate([of_one.scores for of_one in sections]), np.concatenate([of_one.labels for of_one in sections])
    )


@dataclass(frozen=True, slots=True)
class Nested:
    """What temperature and threshold are worth where they were not chosen."""

    thresholds: tuple[float, ...]
    """Per fold, chosen on the others."""
    temperatures: tuple[float, ...]
    section_sensitivity: float | None
    section_specificity: float | None
    section_accuracy: float
    tile_brier: float
    n_sections: int
    """Each counted once for every network that scored it."""


def nested(folds: Sequence[FoldResult], tiles: TileTable) -> Nested | None:
    """Choose on all folds but one, count on that one; None if a choice would see one class alone.

    A network that has learnt nothing is counted, and nothing is chosen on it.

    Parameters
    ----------
    folds : sequence of FoldResult
        By animal.
    tiles : TileTable
    """
    temperatures, thresholds, right, labels, squares = [], [], [], [], []
    for left_out in folds:
        others = calibration_folds([fold for fold in folds if fold is not left_out])
        if not others:
            return None
        temperature, threshold = calibrate_folds(others, tiles)
        temperatures.append(temperature)
        thresholds.append(threshold)
        for network in single_networks(left_out) or (left_out,):
            tested = scored([network], tiles, temperature)
            sections = tested["section"]
            right.append((sections.scores >= threshold) == (sections.labels == 1))
            labels.append(sections.labels)
            squares.append((tested["tile"].scores - tested["tile"].labels) ** 2)
    hits, of = np.concatenate(right), np.concatenate(labels)
    if not len(hits):
        return None
    return Nested(
        thresholds=tuple(thresholds),
        temperatures=tuple(temperatures),
        section_sensitivity=float(hits[of == 1].mean()) if (of == 1).any() else None,
        section_specificity=float(hits[of == 0].mean()) if (of == 0).any() else None,
        section_accuracy=float(hits.mean()),
        tile_brier=float(np.concatenate(squares).mean()),
        n_sections=len(hits),
    )

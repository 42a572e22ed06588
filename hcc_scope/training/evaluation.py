"""Figures of merit, by animal: calibration, threshold, area under the curve, the card's validation table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import rankdata

from hcc_scope.inference.card import SensitivityRow, ValidationRow
from hcc_scope.scoring import calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.training.dataset import TileSet

__all__ = [
    "auc",
    "choose_threshold",
    "cross_entropy",
    "fit_temperature",
    "relit",
    "section_scores",
    "sensitivity_row",
    "validation_rows",
]


def auc(log_odds: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the area under the ROC curve: how often a *high* tile has the larger log-odds, ties counting half."""
    n_high = int(labels.sum())
    n_low = len(labels) - n_high
    ranks = rankdata(log_odds)
    return float((ranks[labels == 1].sum() - n_high * (n_high + 1) / 2) / (n_high * n_low))


def cross_entropy(log_odds: NDArray[np.float32], labels: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Return the mean negative log-likelihood of the labels, in nats."""
    signed = np.where(labels == 1, -1.0, 1.0) * log_odds.astype(np.float64) / temperature
    return float(np.logaddexp(0.0, signed).mean())


def fit_temperature(log_odds: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the temperature that makes the labels most likely (Guo et al., ICML 2017), to three decimals."""
    best = minimize_scalar(
        lambda log_t: cross_entropy(log_odds, labels, math.exp(log_t)), bounds=(-3.0, 3.0), method="bounded"
    )
    return round(math.exp(float(best.x)), 3)


def section_scores(data: TileSet, probabilities: NDArray[np.float32]) -> dict[int, float]:
    """Return the score of each section that has tiles, by its index: mean over fields of the mean over tiles."""
    scores = {}
    for s in np.unique(data.section_index).tolist():
        here = data.section_index == s
        fields = [
            float(probabilities[here & (data.field_index == f)].astype(np.float64).mean())
            for f in np.unique(data.field_index[here])
        ]
        scores[s] = math.fsum(fields) / len(fields)
    return scores


def choose_threshold(data: TileSet, probabilities: NDArray[np.float32]) -> float:
    """Return the middle between the two classes' mean section scores, to two decimals."""
    scores = section_scores(data, probabilities)
    by_class = [[score for s, score in scores.items() if data.sections[s].label == label] for label in (0, 1)]
    return round(math.fsum(math.fsum(c) / len(c) for c in by_class) / 2, 2)


def validation_rows(
    data: TileSet, log_odds: NDArray[np.float32], temperature: float, threshold: float
) -> tuple[ValidationRow, ...]:
    """Return one row per animal of held-out tiles."""
    probabilities = calibrate(log_odds, temperature)
    scores = section_scores(data, probabilities)
    rows = []
    for animal in dict.fromkeys(ref.animal for ref in data.sections):
        sections = [s for s in scores if data.sections[s].animal == animal]
        if not sections:
            continue
        ref = data.sections[sections[0]]
        here = np.isin(data.section_index, sections)
        right = (probabilities[here] >= threshold) == (ref.label == 1)
        own = tuple(round(scores[s], 4) for s in sections)
        rows.append(
            ValidationRow(
                animal=animal,
                tumour_class=ref.tumour_class,
                role=ref.role,
                sections=len(sections),
                fields=len(set(zip(data.section_index[here].tolist(), data.field_index[here].tolist(), strict=True))),
                tiles=int(here.sum()),
                tile_accuracy=round(float(right.mean()), 4),
                section_scores=own,
                animal_score=round(math.fsum(scores[s] for s in sections) / len(sections), 4),
                correct=all((scores[s] >= threshold) == (ref.label == 1) for s in sections),
            )
        )
    return tuple(rows)


def relit(tiles: NDArray[np.uint16], light: float, offset_counts: float, full_scale: int) -> NDArray[np.uint16]:
    """Return tiles as a camera with `light` times the signal would have given them, its noise scaled along.

    Mean stretching cancels an offset but not a factor: this is what it leaves to illumination, exposure and gain.
    """
    out = np.empty_like(tiles)
    for new, tile in zip(out, tiles, strict=True):
        counts = offset_counts + light * (tile.astype(np.float32) - np.float32(offset_counts))
        new[...] = np.clip(np.rint(counts), 0, full_scale)
    return out


def sensitivity_row(
    data: TileSet, log_odds: NDArray[np.float32], light: float, temperature: float, threshold: float
) -> SensitivityRow:
    """Return the scores that `relit` tiles of `data` got, in one row."""
    scores = section_scores(data, calibrate(log_odds, temperature))
    labels = np.array([data.sections[s].label for s in scores])
    values = np.array(list(scores.values()))
    return SensitivityRow(
        light=light,
        tile_auc=round(auc(log_odds, data.labels), 4),
        mean_score_low=round(float(values[labels == 0].mean()), 4),
        mean_score_high=round(float(values[labels == 1].mean()), 4),
        sections_correct=int(((values >= threshold) == (labels == 1)).sum()),
        sections=len(scores),
    )

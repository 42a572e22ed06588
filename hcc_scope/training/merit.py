"""Figures of merit of log-odds against labels: area under the ROC curve, cross-entropy, and the best temperature."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import rankdata

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["auc", "cross_entropy", "fit_temperature", "has_diverged", "says_one_thing"]

_LEAST_SPREAD = 0.1
"""Of log-odds, from the lowest to the highest: 0.025 of probability."""
_CERTAIN = 10.0
"""Log-odds beyond which more of them are no other answer: 0.99995 of probability."""
_ABSURD = 1e4
"""Between two logits of one tile: no temperature makes a probability of that."""


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


def says_one_thing(log_odds: NDArray[np.float32]) -> bool:
    """Return whether a network answers the same to all tiles: some fall silent in training and learn nothing."""
    return float(np.ptp(np.clip(log_odds, -_CERTAIN, _CERTAIN))) < _LEAST_SPREAD


def has_diverged(logits: NDArray[np.float32]) -> bool:
    """Return whether logits (k, n_outputs) are no answers any more: not finite, or absurdly far apart."""
    return not bool(np.isfinite(logits).all()) or float(np.ptp(logits.astype(np.float64), axis=1).max()) > _ABSURD

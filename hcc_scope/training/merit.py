"""Figures of merit of log-odds against labels: area under the ROC curve, cross-entropy, and the best temperature."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import rankdata

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["auc", "cross_entropy", "fit_temperature", "says_one_thing"]

_LEAST_SPREAD = 0.1
"""Of log-odds, from the lowest to the highest: 0.025 of probability."""


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
    return float(np.ptp(log_odds)) < _LEAST_SPREAD

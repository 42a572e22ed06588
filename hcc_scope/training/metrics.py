"""Metrics of log-odds against labels: area under the ROC curve, cross-entropy, and the best temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import minimize_scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LEAST_GAIN",
    "LearningCheck",
    "check_learning",
    "cross_entropy",
    "fit_temperature",
    "has_diverged",
    "roc_auc",
]

LEAST_GAIN = 0.01
"""Share of the loss of chance by which a network's loss on its own training tiles has to be smaller. A network whose
probabilities are right and whose loss is smaller by this share has an AUC of 0.57."""

_CLEAR_AUC = 0.9
"""So good is no luck, however few images there are."""
_ABSURD = 1e4
"""Between two logits of one tile: no temperature makes a probability of that."""


def roc_auc(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> float | None:
    """Return the area under the ROC curve: how often a *high* has the larger score than a *low*, ties counting half.

    Parameters
    ----------
    scores : (n,) float
        Probabilities, log-odds, or anything else that rises with them.
    labels : (n,) int64
        0 low, 1 high.

    Returns
    -------
    float or None
        None where it is not defined: one class alone.
    """
    n_high = int(labels.sum())
    n_low = len(labels) - n_high
    if not n_high or not n_low:
        return None
    low = np.sort(scores[labels == 0])
    high = scores[labels == 1]
    wins = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(wins.sum() / (2.0 * n_low * n_high))


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


@dataclass(frozen=True, slots=True)
class LearningCheck:
    """How a network answers on its own training tiles, compared with a network that has learnt nothing.

    A network has learnt nothing if its loss is not below that of chance by `LEAST_GAIN`, or if the AUC of its training
    images is no more than one without knowledge would show by luck. The first finds the networks that end at chance
    although their answers differ a little, the second those that answer the same to all.
    """

    loss: float
    """Mean over the tiles as they are, of the recipe's own loss."""
    chance: float
    """The same loss of the best constant answer: the classes' shares."""
    auc: float | None
    """Of images, each with the mean log-odds of its tiles, since tiles of one image are not independent; None where it
    is not defined: other than two outputs, or one class."""
    luck: float | None
    """The AUC that no more than 2.5 % of networks without knowledge exceed on so many images."""

    @property
    def learnt_nothing(self) -> bool:
        """Whether it has learnt nothing."""
        lucky = self.auc is not None and self.luck is not None and self.auc <= self.luck
        return lucky or not self.loss < (1.0 - LEAST_GAIN) * self.chance

    @property
    def description(self) -> str:
        """Loss and AUC beside those of chance."""
        text = f"loss on its own training tiles {self.loss:.3f}, by chance {self.chance:.3f}"
        return text if self.auc is None else f"{text}; AUC of their images {self.auc:.3f}"


def check_learning(
    logits: NDArray[np.float32],
    labels: NDArray[np.int64],
    images: NDArray[np.int64],
    loss: Literal["squared error", "cross-entropy"],
) -> LearningCheck:
    """Judge a network by the tiles that it was trained on.

    Parameters
    ----------
    logits : (k, n_outputs) float32
        Finite.
    labels : (k,) int64
        0 .. n_outputs - 1; the tiles of one image share theirs.
    images : (k,) int64
        Which image each tile is of.
    loss : {"squared error", "cross-entropy"}
        As in `hcc_scope.training.recipes.Recipe`.
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    shares = np.bincount(labels, minlength=logits.shape[1]) / len(labels)
    if loss == "cross-entropy":
        mean = -float(logs[np.arange(len(labels)), labels].mean())
        chance = -float((shares[shares > 0] * np.log(shares[shares > 0])).sum())
    else:
        wanted = np.eye(logits.shape[1])[labels]
        mean = 0.5 * float(np.square(wanted - np.exp(logs)).sum(axis=1).mean())
        chance = 0.5 * (1.0 - float(np.square(shares).sum()))
    area = luck = None
    if logits.shape[1] == 2:
        first, of_tile = np.unique(images, return_index=True, return_inverse=True)[1:]
        odds = np.bincount(of_tile, logits[:, 1] - logits[:, 0]) / np.bincount(of_tile)
        of_image = labels[first]
        n_low, n_high = (int((of_image == label).sum()) for label in (0, 1))
        if n_low and n_high:
            area = roc_auc(odds, of_image)
            # of the Mann-Whitney statistic without a difference
            luck = 0.5 + 1.96 * math.sqrt((n_low + n_high + 1) / (12.0 * n_low * n_high))
            luck = min(luck, _CLEAR_AUC)
    return LearningCheck(mean, chance, area, luck)


def has_diverged(logits: NDArray[np.float32]) -> bool:
    """Return whether logits (k, n_outputs) are no answers any more: not finite, or absurdly far apart."""
    return not bool(np.isfinite(logits).all()) or float(np.ptp(logits.astype(np.float64), axis=1).max()) > _ABSURD

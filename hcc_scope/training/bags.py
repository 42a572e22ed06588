"""Heads for bags of tiles: what can be learnt from frozen features when only whole sections have a label.

A *bag* is the tiles of one section (or image), and its label is the section's. The features of its tiles are given and
stay as they are; what is trained is small:

- ``mean-logit``: one logit per tile, ``w . x + b``, and the bag's logit is their mean. A logistic regression on the
  bag's mean features.
- ``gated-attention``: a weight per tile, ``softmax(v . (tanh(V x) * sigmoid(U x)))`` over the bag's tiles, and a logit
  of the weighted mean of the features (Ilse, Tomczak and Welling, "Attention-based deep multiple instance learning",
  ICML 2018, eq. 7 to 9). It can rest on a few tiles, and shows on which.

There is nothing to choose: components, penalty, steps and rate are fixed here, so neither a test fold nor a part of the
few training sections is needed for it. They were set on drawn numbers in which either a few tiles of a bag or all of
them carry the class (`benchmarks/bag_heads.py`), never on images. Bags count so that both classes weigh the same.
Heads are float32 on one thread of the processor: the same numbers give the same head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from scipy.linalg import eigh
from torch import nn
from torch.nn import functional

from hcc_scope.errors import DivergedError
from hcc_scope.training.compute import single_threaded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["COMPONENTS", "HEADS", "BagHead", "BagScore", "HeadName", "Reduction", "fit_head"]

HeadName = Literal["mean-logit", "gated-attention"]
HEADS: tuple[HeadName, ...] = ("mean-logit", "gated-attention")

COMPONENTS = 32
"""Principal components of the training tiles' features that a head sees, at most."""
ATTENTION_UNITS = 16
PENALTY = 0.1
"""On half the squared length of all weights but the biases, beside the mean loss of a bag."""
STEPS = 200
RATE = 2e-2
"""Of Adam, falling to 0 as a cosine."""
_BLOCK_TILES = 4096
_STILL = 1e-6
"""SD of a feature, relative to its mean, below which it is rounding."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """Standardises features by the training tiles, and keeps their principal components.

    Neither labels nor test tiles have a part in it. The components keep their relative spread, and are scaled as a
    whole so that a training tile has a mean square of 1 per component: then one penalty and one rate fit any features.
    """

    mean: NDArray[np.float64]
    """(d,)."""
    sd: NDArray[np.float64]
    """(d,) 1 where a feature never varies."""
    axes: NDArray[np.float64]
    """(d, p)."""

    @classmethod
    def fit(cls, features: NDArray[np.float32]) -> Reduction:
        """Fit it to the features (n, d) of the training tiles; they may be on disk."""
        n, d = features.shape
        mean, square = np.zeros(d), np.zeros(d)
        for block in _blocks(features):
            mean += block.sum(0) / n
        for block in _blocks(features):
            square += np.square(block - mean).sum(0) / n
        sd = np.sqrt(square)
        sd[sd <= _STILL * np.maximum(np.abs(mean), 1e-12)] = np.inf  # divides away what does not vary
        p = max(1, min(COMPONENTS, n - 1, d))
        if n <= d:
            standard = (np.asarray(features, np.float64) - mean) / sd
            values, left = eigh(standard @ standard.T, subset_by_index=(n - p, n - 1))
            axes = standard.T @ (left / np.sqrt(np.maximum(values, 1e-300)))
            values = values / n
        else:
            cross = np.zeros((d, d))
            for block in _blocks(features):
                standard = (block - mean) / sd
                cross += standard.T @ standard / n
            values, axes = eigh(cross, subset_by_index=(d - p, d - 1))
        kept = values > 1e-9 * max(float(values.max()), 1e-12)
        if not kept.any():  # all tiles are alike
            return cls(mean, sd, np.zeros((d, 1)))
        axes, values = axes[:, kept], values[kept]
        # the sign of an eigenvector is anybody's: that of its largest entry is made positive
        axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
        scale = math.sqrt(float(values.mean()))
        return cls(mean, sd, axes[:, ::-1] / scale)

    def apply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (k, p) of features (k, d)."""
        parts = [((block - self.mean) / self.sd) @ self.axes for block in _blocks(features)]
        return np.concatenate(parts).astype(np.float32) if parts else np.zeros((0, self.axes.shape[1]), np.float32)


def _blocks(features: NDArray[np.float32]) -> Iterator[NDArray[np.float64]]:
    """Yield a few thousand tiles' features at a time: they may be more than memory holds."""
    for first in range(0, len(features), _BLOCK_TILES):
        yield np.asarray(features[first : first + _BLOCK_TILES], np.float64)


@dataclass(frozen=True, slots=True)
class BagScore:
    """What a head makes of one bag."""

    logit: float
    """Of *high*."""
    weights: NDArray[np.float32]
    """(k,) share of each tile in it; they sum to 1. Equal for ``mean-logit``."""
    tile_logits: NDArray[np.float32]
    """(k,) the logit that each tile would have alone; the bag's is their mean, weighted."""


class _Head(nn.Module):
    """Both heads: they differ in the weights of the tiles alone."""

    def __init__(self, n_features: int, *, gated: bool) -> None:
        super().__init__()
        self.output = nn.Linear(n_features, 1)
        nn.init.zeros_(self.output.weight)  # it begins undecided
        nn.init.zeros_(self.output.bias)
        self.tanh = nn.Linear(n_features, ATTENTION_UNITS) if gated else None
        self.gate = nn.Linear(n_features, ATTENTION_UNITS) if gated else None
        self.attention = nn.Linear(ATTENTION_UNITS, 1) if gated else None

    def forward(self, bags: torch.Tensor, there: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (b,) and weights (b, t) of bags (b, t, p) of which `there` (b, t) are tiles."""
        if self.tanh is None or self.gate is None or self.attention is None:
            weights = there / there.sum(dim=1, keepdim=True)
        else:
            scores = self.attention(self.tanh(bags).tanh() * self.gate(bags).sigmoid()).squeeze(2)  # (b, t)
            weights = scores.masked_fill(there == 0, -torch.inf).softmax(dim=1)
        return self.output((weights.unsqueeze(2) * bags).sum(dim=1)).squeeze(1), weights


class BagHead:
    """A trained head with the reduction of its features; made by `fit_head`."""

    def __init__(self, reduction: Reduction, module: _Head) -> None:
        self._reduction, self._module = reduction, module

    def score(self, features: NDArray[np.float32]) -> BagScore:
        """Return what it makes of one bag, whose tiles' features (k, d) decide it alone.

        Parameters
        ----------
        features : (k, d) float32
            Of at least one tile.
        """
        with single_threaded(), torch.inference_mode():
            bag = torch.from_numpy(self._reduction.apply(features)).unsqueeze(0)  # (1, k, p)
            logit, weights = self._module(bag, torch.ones(bag.shape[:2]))
            alone = self._module.output(bag).squeeze(2)
        return BagScore(float(logit), weights[0].numpy(), alone[0].numpy())


def fit_head(
    name: HeadName, bags: Sequence[NDArray[np.float32]], labels: NDArray[np.int64], reduction: Reduction, seed: int
) -> BagHead:
    """Train a head on bags and their labels.

    Parameters
    ----------
    name : {"mean-logit", "gated-attention"}
    bags : sequence of (k, p) float32
        Of each bag the reduced features of its tiles, at least one.
    labels : (n,) int64
        Of the bags: 0 low, 1 high; both of them.
    reduction : Reduction
        That made them.
    seed : int
        Decides the first weights of the attention; ``mean-logit`` has none to draw.

    Raises
    ------
    DivergedError
        If the loss is no finite number.
    """
    largest = max(len(bag) for bag in bags)
    padded = np.zeros((len(bags), largest, bags[0].shape[1]), np.float32)
    there = np.zeros(padded.shape[:2], np.float32)
    for place, bag in enumerate(bags):
        padded[place, : len(bag)], there[place, : len(bag)] = bag, 1.0
    counts = np.bincount(labels, minlength=2)
    share = torch.from_numpy((0.5 / counts[labels]).astype(np.float32))  # sums to 1, one half for each class
    wanted = torch.from_numpy(labels.astype(np.float32))
    inputs = torch.from_numpy(padded), torch.from_numpy(there)
    with single_threaded(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _Head(padded.shape[2], gated=name == "gated-attention")
        weights = [weight for key, weight in module.named_parameters() if key.endswith("weight")]
        optimiser = torch.optim.Adam(module.parameters(), lr=RATE)
        for step in range(STEPS):
            optimiser.param_groups[0]["lr"] = RATE * 0.5 * (1.0 + math.cos(math.pi * step / STEPS))
            optimiser.zero_grad()
            logits, _ = module(*inputs)
            losses = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
            penalty = torch.stack([weight.square().sum() for weight in weights]).sum()
            loss = (share * losses).sum() + 0.5 * PENALTY * penalty
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
            optimiser.step()
    if not math.isfinite(loss.item()):
        raise DivergedError(
            f"the head {name} diverged: its loss is no finite number",
            hint="Look at the features: some may be far larger than all others.",
        )
    return BagHead(reduction, module.eval())

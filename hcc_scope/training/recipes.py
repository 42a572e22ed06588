"""Training recipes: that of the paper, and a modern one.

``meng2019`` is the paper's: half the squared error of the softmax probabilities (eq. 4), plain gradient descent (eq. 5,
6), nothing else. ``modern``: cross-entropy, AdamW, a learning rate that rises and falls once, tiles turned and mirrored
and lit a little differently each time, and an end when tiles that were held out no longer profit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.training.config import NetworkName, RecipeName, TrainConfig

__all__ = [
    "RECIPES",
    "Recipe",
    "Settings",
    "augmented",
    "begin_undecided",
    "is_silent",
    "loss_sum",
    "make_optimiser",
    "od_gained",
    "order_of_tiles",
    "other_density",
    "rate_factor",
    "settings_for",
    "shorten_gradient",
]

LIGHT_SD = 0.15
"""Log of the factor on all counts of a tile: the operator's exposure and the lamp, seen anew each time."""
GRADIENT_SD = 0.05
"""Relative change of the light from a tile's centre to its edge, along each axis: what vignetting does to a tile."""
VIGNETTE_SD = 0.03
"""Relative change from a tile's centre to its corners, the same in all directions."""


DENSITY_SD = 0.2
"""Log of the factor on all optical densities of a tile: thickness of the section and depth of the stain."""
_WHITE_PERCENTILE = 99.5
"""Of a tile's counts: what stands for its light without tissue."""
_WHITE_EVERY_PX = 4
"""Of the pixels that are asked for it, along each axis."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The defaults of a recipe."""

    loss: Literal["squared error", "cross-entropy"]
    optimiser: Literal["gradient descent", "AdamW"]
    steps: dict[NetworkName, int]
    """Batches: a budget in passes over the tiles would stop a small set after a handful of them."""
    batch: dict[NetworkName, int]
    learning_rate: dict[NetworkName, float]
    weight_decay: float
    patience: float | None
    """Share of the budget without a lower loss on held-out tiles after which it ends; None: never before its end."""
    one_cycle: bool
    augment: bool
    crop_px: dict[NetworkName, int]
    """Side of the random part of each tile that a network is trained on, where that is not the whole tile: a quarter of
    the area costs a quarter of the time. Only for networks that pool over the whole tile, and so take any size."""
    standardised: bool
    """Whether first weights are fitted to training tiles (`hcc_scope.training.first_weights`), batches hold the classes
    in the shares that the training tiles have, and the last layer learns at a rate that goes with its inputs."""
    largest_gradient: float | None
    """Norm to which the gradient of a batch is shortened; without it, one network in three of the paper's kind dies in
    its first steps at the learning rate that suits the others, and answers 0.5 to everything."""


RECIPES: dict[RecipeName, Recipe] = {
    "meng2019": Recipe(
        loss="squared error",
        optimiser="gradient descent",
        steps={"meng2019": 300, "compact": 300},
        batch={"meng2019": 8, "compact": 8},
        learning_rate={"meng2019": 0.05, "compact": 0.1},
        weight_decay=0.0,
        patience=None,
        one_cycle=False,
        augment=False,
        crop_px={},
        standardised=False,
        largest_gradient=None,
    ),
    "modern": Recipe(
        loss="cross-entropy",
        optimiser="AdamW",
        steps={"meng2019": 300, "compact": 400},
        batch={"meng2019": 4, "compact": 8},
        learning_rate={"meng2019": 4e-3, "compact": 4e-3},
        weight_decay=1e-2,
        patience=1 / 3,
        one_cycle=True,
        augment=True,
        crop_px={"compact": 256},
        standardised=True,
        largest_gradient=1.0,
    ),
}
"""The learning rates served best of the few tried on 192 tiles of six phantom animals, judged on two others."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A configuration with the recipe's values where it sets none."""

    network: NetworkName
    recipe: RecipeName
    seed: int
    steps: int | None
    epochs: int | None
    """One of both: the budget."""
    batch: int
    learning_rate: float
    patience: int | None
    """Epochs without a lower loss on held-out tiles after which it ends; None: `patience_share` decides."""
    patience_share: float | None
    """The same, as a share of the budget; None: it never ends before its budget does."""
    loss: Literal["squared error", "cross-entropy"]
    optimiser: Literal["gradient descent", "AdamW"]
    weight_decay: float
    one_cycle: bool
    augment: bool
    crop_px: int | None
    augment_od: bool
    standardised: bool
    largest_gradient: float | None

    @property
    def stops_early(self) -> bool:
        """Whether held-out tiles, where there are some, decide when it ends and which epoch's weights are taken."""
        return self.patience is not None or self.patience_share is not None

    def steps_of(self, n_tiles: int) -> int:
        """Return the budget in steps for so many training tiles."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None, "a budget is in steps or in epochs"
        return self.epochs * self.steps_per_epoch(n_tiles)

    def steps_per_epoch(self, n_tiles: int) -> int:
        """Return how many batches one pass over so many training tiles takes; the last one may be smaller."""
        return math.ceil(n_tiles / self.batch)

    def tiles_of(self, n_tiles: int, steps: int) -> int:
        """Return how many tiles so many steps train on, each counted as often as it is seen."""
        passes, rest = divmod(steps, self.steps_per_epoch(n_tiles))
        return passes * n_tiles + min(rest * self.batch, n_tiles)

    def patience_of(self, n_tiles: int) -> int | None:
        """Return after how many epochs without improvement a training on so many tiles ends; None: never."""
        if self.patience is not None:
            return self.patience
        if self.patience_share is None:
            return None
        return max(1, math.ceil(self.patience_share * self.steps_of(n_tiles) / self.steps_per_epoch(n_tiles)))


def settings_for(config: TrainConfig, *, whole_budget: bool = False) -> Settings:
    """Return what a configuration asks for, in full.

    Parameters
    ----------
    config : TrainConfig
        What was asked for.
    whole_budget : bool
        Train to the end of the budget, without regard to the held-out tiles.
    """
    recipe = RECIPES[config.recipe]
    return Settings(
        network=config.network,
        recipe=config.recipe,
        seed=config.seed,
        steps=config.steps if config.steps or config.epochs else recipe.steps[config.network],
        epochs=config.epochs,
        batch=config.batch or recipe.batch[config.network],
        learning_rate=config.learning_rate or recipe.learning_rate[config.network],
        patience=None if whole_budget else config.patience,
        patience_share=None if whole_budget else recipe.patience,
        loss=recipe.loss,
        optimiser=recipe.optimiser,
        weight_decay=recipe.weight_decay,
        one_cycle=recipe.one_cycle,
        augment=recipe.augment,
        crop_px=recipe.crop_px.get(config.network),
        augment_od=config.augment_od,
        standardised=recipe.standardised,
        largest_gradient=recipe.largest_gradient,
    )


def loss_sum(settings: Settings, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the loss of some tiles, summed over them, so that parts of a batch add up.

    Parameters
    ----------
    settings : Settings
        Says which loss.
    logits : Tensor
        (k, n_outputs) float32.
    labels : Tensor
        (k,) int64.

    Notes
    -----
    Eq. 4 of Meng et al. 2019: ``J = 1/q sum_j 1/2 [y_j - p_j]^2``, over the q tiles of a batch; y is 1 for the tile's
    class and 0 for the others, p the softmax, and the square is summed over the outputs.
    """
    if settings.loss == "cross-entropy":
        return functional.cross_entropy(logits, labels, reduction="sum")
    wanted = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return 0.5 * (wanted - logits.softmax(dim=1)).square().sum()


_INPUTS_AT_FULL_RATE = 64
"""Of a last layer; one with more inputs learns more slowly. A step of AdamW moves each weight by about the learning
rate, whatever its gradient, and so an answer by that times the number of inputs: with the paper's 2,048 the first steps
would throw it from one side to the other (Yang et al., "Tensor Programs V", 2022)."""


def make_optimiser(settings: Settings, network: torch.nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of the weights that are learnt; a group's ``rate`` is its factor on the learning rate."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if settings.optimiser != "AdamW":
        return torch.optim.SGD(weights, lr=settings.learning_rate)
    last = network.get_submodule("output")
    of_last = list(last.parameters())
    rate = min(1.0, _INPUTS_AT_FULL_RATE / last.in_features) if isinstance(last, nn.Linear) else 1.0
    groups = [
        {"params": [weight for weight in weights if all(weight is not one for one in of_last)], "rate": 1.0},
        {"params": of_last, "rate": rate},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def is_silent(network: torch.nn.Module) -> bool:
    """Return whether the last batch gives no convolution a gradient: its maps are 0 for every tile.

    Nothing that follows can change that: what the network still learns is one answer to everything.
    """
    convolutions = network.get_submodule("convolutions").parameters()
    return not any(weight.grad is not None and bool(weight.grad.any()) for weight in convolutions)


def order_of_tiles(
    settings: Settings, rows: NDArray[np.int64], labels: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the rows in the order of an epoch: at random, or so that each batch holds the classes in their shares.

    Parameters
    ----------
    settings : Settings
    rows : (k,) int64
    labels : (k,) int64
        Of these rows.
    rng : numpy.random.Generator
        Of the epoch.
    """
    order = rng.permutation(len(rows))
    if not settings.standardised:
        return rows[order]
    # each class is spread evenly over the epoch, from a place of its own that is drawn
    place = np.empty(len(rows))
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        place[mine] = (np.arange(len(mine)) + rng.random()) / len(mine)
    return rows[np.argsort(place, kind="stable")]


def shorten_gradient(settings: Settings, optimiser: torch.optim.Optimizer) -> float | None:
    """Shorten the gradient of a batch, over all weights together, to the norm that the recipe allows.

    Parameters
    ----------
    settings : Settings
        Says which norm; nothing is done if it allows any.
    optimiser : Optimizer
        Has the weights with their gradients.

    Returns
    -------
    float or None
        The norm before, which may be no finite number: then the gradient is of no use. None if any is allowed.
    """
    if settings.largest_gradient is None:
        return None
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    return float(torch.nn.utils.clip_grad_norm_(weights, settings.largest_gradient))


def begin_undecided(settings: Settings, network: torch.nn.Module) -> None:
    """Let a network's last layer begin at zero, if the recipe is the modern one: its first answers are 0.5.

    With random ones the first steps do little else than to take them back, and can silence the maps below for good.
    """
    last = network.get_submodule("output")
    if settings.optimiser == "AdamW" and isinstance(last, nn.Linear):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)


def rate_factor(settings: Settings, step: int, steps: int) -> float:
    """Return the factor on the learning rate at a step 0, 1, ...: a linear rise over a tenth, then a cosine to zero."""
    if not settings.one_cycle:
        return 1.0
    rise = max(1, steps // 10)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def augmented(
    tile: NDArray[np.uint16 | np.float32], rng: np.random.Generator, crop_px: int | None = None
) -> NDArray[np.float32]:
    """Return a tile (y, x) in one of its eight orientations (a section has no upside), under another light.

    The light: a factor of lognormal spread `LIGHT_SD` on all counts, with a plane of `GRADIENT_SD` and a bowl of
    `VIGNETTE_SD` over the tile, or over the part of `crop_px` x `crop_px` that is taken of it at random.
    """
    if crop_px is not None and crop_px < min(tile.shape):
        y0, x0 = (int(rng.integers(side - crop_px + 1)) for side in tile.shape)
        tile = tile[y0 : y0 + crop_px, x0 : x0 + crop_px]
    turned = np.rot90(tile, int(rng.integers(4)))
    if rng.integers(2):
        turned = turned[:, ::-1]
    light = np.float32(np.exp(LIGHT_SD * rng.standard_normal()))
    slope_y, slope_x = (GRADIENT_SD * rng.standard_normal(2)).astype(np.float32)
    bowl = np.float32(VIGNETTE_SD * rng.standard_normal())
    y = np.linspace(-1.0, 1.0, tile.shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1.0, 1.0, tile.shape[1], dtype=np.float32)
    field = light * ((1 + slope_y * y + bowl * (y * y / 2)) + (slope_x * x + bowl * (x * x / 2)))
    lit: NDArray[np.float32] = turned * field
    return lit


def od_gained(tile: NDArray[np.floating], white: float, gain: float) -> NDArray[np.float32]:
    """Return a tile as if all its optical densities were `gain` times what they are: ``white (I / white)^gain``.

    By the law of Beer and Lambert that is the same section cut `gain` times as thick, or stained so much deeper. White
    stays white, black black, and `gain` and ``1 / gain`` undo each other.

    Parameters
    ----------
    tile : (y, x) float
        Counts, none below 0.
    white : float
        Counts of light without tissue, above 0.
    gain : float
        Above 0.
    """
    share = np.asarray(tile, np.float32) / np.float32(white)
    found: NDArray[np.float32] = np.float32(white) * share ** np.float32(gain)
    return found


def other_density(
    tile: NDArray[np.floating], counts: NDArray[np.uint16], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a tile under a gain of optical density that is drawn anew, of lognormal spread `DENSITY_SD`.

    The tile's own brightest light stands for that without tissue. In a tile that is all tissue it is darker than that:
    what then differs is a factor on all counts, which the change of light (`LIGHT_SD`) covers.

    Parameters
    ----------
    tile : (y, x) float
        That is changed.
    counts : (y, x) uint16
        The same before it was turned or lit differently: it alone decides the white.
    rng : Generator
    """
    gain = float(np.exp(DENSITY_SD * rng.standard_normal()))
    white = float(np.percentile(counts[::_WHITE_EVERY_PX, ::_WHITE_EVERY_PX], _WHITE_PERCENTILE))
    return od_gained(tile, max(white, 1.0), gain)

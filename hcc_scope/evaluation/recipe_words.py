"""What an evaluation did, for the head of Table 1, and what the paper leaves open of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.evaluation.splits import dealing_of
from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from hcc_scope.evaluation.results import EvaluationResult

__all__ = ["LOSSES", "describe_budget", "describe_dealing", "describe_recipe", "left_open"]

LOSSES = {"meng2019": "half the squared error, eq. 4", "modern": "cross-entropy"}
"""Of each recipe."""


def describe_budget(result: EvaluationResult) -> str:
    """Return how long each network was trained, such as ``200 steps``."""
    config = result.config
    return counted(config.steps, "step") if config.steps else counted(config.epochs or 0, "epoch")


def describe_recipe(result: EvaluationResult) -> str:
    """Return the recipe in a sentence: all that decides the figures beside the images."""
    config = result.config
    k = len(result.of("by_animal"))
    return (
        f"Network {config.network}, recipe {config.recipe} (loss: {LOSSES.get(config.recipe, config.recipe)}), "
        f"{describe_budget(result)} of {config.batch} tiles, learning rate {config.learning_rate:g}, "
        f"{counted(result.starts, 'random start')} per fold, {config.precision}, seed {config.seed}. "
        f"Folds: {len(result.of('paper'))} by the paper's protocol, which deals {result.unit}s, and {k} by animal. "
        f"{describe_dealing(result)}"
    )


def describe_dealing(result: EvaluationResult) -> str:
    """Return how the animals were dealt into folds, in a sentence."""
    if result.leave_one_out:
        return "Each fold by animal leaves out one animal, whatever day it shares with others."
    return dealing_of(result.tiles, len(result.of("by_animal"))).words


def left_open(result: EvaluationResult) -> list[str]:
    """Return what the paper leaves open, and what was decided here, in sentences."""
    config, n = result.config, len(result.data.images)
    tiles = result.unit == "tile"
    dealt = (
        "Whether its folds deal images or tiles: tiles are dealt here, so that tiles of one image are on both sides. "
        "Images are then scored by networks that saw other tiles of them, and the AUC of tiles leads."
        if tiles
        else "Whether its folds deal images or tiles: images are dealt here, and tiles by --unit tile. Dealt by tile, "
        "tiles of one image are on both sides, so that figures are higher and mean less."
    )
    squared = config.recipe == "meng2019"
    return [
        dealt,
        "What q counts in eq. 4: here the tiles of a batch"
        + ("." if squared else "; eq. 4 is the loss of the recipe meng2019, and these networks have another one.")
        + " The square is summed over both outputs, and p is the softmax.",
        f"How many steps, of what batch and at what rate: {describe_budget(result)} of {config.batch} tiles, at "
        f"{config.learning_rate:g}, fixed before looking.",
        f"Whether it has 1,920 images (960 of each class) or 1,960: its text allows both. There are {n:,} here, and "
        "every one with a usable tile is tested once.",
        "Of which output its saliency maps are the gradient: here of the log-odds of high, before the softmax, which "
        "vanishes where the network is sure.",
        "Over what its AUCs are taken: here over the tiles that a fold tested, and the mean row counts pairs within "
        "folds alone.",
        "How its networks begin and which of them it reports: here "
        + (
            f"{result.starts} random starts per fold, whose mean logit is scored, with their spread beside it."
            if result.starts > 1
            else "one random start per fold."
        ),
    ]

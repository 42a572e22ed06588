"""A model that measures how unlike its training tiles a tile is, made quickly: the shipped weights and a distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.inference.card import UnlikeTraining, read_card
from hcc_scope.inference.catalogue import find_model
from hcc_scope.training.export import WEIGHTS_FILE, export_model, to_torchscript
from hcc_scope.training.ood_distance import distances_of, fit_distance, mean_activations, table_of
from hcc_scope.training.predict import load_weights
from tests.quick_model_parts import without_program

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.training.ood_distance import WithDistance

SHIPPED = find_model("phantom-meng2019")


def shipped_network() -> torch.nn.Module:
    return load_weights("meng2019", SHIPPED / WEIGHTS_FILE)


def test_tiles() -> np.ndarray:
    """The shipped model's own two: one of each class."""
    tiles: np.ndarray = np.load(SHIPPED / "test_input.npy")
    return tiles


test_tiles.__test__ = False  # type: ignore[attr-defined]  # it is no test


def measuring_network(spread: float = 0.2) -> tuple[WithDistance, np.ndarray]:
    """The shipped network with the distance from made-up tiles around its test tiles, and those tiles' distances."""
    network, tiles = shipped_network(), test_tiles()
    means = mean_activations(network, table_of(tiles), range(len(tiles)), threads=1)
    rng = np.random.default_rng(4)
    around = means[rng.integers(len(means), size=200)] * np.exp(spread * rng.standard_normal((200, means.shape[1])))
    measuring = fit_distance(network, around).eval()
    return measuring, distances_of(measuring, around)


def unlike_training(threshold: float) -> UnlikeTraining:
    return UnlikeTraining(
        method="for a test", components=16, threshold=threshold, false_flag_rate=0.01, measured_on="made-up tiles"
    )


def measuring_model(folder: Path, threshold: float | None = None) -> Path:
    """Write a model's folder; without a threshold it is that of 1 % of the made-up tiles."""
    measuring, distances = measuring_network()
    record = unlike_training(float(np.quantile(distances, 0.99)) if threshold is None else threshold)
    with without_program():  # which concerns no test of the distance
        return export_model(
            to_torchscript(measuring), measuring.network, test_tiles(), card_with(record, folder.name), folder
        )


def card_with(record: UnlikeTraining | None, name: str = "measuring") -> ModelCard:
    return read_card(SHIPPED).model_copy(update={"name": name, "unlike_training": record})

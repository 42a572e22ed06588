"""The check of saliency maps with random weights: layer by layer from the output, compared by rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.stats import spearmanr
from torch import nn

from hcc_scope.errors import ModelFormatError
from hcc_scope.training.network import Meng2019, make_network
from hcc_scope.training.sanity import AS_TRAINED, SanityCheck, cascade, check_map, networks_of, verdict
from tests.model_parts import random_tiles

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.training.config import NetworkName


class Small(nn.Module):
    """Two convolutions with normalisation between, for tiles of any size."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.output = nn.Linear(6 * 16, 2)

    def forward(self, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = torch.relu(self.norm(self.first(counts / 65536)))
        features = nn.functional.adaptive_avg_pool2d(torch.relu(self.second(maps)), (4, 4)).flatten(1)
        return self.output(features), features


class Fixed(nn.Module):
    """Answers from one number that no weight decides: its map is the same whatever it learnt."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.output = nn.Linear(1, 2)

    def forward(self, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = (counts / 65536).square().mean(dim=(1, 2, 3)).unsqueeze(1)
        return self.output(features), features


@pytest.mark.parametrize("name", ["meng2019", "compact"])
def test_layers_are_drawn_anew_from_the_output_back(name: NetworkName):
    trained, fresh = make_network(name, seed=1), make_network(name, seed=2)
    with torch.no_grad():  # as training would: biases and statistics are no longer those of the start
        for value in (*trained.parameters(), *(b for b in trained.buffers() if b.ndim)):
            value += 0.01
    before = {key: value.clone() for key, value in trained.state_dict().items()}
    start = fresh.state_dict()
    spacing = 3 if name == "meng2019" else 4
    layers = ("output", *(f"convolutions.{i * spacing}" for i in (4, 3, 2, 1, 0)))
    steps = list(cascade(trained, fresh))
    assert [step for step, _ in steps] == [AS_TRAINED, "output", *(f"convolution {k}" for k in (5, 4, 3, 2, 1))]
    for k, (_, network) in enumerate(steps):
        state = network.state_dict()
        for place, layer in enumerate(layers):
            source = start if place < k else before
            assert torch.equal(state[f"{layer}.weight"], source[f"{layer}.weight"])
    assert all(torch.equal(value, start[key]) for key, value in steps[-1][1].state_dict().items())
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())


def test_normalisation_goes_with_the_layer_before_it():
    trained, fresh = Small(1), Small(2)
    nn.init.constant_(trained.norm.weight, 3.0)
    trained.norm.running_mean.fill_(0.5)
    steps = list(cascade(trained, fresh))
    assert [step for step, _ in steps] == [AS_TRAINED, "output", "convolution 2", "convolution 1"]
    assert torch.equal(steps[2][1].state_dict()["norm.running_mean"], trained.norm.running_mean)
    for key, value in steps[-1][1].state_dict().items():
        assert torch.equal(value, fresh.state_dict()[key]), key


def test_the_correlations_are_spearmans():
    tile = random_tiles(1)[0]
    check = check_map(Small(1), Small(2), tile, smooth=2)
    assert check.steps == (AS_TRAINED, "output", "convolution 2", "convolution 1")
    assert check.maps.shape == (4, 32, 32)
    assert check.correlations[0] == 1.0
    for one, found in zip(check.maps[1:], check.correlations[1:], strict=True):
        assert found == pytest.approx(spearmanr(check.maps[0].ravel(), one.ravel()).statistic)
    assert abs(check.edges) < 1
    assert np.abs(check.chance).max() < 0.3


def test_maps_that_no_weight_decides_are_found_out():
    tiles = random_tiles(2)
    checks = [check_map(Fixed(1), Fixed(2), tile) for tile in tiles]
    assert [check.correlations[-1] for check in checks] == pytest.approx([1.0, 1.0])
    assert verdict(checks).startswith("The maps depend little on the weights")


def test_a_map_of_zeros_is_like_no_other():
    dead = Small(2)
    nn.init.zeros_(dead.output.weight)
    check = check_map(Small(1), dead, random_tiles(1)[0])
    assert check.correlations[1] == 0.0


def with_end(end: float) -> SanityCheck:
    return SanityCheck((AS_TRAINED, "output"), np.zeros((2, 4, 4), np.float32), np.array([1.0, end]), 0.1, np.zeros(3))


def test_the_verdict_states_what_it_rests_on():
    assert verdict([with_end(0.05)]).startswith("The maps depend on the weights: ")
    assert "is 0.05 (the image's edges: 0.10; 1 is the same map; mean of 1 tile)" in verdict([with_end(0.05)])
    assert "in part" in verdict([with_end(0.3), with_end(0.4)])
    assert "little" in verdict([with_end(0.9)])
    assert verdict([]) == "Not checked: there is no map."


def test_weights_that_do_not_fit_are_refused(tmp_path: Path):
    torch.manual_seed(3)
    path = tmp_path / "weights.safetensors"
    network = Meng2019()
    save_file(network.state_dict(), path)
    trained, fresh = networks_of("meng2019", path, 16, seed=9)
    assert torch.equal(trained.state_dict()["output.weight"], network.output.weight)
    assert not torch.equal(fresh.state_dict()["output.weight"], network.output.weight)
    again = networks_of("meng2019", path, 16, seed=9)[1]
    assert torch.equal(again.state_dict()["output.weight"], fresh.state_dict()["output.weight"])
    with pytest.raises(ModelFormatError, match="does not hold the weights"):
        networks_of("meng2019", tmp_path / "gone.safetensors", 16, seed=9)
    save_file({"other": torch.zeros(3)}, path)
    with pytest.raises(ModelFormatError, match="does not hold the weights"):
        networks_of("meng2019", path, 16, seed=9)

"""The saliency of a TorchScript export is that of the network in Python, computed here without `hcc_scope`'s code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from hcc_scope.inference.saliency import _NOISE, _SEED, saliency
from hcc_scope.inference.torchscript import parse
from hcc_scope.training.export import to_torchscript
from hcc_scope.training.network import make_network
from tests.labelled_image_parts import texture_tile

if TYPE_CHECKING:
    from hcc_scope.training.config import NetworkName


def gradient(network: torch.nn.Module, counts: np.ndarray) -> np.ndarray:
    """The signed gradient (h, w) of the log-odds."""
    inputs = torch.tensor(counts, dtype=torch.float32)[None, None].requires_grad_()
    logits = network(inputs)[0]
    (logits[:, 1] - logits[:, 0]).sum().backward()
    assert inputs.grad is not None
    return inputs.grad[0, 0].numpy()


def assert_same(found: np.ndarray, expected: np.ndarray, name: str) -> None:
    """To rounding; but where a normalisation melted into a convolution, rounding decides a few ReLUs and maxima."""
    assert expected.max() > 0
    difference = np.abs(found - expected) / expected.max()
    few, little = (0.0, 1e-5) if name == "meng2019" else (0.01, 0.05)
    assert np.mean(difference > 1e-5) <= few
    assert difference.max() < little


@pytest.mark.parametrize("name", ["meng2019", "compact"])
def test_gradient_and_smoothgrad_are_those_of_the_network(name: NetworkName):
    network = make_network(name, seed=4).eval()
    module = parse(to_torchscript(network), name)
    tile = texture_tile(np.random.default_rng(6), label=1)
    assert_same(saliency(module, tile), np.abs(gradient(network, tile)), name)

    counts = tile.astype(np.float32)
    noise = np.random.default_rng(_SEED)
    sigma = _NOISE * float(counts.max() - counts.min())
    copies = [counts + noise.normal(0.0, sigma, counts.shape).astype(np.float32) for _ in range(3)]
    smooth = np.abs(np.mean([gradient(network, copy) for copy in copies], axis=0))
    assert_same(saliency(module, tile, smooth=3), smooth, name)

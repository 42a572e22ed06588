"""The saliency of a TorchScript export is that of the network in Python, computed here without `hcc_scope`'s code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hcc_scope.inference.saliency import _NOISE, _SEED, saliency
from hcc_scope.inference.torchscript import parse
from hcc_scope.training import network as networks
from hcc_scope.training.export import to_torchscript
from tests.labelled_parts import texture_tile


def build(name: str) -> torch.nn.Module:
    if hasattr(networks, "make_network"):
        return networks.make_network(name, seed=4)
    if name != "meng2019":
        pytest.skip(f"there is no network {name}")
    torch.manual_seed(4)
    return networks.Meng2019()


def gradient(network: torch.nn.Module, counts: np.ndarray) -> np.ndarray:
    """The signed gradient (h, w) of the log-odds."""
    inputs = torch.tensor(counts, dtype=torch.float32)[None, None].requires_grad_()
    logits = network(inputs)[0]
    (logits[:, 1] - logits[:, 0]).sum().backward()
    assert inputs.grad is not None
    return inputs.grad[0, 0].numpy()


@pytest.mark.parametrize("name", ["meng2019", "compact"])
def test_gradient_and_smoothgrad_are_those_of_the_network(name: str):
    network = build(name).eval()
    module = parse(to_torchscript(network), name)
    tile = texture_tile(np.random.default_rng(6), label=1)
    plain = np.abs(gradient(network, tile))
    scale = plain.max()
    assert scale > 0
    assert np.allclose(saliency(module, tile), plain, rtol=1e-4, atol=1e-6 * scale)

    counts = tile.astype(np.float32)
    noise = np.random.default_rng(_SEED)
    sigma = _NOISE * float(counts.max() - counts.min())
    copies = [counts + noise.normal(0.0, sigma, counts.shape).astype(np.float32) for _ in range(3)]
    smooth = np.abs(np.mean([gradient(network, copy) for copy in copies], axis=0))
    assert np.allclose(saliency(module, tile, smooth=3), smooth, rtol=1e-4, atol=1e-6 * scale)

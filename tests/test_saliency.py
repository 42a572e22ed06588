"""Saliency maps: the gradient is that of the network that the artefact was made from, and of the counts themselves."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hcc_scope.errors import ModelError, ModelFormatError
from hcc_scope.inference import load_model
from hcc_scope.inference.saliency import saliency
from hcc_scope.inference.torchscript import parse
from hcc_scope.training.network import Meng2019
from tests.model_parts import Inside, Plain, archive, random_tiles

if TYPE_CHECKING:
    from hcc_scope.inference.loading import LoadedModel

SCALE = 2.0**-13


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model("phantom-meng2019")


def scripted(module: torch.nn.Module) -> torch.jit.ScriptModule:
    return parse(archive(module), "test")


def test_it_is_the_gradient_of_the_network_that_was_trained(model: LoadedModel):
    tile = model.test_input[0]
    network = Meng2019()
    network.load_state_dict(load_file(model.folder / "weights.safetensors"))
    inputs = torch.from_numpy(tile.astype(np.float32))[None, None].requires_grad_()
    logits = network(inputs)[0]
    (logits[0, 1] - logits[0, 0]).backward()
    assert inputs.grad is not None
    found = model.saliency(tile)
    assert (found.shape, found.dtype) == ((512, 512), np.float32)
    assert np.allclose(found, np.abs(inputs.grad[0, 0].numpy()), rtol=1e-3, atol=1e-10)
    assert np.array_equal(found, model.saliency(tile))  # and the same every time


def test_a_small_change_of_a_count_changes_the_answer_as_the_map_predicts(model: LoadedModel):
    tile = model.test_input[0].astype(np.float32)
    found = model.saliency(model.test_input[0])
    y, x = np.unravel_index(found.argmax(), found.shape)

    def log_odds(change: float) -> float:
        changed = tile.copy()
        changed[y, x] += change
        with torch.no_grad():
            logits = model.module(torch.from_numpy(changed)[None, None])[0][0]
        return float(logits[1] - logits[0])

    slope = (log_odds(8.0) - log_odds(-8.0)) / 16
    assert abs(slope) == pytest.approx(found[y, x], rel=0.05)


def test_normalisation_outside_the_graph_counts_too():
    torch.manual_seed(3)
    plain = Plain()
    tile = random_tiles(1)[0]
    outside = saliency(scripted(plain), tile, external_scale=SCALE)
    inside = saliency(scripted(Inside(plain, SCALE)), tile)
    assert np.allclose(outside, inside, rtol=1e-4, atol=1e-9)


def test_smoothing_is_repeatable_and_differs(model: LoadedModel):
    tile = model.test_input[0]
    smooth = model.saliency(tile, smooth=2)
    assert np.array_equal(smooth, model.saliency(tile, smooth=2))
    assert smooth.min() >= 0
    assert not np.allclose(smooth, model.saliency(tile))


def test_a_flat_tile_has_a_map():
    torch.manual_seed(3)
    found = saliency(scripted(Plain()), np.full((32, 32), 500, np.uint16), smooth=1, external_scale=SCALE)
    assert np.isfinite(found).all()


def test_two_threads_get_the_same_map_as_one(model: LoadedModel):
    tile = model.test_input[0]
    alone = model.saliency(tile)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(model.saliency(tile))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, alone) for one in found)


class Blind(torch.nn.Module):
    """Answers without a gradient."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros(1, 2) + x.detach().mean()


class Mean(torch.nn.Module):
    """Returns one number."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean().reshape(1, 1)


def test_models_without_a_map_report_it():
    tile = random_tiles(1)[0]
    with pytest.raises(ModelError, match="the model gives no gradient"):
        saliency(scripted(Blind()), tile)
    with pytest.raises(ModelFormatError, match="where logits of shape"):
        saliency(scripted(Mean()), tile)
    with pytest.raises(ModelError, match="the model failed on a tile"):
        saliency(scripted(Plain()), np.zeros((0, 0), np.uint16))
    for wrong in ({"tile": tile[0]}, {"tile": tile, "smooth": -1}):
        with pytest.raises(ValueError, match=r"expected a tile|must not be negative"):
            saliency(scripted(Plain()), **wrong)  # type: ignore[arg-type]  # wrong on purpose

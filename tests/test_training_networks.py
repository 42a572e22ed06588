"""The networks: the paper's and the modern one, their stages, and what becomes of them in an artefact."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import hcc_scope
from hcc_scope.errors import StoreUnwritableError
from hcc_scope.inference import load_model
from hcc_scope.inference.card import ModelCard
from hcc_scope.inference.normalisation import mean_stretching
from hcc_scope.inference.openvino import has_bf16
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.export import export_model, to_torchscript
from hcc_scope.training.first_weights import standardise_stages
from hcc_scope.training.network import FEATURES, Compact, Meng2019, count_scale_for, make_network, stage_maps
from hcc_scope.training.recipes import make_optimiser, order_of_tiles, settings_for
from tests.labelled_image_parts import texture_tile

BOTH = ("meng2019", "compact")


def draft_card() -> ModelCard:
    return ModelCard(
        name="tiny",
        description="for a test",
        sha256="0" * 64,
        classes=("low", "high"),
        tile_px=512,
        pixel_size_um=0.325,
        pixel_size_tolerance=0.05,
        bit_depth=16,
        full_scale=65535,
        normalisation="inside",
        count_scale=2.0**-13,
        temperature=1.0,
        decision_threshold=0.5,
        engine_tolerance=1e-3,
        intended_use="tests",
        limits=("none",),
        licence="BSD-3-Clause",
    )


@pytest.fixture(scope="module")
def tiles() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.poisson(rng.uniform(5_000, 30_000, (4, 512, 512))).astype(np.uint16)


@pytest.fixture(scope="module")
def networks(tiles: np.ndarray) -> dict[str, nn.Module]:
    """Both networks, as if trained a little: running averages that are those of something."""
    found = {}
    for name in BOTH:
        network = make_network(name)
        _, moments = network.pooled_first(torch.from_numpy(tiles[:, None]))
        network.absorb(moments)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.bias.data.normal_(0, 0.3, generator=torch.Generator().manual_seed(1))
        found[name] = network.eval()
    return found


@pytest.fixture(params=BOTH)
def network(request: pytest.FixtureRequest, networks: dict[str, nn.Module]) -> nn.Module:
    return networks[request.param]


# ---- the networks ---------------------------------------------------------------------------------------------------


def test_the_network_is_the_papers(networks: dict[str, nn.Module]):
    network = networks["meng2019"]
    assert sum(p.numel() for p in network.parameters()) == 10_642
    assert FEATURES == 2048
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [16, 16, 16, 8, 8]
    assert {c.kernel_size for c in convolutions} == {(3, 3)}
    assert set(Meng2019().state_dict()) == {
        "count_scale",
        "output.weight",
        "output.bias",
        *(f"convolutions.{i}.{kind}" for i in (0, 3, 6, 9, 12) for kind in ("weight", "bias")),
    }


def test_the_modern_network_has_normalisation_and_global_pooling():
    network = Compact()
    assert sum(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == 5
    assert network.output.in_features == 64
    learnt = [name for name, weight in network.named_parameters() if weight.requires_grad]
    assert not any(name.endswith("weight") and name.split(".")[1] in {"1", "5", "9", "13", "17"} for name in learnt)


@pytest.mark.parametrize("n_outputs", [2, 5])
def test_shapes_and_seed(network: nn.Module, n_outputs: int, tiles: np.ndarray):
    name = "meng2019" if isinstance(network, Meng2019) else "compact"
    state = torch.random.get_rng_state()
    fresh, same, other = (make_network(name, n_outputs=n_outputs, seed=seed).eval() for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(fresh.output.weight, same.output.weight)
    assert not torch.equal(fresh.output.weight, other.output.weight)
    with torch.inference_mode():
        logits, features = fresh(torch.from_numpy(tiles[:1, None]))
    assert tuple(logits.shape) == (1, n_outputs)
    assert features.shape[1] == (2048 if name == "meng2019" else 64)


def test_counts_of_any_bit_depth_are_of_the_same_size():
    assert count_scale_for(16) == 2.0**-13
    assert {float(2**bits * count_scale_for(bits)) for bits in (8, 12, 14, 16)} == {8.0}
    assert float(make_network("meng2019", bit_depth=8).count_scale) == 2.0**-5


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_mean_stretching_is_equations_1_and_2(tiles: np.ndarray, dtype: type):
    counts = tiles.astype(dtype)
    stretched = mean_stretching(torch.from_numpy(counts[:, None])).numpy()
    expected = np.empty((4, 512, 512))
    for f, f_s in zip(counts.astype(np.float64), expected, strict=True):
        m = f.sum() / 512**2  # eq. 1
        f_s[...] = f - m  # eq. 2
    assert stretched.dtype == np.float32
    assert np.array_equal(stretched[:, 0], expected.astype(np.float32))


def test_mean_stretching_has_the_same_bits_for_any_threads_and_batch(tiles: np.ndarray):
    fractions = torch.from_numpy(tiles[:, None] / np.float32(3.0))  # no whole numbers: their sum does round
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        reference = mean_stretching(fractions)
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            assert torch.equal(mean_stretching(fractions), reference)
            assert all(torch.equal(mean_stretching(fractions[i : i + 1])[0], reference[i]) for i in range(4))
    finally:
        torch.set_num_threads(before)


def test_an_added_constant_changes_nothing_in_the_papers_network(networks: dict[str, nn.Module], tiles: np.ndarray):
    with torch.inference_mode():
        a, _ = networks["meng2019"](torch.from_numpy(tiles[:, None]))
        b, _ = networks["meng2019"](torch.from_numpy(tiles[:, None] + np.uint16(1234)))
    assert torch.equal(a, b)


def test_a_factor_on_all_counts_changes_nothing_in_the_modern_one(networks: dict[str, nn.Module], tiles: np.ndarray):
    with torch.inference_mode():
        counts = torch.from_numpy(tiles[:1, None].astype(np.float32))
        a, _ = networks["compact"](counts)
        b, _ = networks["compact"](counts * 0.5)
        black, _ = networks["compact"](counts * 0.0)
    assert torch.equal(a, b)
    assert bool(torch.isfinite(black).all())


# ---- stages ---------------------------------------------------------------------------------------------------------


def test_the_fast_order_gives_the_same_maps_as_the_stages(network: nn.Module, tiles: np.ndarray):
    counts = torch.from_numpy(tiles[:2, None])
    with torch.inference_mode():
        maps = stage_maps(network, counts)
        last, moments = network.pooled_first(counts)
        logits, features = network(counts)
        again, _ = network.head(maps[-1])
    assert [tuple(one.shape[2:]) for one in maps] == [(side, side) for side in (256, 128, 64, 32, 16)]
    assert moments == []
    # in evaluation the normalisation commutes with maximum and ReLU, but its rounding does not quite
    assert torch.allclose(last, maps[-1], rtol=1e-5, atol=1e-5)
    assert torch.equal(again, logits)
    assert len(features) == 2


class Measured(nn.Module):
    """A larger module on the stages, as one that also measures how unlike the training tiles a tile is."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = self.network.stages(counts)
        logits, features = self.network.head(maps[-1])
        return logits, features, maps[0].mean(dim=-1).mean(dim=-1).sum(dim=-1)


def test_a_larger_module_can_be_scripted_on_the_stages(network: nn.Module, tiles: np.ndarray):
    counts = torch.from_numpy(tiles[:1, None])
    scripted = torch.jit.freeze(torch.jit.script(Measured(network).eval()))
    with torch.inference_mode():
        logits, _, distance = scripted(counts)
        assert torch.allclose(logits, network(counts)[0], atol=1e-5)
    assert tuple(distance.shape) == (1,)


# ---- training order -------------------------------------------------------------------------------------------------


def test_running_averages_are_those_of_batch_norm(tiles: np.ndarray):
    network = make_network("compact").train()
    first = network.convolutions[0]
    counts = torch.from_numpy(tiles[:, None])
    with torch.no_grad():
        pooled = functional.max_pool2d(first(network.contrast(counts)), 2)
    reference = nn.BatchNorm2d(16, momentum=1.0)
    reference(pooled)
    _, moments = network.pooled_first(counts)
    for _ in range(3):  # an even average of the same is the same
        network.absorb(moments)
    norm = network.convolutions[1]
    assert int(norm.num_batches_tracked) == 3
    assert torch.allclose(norm.running_mean, reference.running_mean, rtol=1e-4, atol=1e-6)
    assert torch.allclose(norm.running_var, reference.running_var, rtol=1e-4, atol=1e-6)


# ---- export ---------------------------------------------------------------------------------------------------------


def test_the_normalisation_melts_into_the_convolutions(networks: dict[str, nn.Module]):
    frozen = torch.jit.freeze(torch.jit.script(networks["compact"]))
    assert "batch_norm" not in str(frozen.graph)


def test_both_networks_run_on_every_engine(network: nn.Module, tmp_path: Path):
    rng = np.random.default_rng(5)
    tiles = np.stack([texture_tile(rng, label) for label in (0, 1, 0, 1)])
    folder = export_model(to_torchscript(network), network, tiles[:2], draft_card(), tmp_path / "out" / "tiny")
    with torch.inference_mode():
        expected = torch.cat([network(torch.from_numpy(tile[None, None]))[0] for tile in tiles]).numpy()
    model = load_model(folder)
    reference = model.classifier().classify(tiles).logits
    assert np.allclose(reference, expected, atol=1e-4)
    for engine in ("openvino", "openvino-bf16") if has_bf16() else ("openvino",):
        found = model.classifier(engine).classify(tiles).logits  # makes the check of agreement too
        assert np.allclose(found, reference, atol=0.2 if "bf16" in engine else 1e-3)


def test_the_same_weights_give_the_same_artefact_without_a_path_of_this_machine(tmp_path: Path):
    code = """
import sys, torch
from hcc_scope.training.export import to_torchscript
from hcc_scope.training.network import make_network
for name in ("meng2019", "compact"):
    network = make_network(name)
    if sys.argv[1] == "2":
        network.to(memory_format=torch.channels_last)
    with open(sys.argv[2] + name, "wb") as file:
        file.write(to_torchscript(network))
"""
    for hash_seed in ("1", "2"):  # fresh processes: torch numbers the classes that it compiled before
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", code, hash_seed, str(tmp_path / hash_seed)]
        subprocess.run(command, check=True, env=environment)
    for name in BOTH:
        artefacts = [(tmp_path / f"{hash_seed}{name}").read_bytes() for hash_seed in ("1", "2")]
        assert artefacts[0] == artefacts[1]
        for module in (hcc_scope, torch):
            folder = Path(str(module.__file__)).parent
            assert str(folder).encode() not in artefacts[0]


def test_a_folder_that_cannot_be_written_is_an_error(networks: dict[str, nn.Module], tiles: np.ndarray, tmp_path: Path):
    network = networks["meng2019"]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnwritableError, match="a file is in the place of a folder"):
        export_model(to_torchscript(network), network, tiles[:1], draft_card(), tmp_path / "file" / "tiny")


def test_what_a_killed_export_left_is_replaced(networks: dict[str, nn.Module], tiles: np.ndarray, tmp_path: Path):
    network = networks["meng2019"]
    (tmp_path / ".tiny.partial").mkdir()
    (tmp_path / ".tiny.partial" / "junk").write_text("old")
    folder = export_model(to_torchscript(network), network, tiles[:1], draft_card(), tmp_path / "tiny")
    assert not (folder / "junk").exists()
    assert not (tmp_path / ".tiny.partial").exists()


def test_first_weights_fit_the_tiles_that_they_begin_with():
    tiles = np.random.default_rng(3).normal(20_000, 900, (4, 1, 512, 512)).astype(np.float32)
    network = make_network("meng2019", seed=1)
    standardise_stages(network, tiles)
    x = mean_stretching(torch.from_numpy(tiles)) * network.count_scale
    with torch.no_grad():
        for layer in network.convolutions:
            x = layer(x)
            if isinstance(layer, torch.nn.Conv2d):
                assert torch.allclose(x.mean(dim=(0, 2, 3)), torch.zeros(x.shape[1]), atol=1e-3)
                assert torch.allclose(x.std(dim=(0, 2, 3)), torch.ones(x.shape[1]), atol=1e-3)


def test_batches_hold_the_classes_in_their_shares():
    labels = np.repeat([0, 1], (60, 20))
    rows = np.arange(80) + 100
    order = order_of_tiles(settings_for(TrainConfig(recipe="modern")), rows, labels, np.random.default_rng(1))
    assert sorted(order) == sorted(rows)
    assert all(1 <= labels[order[i : i + 8] - 100].sum() <= 3 for i in range(0, 80, 8))


def test_a_last_layer_of_many_inputs_learns_more_slowly():
    settings = settings_for(TrainConfig(recipe="modern"))
    rates = {
        name: [group["rate"] for group in make_optimiser(settings, make_network(name)).param_groups]
        for name in ("meng2019", "compact")
    }
    assert rates == {"meng2019": [1.0, 1 / 32], "compact": [1.0, 1.0]}

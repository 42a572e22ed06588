"""The paper's network, its training on the phantom, and the folder that comes out of it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import hcc_scope
from hcc_scope.errors import ModelError, StoreUnwritableError, UsageError
from hcc_scope.inference import load_model
from hcc_scope.inference.normalisation import mean_stretching
from hcc_scope.scoring import calibrate
from hcc_scope.training import loop
from hcc_scope.training.config import TrainConfig, TrainProgress
from hcc_scope.training.dataset import SectionRef, TileSet, render_tiles, sections_for
from hcc_scope.training.evaluation import (
    auc,
    choose_threshold,
    cross_entropy,
    fit_temperature,
    relit,
    section_scores,
    sensitivity_row,
    validation_rows,
)
from hcc_scope.training.export import WEIGHTS_FILE, export_model, to_torchscript
from hcc_scope.training.model_card import draft_card
from hcc_scope.training.network import FEATURES, TILE_PX, Meng2019

TINY = TrainConfig(
    name="tiny",
    seed=5,
    train_animals=1,
    calibration_animals=1,
    test_animals=1,
    sections=1,
    fields=3,
    field_px=512,
    epochs=2,
    batch=2,
    threads=1,
)


def ignore(_progress: TrainProgress) -> None:
    """Nobody watches."""


def texture_tiles(n: int, seed: int) -> TileSet:
    """Tiles of coarse (low) and fine (high) noise: a difference that takes few steps to learn."""
    rng = np.random.default_rng(seed)
    tiles = np.empty((n, TILE_PX, TILE_PX), np.uint16)
    labels = np.arange(n, dtype=np.int64) % 2
    for tile, label in zip(tiles, labels, strict=True):
        grain = 2 if label else 32
        coarse = rng.normal(30_000, 6_000, (TILE_PX // grain, TILE_PX // grain))
        tile[...] = np.kron(coarse, np.ones((grain, grain))).clip(0, 65535)
    sections = (SectionRef("train", "a", "s", "low", "d"), SectionRef("train", "b", "s", "high", "d"))
    return TileSet(sections, tiles, labels, labels.copy(), np.zeros(n, np.int64))


@pytest.fixture(scope="module")
def network() -> Meng2019:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Meng2019().eval()


@pytest.fixture(scope="module")
def tiles() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.poisson(rng.uniform(5_000, 30_000, (4, 512, 512))).astype(np.uint16)


# ---- the network ----------------------------------------------------------------------------------------------------


def test_the_network_is_the_papers(network: Meng2019):
    assert sum(p.numel() for p in network.parameters()) == 10_642
    assert FEATURES == 2048
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [16, 16, 16, 8, 8]
    assert {c.kernel_size for c in convolutions} == {(3, 3)}
    logits, features = network(torch.zeros(2, 1, 512, 512))
    assert (tuple(logits.shape), tuple(features.shape)) == ((2, 2), (2, 2048))


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


def test_an_added_constant_changes_nothing(network: Meng2019, tiles: np.ndarray):
    with torch.inference_mode():
        a, _ = network(torch.from_numpy(tiles[:, None]))
        b, _ = network(torch.from_numpy(tiles[:, None] + np.uint16(1234)))
    assert torch.equal(a, b)


# ---- the data -------------------------------------------------------------------------------------------------------


def test_no_animal_has_two_roles_and_days_say_nothing_of_the_class():
    config = TrainConfig()
    by_role = {role: sections_for(config, role) for role in ("train", "calibration", "test")}
    animals = [{ref.animal for ref in refs} for refs in by_role.values()]
    assert len(set.union(*animals)) == sum(map(len, animals))
    for refs in by_role.values():
        days = {label: sorted(ref.day for ref in refs if ref.label == label) for label in (0, 1)}
        assert days[0] == days[1]


def test_rendered_tiles_are_reproducible_usable_and_labelled():
    sections = sections_for(TINY, "train")
    fields: list[None] = []
    data = render_tiles(sections, TINY, lambda: fields.append(None))
    again = render_tiles(sections, TINY, lambda: None)
    assert len(fields) == TINY.fields * len(sections) == 6
    assert np.array_equal(data.tiles, again.tiles)
    assert 2 <= len(data.tiles) <= 6
    for ref, s in zip(sections, (0, 1), strict=True):
        assert set(data.labels[data.section_index == s].tolist()) == {ref.label}


def test_too_few_usable_tiles_are_an_error():
    with pytest.raises(ModelError, match="too few usable tiles"):
        render_tiles(sections_for(TINY, "train")[:1], TINY, lambda: None)


# ---- the loop -------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights_and_it_learns():
    config = replace(TINY, learning_rate=5e-3)
    train_data, held_out = texture_tiles(12, seed=1), texture_tiles(4, seed=2)
    progress: list[TrainProgress] = []
    random_state = torch.random.get_rng_state()
    threads = torch.get_num_threads()
    network, epochs = loop.fit(train_data, held_out, config, progress.append)
    again, _ = loop.fit(train_data, held_out, config, ignore)
    weights, same = network.state_dict(), again.state_dict()
    assert all(torch.equal(weights[key], same[key]) for key in weights)
    assert 1 <= epochs <= 2
    assert [p.done for p in progress if p.stage == "validate"] == [1, 2]
    assert progress[-2].done == progress[-2].total == 2 * 6

    with torch.inference_mode():
        logits, _ = network(torch.from_numpy(held_out.tiles[:, None]))
    odds = (logits[:, 1] - logits[:, 0]).numpy()
    assert auc(odds, held_out.labels) == 1.0

    other, _ = loop.fit(train_data, held_out, replace(config, seed=6), ignore)
    assert not torch.equal(other.state_dict()["output.weight"], weights["output.weight"])
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert torch.get_num_threads() == threads


def test_divergence_is_an_error():
    data = texture_tiles(4, seed=1)
    with pytest.raises(ModelError, match="diverged"):
        loop.fit(data, data, replace(TINY, learning_rate=1e30, precision="float32"), ignore)


def test_a_run_makes_a_model_that_can_be_used(tmp_path: Path):
    progress: list[TrainProgress] = []
    folder = loop.train(replace(TINY, epochs=1), tmp_path, progress.append)
    assert folder == tmp_path / "tiny"
    assert {p.stage for p in progress} == {"render", "train", "validate"}
    model = load_model(folder)
    card = model.card
    assert card.training is not None
    assert (card.name, card.training.seed, card.parameters) == ("tiny", 5, 10_642)
    assert card.training.command == "hcc-scope train --out retrained --name tiny --seed 5 --epochs 1"
    assert [row.light for row in card.sensitivity] == list(loop.LIGHT_FACTORS)
    assert [row.role for row in card.validation] == ["calibration"] * 2 + ["test"] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]

    # the shipped weights are the artefact's
    network = Meng2019()
    network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    with torch.inference_mode():
        logits, _ = network.eval()(torch.from_numpy(model.test_input[:, None]))
    assert np.allclose(logits.numpy(), model.test_output, atol=1e-6)

    with pytest.raises(ModelError, match="exists"):
        loop.train(TINY, tmp_path, ignore)


# ---- export ---------------------------------------------------------------------------------------------------------


def test_the_same_weights_give_the_same_artefact_without_a_path_of_this_machine(tmp_path: Path):
    code = """
import sys, torch
from hcc_scope.training.export import to_torchscript
from hcc_scope.training.network import Meng2019
torch.manual_seed(0)
network = Meng2019()
if sys.argv[1] == "2":
    network.to(memory_format=torch.channels_last)
with open(sys.argv[2], "wb") as file:
    file.write(to_torchscript(network))
"""
    artefacts = []
    for hash_seed in ("1", "2"):
        path = tmp_path / hash_seed
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", code, hash_seed, str(path)], check=True, env=environment)
        artefacts.append(path.read_bytes())
    assert artefacts[0] == artefacts[1]
    for module in (hcc_scope, torch):
        folder = Path(str(module.__file__)).parent
        assert str(folder).encode() not in artefacts[0]


def test_an_exported_network_comes_back(network: Meng2019, tiles: np.ndarray, tmp_path: Path):
    folder = export_model(to_torchscript(network), network, tiles[:1], draft_card(TINY), tmp_path / "out" / "tiny")
    with torch.inference_mode():
        expected, _ = network(torch.from_numpy(tiles[:, None]))
    assert np.allclose(load_model(folder).classifier().classify(tiles), expected.numpy(), atol=1e-6)


def test_a_folder_that_cannot_be_written_is_an_error(network: Meng2019, tiles: np.ndarray, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnwritableError, match="cannot be written"):
        export_model(to_torchscript(network), network, tiles[:1], draft_card(TINY), tmp_path / "file" / "tiny")


def nothing_is_rendered(progress: TrainProgress) -> None:
    pytest.fail(f"the training began: {progress}")


@pytest.mark.parametrize("name", ["a/b", "a\\b", "", "..", "../x", ".hidden", "dot.", "x" * 101])
def test_a_name_that_no_folder_can_have_is_refused_before_the_training(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match="cannot be that of a folder"):
        loop.train(replace(TINY, name=name), tmp_path / "out", nothing_is_rendered)
    assert list(tmp_path.iterdir()) == []


def test_an_out_folder_that_cannot_be_written_is_refused_before_the_training(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnwritableError, match="no model can be written to"):
        loop.train(TINY, tmp_path / "file", nothing_is_rendered)
    with pytest.raises(StoreUnwritableError, match="no model can be written to"):
        loop.train(TINY, tmp_path / "file" / "below", nothing_is_rendered)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user who may not write everywhere")
def test_a_read_only_out_folder_is_refused_before_the_training(tmp_path: Path):
    folder = tmp_path / "readonly"
    folder.mkdir(mode=0o555)
    with pytest.raises(StoreUnwritableError, match="no model can be written to"):
        loop.train(TINY, folder, nothing_is_rendered)


def test_what_a_killed_export_left_is_replaced(network: Meng2019, tiles: np.ndarray, tmp_path: Path):
    (tmp_path / ".tiny.partial").mkdir()
    (tmp_path / ".tiny.partial" / "junk").write_text("old")
    folder = export_model(to_torchscript(network), network, tiles[:1], draft_card(TINY), tmp_path / "tiny")
    assert not (folder / "junk").exists()
    assert not (tmp_path / ".tiny.partial").exists()


# ---- figures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("odds", "labels", "area"),
    [([1, 2, 3, 4], [0, 0, 1, 1], 1.0), ([4, 3, 2, 1], [0, 0, 1, 1], 0.0), ([1, 3, 2, 2], [0, 0, 1, 1], 0.5)],
)
def test_auc(odds: list[float], labels: list[int], area: float):
    assert auc(np.array(odds, np.float32), np.array(labels)) == area


def test_temperature_is_recovered():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    odds = (3.0 * truth).astype(np.float32)  # three times too sure
    temperature = fit_temperature(odds, labels)
    assert temperature == pytest.approx(3.0, rel=0.05)
    assert cross_entropy(odds, labels, temperature) < cross_entropy(odds, labels)


def test_scores_by_section_and_animal():
    sections = tuple(
        SectionRef("test", f"{tumour_class}-1", f"s{j}", tumour_class, "d")
        for tumour_class in ("low", "high")
        for j in (1, 2)
    )
    # section, field, log-odds: fields weigh the same whatever their number of tiles
    rows = np.array([(0, 0, -4), (0, 0, -4), (0, 0, -4), (0, 1, 4), (1, 0, -4), (2, 0, 4), (3, 0, 4), (3, 1, -4)])
    data = TileSet(sections, np.empty((8, 0, 0), np.uint16), (rows[:, 0] >= 2).astype(np.int64), rows[:, 0], rows[:, 1])
    odds = rows[:, 2].astype(np.float32)
    p = calibrate(odds, 1.0)
    sure = float(p[3])
    assert section_scores(data, p) == pytest.approx({0: 0.5, 1: 1 - sure, 2: sure, 3: 0.5}, abs=1e-6)
    assert choose_threshold(data, p) == 0.5
    low, high = validation_rows(data, odds, 1.0, 0.4)
    assert (low.animal, low.tumour_class, low.sections, low.fields, low.tiles) == ("low-1", "low", 2, 3, 5)
    assert low.tile_accuracy == 0.8
    assert not low.correct  # its first section scores 0.5
    assert high.correct
    row = sensitivity_row(data, odds, 0.7, 1.0, 0.4)
    assert (row.light, row.sections_correct, row.sections) == (0.7, 3, 4)
    assert row.mean_score_low == pytest.approx((0.5 + 1 - sure) / 2, abs=1e-4)
    assert high.animal_score == pytest.approx((sure + 0.5) / 2, abs=1e-4)


def test_more_light_scales_what_is_above_the_offset():
    tiles = np.array([[[500, 1500, 400]], [[60_000, 501, 0]]], np.uint16)
    assert relit(tiles, 1.3, 500.0, 65535).tolist() == [[[500, 1800, 370]], [[65535, 501, 0]]]

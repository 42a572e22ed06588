"""The loop: what it learns, what its gradients are, what its weights depend on, and how it ends."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.nn import functional
from training_parts import QUICK, Small, small

from hcc_scope.datasets.tiles import ArrayTiles
from hcc_scope.errors import DivergedError, TrainingError, UsageError
from hcc_scope.evaluation.results import Split
from hcc_scope.evaluation.start_task import start_tasks
from hcc_scope.phantom.effects import stable_rng
from hcc_scope.training import compute
from hcc_scope.training.compute import PART, Gradients, Place, choose_place
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.fit import Stopped, fit
from hcc_scope.training.fit_task import FitTask
from hcc_scope.training.metrics import (
    LearningCheck,
    check_learning,
    cross_entropy,
    fit_temperature,
    has_diverged,
    roc_auc,
)
from hcc_scope.training.network import make_network
from hcc_scope.training.predict import load_weights, predict
from hcc_scope.training.prefetch import Prefetch
from hcc_scope.training.recipes import augmented, loss_sum, rate_factor, settings_for
from tests.labelled_image_parts import texture_set

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.progress import Progress

FLOAT32 = Place("cpu", "float32", 2)


@pytest.fixture(scope="module")
def data() -> Small:
    return small()


@pytest.fixture(autouse=True)
def _nothing_is_left():
    threads, n = set(threading.enumerate()), torch.get_num_threads()
    yield
    assert set(threading.enumerate()) <= threads
    assert torch.get_num_threads() == n


# ---- recipes --------------------------------------------------------------------------------------------------------


def test_the_papers_loss_is_equation_4_by_hand():
    settings = settings_for(TrainConfig(recipe="meng2019"))
    logits = np.array([[0.3, -1.2], [2.0, 0.5], [-0.7, 0.1]])
    labels = np.array([0, 1, 1])
    j = 0.0
    for z, label in zip(logits, labels, strict=True):
        p = np.exp(z) / np.exp(z).sum()
        y = np.array([1.0, 0.0]) if label == 0 else np.array([0.0, 1.0])
        j += 0.5 * ((y - p) ** 2).sum()
    j /= 3  # eq. 4
    assert float(loss_sum(settings, torch.from_numpy(logits), torch.from_numpy(labels))) / 3 == pytest.approx(j)


def test_the_papers_recipe_is_plain_gradient_descent_to_the_end(data: Small):
    settings = settings_for(TrainConfig(recipe="meng2019"))
    assert (settings.patience, settings.augment, settings.one_cycle, settings.weight_decay) == (None, False, False, 0.0)
    config = TrainConfig(recipe="meng2019", seed=7, epochs=1, batch=len(data.train), threads=1, precision="float32")
    fitted = data.fit(config)  # one step
    network = make_network("meng2019", seed=7)
    loss = 0.0
    for row in data.train:
        logits, _ = network(torch.from_numpy(data.tiles.reader.read([row])[None]))
        p = logits.softmax(dim=1)[0]
        y = functional.one_hot(torch.tensor(data.tiles.labels[row]), 2)
        loss = loss + 0.5 * (y - p).square().sum() / len(data.train)
    loss.backward()
    with torch.no_grad():
        for weight, found in zip(network.parameters(), fitted.network.parameters(), strict=True):
            expected = weight - settings.learning_rate * weight.grad  # eq. 5, 6
            assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert fitted.history[0].loss == pytest.approx(loss.item(), rel=1e-4)


def test_the_learning_rate_rises_and_falls():
    settings = settings_for(TrainConfig())
    factors = [rate_factor(settings, step, 100) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == 1.0
    assert factors.index(1.0) in (9, 10)
    assert factors[-1] < 0.01
    assert rate_factor(settings_for(TrainConfig(recipe="meng2019")), 50, 100) == 1.0


def test_augmentation_turns_mirrors_and_lights():
    tile = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) + 10_000
    seen = set()
    factors = []
    for i in range(200):
        out = augmented(tile, np.random.default_rng(i))
        assert out.dtype == np.float32
        seen.add(tuple(np.argsort(out[[0, 0, -1, -1], [0, -1, 0, -1]])))
        factors.append(out.mean() / tile.mean())
    assert len(seen) >= 8
    assert np.std(np.log(factors)) == pytest.approx(0.15, rel=0.2)
    assert np.array_equal(augmented(tile, np.random.default_rng(3)), augmented(tile, np.random.default_rng(3)))


# ---- gradients ------------------------------------------------------------------------------------------------------


def noise(n: int) -> tuple[np.ndarray, np.ndarray]:
    """No two pixels are nearly equal, so no maximum is undecided."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 65536, (n, 1, 512, 512)).astype(np.float32), np.arange(n) % 2


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("recipe", ["modern", "meng2019"])
def test_fast_gradients_are_those_of_the_plain_loop(recipe: str):
    settings = settings_for(TrainConfig(recipe=recipe))
    counts, labels = noise(5)  # five: the last part is smaller
    plain = make_network("meng2019", seed=1)
    logits, _ = plain(torch.from_numpy(counts))
    expected = loss_sum(settings, logits, torch.from_numpy(labels)) / 5
    expected.backward()
    fast = make_network("meng2019", seed=1)
    with Gradients(fast, settings, FLOAT32) as gradients:
        loss = gradients.compute(counts, labels)
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    for a, b in zip(fast.parameters(), plain.parameters(), strict=True):
        assert distance(a.grad, b.grad) < 1e-3


def test_fast_gradients_of_the_modern_network():
    settings = settings_for(TrainConfig(network="compact"))
    counts, labels = noise(4)
    plain = make_network("compact", seed=1)
    x = plain.contrast(torch.from_numpy(counts))
    for i in range(0, 20, 4):
        x = plain.convolutions[i + 1](functional.max_pool2d(plain.convolutions[i](x), 2)).relu()
    functional.cross_entropy(plain.head(x)[0], torch.from_numpy(labels)).backward()
    fast = make_network("compact", seed=1)
    with Gradients(fast, settings, FLOAT32) as gradients:
        gradients.compute(counts, labels)
    for (name, a), b in zip(fast.named_parameters(), plain.parameters(), strict=True):
        if a.requires_grad:
            assert distance(a.grad, b.grad) < 5e-2, name  # torch's batch norm sums channels-last maps in float32


def test_the_modern_recipe_shortens_a_batchs_gradient_to_norm_1_before_its_step(
    data: Small, monkeypatch: pytest.MonkeyPatch
):
    real = Gradients.compute
    factors = iter([1e-3, 1e3, 1e3, float("inf")])
    before: list[torch.Tensor] = []
    after: list[torch.Tensor] = []

    def compute_other(self: Gradients, counts: np.ndarray, labels: np.ndarray) -> float:
        loss, factor = real(self, counts, labels), next(factors)
        for weight in self._weights:
            weight.grad *= factor
        before.append(torch.cat([weight.grad.flatten() for weight in self._weights]))
        return loss

    def step(self: torch.optim.Optimizer) -> None:
        after.append(torch.cat([w.grad.flatten() for group in self.param_groups for w in group["params"]]))

    monkeypatch.setattr("hcc_scope.training.compute.Gradients.compute", compute_other)
    for optimiser in (torch.optim.AdamW, torch.optim.SGD):
        monkeypatch.setattr(optimiser, "step", step)
    one_step = replace(QUICK, steps=1, epochs=None)
    data.fit(one_step)
    data.fit(one_step)
    assert torch.equal(after[0], before[0])  # already shorter
    assert torch.allclose(after[1], before[1] / before[1].norm(), rtol=1e-4, atol=0)
    data.fit(replace(one_step, recipe="meng2019"))  # the paper's leaves it as it is
    assert torch.equal(after[2], before[2])
    with pytest.raises(DivergedError, match="epoch 1, step 1: the gradient is no finite number"):
        data.fit(one_step)
    assert len(after) == 3


def test_where_to_train(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA device"):
        choose_place("cuda", "auto", None)
    for has, precision in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(compute, "_cpu_has_bf16", lambda has=has: has)
        assert choose_place("auto", "auto", 3) == Place("cpu", precision, 3)
    assert choose_place("cpu", "float32", None).threads >= 1


# ---- learning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["meng2019", "compact"])
def test_it_learns_and_the_weights_depend_on_the_seed_but_not_on_the_threads(data: Small, network: str):
    config = replace(QUICK, network=network, epochs=3, batch=2)
    progress: list[Progress] = []
    random_state = torch.random.get_rng_state()
    fitted = data.fit(config, on_progress=progress.append)
    weights = fitted.network.state_dict()
    again = data.fit(replace(config, threads=3)).network.state_dict()
    assert all(torch.equal(weights[key], again[key]) for key in weights)
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert [p.done for p in progress if p.stage == "validate"] == [1, 2, 3]
    assert [p.done for p in progress if p.stage == "train"][-1] == 3 * len(data.train)
    assert fitted.history[-1].held_out_auc == 1.0
    assert fitted.best_epoch == 1 + int(np.argmin([epoch.held_out_loss for epoch in fitted.history]))
    found = predict(fitted.network, data.tiles, data.held_out, threads=2)
    best = fitted.history[fitted.best_epoch - 1]
    odds = found.logits[:, 1] - found.logits[:, 0]
    if network == "meng2019":  # while it trains on parts of tiles, the modern network's normalisation is that of parts
        assert cross_entropy(odds, data.tiles.labels[data.held_out]) == pytest.approx(best.held_out_loss, rel=1e-5)
    other = data.fit(replace(config, seed=8, epochs=1)).network.state_dict()
    assert not torch.equal(other["output.weight"], weights["output.weight"])


def test_more_than_two_classes_and_no_held_out_tiles():
    _, tiles = texture_set(animals_per_class=1, images=3)
    labels = np.arange(6) % 3
    nothing = np.empty(0, np.int64)
    fitted = fit(
        FitTask(tiles, labels, np.arange(6), nothing, replace(QUICK, epochs=2), n_outputs=3, whole_budget=True)
    )
    assert fitted.best_epoch == 2
    assert [(epoch.held_out_loss, epoch.held_out_auc) for epoch in fitted.history] == [(None, None)] * 2
    found = predict(fitted.network, tiles, [4, 1])
    assert (found.logits.shape, found.features.shape) == ((2, 3), (2, 2048))
    assert predict(fitted.network, tiles, []).features.shape == (0, 2048)
    paper = replace(QUICK, recipe="meng2019")
    half_squares = fit(FitTask(tiles, labels, np.arange(6), np.arange(6), paper, n_outputs=3))
    assert 0 < half_squares.history[0].held_out_loss < 1


def test_patience_ends_it_and_the_best_epoch_is_taken(data: Small, monkeypatch: pytest.MonkeyPatch):
    losses = iter([(0.5, None), (0.4, None), (0.6, None), (0.7, None), (0.1, None)])
    monkeypatch.setattr("hcc_scope.training.fit._Run._held_out", lambda self: next(losses))
    fitted = data.fit(replace(QUICK, epochs=5, patience=2))
    assert (fitted.best_epoch, len(fitted.history)) == (2, 4)


def test_a_budget_in_steps_is_the_same_whatever_the_number_of_tiles(data: Small):
    settings = settings_for(TrainConfig(steps=500, batch=4))
    assert [settings.steps_of(n) for n in (12, 2000)] == [500, 500]
    assert [settings.patience_of(n) for n in (12, 2000)] == [56, 1]  # a third of the budget, in epochs
    assert settings.tiles_of(10, 7) == 2 * 10 + 4  # three steps a pass: of 4, 4 and 2 tiles
    assert settings_for(TrainConfig(epochs=3, batch=4)).steps_of(10) == 9
    default = settings_for(TrainConfig())
    assert default.steps_of(12) == default.steps_of(10**6) > 200
    with pytest.raises(ValueError, match="in steps or in epochs"):
        TrainConfig(steps=1, epochs=1)


def test_held_out_tiles_are_asked_a_dozen_times_at_most(data: Small, monkeypatch: pytest.MonkeyPatch):
    asked: list[None] = []
    monkeypatch.setattr("hcc_scope.training.fit._Run._held_out", lambda self: asked.append(None) or (0.5, 0.5))
    monkeypatch.setattr("hcc_scope.training.compute.Gradients.compute", lambda self, counts, labels: 0.5)
    monkeypatch.setattr("hcc_scope.training.fit.is_silent", lambda _network: False)  # it has no gradient here
    fitted = data.fit(replace(QUICK, epochs=None, steps=60, batch=6, recipe="meng2019"))
    assert (len(fitted.history), len(asked)) == (60, 12)
    assert fitted.history[-1].held_out_loss == 0.5
    assert fitted.history[0].held_out_loss is None


def test_parts_of_tiles_train_a_network_that_pools_and_its_moments_are_of_whole_tiles(data: Small):
    settings = settings_for(TrainConfig(network="compact"))
    assert (settings.crop_px, settings_for(TrainConfig()).crop_px) == (256, None)
    tile = np.arange(512 * 512, dtype=np.uint16).reshape(512, 512)
    parts = [augmented(tile, stable_rng(seed), 256) for seed in range(6)]
    assert {part.shape for part in parts} == {(256, 256)}
    assert len({float(part.mean()) for part in parts}) == 6
    fitted = data.fit(replace(QUICK, network="compact", steps=1, epochs=None))
    first = next(layer for layer in fitted.network.modules() if isinstance(layer, torch.nn.BatchNorm2d))
    network = fitted.network.train()
    counts = torch.from_numpy(data.tiles.reader.read(data.train).astype(np.float32))[:, None]
    with torch.no_grad():
        _, moments = network.pooled_first(counts[: PART["compact"]])  # type: ignore[operator]
    assert torch.allclose(first.running_mean, moments[0], rtol=1e-4, atol=1e-6)


def test_measured_moments_are_of_mixed_tiles_and_each_counts_the_same():
    rng = np.random.default_rng(3)
    smooth, rough = rng.normal(0, 100, (40, 64, 64)), rng.normal(0, 6000, (24, 64, 64))
    tiles = np.concatenate([smooth, rough]).clip(-20_000, 20_000) + 20_000  # as in a set: class by class
    network = make_network("compact", seed=1)
    before = [one.clone() for one in network.state_dict().values()]
    compute.measure_moments(network, "compact", ArrayTiles(tiles.astype(np.uint16)), np.arange(64))
    assert sum(not torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True)) == 15
    with torch.no_grad():  # all at once, as one batch
        _, moments = network.pooled_first(torch.from_numpy(tiles.astype(np.uint16).astype(np.float32))[:, None])
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for norm, mean, inverse_sd in zip(norms, moments[::2], moments[1::2], strict=True):
        assert torch.allclose(norm.running_mean, mean, rtol=0.05, atol=0.05)
        assert torch.allclose(norm.running_var, inverse_sd.pow(-2) - norm.eps, rtol=0.1)


def test_starts_begin_with_other_weights_and_see_the_tiles_in_another_order(
    data: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    orders: list[bytes] = []
    firsts: list[torch.Tensor] = []

    def compute_none(self: Gradients, counts: np.ndarray, labels: np.ndarray) -> float:
        orders.append(counts.tobytes())
        firsts.append(self._weights[0].detach().clone())
        return 0.5

    monkeypatch.setattr("hcc_scope.training.compute.Gradients.compute", compute_none)
    monkeypatch.setattr("hcc_scope.training.fit._Run._held_out", lambda self: (0.5, 0.5))
    split = Split("by_animal", 0, np.arange(2), np.arange(2), np.arange(2))
    config = replace(QUICK, recipe="meng2019", epochs=None, steps=1, batch=len(data.train))
    for task in (*start_tasks(tmp_path, split, config, 3), *start_tasks(tmp_path, split, config, 1)):
        data.fit(task.config)
    assert len(set(orders)) == len({first.numpy().tobytes() for first in firsts}) == 3
    assert orders[3] == orders[0]
    assert torch.equal(firsts[3], firsts[0])


def test_a_class_without_tiles_is_refused(data: Small):
    low = data.train[data.tiles.labels[data.train] == 0]
    with pytest.raises(TrainingError, match="none of class number 1"):
        fit(replace(data.task(), train_rows=low))


def test_divergence_names_epoch_step_and_the_last_good_checkpoint(data: Small, tmp_path: Path):
    config = replace(QUICK, learning_rate=1e30, precision="float32", recipe="meng2019")
    with pytest.raises(
        DivergedError, match=r"diverged in epoch 1, step 2: .*finite.*last good checkpoint is kept: .*last"
    ):
        data.fit(config, folder=tmp_path)
    assert (tmp_path / "checkpoints" / "last.safetensors").exists()
    assert not (tmp_path / "weights.safetensors").exists()
    with pytest.raises(DivergedError, match=r"diverged in epoch 1, step 2: [^.]*finite number"):
        data.fit(config)


# ---- tiles and their thread -----------------------------------------------------------------------------------------


class Failing:
    """A reader that fails at its third batch."""

    def __init__(self, table: TileTable) -> None:
        self.inner, self.reads = table.reader, 0

    def read(self, rows: np.ndarray) -> np.ndarray:
        self.reads += 1
        if self.reads == 3:
            raise OSError("the disk is gone")
        return self.inner.read(rows)


def test_a_reader_that_fails_ends_the_training(data: Small):
    broken = replace(data.tiles, reader=Failing(data.tiles))
    with pytest.raises(OSError, match="the disk is gone"):
        fit(replace(data.task(replace(QUICK, batch=1)), tiles=broken))


def test_prefetch_is_bounded_and_ends_with_its_reader(data: Small):
    counting = Failing(data.tiles)
    counting.reads = 10
    batches = [np.array([row]) for row in [*range(12)] * 10]
    with Prefetch(counting, batches, lambda tile, _: tile.astype(np.float32), ahead_bytes=3 * 2**20) as ready:
        first = next(iter(ready))
        assert first.counts.shape == (1, 1, 512, 512)
    assert counting.reads - 10 <= 6


def test_predictions_do_not_depend_on_the_others(data: Small):
    for name in ("meng2019", "compact"):
        network = make_network(name, seed=3).train()
        rows = np.arange(5)
        together = predict(network, data.tiles, rows, threads=2)
        assert network.training
        alone = [predict(network, data.tiles, [row], threads=1) for row in rows[::-1]][::-1]
        assert np.array_equal(together.logits, np.concatenate([one.logits for one in alone]))
        assert np.array_equal(together.features, np.concatenate([one.features for one in alone]))
        with torch.inference_mode():
            logits, features = network.eval()(torch.from_numpy(data.tiles.reader.read(rows)[:, None]))
        assert np.allclose(together.logits, logits.numpy(), atol=1e-4)
        assert np.allclose(together.features, features.numpy(), atol=1e-4)


def test_weights_of_another_network_are_refused(data: Small, tmp_path: Path):
    fitted = data.fit(replace(QUICK, epochs=1), folder=tmp_path)
    loaded = load_weights("meng2019", tmp_path / "weights.safetensors", 2, 16)
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), fitted.network.parameters(), strict=True))
    for name, n in (("compact", 2), ("meng2019", 3)):
        with pytest.raises(TrainingError, match="holds no weights of the network"):
            load_weights(name, tmp_path / "weights.safetensors", n, 16)
    with pytest.raises(TrainingError, match="holds no weights"):
        load_weights("meng2019", tmp_path / "nothing", 2, 16)


def test_stop_without_a_folder(data: Small):
    with pytest.raises(Stopped):
        data.fit(stop=lambda: True)


# ---- figures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("odds", "labels", "area"),
    [([1, 2, 3, 4], [0, 0, 1, 1], 1.0), ([4, 3, 2, 1], [0, 0, 1, 1], 0.0), ([1, 3, 2, 2], [0, 0, 1, 1], 0.5)],
)
def test_auc(odds: list[float], labels: list[int], area: float):
    assert roc_auc(np.array(odds, np.float32), np.array(labels)) == area


def test_temperature_is_recovered():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    odds = (3.0 * truth).astype(np.float32)  # three times too sure
    temperature = fit_temperature(odds, labels)
    assert temperature == pytest.approx(3.0, rel=0.05)
    assert cross_entropy(odds, labels, temperature) < cross_entropy(odds, labels)


def judged(log_odds: object, labels: object, loss: str = "cross-entropy", images: object = None) -> LearningCheck:
    odds = np.asarray(log_odds, np.float32)
    of = np.arange(len(odds)) if images is None else np.asarray(images)
    return check_learning(np.stack([-odds / 2, odds / 2], axis=1), np.asarray(labels), of, loss)  # type: ignore[arg-type]


HALF = np.arange(384) % 2


@pytest.mark.parametrize("loss", ["cross-entropy", "squared error"])
@pytest.mark.parametrize(
    ("odds", "labels", "nothing"),
    [
        pytest.param(np.full(384, 0.3), HALF, True, id="one answer"),
        pytest.param(np.linspace(0.3, 0.39, 384), HALF, True, id="almost one answer"),
        pytest.param(np.linspace(30, 900, 384), HALF, True, id="certain of one class"),
        pytest.param(0.08 * (HALF - 0.5), HALF, False, id="little, but right"),
        pytest.param(np.random.default_rng(2).normal(0, 1, 384), HALF, True, id="anything"),
        pytest.param(1.0 * (HALF - 0.5) + np.linspace(-0.2, 0.2, 384), HALF, False, id="has learnt"),
        pytest.param([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1], False, id="has learnt the few there are"),
        pytest.param([-2.0, 1.0, -1.0, 2.0], [0, 0, 1, 1], True, id="or not"),
        # the commoner class is nine in ten: always naming it is no knowledge, whatever one half would cost
        pytest.param(
            np.full(400, -2.197) + np.linspace(0, 0.2, 400), np.arange(400) % 10 == 0, True, id="the commoner"
        ),
    ],
)
def test_what_a_network_has_learnt_is_judged_against_chance(
    odds: np.ndarray, labels: np.ndarray, nothing: bool, loss: str
):
    assert judged(odds, np.asarray(labels, np.int64), loss).learnt_nothing is nothing


def test_a_network_that_ended_where_it_began_has_learnt_nothing_although_its_answers_differ():
    half = np.arange(4000) % 2
    found = judged(np.random.default_rng(1).uniform(-0.2, 0.2, 4000) + 0.015 * (half - 0.5), half)
    assert round(found.loss, 3) == 0.691  # chance is ln 2, 0.693
    assert found.auc is not None
    assert found.luck is not None
    assert found.auc > found.luck
    assert found.chance > found.loss > 0.99 * found.chance
    assert found.learnt_nothing


def test_chance_is_the_classes_shares_and_luck_a_band_around_one_half():
    even, rare = judged(np.zeros(384), HALF), judged(np.zeros(400), np.int64(np.arange(400) % 10 == 0))
    assert even.loss == pytest.approx(np.log(2))
    assert even.chance == pytest.approx(np.log(2))
    assert judged(np.zeros(384), HALF, "squared error").chance == pytest.approx(0.25)  # eq. 4 of the paper
    assert rare.chance == pytest.approx(-0.1 * np.log(0.1) - 0.9 * np.log(0.9))
    assert even.luck == pytest.approx(0.5 + 1.96 * np.sqrt(385 / (12 * 192 * 192)))
    each, third = np.arange(9), np.arange(9) % 3
    three = check_learning(np.zeros((9, 3), np.float32), third, each, "cross-entropy")
    assert (three.auc, three.chance, three.learnt_nothing) == (None, pytest.approx(np.log(3)), True)
    knows = check_learning(
        np.eye(3, dtype=np.float32)[np.arange(9) % 3], np.arange(9) % 3, np.arange(9), "cross-entropy"
    )
    assert not knows.learnt_nothing


def test_tiles_of_one_image_are_no_more_evidence_than_the_image():
    images = np.repeat(np.arange(12), 40)
    odds = images - 5.5  # twelve answers, 480 tiles
    by_image, by_tile = judged(odds, images % 2, images=images), judged(odds, images % 2)
    assert by_image.luck == pytest.approx(0.5 + 1.96 * np.sqrt(13 / (12 * 36)))
    assert by_image.auc == pytest.approx(by_tile.auc)
    assert by_tile.luck < by_image.auc < by_image.luck


def test_answers_that_are_none():
    assert not has_diverged(np.float32([[900, -900], [0, 0]]))
    assert has_diverged(np.float32([[2e4, -2e4], [0, 0]]))
    assert has_diverged(np.float32([[0, np.nan], [0, 0]]))

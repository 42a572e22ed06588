"""The first stage of our own: what torch computes, the same bits with any vector, only for networks that begin so."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.errors import ModelError
from hcc_scope.inference import load_model, openvino, stem
from hcc_scope.inference.llvm import compile_kernels, vector_floats
from hcc_scope.inference.openvino import OpenVinoClassifier, has_bf16
from hcc_scope.inference.stem import Stem
from tests.model_parts import Inside, Plain, archive, make_model, random_tiles

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.inference.loading import LoadedModel


def weights_and_bias(n_maps: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        (rng.normal(size=(n_maps, 1, 3, 3)) * 2.0**-13).astype(np.float32),
        rng.normal(size=n_maps).astype(np.float32),
    )


def by_torch(tile: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the stage (1, tile / 2, tile / 2, maps), in float64."""
    counts = torch.from_numpy(tile.astype(np.float64))[None, None]
    maps = torch.nn.functional.conv2d(
        counts - counts.mean(), torch.from_numpy(weights).double(), torch.from_numpy(bias).double(), padding=1
    )
    return torch.nn.functional.max_pool2d(torch.relu(maps), 2).permute(0, 2, 3, 1).numpy()


@settings(max_examples=30, deadline=None)
@given(
    side=st.sampled_from([4, 8, 12, 20, 32, 64, 100]),
    n_maps=st.sampled_from([16, 32]),
    low=st.integers(0, 65535),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_computes_what_torch_computes(side: int, n_maps: int, low: int, seed: int):
    tile = np.random.default_rng(seed).integers(low, 65536, (side, side), dtype=np.uint16)
    weights, bias = weights_and_bias(n_maps, seed)
    one = Stem(weights, bias, side, "float32")
    for _ in range(2):  # a second run finds the scratch of the first
        one.run(tile)
        expected = by_torch(tile, weights, bias)
        assert one.output.shape == expected.shape
        assert np.allclose(one.output, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("output", ["float32", "bfloat16"])
def test_the_width_of_the_vectors_changes_no_bit(monkeypatch: pytest.MonkeyPatch, output: stem.StemOutput):
    weights, bias = weights_and_bias(16)
    tile = random_tiles(1, 64)[0]
    outputs = []
    for width in (4, 8, 16):
        monkeypatch.setattr(stem, "vector_floats", lambda width=width: width)
        one = Stem(weights, bias, 64, output)
        one.run(tile)
        outputs.append(one.output)
    assert np.array_equal(outputs[0], outputs[1])
    assert np.array_equal(outputs[0], outputs[2])


def test_bfloat16_is_rounded_to_nearest_even():
    weights, bias = weights_and_bias(16)
    exact, rounded = Stem(weights, bias, 64, "float32"), Stem(weights, bias, 64, "bfloat16")
    for tile in random_tiles(3, 64):
        exact.run(tile)
        rounded.run(tile)
        expected = torch.from_numpy(exact.output).to(torch.bfloat16).view(torch.uint16).numpy()
        assert np.array_equal(rounded.output, expected)


def test_light_that_is_added_to_all_counts_changes_no_bit():
    weights, bias = weights_and_bias(16)
    one = Stem(weights, bias, 64, "float32")
    tile = random_tiles(1, 64)[0] // 4
    one.run(tile)
    dark = one.output.copy()
    one.run(tile + np.uint16(40_001))
    assert np.array_equal(one.output, dark)


def test_a_tile_may_lie_anywhere_in_a_frame():
    weights, bias = weights_and_bias(16)
    one = Stem(weights, bias, 32, "float32")
    frame = random_tiles(1, 100)[0]
    frame.flags.writeable = False
    for view in (
        frame[7:39, 13:45],
        frame[68:, 68:],
        frame[:32, :32].T,
        frame[::-1, ::-1][3:35, 5:37],
        frame[:64:2, :64:2],
    ):
        one.run(view)
        found = one.output.copy()
        one.run(np.ascontiguousarray(view))
        assert np.array_equal(found, one.output)


@pytest.mark.parametrize(("n_maps", "side"), [(15, 64), (16, 63), (16, 62)])
def test_shapes_that_it_cannot_do_are_refused(n_maps: int, side: int):
    with pytest.raises(ValueError, match="no stem for"):
        Stem(*weights_and_bias(n_maps), side, "float32")


def test_code_that_is_none_is_refused():
    with pytest.raises(ModelError, match="no kernel can be compiled"):
        compile_kernels("this is no code")
    assert vector_floats() in (4, 8, 16)


# ---- in the engine --------------------------------------------------------------------------------------------------


class Beginning(torch.nn.Module):
    """A network of any beginning, then what our engines need at the end."""

    def __init__(self, *layers: torch.nn.Module) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.layers = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        self.output = torch.nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.layers(x))


class Brightest(torch.nn.Module):
    """Not mean stretching: the brightest pixel is subtracted."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner((x - x.amax((2, 3), keepdim=True)) * 2.0**-13)


class Clamped(torch.nn.Module):
    """Mean stretching with something more, which most tiles do not show."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(((x - x.mean((2, 3), keepdim=True)) * 2.0**-13).clamp(-3.0, 3.0))


class Clipped(Clamped):
    """At four standard deviations."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = x - x.mean((2, 3), keepdim=True)
        return self.inner(torch.minimum(z, 4.0 * z.square().mean((2, 3), keepdim=True).sqrt()) * 2.0**-13)


class Floored(Clamped):
    """Divided by the standard deviation, which counts as 20,000 at least."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = x - x.mean((2, 3), keepdim=True)
        return self.inner(z / z.square().mean((2, 3), keepdim=True).sqrt().clamp(min=20000.0))


class Masked(Clamped):
    """Without saturated pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner((x - x.mean((2, 3), keepdim=True)) * (x < 65535) * 2.0**-13)


class ColumnBias(torch.nn.Module):
    """Adds a number to each column of the maps, not to each map."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.first = torch.nn.Conv2d(1, 32, 3, padding=1, bias=False)
        self.columns = torch.nn.Parameter(torch.randn(1, 1, 1, 32))
        self.rest = Beginning(torch.nn.Conv2d(32, 16, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rest(torch.nn.functional.max_pool2d(torch.relu(self.first(x) + self.columns), 2))


def convolution(**options: int) -> torch.nn.Conv2d:
    torch.manual_seed(7)
    return torch.nn.Conv2d(1, 16, 3, **{"padding": 1, **options})


PAPER = (convolution(), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
NETWORKS = {
    "as in the paper": (Inside(Beginning(*PAPER), 2.0**-13), True),
    "another scale": (Inside(Beginning(*PAPER), 0.01), True),
    "wider": (
        Inside(Beginning(torch.nn.Conv2d(1, 48, 3, padding=1), *PAPER[1:], torch.nn.Conv2d(48, 16, 1)), 2.0**-13),
        True,
    ),
    "not stretched": (Brightest(Beginning(*PAPER)), False),
    "clamped": (Clamped(Beginning(*PAPER)), False),
    "clipped": (Clipped(Beginning(*PAPER)), False),
    "deviation with a floor": (Floored(Beginning(*PAPER)), False),
    "saturated pixels masked": (Masked(Beginning(*PAPER)), False),
    "bias by column": (Inside(ColumnBias(), 2.0**-13), False),
    "stride": (Inside(Beginning(convolution(stride=2), *PAPER[1:]), 2.0**-13), False),
    "dilation": (Inside(Beginning(convolution(dilation=2, padding=2), *PAPER[1:]), 2.0**-13), False),
    "no padding": (Inside(Beginning(convolution(padding=0), *PAPER[1:]), 2.0**-13), False),
    "other pooling": (Inside(Beginning(*PAPER[:2], torch.nn.MaxPool2d(4)), 2.0**-13), False),
    "overlapping pooling": (Inside(Beginning(*PAPER[:2], torch.nn.MaxPool2d(2, stride=1)), 2.0**-13), False),
    "no activation": (Inside(Beginning(PAPER[0], PAPER[2]), 2.0**-13), False),
    "other activation": (Inside(Beginning(PAPER[0], torch.nn.LeakyReLU(), PAPER[2]), 2.0**-13), False),
    "five maps": (
        Inside(Beginning(torch.nn.Conv2d(1, 5, 3, padding=1), *PAPER[1:], torch.nn.Conv2d(5, 16, 1)), 1e-4),
        False,
    ),
    "nothing to multiply at first": (Inside(Plain(), 2.0**-13), False),
}


@pytest.fixture(scope="module")
def shipped() -> LoadedModel:
    return load_model("phantom-meng2019")


@pytest.mark.parametrize("name", NETWORKS)
def test_any_network_gives_its_own_logits_with_or_without_it(tmp_path: Path, name: str):
    precisions: tuple[openvino.Precision, ...] = ("float32", "bfloat16") if has_bf16() else ("float32",)
    module, begins_so = NETWORKS[name]
    inputs = random_tiles(2)
    with torch.inference_mode():
        outputs = module(torch.from_numpy(inputs.astype(np.float32))[:, None])
    outputs = (outputs[0] if isinstance(outputs, tuple) else outputs).numpy()
    model = load_model(make_model(tmp_path / "model", archive(module), outputs, inputs))
    for precision in precisions:
        classifier = OpenVinoClassifier(model.module, model.card, 2, precision)
        assert ("stem+" in classifier.engine) == begins_so, precision
        tolerance = (1e-4 if precision == "float32" else 1e-2) * max(1.0, np.abs(outputs).max())
        assert np.abs(classifier.classify(inputs).logits - outputs).max() <= tolerance, precision


def test_external_normalisation_gets_it_too(tmp_path: Path):
    inner = Beginning(*PAPER)
    inputs = random_tiles(2)
    with torch.inference_mode():
        outputs = Inside(inner, 2.0**-13)(torch.from_numpy(inputs.astype(np.float32))[:, None])[0].numpy()
    model = load_model(make_model(tmp_path / "m", archive(inner), outputs, inputs, normalisation="external"))
    classifier = OpenVinoClassifier(model.module, model.card, 1)
    assert "stem+" in classifier.engine
    assert np.allclose(classifier.classify(inputs).logits, outputs, atol=1e-4)


def test_without_llvmlite_openvino_does_it_alone(shipped: LoadedModel, monkeypatch: pytest.MonkeyPatch):
    with_stem = shipped.classifier("openvino")
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    without = shipped.classifier("openvino")
    assert "stem+" in with_stem.engine
    assert "stem+" not in without.engine
    tiles = shipped.test_input
    assert np.allclose(with_stem.classify(tiles).logits, without.classify(tiles).logits, atol=1e-4)


def test_no_worker_is_left_at_work_when_a_thread_cannot_be_started(
    shipped: LoadedModel, monkeypatch: pytest.MonkeyPatch
):
    classifier = OpenVinoClassifier(shipped.module, shipped.card, 4)
    tiles = np.concatenate([shipped.test_input, shipped.test_input[:, ::-1]] * 4)
    good = classifier.classify(tiles).logits
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def limited(thread: threading.Thread) -> None:
        if len(started) % 2:
            started.append(thread)
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    for _ in range(3):
        assert np.array_equal(classifier.classify(tiles).logits, good)
    assert len(started) > 3


def test_an_interrupt_waits_for_the_workers_and_comes_before_other_errors(
    shipped: LoadedModel, monkeypatch: pytest.MonkeyPatch
):
    classifier = OpenVinoClassifier(shipped.module, shipped.card, 3)
    tiles = np.concatenate([shipped.test_input, shipped.test_input[:, ::-1]] * 4)
    good = classifier.classify(tiles).logits
    join = threading.Thread.join
    interrupts = [KeyboardInterrupt()]

    def interrupted(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name.startswith("hcc-worker") and interrupts:
            raise interrupts.pop()
        join(thread, timeout)

    with monkeypatch.context() as patched:
        patched.setattr(classifier._workers[0], "run", lambda *_: (_ for _ in ()).throw(RuntimeError("no memory")))
        slow = classifier._workers[1].run
        patched.setattr(classifier._workers[1], "run", lambda *a: (time.sleep(0.05), slow(*a)))
        patched.setattr(threading.Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            classifier.classify(tiles)
    assert not interrupts
    assert np.array_equal(classifier.classify(tiles).logits, good)


@pytest.mark.parametrize("engine", ["torchscript", "openvino"])
def test_anything_but_16_bit_counts_is_refused(shipped: LoadedModel, engine: str):
    classifier = shipped.classifier(engine)
    for dtype in ("uint8", "int16", "int32", "float32"):
        with pytest.raises(ValueError, match=f"expected tiles of uint16, not {dtype}"):
            classifier.classify(shipped.test_input.astype(dtype))


def test_either_byte_order_gives_the_same_bits(shipped: LoadedModel):
    classifier = OpenVinoClassifier(shipped.module, shipped.card, 2)
    tiles = shipped.test_input
    assert np.array_equal(classifier.classify(tiles.astype(">u2")).logits, classifier.classify(tiles).logits)


def test_a_worker_that_fails_is_an_error_of_the_call_and_of_no_other(
    shipped: LoadedModel, monkeypatch: pytest.MonkeyPatch
):
    classifier = OpenVinoClassifier(shipped.module, shipped.card, 2)
    good = classifier.classify(shipped.test_input).logits
    with monkeypatch.context() as patched:
        patched.setattr(classifier._workers[1], "run", lambda *_: (_ for _ in ()).throw(RuntimeError("no memory")))
        with pytest.raises(ModelError, match="failed on a tile: no memory"):
            classifier.classify(np.concatenate([shipped.test_input] * 8))
    assert np.array_equal(classifier.classify(shipped.test_input).logits, good)

"""Models of a user's own, each with a habit of real models: what becomes of them, and the message."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from hcc_scope.errors import ModelError, ModelFormatError, ModelSelfTestError
from hcc_scope.inference import load_model
from hcc_scope.inference.output_checks import SMALLEST_PROBABILITY, last_line, to_logits
from hcc_scope.scoring import calibrate, log_odds
from hcc_scope.training.bioimageio import check_package, write_package
from tests.model_parts import TILE_PX, Plain, archive, make_model, random_tiles

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.inference.loading import LoadedModel

SCALE = 2.0**-13


class After(torch.nn.Module):
    """The plain network with something behind it."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(11)
        self.inner = Plain()
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = 20.0 * self.inner((x - x.mean(dim=[2, 3], keepdim=True)) * 1.220703125e-4)
        if self.how == "softmax":
            z = torch.softmax(z, dim=1)
        elif self.how == "sigmoid":
            z = torch.sigmoid(z)
        elif self.how == "log-softmax":
            z = torch.log_softmax(z, dim=1)
        elif self.how == "one sigmoid":
            p = torch.sigmoid(z[:, 1:])
            z = torch.cat([1.0 - p, p], dim=1)
        elif self.how == "hard":
            z = (torch.softmax(z, dim=1) > 0.5).to(torch.float32)
        elif self.how == "two heads":
            z = torch.cat([torch.sigmoid(z[:, :1]), torch.sigmoid(z[:, 1:])], dim=1).clamp(1e-6, 1.0 - 1e-6)
        elif self.how == "rounded softmax":
            z = torch.softmax(z.to(torch.bfloat16), dim=1).to(torch.float32)
        elif self.how == "one output":
            z = z[:, 1:]
        return z


def own_model(folder: Path, module: torch.nn.Module, data: bytes | None = None, **card: object) -> Path:
    tiles = random_tiles(2)
    with torch.inference_mode():
        rows = [module.eval()(torch.from_numpy(tile[None, None].astype(np.float32))) for tile in tiles]
    return make_model(folder, archive(module) if data is None else data, torch.cat(rows).numpy(), tiles, **card)


def probability(model: LoadedModel, engine: str = "torchscript") -> np.ndarray:
    logits = model.classifier(engine).classify(random_tiles(6, seed=4)).logits
    return calibrate(log_odds(logits), model.card.temperature)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The probabilities of the same network without anything behind it."""
    found = probability(
        load_model(own_model(tmp_path_factory.mktemp("m") / "logits", After("nothing"), temperature=1.5))
    )
    assert 0.2 < np.ptp(found)
    return found


@pytest.mark.parametrize("how", ["softmax", "one sigmoid", "hard", "rounded softmax"])
def test_probabilities_are_not_taken_for_logits(tmp_path: Path, how: str):
    with pytest.raises(ModelFormatError, match=r"returns probabilities.*'output: probabilities'"):
        load_model(own_model(tmp_path / "own", After(how)))


def test_a_sigmoid_for_each_class_is_refused_with_either_word(tmp_path: Path):
    with pytest.raises(ModelFormatError, match="returns a sigmoid for each class"):
        load_model(own_model(tmp_path / "two", After("two heads")))
    with pytest.raises(ModelFormatError, match="returns a sigmoid for each class"):
        load_model(own_model(tmp_path / "own", After("sigmoid")))
    with pytest.raises(ModelFormatError, match="which are not two numbers from 0 to 1 with the sum 1"):
        load_model(own_model(tmp_path / "other", After("sigmoid"), output="probabilities"))


@pytest.mark.parametrize("engine", ["torchscript", "openvino"])
def test_probabilities_that_the_card_speaks_of_give_the_scores_of_the_logits(
    tmp_path: Path, expected: np.ndarray, engine: str
):
    model = load_model(own_model(tmp_path / "own", After("softmax"), output="probabilities", temperature=1.5))
    np.testing.assert_allclose(probability(model, engine), expected, atol=2e-4)


def test_log_softmax_is_as_good_as_logits(tmp_path: Path, expected: np.ndarray):
    model = load_model(own_model(tmp_path / "own", After("log-softmax"), temperature=1.5))
    np.testing.assert_allclose(probability(model), expected, atol=1e-5)


def test_logits_that_a_card_calls_probabilities_are_refused(tmp_path: Path):
    with pytest.raises(ModelFormatError, match="Take 'output: probabilities' out of its card"):
        load_model(own_model(tmp_path / "own", After("nothing"), output="probabilities"))


def test_saliency_and_package_know_of_the_softmax(tmp_path: Path):
    tile = random_tiles(1, seed=9)[0]
    plain = load_model(own_model(tmp_path / "logits", After("nothing")))
    soft = load_model(own_model(tmp_path / "soft", After("softmax"), output="probabilities"))
    np.testing.assert_allclose(soft.saliency(tile), plain.saliency(tile), rtol=1e-3, atol=1e-7)
    package = write_package(soft.folder, tmp_path / "soft.zip", documentation="# It\n")
    assert check_package(package, soft) < 1e-5


def test_the_logarithm_of_nothing_is_a_number():
    found = to_logits(np.array([[0, 1], [1, 0], [0.5, 0.5]], np.float32), "it")
    assert np.isfinite(found).all()
    np.testing.assert_allclose(log_odds(found), [87.33654, -87.33654, 0], atol=1e-4)
    assert np.log(SMALLEST_PROBABILITY) > -88
    assert np.isnan(to_logits(np.array([[np.nan, 1]], np.float32), "it")).any()  # the engine reports it as not finite


def test_one_output_is_refused_with_what_to_return(tmp_path: Path):
    with pytest.raises(ModelFormatError, match=r"torch\.cat\(\[torch\.zeros_like\(z\), z\], dim=1\)"):
        load_model(own_model(tmp_path / "own", After("one output")))


# --- messages about other habits --------------------------------------------------------------------------------------


class OnGpu(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros([1, 2], device="cuda")


class Counts(torch.nn.Module):
    """Keeps a state."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("n", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.n += 1e-6
        return torch.zeros(1, 2) + self.n


class Guesses(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 1e-6 * torch.rand(1, 2)


class Label(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones([1, 2], dtype=torch.int64)


class Listed(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [torch.ones(1, 2)]


@pytest.mark.parametrize(
    ("module", "kind", "message"),
    [
        (
            OnGpu(),
            ModelFormatError,
            r"has the device 'cuda' written into its program.*torch\.jit\.trace\(network\.cpu\(\)",
        ),
        (Counts(), ModelSelfTestError, "another answer to the same tile each time.*save it in evaluation mode"),
        (Guesses(), ModelSelfTestError, "another answer to the same tile each time"),
        (Label(), ModelFormatError, r"whole numbers \(torch\.int64\)"),
        (Listed(), ModelFormatError, "returns list .*Return the logits alone, or as the first of a tuple"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fault_of_a_model_is_reported_in_a_sentence(
    tmp_path: Path, module: torch.nn.Module, kind: type[ModelError], message: str
):
    data = archive(module)
    folder = make_model(tmp_path / "own", data, np.zeros((2, 2), np.float32), random_tiles(2))
    with pytest.raises(kind, match=message) as caught:
        load_model(folder).classifier()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 450


def test_a_message_of_torch_is_cut_to_its_last_line():
    original = """The following operation failed in the TorchScript interpreter.
Traceback of TorchScript (most recent call last):
RuntimeError: Could not run 'aten::empty.memory_format' with arguments from the 'CUDA' backend. This could be because
CPU: registered at RegisterCPU.cpp:1 [kernel]
PythonDispatcher: registered at PythonFallbackKernel.cpp:196 [backend fallback]"""
    assert last_line(RuntimeError(original)).startswith("RuntimeError: Could not run 'aten::empty.memory_format'")


@pytest.mark.parametrize("how", ["scripted", "traced"])
def test_openvino_takes_a_scripted_model_as_it_takes_a_traced_one(tmp_path: Path, how: str, expected: np.ndarray):
    module = After("nothing").eval()
    data = None
    if how == "traced":
        file = io.BytesIO()
        torch.jit.save(torch.jit.trace(module, torch.zeros(1, 1, TILE_PX, TILE_PX)), file)
        data = file.getvalue()
    model = load_model(own_model(tmp_path / "own", module, data, temperature=1.5))
    np.testing.assert_allclose(probability(model, "openvino"), expected, atol=1e-4)

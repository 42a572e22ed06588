"""Engines: the same bits for the same tile, the reference's probabilities, and a choice that can be trusted."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from hcc_scope.errors import ModelError, ModelFormatError, ModelSelfTestError
from hcc_scope.inference import auto_engine as choice
from hcc_scope.inference import load_model, openvino
from hcc_scope.inference.agreement import Agreement, comparison_tiles
from hcc_scope.inference.base import ENGINES
from hcc_scope.inference.cuda import BATCH, CudaClassifier
from hcc_scope.inference.engines import candidates, default_threads, make_engine
from hcc_scope.inference.openvino import OpenVinoClassifier, has_bf16
from hcc_scope.scoring import calibrate, log_odds
from hcc_scope.types import Classification
from tests.model_parts import TILE_PX, Inside, Plain, archive, make_model, random_tiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcc_scope.inference.base import Engine, EngineName
    from hcc_scope.inference.loading import LoadedModel

NEEDS_BF16 = pytest.mark.skipif(not has_bf16(), reason="this CPU has no bfloat16 instructions")
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device that torch can use")
EACH_ENGINE = [
    "torchscript",
    "openvino",
    pytest.param("openvino-bf16", marks=NEEDS_BF16),
    pytest.param("cuda", marks=NEEDS_GPU),
    "cuda on the CPU",
]


@pytest.fixture(scope="module")
def shipped() -> LoadedModel:
    return load_model("phantom-meng2019")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A small network with normalisation inside: what a GPU does at once takes a CPU long."""
    torch.manual_seed(3)
    module = Inside(Plain(), 2.0**-13)
    inputs = random_tiles(2) // 2
    with torch.inference_mode():
        outputs = module(torch.from_numpy(inputs.astype(np.float32))[:, None])[0].numpy()
    return load_model(make_model(tmp_path_factory.mktemp("models") / "small", archive(module), outputs, inputs))


@pytest.fixture
def model(request: pytest.FixtureRequest, name: str) -> LoadedModel:
    """The shipped model, or the small one for the GPU's engine without GPU."""
    chosen: LoadedModel = request.getfixturevalue("small" if name == "cuda on the CPU" else "shipped")
    return chosen


def six(model: LoadedModel) -> np.ndarray:
    """Six different tiles (6, tile, tile): the model's own two, shifted and turned."""
    low, high = model.test_input
    return np.stack([low, high, low[::-1], high[::-1], low.T, high.T])


def on(model: LoadedModel, name: str, threads: int | None = None) -> Engine:
    if name == "cuda on the CPU":  # the GPU engine's arithmetic and batches, where there is no GPU
        return CudaClassifier(model.module, model.card, "cpu")
    return model.classifier(name, threads=threads)


@pytest.fixture(scope="module")
def kept() -> Callable[[LoadedModel, str], Engine]:
    """As `on`, but one engine of a model for all tests: making one and comparing it takes half a second."""
    made: dict[tuple[str, str], Engine] = {}

    def engine(model: LoadedModel, name: str) -> Engine:
        key = (model.card.sha256, name)
        if key not in made:
            made[key] = on(model, name)
        return made[key]

    return engine


# ---- bits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EACH_ENGINE)
def test_bits_do_not_depend_on_batch_order_strides_or_calling_thread(
    model: LoadedModel, name: str, kept: Callable[[LoadedModel, str], Engine]
):
    classifier, tiles = kept(model, name), six(model)
    threads_before = torch.get_num_threads()
    first = classifier.classify(tiles).logits
    assert np.array_equal(classifier.classify(tiles[::-1]).logits[::-1], first)
    assert np.array_equal(np.concatenate([classifier.classify(tiles[i : i + 1]).logits for i in range(6)]), first)
    assert np.array_equal(classifier.classify(np.concatenate([tiles] * 3)).logits[12:], first)
    assert np.array_equal(classifier.classify(list(tiles)).logits, first)

    size = model.card.tile_px
    frame = np.zeros((2 * size + 9, 2 * size + 21), np.uint16)
    places = (slice(3, 3 + size), slice(7, 7 + size)), (slice(size + 5, 2 * size + 5), slice(size + 9, 2 * size + 9))
    for place, tile in zip(places, tiles, strict=False):
        frame[place] = tile
    frame.flags.writeable = False
    for index, view in enumerate(frame[place] for place in places):
        assert np.array_equal(classifier.classify(view[None]).logits[0], first[index])

    with ThreadPoolExecutor(3) as pool:
        for later in pool.map(classifier.classify, [tiles] * 4):
            assert np.array_equal(later.logits, first)
    assert torch.get_num_threads() == threads_before


@pytest.mark.usefixtures("shipped_model_each_time")
@pytest.mark.parametrize("name", EACH_ENGINE)
def test_a_second_instance_gives_the_same_bits(
    model: LoadedModel, name: str, kept: Callable[[LoadedModel, str], Engine]
):
    first = kept(model, name)
    second = on(load_model(model.folder), name)
    assert second is not first
    assert np.array_equal(second.classify(six(model)).logits, first.classify(six(model)).logits)


@pytest.mark.parametrize("name", ["openvino", pytest.param("openvino-bf16", marks=NEEDS_BF16)])
def test_bits_do_not_depend_on_the_number_of_threads(model: LoadedModel, name: EngineName):
    one = make_engine(name, model.module, model.card, 1)
    bits = one.classify(six(model)).logits
    for threads in (2, 3, 8):
        more = make_engine(name, model.module, model.card, threads)
        assert np.array_equal(more.classify(six(model)).logits, bits)
        assert more.engine == one.engine  # nothing that a score depends on has changed


@pytest.mark.parametrize("name", EACH_ENGINE)
def test_normalisation_is_not_done_in_low_precision(
    model: LoadedModel, name: str, kept: Callable[[LoadedModel, str], Engine]
):
    """In bfloat16 a count of 40000 is a multiple of 256: light that is added to all would change every logit."""
    classifier, tiles = kept(model, name), six(model)
    more = np.uint16(65535 - tiles.max())
    assert more > 1000
    assert np.allclose(
        classifier.classify(tiles + more).logits,
        classifier.classify(tiles).logits,
        atol=2e-3 if "bf16" in name else 1e-4,
    )


@pytest.mark.parametrize("name", EACH_ENGINE)
def test_no_tiles_and_tiles_of_another_size(model: LoadedModel, name: str, kept: Callable[[LoadedModel, str], Engine]):
    classifier, size = kept(model, name), model.card.tile_px
    logits = classifier.classify(np.empty((0, size, size), np.uint16)).logits
    assert (logits.shape, logits.dtype) == ((0, 2), np.float32)
    with pytest.raises(ValueError, match="expected tiles"):
        classifier.classify(np.zeros((1, size // 2, size // 2), np.uint16))
    with pytest.raises(ValueError, match="expected tiles"):
        classifier.classify([np.zeros((size, size), np.uint16), np.zeros((size, size + 1), np.uint16)])


@pytest.mark.parametrize("name", EACH_ENGINE)
def test_an_engine_names_itself_with_its_precision(
    model: LoadedModel, name: str, kept: Callable[[LoadedModel, str], Engine]
):
    classifier = kept(model, name)
    assert classifier.name == name.removesuffix(" on the CPU")
    assert ("bfloat16" if "bf16" in name else "float32") in classifier.engine
    assert classifier.engine.startswith(classifier.name.partition("-")[0])


# ---- agreement ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EACH_ENGINE)
def test_engines_agree_with_the_reference_on_tiles_that_no_check_has_seen(
    shipped: LoadedModel, name: str, kept: Callable[[LoadedModel, str], Engine], monkeypatch: pytest.MonkeyPatch
):
    if name == "cuda on the CPU":  # the processor takes long for this network: smaller batches to warm up with
        monkeypatch.setattr("hcc_scope.inference.cuda.BATCH", 4)
    tiles = six(shipped)
    others = np.concatenate([np.roll(tiles, (130, 77), (1, 2)), tiles // 2])
    card = shipped.card
    reference = log_odds(shipped.classifier().classify(others).logits)
    agreement = Agreement(others, calibrate(reference, card.temperature), card.temperature, card.probability_tolerance)
    worst = agreement.largest_difference(kept(shipped, name))
    assert worst <= card.probability_tolerance
    if "bf16" not in name:
        assert worst < 1e-4


def test_bfloat16_would_not_pass_the_strict_test_of_the_reference(shipped: LoadedModel):
    """Why there are two tolerances; should this fail, one is enough."""
    if not has_bf16():
        pytest.skip("this CPU has no bfloat16 instructions")
    logits = shipped.classifier("openvino-bf16").classify(shipped.test_input).logits
    assert np.abs(logits - shipped.test_output).max() > shipped.card.engine_tolerance


def test_comparison_tiles_are_the_test_tiles_turned_and_dimmed():
    tiles = comparison_tiles(random_tiles(2))
    assert tiles.shape == (16, TILE_PX, TILE_PX)
    assert tiles.dtype == np.uint16
    assert np.array_equal(tiles[0], random_tiles(2)[0])
    assert len({tile.tobytes() for tile in tiles}) == 16
    assert comparison_tiles(random_tiles(100)).shape[0] == 32


class Shifted:
    """An engine whose logits for *high* are off by a constant, and which takes as long as the test sets."""

    def __init__(
        self, inner: Engine, name: EngineName, by: float = 0.0, work: Callable[[], None] = lambda: None
    ) -> None:
        self.inner, self.name, self.by, self.work = inner, name, by, work
        self.engine = f"{name} for a test"

    def classify(self, tiles: np.ndarray) -> Classification:
        self.work()
        return Classification(self.inner.classify(tiles).logits + np.float32([0, self.by]))


def test_an_engine_beyond_the_tolerance_is_refused(shipped: LoadedModel):
    agreement = shipped.agreement()
    reference = shipped.classifier()
    agreement.check(Shifted(reference, "openvino", 0.005))
    with pytest.raises(ModelSelfTestError, match=r"engine openvino .*differs by .*tolerance 0\.01"):
        agreement.check(Shifted(reference, "openvino", 0.2))
    with pytest.raises(ModelSelfTestError):
        agreement.check(Shifted(reference, "openvino", float("nan")))


def test_a_card_with_a_strict_tolerance_refuses_bfloat16(shipped: LoadedModel):
    if not has_bf16():
        pytest.skip("this CPU has no bfloat16 instructions")
    strict = replace(shipped, card=shipped.card.model_copy(update={"probability_tolerance": 1e-5}))
    with pytest.raises(ModelSelfTestError, match="openvino-bf16"):
        strict.classifier("openvino-bf16")
    notes: list[str] = []
    assert strict.classifier("auto", note=notes.append).name != "openvino-bf16"
    assert any("openvino-bf16 is not used" in note for note in notes)


# ---- what cannot be used --------------------------------------------------------------------------------------------


@pytest.fixture
def no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``import openvino`` fail."""
    monkeypatch.setitem(sys.modules, "openvino", None)


@pytest.mark.usefixtures("no_openvino")
def test_without_openvino_auto_falls_back_with_one_sentence(shipped: LoadedModel):
    for _ in range(2):  # reported every time: a choice among the remaining engines is not remembered as final
        notes: list[str] = []
        assert shipped.classifier("auto", note=notes.append).name == "torchscript"
        assert len([note for note in notes if "OpenVINO is not installed" in note]) == 1


@pytest.mark.usefixtures("no_openvino")
def test_an_engine_that_was_asked_for_and_is_not_there_is_an_error(shipped: LoadedModel):
    with pytest.raises(ModelError, match=r"OpenVINO is not installed.*torchscript"):
        shipped.classifier("openvino")


def test_bfloat16_is_refused_where_the_cpu_has_none(shipped: LoadedModel, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(openvino, "_capabilities", lambda: ["FP32"])
    with pytest.raises(ModelError, match=r"no bfloat16.*engine openvino"):
        shipped.classifier("openvino-bf16")
    assert "openvino-bf16" not in candidates(pytest.fail)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_gpu_is_an_error_and_no_candidate(shipped: LoadedModel):
    with pytest.raises(ModelError, match="no CUDA device"):
        shipped.classifier("cuda")
    assert "cuda" not in candidates(pytest.fail)


@pytest.mark.parametrize("name", ["torchscript", "openvino", "cuda on the CPU"])
def test_external_normalisation_equals_internal(tmp_path: Path, name: str):
    torch.manual_seed(3)
    scale = 2.0**-13
    inner = Plain()
    inside = Inside(inner, scale)
    inputs = random_tiles(2)
    with torch.inference_mode():
        outputs = inside(torch.from_numpy(inputs.astype(np.float32))[:, None])[0].numpy()
    a = load_model(make_model(tmp_path / "inside", archive(inside), outputs, inputs))
    b = load_model(make_model(tmp_path / "outside", archive(inner), outputs, inputs, normalisation="external"))
    others = random_tiles(BATCH + 1, seed=2)
    assert np.allclose(on(a, name).classify(others).logits, on(b, name).classify(others).logits, atol=1e-5)
    assert np.allclose(on(b, name).classify(inputs).logits, outputs, atol=1e-5)


class Triple(torch.nn.Module):
    """One logit too many."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((1, 2, 3), keepdim=True).flatten(1)
        return torch.cat([mean, mean, mean], 1)


@pytest.mark.parametrize("make", [OpenVinoClassifier, CudaClassifier], ids=["openvino", "cuda"])
def test_a_wrong_output_shape_is_refused(small: LoadedModel, make: Callable[..., Engine]):
    arguments = (2,) if make is OpenVinoClassifier else ("cpu",)
    with pytest.raises(ModelFormatError, match=r"3.*logits of shape \(1, 2\)"):
        make(torch.jit.script(Triple()), small.card, *arguments)


class Ratio(torch.nn.Module):
    """Not a number for a black tile."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ratio = x.mean((1, 2, 3)) / x.amax((1, 2, 3))
        return torch.stack([ratio, -ratio], 1)


@pytest.mark.parametrize("name", ["openvino", "cuda on the CPU"])
def test_a_value_that_is_no_number_is_an_error_of_its_tile_alone(small: LoadedModel, name: str):
    model = replace(small, module=torch.jit.script(Ratio()))
    classifier = (
        CudaClassifier(model.module, model.card, "cpu")
        if "cuda" in name
        else OpenVinoClassifier(model.module, model.card, 2)
    )
    with pytest.raises(ModelError, match="not a finite number"):
        classifier.classify(np.zeros((1, TILE_PX, TILE_PX), np.uint16))
    assert np.isfinite(classifier.classify(small.test_input).logits).all()


def test_openvino_sends_no_telemetry():
    """An import of openvino alone starts a thread that reports to a web service and leaves files in the home folder."""
    code = (
        "import sys, threading\n"
        "bad = []\n"
        "hook = lambda name, args: bad.append(name) if name.startswith('socket.') or name == 'os.mkdir' else None\n"
        "sys.addaudithook(hook)\n"
        "from hcc_scope.inference import load_model\n"
        "import torch, socket; bad.clear()\n"
        "load_model('phantom-meng2019').classifier('openvino')\n"
        "assert not bad, bad\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
        "assert threading.enumerate() == [threading.main_thread()]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- threads --------------------------------------------------------------------------------------------------------


def test_threads_leave_cores_for_the_camera_and_the_store():
    assert [default_threads(cores) for cores in (1, 2, 4, 8, 16, 64)] == [1, 2, 3, 6, 8, 8]
    assert default_threads() >= 1


def test_torch_waits_without_spinning():
    code = "import hcc_scope.inference, os; print(os.environ['OMP_WAIT_POLICY'])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "PASSIVE"


# ---- the choice -----------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes only where a test advances it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def takes(self, seconds: float) -> Callable[[], None]:
        def pass_time() -> None:
            self.now_s += seconds

        return pass_time


class Means:
    """An engine that costs nothing: the logit of *high* is the tile's mean."""

    name: EngineName = "torchscript"
    engine = "a mean"

    def classify(self, tiles: np.ndarray) -> Classification:
        means = tiles.mean((1, 2)) / 65536
        return Classification(np.stack([-means, means], 1).astype(np.float32))


class Bench:
    """Engines of known speed, as `choose` takes them."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.reference = Means()
        self.agreement = Agreement.with_reference(self.reference, random_tiles(2), temperature=1.0, tolerance=0.01)
        self.cache = folder / "deep" / "engines.json"
        self.made: list[str] = []
        self.makers: dict[EngineName, Callable[[], Engine]] = {}

    def add(self, name: EngineName, seconds: float, by: float = 0.0) -> None:
        def make() -> Engine:
            self.made.append(name)
            return Shifted(self.reference, name, by, self.clock.takes(seconds))

        self.makers[name] = make

    def add_broken(self, name: EngineName) -> None:
        def make() -> Engine:
            self.made.append(name)
            raise ModelError(f"{name} does not load")

        self.makers[name] = make

    def choose(self, key: str = "key") -> choice.Choice:
        return choice.choose(self.makers, self.agreement, cache=self.cache, key=key, clock=self.clock)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_fastest_is_chosen_and_remembered(bench: Bench):
    bench.add("openvino-bf16", 0.02)
    bench.add("openvino", 0.04)
    bench.add("torchscript", 0.08)
    first = bench.choose()
    assert (first.engine.name, first.remembered, first.notes) == ("openvino-bf16", False, ())
    assert first.tiles_per_s == {"openvino-bf16": 400.0, "openvino": 200.0, "torchscript": 100.0}
    assert "openvino-bf16, measured now (tiles/s: openvino-bf16 400, openvino 200, torchscript 100)" in first.sentence
    assert bench.clock.now_s <= choice.BUDGET_S

    bench.made.clear()
    second = bench.choose()
    assert (second.engine.name, second.remembered) == ("openvino-bf16", True)
    assert bench.made == ["openvino-bf16"]  # made and checked again; the others are not even made
    assert second.tiles_per_s == first.tiles_per_s
    assert "as measured here before" in second.sentence
    assert not bench.choose("another key").remembered
    assert bench.choose().remembered  # one choice does not push out another


def test_a_fast_engine_that_is_wrong_is_rejected_and_the_rejection_remembered(bench: Bench):
    bench.add("openvino-bf16", 0.001, by=0.2)
    bench.add("openvino", 0.02)
    bench.add("torchscript", 0.04)
    for remembered in (False, True):
        found = bench.choose()
        assert (found.engine.name, found.remembered) == ("openvino", remembered)
        (note,) = found.notes
        assert "openvino-bf16 is not used" in note
        assert "tolerance 0.01" in note


def test_an_engine_that_became_wrong_is_not_used_because_it_was_remembered(bench: Bench):
    bench.add("openvino", 0.01)
    bench.add("torchscript", 0.04)
    assert bench.choose().engine.name == "openvino"
    bench.add("openvino", 0.01, by=0.2)
    found = bench.choose()
    assert (found.engine.name, found.remembered) == ("torchscript", False)


def test_a_choice_that_an_engine_missed_is_not_remembered(bench: Bench):
    bench.add_broken("openvino-bf16")
    bench.add("openvino", 0.01)
    bench.add("torchscript", 0.04)
    for _ in range(2):
        found = bench.choose()
        assert (found.engine.name, found.remembered) == ("openvino", False)
        assert found.notes == ("Engine openvino-bf16 is not used: openvino-bf16 does not load",)


def test_the_reference_is_kept_unless_something_is_worth_it(bench: Bench):
    bench.add("openvino", 0.0100)
    bench.add("torchscript", 0.0105)
    assert bench.choose().engine.name == "torchscript"


def test_only_the_reference_needs_no_measuring(bench: Bench):
    bench.add("torchscript", 0.04)
    found = bench.choose()
    assert (found.engine.name, dict(found.tiles_per_s)) == ("torchscript", {})
    assert "the only one" in found.sentence


def test_nothing_that_runs_is_an_error(bench: Bench):
    bench.add_broken("openvino")
    bench.add_broken("torchscript")
    with pytest.raises(ModelError, match=r"no engine can run.*openvino does not load.*torchscript does not load"):
        bench.choose()


def test_the_time_for_choosing_is_limited(bench: Bench):
    bench.add("cuda", 1.5)
    bench.add("openvino-bf16", 1.0)
    bench.add("openvino", 0.01)
    bench.add("torchscript", 1.2)
    found = bench.choose()
    assert bench.made == ["cuda", "openvino-bf16", "torchscript"]  # the reference is always there
    assert found.notes == ("Engine openvino was not tried: the time for choosing was over.",)
    assert not bench.choose().remembered
    assert found.engine.name == "openvino-bf16"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, 2]",
        b"\xff\xfe",
        b'{"key": "openvino"}',
        b'{"key": {"engine": "abacus", "tiles_per_s": {}, "notes": []}}',
        b'{"key": {"engine": "openvino", "tiles_per_s": {"openvino": "fast"}, "notes": []}}',
        b'{"key": {"engine": ["openvino"], "tiles_per_s": {}, "notes": []}}',
    ],
)
def test_a_damaged_memory_is_ignored_and_replaced(bench: Bench, content: bytes):
    bench.add("openvino", 0.01)
    bench.add("torchscript", 0.04)
    bench.cache.parent.mkdir()
    bench.cache.write_bytes(content)
    assert not bench.choose().remembered
    assert bench.choose().remembered
    assert json.loads(bench.cache.read_text())["key"]["engine"] == "openvino"
    assert [path.name for path in bench.cache.parent.iterdir()] == ["engines.json"]


def test_a_memory_that_cannot_be_written_costs_nothing_but_time(bench: Bench):
    bench.add("openvino", 0.01)
    bench.add("torchscript", 0.04)
    bench.cache.parent.write_text("a file where the folder should be")
    for _ in range(2):
        assert bench.choose().engine.name == "openvino"


def test_what_a_choice_depends_on():
    names = ("openvino", "torchscript")
    key = choice.choice_key("ab", 0.01, 2, names)
    assert key == choice.choice_key("ab", 0.01, 2, names)
    others = [("cd", 0.01, 2, names), ("ab", 0.02, 2, names), ("ab", 0.01, 3, names), ("ab", 0.01, 2, names[1:])]
    assert len({key, *(choice.choice_key(*other) for other in others)}) == 5


def test_the_memory_is_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(choice.CACHE_DIR_VARIABLE, str(tmp_path))
    assert choice.cache_file() == tmp_path / "engines.json"
    monkeypatch.delenv(choice.CACHE_DIR_VARIABLE)
    assert choice.cache_file().parent.name in ("hcc-scope", "Cache")


def test_auto_finds_an_engine_and_remembers_it(shipped: LoadedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(choice.CACHE_DIR_VARIABLE, str(tmp_path))
    notes: list[str] = []
    first = shipped.classifier("auto", note=notes.append)
    second = shipped.classifier("auto", note=notes.append)
    assert first.name in ENGINES
    assert second.engine == first.engine
    assert np.array_equal(second.classify(shipped.test_input).logits, first.classify(shipped.test_input).logits)
    assert f"Engine {first.name}, measured now" in notes[-2]
    assert f"Engine {first.name}, as measured here before" in notes[-1]

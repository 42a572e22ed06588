"""Models: found, checked before they are trusted, and the same bits whatever surrounds a tile."""

from __future__ import annotations

import hashlib
import io
import pickle
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml

from hcc_scope.errors import (
    ModelAlteredError,
    ModelError,
    ModelFormatError,
    ModelMismatchError,
    ModelSelfTestError,
)
from hcc_scope.inference import load_model, loading
from hcc_scope.inference.card import CARD_FILE, read_card, write_card
from hcc_scope.inference.catalogue import find_model, list_models
from hcc_scope.inference.loading import MODEL_FILE, TEST_INPUT_FILE, TEST_OUTPUT_FILE, LoadedModel
from hcc_scope.types import RunSpec
from tests.model_parts import TILE_PX, Inside, Plain, archive, make_model, random_tiles

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.inference.base import Engine, EngineName

SHIPPED = "phantom-meng2019"


class Ratio(torch.nn.Module):
    """Not a number for a black tile."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ratio = x.mean() / x.max()
        return torch.stack([ratio, -ratio]).unsqueeze(0)


class Fixed(torch.nn.Module):
    """Fails on any tile that is not all ones."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool((x != 1).any()):
            raise RuntimeError("only ones")
        return torch.zeros(1, 2)


@pytest.fixture
def plain_model(tmp_path: Path) -> Path:
    """A correct small model's folder, free to be spoilt."""
    torch.manual_seed(0)
    module = Plain()
    inputs = random_tiles(2)
    with torch.inference_mode():
        outputs = module(torch.from_numpy(inputs.astype(np.float32))[:, None]).numpy()
    return make_model(tmp_path / "plain", archive(module), outputs, inputs, engine_tolerance=0.5)


@pytest.fixture(scope="module")
def shipped() -> LoadedModel:
    return load_model(SHIPPED)


@pytest.fixture(scope="module")
def tiles(shipped: LoadedModel) -> np.ndarray:
    """Six different tissue tiles (6, 512, 512): the model's own two, shifted and turned."""
    low, high = shipped.test_input
    return np.stack([low, high, low[::-1], high[::-1], low.T, high.T])


# ---- the shipped model ----------------------------------------------------------------------------------------------


def test_shipped_model_is_listed_and_describes_itself(shipped: LoadedModel):
    card = shipped.card
    assert SHIPPED in {entry.name for entry in list_models() if entry.problem is None}
    assert (card.name, card.classes, card.tile_px, card.bit_depth) == (SHIPPED, ("low", "high"), 512, 16)
    assert card.parameters == 10_642
    assert card.training is not None
    assert card.evaluation is not None
    assert {one.protocol for one in card.evaluation.protocols} == {"paper", "by_animal"}
    assert {row.animal for row in card.evaluation.per_animal} == set(card.training.animals)
    assert card.evaluation.animals >= 6
    assert card.unlike_training is not None
    assert not any(animal.startswith("demo") for animal in card.training.animals)


def test_shipped_model_separates_held_out_sections(shipped: LoadedModel):
    assert all(row.correct for row in shipped.card.validation)
    low, high = shipped.classifier().classify(shipped.test_input).logits
    assert high[1] - high[0] > low[1] - low[0]


def test_a_card_from_before_the_other_engines_is_valid(shipped: LoadedModel, tmp_path: Path):
    path = write_card(shipped.card, tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "probability_tolerance" not in line), encoding="utf-8")
    assert read_card(tmp_path).probability_tolerance == 0.01


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_bits_do_not_depend_on_threads(shipped: LoadedModel, tiles: np.ndarray, threads: int):
    reference = shipped.classifier(threads=2).classify(tiles).logits
    assert np.array_equal(shipped.classifier(threads=threads).classify(tiles).logits, reference)


def test_a_constant_added_to_all_counts_changes_no_bit(shipped: LoadedModel, tiles: np.ndarray):
    classifier = shipped.classifier()
    room = np.uint16(65535 - tiles.max())
    assert room > 0
    assert np.array_equal(classifier.classify(tiles + room).logits, classifier.classify(tiles).logits)


@pytest.mark.usefixtures("shipped_model_each_time")
def test_the_reference_engine_is_made_once_in_a_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HCC_SCOPE_CACHE_DIR", str(tmp_path))
    made: list[str] = []
    make = loading.make_engine

    def counted(name: EngineName, *rest: Any) -> Engine:  # noqa: ANN401 - passed on as they are
        made.append(name)
        return make(name, *rest)

    monkeypatch.setattr(loading, "make_engine", counted)
    model = load_model("phantom-meng2019")
    assert model.classifier() is model.reference
    model.classifier("auto")
    assert made.count("torchscript") == 1
    assert model.classifier(threads=model.reference_threads + 1) is not model.reference
    assert made.count("torchscript") == 2


def test_no_tiles_give_no_logits(shipped: LoadedModel):
    logits = shipped.classifier().classify(np.empty((0, 512, 512), np.uint16)).logits
    assert (logits.shape, logits.dtype) == ((0, 2), np.float32)


def test_tiles_of_another_size_are_a_programming_error(shipped: LoadedModel):
    with pytest.raises(ValueError, match="512"):
        shipped.classifier().classify(np.zeros((1, 256, 256), np.uint16))


# ---- a user's own model ---------------------------------------------------------------------------------------------


def test_external_normalisation_equals_internal(tmp_path: Path):
    torch.manual_seed(3)
    scale = 2.0**-13
    inner = Plain()
    inside = Inside(inner, scale)
    inputs = random_tiles(2)
    with torch.inference_mode():
        outputs = inside(torch.from_numpy(inputs.astype(np.float32))[:, None])[0].numpy()
    a = load_model(make_model(tmp_path / "inside", archive(inside), outputs, inputs))
    b = load_model(make_model(tmp_path / "outside", archive(inner), outputs, inputs, normalisation="external"))
    others = random_tiles(5, seed=2)
    assert np.array_equal(a.classifier().classify(others).logits, b.classifier().classify(others).logits)


def test_a_model_that_was_saved_frozen_runs(tmp_path: Path):
    torch.manual_seed(3)
    module = Plain()
    inputs = random_tiles(2)
    with torch.inference_mode():
        outputs = module(torch.from_numpy(inputs.astype(np.float32))[:, None]).numpy()
    file = io.BytesIO()
    torch.jit.save(torch.jit.freeze(torch.jit.script(module.eval())), file)
    model = load_model(make_model(tmp_path / "frozen", file.getvalue(), outputs, inputs, engine_tolerance=0.5))
    assert np.allclose(model.classifier().classify(inputs).logits, outputs, rtol=1e-4)


def test_a_value_that_is_no_number_is_an_error(tmp_path: Path):
    inputs = random_tiles(1)
    ratio = inputs.astype(np.float64).mean() / inputs.max()
    outputs = np.array([[ratio, -ratio]], np.float32)
    classifier = load_model(make_model(tmp_path / "ratio", archive(Ratio()), outputs, inputs)).classifier()
    with pytest.raises(ModelError, match="not a finite number"):
        classifier.classify(np.zeros((1, TILE_PX, TILE_PX), np.uint16))
    assert np.allclose(classifier.classify(inputs).logits, outputs)  # one bad frame does not break the classifier


def test_a_model_that_fails_on_a_tile_is_named_with_the_reason(tmp_path: Path):
    inputs = np.ones((1, TILE_PX, TILE_PX), np.uint16)
    folder = make_model(tmp_path / "fixed", archive(Fixed()), np.zeros((1, 2), np.float32), inputs)
    classifier = load_model(folder).classifier()
    with pytest.raises(ModelError, match=r"model fixed failed on a tile.*only ones"):
        classifier.classify(inputs + np.uint16(1))


# ---- what is refused ------------------------------------------------------------------------------------------------


def rehash(folder: Path) -> None:
    """Make the card agree with a model file that was replaced."""
    path = folder / CARD_FILE
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["sha256"] = hashlib.sha256((folder / MODEL_FILE).read_bytes()).hexdigest()
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def test_an_altered_file_is_refused_before_it_is_parsed(plain_model: Path):
    (plain_model / MODEL_FILE).write_bytes(b"not even TorchScript")
    with pytest.raises(ModelAlteredError, match=r"model\.pt.*sha256"):
        load_model(plain_model)


def test_one_flipped_bit_is_refused(plain_model: Path):
    data = bytearray((plain_model / MODEL_FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (plain_model / MODEL_FILE).write_bytes(data)
    with pytest.raises(ModelAlteredError):
        load_model(plain_model)


def state_dict() -> bytes:
    file = io.BytesIO()
    torch.save(Plain().state_dict(), file)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage" * 100, pickle.dumps({"weights": [1, 2, 3]}), state_dict(), archive(Plain())[:2000]],
    ids=["empty", "garbage", "pickle", "state dict", "truncated"],
)
def test_what_is_not_torchscript_is_refused(plain_model: Path, data: bytes):
    (plain_model / MODEL_FILE).write_bytes(data)
    rehash(plain_model)
    with pytest.raises(ModelFormatError, match=r"model\.pt is (not a TorchScript model|damaged)"):
        load_model(plain_model)


@pytest.mark.parametrize("n_out", [1, 3])
def test_a_wrong_output_shape_is_refused(plain_model: Path, n_out: int):
    (plain_model / MODEL_FILE).write_bytes(archive(Plain(n_out)))
    rehash(plain_model)
    with pytest.raises(ModelFormatError, match=rf"\(1, {n_out}\).*logits of shape \(1, 2\)"):
        load_model(plain_model)


def test_a_model_that_does_not_reproduce_its_output_is_refused(plain_model: Path):
    path = plain_model / TEST_OUTPUT_FILE
    np.save(path, np.load(path) + np.float32(1.0))
    with pytest.raises(ModelSelfTestError, match="differs by 1"):
        load_model(plain_model)


def test_an_output_that_is_no_number_does_not_pass_the_self_test(plain_model: Path):
    path = plain_model / TEST_OUTPUT_FILE
    np.save(path, np.load(path) * np.float32(np.nan))
    with pytest.raises(ModelSelfTestError):
        load_model(plain_model)


@pytest.mark.parametrize("name", [MODEL_FILE, TEST_INPUT_FILE, TEST_OUTPUT_FILE])
def test_a_missing_file_is_named(plain_model: Path, name: str):
    (plain_model / name).unlink()
    with pytest.raises(ModelFormatError, match=name.replace(".", r"\.")):
        load_model(plain_model)


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, TILE_PX, TILE_PX), np.float32), np.zeros((2, 8, 8), np.uint16), np.array([{"a": 1}], dtype=object)],
    ids=["dtype", "shape", "pickled"],
)
def test_a_wrong_test_tensor_is_refused(plain_model: Path, array: np.ndarray):
    np.save(plain_model / TEST_INPUT_FILE, array)
    with pytest.raises(ModelFormatError, match=r"test_input\.npy"):
        load_model(plain_model)


def test_as_many_test_outputs_as_inputs(plain_model: Path):
    np.save(plain_model / TEST_INPUT_FILE, random_tiles(3))
    with pytest.raises(ModelFormatError, match="3 test tiles but 2 test outputs"):
        load_model(plain_model)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tile_px: 32\n", "", "the key 'tile_px' is missing"),
        ("tile_px: 32\n", "tile_px: many\n", ":7: tile_px: 'many' is no whole number"),
        ("temperature: 1.0\n", "temperature: -1.0\n", "temperature must be greater than 0"),
        ("temperature: 1.0\n", "temperature: .nan\n", "temperature: '.nan' is no number"),
        ("- low\n- high\n", "- high\n- low\n", ":5: classes.0 must be 'low'"),
        ("licence: BSD", "license: BSD", "unknown key 'license'"),
        ("name: plain\n", "name: [\n", "is not YAML"),
        ("name: plain\n", "name: plain\n\x00", "is not YAML"),
        ("name: plain\n", f"name: {'[' * 20_000}\n", "nested more than 16 levels"),
    ],
)
def test_a_wrong_card_is_refused_with_key_and_line(plain_model: Path, old: str, new: str, message: str):
    path = plain_model / CARD_FILE
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ModelFormatError) as caught:
        load_model(plain_model)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"just words", b"\xff\xfe\xff"], ids=["empty", "words", "not UTF-8"])
def test_a_card_without_keys_is_refused(plain_model: Path, content: bytes):
    (plain_model / CARD_FILE).write_bytes(content)
    with pytest.raises(ModelFormatError, match=r"card\.yaml"):
        load_model(plain_model)


def test_a_card_survives_writing_and_reading(shipped: LoadedModel, tmp_path: Path):
    write_card(shipped.card, tmp_path)
    assert read_card(tmp_path) == shipped.card


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(ModelError, match=f"no model 'nosuch'.*{SHIPPED}"):
        find_model("nosuch")


def test_names_do_not_lead_out_of_the_models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = tmp_path / "models"
    (root / "inner").mkdir(parents=True)
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / CARD_FILE).write_text("name: x\n", encoding="utf-8")
    monkeypatch.setattr("hcc_scope.inference.catalogue.models_dir", lambda: root)
    with pytest.raises(ModelError, match="Available: none"):
        find_model("../outer")


def test_a_file_and_a_folder_without_card_are_distinguished(plain_model: Path, tmp_path: Path):
    with pytest.raises(ModelError, match="Give the model's folder"):
        find_model(plain_model / MODEL_FILE)
    (tmp_path / "bare").mkdir()
    with pytest.raises(ModelFormatError, match=r"has no card\.yaml"):
        load_model(tmp_path / "bare")
    assert find_model(str(plain_model)) == plain_model


def test_a_broken_card_is_listed_with_its_problem(plain_model: Path, monkeypatch: pytest.MonkeyPatch):
    broken = plain_model.parent / "broken"
    shutil.copytree(plain_model, broken)
    (broken / CARD_FILE).write_text("name: broken\n", encoding="utf-8")
    monkeypatch.setattr("hcc_scope.inference.catalogue.models_dir", lambda: plain_model.parent)
    entries = {entry.name: entry for entry in list_models()}
    assert sorted(entries) == ["broken", "plain"]
    assert entries["plain"].problem is None
    assert "the key 'description' is missing" in str(entries["broken"].problem)


def test_an_unknown_engine_is_refused(shipped: LoadedModel):
    with pytest.raises(ModelError, match="no engine 'abacus'"):
        shipped.classifier("abacus")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_size_um": 0.65}, "0.65 um/px but the model phantom-meng2019 was trained at 0.325"),
        ({"pixel_size_um": 0.325 * 1.06}, "tolerance 5%"),
        ({"pixel_size_um": 0.0}, "unknown"),
        ({"pixel_size_um": float("nan")}, "unknown"),
        ({"bit_depth": 12}, "12 bits"),
        ({"tile_px": 256}, "256 px"),
    ],
)
def test_frames_unlike_the_training_are_refused(shipped: LoadedModel, change: dict[str, float], message: str):
    spec = {
        "frame_shape_yx": (2048, 2048),
        "bit_depth": 16,
        "pixel_size_um": 0.325,
        "animal_id": "a",
        "section_id": "s",
    }
    shipped.check_matches(RunSpec(**spec))
    shipped.check_matches(RunSpec(**{**spec, "pixel_size_um": 0.325 * 1.04}))
    with pytest.raises(ModelMismatchError, match=message):
        shipped.check_matches(RunSpec(**{**spec, **change}))


def test_cards_catalogue_and_names_of_engines_need_no_torch():
    code = (
        "import sys, hcc_scope.inference.base; assert not {'torch', 'numpy'} & set(sys.modules);"
        "import hcc_scope.inference.card, hcc_scope.training, hcc_scope.training.config;"
        "from hcc_scope.inference.catalogue import list_models; assert list_models(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

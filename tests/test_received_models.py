"""Models that somebody else has made: they are read as data, refused in a sentence, and cannot act."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import yaml

from hcc_scope.errors import ModelError, ModelFormatError
from hcc_scope.inference import load_model
from hcc_scope.inference.archive import checked_archive, read_entries
from hcc_scope.inference.card import CARD_FILE, read_card
from hcc_scope.inference.loading import MODEL_FILE, TEST_INPUT_FILE
from hcc_scope.inference.model_files import read_npy
from hcc_scope.inference.torchscript import parse
from hcc_scope.training.bioimageio import check_package
from hcc_scope.training.export import copy_model, program_difference
from hcc_scope.training.torch_export import PROGRAM_FILE, program_logits, to_program
from hcc_scope.training.torch_export_reader import read_program
from tests.model_parts import TILE_PX, Plain, archive, make_model, random_tiles

if TYPE_CHECKING:
    from pathlib import Path


class Saves(torch.nn.Module):
    """Writes a file whenever it is run."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "saved-by-forward")
        return torch.zeros(1, 2)


class SavesWhenLoaded(torch.nn.Module):
    """Writes a file as soon as it is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.n = 1

    @torch.jit.export
    def __getstate__(self) -> tuple[int, bool]:
        return self.n, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        torch.save(torch.zeros(2), "saved-by-setstate")
        self.n = state[0]
        self.training = state[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros(1, 2)


class Maps(torch.nn.Module):
    """Makes a file by mapping it into memory."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_file("made-by-mapping", True, 2)[None]


class Prints(torch.nn.Module):
    """Spoils what `--json` prints."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print(x.shape)  # noqa: T201 - what this module is about
        return torch.zeros(1, 2)


@pytest.fixture
def plain_model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    module, inputs = Plain(), random_tiles(2)
    with torch.inference_mode():
        outputs = module(torch.from_numpy(inputs.astype(np.float32))[:, None]).numpy()
    return make_model(tmp_path / "plain", archive(module), outputs, inputs, engine_tolerance=0.5)


def replace_model(folder: Path, data: bytes) -> Path:
    """Put another artefact into a model's folder, with a card that names it."""
    (folder / MODEL_FILE).write_bytes(data)
    card = yaml.safe_load((folder / CARD_FILE).read_text())
    card["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / CARD_FILE).write_text(yaml.safe_dump(card, sort_keys=False))
    return folder


def edited(data: bytes, edit: dict[str, bytes]) -> bytes:
    """Return an archive with other entries, checksums right."""
    entries = read_entries(data, "it")
    root = next(iter(entries)).partition("/")[0]
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as target:
        for name, content in (entries | {f"{root}/{name}": content for name, content in edit.items()}).items():
            target.writestr(name, content)
    return changed.getvalue()


# --- the artefact -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "does"),
    [
        (Saves(), "writes files"),
        (SavesWhenLoaded(), "writes files"),
        (Maps(), "reads and writes files"),
        (Prints(), "terminal"),
    ],
    ids=["forward", "setstate", "from_file", "print"],
)
def test_a_model_with_side_effects_is_refused_before_torch_loads_it(
    plain_model: Path, module: torch.nn.Module, does: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
):
    elsewhere = plain_model.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    replace_model(plain_model, archive(module))
    with pytest.raises(ModelFormatError, match=f"model.pt is refused and was not run.*{does}"):
        load_model(plain_model)
    assert list(elsewhere.iterdir()) == []
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("ops.c10d.barrier(None)", "ops.c10d"),
        ("(ops. # a remark\n c10d).barrier(None)", "ops.c10d"),
        ("other = ops", "ops."),
        ("t = torch\n    t.save(x, 'a')", "save"),
        ("(x).save('a')", "save"),
        ("getattr(torch, \"\\163ave\")(x, 'a')", "getattr"),
        ('getattr(torch, "sa" "ve")(x, \'a\')', "getattr"),
        ('getattr(ops.prim, "Prin\\164")(x)', "getattr"),
        ("g = getattr", "getattr"),
        ("s = __torch__ . torch. classes .cuda.Stream()", "cuda"),
    ],
)
def test_an_operation_is_found_however_it_is_written(line: str, word: str):
    data = archive(Plain())
    name = next(entry for entry in read_entries(data, "it") if entry.endswith("model_parts.py"))
    text = read_entries(data, "it")[name].decode()
    spoilt = text.replace("layers = self.layers\n", f"layers = self.layers\n    {line}\n")
    assert spoilt != text
    with pytest.raises(ModelFormatError) as caught:
        checked_archive(edited(data, {name.partition("/")[2]: spoilt.encode()}), "it")
    assert word in str(caught.value)


class Gelu(torch.nn.Module):
    """Has an operation whose arguments changed in the course of time: torch then keeps the version elsewhere."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.gelu(x.mean((2, 3))).repeat(1, 2)


def test_a_model_with_an_operation_that_changed_once_is_read():
    data = archive(Gelu())
    assert any(name.endswith("/.data/version") for name in read_entries(data, "it"))
    tile = torch.rand(1, 1, 4, 4)
    assert torch.equal(parse(data, "it")(tile), Gelu()(tile))


def test_layers_that_are_looked_up_by_a_number_are_read():
    module = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Identity()))
    module.add_module("the last-one", torch.nn.ReLU())
    data = archive(module)
    assert b"getattr(" in b"".join(read_entries(data, "it").values())
    assert float(parse(data, "it")(torch.tensor(-1.0))) == 0


def test_classes_that_reach_beyond_tensors_are_refused():
    data = archive(Plain())
    entries = read_entries(data, "it")
    pickled = next(content for name, content in entries.items() if name.endswith("/data.pkl"))
    spoilt = pickled.replace(b"__torch__.tests.model_parts", b"__torch__.torch.classes.x")
    with pytest.raises(ModelFormatError, match=r"torch\.classes\.x"):
        checked_archive(edited(data, {"data.pkl": spoilt}), "it")


def test_a_damaged_entry_and_one_that_is_there_twice_are_refused():
    data = bytearray(archive(Plain()))
    at = data.index(b"\x80\x02c__torch__")  # within data.pkl
    data[at + 5] ^= 1
    with pytest.raises(ModelFormatError, match=r"damaged.*CRC"):
        checked_archive(bytes(data), "it")
    twice = io.BytesIO(archive(Plain()))
    with zipfile.ZipFile(twice, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr(file.namelist()[0], b"another")
    with pytest.raises(ModelFormatError, match="twice"):
        checked_archive(twice.getvalue(), "it")


@pytest.mark.parametrize("frozen", [False, True])
def test_a_tensor_without_its_bytes_is_refused(frozen: bool):
    module = torch.jit.script(Plain().eval())
    file = io.BytesIO()
    torch.jit.save(torch.jit.freeze(module) if frozen else module, file)
    data, folder = file.getvalue(), "constants" if frozen else "data"
    assert checked_archive(data, "it")
    with pytest.raises(ModelFormatError, match=f"{folder}/1 has 0 bytes"):
        checked_archive(edited(data, {f"{folder}/1": b""}), "it")
    pickled_whole = read_entries(data, "it")[f"archive/{folder}.pkl"]
    with pytest.raises(ModelFormatError, match=f"{folder}.pkl does not fit together"):
        checked_archive(edited(data, {f"{folder}.pkl": pickled_whole[:-20]}), "it")


def test_an_archive_that_unpacks_to_gigabytes_is_judged_by_what_it_claims():
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file, file.open("archive/data/0", "w") as entry:
        for _ in range(80):
            entry.write(bytes(1 << 20))
    with pytest.raises(ModelFormatError, match="unpacks to 83,886,080"):
        checked_archive(bomb.getvalue(), "it")


def test_a_model_of_a_newer_torch_is_reported_as_one(plain_model: Path):
    replace_model(plain_model, edited(archive(Plain()), {"version": b"99\n"}))
    with pytest.raises(ModelFormatError, match=r"saved by a newer torch than the .* Save it again with torch"):
        load_model(plain_model)


# --- card and test tensors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tile_px: 32\n", "tile_px: 32\ntile_px: 64\n", "8: the key 'tile_px' is there twice"),
        ("tile_px: 32\n", "tile_px: true\n", "7: tile_px: 'true' is no whole number"),
        ("pixel_size_um: 0.325\n", "pixel_size_um: 0_325\n", "8: pixel_size_um: '0_325' is no number"),
        ("pixel_size_um: 0.325\n", "pixel_size_um: 1:30\n", "'1:30' is no number"),
        ("pixel_size_um: 0.325\n", "pixel_size_um: '0_325'\n", "'0_325' is no number"),
        ("pixel_size_um: 0.325\n", "pixel_size_um: .inf\n", "pixel_size_um: '.inf' is no number"),
        ("pixel_size_um: 0.325\n", "pixel_size_um: -0.325\n", "pixel_size_um must be greater than 0"),
        ("full_scale: 65535\n", "full_scale: 4095\n", "full_scale: a camera of 16 bits saturates between"),
        ("full_scale: 65535\n", "full_scale: 65536\n", "full_scale: a camera"),
        ("engine_tolerance: 0.5\n", "engine_tolerance: 1.0e+9\n", "engine_tolerance must be less than or equal to 1"),
        (
            "probability_tolerance: 0.01\n",
            "probability_tolerance: 0.9\n",
            "probability_tolerance must be less",
        ),
        ("decision_threshold: 0.5\n", "decision_threshold: .nan\n", "decision_threshold: '.nan' is no number"),
        ("licence: BSD-3-Clause\n", "licence: &a BSD-3-Clause\nreference: *a\n", "aliases (*a) are not used here"),
        ("output: logits\n", "output: softmax\n", "output must be 'logits' or 'probabilities'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_line(plain_model: Path, old: str, new: str, message: str):
    path = plain_model / CARD_FILE
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ModelFormatError) as caught:
        read_card(plain_model)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_card_without_a_kind_of_output_means_logits(plain_model: Path):
    path = plain_model / CARD_FILE
    path.write_text(path.read_text().replace("output: logits\n", ""))
    assert read_card(plain_model).output == "logits"


def test_a_card_of_many_megabytes_is_not_read(plain_model: Path):
    with (plain_model / CARD_FILE).open("a") as file:
        file.write("#" * (2 << 20))
    with pytest.raises(ModelFormatError, match="larger than 1 MiB"):
        read_card(plain_model)


def npy(shape: tuple[int, ...], content: bytes = b"", descr: str = "<u2") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, "descr": descr})
    return file.getvalue() + content


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy((2**32, TILE_PX, TILE_PX)), "claims to hold 8,796,093,022,208 bytes, and holds 0"),
        (npy((-1, TILE_PX, TILE_PX)), "claims|cannot be read"),
        (npy((1, TILE_PX, TILE_PX), bytes(2 * TILE_PX**2 + 2)), "claims to hold"),
        (npy((TILE_PX, TILE_PX)), r"not \(k"),
        (npy((1, TILE_PX, TILE_PX))[:40], "cannot be read"),
        (npy((1,), descr="|O"), r"is \(1,\) object"),
        (b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 118, "cannot be read"),
        (b"\x93NUMPY\x01\x00\x76\x00" + b"{'a': 1, 2}".ljust(118), "cannot be read"),
        (b"\x93NUMPY\x09\x00\x76\x00", "version"),
        (b"", "cannot be read"),
    ],
)
def test_a_test_tensor_is_judged_by_its_header_before_anything_is_allocated(tmp_path: Path, data: bytes, message: str):
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(ModelFormatError, match=message) as caught:
        read_npy(tmp_path / "a.npy", np.dtype(np.uint16), (TILE_PX, TILE_PX))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on this system")
@pytest.mark.parametrize("name", [CARD_FILE, MODEL_FILE, TEST_INPUT_FILE])
def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_refused(plain_model: Path, name: str):
    (plain_model / name).unlink()
    os.mkfifo(plain_model / name)
    with pytest.raises(ModelFormatError, match=f"{name}.* is not a file|has no {name}"):
        load_model(plain_model)
    (plain_model / name).unlink()
    (plain_model / name).mkdir()
    with pytest.raises(ModelFormatError, match=f"{name}.* is not a file|has no {name}"):
        load_model(plain_model)


# --- the program ------------------------------------------------------------------------------------------------------


class Acts:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("made-by-pickle",)


def pickled() -> bytes:
    file = io.BytesIO()
    torch.save(Acts(), file)
    return file.getvalue()


@pytest.fixture(scope="module")
def program() -> bytes:
    torch.manual_seed(0)
    return to_program(Plain(), TILE_PX)


def with_graph(program: bytes, old: str, new: str) -> bytes:
    graph = read_entries(program, "it")["archive/models/model.json"].decode()
    assert old in graph
    return edited(program, {"models/model.json": graph.replace(old, new).encode()})


def spoilt_programs(program: bytes) -> dict[str, bytes]:
    config = read_entries(program, "it")["archive/data/weights/model_weights_config.json"]
    return {
        "sample inputs": edited(program, {"data/sample_inputs/model.pt": pickled()}),
        "a pickled weight": edited(
            program,
            {
                "data/weights/model_weights_config.json": config.replace(b'"use_pickle": false', b'"use_pickle": true'),
                "data/weights/weight_0": pickled(),
            },
        ),
        "a function": with_graph(program, "torch.ops.aten.relu.default", "torch.serialization.os.abort"),
        "an operation": with_graph(program, "torch.ops.aten.relu.default", "torch.ops.aten.from_file.default"),
        "an attribute": with_graph(program, "torch.ops.aten.relu.default", "torch.ops.aten.relu.__setattr__"),
        "native code": edited(program, {"data/aotinductor/model/a.so": b"x", "models/model.json": b"{}"}),
        "weights beyond the bytes": edited(
            program,
            {"data/weights/model_weights_config.json": config.replace(b'{"as_int": 4}', b'{"as_int": 4000000}')},
        ),
    }


class Usual(torch.nn.Module):
    """What networks of others are made of: operations in place, attention, a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 8, 8),
            torch.nn.BatchNorm2d(8),
            torch.nn.ReLU(inplace=True),
            torch.nn.ConvTranspose2d(8, 8, 2),
            torch.nn.LocalResponseNorm(2),
        )
        self.blocks = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.head = torch.nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x / 65535.0)
        x += 1.0
        return self.head(torch.nn.functional.normalize(self.blocks(x.flatten(2).transpose(1, 2)), dim=1).mean(1))


def test_a_program_of_the_usual_operations_is_no_stranger():
    torch.manual_seed(0)
    tiles, network = random_tiles(2), Usual().eval()
    found = read_program(to_program(network, TILE_PX), "it").run(tiles)
    with torch.inference_mode():
        expected = network(torch.from_numpy(tiles[:, None].astype(np.float32))).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("operation", "first", "second"),
    [
        ("_operator.floordiv", {"as_int": 1}, {"as_int": 0}),
        ("_operator.mul", {"as_string": "a"}, {"as_int": 10**30}),
        ("_operator.mul", {"as_string": "aa"}, {"as_int": 2**62}),
    ],
)
def test_a_program_whose_sizes_do_not_compute_is_refused(
    program: bytes, operation: str, first: dict[str, object], second: dict[str, object]
):
    arguments = [{"name": "", "arg": value, "kind": 1} for value in (first, second)]
    node = json.dumps({"target": operation, "inputs": arguments, "outputs": [{"as_tensor": {"name": "other"}}]})
    spoilt = with_graph(program, '"nodes": [', f'"nodes": [{node}, ')
    with pytest.raises(ModelFormatError, match="it does not run"):
        read_program(spoilt, "it").run(random_tiles(1))


def test_a_program_is_read_as_data_and_gives_what_torch_gives(program: bytes):
    tiles = random_tiles(2)
    ours = read_program(program, "it").run(tiles, external_scale=2.0**-13)
    np.testing.assert_allclose(ours, program_logits(program, tiles, "it", external_scale=2.0**-13), atol=1e-6)


@pytest.mark.parametrize(
    "kind",
    ["sample inputs", "a pickled weight", "a function", "an operation", "native code", "weights beyond the bytes"],
)
def test_a_program_that_could_act_is_refused_and_does_not(
    program: bytes, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelFormatError, match="the program it was not run"):
        read_program(spoilt_programs(program)[kind], "it").run(random_tiles(1))
    assert list(tmp_path.iterdir()) == []


def test_neither_test_nor_export_runs_a_program_that_acts(
    plain_model: Path, program: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (plain_model / PROGRAM_FILE).write_bytes(spoilt_programs(program)["sample inputs"])
    model = load_model(plain_model)
    with pytest.raises(ModelFormatError, match="could run anything when it is loaded"):
        program_difference(model)
    with pytest.raises(ModelFormatError):
        copy_model(model, tmp_path / "copy", "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]


# --- packages ---------------------------------------------------------------------------------------------------------


def test_a_package_that_unpacks_to_gigabytes_is_judged_by_what_it_claims(plain_model: Path, tmp_path: Path):
    package = tmp_path / "bomb.zip"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("rdf.yaml", "config: {hcc_scope: {model_sha256: x}}")
        with file.open("model.pt", "w") as entry:
            for _ in range(80):
                entry.write(bytes(1 << 20))
    with pytest.raises(ModelFormatError, match="unpacks to 83,886,"):
        check_package(package, load_model(plain_model))


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (b"", "not a bioimage.io package"),
        (b"[" * 20_000, "not a bioimage.io package"),
        (b"config: 3", "not a bioimage.io package"),
        (b"a" * (2 << 20), "has 2,097,152 bytes"),
        (
            b"config: {hcc_scope: {model_sha256: x}}\nweights: {torchscript: {sha256: y, source: ../../a}}",
            "not a bioimage",
        ),
    ],
)
def test_a_strange_description_is_refused(plain_model: Path, tmp_path: Path, description: bytes, message: str):
    package = tmp_path / "it.zip"
    with zipfile.ZipFile(package, "w") as file:
        file.writestr("rdf.yaml", description)
    with pytest.raises(ModelFormatError, match=message) as caught:
        check_package(package, load_model(plain_model))
    assert "\n" not in str(caught.value)


def test_a_folder_that_appears_while_a_model_is_written_is_reported_as_one(plain_model: Path, tmp_path: Path):
    model, out = load_model(plain_model), tmp_path / "out"

    def describe(_card: object) -> str:
        out.mkdir()
        (out / "of another").touch()
        return "#"

    with pytest.raises(ModelError, match=r"exists\. Models are never overwritten"):
        copy_model(model, out, "out", describe=describe)
    assert [path.name for path in out.iterdir()] == ["of another"]
    assert not list(tmp_path.glob(".*"))

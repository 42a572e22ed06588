"""A model's folder: written with its torch.export program, copied, tested and read from the command line."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from hcc_scope.cli.acquisition_commands import app
from hcc_scope.errors import (
    HccScopeError,
    ModelAlteredError,
    ModelError,
    ModelFormatError,
    ModelSelfTestError,
    StoreError,
    StoreExistsError,
    UsageError,
)
from hcc_scope.inference import load_model
from hcc_scope.inference.card import LICENCE_NOT_STATED, ModelCard, UnlikeTraining, read_card, write_card
from hcc_scope.inference.catalogue import find_model
from hcc_scope.inference.loading import MODEL_FILE
from hcc_scope.training.bioimageio import DESCRIPTION_FILE, check_package, write_package
from hcc_scope.training.export import (
    README_FILE,
    WEIGHTS_FILE,
    copy_model,
    export_model,
    program_difference,
    to_torchscript,
)
from hcc_scope.training.network import Meng2019
from hcc_scope.training.torch_export import PROGRAM_FILE, program_logits, to_program
from tests.model_parts import TILE_PX, Inside, Plain, archive, make_model, random_tiles


class Three(torch.nn.Module):
    """A network that also measures how unlike the training tiles a tile is."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        logits, features = self.inner(x)
        return logits, features, features.square().sum(dim=1)


class Odd(torch.nn.Module):
    """What TorchScript can express and torch.export cannot: another path for other values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.to(torch.float32).mean(dim=-1).mean(dim=-1)  # (n, 1)
        if bool(y.sum() > 1e4):
            y = y + 1.0
        return torch.cat([y, -y], dim=1) / 65536.0


def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return Three(Inside(Plain(), 2.0**-13)).eval()


class Raises(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.size(0) == 1:
            raise ValueError("not today")
        return x


class TwoTiles(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros(2, 7)


class WantsTwo(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y


def card(name: str = "small", *, measures: bool = True) -> ModelCard:
    unlike = UnlikeTraining(method="any", components=1, threshold=1.0, false_flag_rate=0.01, measured_on="nothing")
    return ModelCard(
        name=name, description="for a test", sha256="0" * 64, classes=("low", "high"), tile_px=TILE_PX,
        pixel_size_um=0.325, pixel_size_tolerance=0.05, bit_depth=16, full_scale=65535, normalisation="inside",
        count_scale=2.0**-13, temperature=1.5, decision_threshold=0.5, engine_tolerance=1e-4, intended_use="tests",
        limits=("none",), licence="BSD-3-Clause", unlike_training=unlike if measures else None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small"
    model = network()
    return export_model(
        to_torchscript(model), model, random_tiles(2), card(), folder, describe=lambda sealed: f"# {sealed.sha256}\n"
    )


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refusal(*arguments: str | Path) -> HccScopeError:
    error = run(*arguments).exception
    assert isinstance(error, HccScopeError), error
    return error


# --- the program ------------------------------------------------------------------------------------------------------


def test_the_program_of_the_papers_network_takes_any_number_of_tiles():
    torch.manual_seed(1)
    paper = Meng2019().to(memory_format=torch.channels_last)  # as training leaves it
    program = to_program(paper, 512)
    assert b"/test" not in program
    assert str(Path(__file__).parents[1]).encode() not in program
    tiles = random_tiles(3, 512)
    with torch.inference_mode():
        logits = torch.cat([paper.eval()(torch.from_numpy(tile[None, None]))[0] for tile in tiles]).numpy()
    np.testing.assert_allclose(program_logits(program, tiles, "it"), logits, atol=1e-4)
    assert next(paper.parameters()).requires_grad


def test_the_program_beside_the_model_gives_its_logits(small: Path):
    model = load_model(small)
    assert program_difference(model) <= 1e-6
    assert len(model.test_input) == 2


def test_a_network_that_cannot_be_a_program_is_written_without_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    notes: list[str] = []
    odd = Odd()
    folder = export_model(
        to_torchscript(odd), odd, random_tiles(1), card("odd", measures=False), tmp_path / "odd", note=notes.append
    )
    assert not (folder / PROGRAM_FILE).exists()
    assert len(notes) == 1
    assert "torch.export cannot make a program of this network" in notes[0]
    assert "\n" not in notes[0]
    assert capfd.readouterr().err == ""
    assert program_difference(load_model(folder)) is None


def test_a_program_of_other_weights_is_reported(small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    folder = Path(shutil.copytree(small, tmp_path / "other"))
    torch.manual_seed(4)
    (folder / PROGRAM_FILE).write_bytes(to_program(Inside(Plain(), 2.0**-13), TILE_PX))
    model = load_model(folder)
    with pytest.raises(ModelSelfTestError, match="gives other logits than the model beside it"):
        program_difference(model)
    with pytest.raises(ModelSelfTestError):
        copy_model(model, tmp_path / "copy", "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other"]
    capfd.readouterr()
    (folder / PROGRAM_FILE).write_bytes(b"no program")
    with pytest.raises(ModelFormatError, match=r"model\.pt2 is damaged or no archive"):
        program_difference(load_model(folder))
    assert capfd.readouterr().err == ""


def test_the_readme_is_made_of_the_finished_card(small: Path):
    assert (small / README_FILE).read_text() == f"# {read_card(small).sha256}\n"


# --- the command line -------------------------------------------------------------------------------------------------


def test_a_run_is_exported_as_a_copy_and_a_package(small: Path, tmp_path: Path):
    trained = tmp_path / "run"
    trained.mkdir()
    shutil.copytree(small, trained / "model")
    out, package = tmp_path / "out", tmp_path / "packages" / "mine.zip"
    done = run("models", "export", trained, "--out", out, "--name", "mine", "--bioimageio", package, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    folder = out / "mine"
    assert found["folder"] == str(folder)
    assert "RESEARCH USE ONLY" in (folder / README_FILE).read_text()
    assert (folder / MODEL_FILE).read_bytes() == (small / MODEL_FILE).read_bytes()
    assert load_model(folder).card.name == "mine"
    assert {path.name for path in folder.iterdir()} == {path.name for path in small.iterdir()}

    tested = run("models", "test", folder, "--bioimageio", package, "--json")
    assert tested.exit_code == 0, tested.output
    result = json.loads(tested.stdout)
    assert result["program_largest_logit_difference"] <= 1e-6
    assert result["packages_largest_probability_difference"][str(package)] <= 1e-6
    assert "Its package" in run("models", "test", folder, "--bioimageio", package).stdout

    again = refusal("models", "export", trained, "--out", out, "--name", "mine")
    assert isinstance(again, ModelError)
    assert "never overwritten" in str(again)
    occupied = refusal("models", "export", trained, "--out", out, "--name", "yours", "--bioimageio", package)
    assert isinstance(occupied, StoreExistsError)
    assert not (out / "yours").exists()


def test_weights_that_are_not_the_models_are_refused(tmp_path: Path):
    shipped = find_model("phantom-meng2019")
    tested = json.loads(run("models", "test", shipped, "--json").stdout)
    assert tested["weights_largest_logit_difference"] <= tested["tolerance"]
    other = Path(shutil.copytree(shipped, tmp_path / "other"))
    weights = load_file(other / WEIGHTS_FILE)
    save_file({name: 1.01 * value for name, value in weights.items()}, other / WEIGHTS_FILE)
    for command in (("test", other), ("export", other, "--out", tmp_path, "--name", "copy")):
        found = refusal("models", *command)
        assert isinstance(found, ModelSelfTestError)
        assert "other weights than the model" in str(found)
    (other / WEIGHTS_FILE).write_bytes(b"no")
    assert isinstance(refusal("models", "test", other), ModelFormatError)
    assert not (tmp_path / "copy").exists()


def test_only_the_person_who_exports_a_model_states_a_licence(small: Path, tmp_path: Path):
    unstated = copy_model(load_model(small), tmp_path / "unstated", "unstated")
    write_card(read_card(unstated).model_copy(update={"licence": LICENCE_NOT_STATED}), unstated)
    done = run("models", "export", unstated, "--out", tmp_path, "--name", "a", "--bioimageio", tmp_path / "a.zip")
    assert "licence is 'not stated'" in done.stdout
    stated = json.loads(run("models", "export", unstated, "--out", tmp_path, "--name", "b", "--json").stdout)
    assert stated["licence"] is None
    done = run("models", "export", unstated, "--out", tmp_path, "--name", "c", "--licence", "cc-by-4.0")
    assert "not stated" not in done.stdout
    assert read_card(tmp_path / "c").licence == "CC-BY-4.0"
    assert "Licence: CC-BY-4.0" in (tmp_path / "c" / README_FILE).read_text()
    for bad in ("", "my own", "http://x", "foo-bar", "NOASSERTION", "MIT OR Apache-2.0", "LicenseRef-x"):
        assert isinstance(
            refusal("models", "export", unstated, "--out", tmp_path, "--name", "d", "--licence", bad), UsageError
        )
    assert not (tmp_path / "d").exists()


def test_what_cannot_be_exported_is_refused_before_anything_is_written(small: Path, tmp_path: Path):
    broken = Path(shutil.copytree(small, tmp_path / "broken"))
    np.save(broken / "test_output.npy", np.load(small / "test_output.npy") + 1)
    out = tmp_path / "out"
    assert isinstance(refusal("models", "export", broken, "--out", out), ModelSelfTestError)
    assert isinstance(refusal("models", "export", small, "--out", out, "--name", "a/b"), UsageError)
    assert isinstance(refusal("models", "export", small, "--out", out, "--author", "A. Person"), UsageError)
    assert isinstance(refusal("models", "export", small, "--out", out, "--bioimageio", tmp_path / "a.tar"), UsageError)
    assert isinstance(refusal("models", "export", small, "--out", out, "--name", "NUL"), UsageError)
    assert isinstance(refusal("models", "export", tmp_path / "nothing", "--out", out), ModelError)
    assert not out.exists()


def test_a_model_is_not_left_where_its_package_could_not_be_written(small: Path, tmp_path: Path):
    occupied = tmp_path / "file"
    occupied.write_text("not a folder")
    assert refusal("models", "export", small, "--out", tmp_path / "out", "--bioimageio", occupied / "a.zip")
    assert not (tmp_path / "out" / "small").exists()


def test_paths_that_cannot_be_looked_at_are_reported(small: Path, tmp_path: Path):
    long = "x" * 300
    assert "cannot be looked at" in str(refusal("models", "info", long))
    assert isinstance(refusal("models", "export", long, "--out", tmp_path), ModelError)
    assert isinstance(refusal("models", "export", small, "--out", tmp_path / long), StoreError)
    package = tmp_path / f"{long}.zip"
    assert isinstance(refusal("models", "export", small, "--out", tmp_path / "a", "--bioimageio", package), StoreError)
    assert list((tmp_path / "a").iterdir()) == []


def test_an_unfinished_run_is_reported_as_one(tmp_path: Path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.json").write_text("{}")
    for command in (("export", tmp_path, "--out", tmp_path / "out"), ("info", tmp_path), ("test", tmp_path)):
        error = refusal("models", *command)
        assert isinstance(error, ModelError)
        assert "has no model: it was not finished" in str(error)


def test_info_prints_the_card(small: Path):
    as_json = json.loads(run("models", "info", small, "--json").stdout)
    assert as_json["card"]["name"] == "small"
    markdown = run("models", "info", small, "--markdown").stdout
    assert markdown.startswith("# small\n")
    assert "| classes | low, high" in markdown
    shown = run("models", "info", small).stdout
    assert "Intended use" in shown
    assert "RESEARCH USE ONLY" in shown
    assert isinstance(refusal("models", "info", small, "--json", "--markdown"), UsageError)


# --- the package's own checks; the validator's are in test_bioimageio.py ----------------------------------------------


def test_a_package_without_documentation_is_refused(tmp_path: Path):
    tiles = random_tiles(1)
    inside = network().inner  # the card of `make_model` promises no distance
    data = archive(inside)
    with torch.inference_mode():
        logits = inside(torch.from_numpy(tiles[:, None].astype(np.float32)))[0].numpy()
    folder = make_model(tmp_path / "bare", data, logits, tiles)
    with pytest.raises(ModelError, match=r"no README\.md"):
        write_package(folder, tmp_path / "bare.zip")
    assert not (tmp_path / "bare.zip").exists()


def test_a_package_is_compared_with_the_model_it_was_made_of(small: Path, tmp_path: Path):
    package = write_package(small, tmp_path / "small.zip")
    model = load_model(small)
    assert check_package(package, model) <= 1e-6
    with pytest.raises(StoreExistsError):
        write_package(small, package)

    altered = tmp_path / "altered.zip"
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(altered, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) + (b" " if name == MODEL_FILE else b""))
    with pytest.raises(ModelAlteredError, match="not those that it describes"):
        check_package(altered, model)

    torch.manual_seed(9)
    other = Inside(Plain(), 2.0**-13)
    folder = export_model(
        to_torchscript(other), other, random_tiles(1), card("other", measures=False), tmp_path / "other"
    )
    with pytest.raises(ModelFormatError, match="made of another model"):
        check_package(package, load_model(folder))
    with pytest.raises(ModelFormatError, match=r"is not a bioimage\.io package"):
        check_package(small / MODEL_FILE, model)


def test_packages_of_strangers_are_refused_in_a_sentence(small: Path, tmp_path: Path):
    package = write_package(small, tmp_path / "small.zip")
    model = load_model(small)
    with zipfile.ZipFile(package) as source:
        files = {name: source.read(name) for name in source.namelist()}
    description = yaml.safe_load(files[DESCRIPTION_FILE])

    def packed(text: bytes, weights: bytes) -> Path:
        path = tmp_path / "strange.zip"
        with zipfile.ZipFile(path, "w") as target:
            for name, data in (files | {DESCRIPTION_FILE: text, MODEL_FILE: weights}).items():
                target.writestr(name, data)
        return path

    for text in (b"", b"a: 2001-99-45", b"[" * 5000, b"- 1", b"\xff\xfe\x00\x01"):
        with pytest.raises(ModelFormatError, match=r"is not a bioimage\.io package"):
            check_package(packed(text, files[MODEL_FILE]), model)
    for module in (Raises(), TwoTiles(), WantsTwo(), network()):  # the last one gives a tuple
        weights = archive(module)
        description["weights"]["torchscript"]["sha256"] = hashlib.sha256(weights).hexdigest()
        with pytest.raises(ModelFormatError, match=r"strange\.zip (does not take a tile|gives)"):
            check_package(packed(yaml.safe_dump(description).encode(), weights), model)
    data = bytearray(package.read_bytes())
    for field, value in ((6, 1), (10, 97)):  # the flag of an encrypted file; a compression that does not exist
        odd = data.copy()
        at = odd.rfind(b"PK\x01\x02")
        while at >= 0:
            odd[at + field + (2 if field == 6 else 0)] = value
            at = odd.rfind(b"PK\x01\x02", 0, at)
        odd[6] |= field == 6
        (tmp_path / "odd.zip").write_bytes(odd)
        with pytest.raises(ModelFormatError, match=r"is not a bioimage\.io package"):
            check_package(tmp_path / "odd.zip", model)
    start = data.find(DESCRIPTION_FILE.encode()) + len(DESCRIPTION_FILE)
    data[start + 5 : start + 60] = b"\x99" * 55
    (tmp_path / "odd.zip").write_bytes(data)
    with pytest.raises(ModelFormatError, match=r"is not a bioimage\.io package"):
        check_package(tmp_path / "odd.zip", model)


def test_the_package_applies_temperature_and_normalisation(tmp_path: Path):
    torch.manual_seed(5)
    inner = Plain().eval()
    tiles = random_tiles(1)
    counts = torch.from_numpy(tiles[:, None].astype(np.float32))
    with torch.inference_mode():
        logits = Inside(inner, 2.0**-13)(counts)[0].numpy()
    folder = make_model(tmp_path / "external", archive(inner), logits, tiles, normalisation="external", temperature=2.5)
    package = write_package(folder, tmp_path / "external.zip", documentation="# A model\n")
    with zipfile.ZipFile(package) as file, file.open("test_output.npy") as array:
        found = np.load(array)
    high = 1 / (1 + np.exp(-(logits[:, 1] - logits[:, 0]) / 2.5))
    np.testing.assert_allclose(found, np.stack([1 - high, high], axis=1), atol=1e-5)


def test_a_card_without_the_newer_fields_is_read(small: Path, tmp_path: Path):
    assert write_card(read_card(small), tmp_path).read_text() == (small / "card.yaml").read_text()

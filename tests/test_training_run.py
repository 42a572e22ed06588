"""``hcc-scope train``: from a manifest to a model that can be used, and what may go wrong on the way."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from hcc_scope.cli.runs import Interrupted
from hcc_scope.cli.train import TrainOptions, run_train
from hcc_scope.datasets.cache import CACHE_FOLDER
from hcc_scope.errors import (
    DatasetError,
    LeakError,
    ResumeError,
    StoreExistsError,
    StoreUnwritableError,
    TrainingError,
    UsageError,
)
from hcc_scope.evaluation.training_progress import follow_training
from hcc_scope.inference import load_model
from hcc_scope.progress import Progress
from hcc_scope.training import attempts, run_folder
from hcc_scope.training.predict import load_weights
from hcc_scope.training.validation_split import hold_out
from tests.dataset_parts import small_set
from tests.labelled_image_parts import texture_set
from tests.quick_model_parts import at_most_attempts, without_program

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.training.fit_result import FitResult


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two animals per class, two images of one tile each."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    lines = ["path,class,animal_id,section_id,day,pixel_size_um"]
    for label, name in enumerate(("low", "high")):
        for animal in (1, 2):
            for image in (1, 2):
                file = f"{name}{animal}-{image}.tif"
                grain = 2 if label else 8  # both pass quality
                pixels = np.kron(rng.normal(30_000, 6_000, (512 // grain, 512 // grain)), np.ones((grain, grain)))
                tifffile.imwrite(folder / file, pixels.clip(0, 65_535).astype(np.uint16), photometric="minisblack")
                lines.append(f"{file},{name},{name}{animal},s1,2026-01-0{animal},0.325")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def options(manifest: Path, out: Path, **more: object) -> TrainOptions:
    names = TrainOptions.__dataclass_fields__
    values: dict[str, Any] = {**dict.fromkeys(names), "manifest": manifest, "out": out, "resume": False}
    return TrainOptions(**{**values, "epochs": 1, "batch": 2, "threads": 1, **more})


@pytest.fixture(scope="module")
def run(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, beside a set of its own and with a cache of its own."""
    folder = tmp_path_factory.mktemp("runs") / "liver"
    table = Path(shutil.copytree(manifest.parent, folder.with_name("set"))) / "manifest.csv"
    shutil.rmtree(table.parent / CACHE_FOLDER, ignore_errors=True)
    options_ = options(table, folder, network="compact", seed=3, epochs=4, cache=folder.with_name("tiles"))
    with without_program():
        run_train(options_, json_mode=False)  # enough to learn them
    return folder


def test_a_run_folder_holds_everything(run: Path):
    assert {path.name for path in run.iterdir()} == {
        "checkpoints", "config.json", "environment.json", "metrics.jsonl", "model", "splits.json",
        "weights.safetensors",
    }  # fmt: skip
    config, splits, environment = (
        json.loads((run / f"{name}.json").read_bytes()) for name in ("config", "splits", "environment")
    )
    assert config["run"]["network"] == "compact"
    assert config["command"].startswith("hcc-scope train manifest.csv --out liver --name liver --network compact")
    assert len(config["run"]["data"]) == 64
    assert splits["held_out_by"] == "animal"
    assert len(splits["held_out"]["animals"]) == len(splits["train"]["animals"]) == 2
    assert not set(splits["held_out"]["animals"]) & set(splits["train"]["animals"])
    assert {environment["device"], environment["precision"]} <= {"cpu", "cuda", "bfloat16", "float32"}
    assert "torch" in environment["versions"]
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in metrics] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert "held_out_auc" in metrics[-1]
    progress = follow_training(run)
    assert (progress.state, progress.report, progress.problems) == ("finished", run / "model" / "README.md", ())
    assert [len(one.epochs) for one in progress.networks] == [4]
    assert progress.about.startswith("Network compact, recipe ")


def test_the_model_can_be_used(run: Path):
    model = load_model(run / "model")
    card = model.card
    assert card.training is not None
    assert (card.name, card.network, card.training.seed, card.training.tiles) == ("liver", "compact", 3, 4)
    assert card.training.attempts == 1
    assert "no image of these animals, and none found to share pixels with one of them, was trained on" in str(
        card.calibrated_on
    )
    logits = model.classifier().classify(model.test_input).logits
    assert np.allclose(logits, model.test_output, atol=1e-5)
    weights = load_weights("compact", run / "model" / "weights.safetensors")
    weights_of_run = load_weights("compact", run / "weights.safetensors")
    assert all(
        np.array_equal(a.detach(), b.detach())
        for a, b in zip(*(net.parameters() for net in (weights, weights_of_run)), strict=True)
    )


def test_nothing_is_overwritten_and_a_finished_run_is_returned(
    run: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(StoreExistsError, match="exists and is not empty"):
        run_train(options(manifest, run), json_mode=False)
    before = (run / "model" / "card.yaml").read_bytes()
    capsys.readouterr()
    again = replace(options(manifest, run), resume=True, epochs=None, batch=None)  # the rest is the run's own
    run_train(again, json_mode=True)
    out = json.loads(capsys.readouterr().out)
    assert out["model"] == str(run / "model")
    assert out["card"]["network"] == "compact"
    assert (run / "model" / "card.yaml").read_bytes() == before


def test_a_continued_run_with_another_configuration_is_refused(run: Path, manifest: Path, tmp_path: Path):
    with pytest.raises(ResumeError, match=r"epochs: 4 in the run, 7 now$"):
        run_train(options(manifest, run, resume=True, epochs=7), json_mode=False)
    with pytest.raises(ResumeError, match="no training run"):
        run_train(options(manifest, tmp_path / "nothing", resume=True), json_mode=False)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ResumeError, match="cannot be read"):
        run_train(options(manifest, tmp_path, resume=True), json_mode=False)
    stored = json.loads((run / "config.json").read_bytes())
    for change, message in (({"colour": 1}, "asked.colour: there is no such key"), ({"epochs": "1"}, "asked.epochs: ")):
        (tmp_path / "config.json").write_text(json.dumps(stored | {"asked": stored["asked"] | change}))
        with pytest.raises(ResumeError, match=message):
            run_train(options(manifest, tmp_path, resume=True), json_mode=False)


def test_a_continued_run_finds_its_tiles_where_it_put_them(run: Path):
    table = run.with_name("set") / "manifest.csv"
    run_train(replace(options(table, run), resume=True, epochs=None, batch=None), json_mode=True)
    assert list(run.with_name("tiles").iterdir())
    assert not (table.parent / CACHE_FOLDER).exists()


def press_ctrl_c() -> None:
    """Call what Ctrl-C would: a real signal can also end the process that runs tests side by side."""
    handler = signal.getsignal(signal.SIGINT)
    assert callable(handler)
    handler(signal.SIGINT, None)


def test_ctrl_c_keeps_the_training_and_states_how_to_continue(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real, before = attempts.fit, signal.getsignal(signal.SIGINT)

    def interrupted(*arguments: object, **more: object) -> FitResult:
        press_ctrl_c()
        return real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(attempts, "fit", interrupted)
    with pytest.raises(Interrupted, match=r"'hcc-scope train .*manifest.csv --out .* --resume' continues"):
        run_train(options(manifest, tmp_path / "run"), json_mode=False)
    assert signal.getsignal(signal.SIGINT) is before
    assert (tmp_path / "run" / "checkpoints" / "last.safetensors").exists()
    assert not (tmp_path / "run" / "model").exists()
    monkeypatch.setattr(attempts, "fit", real)
    with at_most_attempts(1), without_program():
        run_train(options(manifest, tmp_path / "run", resume=True), json_mode=False)
    assert load_model(tmp_path / "run" / "model").card.network == "meng2019"


def test_ctrl_c_before_the_training_reports_it(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(_data: object, _cache: object, on_progress: Callable[[Progress], None]) -> None:
        press_ctrl_c()
        on_progress(Progress("cut tiles", 1, 8, ""))

    monkeypatch.setattr(run_folder, "cut_tiles", interrupted)
    with pytest.raises(Interrupted, match="interrupted: the training had not begun; start it again"):
        run_train(options(manifest, tmp_path / "run"), json_mode=False)
    assert not (tmp_path / "run").exists()


# ---- what is refused before anything is done ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"network": "resnet"}, "--network cannot be 'resnet'. There are: meng2019, compact"),
        ({"recipe": "old"}, "--recipe cannot be 'old'"),
        ({"precision": "int8"}, "--precision cannot be 'int8'"),
        ({"device": "tpu"}, "--device cannot be 'tpu'"),
        ({"learning_rate": 0.0}, "--learning-rate must be a positive number, not 0"),
        ({"learning_rate": math.inf}, "--learning-rate must be a positive number, not inf"),
        ({"hold_out": "none", "patience": 2}, "--patience needs held-out animals, and there are none"),
        ({"hold_out": "some"}, "--hold-out takes a number of animals per class, or 'none'"),
        ({"hold_out": "0"}, "--hold-out takes a number"),
        *(({"name": name}, "cannot be that of a folder") for name in ("a/b", "a\\b", "..", ".hidden", "x" * 101)),
    ],
)
def test_options_that_make_no_sense_are_refused(manifest: Path, tmp_path: Path, more: dict[str, Any], words: str):
    with pytest.raises(UsageError) as caught:
        run_train(options(manifest, tmp_path / "run", **more), json_mode=False)
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_out_folder_that_cannot_be_written_is_refused_before_the_tiles_are_cut(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file" / "run", tmp_path / "file" / "below" / "run"):
        with pytest.raises(StoreUnwritableError, match="nothing can be written to"):
            run_train(options(tmp_path / "no-manifest.csv", folder), json_mode=False)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user who may not write everywhere")
def test_a_read_only_out_folder_is_refused(manifest: Path, tmp_path: Path):
    folder = tmp_path / "readonly"
    folder.mkdir(mode=0o555)
    with pytest.raises(StoreUnwritableError, match="nothing can be written to"):
        run_train(options(manifest, folder), json_mode=False)


# ---- what is held out -----------------------------------------------------------------------------------------------


def test_animals_are_held_out_whole_and_by_the_seed():
    _, tiles = texture_set(animals_per_class=3, images=2)
    seen = set()
    for seed in range(8):
        split = hold_out(tiles, 1, seed)
        animals = [{tiles.images[i].animal_id for i in side} for side in (split.train, split.held_out)]
        assert not animals[0] & animals[1]
        assert {tiles.images[i].tumour_class for i in split.held_out} == {"low", "high"}
        assert (len(animals[1]), split.by) == (2, "animal")
        seen.add(frozenset(animals[1]))
    assert len(seen) > 2
    assert np.array_equal(hold_out(tiles, 1, 5).held_out, hold_out(tiles, 1, 5).held_out)
    assert len({tiles.images[i].animal_id for i in hold_out(tiles, 2, 5).held_out}) == 4
    with pytest.raises(UsageError, match="3 animals per class cannot be held out: class low has 3"):
        hold_out(tiles, 3, 5)
    nothing = hold_out(tiles, None, 5)
    assert (len(nothing.train), len(nothing.held_out), nothing.by) == (12, 0, "none")


def test_with_one_animal_per_class_images_are_held_out_and_it_is_reported():
    _, tiles = texture_set(animals_per_class=1, images=5)
    split = hold_out(tiles, 1, 5)
    assert (len(split.train), len(split.held_out), split.by) == (8, 2, "image")
    assert "NOT by animal" in split.description
    _, single = texture_set(animals_per_class=1, images=1)
    with pytest.raises(TrainingError, match="class low has one usable image"):
        hold_out(single, 1, 5)


def copied(tiles: TileTable, one: int, other: int) -> TileTable:
    digests = list(tiles.digests)
    digests[other] = digests[one]
    return replace(tiles, digests=tuple(digests))


def test_a_copy_on_the_other_side_is_refused():
    _, tiles = texture_set(animals_per_class=1, images=2)
    with pytest.raises(LeakError, match=r"is held out, and .* is trained on, is the same image"):
        hold_out(copied(tiles, 0, 1), 1, 5)
    hold_out(copied(tiles, 0, 1), None, 5)  # of one animal and class, and nothing is held out


@pytest.mark.parametrize("held", [None, 1, 2])
def test_the_same_pixels_in_two_classes_or_animals_are_refused_whatever_is_held_out(held: int | None):
    _, tiles = texture_set(animals_per_class=3, images=1)
    for seed in range(4):
        with pytest.raises(DatasetError, match=r"/low-1-s1-1.tif is labelled low and .*/high-1-s1-1.tif .* high") as no:
            hold_out(copied(tiles, 0, 1), held, seed)
        assert no.value.exit_code == 50
        with pytest.raises(LeakError, match=r"/low-1-s1-1.tif \(animal low-1\) and .*/low-2-s1-1.tif \(animal low-2"):
            hold_out(copied(tiles, 0, 2), held, seed)
    last = len(tiles.images) - 1
    unusable = replace(copied(tiles, 0, last), image_index=tiles.image_index[:-1], tile_index=tiles.tile_index[:-1])
    assert last not in hold_out(unusable, None, 0).train  # no tile of it can be trained on


def test_a_command_refuses_the_same_pixels_in_two_classes(tmp_path: Path):
    manifest = small_set(tmp_path)
    (tmp_path / "high1-0.tif").write_bytes((tmp_path / "low1-0.tif").read_bytes())
    with pytest.raises(DatasetError, match="both hold the same pixels"):
        run_train(options(manifest, tmp_path / "model", hold_out="none"), json_mode=False)
    assert not (tmp_path / "model").exists()  # nothing was begun

"""From a training to a model: what an evaluation puts into it, and what it reports as missing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch

from hcc_scope.cli.train import TrainOptions, run_train
from hcc_scope.datasets.cache import cut_tiles
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.errors import DivergedError, ResumeError, TrainingError, UsageError
from hcc_scope.evaluation.analysis import analyse
from hcc_scope.evaluation.record import load_calibration, write_evaluation
from hcc_scope.evaluation.run import evaluate
from hcc_scope.inference import load_model
from hcc_scope.inference.card import read_card
from hcc_scope.progress import ignore_progress
from hcc_scope.report.card_markdown import card_markdown
from hcc_scope.resources import models_dir
from hcc_scope.runs.build_model import make_model
from hcc_scope.runs.unseen_tiles import unseen_tiles
from hcc_scope.training.compute import Place
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.fit_result import FitResult
from hcc_scope.training.network import make_network
from hcc_scope.training.training_result import TrainingResult
from hcc_scope.training.validation_split import hold_out
from tests.evaluation_parts import quick_start
from tests.labelled_image_parts import texture_set, texture_tile
from tests.quick_model_parts import at_most_attempts, without_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcc_scope.training.run_folder import TrainRun

CONFIG = TrainConfig(steps=4, batch=4, threads=1, learning_rate=1e-3)


@pytest.fixture(scope="module", autouse=True)
def quick_models() -> Iterator[None]:
    """Models without a program, and of one attempt: neither concerns a test here."""
    with without_program(), at_most_attempts(1):
        yield


def trained(network: torch.nn.Module) -> TrainingResult:
    data, tiles = texture_set()
    split = hold_out(tiles, 1, 0)
    fitted = FitResult(network.eval(), 1, ())
    place = Place("cpu", "float32", 1)
    return TrainingResult(fitted, data, tiles, split, CONFIG, place, "m", "hcc-scope train", None)


def test_a_network_whose_answer_is_constant_is_reported_on_screen_and_card(tmp_path: Path):
    silent, messages = make_network("meng2019", seed=1), []
    with torch.no_grad():
        silent.get_parameter("output.weight").zero_()
    folder = make_model(trained(silent), tmp_path / "m", on_progress=ignore_progress, say=messages.append)
    assert any("has learnt nothing" in words for words in messages)
    assert "has learnt nothing" in load_model(folder).card.limits[0]
    assert "has learnt nothing" in (folder / "README.md").read_text(encoding="utf-8")


def test_any_other_is_calibrated_on_held_out_animals_and_names_what_it_lacks(tmp_path: Path):
    messages: list[str] = []
    one = trained(make_network("meng2019", seed=1))
    card = load_model(make_model(one, tmp_path / "m", on_progress=ignore_progress, say=messages.append)).card
    assert not any("has learnt nothing" in words for words in messages)
    assert any("does not flag tiles that are unlike" in words for words in messages)
    assert any("torch.export cannot make a program" in words for words in messages)
    assert card.unlike_training is None
    assert card.evaluation is None
    held_out = {one.tiles.images[i].animal_id for i in one.split.held_out}
    assert {row.animal for row in card.validation} == held_out
    assert all(animal in str(card.calibrated_on) for animal in held_out)
    assert {row.kind for row in card.shifts} == {"exposure", "gain", "vignetting", "defocus"}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two animals per class, two images of one tile each, on two days."""
    folder, rng = tmp_path_factory.mktemp("set"), np.random.default_rng(3)
    lines = ["path,class,animal_id,section_id,day,pixel_size_um"]
    for label, name in enumerate(("low", "high")):
        for animal in (1, 2):
            for image in (1, 2):
                file = f"{name}{animal}-{image}.tif"
                pixels = texture_tile(rng, label) if label else np.kron(texture_tile(rng, 1, 256), np.ones((2, 2)))
                tifffile.imwrite(folder / file, pixels.astype(np.uint16), photometric="minisblack")
                lines.append(f"{file},{name},{name}{animal},s1,2026-01-0{image},0.325")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def evaluation(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation whose numbers are made up, and whose networks are not."""
    folder = tmp_path_factory.mktemp("evaluation") / "e"
    data = read_manifest(manifest)
    tiles = cut_tiles(data, None, ignore_progress)
    result = evaluate(data, tiles, CONFIG, folder, folds=2, starts=2, on_progress=ignore_progress, work=quick_start)
    for fold in result.of("by_animal"):
        from safetensors.torch import save_file

        for start in fold.starts:
            save_file(make_network("meng2019", seed=start.seed).state_dict(), start.weights)
    write_evaluation(analyse(result), folder, "hcc-scope evaluate manifest.csv --out e")
    return folder


def options(manifest: Path, out: Path, **more: object) -> TrainOptions:
    values: dict[str, Any] = dict.fromkeys(TrainOptions.__dataclass_fields__)
    return TrainOptions(**{**values, "manifest": manifest, "out": out, "resume": False, "threads": 1, **more})


@pytest.fixture(scope="module")
def evaluated_run(manifest: Path, evaluation: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with an evaluation."""
    folder = tmp_path_factory.mktemp("evaluated") / "r"
    run_train(options(manifest, folder, evaluation=evaluation), json_mode=True)
    return folder


def test_an_evaluation_decides_and_is_on_the_card(evaluated_run: Path, evaluation: Path):
    card, found = load_model(evaluated_run / "model").card, load_calibration(evaluation)
    assert (card.temperature, card.decision_threshold) == (found.temperature, found.threshold)
    assert card.licence == "not stated"
    assert card.evaluation == found.evaluation
    assert card.training is not None
    assert (card.training.steps, len(card.training.animals)) == (4, 4)  # all animals, as long as the folds
    assert "--evaluation e" in card.training.command
    assert card.shifts


def test_figures_of_another_precision_come_on_no_card(manifest: Path, evaluation: Path, tmp_path: Path):
    content = json.loads((evaluation / "evaluation.json").read_text(encoding="utf-8"))
    content["config"]["precision"] = "bfloat16"
    shutil.copytree(evaluation, tmp_path / "e")
    (tmp_path / "e" / "evaluation.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError, match="computed in bfloat16, and a model's card has figures of float32 alone"):
        run_train(options(manifest, tmp_path / "r", evaluation=tmp_path / "e"), json_mode=True)
    assert not (tmp_path / "r").exists()


def test_what_contradicts_an_evaluation_is_refused(manifest: Path, evaluation: Path, tmp_path: Path):
    for more, message in (
        ({"network": "compact"}, "--network is compact, but the evaluation .* is of meng2019"),
        ({"steps": 5}, "--steps is 5, but the evaluation .* is of 4"),
        ({"epochs": 5}, "--epochs is 5, but the evaluation .* is without --epochs"),
        ({"hold_out": "2"}, "--hold-out and --evaluation contradict"),
        ({"patience": 2}, "--patience needs held-out animals, and with --evaluation there are none"),
    ):
        with pytest.raises(UsageError, match=message):
            run_train(options(manifest, tmp_path / "r", evaluation=evaluation, **more), json_mode=True)
    lines = manifest.read_text().splitlines()
    other = manifest.with_name("other.csv")
    other.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(TrainingError, match="is of other images than"):
        run_train(options(other, tmp_path / "r", evaluation=evaluation), json_mode=True)
    with pytest.raises(TrainingError, match="holds no finished evaluation"):
        run_train(options(manifest, tmp_path / "r", evaluation=tmp_path), json_mode=True)


def test_an_evaluation_whose_networks_cannot_be_had_is_refused_before_the_training(
    manifest: Path, evaluation: Path, tmp_path: Path
):
    for name, damage, message in (
        ("missing", lambda start: shutil.rmtree(start), "was of 4 networks by animal, and 3 are there"),
        (
            "damaged",
            lambda start: (start / "weights.safetensors").write_bytes(b"no"),
            "holds no weights of the network",
        ),
    ):
        copy = Path(shutil.copytree(evaluation, tmp_path / name))
        damage(copy / "folds" / "by_animal-1" / "start-1")
        with pytest.raises(TrainingError, match=message):
            run_train(options(manifest, tmp_path / "r", evaluation=copy), json_mode=True)
        assert not (tmp_path / "r").exists()


def test_a_run_continues_with_its_own_seed_though_the_evaluation_has_another(
    evaluated_run: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = Path(shutil.copytree(evaluated_run, tmp_path / "r"))
    stored = json.loads((run / "config.json").read_bytes())
    stored["asked"]["seed"] = 5  # as with --seed 5
    (run / "config.json").write_text(json.dumps(stored))
    continued: list[TrainRun] = []
    monkeypatch.setattr(
        "hcc_scope.training.run_folder.train_run", lambda run, *_, **__: continued.append(run) or run.folder / "model"
    )
    run_train(options(manifest, run, resume=True), json_mode=True)
    assert (continued[0].config.seed, continued[0].config.steps) == (5, 4)


def test_a_run_continues_only_with_its_own_evaluation(
    evaluated_run: Path, manifest: Path, evaluation: Path, tmp_path: Path
):
    run = Path(shutil.copytree(evaluated_run, tmp_path / "r"))
    run_train(options(manifest, run, evaluation=evaluation, resume=True), json_mode=True)
    other = Path(shutil.copytree(evaluation, tmp_path / "other"))
    with pytest.raises(ResumeError, match=r"was started with --evaluation .*, not with --evaluation .*other"):
        run_train(options(manifest, run, evaluation=other, resume=True), json_mode=True)
    stored = json.loads((run / "config.json").read_bytes())
    (run / "config.json").write_text(json.dumps(stored | {"evaluation": None}))
    with pytest.raises(ResumeError, match="was started without --evaluation"):
        run_train(options(manifest, run, evaluation=evaluation, resume=True), json_mode=True)


def test_a_learning_rate_that_is_too_high_leaves_no_model_that_cannot_be_opened(manifest: Path, tmp_path: Path):
    run_train(
        options(manifest, tmp_path / "high", recipe="meng2019", learning_rate=0.3, epochs=2, batch=2), json_mode=True
    )
    assert 0 < load_model(tmp_path / "high" / "model").card.decision_threshold < 1
    much = {"recipe": "meng2019", "learning_rate": 1e6, "epochs": 1, "batch": 2}
    for again in (False, True):
        with pytest.raises(DivergedError, match=r"has diverged.*Use a lower --learning-rate"):
            run_train(options(manifest, tmp_path / "much", resume=again, **(much if not again else {})), json_mode=True)
        assert not (tmp_path / "much" / "model").exists()


def test_only_a_recipe_that_stops_early_chooses_the_epoch():
    one = trained(make_network("compact", seed=1))
    shipped = read_card(models_dir() / "phantom-meng2019")
    for recipe, chooses in (("modern", True), ("meng2019", False)):
        quick = replace(one, config=replace(one.config, network="compact", recipe=recipe))
        chosen = unseen_tiles(quick, None, silent=False).calibrated_on
        assert ("which also chose the epoch" in chosen) is chooses
        text = card_markdown(shipped.model_copy(update={"calibrated_on": chosen}))
        assert ("chose the epoch" in text) is chooses

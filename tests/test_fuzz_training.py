"""Files that a training or an evaluation is continued from: damaged, missing, or something else in their place."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from benchmarks.fuzz_training import _EVALUATION, _RUN, CONFIG, _fit, _table
from hcc_scope.errors import HccScopeError, ResumeError, TrainingError
from hcc_scope.evaluation.record import EVALUATION_FILE, load_calibration
from hcc_scope.training.checkpoint import CHECKPOINT
from hcc_scope.training.config import CONFIG_FILE, Stopped
from hcc_scope.training.run_folder import stored_config

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "begun"
    with pytest.raises(Stopped):
        _fit(_table(), folder, 3)
    return folder


def changed(begun: Path, folder: Path, **values: object) -> Path:
    """Copy a run whose checkpoint holds other values."""
    path = folder / CHECKPOINT
    path.parent.mkdir(parents=True)
    with safe_open(begun / CHECKPOINT, framework="np") as file:
        metadata = json.loads(file.metadata()["hcc_scope_training"])
    metadata["how_far"] |= values
    save_file(load_file(begun / CHECKPOINT), path, {"hcc_scope_training": json.dumps(metadata)})
    return folder


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": ""}, "how_far.epoch: "),
        ({"step": float("nan")}, "how_far.step: "),
        ({"step": 7}, "epoch 2, step 7, of 4 steps, 2 an epoch"),
        ({"epoch": 99, "history": []}, "history: it is not that"),
        ({"epoch": 1, "step": 0, "history": [], "best_epoch": 5}, "best_epoch: it is still to come"),
        ({"metrics_bytes": -4}, "metrics_bytes: "),
        ({"colour": "red"}, "how_far.colour: there is no such key"),
    ],
)
def test_a_checkpoint_that_cannot_be_is_refused(begun: Path, tmp_path: Path, values: dict[str, object], message: str):
    with pytest.raises(ResumeError, match=message) as caught:
        _fit(_table(), changed(begun, tmp_path / "r", **values), 99)
    assert "\n" not in caught.value.message


def test_and_one_with_the_same_values_is_continued(begun: Path, tmp_path: Path):
    assert len(_fit(_table(), changed(begun, tmp_path / "r"), 99).history) == CONFIG.epochs


@pytest.mark.parametrize("part", ["network", "best", "optimiser"])
def test_weights_that_are_no_numbers_are_not_trained_further(begun: Path, tmp_path: Path, part: str):
    path = changed(begun, tmp_path / "r") / CHECKPOINT
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    name = next(key for key, value in tensors.items() if key.startswith(f"{part}/") and value.ndim == 1)
    tensors[name][0] = np.nan
    save_file(tensors, path, metadata)
    with pytest.raises(ResumeError, match=f"{name} is no finite number"):
        _fit(_table(), tmp_path / "r", 99)


CASES = {
    "checkpoint": (CHECKPOINT, lambda folder: _fit(_table(), folder, 99)),
    "config": (CONFIG_FILE, stored_config),
    "evaluation": (EVALUATION_FILE, load_calibration),
}


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing"])
@pytest.mark.parametrize("name", list(CASES))
def test_what_is_no_file_is_refused_immediately(tmp_path: Path, name: str, kind: str):
    file, read = CASES[name]
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "link to nothing":
        path.symlink_to(tmp_path / "nothing")
    elif hasattr(os, "mkfifo"):
        os.mkfifo(path)  # reading it would wait for ever
    else:
        pytest.skip("there are no pipes with names")
    with pytest.raises(HccScopeError) as caught:
        read(tmp_path)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("calibration", "threshold"), 1.5, "calibration.threshold: "),
        (("calibration", "temperature"), float("nan"), "calibration.temperature: "),
        (("config", "network"), "resnet", "config.network: "),
        (("config", "epochs"), 0, "config.epochs: "),
        (("data", "fingerprint"), "x", "data.fingerprint: "),
        (("card", "tiles"), -1, "card.tiles: "),
        (("card", "leakage_gap"), 7, "card.leakage_gap: "),
        (("schema",), 1, "has schema 1, and this version knows 3 alone"),
    ],
)
def test_an_evaluation_that_cannot_be_is_refused(tmp_path: Path, where: tuple[str, ...], value: object, message: str):
    content = json.loads(json.dumps(_EVALUATION))
    holder = content
    for key in where[:-1]:
        holder = holder[key]
    holder[where[-1]] = value
    (tmp_path / EVALUATION_FILE).write_text(json.dumps(content))
    with pytest.raises(TrainingError, match=message):
        load_calibration(tmp_path)


def test_deep_nesting_is_refused(tmp_path: Path):
    (tmp_path / CONFIG_FILE).write_text('{"command":' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(ResumeError, match="cannot be read"):
        stored_config(tmp_path)
    (tmp_path / CONFIG_FILE).write_text(json.dumps(_RUN))
    assert stored_config(tmp_path)["run"]["name"] == "m"

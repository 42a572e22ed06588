"""A training that was killed, stopped or refused: what is continued is the same run, to the same bytes."""

from __future__ import annotations

import errno
import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from training_parts import QUICK, Small, small

from hcc_scope import atomic_file
from hcc_scope.errors import DiskFullError, ResumeError, StoreExistsError, StoreUnwritableError
from hcc_scope.training import checkpoint
from hcc_scope.training.fit import Stopped, fit
from hcc_scope.training.fit_task import FitTask

TESTS = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def data() -> Small:
    return small()


def lines(folder: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in found:
        line.pop("seconds", None)
    return found


def killed_twice(folder: Path, step: int) -> None:
    """Train in a process that is killed at a step, and go on in another one that is killed while it writes."""
    code = f"from training_parts import killed_twice; killed_twice({str(folder)!r}, {step})"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=TESTS, capture_output=True, check=False)
    assert set(json.loads(done.stdout)) <= {-9, 9}, done.stderr.decode()


def test_a_run_killed_at_a_random_step_and_again_while_writing_ends_in_the_same_bytes(data: Small, tmp_path: Path):
    config = QUICK  # two epochs of two steps
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = data.fit(config, folder=whole)
    step = random.randrange(1, 4)  # a different one each time the tests run: any must do
    killed_twice(parts, step)
    assert (parts / "checkpoints" / "last.safetensors").exists()
    assert list((parts / "checkpoints").glob("*.tmp"))
    assert not (parts / "weights.safetensors").exists()
    fitted = data.fit(config, folder=parts, resume=True)
    assert (parts / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes(), step
    assert lines(parts) == lines(whole)
    assert replace(fitted.history[-1], seconds=0) == replace(expected.history[-1], seconds=0)
    assert fitted.best_epoch == expected.best_epoch
    assert [path.name for path in (parts / "checkpoints").iterdir()] == ["last.safetensors"]


@pytest.mark.parametrize(("network", "recipe"), [("meng2019", "meng2019"), ("compact", "modern")])
def test_a_stopped_run_continues_and_a_finished_one_is_returned(data: Small, tmp_path: Path, network: str, recipe: str):
    config = replace(QUICK, network=network, recipe=recipe, steps=5, epochs=None, patience=9)
    asked = iter([False, False, False, True])  # two steps an epoch: in the middle of the second one
    with pytest.raises(Stopped):
        data.fit(config, folder=tmp_path / "a", stop=lambda: next(asked))
    a = data.fit(config, folder=tmp_path / "a", resume=True)
    b = data.fit(config, folder=tmp_path / "b")
    weights, same = a.network.state_dict(), b.network.state_dict()  # running averages are among them
    assert all(torch.equal(weights[key], same[key]) for key in weights)
    assert [epoch.epoch for epoch in a.history] == [1, 2, 3]
    steps = [json.loads(line) for line in (tmp_path / "a" / "metrics.jsonl").read_text().splitlines()]
    assert [(line["epoch"], line["step"]) for line in steps if "step" in line] == [(1, 2), (2, 2), (3, 1)]  # 5 in all
    before = lines(tmp_path / "a")
    c = data.fit(config, folder=tmp_path / "a", resume=True, stop=lambda: True)  # nothing is left to be stopped
    assert all(torch.equal(x, y) for x, y in zip(a.network.parameters(), c.network.parameters(), strict=True))
    assert c.history == a.history
    assert lines(tmp_path / "a") == before


@pytest.fixture(scope="module")
def started(data: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped before its first step."""
    folder = tmp_path_factory.mktemp("started")
    with pytest.raises(Stopped):
        data.fit(QUICK, folder=folder, stop=lambda: True)
    return folder


def test_another_configuration_is_refused_with_what_differs(data: Small, started: Path):
    with pytest.raises(ResumeError) as caught:
        data.fit(replace(QUICK, learning_rate=0.5, batch=3), folder=started, resume=True)
    lines = str(caught.value).splitlines()
    assert "another configuration or other data" in lines[0]
    assert [line.strip() for line in lines[1:]] == [
        "batch: 4 in the run, 3 now",
        "learning_rate: 0.002 in the run, 0.5 now",
    ]
    data_before = (started / "checkpoints" / "last.safetensors").read_bytes()
    fit(replace(data.task(replace(QUICK, threads=2, epochs=1)), whole_budget=True))
    assert (started / "checkpoints" / "last.safetensors").read_bytes() == data_before


def test_a_run_killed_between_the_last_step_of_an_epoch_and_its_end_records_the_same(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = replace(QUICK, epochs=1)
    monkeypatch.setattr("hcc_scope.training.compute.Gradients.compute", lambda self, counts, labels: 0.5)
    monkeypatch.setattr("hcc_scope.training.fit._Run._held_out", lambda self: (0.5, 0.5))
    expected = data.fit(config, folder=tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr("hcc_scope.training.fit._Run._end_epoch", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            data.fit(config, folder=tmp_path / "parts", checkpoint_s=0.0)
    fitted = data.fit(config, folder=tmp_path / "parts", resume=True)
    assert replace(fitted.history[-1], seconds=0) == replace(expected.history[-1], seconds=0)
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")


def test_a_run_of_another_training_loop_is_not_continued(data: Small, started: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hcc_scope.training.fit.LOOP", 1)
    with pytest.raises(
        ResumeError, match=r"\n  training loop \(of another version of HCC-Scope\): 2 in the run, 1 now$"
    ):
        data.fit(QUICK, folder=started, resume=True)


def test_other_data_and_other_rows_are_refused(data: Small, started: Path):
    labels = data.tiles.labels
    flipped = labels.copy()
    flipped[data.train] = 1 - flipped[data.train]
    other = replace(data.tiles, digests=("f" * 64, *data.tiles.digests[1:]))
    for tiles, wanted, rows in (
        (data.tiles, flipped, data.train),
        (other, labels, data.train),
        (data.tiles, labels, data.train[::-1]),
    ):
        with pytest.raises(
            ResumeError, match=r"\n  data \(other images, or .*\): [0-9a-f]+ in the run, [0-9a-f]+ now$"
        ):
            fit(FitTask(tiles, wanted, rows, data.held_out, QUICK), folder=started, resume=True)
    with pytest.raises(ResumeError, match=r"training tiles: 6 in the run, 5 now"):
        fit(replace(data.task(), train_rows=data.train[1:]), folder=started, resume=True)


def test_a_run_is_never_begun_anew_in_its_folder(data: Small, started: Path):
    with pytest.raises(StoreExistsError, match=r"holds a training run\. Continue it with --resume"):
        data.fit(QUICK, folder=started)


def test_what_is_no_checkpoint_is_refused(data: Small, tmp_path: Path):
    path = tmp_path / "checkpoints" / "last.safetensors"
    path.parent.mkdir()
    for content in (b"", b"junk" * 100, np.zeros(64).tobytes()):
        path.write_bytes(content)
        with pytest.raises(ResumeError, match="cannot be read"):
            data.fit(QUICK, folder=tmp_path, resume=True)


def test_a_full_disk_ends_the_run_and_leaves_the_last_checkpoint(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    left = 2

    def write(handle: int, content: bytes) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle, content)

    real = atomic_file.write_all
    monkeypatch.setattr(atomic_file, "write_all", write)
    with pytest.raises(DiskFullError, match="no space is left"):
        data.fit(QUICK, folder=tmp_path, checkpoint_s=0.0)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.safetensors"]
    monkeypatch.undo()
    found = checkpoint.read_checkpoint(tmp_path / "checkpoints" / "last.safetensors")
    assert found is not None
    assert (found.how_far.epoch, found.how_far.step) == (1, 1)


def test_a_folder_that_cannot_be_written_is_reported_before_the_first_step(data: Small, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnwritableError, match="cannot be written"):
        data.fit(QUICK, folder=tmp_path / "file" / "run")


def test_a_silent_network_is_given_up_at_the_same_step_whether_it_was_interrupted_or_not(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def silence(network: torch.nn.Module, _counts: object) -> None:
        last = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
        assert last.bias is not None
        torch.nn.init.constant_(last.weight, 0.0)
        torch.nn.init.constant_(last.bias, -1.0)

    monkeypatch.setattr("hcc_scope.training.fit.standardise_stages", silence)
    monkeypatch.setattr("hcc_scope.training.fit._SILENT_STEPS", 3)
    config = replace(QUICK, network="meng2019", steps=50, epochs=None)  # two steps an epoch
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        data.fit(config, folder=tmp_path / "a", stop=lambda: next(asked))
    a = data.fit(config, folder=tmp_path / "a", resume=True)
    b = data.fit(config, folder=tmp_path / "b")
    steps = [(line["epoch"], line["step"]) for line in lines(tmp_path / "a") if "step" in line]
    assert steps == [(1, 2), (2, 1)]
    assert lines(tmp_path / "a") == lines(tmp_path / "b")
    assert len(a.history) == len(b.history) == 2
    assert (tmp_path / "a" / "weights.safetensors").read_bytes() == (
        tmp_path / "b" / "weights.safetensors"
    ).read_bytes()

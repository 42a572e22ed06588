"""A training whose network has learnt nothing is started again: bounded, decided by its seed, and resumable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hcc_scope.training.restarts import (
    describe_restarted,
    drop_checkpoints,
    fit_with_restarts,
    seed_of_start,
    start_folder,
)
from safetensors.numpy import load_file

from hcc_scope.training import restarts as starts
from hcc_scope.training.config import MOST_STARTS, Stopped
from hcc_scope.training.fit import fit
from hcc_scope.training.metrics import LearningCheck
from tests.training_parts import QUICK, Small, small

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.progress import Progress
    from hcc_scope.training.config import TrainConfig
    from hcc_scope.training.fit_task import FitTask

NOTHING = LearningCheck(loss=0.693, chance=0.693, auc=0.52, luck=0.56, one_answer=False)
SOMETHING = LearningCheck(loss=0.4, chance=0.693, auc=0.9, luck=0.56, one_answer=False)


@pytest.fixture(scope="module")
def data() -> Small:
    return small()


def learns(monkeypatch: pytest.MonkeyPatch, at: int | None) -> None:
    """Let the first networks have learnt nothing, up to start `at`; None: whichever."""
    checks: list[LearningCheck] = []

    def check(*_arguments: object, **_more: object) -> LearningCheck:
        checks.append(SOMETHING if len(checks) + 1 == at else NOTHING)
        return checks[-1]

    monkeypatch.setattr(starts, "check_network", check)


def run(data: Small, folder: Path | None, **more: object) -> starts.RestartedFit:
    return fit_with_restarts(one_epoch(data), folder=folder, **{"resume": True, **more})  # type: ignore[arg-type]


def one_epoch(data: Small, config: TrainConfig = QUICK) -> FitTask:
    return replace(data.task(config), held_out_rows=data.held_out[:0], fixed_epochs=1)


def weights(path: Path) -> dict[str, np.ndarray]:
    return load_file(path / "weights.safetensors")


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_the_second_start_is_a_training_with_its_own_seed(data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    learns(monkeypatch, 2)
    heard: list[Progress] = []
    found = run(data, tmp_path / "r", on_progress=heard.append)
    assert (found.start, found.silent, found.learnt) == (2, False, (NOTHING, SOMETHING))
    assert any(step.message.startswith("start 2 of at most 3: epoch 1") for step in heard)
    config = replace(QUICK, seed=seed_of_start(QUICK.seed, 2))
    fit(one_epoch(data, config), folder=tmp_path / "alone")
    assert same(weights(tmp_path / "r"), weights(tmp_path / "alone"))
    assert same(weights(tmp_path / "r"), weights(start_folder(tmp_path / "r", 2)))
    assert not start_folder(tmp_path / "r", 3).exists()
    assert "Start 2 of at most 3 is taken" in describe_restarted(found.learnt)
    drop_checkpoints(tmp_path / "r")
    assert not list((tmp_path / "r").rglob("checkpoints"))


def test_a_run_that_never_learns_ends_with_the_seed_that_was_asked_for(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    learns(monkeypatch, None)
    found = run(data, tmp_path / "r")
    assert (found.start, found.silent, len(found.learnt)) == (1, True, MOST_STARTS)
    monkeypatch.undo()
    learns(monkeypatch, 1)
    assert run(data, tmp_path / "one").start == 1
    assert not start_folder(tmp_path / "one", 2).exists()
    assert same(weights(tmp_path / "r"), weights(tmp_path / "one"))


def test_a_run_that_was_stopped_in_a_later_start_continues_to_the_same_bytes(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    learns(monkeypatch, 2)
    whole = run(data, tmp_path / "whole")
    steps = iter(range(100))
    learns(monkeypatch, 2)
    with pytest.raises(Stopped):
        run(data, tmp_path / "r", stop=lambda: next(steps) >= 3)  # two steps an epoch: in the second start
    assert (start_folder(tmp_path / "r", 2) / "checkpoints").is_dir()
    learns(monkeypatch, 2)
    again = run(data, tmp_path / "r")
    assert again.learnt == whole.learnt
    for name in ("weights.safetensors", "start-2/weights.safetensors"):
        assert (tmp_path / "r" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_seeds_of_starts_are_fixed_and_differ():
    seeds = [seed_of_start(2019, start) for start in (1, 2, 3)]
    assert seeds == [2019, seed_of_start(2019, 2), seed_of_start(2019, 3)]
    assert len({*seeds, *(seed_of_start(7, start) for start in (1, 2, 3))}) == 6

"""Starts of folds: what their mean counts, what is left to single networks, and their seeds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.evaluation.calibration import calibrate_folds, calibration_folds
from hcc_scope.evaluation.results import FoldResult, Split, StartResult, single_networks
from hcc_scope.evaluation.start_task import seed_of_network, start_tasks
from hcc_scope.scoring import log_odds
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.metrics import fit_temperature

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def split(fold: int = 0) -> Split:
    return Split("by_animal", fold, np.array([1]), np.array([0]), np.array([0, 1]))


def start(number: int, odds: Sequence[float], **more: object) -> StartResult:
    logits = np.stack([np.zeros(len(odds)), np.asarray(odds)], axis=1).astype(np.float32)
    return StartResult(logits, number, **more)  # type: ignore[arg-type]


def fold(*starts: StartResult, number: int = 0) -> FoldResult:
    rows = np.arange(len(starts[0].logits))
    return FoldResult(split(number), rows, rows % 2, starts)


def test_the_mean_logit_is_of_the_starts_that_have_learnt_something():
    some = fold(start(1, [1, 3]), start(2, [9, 9], silent=True), start(3, [2, 6]))
    assert log_odds(some.logits).tolist() == [1.5, 4.5]
    assert ([one.start for one in some.used], some.drawn.start, some.silent) == ([1, 3], 1, False)
    assert [one.starts[0].start for one in single_networks(some)] == [1, 3]
    none = fold(start(1, [1, 3], silent=True), start(2, [3, 5], silent=True))
    assert log_odds(none.logits).tolist() == [2.0, 4.0]
    assert (none.silent, none.drawn.start, single_networks(none)) == (True, 1, ())


def test_a_tile_is_left_out_if_most_of_the_starts_find_it_unlike_their_training():
    near, far = 1.0, 9.0
    found = {"ood_threshold": 2.0}
    three = fold(
        start(1, [0] * 4, distances=np.float32([near, far, far, far]), **found),
        start(2, [0] * 4, distances=np.float32([near, near, far, far]), **found),
        start(3, [0] * 4, why_no_distance="too few tiles"),  # finds nothing unlike
    )
    assert three.counted.tolist() == [True, True, False, False]
    assert three.why_no_distance == "too few tiles"
    assert fold(*three.starts[:2]).counted.tolist() == [True, True, False, False]  # one of two is not most of them
    silent = replace(three.starts[0], silent=True)
    assert fold(silent, three.starts[1], three.starts[2]).counted.tolist() == [True] * 4


def test_temperature_rests_on_the_networks_one_by_one():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    odds = [4.0 * (labels - 0.5) + rng.normal(0, 3, 400) for _ in range(3)]
    whole = FoldResult(split(), np.arange(400), labels, tuple(start(k, one) for k, one in enumerate(odds, 1)))
    assert calibration_folds([whole]) == (whole,)
    single = fit_temperature(np.concatenate(odds).astype(np.float32), np.tile(labels, 3))
    mean = fit_temperature(np.mean(odds, axis=0).astype(np.float32), labels)
    assert mean < single  # a mean over starts is surer than one network
    networks = single_networks(whole)
    assert fit_temperature(np.concatenate([log_odds(one.logits) for one in networks]), np.tile(labels, 3)) == single


def test_each_network_has_a_seed_of_its_own(tmp_path: Path):
    tasks = [
        task
        for protocol in ("paper", "by_animal")
        for number in range(5)
        for task in start_tasks(tmp_path, replace(split(number), protocol=protocol), TrainConfig(), 5)
    ]
    assert len({task.config.seed for task in tasks}) == len({task.folder for task in tasks}) == 50
    assert tasks[7].folder == tmp_path / "folds" / "paper-2" / "start-3"
    assert tasks[7].config.seed == seed_of_network(2019, "paper", 1, 3)
    one = split(3)  # another start leaves the others as they are
    assert start_tasks(tmp_path, one, TrainConfig(), 3) == start_tasks(tmp_path, one, TrainConfig(), 5)[:3]


def test_without_a_network_that_has_learnt_something_nothing_is_calibrated():
    silent = fold(start(1, [1, 3], silent=True))
    assert calibration_folds([silent]) == ()
    assert calibrate_folds([silent], None) == (1.0, 0.5)  # type: ignore[arg-type]

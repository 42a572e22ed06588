"""Damage the files that trainings and evaluations are continued from: each is read or refused with a message."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from benchmarks.fuzz import Finding, changed_leaf, damaged_bytes, generator, outcome_of
from hcc_scope.datasets.labelled_image import LabelledImage
from hcc_scope.datasets.tiles import ArrayTiles, TileTable
from hcc_scope.evaluation.record import EVALUATION_FILE, load_calibration
from hcc_scope.evaluation.results import Split
from hcc_scope.evaluation.start_folder import OodDistances, held_out_by_animal, keep_start, load_start
from hcc_scope.evaluation.start_task import StartTask
from hcc_scope.training.checkpoint import CHECKPOINT
from hcc_scope.training.config import CONFIG_FILE, Stopped, TrainConfig
from hcc_scope.training.fit import fit
from hcc_scope.training.fit_result import Epoch
from hcc_scope.training.fit_task import FitTask
from hcc_scope.training.metrics import LearningCheck
from hcc_scope.training.predict import load_weights
from hcc_scope.training.run_folder import stored_config
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    import random

    from hcc_scope.training.fit_result import FitResult

__all__ = ["run"]

TILE_PX = 64
CONFIG = TrainConfig(network="compact", epochs=2, batch=2, threads=1, precision="float32", device="cpu", seed=3)

Family: TypeAlias = tuple[str, Path, Callable[[Path], str | None]]
"""Name, the file to damage, and what reads its folder: a sentence is what is wrong with what was read."""


# ---- sound files


def _table() -> TileTable:
    rng = np.random.default_rng(0)
    images = tuple(
        LabelledImage(Path(f"{i}.tif"), 0, name, f"{name}-{i}", "s1", "d", 0.325, (TILE_PX, TILE_PX), 16)
        for i in range(2)
        for name in ("low", "high")
    )
    pixels = rng.normal(20_000, 3_000, (8, TILE_PX, TILE_PX)).clip(0, 65535).astype(np.uint16)
    return TileTable(images, np.repeat(np.arange(4), 2), np.tile([0, 1], 4), ArrayTiles(pixels), TILE_PX)


def _fit(tiles: TileTable, folder: Path, steps: int) -> FitResult:
    rows = np.arange(len(tiles))
    left = iter(range(steps))
    return fit(
        FitTask(tiles, tiles.labels, rows[:4], rows[4:], CONFIG),
        folder=folder,
        resume=True,
        stop=lambda: next(left, None) is None,
    )


def _prepare(folder: Path) -> list[Family]:
    tiles = _table()
    for name, steps in (("begun", 3), ("finished", 99)):
        attempted = attempt(lambda name=name, steps=steps: _fit(tiles, folder / name, steps))  # type: ignore[misc]
        assert not isinstance(attempted, Failure) or isinstance(attempted.error, Stopped)
    families: list[Family] = [
        (f"checkpoint, {name}", Path(CHECKPOINT), lambda at: _continued(tiles, at)) for name in ("begun", "finished")
    ]
    split = Split("by_animal", 0, np.array([2, 3]), np.array([0, 1]), np.array([image.label for image in tiles.images]))
    start = folder / "start" / "folds" / "by_animal-1" / "start-1"
    start.mkdir(parents=True)
    shutil.copy(folder / "finished" / "weights.safetensors", start)
    rng = np.random.default_rng(1)
    keep_start(
        start,
        tiles,
        StartTask(split, 1, CONFIG, 2, start),
        rng.normal(size=(4, 2)).astype(np.float32),
        rng.normal(size=(4, 8)).astype(np.float32),
        [LearningCheck(0.4, 0.69, 0.9, 0.6, one_answer=False)],
        [Epoch(1, 0.6, 0.7, None, 1e-3, 1.0), Epoch(2, 0.5, 0.6, 0.7, 1e-4, 1.0)],
        OodDistances(np.linspace(1, 9, 4, dtype=np.float32), 8.0),
    )
    families += [
        (f"start, {name}", Path("folds/by_animal-1/start-1") / name, lambda at: _start(tiles, split, at))
        for name in ("start.json", "predictions.npz", "features.npy", "weights.safetensors")
    ]
    (folder / "run").mkdir()
    (folder / "run" / CONFIG_FILE).write_text(json.dumps(_RUN, indent=2))
    families.append((CONFIG_FILE, Path(CONFIG_FILE), _config))
    (folder / "evaluation").mkdir()
    (folder / "evaluation" / EVALUATION_FILE).write_text(json.dumps(_EVALUATION, indent=2))
    families.append((EVALUATION_FILE, Path(EVALUATION_FILE), _evaluation))
    return families


_OF = {
    "checkpoint, begun": "begun",
    "checkpoint, finished": "finished",
    CONFIG_FILE: "run",
    EVALUATION_FILE: "evaluation",
}
_RUN: dict[str, Any] = {
    "command": "hcc-scope train m.csv",
    "manifest": "m.csv",
    "cache": None,
    "evaluation": None,
    "asked": {"network": "compact", "recipe": "modern", "seed": 3, "epochs": 2, "batch": 2, "threads": None},
    "run": {"name": "m", "hold_out": 1, "network": "compact", "epochs": 2, "data": "0" * 64},
}
_LEVEL: dict[str, Any] = {
    "level": "tile", "n": 8, "auc": 0.8, "auc_interval": [0.5, 1.0], "accuracy": 0.7, "brier": 0.2, "ece": 0.1,
    "threshold": 0.5,
}  # fmt: skip
_EVALUATION: dict[str, Any] = {
    "schema": 3,
    "calibration": {"temperature": 1.2, "threshold": 0.4, "calibrated_on": "folds by animal"},
    "config": {"network": "compact", "recipe": "modern", "seed": 3, "steps": None, "epochs": 2, "batch": 2,
               "learning_rate": 4e-3, "precision": "float32"},
    "data": {"fingerprint": "0" * 64, "bit_depth": 16},
    "card": {
        "command": "hcc-scope evaluate m.csv",
        "animals": 4,
        "images": 4,
        "tiles": 8,
        "protocols": [
            {"protocol": "by_animal", "folds": 1, "splitting": "by animal", "fold_auc": [0.8], "levels": [_LEVEL],
             "all_tiles": _LEVEL}
        ],
        "leakage_gap": 0.1,
        "per_animal": [
            {"animal": "low-0", "tumour_class": "low", "sections": 1, "images": 1, "tiles": 2, "section_scores": [0.3],
             "animal_score": 0.3, "correct": True}
        ],
    },
}  # fmt: skip


# ---- reading them as the program does


def _continued(tiles: TileTable, folder: Path) -> str | None:
    found = _fit(tiles, folder, 99)
    if not all(bool(np.isfinite(value.numpy()).all()) for value in found.network.state_dict().values()):
        return "weights that are no finite numbers"
    return None if len(found.history) <= 2 else f"{len(found.history)} epochs of 2"


def _start(tiles: TileTable, split: Split, folder: Path) -> str | None:
    found = load_start(StartTask(split, 1, CONFIG, 2, folder / "folds" / "by_animal-1" / "start-1"), tiles)
    assert found is not None
    scored = held_out_by_animal(folder)[0]
    load_weights("compact", scored.weights)
    rows = tiles.rows_of(split.test)
    if not np.isfinite(found.logits).all() or found.unlike.shape != (len(rows),):
        return "logits or distances that are none"
    return None if set(scored.rows) <= set(rows) else "rows that were not tested"


def _config(folder: Path) -> str | None:
    found = stored_config(folder)
    config = TrainConfig(**found["asked"])
    return None if config.epochs is None or config.epochs >= 1 else f"{config.epochs} epochs"


def _evaluation(folder: Path) -> str | None:
    found = load_calibration(folder)
    sound = 0 < found.threshold < 1 and found.temperature > 0
    return None if sound else "a temperature, threshold that cannot be"


# ---- damage


def _damaged_header(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return a safetensors file with an odd value in its header, or in the JSON that we keep there."""
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n])
    ours = header.get("__metadata__", {})
    if ours and chance.random() < 0.7:
        key = next(iter(ours))
        what, value = changed_leaf(json.loads(ours[key]), chance)
        header["__metadata__"][key] = json.dumps(value)
    else:
        what, header = changed_leaf(header, chance)
    text = json.dumps(header).encode()
    return what, len(text).to_bytes(8, "little") + text + data[8 + n :]


def _damaged(path: Path, chance: random.Random) -> tuple[str, bytes]:
    data = path.read_bytes()
    if chance.random() < 0.4:
        return damaged_bytes(data, chance)
    if path.suffix == ".json":
        what, value = changed_leaf(json.loads(data), chance)
        return what, json.dumps(value).encode()
    if path.suffix == ".safetensors":
        return _damaged_header(data, chance)
    return damaged_bytes(data, chance)


def run(n: int, seed: int) -> list[Finding]:
    """Return what becomes of `n` cases of each family; the same for the same arguments."""
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="hcc-scope-fuzz-") as name:
        base = Path(name)
        for family, file, read in _prepare(base):
            sound = base / _OF.get(family, "start")
            for number in range(n):
                chance = generator(family, seed, number)
                place = base / "case"
                shutil.copytree(sound, place)
                what, data = _damaged(place / file, chance)
                (place / file).write_bytes(data)
                findings.append(Finding(family, what, *outcome_of(attempt(partial(read, place)))))
                shutil.rmtree(place)
    return findings

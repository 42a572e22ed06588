"""``hcc-scope evaluate`` as a user calls it, with real networks on a set that is learnt at once."""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from hcc_scope.cli.evaluate import EvaluateOptions, known_unit, run_evaluate, train_config
from hcc_scope.errors import StoreError, UsageError
from hcc_scope.evaluation.training_progress import follow_training
from hcc_scope.training.config import TrainConfig
from tests.commands import WAIT_S, cli, start
from tests.quick_model_parts import at_most_attempts

if TYPE_CHECKING:
    from pathlib import Path


def manifest(folder: Path) -> Path:
    """Write two images of one tile per animal, and the table that names them."""
    import tifffile
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(3)
    folder.mkdir()
    lines = ["path,class,animal_id,section_id,day,pixel_size_um"]
    for label, name in enumerate(("low", "high")):
        for animal in range(2):
            for image in range(2):
                path = f"{name}-{animal}-{image}.tif"
                spots = gaussian_filter(rng.normal(size=(512, 512)), 1.5 if label else 5.0)
                counts = 30_000 + 6_000 * spots / spots.std() + rng.normal(0, 200, spots.shape)
                tifffile.imwrite(folder / path, counts.clip(0, 65535).astype(np.uint16))
                lines.append(f"{path},{name},{name}-{animal},s{image},2026-01-0{image + 1},0.325")
    table = folder / "manifest.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def test_evaluate_from_a_manifest_to_the_report_and_bags_on_its_networks(tmp_path: Path) -> None:
    table = manifest(tmp_path / "set")
    out = tmp_path / "out"
    options = ["--steps", "1", "--folds", "2", "--starts", "2", "--jobs", "1", "--no-figures"]
    with at_most_attempts(1):
        done = cli("evaluate", table, "--out", out, *options, "--json")
    assert done.code == 0, done.err
    result = done.json
    assert result["schema"] == 3
    assert set(result["protocols"]) == {"paper", "by_animal"}
    assert result["sources"]["day"]["values"] == ["2026-01-01", "2026-01-02"]
    assert set(result["baselines"]) == {"grey", "histogram", "texture"}
    assert 0.0 < result["permutations"]["texture"]["p_value"] <= 1.0
    assert result["card"]["better_than_texture"] in " ".join(done.err.split())
    assert (result["config"]["steps"], result["config"]["epochs"], result["card"]["starts"]) == (1, None, 2)
    assert json.loads((out / "evaluation.json").read_text(encoding="utf-8"))["card"] == result["card"]
    assert "Difference of the protocols: " in " ".join(done.err.split())
    assert "Table 1, all tiles" in done.err
    assert "Research use only" in done.err
    folds = sorted(path.name for path in (out / "folds").iterdir())
    assert folds == ["by_animal-1", "by_animal-2", "paper-1", "paper-2"]
    assert {path.name for path in (out / "folds/paper-1").iterdir()} == {"start-1", "start-2"}
    assert {path.name for path in (out / "folds/paper-1/start-2").iterdir()} == {
        "features.npy",
        "metrics.jsonl",
        "predictions.npz",
        "start.json",
        "weights.safetensors",
    }
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    progress = follow_training(out)
    assert (progress.state, progress.report, progress.problems) == ("finished", out / "report.md", ())
    assert progress.about == "Network meng2019, recipe modern, 1 step. 2 folds, 2 networks each."
    assert [(one.protocol, one.networks, len(one.aucs)) for one in progress.protocols] == [
        ("paper", (4, 4), 2),
        ("by_animal", (4, 4), 2),
    ]
    bags = cli("evaluate-bags", table, "--features", out, "--out", tmp_path / "bags", "--no-figures", "--json")
    assert bags.code == 0, bags.err
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert (bags.json["features"]["kind"], bags.json["features"]["evaluation"]) == ("network", "out")
    assert (bags.json["features"]["n"], bags.json["heads"]["starts"]) == (2048, 2)
    for protocol in ("paper", "by_animal"):
        beside = bags.json["protocols"][protocol]["predictors"]
        assert set(beside) == {"mean-logit", "gated-attention", "texture", "network"}
        networks = result["protocols"][protocol]["pooled"]["animal"]
        assert beside["network"]["animal"]["auc"]["value"] == networks["auc"]["value"]
        assert beside["network"]["animal"]["brier"]["value"] == networks["brier"]["value"]
    silent = [str(i + 1) for i, fold in enumerate(result["protocols"]["by_animal"]["folds"]) if fold["silent"]]
    assert not silent or f"folds by animal: {', '.join(silent)})" in bags.json["silent"]
    assert {path.name for path in (tmp_path / "bags").iterdir()} == {"bags.md", "bags.json", "attention.csv"}


def test_an_unknown_value_of_an_option_lists_the_known_ones() -> None:
    given = {"network": "meng2019", "recipe": "modern", "seed": 1, "steps": None, "epochs": None, "batch": None}
    given |= {"learning_rate": None, "precision": "float32", "device": "cpu"}
    assert train_config(**given) == TrainConfig(seed=1, device="cpu")
    with pytest.raises(UsageError, match=r"--network cannot be 'resnet'\. There are: meng2019, compact"):
        train_config(**given | {"network": "resnet"})
    with pytest.raises(UsageError, match="--steps and --epochs both"):
        train_config(**given | {"steps": 5, "epochs": 5})
    with pytest.raises(UsageError, match=r"--unit cannot be 'field'\. There are: image, tile"):
        known_unit("field")
    with pytest.raises(UsageError, match="positive"):
        train_config(**given | {"learning_rate": float("nan")})


def test_smoothing_without_figures_is_refused(tmp_path: Path) -> None:
    values = dict.fromkeys(EvaluateOptions.__dataclass_fields__)
    options = values | {"manifest": tmp_path / "m.csv", "out": tmp_path / "e", "smooth": 3, "figures": False}
    with pytest.raises(UsageError, match="--smooth is for the figures") as refused:
        run_evaluate(EvaluateOptions(**options))
    assert refused.value.exit_code == 2
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    ("out", "words"),
    [("file/e", "nothing can be written to"), ("file", "is no folder"), ("full", "holds no evaluation")],
)
def test_a_folder_that_cannot_be_used_is_refused_before_a_tile_is_cut(
    out: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_arguments: object) -> None:
        raise AssertionError("tiles are cut for an evaluation that cannot be written")

    monkeypatch.setattr("hcc_scope.datasets.cache.cut_tiles", cut)
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    options = EvaluateOptions(
        manifest=manifest(tmp_path / "set"), out=tmp_path / out, config=TrainConfig(epochs=1), folds=2, starts=1,
        workers=1, cache=None, figures=False, smooth=0, resume=False, leave_one_out=False, leave_one_site_out=False,
        json_mode=True,
    )  # fmt: skip
    assert options.command() == replace(options, out=tmp_path / "other").command()  # stands in evaluation.json
    with pytest.raises(StoreError, match=words):
        run_evaluate(options)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_finished_folds_and_leaves_no_process(tmp_path: Path) -> None:
    table = manifest(tmp_path / "set")
    out = tmp_path / "out"
    process = start("evaluate", table, "--out", out, "--steps", "1", "--folds", "2", "--workers", "2", "--no-figures")
    deadline = time.monotonic() + WAIT_S
    while not list(out.glob("folds/paper-*/start-*[0-9]")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, err
    assert "Error: interrupted: finished networks are kept" in err
    assert "Traceback" not in err
    assert not psutil.wait_procs(children, timeout=WAIT_S)[1]
    assert (out / "plan.json").exists()
    assert not (out / "evaluation.json").exists()
    progress = follow_training(out)
    assert progress.state == "stopped"
    assert progress.protocols[0].networks[0] >= 1

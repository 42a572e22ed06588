"""The command line as a user meets it: real demo camera, real stores; real processes where one is killed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import yaml
import yaozarrs
import zarr
from commands import (
    COMMAND,
    SMALL_FRAMES,
    WAIT_S,
    Done,
    acquire_arguments,
    assert_frames_readable,
    cli,
    cli_on_descriptors,
    edited,
    small_rig_file,
    start,
    wait_for_frames,
)
from storage_cases import change_spec

from hcc_scope.cli.runs import save_summary
from hcc_scope.inference.base import ENGINES
from hcc_scope.resources import hardware_configs_dir, models_dir
from hcc_scope.storage.lines import fields_of, sealed_line

if TYPE_CHECKING:
    from hcc_scope.errors import HccScopeError

DEMO_CFG = hardware_configs_dir() / "demo.cfg"
FAST = ("--engine", "torchscript", *SMALL_FRAMES)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    out = tmp_path_factory.mktemp("demo") / "run"
    done = cli_on_descriptors("demo", "--fields", "2", "--out", out, "--json")
    assert done.code == 0, done.err
    return out, done


def quick(folder: Path) -> list[str]:
    """Options for a process of its own: a small buffer, frames of one tile, more fields than are taken."""
    folder.mkdir()
    size = [f"--property=Camera,OnCameraCCD{axis}Size,512" for axis in "XY"]
    rig = small_rig_file(folder / "demo.rig.yaml")
    return ["--rig", str(rig), "--engine", "torchscript", *size, "--fields", "480"]


def copy_of(store: Path, folder: Path) -> Path:
    return Path(shutil.copytree(store, folder / store.name))


# --- the demo and what it leaves -----------------------------------------------------------------------------------


def test_the_demo_prints_its_summary_and_nothing_else(demo: tuple[Path, Done]) -> None:
    out, done = demo
    summary = done.json
    assert summary == json.loads((out / "summary.json").read_text())
    assert summary["outcome"] == "completed"
    assert summary["engine"] in ENGINES
    assert summary["engine_in_full"].startswith(summary["engine"].partition("-")[0])
    assert f"Engine {summary['engine']}" in done.err
    counts = summary["counts"]
    assert counts["acquired"] == counts["stored"] == 4
    assert counts["lost"] == 0
    names = ("classified", "excluded", "failed", "deferred", "pending")
    assert counts["acquired"] == sum(counts[name] for name in names)
    for section in summary["sections"]:
        low, high = section["interval"]
        assert 0 <= low <= section["score"] <= high <= 1
        assert section["interval_valid"]
        assert Path(section["store"]).is_dir()
    assert set(summary["rates"]) == {"acquire_fps", "store_fps", "classify_fps", "end_to_end_fps"}
    assert set(summary["latency_ms"]) == {"p50", "p95", "p99"}
    assert (out / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_demo_stores_are_valid_and_marked_as_phantoms(demo: tuple[Path, Done]) -> None:
    stores = sorted(demo[0].glob("*.ome.zarr"))
    assert len(stores) == 2
    for store in stores:
        yaozarrs.validate_zarr_store(str(store))
        assert assert_frames_readable(store) == 2
        ours = zarr.open_group(store, mode="r").attrs["hcc_scope"]
        assert ours["complete"] is True
        assert "phantom" in ours["spec"]["provenance"]["specimen"]


def test_a_second_demo_into_the_same_folder_is_refused(demo: tuple[Path, Done]) -> None:
    done = cli("demo", "--fields", "2", "--out", demo[0])
    assert done.code == 31
    assert "nothing is overwritten" in done.err


def test_replay_gives_the_same_bits_and_the_same_score(demo: tuple[Path, Done]) -> None:
    out, live = demo
    stores = sorted(out.glob("*.ome.zarr"), key=lambda store: "high" in store.name)
    done = cli("replay", *stores, "--check", "--json")
    assert done.code == 0, done.err
    assert done.json["check"] == {
        "equal": True,
        "within_tolerance": True,
        "largest_probability_difference": 0.0,
        "frames_compared": 4,
    }
    assert done.json["engine_in_full"] == live.json["engine_in_full"]  # the recorded engine, not a new choice
    for before, after in zip(live.json["sections"], done.json["sections"], strict=True):
        assert [before[key] for key in ("score", "interval", "tiles", "tiles_excluded")] == [
            after[key] for key in ("score", "interval", "tiles", "tiles_excluded")
        ]
    assert json.loads((out / "summary.json").read_text()) == live.json  # a replay does not touch the live account


def test_replay_check_notices_one_changed_bit(demo: tuple[Path, Done], tmp_path: Path) -> None:
    store = copy_of(sorted(demo[0].glob("*.ome.zarr"))[0], tmp_path)
    predictions = store / "predictions.jsonl"
    header, first, *rest = predictions.read_text().splitlines()
    result, _ = fields_of(first.encode())
    tile = next(i for i, logit in enumerate(result["logits"]) if logit is not None)
    result["logits"][tile] = float(np.nextafter(np.float32(result["logits"][tile]), np.float32(9)))
    predictions.write_text("\n".join([header, sealed_line(result).decode().rstrip(), *rest]) + "\n")
    done = cli("replay", store, "--check")
    assert done.code == 40
    assert f"field {result['seq']}, tile {tile}" in done.err


def test_replay_check_on_another_engine_is_within_tolerance_and_reports_it(
    demo: tuple[Path, Done], tmp_path: Path
) -> None:
    out, live = demo
    other = "openvino" if live.json["engine"] != "openvino" else "torchscript"
    stores = sorted(out.glob("*.ome.zarr"), key=lambda store: "high" in store.name)
    done = cli("replay", *stores, "--check", "--engine", other, "--out", tmp_path, "--json")
    assert done.code == 0, done.err
    assert done.json["engine"] == other
    check = done.json["check"]
    assert check["within_tolerance"]
    assert not check["equal"]
    assert 0 < check["largest_probability_difference"] <= 0.01
    assert done.err.count("within tolerance, not bit for bit") == 2
    assert f"Replay on {done.json['engine_in_full']}" in done.err
    for before, after in zip(live.json["sections"], done.json["sections"], strict=True):
        # a tile near the distance's threshold may be in on one engine and out on the other: that moves the score too
        same_tiles = before["tiles"] == after["tiles"]
        assert abs(before["score"] - after["score"]) <= (0.01 if same_tiles else 0.02)
        assert before["decision"] == after["decision"]


def test_replay_check_on_another_engine_notices_differences_beyond_the_tolerance(
    demo: tuple[Path, Done], tmp_path: Path
) -> None:
    out, live = demo
    other = "openvino" if live.json["engine"] != "openvino" else "torchscript"
    store = copy_of(sorted(out.glob("*.ome.zarr"))[0], tmp_path)
    predictions = store / "predictions.jsonl"
    header, first, *rest = predictions.read_text().splitlines()
    result, _ = fields_of(first.encode())
    tile = next(i for i, probability in enumerate(result["probabilities"]) if probability is not None)
    probability = result["probabilities"][tile]
    result["probabilities"][tile] = probability + 0.05 if probability < 0.5 else probability - 0.05
    predictions.write_text("\n".join([header, sealed_line(result).decode().rstrip(), *rest]) + "\n")
    done = cli("replay", store, "--check", "--engine", other)
    assert done.code == 40
    assert "tolerance 0.01" in done.err


def test_replay_where_the_recorded_engine_does_not_run_takes_the_reference(
    demo: tuple[Path, Done], tmp_path: Path
) -> None:
    store = copy_of(sorted(demo[0].glob("*.ome.zarr"))[0], tmp_path)
    spec = json.loads((store / "hcc_scope.json").read_text())["spec"]
    change_spec(store, provenance={**spec["provenance"], "engine": "abacus"})
    done = cli("replay", store, "--check", "--json")
    assert done.code == 0, done.err
    assert done.json["engine"] == "torchscript"
    assert "Engine abacus is not used, but torchscript" in done.err


@pytest.mark.parametrize("damage", ["missing", "corrupted"])
def test_replay_reports_a_damaged_frame_and_replays_the_rest(
    demo: tuple[Path, Done], tmp_path: Path, damage: str
) -> None:
    store = copy_of(sorted(demo[0].glob("*.ome.zarr"))[0], tmp_path)
    shard = store / "frames" / "0" / "c" / "1" / "0" / "0"
    if damage == "missing":
        shard.unlink()
    else:
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 0xFF
        shard.write_bytes(content)
    done = cli("replay", store, "--json")
    assert done.code == 35
    assert "1" in done.err
    assert done.json["counts"]["classified"] + done.json["counts"]["excluded"] == 1
    assert len(done.json["damaged"]) == 1


def test_replay_saves_new_predictions_under_a_name(demo: tuple[Path, Done], tmp_path: Path) -> None:
    store = copy_of(sorted(demo[0].glob("*.ome.zarr"))[0], tmp_path)
    assert cli("replay", store, "--save", "again").code == 0
    assert (store / "predictions-again.parquet").is_file()
    assert cli("replay", store, "--save", "again").code == 31


def test_recover_leaves_a_sound_store_alone(demo: tuple[Path, Done], tmp_path: Path) -> None:
    store = copy_of(sorted(demo[0].glob("*.ome.zarr"))[0], tmp_path)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    done = cli("recover", store, "--json")
    assert done.code == 0
    assert done.json["stores"][0]["changes"] == []
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


# --- what ends a run early ------------------------------------------------------------------------------------------


def test_kill_9_loses_no_journalled_frame(tmp_path: Path) -> None:
    store = tmp_path / "m1_s1.ome.zarr"
    process = start(*acquire_arguments(tmp_path, "--phantom", "high", *quick(tmp_path / "rig")))
    wait_for_frames(process, store, 3)
    process.kill()
    process.communicate()
    n = assert_frames_readable(store)
    assert n >= 3

    replayed = cli("replay", store, "--json")  # also before it is recovered
    assert replayed.code == 0, replayed.err
    assert replayed.json["counts"]["acquired"] == n
    for _ in range(2):
        done = cli("recover", store)
        assert done.code == 0, done.err
        assert assert_frames_readable(store) == n
        yaozarrs.validate_zarr_store(str(store))
    assert zarr.open_array(store / "frames" / "0", mode="r").shape[0] == n


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("presses", [1, 6])
def test_ctrl_c_finishes_cleanly(tmp_path: Path, presses: int) -> None:
    store = tmp_path / "m1_s1.ome.zarr"
    process = start(*acquire_arguments(tmp_path, "--phantom", "low", "--json", *quick(tmp_path / "rig")))
    wait_for_frames(process, store, 3)
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, err
    assert "Finishing" in err
    summary = json.loads(out)
    assert summary["outcome"] == "cancelled"
    counts = summary["counts"]
    assert counts["stored"] == counts["acquired"] < 480
    skipping = "Skipping" in err
    assert presses == 6 or not skipping
    if not skipping:  # further presses may come when everything is done already
        assert counts["deferred"] == counts["pending"] == 0
    assert assert_frames_readable(store) == counts["stored"]
    assert zarr.open_group(store, mode="r").attrs["hcc_scope"]["complete"] is True


_CRASH = """
import sys
from pathlib import Path
from hcc_scope.cli.console import people
from hcc_scope.cli.rigs import open_rig
from hcc_scope.cli.runs import load_scoring_model, record_section
from hcc_scope.plans import PositionList
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.storage.reader import open_store
from hcc_scope.workers import StopToken

out = Path(sys.argv[1])
NULL = "Dereference Null Pointer"


class Crashing(MicroManagerSource):
    def frames(self, stop):
        for frame in super().frames(stop):
            yield frame
            if frame.seq == 4:
                while open_store(out / "m1_s1.ome.zarr").n_frames < 3:
                    pass
                crash = lambda: rig.microscope.backend.ask("", "set_property", "Camera", "SimulateCrash", NULL)
                rig.microscope.thread.call("crashing", crash)


console = people(json_mode=True)
scoring_model = load_scoring_model("phantom-meng2019", "torchscript", console)
with open_rig(sys.argv[2], console) as rig:
    plan = PositionList(positions_um=[(700.0 * i, 0.0) for i in range(20)])
    sha256 = scoring_model.model.card.sha256
    source = Crashing(rig.microscope, plan, animal_id="m1", section_id="s1", model_sha256=sha256)
    record_section(source, scoring_model, out, stop=StopToken(), console=console, title="crash")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a crash of the demo camera opens a dialog on Windows")
def test_a_crashing_camera_driver_leaves_the_store_readable(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CRASH, str(tmp_path), str(small_rig_file(tmp_path / "demo.rig.yaml"))],
        capture_output=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGSEGV, done.stderr
    store = tmp_path / "m1_s1.ome.zarr"
    assert assert_frames_readable(store) >= 3
    assert cli("recover", store).code == 0
    yaozarrs.validate_zarr_store(str(store))


def test_an_existing_store_stops_the_run_before_the_camera(demo: tuple[Path, Done]) -> None:
    out = demo[0]
    done = cli("acquire", "--rig", "demo", "--animal", "demo-low", "--section", "S1", "--out", out)
    assert done.code == 31
    assert "never overwritten" in done.err


# --- the small commands ---------------------------------------------------------------------------------------------


def test_help_imports_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['hcc-scope', '--help']\n"
        "from hcc_scope.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print(sorted({n.split('.')[0] for n in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "jinja2",
        "torch",
        "pycromanager",
        "pymmcore",
        "tensorstore",
        "zarr",
        "matplotlib",
        "pyarrow",
        "numpy",
        "openvino",
        "PySide6",
    }
    assert not heavy & set(json.loads(done.stderr.strip().replace("'", '"')))


def test_devices_lists_the_devices() -> None:
    done = cli("devices", "--rig", "demo", "--properties", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert "DemoCamera" in found["installation"]["adapters"]
    assert found["installation"]["mismatch"] is None
    assert {device["label"] for device in found["config"]["devices"]} >= {"Camera", "XY", "Z", "Objective"}
    assert any(one["name"] == "Exposure" for one in found["properties"]["Camera"])


def test_a_device_whose_label_looks_like_markup_is_shown_as_it_is(tmp_path: Path):
    cfg = tmp_path / "rig.cfg"
    cfg.write_text("Device,Cam[/1],DemoCamera,DCam\nProperty,Core,Initialize,1\nProperty,Core,Camera,Cam[/1]\n")
    done = cli("devices", "--config", cfg)
    assert done.code == 0, done.err
    assert "Cam[/1]" in done.out


def test_lint_names_line_and_remedy(tmp_path: Path) -> None:
    assert cli("config", "lint", DEMO_CFG).code == 0
    cfg = edited(DEMO_CFG, tmp_path / "bad.cfg", ("Property,Core,Camera,Camera", "ImageSynchro,XY"))
    done = cli("config", "lint", cfg, "--json")
    assert done.code == 10
    line = cfg.read_text().splitlines().index("ImageSynchro,XY") + 1
    assert line in [finding["line"] for finding in done.json["findings"]]


def test_lint_takes_several_files_and_judges_each(tmp_path: Path) -> None:
    good, rig = DEMO_CFG, DEMO_CFG.parent / "leica-dmi3000-hamamatsu.rig.yaml"
    done = cli("config", "lint", good, rig, "leica-dmi3000-hamamatsu", "--json")
    assert done.code == 0
    first, second, by_name = done.json["files"]
    assert by_name["findings"] == second["findings"]
    assert (first["errors"], first["findings"]) == (0, [])
    assert (second["errors"], second["to_be_filled_in"]) == (0, 2)
    assert {finding["severity"] for finding in second["findings"]} == {"to be filled in"}
    bad = edited(DEMO_CFG, tmp_path / "bad.cfg", ("Property,Core,Camera,Camera", "ImageSynchro,XY"))
    done = cli("config", "lint", tmp_path / "none.cfg", bad, good)
    assert done.code == 10
    assert "2 of 3 files have 2 errors" in done.err
    assert all(
        part in done.out + done.err for part in ("none.cfg: No such file", "ImageSynchro", "nothing to complain")
    )


def test_the_schema_is_written(tmp_path: Path) -> None:
    done = cli("config", "schema")
    assert json.loads(done.out)["title"] == "HCC-Scope rig file"
    assert cli("config", "schema", "--out", tmp_path / "a.json").code == 0
    assert (tmp_path / "a.json").read_text() == done.out


def test_models_list_and_test() -> None:
    listed = cli("models", "list", "--json")
    assert [model["name"] for model in listed.json["models"]] == ["phantom-meng2019"]
    tested = cli("models", "test", "--json")
    assert tested.code == 0
    assert tested.json["engine"] == "torchscript"
    assert tested.json["largest_logit_difference"] <= tested.json["tolerance"]
    assert tested.json["largest_probability_difference"] == 0
    other = cli("models", "test", "--engine", "openvino", "--json")
    assert other.code == 0
    assert other.json["engine"] == "openvino"
    assert 0 < other.json["largest_probability_difference"] <= other.json["probability_tolerance"]


# --- what must not disturb a run ------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX pipe")
def test_a_reader_that_closes_does_not_end_the_run(tmp_path: Path) -> None:
    """As ``hcc-scope acquire ... | head -1``: the display breaks, the section is acquired to its end."""
    reads, writes = os.pipe()
    os.close(reads)
    arguments = acquire_arguments(tmp_path, "--fields", "6", "--phantom", "low", *FAST)
    try:
        done = cli_on_descriptors(*arguments, stdout=writes)
        # a process, for what the interpreter does with the pipe at its end
        listed = subprocess.run(
            [*COMMAND, "models", "list"], stdout=writes, stderr=subprocess.PIPE, text=True, timeout=WAIT_S, check=False
        )
    finally:
        os.close(writes)
    assert "Traceback" not in done.err + listed.stderr
    ours = zarr.open_group(tmp_path / "m1_s1.ome.zarr", mode="r").attrs["hcc_scope"]
    assert ours["complete"] is True
    assert ours["outcome"]["counts"]["stored"] == 6
    assert (tmp_path / "summary.json").is_file()


def test_a_narrow_encoding_does_not_end_the_run(tmp_path: Path) -> None:
    """As on a Windows console, which cannot show every id."""
    arguments = ["acquire", "--rig", "demo", "--animal", "Ж7", "--section", "s", "--fields", "1", "--out", tmp_path]
    done = cli_on_descriptors(*arguments, *FAST, encoding="cp1252")
    assert done.code == 0, done.err
    assert "\\u04167" in done.out


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_while_loading_leaves_nothing(tmp_path: Path) -> None:
    process = start(*acquire_arguments(tmp_path / "out", "--fields", "4"))
    assert process.stdout is not None
    assert "Loading the model" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_model_of_ones_own_is_found_again(demo: tuple[Path, Done], tmp_path: Path) -> None:
    model = Path(shutil.copytree(models_dir() / "phantom-meng2019", tmp_path / "mine"))
    card = model / "card.yaml"
    card.write_text(card.read_text().replace("name: phantom-meng2019", "name: mine", 1))
    more = ("--fields", "1", "--phantom", "low", "--model", str(model), *FAST)
    done = cli(*acquire_arguments(tmp_path / "out", *more))
    assert done.code == 0, done.err
    replayed = cli("replay", tmp_path / "out" / "m1_s1.ome.zarr", "--check")
    assert replayed.code == 0, replayed.err


def test_a_check_that_compared_only_a_part_is_not_called_equal(demo: tuple[Path, Done], tmp_path: Path) -> None:
    store = copy_of(sorted(demo[0].glob("*.ome.zarr"))[0], tmp_path)
    (store / "frames" / "0" / "c" / "1" / "0" / "0").unlink()
    done = cli("replay", store, "--check", "--json")
    assert done.code == 35
    assert done.json["check"] == {
        "equal": None,
        "within_tolerance": None,
        "largest_probability_difference": 0.0,
        "frames_compared": 1,
    }


class OnlySevens(torch.nn.Module):
    """A model that answers its own test tiles and no other."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if int(x[0, 0, 0, 0]) != 7:
            raise RuntimeError("no sevens here")
        return torch.zeros(x.shape[0], 2)


def test_a_model_that_breaks_leaves_the_frames_and_reports_it(tmp_path: Path) -> None:
    model = Path(shutil.copytree(models_dir() / "phantom-meng2019", tmp_path / "sevens"))
    torch.jit.script(OnlySevens()).save(str(model / "model.pt"))
    np.save(model / "test_input.npy", np.full((2, 512, 512), 7, np.uint16))
    np.save(model / "test_output.npy", np.zeros((2, 2), np.float32))
    card = yaml.safe_load((model / "card.yaml").read_text())
    card["sha256"] = hashlib.sha256((model / "model.pt").read_bytes()).hexdigest()
    card.pop("unlike_training", None)
    (model / "card.yaml").write_text(yaml.safe_dump(card))
    more = ("--fields", "7", "--phantom", "low", "--model", str(model), "--json", *FAST)
    done = cli(*acquire_arguments(tmp_path / "out", *more))
    assert done.code == 20, done.err
    assert "Every frame is stored" in done.err
    assert "no sevens here" in done.err
    counts = done.json["counts"]
    assert counts["stored"] == counts["acquired"] == 7
    assert counts["classified"] == 0
    assert done.json["sections"][0]["score"] is None
    assert cli("replay", tmp_path / "out" / "m1_s1.ome.zarr", "--model", "phantom-meng2019").code == 0


def test_a_worker_left_behind_does_not_hold_up_the_end() -> None:
    code = (
        "import sys, threading, time\n"
        "threading.Thread(target=time.sleep, args=(300,), name='hcc-left').start()\n"
        "sys.argv = ['hcc-scope', 'models', 'list']\n"
        "from hcc_scope.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "phantom-meng2019" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
def test_json_that_cannot_be_written_is_reported() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", "from hcc_scope.cli import main; main()", "models", "list", "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 32
    assert "stdout" in done.stderr


def test_recover_continues_after_a_store_that_is_none(demo: tuple[Path, Done], tmp_path: Path) -> None:
    store = copy_of(sorted(demo[0].glob("*.ome.zarr"))[0], tmp_path)
    done = cli("recover", tmp_path / "no.ome.zarr", store, "--json")
    assert done.code == 30
    assert [row["store"] for row in done.json["stores"]] == [str(store)]


def test_a_summary_that_cannot_be_written_hides_nothing(tmp_path: Path) -> None:
    troubles: list[HccScopeError] = []
    assert save_summary({"outcome": "failed"}, tmp_path / "no" / "summary.json", troubles) == []
    assert [trouble.exit_code for trouble in troubles] == [32]

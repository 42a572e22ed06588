"""The command line as a user meets it: real processes, real demo camera, real stores."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaozarrs
import yaozarrs.v05
import zarr

from hcc_scope.resources import hardware_configs_dir, models_dir

DEMO_CFG = hardware_configs_dir() / "demo.cfg"
COMMAND = [sys.executable, "-c", "from hcc_scope.cli import main; main()"]
WAIT_S = 120.0


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out)
        return value


def hcc_scope(*arguments: str | Path, cwd: Path | None = None) -> Done:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=WAIT_S, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def journal(store: Path) -> list[dict[str, Any]]:
    """Whole lines of the journal; what a crash left of the last one is not a line."""
    path = store / "frames.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def wait_for_frames(process: subprocess.Popen[str], store: Path, n: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while len(journal(store)) < n:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"only {len(journal(store))} frames"
        time.sleep(0.02)


def assert_frames_readable(store: Path) -> int:
    """Every journalled frame, read by zarr-python, has the crc of the journal."""
    lines = journal(store)
    frames = zarr.open_array(store / "frames" / "0", mode="r")
    for line in lines:
        pixels = np.ascontiguousarray(frames[line["seq"]], dtype="<u2")
        assert zlib.crc32(pixels.tobytes()) == line["crc32"], line["seq"]
    return len(lines)


def acquire_arguments(out: Path, *more: str) -> list[str | Path]:
    return ["acquire", "--rig", "demo", "--animal", "m1", "--section", "s1", "--out", out, *more]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    out = tmp_path_factory.mktemp("demo") / "run"
    done = hcc_scope("demo", "--fields", "2", "--out", out, "--json")
    assert done.code == 0, done.err
    return out, done


def copy_of(store: Path, folder: Path) -> Path:
    return Path(shutil.copytree(store, folder / store.name))


# --- the demo and what it leaves -----------------------------------------------------------------------------------


def test_the_demo_prints_its_summary_and_nothing_else(demo: tuple[Path, Done]) -> None:
    out, done = demo
    summary = done.json
    assert summary == json.loads((out / "summary.json").read_text())
    assert summary["outcome"] == "completed"
    assert summary["engine"] == "torchscript"
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


def test_demo_stores_are_valid_and_say_that_they_are_phantoms(demo: tuple[Path, Done]) -> None:
    stores = sorted(demo[0].glob("*.ome.zarr"))
    assert len(stores) == 2
    for store in stores:
        yaozarrs.validate_zarr_store(str(store))
        assert assert_frames_readable(store) == 2
        ours = zarr.open_group(store, mode="r").attrs["hcc_scope"]
        assert ours["complete"] is True
        assert "phantom" in ours["spec"]["provenance"]["specimen"]


def test_a_second_demo_into_the_same_folder_is_refused(demo: tuple[Path, Done]) -> None:
    done = hcc_scope("demo", "--fields", "2", "--out", demo[0])
    assert done.code == 31
    assert "nothing is overwritten" in done.err


def test_replay_gives_the_same_bits_and_the_same_score(demo: tuple[Path, Done]) -> None:
    out, live = demo
    stores = sorted(out.glob("*.ome.zarr"), key=lambda store: "high" in store.name)
    done = hcc_scope("replay", *stores, "--check", "--json")
    assert done.code == 0, done.err
    assert done.json["check"] == {"equal": True}
    for before, after in zip(live.json["sections"], done.json["sections"], strict=True):
        assert [before[key] for key in ("score", "interval", "tiles", "tiles_excluded")] == [
            after[key] for key in ("score", "interval", "tiles", "tiles_excluded")
        ]
    assert json.loads((out / "summary.json").read_text()) == live.json  # a replay does not touch the live account


def test_replay_check_notices_one_changed_bit(demo: tuple[Path, Done], tmp_path: Path) -> None:
    store = copy_of(sorted(demo[0].glob("*.ome.zarr"))[0], tmp_path)
    predictions = store / "predictions.jsonl"
    header, first, *rest = predictions.read_text().splitlines()
    result = json.loads(first)
    tile = next(i for i, logit in enumerate(result["logits"]) if logit is not None)
    result["logits"][tile] = float(np.nextafter(np.float32(result["logits"][tile]), np.float32(9)))
    predictions.write_text("\n".join([header, json.dumps(result), *rest]) + "\n")
    done = hcc_scope("replay", store, "--check")
    assert done.code == 40
    assert f"frame {result['seq']}, tile {tile}" in done.err


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
    done = hcc_scope("replay", store, "--json")
    assert done.code == 35
    assert "1" in done.err
    assert done.json["counts"]["classified"] + done.json["counts"]["excluded"] == 1
    assert len(done.json["damaged"]) == 1


def test_replay_saves_new_predictions_under_a_name(demo: tuple[Path, Done], tmp_path: Path) -> None:
    store = copy_of(sorted(demo[0].glob("*.ome.zarr"))[0], tmp_path)
    assert hcc_scope("replay", store, "--save", "again").code == 0
    assert (store / "predictions-again.parquet").is_file()
    assert hcc_scope("replay", store, "--save", "again").code == 31


def test_recover_leaves_a_sound_store_alone(demo: tuple[Path, Done], tmp_path: Path) -> None:
    store = copy_of(sorted(demo[0].glob("*.ome.zarr"))[0], tmp_path)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    done = hcc_scope("recover", store, "--json")
    assert done.code == 0
    assert done.json["stores"][0]["changes"] == []
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


# --- what ends a run early ------------------------------------------------------------------------------------------


def test_kill_9_loses_no_journalled_frame(tmp_path: Path) -> None:
    store = tmp_path / "m1_s1.ome.zarr"
    process = start(*acquire_arguments(tmp_path, "--fields", "24", "--phantom", "high"))
    wait_for_frames(process, store, 3)
    process.kill()
    process.communicate()
    n = assert_frames_readable(store)
    assert n >= 3

    replayed = hcc_scope("replay", store, "--json")  # also before it is recovered
    assert replayed.code == 0, replayed.err
    assert replayed.json["counts"]["acquired"] == n
    for _ in range(2):
        done = hcc_scope("recover", store)
        assert done.code == 0, done.err
        assert assert_frames_readable(store) == n
        yaozarrs.validate_zarr_store(str(store))
    assert zarr.open_array(store / "frames" / "0", mode="r").shape[0] == n


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_finishes_cleanly(tmp_path: Path, presses: int) -> None:
    store = tmp_path / "m1_s1.ome.zarr"
    process = start(*acquire_arguments(tmp_path, "--fields", "40", "--phantom", "low", "--json"))
    wait_for_frames(process, store, 3)
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, err
    assert "Finishing" in err
    assert ("Skipping" in err) == (presses == 2)
    summary = json.loads(out)
    assert summary["outcome"] == "cancelled"
    counts = summary["counts"]
    assert counts["stored"] == counts["acquired"] < 40
    if presses == 1:
        assert counts["deferred"] == counts["pending"] == 0
    assert assert_frames_readable(store) == counts["stored"]
    assert zarr.open_group(store, mode="r").attrs["hcc_scope"]["complete"] is True


_CRASH = """
import sys
from pathlib import Path
from rich.console import Console
from hcc_scope.cli.rigs import open_rig
from hcc_scope.cli.runs import load_analyst, record_section
from hcc_scope.plans import PositionList
from hcc_scope.sources.micromanager import MicroManagerSource
from hcc_scope.storage.reader import open_store
from hcc_scope.workers import StopToken

out = Path(sys.argv[1])


class Crashing(MicroManagerSource):
    def frames(self, stop):
        for frame in super().frames(stop):
            yield frame
            if frame.seq == 4:
                while open_store(out / "m1_s1.ome.zarr").n_frames < 3:
                    pass
                rig.set_properties(["Camera,SimulateCrash,Dereference Null Pointer"])


analyst = load_analyst("phantom-meng2019", "torchscript", Console(stderr=True))
with open_rig("demo", Console(stderr=True)) as rig:
    plan = PositionList(positions_um=[(700.0 * i, 0.0) for i in range(20)])
    source = Crashing(rig.microscope, plan, animal_id="m1", section_id="s1", model_sha256=analyst.model.card.sha256)
    record_section(source, analyst, out, stop=StopToken(), console=Console(stderr=True), title="crash")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a crash of the demo camera opens a dialog on Windows")
def test_a_crashing_camera_driver_leaves_the_store_readable(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CRASH, str(tmp_path)], capture_output=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == -signal.SIGSEGV, done.stderr
    store = tmp_path / "m1_s1.ome.zarr"
    assert assert_frames_readable(store) >= 3
    assert hcc_scope("recover", store).code == 0
    yaozarrs.validate_zarr_store(str(store))


# --- users' mistakes: one sentence, the right code, nothing left behind ---------------------------------------------


def edited(source: Path, target: Path, *changes: tuple[str, str]) -> Path:
    text = source.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    target.write_text(text)
    return target


def _unknown_command(folder: Path) -> list[str | Path]:
    cfg = edited(DEMO_CFG, folder / "a.cfg", ("Property,Core,Camera,Camera", "Property,Core,Camera,Camera\nTurbo,on"))
    return ["acquire", "--config", cfg, "--animal", "a", "--section", "s", "--out", folder / "out"]


def _unknown_device(folder: Path) -> list[str | Path]:
    cfg = edited(DEMO_CFG, folder / "a.cfg", ("Property,Core,Camera,Camera", "Property,Core,Camera,Kamera"))
    return ["acquire", "--config", cfg, "--animal", "a", "--section", "s", "--out", folder / "out"]


def _missing_adapter(folder: Path) -> list[str | Path]:
    cfg = edited(DEMO_CFG, folder / "a.cfg", ("Camera,DemoCamera,DCam", "Camera,Andor,Andor"))
    return ["acquire", "--config", cfg, "--animal", "a", "--section", "s", "--out", folder / "out"]


def _no_camera(folder: Path) -> list[str | Path]:
    cfg = edited(DEMO_CFG, folder / "a.cfg", ("Property,Core,Camera,Camera\n", ""))
    return ["acquire", "--config", cfg, "--animal", "a", "--section", "s", "--out", folder / "out"]


def _plan(folder: Path, text: str) -> list[str | Path]:
    (folder / "plan.yaml").write_text(text)
    return acquire_arguments(folder / "out", "--plan", str(folder / "plan.yaml"))


def _model(folder: Path, change: str) -> list[str | Path]:
    model = Path(shutil.copytree(models_dir() / "phantom-meng2019", folder / "model"))
    match change:
        case "altered":
            with (model / "model.pt").open("ab") as file:
                file.write(b"\0")
        case "not-torchscript":
            import hashlib

            (model / "model.pt").write_bytes(b"no model at all")
            old = next(line for line in (model / "card.yaml").read_text().splitlines() if line.startswith("sha256:"))
            new = f"sha256: {hashlib.sha256(b'no model at all').hexdigest()}"
            edited(model / "card.yaml", model / "card.yaml", (old, new))
        case "self-test":
            output = np.load(model / "test_output.npy")
            np.save(model / "test_output.npy", output + np.float32(1))
    return acquire_arguments(folder / "out", "--model", str(model))


MISTAKES = {
    "unknown-option": (lambda d: ["acquire", "--what"], 2, "--what"),
    "config-missing": (
        lambda d: ["acquire", "--config", d / "no.cfg", "--animal", "a", "--section", "s", "--out", d],
        10,
        "no.cfg",
    ),
    "config-unknown-command": (_unknown_command, 10, "Turbo"),
    "config-unknown-device": (_unknown_device, 10, "Kamera"),
    "config-missing-adapter": (_missing_adapter, 11, "Andor"),
    "config-no-camera": (_no_camera, 10, "amera"),
    "rig-unknown": (lambda d: ["acquire", "--rig", "zeiss", "--animal", "a", "--section", "s", "--out", d], 10, "demo"),
    "no-microscope": (lambda d: ["acquire", "--animal", "a", "--section", "s", "--out", d], 2, "--rig"),
    "frame-smaller-than-tile": (
        lambda d: acquire_arguments(
            d / "out", "--property", "Camera,OnCameraCCDXSize,256", "--property", "Camera,OnCameraCCDYSize,256"
        ),
        25,
        "256",
    ),
    "other-pixel-size": (lambda d: acquire_arguments(d / "out", "--property", "Objective,Label,40x"), 24, "0.1625"),
    "other-bit-depth": (lambda d: acquire_arguments(d / "out", "--property", "Camera,BitDepth,12"), 24, "12"),
    "bad-property": (lambda d: acquire_arguments(d / "out", "--property", "Camera,Turbo,on"), 11, "Turbo"),
    "plan-missing": (lambda d: acquire_arguments(d / "out", "--plan", str(d / "no.yaml")), 14, "no.yaml"),
    "plan-empty": (lambda d: _plan(d, "kind: positions\npositions_um: []\n"), 14, "no position"),
    "plan-unknown-key": (lambda d: _plan(d, "kind: positions\nplaces: []\n"), 14, "places"),
    "plan-outside-stage": (
        lambda d: _plan(d, "kind: positions\npositions_um: [[0, 0], [900000, 0]]\n"),
        14,
        "900000",
    ),
    "plan-outside-section": (
        lambda d: [*_plan(d, "kind: positions\npositions_um: [[9000, 9000]]\n"), "--phantom", "low"],
        14,
        "9000",
    ),
    "too-many-fields": (lambda d: acquire_arguments(d / "out", "--fields", "900"), 14, "900"),
    "animal-missing": (lambda d: ["acquire", "--rig", "demo", "--section", "s", "--out", d / "out"], 15, "animal"),
    "section-missing": (lambda d: ["acquire", "--rig", "demo", "--animal", "a", "--out", d / "out"], 15, "section"),
    "id-with-separator": (
        lambda d: ["acquire", "--rig", "demo", "--animal", "a/b", "--section", "s", "--out", d / "out"],
        15,
        "a/b",
    ),
    "model-unknown": (lambda d: acquire_arguments(d / "out", "--model", "resnet"), 20, "phantom-meng2019"),
    "model-altered": (lambda d: _model(d, "altered"), 21, "sha256"),
    "model-not-torchscript": (lambda d: _model(d, "not-torchscript"), 22, "TorchScript"),
    "model-self-test": (lambda d: _model(d, "self-test"), 23, "test output"),
    "no-such-engine": (lambda d: acquire_arguments(d / "out", "--engine", "abacus"), 20, "abacus"),
    "out-is-a-file": (lambda d: acquire_arguments(_touch(d / "file"), "--fields", "1"), 32, "file"),
    "out-too-small": (lambda d: acquire_arguments(d / "out", "--frames", "10000000"), 33, "free"),
    "replay-nothing": (lambda d: ["replay", d / "no.ome.zarr"], 30, "no.ome.zarr"),
    "replay-not-ours": (lambda d: ["replay", _touch(d / "notes.txt").parent], 30, "store"),
    "recover-nothing": (lambda d: ["recover", d / "no.ome.zarr"], 30, "no.ome.zarr"),
    "lint-missing": (lambda d: ["config", "lint", d / "no.cfg"], 10, "no.cfg"),
}


def _touch(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_get_one_sentence_and_their_code(case: str, tmp_path: Path) -> None:
    make, code, word = MISTAKES[case]
    done = hcc_scope(*make(tmp_path), cwd=tmp_path)
    assert (done.code, "Traceback" in done.err) == (code, False), done.err
    assert word in done.err
    assert not list(tmp_path.rglob("*.ome.zarr"))
    if code != 2:
        assert done.err.count("Error: ") == 1


def test_an_existing_store_stops_the_run_before_the_camera(demo: tuple[Path, Done]) -> None:
    out = demo[0]
    done = hcc_scope("acquire", "--rig", "demo", "--animal", "demo-low", "--section", "S1", "--out", out)
    assert done.code == 31
    assert "never overwritten" in done.err


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root and Windows ignore a folder's mode")
def test_an_unwritable_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert hcc_scope(*acquire_arguments(tmp_path / "out", "--fields", "1")).code == 32


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
    heavy = {"torch", "pycromanager", "pymmcore", "tensorstore", "zarr", "matplotlib", "pyarrow", "numpy", "PySide6"}
    assert not heavy & set(json.loads(done.stderr.strip().replace("'", '"')))


def test_devices_lists_what_is_there() -> None:
    done = hcc_scope("devices", "--rig", "demo", "--properties", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert "DemoCamera" in found["installation"]["adapters"]
    assert found["installation"]["mismatch"] is None
    assert {device["label"] for device in found["config"]["devices"]} >= {"Camera", "XY", "Z", "Objective"}
    assert any(one["name"] == "Exposure" for one in found["properties"]["Camera"])


def test_lint_names_line_and_remedy(tmp_path: Path) -> None:
    assert hcc_scope("config", "lint", DEMO_CFG).code == 0
    cfg = edited(DEMO_CFG, tmp_path / "bad.cfg", ("Property,Core,Camera,Camera", "Turbo,on"))
    done = hcc_scope("config", "lint", cfg, "--json")
    assert done.code == 10
    line = cfg.read_text().splitlines().index("Turbo,on") + 1
    assert line in [finding["line"] for finding in done.json["findings"]]


def test_models_list_and_test() -> None:
    listed = hcc_scope("models", "list", "--json")
    assert [model["name"] for model in listed.json["models"]] == ["phantom-meng2019"]
    tested = hcc_scope("models", "test", "--json")
    assert tested.code == 0
    assert tested.json["largest_logit_difference"] <= tested.json["tolerance"]

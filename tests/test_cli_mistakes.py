"""Users' mistakes: one sentence, the right exit code, nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import acquire_arguments, cli, edited

from benchmarks.fuzz_options import obeying_modes
from hcc_scope.resources import hardware_configs_dir, models_dir

DEMO_CFG = hardware_configs_dir() / "demo.cfg"


def _old_command(folder: Path) -> list[str | Path]:
    cfg = edited(
        DEMO_CFG,
        folder / "a.cfg",
        ("Property,Core,Camera,Camera", "Property,Core,Camera,Camera\nEquipment,Camera,Gain,1"),
    )
    return ["acquire", "--config", cfg, "--animal", "a", "--section", "s", "--out", folder / "out"]


def _unknown_device(folder: Path) -> list[str | Path]:
    cfg = edited(DEMO_CFG, folder / "a.cfg", ("Property,Core,Camera,Camera", "Property,Core,Camera,Kamera"))
    return ["acquire", "--config", cfg, "--animal", "a", "--section", "s", "--out", folder / "out"]


def _missing_adapter(folder: Path) -> list[str | Path]:
    cfg = edited(DEMO_CFG, folder / "a.cfg", ("Camera,DemoCamera,DCam", "Camera,Andor,Andor"))
    return ["acquire", "--config", cfg, "--animal", "a", "--section", "s", "--out", folder / "out"]


def _no_camera(folder: Path) -> list[str | Path]:
    cfg = edited(DEMO_CFG, folder / "a.cfg", ("Property,Core,Camera,Camera\n", "Property,Core,Camera,\n"))
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
    "config-command-of-old": (_old_command, 10, "Equipment"),
    "config-unknown-device": (_unknown_device, 10, "Kamera"),
    "config-missing-adapter": (_missing_adapter, 11, "Andor"),
    "config-no-camera": (_no_camera, 12, "names no camera"),
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
    "no-fields": (lambda d: acquire_arguments(d / "out", "--fields", "0"), 14, "--fields"),
    "no-frames": (lambda d: acquire_arguments(d / "out", "--frames", "0"), 14, "--frames"),
    "negative-exposure": (lambda d: acquire_arguments(d / "out", "--exposure-ms", "-1"), 14, "--exposure-ms"),
    "negative-seed": (lambda d: ["demo", "--seed", "-1"], 2, "--seed"),
    "save-is-no-name": (lambda d: ["replay", d / "no.ome.zarr", "--save", "x/../y"], 15, "x/../y"),
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
    "out-too-small": (lambda d: acquire_arguments(d / "out", "--frames", "10000000"), 33, "another disk"),
    "replay-nothing": (lambda d: ["replay", d / "no.ome.zarr"], 30, "no.ome.zarr"),
    "replay-not-ours": (lambda d: ["replay", _touch(d / "notes.txt").parent], 30, "store"),
    "recover-nothing": (lambda d: ["recover", d / "no.ome.zarr"], 30, "no.ome.zarr"),
    "lint-missing": (lambda d: ["config", "lint", d / "no.cfg"], 10, "no.cfg"),
}


def _touch(path: Path) -> Path:
    path.touch()
    return path


LATE = {
    "config-no-camera",  # the core chooses one where none is named
    "frame-smaller-than-tile",
    "other-pixel-size",
    "other-bit-depth",
    "bad-property",
    "plan-outside-stage",
    "plan-outside-section",
    "too-many-fields",
    "no-such-engine",
    "out-too-small",
}
"""What only the microscope, or the model, knows; all else is refused before either is loaded."""


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_get_one_sentence_and_their_code(case: str, tmp_path: Path) -> None:
    make, code, word = MISTAKES[case]
    arguments = make(tmp_path)
    if arguments[0] == "acquire" and "--engine" not in arguments:
        arguments = [
            *arguments,
            "--engine",
            "torchscript",
        ]  # nothing here is an engine's, and others take a second more
    done = cli(*arguments, cwd=tmp_path)
    assert (done.code, "Traceback" in done.err) == (code, False), done.err
    assert word in done.err
    assert not list(tmp_path.rglob("*.ome.zarr"))
    assert not (tmp_path / "out").exists()
    if code != 2:
        assert done.err.count("Error: ") == 1
    if case not in LATE:
        assert "Loading the rig" not in done.out
        assert "Loading the model" not in done.out or case.startswith("model-")


@pytest.mark.parametrize("command", ["acquire", "demo"])
def test_the_disk_is_asked_before_a_phantom_is_drawn(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def grown(*_: object) -> None:
        raise AssertionError("a phantom was drawn")

    monkeypatch.setattr(f"hcc_scope.cli.{command}.grown", grown)
    monkeypatch.setattr("hcc_scope.storage.space.SPACE_FACTOR", 1e12)  # as if the disk were that much smaller
    out = tmp_path / "out"
    start = acquire_arguments(out, "--phantom", "low") if command == "acquire" else ["demo", "--out", out]
    done = cli(*start, "--fields", "1", "--engine", "torchscript")
    assert done.code == 33, done.err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_written_to_is_refused_first(tmp_path: Path):
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o500)
    with obeying_modes():
        done = cli(*acquire_arguments(shut / "out"))
    assert (done.code, done.out) == (32, "")
    assert str(shut) in done.err


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--exposure-ms", "nan", 14),
        ("--exposure-ms", "1e9", 14),
        ("--fields", "10000000000", 14),
        ("--frames", "-1", 14),
        ("--area-um", "nanx1", 2),
        ("--area-um", "1e300x1", 2),
        ("--area-um", "-5x5", 2),
        ("--property", "Camera,Gain", 2),
        ("--property", ",,", 2),
        ("--adapters", "nowhere", 11),
        ("--phantom", "medium", 2),
    ],
)
def test_a_number_that_no_rig_takes_is_refused_by_the_option_s_name(option: str, value: str, code: int, tmp_path: Path):
    done = cli(*acquire_arguments(tmp_path / "out", option, value), cwd=tmp_path)
    assert (done.code, done.out) == (code, "")
    assert option in done.err
    assert not list(tmp_path.iterdir())

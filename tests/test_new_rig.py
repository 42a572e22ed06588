"""Writing the two files of a new rig."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from hcc_scope.errors import HccScopeError, UsageError
from hcc_scope.rig.cameras import CameraModel, find_camera
from hcc_scope.rig.cfg_lines import read_config
from hcc_scope.rig.config import lint
from hcc_scope.rig.rig_templates import STANDS, Stand
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.runs import new_rig
from hcc_scope.runs.new_rig import (
    NewRig,
    cameras_for,
    lint_new_rig,
    objectives_of,
    rig_file_of,
    template_of,
    write_new_rig,
)
from hcc_scope.runs.trial_here import Trial
from hcc_scope.runs.trial_report import TrialReport
from tests.commands import cli

PAIRS = [(stand, camera) for stand in STANDS for camera in cameras_for(stand)]
DEMO = NewRig("demo", "demo", ("10X", "20x PH=0.33"), Path("my-rig"))


def test_the_files_of_a_demo_rig_are_sound_and_load(tmp_path: Path):
    rig_file = write_new_rig(replace(DEMO, out=tmp_path / "new folder" / "my-rig"))
    rig = load_rig(rig_file)
    assert rig.config == rig_file.with_name("my-rig.cfg")
    assert lint(rig.config) == []
    lines = [",".join((line.command, *line.fields)) for line in read_config(rig.config)]
    assert [line for line in lines if line.startswith("Label,")] == [
        "Label,Objective,0,10X",
        "Label,Objective,1,20x PH",
    ]
    assert [line for line in lines if line.startswith("PixelSize_um")] == [
        "PixelSize_um,Res10X,0.65",  # 6.5 um by 10
        "PixelSize_um,Res20x PH,0.33",
    ]
    report = TrialReport(str(rig_file))
    Trial(str(rig_file), tmp_path, report).load()
    assert len(report.passed) == 2


@pytest.mark.parametrize(("stand", "camera"), PAIRS, ids=lambda one: one.key)
def test_each_stand_and_camera_gives_a_rig_that_loads(stand: Stand, camera: CameraModel, tmp_path: Path):
    new = NewRig(stand.key, camera.key, ("10X", "20X"), tmp_path / "my-rig")
    template = template_of(new)
    if template.needs_port:
        new = replace(new, port="COM7")
    if template.needs_adapters:
        new = replace(new, adapters_dir=tmp_path)
    rig_file = write_new_rig(new)
    text = rig_file.with_name("my-rig.cfg").read_text()
    assert "<COM port" not in text
    assert template.name + ".cfg" not in text.split("\n", 1)[1]
    report = TrialReport(str(rig_file))
    Trial(str(rig_file), tmp_path, report, all_twins=True).load()
    assert len(report.passed) == 2
    if camera.kind != "demo":
        assert next(one for one in report.replaced if one.kind == "camera").camera == camera.name
    assert f"{camera.pixel_um / 20:.4g}" in text + rig_file.read_text()


def test_an_answer_that_is_not_understood_is_one_sentence():
    for answers, words in [
        (replace(DEMO, stand="dmi9000"), "there is no stand 'dmi9000'. Choose one of: dmi3000b"),
        (replace(DEMO, camera="nikon"), "there is no camera 'nikon'"),
        (replace(DEMO, camera="ixon-888"), "no template for the stand Demo"),
        (replace(DEMO, objectives=()), "at least one objective"),
        (replace(DEMO, objectives=("10X", "10X=0.5")), "two objectives are called '10X'"),
        (replace(DEMO, objectives=("Plan",)), "'Plan' tells no magnification"),
        (replace(DEMO, objectives=("0x",)), "tells no magnification"),
        (replace(DEMO, objectives=("10X=0,65",)), "'10X=0,65' cannot|is no size"),
        (replace(DEMO, objectives=("10X=nan",)), "is no size of a pixel"),
        (replace(DEMO, objectives=("10X=-1",)), "is no size of a pixel"),
        (replace(DEMO, objectives=("10X=0.0001",)), "is no size of a pixel"),
        (replace(DEMO, objectives=("100000X",)), "a pixel of 6.5e-05 um follows for the objective '100000X'"),
        (replace(DEMO, stand="dmi6000b", camera="ixon-888", port="COM"), "'COM' is no serial port"),
        (replace(DEMO, objectives=("=1",)), "cannot be the label"),
        (replace(DEMO, objectives=("1\n0X",)), "cannot be the label"),
        (replace(DEMO, objectives=tuple(f"{n}X" for n in range(1, 9))), "8 objectives, and the turret has 6"),
        (replace(DEMO, mount=0.0), "cannot magnify"),
        (replace(DEMO, port="COM3"), "has no serial port"),
        (replace(DEMO, out=Path("a<b>")), "cannot be the name"),
        (replace(DEMO, out=Path("com3.rig.yaml")), "cannot be the name"),
        (replace(DEMO, out=Path.cwd()), "is a folder"),
    ]:
        with pytest.raises(UsageError, match=words):
            write_new_rig(answers)


def test_the_mount_enters_the_computed_sizes_only():
    found = objectives_of(replace(DEMO, camera="ixon-888", objectives=("20X", "40X=0.3"), mount=0.63))
    assert [(one.label, one.um_per_px) for one in found] == [("20X", 1.032), ("40X", 0.3)]


@pytest.mark.parametrize("name", ["a", "a.cfg", "a.yaml", "a.rig.yaml", "a.rig.yml"])
def test_the_ending_need_not_be_written(name: str):
    assert rig_file_of(Path("x") / name) == Path("x/a.rig.yaml")


def test_what_the_files_state_of_the_camera_is_of_this_one(tmp_path: Path):
    for camera, frame, pixel in [
        ("ixon-897", "0.5 MiB: room for 2048", "the 16 um pixels of the camera and"),
        ("ixon-888", "2 MiB: room for 512", "the 13 um pixels of the camera and"),
        (
            "evolve-512",
            "0.5 MiB: room for 2048",
            "the 16 um pixels of the camera (not verified: compare its data sheet)",
        ),
    ]:
        text = write_new_rig(NewRig("dmi4000b", camera, ("10X",), tmp_path / camera)).read_text()
        assert f"# 16-bit frames of {frame} of them.\n" in text
        assert pixel in text
        assert "NOMINAL" not in text
        assert "Most DMI4000 B have no FocusDrive" in text


def test_a_label_may_hold_what_yaml_reads_otherwise(tmp_path: Path):
    rig_file = write_new_rig(NewRig("dmi3000b", "ixon-888", (r"10X\PH #1: a", "20X {b}=0.65123456"), tmp_path / "odd"))
    assert load_rig(rig_file).handling.um_per_px == {r"10X\PH #1: a": 1.3, "20X {b}": 0.65123456}
    assert {one.severity for one in lint_new_rig(rig_file)} == {"to be filled in"}


@pytest.mark.parametrize("name", ["demo", "demo-demo", "x demo", "demo.cfg"])
def test_a_name_may_contain_that_of_the_template(name: str, tmp_path: Path):
    rig_file = write_new_rig(replace(DEMO, out=tmp_path / name))
    assert load_rig(rig_file).config.is_file()
    assert lint_new_rig(rig_file) == ()


def test_the_command_lints_what_it_wrote(tmp_path: Path):
    done = cli("config", "new", "--stand=dmi6000b", "--camera=ixon-888", "--out=a", "--no-try", cwd=tmp_path)
    assert done.code == 0
    assert "a.cfg:27: to be filled in: COM port is not filled in yet (10 lines" in done.out
    assert "Next: fill in what is listed, until 'hcc-scope config lint a.rig.yaml' lists nothing." in done.out


def test_nothing_is_overwritten_and_nothing_half_made_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    new = replace(DEMO, out=tmp_path / "deep" / "my-rig")
    write_new_rig(new)
    before = {path: path.read_bytes() for path in new.out.parent.iterdir()}
    assert len(before) == 2
    with pytest.raises(UsageError, match=r"my-rig\.rig\.yaml exists already"):
        write_new_rig(new)
    (tmp_path / "deep" / "my-rig.rig.yaml").unlink()
    with pytest.raises(UsageError, match=r"my-rig\.cfg exists already"):
        write_new_rig(new)
    assert (tmp_path / "deep" / "my-rig.cfg").read_bytes() == before[tmp_path / "deep" / "my-rig.cfg"]

    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name.endswith(".rig.yaml"):
            raise OSError(28, "No space left on device", str(self))
        return write(self, data)

    monkeypatch.setattr(new_rig.Path, "write_bytes", full)
    with pytest.raises(HccScopeError, match="No space left on device"):
        write_new_rig(replace(DEMO, out=tmp_path / "other" / "my-rig"))
    assert not (tmp_path / "other").exists()


def test_the_command_needs_its_options_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    done = cli("config", "new", "--stand", "demo", cwd=tmp_path)
    assert done.code == 2
    assert done.err == (
        "Error: no value for --camera and --out, and no terminal to ask at. Give --stand, --camera and --out; the"
        " others have defaults.\n"
    )
    done = cli("config", "new", "--stand=demo", "--camera=demo", "--out=a", "--no-try", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.cfg", "a.rig.yaml"]
    assert done.json == {"rig": "a.rig.yaml", "config": "a.cfg", "findings": [], "trial": None}


def test_the_command_asks_until_it_understands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    answers = ["demo 7", "demo", "nothing", "0.5", "10X=0,3", "10X=0.3, 40X", str(tmp_path), str(tmp_path / "mine")]
    monkeypatch.setattr("sys.stdin", Terminal("\n".join(answers) + "\n"))
    done = cli("config", "new", "--camera=demo", "--no-try", cwd=tmp_path)
    assert done.code == 0, done.err
    text = (tmp_path / "mine.cfg").read_text()
    assert "PixelSize_um,Res10X,0.3\n" in text
    assert "PixelSize_um,Res40X,0.325\n" in text  # 6.5 um by 40 and 0.5


def test_an_end_of_the_answers_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    terminal = io.StringIO("demo\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    done = cli("config", "new", cwd=tmp_path)
    assert (done.code, done.err) == (2, "Error: the input ended before all was answered; no file was written\n")
    assert list(tmp_path.iterdir()) == []


def test_cameras_are_found_by_what_texts_call_them():
    for text, name in [
        ("| DU-888_BV | 1234 |", "Andor iXon 888"),
        ("leica-dmi3000-andor-ixon897.cfg", "Andor iXon 897"),
        ("Evolve 512 Delta", "Photometrics Evolve 512"),
        ("Cascade II:1024", "Photometrics Cascade II 1024"),
        ("C9100-13", "Hamamatsu ImagEM"),
        ("ImagEM X2 1K", "Hamamatsu ImagEM 1K"),
    ]:
        found = find_camera("nothing", text)
        assert found is not None
        assert found.name == name
    assert find_camera("Camera", "12888", "DCam-2") is None

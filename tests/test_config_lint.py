"""Configurations and rig files: what is wrong with them, in which line, and what is said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import ConfigError, DeviceError
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.rig import adapters
from hcc_scope.rig.adapters import installed_libraries, interface_mismatch
from hcc_scope.rig.config import check, lint
from hcc_scope.rig.devices import describe_config, describe_installation, read_properties
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.types import StageLimits

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
Property,Core,Initialize,0
Device,Hub,DemoCamera,DHub
Device,Cam,DemoCamera,DCam
Device,Obj,DemoCamera,DObjective
Parent,Cam,Hub
"""
READY = "Property,Core,Initialize,1\nProperty,Core,Camera,Cam\n"
GOOD = HEAD + READY


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rig.cfg"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "text", [GOOD, GOOD.replace("\n", "\r\n"), GOOD + "\n#a, b\n   \n"], ids=["lf", "crlf", "blanks"]
)
def test_a_good_file_has_no_findings(tmp_path: Path, adapters_dir: Path, text: str):
    path = write(tmp_path, text)
    assert lint(path, adapters_dir) == []
    assert check(path, adapters_dir) == []


def test_the_shipped_and_the_makers_demo_files_are_clean(adapters_dir: Path):
    assert lint(hardware_configs_dir() / "demo.cfg", adapters_dir) == []
    assert lint(adapters_dir / "MMConfig_demo.cfg", adapters_dir) == []


# What is appended to GOOD (8 lines follow from it: line 8 is the first one), the line and part of the message
ERRORS = {
    "unknown command": ("Propperty,Cam,Gain,1", 8, "unknown command 'Propperty'"),
    "case of a command": ("property,Cam,Gain,1", 8, "unknown command 'property'"),
    "blank before a command": (" Property,Cam,Gain,1", 8, "unknown command ' Property'"),
    "tabs": ("Property\tCam\tGain\t1", 8, "unknown command"),
    "too many fields": ("Property,Cam,Gain,1,2", 8, "'Property' with 4 fields"),
    "too few fields": ("ConfigGroup,G,P", 8, "'ConfigGroup' with 2 fields"),
    "affine": (
        "ConfigPixelSize,R,Obj,State,1\nPixelSize_um,R,1\nPixelSizeAffine,R,1,0",
        10,
        "'PixelSizeAffine' with 3",
    ),
    "blank after a comma": ("Property, Cam,Gain,1", 8, "a blank beside a comma"),
    "blank before a comma": ("Property,Cam ,Gain,1", 8, "a blank beside a comma"),
    "unknown device, property": ("Property,Can,Gain,1", 8, "unknown device 'Can'"),
    "unknown device, label": ("Label,Ob,0,4x", 8, "unknown device 'Ob'"),
    "unknown device, parent": ("Parent,Cam,Hubb", 8, "unknown device 'Hubb'"),
    "unknown device, delay": ("Delay,Shutter,3", 8, "unknown device 'Shutter'"),
    "unknown device, direction": ("FocusDirection,Z,0", 8, "unknown device 'Z'"),
    "unknown device, group": ("ConfigGroup,G,P,Camm,Gain,1", 8, "unknown device 'Camm'"),
    "unknown device, pixel size": ("ConfigPixelSize,R,Objj,State,1\nPixelSize_um,R,1", 8, "unknown device 'Objj'"),
    "unknown device, role": ("Property,Core,Shutter,White", 8, "unknown device 'White'"),
    "core property": ("Property,Core,Stage,XY", 8, "the core has no property 'Stage'"),
    "core property in a group": ("ConfigGroup,G,P,Core,Stage,XY", 8, "the core has no property 'Stage'"),
    "label in use": ("Device,Cam,DemoCamera,DCam", 8, "label 'Cam' is already in use"),
    "device after initialisation": ("Device,XY,DemoCamera,DXYStage", 8, "would stay uninitialised"),
    "second reset": ("Property,Core,Initialize,0", 8, "unloads the devices declared above"),
    "initialise": ("Property,Core,Initialize,yes", 8, "Initialize can be 0 or 1"),
    "label index": ("Label,Obj,one,4x", 8, "'one' is no whole number"),
    "label index twice": ("Label,Obj,0,4x\nLabel,Obj,0,10x", 9, "position 0 of 'Obj' has a label already"),
    "label text twice": ("Label,Obj,0,4x\nLabel,Obj,1,4x", 9, "two positions of 'Obj' are labelled '4x'"),
    "focus direction": ("FocusDirection,Cam,up", 8, "the focus direction is 'up'"),
    "delay": ("Delay,Cam,soon", 8, "'soon' is not a delay in ms"),
    "pixel size without preset": ("PixelSize_um,Res4x,1.6", 8, "no ConfigPixelSize line above defines .* 'Res4x'"),
    "pixel size no number": ("ConfigPixelSize,R,Obj,State,1\nPixelSize_um,R,1;6", 9, "'1;6' is not a number"),
    "pixel size 0": ("ConfigPixelSize,R,Obj,State,1\nPixelSize_um,R,0", 9, "a pixel size of 0 um"),
    "adapter not installed": ("", 2, "the device adapter 'LeicaDMI' is not installed"),
}


@pytest.mark.parametrize(("tail", "line", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_are_found_where_they_are(tmp_path: Path, adapters_dir: Path, tail: str, line: int, message: str):
    text = GOOD + tail + "\n" if tail else GOOD.replace("Hub,DemoCamera", "Hub,LeicaDMI")
    path = write(tmp_path, text)
    with pytest.raises((ConfigError, DeviceError), match=rf"rig\.cfg:{line}: .*{message}"):
        check(path, adapters_dir)
    findings = lint(path, adapters_dir)
    assert [finding.line for finding in findings if finding.severity == "error"] == [line]
    assert findings[0].hint


WARNINGS = {
    "comment not in column 0": ("  # note", "a comment must begin in the first column"),
    "comment after a command": ("Property,Cam,Gain,1 # note", "a comment after a command"),
    "blank at the end": ("Property,Cam,Gain,1 ", "the blank at the end"),
    "label that is not there": ("Label,Obj,0,4x\nConfigGroup,O,4x,Obj,Label,4X", "'Obj' has no label '4X'"),
    "pixel size preset without size": ("ConfigPixelSize,R,Obj,State,1", "preset 'R' has no size"),
}


@pytest.mark.parametrize(("tail", "message"), WARNINGS.values(), ids=WARNINGS)
def test_warnings_do_not_refuse(tmp_path: Path, tail: str, message: str):
    findings = check(write(tmp_path, GOOD + tail + "\n"))
    assert [finding.severity for finding in findings] == ["warning"]
    assert message in findings[0].message


def test_order_is_judged(tmp_path: Path):
    path = write(tmp_path, "Property,Cam,Gain,1\n" + GOOD)
    with pytest.raises(ConfigError, match=r"rig\.cfg:1: the device 'Cam' is declared only in line 4"):
        check(path)
    path = write(tmp_path, HEAD + "Label,Obj,0,4x\n" + READY)
    with pytest.raises(ConfigError, match=r"rig\.cfg:6: a label before the devices are initialised"):
        check(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "Property,Core,Camera,Cam\n", "Property,Core,Initialize,1 is missing"),
        (HEAD + "Property,Core,Initialize,1\n", "no camera is named"),
        ("", "Property,Core,Initialize,1 is missing"),
    ],
    ids=["initialise", "camera", "empty"],
)
def test_what_is_missing(tmp_path: Path, text: str, message: str):
    with pytest.raises(ConfigError, match=message):
        check(write(tmp_path, text))


def test_the_first_error_leads_and_the_rest_is_counted(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"cfg:8: unknown command 'Foo'.*\(1 more: 'hcc-scope config lint"):
        check(write(tmp_path, GOOD + "Foo,1\nBar,2\n"))


def test_a_near_name_is_proposed(tmp_path: Path):
    finding = lint(write(tmp_path, GOOD + "Propperty,Cam,Gain,1\n"))[0]
    assert str(finding).endswith(
        "rig.cfg:8: error: unknown command 'Propperty', which Micro-Manager would ignore. Did you mean 'Property'?"
    )


def test_files_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*none\.cfg: No such file"):
        lint(tmp_path / "none.cfg")
    path = tmp_path / "latin.cfg"
    path.write_bytes(GOOD.encode() + "Label,Obj,0,5 µm\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.cfg:8: a character is not UTF-8"):
        lint(path)


def test_a_byte_order_mark_is_an_error(tmp_path: Path):
    path = tmp_path / "bom.cfg"
    path.write_bytes(GOOD.encode("utf-8-sig"))
    with pytest.raises(ConfigError, match=r"bom\.cfg:1: the file begins with a byte order mark"):
        check(path)


def test_a_missing_adapter_is_a_device_error(tmp_path: Path, adapters_dir: Path):
    path = write(tmp_path, GOOD.replace("Cam,DemoCamera,DCam", "Cam,Andor,Andor"))
    assert check(path) == []  # nobody said where the adapters are
    with pytest.raises(DeviceError, match=r"'Andor' is not installed in .*installed: DemoCamera, "):
        check(path, adapters_dir)


@pytest.mark.parametrize(
    "name", ["libmmgr_dal_Andor.so.0", "mmgr_dal_Andor.dll", "libmmgr_dal_Andor", "libmmgr_dal_Andor.dylib"]
)
def test_adapters_are_found_on_every_system(tmp_path: Path, name: str):
    (tmp_path / name).touch()
    (tmp_path / "readme.txt").touch()
    assert list(installed_libraries(tmp_path)) == ["Andor"]


def test_versions_that_do_not_fit_are_told(adapters_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert interface_mismatch(adapters_dir) is None
    assert interface_mismatch(tmp_path) is None  # a Micro-Manager folder does not say its version
    monkeypatch.setattr(adapters, "core_interface", lambda: 74)
    mismatch = interface_mismatch(adapters_dir)
    assert mismatch is not None
    assert "speaks device interface 74" in mismatch
    with pytest.raises(DeviceError, match="speaks device interface 74"):
        check(write(tmp_path, GOOD), adapters_dir)


def test_the_installation_is_described(adapters_dir: Path):
    installation = describe_installation()
    assert installation.adapters_dir == str(adapters_dir)
    assert {"DemoCamera", "Utilities"} <= set(installation.adapters)
    assert installation.core_interface == installation.adapters_interface
    assert installation.mismatch is None
    assert {"pymmcore", "mm-test-adapters", "pycromanager"} <= set(installation.versions)


def test_a_configuration_is_described_without_loading_it():
    found = describe_config(hardware_configs_dir() / "demo.cfg")
    by_label = {device.label: device for device in found.devices}
    assert (by_label["Camera"].adapter, by_label["Camera"].hub, by_label["Camera"].roles) == (
        "DCam",
        "DHub",
        ("Camera",),
    )
    assert by_label["XY"].roles == ("XYStage",)
    assert found.groups == {"Objective": ("10x", "20x", "40x")}  # System/Startup is among the settings
    assert found.pixel_sizes_um == {"Res10x": 0.65, "Res20x": 0.325, "Res40x": 0.1625}
    assert found.settings["Camera"]["OnCameraCCDXSize"] == "2048"


def test_properties_are_read_from_the_loaded_devices(tmp_path: Path, adapters_dir: Path):
    found = read_properties(write(tmp_path, GOOD), adapters_dir)
    camera = {item.name: item for item in found["Cam"]}
    assert camera["PixelType"].allowed == ("16bit", "32bit", "32bitRGB", "64bitRGB", "8bit")
    assert camera["Gain"].limits == (-5.0, 8.0)
    assert camera["CCDTemperature RO"].read_only
    with pytest.raises(ConfigError, match=r"does not load: .*Nope"):
        read_properties(write(tmp_path, GOOD + "Property,Cam,Nope,1\n"), adapters_dir)


# --- rig files ---


def test_the_demo_rig_is_found_by_name():
    rig = load_rig("demo")
    assert rig.config == hardware_configs_dir() / "demo.cfg"
    assert rig.roles.em_gain == "Gain"
    assert rig.stage_limits == StageLimits((-60000.0, 60000.0), (-40000.0, 40000.0), (-300.0, 300.0))


def test_a_cfg_alone_is_a_rig(tmp_path: Path):
    path = write(tmp_path, GOOD)
    rig = load_rig(path)
    assert (rig.path, rig.config, rig.stage_limits, rig.roles.em_gain) == (None, path, None, None)
    with pytest.raises(ConfigError, match=r"none\.cfg does not exist"):
        load_rig(tmp_path / "none.cfg")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: a.cfg\n\ncolour: red\n", r"x\.rig\.yaml:3: unknown key 'colour'"),
        ("config: a.cfg\nroles:\n  em_gain: Gain\n  gain: Gain\n", r"x\.rig\.yaml:4: unknown key 'roles\.gain'"),
        ("roles: {}\n", "the key 'config' is missing"),
        ("config: a.cfg\nstage_limits_um:\n  x: [5, 1]\n  y: [0, 1]\n", r":2: stage_limits_um: the lower limit of x"),
        ("config: a.cfg\npixel_size_um: 0\n", r":2: pixel_size_um: "),
        ("config: a.cfg\nbuffer_size_mb: many\n", r":2: buffer_size_mb: "),
        ("config: [\n", "is not YAML"),
        ("config: 2020-13-45\n", "is not YAML"),
        ("[" * 20_000, "is not YAML"),
        ("- config\n", "must be a mapping"),
    ],
)
def test_rig_files_that_are_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "x.rig.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_rig(path)


def test_rigs_that_are_not_there(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"there is no rig named 'moon'.*demo"):
        load_rig("moon")
    with pytest.raises(ConfigError, match=r"cannot read the rig file .*none\.rig\.yaml"):
        load_rig(tmp_path / "none.rig.yaml")


def test_paths_in_a_rig_file_are_beside_it(tmp_path: Path):
    path = tmp_path / "x.rig.yaml"
    path.write_text("config: a.cfg\nadapters_dir: mm\n")
    rig = load_rig(path)
    assert (rig.config, rig.adapters_dir) == (tmp_path / "a.cfg", tmp_path / "mm")
    elsewhere = tmp_path / "elsewhere"
    path.write_text(f"config: {(elsewhere / 'a.cfg').as_posix()}\nadapters_dir: {elsewhere.as_posix()}\n")
    rig = load_rig(path)
    assert (rig.config, rig.adapters_dir) == (elsewhere / "a.cfg", elsewhere)

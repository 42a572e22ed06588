"""Trying a rig: devices that are not here become demo devices, and a section runs through them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

import pymmcore
import pytest

from hcc_scope.errors import ConfigError, HccScopeError
from hcc_scope.inference.base import DEFAULT_MODEL
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.rig import adapters
from hcc_scope.rig.cfg_lines import CfgLine, read_config
from hcc_scope.rig.device_kinds import kinds_of, known_kind, known_libraries
from hcc_scope.rig.filling import _in_yaml
from hcc_scope.rig.rigfile import rig_file_beside
from hcc_scope.rig.substitution import Substitution, substitute
from hcc_scope.runs import trial, trial_here, trial_section
from hcc_scope.runs.trial import try_rig
from hcc_scope.runs.trial_here import Trial
from hcc_scope.runs.trial_report import TrialReport
from hcc_scope.types import RigRoles
from hcc_scope.workers import StopToken
from tests.commands import COMMAND, cli

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.runs.rigs import OpenRig

INSTALLED = frozenset({"DemoCamera", "Utilities"})
ROLES = RigRoles(
    em_gain="Gain",
    em_switch="EMSwitch",
    em_switch_off=("Off",),
    temperature="CCDTemperature",
    temperature_set_point="CCDTemperatureSetPoint",
    readout="ReadoutMode",
    objective="ObjectiveTurret",
)
LEICA = """\
Property,Core,Initialize,0
Device,COM3,SerialManager,COM3
Device,Scope,LeicaDMI,Scope
Device,ObjectiveTurret,LeicaDMI,ObjectiveTurret
Device,FocusDrive,LeicaDMI,FocusDrive
Device,XYStage,LeicaDMI,XYStage
Device,TL,LeicaDMI,Transmitted Light
Device,Andor,Andor,Andor
Property,COM3,BaudRate,19200
Property,Scope,Port,COM3
Property,Andor,Camera,| iXon Ultra 888 | 13 |
Parent,ObjectiveTurret,Scope
Parent,TL,Scope
Property,Core,Initialize,1
Delay,TL,1
FocusDirection,FocusDrive,1
Property,Core,Camera,Andor
Property,Core,Focus,FocusDrive
Property,Core,XYStage,XYStage
Property,Core,Shutter,TL
Property,Core,AutoShutter,1
Label,ObjectiveTurret,1,10x
Label,ObjectiveTurret,2,20x
ConfigGroup,System,Startup,Andor,Gain,300
ConfigGroup,System,Startup,Andor,EMSwitch,On
ConfigGroup,System,Startup,Andor,CCDTemperatureSetPoint,-70
ConfigGroup,System,Startup,ObjectiveTurret,Label,20x
ConfigGroup,Camera,Fast,Andor,ReadoutMode,30 MHz
ConfigGroup,Camera,Fast,Andor,Pre-Amp-Gain,1
ConfigGroup,Camera,Slow,Andor,ReadoutMode,1 MHz
ConfigGroup,Camera,Slow,Andor,Pre-Amp-Gain,1.0
ConfigGroup,Lamp,Bright,TL,Level,200
ConfigGroup,Lamp,Dim,TL,Level,20
ConfigPixelSize,R10,ObjectiveTurret,Label,10x
PixelSize_um,R10,1.3
ConfigPixelSize,R20,ObjectiveTurret,Label,20x
PixelSize_um,R20,0.325
"""
RIG = """\
config: leica.cfg
roles: {em_gain: Gain, em_switch: EMSwitch, temperature_set_point: CCDTemperatureSetPoint, objective: ObjectiveTurret}
stage_limits_um: {x: [1000, 90000], y: [1000, 60000], z: [0, 9000]}
buffer_size_mb: 64
"""


def rewritten(text: str, folder: Path, roles: RigRoles = ROLES) -> Substitution:
    path = folder / "a.cfg"
    path.write_text(text)
    return substitute(read_config(path), INSTALLED, roles, hints=("a.cfg",))


@contextlib.contextmanager
def loaded(found: Substitution, folder: Path) -> Iterator[pymmcore.CMMCore]:
    path = folder / "tried.cfg"
    path.write_text(found.text)
    core = pymmcore.CMMCore()
    core.setDeviceAdapterSearchPaths([str(adapters.test_adapters_dir())])
    core.loadSystemConfiguration(str(path))
    try:
        yield core
    finally:
        core.unloadAllDevices()


# --- what kind of device it is ---


@pytest.mark.parametrize(
    ("library", "adapter", "kind"),
    [
        ("LeicaDMI", "Transmitted Light", "shutter"),
        ("LeicaDMI", "MagnificationChanger", "magnifier"),
        ("Andor", "Andor", "camera"),
        ("PVCAM", "Camera-1", "camera"),
        ("SerialManager", "COM12", "serial"),
        ("ASITiger", "XYStage:XY:31", "xy_stage"),
        ("TriggerScopeMM", "TS_DAC07", "signal"),
        ("ZeissCAN29", "ZeissDefiniteFocus", "autofocus"),
        ("NikonTI", "TIScope", None),
    ],
)
def test_the_kind_of_an_adapter_is_known_from_the_sources(library: str, adapter: str, kind: str | None):
    assert known_kind(library, adapter) == kind


def test_the_table_agrees_with_the_adapters_that_are_installed():
    core = pymmcore.CMMCore()
    core.setDeviceAdapterSearchPaths([str(adapters.test_adapters_dir())])
    types = {
        2: "camera",
        3: "shutter",
        4: "state",
        5: "stage",
        6: "xy_stage",
        8: "generic",
        9: "autofocus",
        11: "processor",
    }
    types |= {12: "signal", 13: "magnifier", 15: "hub", 16: "galvo", 17: "pressure_pump", 18: "volumetric_pump"}
    for library in ("DemoCamera", "Utilities"):
        devices = dict(zip(core.getAvailableDevices(library), core.getAvailableDeviceTypes(library), strict=True))
        assert {name: types[int(kind)] for name, kind in devices.items()} == {
            name: known_kind(library, name) for name in devices
        }
    assert len(known_libraries()) > 200


def test_what_no_table_knows_is_known_from_roles_lines_and_names(tmp_path: Path):
    path = tmp_path / "a.cfg"
    path.write_text(
        "Device,Cam,Unheard,X1\nDevice,Turret,Unheard,X2\nDevice,Z,Unheard,X3\nDevice,Hub,Unheard,X4\n"
        "Device,Drive,Unheard,TIXYDrive\nDevice,Odd,Unheard,X5\nDevice,Wrong,LeicaDMI,FocusDrive\nParent,Cam,Hub\n"
        "Property,Core,Camera,Cam\nProperty,Core,Shutter,Wrong\nLabel,Turret,0,a\nFocusDirection,Z,1\n"
    )
    found = kinds_of(read_config(path))
    kinds = {label: one.kind for label, one in found.items()}
    assert kinds == {
        "Cam": "camera",
        "Turret": "state",
        "Z": "stage",
        "Hub": "hub",
        "Drive": "xy_stage",
        "Odd": "generic",
        "Wrong": "shutter",
    }
    assert found["Wrong"].contradiction == "LeicaDMI FocusDrive is a focus drive, not a shutter"


# --- what stands in its place ---


def test_a_vendor_configuration_loads_and_its_presets_work(tmp_path: Path):
    with loaded(rewritten(LEICA, tmp_path), tmp_path) as core:
        assert core.getCameraDevice() == "Andor"
        assert (core.getImageWidth(), core.getImageHeight(), core.getBytesPerPixel()) == (1024, 1024, 2)
        assert core.getFocusDirection("FocusDrive") == 1
        assert core.getDeviceDelayMs("TL") == 1
        assert core.getParentLabel("TL") == "Scope"
        # labels and positions are those of the file
        assert (core.getStateLabel("ObjectiveTurret"), core.getState("ObjectiveTurret")) == ("20x", 2)
        assert core.getPixelSizeUm() == 0.325
        # presets of properties that no demo device has are told apart
        for preset in ("Fast", "Slow"):
            core.setConfig("Camera", preset)
            assert core.getCurrentConfig("Camera") == preset
        core.setConfig("Lamp", "Dim")
        assert core.getCurrentConfig("Lamp") == "Dim"
        core.setPixelSizeConfig("R10")
        assert core.getPixelSizeUm() == 1.3


def test_the_roles_of_the_camera_are_played_by_properties_of_its_twin(tmp_path: Path):
    found = rewritten(LEICA, tmp_path)
    with loaded(found, tmp_path) as core:
        roles = found.roles
        values = {
            role: core.getProperty("Andor", getattr(roles, role))
            for role in ("em_gain", "em_switch", "temperature", "temperature_set_point", "readout")
        }
    assert float(values["em_gain"]) == 300.0
    assert values["em_switch"] == "Yes"
    assert float(values["temperature_set_point"]) == float(values["temperature"]) == -70.0
    assert roles.objective == "ObjectiveTurret"


def test_what_was_replaced_kept_and_left_out_is_accounted_for(tmp_path: Path):
    text = LEICA.replace("Delay,TL,1\n", "Delay,COM3,1\nDelay,TL,1\n").replace("Point,-70", "Point,-110")
    found = rewritten(text, tmp_path)
    assert {one.device: one.twin for one in found.replaced} == {
        "COM3": None,
        "Scope": "DHub",
        "ObjectiveTurret": "DStateDevice",
        "FocusDrive": "DStage",
        "XYStage": "DXYStage",
        "TL": "DShutter",
        "Andor": "DCam",
    }
    camera = next(one for one in found.replaced if one.device == "Andor")
    assert (camera.image_yx, camera.camera) == ((1024, 1024), "Andor iXon 888")
    kept = {(one.device, one.name, one.value): one.memory for one in found.remembered}
    assert kept["Scope", "Port", "COM3"] is None
    assert kept["Andor", "ReadoutMode", "1 MHz"] == "Andor ReadoutMode"
    assert [(one.text, one.why) for one in found.left_out] == [("Delay,COM3,1", "there is no demo device for 'COM3'")]
    assert [(one.name, one.value, one.taken) for one in found.adjusted] == [("CCDTemperatureSetPoint", "-110", "-100")]
    # each line has its place in the file that was given
    lines = text.splitlines()
    for written, origin in zip(found.text.splitlines(), found.origins, strict=True):
        if written in lines and not written.startswith("Property,Core,Initialize"):
            assert origin == lines.index(written) + 1


def test_positions_that_only_the_device_labels_are_found_again(tmp_path: Path):
    text = "".join(line for line in LEICA.splitlines(keepends=True) if not line.startswith("Label,"))
    with loaded(rewritten(text, tmp_path), tmp_path) as core:
        assert core.getPixelSizeUm() == 0.325
        core.setPixelSizeConfig("R10")
        assert core.getPixelSizeUm() == 1.3


@pytest.mark.parametrize(
    "lines",
    [
        "Property,Andor,ReadoutMode,30 MHz",
        "Property,Andor,ReadoutMode,",
        "ConfigGroup,Camera,Odd,Andor,ReadoutMode,",
        "ConfigGroup,Camera,Odd,Andor,Binning,3",
        "ConfigGroup,Camera,Odd,Andor,Binning,2x2",
        "ConfigGroup,Camera,Odd,Andor,Exposure,999999",
        "ConfigGroup,Camera,Odd,Andor,Gain,much",
        "ConfigGroup,Camera,Odd,COM3,BaudRate,9600",
        "ConfigGroup,Camera,Odd,TL,State,open",
        "ConfigGroup,Camera,Odd,ObjectiveTurret,State,250",
        "ConfigGroup,Camera,Odd,ObjectiveTurret,State,first",
        "ConfigGroup,Camera,Odd,ObjectiveTurret,State,999999999",
        "Label,ObjectiveTurret,999999999,far",
        "ConfigGroup,Camera,Odd,Core,Shutter,TL",
        "ConfigPixelSize,R20,Andor,ReadoutMode,30 MHz",
        "Label,TL,0,closed",
        "FocusDirection,Andor,1",
        "Parent,Andor,nowhere",
    ],
)
def test_whatever_is_set_on_a_device_that_is_not_here_loads(lines: str, tmp_path: Path):
    with loaded(rewritten(f"{LEICA}{lines}\n", tmp_path), tmp_path) as core:
        for group in core.getAvailableConfigGroups():
            for preset in core.getAvailableConfigs(group):
                core.setConfig(group, preset)


def test_a_long_delay_does_not_make_the_trial_long(tmp_path: Path):
    found = rewritten(LEICA.replace("Delay,TL,1", "Delay,TL,30000"), tmp_path)
    assert [(one.name, one.value, one.taken) for one in found.adjusted] == [("Delay", "30000", "50")]
    with loaded(found, tmp_path) as core:
        assert core.getDeviceDelayMs("TL") == 50


def test_what_is_installed_stays_as_it_is():
    path = hardware_configs_dir() / "demo.cfg"
    lines = read_config(path)
    found = substitute(lines, INSTALLED, ROLES)
    assert found.text.splitlines() == [",".join((line.command, *line.fields)) for line in lines]
    assert (found.roles, found.replaced) == (ROLES, ())


def test_a_device_without_a_twin_takes_its_roles_with_it():
    lines = [
        CfgLine(1, "Device", ("SLM", "Unheard", "X")),
        CfgLine(2, "Property", ("Core", "Initialize", "1")),
        CfgLine(3, "Property", ("Core", "SLM", "SLM")),
    ]
    found = substitute(lines, INSTALLED, RigRoles())
    assert found.text == "Property,Core,Initialize,1\n"
    assert [one.line for one in found.left_out] == [3]


# --- the trial ---


def test_a_configuration_is_tried_with_the_rig_file_beside_it(tmp_path: Path):
    report = TrialReport("a.cfg")
    trial = Trial(str(hardware_configs_dir() / "demo-emccd.cfg"), tmp_path, report)
    assert trial._rig.handling.um_per_px["40x"] == 0.325  # it has no pixel sizes of its own
    assert report.lines()[0] == (
        "plain",
        f"a.cfg is tried with its rig file {hardware_configs_dir() / 'demo-emccd.rig.yaml'}",
    )
    path = write_leica(tmp_path, rig=RIG.replace("leica.cfg", "other.cfg"))
    assert rig_file_beside(path.with_name("leica.cfg")) is None  # it is another configuration's


@pytest.mark.parametrize("rig_file", sorted(hardware_configs_dir().glob("*.rig.yaml")), ids=lambda path: path.name)
def test_every_shipped_rig_loads_with_demo_devices_and_its_presets_apply(rig_file: Path, tmp_path: Path):
    report = TrialReport(str(rig_file))
    Trial(str(rig_file), tmp_path, report).load()
    assert len(report.passed) == 2
    assert not [text for text in report.warnings if "refused" in text or "is no" in text]


def write_leica(folder: Path, cfg: str = LEICA, rig: str = RIG) -> Path:
    (folder / "leica.cfg").write_text(cfg)
    path = folder / "leica.rig.yaml"
    path.write_text(rig)
    return path


def test_a_section_runs_through_a_rig_whose_devices_are_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cfg = LEICA.replace("COM3", "<COM port: Device Manager under Ports>").replace("Ultra 888", "Ultra 897")
    rig = RIG.replace("[1000, 90000]", '["<lowest x: drive there>", "<highest x: drive there>"]')
    rig_file = write_leica(tmp_path, cfg, rig)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    done = cli("config", "try", rig_file, "--json")
    assert done.code == 0, done.err
    (report,) = done.json["files"]
    assert report["passed"] == [
        "the configuration loads: 6 devices",
        "5 presets and 2 pixel sizes apply",
        "one section: 3 random fields, 512 x 512 pixels of 0.325 um, 3 stored and 3 classified",
    ]
    assert {(one["what"], one["value"]) for one in report["filled"]} == {
        ("COM port", "COM1"),
        ("lowest x", "1"),
        ("highest x", "100000"),
    }
    assert "COM port is to be filled in, and was taken as COM1. To find it: Device Manager under Ports." in done.err
    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["leica.cfg", "leica.rig.yaml", "temporary"]


def test_nothing_moves_as_soon_as_one_driver_is_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trial_here, "DEMO_LIBRARIES", frozenset({"Utilities"}))
    text = (hardware_configs_dir() / "demo.cfg").read_text().replace("CDXSize,2048", "CDXSize,512")
    (tmp_path / "real.cfg").write_text(text.replace("CDYSize,2048", "CDYSize,512"))
    report = TrialReport("real.cfg")
    trial = Trial(str(tmp_path / "real.cfg"), tmp_path, report)
    trial.load()
    assert report.passed == []  # no preset was applied
    asked = {}

    def section(rig: OpenRig, *_: object, may_move: bool, **__: object) -> None:
        plan, _middle = trial_section._plan(rig, rig.microscope.facts(), may_move=may_move)
        asked.update(may_move=may_move, kind=plan.kind, has_stage=rig.has_xy_stage)

    monkeypatch.setattr(trial_here, "try_section", section)
    trial.run_section(DEFAULT_MODEL, StopToken())
    assert asked == {"may_move": False, "kind": "sequence", "has_stage": True}
    assert report.passed == ["the configuration loads: 6 devices"]


@pytest.mark.parametrize(
    ("line", "filled"),
    [
        ('a: "<x: y>"', 1),
        ("a: '<x: y, z>'  # <x: y>", 1),
        ('a: ["<x: y>", "<x: z>"]', 2),
        ("- <x: y>", 1),
        ('warnings: ["see <x: y> there"]', 0),
        ("# <x: y>", 0),
    ],
)
def test_only_a_whole_value_of_a_rig_file_is_filled_in(line: str, filled: int):
    assert len(_in_yaml(line, 1)) == filled


def test_a_driver_that_crashes_is_one_sentence(tmp_path: Path):
    crash = "ConfigGroup,System,Startup,Camera,SimulateCrash,Dereference Null Pointer\n"
    path = tmp_path / "crash.cfg"
    path.write_text((hardware_configs_dir() / "demo.cfg").read_text() + crash)
    done = cli("config", "try", path)
    assert done.code == 11
    assert done.err.startswith(
        f"Error: {path} does not pass: a driver crashed while loading the configuration with the drivers DemoCamera ("
    )
    assert done.err.count("\n") == 1


def test_a_fault_of_the_file_has_its_own_line_and_exit_code(tmp_path: Path):
    # the linter cannot know which adapters a library has: the core refuses this one
    path = write_leica(tmp_path, LEICA.replace("Device,Andor,Andor,Andor", "Device,Andor,DemoCamera,NoSuch"))
    report = TrialReport(str(path))
    with pytest.raises(ConfigError, match=r"leica\.cfg:8: Micro-Manager refuses the configuration: .*NoSuch"):
        Trial(str(path), tmp_path, report).load()


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none\.cfg: No such file"):
        Trial(str(tmp_path / "none.cfg"), tmp_path, TrialReport("none.cfg"))


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [*COMMAND, "config", "try", "demo", "--all-twins"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("hcc-scope-try-*/doing.txt")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, words
    assert b"the trial was ended, and nothing is left of it" in words
    assert list(tmp_path.iterdir()) == []


def test_a_trial_ends_when_its_time_is_up_and_when_it_is_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    report = try_rig("demo", all_twins=True, timeout_s=0.01)
    assert report.exit_code == 11
    assert report.error is not None
    assert report.error.startswith("the trial did not end within 0.01 s, while ")
    stop = StopToken()
    stop.request()
    with pytest.raises(HccScopeError, match="the trial was ended"):
        try_rig("demo", all_twins=True, stop=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_hangs_names_what_it_was_doing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    worker = (
        "import pathlib, shutil, sys\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "(folder / 'new.txt').write_text('loading the configuration')\n"
        "(folder / 'new.txt').rename(folder / 'doing.txt')\n"
        "sys.stdin.read()\n"
        "shutil.rmtree(folder)\n"
    )
    (tmp_path / "hanging_worker.py").write_text(worker)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(trial, "_WORKER", "hanging_worker")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    def until_it_hangs(*_: object) -> bool:
        while not list((tmp_path / "temporary").glob("*/doing.txt")):
            time.sleep(0.01)
        return False

    monkeypatch.setattr(trial, "_wait", until_it_hangs)
    report = try_rig("demo", timeout_s=9)
    assert report.error is not None
    assert report.error.startswith("the trial did not end within 9 s, while loading the configuration.")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_report_survives_its_way_from_the_other_process(tmp_path: Path):
    report = TrialReport("a.rig.yaml")
    path = write_leica(tmp_path)
    Trial(str(path), tmp_path, report)
    again = TrialReport.from_dict(json.loads(json.dumps(report.as_dict())))
    assert again == report
    assert ("plain", "TL: not tried, as no demo device has it: Level (kept for the presets)") in again.lines()

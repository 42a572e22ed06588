"""Configurations and rig files: each mistake, its line, and the message about it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import ConfigError, DeviceError
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.rig import adapters
from hcc_scope.rig.adapters import installed_libraries, interface_mismatch
from hcc_scope.rig.config import check, lint, read_config, readable
from hcc_scope.rig.devices import describe_config, describe_installation, read_properties
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.types import StageLimits

if TYPE_CHECKING:
    from hcc_scope.rig.findings import Finding

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


# What is appended to GOOD (8 lines follow from it: line 8 is the first one), the line and part of the message.
# tests/test_lint_and_core.py asks the core whether it refuses these lines, too.
ERRORS = {
    "too many fields": ("Property,Cam,Gain,1,2", 8, "'Property' with 4 fields"),
    "too few fields": ("ConfigGroup,G,P", 8, "'ConfigGroup' with 2 fields"),
    "an empty field is none": ("Label,Obj,0,", 8, "'Label' with 2 fields"),
    "commas alone": (",,", 8, "refuses a line of commas alone"),
    "affine": (
        "ConfigPixelSize,R,Obj,State,1\nPixelSize_um,R,1\nPixelSizeAffine,R,1,0",
        10,
        "'PixelSizeAffine' with 3",
    ),
    "decimal comma": (
        "ConfigPixelSize,R,Obj,State,1\nPixelSize_um,R,0,325",
        9,
        "'PixelSize_um' with 3 fields. .*decimal point, not a comma",
    ),
    "command of old versions": ("Equipment,Cam,Gain,1", 8, "Micro-Manager's core refuses the command 'Equipment'"),
    "command of old versions, too": ("ImageSynchro,Cam", 8, "core refuses the command 'ImageSynchro'"),
    "blank before a device": ("Property, Cam,Gain,1", 8, "a blank beside a comma .* no device ' Cam'"),
    "blank after a device": ("Property,Cam ,Gain,1", 8, "a blank beside a comma .* no device 'Cam '"),
    "blank after an adapter": ("Device,Z,DemoCamera,DStage ", 8, "a blank beside a comma .* adapter 'DStage '"),
    "short command of old versions": ("Config,Cam", 8, "'Config' with 1 fields"),
    "blank before a role's device": ("Property,Core,Camera, Cam", 8, "a blank beside a comma .* no device ' Cam'"),
    "blank after a role's device": ("Property,Core,Camera,Cam ", 8, "a blank beside a comma .* no device 'Cam '"),
    "blank before a role": ("Property,Core, Camera,Cam", 8, "no property ' Camera'. Did you mean 'Camera'"),
    "unknown device, property": ("Property,Can,Gain,1", 8, "unknown device 'Can'"),
    "unknown device, label": ("Label,Ob,0,4x", 8, "unknown device 'Ob'"),
    "unknown device, parent": ("Parent,Camm,Hub", 8, "unknown device 'Camm'"),
    "unknown device, delay": ("Delay,Shutter,3", 8, "unknown device 'Shutter'"),
    "unknown device, startup": ("ConfigGroup,System,Startup,Camm,Gain,1", 8, "unknown device 'Camm'"),
    "unknown device, role": ("Property,Core,Shutter,White", 8, "unknown device 'White'"),
    "unknown device, role at startup": ("ConfigGroup,System,Startup,Core,Shutter,White", 8, "unknown device 'White'"),
    "core property": ("Property,Core,Stage,XY", 8, "the core has no property 'Stage'"),
    "core property at startup": ("ConfigGroup,System,Startup,Core,Stage,XY", 8, "the core has no property 'Stage'"),
    "label in use": ("Device,Cam,DemoCamera,DCam", 8, "label 'Cam' is already in use"),
    "the core's label": ("Device,Core,DemoCamera,DCam", 8, "label 'Core' is already in use"),
    "initialise": ("Property,Core,Initialize,yes", 8, "Initialize can be 0 or 1"),
    "initialise with a blank": (
        "Property,Core,Initialize,1 ",
        8,
        r"Initialize can be 0 or 1, not '1 ' \(with a blank\)",
    ),
    "initialised twice": ("Property,Core,Initialize,1", 8, "the devices were initialised in line 6 already"),
    "initialise at startup": ("ConfigGroup,System,Startup,Core,Initialize,1", 8, "Initialize is no setting"),
    "auto shutter": ("Property,Core,AutoShutter,yes", 8, "AutoShutter can be 0 or 1, not 'yes'"),
    "time-out": ("Property,Core,TimeoutMs,nan", 8, "TimeoutMs cannot be 'nan'"),
    "channel group": ("Property,Core,ChannelGroup,Light", 8, "no ConfigGroup line above defines the group 'Light'"),
    "camera that is a turret": (
        "Property,Core,Camera,Obj",
        8,
        r"the role Camera is given to 'Obj', which is a device with positions \(DemoCamera DObjective\) and not a"
        " camera; Micro-Manager's core refuses the line. Did you mean 'Cam'",
    ),
    "focus that is a camera at startup": ("ConfigGroup,System,Startup,Core,Focus,Cam", 8, "not a focus drive"),
    "label of a camera": ("Label,Cam,0,4x", 8, "the label '4x' is given to 'Cam', which is a camera"),
    "pixel size without preset": ("PixelSize_um,Res4x,1.6", 8, "no ConfigPixelSize line above defines .* 'Res4x'"),
    "affine without preset": ("PixelSizeAffine,R,1,0,0,0,1,0", 8, "no ConfigPixelSize line above defines .* 'R'"),
}
SIZED = "ConfigPixelSize,R,Obj,State,1\nPixelSize_um,R,1\n"
# Numbers that are none. The core loads them, as another number
NUMBERS = {
    "label index": ("Label,Obj,one,4x", 8, "'one' is no whole number; Micro-Manager would take it for 0"),
    "label index, underscore": ("Label,Obj,1_0,4x", 8, "'1_0' is no whole number; Micro-Manager would take it for 1"),
    "size, two numbers": (SIZED + "PixelSize_um,R,1;6", 10, "'1;6' is not a length in um; .* for 1"),
    "size, underscore": (SIZED + "PixelSize_um,R,0_325", 10, "'0_325' is not a length in um; .* for 0"),
    "size, nan": (SIZED + "PixelSize_um,R,nan", 10, "'nan' is not a length"),
    "size, inf": (SIZED + "PixelSize_um,R,inf", 10, "'inf' is not a length"),
    "size, too large": (SIZED + "PixelSize_um,R,1e400", 10, "'1e400' is not a length"),
    "size, negative": (SIZED + "PixelSize_um,R,-0.325", 10, "-0.325 is not a length in um. It cannot be less"),
    "size, other digits": (SIZED + "PixelSize_um,R,\uff10.325", 10, "is not a length in um; .* for 0"),
    "size, hexadecimal": (SIZED + "PixelSize_um,R,0x1p2", 10, "'0x1p2' is not a length"),
    "affine, nan": (SIZED + "PixelSizeAffine,R,nan,0,0,0,1,0", 10, "'nan' is not a number"),
    "affine, inf": (SIZED + "PixelSizeAffine,R,1,0,0,0,-inf,0", 10, "'-inf' is not a number"),
    "affine, underscore": (SIZED + "PixelSizeAffine,R,1,0,0,0,0_3,0", 10, "'0_3' is not a number"),
    "state": ("Property,Obj,State,0_1", 8, "the position of 'Obj' '0_1' is no whole number"),
    "state of a preset": ("ConfigGroup,G,P,Obj,State,nan", 8, "the position of 'Obj' 'nan' is no whole number"),
    "state of a pixel size": ("ConfigPixelSize,R,Obj,State,inf\nPixelSize_um,R,1", 8, "'inf' is no whole number"),
}


@pytest.mark.parametrize(
    ("tail", "line", "message"),
    [*ERRORS.values(), *NUMBERS.values()],
    ids=[*ERRORS, *(f"no number: {i}" for i in NUMBERS)],
)
def test_errors_are_found_where_they_are(tmp_path: Path, adapters_dir: Path, tail: str, line: int, message: str):
    path = write(tmp_path, GOOD + tail + "\n")
    with pytest.raises(ConfigError, match=rf"rig\.cfg:{line}: .*{message}"):
        check(path, adapters_dir)
    errors = [finding for finding in lint(path, adapters_dir) if finding.severity == "error"]
    assert [finding.line for finding in errors] == [line]
    assert errors[0].hint


# What the core loads nevertheless, and the message about it
WARNINGS = {
    "unknown command": ("Propperty,Cam,Gain,1", "unknown command 'Propperty', which Micro-Manager ignores"),
    "case of a command": ("property,Cam,Gain,1", "unknown command 'property'"),
    "blank before a command": (" Property,Cam,Gain,1", "unknown command ' Property'"),
    "tabs": ("Property\tCam\tGain\t1", "unknown command"),
    "comment after a command": ("Property,Cam,Gain,1 # note", "a comment after a command"),
    "comment after a number": (SIZED + "PixelSizeAngle_dxdz,R,0.5   # measured", "is taken for 0.5"),
    "blank at the end": ("Property,Cam,Gain,1 ", "a blank beside the value '1 '"),
    "label but for its case": ("Label,Obj,0,4x\nConfigGroup,O,4x,Obj,Label,4X", "'Obj' has no label '4X'"),
    "label but for a slip": ("Label,Obj,0,Plan Apo\nConfigGroup,O,P,Obj,Label,Plan Ao", "no label 'Plan Ao'"),
    "pixel size preset without size": ("ConfigPixelSize,R,Obj,State,1", "preset 'R' has no size"),
    "objective without calibration": (
        "ConfigPixelSize,R,Obj,State,1\nPixelSize_um,R,0",
        "preset 'R' is not calibrated",
    ),
    "size twice": (SIZED + "PixelSize_um,R,2", "has a size already"),
    "device removed, hub": ("Parent,Cam,Hubb", "unknown device 'Hubb'"),
    "device removed, direction": ("FocusDirection,Z,1", "unknown device 'Z'"),
    "device removed, group": ("ConfigGroup,G,P,Z,Gain,1", "unknown device 'Z'; the preset 'P' cannot be applied"),
    "device removed, pixel size": ("ConfigPixelSize,R,Z,State,1\nPixelSize_um,R,1", "preset 'R' never matches"),
    "device removed, role of a preset": ("ConfigGroup,G,P,Core,Shutter,Z", "unknown device 'Z'"),
    "shutter of a preset that is a camera": (
        "ConfigGroup,G,P,Core,Shutter,Cam",
        "the role Shutter is given to 'Cam', which is a camera (DemoCamera DCam) and not a shutter; the preset",
    ),
    "core property of a preset": ("ConfigGroup,G,P,Core,Stage,XY", "the core has no property 'Stage'"),
    "device after initialisation": ("Device,XY,DemoCamera,DXYStage", "stays uninitialised"),
    "label text twice": ("Label,Obj,0,empty\nLabel,Obj,1,empty", "two positions of 'Obj' are labelled 'empty'"),
    "label index twice": ("Label,Obj,0,4x\nLabel,Obj,0,10x", "position 0 of 'Obj' has a label already"),
    "focus direction": ("FocusDirection,Cam,5", "the focus direction is '5'"),
    "a property of nan": ("Property,Cam,Gain,nan", "'nan' is no number, if one belongs there"),
    "longer than the core reads": ("#" * 4100 + "\nProperty,Nope,Gain,1", "Micro-Manager reads no further"),
    "short command of old versions": ("Config,P,Cam,Gain,1", "has no effect"),
    "delay": ("Delay,Cam,soon", "'soon' is not a delay in ms; Micro-Manager would take it for 0"),
    "delay, nan": ("Delay,Cam,nan", "'nan' is not a delay"),
    "delay, negative": ("Delay,Cam,-5", "-5 is not a delay in ms"),
    "focus direction in words": ("FocusDirection,Obj,up", "'up' is not a focus direction"),
    "angle in words": (SIZED + "PixelSizeAngle_dxdz,R,x", "'x' is not a number"),
    "step in z of nan": (SIZED + "PixelSizeOptimalZ_Um,R,nan", "'nan' is not a length"),
    "label index, negative": ("Label,Obj,-1,4x", "the position '-1' does not exist"),
    "size with its unit": ("ConfigPixelSize,R,Obj,State,1\nPixelSize_um,R,0.5um", "'0.5um' is taken for 0.5"),
    "role taken away": ("Property,Core,Camera,", "no camera is named"),
    "label before it exists": (
        "Property,Obj,Label,Objective-B\nLabel,Obj,0,Objective-B",
        "used before line 9 gives it",
    ),
    "group that is not there": (
        "ConfigGroup,G,P,Core,ChannelGroup,Light",
        "no group 'Light'; the preset 'P' cannot be",
    ),
    "delay twice": ("Delay,Cam,5\nDelay,Cam,50", "'Cam' has a delay already, 5, which 50 replaces"),
    "focus direction twice": ("FocusDirection,Obj,1\nFocusDirection,Obj,-1", "'Obj' has a focus direction already, 1"),
    "size of no label": (
        "Label,Obj,0,4x\nLabel,Obj,1,10x\nConfigPixelSize,R,Obj,Label,20x\nPixelSize_um,R,1",
        "preset 'R' wants the label '20x', which this file gives to none of the positions",
    ),
    "size of two positions": (
        "Label,Obj,0,4x\nLabel,Obj,1,10x\nConfigPixelSize,R,Obj,Label,4x\nConfigPixelSize,R,Obj,State,1\nPixelSize_um,R,1",
        "preset 'R' never matches: it wants 'Obj' at position 1, which is labelled '10x', and at the label '4x'",
    ),
    "nul": ("Property,Cam,Gain,1\0,2", "the line holds a NUL, and Micro-Manager reads no further in it"),
    "letters of a code page": ("Label,Obj,0,5 µm\nLabel,Obj,1,7 µm", "(µ) in a name or value, and in 1 line below"),
}


@pytest.mark.parametrize(("tail", "message"), WARNINGS.values(), ids=WARNINGS)
def test_warnings_do_not_refuse(tmp_path: Path, tail: str, message: str):
    findings = check(write(tmp_path, GOOD + tail + "\n"))
    assert [finding.severity for finding in findings] == ["warning"]
    assert message in findings[0].message
    assert findings[0].hint


# What stands in real files and harms nothing
HARMLESS = {
    "comment with a blank before": "  # note",
    "blanks in a preset's name": "ConfigGroup,Gain,  1,Cam,Gain,1\nConfigGroup,Gain,  4,Cam,Gain,4",
    "blanks in a group's name": "ConfigGroup, Gain ,1,Cam,Gain,1",
    "blank in a label": "Label,Obj,0, 4x\nConfigGroup,O,4x,Obj,Label, 4x",
    "hash in a label": "Label,Obj,0,Cube #2\nConfigGroup,O,C,Obj,Label,Cube #2",
    "remark in a label": "Label,Obj,0,Cube # 2\nConfigGroup,O,C,Obj,Label,Cube # 2",
    "the device's own labels": "Label,Obj,0,4x\nConfigGroup,O,s,Obj,Label,Objective-5\nConfigGroup,O,t,Obj,Label,Q-3",
    "another of the device's own": "Label,Obj,0,State-0\nConfigGroup,O,s,Obj,Label,State-1",
    "empty value": "Property,Cam,Gain,\nConfigGroup,G,P,Cam,Gain",
    "empty field": "Property,,Cam,Gain,1",
    "a long line": "#" * 4099,
    "group without presets": "ConfigGroup,G",
    "role without a device": "Property,Core,XYStage,",
    "number with blanks": "ConfigPixelSize,R,Obj,State,1\nPixelSize_um,R, 0.325 ",
    "number with exponent": "ConfigPixelSize,R,Obj,State,1\nPixelSize_um,R,3.25e-1",
    "mirrored affine": SIZED + "PixelSizeAffine,R,-1,0,0,0,1,0",
    "no affine": SIZED + "PixelSizeAffine,R,0,0,0,0,0,0",
    "state in words": "ConfigGroup,G,P,Cam,State,Open",
    "channel group": "ConfigGroup,G\nProperty,Core,ChannelGroup,G",
    "channel group at startup": "ConfigGroup,System,Startup,Core,ChannelGroup,G\nConfigGroup,G,P,Cam,Gain,1",
    "preset before its device's line": "ConfigGroup,G,P,Core,Camera,Cam",
    "blanks before a text": "ConfigGroup,G,P,Cam,Mode,  7.5 fps",
    "letters of a code page in a comment": "# für 5 µm",
    "delay twice the same": "Delay,Cam,5\nDelay,Cam,5",
    "a label that the device has already": "Property,Obj,Label,Objective-B",
    "angle brackets": "Label,Obj,0,<10x>\nLabel,Obj,1,a <b: c> d",
    "a size of some labels": "Label,Obj,3,4x\nLabel,Obj,4,9x\nConfigPixelSize,R,Obj,Label,Own-1\nPixelSize_um,R,1",
}


@pytest.mark.parametrize("tail", HARMLESS.values(), ids=HARMLESS)
def test_what_is_harmless_is_no_finding(tmp_path: Path, tail: str):
    assert lint(write(tmp_path, GOOD + tail + "\n")) == []


LEICA = """\
Property,Core,Initialize,0
Device,COM3,SerialManager,COM3
Device,Scope,LeicaDMI,Scope
Device,XY,LeicaDMI,XYStage
Property,COM3,BaudRate,19200
Property,Scope,Port,COM3
Property,Core,Initialize,1
Property,Core,Camera,
"""
# Each changes one thing of the file above; the line and part of the message
PORTS = {
    "unusual rate": ("BaudRate,19200", "BaudRate,9600", "warning", 5, "9600 baud are unusual for a Leica stand"),
    "no rate": ("Property,COM3,BaudRate,19200\n", "\n", "warning", 2, "9600 baud are unusual"),
    "port below": (
        "Device,COM3,SerialManager,COM3\nDevice,Scope,LeicaDMI,Scope\n",
        "Device,Scope,LeicaDMI,Scope\nDevice,COM3,SerialManager,COM3\n",
        "warning",
        3,
        "the serial port 'COM3' is declared below 'Scope'",
    ),
    "settings too late": (
        "Property,Core,Initialize,1\n",
        "Property,Core,Initialize,1\nProperty,COM3,StopBits,1\n",
        "warning",
        8,
        "the settings of the serial port 'COM3' come after Property,Core,Initialize,1",
    ),
    "another port": ("Scope,Port,COM3", "Scope,Port,COM4", "error", 6, "uses 'COM4', and no SerialManager device"),
    "no port": ("Property,Scope,Port,COM3\n", "\n", "error", 3, "'Scope' has no serial port when it is initialised"),
    "no hub": (
        "Device,Scope,LeicaDMI,Scope\n",
        "Device,Scope,Other,Hub\n",
        "error",
        4,
        "'XY' belongs to a Leica stand, and the configuration has no hub",
    ),
    "another device's port": (
        "Device,Scope,LeicaDMI,Scope\nDevice,XY,LeicaDMI,XYStage\n",
        "Device,Scope,Prior,ScanAxis\n",
        "",
        0,
        "",
    ),
    "a port that is not declared": (
        "Property,Core,Initialize,1",
        "Device,L,Laser,L\nProperty,L,Port,com3\nProperty,Core,Initialize,1",
        "warning",
        8,
        "'L' uses the serial port 'com3', and no SerialManager device has that label. Did you mean 'COM3'",
    ),
    "a port of another kind": (
        "Property,Core,Initialize,1",
        "Device,L,PVCAM,Camera-1\nProperty,L,Port,Multiplication Gain\nProperty,Core,Initialize,1",
        "",
        0,
        "",
    ),
}


@pytest.mark.parametrize(("part", "other", "severity", "line", "message"), PORTS.values(), ids=PORTS)
def test_serial_ports(tmp_path: Path, part: str, other: str, severity: str, line: int, message: str):
    def findings(text: str) -> list[Finding]:
        return [one for one in lint(write(tmp_path, text)) if one.line]  # there is no camera

    assert findings(LEICA) == []
    assert part in LEICA
    found = findings(LEICA.replace(part, other))
    assert [(one.severity, one.line) for one in found] == ([(severity, line)] if severity else [])
    assert all(message in f"{one.message}. {one.hint}" for one in found)


def test_what_is_to_be_filled_in_is_listed_and_refused(tmp_path: Path):
    port = "<COM port: Windows' Device Manager under Ports>"
    late = "Property,XY,Binning,<binning: the camera's manual>\nPixelSize_um,R,<size of a pixel: measure it>\n"
    path = write(tmp_path, LEICA.replace("COM3", port) + late)
    assert [(one.line, one.severity, one.message) for one in lint(path) if one.line] == [
        (2, "to be filled in", "COM port is not filled in yet (4 lines: the last is 6)"),
        (9, "to be filled in", "binning is not filled in yet"),
        (10, "to be filled in", "size of a pixel is not filled in yet"),
    ]
    assert str(lint(path)[1]).endswith(
        "rig.cfg:9: to be filled in: binning is not filled in yet. To find it: the camera's manual."
    )
    path = write(tmp_path, GOOD + late.splitlines()[0].replace("XY", "Cam"))
    assert [one.severity for one in lint(path)] == ["to be filled in"]
    with pytest.raises(ConfigError, match=r"rig\.cfg:8: binning is not filled in yet\. To find it: the camera's"):
        check(path)


TWO_SIZES = {
    "the same": "ConfigPixelSize,A,Obj,Label,4x\nPixelSize_um,A,2",
    "a label and its position": "ConfigPixelSize,A,Obj,State,0\nPixelSize_um,A,2",
    "a subset": "ConfigPixelSize,A,Obj,Label,4x\nConfigPixelSize,A,Cam,Binning,1\nPixelSize_um,A,2",
    "another device": "ConfigPixelSize,A,Cam,Binning,1\nPixelSize_um,A,2",
    "without a size": "ConfigPixelSize,A,Obj,Label,4x\nPixelSize_um,A,0",
}
ONE_SIZE = {
    "another position": "ConfigPixelSize,A,Obj,Label,10x\nPixelSize_um,A,2",
    "another number": "ConfigPixelSize,A,Obj,State,1\nPixelSize_um,A,2",
    "the same size": "ConfigPixelSize,A,Obj,Label,4x\nPixelSize_um,A,1",
    "apart by binning": "ConfigPixelSize,A,Obj,Label,10x\nConfigPixelSize,A,Cam,Binning,1\nPixelSize_um,A,2",
    "a later line of one property": "ConfigPixelSize,A,Obj,Label,4x\nConfigPixelSize,A,Obj,Label,10x\nPixelSize_um,A,2",
}
BINNINGS = (
    "ConfigPixelSize,A,Obj,Label,10x\nConfigPixelSize,A,Cam,Binning,1\nPixelSize_um,A,2\n"
    "ConfigPixelSize,B,Obj,Label,10x\nConfigPixelSize,B,Cam,Binning,2\nPixelSize_um,B,{}\n"
)
FOUR_X = "Label,Obj,0,4x\nLabel,Obj,1,10x\nConfigPixelSize,R,Obj,Label,4x\nPixelSize_um,R,1\n"


def test_sizes_that_seem_to_have_the_binning_in_them_are_a_warning(tmp_path: Path):
    (finding,) = check(write(tmp_path, GOOD + FOUR_X + BINNINGS.format(4)))
    assert "'A' (2 um) and 'B' (4 um) differ in binning alone" in finding.message
    assert check(write(tmp_path, GOOD + FOUR_X + BINNINGS.format(2))) == []


@pytest.mark.parametrize("tail", TWO_SIZES.values(), ids=TWO_SIZES)
def test_two_sizes_for_one_state_are_a_warning(tmp_path: Path, tail: str):
    messages = [finding.message for finding in check(write(tmp_path, GOOD + FOUR_X + tail + "\n"))]
    assert sum("the pixel size presets 'R' (1 um) and 'A'" in message for message in messages) == 1


@pytest.mark.parametrize("tail", ONE_SIZE.values(), ids=ONE_SIZE)
def test_presets_that_differ_are_none(tmp_path: Path, tail: str):
    assert lint(write(tmp_path, GOOD + FOUR_X + tail + "\n")) == []


@pytest.mark.parametrize(
    ("affine", "fault"),
    [
        ("1,0,0,0,1.9,0", "it is not a turn or mirroring of square pixels"),
        ("2,0,0,0,2,0", "its pixel size is 2 um, and PixelSize_um 1 um"),
        ("0.9,0.9,0,0.9,0.9,0", "it covers no area"),
        ("0.7,-0.7,0,0.7,0.7,0", "the camera is tilted by 45 degrees"),
        ("0,-1,7,1,0,9", None),
        ("1,0,0,0,1,0", None),
        ("0,0,0,0,0,0", None),
    ],
)
def test_an_affine_that_a_run_refuses_is_a_warning(tmp_path: Path, affine: str, fault: str | None):
    found = check(write(tmp_path, GOOD + FOUR_X + f"PixelSizeAffine,R,{affine}\n"))
    if fault is None:
        assert found == []
    else:
        (finding,) = found
        assert finding.line == len((GOOD + FOUR_X).splitlines()) + 1
        assert f"'R' cannot be used: {fault}" in finding.message


def test_order_is_judged(tmp_path: Path):
    path = write(tmp_path, "Property,Cam,Gain,1\n" + GOOD)
    with pytest.raises(ConfigError, match=r"rig\.cfg:1: the device 'Cam' is declared only in line 4"):
        check(path)
    (finding,) = check(write(tmp_path, HEAD + "Label,Obj,0,4x\n" + READY))
    assert (finding.line, finding.message) == (6, "a label before the devices are initialised is lost")
    early = check(write(tmp_path, HEAD + "Property,Core,Camera,Cam\nProperty,Core,Initialize,1\n"))
    assert [finding.line for finding in early] == [6, 7]
    assert "may choose another camera than 'Cam'" in early[1].message


def test_a_second_reset_unloads_what_is_above_it(tmp_path: Path):
    (finding,) = check(write(tmp_path, GOOD + GOOD))
    assert (finding.line, finding.severity) == (8, "warning")
    with pytest.raises(ConfigError, match=r"Initialize,1 is missing"):
        check(write(tmp_path, GOOD + "Property,Core,Initialize,0\n"))


@pytest.mark.parametrize("text", [HEAD + "Property,Core,Camera,Cam\n", "", GOOD.replace("\n", "\r")])
def test_a_file_that_initialises_nothing_is_refused(tmp_path: Path, text: str):
    with pytest.raises(ConfigError, match="Property,Core,Initialize,1 is missing"):
        check(write(tmp_path, text))


def test_the_core_takes_a_camera_where_none_is_named(tmp_path: Path):
    (finding,) = check(write(tmp_path, HEAD + "Property,Core,Initialize,1\n"))
    assert (finding.line, finding.severity) == (0, "warning")
    assert finding.message.startswith("no camera is named; Micro-Manager takes the last one")


def test_the_first_error_leads_and_the_rest_is_counted(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"cfg:8: unknown device 'Foo'.*\(1 more: 'hcc-scope config lint"):
        check(write(tmp_path, GOOD + "Delay,Foo,1\nDelay,Bar,2\n"))


def test_a_near_name_is_proposed(tmp_path: Path):
    finding = lint(write(tmp_path, GOOD + "Propperty,Cam,Gain,1\n"))[0]
    assert str(finding).endswith(
        "rig.cfg:8: warning: unknown command 'Propperty', which Micro-Manager ignores. Did you mean 'Property'?"
    )


def test_files_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*none\.cfg: No such file"):
        lint(tmp_path / "none.cfg")
    with pytest.raises(ConfigError, match=r"is a folder and no configuration"):
        lint(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*: File name too long"):
        lint(tmp_path / ("n" * 300))
    huge = tmp_path / "huge.cfg"
    huge.write_bytes(b"#" * (17 * 2**20))
    with pytest.raises(ConfigError, match=r"huge\.cfg is larger than 16 MiB"):
        lint(huge)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path):
    pipe = tmp_path / "pipe.cfg"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match=r"pipe\.cfg is a pipe, a device or the like and no configuration"):
        lint(pipe)
    with pytest.raises(ConfigError, match=r"is a pipe, a device or the like and no rig file"):
        load_rig(pipe.rename(tmp_path / "x.rig.yaml"))


@pytest.mark.parametrize("folder", ["none", "a file"])
def test_a_folder_of_adapters_that_is_none(tmp_path: Path, folder: str):
    (tmp_path / "a file").touch()
    with pytest.raises(DeviceError, match=r"is a file, not a folder|cannot look into .*: No such file"):
        lint(write(tmp_path, GOOD), tmp_path / folder)


def test_every_code_page_is_read_in_comments_and_names(tmp_path: Path):
    path = tmp_path / "latin.cfg"
    path.write_bytes("# réglé en juin\n".encode("cp1252") + GOOD.encode() + "Label,Obj,0,5 µm\n".encode("cp1252"))
    (finding,) = check(path)
    assert (finding.line, finding.severity) == (9, "warning")
    assert "letters that are not ASCII (µ) in a name or value" in finding.message
    assert read_config(path)[-1].fields == ("Obj", "0", "5 µm")
    with readable(path) as copy:
        assert copy.read_text(encoding="utf-8") == "# réglé en juin\n" + GOOD + "Label,Obj,0,5 µm\n"
    assert not copy.exists()
    plain = write(tmp_path, GOOD)
    with readable(plain) as same:
        assert same == plain


def test_a_byte_order_mark_matters_only_before_a_command(tmp_path: Path):
    for text in ("# made in June\n" + GOOD, GOOD, "\n" + GOOD):
        assert lint(write(tmp_path, "\ufeff" + text)) == []
    findings = lint(write(tmp_path, "\ufeff" + GOOD.split("\n", 1)[1]))
    assert [(finding.line, finding.severity) for finding in findings[:1]] == [(1, "warning")]
    assert "byte order mark" in findings[0].message
    path = tmp_path / "wide.cfg"
    path.write_bytes(GOOD.encode("utf-16"))
    with pytest.raises(ConfigError, match=r"wide\.cfg:1: the file is UTF-16"):
        lint(path)


def test_a_missing_adapter_is_a_device_error(tmp_path: Path, adapters_dir: Path):
    path = write(tmp_path, GOOD.replace("Cam,DemoCamera,DCam", "Cam,Andor,Andor"))
    assert check(path) == []  # the adapters' folder is not known
    with pytest.raises(DeviceError, match=r"'Andor' is not installed in .*installed: DemoCamera, "):
        check(path, adapters_dir)


@pytest.mark.parametrize(
    "name", ["libmmgr_dal_Andor.so.0", "mmgr_dal_Andor.dll", "libmmgr_dal_Andor", "libmmgr_dal_Andor.dylib"]
)
def test_adapters_are_found_on_every_system(tmp_path: Path, name: str):
    (tmp_path / name).touch()
    (tmp_path / "readme.txt").touch()
    assert list(installed_libraries(tmp_path)) == ["Andor"]


def test_versions_that_do_not_fit_are_reported(adapters_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert interface_mismatch(adapters_dir) is None
    assert interface_mismatch(tmp_path) is None  # a Micro-Manager folder does not state its version
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
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*none\.cfg: No such file"):
        check(load_rig(tmp_path / "none.cfg").config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: a.cfg\n\ncolour: red\n", r"x\.rig\.yaml:3: unknown key 'colour'"),
        ("config: a.cfg\nroles:\n  em_gain: Gain\n  gain: Gain\n", r"x\.rig\.yaml:4: unknown key 'roles\.gain'"),
        ("roles: {}\n", "the key 'config' is missing"),
        ("config: a.cfg\nstage_limits_um:\n  x: [5, 1]\n  y: [0, 1]\n", r":2: stage_limits_um: the lower limit of x"),
        ("config: a.cfg\npixel_size_um: 0\n", r":2: pixel_size_um must be greater than 0"),
        ("config: a.cfg\nbuffer_size_mb: many\n", r":2: buffer_size_mb: "),
        ("config: [\n", "is not YAML"),
        ("[" * 20_000, r"x\.rig\.yaml:1: nested more than 16 levels"),
        ("config: a.cfg\nconfig: b.cfg\n", r":2: the key 'config' is there twice"),
        ("config: a.cfg\nroles: {em_gain: A, em_gain: B}\n", r":2: the key 'em_gain' is there twice"),
        ("config: a.cfg\na: &a [1]\nb: *a\n", r":3: aliases \(\*a\) are not used"),
        ("config: a.cfg\n---\nconfig: b.cfg\n", r":2: a second YAML document"),
        ("config: !!python/object:os.system x\n", r":1: the tag .* is not used"),
        ("config: \N{REPLACEMENT CHARACTER}.cfg\n", r":1: config: a character is not UTF-8"),
        ("config: a.cfg\nroles: []\n", r":2: roles must be a mapping"),
        ("config: a.cfg\nroles: {em_gain: 5}\n", r":2: roles\.em_gain: '5' is no text"),
        ("config: a.cfg\nbuffer_size_mb: true\n", r":2: buffer_size_mb: 'true' is no whole number"),
        ("config: a.cfg\nbuffer_size_mb: " + "9" * 5000, r":2: buffer_size_mb: '9+' is no whole number"),
        ("config: a.cfg\npixel_size_um: 0_325\n", r":2: pixel_size_um: '0_325' is no number"),
        ("config: a.cfg\npixel_size_um: 0,325\n", r":2: .* '0,325' is no number. Write 0.325, with a decimal point."),
        ("config:\n", r":1: config: a value is missing$"),
        ("config: a.cfg\nroles:\n", r":2: roles: a value is missing$"),
        ("config: a.cfg\nlight: {auto_shutter: 1}\n", r":2: light.auto_shutter: '1' is neither true nor false$"),
        ("config: a.cfg\npixel_size_um: 1,000\n", r":2: pixel_size_um: '1,000' is no number$"),
        ("config: a.cfg\npixel_size_um: 0.325 um\n", r":2: .* is no number. Write 0.325, without a unit."),
        ("config: a.cfg\nbuffer_size_mb: '512MB'\n", r":2: .*Write 512, without quotation marks and without a unit."),
        ("config: a.cfg\npixel_size_um: 325 nm\n", r":2: .* is no number. Give it in um, as a number alone."),
        ("config: a.cfg\nstage_limits_um: {x: [0, 5 \u00b5m], y: [0, 1]}\n", r":2: .*Write 5, without a unit."),
        ("config: a.cfg\nroles: {objective: O}\num_per_px: {20x: '0,3 um'}\n", "Write 0.3, without .* and without"),
        ("config: a.cfg\ncapture: {tissue_min: 10%}\n", r":2: capture.tissue_min: '10%' is no number$"),
        ("config: a.cfg\nbuffer_size_mb: 1.5 GB\n", r":2: buffer_size_mb: '1.5 GB' is no whole number$"),
        ("config: a.cfg\npixel_size_um: 12:30\n", r":2: pixel_size_um: '12:30' is no number"),
        ("config: a.cfg\npixel_size_um: '0.325'\n", r":2: .* is no number. Write 0.325, without quotation marks."),
        ("config: a.cfg\npixel_size_um: .nan\n", r":2: pixel_size_um: '\.nan' is no number"),
        ("config: a.cfg\npixel_size_um: yes\n", r":2: pixel_size_um: 'yes' is no number"),
        (
            "config: a.cfg\nstage_limits_um: {x: [true, 5], y: [0, 1]}\n",
            r":2: stage_limits_um\.x\.0: 'true' is no number",
        ),
        ("config: a.cfg\nstage_limits_um: {x: [1, 2, 3], y: [0, 1]}\n", r":2: stage_limits_um\.x must be two numbers"),
        ("- config\n", "must be a mapping"),
    ],
)
def test_rig_files_that_are_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "x.rig.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_rig(path)


def test_the_forms_of_a_rig_file(tmp_path: Path):
    path = tmp_path / "x.rig.yaml"
    for text in (
        "config: a.cfg\n",
        "\ufeffconfig: a.cfg\n",
        "# 5 \udcb5m\nconfig: a.cfg\n",
        'config: "a.cfg"\npixel_size_um:\n',
    ):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert load_rig(path).config == tmp_path / "a.cfg"
    path.write_text("config: ~/a.cfg\nadapters_dir: ~nosuchuser/mm\n")
    assert load_rig(path).config == Path.home() / "a.cfg"


def test_every_path_to_a_rig_leads_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "my rigs"
    (folder / "deeper").mkdir(parents=True)
    for name in ("mine.rig.yaml", "mine"):
        (folder / name).write_text("config: ../a.cfg\n")
    monkeypatch.chdir(folder)
    (folder / "demo").write_text("config: ../a.cfg\n")
    assert load_rig("demo") == load_rig(hardware_configs_dir() / "demo.rig.yaml")
    for path in (
        "./demo",
        "mine.rig.yaml",
        "mine",
        "./mine",
        "deeper/../mine.rig.yaml",
        str(folder / "mine"),
        "../my rigs/mine",
    ):
        assert load_rig(path).config.resolve() == tmp_path / "a.cfg"


def test_rigs_that_are_not_there(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"there is no rig named 'moon'.*demo"):
        load_rig("moon")
    with pytest.raises(ConfigError, match=r"cannot read the rig file .*none\.rig\.yaml"):
        load_rig(tmp_path / "none.rig.yaml")
    with pytest.raises(ConfigError, match=r"File name too long"):
        load_rig(tmp_path / ("n" * 300))
    with pytest.raises(ConfigError, match=r"is a folder and no rig file"):
        load_rig(tmp_path)


def test_paths_in_a_rig_file_are_beside_it(tmp_path: Path):
    path = tmp_path / "x.rig.yaml"
    path.write_text("config: a.cfg\nadapters_dir: mm\n")
    rig = load_rig(path)
    assert (rig.config, rig.adapters_dir) == (tmp_path / "a.cfg", tmp_path / "mm")
    elsewhere = tmp_path / "elsewhere"
    path.write_text(f"config: {(elsewhere / 'a.cfg').as_posix()}\nadapters_dir: {elsewhere.as_posix()}\n")
    rig = load_rig(path)
    assert (rig.config, rig.adapters_dir) == (elsewhere / "a.cfg", elsewhere)

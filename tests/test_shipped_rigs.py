"""The shipped configurations and rig files: sound as far as files show it, and complete once they are filled in."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hcc_scope.errors import ConfigError
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.rig.cfg_lines import read_config
from hcc_scope.rig.config import lint
from hcc_scope.rig.devices import describe_config, read_properties
from hcc_scope.rig.placeholders import find_placeholders
from hcc_scope.rig.rig_linter import lint_rig, lint_rig_file
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.rig.rigfile_model import RigFile, rig_schema
from hcc_scope.runs.rigs import attach_rig, check_rig, open_rig
from hcc_scope.types import CaptureRules
from tests.test_open_rig import CAMERA, rig_file

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = hardware_configs_dir()
NAMES = sorted(path.name.removesuffix(".rig.yaml") for path in FOLDER.glob("*.rig.yaml"))
DEMOS = ("demo", "demo-by-hand", "demo-emccd")
ANSWERS = {
    "COM port": "COM3",
    "folder of Micro-Manager": "/mm",
    "lowest x in um": "-50000",
    "highest x in um": "50000",
    "lowest y in um": "-30000",
    "highest y in um": "30000",
    "lowest z in um": "0",
    "highest z in um": "5000",
}
"""What an engineer fills in; all else is a name of the camera's own."""


def filled_in(name: str, folder: Path) -> Path:
    """Copy a shipped pair with every placeholder filled in; return the rig file."""

    def answer(found: re.Match[str]) -> str:
        quote, what = found[1], found["what"]
        text = ANSWERS.get(what, "10 MHz")
        return text if quote == '"' and re.fullmatch(r"-?\d+", text) else f"{quote}{text}{quote}"

    for kind in ("cfg", "rig.yaml"):
        text = (FOLDER / f"{name}.{kind}").read_text(encoding="utf-8")
        filled = re.sub(r"""(["']?)<(?P<what>[^<>:]+): [^<>]+>\1""", answer, text)
        (folder / f"{name}.{kind}").write_text(filled, encoding="utf-8")
    return folder / f"{name}.rig.yaml"


def test_every_configuration_has_its_rig_file_and_all_that_was_asked_for_is_there():
    assert sorted(path.stem for path in FOLDER.glob("*.cfg")) == NAMES
    assert set(NAMES) >= {
        *DEMOS,
        "leica-dmi3000-andor-ixon888",
        "leica-dmi3000-andor-ixon897",
        "leica-dmi3000-photometrics-evolve",
        "leica-dmi3000-photometrics-cascade",
        "leica-dmi3000-hamamatsu",
        "leica-dmi6000-andor",
        "leica-dmi6000-photometrics",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_rig_has_no_fault_but_what_is_to_be_filled_in(name: str):
    rig = load_rig(name)
    assert rig.config == FOLDER / f"{name}.cfg"
    findings = lint_rig(rig)
    assert {finding.severity for finding in findings} == (set() if name in DEMOS else {"to be filled in"})
    for path in (rig.path, rig.config):
        assert path is not None
        assert path.read_bytes().isascii()
        assert "Verified: " in path.read_text() or "verified" in path.read_text() or name in DEMOS or path == rig.path


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DEMOS])
def test_a_shipped_rig_is_refused_until_it_is_filled_in_and_is_complete_then(tmp_path: Path, name: str):
    with pytest.raises(ConfigError, match=rf"{name}\.rig\.yaml:\d+: folder of Micro-Manager is not filled in yet"):
        check_rig(name)
    rig = load_rig(filled_in(name, tmp_path))
    assert lint_rig(rig) == []
    assert rig.to_fill_in == ()
    devices = {device.label: device for device in describe_config(rig.config).devices}
    (camera,) = (device for device in devices.values() if "Camera" in device.roles)
    assert camera.library in ("Andor", "PVCAM", "HamamatsuHam")
    assert rig.roles.objective in devices
    assert rig.handling.um_per_px.keys() == {"10x", "20x", "40x", "63x"}
    assert any("nominal" in warning for warning in rig.warnings)
    stages = {role for device in devices.values() for role in device.roles} & {"XYStage", "Focus", "Shutter"}
    if rig.handling.stand == "manual":
        assert stages == set()
        assert rig.stage_limits is None
    else:
        assert stages == {"XYStage", "Focus", "Shutter"}
        assert rig.stage_limits is not None
        assert rig.handling.lamp in devices


def test_the_serial_port_of_a_leica_stand_is_set_up_before_the_hub_uses_it(tmp_path: Path):
    lines = read_config(load_rig(filled_in("leica-dmi6000-andor", tmp_path)).config)
    at = {",".join((line.command, *line.fields)): line.number for line in lines}
    settings = {
        line.fields[1]: line.fields[2] for line in lines if line.fields[0] == "COM3" and line.command != "Device"
    }
    assert settings == {
        "AnswerTimeout": "5000",
        "BaudRate": "19200",
        "DataBits": "8",
        "DelayBetweenCharsMs": "0",
        "Handshaking": "Off",
        "Parity": "None",
        "StopBits": "1",
    }
    order = [
        "Property,Core,Initialize,0",
        "Device,COM3,SerialManager,COM3",
        "Device,Scope,LeicaDMI,Scope",
        "Device,XYStage,LeicaDMI,XYStage",
        "Property,Scope,Port,COM3",
        "Property,COM3,BaudRate,19200",
        "Parent,XYStage,Scope",
        "Property,Core,Initialize,1",
        "Property,Core,XYStage,XYStage",
    ]
    assert [at[line] for line in order] == sorted(at[line] for line in order)


def test_the_demo_emccd_opens_with_everything_its_rig_file_states():
    with open_rig("demo-emccd") as rig:
        microscope = rig.microscope
        assert microscope.facts().shape_yx == (1024, 1024)
        assert microscope.facts().pixel_size_um == pytest.approx(0.325)  # 40x, from the rig file alone
        assert rig.warnings() == ()
        assert microscope.hardware.absent_roles() == {}
        assert microscope.handling.em_gain_max == 6


# --- the schema ---


def test_the_published_schema_is_current():
    written = (FOLDER / "rig.schema.json").read_text(encoding="utf-8")
    assert written == rig_schema(), "run 'make schema'"


def test_the_schema_explains_every_key():
    schema = json.loads(rig_schema())
    assert schema["properties"].keys() == RigFile.model_fields.keys()
    for part in (schema, *schema["$defs"].values()):
        assert all(key.get("description") for key in part["properties"].values())


def _fits(value: object, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Judge a value by the part of JSON Schema that the rig file's schema uses; anything else in it is an error."""
    if "$ref" in schema:
        return _fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if "anyOf" in schema:
        return any(_fits(value, one, root) for one in schema["anyOf"])
    rules = schema.keys() - {"default", "description", "title", "$defs", "$schema", "type"}
    assert rules <= {
        *("properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems"),
        *("minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "enum"),
    }, rules
    match value:
        case dict():
            known, others = schema.get("properties", {}), schema.get("additionalProperties")
            return (
                schema["type"] == "object"
                and set(schema.get("required", ())) <= value.keys()
                and all(
                    _fits(one, known[key], root)
                    if key in known
                    else isinstance(others, dict) and _fits(one, others, root)
                    for key, one in value.items()
                )
            )
        case list():
            items = schema.get("prefixItems") or [schema.get("items", {})] * len(value)
            return (
                schema["type"] == "array"
                and schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
                and all(_fits(one, item, root) for one, item in zip(value, items, strict=True))
            )
        case bool() | None:
            return schema["type"] == ("null" if value is None else "boolean")
        case str():
            long_enough = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
            return schema["type"] == "string" and long_enough and value in schema.get("enum", [value])
        case int() | float():
            low = schema.get("minimum", value) <= value and schema.get("exclusiveMinimum", value - 1) < value
            is_type = schema["type"] == "number" or (schema["type"] == "integer" and isinstance(value, int))
            return is_type and low and value <= schema.get("maximum", value)
        case _:
            return False


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_rig_file_fits_the_schema_and_names_it(tmp_path: Path, name: str):
    path = FOLDER / f"{name}.rig.yaml"
    assert path.read_text().startswith("# yaml-language-server: $schema=rig.schema.json\n")
    schema = json.loads((FOLDER / "rig.schema.json").read_text(encoding="utf-8"))
    value = yaml.safe_load(filled_in(name, tmp_path).read_text())
    assert _fits(value, schema, schema)
    assert not _fits({**value, "limits": {"em_gain": 0}}, schema, schema)
    assert not _fits({**value, "colour": "red"}, schema, schema)


VALUES: tuple[object, ...] = (
    *(None, True, 0, -1, 0.5, 60_001, "", "x", "andor"),
    *([], [1, 2], [1, 2, 3], [-1, 2], [0, 3_600_001], [True], [""], ["x" * 501], {}, {"a": 0.5}, {"a": 0}),
)
PARTS: dict[str, tuple[str, dict[str, object]]] = {
    "roles": ("_Roles", {"objective": "Obj"}),
    "stage_limits_um": ("_StageLimits", {"x": [0, 1], "y": [0, 1]}),
    "stage_tolerance_um": ("_Tolerance", {}),
    "limits": ("_CameraLimits", {}),
    "approach": ("_Approach", {}),
    "light": ("_Light", {"lamp": "Lamp", "lamp_level": "Level"}),
    "capture": ("_Capture", {}),
}


def test_the_schema_accepts_what_the_program_reads_and_nothing_else(tmp_path: Path):
    schema = json.loads(rig_schema())
    path = tmp_path / "a.rig.yaml"
    whole: dict[str, object] = {"config": "a.cfg", "roles": {"objective": "Obj"}}
    cases = [{**whole, key: value} for key in (*schema["properties"], "colour") for value in VALUES]
    for part, (name, others) in PARTS.items():
        fields = schema["$defs"][name]["properties"]
        cases += [{**whole, part: {**others, key: value}} for key in (*fields, "colour") for value in VALUES]
    differ = []
    for case in cases[::3]:  # of each key other values
        path.write_text(json.dumps(case))  # JSON is YAML
        try:
            load_rig(path)
        except ConfigError as error:
            # what relates two values is beyond the schema
            accepted = "belong together" in error.message
        else:
            accepted = True
        if accepted != _fits(case, schema, schema):
            differ.append(case)
    assert differ == []
    assert len(cases) > 700


# --- a rig file against its configuration ---

TURRET = CAMERA.replace("Property,Core,Init", "Device,Obj,DemoCamera,DObjective\nProperty,Core,Init", 1) + (
    "Label,Obj,0,10x\nLabel,Obj,1,20x\nConfigPixelSize,R,Obj,Label,20x\nPixelSize_um,R,0.65\n"
)
STAGE = "Device,XY,DemoCamera,DXYStage\n" + CAMERA + "Property,Core,XYStage,XY\n"
PAIRS = {
    "objective": (("roles: {objective: Obi}",), TURRET, 2, "error", "roles.objective names the device 'Obi'.*'Obj'"),
    "objective of another kind": (
        ("roles: {objective: Cam}",),
        CAMERA,
        2,
        "error",
        r"roles.objective names the device 'Cam', which is a camera \(DemoCamera DCam\) and no turret",
    ),
    "lamp": (("light: {lamp: L, lamp_level: v}",), CAMERA, 2, "error", "light.lamp names the device 'L', which"),
    "label": (
        ("roles: {objective: Obj}", "um_per_px: {1Ox: 1.3}"),
        TURRET,
        3,
        "warning",
        "the objective '1Ox', which the configuration gives to none of the positions of 'Obj'.*mean '10x'",
    ),
    "two sizes": (
        ("roles: {objective: Obj}", "um_per_px: {10x: 1.3,", "  20x: 0.66}"),
        TURRET,
        4,
        "error",
        "um_per_px gives 0.66 um for the objective '20x', and the pixel size preset 'R' of the configuration 0.65 um",
    ),
    "two sizes, by position": (
        ("roles: {objective: Obj}", "um_per_px: {20x: 0.66}"),
        TURRET.replace("R,Obj,Label,20x", "R,Obj,State,1"),
        3,
        "error",
        "um_per_px gives 0.66 um for the objective '20x', and the pixel size preset 'R' of the configuration 0.65 um",
    ),
    "manual": (("stand: manual",), STAGE, 2, "warning", "the stand is manual, and 'XY' is the configuration's"),
    "motorised": (("stand: motorised",), CAMERA, 2, "warning", "the stand is motorised, and .* declares no XY stage"),
    "capture": (
        ("stand: motorised", "capture: {overlap_max: 0.5}"),
        STAGE,
        3,
        "warning",
        "the stand is motorised, and capture holds the rules by .* by hand: a plan does not use them",
    ),
    "camera": (("camera: andor",), CAMERA, 2, "warning", "those of 'andor', and the camera 'Cam' .*Set camera: demo"),
    "placeholder": (("um_per_px: {10x: '<size: see>'}",), CAMERA, 2, "to be filled in", "size is not filled in yet"),
}
SOUND = {
    "the same size": (("roles: {objective: Obj}", "um_per_px: {10x: 1.3, 20x: 0.65}"), TURRET),
    "manual": (("stand: manual", "capture: {overlap_max: 0.5}"), CAMERA),
    "motorised": (("stand: motorised",), STAGE),
    "the device's own labels": (
        ("roles: {objective: Obj}", "um_per_px: {Objective-C: 1.0}"),
        TURRET.partition("Label")[0],
    ),
    "no rig at all": ((), CAMERA),
}


@pytest.mark.parametrize(("lines", "cfg", "line", "severity", "message"), PAIRS.values(), ids=PAIRS)
def test_a_rig_file_that_does_not_fit_its_configuration(
    tmp_path: Path, lines: tuple[str, ...], cfg: str, line: int, severity: str, message: str
):
    rig = load_rig(rig_file(tmp_path, *lines, cfg=cfg))
    (finding,) = lint_rig_file(rig)
    assert (finding.path, finding.line, finding.severity) == (rig.path, line, severity)
    assert re.search(message, f"{finding.message}. {finding.hint}")
    if severity != "warning":
        with pytest.raises(ConfigError, match=rf"my rig\.rig\.yaml:{line}: "):
            check_rig(rig.path or "")


@pytest.mark.parametrize(("lines", "cfg"), SOUND.values(), ids=SOUND)
def test_a_rig_file_that_fits_its_configuration(tmp_path: Path, lines: tuple[str, ...], cfg: str):
    assert lint_rig_file(load_rig(rig_file(tmp_path, *lines, cfg=cfg))) == []


def test_the_rules_of_capture_are_read_from_the_rig_file(tmp_path: Path):
    given = load_rig(rig_file(tmp_path, "capture:", "  still_um_s: 12.5", "  overlap_max: 0.1"))
    assert given.handling.capture == CaptureRules(still_um_s=12.5, overlap_max=0.1)
    assert load_rig(rig_file(tmp_path)).handling.capture == CaptureRules()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("overlap_max: 25", r":3: .*capture.overlap_max.*1"),
        ("still_um_s: 0", r":3: .*capture.still_um_s.*greater than 0"),
        ("still_s: 1", r":3: .*capture.still_s.*still_ms"),
    ],
)
def test_a_rule_of_capture_that_cannot_be_is_refused_with_its_line(tmp_path: Path, value: str, message: str):
    with pytest.raises(ConfigError, match=message):
        load_rig(rig_file(tmp_path, "capture:", f"  {value}"))


def test_what_a_device_offers_is_listed_before_its_presets_are_filled_in(tmp_path: Path, adapters_dir: Path):
    path = tmp_path / "a.cfg"
    path.write_text(CAMERA + "ConfigGroup,System,Startup,Cam,Mode,<mode: hcc-scope devices --properties>\n")
    assert [finding.severity for finding in lint(path)] == ["to be filled in"]
    found = read_properties(path, adapters_dir)
    (mode,) = (one for one in found["Cam"] if one.name == "Mode")
    assert "Noise" in mode.allowed


def test_a_rig_that_is_not_filled_in_is_not_attached_to_either(tmp_path: Path):
    path = rig_file(tmp_path, "adapters_dir: '<folder: see>'", "roles: {em_gain: '<EM gain: see there>'}")
    opening = attach_rig(1, str(path))
    with pytest.raises(ConfigError, match=r"my rig\.rig\.yaml:3: EM gain is not filled in yet\. To find it: see there"):
        ExitStack().enter_context(opening)


def test_the_form_of_a_placeholder():
    assert [(p.what, p.where) for p in find_placeholders("A,<COM port: Ports>,<x: y.>", 1)] == [
        ("COM port", "Ports"),
        ("x", "y."),
    ]
    for text in ("<10x>", "a <b: c>", "<b: c> d", "<: c>", "<b:c>"):
        assert list(find_placeholders(text, 1)) == []

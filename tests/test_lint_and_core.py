"""The linter against Micro-Manager's own core: what the core refuses is an error, and what it loads is none."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pymmcore
import pytest

from hcc_scope.rig.config import lint
from hcc_scope.rig.devices import CORE_ERRORS
from tests.test_config_lint import ERRORS, FOUR_X, GOOD, HARMLESS, HEAD, NUMBERS, ONE_SIZE, READY, TWO_SIZES, WARNINGS

if TYPE_CHECKING:
    from pathlib import Path

CAMERA_ONLY = "".join(line for line in GOOD.splitlines(keepends=True) if ",Obj," not in line)
FILES = {
    "good": GOOD,
    "no end of the last line": GOOD[:-1],
    "byte order mark": "\ufeff" + GOOD,
    "byte order mark and comment": "\ufeff# x\n" + GOOD,
    "two resets": GOOD + GOOD,
    "no reset": GOOD.split("\n", 1)[1],
    "reset at the end": GOOD + "Property,Core,Initialize,0\n" + GOOD,
    "startup, then reset": HEAD + READY + "ConfigGroup,System,Startup,Obj,State,1\n" + CAMERA_ONLY,
    "label too early": HEAD + "Label,Obj,0,4x\n" + READY,
    "property too early": "Property,Cam,Gain,1\n" + GOOD,
    "role too early": "Property,Core,Camera,Cam\n" + GOOD,
    "nul in a label": GOOD + "Label,Obj,0,4\0x\nConfigGroup,System,Startup,Obj,Label,4\n",
    "nul in a command": GOOD + "Label\0,Obj,0,4x\n",
    "line of nul": GOOD + "\0\0\n",
    "no camera": HEAD + "Property,Core,Initialize,1\n",
    "blank in a label": HEAD.replace("Cam", " Cam") + "Property,Core,Initialize,1\nProperty,Core,Camera, Cam\n",
    "four fields": HEAD + "Device,Q,DemoCamera,DCam,1\n" + READY,
    "two fields": HEAD + "Device,Q,DemoCamera\n" + READY,
    "adapter that is not there": HEAD + "Device,Q,Nikon,DCam\n" + READY,
    "blank before an adapter": HEAD.replace("Obj,DemoCamera", "Obj, DemoCamera") + READY,
    **{f"error: {name}": GOOD + tail + "\n" for name, (tail, _, _) in ERRORS.items()},
    **{f"warning: {name}": GOOD + tail + "\n" for name, (tail, _) in WARNINGS.items()},
    **{f"harmless: {name}": GOOD + tail + "\n" for name, tail in HARMLESS.items() if name != "state in words"},
    **{f"sizes: {name}": GOOD + FOUR_X + tail + "\n" for name, tail in (TWO_SIZES | ONE_SIZE).items()},
}


def core_loads(path: Path, adapters_dir: Path) -> bool:
    core = pymmcore.CMMCore()
    core.setDeviceAdapterSearchPaths([str(adapters_dir)])
    try:
        core.loadSystemConfiguration(str(path))
    except CORE_ERRORS:
        return False
    finally:
        core.unloadAllDevices()
    return True


def lints(path: Path, adapters_dir: Path) -> bool:
    return not [finding for finding in lint(path, adapters_dir) if finding.severity == "error"]


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_the_linter_refuses_what_the_core_refuses(tmp_path: Path, adapters_dir: Path, text: str):
    path = tmp_path / "rig.cfg"
    path.write_bytes(text.encode())
    assert lints(path, adapters_dir) == core_loads(path, adapters_dir)


@pytest.mark.parametrize("tail", [tail for tail, _, _ in NUMBERS.values()], ids=list(NUMBERS))
def test_the_core_takes_what_is_no_number_for_another_one(tmp_path: Path, adapters_dir: Path, tail: str):
    path = tmp_path / "rig.cfg"
    path.write_bytes((GOOD + tail + "\n").encode())
    assert core_loads(path, adapters_dir)
    assert not lints(path, adapters_dir)


def spoilt(text: str, chance: random.Random) -> str:
    """Return a file with a slip or two, as hands and editors make them."""
    lines = text.split("\n")
    for _ in range(chance.randint(1, 2)):
        i, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        line = lines[i]
        at = chance.randint(0, len(line))
        fields = line.split(",")
        slip = chance.randrange(7)
        if slip == 0:
            lines[i] = ""
        elif slip == 1:
            lines.insert(i, lines[other])
        elif slip == 2:
            lines[i], lines[other] = lines[other], line
        elif slip == 3:
            lines[i] = line[: max(0, at - 1)] + line[at:]
        elif slip == 4:
            lines[i] = line[:at] + chance.choice(" ,#\t0-_\r") + line[at:]
        elif slip == 5:
            fields[chance.randrange(len(fields))] = chance.choice(["", "nan", "0_1", "Core", "Cam", "1", "Label", "x"])
            lines[i] = ",".join(fields)
        else:
            del fields[chance.randrange(len(fields))]
            lines[i] = ",".join(fields)
    return "\n".join(lines)


def test_no_false_alarm_on_files_with_slips(tmp_path: Path, adapters_dir: Path):
    text = GOOD + FOUR_X + "ConfigGroup,System,Startup,Obj,Label,10x\nConfigGroup,G,P,Cam,Gain,1\n"
    chance = random.Random(17)
    path = tmp_path / "rig.cfg"
    loaded = 0
    for _ in range(200):
        path.write_text(spoilt(text, chance))
        if core_loads(path, adapters_dir):
            loaded += 1
            errors = [finding.message for finding in lint(path, adapters_dir) if finding.severity == "error"]
            # but for numbers, which the core takes for others, and for files that initialise nothing
            allowed = ("is not a", "is no whole number", "Property,Core,Initialize,1 is missing")
            assert [one for one in errors if not any(part in one for part in allowed)] == [], path.read_text()
    assert 50 < loaded < 200

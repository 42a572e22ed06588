"""The linter against Micro-Manager's own core: what the core refuses is an error, and what it loads is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymmcore
import pytest

from hcc_scope.rig.config import lint
from hcc_scope.rig.devices import CORE_ERRORS
from tests.test_config_lint import ERRORS, FOUR_X, GOOD, HARMLESS, HEAD, NUMBERS, ONE_SIZE, READY, TWO_SIZES, WARNINGS

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "good": GOOD,
    "no end of the last line": GOOD[:-1],
    "byte order mark": "\ufeff" + GOOD,
    "byte order mark and comment": "\ufeff# x\n" + GOOD,
    "two resets": GOOD + GOOD,
    "no reset": GOOD.split("\n", 1)[1],
    "label too early": HEAD + "Label,Obj,0,4x\n" + READY,
    "property too early": "Property,Cam,Gain,1\n" + GOOD,
    "role too early": "Property,Core,Camera,Cam\n" + GOOD,
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

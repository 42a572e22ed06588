"""Opening a rig: what is checked before anything is loaded, and what an open one can do."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from hcc_scope.cli.acquire import AcquireOptions, _default_plan
from hcc_scope.cli.devices import run_devices
from hcc_scope.errors import ConfigError, DeviceError, PlanError, UsageError
from hcc_scope.memory import FreeMemory, free_memory
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.runs import rigs
from hcc_scope.runs.rigs import check_buffer, open_rig

if TYPE_CHECKING:
    from pathlib import Path

CAMERA = "Device,Cam,DemoCamera,DCam\nProperty,Core,Initialize,1\nProperty,Core,Camera,Cam\n"


def rig_file(folder: Path, *lines: str, cfg: str | bytes = CAMERA) -> Path:
    (folder / "a.cfg").write_bytes(cfg if isinstance(cfg, bytes) else cfg.encode())
    path = folder / "my rig.rig.yaml"
    path.write_text("\n".join(("config: a.cfg", *lines)) + "\n")
    return path


# --- memory ---


def test_a_buffer_beyond_the_memory_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = rig_file(tmp_path, "roles: {}", "buffer_size_mb: 500000000")
    monkeypatch.setattr(rigs, "free_memory", lambda: FreeMemory(4096 * 2**20, "this machine has free"))
    monkeypatch.setattr(MicroManager, "start", None)  # called, it would fail in another way
    monkeypatch.setattr(rigs, "_held_mib", 0)
    with (
        pytest.raises(
            ConfigError,
            match=r"my rig\.rig\.yaml:3: buffer_size_mb is 500000000 MiB, and this machine has free only 4096 MiB\."
            r" Set buffer_size_mb in the rig file to 2048 or less",
        ),
        open_rig(path),
    ):
        pass


def test_a_buffer_that_fits(tmp_path: Path):
    rig = load_rig(rig_file(tmp_path, "buffer_size_mb: 1000"))
    check_buffer(rig, None)
    check_buffer(rig, FreeMemory(1000 * 2**20, ""))
    # the buffer of the rig before is freed for the new one
    check_buffer(rig, FreeMemory(100 * 2**20, ""), held_mib=900)
    with pytest.raises(ConfigError, match="buffer_size_mb is 1000 MiB, and there are only 999 MiB"):
        check_buffer(rig, FreeMemory(99 * 2**20, "there are"), held_mib=900)


def test_the_default_buffer_of_a_bare_configuration_may_be_too_large_too(tmp_path: Path):
    rig_file(tmp_path)
    with pytest.raises(ConfigError, match=r"^buffer_size_mb is 1024 MiB"):
        check_buffer(load_rig(tmp_path / "a.cfg"), FreeMemory(2**20, "there is"))


GIB = 2**30


def linux(folder: Path, files: dict[str, str]) -> dict[str, Path]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return {"proc": folder / "proc", "cgroups": folder / "cg"}


MEMINFO = {"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable:   {8 * 2**20} kB\n"}
LIMITED = {
    "memory.max": f"{4 * GIB}\n",
    "memory.current": f"{2 * GIB}\n",
    "memory.stat": f"anon 1\ninactive_file {GIB}\n",
}
LIMITED_V1 = {
    "memory.limit_in_bytes": f"{4 * GIB}\n",
    "memory.usage_in_bytes": f"{3 * GIB}\n",
    "memory.stat": "total_inactive_file 0\n",
}
SYSTEMS = {
    "no group": (MEMINFO, 8),
    "group": ({"proc/self/cgroup": "0::/job\n"} | {f"cg/job/{n}": text for n, text in LIMITED.items()}, 3),
    "group above": (
        {"proc/self/cgroup": "0::/job/step\n", "cg/job/step/memory.max": "max\n", "cg/job/step/memory.current": "5\n"}
        | {f"cg/job/{n}": text for n, text in LIMITED.items()},
        3,
    ),
    "container": ({"proc/self/cgroup": "0::/../../docker/x\n"} | {f"cg/{n}": text for n, text in LIMITED.items()}, 3),
    "first version": (
        {"proc/self/cgroup": "3:cpu:/\n2:memory:/job\n"}
        | {f"cg/memory/job/{n}": text for n, text in LIMITED_V1.items()},
        1,
    ),
    "first version, no limit": (
        {
            "proc/self/cgroup": "2:memory:/\n",
            "cg/memory/memory.limit_in_bytes": f"{2**63 - 4096}\n",
            "cg/memory/memory.usage_in_bytes": "5\n",
        },
        8,
    ),
    "nonsense": ({"proc/self/cgroup": "\n:\n0::/x\n", "cg/x/memory.max": "", "cg/x/memory.current": "?"}, 8),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows is asked in another way")
@pytest.mark.parametrize(("files", "gib"), SYSTEMS.values(), ids=SYSTEMS)
def test_the_least_limit_counts(tmp_path: Path, files: dict[str, str], gib: int):
    free = free_memory(**linux(tmp_path, MEMINFO | files))
    assert free is not None
    assert free.n_bytes == gib * GIB


def test_this_machine_lists_its_hardware():
    free = free_memory()
    assert free is not None
    assert free.mib > 100


def test_an_address_space_that_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (3 * GIB, 3 * GIB))
    pages = GIB // resource.getpagesize()
    free = free_memory(**linux(tmp_path, MEMINFO | {"proc/self/statm": f"{pages} 5 5\n"}))
    assert free == FreeMemory(2 * GIB, "this process's limit (ulimit -v) leaves")


# --- roles ---


def test_a_role_that_does_not_fit_is_reported_with_its_place_and_a_command_that_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = rig_file(tmp_path, "roles:", "  em_gain: EMGain")
    message = r"my rig\.rig\.yaml:3: .* em_gain names the property 'EMGain'"
    with pytest.raises(ConfigError, match=message) as error, open_rig(path):
        pass
    assert error.value.hint is not None
    command = error.value.hint[error.value.hint.index("hcc-scope") : error.value.hint.index(" lists") - 1]
    assert shlex.split(command) == ["hcc-scope", "devices", "--rig", str(path), "--properties"]
    run_devices(config=None, rig=str(path), adapters=None, properties=True, json_mode=False)
    assert "Gain = " in capsys.readouterr().out


# --- an open rig ---


def options(tmp_path: Path, **changed: object) -> AcquireOptions:
    values: dict[str, object] = {
        "animal_id": "a", "section_id": "s", "out": tmp_path, "rig": None, "config": None, "adapters": None,
        "attach_port": None, "plan": None, "n_fields": None, "n_frames": None, "area_um": None, "exposure_ms": None,
        "properties": (), "seed": 1, "phantom": None, "model_name": "", "engine": "", "json_mode": False,
    }  # fmt: skip
    return AcquireOptions(**(values | changed))  # type: ignore[arg-type]


def test_a_rig_without_a_stage(tmp_path: Path):
    path = rig_file(tmp_path, "buffer_size_mb: 64")
    with open_rig(path) as rig:
        assert not rig.has_xy_stage
        for changed in ({}, {"area_um": "10x10"}):
            with pytest.raises(PlanError, match=r"need a motorised XY stage.* Give --by-hand"):
                _default_plan(options(tmp_path, **changed), rig, None)
        assert _default_plan(options(tmp_path, n_frames=3), rig, None).kind == "sequence"


def test_properties_are_checked_as_the_property_browser_does(tmp_path: Path):
    path = rig_file(tmp_path, "buffer_size_mb: 64")
    with open_rig(path) as rig:
        core = rig.microscope.backend.core
        with pytest.raises(UsageError, match="'Cam,Gain' is not DEVICE,PROPERTY,VALUE"):
            rig.set_properties(["Cam,Gain,2", "Cam,Gain"])
        assert core.get_property("Cam", "Gain") == "0"
        for wrong, message in (
            ("Cam,Gain,abc", "takes a number, not 'abc'"),
            ("Cam,Gain,99", "It takes -5 to 8"),
            ("Cam,PixelType,17bit", "cannot be '17bit'"),
            ("Cam,CCDTemperature RO,5", "can only be read"),
            ("Cam,MaximumExposureMs,5", "only takes effect while the configuration is loaded"),
            ("Cam,Turbo,5", "no property 'Turbo' of a device 'Cam'"),
            ("Kam,Gain,5", "no property 'Gain' of a device 'Kam'"),
        ):
            with pytest.raises(DeviceError, match=message):
                rig.set_properties([wrong])
        rig.set_properties(["Cam,Gain,2", "Core,AutoShutter,0"])
        assert (core.get_property("Cam", "Gain"), core.get_auto_shutter()) == ("2", False)


def test_names_in_a_code_page_can_be_asked_about(tmp_path: Path):
    cfg = (
        CAMERA.replace("Property,Core,Initialize,1", "Device,Obj,DemoCamera,DObjective\nProperty,Core,Initialize,1")
        + "Label,Obj,0,5 µm\nConfigGroup,Größe,klein,Obj,Label,5 µm\n"
    ).encode("cp1252")
    with open_rig(rig_file(tmp_path, "roles: {objective: Obj}", "buffer_size_mb: 64", cfg=cfg)) as rig:
        core = rig.microscope.backend.core
        assert core.get_available_config_groups() == ("Größe",)
        core.set_config("Größe", "klein")
        assert rig.microscope.thread.call("reading", rig.microscope.hardware.read).objective == "5 µm"

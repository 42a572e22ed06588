"""The rig file's limits of exposure and EM gain, its warnings, and the ready-made roles, on the real demo devices."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import ConfigError, DeviceError, PlanError
from hcc_scope.microscope.device_controls import ConfirmationNeeded, DeviceControls
from hcc_scope.microscope.hardware import Hardware
from hcc_scope.microscope.limits import check_plan_exposure
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import TimeSeries
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.runs.rigs import open_rig
from hcc_scope.types import RigHandling, RigRoles
from tests.test_open_rig import CAMERA, rig_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    MakeCfg = Callable[..., Path]

LIMITS = RigHandling(em_gain_max=4.0, exposure_ms=(1.0, 100.0))
CAMERA_AND_STAGE = CAMERA.replace("Property,Core,Init", "Device,XY,DemoCamera,DXYStage\nProperty,Core,Init", 1)


@pytest.fixture
def rig(demo_cfg: MakeCfg, adapters_dir: Path) -> Iterator[MicroManager]:
    cfg = demo_cfg(OnCameraCCDXSize=64, OnCameraCCDYSize=32)
    roles = load_rig("demo").roles
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=16, roles=roles, handling=LIMITS) as opened:
        yield opened


def source(rig: MicroManager, exposure_ms: float | None = None) -> MicroManagerSource:
    plan = TimeSeries(n_frames=1, interval_s=0, exposure_ms=exposure_ms)
    return MicroManagerSource(rig, plan, animal_id="m1", section_id="s1")


def test_no_way_to_an_exposure_beyond_the_limits(rig: MicroManager):
    controls, core = DeviceControls(rig), rig.backend.core
    core.define_config("Light", "Long", "Camera", "Exposure", "500")
    beyond = r"an exposure of 500 ms is beyond the rig file's limits, 1 to 100 ms"
    for act in (
        lambda: controls.set_exposure_ms(500.0),
        lambda: controls.set_property("Camera", "Exposure", "500"),
        lambda: controls.apply_preset("Light", "Long"),
    ):
        with pytest.raises(DeviceError, match=beyond):
            act()
    with pytest.raises(PlanError, match=beyond):
        source(rig, 500.0)
    assert core.get_exposure() == 10.0  # none of them has set it
    controls.set_exposure_ms(100.0)
    assert source(rig, 1.0).spec.expected_frames == 1
    core.set_exposure(500.0)  # by another program, and a plan that leaves it
    with pytest.raises(PlanError, match=beyond):
        source(rig)


def test_no_way_to_an_em_gain_above_the_limit_but_a_confirmation(rig: MicroManager):
    controls, core = DeviceControls(rig), rig.backend.core
    core.define_config("Light", "Dim", "Camera", "Gain", "5")
    for act in (
        lambda: controls.set_em_gain(5),
        lambda: controls.set_property("Camera", "Gain", "5"),
        lambda: controls.apply_preset("Light", "Dim"),
    ):
        with pytest.raises(ConfirmationNeeded, match=r"EM gain of 5 is above the rig file's limit of 4"):
            act()
    core.define_config("Light", "Typed", "Camera", "Gain", "5x")  # the core reads 5
    with pytest.raises(ConfirmationNeeded, match=r"EM gain of 5 is above"):
        controls.apply_preset("Light", "Typed")
    plan = TimeSeries(n_frames=1, interval_s=0, config_group=("Light", "Dim"))
    with pytest.raises(ConfirmationNeeded, match=r"EM gain of 5 is above"):
        MicroManagerSource(rig, plan, animal_id="A", section_id="B")
    assert source(rig).warnings == ()
    controls.set_em_gain(5, confirmed=True)
    (warning,) = source(rig).warnings
    assert warning == "an EM gain of 5 is above the rig file's limit of 4 and ages the sensor"
    rig.hardware.handling = replace(rig.handling, em_gain_max=None)
    assert source(rig).warnings == ()


def test_a_switch_lets_no_gain_above_the_limit_take_effect_without_a_confirmation(
    rig: MicroManager, monkeypatch: pytest.MonkeyPatch
):
    """The gain's register may hold anything when the camera starts, while the switch bypasses it."""
    controls, hardware, core = DeviceControls(rig), rig.hardware, rig.backend.core
    monkeypatch.setattr(hardware, "_roles", replace(hardware.roles, em_switch="FastImage"))  # 0 or 1
    hardware.look_up()
    core.set_property("Camera", "FastImage", 0)
    core.set_property("Camera", "Gain", 5)
    core.define_config("Multiply", "On", "Camera", "FastImage", "1")
    core.define_config("Multiply", "Little", "Camera", "FastImage", "1")
    core.define_config("Multiply", "Little", "Camera", "Gain", "2")
    hardware.need_within_limits([("Camera", "FastImage", "0")])
    hardware.need_within_limits(rig.backend.settings("get_config_data", "Multiply", "Little"))
    for act in (
        lambda: controls.set_property("Camera", "FastImage", "1"),
        lambda: controls.apply_preset("Multiply", "On"),
    ):
        with pytest.raises(ConfirmationNeeded, match=r"EM gain of 5 is above the rig file's limit of 4"):
            act()
        assert core.get_property("Camera", "FastImage") == "0"
    hardware.em_gain_agreed = 5.0
    hardware.need_within_limits([("Camera", "FastImage", "1")])


@pytest.mark.parametrize(
    ("lines", "cfg", "expected"),
    [
        (("warnings: ['Turn the lamp on.']",), CAMERA, ["Turn the lamp on."]),
        (("stand: manual",), CAMERA, []),
        (("stand: motorised",), CAMERA_AND_STAGE, []),
        (
            ("buffer_size_mb: 16", "stand: manual"),
            CAMERA_AND_STAGE,
            ["my rig.rig.yaml:3: the stand is manual, and 'XY' is a motorised"],
        ),
        (("stand: motorised",), CAMERA, ["my rig.rig.yaml:2: the stand is motorised, and the configuration has no XY"]),
        (("light: {lamp: Cam, lamp_level: Gain}",), CAMERA, []),
        (
            ("light: {lamp: Cam, lamp_level: Gian}",),
            CAMERA,
            ["my rig.rig.yaml:2: the lamp 'Cam' has no property 'Gian': the light level is not recorded."],
        ),
        (
            ("camera: pvcam", "roles: {em_gain: Gain}"),
            CAMERA,
            [
                "my rig.rig.yaml:2: warning: the ready-made roles are those of 'pvcam', and the camera 'Cam' is",
                "my rig.rig.yaml:2: camera 'Cam' does not have what 'camera: pvcam' expects for em_switch ('Port'),",
            ],
        ),
    ],
)
def test_what_an_operator_must_know_is_reported_when_the_rig_opens(
    tmp_path: Path, lines: tuple[str, ...], cfg: str, expected: list[str]
):
    heard: list[str] = []
    with open_rig(rig_file(tmp_path, *lines, cfg=cfg), heard.append) as opened:
        assert set(opened.warnings()) <= set(heard)
    assert len(heard) == len(expected)
    for sentence, start in zip(heard, expected, strict=True):
        assert sentence.removeprefix(f"{tmp_path / 'x'}"[:-1]).startswith(start)


def test_ready_made_roles_are_what_the_camera_has(tmp_path: Path):
    with open_rig(rig_file(tmp_path, "camera: demo")) as opened:
        roles = opened.microscope.hardware.roles
        assert (roles.em_gain, roles.temperature) == ("Gain", "CCDTemperature RO")
        assert opened.warnings() == ()
    # an Andor camera without EM gain, and so without its switch
    with open_rig(rig_file(tmp_path, "camera: andor", "roles: {em_gain: Gain, temperature: null}")) as opened:
        roles = opened.microscope.hardware.roles
        assert (roles.em_gain, roles.em_switch, roles.temperature, roles.readout) == ("Gain", None, None, None)
    # what the rig file names itself must be there
    with (
        pytest.raises(ConfigError, match=r"my rig\.rig\.yaml:3: .* role readout names the property 'ReadoutMode'"),
        open_rig(rig_file(tmp_path, "camera: andor", "roles: {readout: ReadoutMode}")),
    ):
        pass


def test_a_ready_made_role_stays_absent_when_the_devices_are_looked_up_again(rig: MicroManager):
    # as the port of a PVCAM camera that has one only: it can be read and not set
    roles = RigRoles(em_gain="Gain", em_switch="CameraID", assumed=frozenset({"em_gain", "em_switch"}))
    rig.hardware = rig.camera._hardware = Hardware(rig.backend, roles, None, None)
    for _ in range(2):
        assert (rig.hardware.roles.em_gain, rig.hardware.roles.em_switch) == ("Gain", None)
        assert rig.hardware.absent_roles() == {"em_switch": "CameraID"}
        rig.thread.call("looking up", rig.hardware.look_up)


def test_an_exposure_that_the_camera_rounds_is_within_the_limits():
    check_plan_exposure(100.0, LIMITS)
    check_plan_exposure(100.4, LIMITS, as_taken=True)
    for exposure_ms, as_taken in ((100.4, False), (102.0, True), (0.9, True), (0.9, False)):
        with pytest.raises(PlanError, match="beyond the rig file's limits"):
            check_plan_exposure(exposure_ms, LIMITS, as_taken=as_taken)


def test_a_size_for_an_objective_that_is_not_there_is_placed(tmp_path: Path):
    cfg = CAMERA.replace("Property,Core,Init", "Device,Obj,DemoCamera,DObjective\nProperty,Core,Init", 1)
    path = rig_file(tmp_path, "roles: {objective: Obj}", "um_per_px:", "  Objective-A: 1.0", "  10x: 1.3", cfg=cfg)
    opening = open_rig(path)
    with pytest.raises(ConfigError, match=r"my rig\.rig\.yaml:5: um_per_px names the objective '10x'"):
        contextlib.ExitStack().enter_context(opening)

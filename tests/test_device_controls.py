"""The controls of a rig on Micro-Manager's real demo devices: what they read, set, refuse, and stop."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import CameraError, DeviceError
from hcc_scope.microscope.device_controls import ConfirmationNeeded, DeviceControls, GroupState, ObjectiveState
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.microscope.preview import Preview
from hcc_scope.microscope.rig_reader import _factors
from hcc_scope.orientation import Orientation
from hcc_scope.plans import PositionList, Sequence, TimeSeries
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.runs.rigs import OpenRig
from hcc_scope.tiling import TileGrid
from hcc_scope.types import RigRoles
from hcc_scope.workers import StopToken
from tests.session_parts import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    MakeCfg = Callable[..., Path]

RIG = load_rig("demo")
TINY = {"OnCameraCCDXSize": 64, "OnCameraCCDYSize": 48}


@pytest.fixture
def rig(demo_cfg: MakeCfg, adapters_dir: Path) -> Iterator[MicroManager]:
    """Return the demo rig with 64 x 48 pixels and a stage of 1 mm/s."""
    with MicroManager.start(
        demo_cfg(**TINY, Velocity=1), adapters_dir=adapters_dir, buffer_size_mb=64, roles=RIG.roles,
        limits=RIG.stage_limits,
    ) as opened:  # fmt: skip
        yield opened


@pytest.fixture
def controls(rig: MicroManager) -> DeviceControls:
    return DeviceControls(rig)


def test_everything_is_read(controls: DeviceControls):
    state = controls.read()
    camera = state.camera
    assert (camera.label, camera.library, camera.exposure_ms, camera.bit_depth) == ("Camera", "DemoCamera", 10.0, 16)
    assert camera.exposure_limits_ms == (0.0, 10_000.0)
    assert (camera.binning, camera.binnings) == ("1", ("1", "2", "4", "8"))
    assert (camera.roi, camera.full) == ((0, 0, 64, 48), (64, 48))
    assert (camera.em_gain, camera.em_gain_limits, camera.em_switch) == (1.0, (-5.0, 8.0), None)
    assert (camera.temperature_c, camera.temperature_set_point_c) == (-70.0, -70.0)
    assert (camera.readout, camera.readouts) == (None, ())
    assert state.groups["Objective"] == GroupState(("10x", "20x", "40x"), "20x")
    assert state.objective == ObjectiveState(("40x", "10x", "Objective-2", "20x", "Objective-4", "Objective-5"), "20x")
    assert (state.pixel_size_um, state.xy_um, state.z_um) == (0.325, (0.0, 0.0), 0.0)
    assert state.limits == RIG.stage_limits
    assert (state.shutter_open, state.auto_shutter, state.busy) == (False, True, False)


def test_every_action_on_the_camera_is_seen_in_what_is_read_next(controls: DeviceControls):
    controls.set_exposure_ms(25.0)
    controls.set_em_gain(4)
    controls.set_temperature_set_point(-60)
    controls.set_roi(16, 8, 32, 16)
    camera = controls.read().camera
    assert (camera.exposure_ms, camera.em_gain, camera.temperature_set_point_c) == (25.0, 4.0, -60.0)
    assert (camera.roi, camera.full) == ((16, 8, 32, 16), (64, 48))
    controls.clear_roi()
    assert controls.read().camera.roi == (0, 0, 64, 48)
    controls.set_binning("2")
    camera = controls.read().camera
    assert (camera.binning, camera.roi, camera.full) == ("2", (0, 0, 32, 24), (32, 24))
    controls.set_property("Camera", "OnCameraCCDXSize", "32")
    controls.set_binning("1")
    assert controls.read().camera.full == (32, 48)


def test_the_sensor_is_known_after_a_region_at_another_binning(controls: DeviceControls):
    controls.set_binning("2")
    controls.set_roi(8, 4, 16, 8)
    controls.set_binning("1")
    assert controls.read().camera.full == (64, 48)
    controls.set_roi(0, 0, 64, 48)
    controls.set_roi(8, 4, 16, 8)
    controls.set_binning("4")
    assert controls.read().camera.full == (16, 12)


def test_an_em_gain_above_the_limit_needs_a_confirmation(controls: DeviceControls, rig: MicroManager):
    rig.hardware.handling = replace(rig.handling, em_gain_max=4.0)
    controls.set_em_gain(4)
    with pytest.raises(ConfirmationNeeded, match=r"an EM gain of 5 is above the rig file's limit of 4") as error:
        controls.set_em_gain(5)
    assert error.value.exit_code == DeviceError.exit_code
    assert controls.read().camera.em_gain == 4
    controls.set_em_gain(5, confirmed=True)
    assert controls.read().camera.em_gain == 5


@pytest.mark.parametrize(("binning", "factors"), [("2", (2, 2)), ("2x2", (2, 2)), ("1x4", (1, 4)), ("off", None)])
def test_binnings_are_written_in_several_ways(binning: str, factors: tuple[int, int] | None):
    assert _factors(binning) == factors


TWO_CAMERAS = """\
Property,Core,Initialize,0
Device,Hub,DemoCamera,DHub
Device,One,DemoCamera,DCam
Device,HubB,DemoCamera,DHub
Device,Other,DemoCamera,DCam
Device,Both,Utilities,Multi Camera
Device,StageA,DemoCamera,DXYStage
Device,StageB,DemoCamera,DXYStage
Device,FocusA,DemoCamera,DStage
Device,FocusB,DemoCamera,DStage
Device,ShutterA,DemoCamera,DShutter
Device,ShutterB,DemoCamera,DShutter
Parent,One,Hub
Parent,Other,HubB
Property,Core,Initialize,1
Property,One,OnCameraCCDXSize,64
Property,Other,OnCameraCCDXSize,48
Property,Both,Physical Camera 1,One
Property,Both,Physical Camera 2,Other
Property,Core,Camera,One
Property,Core,XYStage,StageA
Property,Core,Focus,FocusA
Property,Core,Shutter,ShutterA
ConfigGroup,View,Other,Core,Camera,Other
ConfigGroup,View,Other,Core,XYStage,StageB
ConfigGroup,View,Other,Core,Focus,FocusB
ConfigGroup,View,Other,Core,Shutter,ShutterB
ConfigGroup,View,Both,Core,Camera,Both
ConfigGroup,View,None,Core,Camera,
ConfigGroup,View,One,Core,Camera,One
"""


def test_roles_that_a_preset_gives_are_followed(tmp_path: Path, adapters_dir: Path):
    cfg = tmp_path / "two.cfg"
    cfg.write_text(TWO_CAMERAS)
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64, roles=RigRoles(em_gain="Gain")) as rig:
        controls, core = DeviceControls(rig), rig.backend.core
        core.set_position("FocusB", 7.0)
        core.set_shutter_open("ShutterB", True)
        assert controls.read().camera.full[0] == 64
        controls.apply_preset("View", "Other")
        state = controls.read()
        assert (state.camera.label, state.camera.full[0]) == ("Other", 48)
        assert (state.z_um, state.shutter_open) == (7.0, True)
        assert rig.thread.call("taking one", rig.camera.snap).pixels.shape[1] == 48
        controls.set_em_gain(3)
        assert core.get_property("Other", "Gain") == "3"
        controls.move_z_to_um(9.0)
        assert (core.get_position("FocusA"), core.get_position("FocusB")) == (0.0, 9.0)
        # a camera that cannot play the rig file's role is shown as one without it
        controls.apply_preset("View", "Both")
        state = controls.read()
        assert (state.camera.label, state.camera.em_gain) == ("Both", None)
        with pytest.raises(DeviceError, match="has no EM gain here"):
            controls.set_em_gain(3)
        # and none at all is reported, and can be mended
        with pytest.raises(CameraError, match="names no camera"):
            controls.apply_preset("View", "None")
        controls.apply_preset("View", "One")
        # also if another program changed it, such as Micro-Manager's own window
        core.set_camera_device("Other")
        assert Preview(rig).snap().pixels.shape[1] == 48
        core.set_camera_device("One")
        assert controls.read().camera.label == "One"


def test_an_objective_without_a_label_is_named_by_its_position(tmp_path: Path, adapters_dir: Path):
    cfg = tmp_path / "empty.cfg"
    cfg.write_text(
        "Device,Cam,DemoCamera,DCam\nDevice,Obj,DemoCamera,DObjective\nProperty,Core,Initialize,1\n"
        "Property,Core,Camera,Cam\nLabel,Obj,0,empty\nLabel,Obj,1,empty\nLabel,Obj,2,20x\n"
    )
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64, roles=RigRoles(objective="Obj")) as rig:
        controls = DeviceControls(rig)
        objective = controls.read().objective
        assert objective is not None
        assert objective.current == "position 0"
        assert {"20x", "empty"} <= set(objective.labels)
        controls.set_objective("20x")
        assert rig.thread.call("reading", rig.hardware.read).objective == "20x"


def test_presets_objective_and_light(controls: DeviceControls):
    controls.apply_preset("Objective", "40x")
    state = controls.read()
    assert (state.groups["Objective"].current, state.pixel_size_um) == ("40x", 0.1625)
    controls.set_objective("Objective-2")
    state = controls.read()
    assert (state.objective and state.objective.current, state.pixel_size_um) == ("Objective-2", 0.0)
    assert state.groups["Objective"].current == ""
    controls.set_auto_shutter(on=False)
    controls.set_shutter(is_open=True)
    state = controls.read()
    assert (state.shutter_open, state.auto_shutter) == (True, False)


def test_every_property_is_listed(controls: DeviceControls):
    found = {(p.device, p.name): p for p in controls.properties()}
    binning = found["Camera", "Binning"]
    assert (binning.allowed, binning.kind, binning.read_only) == (("1", "2", "4", "8"), "integer", False)
    assert found["Camera", "MaximumExposureMs"].pre_init
    assert found["Camera", "CCDTemperature RO"].read_only
    assert found["Camera", "CCDTemperature"].limits == (-100.0, 10.0)
    assert found["Camera", "Mode"].kind == "text"
    assert {device for device, _ in found} == {"Camera", "Objective", "XY", "Z", "White Light Shutter"}


def test_moves_set_off_and_steps_add_up(controls: DeviceControls):
    controls.move_to_um(300.0, 0.0)
    assert controls.read().busy
    controls.move_by_um(0.0, 150.0)  # the stage is still on its way: the step starts from where it is sent to
    controls.move_z_to_um(5.0)
    controls.move_z_by_um(-2.0)
    wait_until(lambda: not controls.read().busy)
    state = controls.read()
    assert state.xy_um == pytest.approx((300.0, 150.0), abs=0.01)
    assert state.z_um == pytest.approx(3.0)
    controls.home_origin()
    wait_until(lambda: not controls.read().busy)
    assert controls.read().xy_um == pytest.approx((0.0, 0.0), abs=0.01)


def test_halt_stops_the_stage_immediately(controls: DeviceControls):
    controls.move_to_um(50_000.0, 0.0)  # 50 s
    time.sleep(0.05)
    controls.halt()
    state = controls.read()
    assert not state.busy
    assert state.xy_um is not None
    assert 0 < state.xy_um[0] < 5000


def test_halt_waits_for_no_other_call_and_drops_the_moves_that_wait(rig: MicroManager, controls: DeviceControls):
    """The core's thread is busy with something that hangs; a move waits behind it; the operator hits the red button."""
    controls.move_to_um(50_000.0, 0.0)
    hangs, reached, errors = threading.Event(), threading.Event(), []

    def hang() -> None:
        reached.set()
        hangs.wait(30)

    def move() -> None:
        try:
            controls.move_to_um(0.0, 1000.0)
        except DeviceError as error:
            errors.append(str(error))

    hanging = threading.Thread(target=lambda: rig.thread.call("hanging", hang))
    moving = threading.Thread(target=move)
    hanging.start()
    reached.wait(30)
    moving.start()
    time.sleep(0.05)
    began = time.monotonic()
    controls.halt()
    assert time.monotonic() - began < 0.2
    assert not rig.backend.core.device_busy("XY")
    hangs.set()
    hanging.join()
    moving.join()
    assert errors == ["the stage was stopped before this move began"]
    assert not controls.read().busy


def test_a_point_of_a_picture_comes_into_the_middle_on_a_turned_stage_at_rest(
    rig: MicroManager, controls: DeviceControls
):
    orientation, um = Orientation.from_affine((0.0, 0.325, 0.325, 0.0))  # turned, and mirrored
    rig.backend.core.set_pixel_size_affine("Res20x", [0.0, 0.325, 0.0, 0.325, 0.0, 0.0])
    controls.apply_preset("Objective", "20x")
    frame = Preview(rig).snap()
    assert frame.stage_um == (0.0, 0.0, 0.0)
    grid = TileGrid.for_frame((48, 64), 16)
    controls.centre_on(frame, 16 * 3.5, 16 * 0.5)  # the last tile of the first row
    wait_until(lambda: not controls.read().busy)
    assert controls.read().xy_um == pytest.approx(grid.centres_um(orientation, um)[3], abs=0.1)
    controls.move_to_um(0.0, 0.0)
    wait_until(lambda: not controls.read().busy)
    controls.move_by_fields(1, 0, in_picture=True)
    wait_until(lambda: not controls.read().busy)
    assert controls.read().xy_um == pytest.approx((0.0, 64 * um), abs=0.1)

    controls.move_to_um(2000.0, 0.0)
    with pytest.raises(DeviceError, match="the stage was on its way when this picture was taken"):
        controls.centre_on(frame, 0.0, 0.0)
    controls.halt()
    wait_until(lambda: not controls.read().busy)
    x_um, _ = controls.read().xy_um or (0.0, 0.0)
    assert x_um < 1500.0  # not to the picture's place either
    with pytest.raises(DeviceError, match="on its way"):  # a slow stage's position is read now and then
        controls.centre_on(replace(frame, t_mono_ns=time.monotonic_ns()), 0.0, 0.0)
    controls.centre_on(replace(frame, t_mono_ns=time.monotonic_ns() - 10**10), 32.0, 24.0)  # one from before
    wait_until(lambda: not controls.read().busy)
    assert controls.read().xy_um == pytest.approx((0.0, 0.0), abs=0.1)


def test_a_run_does_not_set_off_again_after_halt(rig: MicroManager, controls: DeviceControls):
    plan = PositionList(positions_um=[(0, 0), (20_000, 0), (0, 0)], exposure_ms=1)
    frames = MicroManagerSource(rig, plan, animal_id="m1", section_id="s1").frames(StopToken())
    next(frames)
    threading.Timer(0.1, controls.halt).start()
    with pytest.raises(DeviceError, match="stopped in an emergency, so the run has ended"):
        next(frames)
    x_um = rig.backend.core.get_x_position()
    assert x_um < 15_000
    # and the next run works
    plan = PositionList(positions_um=[(x_um, 0)], exposure_ms=1)
    assert len(list(MicroManagerSource(rig, plan, animal_id="m1", section_id="s1").frames(StopToken()))) == 1


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda c: c.set_exposure_ms(20_000), "gives an exposure of 10 ms, not 20000 ms"),
        (lambda c: c.set_exposure_ms(float("nan")), "exposure cannot be nan ms"),
        (lambda c: c.set_binning("3"), "'Binning' of 'Camera' cannot be '3'. It takes: 1, 2, 4, 8."),
        (
            lambda c: c.set_roi(0, 0, 65, 48),
            r"a region of 65 x 48 px at \(0, 0\) does not lie on the sensor",
        ),
        (lambda c: c.set_roi(10, 10, 0, 5), "a region of 0 x 5 px"),
        (lambda c: c.set_em_gain(9), "cannot be 9. It takes -5 to 8."),
        (lambda c: c.set_em_switch(True), "has no EM switch here"),
        (lambda c: c.set_readout("fast"), "has no read-out mode here"),
        (lambda c: c.set_temperature_set_point(50), "cannot be 50. It takes -100 to 10."),
        (lambda c: c.apply_preset("Objective", "99x"), "no preset '99x' in a group 'Objective'"),
        (lambda c: c.set_objective("99x"), "'Objective' has no objective '99x'"),
        (lambda c: c.move_to_um(70_000, 0), r"x = 70000 um lies outside the stage's limits, -60000 to 60000 um"),
        (lambda c: c.move_by_um(0, -50_000), "y = -50000 um lies outside"),
        (lambda c: c.move_to_um(float("inf"), 0), "x cannot be inf um"),
        (lambda c: c.move_z_to_um(301), "z = 301 um lies outside"),
        (lambda c: c.move_by_fields(10_000, 0, in_picture=True), "um lies outside the stage's limits"),
        (lambda c: c.set_property("Camera", "CCDTemperature RO", "1"), "can only be read"),
        (lambda c: c.set_property("Camera", "MaximumExposureMs", "1"), "only takes effect while"),
        (lambda c: c.set_property("Camera", "Gain", "much"), "takes a number, not 'much'"),
        (lambda c: c.set_property("Camera", "Gain", "0_5"), "takes a number, not '0_5'"),
        (lambda c: c.set_property("Camera", "Gain", "0,5"), "takes a number, not '0,5'"),
        (lambda c: c.set_property("Camera", "Gain", "nan"), "takes a number, not 'nan'"),
        (lambda c: c.set_property("Camera", "Gain", ""), "takes a number, not ''"),
        (lambda c: c.set_property("Camera", "OnCameraCCDXSize", "64.5"), "takes a whole number, not '64.5'"),
        (lambda c: c.set_property("Camera", "OnCameraCCDXSize", "1e2"), "takes a whole number, not '1e2'"),
        (lambda c: c.set_property("Camera", "Gain", "\uff12"), "takes a number"),
        (lambda c: c.set_property("Camera", "Nope", "1"), "'Nope' of a device 'Camera'. Properties of 'Camera' are:"),
        (lambda c: c.set_property("Camera", "gain", "1"), "'gain' of a device 'Camera'. Did you mean 'Gain'?"),
        (lambda c: c.set_property("Nope", "Gain", "1"), "'Gain' of a device 'Nope'. Devices are: "),
        (lambda c: c.set_property("camera", "Gain", "1"), "'Gain' of a device 'camera'. Did you mean 'Camera'?"),
    ],
)
def test_impossible_values_are_refused_in_a_sentence(
    controls: DeviceControls, act: Callable[[DeviceControls], None], message: str
):
    before = controls.read()
    with pytest.raises(DeviceError, match=message):
        act(controls)
    if "gives an exposure" not in message:  # that the device did take, in its own way
        assert controls.read() == before


def test_nothing_turns_before_all_properties_are_looked_at(rig: MicroManager, controls: DeviceControls):
    before = controls.read()
    for wrong in ("Camera,Gain,abc", "Camera,Gian,1", "Camera,CCDTemperature RO,1", "Cam,Gain,1"):
        with pytest.raises(DeviceError):
            OpenRig(rig).set_properties(["Objective,State,2", wrong])
    assert controls.read() == before
    OpenRig(rig).set_properties(["Objective,State,2", "Camera,Gain,1"])
    assert controls.read().objective != before.objective


def test_a_rig_without_anything_but_a_camera(tmp_path: Path, adapters_dir: Path):
    cfg = tmp_path / "camera.cfg"
    cfg.write_text("Device,Cam,DemoCamera,DCam\nProperty,Core,Initialize,1\nProperty,Core,Camera,Cam\n")
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64, roles=RigRoles()) as rig:
        controls = DeviceControls(rig)
        state = controls.read()
        assert (state.xy_um, state.z_um, state.objective, state.limits) == (None, None, None, None)
        assert (state.shutter_open, state.auto_shutter, state.pixel_size_um) == (None, None, 0.0)
        assert state.camera.em_gain is None
        controls.halt()  # there is nothing to stop, and nothing to complain about
        for act, message in (
            (lambda: controls.move_to_um(0, 0), "no motorised stage"),
            (lambda: controls.move_by_um(0, 0), "no motorised stage"),
            (lambda: controls.move_z_by_um(1), "no focus drive"),
            (lambda: controls.set_shutter(is_open=True), "no shutter"),
            (lambda: controls.set_objective("20x"), "names no device for the objective"),
            (lambda: controls.set_em_gain(2), "has no EM gain here"),
        ):
            with pytest.raises(DeviceError, match=message):
                act()


def test_during_a_section_only_what_does_not_spoil_it(rig: MicroManager, controls: DeviceControls):
    stop = StopToken()
    frames = MicroManagerSource(
        rig, TimeSeries(n_frames=9, interval_s=0, exposure_ms=1), animal_id="m1", section_id="s1"
    ).frames(stop)
    next(frames)
    controls.read()
    for act in (
        lambda: controls.set_roi(0, 0, 8, 8),
        lambda: controls.set_binning("2"),
        lambda: controls.apply_preset("Objective", "40x"),
        lambda: controls.set_property("Camera", "BitDepth", "12"),
        lambda: controls.move_to_um(1, 1),
    ):
        with pytest.raises(DeviceError, match="would spoil the section that is being acquired"):
            act()
    controls.set_exposure_ms(3.0)
    controls.move_z_to_um(2.0)
    frame = next(frames)
    assert (frame.exposure_ms, frame.stage_um) == (3.0, (0.0, 0.0, 2.0))
    stop.request()
    assert list(frames) == []
    controls.move_to_um(1, 1)


def test_the_position_is_read_during_a_sequence(rig: MicroManager, controls: DeviceControls):
    frames = MicroManagerSource(rig, Sequence(exposure_ms=1), animal_id="m1", section_id="s1").frames(StopToken())
    before = controls.read()
    next(frames)
    during = controls.read()
    assert during.xy_um == before.xy_um
    assert during.camera.exposure_ms == before.camera.exposure_ms  # as it was: the camera's buffer needs the time
    frames.close()  # type: ignore[attr-defined]  # it is a generator; the protocol promises an iterator only


def test_the_camera_is_set_at_rest_while_a_preview_runs(rig: MicroManager, controls: DeviceControls):
    preview = Preview(rig)
    preview.start()
    try:
        controls.set_binning("2")  # which the demo camera refuses while it runs
        wait_until(lambda: (frame := preview.latest()) is not None and frame.pixels.shape == (24, 32))
        controls.set_roi(0, 0, 16, 8)
        wait_until(lambda: (frame := preview.latest()) is not None and frame.pixels.shape == (8, 16))
        assert preview.error is None
    finally:
        preview.stop()

"""The live source on Micro-Manager's real demo devices: what is read back, how it stops, what goes wrong."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.errors import CameraError, ConfigError, DeviceError, FramesLost, PlanError, RigError
from hcc_scope.microscope import stall
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import PositionList, RandomFields, Sequence, TimeSeries
from hcc_scope.protocols import FrameSource
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.runs.rigs import open_rig
from hcc_scope.types import RigRoles, StageLimits
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hcc_scope.plans import Plan
    from hcc_scope.types import Frame

    MakeCfg = Callable[..., Path]

ROLES = load_rig("demo").roles
STEP_UM = 0.015
"""The demo stage moves in steps of this size: what it reads back is not what was sent."""
TINY = {"OnCameraCCDXSize": 64, "OnCameraCCDYSize": 48}


@pytest.fixture
def tiny_rig(demo_cfg: MakeCfg, adapters_dir: Path) -> Iterator[MicroManager]:
    """Return the demo rig with 64 x 48 pixels."""
    with MicroManager.start(demo_cfg(**TINY), adapters_dir=adapters_dir, buffer_size_mb=64, roles=ROLES) as rig:
        yield rig


def source(rig: MicroManager, plan: Plan, **more: object) -> MicroManagerSource:
    return MicroManagerSource(rig, plan, animal_id="m1", section_id="s1", **more)  # type: ignore[arg-type]  # passed on as they are


def take(rig: MicroManager, plan: Plan, stop: StopToken | None = None, **more: object) -> list[Frame]:
    return list(source(rig, plan, **more).frames(stop or StopToken()))


def works(rig: MicroManager) -> None:
    """Check that the next run works, alone and as a sequence."""
    assert [frame.seq for frame in take(rig, PositionList(positions_um=[(0, 0), (30, 0)], exposure_ms=5))] == [0, 1]
    assert [frame.camera_frame for frame in take(rig, Sequence(n_frames=3, exposure_ms=5))] == [0, 1, 2]


# --- what is read back ---


def test_each_frame_records_what_the_devices_report(demo_cfg: MakeCfg, adapters_dir: Path):
    cfg = demo_cfg(**TINY, Gain=3)
    plan = PositionList(positions_um=[(0, 0), (100, 50), (-20, -7.3, 12.5)], exposure_ms=5)
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64, roles=ROLES) as rig:
        frames = take(rig, plan)
    assert [frame.seq for frame in frames] == [0, 1, 2]
    for frame, planned in zip(frames, [(0, 0, 0), (100, 50, 0), (-20, -7.3, 12.5)], strict=True):
        assert frame.stage_um is not None
        assert np.allclose(frame.stage_um, planned, rtol=0, atol=STEP_UM / 2)
        assert (frame.tags["planned_x_um"], frame.tags["planned_y_um"]) == planned[:2]
        assert (frame.exposure_ms, frame.em_gain, frame.temperature_c) == (5.0, 3.0, -70.0)
        assert (frame.objective, frame.pixel_size_um, frame.bit_depth) == ("20x", 0.325, 16)
        assert (frame.pixels.shape, frame.pixels.dtype) == ((48, 64), np.uint16)
        assert frame.section_id == "s1"
        assert frame.tags["temperature_set_point_c"] == -70.0
        assert frame.camera_frame is None  # the core counts only the images of a sequence
    assert frames[1].stage_um == (100.005, 49.995, 0.0)  # read back, not what was planned
    assert frames[0].t_mono_ns < frames[1].t_mono_ns < frames[2].t_mono_ns
    assert frames[0].t_utc < frames[1].t_utc


def test_pixels_are_owned_and_read_only(tiny_rig: MicroManager):
    for plan in (PositionList(positions_um=[(0, 0)] * 2), Sequence(n_frames=2)):
        first, second = take(tiny_rig, plan)
        assert first.pixels.base is None
        assert first.pixels.flags.c_contiguous
        assert not first.pixels.flags.writeable
        assert not np.shares_memory(first.pixels, second.pixels)


def test_the_spec_is_known_before_the_first_frame(demo_cfg: MakeCfg, adapters_dir: Path):
    rig_file = load_rig(demo_cfg(**TINY))
    with MicroManager.start(rig_file.config, adapters_dir=adapters_dir, buffer_size_mb=64, roles=ROLES) as rig:
        made = source(
            rig,
            RandomFields(n_fields=4, rectangle_um=(0, 0, 500, 500)),
            model_sha256="ab",
            tile_px=32,
            software={"hcc-scope": "1"},
            provenance={"day": 2},
        )
        spec = made.spec
    assert isinstance(made, FrameSource)
    assert made.live
    assert (spec.frame_shape_yx, spec.bit_depth, spec.pixel_size_um, spec.tile_px) == ((48, 64), 16, 0.325, 32)
    assert (spec.sampling, spec.expected_frames, spec.model_sha256) == ("random", 4, "ab")
    assert spec.rig_sha256 == hashlib.sha256(rig_file.config.read_bytes()).hexdigest()
    assert {"hcc-scope", "pymmcore", "micro-manager"} <= set(spec.software)
    assert (spec.provenance["day"], spec.provenance["camera_library"]) == (2, "DemoCamera")


def test_a_sequence_has_no_gap_and_keeps_the_cameras_tags(tiny_rig: MicroManager):
    frames = take(tiny_rig, Sequence(n_frames=60, exposure_ms=1, position_um=(30, 45)))
    assert [frame.camera_frame for frame in frames] == [frame.seq for frame in frames] == list(range(60))
    assert {frame.stage_um for frame in frames} == {(30.0, 45.0, 0.0)}
    times = [frame.t_mono_ns for frame in frames]
    assert times == sorted(times)
    assert frames[7].tags["axis_time"] == 7
    assert frames[7].tags["ImageNumber"] == "7"
    assert frames[7].tags["PixelType"] == "GRAY16"


def test_an_endless_sequence_ends_when_asked(tiny_rig: MicroManager):
    stop = StopToken()
    frames = []
    for frame in source(tiny_rig, Sequence(exposure_ms=1)).frames(stop):
        frames.append(frame)
        if frame.seq == 20:
            stop.request()
    assert [frame.camera_frame for frame in frames] == list(range(len(frames)))
    assert len(frames) > 20
    works(tiny_rig)


def test_a_time_series_waits_for_its_times(tiny_rig: MicroManager):
    began_ns = time.monotonic_ns()
    frames = take(tiny_rig, TimeSeries(n_frames=4, interval_s=0.1, exposure_ms=2))
    assert len(frames) == 4
    for i, frame in enumerate(frames):
        assert frame.t_mono_ns - began_ns >= i * 100_000_000


def test_the_plan_sets_exposure_and_objective(tiny_rig: MicroManager):
    plan = PositionList(positions_um=[(0, 0)], exposure_ms=3, config_group=("Objective", "40x"))
    made = source(tiny_rig, plan)
    assert made.spec.pixel_size_um == 0.1625
    frame = next(iter(made.frames(StopToken())))
    assert (frame.exposure_ms, frame.objective, frame.pixel_size_um) == (3.0, "40x", 0.1625)
    assert take(tiny_rig, PositionList(positions_um=[(0, 0)], exposure_ms=8))[0].exposure_ms == 8.0


def test_eight_bit_images_are_widened(demo_cfg: MakeCfg, adapters_dir: Path):
    cfg = demo_cfg(**TINY, PixelType="8bit", BitDepth=8, FastImage=0)
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64) as rig:
        frames = take(rig, PositionList(positions_um=[(0, 0)])) + take(rig, Sequence(n_frames=1))
    for frame in frames:
        assert (frame.pixels.dtype, frame.bit_depth) == (np.uint16, 8)
        assert 0 < frame.pixels.max() <= 255


def test_a_rig_without_stage_or_focus(tmp_path: Path, adapters_dir: Path):
    cfg = tmp_path / "camera.cfg"
    cfg.write_text("Device,Cam,DemoCamera,DCam\nProperty,Core,Initialize,1\nProperty,Core,Camera,Cam\n")
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64, pixel_size_um=0.5) as rig:
        frame = take(rig, TimeSeries(n_frames=1, interval_s=0))[0]
        assert (frame.stage_um, frame.em_gain, frame.objective, frame.temperature_c) == (None, None, None, None)
        assert frame.pixel_size_um == 0.5
        with pytest.raises(PlanError, match="the configuration has no XY stage"):
            source(rig, PositionList(positions_um=[(0, 0)]))
        with pytest.raises(PlanError, match="the configuration has no XY stage"):
            source(rig, Sequence(position_um=(0, 0)))
        with pytest.raises(PlanError, match="the configuration has no focus drive"):
            source(rig, Sequence(z_um=3))


def test_a_later_position_needs_the_focus(demo_cfg: MakeCfg, adapters_dir: Path):
    cfg = demo_cfg(**TINY)
    cfg.write_text("".join(line for line in cfg.read_text().splitlines(True) if ",Core,Focus," not in line))
    with (
        MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64) as rig,
        pytest.raises(PlanError, match="the configuration has no focus drive"),
    ):
        source(rig, PositionList(positions_um=[(0, 0), (0, 0, 3)]))


@pytest.mark.parametrize(("wanted_ms", "taken_ms"), [(20_000, "10"), (0.0001, "0")])
def test_an_exposure_that_the_camera_does_not_take_is_refused(tiny_rig: MicroManager, wanted_ms: float, taken_ms: str):
    with pytest.raises(CameraError, match=rf"exposure of {wanted_ms:g} ms, but camera 'Camera' gives {taken_ms} ms"):
        source(tiny_rig, PositionList(positions_um=[(0, 0)], exposure_ms=wanted_ms))
    works(tiny_rig)


def test_an_exposure_may_be_rounded_a_little(tiny_rig: MicroManager):
    assert take(tiny_rig, Sequence(n_frames=1, exposure_ms=1.234))[0].exposure_ms == 1.23


def test_another_configuration_in_the_same_process(demo_cfg: MakeCfg, adapters_dir: Path):
    for size in (64, 96):
        cfg = demo_cfg(f"{size}.cfg", OnCameraCCDXSize=size, OnCameraCCDYSize=size)
        with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64) as rig:
            assert take(rig, PositionList(positions_um=[(0, 0)]))[0].pixels.shape == (size, size)


# --- stopping ---


def stopped_after(s: float) -> tuple[StopToken, threading.Timer]:
    stop = StopToken()
    timer = threading.Timer(s, stop.request)
    timer.start()
    return stop, timer


@pytest.mark.parametrize(
    "plan",
    [
        PositionList(positions_um=[(0, 0)], exposure_ms=2000),
        Sequence(n_frames=5, exposure_ms=2000),
        TimeSeries(n_frames=2, interval_s=3600, exposure_ms=1),
        PositionList(positions_um=[(50_000, 0)], exposure_ms=1),
    ],
    ids=["long exposure", "long exposure in a sequence", "waiting for its time", "stage on its way"],
)
def test_it_stops_at_any_moment_and_the_next_run_works(demo_cfg: MakeCfg, adapters_dir: Path, plan: Plan):
    # 1 mm/s: the long move takes 50 s
    cfg = demo_cfg(**TINY, Velocity=1 if isinstance(plan, PositionList) else 40)
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64) as rig:
        stop, timer = stopped_after(0.3)
        frames = take(rig, plan, stop)
        timer.join()
        # None of the waits came to its end: an exposure under way was left, the stage halted, the pause cut short.
        assert len(frames) == (1 if isinstance(plan, TimeSeries) else 0)
        works(rig)


def test_stop_before_the_first_frame(tiny_rig: MicroManager):
    stop = StopToken()
    stop.request()
    assert take(tiny_rig, PositionList(positions_um=[(0, 0)]), stop) == []
    works(tiny_rig)


def test_frames_already_exposed_are_delivered_after_a_stop(tiny_rig: MicroManager):
    """The consumer is slow, frames wait in the camera's buffer, then it stops: none of them is thrown away."""
    core = tiny_rig.backend.core
    stop = StopToken()
    frames = source(tiny_rig, Sequence(n_frames=10_000, exposure_ms=1)).frames(stop)
    got = [next(frames)]
    while core.get_remaining_image_count() < 30:
        time.sleep(0.001)
    stop.request()
    got += list(frames)
    assert len(got) > 30
    assert [frame.camera_frame for frame in got] == list(range(len(got)))
    assert core.get_remaining_image_count() == 0


def test_a_consumer_that_walks_away_stops_the_camera(tiny_rig: MicroManager):
    frames = source(tiny_rig, Sequence(exposure_ms=1)).frames(StopToken())
    next(frames)
    frames.close()  # type: ignore[attr-defined]  # it is a generator; the protocol promises an iterator only
    assert not tiny_rig.backend.core.is_sequence_running()
    works(tiny_rig)


# --- what goes wrong ---


def test_an_overflow_loses_no_frame_that_was_before_it(demo_cfg: MakeCfg, adapters_dir: Path):
    cfg = demo_cfg(OnCameraCCDXSize=512, OnCameraCCDYSize=512)
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=8) as rig:
        core = rig.backend.core
        frames = source(rig, Sequence(n_frames=1000, exposure_ms=1)).frames(StopToken())
        got = [next(frames)]
        while not core.is_buffer_overflowed():
            time.sleep(0.001)
        with pytest.raises(FramesLost, match=r"buffer of camera 'Camera' overflowed after frame \d+") as error:
            got.extend(frames)
        assert error.value.n_lost >= 1
        assert len(got) >= core.get_buffer_total_capacity() == 16
        assert [frame.camera_frame for frame in got] == [frame.seq for frame in got] == list(range(len(got)))
        works(rig)


def test_an_overflow_is_reported_although_the_run_was_stopped(demo_cfg: MakeCfg, adapters_dir: Path):
    with MicroManager.start(demo_cfg(**TINY), adapters_dir=adapters_dir, buffer_size_mb=1) as rig:
        core, stop = rig.backend.core, StopToken()
        frames = source(rig, Sequence(exposure_ms=1)).frames(stop)
        got = [next(frames)]
        while not core.is_buffer_overflowed():
            time.sleep(0.001)
        stop.request()
        with pytest.raises(FramesLost, match=r"overflowed after frame \d+, at least 1 frame was lost"):
            got.extend(frames)
        assert len(got) >= core.get_buffer_total_capacity()
        works(rig)


def test_a_gap_in_the_cameras_counter_is_a_loss(tiny_rig: MicroManager):
    frames = source(tiny_rig, Sequence(n_frames=10_000, exposure_ms=1)).frames(StopToken())
    assert next(frames).camera_frame == 0
    core = tiny_rig.backend.core
    while core.get_remaining_image_count() < 3:
        time.sleep(0.001)
    core.pop_next_image()  # somebody else, such as a preview that pops, takes two frames away
    core.pop_next_image()
    with pytest.raises(FramesLost, match="counter went from 0 to 3") as error:
        next(frames)
    assert error.value.n_lost == 2
    works(tiny_rig)


def test_a_device_that_fails_midway_is_named(tiny_rig: MicroManager):
    frames = source(tiny_rig, PositionList(positions_um=[(0, 0), (10, 0)])).frames(StopToken())
    assert next(frames).seq == 0
    tiny_rig.backend.core.unload_device("XY")
    with pytest.raises(DeviceError, match="moving stage 'XY' to x = 10, y = 0 um failed: No device with label \"XY\""):
        next(frames)


def test_a_camera_that_fails_midway_is_named(tiny_rig: MicroManager):
    frames = source(tiny_rig, TimeSeries(n_frames=3, interval_s=0)).frames(StopToken())
    next(frames)
    tiny_rig.backend.core.unload_device("Camera")
    with pytest.raises(DeviceError, match="the exposure of camera 'Camera' failed: Camera not loaded"):
        next(frames)


def test_a_camera_that_stops_by_itself(tiny_rig: MicroManager):
    frames = source(tiny_rig, Sequence(n_frames=1000, exposure_ms=1)).frames(StopToken())
    next(frames)
    tiny_rig.backend.core.stop_sequence_acquisition()
    with pytest.raises(CameraError, match=r"camera 'Camera' stopped by itself after \d+ frames"):
        list(frames)
    works(tiny_rig)


def test_a_camera_that_delivers_nothing_in_time(demo_cfg: MakeCfg, adapters_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stall, "MARGIN_S", 0.3)
    with MicroManager.start(demo_cfg(**TINY, ReadoutTime=1500), adapters_dir=adapters_dir, buffer_size_mb=64) as rig:
        with pytest.raises(
            CameraError, match=r"did not end within 0\.3 s \(last state: exposing, exposure 1 ms, no frame yet\)"
        ):
            take(rig, PositionList(positions_um=[(0, 0)], exposure_ms=1))
        monkeypatch.undo()
        rig.backend.core.set_property("Camera", "ReadoutTime", 0)
        works(rig)


def test_an_objective_changed_midway_ends_the_run(tiny_rig: MicroManager):
    frames = source(tiny_rig, TimeSeries(n_frames=3, interval_s=0)).frames(StopToken())
    next(frames)
    tiny_rig.backend.core.set_property("Objective", "Label", "10x")
    tiny_rig.hardware.forget()
    with pytest.raises(RigError, match=r"the pixel size changed from 0\.325 to 0\.65 um during the run"):
        next(frames)


@pytest.mark.parametrize("plan", [TimeSeries(n_frames=3, interval_s=0), Sequence(n_frames=3)])
def test_another_bit_depth_than_promised_is_refused(tiny_rig: MicroManager, plan: Plan):
    made = source(tiny_rig, plan)
    tiny_rig.backend.core.set_property("Camera", "BitDepth", 12)
    with pytest.raises(CameraError, match="bit depth has changed since the run was prepared"):
        next(iter(made.frames(StopToken())))


def test_a_bit_depth_changed_midway_ends_the_run(tiny_rig: MicroManager):
    frames = source(tiny_rig, TimeSeries(n_frames=3, interval_s=0)).frames(StopToken())
    next(frames)
    tiny_rig.backend.core.set_property("Camera", "BitDepth", 12)
    with pytest.raises(CameraError, match="the bit depth changed from 16 to 12 during the run"):
        list(frames)


def test_what_the_user_changes_between_two_exposures_is_seen_in_the_next(tiny_rig: MicroManager):
    core = tiny_rig.backend.core
    frames = source(tiny_rig, TimeSeries(n_frames=2, interval_s=0)).frames(StopToken())
    next(frames)
    core.set_exposure(7.0)
    core.set_property("Camera", "Gain", 5)
    second = next(frames)
    assert (second.exposure_ms, second.em_gain) == (7.0, 5.0)


def test_an_error_of_ours_does_not_leave_the_camera_running(tiny_rig: MicroManager, monkeypatch: pytest.MonkeyPatch):
    frames = source(tiny_rig, Sequence(exposure_ms=1)).frames(StopToken())
    next(frames)

    def broken(wait_s: float) -> None:
        raise ValueError("a tag that is no number")

    monkeypatch.setattr(tiny_rig.camera, "pop", broken)
    with pytest.raises(ValueError, match="a tag that is no number"):
        next(frames)
    assert not tiny_rig.backend.core.is_sequence_running()
    monkeypatch.undo()
    works(tiny_rig)


def test_a_camera_that_cannot_be_stopped_does_not_hide_the_first_error(
    tiny_rig: MicroManager, monkeypatch: pytest.MonkeyPatch
):
    frames = source(tiny_rig, Sequence(n_frames=1000, exposure_ms=1)).frames(StopToken())
    next(frames)

    def broken() -> None:
        raise DeviceError("it does not stop")

    tiny_rig.backend.core.stop_sequence_acquisition()
    with monkeypatch.context() as patched:
        patched.setattr(tiny_rig.camera, "stop", broken)
        with pytest.raises(CameraError, match="stopped by itself") as error:
            list(frames)
    assert error.value.__notes__ == ["then, stopping the camera: it does not stop"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"PixelType": "32bitRGB"}, "delivers colour images"),
        ({"PixelType": "64bitRGB"}, "delivers colour images"),
        ({"PixelType": "32bit"}, "delivers 32-bit images"),
    ],
)
def test_images_that_are_not_grey_are_refused(
    demo_cfg: MakeCfg, adapters_dir: Path, settings: dict[str, str], message: str
):
    with (
        MicroManager.start(demo_cfg(**TINY, **settings), adapters_dir=adapters_dir, buffer_size_mb=64) as rig,
        pytest.raises(CameraError, match=message),
    ):
        source(rig, Sequence(n_frames=1))


def test_an_unknown_pixel_size_is_refused(demo_cfg: MakeCfg, adapters_dir: Path):
    cfg = demo_cfg(**TINY)
    cfg.write_text("\n".join(line for line in cfg.read_text().splitlines() if "PixelSize" not in line) + "\n")
    with (
        MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64) as rig,
        pytest.raises(ConfigError, match=r"the size of a pixel on the specimen is unknown.*set pixel_size_um"),
    ):
        source(rig, Sequence(n_frames=1))


def test_plans_are_checked_before_anything_moves(tiny_rig: MicroManager, demo_cfg: MakeCfg, adapters_dir: Path):
    with pytest.raises(PlanError, match="holds no position"):
        source(tiny_rig, PositionList(positions_um=[]))
    with pytest.raises(PlanError, match=r"position 1 .* outside the section"):
        source(tiny_rig, PositionList(positions_um=[(9, 9)]), outline_um=np.array([(0, 0), (5, 0), (0, 5)]))
    with pytest.raises(PlanError, match=r"preset '99x' of group 'Objective'.*Its groups are: .*Objective"):
        source(tiny_rig, PositionList(positions_um=[(0, 0)], config_group=("Objective", "99x")))
    tiny_rig.close()
    limits = StageLimits((0.0, 100.0), (0.0, 100.0))
    with (
        MicroManager.start(demo_cfg(**TINY), adapters_dir=adapters_dir, buffer_size_mb=64, limits=limits) as rig,
        pytest.raises(PlanError, match=r"position 2 .* x = 101 um"),
    ):
        source(rig, PositionList(positions_um=[(100, 0), (101, 0)]))


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("Device,Cam,Andor,Andor\n", DeviceError, r"cfg:1: the device adapter 'Andor' cannot be loaded from"),
        (
            "Device,Cam,DemoCamera,Nope\n",
            ConfigError,
            r'cfg:1: .*failed to instantiate device "Nope". .DemoCamera. has: DCam, ',
        ),
        ("Device,Cam,DemoCamera,DCamm\n", ConfigError, "Did you mean 'DCam'?"),
        (
            "Device,Cam,DemoCamera,DCam\nProperty,Core,Initialize,1\nProperty,Cam,Nope,1\n",
            ConfigError,
            r"cfg:3: .*Nope",
        ),
        (
            "Device,Cam,DemoCamera,DCam\nProperty,Core,Initialize,1\nConfigGroup,System,Startup,Cam,BitDepth,77\n",
            ConfigError,
            r'cfg:3: Micro-Manager refuses the configuration: Cannot set property "BitDepth" to "77"',
        ),
        (
            "Device,XY,DemoCamera,DXYStage\nProperty,Core,Initialize,1\n",
            CameraError,
            "the configuration names no camera",
        ),
        (
            "Device,Multi,Utilities,Multi Camera\nProperty,Core,Initialize,1\nProperty,Core,Camera,Multi\n",
            CameraError,
            "camera 'Multi' has no image size",
        ),
    ],
    ids=["adapter", "device", "slip", "property", "startup", "camera", "size"],
)
def test_configurations_that_do_not_load(
    tmp_path: Path, adapters_dir: Path, demo_cfg: MakeCfg, text: str, kind: type[RigError], message: str
):
    cfg = tmp_path / "bad.cfg"
    cfg.write_text(text)
    with pytest.raises(kind, match=message):
        MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=64)
    with MicroManager.start(
        demo_cfg(**TINY), adapters_dir=adapters_dir, buffer_size_mb=64
    ) as rig:  # and the core is as good as before
        works(rig)


def test_faults_in_the_rig_are_placed_with_a_hint(tmp_path: Path, demo_cfg: MakeCfg):
    cfg = demo_cfg(OnCameraCCDXSize=1024, OnCameraCCDYSize=1024)
    rig_file = tmp_path / "small.rig.yaml"
    rig_file.write_text(f"config: {cfg}\nbuffer_size_mb: 1\n")
    message = r"yaml:2: buffer_size_mb is 1 MiB, and one image of 1024 x 1024 px takes 2 MiB. Set it to 32 or more.$"
    with pytest.raises(ConfigError, match=message), open_rig(rig_file):
        pass
    cfg.write_text(
        cfg.read_text().replace("Property,Core,Initialize,1", "Property,Core,Initialize,1\nProperty,XY,Nope,1")
    )
    with (
        pytest.raises(ConfigError, match=r"Nope.*Correct the line, or remove it: then 'hcc-scope devices --rig "),
        open_rig(rig_file),
    ):
        pass


def test_a_configuration_that_is_not_there(tmp_path: Path, adapters_dir: Path):
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*none\.cfg: No such file"):
        MicroManager.start(tmp_path / "none.cfg", adapters_dir=adapters_dir, buffer_size_mb=64)


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (RigRoles(em_gain="EMGain"), "role em_gain names the property 'EMGain'"),
        (RigRoles(em_gain="gain"), r"camera 'Camera' does not have\. Did you mean 'Gain'\?"),
        (RigRoles(temperature="Mode"), r"temperature names the property 'Mode' .* holds a text \('.*'\) and no number"),
        (RigRoles(em_gain="PixelType"), "em_gain names the property 'PixelType' .* holds a text"),
        (RigRoles(em_gain="CCDTemperature RO"), "em_gain names .* 'CCDTemperature RO' .* can only be read"),
        (RigRoles(em_gain="MaximumExposureMs"), "em_gain names .* only takes effect while the configuration is loaded"),
        (RigRoles(temperature_set_point="CCDTemperature RO"), "temperature_set_point names .* can only be read"),
        (RigRoles(objective="Turret"), "'Turret', which is not loaded"),
        (RigRoles(objective="Camera"), r"'Camera', which is no turret\. Name a device with positions: Objective"),
        (RigRoles(objective="Core"), "'Core', which is no turret"),
    ],
)
def test_roles_that_do_not_exist(demo_cfg: MakeCfg, adapters_dir: Path, roles: RigRoles, message: str):
    with pytest.raises(ConfigError, match=message):
        MicroManager.start(demo_cfg(**TINY), adapters_dir=adapters_dir, buffer_size_mb=64, roles=roles)


def test_one_rig_at_a_time(tiny_rig: MicroManager, demo_cfg: MakeCfg, adapters_dir: Path):
    with pytest.raises(RigError, match="already in use"):
        MicroManager.start(demo_cfg("second.cfg", **TINY), adapters_dir=adapters_dir, buffer_size_mb=64)
    with pytest.raises(RigError, match="already runs its own Micro-Manager"):
        MicroManager.attach()
    works(tiny_rig)
    tiny_rig.close()
    tiny_rig.close()  # idempotent
    with pytest.raises(DeviceError, match="the connection to Micro-Manager is closed"):
        tiny_rig.facts()

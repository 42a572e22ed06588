"""The simulated operator: it moves the demo's devices, which have no role, and nothing but the demo's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.errors import RigError
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.simulated_operator import HandScene, SimulatedOperator
from hcc_scope.orientation import Orientation
from hcc_scope.phantom import Specimen
from hcc_scope.phantom.hand import HandScript
from hcc_scope.phantom.hand_motion import Pose
from hcc_scope.phantom.hand_play import PlayedScript
from hcc_scope.runs.rigs import open_rig

if TYPE_CHECKING:
    from pathlib import Path

POSES = (Pose(0.0, 0.0, 0.0, 0.0), Pose(0.1, 120.0, -40.0, 0.0), Pose(0.2, 120.0, -40.0, 9.0))


def hand():
    return PlayedScript(HandScript(1, 10.0, (333.0, 333.0), POSES, ()))


def test_it_moves_the_devices_of_a_rig_that_has_no_stage_for_anyone_else():
    specimen = Specimen(1, "A1", "S1", "high")
    with open_rig("demo-by-hand") as opened:
        rig = opened.microscope
        assert opened.warnings() == ()
        assert (rig.facts().shape_yx, rig.facts().pixel_size_um) == ((1024, 1024), pytest.approx(0.325))
        assert (rig.hardware.xy_stage, rig.hardware.focus) == ("", "")
        operator = SimulatedOperator(rig, hand())
        scene = HandScene(specimen, operator)
        frames, times_s = [], []
        while not operator.over:
            times_s.append(rig.thread.call("moving", lambda: operator.before_frame(None)))
            assert rig.thread.call("reading", rig.camera.snap).stage_um is None
            frames.append(
                scene.paint(
                    (128, 128),
                    stage_um=None,
                    exposure_ms=10.0,
                    em_gain=None,
                    um_per_px=0.325,
                    orientation=Orientation(),
                    seq=len(frames),
                )
            )
        core = rig.backend.core
        assert (core.get_x_position("Hand XY"), core.get_y_position("Hand XY")) == pytest.approx(
            (120.0, -40.0), abs=0.02
        )  # the demo stage moves in steps
        assert core.get_position("Hand Z") == pytest.approx(9.0)
    assert times_s == [0.0, 0.1, 0.2]  # the hand's own clock
    for frame, pose in zip(frames, POSES, strict=True):
        field = specimen.render(pose.x_um, pose.y_um, pose.z_um, (128, 128), 0.325)
        assert np.corrcoef(frame.ravel(), field.ravel())[0, 1] > 0.9


def test_it_is_refused_on_anything_but_the_demo(tmp_path: Path, adapters_dir: Path):
    cfg = tmp_path / "a.cfg"
    demo_stage = "Device,XY,DemoCamera,DXYStage\nDevice,Z,DemoCamera,DStage\n"
    other_camera = "Device,Hub,SequenceTester,THub\nDevice,Cam,SequenceTester,TCamera\nParent,Cam,Hub\n"
    demo_camera = "Device,Cam,DemoCamera,DCam\n"
    other_stage = "Device,Hub,SequenceTester,THub\nDevice,XY,SequenceTester,TXYStage\nParent,XY,Hub\n"
    for devices, message in (
        (other_camera + demo_stage, "before the DemoCamera alone, and this camera is a 'SequenceTester'"),
        (demo_camera + other_stage, "moves the DemoCamera's XY stage, and this configuration has none"),
    ):
        cfg.write_text(f"{devices}Property,Core,Initialize,1\nProperty,Core,Camera,Cam\n")
        with (
            MicroManager.start(cfg, adapters_dir=adapters_dir, pixel_size_um=0.325, buffer_size_mb=64) as rig,
            pytest.raises(RigError, match=message),
        ):
            SimulatedOperator(rig, hand())

"""The phantom in front of the demo camera: painted where the stage reads back, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.errors import DeviceError, RigError
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.phantom_scene import PhantomScene
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.plans import PositionList, RandomFields, Sequence
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hcc_scope.plans import Plan
    from hcc_scope.types import Frame

SHAPE = (96, 128)
SETTINGS = {"OnCameraCCDXSize": 128, "OnCameraCCDYSize": 96}


@pytest.fixture(scope="module")
def specimen() -> Specimen:
    return Specimen(seed=1, animal="A1", section="S1", tumour_class="high")


@pytest.fixture
def rig(demo_cfg: Callable[..., Path], adapters_dir: Path) -> Iterator[MicroManager]:
    cfg = demo_cfg(**SETTINGS)
    roles = load_rig("demo").roles
    with MicroManager.start(cfg, adapters_dir=adapters_dir, roles=roles, buffer_size_mb=64) as opened:
        yield opened


def take(rig: MicroManager, plan: Plan, specimen: Specimen) -> list[Frame]:
    scene = PhantomScene(specimen)
    source = MicroManagerSource(
        rig,
        plan,
        animal_id="A1",
        section_id="S1",
        scene=scene,
        outline_um=specimen.outline_um,
        provenance=scene.provenance,
    )
    assert source.spec.provenance["specimen"] == "phantom"
    return list(source.frames(StopToken()))


def contrast(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> float:
    """Return the spread of neighbouring pixels, which defocus takes away."""
    return float(np.abs(np.diff(pixels.astype(float), axis=1)).mean())


def test_the_scene_is_the_field_at_the_position_read_back(rig: MicroManager, specimen: Specimen):
    plan = PositionList(positions_um=[(0, 0), (100, 50), (-500, 200)], exposure_ms=8)
    frames = take(rig, plan, specimen)
    assert len(frames) == 3
    for frame in frames:
        assert frame.stage_um is not None
        x_um, y_um, z_um = frame.stage_um
        assert z_um == 0.0
        field = specimen.render(x_um, y_um, z_um, SHAPE, 0.325)
        mean, variance = CameraPhysics().expected(field, exposure_ms=8.0, day=specimen.day_effect)
        assert frame.pixels.shape == SHAPE
        assert not frame.pixels.flags.writeable
        # Every pixel is within 7 standard deviations of what the camera must see there (vignetting takes up to a half)
        assert (frame.pixels <= mean + 7 * np.sqrt(variance)).all()
        assert np.corrcoef(frame.pixels.ravel(), field.ravel())[0, 1] > 0.9
        elsewhere = specimen.render(x_um + 200, y_um, z_um, SHAPE, 0.325)
        assert np.corrcoef(frame.pixels.ravel(), elsewhere.ravel())[0, 1] < 0.5


def test_the_same_run_gives_the_same_frames(rig: MicroManager, specimen: Specimen):
    """What was prepared in the background, and whether it was ready, must not show."""
    plan = RandomFields(n_fields=4, seed=5, rectangle_um=(-600, -600, 600, 600), exposure_ms=1)
    first = take(rig, plan, specimen)
    fresh = Specimen(seed=1, animal="A1", section="S1", tumour_class="high", cache_mb=1)
    second = take(rig, plan, fresh)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.pixels, other.pixels)


def test_exposure_and_focus_reach_the_scene(rig: MicroManager, specimen: Specimen):
    sharp, blurred = take(rig, PositionList(positions_um=[(0, 0, 0), (0, 0, 12)], exposure_ms=8), specimen)
    assert contrast(blurred.pixels) < 0.8 * contrast(sharp.pixels)
    (dim,) = take(rig, PositionList(positions_um=[(0, 0, 0)], exposure_ms=4), specimen)
    offset = CameraPhysics().offset_counts
    assert (dim.pixels.mean() - offset) / (sharp.pixels.mean() - offset) == pytest.approx(0.5, rel=0.02)


def test_each_frame_of_a_sequence_has_its_own_noise(rig: MicroManager, specimen: Specimen):
    first, second = take(rig, Sequence(n_frames=2, exposure_ms=4, position_um=(0, 0)), specimen)
    assert [first.camera_frame, second.camera_frame] == [0, 1]
    assert not np.array_equal(first.pixels, second.pixels)
    assert np.corrcoef(first.pixels.ravel(), second.pixels.ravel())[0, 1] > 0.9


def test_tissue_is_never_painted_onto_another_camera(tmp_path: Path, adapters_dir: Path, specimen: Specimen):
    cfg = tmp_path / "other.cfg"
    cfg.write_text(
        "Device,Hub,SequenceTester,THub\nDevice,Cam,SequenceTester,TCamera\nParent,Cam,Hub\n"
        "Property,Core,Initialize,1\nProperty,Core,Camera,Cam\n"
    )
    with MicroManager.start(cfg, adapters_dir=adapters_dir, pixel_size_um=0.325, buffer_size_mb=64) as rig:
        plain = MicroManagerSource(rig, Sequence(n_frames=1), animal_id="A1", section_id="S1")
        assert plain.spec.provenance["camera_library"] == "SequenceTester"
        with pytest.raises(RigError, match="only be shown to the DemoCamera, and this camera is a 'SequenceTester'"):
            take(rig, Sequence(n_frames=1), specimen)


def test_a_camera_swapped_after_the_source_was_made_is_refused_too(
    tmp_path: Path, adapters_dir: Path, specimen: Specimen
):
    cfg = tmp_path / "two.cfg"
    cfg.write_text(
        "Device,Cam,DemoCamera,DCam\nDevice,Hub,SequenceTester,THub\nDevice,Real,SequenceTester,TCamera\n"
        "Parent,Real,Hub\nProperty,Core,Initialize,1\nProperty,Core,Camera,Cam\n"
    )
    with MicroManager.start(cfg, adapters_dir=adapters_dir, pixel_size_um=0.325, buffer_size_mb=64) as rig:
        source = MicroManagerSource(
            rig, Sequence(n_frames=1), animal_id="A1", section_id="S1", scene=PhantomScene(specimen)
        )
        rig.backend.core.set_camera_device("Real")
        with pytest.raises(RigError, match="this camera is a 'SequenceTester'"):
            next(source.frames(StopToken()))


def test_a_camera_swapped_midway_ends_the_run(rig: MicroManager, specimen: Specimen):
    plan = PositionList(positions_um=[(0, 0)] * 3, exposure_ms=1)
    source = MicroManagerSource(rig, plan, animal_id="A1", section_id="S1", scene=PhantomScene(specimen))
    frames = source.frames(StopToken())
    next(frames)
    core = rig.backend.core
    core.load_device("Other", "DemoCamera", "DCam")
    core.initialize_device("Other")
    core.set_camera_device("Other")
    with pytest.raises(DeviceError, match="the camera was changed from 'Camera' to 'Other' during the run"):
        list(frames)


def test_without_a_stage_the_middle_is_shown(specimen: Specimen):
    scene = PhantomScene(specimen)
    middle = {"exposure_ms": 8.0, "em_gain": None, "um_per_px": 0.325, "seq": 0}
    unknown = scene.paint(SHAPE, stage_um=None, **middle)
    assert np.array_equal(unknown, scene.paint(SHAPE, stage_um=(0.0, 0.0, None), **middle))
    scene.close()
    scene.close()

"""The pixel size of a frame, how the camera lies over the stage, and the EM switch, on the real demo devices."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import CameraError, ConfigError
from hcc_scope.microscope.em_switch import EmSwitch
from hcc_scope.microscope.hardware import Hardware
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.microscope.roles import RigKeyError
from hcc_scope.plans import Grid, PositionList, RandomFields, TimeSeries
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.types import RigHandling, RigRoles
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hcc_scope.plans import Plan

    MakeCfg = Callable[..., Path]

ROLES = load_rig("demo").roles
SNAP = TimeSeries(n_frames=1, interval_s=0)


@pytest.fixture
def rig(demo_cfg: MakeCfg, adapters_dir: Path) -> Iterator[MicroManager]:
    cfg = demo_cfg(OnCameraCCDXSize=64, OnCameraCCDYSize=32)
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=16, roles=ROLES) as opened:
        yield opened


def source(rig: MicroManager, plan: Plan = SNAP) -> MicroManagerSource:
    return MicroManagerSource(rig, plan, animal_id="m1", section_id="s1")


def with_hardware(
    rig: MicroManager,
    roles: RigRoles,
    pixel_size_um: float | None = None,
    um_per_px: dict[str, float] | None = None,
) -> None:
    """Give the open rig another rig file."""
    handling = RigHandling(um_per_px=um_per_px or {})
    rig.hardware = Hardware(rig.backend, roles, None, pixel_size_um, handling=handling)
    rig.camera._hardware = rig.hardware


def frame_size_um(rig: MicroManager) -> float | None:
    made = source(rig)
    (frame,) = made.frames(StopToken())
    assert frame.pixel_size_um == made.spec.pixel_size_um
    return frame.pixel_size_um


@pytest.mark.parametrize("origin", ["presets", "pixel_size_um", "um_per_px"])
def test_binning_and_magnifier_count_for_each_origin_of_the_size(rig: MicroManager, origin: str):
    core = rig.backend.core
    if origin == "pixel_size_um":
        with_hardware(rig, ROLES, 0.325)
    elif origin == "um_per_px":
        core.delete_pixel_size_config("Res20x")
        with_hardware(rig, ROLES, um_per_px={"20x": 0.325})
    assert frame_size_um(rig) == pytest.approx(0.325)
    core.set_property("Camera", "Binning", "2")
    assert frame_size_um(rig) == pytest.approx(0.65)
    core.load_device("Optovar", "DemoCamera", "DOptovar")
    core.initialize_device("Optovar")
    core.set_property("Optovar", "Position", "1.6x")
    assert frame_size_um(rig) == pytest.approx(0.65 / 1.6)


def test_the_rig_file_gives_the_size_of_each_objective(rig: MicroManager):
    core = rig.backend.core
    with_hardware(rig, ROLES, um_per_px={"20x": 0.325, "Objective-2": 1.3})
    assert frame_size_um(rig) == pytest.approx(0.325)  # a preset agrees
    core.set_property("Objective", "Label", "Objective-2")
    assert frame_size_um(rig) == pytest.approx(1.3)  # no preset is there
    core.set_property("Objective", "Label", "40x")
    assert frame_size_um(rig) == pytest.approx(0.1625)  # a preset alone
    core.set_property("Objective", "Label", "Objective-4")
    with pytest.raises(ConfigError, match=r"unknown: no .* and um_per_px has no value for the objective 'Objective-4'"):
        source(rig)
    core.set_property("Objective", "Label", "20x")
    core.set_pixel_size_um("Res20x", 0.3)
    with pytest.raises(
        ConfigError, match=r"um_per_px .* gives 0\.325 um for the objective '20x', and .* 'Res20x' \(0\.3 um\)"
    ):
        source(rig)
    core.set_pixel_size_um("Res20x", 0.0)  # an objective that was not calibrated contradicts nothing
    assert frame_size_um(rig) == pytest.approx(0.325)
    set_affine(rig, 0.65, 0.0, 0.0, 0.65)
    with pytest.raises(ConfigError, match=r"its pixel size is 0\.65 um, and um_per_px 0\.325 um"):
        source(rig)


def test_a_size_for_an_objective_that_is_not_there(rig: MicroManager):
    with pytest.raises(
        RigKeyError, match=r"names the objective '2Ox', which 'Objective' does not have.*mean '20x'"
    ) as e:
        with_hardware(rig, ROLES, um_per_px={"2Ox": 0.325})
    assert e.value.key == "um_per_px.2Ox"


def test_two_presets_for_one_state(rig: MicroManager):
    core = rig.backend.core
    core.define_pixel_size_config("A-again", "Objective", "Label", core.get_property("Objective", "Label"))
    core.set_pixel_size_um("A-again", 0.325)
    assert frame_size_um(rig) == pytest.approx(0.325)  # the same size twice is one size
    core.set_pixel_size_um("A-again", 0.65)
    with pytest.raises(ConfigError, match=r"'A-again' \(0\.65 um\) and '.*' \(0\.325 um\) .* with different sizes"):
        source(rig)
    assert rig.thread.call("asking", rig.hardware.pixel_size_um) == 0  # shown as not known
    core.define_pixel_size_config("A-again", "Camera", "Binning", "4")  # now it needs more than is
    assert frame_size_um(rig) == pytest.approx(0.325)


def test_presets_that_seem_to_have_the_binning_in_their_sizes(rig: MicroManager):
    core = rig.backend.core
    name, label = core.get_current_pixel_size_config(), core.get_property("Objective", "Label")
    core.define_pixel_size_config(name, "Camera", "Binning", "1")
    core.define_pixel_size_config("Binned", "Objective", "Label", label)
    core.define_pixel_size_config("Binned", "Camera", "Binning", "2")
    core.set_pixel_size_um("Binned", 0.65)
    assert frame_size_um(rig) == pytest.approx(0.325)
    core.set_property("Camera", "Binning", "2")
    with pytest.raises(ConfigError, match=r"'Binned' \(0\.65 um\) of the configuration differ in binning alone"):
        source(rig)
    core.set_pixel_size_um("Binned", 0.325)
    assert frame_size_um(rig) == pytest.approx(0.65)


@pytest.mark.parametrize("um", [float("nan"), float("inf"), -0.325, 0.0])
def test_a_size_that_is_none(rig: MicroManager, um: float):
    core = rig.backend.core
    core.set_pixel_size_um(core.get_current_pixel_size_config(), um)
    with pytest.raises(
        ConfigError, match=r"a pixel size of (nan|inf|-0\.325|0) um, from the preset .*, is not possible"
    ):
        source(rig)


# --- how the camera lies over the stage ---


def set_affine(rig: MicroManager, *linear: float) -> None:
    core = rig.backend.core
    a, b, c, d = linear
    core.set_pixel_size_affine(core.get_current_pixel_size_config(), [a, b, 0.0, c, d, 0.0])


TURNED = (0.0, -0.325, 0.325, 0.0)


def test_a_grid_of_a_turned_camera_has_no_gap(rig: MicroManager):
    set_affine(rig, *TURNED)
    made = source(rig, Grid(rectangle_um=(0, 0, 31.2, 62.4), overlap=0))  # 3 x 3 fields of 32 x 64 px, turned
    frames = list(made.frames(StopToken()))
    places = [frame.stage_um for frame in frames]
    assert sorted({round(x, 1) for x, _, _ in places}) == [5.2, 15.6, 26.0]
    assert sorted({round(y, 1) for _, y, _ in places}) == [10.4, 31.2, 52.0]
    assert made.spec.camera_axes == (0.0, -1.0, 1.0, 0.0)


def test_binning_leaves_the_turn_as_it_is(rig: MicroManager):
    set_affine(rig, *TURNED)
    rig.backend.core.set_property("Camera", "Binning", "2")
    made = source(rig)
    assert (made.spec.camera_axes, made.spec.pixel_size_um) == ((0.0, -1.0, 1.0, 0.0), pytest.approx(0.65))


def test_random_fields_of_a_turned_camera_lie_inside(rig: MicroManager):
    set_affine(rig, *TURNED)
    area = (0.0, 0.0, 12.0, 100.0)  # 10.4 um wide is the turned field, 20.8 um the one that is not
    spec = source(rig, RandomFields(n_fields=1, rectangle_um=area)).spec
    assert spec.expected_frames == 1
    assert spec.provenance["interval_rule"] == 2
    n_lattice = spec.provenance["lattice_fields"]  # the score's interval is about their mean
    assert isinstance(n_lattice, int)
    assert 1 <= n_lattice <= 4


@pytest.mark.parametrize("linear", [(1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0)])
def test_an_affine_without_information(rig: MicroManager, linear: tuple[float, ...]):
    set_affine(rig, *linear)
    assert source(rig).spec.camera_axes == (1.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("linear", "why"),
    [
        ((0.65, 0.0, 0.0, 0.65), r"its pixel size is 0\.65 um, and PixelSize_um 0\.325 um"),
        ((0.2298, -0.2298, 0.2298, 0.2298), "tilted by 45 degrees"),
        ((0.325, 0.0, 0.325, 0.0), "it covers no area"),
        ((0.4, 0.0, 0.0, 0.264), "not a turn or mirroring of square pixels"),
        ((float("nan"), 0.0, 0.0, 0.325), "it holds what is not a number"),
    ],
)
def test_an_affine_that_cannot_be_used(rig: MicroManager, linear: tuple[float, ...], why: str):
    set_affine(rig, *linear)
    with pytest.raises(ConfigError, match=rf"PixelSizeAffine .* cannot be used: .*{why}"):
        source(rig)


def test_a_camera_that_reports_its_mounting(rig: MicroManager):
    core = rig.backend.core
    core.set_property("Camera", "TransposeMirrorX", "1")
    assert source(rig).spec.camera_axes == (-1.0, 0.0, 0.0, 1.0)
    core.set_property("Camera", "TransposeCorrection", "1")  # corrected before anybody sees the images
    assert source(rig).spec.camera_axes == (1.0, 0.0, 0.0, 1.0)
    core.set_property("Camera", "TransposeCorrection", "0")
    set_affine(rig, *TURNED)  # what was measured counts
    assert source(rig).spec.camera_axes == (0.0, -1.0, 1.0, 0.0)


# --- several cameras, and the EM switch ---


def test_several_cameras_behind_one_label(rig: MicroManager, monkeypatch: pytest.MonkeyPatch):
    core = rig.backend.core
    for label in ("Second", "Both"):
        core.load_device(label, *(("DemoCamera", "DCam") if label == "Second" else ("Utilities", "Multi Camera")))
        core.initialize_device(label)
    core.set_property("Second", "OnCameraCCDXSize", "64")
    core.set_property("Second", "OnCameraCCDYSize", "32")
    core.set_property("Second", "PixelType", "16bit")
    core.set_property("Both", "Physical Camera 1", "Camera")
    core.set_property("Both", "Physical Camera 2", "Second")
    core.set_camera_device("Both")
    with_hardware(rig, RigRoles())
    with pytest.raises(CameraError, match="'Both' delivers 2 images for each exposure"):
        source(rig, PositionList(positions_um=[(0, 0)]))
    core.set_camera_device("Camera")


def em_gain(rig: MicroManager, roles: RigRoles) -> float | None:
    with_hardware(rig, roles)
    (frame,) = source(rig).frames(StopToken())
    return frame.em_gain


def test_the_em_switch_in_the_cameras_words(rig: MicroManager):
    core = rig.backend.core
    core.set_property("Camera", "Gain", "5")
    roles = replace(ROLES, em_switch="FastImage")  # 0 or 1
    core.set_property("Camera", "FastImage", "0")
    assert em_gain(rig, roles) == 1.0
    core.set_property("Camera", "FastImage", "1")
    assert em_gain(rig, roles) == 5.0
    # words that mean nothing to anybody else
    modes = replace(ROLES, em_switch="Mode")
    with pytest.raises(ConfigError, match=r"'.*' of 'Mode', the rig file's role em_switch, means neither on nor off"):
        em_gain(rig, modes)
    now = core.get_property("Camera", "Mode")
    assert em_gain(rig, replace(modes, em_switch_off=(now,))) == 1.0
    assert em_gain(rig, replace(modes, em_switch_off=("Noise",))) == 5.0
    with pytest.raises(ConfigError, match="em_switch_off names 'Nose', which 'Mode' of camera 'Camera' does not take"):
        em_gain(rig, replace(modes, em_switch_off=("Nose",)))


WORDS = {
    False: ("Off", "0", "0.0000", "FALSE", "no", "Disabled", "Conventional", "Normal", "Conventional CCD register"),
    True: ("On", "1", "True", "Yes", "Enabled", "Electron Multiplying", "EM", "Standard EMCCD gain register"),
    None: ("Normal EM", "Port-1", "", "Fast"),
}


@pytest.mark.parametrize(("word", "on"), [(word, on) for on, words in WORDS.items() for word in words])
def test_words_of_an_em_switch(word: str, on: bool | None):
    core = SimpleNamespace(ask=lambda *_: word, labels=lambda *_: ("one", "other"))
    switch = EmSwitch(core, RigRoles(em_switch="Port"))
    assert switch.is_on("Cam") is on
    assert switch.gain("Cam", 5.0) == {True: 5.0, False: 1.0, None: None}[on]


@pytest.mark.parametrize("name", ["Bypass", "EMBypass", "EM Gain Bypass", "DisableEM", "NonEM_Port", "Conventional"])
def test_a_switch_whose_name_may_turn_its_words_round_is_asked_for(name: str):
    core = SimpleNamespace(ask=lambda *_: "On", labels=lambda *_: ("Off", "On"))
    assert EmSwitch(core, RigRoles(em_switch=name)).is_on("Cam") is None
    with pytest.raises(ConfigError, match="means neither on nor off"):
        EmSwitch(core, RigRoles(em_switch=name)).check("Cam")
    assert EmSwitch(core, RigRoles(em_switch=name, em_switch_off=("On",))).is_on("Cam") is False


@pytest.mark.parametrize("name", ["EMSwitch", "EMGain", "Output_Amplifier", "Noise", "Notch", "Offset EM"])
def test_a_switch_with_a_plain_name_keeps_its_words(name: str):
    core = SimpleNamespace(ask=lambda *_: "On", labels=lambda *_: ("Off", "On"))
    assert EmSwitch(core, RigRoles(em_switch=name)).is_on("Cam") is True


def test_a_number_among_three_is_no_switch():
    core = SimpleNamespace(ask=lambda *_: "1", labels=lambda *_: ("0", "1", "2"))
    assert EmSwitch(core, RigRoles(em_switch="Port")).is_on("Cam") is None
    core = SimpleNamespace(ask=lambda *_: "1", labels=lambda *_: ("0", "1"))
    switch = EmSwitch(core, RigRoles(em_switch="Port"))
    assert (switch.word("Cam", on=True), switch.word("Cam", on=False)) == ("1", "0")

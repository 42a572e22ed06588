"""What a section changes is put back as it was found, also after errors; what the operator changes meanwhile stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from hcc_scope.errors import DeviceError
from hcc_scope.focus import FocusSettings
from hcc_scope.microscope.autofocus import Autofocus
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import PositionList, Sequence, TimeSeries
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.types import RigHandling
from hcc_scope.workers import StopToken
from tests.faulty_core import FaultyCore
from tests.session_parts import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hcc_scope.plans import Plan

ROLES = load_rig("demo").roles


@pytest.fixture(scope="module")
def opened(adapters_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MicroManager]:
    from hcc_scope.resources import hardware_configs_dir

    text = (hardware_configs_dir() / "demo.cfg").read_text(encoding="utf-8").replace("Size,2048", "Size,64")
    text += "ConfigGroup,Mode,Fine,Camera,Binning,2\nConfigGroup,Mode,Fine,Camera,Gain,4\n"
    text += "ConfigGroup,Mode,Fine,Objective,Label,10x\n"
    cfg = tmp_path_factory.mktemp("restore") / "rig.cfg"
    cfg.write_text(text, encoding="utf-8")
    handling = RigHandling(auto_shutter=False)
    with MicroManager.start(
        cfg, adapters_dir=adapters_dir, buffer_size_mb=16, roles=ROLES, handling=handling
    ) as microscope:
        yield microscope


@pytest.fixture
def rig(opened: MicroManager) -> Iterator[MicroManager]:
    """Return the rig with settings that no plan has: 33 ms, a region, no binning, gain 3."""
    core = opened.backend.core
    core.set_property("Camera", "Binning", "1")
    core.set_property("Camera", "Gain", "3")
    core.set_property("Objective", "Label", "20x")
    core.set_exposure(33.0)
    core.set_roi(8, 16, 32, 16)
    core.set_auto_shutter(True)
    core.set_shutter_open(False)
    yield opened
    opened.backend.core = core


def state(rig: MicroManager) -> tuple[object, ...]:
    core = rig.backend.core
    properties = [("Camera", "Binning"), ("Camera", "Gain"), ("Objective", "Label")]
    return (
        core.get_exposure(),
        tuple(core.get_roi()),
        core.get_auto_shutter(),
        core.get_shutter_open(),
        *(core.get_property(*one) for one in properties),
    )


AS_FOUND = (33.0, (8, 16, 32, 16), True, False, "1", "3", "20x")


def source(rig: MicroManager, plan: Plan) -> MicroManagerSource:
    return MicroManagerSource(rig, plan, animal_id="m1", section_id="s1")


class Remarks:
    """Takes the remarks of a source, and nothing else."""

    def __init__(self, remarks: list[str]) -> None:
        self.remark = remarks.append
        self.begin_aside = self.end_aside = self.note = self.skip = pytest.fail


@pytest.mark.parametrize(
    "plan",
    [
        PositionList(positions_um=[(0, 0), (5, 5)], exposure_ms=2, config_group=("Mode", "Fine")),
        Sequence(n_frames=3, exposure_ms=2, config_group=("Mode", "Fine")),
    ],
    ids=["snaps", "sequence"],
)
def test_a_section_puts_everything_back(rig: MicroManager, plan: Plan):
    frames = source(rig, plan).frames(StopToken())
    next(frames)
    during = state(rig)
    assert (during[0], during[2], during[4], during[6]) == (2.0, False, "2", "10x")
    list(frames)
    assert state(rig) == AS_FOUND


def test_it_is_put_back_after_an_error(rig: MicroManager):
    def fail(_real: Callable[..., object]) -> NoReturn:
        raise RuntimeError("the cable is out")

    frames = source(rig, TimeSeries(n_frames=3, interval_s=0, exposure_ms=2)).frames(StopToken())
    next(frames)
    rig.backend.core.set_shutter_open(True)
    FaultyCore(rig, snap_image=fail)
    with pytest.raises(DeviceError, match="the cable is out"):
        next(frames)
    assert state(rig) == AS_FOUND


def test_what_the_operator_changes_meanwhile_stays(rig: MicroManager):
    controls = DeviceControls(rig)
    made = source(rig, TimeSeries(n_frames=2, interval_s=0))
    controls.set_em_gain(5)  # before it begins
    frames = made.frames(StopToken())
    next(frames)
    controls.set_exposure_ms(7.0)
    controls.set_auto_shutter(True)
    list(frames)
    assert state(rig) == (7.0, *AS_FOUND[1:5], "5", "20x")


def test_the_operators_exposure_wins_over_the_plans(rig: MicroManager):
    frames = source(rig, TimeSeries(n_frames=2, interval_s=0, exposure_ms=2)).frames(StopToken())
    next(frames)
    DeviceControls(rig).set_exposure_ms(7.0)
    list(frames)
    assert state(rig)[0] == 7.0


def test_what_cannot_be_put_back_is_one_warning(rig: MicroManager):
    warnings: list[str] = []

    def refuse(real: Callable[..., None], *arguments: object) -> None:
        if 33.0 in arguments:
            raise RuntimeError("busy")
        real(*arguments)

    made = source(rig, PositionList(positions_um=[(0, 0)], exposure_ms=2, config_group=("Mode", "Fine")))
    made.report_to(Remarks(warnings))
    FaultyCore(rig, set_exposure=refuse, set_auto_shutter=lambda _real, _on: None)
    assert len(list(made.frames(StopToken()))) == 1
    assert warnings == [
        "not put back as they were before the section: the exposure (setting it failed: busy),"
        " the automatic shutter (is False, was True)"
    ]
    assert state(rig)[3:] == AS_FOUND[3:]


@pytest.mark.parametrize("binning", ["1", "2"])
def test_what_can_only_be_set_in_one_state_of_another_is_put_back(rig: MicroManager, binning: str):
    def set_property(real: Callable[..., None], *arguments: str) -> None:
        if arguments[:2] == ("Camera", "Gain") and rig.backend.core.get_property("Camera", "Binning") != binning:
            raise RuntimeError("not with this binning")
        real(*arguments)

    warnings: list[str] = []
    FaultyCore(rig, set_property=set_property)
    made = source(rig, PositionList(positions_um=[(0, 0)], exposure_ms=2, config_group=("Mode", "Fine")))
    made.report_to(Remarks(warnings))
    assert len(list(made.frames(StopToken()))) == 1
    assert (warnings, state(rig)) == ([], AS_FOUND)


def test_a_section_that_never_begins_leaves_nothing_behind(rig: MicroManager):
    made = source(rig, PositionList(positions_um=[(0, 0)], exposure_ms=2, config_group=("Mode", "Fine")))
    again = source(rig, PositionList(positions_um=[(0, 0)], exposure_ms=3))
    assert state(rig)[0] == 3.0
    again.put_back()
    assert state(rig) == AS_FOUND
    made.put_back()
    assert state(rig) == AS_FOUND


def test_a_stop_does_not_wait_for_a_long_exposure_and_settings_follow_it(rig: MicroManager):
    warnings: list[str] = []
    stop = StopToken()
    made = source(rig, TimeSeries(n_frames=2, interval_s=0, exposure_ms=2500))
    made.report_to(Remarks(warnings))
    stop_soon = rig.camera.snap

    def snap() -> object:
        stop.request()
        return stop_soon()

    rig.camera.snap = snap  # type: ignore[method-assign,assignment]
    try:
        assert list(made.frames(stop)) == []
    finally:
        del rig.camera.snap
    assert warnings == ["the settings from before the section are put back when 'Camera' has ended its exposure"]
    wait_until(lambda: rig.thread.call("looking", lambda: state(rig)) == AS_FOUND)


def test_focusing_on_request_puts_everything_back(rig: MicroManager):
    rig.backend.core.clear_roi()
    before = state(rig)
    result = Autofocus(rig, tile_px=64, settings=FocusSettings(judged="structure")).run(StopToken(), keep=False)
    assert result.curve
    assert state(rig) == before

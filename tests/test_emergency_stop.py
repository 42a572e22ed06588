"""The emergency stop in every state of the rig; in the window, `tests/ui` has more."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import DeviceError
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.microscope.preview import Preview
from hcc_scope.plans import PositionList, Sequence
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.types import RigHandling
from hcc_scope.workers import StopToken
from tests.session_parts import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.plans import Plan

FAR_UM = 50_000.0
"""At the 1 mm/s of this stage, 50 s away."""


@pytest.fixture(scope="module")
def rig(adapters_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MicroManager]:
    from hcc_scope.resources import hardware_configs_dir

    text = (hardware_configs_dir() / "demo.cfg").read_text(encoding="utf-8")
    cfg = tmp_path_factory.mktemp("emergency") / "rig.cfg"
    cfg.write_text(text.replace("Size,2048", "Size,64").replace("XY,Velocity,40", "XY,Velocity,1"), encoding="utf-8")
    handling = RigHandling(backlash_xy_um=50.0, settle_ms=60_000.0)
    with MicroManager.start(
        cfg, adapters_dir=adapters_dir, buffer_size_mb=16, roles=load_rig("demo").roles, handling=handling
    ) as opened:
        yield opened


@pytest.fixture
def controls(rig: MicroManager) -> Iterator[DeviceControls]:
    core = rig.backend.core
    made = DeviceControls(rig)
    yield made
    assert not core.device_busy("XY")
    assert core.get_x_position() < FAR_UM / 2
    core.set_origin_xy("XY")


def moving(rig: MicroManager) -> bool:
    return bool(rig.backend.core.device_busy("XY"))


class Run:
    """A section in its own thread, which ends with an error."""

    def __init__(self, rig: MicroManager, plan: Plan) -> None:
        self.stop = StopToken()
        self.n_frames = 0
        self.error = ""
        self._made = MicroManagerSource(rig, plan, animal_id="m1", section_id="s1")
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        try:
            for _ in self._made.frames(self.stop):
                self.n_frames += 1
        except DeviceError as error:
            self.error = error.message

    def ends(self) -> str:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.error


ENDED = "the stage was stopped in an emergency, so the run has ended"


def test_while_the_live_picture_is_shown(rig: MicroManager, controls: DeviceControls):
    preview = Preview(rig)
    preview.start()
    controls.move_to_um(FAR_UM, 0.0)
    wait_until(lambda: moving(rig))
    controls.halt()
    assert not moving(rig)
    preview.stop()


@pytest.mark.parametrize("plan", [PositionList(positions_um=[(-1000, 0)], exposure_ms=1), Sequence(n_frames=2)])
def test_before_the_first_move_of_a_section(rig: MicroManager, controls: DeviceControls, plan: Plan):
    made = MicroManagerSource(rig, plan, animal_id="m1", section_id="s1")
    before_um = rig.backend.core.get_x_position()
    controls.halt()
    with pytest.raises(DeviceError, match=ENDED):
        next(iter(made.frames(StopToken())))
    assert rig.backend.core.get_x_position() == before_um


def test_on_the_way_to_the_point_before_a_field(rig: MicroManager, controls: DeviceControls):
    run = Run(rig, PositionList(positions_um=[(-1000, 0)], exposure_ms=1))
    wait_until(lambda: moving(rig))
    controls.halt()
    assert run.ends() == ENDED
    assert run.n_frames == 0


def test_while_the_stage_rests_after_a_move(rig: MicroManager, controls: DeviceControls):
    run = Run(rig, PositionList(positions_um=[(0, 0)], exposure_ms=1))
    sent = []
    wait_until(lambda: rig.use.state == "section")
    wait_until(lambda: bool(sent.append(moving(rig))) or (len(sent) > 20 and not any(sent[-10:])))
    controls.halt()
    assert run.ends() == ENDED


def test_while_a_paused_section_lets_the_operator_move(rig: MicroManager, controls: DeviceControls):
    run = Run(rig, Sequence(exposure_ms=1))
    wait_until(lambda: run.n_frames > 0)
    run.stop.pause()
    wait_until(lambda: run.stop.held)
    controls.move_to_um(FAR_UM, 0.0)
    wait_until(lambda: moving(rig))
    controls.halt()
    assert not moving(rig)
    run.stop.resume()
    assert run.ends() == ENDED  # it must not set off again


def test_during_a_sequence(rig: MicroManager, controls: DeviceControls):
    run = Run(rig, Sequence(exposure_ms=1))
    wait_until(lambda: run.n_frames > 0)
    controls.halt()
    run.stop.request()
    assert run.ends() == ""

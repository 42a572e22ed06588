"""Moves that do not end where they should: a stage with one dead axis, a slow one, one that somebody pushes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import DeviceError
from hcc_scope.microscope import moves
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.moves import Moves, tolerances_um
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import PositionList, RandomFields, TimeSeries
from hcc_scope.types import RigHandling, StageLimits, StageTolerance
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hcc_scope.run_events import RunEvent

    MakeCfg = Callable[..., Path]


class Stage:
    """A stage and a focus drive as the core sees them.

    Parameters
    ----------
    reached : callable
        Where they are (x, y, z) after the n-th order, which was to go to (x, y, z).
    """

    def __init__(self, reached: Callable[[int, list[float]], list[float]]) -> None:
        self.reached = reached
        self.place = [0.0, 0.0, 0.0]
        self.orders = 0
        self.targets: list[tuple[float, ...]] = []
        self.halted: list[str] = []
        self.busy_looks = 0
        self.speed_um = 0.0
        """How far x goes between two looks while it is busy."""

    def ask(self, _what: str, name: str, device: str, *arguments: float) -> object:
        match name:
            case "set_xy_position":
                self.targets.append(arguments)
                self._go([*arguments, self.place[2]])
            case "set_position":
                self.targets.append(arguments)
                self._go([*self.place[:2], *arguments])
            case "get_x_position" | "get_y_position" | "get_position":
                return self.place[("get_x_position", "get_y_position", "get_position").index(name)]
            case "stop":
                self.halted.append(device)
            case "device_busy":
                self.busy_looks -= 1
                self.place[0] += self.speed_um
                return self.busy_looks >= 0
        return None

    def _go(self, target: list[float]) -> None:
        self.orders += 1
        self.place = self.reached(self.orders, target)


def go(
    stage: Stage,
    *,
    halted: Callable[[], bool] = lambda: False,
    stop: StopToken | None = None,
    handling: RigHandling | None = None,
    limits: StageLimits | None = None,
) -> bool:
    made = Moves(stage, limits, None, handling)  # type: ignore[arg-type]  # all that it asks
    made.xy_tolerance_um, made.z_tolerance_um = 5.0, 2.0
    return made.go(("XY", 100.0, 200.0), ("Z", 30.0), stop or StopToken(), halted)


def test_a_stage_that_is_where_it_was_sent_is_sent_once():
    stage = Stage(lambda _n, target: [104.9, *target[1:]])
    assert go(stage)
    assert stage.orders == 2  # one for each device


def test_a_stage_that_sticks_once_is_sent_again():
    stage = Stage(lambda n, target: [0.0, 0.0, target[2]] if n <= 2 else target)
    assert go(stage)
    assert stage.orders == 3


@pytest.mark.parametrize(
    ("reached", "message"),
    [
        (lambda _n, at: [at[0], 0.0, at[2]], r"stage 'XY' .* x = 100\.00, y = 200\.00 um .* x = 100\.00, y = 0\.00 um"),
        (lambda _n, at: [at[0] + 5.1, *at[1:]], r"x = 105\.10, y = 200\.00 um: more than 5 um away"),
        (lambda _n, at: [*at[:2], at[2] - 2.1], r"focus 'Z' was sent to z = 30\.00 um twice .* z = 27\.90 um"),
        (lambda _n, at: [math.nan, *at[1:]], r"x = nan"),
        (lambda _n, at: [at[0], -math.inf, at[2]], r"y = -inf"),
    ],
)
def test_a_stage_that_is_elsewhere_after_two_tries(reached: Callable[[int, list[float]], list[float]], message: str):
    stage = Stage(reached)
    with pytest.raises(DeviceError, match=message):
        go(stage)
    assert stage.orders == 3


def test_a_stage_that_was_stopped_in_an_emergency_is_not_sent():
    stage = Stage(lambda _n, _target: [0.0, 0.0, 0.0])
    assert not go(stage, halted=lambda: True)
    assert stage.orders == 0


def test_an_emergency_stop_just_before_the_order_halts_what_then_moves():
    stage = Stage(lambda _n, target: target)
    assert not go(stage, halted=lambda: stage.orders > 0)
    assert stage.orders == 2
    assert stage.halted == ["XY", "Z"]


def test_every_move_ends_from_below_by_the_backlash():
    stage = Stage(lambda _n, target: target)
    assert go(stage, handling=RigHandling(backlash_xy_um=20.0, backlash_z_um=5.0))
    assert stage.orders == 2  # it comes from 0, 0, 0
    stage.place = [300.0, 0.0, 31.0]
    stage.targets.clear()
    assert go(stage, handling=RigHandling(backlash_xy_um=20.0, backlash_z_um=5.0))
    assert stage.targets == [(80.0, 180.0), (25.0,), (100.0, 200.0), (30.0,)]


def test_the_approach_stays_within_the_limits():
    stage = Stage(lambda _n, target: target)
    stage.place = [300.0, 300.0, 300.0]
    limits = StageLimits((95.0, 500.0), (200.0, 500.0), None)
    assert go(stage, handling=RigHandling(backlash_xy_um=20.0), limits=limits)
    assert stage.targets == [(95.0, 200.0), (100.0, 200.0), (30.0,)]


def test_a_device_that_is_where_its_last_move_ended_makes_no_detour_again():
    stage = Stage(lambda _n, target: target)
    stage.place = [300.0, 300.0, 300.0]
    made = Moves(stage, None, None, RigHandling(backlash_xy_um=20.0))  # type: ignore[arg-type]
    for _ in range(3):
        assert made.go(("XY", 100.0, 200.0), None, StopToken(), lambda: False)
    assert stage.targets == [(80.0, 180.0), (100.0, 200.0)]


def test_a_device_that_a_hand_moved_a_little_is_sent_again_and_each_section_logs_its_moves(rig: MicroManager):
    log: list[RunEvent] = []
    plan = TimeSeries(n_frames=2, interval_s=0, position_um=(30.0, 40.0), z_um=5.0, exposure_ms=1)
    rig.hardware.handling = rig.hardware._moves._handling = RigHandling(backlash_z_um=1.0)
    try:
        for _ in range(2):
            frames = MicroManagerSource(rig, plan, animal_id="m1", section_id="s1").frames(StopToken())
            with rig.events.kept_by(log.append):
                next(frames)
                DeviceControls(rig).move_z_by_um(0.5)  # less than the tolerance
                last = list(frames)[-1]
                assert last.stage_um is not None
                assert last.stage_um[2] == 5.0
    finally:
        rig.hardware.handling = rig.hardware._moves._handling = RigHandling()
    moved = [event.facts["device"] for event in log if event.kind == "move"]
    assert moved == ["XY", "Z", "XY", "Z"] * 2


def test_the_stage_rests_after_a_move_and_a_stop_ends_the_rest():
    stop = StopToken()
    waits: list[float] = []

    class Waiting(StopToken):
        def wait(self, timeout_s: float) -> bool:
            waits.append(timeout_s)
            return stop.requested

    stage = Stage(lambda _n, target: target)
    assert go(stage, handling=RigHandling(settle_ms=50.0), stop=Waiting())
    assert waits == [0.05]
    stop.request()
    assert not go(stage, handling=RigHandling(settle_ms=50.0), stop=Waiting())


def test_a_move_may_take_long_while_it_advances(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(moves, "STILL_S", 0.05)
    monkeypatch.setattr(moves, "_LOOK_S", 0.001)
    slow = Stage(lambda _n, target: [100.0 - 30 * 1.0, *target[1:]])
    slow.busy_looks, slow.speed_um = 30, 1.0  # 30 looks of up to 10 ms each, each of which finds it further on
    assert go(slow)
    assert not slow.halted
    stuck = Stage(lambda _n, target: [50.0, *target[1:]])
    stuck.busy_looks = 10**9
    with pytest.raises(
        DeviceError, match=r"'XY' did not arrive: it has not moved .* halted at x = 50\.00, y = 200\.00 um"
    ):
        go(stuck)
    assert stuck.halted == ["XY"]
    stop = StopToken()
    stop.request()
    moving = Stage(lambda _n, target: target)
    moving.busy_looks, moving.speed_um = 10**9, 1.0
    assert not go(moving, stop=stop)
    assert moving.halted == ["XY"]


def test_the_tolerance_comes_from_the_field():
    assert tolerances_um((665.6, 333.0), None) == pytest.approx((6.66, 3.33))
    assert tolerances_um((20.0, 20.0), None) == (1.0, 1.0)
    assert tolerances_um((0.0, 0.0), StageTolerance(xy_um=0.2)) == (0.2, 1.0)


# --- on the real demo devices ---


@pytest.fixture
def rig(demo_cfg: MakeCfg, adapters_dir: Path) -> Iterator[MicroManager]:
    cfg = demo_cfg(OnCameraCCDXSize=64, OnCameraCCDYSize=64)
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=16) as opened:
        yield opened


def source(rig: MicroManager, plan: PositionList | RandomFields | TimeSeries) -> MicroManagerSource:
    return MicroManagerSource(rig, plan, animal_id="m1", section_id="s1")


def test_a_stage_with_one_axis_never_gives_a_field(rig: MicroManager):
    core = rig.backend.core
    core.load_device("Rail", "DemoCamera", "DStage")
    core.load_device("Half", "Utilities", "Combo XY Stage")
    for label in ("Rail", "Half"):
        core.initialize_device(label)
    core.set_property("Half", "PhysicalStage-X", "Rail")
    core.set_xy_stage_device("Half")
    frames = source(rig, RandomFields(n_fields=4, seed=3, rectangle_um=(-280, -280, 280, 280))).frames(StopToken())
    with pytest.raises(DeviceError, match=r"'Half' was sent to x = .*, y = .* um twice"):
        next(frames)


def test_a_stage_that_is_pushed_away_during_an_exposure(rig: MicroManager, monkeypatch: pytest.MonkeyPatch):
    core, snap = rig.backend.core, rig.camera.snap

    def pushed() -> object:
        core.set_xy_position(40.0, 0.0)
        core.wait_for_device(core.get_xy_stage_device())
        return snap()

    plan = PositionList(positions_um=[(0, 0), (20, 0)], exposure_ms=1)
    frames = source(rig, plan).frames(StopToken())
    assert next(frames).stage_um == (0.0, 0.0, 0.0)
    monkeypatch.setattr(rig.camera, "snap", pushed)
    with pytest.raises(DeviceError, match=r"sent to x = 20\.00, y = 0\.00 um and was at x = 40\.\d+, y = 0\.00 um"):
        next(frames)


def test_a_hand_moves_the_stage_where_the_plan_does_not(rig: MicroManager):
    core = rig.backend.core
    frames = source(rig, TimeSeries(n_frames=2, interval_s=0, exposure_ms=1)).frames(StopToken())
    next(frames)
    core.set_xy_position(40.0, 0.0)
    core.wait_for_device(core.get_xy_stage_device())
    assert next(frames).stage_um[0] == pytest.approx(40.0, abs=0.02)

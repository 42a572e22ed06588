"""X, Y and Z never leave the limits, whatever plan, click, focus or approach says."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hcc_scope.errors import DeviceError, PlanError
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.moves import Moves
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import Grid, PositionList, RandomFields, TimeSeries
from hcc_scope.runs.plan_check import check_plan_on
from hcc_scope.runs.rigs import OpenRig
from hcc_scope.types import RigHandling, StageLimits
from hcc_scope.workers import StopToken
from tests.faulty_core import FaultyCore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hcc_scope.plans import Plan

FIELD_UM = (120.0, 80.0)
places = st.floats(-700.0, 700.0)
spans = st.tuples(places, st.floats(1.0, 900.0)).map(lambda one: (one[0], one[0] + one[1]))
limits = st.builds(StageLimits, x_um=spans, y_um=spans, z_um=st.none() | spans)
handlings = st.builds(
    RigHandling,
    backlash_xy_um=st.sampled_from([0.0, 1.0, 20.0, 2000.0]),
    backlash_z_um=st.sampled_from([0.0, 5.0, 900.0]),
)
rectangles = st.tuples(spans, spans).map(lambda one: (one[0][0], one[1][0], one[0][1], one[1][1]))
plans = st.one_of(
    st.builds(PositionList, positions_um=st.lists(st.tuples(places, places, places), min_size=1, max_size=8)),
    st.builds(RandomFields, n_fields=st.integers(1, 8), seed=st.integers(0, 99), rectangle_um=rectangles, z_um=places),
    st.builds(Grid, rectangle_um=rectangles, z_um=st.none() | places),
    st.builds(
        TimeSeries, n_frames=st.just(2), interval_s=st.just(0), position_um=st.tuples(places, places), z_um=places
    ),
)


class Recorder:
    """A stage and a focus drive that go where they are sent, and that somebody pushes between two moves."""

    def __init__(self) -> None:
        self.place = {"x": 0.0, "y": 0.0, "z": 0.0}
        self.sent: list[dict[str, float]] = []

    def ask(self, _what: str, name: str, _device: str, *um: float) -> object:
        match name:
            case "set_xy_position":
                self._go(x=um[0], y=um[1])
            case "set_position":
                self._go(z=um[0])
            case "get_x_position" | "get_y_position":
                return self.place[name[4]]
            case "get_position":
                return self.place["z"]
        return False

    def _go(self, **target: float) -> None:
        self.sent.append(target)
        self.place |= target

    def all_within(self, allowed: StageLimits) -> bool:
        spans_um = {"x": allowed.x_um, "y": allowed.y_um, "z": allowed.z_um}
        return all(
            span is None or span[0] <= um <= span[1]
            for target in self.sent
            for axis, um in target.items()
            for span in [spans_um[axis]]
        )


def _is_near(place: dict[str, float], xy: tuple[str, float, float], moves: Moves) -> bool:
    return max(abs(place["x"] - xy[1]), abs(place["y"] - xy[2])) <= moves.xy_tolerance_um


@example(
    plan=TimeSeries(n_frames=2, interval_s=0, position_um=(0, 0)),
    allowed=StageLimits((-10.0, 10.0), (-10.0, 10.0)),
    handling=RigHandling(backlash_xy_um=1.0),
    pushes=[(5.0, 5.0, 0.0), (0.5, 0.0, 0.0)],
)
@given(plan=plans, allowed=limits, handling=handlings, pushes=st.lists(st.tuples(places, places, places), min_size=1))
def test_no_plan_leads_beyond_the_limits(
    plan: Plan, allowed: StageLimits, handling: RigHandling, pushes: list[tuple[float, float, float]]
):
    stage = Recorder()
    moves = Moves(stage, allowed, None, handling)  # type: ignore[arg-type]  # all that it asks
    try:
        events = list(zip(range(20), plan.events(FIELD_UM), strict=False))
    except PlanError:  # no field fits
        return
    for i, event in events:
        stage.place = dict(zip("xyz", pushes[i % len(pushes)], strict=True))  # a hand may put it anywhere
        xy = ("XY", event["x"], event["y"]) if "x" in event else None
        z = ("Z", event["z"]) if event.get("z") is not None else None
        # a stage that is near enough where its last move brought it is left there
        tolerance_um = moves.xy_tolerance_um if xy is not None and _is_near(stage.place, xy, moves) else 0.0
        with suppress(PlanError):
            assert moves.go(xy, z, StopToken(), lambda: False)
            if xy is not None:
                assert abs(stage.place["x"] - xy[1]) <= tolerance_um
                assert abs(stage.place["y"] - xy[2]) <= tolerance_um
    assert stage.all_within(allowed)


@pytest.fixture(scope="module")
def rig(adapters_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MicroManager]:
    from hcc_scope.resources import hardware_configs_dir

    allowed = StageLimits((-100.0, 300.0), (-50.0, 50.0), (-10.0, 20.0))
    cfg = tmp_path_factory.mktemp("limits") / "rig.cfg"
    text = (hardware_configs_dir() / "demo.cfg").read_text(encoding="utf-8")
    text += "ConfigGroup,Height,Far,Z,Position,25\nConfigGroup,Height,Near,Z,Position,5\n"
    cfg.write_text(text, encoding="utf-8")
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=16, limits=allowed) as opened:
        yield opened


steps = st.one_of(
    st.tuples(st.just("move_to_um"), places, places),
    st.tuples(st.just("move_by_um"), places, places),
    st.tuples(st.just("home_origin")),
    st.tuples(st.just("move_z_to_um"), st.floats(-40.0, 40.0) | st.just(math.nan)),
    st.tuples(st.just("move_z_by_um"), st.floats(-40.0, 40.0) | st.just(math.inf)),
    st.tuples(st.just("halt")),
)


@settings(max_examples=40)
@given(clicks=st.lists(steps, max_size=12), busy=st.booleans())
def test_no_click_leads_beyond_the_limits(rig: MicroManager, clicks: list[tuple[Any, ...]], busy: bool):
    core, stage = rig.backend.core, Recorder()

    def instead(name: str) -> Callable[..., object]:
        return lambda _real, *arguments: stage.ask("", name, *arguments)

    orders = {
        n: instead(n) for n in ("set_xy_position", "set_position", "get_x_position", "get_y_position", "get_position")
    }
    FaultyCore(rig, device_busy=lambda _real, _device: busy, stop=lambda _real, _device: None, **orders)
    try:
        controls = DeviceControls(rig)
        for name, *arguments in clicks:
            with suppress(DeviceError):
                getattr(controls, name)(*arguments)
    finally:
        rig.backend.core = core
    allowed = rig.limits
    assert allowed is not None
    assert stage.all_within(allowed)


def test_no_property_leads_beyond_the_limits(rig: MicroManager):
    controls, focus = DeviceControls(rig), rig.hardware.focus
    controls.set_property(focus, "Position", "15")
    with pytest.raises(DeviceError, match=r"z = 25 um lies outside the stage's limits, -10 to 20 um"):
        controls.set_property(focus, "Position", "25")


def test_no_preset_leads_beyond_the_limits(rig: MicroManager):
    controls, core = DeviceControls(rig), rig.backend.core
    controls.apply_preset("Height", "Near")
    with pytest.raises(DeviceError, match=r"z = 25 um lies outside the stage's limits, -10 to 20 um"):
        controls.apply_preset("Height", "Far")
    plan = PositionList(positions_um=[(0, 0)], config_group=("Height", "Far"))
    with pytest.raises(PlanError, match=r"the preset 'Far' of group 'Height' is refused: z = 25 um lies outside"):
        MicroManagerSource(rig, plan, animal_id="m1", section_id="s1")
    with pytest.raises(PlanError, match=r"the preset 'Far' of group 'Height' is refused"):
        check_plan_on(OpenRig(rig), plan)  # a dry run refuses what the run does
    assert core.get_position("Z") == 5.0

"""The plane of a plan, over searches whose outcome is given: what is left out, what is refused, what is recorded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hcc_scope.errors import PlanError
from hcc_scope.focus import FocusResult, FocusSettings
from hcc_scope.focus.record import PlaneRecord, focus_records
from hcc_scope.microscope.moves import PlaceMissedError
from hcc_scope.microscope.plan_focus import PlanFocus
from hcc_scope.plans import Focusing
from hcc_scope.run_events import RunEvents
from hcc_scope.types import StageLimits
from hcc_scope.workers import StopToken

PLACES: list[Any] = [({"position": i}, 100.0 * (i % 4), 80.0 * (i // 4), None) for i in range(12)]


STUCK = 1e9


class Stage:
    """A stage, and an autofocus that finds a tilted slide under it, with exceptions."""

    def __init__(self, wrong: dict[tuple[float, float], float | None]) -> None:
        self._wrong = wrong
        self._at = (0.0, 0.0)
        self.unreachable: tuple[float, float] | None = None
        self.visited: list[tuple[float, float]] = []

    def go(self, x_um: float, y_um: float) -> bool:
        if (x_um, y_um) == self.unreachable:
            raise PlaceMissedError("stage 'XY' was sent there and is not")
        self._at = x_um, y_um
        self.visited.append(self._at)
        return True

    def run_in_section(self, _stop: object, **_facts: object) -> FocusResult:
        off_um = self._wrong.get(self._at, 0.0)
        if off_um == STUCK:
            raise PlaceMissedError("focus 'Z' was sent to z = 4.00 um twice")
        if off_um is None:
            return FocusResult("flat", 1.0, 1.0, (), 0, 1, FocusSettings())
        z_um = 5.0 + 0.01 * self._at[0] + off_um
        return FocusResult("in_focus", z_um, 0.0, (), 1, 1, FocusSettings())


class Heard:
    """Takes how many searches are left after each."""

    def __init__(self) -> None:
        self.left: list[int | None] = []

    def begin_aside(self, what: str, n_left: int | None) -> None:
        del what, n_left

    def end_aside(self, n_left: int | None) -> None:
        self.left.append(n_left)


def lay(
    wrong: dict[tuple[float, float], float | None],
    points: int = 9,
    z_um: tuple[float, float] | None = None,
    unreachable: tuple[float, float] | None = None,
    places: list[Any] = PLACES,
) -> tuple[PlanFocus, Stage, RunEvents]:
    stage, events = Stage(wrong), RunEvents()
    stage.unreachable = unreachable
    limits = StageLimits((-1000, 1000), (-1000, 1000), z_um)
    rig: Any = SimpleNamespace(events=events, limits=limits)
    focus = PlanFocus(rig, Focusing("plane", points=points), stage, len(places))  # type: ignore[arg-type]
    assert focus.lay_plane(places, stage.go, lambda: None, StopToken())
    return focus, stage, events


def test_every_field_gets_its_height_from_the_plane():
    focus, stage, events = lay({})
    assert len(stage.visited) == 9
    for _, x_um, y_um, _ in PLACES:
        event = focus.with_height({"axes": {}, "x": x_um, "y": y_um})
        assert event["z"] == pytest.approx(5.0 + 0.01 * x_um)
        assert focus.tags(event, event["z"]) == {"z_by": "plane", "focus_seq": 9}
    assert focus.remark is None
    (record,) = focus_records(events.recent("focus"))
    assert isinstance(record, PlaneRecord)
    assert record.focus_seqs == tuple(range(9))
    assert record.explanation == "focus plane through 9 points, residual 0.00 um, tilt 10.00 um/mm"


def test_refused_points_are_left_out_and_a_wrong_one_is_named():
    focus, _, events = lay({(0.0, 0.0): None, (300.0, 160.0): 7.5})
    assert focus.remark == "1 of 9 focusings found no height and the focus plane leaves out 1 point"
    event = focus.with_height({"axes": {}, "x": 300.0, "y": 160.0})
    assert event["z"] == pytest.approx(8.0, abs=0.01)
    (record,) = focus_records(events.recent("focus"))
    assert isinstance(record, PlaneRecord)
    assert len(record.focus_seqs) == 8
    assert set(record.focus_seqs) < set(range(9))
    assert "left out: x = 300, y = 160 um (+7.50 um)" in record.explanation


def test_a_plane_with_too_few_points_is_refused_with_the_reason():
    wrong: dict[tuple[float, float], float | None] = {(x, y): None for x in (0.0, 300.0) for y in (0.0, 160.0)}
    with pytest.raises(PlanError) as refused:
        lay(wrong)
    assert refused.value.message.startswith("a focus plane needs 6 points, and a height was found at 5 of 9 only: the")
    assert "curve is flat" in refused.value.message


def test_a_place_or_height_that_is_not_reached_is_left_out_of_the_plane():
    focus, stage, _ = lay({(0.0, 0.0): STUCK}, unreachable=(300.0, 160.0))
    assert len(stage.visited) == 8
    assert focus.remark == "1 of 8 focusings found no height"
    with pytest.raises(PlanError, match=r"at 4 of 9 only: focus 'Z' was sent to z = 4.00 um twice; stage 'XY' was"):
        lay({(x, 0.0): STUCK for x in (0.0, 100.0, 200.0, 300.0)}, unreachable=(300.0, 160.0))


def test_heights_that_lie_in_no_plane_are_refused():
    wrong = {(100.0 * i, 80.0 * j): 12.0 * (-1) ** (i + j) for i in range(4) for j in range(3)}
    with pytest.raises(PlanError, match=r"the heights that were found do not lie in a plane: they lie 1\d\.\d um off"):
        lay(wrong)


def test_a_plane_is_refused_where_it_leads_far_from_its_points():
    far: list[Any] = [({"position": i}, 3000.0, 1500.0 * (i - 13), None) for i in (12, 13, 14)]
    with pytest.raises(PlanError) as refused:
        lay(dict.fromkeys([(x, y) for _, x, y, _ in far]), places=[*PLACES, *far])
    assert "um only at position 13 of the plan, far from where a height was found" in refused.value.message


def test_a_search_that_is_due_at_a_field_that_is_not_reached_is_made_at_the_next():
    rig: Any = SimpleNamespace(events=RunEvents(), limits=None)
    for focusing, due in ((Focusing("once"), [2]), (Focusing("every_k", every_k=3), [2, 3, 6])):
        focus = PlanFocus(rig, focusing, Stage({}), 8)  # type: ignore[arg-type]
        heard = Heard()
        focus.report_to(heard)  # type: ignore[arg-type]
        made = []
        for index in range(8):
            if focus.is_due(index) and index > 1:  # the stage has missed the first two fields
                assert focus.focus_at(index, {"axes": {}}, StopToken())
                made.append(index)
        assert made == due
        assert heard.left == list(range(len(due) - 1, -1, -1))


def test_a_plane_that_leads_beyond_the_limits_is_refused_with_the_position():
    with pytest.raises(PlanError) as refused:
        lay({}, z_um=(0.0, 7.5))
    assert refused.value.message == (
        "the focus plane lies at z = 8.00 um at position 4 of the plan, beyond the stage's upper limit of 7.5 um"
    )

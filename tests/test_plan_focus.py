"""When a plan focuses: how it is written, what is refused, and where the points of a plane lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.errors import PlanError
from hcc_scope.plans import Focusing, Grid, PositionList, RandomFields, TimeSeries, check_plan, load_plan, parse_plan
from hcc_scope.plans.focusing import LEAST_PLANE_POINTS, plane_points

if TYPE_CHECKING:
    from pathlib import Path

FIELD_UM = (100.0, 100.0)
AREA = {"kind": "random", "n_fields": 12, "rectangle_um": [0, 0, 3000, 2000]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("focus: none", Focusing()),
        ("focus: once", Focusing("once")),
        ("focus:\n  every_k: 5", Focusing("every_k", every_k=5)),
        ("focus: {every_k: 5}", Focusing("every_k", every_k=5)),
        ("focus: every_k:5", Focusing("every_k", every_k=5)),
        ('focus: "every_k: 5"', Focusing("every_k", every_k=5)),
        ("focus: plane", Focusing("plane", points=9)),
        ("focus: {plane: {points: 12}}", Focusing("plane", points=12)),
    ],
)
def test_a_plan_file_states_when_to_focus(tmp_path: Path, text: str, expected: Focusing):
    path = tmp_path / "plan.yaml"
    path.write_text(f"kind: random\nn_fields: 12\nrectangle_um: [0, 0, 3000, 2000]\n{text}\n")
    plan = load_plan(path)
    assert plan.focus == expected
    # a store keeps the plan as JSON, and a plan that is saved is read again
    assert parse_plan(plan.model_dump(mode="json")) == plan
    assert type(plan).model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize(
    ("focus", "expected"),
    [
        ("twice", "focus: 'twice' is not one of none, once, every_k: K or plane"),
        ("every_k", "focus: every_k needs a number of fields, such as every_k: 5"),
        ("every_k:x", "focus: every_k must be a whole number, not 'x'"),
        ({"every_k": 0}, "focus: every_k must be 1 to 1,000,000, not 0"),
        ({"every_k": True}, "focus: every_k must be a whole number, not 'True'"),
        ({"every_k": 2, "plane": {}}, "focus must be one of none, once, every_k: K or plane"),
        ({"often": 2}, "focus: 'often' is not one of none, once, every_k: K or plane"),
        ({"plane": {"points": 5}}, "focus: points must be 6 to 100, not 5"),
        ({"plane": 9}, "focus: plane holds 'points' and nothing else: {plane: {points: 9}}"),
        (5, "focus must be one of none, once, every_k: K or plane"),
    ],
)
def test_other_forms_are_refused(focus: object, expected: str):
    with pytest.raises(PlanError) as refused:
        parse_plan({**AREA, "focus": focus})
    assert refused.value.message == f"the plan: {expected}"


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({**AREA, "z_um": 1.5, "focus": "once"}, "focus: once decides z, and the plan gives z as well"),
        (
            {"kind": "positions", "positions_um": [[0, 0], [1, 1, 1]], "focus": "every_k:2"},
            "focus: every_k:2 decides z, and the plan gives z as well",
        ),
        (
            {"kind": "time_series", "n_frames": 3, "interval_s": 1, "focus": "plane"},
            "focus: plane is for plans with many places",
        ),
        ({"kind": "sequence", "n_frames": 3, "focus": "every_k:2"}, "focus: every_k would interrupt a sequence"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(plan: dict[str, Any], expected: str):
    with pytest.raises(PlanError, match=expected):
        parse_plan(plan)


def test_a_plane_needs_places_that_do_not_lie_on_a_line():
    few = Grid(rectangle_um=(0, 0, 200, 200), overlap=0.0, focus=Focusing("plane"))
    with pytest.raises(PlanError, match="at least 6 different places, and the plan has 4"):
        check_plan(few, FIELD_UM)
    line = PositionList(positions_um=tuple((100.0 * i, 50.0 * i + i % 2) for i in range(20)), focus=Focusing("plane"))
    with pytest.raises(PlanError, match="cannot be laid through places on a line"):
        check_plan(line, FIELD_UM)
    one_place_again = PositionList(positions_um=((0.0, 0.0),) * 20, focus=Focusing("plane"))
    with pytest.raises(PlanError, match="the plan has 1"):
        check_plan(one_place_again, FIELD_UM)


@given(seed=st.integers(0, 1000), n=st.integers(LEAST_PLANE_POINTS, 15))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_points_of_a_plane_are_well_spread(seed: int, n: int):
    places = np.random.default_rng(seed).uniform((0, 0), (3000, 2000), (60, 2))
    chosen = plane_points(places, n)
    assert len(set(chosen)) == n
    assert chosen == plane_points(places, n)
    # the span of the points is nearly that of all places, in both directions
    assert (np.ptp(places[list(chosen)], axis=0) > 0.7 * np.ptp(places, axis=0)).all()
    # their smallest distance is as large as that of points on a regular lattice, within a factor of 2
    apart = np.linalg.norm(places[list(chosen)][:, None] - places[list(chosen)][None], axis=2)
    assert apart[~np.eye(n, dtype=bool)].min() > np.sqrt(3000 * 2000 / n) / 2


def test_fields_at_which_to_focus():
    every = Focusing("every_k", every_k=4)
    assert [i for i in range(10) if every.is_due(i)] == [0, 4, 8]
    assert [every.n_left(i, 10) for i in (0, 1, 4, 5, 8, 9, 10)] == [3, 2, 2, 1, 1, 0, 0]
    assert every.n_left(3, None) is None
    assert [i for i in range(10) if Focusing("once").is_due(i)] == [0]
    assert not any(focusing.is_due(0) for focusing in (Focusing(), Focusing("plane")))


def test_focusing_leaves_the_order_of_random_fields_alone():
    plans = [
        RandomFields(n_fields=12, rectangle_um=(0, 0, 3000, 2000), seed=4, focus=focus)
        for focus in (Focusing(), Focusing("plane"))
    ]
    assert list(plans[0].events(FIELD_UM)) == list(plans[1].events(FIELD_UM))


def test_a_time_series_may_focus_at_every_kth_frame():
    assert TimeSeries(n_frames=3, interval_s=1, focus=Focusing("every_k", every_k=2)).focus.every_k == 2

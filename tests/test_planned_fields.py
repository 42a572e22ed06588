"""The fields of a plan before anything moves: those of a run, what they take, or why they cannot be taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hcc_scope.orientation import Orientation
from hcc_scope.plans import Focusing, Grid, PositionList, RandomFields, Sequence, TimeSeries, load_plan
from hcc_scope.runs.planned_fields import PlanSite, planned_fields
from hcc_scope.types import StageLimits

LIMITS = StageLimits((-3000, 3000), (-2000, 2000), (0, 100))
SITE = PlanSite(Orientation(), (2048, 2048), 0.325, 16, (0.0, 0.0), LIMITS, 10.0, 0.0, demo=True)
AREA = (-3000.0, -2000.0, 3000.0, 2000.0)


def test_random_fields_are_those_of_the_seed():
    plan = RandomFields(n_fields=24, seed=5, rectangle_um=AREA)
    planned = planned_fields(lambda: plan, SITE)
    assert planned.centres_um.tolist() == [[x, y] for _, x, y, _ in plan.places((665.6, 665.6))]
    assert (planned.problem, planned.beyond.any(), planned.outline_um.shape) == ("", False, (4, 2))
    assert planned.describe().startswith("24 random fields of 666 × 666 µm, about ")
    assert planned.describe().endswith("s, 201 MB uncompressed")


def test_a_plan_that_cannot_be_placed_states_why():
    many = planned_fields(lambda: RandomFields(n_fields=240, rectangle_um=AREA), SITE)
    assert "240 random fields cannot be taken: only 36 of 240 fields of 666 x 666 um fit" in many.describe()
    missing = planned_fields(lambda: load_plan(Path("nowhere.yaml")), SITE)
    assert missing.describe().startswith("The plan cannot be taken: ")
    assert missing.plan is None
    elsewhere = planned_fields(
        lambda: PositionList(positions_um=((0, 0), (500, 0))),
        SITE,
        section_um=np.array([(-99, -99), (99, -99), (0, 99)]),
    )
    assert "position 2 of the plan, at x = 500, y = 0 um, lies outside the section" in elsewhere.problem
    assert len(elsewhere.centres_um) == 2


def test_every_field_beyond_the_limits_is_marked():
    planned = planned_fields(lambda: PositionList(positions_um=((0, 0), (4000, 0), (1, -2001), (1, 1, 101))), SITE)
    assert planned.beyond.tolist() == [False, True, True, True]
    assert "position 2 of the plan is at x = 4000 um, beyond the stage's upper limit of 3000 um" in planned.problem
    assert "3 of 4 positions lie beyond its limits" in planned.problem
    free = planned_fields(lambda: planned.plan, replace(SITE, limits=None))
    assert not free.problem
    assert not free.beyond.any()


def test_a_disk_without_room_is_a_problem(tmp_path: Path):
    assert not planned_fields(lambda: RandomFields(n_fields=2, rectangle_um=AREA), SITE, out_dir=tmp_path).problem
    long = planned_fields(lambda: TimeSeries(n_frames=10**8, interval_s=1), SITE, out_dir=tmp_path)
    assert "are needed" in long.problem


def test_a_grid_becomes_a_list_with_its_settings_and_random_fields_do_not():
    grid = Grid(rectangle_um=AREA, z_um=7.0, exposure_ms=20, config_group=("Objective", "20X"))
    listed = planned_fields(lambda: grid, SITE).as_list
    assert listed.positions_um == tuple((x, y, 7.0) for _, x, y, _ in grid.places((665.6, 665.6)))
    assert (listed.exposure_ms, listed.config_group) == (20, ("Objective", "20X"))
    focused = planned_fields(lambda: Grid(rectangle_um=AREA, focus=Focusing("plane")), SITE).as_list
    assert focused.focus == Focusing("plane")
    drawn = planned_fields(lambda: RandomFields(n_fields=2, rectangle_um=AREA), SITE)
    assert drawn.as_list is None
    assert "left to chance" in drawn.no_list


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Sequence(n_frames=100), "100 frames of 666 × 666 µm, about 1 s, 839 MB uncompressed"),
        (Sequence(), "A sequence of frames of 666 × 666 µm, without an end"),
    ],
)
def test_a_sequence_has_no_places(plan: Sequence, words: str):
    planned = planned_fields(lambda: plan, SITE)
    assert planned.describe() == words
    assert planned.no_list == "the stage stays at one place"

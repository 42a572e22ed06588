"""Plans: where fields lie, in which order, and what is refused."""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hcc_scope.confidence import HedgedCapital
from hcc_scope.errors import PlanError
from hcc_scope.phantom import Specimen
from hcc_scope.plans import (
    Grid,
    Plan,
    PositionList,
    RandomFields,
    Sequence,
    TimeSeries,
    check_plan,
    geometry,
    load_plan,
    parse_plan,
)
from hcc_scope.plans.geometry import fields_inside, points_inside, random_fields, scattered_fields
from hcc_scope.types import StageLimits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Choose = Callable[[int, tuple[float, float], "Points", int], list[tuple[float, float]]]

Points = NDArray[np.float64]

FIELD_UM = (665.6, 665.6)
# A C-shape: the field around its hollow must be seen to leave it
HOLLOW = ((0, 0), (6000, 0), (6000, 1500), (2000, 1500), (2000, 3500), (6000, 3500), (6000, 5000), (0, 5000))
ELLIPSE = tuple((4000 * np.cos(t), 3000 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 60, endpoint=False))


def centres(plan: Plan) -> Points:
    return np.array([(event["x"], event["y"]) for event in plan.events(FIELD_UM)])


def overlaps(xy: Points, field_um: tuple[float, float]) -> list[tuple[int, int]]:
    w, h = field_um
    return [
        (a, b)
        for a, b in itertools.combinations(range(len(xy)), 2)
        if abs(xy[a, 0] - xy[b, 0]) < w - 1e-6 and abs(xy[a, 1] - xy[b, 1]) < h - 1e-6  # they may touch
    ]


def inside_densely(x: float, y: float, field_um: tuple[float, float], polygon: Points) -> bool:
    """Judge a field by many points of it: slow, independent of the code under test."""
    w, h = field_um
    grid = np.array(
        [(x + w * u, y + h * v) for u in np.linspace(-0.499, 0.499, 41) for v in np.linspace(-0.499, 0.499, 41)]
    )
    return bool(points_inside(grid, np.array(polygon, dtype=float)).all())


def test_points_inside_a_hollow_polygon():
    points = np.array([(1000.0, 2500.0), (4000.0, 2500.0), (4000.0, 700.0), (-1.0, 2.0), (4000.0, 4000.0)])
    assert points_inside(points, np.array(HOLLOW, dtype=float)).tolist() == [True, False, True, False, True]


@given(x=st.floats(-500, 6500), y=st.floats(-500, 5500), w=st.floats(50, 2500), h=st.floats(50, 2500))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_field_is_inside_if_all_its_points_are(x: float, y: float, w: float, h: float):
    polygon = np.array(HOLLOW, dtype=float)
    found = bool(fields_inside(np.array([(x, y)]), (w, h), polygon)[0])
    # Near the edge the dense grid, which stops a little short of the field's own edge, may still be inside.
    if found:
        assert inside_densely(x, y, (w, h), polygon)
    else:
        assert not inside_densely(x, y, (w * 1.01, h * 1.01), polygon)


@pytest.mark.parametrize("outline", [ELLIPSE, HOLLOW], ids=["ellipse", "hollow"])
@pytest.mark.parametrize("seed", range(4))
def test_random_fields_lie_inside_and_apart(outline: tuple[tuple[float, float], ...], seed: int):
    plan = RandomFields(n_fields=20, seed=seed, outline_um=outline)
    xy = centres(plan)
    assert len(xy) == plan.expected_frames == 20
    assert fields_inside(xy, FIELD_UM, np.array(outline, dtype=float)).all()
    assert overlaps(xy, FIELD_UM) == []


def test_the_seed_decides_the_fields():
    def xy(seed: int) -> list[list[float]]:
        return centres(RandomFields(n_fields=10, seed=seed, outline_um=ELLIPSE)).tolist()

    assert xy(1) == xy(1)
    assert xy(1) != xy(2)


def test_any_first_fields_are_a_random_choice():
    """The k-th visited field is as uniform as the first: no place is visited early or late on purpose."""
    rectangle = (0, 0, 6000, 3000)
    early, late = [], []
    for seed in range(200):
        xy = centres(RandomFields(n_fields=12, seed=seed, rectangle_um=rectangle))
        early.append(xy[0])
        late.append(xy[-1])
    # Mean of 200 uniforms over 5334 um: standard error 109 um; 4 of them
    for group in (early, late):
        assert abs(np.mean([x for x, _ in group]) - 3000) < 440
    # Uniform over the admissible centres: each quarter of them holds about a quarter
    counts = np.histogram([x for x, _ in early + late], bins=4, range=(332.8, 6000 - 332.8))[0]
    assert (np.abs(counts - 100) < 45).all()


def rim_and_middle(choose: Choose, field: float, n: int, runs: int) -> tuple[float, float, float]:
    """Image sections of 8 x 6 mm whose rim, one field wide, scores 0.8 and whose middle scores 0.2.

    Returns
    -------
    tuple of float
        Share of fields centred in the rim; the same for uniform centres; share of runs whose interval missed the mean.
    """
    outline = np.array([(0, 0), (8000, 0), (8000, 6000), (0, 6000)], dtype=float)
    uniform = 1 - (8000 - 2 * field) * (6000 - 2 * field) / ((8000 - field) * (6000 - field))
    drawn = [np.array(choose(n, (field, field), outline, seed)) for seed in range(runs)]
    xy = np.array([centres for centres in drawn if len(centres) == n])  # (runs, n, 2)
    assert len(xy) > 0.3 * runs
    rim = (np.minimum(xy, (8000, 6000) - xy) < field).any(axis=2)
    scores = np.where(rim, 0.8, 0.2) + np.clip(np.random.default_rng(1).normal(0, 0.03, rim.shape), -0.2, 0.2)
    mean = 0.2 + 0.6 * uniform
    capital = HedgedCapital(len(xy))
    missed = np.zeros(len(xy), dtype=np.bool_)
    for frame_scores in scores.T:
        capital.add(frame_scores)
        missed |= (mean <= capital.lower) | (mean >= capital.upper)
    return float(rim.mean()), uniform, float(missed.mean())


# 580 um: a whole row or column of an upright lattice lies in the rim or beside it
@pytest.mark.parametrize(("field", "n"), [(666, 24), (666, 70), (580, 55), (580, 90)])
def test_random_fields_favour_neither_rim_nor_middle(field: float, n: int):
    share, uniform, missed = rim_and_middle(random_fields, field, n, 300)
    assert share == pytest.approx(uniform, abs=0.012)  # three standard errors of 300 runs
    assert missed <= 0.05


def test_scattered_fields_favour_the_rim():
    """Why plans do not take them, and that the simulation above detects it."""
    share, uniform, _ = rim_and_middle(scattered_fields, 666, 45, 60)
    assert share > uniform + 0.08


def test_scattered_fields_lie_inside_and_apart():
    outline = np.array(ELLIPSE)
    xy = np.array(scattered_fields(24, FIELD_UM, outline, 3))
    assert xy.shape == (24, 2)
    assert fields_inside(xy, FIELD_UM, outline).all()
    assert overlaps(xy, FIELD_UM) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_phantom_has_room_for_many_fields(seed: int):
    outline = Specimen(seed, "A1", "S1", "low", cache_mb=1).outline_um
    plan = RandomFields(n_fields=45, seed=seed, outline_um=[tuple(corner) for corner in outline.tolist()])
    assert check_plan(plan, FIELD_UM, outline_um=outline) == 45


def test_too_many_random_fields_are_refused():
    plan = RandomFields(n_fields=80, outline_um=ELLIPSE)
    with pytest.raises(PlanError, match=r"only \d+ of 80 fields of 666 x 666 um fit"):
        check_plan(plan, FIELD_UM)


def test_a_section_smaller_than_a_field_is_refused():
    with pytest.raises(PlanError, match="only 0 of 1 fields"):
        check_plan(RandomFields(n_fields=1, rectangle_um=(0, 0, 600, 2000)), FIELD_UM)


def test_a_section_that_no_field_fits_into_is_refused_soon(monkeypatch: pytest.MonkeyPatch):
    """To try two million places took a minute, in which a section by hand saw no live frame."""
    tried: list[int] = []
    inside = geometry.fields_inside

    def counted(centres: NDArray[np.float64], *where: Any) -> NDArray[np.bool_]:  # noqa: ANN401
        tried.append(len(centres))
        return inside(centres, *where)

    monkeypatch.setattr(geometry, "fields_inside", counted)
    angle = np.linspace(0.0, 2 * np.pi, 40, endpoint=False)
    disc = np.column_stack((np.cos(angle), np.sin(angle)))
    assert random_fields(3, (166.0, 166.0), 100.0 * disc, 1) == []
    assert sum(tried) < 50_000
    (only,) = random_fields(1, (166.0, 166.0), 117.4 * disc, 1)  # room for one, which takes many tries to hit
    assert only == pytest.approx((0.0, 0.0), abs=1.0)
    assert sum(tried) > 50_000


def test_a_grid_covers_its_rectangle_in_a_snake():
    plan = Grid(rectangle_um=(0, 0, 2000, 1500), overlap=0.1)
    events = list(plan.events((500.0, 400.0)))
    columns = [event["axes"]["column"] for event in events]
    rows = [event["axes"]["row"] for event in events]
    assert columns == [0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4][: len(columns)]
    assert rows == sorted(rows)
    assert len(events) == check_plan(plan, (500.0, 400.0))
    xs = sorted({event["x"] for event in events})
    ys = sorted({event["y"] for event in events})
    assert (xs[0], xs[-1], ys[0], ys[-1]) == (250.0, 1750.0, 200.0, 1300.0)
    assert max(np.diff(xs)) <= 450.0
    assert max(np.diff(ys)) <= 360.0


@given(
    width=st.floats(100, 9000),
    height=st.floats(100, 9000),
    overlap=st.floats(0, 0.5),
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_a_grid_leaves_no_gap(width: float, height: float, overlap: float):
    plan = Grid(rectangle_um=(0, 0, width, height), overlap=overlap)
    xy = centres(plan)
    for axis, size in ((0, width), (1, height)):
        line = np.unique(xy[:, axis])
        step = FIELD_UM[axis] * (1 - overlap)
        assert (np.diff(line) <= step * (1 + 1e-6)).all()
        # from edge to edge, unless one field is larger than the rectangle
        assert line[0] - FIELD_UM[axis] / 2 <= 1e-6
        assert line[-1] + FIELD_UM[axis] / 2 >= size - 1e-6


def test_a_grid_in_an_outline_takes_fields_whose_centre_is_inside():
    plan = Grid(outline_um=HOLLOW)
    xy = centres(plan)
    assert points_inside(xy, np.array(HOLLOW, dtype=float)).all()
    assert not ((xy[:, 0] > 2000) & (xy[:, 1] > 1500) & (xy[:, 1] < 3500)).any()
    assert check_plan(plan, FIELD_UM, outline_um=np.array(HOLLOW)) == len(xy)


def test_events_have_pycromanagers_form():
    plan = PositionList(positions_um=[(1, 2), (3, 4, 5)], exposure_ms=7, config_group=("Objective", "20x"))
    assert list(plan.events(FIELD_UM)) == [
        {"axes": {"position": 0}, "exposure": 7.0, "config_group": ["Objective", "20x"], "x": 1.0, "y": 2.0},
        {"axes": {"position": 1}, "exposure": 7.0, "config_group": ["Objective", "20x"], "x": 3.0, "y": 4.0, "z": 5.0},
    ]
    assert [e["min_start_time"] for e in TimeSeries(n_frames=3, interval_s=2).events(FIELD_UM)] == [0.0, 2.0, 4.0]


def test_events_are_streamed():
    endless = Sequence().events(FIELD_UM)
    assert [event["axes"]["time"] for event in itertools.islice(endless, 3)] == [0, 1, 2]
    assert Sequence().expected_frames is None
    assert check_plan(Sequence(), FIELD_UM) is None


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (PositionList(positions_um=[]), "the plan holds no position"),
        (
            PositionList(positions_um=[(0, 0), (900, 0)]),
            "position 2 of the plan is at x = 900 um, .* upper limit of 800 um",
        ),
        (PositionList(positions_um=[(0, -501)]), "position 1 .* y = -501 um, .* lower limit of -500 um"),
        (PositionList(positions_um=[(0, 0, 11)]), "position 1 .* z = 11 um"),
        (TimeSeries(n_frames=1, interval_s=0, position_um=(801, 0)), "position 1 .* x = 801"),
        (
            PositionList(positions_um=[(0, 0), (750, 0)]),
            "position 2 of the plan, at x = 750, y = 0 um, lies outside the",
        ),
    ],
    ids=["empty", "x", "y", "z", "series", "section"],
)
def test_plans_that_are_refused(plan: Plan, expected: str):
    limits = StageLimits((-800.0, 800.0), (-500.0, 500.0), (-10.0, 10.0))
    outline = np.array([(-700, -500), (700, -500), (700, 500), (-700, 500)])
    with pytest.raises(PlanError, match=expected):
        check_plan(plan, FIELD_UM, limits=limits, outline_um=outline)


def test_limits_belong_to_the_stage():
    limits = StageLimits((-800.0, 800.0), (-500.0, 500.0))
    assert check_plan(PositionList(positions_um=[(800, -500, 1e6)]), FIELD_UM, limits=limits) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], "must be a mapping"),
        ({}, "'kind' must be positions, grid, random, time_series or sequence"),
        ({"kind": "spiral"}, "'kind' must be"),
        ({"kind": "positions", "positions_um": [[1, 2]], "colour": 1}, "unknown key 'colour'"),
        ({"kind": "positions"}, "the key 'positions_um' is missing"),
        ({"kind": "positions", "positions_um": [["a", 2]]}, "positions_um.0.0: "),
        ({"kind": "positions", "positions_um": [[float("nan"), 2]]}, "positions_um.0.0: "),
        ({"kind": "random", "n_fields": 3}, "give either outline_um or rectangle_um"),
        ({"kind": "random", "n_fields": 0, "rectangle_um": [0, 0, 1, 1]}, "n_fields must be greater than 0"),
        ({"kind": "random", "n_fields": True, "rectangle_um": [0, 0, 1, 1]}, "n_fields: "),
        ({"kind": "random", "n_fields": 1, "seed": True, "rectangle_um": [0, 0, 1, 1]}, "seed: "),
        ({"kind": "sequence", "n_frames": True}, "n_frames: "),
        ({"kind": "grid", "rectangle_um": [1, 0, 0, 1]}, "x0 < x1"),
        ({"kind": "grid", "outline_um": [[0, 0], [1, 1]]}, "outline_um"),
        ({"kind": "sequence", "exposure_ms": 0}, "exposure_ms must be greater than 0"),
    ],
)
def test_plan_files_that_are_refused(content: object, expected: str):
    with pytest.raises(PlanError, match=expected):
        parse_plan(content)


def test_plans_are_read_from_yaml_and_json(tmp_path: Path):
    plan = RandomFields(n_fields=5, seed=3, rectangle_um=(0, 0, 3000, 3000), exposure_ms=4)
    as_yaml, as_json = tmp_path / "plan.yaml", tmp_path / "plan.json"
    as_yaml.write_text("kind: random\nn_fields: 5\nseed: 3\nrectangle_um: [0, 0, 3000, 3000]\nexposure_ms: 4\n")
    as_json.write_text(json.dumps(plan.model_dump(mode="json")))
    assert load_plan(as_yaml) == load_plan(as_json) == plan


def test_plan_files_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(PlanError, match=r"cannot read the plan .*none\.yaml: No such file"):
        load_plan(tmp_path / "none.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("kind: [")
    with pytest.raises(PlanError, match=r"bad\.yaml:1: the plan is not YAML"):
        load_plan(bad)


POSITIONS = "kind: positions\npositions_um:\n- [0, 0]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (POSITIONS + "- [0, 0_325]\n", "4: positions_um.1.1: '0_325' is no number"),
        (POSITIONS + "- [0, 0, x]\n", "4: positions_um.1.2: 'x' is no number"),
        (POSITIONS + "- [0, 0, 0, 0]\n", "4: positions_um.1 must hold at most 3 values, not 4"),
        ("kind: grid\noutline_um: [[0, 0], [1, 1]]\n", "2: outline_um must hold at least 3 values, not 2"),
        (POSITIONS + "- [0]\n", "4: positions_um.1.1: a value is missing"),
        (POSITIONS + "exposure_ms: .nan\n", "4: exposure_ms: '.nan' is no number"),
        (POSITIONS + "exposure_ms: 1e9\n", "4: exposure_ms must be less than or equal to 3600000"),
        (POSITIONS + "config_group: [Objective, 20]\n", "4: config_group.1: '20' is no text"),
        ("kind: sequence\nn_frames: 1.5\n", "2: n_frames: '1.5' is no whole number"),
        ("kind: Grid\n", "1: 'kind' must be positions, grid, random, time_series or sequence. Did you mean 'grid'?"),
        ("\nkind: circle\n", "2: 'kind' must be positions, grid, random, time_series or sequence"),
        ("n_frames: 1\n", "1: 'kind' must be positions, grid, random, time_series or sequence"),
        ("kind: [random]\n", "1: 'kind' must be positions, grid, random, time_series or sequence"),
        ("- 1\n", "1: the plan must be a mapping of keys to values. It needs at least the key 'kind'"),
    ],
)
def test_a_plan_file_names_the_line_of_what_is_wrong(tmp_path: Path, text: str, message: str):
    bad = tmp_path / "bad.yaml"
    bad.write_text(text)
    with pytest.raises(PlanError) as caught:
        load_plan(bad)
    assert str(caught.value).startswith(f"{bad}:{message}")


def test_numbers_of_a_plan_are_decimal(tmp_path: Path):
    file = tmp_path / "plan.yaml"
    file.write_text(POSITIONS + "- [010, -.5e1]\n")
    assert load_plan(file).positions_um[1] == (10.0, -5.0)


def test_only_a_file_is_a_plan(tmp_path: Path):
    with pytest.raises(PlanError, match="is a folder and no plan"):
        load_plan(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"kind: \xff\n")
    with pytest.raises(PlanError, match="is not UTF-8"):
        load_plan(tmp_path / "bytes.yaml")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.yaml")
        with pytest.raises(PlanError, match="is a pipe, a device or the like and no plan"):
            load_plan(tmp_path / "pipe.yaml")


@pytest.mark.parametrize(
    "plan",
    [
        Grid(rectangle_um=(0, 0, 1e12, 1e12)),
        Grid(rectangle_um=(0, 0, 1e6, 1e6)),
        RandomFields(n_fields=5, rectangle_um=(0, 0, 1e9, 1e9)),
    ],
    ids=["grid-side", "grid-area", "random"],
)
def test_a_slip_in_the_units_is_refused_immediately(plan: Plan) -> None:
    with pytest.raises(PlanError, match=r"um|positions"):
        check_plan(plan, (600.0, 600.0))


def test_a_grid_with_too_many_fields_gives_not_even_the_first() -> None:
    with pytest.raises(PlanError, match="more than 1,000,000 positions"):
        next(iter(Grid(rectangle_um=(0, 0, 1e6, 1e6)).places((600.0, 600.0))))

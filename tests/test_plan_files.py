"""Plans and position lists as files: what is written is read back, and a mistake is named with its place."""

from __future__ import annotations

import json
from copy import deepcopy as copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.errors import HccScopeError, PlanError
from hcc_scope.plans import (
    Grid,
    Plan,
    PositionList,
    RandomFields,
    Sequence,
    TimeSeries,
    check_outline,
    first_crossing,
    load_plan,
    parse_plan,
    save_plan,
)
from hcc_scope.plans.estimate import Pace, estimate
from hcc_scope.plans.outline import MAX_CORNERS, area_um2
from hcc_scope.plans.stage_positions import (
    MultiStagePosition,
    StageChoice,
    plan_of_positions,
    positions_of_plan,
    read_positions,
    write_positions,
)
from tests.commands import cli

if TYPE_CHECKING:
    from pathlib import Path

# --- plans ---

numbers = st.floats(allow_nan=False, allow_infinity=False)
points = st.tuples(numbers, numbers)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
common = {
    "exposure_ms": st.none() | st.floats(1e-300, 3_600_000),
    "config_group": st.none() | st.tuples(texts, texts),
}
z_um = st.none() | numbers
rectangles = st.tuples(st.floats(-1e6, -1), st.floats(-1e6, -1), st.floats(1, 1e6), st.floats(1, 1e6))
counts = st.integers(1, 10**9)
positions = st.lists(points | st.tuples(numbers, numbers, numbers), max_size=6)
plans = st.one_of(
    positions.flatmap(
        lambda places: st.builds(
            PositionList,
            positions_um=st.just(tuple(places)),
            labels=st.none() | st.lists(texts, min_size=len(places), max_size=len(places)).map(tuple),
            xy_stage=st.none() | texts,
            **common,
        )
    ),
    st.builds(Grid, rectangle_um=rectangles, overlap=st.floats(0, 0.89), z_um=z_um, **common),
    st.builds(RandomFields, rectangle_um=rectangles, n_fields=counts, seed=st.integers(0, 2**63), **common),
    st.builds(TimeSeries, n_frames=counts, interval_s=st.floats(0, 1e9), position_um=st.none() | points, **common),
    st.builds(Sequence, n_frames=st.none() | counts, position_um=st.none() | points, z_um=z_um, **common),
)


@settings(max_examples=60)
@given(plan=plans)
def test_a_saved_plan_is_read_back_as_the_same_plan(plan: Plan, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.getbasetemp() / "property.yaml"
    save_plan(plan, path)
    assert load_plan(path) == plan


def test_a_saved_outline_is_read_back_and_replaces_the_file_that_was_there(tmp_path: Path):
    path = tmp_path / "plan.yaml"
    path.write_text("kind: sequence\n")
    corners = tuple((4000.1 * float(np.cos(t)), 3000 * float(np.sin(t))) for t in np.linspace(0, 6, 50))
    plan = RandomFields(n_fields=24, seed=7, outline_um=corners, config_group=("Objective", "089"))
    save_plan(plan, path)
    assert load_plan(path) == plan
    assert len(path.read_text().splitlines()) == 50 + 6
    assert [one.name for one in tmp_path.iterdir()] == ["plan.yaml"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(HccScopeError, match=r"The plan .*nowhere.*plan\.yaml cannot be saved"):
        save_plan(Sequence(), tmp_path / "nowhere" / "plan.yaml")


# --- outlines ---

BOW = ((0.0, 0.0), (200.0, 200.0), (200.0, 0.0), (0.0, 200.0))


def test_an_outline_that_crosses_itself_is_refused_with_its_place(tmp_path: Path):
    path = tmp_path / "plan.yaml"
    path.write_text(f"kind: random\nn_fields: 3\noutline_um: {[list(one) for one in BOW]}\n")
    with pytest.raises(PlanError, match=r"outline_um: edges 1 and 3 of the outline cross at x = 100, y = 100 um"):
        load_plan(path)
    with pytest.raises(PlanError, match="edges 1 and 3"):
        parse_plan({"kind": "grid", "outline_um": BOW})


@pytest.mark.parametrize(
    ("corners", "edges"),
    [
        ([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)], (0, 2)),  # a corner that lies on an edge
        ([(0, 0), (4, 0), (2, 0), (2, 3)], (0, 1)),  # an edge that goes back
        ([(0, 0), (3, 0), (3, 3), (0, 3), (0, 1), (0, 2)], (3, 4)),
        ([(0, 0), (2, 0), (2, 2), (1, 1), (0, 2), (1, 1)], (2, 4)),  # the same corner twice
        ([(0, 0), (4, 0), (4, 4), (0, 4), (-1, 2), (5, 2)], (1, 4)),
    ],
)
def test_edges_that_cross_or_touch_are_found(corners: list[tuple[float, float]], edges: tuple[int, int]):
    found = first_crossing(corners)
    assert found is not None
    assert (found.first, found.second) == edges


@settings(max_examples=60)
@given(st.integers(3, 40), st.integers(0, 2**32 - 1))
def test_an_outline_around_a_middle_never_crosses_itself_and_two_swapped_corners_do(n: int, seed: int):
    rng = np.random.default_rng(seed)
    turns = 2 * np.pi * (np.arange(n) + rng.uniform(0.1, 0.9, n)) / n
    radius = rng.uniform(500, 3000, n)
    corners = np.stack([radius * np.cos(turns), radius * np.sin(turns)], axis=1) + rng.uniform(-1e5, 1e5, 2)
    assert first_crossing(corners) is None
    check_outline(corners)
    if n >= 6:
        ring = np.stack([np.cos(turns), np.sin(turns)], axis=1)
        ring[[0, n // 2]] = ring[[n // 2, 0]]
        assert first_crossing(ring) is not None


def test_an_outline_holds_an_area_and_not_too_many_corners():
    assert area_um2([(0, 0), (0, 3), (2, 3), (2, 0)]) == 6
    for corners, words in (
        ([(0, 0), (1, 1)], "at least 3 corners"),
        ([(0.0, 0.0)] * (MAX_CORNERS + 1), "at most 5,000 corners"),
        ([(1, 1), (1, 1), (1, 1)], "holds no area"),
    ):
        with pytest.raises(PlanError, match=words):
            check_outline(corners)


# --- position lists of Micro-Manager ---


def scalar(text: str) -> dict[str, str]:
    return {"type": "STRING", "scalar": text}


def new_entry(label: str, **stages: list[float]) -> dict[str, Any]:
    """Return an entry as Micro-Manager 2.0 writes it, for a rig with perfect focus and a filter wheel besides."""
    devices = [
        {"Device": scalar(device), "Position_um": {"type": "DOUBLE", "array": values}}
        for device, values in stages.items()
    ]
    return {
        "DefaultXYStage": scalar("XYStage"),
        "DefaultZStage": scalar("ZDrive"),
        "DevicePositions": {"type": "PROPERTY_MAP", "array": devices},
        "GridCol": {"type": "INTEGER", "scalar": 2},
        "GridRow": {"type": "INTEGER", "scalar": 1},
        "Label": scalar(label),
        "Properties": {"type": "PROPERTY_MAP", "scalar": {"OverlapUmX": scalar("138.2400")}},
    }


def new_list(*entries: dict[str, Any]) -> dict[str, Any]:
    return {
        "encoding": "UTF-8",
        "format": "Micro-Manager Property Map",
        "major_version": 2,
        "minor_version": 0,
        "map": {"StagePositions": {"type": "PROPERTY_MAP", "array": list(entries)}},
    }


def old_entry(label: str, x: float, y: float, z: float) -> dict[str, Any]:
    """Return an entry as Micro-Manager 1.4 writes it: the height of the focus drive stands in X."""
    return {
        "GRID_COL": 0,
        "DEVICES": [
            {"DEVICE": "FocusDrive", "AXES": 1, "Y": 0, "X": z, "Z": 0},
            {"DEVICE": "XYStage", "AXES": 2, "Y": y, "X": x, "Z": 0},
        ],
        "PROPERTIES": {"OverlapPixelsX": "384"},
        "DEFAULT_Z_STAGE": "FocusDrive",
        "LABEL": label,
        "GRID_ROW": 0,
        "DEFAULT_XY_STAGE": "XYStage",
    }


def old_list(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"VERSION": 3, "ID": "Micro-Manager XY-position list", "POSITIONS": list(entries)}


def written(tmp_path: Path, whole: object, name: str = "list.pos") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(whole, indent=3), encoding="utf-8")
    return path


def test_a_new_list_is_a_plan_with_its_labels(tmp_path: Path):
    stages = {"ZDrive": [50.5], "PFSOffset": [110.0], "Fast Filter Wheel": [0.0]}
    path = written(
        tmp_path,
        new_list(
            new_entry("tissue-1", XYStage=[1000.0, -2000.0], **stages),
            new_entry("Grüße", XYStage=[1500, -2000], **stages),
        ),
    )
    plan, ignored = plan_of_positions(read_positions(path), "list.pos")
    assert plan == PositionList(
        positions_um=((1000.0, -2000.0, 50.5), (1500.0, -2000.0, 50.5)),
        labels=("tissue-1", "Grüße"),
        xy_stage="XYStage",
        z_stage="ZDrive",
    )
    assert ignored == ("Fast Filter Wheel", "PFSOffset")
    assert load_plan(path) == plan


def test_an_old_list_is_a_plan_too(tmp_path: Path):
    path = written(tmp_path, old_list(old_entry("well1-1", 20873.036188, 19659.84833259, 2142.0638)))
    assert load_plan(path) == PositionList(
        positions_um=((20873.036188, 19659.84833259, 2142.0638),),
        labels=("well1-1",),
        xy_stage="XYStage",
        z_stage="FocusDrive",
    )


def test_an_old_list_in_the_encoding_of_its_computer_is_read(tmp_path: Path):
    path = tmp_path / "list.pos"
    path.write_bytes(json.dumps(old_list(old_entry("Gewebe ä", 1, 2, 3)), ensure_ascii=False).encode("cp1252"))
    assert read_positions(path)[0].label == "Gewebe ä"


def test_the_only_device_with_two_axes_is_the_stage_where_none_is_named(tmp_path: Path):
    entry = old_entry("", 1, 2, 3)
    entry["DEFAULT_XY_STAGE"] = entry["DEFAULT_Z_STAGE"] = ""
    path = written(tmp_path, old_list(entry))
    assert load_plan(path) == PositionList(positions_um=((1.0, 2.0, 3.0),), xy_stage="XYStage", z_stage="FocusDrive")
    entry["DEVICES"].append({"DEVICE": "Galvo", "AXES": 2, "X": 5, "Y": 6, "Z": 0})
    path = written(tmp_path, old_list(entry))
    with pytest.raises(PlanError, match=r"list\.pos: position 1 does not name its XY stage.*'XYStage' or 'Galvo'"):
        load_plan(path)
    plan, ignored = plan_of_positions(read_positions(path), "list.pos", StageChoice(xy="Galvo"))
    assert plan.positions_um == ((5.0, 6.0, 3.0),)
    assert ignored == ("XYStage",)
    with pytest.raises(PlanError, match="position 1 has no x and y of the stage 'FocusDrive'"):
        plan_of_positions(read_positions(path), "list.pos", StageChoice(xy="FocusDrive"))


def test_positions_of_two_stages_make_no_plan(tmp_path: Path):
    one, other = new_entry("a", XYStage=[1, 2], ZDrive=[5]), new_entry("b", Other=[3, 4], Piezo=[6])
    path = written(tmp_path, new_list(one, other))
    with pytest.raises(PlanError, match="position 2 belongs to the XY stage 'Other', and those before to 'XYStage'"):
        load_plan(path)
    both = new_entry("b", XYStage=[3, 4], Piezo=[6])
    with pytest.raises(PlanError, match="position 2 belongs to the focus drive 'Piezo', and those before to 'ZDrive'"):
        load_plan(written(tmp_path, new_list(one, both)))


def test_the_label_of_a_position_is_a_tag_of_its_frame():
    plan = PositionList(positions_um=((1.0, 2.0), (3.0, 4.0)), labels=("well A", ""))
    assert list(plan.events((1.0, 1.0))) == [
        {"axes": {"position": 0}, "x": 1.0, "y": 2.0, "tags": {"position_label": "well A"}},
        {"axes": {"position": 1}, "x": 3.0, "y": 4.0},
    ]


def test_an_outline_says_where_it_comes_from():
    corners = ((0, 0), (9, 0), (9, 9))
    plan = {"kind": "random", "n_fields": 3, "outline_um": corners, "outline_from": "prescan", "outline_margin_um": 5.0}
    assert parse_plan(plan).model_dump()["outline_from"] == "prescan"
    for wrong, words in (
        ({"outline_from": "guess"}, "outline_from"),
        ({"outline_um": None, "rectangle_um": (0, 0, 1, 1)}, "describe outline_um, which is not given"),
    ):
        with pytest.raises(PlanError, match=words):
            parse_plan(plan | wrong)


def test_a_position_without_a_height_leaves_the_focus_alone(tmp_path: Path):
    entries = new_entry("a", XYStage=[1, 2]), new_entry("b", XYStage=[3, 4], ZDrive=[5])
    assert load_plan(written(tmp_path, new_list(*entries))).positions_um == ((1.0, 2.0), (3.0, 4.0, 5.0))
    only_z = written(tmp_path, new_list(new_entry("c", ZDrive=[5])))
    with pytest.raises(PlanError, match=r"position 1 \('c'\) has no x and y of a stage"):
        load_plan(only_z)


def without(entry: dict[str, Any], *keys: str | int) -> dict[str, Any]:
    *way, last = keys
    value: Any = entry
    for key in way:
        value = value[key]
    del value[last]
    return entry


def with_value(entry: dict[str, Any], value: object, *keys: str | int) -> dict[str, Any]:
    *way, last = keys
    place: Any = entry
    for key in way:
        place = place[key]
    place[last] = value
    return entry


NEW, OLD = new_entry("a", XYStage=[1.0, 2.0]), old_entry("a", 1, 2, 3)


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        ([], "is no position list: it has neither POSITIONS nor map.StagePositions"),
        ({"map": {}}, "is no position list"),
        (old_list(), "POSITIONS holds no position"),
        (new_list(), "map.StagePositions holds no position"),
        ({"POSITIONS": {}}, "POSITIONS must be a list of positions"),
        (new_list(NEW, 3), r"map.StagePositions\[1\] must be a mapping"),  # type: ignore[arg-type]
        (old_list(without(copy(OLD), "DEVICES")), r"POSITIONS\[0\].DEVICES must be a list"),
        (old_list(without(copy(OLD), "DEVICES", 1, "AXES")), r"DEVICES\[1\].AXES is missing"),
        (old_list(with_value(copy(OLD), 4, "DEVICES", 1, "AXES")), "AXES must be 1, 2 or 3"),
        (old_list(with_value(copy(OLD), "7", "DEVICES", 1, "X")), r"DEVICES\[1\].X must be a number"),
        (old_list(with_value(copy(OLD), float("nan"), "DEVICES", 1, "X")), "X must be a finite"),
        (old_list(with_value(copy(OLD), 10**400, "DEVICES", 1, "X")), "X must be a finite"),
        (old_list(with_value(copy(OLD), True, "DEVICES", 1, "X")), "X must be a number"),
        (old_list(with_value(copy(OLD), "XYStage", "DEVICES", 0, "DEVICE")), "names a device twice"),
        (new_list(without(copy(NEW), "DevicePositions")), r"\[0\].DevicePositions is missing"),
        (
            new_list(without(copy(NEW), "DevicePositions", "array", 0, "Position_um")),
            r"map.StagePositions\[0\].DevicePositions\[0\].Position_um is missing",
        ),
        (
            new_list(with_value(copy(NEW), [], "DevicePositions", "array", 0, "Position_um", "array")),
            "Position_um must hold 1 to 3 numbers, not 0",
        ),
        (
            new_list(without(copy(NEW), "DevicePositions", "array", 0, "Device")),
            r"DevicePositions\[0\].Device is missing",
        ),
        (new_list(with_value(copy(NEW), {"scalar": 3}, "Label")), "Label.scalar must be a text"),
        (old_list(with_value(copy(OLD), "a\ud800", "LABEL")), "LABEL holds half a character"),
    ],
)
def test_a_broken_list_is_refused_with_the_place(tmp_path: Path, whole: object, words: str):
    with pytest.raises(PlanError, match=words) as caught:
        read_positions(written(tmp_path, whole))
    assert str(caught.value).startswith(str(tmp_path / "list.pos"))


def test_a_file_that_is_cut_off_is_refused_with_its_line(tmp_path: Path):
    path = written(tmp_path, new_list(NEW))
    path.write_text(path.read_text()[:200])
    with pytest.raises(PlanError, match=r"list\.pos:\d+: the position list is not JSON"):
        read_positions(path)
    path.write_text('{"POSITIONS": [{"DEVICES": [{"AXES": 1, "X": 1, "X": 100}]}]}')
    with pytest.raises(PlanError, match="the key 'X' is there twice in one place"):
        read_positions(path)
    path.write_text("[" * 100_000)
    with pytest.raises(PlanError, match=r"nested too deep|not JSON"):
        read_positions(path)


@settings(max_examples=40)
@given(
    entries=st.lists(st.tuples(texts, numbers, numbers, st.none() | numbers), min_size=1, max_size=5),
    old=st.booleans(),
)
def test_a_written_list_is_read_back(
    entries: list[tuple[str, float, float, float | None]], old: bool, tmp_path_factory: pytest.TempPathFactory
):
    path = tmp_path_factory.getbasetemp() / "property.pos"
    listed = positions_of_plan([one[1:] for one in entries], [one[0] for one in entries], "XY Stage", "Z:3")
    write_positions(listed, path, "1.4" if old else "2.0")
    assert read_positions(path) == listed


def test_other_stages_of_a_list_are_written_too(tmp_path: Path):
    one = MultiStagePosition("a", {"XY": (1.0, 2.0), "Piezo": (3.0,), "Arm": (1.0, 2.0, 3.0)}, "XY", "Piezo")
    for pos_format in ("1.4", "2.0"):
        write_positions([one], tmp_path / "all.pos", pos_format)
        assert read_positions(tmp_path / "all.pos") == (one,)
    with pytest.raises(PlanError, match="no position to write"):
        write_positions([], tmp_path / "none.pos")


def test_a_list_is_imported_for_the_stages_and_limits_of_a_rig(tmp_path: Path):
    """The files of the rig are read, and no device is loaded."""
    out = tmp_path / "plan.yaml"
    entry = new_entry("far", XYStage=[59_000.0, 10.0], ZDrive=[5.0])
    path = written(tmp_path, new_list(entry))
    other = cli("plan", "import", path, "--rig", "demo", "--out", out)
    assert other.code == 14
    assert "the list has no coordinates of 'XY', the XY stage of demo" in other.err
    assert "names XYStage, ZDrive: give --xy-stage" in " ".join(other.err.split())
    same = cli("plan", "import", path, "--rig", "demo", "--xy-stage", "XYStage", "--out", out, "--json")
    assert same.code == 0, same.err
    assert json.loads(same.out)["with_z"] == 0  # the rig's focus drive has another name
    assert json.loads(same.out)["ignored_devices"] == ["ZDrive"]
    with_z = ("--rig", "demo", "--xy-stage", "XYStage", "--z-stage", "ZDrive", "--out", out, "--json")
    assert json.loads(cli("plan", "import", path, *with_z).out)["with_z"] == 1
    assert load_plan(out).labels == ("far",)
    assert "no height of 'Z'" in cli("plan", "import", path, "--z-stage", "Z", "--out", out).err
    path = written(tmp_path, new_list(new_entry("too far", XYStage=[61_000.0, 10.0])))
    beyond = cli("plan", "import", path, "--rig", "demo", "--xy-stage", "XYStage", "--out", out)
    assert beyond.code == 14
    assert "position 1 of the plan is at x = 61000 um" in beyond.err
    assert load_plan(out).labels == ("far",)  # unchanged


# --- how long a plan takes ---


def test_time_and_size_are_estimated_from_the_places():
    pace = Pace(20.0, 100.0, stage_um_per_s=1000.0, move_s=0.5, read_out_s=0.08, classify_fps=2.0)
    plan = PositionList(positions_um=((0, 0), (3000, 4000), (3000, 4000)))
    found = estimate(plan, (1.0, 1.0), (100, 200), pace, n_frames=3, start_um=(0.0, 0.0))
    assert found.travel_um == 5000.0
    assert found.move_s == pytest.approx(4.5)  # one move: y takes 4 s, and x goes along
    assert (found.settle_s, found.exposure_s) == pytest.approx((0.3, 0.06))
    assert found.acquire_s == pytest.approx(4.5 + 0.3 + 0.3)
    assert (found.classify_s, found.store_bytes) == (1.5, 3 * 40_000)
    assert found.duration_s == found.acquire_s
    slow = estimate(plan, (1.0, 1.0), (100, 200), replace(pace, classify_fps=0.1), n_frames=3)
    assert slow.duration_s == slow.classify_s == pytest.approx(30.0)


@pytest.mark.parametrize(("focus", "n"), [("none", 0), ("once", 1), ("every_k:2", 4), ("plane:6", 6), ("plane:12", 7)])
def test_the_time_of_focusing_is_part_of_it(focus: str, n: int):
    places = tuple((float(x), float(x * x % 5)) for x in range(7))
    plan = parse_plan({"kind": "positions", "positions_um": places, "focus": focus})
    pace = Pace(10.0, move_s=0.1, read_out_s=0.09)
    found = estimate(plan, (1.0, 1.0), (10, 10), pace, n_frames=7)
    assert found.n_focusings == n
    assert found.focus_s == pytest.approx(n * 20 * 0.2)


def test_a_time_series_takes_its_intervals_and_an_open_end_is_not_known():
    pace = Pace(10.0)
    series = TimeSeries(n_frames=11, interval_s=3.0)
    assert estimate(series, (1.0, 1.0), (10, 10), pace, n_frames=11).duration_s == pytest.approx(30.01)
    sequence = Sequence(n_frames=100)
    assert estimate(sequence, (1.0, 1.0), (10, 10), pace, n_frames=100).duration_s == pytest.approx(1.0)
    endless = estimate(Sequence(), (1.0, 1.0), (10, 10), pace, n_frames=None)
    assert (endless.duration_s, endless.store_bytes, endless.acquire_s) == (None, None, None)

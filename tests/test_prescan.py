"""The prescan: an outline from sparse samples, on shapes of known area and on the demo camera before a phantom."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from hcc_scope.errors import DeviceError, HccScopeError, PlanError
from hcc_scope.inference.card import read_card
from hcc_scope.inference.catalogue import find_model
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.phantom_scene import PhantomScene
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.phantom import Specimen
from hcc_scope.plans import first_crossing, load_plan, parse_plan
from hcc_scope.plans.geometry import points_inside
from hcc_scope.plans.stage_positions import read_positions
from hcc_scope.plans.tissue_outline import scan_lines, tissue_outline
from hcc_scope.runs.plan_check import check_plan_on
from hcc_scope.runs.prescan import PrescanRequest, clipped_area, prescan
from hcc_scope.runs.rigs import open_rig
from hcc_scope.types import StageLimits
from hcc_scope.workers import StopToken
from tests.commands import cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.plans.tissue_outline import TissueOutline
    from hcc_scope.run_events import RunEvent

    Points = NDArray[np.float64]

AREA = (-3000.0, -2000.0, 3000.0, 2000.0)
SPACING = 250.0


def scanned(inside: Callable[[Points], NDArray[np.bool_]], area: tuple[float, ...] = AREA) -> TissueOutline:
    """Sample a shape on a square lattice over the area."""
    xs, ys = scan_lines(area[0], area[2], SPACING, SPACING), scan_lines(area[1], area[3], SPACING, SPACING)
    places = np.array([(x, y) for y in ys for x in xs])
    return tissue_outline(places, inside(places).astype(float), AREA, SPACING)


def ellipse(x: float, y: float, a: float, b: float) -> Callable[[Points], NDArray[np.bool_]]:
    return lambda places: ((places[:, 0] - x) / a) ** 2 + ((places[:, 1] - y) / b) ** 2 <= 1


def iou(one: Points, other: Callable[[Points], NDArray[np.bool_]], area: tuple[float, ...] = AREA) -> float:
    """Return the area that two shapes share, as a share of what either covers."""
    x, y = np.meshgrid(np.linspace(area[0], area[2], 150), np.linspace(area[1], area[3], 150))
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    a, b = points_inside(places, one), other(places)
    return float((a & b).sum() / (a | b).sum())


def test_an_ellipse_is_outlined_within_the_margin_that_is_stated():
    shape = ellipse(300, -200, 2000, 1300)
    found = scanned(shape)
    outline = np.array(found.points_um)
    assert iou(outline, shape) > 0.92  # of samples that know only yes and no
    assert found.area_um2 == pytest.approx(np.pi * 2000 * 1300, rel=0.05)
    assert (found.reaches, found.others_um2) == ((), ())
    assert len(outline) < 100
    # every corner lies within the margin of the true edge
    turns = np.linspace(0, 2 * np.pi, 2000)
    edge = np.stack([300 + 2000 * np.cos(turns), -200 + 1300 * np.sin(turns)], axis=1)
    away = np.linalg.norm(outline[:, None] - edge[None], axis=2).min(axis=1)
    assert away.max() <= found.margin_um
    assert found.remarks() == (f"The edge of the tissue is known to ± {found.margin_um:.0f} um.",)


def test_tissue_that_reaches_the_edge_of_the_scan_is_reported():
    found = scanned(ellipse(3000, 2000, 1500, 1000))
    assert found.reaches == ("high x", "high y")
    assert any("high x and high y: it may go on there" in one for one in found.remarks())
    outline = np.array(found.points_um)
    assert outline.max(axis=0) == pytest.approx([3000, 2000])  # nothing beyond what was seen


def test_the_largest_piece_is_taken_and_the_others_are_reported():
    large, small = ellipse(-1000, 0, 1500, 1500), ellipse(2200, 800, 500, 500)
    found = scanned(lambda places: large(places) | small(places))
    assert iou(np.array(found.points_um), large) > 0.92
    assert found.others_um2 == (pytest.approx(np.pi * 500**2, rel=0.2),)
    assert any("1 smaller piece of tissue" in one and "is left out" in one for one in found.remarks())


def test_gaps_narrower_than_the_spacing_are_closed_and_holes_are_filled():
    whole, hole = ellipse(0, 0, 2500, 1700), ellipse(500, 300, 600, 600)
    found = scanned(lambda places: whole(places) & ~hole(places) & (np.abs(places[:, 0] + 875) > 60))
    assert iou(np.array(found.points_um), whole) > 0.92
    assert found.holes_um2 == pytest.approx(np.pi * 600**2, rel=0.2)
    assert any("mm² inside the outline are holes without tissue" in one for one in found.remarks())


def test_where_nothing_is_found_that_is_said():
    with pytest.raises(PlanError, match=r"no tissue was found in 6,000 x 4,000 um around x = 0, y = 0 um: at most 0 %"):
        scanned(lambda places: np.zeros(len(places), dtype=bool))
    with pytest.raises(PlanError, match="took no field"):
        tissue_outline(np.zeros((0, 2)), np.zeros(0), AREA, SPACING)


def test_samples_on_a_line_and_a_single_one_are_outlined_too():
    line = np.array([(x, 0.0) for x in range(-1000, 1001, 250)])
    found = tissue_outline(line, (np.abs(line[:, 0]) < 600).astype(float), (-1125, -125, 1125, 125), 250)
    assert found.area_um2 == pytest.approx(5 * 250 * 250, rel=0.1)
    assert found.reaches == ("low y", "high y")
    one = tissue_outline(np.zeros((1, 2)), np.ones(1), (-125, -125, 125, 125), 250)
    assert one.area_um2 == pytest.approx(250 * 250)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.7))
def test_whatever_the_shape_the_outline_never_crosses_itself_and_stays_in_the_area(seed: int, level: float):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(16, 24)), 1.0)
    shares = np.clip(0.5 + (noise - np.quantile(noise, level)) * 4, 0, 1)
    ys, xs = scan_lines(-2000, 2000, SPACING, SPACING), scan_lines(-3000, 3000, SPACING, SPACING)
    places = np.array([(x, y) for y in ys for x in xs])
    found = tissue_outline(places, shares.ravel(), AREA, SPACING)
    assert first_crossing(found.points_um) is None
    corners = np.array(found.points_um)
    assert (corners >= np.array(AREA[:2]) - 1e-6).all()
    assert (corners <= np.array(AREA[2:]) + 1e-6).all()


def test_the_area_is_cut_to_what_the_stage_can_reach():
    limits = StageLimits((-1000, 1000), (-500, 5000))
    assert clipped_area(AREA, (200, 100), limits) == ((-1100, -550, 1100, 2000), True)
    assert clipped_area((0, 0, 10, 10), (200, 100), limits) == ((0, 0, 10, 10), False)
    assert clipped_area(AREA, (200, 100), None) == (AREA, False)
    with pytest.raises(PlanError, match="outside the stage's limits"):
        clipped_area((2000, 0, 3000, 10), (200, 100), limits)


@settings(max_examples=30)
@given(
    st.floats(-1e5, 1e5),
    st.floats(0.1, 2e4),
    st.floats(0.1, 5000),
    st.floats(100, 5000),
)
def test_fields_of_a_scan_cover_it_from_edge_to_edge(low: float, side: float, size: float, spacing: float):
    lines = scan_lines(low, low + side, size, spacing)
    if side <= size * (1 + 1e-5):
        assert len(lines) == 1
        return
    assert lines[0] == pytest.approx(low + size / 2, abs=1e-6)
    assert lines[-1] == pytest.approx(low + side - size / 2, abs=1e-6)
    assert np.diff(lines).max() <= spacing * (1 + 1e-6)


# --- on the demo camera ---


@pytest.fixture
def rig_file(demo_cfg: Callable[..., Path], tmp_path: Path) -> Path:
    cfg = demo_cfg(OnCameraCCDXSize=512, OnCameraCCDYSize=512)
    path = tmp_path / "small.rig.yaml"
    path.write_text(
        f"config: {cfg.name}\nbuffer_size_mb: 64\nlimits: {{exposure_ms: [1, 200]}}\n"
        "stage_limits_um: {x: [-5000, 5000], y: [-3000, 3000]}\n"
        # the demo camera's sensor is always at its set point; its offset of 0 counts as one here
        "roles: {objective: Objective, temperature: CCDTemperature RO, temperature_set_point: Offset}\n",
        encoding="utf-8",
    )
    return path


def test_the_phantom_is_found_and_a_plan_made_of_it_is_checked_and_exchanged(rig_file: Path, tmp_path: Path):
    """One after the other, as an operator does it; the frames cover 2 % of the area."""
    plan_file, truth = tmp_path / "plan.yaml", Specimen(5, "M7", "S1", "high").outline_um
    done = cli(
        *("prescan", "--rig", rig_file, "--phantom", "high", "--animal", "M7", "--seed", "5", "--json"),
        *("--rectangle-um", "0,-4000,6000,4000", "--spacing-um", "1200", "--fields", "30", "--out", plan_file),
    )
    assert done.code == 0, done.err
    found = json.loads(done.out)
    outline = np.array(found["outline_um"])
    # the right half of the section: it goes on at the left
    assert iou(outline, lambda places: points_inside(places, truth), (0, -4000, 6000, 4000)) > 0.85
    assert found["reaches"] == ["low x"]
    assert found["scanned_um"] == pytest.approx([0, -3083.2, 5083.2, 3083.2])  # as far as the limits
    assert any("the stage's limits end there" in one for one in found["notes"])
    assert load_plan(plan_file).n_fields == 30

    checked = cli("plan", "check", plan_file, "--rig", rig_file, "--json", "--classify-fps", "2", "--out", tmp_path)
    assert checked.code == 0, checked.err
    estimate = json.loads(checked.out)["estimate"]
    assert (estimate["n_frames"], estimate["store_bytes"], estimate["classify_s"]) == (30, 30 * 2 * 512 * 512, 15.0)
    assert estimate["duration_s"] == max(estimate["acquire_s"], 15.0)

    positions = tmp_path / "plan.pos"
    exported = cli("plan", "export", plan_file, "--rig", rig_file, "--out", positions, "--format", "1.4")
    assert exported.code == 0, exported.err
    assert [one.label for one in read_positions(positions)][:2] == ["Pos0", "Pos1"]
    imported = cli("plan", "import", positions, "--rig", rig_file, "--out", tmp_path / "back.yaml")
    assert imported.code == 0, imported.err
    assert len(load_plan(tmp_path / "back.yaml").positions_um) == 30


REFUSED = (
    ({"kind": "positions", "positions_um": [[0, 0], [9000, 0]]}, "position 2 of the plan is at x = 9000 um"),
    ({"kind": "sequence", "exposure_ms": 500}, "500 ms is beyond the rig file's limits, 1 to 200 ms"),
    ({"kind": "sequence", "config_group": ["Objective", "99X"]}, "preset '99X' of group 'Objective'"),
    ({"kind": "random", "n_fields": 9, "rectangle_um": [0, 0, 200, 200]}, "only 1 of 9 fields"),
    (
        {"kind": "positions", "positions_um": [[0, 0]], "xy_stage": "Robot"},
        "positions are those of the XY stage 'Robot', and this rig's is 'XY'",
    ),
    (
        {"kind": "positions", "positions_um": [[0, 0, 5]], "xy_stage": "XY", "z_stage": "PFSOffset"},
        "positions are those of the focus drive 'PFSOffset', and this rig's is 'Z'",
    ),
)


def test_a_scan_that_is_stopped_or_fails_puts_everything_back(
    rig_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with open_rig(rig_file) as rig:
        microscope = rig.microscope
        for values, words in REFUSED:
            with pytest.raises(PlanError, match=words):
                check_plan_on(rig, parse_plan(values))
            assert rig.stage_xy_um() == (0, 0)
            with pytest.raises(PlanError, match=words):  # a run says the same
                MicroManagerSource(microscope, parse_plan(values), animal_id="M7", section_id="S1")
        series = parse_plan({"kind": "time_series", "n_frames": 2, "interval_s": 0})
        card = read_card(find_model("phantom-meng2019"))
        assert not any("model" in one for one in check_plan_on(rig, series, card=card).notes)
        assert any("a model takes these frames is not checked" in one for one in check_plan_on(rig, series).notes)
        for change, words in (
            ({"pixel_size_um": 0.1}, "the frames have 0.325 um/px but the model phantom-meng2019"),
            ({"tile_px": 1024}, "frame"),
            ({"shading": "required"}, "requires frames corrected by dark and flat fields"),
        ):
            with pytest.raises(HccScopeError, match=words):
                check_plan_on(rig, series, card=card.model_copy(update=change))
        occupied = tmp_path / "file"
        occupied.touch()
        with pytest.raises(HccScopeError, match="is no folder"):
            check_plan_on(rig, series, out_dir=occupied)
        with pytest.raises(DeviceError, match="500 ms is beyond"):
            DeviceControls(microscope).set_exposure_ms(500)
        happened: list[RunEvent] = []
        listed = parse_plan({"kind": "positions", "positions_um": [[0, 0]], "labels": ["well A"], "xy_stage": "XY"})
        source = MicroManagerSource(microscope, listed, animal_id="M7", section_id="S1")
        with microscope.events.kept_by(happened.append):
            (frame,) = source.frames(StopToken())
        warm = "the sensor is at -70.0 °C, 70.0 °C below its set point of 0.0 °C"
        assert frame.tags["cooler"] == warm
        assert frame.tags["position_label"] == "well A"
        assert source.warnings == (warm,)
        assert [one.facts["concern"] for one in happened if one.facts.get("name") == "cooler"] == [warm]
        ask, hardware = microscope.backend.ask, microscope.hardware
        microscope.thread.call("moving", lambda: ask("moving", "set_xy_position", "XY", 300.0, -150.0))
        ask("waiting", "wait_for_device", "XY")
        ask("setting the exposure", "set_exposure", 7.0)
        ask("applying a preset", "set_config", "Objective", "20x")
        request = PrescanRequest((-2000, -2000, 2000, 2000), exposure_ms=5.0, preset=("Objective", "10x"))
        scene, stop = PhantomScene(Specimen(1, "M7", "S1", "high")), StopToken()

        def state() -> tuple[object, ...]:
            return rig.stage_xy_um(), ask("asking", "get_exposure"), ask("asking", "get_current_config", "Objective")

        before = state()
        seen: list[tuple[int, int]] = []

        def until_two(done: int, whole: int) -> None:
            seen.append((done, whole))
            if done == 2:
                stop.request()

        assert prescan(microscope, request, stop, scene, until_two) is None
        assert len(seen) < 5
        assert state() == before

        def broken(_event: object, _place: object) -> None:
            raise DeviceError("the stage is stuck")

        with monkeypatch.context() as patch:
            patch.setattr(hardware, "must_still_be_there", broken)
            with pytest.raises(DeviceError, match="stuck"):
                prescan(microscope, request, None, scene)
        assert state() == before
        with monkeypatch.context() as patch:  # refused after its preset was applied
            patch.setattr(hardware, "handling", replace(hardware.handling, auto_shutter=False))
            with pytest.raises(PlanError, match="the prescan would take some"):
                prescan(microscope, replace(request, spacing_um=5.0), None, scene)
        assert state() == before
        assert ask("asking", "get_auto_shutter")
        with pytest.raises(PlanError, match="500 ms is beyond"):  # the camera is not set to it either
            prescan(microscope, replace(request, exposure_ms=500.0), None, scene)

        def halted(done: int, _whole: int) -> None:
            if done == 1:
                hardware.halts += 1

        prepare = hardware.prepare

        def prepared(*settings: object) -> None:
            prepare(*settings)
            if hardware.halts == halts:
                hardware.halts += 1

        halts, here = hardware.halts, rig.stage_xy_um()
        with monkeypatch.context() as patch:
            patch.setattr(hardware, "prepare", prepared)
            with pytest.raises(DeviceError, match="emergency before the prescan began"):
                prescan(microscope, request, None, scene)
        assert rig.stage_xy_um() == here
        with pytest.raises(DeviceError, match="emergency"):
            prescan(microscope, request, None, scene, halted)
        assert rig.stage_xy_um() != before[0]  # nothing moves after an emergency stop

        def stopped_and_halted(done: int, whole: int) -> None:
            halted(done, whole)
            stopping.request()

        stopping = StopToken()
        with pytest.raises(DeviceError, match="emergency during the prescan, and stays where it is"):
            prescan(microscope, request, stopping, scene, stopped_and_halted)
        microscope.limits = hardware.limits
        assert microscope.limits is not None
        with pytest.raises(PlanError, match="outside the stage's limits"):
            prescan(microscope, PrescanRequest((20000, 0, 21000, 1000)))
        with pytest.raises(PlanError, match="would take some"):
            prescan(microscope, PrescanRequest((-4000, -2000, 4000, 2000), spacing_um=20.0))

"""Control charts: what a section records of its microscope, limits from first readings, and later ones outside."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.qc import GOOD, write_manifest
from hcc_scope.cli import qc as command
from hcc_scope.control_chart import BASELINE_LEAST, BASELINE_MOST, RUN_LENGTH, limits_of, points_of
from hcc_scope.errors import StoreError
from hcc_scope.quality import QualityLimits, assess_tiles
from hcc_scope.readings import LAMP_TAG, ReadingsLog
from hcc_scope.report import control_charts as charts_module
from hcc_scope.report.control_charts import (
    control_charts,
    objective_name,
    rig_name,
    warnings_before,
)
from hcc_scope.report.qc_page import render
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.session.frame_analysis import FrameAnalyser
from hcc_scope.storage import find_stores as find_stores_module
from hcc_scope.storage.find_stores import find_stores
from hcc_scope.storage.reader import open_store
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Frame
from tests.commands import SMALL_FRAMES, cli
from tests.shading_parts import simple

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.types import TagValue

ROOT = Path(__file__).resolve().parent.parent
RIG = "Camera (DemoCamera)"
LENS = "20x, 2048 x 2048 px"
GRID = TileGrid.for_frame((256, 256), 64)
TEXTURE = np.random.default_rng(3).normal(1, 0.25, (16, 16)).repeat(4, axis=0).repeat(4, axis=1)
"""Of a tile of 64 px: structure of a few pixels, as tissue has."""


# --- what a section records ---


def frame(level: NDArray[np.float64], tissue: set[int], **more: Any) -> Frame:  # noqa: ANN401 - whatever a frame has
    """Return a frame with a level (as a share of full scale) for each tile, and texture in some of them."""
    rng = np.random.default_rng(1)
    pixels = np.zeros((256, 256))
    for index, (y, x) in enumerate(GRID.origins_yx.tolist()):
        pixels[y : y + 64, x : x + 64] = level[index] * 65535 * (TEXTURE if index in tissue else 1.0)
    noisy = np.clip(rng.normal(pixels, 20), 0, 65535).astype(np.uint16)
    return Frame(0, noisy, 0, datetime.now(UTC), 10.0, "s", **more)


def recorded(*frames: Frame) -> dict[str, TagValue]:
    log = ReadingsLog(GRID)
    for one in frames:
        views = GRID.views(one.pixels)
        log.add(one, views, assess_tiles(views, QualityLimits(), 16))
    return log.summary()


def vignetted(edge: float) -> NDArray[np.float64]:
    """Return levels of 0.5 in the middle and `edge` times that in the corners."""
    row, column = GRID.rows_cols.T
    corner = np.isin(row, (0, 3)) & np.isin(column, (0, 3))
    return np.where(corner, 0.5 * edge, 0.5)


def test_the_readings_of_glass() -> None:
    one = frame(vignetted(0.8), set(), em_gain=2.0, temperature_c=-70.5, objective="20x", tags={LAMP_TAG: 128})
    found = recorded(one, one)
    assert found["vignette"] == pytest.approx(0.8, abs=0.005)
    assert found["background"] == pytest.approx(0.5, abs=0.005)
    assert (found["focus"], found["tissue_level"]) == (None, None)
    assert [found[key] for key in ("exposure_ms", "em_gain", "temperature_c", "lamp_level")] == [10, 2, -70.5, 128]
    assert (found["objective"], found["frames"]) == ("20x", 2)
    assert found["noise"] == pytest.approx(20**2 / (0.5 * 65535), rel=0.2)


@pytest.mark.parametrize("side_px", [512, 1024])
def test_the_vignette_of_a_frame_of_few_tiles(side_px: int) -> None:
    grid = TileGrid.for_frame((side_px, side_px))
    y, x = np.mgrid[:side_px, :side_px] / (side_px / 2) - 1 + 1 / side_px
    pixels = np.random.default_rng(1).normal(30_000 * (1 - 0.25 * (y**2 + x**2) / 2), 20).astype(np.uint16)
    log = ReadingsLog(grid)
    for n in range(2):
        views = grid.views(pixels)
        log.add(Frame(n, pixels, 0, datetime.now(UTC), 10.0, "s"), views, assess_tiles(views, QualityLimits(), 16))
    vignette = log.summary()["vignette"]
    assert isinstance(vignette, float)
    assert vignette == pytest.approx((1 - 0.25 * 0.75**2) / (1 - 0.25 * 0.25**2), abs=0.02)


def test_a_correction_does_not_hide_the_vignette_that_it_removes() -> None:
    level = vignetted(0.8)
    flat = (level / level.mean()).reshape(4, 4).repeat(64, axis=0).repeat(64, axis=1)
    log = ReadingsLog(GRID)
    analyser = FrameAnalyser(
        GRID, QualityLimits(), lambda _tiles: pytest.fail("no tile has tissue"), "none", 1.0,
        shading=simple(0.0, flat), readings=log,
    )  # fmt: skip
    for _ in range(2):
        assert analyser.analyse(frame(level, set())).outcome == "excluded"
    assert log.summary()["vignette"] == pytest.approx(0.8, abs=0.005)


def test_the_readings_of_tissue() -> None:
    found = recorded(frame(np.full(16, 0.3), set(range(16))))
    assert (found["background"], found["vignette"]) == (None, None)
    assert found["tissue_level"] == pytest.approx(0.3, rel=0.05)
    assert isinstance(found["focus"], float)
    assert found["focus"] > 0
    assert (found["em_gain"], found["lamp_level"], found["objective"]) == (None, None, None)


def test_tiles_that_are_saturated_or_dark_are_left_out() -> None:
    level = np.where(np.arange(16) < 4, 1.2, np.where(np.arange(16) < 8, 0.01, 0.5))
    assert recorded(frame(level, set()))["background"] == pytest.approx(0.5, abs=0.005)


def test_no_frame_has_no_readings() -> None:
    assert ReadingsLog(GRID).summary() == {}


def test_a_long_run_keeps_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hcc_scope.readings._MOST_FRAMES", 8)
    log = ReadingsLog(GRID)
    one = frame(np.full(16, 0.5), set())
    views = GRID.views(one.pixels)
    assessed = assess_tiles(views, QualityLimits(), 16)
    for n in range(100):
        log.add(Frame(n, one.pixels, 0, one.t_utc, float(n), "s"), views, assessed)
    assert len(log._tiles) <= 8
    summary = log.summary()
    assert summary["frames"] == 100
    assert summary["exposure_ms"] == pytest.approx(49.5, abs=12)


# --- limits and rules ---


def test_a_bad_first_reading_moves_the_limits_little() -> None:
    clean = limits_of([10, 10.1, 9.9, 10, 10.2, 9.8, 10, 10.1])
    spoilt = limits_of([10, 10.1, 9.9, 10, 10.2, 9.8, 10, 50])
    assert spoilt.centre == pytest.approx(clean.centre, abs=0.1)
    assert spoilt.high < 12


def test_a_jump_is_outside_and_founding_readings_are_not_judged() -> None:
    rng = np.random.default_rng(5)
    values = [*rng.normal(10, 0.1, BASELINE_MOST).tolist(), 10.05, 12.0]
    points = points_of(values)
    assert [point.verdict for point in points[:BASELINE_LEAST]] == ["baseline"] * BASELINE_LEAST
    assert all(point.limits is None for point in points[:BASELINE_LEAST])
    assert points[-2].verdict == "inside"
    assert points[-1].verdict == "outside"
    assert points[-1].limits == limits_of(values[:BASELINE_MOST]), "later readings move the limits no more"


def test_a_drift_is_eight_in_a_row_on_one_side() -> None:
    base = [10.0, 10.2, 9.8, 10.1, 9.9] * 4
    verdicts = [point.verdict for point in points_of([*base, *[10.15] * (RUN_LENGTH + 1)])]
    assert verdicts[BASELINE_MOST:] == ["inside"] * (RUN_LENGTH - 1) + ["drift"] * 2
    broken = [*[10.15] * (RUN_LENGTH - 1), 9.95, *[10.15] * (RUN_LENGTH - 1)]
    assert {point.verdict for point in points_of([*base, *broken])[BASELINE_MOST:]} == {"inside"}


def test_readings_that_hardly_differ_are_not_outside_for_a_rounding() -> None:
    values = [-70.0] * BASELINE_MOST + [-69.9, -60.0]
    assert [point.verdict for point in points_of(values, 0.3)][-2:] == ["inside", "outside"]


# --- charts of stores ---


def sections(folder: Path, n: int, **last: TagValue) -> None:
    """Write n sections on a sound microscope, and one with other readings."""
    rng = np.random.default_rng(2)
    for place in range(n):
        write_manifest(folder, place, {**GOOD, "focus": 0.06 * float(rng.normal(1, 0.03))})
    if last:
        write_manifest(folder, n, {**GOOD, **last})


def test_charts_are_of_one_rig_and_objective_in_order_of_time(tmp_path: Path) -> None:
    sections(tmp_path, 3)
    write_manifest(tmp_path / "later" / "day", 50, GOOD)
    write_manifest(tmp_path, 51, {**GOOD, "objective": "10x"})
    write_manifest(tmp_path, 52, GOOD, camera="Other")
    found = control_charts([tmp_path])
    assert [(one.rig, one.objective, len(one.points)) for one in found.charts if one.kind.name == "focus"] == [
        (RIG, "10x, 2048 x 2048 px", 1),
        (RIG, LENS, 4),
        ("Other (DemoCamera)", LENS, 1),
    ]
    for chart in found.charts:
        times = [section.t_utc for section in chart.sections]
        assert times == sorted(times)
    assert len(find_stores([tmp_path], deepest=0)) == 5


def test_a_level_is_followed_whatever_the_exposure(tmp_path: Path) -> None:
    for n in range(9):
        exposure = 10.0 * (1 + n % 3)
        write_manifest(tmp_path, n, {**GOOD, "exposure_ms": exposure, "background": 0.02 * exposure, "em_gain": None})
    (chart,) = (one for one in control_charts([tmp_path]).charts if one.kind.name == "response")
    assert {round(point.value, 6) for point in chart.points} == {20.0}, "share of full scale a second"


def test_stores_without_readings_are_left_out_and_counted(tmp_path: Path) -> None:
    sections(tmp_path, 2)
    write_manifest(tmp_path, 10, None)
    broken = write_manifest(tmp_path, 11, GOOD)
    (broken / "zarr.json").write_text("{", encoding="utf-8")
    found = control_charts([tmp_path])
    assert (found.n_stores, found.n_without, found.n_unreadable) == (4, 1, 1)
    assert found.describe() == "4 sections; left out: 1 section without readings and 1 section that cannot be read"
    assert {len(chart.points) for chart in found.charts} == {2}


def test_a_reading_that_was_changed_is_not_charted(tmp_path: Path) -> None:
    sections(tmp_path, 2)
    file = write_manifest(tmp_path, 10, GOOD) / "zarr.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"vignette": 0.9', '"vignette": 0.1'), encoding="utf-8")
    found = control_charts([tmp_path])
    assert (found.n_stores, found.n_unreadable) == (3, 1)
    assert {point.value for chart in found.charts if chart.kind.name == "vignette" for point in chart.points} == {0.9}


def test_only_manifests_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sections(tmp_path, 2)
    opened: list[str] = []
    read = charts_module.read

    def noted(store: Path) -> object:
        opened.append(store.name)
        assert [path.name for path in store.iterdir()] == ["zarr.json"], "there is nothing else to read"
        return read(store)

    monkeypatch.setattr(charts_module, "read", noted)
    assert control_charts([tmp_path]).n_unreadable == 0
    assert len(opened) == 2


def test_the_last_section_outside_is_a_sentence(tmp_path: Path) -> None:
    sections(tmp_path, 12, focus=0.03)
    (warning,) = warnings_before(tmp_path, RIG, LENS)
    assert warning.startswith(f"Focus of the last section with {RIG}, {LENS}, is outside its limits: 0.03 (limits 0.0")
    assert warning.endswith("Look at the focus, the cover glass and the objective's front lens.")
    assert warnings_before(tmp_path, RIG, "10x, 2048 x 2048 px") == []
    assert warnings_before(tmp_path / "not" / "there", RIG, LENS) == []
    write_manifest(tmp_path, 13, {**GOOD, "focus": None})
    assert warnings_before(tmp_path, RIG, LENS) == [], "that section is not the last one any more"


def test_rigs_objectives_and_frames_are_charted_apart(tmp_path: Path) -> None:
    provenances = [{"camera": "Camera-1", "camera_library": "PVCAM"}, {"rig": "a", "camera": "Camera-1"}]
    provenances += [{**provenances[1], "rig": "b"}, {**provenances[1], "specimen": "phantom 3"}]
    assert len({rig_name(one) for one in provenances}) == 4
    assert rig_name({"rig": "a", "camera": "Camera-1", "camera_library": "PVCAM"}) == "a, Camera-1 (PVCAM)"
    assert objective_name("20x", 0.325, (1024, 1024)) != objective_name("20x", 0.65, (512, 512))
    assert objective_name(None, 0.325, (1024, 1344)) == "0.325 um/px, 1344 x 1024 px"


def test_a_level_is_compared_at_the_same_exposure_and_gain_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for n in range(30):
        exposure, gain = ((10.0, 1.0), (20.0, 4.0))[n % 2]
        level = 0.01 * exposure * float(rng.normal(1, 0.02))
        write_manifest(
            tmp_path, n, {**GOOD, "exposure_ms": exposure, "em_gain": gain, "background": level, "noise": 2.0 * gain}
        )
    found = control_charts([tmp_path])
    charts = {chart.kind.name: chart for chart in found.charts}
    assert (charts["background"].title, len(charts["background"].points)) == ("Background at 20 ms, EM gain 4", 15)
    assert (charts["noise"].title, len(charts["noise"].points)) == ("Noise at EM gain 4", 15)
    assert {point.value for point in charts["em_gain_response"].points} == {2.0}, "whatever the gain is set to"
    assert len(charts["em_gain_response"].points) == 30
    assert found.warnings() == []


def test_an_em_register_that_ages_is_found(tmp_path: Path) -> None:
    for n in range(24):
        write_manifest(tmp_path, n, {**GOOD, "em_gain": 100.0, "noise": 200.0 if n < 23 else 150.0})
    assert "EM gain response of the last section" in "".join(control_charts([tmp_path]).warnings())


def test_a_wild_first_reading_hides_no_later_one(tmp_path: Path) -> None:
    for n in range(24):
        write_manifest(tmp_path, n, {**GOOD, "focus": {0: 9.0, 23: 0.03}.get(n, 0.06)})
    assert [warning[:5] for warning in control_charts([tmp_path]).warnings()] == ["Focus"]


def test_a_link_counts_no_section_twice(tmp_path: Path) -> None:
    sections(tmp_path / "runs" / "day", 2)
    (tmp_path / "runs" / "day" / "all").symlink_to(tmp_path / "runs")
    (tmp_path / "runs" / "again.ome.zarr").symlink_to(tmp_path / "runs" / "day" / "m_s0.ome.zarr")
    found = find_stores([tmp_path / "runs", tmp_path / "runs" / "day", tmp_path / "runs" / ".." / "runs"])
    assert len(found) == 2


def test_a_folder_that_cannot_be_opened_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sections(tmp_path, 2)
    (tmp_path / "secret").mkdir()
    scandir = os.scandir

    def refusing(folder: Path) -> object:
        if folder.name == "secret":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(find_stores_module.os, "scandir", refusing)
    assert control_charts([tmp_path]).describe() == "2 sections; left out: 1 folder that cannot be opened"


def test_the_page_is_whole_and_escapes(tmp_path: Path) -> None:
    sections(tmp_path, 12, focus=0.03, objective="<20x>")
    for place in range(13, 22):
        write_manifest(tmp_path, place, {**GOOD, "objective": "<20x>"})
    page = render(control_charts([tmp_path]))
    assert "<20x>" not in page
    assert "&lt;20x&gt;" in page
    assert page.count('<polyline class="readings"') == len(control_charts([tmp_path]).charts)
    assert "nan" not in page.lower()
    assert "http" not in page
    assert "No section here has readings" in render(control_charts([]))


def test_the_command(tmp_path: Path) -> None:
    sections(tmp_path, 12, focus=0.03)
    html = tmp_path / "qc.html"
    done = cli("qc", tmp_path, "--json", "--html", html)
    assert done.code == 0, done.err
    assert done.json["sections"] == 13
    focus = next(one for one in done.json["charts"] if one["reading"] == "focus")
    assert [point["verdict"] for point in focus["points"]][-1] == "outside"
    assert len(done.json["warnings"]) == 1
    assert "<svg" in html.read_text(encoding="utf-8")
    shown = cli("qc", tmp_path)
    assert "outside its limits" in shown.out
    assert cli("qc", tmp_path / "no").code == StoreError.exit_code


def test_a_section_records_its_readings_and_begins_with_what_was_out(tmp_path: Path) -> None:
    for name in ("demo.cfg", "demo.rig.yaml"):
        text = (hardware_configs_dir() / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
    with (tmp_path / "demo.rig.yaml").open("a", encoding="utf-8") as file:
        file.write("light: {lamp: White Light Shutter, lamp_level: State}\n")
    out = tmp_path / "out"
    for place in range(13):
        temperature_c = -40.0 if place == 12 else -70.0
        write_manifest(out, place, {**GOOD, "temperature_c": temperature_c}, rig="demo", shape_yx=(1024, 1024))
    rig = tmp_path / "demo.rig.yaml"
    ids = ["--animal", "a", "--section", "b"]
    done = cli(
        "acquire",
        "--rig",
        rig,
        *ids,
        "--out",
        out,
        "--frames",
        "3",
        *SMALL_FRAMES,
        "--engine",
        "torchscript",
        "--allow-phantom-model",
        "--json",
    )
    assert done.code == 0, done.err
    assert "Sensor temperature of the last section with" in done.err
    readings = open_store(out / "a_b.ome.zarr").attributes["outcome"]["readings"]
    assert readings == done.json["sections"][0]["readings"]
    assert {key: readings[key] for key in ("objective", "em_gain", "temperature_c", "lamp_level", "frames")} == {
        "objective": "20x",
        "em_gain": 1.0,
        "temperature_c": -70.0,
        "lamp_level": readings["lamp_level"],
        "frames": 3,
    }
    assert readings["lamp_level"] in (0, 1)
    assert open_store(out / "a_b.ome.zarr").spec.provenance["rig"] == "demo"
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["sections"][0]["readings"] == readings
    assert cli("recover", out / "a_b.ome.zarr").code == 0
    assert open_store(out / "a_b.ome.zarr").attributes["outcome"]["readings"] == readings
    assert control_charts([out]).n_without == 0


def test_the_commands_of_the_page_are_right(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[object] = []
    monkeypatch.setattr(command, "run_qc", lambda folders, **_more: asked.append(folders))
    page = (ROOT / "docs" / "qc.md").read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    lines = [line.split(" #")[0] for line in blocks.splitlines() if line.startswith("hcc-scope qc")]
    for line in lines:
        assert cli(*shlex.split(line)[1:], cwd=tmp_path).code == 0, line
    assert len(asked) == len(lines) > 0

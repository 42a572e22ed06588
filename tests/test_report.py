"""The account of a run: its summary and its picture."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from hcc_scope.errors import StoreError
from hcc_scope.latency import LatencyHistogram
from hcc_scope.report.drawings import course_chart, field_examples, field_map, heat_legend, score_scale, tile_map
from hcc_scope.report.logo import logo_svg
from hcc_scope.report.overview import FieldPicture, SectionPicture, draw_overview
from hcc_scope.report.pictures import course, field_picture
from hcc_scope.report.summary import SectionReport, build_summary, section_account, write_summary
from hcc_scope.scoring import SectionScorer
from hcc_scope.theme_colours import colours, css_variables
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Counts, Frame, FrameResult, RunOutcome, RunState

if TYPE_CHECKING:
    from pathlib import Path


def result(seq: int, *probabilities: float, flags: tuple[int, ...] | None = None) -> FrameResult:
    p = np.array(probabilities, dtype=np.float32)
    return FrameResult(
        seq=seq,
        outcome="classified",
        logits=p,
        probabilities=p,
        flags=np.array(flags if flags is not None else [0] * len(p), dtype=np.uint8),
        engine="test",
    )


def report(
    section: str, state: RunState, *, acquired: int = 4, fps: float = 2.0, latencies: tuple[float, ...] = ()
) -> SectionReport:
    scorer = SectionScorer(0.5, 1.0, "random")
    scorer.add(result(0, 0.25, 0.75))
    histogram = LatencyHistogram()
    for latency in latencies:
        histogram.add(latency)
    outcome = RunOutcome(
        state=state,
        cause=StoreError("the disk went away") if state == "failed" else None,
        counts=Counts(acquired=acquired, stored=acquired, classified=acquired),
        score=scorer.score(),
        rates={"end_to_end_fps": fps},
        latency_bins=histogram.bins,
    )
    return SectionReport("a1", section, f"a1_{section}.ome.zarr", outcome)


def summary_of(*reports: SectionReport) -> dict[str, Any]:
    return build_summary(
        reports,
        command="test",
        engine="torchscript",
        engine_in_full="torchscript 2",
        model_name="m",
        model_sha256="0" * 64,
        versions={},
        started_utc=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["completed", "completed"], "completed"),
        (["completed", "cancelled"], "cancelled"),
        (["cancelled", "failed"], "failed"),
        ([], "cancelled"),
    ],
)
def test_the_outcome_is_the_worst_of_the_sections(states: list[RunState], expected: str) -> None:
    summary = summary_of(*(report(f"s{i}", state) for i, state in enumerate(states)))
    assert summary["outcome"] == expected
    assert (summary["cause"] == "the disk went away") == ("failed" in states)


def test_rates_over_sections_are_frames_over_time() -> None:
    # 10 frames in 5 s and 30 frames in 3 s: 40 frames in 8 s
    summary = summary_of(
        report("s1", "completed", acquired=10, fps=2.0), report("s2", "completed", acquired=30, fps=10.0)
    )
    assert summary["rates"] == {"end_to_end_fps": pytest.approx(5.0)}
    assert summary["counts"]["acquired"] == 40


def test_latencies_over_sections_are_percentiles_of_all_frames() -> None:
    summary = summary_of(
        report("s1", "completed", latencies=(1.0,) * 90), report("s2", "completed", latencies=(100.0,) * 10)
    )
    assert summary["latency_ms"] == pytest.approx({"p50": 1.0, "p95": 100.0, "p99": 100.0}, rel=0.01)


def test_a_section_without_a_score_is_json_too() -> None:
    scorer = SectionScorer(0.5, 1.0, "random")
    outcome = RunOutcome("completed", None, Counts(), scorer.score())
    account = section_account(SectionReport("a", "s", None, outcome))
    assert account["shading"] is None
    assert account["score"] is account["decision"] is None
    json.dumps(account, allow_nan=False)


def test_an_earlier_summary_is_kept(tmp_path: Path) -> None:
    for number in range(3):
        write_summary({"number": number}, tmp_path / "summary.json")
    assert json.loads((tmp_path / "summary.json").read_text()) == {"number": 2}
    kept = sorted(json.loads(path.read_text())["number"] for path in tmp_path.glob("summary-*.json"))
    assert kept == [0, 1]


def test_the_course_ends_where_the_scorer_ends() -> None:
    results = [result(seq, 0.1 * seq, 0.2) for seq in (0, 1, 3, 4)]  # frame 2 was damaged
    scorer = SectionScorer(0.5, 1.0, "random")
    for one in results[:2]:
        scorer.add(one)
    scorer.skip(2)
    for one in results[2:]:
        scorer.add(one)
    end = scorer.score()
    rows = course(results, SectionScorer(0.5, 1.0, "random"))
    assert rows.shape == (4, 4)
    assert tuple(rows[-1]) == (4.0, end.score, *end.interval)


def test_a_field_shows_excluded_tiles_as_holes() -> None:
    frame = Frame(
        seq=0,
        pixels=np.zeros((1024, 1024), dtype=np.uint16),
        t_mono_ns=0,
        t_utc=datetime(2026, 1, 1, tzinfo=UTC),
        exposure_ms=10.0,
        section_id="s",
        stage_um=(100.0, -50.0, 3.0),
    )
    field = field_picture(
        frame, result(0, 0.1, 0.2, 0.3, 0.4, flags=(0, 2, 0, 0)), TileGrid.for_frame((1024, 1024)), 0.5
    )
    np.testing.assert_array_equal(field.probabilities, np.float32([[0.1, np.nan], [0.3, 0.4]]))
    assert field.centre_um == (100.0, -50.0)
    assert field.size_um == (512.0, 512.0)
    assert field.score == pytest.approx((0.1 + 0.3 + 0.4) / 3)


def test_the_overview_is_drawn_with_and_without_a_stage(tmp_path: Path) -> None:
    image = np.full((8, 8), 500, dtype=np.uint16)
    tiles = np.float32([[0.9, np.nan], [0.1, 0.5]])
    rows = np.array([[1.0, 0.5, 0.0, 1.0]])
    sections = [
        SectionPicture(
            "drawn", [FieldPicture(centre, (600.0, 600.0), image, image, tiles, 0.5)], rows, 0.45, interval_valid=True
        )
        for centre in ((0.0, 0.0), None)
    ]
    sections.append(SectionPicture("empty", [], np.empty((0, 4)), 0.45, interval_valid=False))
    picture = imread(draw_overview(sections, tmp_path / "overview.png", subtitle="test"))
    for row in np.array_split(picture, 3):
        assert row.std() > 0.05  # something is on it


def parsed(drawing: str) -> ElementTree.Element:
    """Return a drawing as a tree: it is well-formed, and has no colour of its own."""
    assert re.search(r"#[0-9a-fA-F]{3,6}\b(?![^<]*base64)", re.sub(r'href="[^"]*"', "", drawing)) is None
    return ElementTree.fromstring(drawing)


def marks(drawing: str, class_: str) -> list[ElementTree.Element]:
    return [one for one in parsed(drawing).iter() if one.get("class") == class_]


@pytest.mark.parametrize("centre", [(0.0, 0.0), None])
def test_drawings_follow_the_page_and_show_what_is_stored(centre: tuple[float, float] | None) -> None:
    image = np.arange(64, dtype=np.uint16).reshape(8, 8)
    tiles = np.float32([[0.9, np.nan], [0.1, 0.5]])
    fields = [
        FieldPicture(centre, (600.0, 600.0), image, image, tiles, 0.5),
        FieldPicture(centre, (600.0, 600.0), image, image, tiles, 0.3, taken_out=True),
    ]
    rows = np.array([[1.0, 0.5, 0.0, 1.0], [2.0, 0.4, 0.2, 0.9]])
    section = SectionPicture("<&>", fields, rows, 0.45, interval_valid=True, threshold_interval=(0.4, 0.5))
    assert len(marks(tile_map(section), "cross")) == 1  # of the field that is excluded
    assert {one.get("class") for one in parsed(tile_map(section)).iter()} >= {"tile low", "tile high", "hatched"}
    assert len([one for one in parsed(field_map(section)).iter() if one.tag == "image"]) == 2
    assert len(marks(field_map(section), "scale")) == (1 if centre else 0)  # no positions, no scale
    assert ("No positions" in field_map(section)) == (centre is None)
    course_ = course_chart(section, "0.45 < 1")
    assert [len(marks(course_, kind)) for kind in ("interval-band", "band", "mark high")] == [2, 2, 2]  # and the legend
    assert not marks(course_, "mark low")  # the only low field is excluded
    assert "over 2 classified fields" in str(parsed(course_).get("aria-label"))
    thinned = replace(section, fields=[replace(fields[0], nth=7)], step=3)
    place, _ = (str(one.get("d")).split("l")[0] for one in marks(course_chart(thinned, "0.45"), "mark high"))
    assert float(place[1:].split()[0]) == pytest.approx(30 + 6.5 / 10 * 866 - 3.5, abs=0.01)
    assert "One field in 3 is drawn." in tile_map(thinned)
    parsed(heat_legend(0.45))
    (example,) = field_examples(section)
    shown = imread(io.BytesIO(base64.b64decode(example.picture.partition(",")[2])))
    assert (shown[0, 0], shown[-1, -1]) == (0.0, 1.0)
    empty = SectionPicture("empty", [], np.empty((0, 4)), 0.45, interval_valid=False)
    for drawing in (tile_map(empty), field_map(empty), course_chart(empty, "0.45")):
        parsed(drawing)


def test_the_scale_shows_an_interval_only_where_it_is_valid() -> None:
    scorer = SectionScorer(0.5, 1.0, "random")
    none = score_scale(scorer.score())
    assert not marks(none, "score")
    for seq in range(3):
        scorer.add(result(seq, 0.9, 0.8))
    assert len(marks(score_scale(scorer.score()), "interval")) == 1
    raster = SectionScorer(0.5, 1.0, "raster")
    raster.add(result(0, 0.9))
    drawn = score_scale(raster.score())
    assert (len(marks(drawn, "interval")), len(marks(drawn, "score open"))) == (0, 1)


def test_both_themes_have_every_colour_and_paper_is_white() -> None:
    style = css_variables()
    light, rest = style.split("@media screen")
    dark, paper = rest.split("@media print")
    for name, colour in asdict(colours("light")).items():
        assert f"--{name.replace('_', '-')}: {colour};" in light
        assert f"--{name.replace('_', '-')}: {getattr(colours('dark'), name)};" in dark
    assert "#ffffff" in paper
    assert ElementTree.fromstring(logo_svg()).get("viewBox") == "0 0 64 64"

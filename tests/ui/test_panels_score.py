"""The score panel: no number without what it rests on, and no side named too early."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from panel_parts import COUNTS, section, snapshot
from PySide6.QtWidgets import QLabel

from hcc_scope.runs.animal_sections import OtherSection
from hcc_scope.score_text import describe_score, verdict
from hcc_scope.types import Counts, SectionScore
from ui.score.course_plot import CoursePlot
from ui.score.coverage import describe_excluded_tiles
from ui.score.score import ScorePanel
from ui.score.score_bar import SHAPES

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def panel(qtbot: QtBot) -> ScorePanel:
    widget = ScorePanel()
    qtbot.addWidget(widget)
    widget.resize(300, 900)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget


def test_nothing_is_claimed_without_a_run(panel: ScorePanel):
    assert panel._number.text() == "–"
    assert panel._verdict.text() == "No score"
    assert not panel._interval.isVisible()
    assert not panel._stabilised.isVisible()
    assert panel._coverage._sentence.text() == "No section yet."
    assert panel._research.text() == "Research use only. Not for diagnosis."


@pytest.mark.parametrize(
    ("mean", "sampling", "n", "shape", "words"),
    [
        (1.6, "random", 40, "high", "High metastatic side"),
        (-2.0, "random", 40, "low", "Low metastatic side"),
        (0.2, "random", 12, "undecided", "Undecided"),
        (1.6, "raster", 40, "invalid", "No decision"),
        (1.6, "random", 0, "unknown", "No score"),
    ],
)
def test_verdict_needs_a_valid_interval_on_one_side(mean: float, sampling: str, n: int, shape: str, words: str):
    score, _ = section(n, mean, sampling)
    said = verdict(score)
    assert (SHAPES[said.kind], said.title) == (shape, words)


def test_score_comes_with_interval_coverage_and_stability(panel: ScorePanel):
    score, course = section()
    panel.set_section("M7", "S1")
    panel.set_snapshot(snapshot(score, COUNTS))
    panel.set_course(course)
    low, high = score.interval
    assert panel._of.text() == "Animal M7, section S1"
    assert panel._number.text() == f"{score.score:.3f}"
    assert panel._verdict.shape_name() == "high"
    assert panel._why.text() == "The whole interval is above the threshold 0.500."
    assert panel._interval.text() == f"95 % interval {low:.3f} to {high:.3f}"
    assert panel._stabilised.shape_name() == "good"
    assert panel._stabilised.text().startswith("Stabilised: interval ±")
    coverage = panel._coverage
    assert coverage._sentence.text() == ("The score rests on 37 of 46 frames (80 %). 46 of 60 planned frames acquired.")
    shown = [row[1].text() + " " + row[2].text() for row in coverage._rows if row[1].isVisible()]
    assert shown == [
        "37 classified",
        "3 excluded, no usable tile",
        "4 deferred, classified later",
        "2 pending, in analysis now",
    ]
    assert "no tissue" in coverage._tiles.text()
    assert panel._plot._band.isVisible()


def test_invalid_interval_is_neither_written_nor_drawn(panel: ScorePanel):
    score, course = section(sampling="raster")
    panel.set_course(course)
    panel.set_snapshot(snapshot(score, COUNTS))
    assert not panel._interval.isVisible()
    assert not panel._plot._band.isVisible()
    assert panel._verdict.shape_name() == "invalid"
    assert panel._why.text() == "The interval is not valid (fields were taken as a raster, not at random)."
    assert not panel._stabilised.isVisible()
    assert "not valid" in panel._bar.accessibleDescription()
    valid, course = section()
    panel.set_snapshot(snapshot(valid, COUNTS))
    assert panel._plot._band.isVisible()


@pytest.mark.parametrize(
    "score",
    [
        section()[0],
        section(12, 0.2)[0],
        section(sampling="raster")[0],
        replace(section()[0], interval_valid=False, stabilised_reason="interval not valid: a device failed"),
        section(0)[0],
    ],
    ids=["high", "undecided", "raster", "spoilt", "none"],
)
def test_the_window_says_what_every_other_place_says(panel: ScorePanel, score: SectionScore):
    panel.set_snapshot(snapshot(score, COUNTS))
    whole = f"{describe_score(score)}."
    assert panel._number.accessibleDescription() == whole
    assert panel._bar.toolTip().startswith(whole)
    for label in (panel._verdict, panel._why, panel._interval):
        assert label.text().rstrip(".").lower() in whole.lower()
    panel.set_other_sections([OtherSection("S0", score)])
    names = [label.accessibleName() for label in panel._others.findChildren(QLabel)]
    assert any(name.endswith(f"{verdict(score).sentence}.") for name in names)


def test_interval_over_fewer_frames_says_so(panel: ScorePanel):
    score, _ = section()
    panel.set_snapshot(snapshot(replace(score, interval_frames=30), COUNTS))
    assert panel._interval.text().endswith("(over the first 30 of 37 frames)")


def test_not_stabilised_says_why(panel: ScorePanel):
    score, _ = section(6)
    panel.set_snapshot(snapshot(score, Counts(acquired=6, classified=5, excluded=1)))
    assert panel._stabilised.shape_name() == "busy"
    assert panel._stabilised.text() == "Not stabilised: 5 of at least 8 fields so far."


def test_losses_failures_and_a_broken_model_are_said(panel: ScorePanel):
    score, _ = section(12)
    counts = Counts(acquired=14, stored=14, classified=9, excluded=3, failed=1, pending=1, lost=2)
    panel.set_snapshot(snapshot(score, counts, degraded="the model did not answer in 30 s"))
    shown = [row[2].text() for row in panel._coverage._rows if row[1].isVisible()]
    assert shown[-2:] == ["failed, not classified", "lost before they reached us"]
    assert panel._degraded.text() == (
        "Classification stopped, frames are still stored: the model did not answer in 30 s."
    )
    panel.set_snapshot(snapshot(score, COUNTS))
    assert not panel._degraded.isVisible()


def test_fields_that_the_operator_excluded_are_said(panel: ScorePanel):
    score, _ = section(12)
    panel.set_snapshot(snapshot(replace(score, fields_excluded_by_operator=2), COUNTS))
    assert "2 are excluded by the operator." in panel._coverage._sentence.text()


def test_open_ended_run_names_no_plan(panel: ScorePanel):
    score, _ = section(12)
    panel.set_snapshot(snapshot(score, Counts(acquired=12, classified=9, excluded=3), expected_frames=None))
    assert panel._coverage._sentence.text() == "The score rests on 9 of 12 frames (75 %). 12 acquired, open-ended."


def test_other_sections_and_the_animals_mean(panel: ScorePanel):
    score, _ = section()
    low, _ = section(mean=-2.0)
    panel.set_section("M7", "S1")
    panel.set_other_sections([OtherSection("S0", low), OtherSection("S2", section(0)[0])])
    assert panel._others_heading.text() == "Other sections of M7"
    assert panel._others._mean.text() == f"Mean of 1 section: {low.score:.3f}"
    panel.set_snapshot(snapshot(score, COUNTS))
    assert panel._others._mean.text() == f"Mean of 2 sections with this one: {(low.score + score.score) / 2:.3f}"
    panel.set_other_sections([])
    assert panel._others._none.isVisible()
    assert not panel._others._mean.isVisible()


def test_same_snapshot_changes_nothing(panel: ScorePanel, monkeypatch: pytest.MonkeyPatch):
    score, _ = section()
    panel.set_snapshot(snapshot(score, COUNTS))
    calls: list[object] = []
    monkeypatch.setattr(panel, "_show_score", calls.append)
    panel.set_snapshot(snapshot(score, COUNTS, acquire_fps=13.0))
    assert calls == []


def test_course_of_nothing_and_of_one_field(panel: ScorePanel):
    panel.set_course(np.empty((0, 4)))
    panel.set_course(np.array([[1, 0.7, 0.0, 1.0]]))
    assert not panel._plot._band.isVisible()


def test_words_for_tiles():
    assert describe_excluded_tiles(0, {}) == ""
    assert describe_excluded_tiles(3, {}) == "3 tiles used, none excluded."
    words = describe_excluded_tiles(3, {"saturated": 1, "out_of_focus": 4})
    assert words == "3 tiles used. Tiles excluded: 4 out of focus, 1 saturated."
    assert describe_excluded_tiles(0, {"unlike_training": 2}) == "0 tiles used. Tiles excluded: 2 unlike training."


def test_a_long_course_is_thinned_for_the_plot_and_keeps_its_ends(qtbot: QtBot):
    plot = CoursePlot()
    qtbot.addWidget(plot)
    n = np.arange(1.0, 5001.0)
    plot.show_course(np.stack([n, n / 5000, n / 6000, np.ones(5000)], axis=1), interval_valid=True)
    fields, score = plot._line.getData()
    assert len(fields) <= 240
    assert (fields[0], fields[-1]) == (1.0, 5000.0)
    assert np.array_equal(score, fields / 5000)  # points of the course, none in between


def test_the_research_line_names_what_the_model_was_trained_on(panel: ScorePanel):
    panel.set_training("a synthetic phantom, not on tissue")
    assert panel._research.text() == (
        "Research use only. Not for diagnosis. The model was trained on a synthetic phantom, not on tissue."
    )
    assert not panel._alarm.isVisible()


def test_a_score_that_means_nothing_is_said_to_in_red(panel: ScorePanel):
    panel.set_training("a synthetic phantom, not on tissue", "this specimen is no phantom")
    assert panel._alarm.isVisible()
    assert panel._alarm.text() == "This specimen is no phantom."
    panel.set_snapshot(snapshot(section()[0], COUNTS))
    pixels = panel._number.grab().toImage()
    reds = [pixels.pixelColor(x, y) for x in range(pixels.width()) for y in range(0, pixels.height(), 3)]
    assert any(one.red() > 150 and one.red() > one.green() + 60 for one in reds)
    panel.set_training(None)
    assert not panel._alarm.isVisible()
    assert panel._research.text() == "Research use only. Not for diagnosis."


@pytest.mark.parametrize(("score", "words"), [(0.4991, "0.499"), (0.49762, "0.4976"), (0.83, "0.830")])
def test_near_the_threshold_a_score_has_a_digit_more(panel: ScorePanel, score: float, words: str):
    panel.set_snapshot(snapshot(replace(section()[0], score=score, threshold=0.497665), COUNTS))
    assert panel._number.text() == words


def test_a_replayed_section_says_so_and_speaks_of_nothing_under_way(panel: ScorePanel):
    panel.set_section("M7", "S1", replayed=True)
    assert panel._of.text() == "In Replay: animal M7, section S1"
    assert not panel._plot.isVisible()
    panel.set_snapshot(snapshot(section()[0], COUNTS))
    said = [row[2].text() for row in panel._coverage._rows if row[2].isVisible()]
    assert "without a result" in said
    assert not any("later" in words for words in said)
    panel.set_section("M7", "S1")
    assert panel._plot.isVisible()

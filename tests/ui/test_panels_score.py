"""The score panel: no number without what it rests on, and no side named too early."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
import pytest
from find import description_of, find, name_of
from panel_parts import COUNTS, line, section, snapshot, value
from PySide6.QtWidgets import QLabel

from hcc_scope.formatting import sentence
from hcc_scope.runs.animal_sections import OtherSection
from hcc_scope.score_text import describe_named_score, describe_score, verdict
from hcc_scope.types import Counts, SectionScore
from hcc_scope.validation_text import (
    NOT_KNOWN,
    describe_animal,
    describe_error_rate,
    describe_predictive_values,
    describe_probability,
)
from tests.statement_parts import SECTION_MAP, STATEMENT
from ui.kit.labels import ValueLabel
from ui.score.course_plot import MOST_POINTS, CoursePlot
from ui.score.coverage import describe_excluded_tiles
from ui.score.score import ScorePanel
from ui.score.score_bar import SHAPES, ScoreBar
from ui.score.worth_view import PrevalenceField

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


def band_drawn(panel: ScorePanel) -> bool:
    """Return whether the course is drawn with its interval."""
    return "interval is drawn" in find(panel, CoursePlot, "Course of the score").accessibleDescription()


def frames_shown(panel: ScorePanel) -> list[str]:
    """Return the numbers of frames that are shown, and where these frames are."""
    labels = [one for one in panel.findChildren(ValueLabel) if one.text().isdecimal() and one.isVisible()]
    texts = [name_of(one).removeprefix("Frames ") for one in labels]
    for text in texts:
        assert find(panel, QLabel, text).isVisible()  # and written beside the number
    return [f"{one.text()} {text}" for one, text in zip(labels, texts, strict=True)]


def test_nothing_is_claimed_without_a_run(panel: ScorePanel):
    assert not find(panel, QLabel, "Score").isVisible()  # a dash in the size of a score looks like a fault
    assert line(panel, "Side of the threshold").text() == "No score"
    assert not find(panel, QLabel, "Interval of the score").isVisible()
    assert not line(panel, "Stability of the score").isVisible()
    assert value(panel, "Frames that the score rests on") == "No section yet."
    assert find(panel, QLabel, "Research use only. Not for diagnosis.").isVisible()


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
    found = verdict(score)
    assert (SHAPES[found.kind], found.title) == (shape, words)


def test_score_comes_with_interval_coverage_and_stability(panel: ScorePanel):
    score, course = section()
    panel.set_section("M7", "S1")
    panel.set_snapshot(snapshot(score, COUNTS))
    panel.set_course(course)
    low, high = score.interval
    assert value(panel, "Section") == "Animal M7, section S1"
    assert value(panel, "Score") == f"{score.score:.3f}"
    assert line(panel, "Side of the threshold").shape_name() == "high"
    assert value(panel, "Reason for the side") == "The whole interval is above the threshold 0.500."
    assert value(panel, "Interval of the score") == f"95 % interval {low:.3f} to {high:.3f}"
    assert line(panel, "Stability of the score").shape_name() == "good"
    assert line(panel, "Stability of the score").text().startswith("Stabilised: interval ±")
    assert value(panel, "Frames that the score rests on") == (
        "The score rests on 37 of 46 frames (80 %). 46 of 60 planned frames acquired."
    )
    assert frames_shown(panel) == [
        "37 classified",
        "3 excluded, no usable tile",
        "4 deferred, classified later",
        "2 pending, in analysis now",
    ]
    assert "no tissue" in value(panel, "Tiles used and excluded")
    assert band_drawn(panel)


def test_invalid_interval_is_neither_written_nor_drawn(panel: ScorePanel):
    score, course = section(sampling="raster")
    panel.set_course(course)
    panel.set_snapshot(snapshot(score, COUNTS))
    assert not find(panel, QLabel, "Interval of the score").isVisible()
    assert not band_drawn(panel)
    assert line(panel, "Side of the threshold").shape_name() == "invalid"
    assert value(panel, "Reason for the side") == (
        "The interval is not valid (fields were taken as a raster, not at random)."
    )
    assert not line(panel, "Stability of the score").isVisible()
    assert "not valid" in find(panel, ScoreBar, "Score on its scale").accessibleDescription()
    valid, course = section()
    panel.set_snapshot(snapshot(valid, COUNTS))
    assert band_drawn(panel)


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
def test_the_window_uses_the_same_words_as_every_other_place(panel: ScorePanel, score: SectionScore):
    panel.set_snapshot(snapshot(score, COUNTS))
    whole = f"{describe_score(score)}."
    assert description_of(find(panel, QLabel, "Score")) == whole
    assert find(panel, ScoreBar, "Score on its scale").toolTip().startswith(sentence(describe_named_score(score)))
    parts = (line(panel, "Side of the threshold").text(), value(panel, "Reason for the side"))
    for text in (*parts, value(panel, "Interval of the score")):
        assert text.rstrip(".").lower() in whole.lower()
    panel.set_other_sections([OtherSection("S0", score)])
    names = [name_of(label) for label in panel.findChildren(QLabel)]
    assert any(name.endswith(f"{verdict(score).sentence}.") for name in names)


def test_the_verdict_comes_with_its_worth(panel: ScorePanel, qtbot: QtBot):
    score, _ = section()
    assert not find(panel, QLabel, "Unseen animals on the right side").isVisible()
    panel.set_snapshot(snapshot(score, COUNTS))
    assert value(panel, "Unseen animals on the right side") == NOT_KNOWN
    assert not find(panel, QLabel, "Predictive values").isVisible()
    panel.set_statement(STATEMENT)
    assert value(panel, "Unseen animals on the right side") == describe_error_rate(STATEMENT)
    assert value(panel, "Predictive values") == describe_predictive_values(STATEMENT)
    assert not find(panel, QLabel, "Probability of high").isVisible()
    field = find(panel, PrevalenceField, "Prevalence of high, in per cent")
    assert field.text() == "20 % to 80 %"
    with qtbot.waitSignal(panel.prevalence_chosen) as stated:
        field.setValue(30)
    assert stated.args == [0.3]
    assert value(panel, "Predictive values") == describe_predictive_values(STATEMENT, 0.3)
    mapped = STATEMENT.model_copy(update={"section_map": SECTION_MAP})
    panel.set_statement(mapped)
    assert value(panel, "Probability of high") == describe_probability(mapped, score, 0.3)
    panel.set_prevalence(None)
    assert field.text() == "20 % to 80 %"
    panel.set_statement(None)
    assert not find(panel, QLabel, "Predictive values").isVisible()


def test_the_animals_mean_is_compared_with_unseen_animals_of_the_same_model(panel: ScorePanel):
    score, _ = section()
    low, _ = section(mean=-2.0)
    panel.set_statement(STATEMENT, "one")
    panel.set_snapshot(snapshot(score, COUNTS))
    panel.set_other_sections([OtherSection("S0", low, "one")])
    mean = (low.score + score.score) / 2
    assert value(panel, "What the animal's mean is evidence of") == describe_animal(STATEMENT, mean)
    panel.set_other_sections([OtherSection("S0", low, "another")])
    assert not find(panel, QLabel, "What the animal's mean is evidence of").isVisible()


def test_the_thresholds_interval_is_a_band(panel: ScorePanel):
    score, _ = section()
    bar = find(panel, ScoreBar, "Score on its scale")
    panel.set_snapshot(snapshot(score, COUNTS))
    before = bar.grab().toImage()
    panel.set_snapshot(snapshot(replace(score, threshold_interval=(0.3, 0.6)), COUNTS))
    after = bar.grab().toImage()
    y = after.height() // 2
    changed = [x for x in range(after.width()) if before.pixelColor(x, y) != after.pixelColor(x, y)]
    assert 0.28 < min(changed) / after.width() < 0.34
    assert 0.56 < max(changed) / after.width() < 0.62


def test_interval_over_fewer_frames_reports_it(panel: ScorePanel):
    score, _ = section()
    panel.set_snapshot(snapshot(replace(score, interval_frames=30), COUNTS))
    assert value(panel, "Interval of the score").endswith("(over the first 30 of 37 frames)")


def test_not_stabilised_states_the_reason(panel: ScorePanel):
    score, _ = section(6)
    panel.set_snapshot(snapshot(score, Counts(acquired=6, classified=5, excluded=1)))
    assert line(panel, "Stability of the score").shape_name() == "busy"
    assert line(panel, "Stability of the score").text() == "Not stabilised: 5 of at least 8 fields so far."


def test_losses_failures_and_a_broken_model_are_shown(panel: ScorePanel):
    score, _ = section(12)
    counts = Counts(acquired=14, stored=14, classified=9, excluded=3, failed=1, pending=1, lost=2)
    panel.set_snapshot(snapshot(score, counts, degraded="the model did not answer in 30 s"))
    assert frames_shown(panel)[-2:] == ["1 failed, not classified", "2 lost before they reached us"]
    assert line(panel, "Classification").text() == (
        "Classification stopped, frames are still stored: the model did not answer in 30 s."
    )
    panel.set_snapshot(snapshot(score, COUNTS))
    assert not line(panel, "Classification").isVisible()


def test_fields_that_the_operator_excluded_are_shown(panel: ScorePanel):
    score, _ = section(12)
    panel.set_snapshot(snapshot(replace(score, fields_excluded_by_operator=2), COUNTS))
    assert "2 are excluded by the operator." in value(panel, "Frames that the score rests on")


def test_open_ended_run_names_no_plan(panel: ScorePanel):
    score, _ = section(12)
    panel.set_snapshot(snapshot(score, Counts(acquired=12, classified=9, excluded=3), expected_frames=None))
    assert (
        value(panel, "Frames that the score rests on")
        == "The score rests on 9 of 12 frames (75 %). 12 acquired, open-ended."
    )


def test_other_sections_and_the_animals_mean(panel: ScorePanel):
    score, _ = section()
    low, _ = section(mean=-2.0)
    panel.set_section("M7", "S1")
    panel.set_other_sections([OtherSection("S0", low), OtherSection("S2", section(0)[0])])
    assert find(panel, QLabel, "Other sections of M7").isVisible()
    assert value(panel, "Mean of the animal's sections") == f"Mean of 1 section: {low.score:.3f}"
    panel.set_snapshot(snapshot(score, COUNTS))
    assert (
        value(panel, "Mean of the animal's sections")
        == f"Mean of 2 sections with this one: {(low.score + score.score) / 2:.3f}"
    )
    panel.set_other_sections([])
    assert find(panel, QLabel, "Other sections").isVisible()
    assert not find(panel, QLabel, "Mean of the animal's sections").isVisible()


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
    assert not band_drawn(panel)


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
    fields, score = plot.findChild(pg.PlotWidget).listDataItems()[-1].getData()
    assert len(fields) <= MOST_POINTS
    assert (fields[0], fields[-1]) == (1.0, 5000.0)
    assert np.array_equal(score, fields / 5000)  # points of the course, none in between


def test_the_research_line_names_what_the_model_was_trained_on(panel: ScorePanel):
    panel.set_training("a synthetic phantom, not on tissue")
    words = "Research use only. Not for diagnosis. The model was trained on a synthetic phantom, not on tissue."
    assert find(panel, QLabel, words).isVisible()
    assert not line(panel, "Why this score means nothing").isVisible()


def test_a_meaningless_score_is_marked_in_red(panel: ScorePanel):
    panel.set_training("a synthetic phantom, not on tissue", "this specimen is no phantom")
    assert line(panel, "Why this score means nothing").isVisible()
    assert line(panel, "Why this score means nothing").text() == "This specimen is no phantom."
    panel.set_snapshot(snapshot(section()[0], COUNTS))
    pixels = find(panel, QLabel, "Score").grab().toImage()
    reds = [pixels.pixelColor(x, y) for x in range(pixels.width()) for y in range(0, pixels.height(), 3)]
    assert any(one.red() > 150 and one.red() > one.green() + 60 for one in reds)
    panel.set_training(None)
    assert not line(panel, "Why this score means nothing").isVisible()
    assert find(panel, QLabel, "Research use only. Not for diagnosis.").isVisible()


@pytest.mark.parametrize(("score", "words"), [(0.4991, "0.499"), (0.49762, "0.4976"), (0.83, "0.830")])
def test_near_the_threshold_a_score_has_a_digit_more(panel: ScorePanel, score: float, words: str):
    panel.set_snapshot(snapshot(replace(section()[0], score=score, threshold=0.497665), COUNTS))
    assert value(panel, "Score") == words


def test_a_replayed_section_is_named_as_one_and_not_as_running(panel: ScorePanel):
    panel.set_section("M7", "S1", replayed=True)
    assert value(panel, "Section") == "In Replay: animal M7, section S1"
    assert not find(panel, CoursePlot, "Course of the score").isVisible()
    panel.set_snapshot(snapshot(section()[0], COUNTS))
    shown = frames_shown(panel)
    assert "4 without a result" in shown
    assert not any("later" in words for words in shown)
    panel.set_section("M7", "S1")
    assert find(panel, CoursePlot, "Course of the score").isVisible()

"""The quality panel and the strip at the bottom: the right words and signs for what is measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find
from panel_parts import COUNTS, result, section, snapshot, value

from hcc_scope.formatting import format_bytes, format_duration, format_number
from hcc_scope.quality import TileQuality
from hcc_scope.types import Counts, FrameResult
from ui.kit.labels import ValueLabel
from ui.kit.symbols import SymbolBadge
from ui.score.quality import QualityPanel
from ui.shell.status_strip import StatusStrip

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from hcc_scope.types import Snapshot

NO_TISSUE, BLURRED, SATURATED, DARK, UNLIKE = 1, 2, 4, 8, 16


def measured(flags: list[int], *, saturated: float = 0.0004) -> TileQuality:
    n = len(flags)
    return TileQuality(
        tissue_fraction=np.full(n, 0.93, np.float32),
        focus=np.full(n, 0.05, np.float32),
        saturated_fraction=np.full(n, saturated, np.float32),
        mean_level=np.full(n, 0.34, np.float32),
        noise_variance=np.full(n, 100.0, np.float32),
        flags=np.array(flags, np.uint8),
    )


def test_a_tile_that_was_classified_and_not_scored_is_not_shown_as_unclassified(qtbot: QtBot):
    panel = QualityPanel()
    qtbot.addWidget(panel)
    flags = np.array([UNLIKE] * 3 + [0] * 13, np.uint8)
    measured = replace(result(3, np.ones(16), flags), distances=np.full(16, 2.0, np.float32))
    panel.set_result(measured)
    assert value(panel, "Outcome of the field") == "Field 3: 13 of 16 tiles scored."
    assert value(panel, "Similarity") == "Unlike training: 3 of 16 tiles; median distance 2"
    assert "not scored" in find(panel, ValueLabel, "Similarity").toolTip()


def test_quality_panel_shows_what_became_of_the_field(qtbot: QtBot):
    panel = QualityPanel()
    qtbot.addWidget(panel)
    assert value(panel, "Outcome of the field") == "No field analysed yet."
    flags = np.array([2, 2] + [0] * 14, np.uint8)
    panel.set_result(result(17, np.ones(16), flags), measured(list(flags)))
    assert value(panel, "Outcome of the field") == "Field 17: 14 of 16 tiles classified."
    assert find(panel, SymbolBadge, "Focus: Out of focus in 2 of 16 tiles with tissue").shape_name == "warning"
    panel.set_result(result(18, np.ones(16), np.full(16, 1)))
    assert value(panel, "Outcome of the field") == "Field 18: excluded, none of its 16 tiles is usable."
    nothing = np.full(16, np.nan, np.float32)
    failed = FrameResult(
        19, "failed", nothing, nothing, np.zeros(16, np.uint8), "x", error="the model ran out of memory"
    )
    panel.set_result(failed)
    assert value(panel, "Outcome of the field") == "Field 19: could not be classified. The model ran out of memory."


@pytest.fixture
def strip(qtbot: QtBot) -> StatusStrip:
    widget = StatusStrip()
    qtbot.addWidget(widget)
    widget.resize(1264, 40)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget


def running(**changes: object) -> Snapshot:
    return snapshot(section(6)[0], COUNTS, **changes)


def test_strip_shows_rates_queues_and_time(strip: StatusStrip):
    strip.set_snapshot(running())
    strip.set_shown_fps(29.7)
    values = {
        key: strip.value(key) for key in ("camera", "stored", "classified", "shown", "store_queue", "eta", "waiting")
    }
    assert values == {
        "camera": "12.4 /s",
        "stored": "12.3 /s",
        "classified": "9.8 /s",
        "shown": "29.7 /s",
        "store_queue": "12 %",
        "eta": "1 min 22 s",
        "waiting": "4 | 2",
    }
    assert strip.concern("lost") is None
    strip.set_snapshot(None)
    assert strip.value("camera") == "–"
    assert strip.value("phase") == "No run"


def test_strip_shows_what_the_run_does(strip: StatusStrip):
    for changes, words in (
        ({}, "Running"),
        ({"paused": True}, "Paused"),
        ({"phase": "draining"}, "Finishing"),
        ({"phase": "finished", "eta_s": 0.0}, "Finished"),
    ):
        strip.set_snapshot(running(**changes))
        assert strip.value("phase") == words
    assert strip.value("eta") == "done"
    strip.set_snapshot(running(degraded="the model broke"))
    assert strip.concern("phase") == "bad"


def test_strip_warns_with_a_sign(strip: StatusStrip):
    strip.set_snapshot(snapshot(section(6)[0], Counts(acquired=6, lost=2, pending=6), analyse_queue_fill=0.9))
    assert strip.concern("analyse_queue") == "warning"
    assert strip.concern("store_queue") is None
    assert (strip.value("lost"), strip.concern("lost")) == ("2", "bad")
    strip.set_snapshot(running())
    assert strip.concern("analyse_queue") is None
    assert strip.concern("lost") is None


@pytest.mark.parametrize(
    ("free", "rate", "words", "concern"),
    [
        (None, 0.0, "–", None),
        (85_000_000_000, 0.0, "85 GB", None),
        (85_000_000_000, 98e6, "14 min", "warning"),
        (20_000_000_000, 98e6, "3 min", "bad"),
        (850_000_000_000, 98e6, "2 h 24 min", None),
        (8_500_000_000_000, 1e6, "over 100 h", None),
    ],
)
def test_disk_left_in_minutes(strip: StatusStrip, free: int | None, rate: float, words: str, concern: str | None):
    strip.set_system(free, rate, 1_340_000_000)
    assert (strip.value("disk"), strip.concern("disk")) == (words, concern)
    assert strip.value("memory") == "1.3 GB"


def test_strip_takes_more_lines_where_it_is_narrow(strip: StatusStrip):
    one_line = strip.minimumHeight()
    strip.resize(500, 40)
    assert strip.minimumHeight() >= 2 * one_line - 10


def test_words_for_numbers():
    assert [format_duration(s) for s in (0.4, 59.4, 60, 3599, 3661, None, float("inf"))] == [
        "0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 1 min", "unknown", "unknown",
    ]  # fmt: skip
    assert [format_number(v, 2) for v in (20.0, 0.126, -0.001)] == ["20", "0.13", "0"]
    assert [format_bytes(v) for v in (85e6, 1.34e9, 123e9, 2e12)] == ["85 MB", "1.3 GB", "123 GB", "2 TB"]


def test_a_section_by_hand_has_begun_with_its_first_live_frame_and_shows_how_fast_they_come(qtbot: QtBot):
    strip = StatusStrip()
    qtbot.addWidget(strip)
    driving = snapshot(section(0)[0], Counts(), phase="starting", acquire_fps=0.0)
    strip.set_snapshot(driving, None)
    assert (strip.value("phase"), strip.value("camera")) == ("Starting", "0.0 /s")
    strip.set_snapshot(driving, 12.34)
    assert (strip.value("phase"), strip.value("camera")) == ("Running", "12.3 /s")
    strip.set_snapshot(replace(driving, paused=True), 0.0)
    assert strip.value("phase") == "Paused"

"""How focusing is shown: the curve of a search, the plane, the button, and the coach of a stand without focus motor."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find
from panel_parts import MANUAL_STAND, RIG
from PySide6.QtWidgets import QComboBox, QLabel, QPushButton
from shell_parts import finish, notices, start, wait_for

from hcc_scope.focus import FocusPoint, FocusResult, FocusSettings, fit_plane
from hcc_scope.focus.record import FocusRecord, PlaneRecord, focus_records
from hcc_scope.focus.trend import TrendView
from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.plans import Focusing
from hcc_scope.position_tags import PositionOrigin, position_tags
from hcc_scope.report.run_log_text import event_text
from hcc_scope.run_events import RunEvent
from hcc_scope.types import Frame
from ui.control.live_judge import LiveJudge
from ui.control.section_request import PlanChoice
from ui.kit.jobs import Jobs
from ui.kit.symbols import SignedLine
from ui.live.coach_bar import CoachBar, FocusCourse
from ui.score.focus_panel import FocusPanel
from ui.score.focus_plot import FocusPlot

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from ui.app import App

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CURVE = tuple(
    FocusPoint(z, np.exp(-((z - 2.5) ** 2) / 50), 3 * np.exp(-((z - 2.5) ** 2) / 60)) for z in range(-20, 24, 4)
)


def event(*, field: int, accepted: bool = True) -> RunEvent:
    result = FocusResult(
        reason="in_focus" if accepted else "edge",
        z_um=2.0 if accepted else 0.0,
        began_um=0.0,
        curve=CURVE,
        judged_tiles=3,
        tiles=4,
        settings=FocusSettings(),
        around_um=(-4.0, 8.0) if accepted else None,
    )
    return RunEvent(NOW, "focus", {**result.as_facts(), "focus_seq": field, "mode": "every_k", "field": field})


def plane_event() -> RunEvent:
    points = [(x, y, 0.01 * x + (9.0 if (x, y) == (200, 300) else 0.0)) for x in (0, 200, 400) for y in (0, 300)]
    return RunEvent(
        NOW, "focus", {"focus_seq": 9, "mode": "plane", "plane": {**fit_plane(points).as_facts(), "focus_seqs": [1]}}
    )


def test_a_record_is_what_was_recorded_and_damaged_ones_are_left_out():
    damaged = RunEvent(NOW, "focus", {"accepted": True, "reason": "in_focus", "z_um": "nowhere"})
    ended = RunEvent(NOW, "focus", {"accepted": False, "reason": "ended", "error": "it was stopped", "began_um": 0.0})
    move = RunEvent(NOW, "move", {"device": "Z"})
    search, cut, refused, plane = focus_records(
        [move, event(field=3), damaged, ended, event(field=4, accepted=False), plane_event()]
    )
    assert isinstance(search, FocusRecord)
    assert (search.focus_seq, search.field, search.z_um, search.bracket_um) == (3, 3, 2.0, (-4.0, 8.0))
    assert search.curve == CURVE
    assert isinstance(cut, FocusRecord)
    assert (cut.explanation, cut.curve) == ("the search was ended: it was stopped", ())
    assert isinstance(refused, FocusRecord)
    assert refused.explanation.startswith("no focus was found: the sharpest height lies at the edge")
    assert event_text(event(field=3)) == "focus at field 3: in focus at z = 2.00 um, +2.00 um from where it began"
    assert event_text(plane_event()).startswith("focus of the section: focus plane through 5 points, residual 0.00 um")
    assert isinstance(plane, PlaneRecord)
    assert plane.plane.outliers != ()


def test_the_panel_shows_the_newest_search_until_another_is_chosen(qtbot: QtBot):
    panel = FocusPanel()
    qtbot.addWidget(panel)
    panel.show()
    result, plot = find(panel, SignedLine, "How the focusing ended"), find(panel, FocusPlot, "Focus curve")
    choice = find(panel, QComboBox, "Which focusing is shown")
    assert result.text() == "Nothing was focused by the camera's image."
    assert not plot.isVisible()
    panel.set_records(focus_records([event(field=0), event(field=5, accepted=False)]))
    assert (choice.currentText(), result.shape_name()) == ("At field 5: refused", "warning")
    assert "edge" in result.text()
    panel.set_records(focus_records([event(field=0), event(field=5, accepted=False), event(field=10)]))
    assert choice.currentText() == "At field 10"
    assert result.text() == "In focus at z = 2.00 µm, +2.00 µm from where it began."
    assert plot.isVisible()
    spoken = plot.accessibleDescription()
    assert spoken.startswith("11 frames from z = -20.00 to 20.00 µm, the sharpest at 4.00. Bracket: -4.00 to 8.00 µm.")
    choice.setCurrentIndex(0)
    choice.activated.emit(0)  # as a person does
    panel.set_records(focus_records([*(event(field=seq) for seq in (0, 5, 10, 15))]))
    assert choice.currentText() == "At field 15"  # other records than before
    choice.setCurrentIndex(1)
    choice.activated.emit(1)
    panel.set_records(focus_records([event(field=seq) for seq in (0, 5, 10, 15, 20)]))
    assert choice.currentText() == "At field 5"
    # no curve is drawn where none is known: no tile was judged, or the search was cut short
    unjudged = RunEvent(NOW, "focus", {**event(field=3, accepted=False).facts, "judged_tiles": 0})
    panel.set_records(focus_records([unjudged]))
    assert not plot.isVisible()
    assert find(panel, QLabel, "About the focusing").text() == "11 frames, no curve: none of 4 tiles was judged."
    cut = {"accepted": False, "reason": "ended", "error": "it was stopped", "began_um": 0.0, "field": 3}
    panel.set_records(focus_records([RunEvent(NOW, "focus", cut)]))
    assert (choice.currentText(), result.text()) == ("At field 3: ended", "The search was ended: it was stopped.")
    assert not plot.isVisible()
    panel.set_records(focus_records([event(field=0), plane_event()]))
    panel.show_seq(9)
    assert choice.currentText() == "Plane of the section"
    assert "left out: x = 200, y = 300 µm" in result.text()
    assert result.shape_name() == "warning"
    assert not plot.isVisible()
    panel.set_records((), known=False)
    assert "no run log" in result.text()
    panel.set_records(())
    assert result.text() == "Nothing was focused by the camera's image."


def test_a_focused_section_is_shown_live_and_in_replay(ready: App):
    panel = ready.views.focusing
    result = find(panel, SignedLine, "How the focusing ended")
    choice = find(panel, QComboBox, "Which focusing is shown")
    ready.setup.change(plan=PlanChoice(n_fields=4, focus=Focusing("every_k", every_k=2)))
    start(ready)
    finish(ready)
    wait_for(lambda: choice.count() == 2, "both searches")
    assert result.text().startswith("In focus at z = "), notices(ready)
    shown = result.text()
    ready.commands.open_one_store(str(ready.setup.request.out_dir / "M7_S1.ome.zarr"))
    wait_for(lambda: ready.views.replay.opened is not None, "the store to open")
    opened = ready.views.replay.opened
    assert opened is not None
    assert opened.focusings is not None
    assert len(opened.focusings) == 2
    wait_for(lambda: ready.views.replay.pane.frame is not None, "the first field")
    wait_for(lambda: choice.currentText() == "At field 0", "its search")
    ready.views.replay.pane.scrubber.set_value(3)
    wait_for(lambda: choice.currentText() == "At field 2", "the search that the last field's height comes from")
    assert result.text() == shown

    # the button, while nothing is acquired: over the specimen, and the reason where there is none
    ready.views.show_live()
    button = find(ready.views.devices, QPushButton, "Focus by the camera's image")
    assert button.isVisible()
    button.click()
    wait_for(lambda: choice.currentText() == "On request", "the search")
    wait_for(lambda: ready.rig.light.words.endswith("ready"), "the end of the search")


@pytest.fixture(scope="module")
def frames() -> dict[float, Frame]:
    specimen = Specimen(5, "m1", "s1", "high", day="coach")
    made = {}
    for seq, z_um in enumerate((12.0, 6.0, 0.0, -6.0)):
        pixels = CameraPhysics().expose(
            specimen.render(0.0, 0.0, z_um, (256, 256), 0.325),
            exposure_ms=8.0,
            em_gain=1.0,
            noise_seed=seq,
            day=specimen.day_effect,
        )
        made[z_um] = Frame(seq, pixels, 0, NOW, 8.0, "live")
    return made


def test_the_coach_follows_the_focus_and_shows_when_the_best_is_past(qtbot: QtBot, frames: dict[float, Frame]):
    jobs = Jobs()
    coach, seen = LiveJudge(jobs), list[TrendView]()
    coach.judged.connect(lambda judgement: seen.append(judgement.trend))
    for n, z_um in enumerate((12.0, 6.0, 0.0, 0.0, -6.0, -6.0), start=1):
        coach.see(frames[z_um])
        qtbot.waitUntil(lambda n=n: len(seen) == n)
    assert [view.state for view in seen[1:3]] == ["rising", "rising"]
    assert seen[-1].state == "past_best"
    assert seen[-1].fraction < seen[2].fraction == 1.0
    # another exposure is another subject, whose best is not known yet
    coach.see(dataclasses.replace(frames[-6.0], exposure_ms=30.0))
    qtbot.waitUntil(lambda: len(seen) == 7)
    assert seen[-1].fraction == 1.0
    # and so is another place, or another part of the sensor; a stage that rests is not quite still
    for n, (x_um, view, is_new) in enumerate(
        [(0.0, 1, True), (0.5, 1, False), (80.0, 1, True), (80.0, 1, False), (80.0, 2, True)], start=8
    ):
        coach.note_view(view)
        coach.see(dataclasses.replace(frames[-6.0 if is_new else 12.0], stage_um=(x_um, 0.0, None)))
        qtbot.waitUntil(lambda n=n: len(seen) == n)
        assert (seen[-1].fraction == 1.0) == is_new
    # the same coordinates in another island are another place
    tags = position_tags(PositionOrigin("tracked", 1, 0.3))
    coach.see(dataclasses.replace(frames[-6.0], stage_um=(80.0, 0.0, None), tags=tags))
    qtbot.waitUntil(lambda: len(seen) == 13)
    assert seen[-1].fraction == 1.0
    coach.see(dataclasses.replace(frames[12.0], stage_um=(80.0, 0.0, None), tags=tags))
    qtbot.waitUntil(lambda: len(seen) == 14)
    assert seen[-1].fraction < 1.0
    coach.allow(False)
    coach.see(frames[0.0])
    assert not jobs.n_open  # a section's frames come first
    assert jobs.close() == ()


def test_the_bar_of_the_coach_can_be_read_by_a_screen_reader(qtbot: QtBot):
    bar = CoachBar()
    qtbot.addWidget(bar)
    line = find(bar, SignedLine, "Where to turn the focus")
    bar.show_trend(TrendView("past_best", 0.72, "past the best: turn back"), "0.048", (0.5, 1.0, 0.72))
    assert (line.text(), line.shape_name()) == ("Past the best: turn back", "warning")
    course = find(bar, FocusCourse, "Sharpness relative to the best seen")
    assert course.accessibleDescription().startswith("Focus measure 0.048, 72 % of the best seen here.")
    bar.show()
    assert course.grab().toImage().width() > 0
    with qtbot.waitSignal(bar.restarted):
        find(bar, QPushButton, "Start the focus coach again").click()
    assert course.accessibleDescription().startswith("nothing was measured yet.")


def test_the_focus_coach_is_there_with_a_rig(shell: App):
    shell.views.show_live()
    bar = shell.views.live.coach
    assert not bar.isVisible()
    for rig in (RIG, MANUAL_STAND):
        shell.state.rig = rig
        shell.state.rig_changed.emit(rig)
        assert bar.isVisible()
    shell.state.rig = None
    shell.state.rig_gone.emit()
    assert not bar.isVisible()

"""One field at a time: picture, box, quality and buttons speak of the same one, on the real demo camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from field_menu_parts import in_menu, menu_key, right_click
from find import find
from PySide6.QtWidgets import QLabel, QToolButton, QWidget
from shell_parts import finish, name_section, notices, start, wait_for, wait_until_held

from hcc_scope.storage.notes import read_notes
from ui.control.replay_focus import ReplayedField
from ui.control.section_request import PlanChoice
from ui.kit.controls import ElidedLabel

if TYPE_CHECKING:
    from ui.app import App


@pytest.fixture
def held(ready: App) -> App:
    """Return the app with a paused section of some analysed fields."""
    ready.setup.change(plan=PlanChoice(n_fields=500))
    start(ready)
    wait_for(lambda: ready.state.snapshot.counts.stored >= 4, "stored fields")
    ready.window.actions_["pause"].trigger()
    wait_until_held(ready)
    wait_for(lambda: ready.state.snapshot.counts.stored == ready.state.snapshot.counts.acquired, "the store")
    wait_for(lambda: ready.state.snapshot.counts.pending == 0, "the analysis")
    wait_for(lambda: ready.state.snapshot.counts.deferred == 0, "the analysis of what was put off")
    return ready


def quality_words(app: App) -> str:
    return " ".join(
        one.text() for one in find(app.window, QWidget, "Quality of the current field").findChildren(QLabel)
    )


def about_words(app: App) -> str:
    return find(app.views.live, ElidedLabel, "Shown frame").whole_text()


def test_fields_that_no_poll_saw_are_on_the_map_while_the_section_runs(ready: App):
    ready.setup.change(plan=PlanChoice(n_fields=500))
    ready.state.frame_arrived.disconnect()  # as if every look came too late
    start(ready)
    wait_for(lambda: ready.state.snapshot.counts.stored >= 4, "stored fields")
    ready.window.actions_["pause"].trigger()
    wait_until_held(ready)
    on_map = ready.views.map.fields.fields
    wait_for(lambda: set(on_map) == set(range(ready.state.snapshot.counts.acquired)), "every field on the map")
    wait_for(lambda: all(one.result is not None for one in on_map.values()), "their results")
    ready.window.actions_["stop"].trigger()
    finish(ready)
    wait_for(lambda: set(on_map) == set(range(ready.state.snapshot.counts.stored)), "the last ones")


def test_a_click_on_a_field_makes_picture_box_quality_and_button_speak_of_it(held: App):
    run, views = held.run, held.views
    wait_for(lambda: 1 in views.map.fields.fields, "the field on the map")
    held.window.tabs.setCurrentWidget(views.map)
    right_click(views.map.view, *views.map.fields.fields[1].stage_um)
    offered = in_menu(held)
    assert offered["show_field"] == ("Show field 1", "")
    assert offered["go_to_field"] == ("Move the stage there", "")  # in a pause
    held.window.actions_["show_field"].trigger()
    wait_for(lambda: views.live.pinned and run.field_on_screen == 1, "the field")
    assert held.window.tabs.currentWidget() is views.live
    assert about_words(held).startswith("Stored field 1,")
    assert "Field 1:" in quality_words(held)
    assert views.map.fields.chosen == 1
    assert held.window.actions_["exclude"].text() == "Exclude field 1"
    held.window.actions_["pause"].trigger()  # newer fields come, and do not take its place
    before = held.state.snapshot.counts.stored
    wait_for(lambda: held.state.snapshot.counts.stored > before + 1, "newer fields")
    assert run.field_on_screen == 1
    assert "Field 1:" in quality_words(held)
    held.window.actions_["exclude"].trigger()
    wait_for(lambda: "Field 1 is excluded" in notices(held), "the message")
    assert not held.window.actions_["exclude"].isEnabled()
    assert "excluded already" in held.window.actions_["exclude"].toolTip()
    find(held.views.live, QToolButton, "Back to the newest").defaultAction().trigger()
    wait_for(lambda: run.field_on_screen not in (None, 1), "the newest field")
    assert views.map.fields.chosen is None
    assert held.window.actions_["exclude"].text() == f"Exclude field {run.field_on_screen}"
    wait_for(lambda: 2 in views.map.fields.fields, "another field on the map")
    views.map.choose(2)
    menu_key(views.map.view)
    assert in_menu(held)["go_to_field"][1] == "the section moves the stage: pause it first"
    held.window.actions_["retake_field"].trigger()
    wait_for(lambda: 2 in held.state.snapshot.score.retaken, "the retake")
    again = held.state.snapshot.score.retaken[2]
    wait_for(lambda: again in [one.seq for one in views.map.fields.shown], "the retake on the map")
    wait_for(lambda: 2 not in [one.seq for one in views.map.fields.shown], "the field shown once")
    held.window.actions_["skip_analysis"].trigger()
    finish(held)


def test_what_is_on_the_screen_is_excluded_though_a_newer_field_is_stored(held: App):
    shown = held.run.field_on_screen
    assert shown is not None
    held.state.frame_arrived.disconnect()  # the screen stays where it is
    held.window.actions_["pause"].trigger()
    wait_for(lambda: held.state.snapshot.counts.stored > shown + 2, "newer fields")
    assert held.window.actions_["exclude"].text() == f"Exclude field {shown}"
    held.window.actions_["exclude"].trigger()
    wait_for(lambda: f"Field {shown} is excluded" in notices(held), "the message")
    assert held.run.run.session.excluded == (shown,)
    held.window.actions_["skip_analysis"].trigger()
    finish(held)


def test_in_replay_score_quality_and_buttons_belong_to_the_replayed_section(ready: App):
    ready.setup.change(plan=PlanChoice(n_fields=3))
    start(ready)
    finish(ready)
    first = ready.run.last_store
    name_section(ready, section="S9")
    start(ready)
    finish(ready)
    score = find(ready.window, QWidget, "Score of the section")
    live_words = " ".join(one.text() for one in score.findChildren(QLabel))
    assert "section S9" in live_words
    ready.commands.open_one_store(str(first))
    focus = ready.focus
    wait_for(lambda: focus.on and focus.field == ReplayedField(0, False), "the replay")
    words = " ".join(one.text() for one in score.findChildren(QLabel))
    assert "In Replay: animal M7, section S1" in words
    assert "Field 0:" in quality_words(ready)
    assert ready.window.actions_["exclude"].text() == "Exclude field 0"
    ready.window.actions_["exclude"].trigger()
    wait_for(lambda: focus.field == ReplayedField(0, True), "the mark")
    assert [(note.kind, note.seq) for note in read_notes(first)] == [("exclude", 0)]
    assert read_notes(ready.setup.request.out_dir / "M7_S9.ome.zarr") == ()
    assert ready.window.actions_["include"].text() == "Include field 0 again"
    ready.window.actions_["include"].trigger()
    wait_for(lambda: focus.field == ReplayedField(0, False), "the field back in")
    ready.window.tabs.setCurrentWidget(ready.views.live)
    assert "section S9" in " ".join(one.text() for one in score.findChildren(QLabel))
    assert ready.window.actions_["exclude"].text() == f"Exclude field {ready.run.field_on_screen}"

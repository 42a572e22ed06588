"""The plan in the whole window: tissue is found and outlined, a dry run, a saved plan, exposure and EM gain."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QMessageBox
from shell_parts import finish, notices, open_rig, start, wait_for

from hcc_scope.plans import RandomFields, load_plan
from hcc_scope.plans.outline import area_um2
from ui.control.section_request import PlanChoice
from ui.kit.labels import ValueLabel
from ui.shell.plan_dialog import PlanDialog

if TYPE_CHECKING:
    from pathlib import Path

    from ui.app import App


def button(app: App, name: str) -> QAbstractButton:
    return find(app.views.map, QAbstractButton, name)


def outline(app: App) -> tuple[tuple[float, float], ...]:
    return app.setup.request.plan.outline_um


def test_tissue_is_found_and_the_next_section_lies_inside_it(
    ready: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    app = ready
    app.window.tabs.setCurrentWidget(app.views.map)
    app.setup.change(plan=PlanChoice(n_fields=3, area_um=(500.0, 400.0)))
    search = button(app, "Find tissue")
    search.click()
    for name in ("go_there", "step_left", "mark_here"):  # a move would begin when the scan is over
        assert "the stage is scanning" in app.window.actions_.why_not(name)
    wait_for(lambda: outline(app), "the outline")
    assert app.window.actions_.why_not("go_there") == ""
    assert area_um2(outline(app)) == pytest.approx(500 * 400, rel=0.1)  # all of it is tissue
    assert "The tissue reaches the edge of the scanned area" in notices(app)
    assert app.state.rig.xy_um == (0.0, 0.0)

    app.commands.edit_plan()
    (dialog,) = app.window.findChildren(PlanDialog)
    assert find(dialog, QComboBox, "Where the fields lie").currentText() == "Outline on the map"
    find(dialog, QAbstractButton, "Dry run").click()
    result = find(dialog, ValueLabel, "Result of the dry run")
    wait_for(lambda: "can carry this plan out" in result.text(), "the dry run")
    assert "3 frames of 166 x 166 um" in result.text()
    saved = tmp_path / "saved.yaml"
    monkeypatch.setattr("ui.plan_presenter.ask_where", lambda *arguments: arguments[-1](saved))
    find(dialog, QAbstractButton, "Save plan …").click()
    wait_for(saved.exists, "the plan")
    wait_for(lambda: "saved as" in result.text(), "the sentence")
    dialog.accept()
    plan = load_plan(saved)
    assert isinstance(plan, RandomFields)
    assert plan.outline_um == outline(app)
    assert plan.outline_from == "prescan"
    assert plan.outline_margin_um is not None
    assert plan.seed == app.setup.request.seed

    found = outline(app)
    app.views.map.outline_drawn.emit((*found, (-50.0, 0.0)))
    assert app.setup.request.plan.outline_from == "mended"
    app.views.map.outline_drawn.emit(((0.0, 0.0), (9.0, 0.0), (9.0, 9.0)))
    assert app.setup.request.plan.outline_from == "drawn"
    app.setup.change(plan=app.setup.request.plan.with_outline(found, "prescan", 50.0))

    edit = button(app, "Edit outline")
    edit.click()
    assert not search.isEnabled()
    wait_for(lambda: not app.window.actions_["start"].isEnabled(), "Start to be held back")
    assert "the outline on the map is being edited" in app.window.actions_["start"].toolTip()
    app.rig.opened.emit(replace(app.rig.loaded, name="another rig"))  # its stage has other coordinates
    assert not edit.isChecked()
    assert outline(app) == ()
    assert search.isEnabled()
    app.setup.change(plan=app.setup.request.plan.with_outline(found, "prescan", 50.0))

    refuse_beyond_limits(app)
    mend_a_plan_file(app, tmp_path / "mended.yaml")
    wait_for(lambda: app.views.map.next.words.startswith("3 random fields of 166"), "the plan on the map")
    planned = app.views.map._plan.positions_um
    start(app)
    assert np.array_equal(app.run.run.positions_um, planned)  # those that were shown, and no others
    assert not app.views.map.next.shown
    shown = app.run.run.outline_um
    assert np.array_equal(shown, found)
    assert not button(app, "Edit outline").isEnabled()
    recorded = json.loads(str(app.run.run.section.spec.provenance["plan"]))
    assert (recorded["outline_from"], recorded["outline_margin_um"]) == ("prescan", 50.0)
    finish(app)
    assert button(app, "Edit outline").isEnabled()
    assert outline(app) == ()  # it was that section's
    assert "find or draw the one of the next section" in notices(app)


def refuse_beyond_limits(app: App) -> None:
    """A mark makes a list; where the stage cannot go, Start is refused with the reason, until it is undone."""
    before = app.setup.request.plan
    for _ in range(2):  # the second before the first is laid out
        app.window.actions_["mark_here"].trigger()
    wait_for(lambda: app.setup.request.plan.kind == "list", "a list")
    wait_for(lambda: app.setup.request.plan.listed.positions_um == ((0.0, 0.0), (0.0, 0.0)), "both marks")
    assert "the score's interval is not valid for it" in notices(app)
    app.views.map.next.mark(70_000.0, 0.0)
    wait_for(lambda: "beyond the stage's upper limit" in app.window.actions_.why_not("start"), "Start to be refused")
    assert "cannot be taken: position 3" in app.views.map.next.words
    app.setup.change(plan=before)
    wait_for(lambda: app.window.actions_["start"].isEnabled(), "Start")


def mend_a_plan_file(app: App, path: Path) -> None:
    """A file that was changed meanwhile is read again when the operator comes back to the window."""
    before, why_not = app.setup.request.plan, app.window.actions_.why_not
    path.write_text("kind: positions\npositions_um: [[70000, 0]]\n", encoding="utf-8")
    app.commands._plans._use_file(str(path))
    wait_for(lambda: "beyond the stage's upper limit" in why_not("start"), "Start to be refused")
    path.write_text("kind: positions\npositions_um: [[0, 0], [200, 0]]\n", encoding="utf-8")
    QApplication.instance().applicationStateChanged.emit(Qt.ApplicationState.ApplicationActive)
    wait_for(lambda: app.views.map.next.words.startswith("A list of 2 fields"), "the mended plan")
    assert why_not("start") == ""
    app.setup.change(plan=before)


def test_exposure_gain_and_cooling_in_the_window(shell: App, small_rig: Path):
    app = shell
    small_rig.write_text(small_rig.read_text(encoding="utf-8") + "limits: {em_gain: 3, exposure_ms: [1, 90]}\n")
    open_rig(app, small_rig)
    camera = app.views.devices.camera
    assert app.views.status.value("sensor") == "-70.0 °C"
    app.setup.change(specimen="high", seed=1)
    find(camera, QAbstractButton, "Auto exposure").click()
    wait_for(lambda: "mean level 50 % of full scale" in notices(app), "the exposure")
    wait_for(lambda: app.state.rig.camera.exposure_ms != 10.0, "the rig to be read")

    def ask_for(gain: float, answer: QMessageBox.StandardButton) -> str:
        camera.em_gain_requested.emit(gain)
        (question,) = [one for one in app.window.findChildren(QMessageBox) if one.isVisible()]
        words = question.text()
        question.button(answer).click()
        QApplication.processEvents()
        return words

    words = ask_for(4.0, QMessageBox.StandardButton.No)
    assert "An EM gain of 4 is above the rig file's limit of 3 and ages the sensor" in words
    wait_for(lambda: not app.jobs.n_open, "quiet")
    assert app.state.rig.camera.em_gain == 1.0
    ask_for(4.0, QMessageBox.StandardButton.Yes)
    wait_for(lambda: app.state.rig.camera.em_gain == 4.0, "the gain")
    camera.em_gain_requested.emit(2.0)  # within the limit: no question
    wait_for(lambda: app.state.rig.camera.em_gain == 2.0, "the gain")

    rig = app.state.rig
    app.state.rig_changed.emit(replace(rig, camera=replace(rig.camera, temperature_c=-20.0)))
    assert app.views.status.concern("sensor") == "warning"
    app.commands.snap()
    wait_for(lambda: app.state.frame is not None, "a picture")
    bright = replace(app.state.frame, pixels=np.full((512, 512), 65535, np.uint16), em_gain=2.0)
    app.presenters[0]._watched_s = 0.0
    app.state.frame_arrived.emit(bright)
    assert app.views.status.concern("sensor") == "bad"
    assert app.views.status.value("sensor") == "saturated"
    go_to_what_was_seen(app)


def go_to_what_was_seen(app: App) -> None:
    """A double click in Live centres what was clicked; keys step by a field; the map keeps what was seen."""
    wait_for(lambda: app.views.map.next.overview.boxes(), "the picture on the map")

    def reached(x_um: float, y_um: float) -> bool:
        return app.state.rig.xy_um == pytest.approx((x_um, y_um), abs=0.1)

    um = app.state.frame.pixel_size_um
    app.views.live.centre_requested.emit(app.state.frame, 356.0, 56.0)
    wait_for(lambda: reached(100 * um, -200 * um), "the stage to come there")
    app.window.actions_["step_left"].trigger()
    wait_for(lambda: reached(-412 * um, -200 * um), "a step")
    app.views.map.move_requested.emit(20.0, 30.0)
    wait_for(lambda: reached(20.0, 30.0), "the stage to come back")
    app.views.map.move_requested.emit(99_000.0, 0.0)
    wait_for(lambda: "lies outside the stage's limits" in notices(app), "the limit")
    app.window.actions_["forget_overview"].trigger()
    assert not app.views.map.next.overview.boxes()


def test_a_section_and_the_end_of_the_rig_stop_a_search(ready: App):
    app = ready
    app.setup.change(plan=PlanChoice(n_fields=1, area_um=(3000.0, 3000.0)))
    wait_for(lambda: app.window.actions_["start"].isEnabled(), "Start")
    button(app, "Find tissue").click()
    start(app)
    assert "was stopped" in notices(app)
    assert not button(app, "Find tissue").isChecked()
    finish(app)
    assert outline(app) == ()
    button(app, "Find tissue").click()
    app.commands.close_rig()
    wait_for(lambda: not app.rig.busy, "the rig to be closed")
    assert app.rig.loaded is None
    assert notices(app).count("was stopped") == 2

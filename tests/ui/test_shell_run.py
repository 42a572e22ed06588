"""Sections from Start to their end, on the real demo camera: paused, stopped, failed, closed, corrected, reported."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
from find import find
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QLineEdit, QMessageBox, QPushButton, QWidget
from shell_parts import finish, name_section, notices, start, wait_for, wait_until_held
from storage_cases import change_facts

from hcc_scope.formatting import format_score
from hcc_scope.inference.card import read_card, write_card
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.report.pictures import section_picture
from hcc_scope.research_use import PHANTOM_SENTENCE, PHANTOM_TRAINING
from hcc_scope.storage.notes import read_notes
from hcc_scope.storage.reader import open_store
from ui.control.section_request import PlanChoice
from ui.devices.device_action import DeviceAction
from ui.kit.symbols import SignedLine
from ui.models_presenter import _with_failed_test, _with_test
from ui.shell.plan_dialog import PlanDialog

if TYPE_CHECKING:
    import pytest
    from pytestqt.qtbot import QtBot

    from hcc_scope.report.summary import SectionReport
    from ui.app import App


def reports(app: App) -> list[SectionReport]:
    got: list[SectionReport] = []
    app.state.run_finished.connect(got.append)
    return got


def words_of(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel))


def test_a_section_from_start_to_its_report(ready: App, monkeypatch: pytest.MonkeyPatch):
    opened: list[str] = []
    monkeypatch.setattr("ui.commands.QDesktopServices.openUrl", lambda url: opened.append(url.toLocalFile()))
    got = reports(ready)
    start(ready)
    for name in ("open_rig", "close_rig", "live", "snap", "start", "plan"):
        assert not ready.window.actions_[name].isEnabled(), name
    finish(ready)
    (report,) = got
    assert report.outcome.state == "completed"
    assert report.outcome.counts.classified == 6
    assert report.outcome.score.score is not None
    score = report.outcome.score
    assert format_score(score.score, score.threshold) in words_of(ready.views.score)
    wait_for(lambda: len(ready.views.map.fields.fields) == 6, "all fields on the map")
    ready.window.tabs.setCurrentWidget(ready.views.tiles)
    wait_for(lambda: ready.views.tiles.model.rowCount() == 6, "all tiles in the gallery")
    wait_for(lambda: not ready.jobs.n_open, "the whole course: two fields may come between two polls")
    course = ready.state.course.as_array()
    assert ready.window.top.section.value == "S2"  # the next one is suggested
    assert "S1" in ready.window.top.section.history()
    store = open_store(ready.setup.request.out_dir / "M7_S1.ome.zarr")
    assert store.complete
    assert store.n_frames == 6
    assert store.spec.provenance["specimen"] == "synthetic phantom, not tissue"
    assert str(store.path) in ready.settings_store.settings.recent_stores
    stored = section_picture(store.path, threshold=score.threshold).course
    assert stored[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert np.array_equal(course, stored)
    ready.window.actions_["report"].trigger()
    wait_for(lambda: "The report is" in notices(ready), "the report")
    assert opened == [str(store.path.parent / "M7_S1-report.html")]
    ready.commands.add_note()
    ready.run.write_note(store.path, "fold at the upper edge")
    wait_for(lambda: "note is stored" in notices(ready), "the note")
    assert read_notes(store.path)[-1].text == "fold at the upper edge"


def test_the_store_is_never_overwritten_and_is_opened_again_with_its_tiles(ready: App):
    assert ready.rig.loaded is not None
    microscope = ready.rig.loaded.rig.microscope
    microscope.hardware.handling = replace(microscope.handling, em_gain_max=0.5)
    start(ready)
    wait_for(lambda: "An EM gain of 1 is above the rig file's limit of 0.5" in notices(ready), "the warning")
    finish(ready)
    name_section(ready, "M7", "S1")
    wait_for(lambda: "is there already" in ready.action_states.missing, "the check")
    assert not ready.window.actions_["start"].isEnabled()
    ready.views.tiles.clear()
    ready.commands.open_one_store(str(ready.setup.request.out_dir / "M7_S1.ome.zarr"))
    wait_for(lambda: ready.views.replay.opened is not None, "the store to open")
    assert ready.views.tiles.model.rowCount() == 6


def test_pause_resume_and_stop(ready: App):
    got = reports(ready)
    ready.setup.change(plan=PlanChoice(n_fields=500))
    start(ready)
    wait_for(lambda: ready.state.snapshot.counts.acquired >= 2, "fields")
    ready.window.actions_["pause"].trigger()
    wait_for(lambda: ready.state.snapshot.paused, "the pause")
    assert ready.run.phase == "paused"
    wait_for(lambda: ready.rig.light.words.endswith("paused"), "the rig's light")
    ready.window.actions_["pause"].trigger()
    assert ready.run.phase == "running"
    taken = ready.state.snapshot.counts.acquired
    wait_for(lambda: ready.state.snapshot.counts.acquired > taken, "more fields")
    ready.window.actions_["stop"].trigger()
    finish(ready)
    assert got[0].outcome.state == "cancelled"
    counts = got[0].outcome.counts
    assert counts.stored == counts.acquired == counts.classified
    assert "ended early" in notices(ready)


def test_stop_while_it_is_paused_then_hurry_and_the_emergency_stop_end_sections_in_order(ready: App):
    got = reports(ready)
    ready.setup.change(plan=PlanChoice(n_fields=500))
    start(ready)
    ready.window.actions_["pause"].trigger()
    ready.window.actions_["stop"].trigger()
    finish(ready)
    for action in ("skip_analysis", "emergency"):  # the rest is unclassified, but stored
        start(ready)
        wait_for(lambda: ready.state.snapshot.counts.acquired >= 1, "a field")
        ready.window.actions_[action].trigger()
        finish(ready)
        assert got[-1].outcome.counts.stored == got[-1].outcome.counts.acquired >= 1
    assert [one.outcome.state for one in got] == ["cancelled"] * 3


def test_the_last_field_is_excluded_and_brought_back(ready: App):
    got = reports(ready)
    ready.setup.change(plan=PlanChoice(n_fields=500))
    start(ready)
    wait_for(lambda: len(ready.run.run.results) >= 3, "results")
    ready.window.actions_["pause"].trigger()
    wait_until_held(ready)
    # on a busy machine frames are put off: the newest one, which is on the map, is then not the newest with a result
    wait_for(lambda: ready.state.snapshot.counts.pending == 0, "the analysis")
    wait_for(lambda: ready.state.snapshot.counts.deferred == 0, "the analysis of what was put off")
    last = max(ready.run.run.results)
    wait_for(lambda: ready.run.field_on_screen == last, "the last field on the screen")
    ready.window.actions_["exclude"].trigger()
    wait_for(lambda: ready.state.snapshot.score.fields_excluded_by_operator == 1, "the score without it")
    wait_for(lambda: f"Field {last} is excluded" in notices(ready), "the message")
    on_map = ready.views.map.fields.fields
    wait_for(lambda: last in on_map and on_map[last].excluded, "the cross on the map")
    ready.window.actions_["include"].trigger()
    wait_for(lambda: ready.state.snapshot.score.fields_excluded_by_operator == 0, "the score with it")
    ready.window.actions_["exclude"].trigger()
    ready.window.actions_["stop"].trigger()
    finish(ready)
    wait_for(lambda: last in on_map and on_map[last].excluded, "the cross on the map")
    assert got[0].outcome.score.fields_excluded_by_operator == 1
    assert [note.kind for note in read_notes(ready.setup.request.out_dir / "M7_S1.ome.zarr")] == [
        "exclude",
        "include",
        "exclude",
    ]


def test_the_field_on_the_screen_is_excluded_though_it_was_not_analysed_yet(ready: App):
    ready.setup.change(plan=PlanChoice(n_fields=500))
    start(ready)
    wait_for(lambda: ready.state.snapshot.counts.stored >= 3, "stored fields")
    ready.window.actions_["pause"].trigger()
    wait_until_held(ready)
    wait_for(lambda: ready.state.snapshot.counts.stored == ready.state.snapshot.counts.acquired, "the store")
    action = ready.window.actions_["exclude"]
    last = ready.state.snapshot.counts.stored - 1
    wait_for(lambda: ready.run.field_on_screen == last, "the last field on the screen")
    assert action.text() == f"Exclude field {last}"
    assert f"field {last} " in action.toolTip()
    action.trigger()
    wait_for(lambda: f"Field {last} is excluded" in notices(ready), "the message")
    assert ready.run.run.session.excluded == (last,)
    wait_for(lambda: action.text() != f"Exclude field {last}", "another one")
    assert ready.window.actions_["include"].text() == f"Include field {last} again"
    ready.window.actions_["skip_analysis"].trigger()
    finish(ready)


def test_the_last_field_is_excluded_after_the_section_is_complete(ready: App):
    start(ready)
    finish(ready)
    action = ready.window.actions_["exclude"]
    wait_for(lambda: action.text() == "Exclude field 5", "the last field on the screen")
    assert action.isEnabled()
    action.trigger()
    wait_for(lambda: "Field 5 of section M7 S1 is excluded" in notices(ready), "the message")
    assert ready.state.snapshot.score.fields_excluded_by_operator == 1
    store = ready.setup.request.out_dir / "M7_S1.ome.zarr"
    assert [(note.kind, note.seq) for note in read_notes(store)] == [("exclude", 5)]
    ready.window.actions_["include"].trigger()
    wait_for(lambda: "Field 5 of section M7 S1 counts again" in notices(ready), "the message")
    assert ready.state.snapshot.score.fields_excluded_by_operator == 0
    start(ready)
    assert ready.run.last_excluded is None
    finish(ready)


def test_a_device_error_in_the_middle_is_reported_and_the_next_section_works(ready: App):
    got = reports(ready)
    ready.setup.change(plan=PlanChoice(n_fields=500))
    start(ready)
    wait_for(lambda: ready.state.snapshot.counts.stored >= 2, "stored fields")
    loaded = ready.rig.loaded
    assert loaded is not None
    core = loaded.rig.microscope.backend.core
    loaded.rig.microscope.thread.call("breaking it", lambda: core.unload_device("XY"))
    finish(ready)
    assert got[0].outcome.state == "failed"
    assert "failed" in ready.window.notice.text
    assert open_store(ready.setup.request.out_dir / "M7_S1.ome.zarr").n_frames >= 2
    button = ready.window.notice.findChild(QPushButton)
    assert button.text() == "Reconnect rig"
    button.click()
    wait_for(lambda: ready.rig.loaded not in (None, loaded), "the rig that is loaded again")
    ready.setup.change(plan=PlanChoice(n_fields=2))
    start(ready)
    finish(ready)
    assert got[1].outcome.state == "completed"


def test_another_model_and_engine_are_loaded_between_sections(ready: App, tmp_path: Path):
    from hcc_scope.inference.catalogue import find_model

    start(ready)
    finish(ready)
    copy = shutil.copytree(find_model("phantom-meng2019"), tmp_path / "other")
    ready.window.top.set_models([("other", str(copy), "")], str(copy))
    ready.window.top.engine.setCurrentText("openvino")
    start(ready)
    finish(ready)
    facts = open_store(ready.setup.request.out_dir / "M7_S2.ome.zarr").spec.provenance
    assert facts["model_folder"] == str(copy)
    assert facts["engine"] == "openvino"
    assert ready.settings_store.settings.model == str(copy)
    what_does_not_fit_is_shown_when_it_is_chosen(ready, tmp_path)


def what_does_not_fit_is_shown_when_it_is_chosen(ready: App, tmp_path: Path) -> None:
    """A model for another pixel size, and then the rig at another one, in the words of the start."""
    other = Path(shutil.copytree(tmp_path / "other", tmp_path / "coarse"))
    write_card(read_card(other).model_copy(update={"name": "coarse", "pixel_size_um": 0.65}), other)
    ready.models_presenter.add(str(other))
    wait_for(lambda: ready.views.models.reference == str(other), "the model in its tab")
    wait_for(lambda: ready.window.actions_["use_model"].isEnabled(), "Use for sections")
    ready.window.actions_["use_model"].trigger()
    words = "the frames have 0.325 um/px but the model coarse was trained at 0.65 um/px"
    wait_for(lambda: words in ready.action_states.missing, "the mismatch")
    assert not ready.window.actions_["start"].isEnabled()
    assert words[1:] in ready.window.top.model.toolTip()
    page = ready.views.models.page
    assert page is not None
    wait_for(lambda: "does not fit" in page.toPlainText(), "the mismatch in the tab")
    ready.rig.do(DeviceAction(DeviceControls.set_objective, ("10x",)))
    wait_for(lambda: ready.model_check.verdict.tone == "good", "a rig that fits")
    wait_for(lambda: ready.window.actions_["start"].isEnabled(), "Start")
    assert not ready.window.actions_["remove_model"].isEnabled()
    ready.models_presenter._begin("Testing …", lambda _folder: ("fine",), _with_test, _with_failed_test)
    wait_for(lambda: "Passed." in page.toPlainText(), "the self-test")
    write_card(read_card(other).model_copy(update={"description": "trained anew"}), other)
    ready.models.refresh()
    wait_for(lambda: "trained anew" in page.toPlainText(), "the other card")
    assert "Passed." not in page.toPlainText()  # that was another model


def refused_start(app: App) -> None:
    """Press Start, and wait until the section has ended before it began."""
    wait_for(lambda: app.window.actions_["start"].isEnabled(), "Start")
    app.window.actions_["start"].trigger()
    finish(app)
    assert not (app.setup.request.out_dir / "M7_S1.ome.zarr").exists()


def test_what_a_start_finds_wrong_is_reported(ready: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A plan file with a mistake, more fields than fit, and a model that was altered; one after the other."""
    from hcc_scope.inference.catalogue import find_model

    path = tmp_path / "plan.yaml"
    path.write_text("kind: spiral\n")
    ready.setup.change(plan=PlanChoice(kind="file", file=str(path)))
    refused_start(ready)
    assert "plan.yaml" in notices(ready)

    monkeypatch.setattr("hcc_scope.plans.geometry._MAX_LATTICES", 2)  # many draws do not change the answer
    ready.setup.change(plan=PlanChoice(n_fields=2_000))
    refused_start(ready)
    assert "Choose fewer fields under Section > Plan" in notices(ready)
    assert "larger outline" not in notices(ready)

    ready.setup.change(plan=PlanChoice(n_fields=6))
    assert "sha256" not in notices(ready)
    copy = shutil.copytree(find_model("phantom-meng2019"), tmp_path / "altered")
    with (copy / "model.pt").open("ab") as file:
        file.write(b"\0")
    ready.window.top.set_models([("altered", str(copy), "")], str(copy))
    refused_start(ready)
    assert "sha256" in notices(ready)


def test_a_plan_without_its_file_is_refused_before_start(ready: App, qtbot: QtBot):
    dialog = PlanDialog(PlanChoice(kind="file", file=" "), outlined=True, parent=ready.window)
    qtbot.addWidget(dialog)
    chosen: list[PlanChoice] = []
    dialog.chosen.connect(chosen.append)
    problem = find(dialog, QLabel, "What is missing in the plan")
    ok = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)
    assert "Name a plan file" in problem.text()
    assert not ok.isEnabled()
    find(dialog, QLineEdit, "Path of the plan file").setText("plan.yaml")
    assert problem.text() == ""
    ok.click()
    assert chosen[0].file == "plan.yaml"
    ready.setup.choose_plan(PlanChoice(kind="file", file=""))
    assert "plan file" in ready.action_states.missing


def test_a_folder_that_cannot_be_made_is_reported(ready: App, tmp_path: Path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "sections"):
        ready.setup.change(out_dir=folder)
        wait_for(lambda: ready.window.actions_["start"].isEnabled(), "Start")
        ready.window.actions_["start"].trigger()
        finish(ready)
        assert f"Nothing can be stored in {folder}: {tmp_path / 'file'} is no folder" in notices(ready)
    assert "Choose another one with File > Folder for sections." in notices(ready)
    assert "A bug" not in notices(ready)
    ready.setup.change(out_dir=tmp_path / "sections")
    start(ready)
    finish(ready)


def test_a_model_of_a_phantom_scores_no_tissue_in_the_window_unless_it_is_allowed(
    ready: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hcc_scope.research_use._SIMULATED", frozenset())  # as if the demo camera saw a specimen
    ready.window.top.specimen.setCurrentText("Test pattern")
    ready.setup.change(plan=PlanChoice(kind="sequence", n_frames=3))
    wait_for(lambda: ready.window.actions_["start"].isEnabled(), "Start")
    ready.window.actions_["start"].trigger()
    finish(ready)
    assert "is not known to be a phantom" in notices(ready)
    assert "add --allow-phantom-model" in notices(ready)
    assert not (tmp_path / "sections" / "M7_S1.ome.zarr").exists()
    alarm = find(ready.views.score, SignedLine, "Why this score means nothing")
    assert not alarm.isVisible()

    ready.run.allow_phantom_model = True  # as of hcc-scope app --allow-phantom-model
    start(ready)
    assert alarm.text() == PHANTOM_SENTENCE
    finish(ready)
    store = open_store(tmp_path / "sections" / "M7_S1.ome.zarr")
    assert store.n_frames == 3
    assert store.spec.provenance["allow_phantom_model"] is True
    ready.commands.open_one_store(str(store.path))
    wait_for(lambda: ready.focus.on, "the replay")
    assert alarm.text() == PHANTOM_SENTENCE
    assert PHANTOM_TRAINING in words_of(ready.views.score)
    wait_for(lambda: ready.views.replay.classify.start_button.isEnabled(), "the models")
    ready.views.replay.classify.start()  # its own app was not allowed to
    wait_for(lambda: not ready.views.replay.classify.running, "the refusal")
    assert "is not known to be a phantom" in ready.views.replay.classify.state
    ready.views.replay.classify.allow_phantom_model = True
    ready.views.replay.classify.start()
    wait_for(lambda: len(ready.views.replay.opened.analyses) == 2, "the second analysis")
    assert ready.views.replay.section.label.text().count(PHANTOM_SENTENCE) == 2


def test_of_a_stage_at_rest_the_map_shows_one_field(ready: App):
    ready.window.top.specimen.setCurrentText("Test pattern")
    ready.setup.change(plan=PlanChoice(kind="sequence", n_frames=40))
    start(ready)
    finish(ready)
    assert open_store(ready.setup.request.out_dir / "M7_S1.ome.zarr").n_frames == 40
    wait_for(lambda: len(ready.views.map.fields.fields) == 1, "the place")


# --- closing ---


def test_closing_during_a_section_asks_and_finishes_cleanly(ready: App):
    got = reports(ready)
    ready.setup.change(plan=PlanChoice(n_fields=500))
    start(ready)
    wait_for(lambda: ready.state.snapshot.counts.acquired >= 1, "a field")
    ready.window.close()
    assert ready.window.isVisible()
    question = ready.shutdown.question
    assert question is not None
    _press(question, "Keep on")
    assert ready.run.phase == "running"
    ready.window.close()
    question = ready.shutdown.question
    assert question is not None
    _press(question, "Finish and close")
    wait_for(lambda: not ready.window.isVisible(), "the window to close")
    assert got[0].outcome.counts.classified == got[0].outcome.counts.acquired
    assert open_store(ready.setup.request.out_dir / "M7_S1.ome.zarr").complete


def _press(box: object, text: str) -> None:
    from PySide6.QtWidgets import QMessageBox

    assert isinstance(box, QMessageBox)
    next(button for button in box.buttons() if button.text() == text).click()


def test_what_a_crash_left_is_offered_for_recovery(ready: App):
    start(ready)
    finish(ready)
    store = ready.setup.request.out_dir / "M7_S1.ome.zarr"
    change_facts(store, complete=False)
    assert not open_store(store).complete
    ready.recovery.look()
    wait_for(lambda: "Not ended in order: M7 S1" in ready.window.notice.text, "the offer")
    find(ready.window.notice, QPushButton, "Recover").click()
    wait_for(lambda: "valid again" in notices(ready), "the recovery")
    assert open_store(store).complete


def test_a_section_that_is_being_written_is_not_offered(ready: App):
    from hcc_scope.runs.unfinished import find_unfinished

    ready.setup.change(plan=PlanChoice(n_fields=500))
    start(ready)
    wait_for(lambda: ready.state.snapshot.counts.stored >= 1, "a stored field")
    assert find_unfinished([ready.setup.request.out_dir]) == []


def test_a_section_that_ended_early_is_resumed_and_a_field_of_it_taken_again(ready: App):
    start(ready)
    wait_for(lambda: ready.state.snapshot.counts.acquired >= 2, "two fields")
    ready.window.actions_["pause"].trigger()
    wait_until_held(ready)
    n = ready.state.snapshot.counts.acquired
    wait_for(lambda: ready.state.snapshot.counts.classified == n, "their results")
    wait_for(lambda: ready.run.field_on_screen == n - 1, "the last picture")
    ready.state.result_arrived.emit(ready.run.run.results[0])  # as of one that was deferred
    ready.presenters[1].show_again()
    assert ready.views.quality.quality.seq == n - 1, "the quality of another field"
    ready.window.actions_["stop"].trigger()
    finish(ready)
    store = ready.setup.request.out_dir / "M7_S1.ome.zarr"
    wait_for(lambda: f"{6 - n} of 6 fields of section M7 S1" in ready.window.notice.text, "the offer")
    find(ready.window.notice, QPushButton, "Resume")
    top, replay = ready.window.top, ready.views.replay
    ready.views.open_store(store)
    wait_for(lambda: replay.opened is not None and replay.opened.store.n_frames == n, "the store in Replay")
    ready.views.show_live()
    with patch.object(ready.window.notice, "show_notice", wraps=ready.window.notice.show_notice) as shown:
        ready.resumes.resume_section(str(store))  # as the menu does; the offer goes with it
    shown.assert_called_once_with("info", "Checking every stored frame of M7_S1.ome.zarr …")
    wait_for(lambda: ready.window.findChildren(QMessageBox), "the question")
    (box,) = ready.window.findChildren(QMessageBox)
    assert f"{6 - n} of 6 fields of section M7 S1" in box.text()
    _press(box, "Resume")
    assert (top.animal.value, top.section.value, top.plan.text()) == ("M7", "S1", "rest of its plan")
    assert ready.setup.request.section_id == "S2"
    wait_for(lambda: ready.run.phase == "running", f"the section to go on: {notices(ready)}")
    finish(ready)
    assert open_store(store).n_frames == 6
    assert "left" not in ready.window.notice.text
    assert (top.section.value, top.plan.text()[:15]) == ("S2", "6 random fields")
    wait_for(lambda: not ready.jobs.n_open, "the course of both parts")
    assert ready.state.course.as_array()[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    ready.window.show_view(replay)
    wait_for(lambda: replay.opened.store.n_frames == 6, "Replay to read it again")
    ready.views.show_live()
    assert ready.run.why_no_retake() == ""
    ready.run.retake(1, "a bubble")
    wait_for(lambda: ready.run.active, f"the retake: {notices(ready)}")
    finish(ready)
    assert [(note.seq, note.replaces, note.text) for note in read_notes(store)] == [(6, 1, "a bubble")]
    assert dict(ready.state.snapshot.score.retaken) == {1: 6}
    assert open_store(store).recorded.state == "completed"


def test_what_was_away_for_a_moment_keeps_no_section_from_starting(ready: App, tmp_path: Path):
    model, plan, away = tmp_path / "model", tmp_path / "plan.yaml", tmp_path / "away"
    wait_for(lambda: bool(ready.models.entries), "the models")
    shutil.copytree(ready.models.entries[0].folder, model)
    plan.write_text("kind: positions\npositions_um: [[0, 0]]\n", encoding="utf-8")
    ready.setup.change(model=str(model), plan=PlanChoice("file", file=str(plan)))
    wait_for(lambda: ready.model_check.fit is not None and not ready.action_states.missing, "Start")
    away.mkdir()
    for one in (model, plan):  # as a drive that is pulled out
        one.rename(away / one.name)
    ready.model_check.ask_again()
    ready.setup.change(seed=2)
    wait_for(lambda: str(plan) in ready.setup.plan_problem, "the refusal of the plan")
    wait_for(lambda: str(model) in ready.model_check.problem, "the refusal of the model")
    for one in (model, plan):
        (away / one.name).rename(one)
    wait_for(lambda: not ready.action_states.missing, "Start, without a click")

"""The window without a rig: every action, every key, ids, themes, layout, messages."""

from __future__ import annotations

import logging
import shutil
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from find import find
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction, QStatusTipEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QFileDialog,
    QLineEdit,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QWidget,
)
from shell_parts import close, name_section, notices, running_app, wait_for

from hcc_scope.errors import StoreUnwritableError
from hcc_scope.research_use import PHANTOM_TRAINING
from ui.control.field_spot import FIELD_ENTRIES
from ui.control.rig_control import RigLight
from ui.control.section_request import next_id
from ui.kit.theme import colours
from ui.shell.action_specs import SPECS
from ui.shell.messages import LEVELS, Message
from ui.shell.note_dialog import NoteDialogs
from ui.shell.shortcuts_dialog import keys_of
from ui.views import LOW_PX

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from ui.app import App

NEEDS_RIG = {"reconnect", "close_rig", "live", "snap", "references", "emergency", "start", "continue", "resume"} | {
    "save_plan", "export_positions", "mark_here", "go_there", "quick_scan",
    "step_left", "step_right", "step_up", "step_down",
}  # fmt: skip
NEEDS_SECTION = {"pause", "stop", "skip_analysis", "exclude", "include", "note", "report", *FIELD_ENTRIES}
NEEDS_SECTION |= {"label_low", "label_high", "label_out"}
NEEDS_CHOICE = {spec.name for spec in SPECS if spec.menu == "library"} - {"library_folder"}
NEEDS_MODEL = {spec.name for spec in SPECS if spec.menu == "model"} - {"add_model"}
"""One that is selected in the tab Models."""


def dialogs(shell: App) -> list[QDialog]:
    return [one for one in shell.window.findChildren(QDialog) if one.isVisible()]


def test_it_starts_with_the_welcome_page(shell: App):
    assert shell.window.welcome_shown
    wait_for(lambda: "Micro-Manager core" in page_text(shell.window.welcome), "what this computer has")
    assert "phantom-meng2019" in page_text(shell.window.welcome)
    assert "Research use only" in shell.window.windowTitle()


def page_text(widget: QWidget) -> str:
    from PySide6.QtWidgets import QLabel

    return "\n".join(label.text() for label in widget.findChildren(QLabel))


def test_every_action_does_something_harmless_without_a_rig(shell: App, qtbot: QtBot):
    for name in (spec.name for spec in SPECS if spec.name not in {"quit", "open_demo"} | NEEDS_MODEL):
        action = shell.window.actions_[name]
        assert action.isEnabled() == (name not in NEEDS_RIG | NEEDS_SECTION | NEEDS_CHOICE), name
        assert action.toolTip()
        if not action.isEnabled():
            assert "Not now: " in action.toolTip()
        with qtbot.captureExceptions() as errors:
            action.trigger()
            QApplication.processEvents()
            for dialog in dialogs(shell):
                assert dialog.windowTitle()
                dialog.reject()
            if action.isCheckable():
                action.trigger()  # as it was before
        assert errors == [], name
        assert shell.window.isVisible()


def test_every_other_action_of_the_window_can_be_triggered_too(shell: App, qtbot: QtBot):
    shell.window.show_welcome(False)
    ours = {id(shell.window.actions_[spec.name]) for spec in SPECS}
    with qtbot.captureExceptions() as errors:
        for action in shell.window.findChildren(QAction):
            if id(action) in ours or not action.text() or not action.associatedObjects():
                continue  # pyqtgraph has some that cannot be reached
            action.trigger()
            QApplication.processEvents()
            for dialog in dialogs(shell):
                dialog.reject()
    assert errors == []


def test_no_two_actions_share_a_key(shell: App):
    windows_own = [
        keys.toString()
        for action in shell.window.findChildren(QAction)
        if action.shortcutContext() == Qt.ShortcutContext.WindowShortcut
        for keys in action.shortcuts()
    ]
    assert [keys for keys, n in Counter(windows_own).items() if n > 1] == []
    of_widgets = {
        keys.toString()
        for action in shell.window.findChildren(QAction)
        if action.shortcutContext() != Qt.ShortcutContext.WindowShortcut
        for keys in action.shortcuts()
    }
    assert of_widgets.isdisjoint(windows_own), "Qt calls such a key ambiguous and does nothing"


def test_the_cheat_sheet_has_every_key(shell: App):
    shown = {keys for _, rows in keys_of(shell.window, shell.window.actions_) for keys, _ in rows}
    for action in shell.window.findChildren(QAction):
        if action.text() and not action.shortcut().isEmpty():
            assert ", ".join(keys.toString() for keys in action.shortcuts()) in shown, action.text()


def test_what_the_keyboard_reaches_has_a_name_and_a_tooltip_or_a_text(shell: App):
    """A screen reader speaks the name; a person who hovers reads the tooltip."""
    nameless = []
    for kind in (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit):
        for widget in shell.window.findChildren(kind):
            inside = isinstance(widget.parentWidget(), QComboBox | QAbstractSpinBox | QFileDialog)
            if widget.focusPolicy() == Qt.FocusPolicy.NoFocus or inside or widget.objectName().startswith("qt_"):
                continue
            text = widget.text() if isinstance(widget, QAbstractButton) else ""
            if not (widget.accessibleName() or text):
                nameless.append((type(widget).__name__, widget.toolTip()))
    assert nameless == []


def test_ids_are_mandatory_and_checked_as_they_are_typed(shell: App, small_rig: Path):
    from shell_parts import open_rig

    open_rig(shell, small_rig)
    for animal, section, missing in (
        ("", "", "animal id is missing"),
        ("M7", "", "section id is missing"),
        ("M/7", "S1", "'M/7' contains /"),
        ("M7", "CON", "keeps for a device"),
        ("M7", " S1", "starts or ends with a space"),
    ):
        name_section(shell, animal, section)
        assert missing in shell.action_states.missing
        assert not shell.window.actions_["start"].isEnabled()
        assert missing in shell.window.actions_["start"].toolTip()


@pytest.mark.parametrize(
    ("before", "after"), [("S1", "S2"), ("S09", "S10"), ("99", "100"), ("a1b7c", "a1b8c"), ("left", "left"), ("", "")]
)
def test_the_next_section_is_suggested(before: str, after: str):
    assert next_id(before) == after


def test_themes_change_everything_and_are_remembered(shell: App, qapp: QApplication):
    dark = qapp.palette().window().color()
    shell.window.actions_["theme"].trigger()
    assert qapp.palette().window().color() != dark
    assert shell.settings_store.settings.theme == "light"
    shell.window.actions_["theme"].trigger()
    assert qapp.palette().window().color() == dark


def test_the_layout_and_the_rest_come_back(qapp: QApplication, tmp_path: Path):
    del qapp
    with running_app(tmp_path) as first:
        first.window.docks["score"].setFloating(False)
        first.window.docks["quality"].hide()
        first.window.actions_["theme"].trigger()
        first.window.top.engine.setCurrentText("torchscript")
        first.window.resize(1100, 700)
        first.window.actions_["expert"].trigger()  # the layout of Expert mode waits in Operator mode
        close(first)
    with running_app(tmp_path) as second:
        assert second.window.mode == "operator"
        assert second.window.docks["rig"].isHidden()
        second.window.actions_["expert"].trigger()
        assert second.window.docks["rig"].isVisible()
        assert not second.window.docks["quality"].isVisible()
        wait_for(second.window.docks["score"].isVisible, "the docks to part in the wider window")
        assert not second.window.docks["quality"].isVisible()
        assert second.window.theme == "light"
        second.window.actions_["reset_layout"].trigger()
        assert second.window.docks["quality"].isVisible()
        second.window.actions_["theme"].trigger()


@pytest.mark.parametrize("broken", ["{", '{"geometry": "%%%", "layout": "AAAA", "theme": 3}'])
def test_broken_settings_never_keep_it_from_starting(qapp: QApplication, tmp_path: Path, broken: str):
    del qapp
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "settings.json").write_text(broken)
    with running_app(tmp_path) as app:
        assert app.window.isVisible()
        assert "settings.json" in notices(app)


def test_settings_that_cannot_be_written_are_reported_and_the_window_still_closes(qapp: QApplication, tmp_path: Path):
    del qapp
    (tmp_path / "settings").write_text("a file where the folder should be")
    with running_app(tmp_path) as app:
        app.settings_store.change(theme="light")
        app.settings_store.save()
        wait_for(lambda: "cannot be written" in notices(app), "the complaint")
        app.settings_store.change(theme="dark")


def test_nothing_is_cut_off_at_the_smallest_size(shell: App):
    shell.window.resize(1280, 720)
    QApplication.processEvents()
    assert shell.window.width() == 1280
    assert shell.window.height() == 720
    for button in shell.window.top.findChildren(QAbstractButton):
        if button.isVisible():
            assert button.width() >= button.minimumSizeHint().width(), button.text()
            right = button.mapTo(shell.window, QPoint(button.width(), 0)).x()
            assert right <= shell.window.width(), button.text()


def test_the_status_bar_stays_whatever_one_points_at(shell: App):
    QApplication.sendEvent(shell.window, QStatusTipEvent("Show what the camera sees"))
    assert shell.views.status.isVisible()


def test_the_camera_panel_begins_a_region_on_the_live_picture(shell: App):
    shell.window.tabs.setCurrentWidget(shell.views.map)
    for _ in range(2):  # a second time it goes on, and does not end the drawing
        shell.views.devices.camera.roi_draw_requested.emit()
        assert shell.window.shown_tab is shell.views.live
        assert find(shell.views.live, QToolButton, "Draw ROI").isChecked()


def test_a_low_window_gives_the_room_of_the_histogram_to_the_picture(shell: App):
    histogram = find(shell.views.live, QToolButton, "Histogram")
    if not histogram.isChecked():
        histogram.click()
    shell.views.make_room(LOW_PX)
    assert histogram.isChecked()
    for _ in range(2):
        shell.views.make_room(LOW_PX - 1)
        assert not histogram.isChecked()


# --- messages ---


def test_the_key_of_a_panel_brings_it_forward_before_it_hides_it(shell: App):
    window = shell.window
    panel, dock = shell.views.properties, window.docks["properties"]
    (action,) = (one for one in window.findChildren(QAction) if one.shortcut().toString() == "Ctrl+Alt+2")
    window.docks["rig"].raise_()
    QApplication.processEvents()
    assert panel.visibleRegion().isEmpty()  # a tab behind another
    for _ in range(2):
        action.trigger()
        QApplication.processEvents()
        assert not panel.visibleRegion().isEmpty()
        assert action.isChecked()
        action.trigger()
        assert dock.isHidden()
        assert not action.isChecked()


def test_a_button_that_stays_down_has_a_bar(shell: App):
    def foot(button: QToolButton) -> str:
        return button.grab().toImage().pixelColor(button.width() // 2, button.height() - 3).name()

    accent = colours(shell.window.theme).accent
    for name in ("live", "pause"):
        action = shell.window.actions_[name]
        (button,) = (one for one in shell.window.top.findChildren(QToolButton) if one.defaultAction() is action)
        assert foot(button) != accent
        action.setChecked(True)
        assert foot(button) == accent


def test_the_name_of_a_rig_is_not_markup(shell: App):
    shell.window.top.set_rig(RigLight("a<b>c: ready", "good"))
    assert "a&lt;b&gt;c: ready" in page_text(shell.window.top)


def test_a_note_is_written_with_the_keyboard_alone(shell: App, tmp_path: Path):
    written: list[tuple[Path, str]] = []
    notes = NoteDialogs(shell.window, lambda store, _seq, text: written.append((store, text)))
    store = tmp_path / "M7_S1.ome.zarr"
    notes.open(store)
    (dialog,) = dialogs(shell)
    QTest.qWaitForWindowActive(dialog)
    text = find(dialog, QPlainTextEdit, "Note about M7_S1")
    text.setFocus()
    QTest.keyClicks(text, "folded")
    QTest.keyClick(text, Qt.Key.Key_Tab)
    button = dialog.focusWidget()
    assert isinstance(button, QPushButton)
    QTest.keyClick(button, Qt.Key.Key_Space)
    assert written == [(store, "folded")]


def test_messages_are_filtered_and_copied(shell: App, qapp: QApplication):
    for level in LEVELS:
        shell.window.messages.add(Message(level, f"a {level} thing", details="line 1\nline 2"))
    log = shell.window.log
    log.findChild(QComboBox).setCurrentText("Warnings and errors")  # type: ignore[union-attr]  # it has one
    assert "a warning thing" in log.shown_text()
    assert "a error thing" in log.shown_text()
    assert "a info thing" not in log.shown_text()
    log.findChild(QLineEdit).setText("ERROR line")  # type: ignore[union-attr]  # it has one
    assert "a warning thing" not in log.shown_text()
    log.copy.trigger()
    assert "a error thing\nline 1\nline 2" in qapp.clipboard().text()


def test_the_log_of_the_core_arrives_from_any_thread(shell: App):
    import threading

    thread = threading.Thread(
        target=lambda: logging.getLogger("hcc_scope.somewhere").warning("the stage is %s", "slow")
    )
    thread.start()
    thread.join()
    wait_for(lambda: "the stage is slow" in notices(shell), "the record")
    assert shell.window.notice.text == ""  # it is for the log


def test_the_number_of_kept_messages_is_limited(shell: App):
    for n in range(5100):
        shell.window.messages.add(Message("debug", str(n)))
    assert shell.window.messages.rowCount() == 5000
    assert shell.window.messages.message(0).text == "100"


def test_a_bug_of_a_widget_is_shown_with_its_details_and_the_window_continues(shell: App):
    from ui.kit.error_report import describe

    shell.report_error(describe(ZeroDivisionError("division by zero")))
    assert "bug in HCC-Scope" in shell.window.notice.text
    shell.window.log.details.trigger()
    (box,) = shell.window.findChildren(QMessageBox)
    assert "ZeroDivisionError" in box.detailedText()
    box.reject()


# --- stores ---


def test_a_folder_that_is_no_store_is_reported(shell: App, tmp_path: Path):
    (tmp_path / "x.ome.zarr").mkdir()
    shell.commands.open_one_store(str(tmp_path / "x.ome.zarr"))
    wait_for(lambda: "holds no frames" in notices(shell), "the complaint")


def test_a_correction_of_the_run_marks_no_tile_of_a_section_in_replay(shell: App, tmp_path: Path):
    store = shutil.copytree(
        Path(__file__).parents[1] / "data" / "version2_scored.ome.zarr", tmp_path / "M8_S2.ome.zarr"
    )
    shell.commands.open_one_store(str(store))
    tiles = shell.views.tiles.model
    wait_for(tiles.rowCount, "the tiles of the store")
    excluded = [tiles.is_excluded(seq) for seq in range(2)]
    shell.run.excluded_changed.emit(0, True)  # field 0 of the section that was acquired last
    assert [tiles.is_excluded(seq) for seq in range(2)] == excluded == [False, True]


def test_what_the_model_was_trained_on_is_shown_again_after_replay(shell: App):
    card = SimpleNamespace(name="phantom", trained_on=PHANTOM_TRAINING, statement=None, sha256="0" * 64)
    shell.run.model_ready.emit(SimpleNamespace(model=SimpleNamespace(saliency=None, card=card)))
    assert PHANTOM_TRAINING in page_text(shell.views.score)
    shell.focus.set(None, on=True)
    shell.focus.set(None, on=False)
    assert PHANTOM_TRAINING in page_text(shell.views.score)


def test_a_view_is_saved_as_a_picture_or_the_reason_is_shown(
    shell: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shell.window.show_welcome(False)
    for index in range(shell.window.tabs.count() - 1):
        shell.window.tabs.setCurrentIndex(index)
        shell.commands.save_view(str(tmp_path / f"{index}.png"))
        assert (tmp_path / f"{index}.png").stat().st_size > 100
    shell.window.tabs.setCurrentIndex(0)

    def full(_path: Path) -> None:
        raise StoreUnwritableError("the picture cannot be written: no space is left")

    monkeypatch.setattr(shell.views, "export_png", full)
    shell.commands.save_view(str(tmp_path / "no.png"))
    assert "no space is left" in shell.window.notice.text


def test_a_folder_for_sections_is_checked_when_it_is_chosen(shell: App, tmp_path: Path):
    before = shell.setup.request.out_dir
    file = tmp_path / "notes.txt"
    file.write_text("no folder")
    long = tmp_path / ("n" * 300)
    for chosen, why in ((file, "is no folder"), (file / "below", "is no folder"), (long, "name")):
        shell.commands.take_folder(str(chosen))
        wait_for(lambda: not shell.jobs.n_open, "the look at it")
        assert shell.setup.request.out_dir == before
        assert f"Nothing can be stored in {chosen}" in notices(shell)
        assert why in notices(shell)
    good = tmp_path / "good"
    good.mkdir()
    shell.commands.take_folder(str(good))
    wait_for(lambda: shell.setup.request.out_dir == good, "the folder")
    assert list(good.iterdir()) == []


def test_the_title_names_the_program_once(shell: App):
    title = shell.window.windowTitle()
    assert title.count("HCC-Scope") == 1
    assert QApplication.applicationDisplayName() in ("", QApplication.applicationName())  # else Qt adds it to titles


def _answer(app: App, text: str) -> None:
    question = app.shutdown.question
    assert question is not None
    assert question.text() == "A report or a manifest is being written."
    next(button for button in question.buttons() if button.text() == text).click()


def test_closing_while_a_report_is_written_asks_and_waits_for_it(shell: App):
    free, written = threading.Event(), []
    shell.jobs.submit("report", free.wait, written.append)
    shell.window.close()
    _answer(shell, "Keep on")
    shell.window.close()
    _answer(shell, "Finish and close")
    shell.window.close()
    _answer(shell, "Wait")
    assert shell.window.isVisible()
    free.set()
    wait_for(lambda: not shell.window.isVisible(), "the window to close")
    assert written == [True]


def test_a_report_is_left_undone_if_the_operator_says_so(shell: App):
    free = threading.Event()
    shell.jobs.submit("report", free.wait)
    shell.window.close()
    _answer(shell, "Close without it")
    wait_for(lambda: not shell.window.isVisible(), "the window to close")
    free.set()

"""F9, F10 and Ctrl+Z in dialogs, and their messages when they cannot be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QLineEdit, QMainWindow, QVBoxLayout

from ui.shell.actions import Actions
from ui.shell.section_keys import SectionKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

CTRL = Qt.KeyboardModifier.ControlModifier


class Desk:
    """A window with its actions and a modal dialog with a text field over it."""

    def __init__(self, qtbot: QtBot) -> None:
        self.window = QMainWindow()
        qtbot.addWidget(self.window)
        self.actions = Actions(self.window, "dark")
        self.messages: list[str] = []
        self.done: list[str] = []
        self.keys = SectionKeys(self.actions, lambda _level, text: self.messages.append(text), self.window)
        for name in ("pause", "stop", "exclude", "start"):
            self.actions[name].triggered.connect(lambda _checked=False, name=name: self.done.append(name))
        self.dialog = QDialog(self.window)
        self.text = QLineEdit()
        QVBoxLayout(self.dialog).addWidget(self.text)
        self.window.show()
        self.dialog.open()
        qtbot.waitExposed(self.dialog)
        self.text.setFocus()


@pytest.fixture
def desk(qtbot: QtBot) -> Iterator[Desk]:
    desk = Desk(qtbot)
    desk.keys.begin()
    yield desk
    desk.keys.end()
    desk.dialog.close()


@pytest.mark.parametrize(("key", "name"), [(Qt.Key.Key_F9, "pause"), (Qt.Key.Key_F10, "stop")])
def test_the_sections_keys_work_in_a_dialog(qtbot: QtBot, desk: Desk, key: Qt.Key, name: str):
    qtbot.keyClick(desk.text, key)
    assert desk.done == [name]
    assert desk.messages == []


@pytest.mark.parametrize(("key", "name"), [(Qt.Key.Key_F9, "pause"), (Qt.Key.Key_F10, "stop")])
def test_a_key_that_cannot_be_done_states_the_reason(qtbot: QtBot, desk: Desk, key: Qt.Key, name: str):
    desk.actions.enable(name, "the section is being started or ended")
    for widget in (desk.text, desk.window):
        qtbot.keyClick(widget, key)
    text = f"{desk.actions[name].text()} ({'F9' if name == 'pause' else 'F10'}) cannot be done now."
    assert desk.messages == [f"{text} The section is being started or ended."] * 2
    assert desk.done == []


def test_ctrl_z_takes_back_typing_in_a_text_and_a_field_elsewhere(qtbot: QtBot, desk: Desk):
    qtbot.keyClicks(desk.text, "abc")
    qtbot.keyClick(desk.text, Qt.Key.Key_Z, CTRL)
    assert desk.text.text() == ""
    assert desk.done == []
    qtbot.keyClick(desk.dialog, Qt.Key.Key_Z, CTRL)
    assert desk.done == []  # the focus is still in the text
    desk.text.setReadOnly(True)
    desk.done.clear()
    qtbot.keyClick(desk.dialog, Qt.Key.Key_Z, CTRL)
    assert desk.done == ["exclude"]


def test_start_does_not_work_from_a_dialog_but_states_why_it_cannot(qtbot: QtBot, desk: Desk):
    qtbot.keyClick(desk.text, Qt.Key.Key_F8)
    assert desk.done == []
    desk.actions.enable("start", "no rig is open")
    qtbot.keyClick(desk.text, Qt.Key.Key_F8)
    assert desk.messages == ["Start (F8) cannot be done now. No rig is open."]

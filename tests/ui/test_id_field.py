"""The field for an id and the ids that it offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QWidget

from ui.shell.id_field import IdField

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def test_a_click_into_another_field_goes_there_while_ids_are_offered(qtbot: QtBot):
    window = QWidget()
    qtbot.addWidget(window)
    animal, section = IdField("animal id", ["M20", "M2"], "dark"), IdField("section id", [], "dark")
    row = QHBoxLayout(window)
    row.addWidget(animal)
    row.addWidget(section)
    with qtbot.waitExposed(window):
        window.show()
    window.activateWindow()
    animal.begin_edit()
    qtbot.keyClicks(animal.lineEdit(), "M2")
    popup = animal.completer().popup()
    qtbot.waitUntil(popup.isVisible)
    there = section.lineEdit().mapToGlobal(section.lineEdit().rect().center())
    left = Qt.MouseButton.LeftButton
    press = QMouseEvent(
        QEvent.Type.MouseButtonPress, QPointF(popup.mapFromGlobal(there)), QPointF(there), left, left,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(popup, press)  # as of a window that holds the mouse
    qtbot.waitUntil(lambda: not popup.isVisible())
    qtbot.waitUntil(lambda: QApplication.focusWidget() is section.lineEdit() or section.hasFocus())
    qtbot.keyClicks(QApplication.focusWidget(), "S1")
    assert (animal.value, section.value) == ("M2", "S1")


def test_the_offered_ids_are_closed_when_the_section_begins(qtbot: QtBot):
    field = IdField("section id", ["S01"], "dark")
    qtbot.addWidget(field)
    with qtbot.waitExposed(field):
        field.show()
    field.begin_edit()
    qtbot.keyClicks(field.lineEdit(), "S0")
    popup = field.completer().popup()
    qtbot.waitUntil(popup.isVisible)
    field.setEnabled(False)  # Start was pressed as a key
    assert not popup.isVisible()


def test_a_long_id_shows_its_beginning_and_whole_as_a_tip(qtbot: QtBot):
    field = IdField("animal id", [], "dark")
    qtbot.addWidget(field)
    long = "-".join(["colony"] * 12)
    field.set_value(long)
    assert field.lineEdit().cursorPosition() == 0
    assert long in field.toolTip()
    field.remember(long)
    assert field.lineEdit().cursorPosition() == 0

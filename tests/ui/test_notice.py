"""Notices: none is lost behind a graver one, and none lies over controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from find import find
from PySide6.QtCore import QRect
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QVBoxLayout, QWidget

from ui.kit.labels import announce
from ui.shell.notice import NoticeBar

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def centre(qtbot: QtBot) -> QWidget:
    """Return a picture between two rows of controls, and a bar over all of it."""
    centre = QWidget()
    qtbot.addWidget(centre)
    column = QVBoxLayout(centre)
    picture = QLabel("picture")
    column.addWidget(QPushButton("above"))
    column.addWidget(picture, 1)
    column.addWidget(QPushButton("below"))
    bar = NoticeBar("dark", centre)
    bar.over = lambda: picture
    centre.resize(500, 300)
    centre.show()
    return centre


def bar_of(centre: QWidget) -> NoticeBar:
    return centre.findChild(NoticeBar)


def test_a_notice_lies_over_the_picture_and_over_no_control(centre: QWidget):
    bar = bar_of(centre)
    bar.show_notice("warning", "The disk is nearly full: " + "some more words, " * 8)
    for size in ((500, 300), (420, 260), (900, 500)):
        centre.resize(*size)
        centre.layout().activate()
        QApplication.processEvents()  # it finds its place once the layout is done
        assert bar.isVisible()
        for button in centre.findChildren(QPushButton):
            if button.parent() is centre:
                assert not button.geometry().intersects(bar.geometry())
        assert QRect(0, 0, *size).contains(bar.geometry())
    assert bar.over().geometry().bottom() - bar.geometry().bottom() >= 48  # a high picture shows its scale bar


def test_a_notice_that_arrives_during_an_error_is_shown_after_it(centre: QWidget):
    bar = bar_of(centre)
    bar.show_notice("error", "The camera does not answer.")
    bar.show_notice("info", "Picture saved.")
    bar.show_notice("warning", "The disk is nearly full.")
    assert bar.text == "The camera does not answer."
    assert find(bar, QLabel, "Number of further notices").text() == "2 more"
    shown = []
    while bar.text:
        shown.append(bar.text)
        bar.put_away()
    assert shown == ["The camera does not answer.", "The disk is nearly full.", "Picture saved."]


def test_an_offer_is_still_there_after_an_error(centre: QWidget):
    bar, done = bar_of(centre), []
    bar.show_notice("warning", "Not ended in order: M7 S1.", "Recover", lambda: done.append(1))
    bar.show_notice("error", "The rig cannot be opened.", "Details", lambda: done.append(2))
    bar.put_away()
    assert bar.text == "Not ended in order: M7 S1."
    find(bar, QPushButton, "Recover").click()
    assert done == [1]
    assert bar.text == ""


def test_a_repeated_notice_is_shown_once_and_plain_text_yields(centre: QWidget):
    bar = bar_of(centre)
    bar.show_notice("info", "one")
    bar.show_notice("info", "two")
    assert bar.text == "two"
    bar.show_notice("error", "three")
    bar.show_notice("error", "three")
    bar.put_away()
    assert bar.text == ""


def test_a_notice_is_read_out_when_it_appears(centre: QWidget, monkeypatch: pytest.MonkeyPatch):
    heard: list[tuple[str, bool]] = []

    def listen(widget: QWidget, text: str, *, urgent: bool) -> None:
        announce(widget, text, urgent=urgent)
        heard.append((text, urgent))

    monkeypatch.setattr("ui.shell.notice.announce", listen)
    bar = bar_of(centre)
    bar.show_notice("error", "The camera does not answer.")
    bar.show_notice("info", "Picture saved.")  # waits
    assert heard == [("The camera does not answer.", True)]
    bar.put_away()
    assert heard[1:] == [("Picture saved.", False)]


def test_a_notice_that_no_longer_holds_is_taken_back(centre: QWidget):
    bar = bar_of(centre)
    for text in ("first", "second", "third"):
        bar.show_notice("warning", text)
    bar.withdraw("second")
    bar.withdraw("third")
    assert bar.text == "first"
    bar.withdraw("first")
    assert bar.text == ""

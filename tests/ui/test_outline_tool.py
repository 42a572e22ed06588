"""The outline on the map: its steps without a window, then drawn and mended by mouse and by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from find import find
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton

from ui.kit.controls import ElidedLabel
from ui.map.map_tab import SectionMapTab
from ui.map.outline_edit import OutlineEdit

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

SQUARE = ((0.0, 0.0), (1000.0, 0.0), (1000.0, 800.0), (0.0, 800.0))


def test_corners_are_added_until_the_first_one_is_clicked_again():
    edit = OutlineEdit()
    edit.begin(())
    for x, y in SQUARE:
        edit.click(x, y, 10.0)
    assert "open" in edit.problem
    edit.click(3.0, -4.0, 10.0)
    assert (edit.closed, tuple(edit.corners), edit.problem) == (True, SQUARE, "")
    for _ in range(5):
        edit.undo()
    assert not edit.corners
    assert not edit.can_undo


def test_an_edge_takes_a_corner_and_a_corner_goes():
    edit = OutlineEdit()
    edit.begin(SQUARE)
    edit.click(500.0, 6.0, 10.0)
    assert edit.corners[1] == (500.0, 6.0)
    assert edit.chosen == 1
    edit.click(500.0, 400.0, 10.0)  # in the middle of nothing
    assert edit.chosen is None
    edit.delete()
    assert len(edit.corners) == 5
    edit.step(1)
    edit.step(1)
    edit.delete()
    assert tuple(edit.corners) == SQUARE
    edit.undo()
    edit.undo()
    assert tuple(edit.corners) == SQUARE
    for _ in range(2):
        edit.step(-1)
        edit.delete()
    assert (edit.closed, len(edit.corners)) == (False, 2)


def test_a_drag_is_one_step_however_long_it_is():
    edit = OutlineEdit()
    edit.begin(SQUARE)
    assert not edit.grab(500.0, 400.0, 10.0)
    assert edit.grab(1001.0, 799.0, 10.0)
    for x in range(5):
        edit.drag(1000.0 + x, 900.0)
    edit.drop()
    assert edit.corners[2] == (1004.0, 900.0)
    edit.undo()
    assert tuple(edit.corners) == SQUARE
    assert edit.grab(0.0, 0.0, 10.0)  # held and let go: nothing changed, and nothing to undo
    edit.drop()
    assert not edit.can_undo


def test_edges_that_cross_are_named_with_the_place():
    edit = OutlineEdit()
    edit.begin(SQUARE)
    edit.grab(1000.0, 0.0, 10.0)
    edit.drag(-500.0, 400.0)
    assert edit.crossing is not None
    assert "edges 2 and 4 of the outline cross at x = 0, y = " in edit.problem


# --- on the map ---


@pytest.fixture
def tab(qtbot: QtBot) -> SectionMapTab:
    tab = SectionMapTab()
    qtbot.addWidget(tab)
    tab.resize(1000, 700)
    tab.show()
    tab.set_plan(None, SQUARE, (100.0, 100.0))
    return tab


def button(tab: SectionMapTab, name: str) -> QAbstractButton:
    return find(tab, QAbstractButton, name)


def about(tab: SectionMapTab) -> str:
    return find(tab, ElidedLabel, "Progress of the section").whole_text()


def place(tab: SectionMapTab, x_um: float, y_um: float) -> QPoint:
    x, y = tab.view.viewport.to_screen(x_um, y_um)
    return QPoint(round(x), round(y))


def drag(tab: SectionMapTab, start: tuple[float, float], end: tuple[float, float]) -> None:
    left = Qt.MouseButton.LeftButton
    QTest.mousePress(tab.view, left, pos=place(tab, *start))
    QTest.mouseMove(tab.view, place(tab, *end))
    QTest.mouseRelease(tab.view, left, pos=place(tab, *end))


def test_an_outline_is_mended_with_the_mouse_and_taken_when_it_is_finished(qtbot: QtBot, tab: SectionMapTab):
    drawn: list[tuple[tuple[float, float], ...]] = []
    tab.outline_drawn.connect(drawn.append)
    tab.set_search("Looking for tissue")
    assert not button(tab, "Edit outline").isEnabled()
    tab.set_search("")
    with qtbot.waitSignal(tab.outline_editing, check_params_cb=lambda on: on):
        button(tab, "Edit outline").click()
    before = tab.view.viewport
    drag(tab, (1000, 800), (900, 600))
    assert tab.view.viewport == before  # it did not pan
    near = 2 / before.scale
    assert tab._tools.outline.corners_um[2] == pytest.approx((900, 600), abs=near)
    QTest.mouseClick(tab.view, Qt.MouseButton.LeftButton, pos=place(tab, 500, 0))
    assert len(tab._tools.outline.corners_um) == 5
    qtbot.keyClick(tab.view, Qt.Key.Key_Delete)
    assert len(tab._tools.outline.corners_um) == 4
    assert "Outline of 4 corners" in about(tab)
    button(tab, "Edit outline").click()
    assert len(drawn) == 1
    assert drawn[0][2] == pytest.approx((900, 600), abs=near)
    assert not button(tab, "Delete corner").isVisible()
    drag(tab, (500, 400), (520, 420))
    assert tab.view.viewport != before  # a drag pans again


def test_an_outline_that_crosses_itself_is_not_taken(tab: SectionMapTab):
    drawn: list[object] = []
    tab.outline_drawn.connect(drawn.append)
    edit = button(tab, "Edit outline")
    edit.click()
    drag(tab, (1000, 0), (-100, 400))
    assert "Edges 2 and 4 of the outline cross at x = " in about(tab)
    edit.click()
    assert edit.isChecked()
    assert not drawn
    button(tab, "Undo corner").click()
    edit.click()
    assert not edit.isChecked()
    assert not drawn  # as it was before


def test_an_outline_is_drawn_and_moved_by_keys_alone(qtbot: QtBot, tab: SectionMapTab):
    drawn: list[tuple[tuple[float, float], ...]] = []
    tab.outline_drawn.connect(drawn.append)
    tab.set_outline(())
    tab.activateWindow()
    tab.view.setFocus()
    qtbot.keyClick(tab.view, Qt.Key.Key_E)
    assert about(tab) == "Click the first corner of the outline."
    qtbot.keyClick(tab.view, Qt.Key.Key_Insert)
    first = tab._tools.outline.corners_um
    assert len(first) == 4
    qtbot.keyClick(tab.view, Qt.Key.Key_Period)
    qtbot.keyClick(tab.view, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert tab._tools.outline.corners_um[1][0] == pytest.approx(first[1][0] + 10 / tab.view.viewport.scale)
    assert "Corner 2 is chosen" in tab.view.describe()
    qtbot.keyClick(tab.view, Qt.Key.Key_Insert)
    assert len(tab._tools.outline.corners_um) == 5
    qtbot.keyClick(tab.view, Qt.Key.Key_U)
    qtbot.keyClick(tab.view, Qt.Key.Key_E)
    assert len(drawn) == 1
    assert len(drawn[0]) == 4


def test_escape_takes_back_what_was_changed_and_a_section_locks_the_outline(qtbot: QtBot, tab: SectionMapTab):
    button(tab, "Edit outline").click()
    button(tab, "Clear outline").click()
    qtbot.keyClick(tab.view, Qt.Key.Key_Escape)
    assert not button(tab, "Edit outline").isChecked()
    button(tab, "Edit outline").click()
    assert tab._tools.outline.corners_um == SQUARE
    tab.set_outline_allowed(False)
    assert not button(tab, "Edit outline").isChecked()
    assert not button(tab, "Edit outline").isEnabled()

"""The fields of a list on the map: their steps without a window, then by mouse and by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from find import find
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton

from hcc_scope.orientation import Orientation
from hcc_scope.plans import Grid, PositionList, RandomFields
from hcc_scope.runs.planned_fields import PlanSite, planned_fields
from hcc_scope.types import StageLimits
from ui.kit.controls import ElidedLabel
from ui.map.fields_edit import FieldsEdit
from ui.map.map_tab import SectionMapTab

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from hcc_scope.plans import Plan

LISTED = PositionList(
    positions_um=((0, 0, 5.0), (300, 0), (600, 0)), labels=("a", "", "c"), xy_stage="XYStage", exposure_ms=20
)
SITE = PlanSite(
    Orientation(), (100, 100), 1.0, 16, (0.0, 0.0), StageLimits((-50, 700), (-400, 400)), 1.0, 0.0, demo=True
)


@pytest.fixture
def edit() -> FieldsEdit:
    edit = FieldsEdit()
    edit.field_um = (100.0, 100.0)
    edit.begin(LISTED)
    return edit


def test_fields_are_added_moved_and_deleted_and_keep_heights_names_and_settings(edit: FieldsEdit):
    assert edit.fields() == LISTED
    edit.click(400.0, 200.0, 5.0)  # nothing is there
    assert edit.chosen == 3
    edit.click(30.0, -30.0, 5.0)
    edit.move(10.0, 0.0)
    edit.add(0.0, 150.0)  # after the chosen one
    edit.step(1)
    edit.delete()
    assert edit.fields().positions_um == ((10.0, 0.0, 5.0), (0.0, 150.0), (600.0, 0.0), (400.0, 200.0))
    assert edit.fields().labels == ("a", "", "c", "")
    assert (edit.fields().xy_stage, edit.fields().exposure_ms) == ("XYStage", 20)
    for _ in range(4):
        edit.undo()
    assert edit.fields() == LISTED
    assert not edit.can_undo
    edit.clear()
    assert edit.fields().positions_um == ()


def test_a_drag_is_one_step_and_does_not_jump(edit: FieldsEdit):
    assert not edit.grab(150.0, 0.0, 5.0)
    assert edit.grab(340.0, 20.0, 5.0)  # 40 and 20 um off its centre
    edit.drag(345.0, 30.0)
    edit.drag(350.0, 40.0)
    edit.drop()
    assert edit.marks[1][:2] == (310.0, 20.0)
    edit.undo()
    assert edit.fields() == LISTED
    edit.grab(0.0, 0.0, 5.0)  # held and let go: nothing to undo
    edit.drop()
    assert not edit.can_undo


def test_the_same_fields_again_can_still_be_undone(edit: FieldsEdit):
    edit.add(900.0, 0.0)
    edit.begin(edit.fields())
    edit.undo()
    assert edit.fields() == LISTED
    edit.begin(PositionList(positions_um=((1, 1),)))
    assert not edit.can_undo


# --- on the map ---


@pytest.fixture
def tab(qtbot: QtBot) -> SectionMapTab:
    tab = SectionMapTab()
    qtbot.addWidget(tab)
    tab.resize(1000, 700)
    tab.show()
    tab.next.set_limits(SITE.limits)
    tab.set_stage(0.0, 0.0)
    plan(tab, LISTED)
    return tab


def plan(tab: SectionMapTab, plan: Plan) -> None:
    planned = planned_fields(lambda: plan, SITE)
    tab.next.show(planned)
    tab.next.offer(planned.as_list, planned.no_list)


def button(tab: SectionMapTab, name: str) -> QAbstractButton:
    return find(tab, QAbstractButton, name)


def about(tab: SectionMapTab) -> str:
    return find(tab, ElidedLabel, "Progress of the section").whole_text()


def place(tab: SectionMapTab, x_um: float, y_um: float) -> QPoint:
    x, y = tab.view.viewport.to_screen(x_um, y_um)
    return QPoint(round(x), round(y))


def test_fields_are_edited_by_mouse_and_keys_and_taken_when_it_is_finished(qtbot: QtBot, tab: SectionMapTab):
    taken: list[PositionList] = []
    tab.fields_edited.connect(taken.append)
    with qtbot.waitSignal(tab.fields_editing):
        button(tab, "Edit fields").click()
    assert not button(tab, "Edit outline").isEnabled()
    left, view = Qt.MouseButton.LeftButton, tab.view.viewport
    QTest.mousePress(tab.view, left, pos=place(tab, 300, 0))
    QTest.mouseMove(tab.view, place(tab, 400, 100))
    QTest.mouseRelease(tab.view, left, pos=place(tab, 400, 100))
    QTest.mouseClick(tab.view, left, pos=place(tab, 100, 150))
    assert tab.view.viewport == view  # nothing panned
    qtbot.keyClick(tab.view, ",")
    assert button(tab, "Delete planned field").isEnabled()
    qtbot.keyClick(tab.view, Qt.Key.Key_Delete)
    assert "3 fields in this order" in about(tab)
    for _ in range(90):
        qtbot.keyClick(tab.view, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert "1 beyond the stage's limits" in about(tab)
    assert taken == []
    qtbot.keyClick(tab.view, "I")
    (fields,) = taken
    near = 2 / view.scale
    assert fields.positions_um[0] == (0.0, 0.0, 5.0)
    assert fields.positions_um[1] == pytest.approx((400, 100), abs=near)
    assert fields.positions_um[2][0] > 700
    assert not button(tab, "Delete planned field").isVisible()


def test_escape_takes_all_back_and_a_mark_is_a_step_of_its_own(qtbot: QtBot, tab: SectionMapTab):
    taken: list[PositionList] = []
    tab.fields_edited.connect(taken.append)
    tab.next.mark(10.0, 20.0)
    assert taken[-1].positions_um[3] == (10.0, 20.0)
    plan(tab, taken[-1])
    button(tab, "Edit fields").click()
    qtbot.keyClick(tab.view, "U")  # the mark
    assert "3 fields" in about(tab)
    qtbot.keyClick(tab.view, Qt.Key.Key_Insert)
    qtbot.keyClick(tab.view, Qt.Key.Key_Escape)
    assert len(taken) == 1
    assert about(tab).startswith("A list of 4 fields of 100 × 100 µm")


def test_a_grid_can_be_edited_and_random_fields_cannot(qtbot: QtBot, tab: SectionMapTab):
    plan(tab, RandomFields(n_fields=2, rectangle_um=(0, 0, 500, 300)))
    assert not button(tab, "Edit fields").isEnabled()
    assert "random fields are left to chance" in button(tab, "Edit fields").toolTip()
    plan(tab, Grid(rectangle_um=(0, 0, 300, 200), overlap=0.0))
    button(tab, "Edit fields").click()
    qtbot.keyClick(tab.view, ".")
    qtbot.keyClick(tab.view, Qt.Key.Key_Delete)
    with qtbot.waitSignal(tab.fields_edited) as edited:
        button(tab, "Edit fields").click()
    assert len(edited.args[0].positions_um) == 5

"""The plan: what the rig can do is offered, and what is typed is taken as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from find import find
from PySide6.QtWidgets import QComboBox, QDialogButtonBox, QLabel, QRadioButton, QSpinBox, QWidget

from hcc_scope.plans import Focusing
from ui.control.section_request import PlanChoice
from ui.shell.plan_dialog import PlanDialog

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.show()
    return parent


def shown(parent: QWidget, choice: PlanChoice, *, has_stage: bool) -> PlanDialog:
    dialog = PlanDialog(choice, outlined=False, parent=parent, has_stage=has_stage)
    dialog.show()
    return dialog


def offered(dialog: PlanDialog) -> list[str]:
    return [radio.text() for radio in dialog.findChildren(QRadioButton) if radio.isVisible()]


def test_on_a_rig_without_a_stage_a_person_goes_to_the_fields(parent: QWidget):
    dialog = shown(parent, PlanChoice(), has_stage=False)
    by_hand = ["Random fields, guided by hand", "Fields of your choice, by hand"]
    assert offered(dialog) == [*by_hand, "Sequence, stage at rest", "Plan file"]
    assert not find(dialog, QSpinBox, "Number of random fields").isVisible()
    find(dialog, QSpinBox, "Number of fields that are drawn").setValue(9)
    assert (dialog.choice().kind, dialog.choice().n_fields) == ("guided", 9)
    next(radio for radio in dialog.findChildren(QRadioButton) if radio.text() == by_hand[1]).setChecked(True)
    assert dialog.choice().kind == "free"


def test_a_rig_with_a_stage_is_offered_all(parent: QWidget):
    dialog = shown(parent, PlanChoice(), has_stage=True)
    assert len(offered(dialog)) == 5
    assert dialog.choice() == PlanChoice()


@pytest.mark.parametrize(("kind", "name"), [("random", "Number of random fields"), ("sequence", "Number of frames")])
def test_a_number_that_is_too_large_is_reported_and_not_cut_to_the_digits_that_fit(
    qtbot: QtBot, parent: QWidget, kind: str, name: str
):
    dialog = shown(parent, PlanChoice(kind=kind), has_stage=True)  # type: ignore[arg-type]  # one of its kinds
    box = find(dialog, QSpinBox, name)
    box.selectAll()
    qtbot.keyClicks(box, "30000000")
    assert box.value() == 30_000_000
    ok = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)
    assert not ok.isEnabled()
    assert find(dialog, QLabel, "What is missing in the plan").text().startswith(f"{name}: at most 1")


def test_plans_write_counts_in_the_singular_too():
    assert PlanChoice(n_fields=1).describe(outlined=True) == "1 random field"
    assert PlanChoice(kind="sequence", n_frames=1).describe(outlined=False) == "1 frame at rest"
    assert PlanChoice(area_um=(125_000.0, 6000.0)).describe(outlined=False) == "24 fields in 125000 × 6000 µm"


def test_focusing_is_chosen_with_the_plan(parent: QWidget):
    plane = PlanChoice(focus=Focusing("plane", points=12))
    dialog = PlanDialog(plane, outlined=False, parent=parent)
    assert dialog.choice() == plane
    find(dialog, QComboBox, "Focusing of the fields").setCurrentIndex(2)
    find(dialog, QSpinBox, "Fields from one focusing to the next").setValue(7)
    assert dialog.choice().focus == Focusing("every_k", every_k=7)
    find(dialog, QRadioButton, "Sequence, stage at rest").click()
    assert dialog.choice().focus == Focusing()
    find(dialog, QComboBox, "Focusing of a sequence").setCurrentIndex(1)
    assert dialog.choice().focusing == Focusing("once")


def test_a_rig_without_a_focus_drive_is_not_offered_focusing_and_keeps_the_choice_for_others(parent: QWidget):
    choice = PlanChoice(focus=Focusing("once"))
    dialog = PlanDialog(choice, outlined=False, parent=parent, has_focus=False)
    assert not [box for box in dialog.findChildren(QComboBox) if "Focusing" in box.accessibleName()]
    assert dialog.choice() == choice


def test_plans_state_when_they_focus():
    assert PlanChoice(focus=Focusing("every_k", every_k=5)).describe(outlined=True) == (
        "24 random fields, focused every 5 fields"
    )
    assert PlanChoice(kind="sequence", focus=Focusing("plane")).describe(outlined=True) == "100 frames at rest"

"""Set up a microscope: the answers, the files, and what is shown of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
from find import find
from PySide6.QtWidgets import QComboBox, QLabel, QLineEdit, QPushButton, QTextBrowser, QWidget

from hcc_scope.errors import HccScopeError
from hcc_scope.rig.filling import Filled
from hcc_scope.runs.trial_report import TrialReport
from hcc_scope.workers import Failure, StopToken, attempt
from ui.shell import rig_wizard
from ui.shell.rig_wizard import RigWizard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from ui.app import App

T = TypeVar("T")


class AtOnce:
    """Does work where it is asked for."""

    def submit(
        self, worker: str, fn: Callable[[], T], done: Callable[[T], None], failed: Callable[[str], None]
    ) -> None:
        del worker
        outcome = attempt(fn)
        if isinstance(outcome, Failure):
            failed(str(outcome.error))
        else:
            done(outcome)


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.show()
    return parent


@pytest.fixture
def wizard(parent: QWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RigWizard:
    def tried(rig_file: Path, **_: object) -> TrialReport:
        report = TrialReport(str(rig_file), passed=["one section: 3 random fields"])
        report.filled = [Filled(str(rig_file), 8, "COM port", "Device Manager", "COM1")]
        return report

    monkeypatch.setattr(rig_wizard, "try_rig", tried)  # a process for each would be slow
    made = RigWizard(AtOnce(), tmp_path, parent=parent)
    made.show()
    return made


def choose(wizard: RigWizard, name: str, text: str) -> None:
    box = find(wizard, QComboBox, name)
    box.setCurrentText(text)
    assert box.currentText() == text


def enter(wizard: RigWizard, name: str, text: str) -> None:
    find(wizard, QLineEdit, name).setText(text)


def problem(wizard: RigWizard) -> str:
    return find(wizard, QLabel, "What is missing in the answers").text()


def result(wizard: RigWizard) -> str:
    return find(wizard, QTextBrowser, "What came of it").toPlainText()


def test_only_what_a_stand_needs_is_asked_for(wizard: RigWizard):
    choose(wizard, "Stand", "Demo devices (no microscope)")
    assert not find(wizard, QLineEdit, "Serial port").isVisible()
    assert not find(wizard, QLineEdit, "Micro-Manager").isVisible()
    choose(wizard, "Stand", "Leica DMI3000 B (manual)")
    assert not find(wizard, QLineEdit, "Serial port").isVisible()
    assert find(wizard, QLineEdit, "Micro-Manager").isVisible()
    choose(wizard, "Stand", "Leica DMI6000 B (motorised)")
    assert find(wizard, QLineEdit, "Serial port").isVisible()
    assert problem(wizard) == ""


def test_the_sizes_follow_from_the_camera(wizard: RigWizard):
    choose(wizard, "Stand", "Leica DMI3000 B (manual)")
    choose(wizard, "Camera", "Andor iXon 897")
    enter(wizard, "Objectives", "10X, 20X=0.7")
    sizes = find(wizard, QLabel, "Size of a pixel on the specimen")
    assert sizes.text() == "10X: 1.6 µm/px · 20X: 0.7 µm/px"
    assert find(wizard, QLineEdit, "New rig file").text().endswith("dmi3000b-ixon-897.rig.yaml")


def test_an_answer_that_is_not_understood_is_named_and_nothing_is_written(wizard: RigWizard, tmp_path: Path):
    write = find(wizard, QPushButton, "Write and try")
    enter(wizard, "Objectives", "Plan")
    assert problem(wizard).startswith("the label 'Plan' tells no magnification")
    assert not write.isEnabled()
    enter(wizard, "Objectives", "10X")
    assert write.isEnabled()
    (tmp_path / "mine.rig.yaml").touch()
    enter(wizard, "New rig file", str(tmp_path / "mine"))
    assert problem(wizard).startswith("mine.rig.yaml exists already")
    assert not write.isEnabled()


def test_a_demo_rig_is_written_tried_and_opened(qtbot: QtBot, wizard: RigWizard, tmp_path: Path):
    choose(wizard, "Stand", "Demo devices (no microscope)")
    enter(wizard, "New rig file", str(tmp_path / "mine"))
    find(wizard, QPushButton, "Write and try").click()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.cfg", "mine.rig.yaml"]
    assert "one section: 3 random fields" in result(wizard)
    assert "The rig passes with demo devices." in result(wizard)
    button = find(wizard, QPushButton, "Open this rig")
    assert button.isEnabled()
    with qtbot.waitSignal(wizard.rig_chosen) as chosen:
        button.click()
    assert chosen.args == [str(tmp_path / "mine.rig.yaml")]


def test_while_a_section_is_under_way_nothing_is_written_tried_or_opened(wizard: RigWizard, tmp_path: Path):
    choose(wizard, "Stand", "Demo devices (no microscope)")
    enter(wizard, "New rig file", str(tmp_path / "mine"))
    write = find(wizard, QPushButton, "Write and try")
    wizard.set_section(under_way=True)
    assert problem(wizard) == "A section is under way: wait until it has ended."
    assert not write.isEnabled()
    wizard.set_section(under_way=False)
    assert write.isEnabled()
    write.click()
    button = find(wizard, QPushButton, "Open this rig")
    wizard.set_section(under_way=True)
    assert not button.isEnabled()
    wizard.set_section(under_way=False)
    assert button.isEnabled()


def test_a_section_that_begins_ends_the_trial(parent: QWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def tried(_rig_file: Path, *, stop: StopToken, **_: object) -> TrialReport:
        made.set_section(under_way=True)
        assert stop.requested
        raise HccScopeError("the trial was ended")

    monkeypatch.setattr(rig_wizard, "try_rig", tried)
    made = RigWizard(AtOnce(), tmp_path, parent=parent)
    made.show()
    choose(made, "Stand", "Demo devices (no microscope)")
    find(made, QPushButton, "Write and try").click()
    assert "Not tried, as a section is under way. Afterwards: 'hcc-scope config try --all-twins" in result(made)


def test_a_trial_that_ends_after_the_dialog_was_closed_says_nothing(
    qtbot: QtBot, parent: QWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def tried(_rig_file: Path, **_: object) -> TrialReport:
        with qtbot.waitSignal(made.destroyed):
            made.reject()
        raise HccScopeError("the trial was ended")

    monkeypatch.setattr(rig_wizard, "try_rig", tried)
    made = RigWizard(AtOnce(), tmp_path, parent=parent)
    made.show()
    choose(made, "Stand", "Demo devices (no microscope)")
    made._write_files()


def test_what_is_to_be_filled_in_is_listed_once_and_comes_first(wizard: RigWizard, tmp_path: Path):
    choose(wizard, "Stand", "Leica DMI6000 B (motorised)")
    enter(wizard, "New rig file", str(tmp_path / "mine"))
    find(wizard, QPushButton, "Write and try").click()
    assert "COM port is not filled in yet" in result(wizard)
    assert "COM port is to be filled in, and was taken as" not in result(wizard)
    assert "Fill in what is listed above" in result(wizard)
    assert not find(wizard, QPushButton, "Open this rig").isEnabled()


def test_files_that_cannot_be_written_leave_the_answers_open(
    wizard: RigWizard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(_new: object) -> Path:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr(rig_wizard, "write_new_rig", refuse)
    enter(wizard, "New rig file", str(tmp_path / "mine"))
    find(wizard, QPushButton, "Write and try").click()
    assert "Permission denied" in problem(wizard)
    assert find(wizard, QLineEdit, "Objectives").isEnabled()
    assert find(wizard, QPushButton, "Write and try").isEnabled()


def test_the_welcome_page_opens_one_wizard(shell: App, monkeypatch: pytest.MonkeyPatch):
    button = find(shell.window.welcome, QPushButton, "Set up a microscope …")
    button.click()
    button.click()
    (wizard,) = shell.window.findChildren(RigWizard)
    assert wizard.isVisible()
    run = shell.commands._run
    with monkeypatch.context() as patch:
        patch.setattr(type(run), "active", True)
        run.phase_changed.emit("running")
        assert not find(wizard, QPushButton, "Write and try").isEnabled()
        assert not shell.window.actions_["new_rig"].isEnabled()
    run.phase_changed.emit("idle")
    assert find(wizard, QPushButton, "Write and try").isEnabled()
    shell.commands._close_dialogs()
    assert not wizard.isVisible()
    button.click()
    assert [one for one in shell.window.findChildren(RigWizard) if one.isVisible()] != []

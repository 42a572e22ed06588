"""The dialogs about the health of computer and microscope: control charts, and the examination."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtGui import QColor
from test_accessible_names import nameless, shared_names, silent_values

from benchmarks.qc import GOOD, write_manifest
from hcc_scope.doctor.checks import find_check
from hcc_scope.doctor.examination import examine
from ui.control.app_state import AppState
from ui.control.rig_control import RigControl
from ui.control.run_control import RunControl
from ui.kit.jobs import Jobs
from ui.kit.theme import colours, theme_palette
from ui.shell import doctor_dialog
from ui.shell.doctor_dialog import DoctorDialog
from ui.shell.qc_dialog import QcDialog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QTreeWidget
    from pytestqt.qtbot import QtBot


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    made = Jobs()
    yield made
    assert made.close() == ()


def test_a_section_begins_with_what_was_out(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = AppState(jobs)
    control = RunControl(jobs, state, RigControl(jobs, state, tmp_path))
    messages: list[tuple[str, str]] = []
    state.message.connect(lambda *message: messages.append(message))
    monkeypatch.setattr(AppState, "watch_run", lambda _state, _run: None)
    begun: Any = SimpleNamespace(
        warnings=("Focus of the last section is outside.",), references_note="", session=SimpleNamespace(excluded=())
    )
    control._started(begun)
    state.end()
    assert messages == [("warning", "Focus of the last section is outside.")]


def rows_of(tree: QTreeWidget) -> list[list[str]]:
    """Return the texts of all rows, groups before what is in them."""
    found = []
    for place in range(tree.topLevelItemCount()):
        top = tree.topLevelItem(place)
        assert top is not None
        for item in (top, *(top.child(n) for n in range(top.childCount()))):
            found.append([item.text(column) for column in range(3)])
    return found


def test_the_charts_begin_with_what_is_out(qtbot: QtBot, jobs: Jobs, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for n in range(24):
        focus = 0.03 if n == 23 else 0.06 * float(rng.normal(1, 0.03))
        write_manifest(tmp_path, n, {**GOOD, "focus": focus})
    dialog = QcDialog(tmp_path, jobs)
    qtbot.addWidget(dialog)
    qtbot.waitUntil(lambda: dialog.list.topLevelItemCount() > 0)
    rows = rows_of(dialog.list)
    assert rows[0][0] == "Camera (DemoCamera), 20x, 2048 x 2048 px"
    assert ["Focus", "OUTSIDE", "0.03"] in rows
    assert "24 sections" in dialog.about.text()
    assert dialog.words.text().startswith("Focus, last section: 0.03 (limits 0.0")
    assert dialog.words.text().endswith("Look at the focus, the cover glass and the objective's front lens.")
    assert "Focus: 0.03" in dialog.view.accessibleDescription()
    for theme in ("dark", "light"):  # also when it changes while the dialog is open
        dialog.setPalette(theme_palette(theme))
        assert dialog.view.grab().toImage().pixelColor(1, 1) == QColor(colours(theme).surface)
    assert nameless(dialog) == shared_names(dialog) == silent_values(dialog) == []


def test_a_folder_without_readings_is_a_sentence(qtbot: QtBot, jobs: Jobs, tmp_path: Path) -> None:
    write_manifest(tmp_path, 0, None)
    dialog = QcDialog(tmp_path, jobs)
    qtbot.addWidget(dialog)
    qtbot.waitUntil(lambda: bool(dialog.words.text()))
    assert dialog.words.text() == "No section here has readings of its microscope."
    assert "1 section without readings" in dialog.about.text()


def test_the_examination_shows_each_finding(
    qtbot: QtBot, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tuple(find_check(name) for name in ("versions", "devices", "free_space"))
    monkeypatch.setattr(doctor_dialog, "examine", partial(examine, checks=few))
    dialog = DoctorDialog(tmp_path, [], jobs, "dark")
    qtbot.addWidget(dialog)
    assert not dialog.rig.isEnabled()
    dialog.begin_button.click()
    dialog.begin_button.click()  # once is enough
    qtbot.waitUntil(dialog.begin_button.isEnabled, timeout=30_000)
    assert [row[:2] for row in rows_of(dialog.list)] == [
        ["Versions", "pass"],
        ["Devices load", "not tried"],
        ["Free space", "pass"],
    ]
    assert dialog.words.text() == "3 checks: 2 passed, 1 not tried."
    assert nameless(dialog) == shared_names(dialog) == silent_values(dialog) == []


def test_an_examination_that_is_closed_ends_early(
    qtbot: QtBot, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(*arguments: object, **more: object) -> object:
        results = examine(*arguments, **more)  # type: ignore[arg-type]  # passed on as they are
        made.append(len(results))
        return results

    monkeypatch.setattr(doctor_dialog, "examine", counted)
    dialog = DoctorDialog(tmp_path, ["demo"], jobs, "dark")  # deleted when it closes
    dialog.begin()
    dialog.reject()
    qtbot.waitUntil(lambda: bool(made), timeout=60_000)
    assert made[0] < 5
